package engine

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

func TestGooglebotArg(t *testing.T) {
	const script = "/etc/fail2ban/filter.d/ignorecommands/apache-fakegooglebot"
	for command, want := range map[string]string{
		script + " <ip>": "<ip>", " " + script + "  <fid> 5": "<fid>", script: "", script + " <ip> 5 6": "",
		"/x/apache-fakegooglebot <ip>": "", script + ".sh <ip>": "", "sh -c '" + script + " <ip>'": "",
	} {
		if got, ok := googlebotArg(command); got != want || ok != (want != "") {
			t.Errorf("%s: argument %q, %v; want %q", command, got, ok, want)
		}
	}
}

// TestGooglebotIsIgnored has Google's crawler, somebody under its name and somebody else fail.
func TestGooglebotIsIgnored(t *testing.T) {
	r := newRunning(t)
	r.add("ignorecommand = %(fail2ban_confpath)s/filter.d/ignorecommands/apache-fakegooglebot <ip>\n")
	r.start()
	r.e.deps.resolver.LookupAddr = func(_ context.Context, addr string) ([]string, error) {
		if addr == "192.0.2.9" {
			return nil, errors.New("no such host")
		}
		return []string{"crawl.googlebot.com."}, nil
	}
	r.e.deps.resolver.LookupNetIP = func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("192.0.2.7")}, nil
	}
	r.fail("192.0.2.7", 3)
	r.wait("Ignore 192.0.2.7")
	r.fail("192.0.2.8", 3)
	r.wait("Ban 192.0.2.8")
	r.fail("192.0.2.9", 3)
	r.wait("Ban 192.0.2.9")
}
