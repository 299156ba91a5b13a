package host

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
)

func TestParseID(t *testing.T) {
	for _, c := range []struct {
		text, id string
		kind     event.IDKind
	}{
		{"192.0.2.1", "192.0.2.1", event.Address},
		{"2001:DB8:0::1", "2001:db8::1", event.Address},
		{"::ffff:192.0.2.1", "192.0.2.1", event.Address},
		{"192.0.2.7/24", "192.0.2.0/24", event.Network},
		{"192.0.2.7/255.255.0.0", "192.0.0.0/16", event.Network},
		{"2001:db8::1/ffff:ffff::", "2001:db8::/32", event.Network},
		{"192.0.2.7/32", "192.0.2.7", event.Address},
		{"2001:db8::1/128", "2001:db8::1", event.Address},
		{"192.0.2.1/255.0.255.0", "192.0.2.1/255.0.255.0", event.Raw},
		{"192.0.2.1/33", "192.0.2.1/33", event.Raw},
		{"192.0.2.1/-1", "192.0.2.1/-1", event.Raw},
		{"192.0.2.1/+8", "192.0.2.1/+8", event.Raw},
		{"1.2.3.456", "1.2.3.456", event.Raw},
		{"fe80::1%eth0", "fe80::1%eth0", event.Raw},
		{"::ffff:192.0.2.1/120", "192.0.2.0/24", event.Network},
		{"::ffff:192.0.2.1/128", "192.0.2.1", event.Address},
		{"::/0", "::/0", event.Network},
		{"root", "root", event.Raw},
		{"", "", event.Raw},
	} {
		if id, kind := ParseID(c.text); id != c.id || kind != c.kind {
			t.Errorf("%q: %q, %v; want %q, %v", c.text, id, kind, c.id, c.kind)
		}
	}
}

func TestListReads(t *testing.T) {
	l, bad := ParseList([]string{"127.0.0.1/8 ::1", "10.0.0.1,10.0.0.2,,\n  192.0.2.0/24\tstaff.example.org"}, nil)
	if len(bad) != 0 || len(l.addrs) != 3 || len(l.nets) != 2 || len(l.names) != 1 {
		t.Errorf("%v, %v, %v; errors %v", l.addrs, l.nets, l.names, bad)
	}
}

func TestListNamesWhatItCannotRead(t *testing.T) {
	for _, c := range []struct{ entry, says string }{
		{"10.0.0.0/33", "from 0 to 32"},
		{"10.0.0.0/255.0.255.0", "ones behind a zero"},
		{"10.0.0.256", "neither"},
		{"10.0.0.0/", "length"},
		{"host/24", `"host" is not an address`},
		{"#", "neither"},
		{"-x.org", "neither"},
		{"file:etc/ignore", "whole path"},
		{strings.Repeat("a.", 200), "longer"},
	} {
		l, bad := ParseList([]string{"192.0.2.1 " + c.entry}, nil)
		if len(bad) != 1 || !strings.Contains(bad[0].Error(), c.says) || !strings.Contains(bad[0].Error(), c.entry) {
			t.Errorf("%s: %v, want: %s", c.entry, bad, c.says)
		}
		if _, ok := l.Contains("192.0.2.1", event.Address); !ok {
			t.Errorf("%s: the sound entry beside it is lost", c.entry)
		}
	}
}

func TestListSaysWhichEntry(t *testing.T) {
	l, _ := ParseList([]string{"10.0.0.0/8 10.1.0.0/16 10.1.1.1"}, nil)
	for id, want := range map[string]string{"10.1.1.1": "10.1.1.1", "10.1.1.2": "10.0.0.0/8"} {
		if got, ok := l.Contains(id, event.Address); !ok || got != want {
			t.Errorf("%s: %q %v, want %q", id, got, ok, want)
		}
	}
}

// What is no address is never on the list, though the same text is (§3).
func TestListHoldsNoRawIDs(t *testing.T) {
	l, _ := ParseList([]string{"bob", "192.0.2.1"}, NewResolver())
	for _, kind := range []event.IDKind{event.Raw, event.Name} {
		for _, id := range []string{"bob", "192.0.2.1"} {
			if entry, ok := l.Contains(id, kind); ok {
				t.Errorf("%s as kind %v is ignored by %s", id, kind, entry)
			}
		}
	}
}

// TestListIsFail2bans compares every entry with every id to the installed fail2ban.
func TestListIsFail2bans(t *testing.T) {
	entries := []string{
		"10.0.0.0", "10.0.0.0/24", "10.0.0.0/32", "10.0.0.0/255.255.0.0", "10.0.0.5/8", "0.0.0.0/0",
		"::ffff:10.0.0.0", "::ffff:10.0.0.0/120", "::ffff:10.0.0.0/128", "2001:db8::1", "2001:db8::/32", "2001:db8::/ffff:ffff::", "::/0", "::1",
		"127.0.0.1/8", "2001:DB8:0:0::1",
	}
	ids := []string{
		"10.0.0.0", "10.0.0.0/24", "10.0.0.0/16", "10.0.0.0/8", "10.9.0.0", "::ffff:10.0.0.0", "9.9.9.9",
		"2001:db8::1", "2001:db8::/48", "2001::/16", "bob", "127.0.0.1", "::1", // not "::ffff:10.0.0.0/120", which gaol bans as the IPv4 it is
	}
	var in bytes.Buffer
	pairs := [][2]string{}
	for _, e := range entries {
		for _, id := range ids {
			pairs = append(pairs, [2]string{e, id})
			if err := json.NewEncoder(&in).Encode([2]string{e, id}); err != nil {
				t.Fatal(err)
			}
		}
	}
	answers := strings.Fields(askFail2ban(t, &in))
	if len(answers) != len(pairs) {
		t.Fatalf("%d answers to %d questions", len(answers), len(pairs))
	}
	for i, p := range pairs {
		l, bad := ParseList([]string{p[0]}, nil)
		if len(bad) > 0 {
			t.Fatal(bad)
		}
		if _, ok := l.Contains(ParseID(p[1])); ok != (answers[i] == "true") {
			t.Errorf("ignoreip %s, id %s: ignored %v, fail2ban says %s", p[0], p[1], ok, answers[i])
		}
	}
}

func askFail2ban(t *testing.T, in *bytes.Buffer) string {
	t.Helper()
	if _, err := os.Stat("/usr/lib/python3/dist-packages/fail2ban"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v; install fail2ban with: scripts/packages test", err)
		}
		t.Skipf("%v; install fail2ban with: scripts/packages test", err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/oracle.py")
	cmd.Stdin, cmd.Stderr = in, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ask fail2ban: %v: %s", err, &stderr)
	}
	return string(out)
}

// names is a name service that counts what it is asked.
type names struct {
	r     *Resolver
	now   time.Time
	asked int
	err   error
	addrs []netip.Addr
}

func newNames(addrs ...string) *names {
	n := &names{now: time.Unix(1e9, 0)}
	for _, a := range addrs {
		n.addrs = append(n.addrs, netip.MustParseAddr(a))
	}
	n.r = NewResolver()
	n.r.now = func() time.Time { return n.now }
	n.r.LookupNetIP = func(context.Context, string, string) ([]netip.Addr, error) {
		n.asked++
		return n.addrs, n.err
	}
	return n
}

func TestListByName(t *testing.T) {
	n := newNames("::ffff:192.0.2.1", "2001:db8::1")
	l, _ := ParseList([]string{"Staff.example.org"}, n.r)
	for id, want := range map[string]bool{"192.0.2.1": true, "2001:db8::1": true, "192.0.2.2": false} {
		if entry, ok := l.Contains(id, event.Address); ok != want || ok && entry != "Staff.example.org" {
			t.Errorf("%s: %q %v, want %v", id, entry, ok, want)
		}
	}
	if n.asked != 1 {
		t.Errorf("asked %d times, want once", n.asked)
	}
}

func TestResolverRemembers(t *testing.T) {
	n := newNames("192.0.2.1")
	check := func(what string, wantAsked int, wantFound bool) {
		t.Helper()
		addrs, err := n.r.Resolve(t.Context(), "a.example")
		if n.asked != wantAsked || (err == nil && len(addrs) == 1) != wantFound {
			t.Errorf("%s: asked %d, found %v, %v; want %d, %v", what, n.asked, addrs, err, wantAsked, wantFound)
		}
	}
	check("first", 1, true)
	n.now = n.now.Add(cacheTime - 1)
	check("still fresh", 1, true)
	if _, err := n.r.Resolve(t.Context(), "A.Example"); err != nil || n.asked != 1 {
		t.Errorf("in other letters: asked %d, %v", n.asked, err)
	}
	n.now = n.now.Add(1)
	n.err = &net.DNSError{Err: "timeout", IsTimeout: true}
	check("old, the server is down", 2, true)
	check("the old answer is fresh again", 2, true)
	n.now = n.now.Add(cacheTime)
	n.err = &net.DNSError{Err: "no such host", IsNotFound: true}
	check("old, the name is gone", 3, false)
	check("a failure is remembered", 3, false)
}

func TestResolverBounds(t *testing.T) {
	n := newNames("192.0.2.1")
	for i := range cacheSize + 10 {
		n.now = n.now.Add(1)
		if _, err := n.r.Resolve(t.Context(), "h"+string(rune('a'+i%26))+strings.Repeat("x", i/26)+".example"); err != nil && i < 26*60 {
			t.Fatal(err)
		}
	}
	if len(n.r.cache) != cacheSize {
		t.Errorf("%d names remembered, want %d", len(n.r.cache), cacheSize)
	}
	asked := n.asked
	if _, err := n.r.Resolve(t.Context(), strings.Repeat("a", 300)); err == nil || n.asked != asked {
		t.Errorf("a name that cannot be one was asked for: %v", err)
	}
	n.r.LookupNetIP = func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("asked without a time limit")
		}
		return nil, nil
	}
	if _, err := n.r.Resolve(t.Context(), "limit.example"); err != nil {
		t.Error(err)
	}
}
