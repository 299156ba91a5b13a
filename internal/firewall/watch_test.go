package firewall_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gaol/internal/firewall"
	"gaol/internal/netlab"
)

// watch follows fw; what it tells comes out of the channel.
func watch(t *testing.T, fw *firewall.NFT) <-chan string {
	t.Helper()
	told := listen(t, fw)
	if first := next(t, told); first != "the watch began" {
		t.Fatalf("the watch began with %q", first)
	}
	return told
}

// listen is watch before its first word.
func listen(t *testing.T, fw interface {
	Watch(ctx context.Context, tell func(what string)) error
}) <-chan string {
	t.Helper()
	told, ended := make(chan string, 100_000), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- fw.Watch(ctx, func(what string) { told <- what }) }()
	t.Cleanup(func() { cancel(); ok(t, <-ended) })
	return told
}

func next(t *testing.T, told <-chan string) string {
	t.Helper()
	select {
	case what := <-told:
		return what
	case <-time.After(10 * time.Second):
		t.Fatal("the watch told nothing")
		return ""
	}
}

func TestWatchTellsWhatOthersChange(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	fw := open(t, lab.Host)
	told := watch(t, fw)
	targets := []firewall.Target{{Jail: "sshd", Ports: ports(t, "22")}}
	for _, c := range []struct{ script, want string }{
		{"delete element inet gaol j_sshd_ban4 { 203.0.113.1 }", "deleted an element"},
		{"flush set inet gaol j_sshd_ban4", "deleted an element (2 times)"},
		{"add element inet gaol j_sshd_ban4 { 203.0.113.9 }", "added an element"},
		{"insert rule inet gaol pre accept", "added a rule"},
		{"flush chain inet gaol j_sshd", "deleted a rule (2 times)"},
		{"flush chain inet gaol pre; delete chain inet gaol pre", "deleted a chain"},
		{"add table inet gaol { flags dormant; }", "changed the table"},
		{"delete table inet gaol", "deleted the table"},
		{"flush ruleset", "deleted the table"},
	} {
		ok(t, fw.Ensure(targets)) // our own changes are not told
		ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.1", "203.0.113.2")))
		lab.Host.Run("nft", "add table inet other; add chain inet other pre; delete table inet other")
		lab.Host.Run("nft", c.script)
		what := next(t, told)
		if !strings.HasPrefix(what, "nft (process ") || !strings.Contains(what, c.want) {
			t.Errorf("%s: told %q, want nft and %q", c.script, what, c.want)
		}
		ok(t, fw.Drop())
	}
	if len(told) > 0 {
		t.Errorf("told also %q", <-told)
	}
}

// A ban that ends by itself is no loss, and the kernel does not say a word.
func TestWatchIsSilentWhenBansEnd(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	fw := open(t, lab.Host)
	told := watch(t, fw)
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}}))
	ok(t, fw.Apply(ban("sshd", 50*time.Millisecond, "203.0.113.66", "2001:db8::1", "10.0.0.0/8", "2001:db8:1::/48")))
	// The kernel collects once a second what is over: when this one ends, it has.
	ok(t, fw.Apply(ban("sshd", 2200*time.Millisecond, "203.0.113.67")))
	poll, deadline := time.NewTicker(20*time.Millisecond), time.After(10*time.Second)
	defer poll.Stop()
	for len(list(t, fw)["sshd"]) > 0 {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatal("the bans did not end")
		}
	}
	ok(t, fw.Apply(ban("sshd", time.Hour, "203.0.113.66", "10.0.0.0/8")))
	lab.Host.Run("nft", "delete table inet gaol")
	if what := next(t, told); !strings.Contains(what, "deleted the table") {
		t.Errorf("told %q, want only what others did", what)
	}
}

// What did not fit into the socket's buffer may have been anything.
func TestWatchTellsWhatItMissed(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	fw := open(t, lab.Host)
	ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}}))
	var ids []string
	for i := range 40_000 {
		ids = append(ids, fmt.Sprintf("10.0.%d.%d", i>>8, i&255))
	}
	told, release, ended := make(chan string), make(chan bool), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- fw.Watch(ctx, func(what string) { told <- what; <-release })
	}()
	next(t, told) // it listens, and does not read on
	ok(t, fw.Apply(ban("sshd", time.Hour, ids...)))
	other := open(t, lab.Host) // what it does itself it is not told
	ok(t, other.Ensure([]firewall.Target{{Jail: "sshd"}}))
	for range 2 {
		ok(t, other.Apply(ban("sshd", time.Hour, ids...)))
	}
	release <- true
	if what := next(t, told); !strings.Contains(what, "more changes to tell than fit") {
		t.Errorf("told %q, want that it missed some", what)
	}
	release <- true
	lab.Host.Run("nft", "flush ruleset")
	if what := next(t, told); !strings.Contains(what, "deleted the table") {
		t.Errorf("told %q, want what came after", what)
	}
	cancel()
	release <- true
	ok(t, <-ended)
}
