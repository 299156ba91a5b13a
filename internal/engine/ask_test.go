package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
)

// add puts more options into the jail of sshdJail.
func (r *running) add(options string) {
	r.t.Helper()
	r.write("conf/jail.local", fmt.Sprintf(sshdJail, r.log)+options)
}

// ignorecommand decides with 0 and 1; what fails ignores nobody. A command that hangs holds up
// its own failures only.
func TestIgnoreCommand(t *testing.T) {
	r := newRunning(t)
	hang := r.dir + "/hang"
	if err := syscall.Mkfifo(hang, 0o600); err != nil {
		t.Fatal(err)
	}
	r.write("ask", "case $1 in 203.0.113.1) exit 0;; 203.0.113.3) exit 2;; 203.0.113.4) read x <"+hang+"; exit 0;; esac; exit 1\n")
	r.add("ignorecommand = sh " + r.dir + "/ask <ip>\n")
	r.start()
	r.fail("203.0.113.4", 3)
	r.fail("203.0.113.1", 3)
	r.wait("Ignore 203.0.113.1 by command")
	for _, addr := range []string{"203.0.113.2", "203.0.113.3"} {
		r.fail(addr, 3)
		r.wait("Ban " + addr)
	}
	f, err := os.OpenFile(hang, os.O_WRONLY, 0) // waits for the reader: the command still runs
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	r.wait("Ignore 203.0.113.4 by command")
	if got := r.banned("sshd"); len(got) != 2 {
		t.Errorf("firewall holds %v", got)
	}
}

// With ignorecache an answer serves later failures of the same key.
func TestIgnoreCacheAsksOnce(t *testing.T) {
	r := newRunning(t)
	r.add("ignorecommand = echo <ip> >> " + r.dir + "/asked\nignorecache = key=\"<F-USER>@<ip>\", max-count=10, max-time=1h\n")
	r.start()
	for range 3 {
		r.fail("203.0.113.1", 1)
		r.wait("Ignore 203.0.113.1 by command")
	}
	if got := r.read("asked"); got != "203.0.113.1\n" {
		t.Errorf("asked:\n%s", got)
	}
}

// Names whose server never answers hold up nobody else, and fill no memory; those that are
// answered count for every address.
func TestSlowNamesHoldNothingUp(t *testing.T) {
	r := newRunning(t)
	r.add("usedns = yes\nfailregex = Failed password for \\S+ from <HOST>\n")
	r.start()
	answer := make(chan struct{})
	r.e.find("sshd").call(func() {
		r.e.deps.resolver.LookupNetIP = func(ctx context.Context, _, name string) ([]netip.Addr, error) {
			if strings.HasPrefix(name, "good") {
				return []netip.Addr{netip.MustParseAddr("203.0.113.8"), netip.MustParseAddr("2001:db8::8")}, nil
			}
			select {
			case <-answer:
			case <-ctx.Done():
			}
			return nil, errors.New("no answer")
		}
	})
	r.fail("good.example.org", 3)
	r.wait("Ban 2001:db8::/64")
	for i := range askWaiting + 10 {
		r.fail(fmt.Sprintf("slow%d.example.org", i), 1)
	}
	r.wait("failures were dropped")
	r.fail("203.0.113.9", 3)
	r.wait("Ban 203.0.113.9")
	close(answer)
	if got := r.banned("sshd"); len(got) != 3 || !slices.Contains(got, "203.0.113.8") {
		t.Errorf("firewall holds %v", got)
	}
	if s := r.do(control.Status{Jail: "sshd"}).Status.Jails[0]; s.Dropped == 0 || s.Dropped > 10 {
		t.Errorf("dropped %d", s.Dropped)
	}
}

func TestParseIgnoreCache(t *testing.T) {
	for text, want := range map[string]string{
		"":           " 100 5m0s",
		`key="<ip>"`: "<ip> 100 5m0s",
		`key="<F-USER>@<ip-host>", max-count=7, max-time=10m`: "<F-USER>@<ip-host> 7 10m0s",
		`max-time=30 key=<ip>,max-count=2`:                    "<ip> 2 30s",
		`key='a, b'`:                                          "a, b 100 5m0s",
	} {
		c, err := parseIgnoreCache(text)
		if got := fmt.Sprint(c.key, " ", c.most, " ", c.lasts); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"key", `key="x`, "max-count=5", "key=x, max-count=0", "key=x, max-count=many", "key=x, max-time=soon", "key=x, color=blue"} {
		if _, err := parseIgnoreCache(text); err == nil || !strings.Contains(err.Error(), "ignorecache") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestIgnoreCacheForgets(t *testing.T) {
	c, err := parseIgnoreCache("key=<ip>, max-count=2, max-time=60")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	for i, key := range []string{"a", "b", "c"} {
		c.remember(key, key == "b", at(i))
	}
	for _, one := range []struct {
		key            string
		at             int
		ignored, known bool
	}{{"a", 3, false, false}, {"b", 3, true, true}, {"c", 3, false, true}, {"b", 61, true, false}, {"c", 61, false, true}, {"c", 1, false, false}} {
		if ignored, known := c.recall(one.key, at(one.at)); known != one.known || known && ignored != one.ignored {
			t.Errorf("%+v: %v, %v", one, ignored, known)
		}
	}
}

// What waits is bounded in bytes too: lines are as long as an attacker likes.
func TestAskBoundsBytes(t *testing.T) {
	r := newRunning(t)
	r.start()
	w := r.e.find("sshd")
	line := strings.Repeat("x", 64<<10)
	w.call(func() {
		for i := range 2 * askBytes / len(line) {
			f := event.Failure{ID: "192.0.2.1", Matches: []string{line}}
			w.ask(t.Context(), fmt.Sprint("key ", i), f, func(ctx context.Context) answer {
				<-ctx.Done()
				return func(event.Failure, time.Time) []event.Decision { return nil }
			})
		}
		if w.asks.bytes > askBytes || w.asks.bytes < askBytes-2*len(line) || w.asks.dropped == 0 {
			t.Errorf("%d bytes wait, %d dropped", w.asks.bytes, w.asks.dropped)
		}
	})
}
