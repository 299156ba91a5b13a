package hook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gaol/internal/event"
)

// teller is a bus with one listener.
type teller chan event.Happening

func (t teller) Subscribe(ctx context.Context, _ int) <-chan event.Happening {
	out := make(chan event.Happening)
	go func() {
		defer close(out)
		for {
			select {
			case h := <-t:
				select {
				case out <- h:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func (t teller) ban(ids ...string) {
	for _, id := range ids {
		t <- event.Happening{What: event.Banned, Jail: "sshd", Ban: &event.Ban{ID: id, Matches: []string{"line of " + id + "\n"}}}
	}
}

// place keeps what it is told; while it holds, it takes nothing.
type place struct {
	got  []Bundle
	errs []error // of the next tries
	hold chan bool
}

func (p *place) Name() string { return "place" }
func (p *place) Send(ctx context.Context, b Bundle) error {
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if len(p.errs) > 0 {
		err := p.errs[0]
		p.errs = p.errs[1:]
		if err != nil {
			return err
		}
	}
	p.got = append(p.got, b)
	return nil
}

func options(told *[]string, all ...Sender) Options {
	return Options{
		Senders: all, What: []event.What{event.Banned, event.Leaked}, Every: time.Minute, Host: "jumps",
		Text:  func(h event.Happening) string { return string(h.What) + " " + h.Ban.ID },
		Clean: func(s string) string { return strings.ReplaceAll(s, "\n", "?") },
		Told:  func(msg string, err error) { *told = append(*told, msg+": "+err.Error()) },
	}
}

func titles(all []Bundle) (list []string) {
	for _, b := range all {
		list = append(list, b.Title)
	}
	return list
}

// within runs a test in a bubble whose time is made.
func within(t *testing.T, all []Sender, do func(bus teller, told *[]string)) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		bus := make(teller)
		h := Open(bus, options(&told, all...))
		do(bus, &told)
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheFirstGoesOutAtOnceTheRestTogether(t *testing.T) {
	p := &place{}
	within(t, []Sender{p}, func(bus teller, _ *[]string) {
		bus.ban("192.0.2.1")
		synctest.Wait()
		if got := titles(p.got); !slices.Equal(got, []string{"ban 192.0.2.1 [sshd]"}) {
			t.Errorf("at once: %q", got)
		}
		bus.ban("192.0.2.2", "192.0.2.3")
		bus <- event.Happening{What: event.Leaked, Jail: "sshd", Ban: &event.Ban{ID: "192.0.2.2"}}
		bus <- event.Happening{What: event.Unbanned, Ban: &event.Ban{ID: "192.0.2.1"}}               // nobody asked
		bus <- event.Happening{What: event.Banned, Restored: true, Ban: &event.Ban{ID: "192.0.2.9"}} // not new
		bus <- event.Happening{What: event.Banned, DryRun: true, Ban: &event.Ban{ID: "192.0.2.9"}}   // not true
		bus <- event.Happening{What: event.Missed, Count: 7}
		<-time.After(59 * time.Second)
		synctest.Wait()
		if len(p.got) != 1 {
			t.Errorf("within the minute: %q", titles(p.got))
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if got := titles(p.got[1:]); !slices.Equal(got, []string{"2 ban, 1 leak, 7 more"}) {
			t.Errorf("behind it: %q", got)
		}
		b := p.got[1]
		if len(b.Lines) != 4 || !strings.HasSuffix(b.Lines[0], " ban 192.0.2.2") || b.Lines[3] != "and 7 more" || len(b.Proofs) != 2 || b.Proofs[0].Lines[0] != "line of 192.0.2.2" {
			t.Errorf("lines %q, proofs %q", b.Lines, b.Proofs)
		}
		<-time.After(2 * time.Minute)
		bus.ban("192.0.2.4")
		synctest.Wait()
		if got := titles(p.got[2:]); !slices.Equal(got, []string{"ban 192.0.2.4 [sshd]"}) {
			t.Errorf("after a rest: %q", got)
		}
	})
}

// A place that hangs holds up neither the bus nor another place, and learns what it missed.
func TestASlowPlaceLosesAndIsTold(t *testing.T) {
	slow, quick := &place{}, &place{}
	within(t, []Sender{slow, quick}, func(bus teller, _ *[]string) {
		slow.hold = make(chan bool) // of the bubble
		for i := range 8 {
			bus.ban(fmt.Sprintf("192.0.2.%d", i))
			<-time.After(61 * time.Second)
			synctest.Wait()
		}
		if len(quick.got) != 8 {
			t.Errorf("the quick one got %q", titles(quick.got))
		}
		close(slow.hold)
		synctest.Wait()
		told := 0
		for _, b := range slow.got {
			told += len(b.Items) + b.More
		}
		if last := slow.got[len(slow.got)-1]; last.Title != "ban 192.0.2.7 [sshd]" || told < 7 || len(slow.got) > waiting+1 {
			t.Errorf("the slow one got %q, %d happenings", titles(slow.got), told)
		}
	})
}

func TestFailuresAreTriedAgainAndCounted(t *testing.T) {
	down := errors.New("connection refused")
	p := &place{errs: []error{down, nil, down, down, down, &finalError{errors.New("404")}}}
	within(t, []Sender{p}, func(bus teller, told *[]string) {
		next := func(id string) {
			bus.ban(id)
			<-time.After(2 * time.Minute)
			synctest.Wait()
		}
		next("192.0.2.1") // the second try
		next("192.0.2.2") // none of three
		next("192.0.2.3") // no further try
		next("192.0.2.4")
		if got := titles(p.got); !slices.Equal(got, []string{"ban 192.0.2.1 [sshd]", "ban 192.0.2.4 [sshd]"}) {
			t.Errorf("told %q", got)
		}
		if !slices.Contains(p.got[1].Lines, "before that, 2 could not be told") {
			t.Errorf("lines %q", p.got[1].Lines)
		}
		if len(*told) != 2 || (*told)[0] != "place was not told of ban 192.0.2.2 [sshd]: connection refused" {
			t.Errorf("logged %q", *told)
		}
	})
}

func TestABurstIsBounded(t *testing.T) {
	p := &place{}
	within(t, []Sender{p}, func(bus teller, _ *[]string) {
		for i := range 1000 {
			bus.ban(fmt.Sprintf("10.0.%d.%d", i/250, i%250))
		}
		<-time.After(2 * time.Minute)
		synctest.Wait()
		if b := p.got[1]; len(p.got) != 2 || len(b.Items) != listed || b.More != 999-listed || len(b.Proofs) != proven || b.Title != "200 ban, 799 more" {
			t.Errorf("%d bundles; %d items, %d more, %d proofs, %q", len(p.got), len(b.Items), b.More, len(b.Proofs), b.Title)
		}
	})
}
