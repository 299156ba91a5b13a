package host

import (
	"net/netip"
	"testing"
)

func TestListTouches(t *testing.T) {
	l, bad := ParseList([]string{"192.0.2.9 192.0.2.200 198.51.100.0/24", "2001:db8:1::5", "2001:db8:2::/48"}, nil)
	if bad != nil {
		t.Fatal(bad)
	}
	for prefix, want := range map[string]string{
		"192.0.2.0/28":      "192.0.2.9",
		"192.0.2.16/28":     "",
		"192.0.2.128/25":    "192.0.2.200",
		"192.0.2.201/32":    "",
		"198.51.0.0/16":     "198.51.100.0/24", // the list's network lies in it
		"198.51.100.64/26":  "198.51.100.0/24", // it lies in the list's network
		"198.51.101.0/24":   "",
		"2001:db8:1::/64":   "2001:db8:1::5",
		"2001:db8:1:1::/64": "",
		"2001:db8:2:7::/64": "2001:db8:2::/48",
		"2001:db8::/32":     "2001:db8:2::/48",
	} {
		if got, _ := l.Touches(netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("%s touches %q, want %q", prefix, got, want)
		}
	}
}
