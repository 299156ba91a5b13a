package host

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
)

func TestListInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "staff")
	write := func(text string, stamp int64) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Unix(stamp, 0)); err != nil {
			t.Fatal(err)
		}
	}
	clock := time.Unix(1000, 0)
	l, bad := ParseList([]string{"192.0.2.1 file:" + path}, nil)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	var told []string
	l.Trouble, l.now = func(err error) { told = append(told, err.Error()) }, func() time.Time { return clock }
	holds := func(id string, want bool) {
		t.Helper()
		kind := event.Address
		if strings.Contains(id, "/") {
			kind = event.Network
		}
		entry, ok := l.Contains(id, kind)
		if ok != want || ok && id != "192.0.2.1" && !strings.HasPrefix(entry, "file:"+path+": ") {
			t.Errorf("%s: %q, %v; want %v", id, entry, ok, want)
		}
	}
	holds("192.0.2.1", true)
	holds("203.0.113.1", false) // no such file yet
	if len(told) != 1 {
		t.Errorf("told %q of the missing file", told)
	}
	write("203.0.113.1, 203.0.113.2 # 203.0.113.3\n; 203.0.113.4\n#203.0.113.5\n10.0.0.0/8 2001:db8::/32", 1)
	holds("203.0.113.1", false) // looked at within this second
	clock = clock.Add(time.Second)
	for id, want := range map[string]bool{"203.0.113.1": true, "203.0.113.2": true, "203.0.113.3": false, "203.0.113.4": false,
		"203.0.113.5": false, "10.9.9.9": true, "10.1.0.0/16": true, "2001:db8::9": true, "11.0.0.0/8": false} {
		holds(id, want)
	}
	write("203.0.113.9 nonsense!", 2)
	clock = clock.Add(2 * time.Second)
	holds("203.0.113.9", true)
	holds("203.0.113.1", false)
	if len(told) != 2 || !strings.Contains(told[1], "nonsense!") {
		t.Errorf("told %q of the bad word", told)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(2 * time.Second)
	holds("203.0.113.9", true) // being replaced
	clock = clock.Add(-time.Hour)
	holds("203.0.113.9", true)
	if _, bad := ParseList([]string{"file:staff"}, nil); len(bad) != 1 {
		t.Errorf("a relative path: %v", bad)
	}
}

// Contains waits for nobody once the names were looked up, and a name server that is down takes
// nobody off the list.
func TestListRefresh(t *testing.T) {
	clock := time.Unix(1000, 0)
	r := NewResolver()
	r.now = func() time.Time { return clock }
	answers, fails := map[string]string{"a.example": "192.0.2.1", "b.example": "192.0.2.2"}, error(nil)
	asked := make(chan string, 100)
	r.LookupNetIP = func(_ context.Context, _, name string) ([]netip.Addr, error) {
		asked <- name
		if fails != nil {
			return nil, fails
		}
		return []netip.Addr{netip.MustParseAddr(answers[name])}, nil
	}
	l, _ := ParseList([]string{"a.example b.example"}, r)
	l.Refresh(t.Context())
	if len(asked) != 2 {
		t.Fatalf("%d look-ups", len(asked))
	}
	holds := func(want string) {
		t.Helper()
		got := ""
		for i := range 5 {
			if name, ok := l.Contains(fmt.Sprintf("192.0.2.%d", i), event.Address); ok {
				got += fmt.Sprintf("%d=%s ", i, name)
			}
		}
		if got != want {
			t.Errorf("holds %q, want %q", got, want)
		}
	}
	holds("1=a.example 2=b.example ")
	clock = clock.Add(time.Hour)
	r.cache = map[string]answer{} // others' names drove them out
	fails = errors.New("server misbehaving")
	holds("1=a.example 2=b.example ")
	l.Refresh(t.Context())
	holds("1=a.example 2=b.example ")
	clock, fails, answers["a.example"] = clock.Add(time.Hour), nil, "192.0.2.3"
	if len(asked) != 4 {
		t.Errorf("%d look-ups: Contains asked", len(asked))
	}
	l.Refresh(t.Context())
	holds("2=b.example 3=a.example ")
}
