package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gaol/internal/control"
	"gaol/internal/event"
)

// A service uses the door; one that cannot begin is a problem that is told, and stops no jail.
func TestServicesRunBesideTheJails(t *testing.T) {
	r := newRunning(t)
	r.start()
	var undo cleanups
	stopped := false
	r.e.o.Services = []Service{
		{"the page", func(Door) (func() error, error) {
			return nil, &control.Error{Msg: "listen on 127.0.0.1:8480: in use", Hint: "write another address"}
		}},
		{"hooks", func(d Door) (func() error, error) {
			ctx, cancel := context.WithCancel(t.Context())
			told := d.Subscribe(ctx, 10)
			if _, err := d.Do(ctx, control.Allow{ID: "203.0.113.9"}); err != nil {
				t.Error(err)
			}
			hear(t, told, event.Allowed)
			cancel()
			return func() error { stopped = true; return errors.New("late") }, nil
		}},
	}
	if err := r.e.startServices(&undo); err != nil {
		t.Fatal(err)
	}
	s := r.do(control.Status{}).Status
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "the page does not run: listen on") {
		t.Errorf("problems %q", s.Problems)
	}
	if err := undo.run(); !stopped || err == nil || err.Error() != "stop hooks: late" {
		t.Errorf("stopped: %v, %v", stopped, err)
	}
	r.fail("203.0.113.7", 3)
	r.wait("Ban 203.0.113.7")
	if j := r.do(control.Status{Brief: true}).Status.Jails[0]; j.CurrentlyBanned != 1 || j.Bans != nil {
		t.Errorf("in brief: %d banned, %v", j.CurrentlyBanned, j.Bans)
	}
	regexes := r.do(control.Status{Brief: true}).Status.Jails[0].Regexes
	found := uint64(0)
	for i, x := range regexes {
		found += x.Failures
		if x.Where == "" || i > 0 && x.Where == regexes[i-1].Where {
			t.Errorf("a failregex without a place of its own: %+v", regexes)
		}
	}
	if found != 3 {
		t.Errorf("3 failures of a known regex, told are %+v", regexes)
	}
	src := r.do(control.Status{}).Status.Jails[0].Sources[0]
	if src.Behind == nil || *src.Behind != 0 {
		t.Errorf("the log is read to its end; behind: %v", src.Behind)
	}
}
