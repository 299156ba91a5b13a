package control

import (
	"context"
	"errors"
	"testing"
	"time"

	"gaol/internal/event"
)

// teller is a daemon that tells what a test puts into its channel.
type teller struct {
	daemon
	told  chan event.Happening
	heard chan context.Context
}

func (d *teller) Subscribe(ctx context.Context, _ int) <-chan event.Happening {
	d.heard <- ctx
	return d.told
}

func newTeller() *teller {
	return &teller{told: make(chan event.Happening, 10), heard: make(chan context.Context, 1)}
}

func TestEventsArriveAsTold(t *testing.T) {
	d := newTeller()
	c := NewClient(serve(t, d))
	d.told <- event.Happening{What: event.Banned, Jail: "sshd", Ban: &event.Ban{ID: "192.0.2.1", Matches: []string{"a\nb\x1b[2J"}}}
	d.told <- event.Happening{What: event.Banned, Jail: "nginx", Ban: &event.Ban{ID: "192.0.2.2"}}
	d.told <- event.Happening{What: event.Repaired, Reason: "the kernel had lost 1 ban"}
	d.told <- event.Happening{What: event.Stopping}
	var got []event.Happening
	for h, err := range c.Events(t.Context(), Events{Jail: "sshd"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h)
	}
	if len(got) != 3 || got[0].Ban == nil || got[0].Ban.Matches[0] != "a\nb\x1b[2J" || got[1].What != event.Repaired || got[2].What != event.Stopping {
		t.Errorf("heard %+v, want the ban of sshd, the repair and the end", got)
	}
	if asked := d.asked; len(asked) != 1 || asked[0] != (Status{Jail: "sshd"}) {
		t.Errorf("asked %+v, want whether there is such a jail", asked)
	}
}

// A stream outlives the time that a command may take to be read, and ends with its client.
func TestEventsEndWithTheirClient(t *testing.T) {
	d := newTeller()
	c := NewClient(serve(t, d))
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for _, err := range c.Events(ctx, Events{}) {
			if err != nil {
				ended <- err
			}
		}
		ended <- nil
	}()
	served := <-d.heard
	if deadline, ok := served.Deadline(); ok {
		t.Errorf("the stream ends at %v by itself", deadline)
	}
	leave()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	select {
	case <-served.Done():
	case <-time.After(10 * time.Second):
		t.Error("the server did not notice that its client left")
	}
	close(d.told) // ends the handler
}

func TestEventsAreRefusedInWords(t *testing.T) {
	d := newTeller()
	d.err = &Error{Fault: Unknown, Msg: `no jail is called "ssh"`}
	for _, tt := range []struct {
		name  string
		path  string
		fault Fault
	}{
		{"no such jail", serve(t, d), Unknown},
		{"a daemon that tells nothing", serve(t, &daemon{}), Unknown},
		{"nobody there", t.TempDir() + "/none", Absent},
	} {
		n := 0
		for _, err := range NewClient(tt.path).Events(t.Context(), Events{Jail: "ssh"}) {
			n++
			if e := (*Error)(nil); !errors.As(err, &e) || e.Fault != tt.fault {
				t.Errorf("%s: %v, want %s", tt.name, err, tt.fault)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d answers, want one error", tt.name, n)
		}
	}
}
