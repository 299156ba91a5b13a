package action

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueueIsSerialAndFilesAreParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		qs := NewQueues(t.Context())
		var mu sync.Mutex
		var log []string
		note := func(text string) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, text)
		}
		slow := func(name string, d time.Duration) func(context.Context) {
			return func(context.Context) {
				note("begin " + name)
				<-time.After(d) // of the bubble's own clock
				note("end " + name)
			}
		}
		qs.For("mail.conf").Add(true, slow("mail", time.Minute))
		for _, jail := range []string{"a", "b"} {
			qs.For("iptables.conf").Add(false, slow(jail, time.Second))
		}
		if err := qs.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		log = slices.DeleteFunc(log, func(s string) bool { return s == "begin mail" })
		if want := []string{"begin a", "end a", "begin b", "end b", "end mail"}; !slices.Equal(log, want) {
			t.Errorf("order %q, want %q", log, want)
		}
		if qs.For("iptables.conf").Add(false, func(context.Context) {}) || qs.For("new.conf").Add(false, func(context.Context) {}) {
			t.Error("a closed queue took a job")
		}
	})
}

func TestQueueDropsOldestNotificationsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		qs := NewQueues(t.Context())
		q := qs.For("mail.conf")
		hold := make(chan struct{})
		q.Add(false, func(context.Context) { <-hold })
		synctest.Wait()
		var ran []string
		for i := range NotifyLimit + 5 {
			q.Add(true, func(context.Context) { ran = append(ran, fmt.Sprint("mail ", i)) })
			q.Add(false, func(context.Context) { ran = append(ran, fmt.Sprint("ban ", i)) })
		}
		if waiting, dropped := q.Waiting(); dropped != 5 || waiting != 2*NotifyLimit+5 {
			t.Errorf("%d waiting, %d dropped", waiting, dropped)
		}
		close(hold)
		if err := qs.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"ban 0", "ban 1", "ban 2", "ban 3", "ban 4", "mail 5", "ban 5"}
		if len(ran) != 2*NotifyLimit+5 || !slices.Equal(ran[:7], want) {
			t.Errorf("%d ran, first %q; want %q", len(ran), ran[:7], want)
		}
	})
}

func TestQueueEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		qs := NewQueues(ctx)
		q := qs.For("iptables.conf")
		stuck := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		go cancel()
		if err := q.Do(t.Context(), stuck); !errors.Is(err, context.Canceled) {
			t.Errorf("job in an ended queue: %v", err)
		}
		hold := make(chan struct{})
		q.Add(false, func(context.Context) { <-hold })
		late, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := qs.Close(late); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close beside a job that does not end: %v", err)
		}
		close(hold)
	})
}
