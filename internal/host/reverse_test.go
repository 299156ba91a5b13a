package host

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"
)

func TestNameOf(t *testing.T) {
	asked := map[string]int{}
	answers := map[string][]string{"192.0.2.1": {"mail.example.org.", "other."}, "192.0.2.3": {"$(id).example."}, "192.0.2.4": nil}
	r := NewResolver()
	now := time.Unix(1700000000, 0)
	r.now = func() time.Time { return now }
	r.LookupAddr = func(ctx context.Context, addr string) ([]string, error) {
		asked[addr]++
		if until, limited := ctx.Deadline(); !limited || time.Until(until) > resolveLimit {
			t.Error("look-up without a time limit")
		}
		names, ok := answers[addr]
		if !ok {
			return nil, errors.New("no such host")
		}
		return names, nil
	}
	tests := []struct{ addr, want string }{
		{"192.0.2.1", "mail.example.org"}, {"::ffff:192.0.2.1", "mail.example.org"}, {"192.0.2.2", ""},
		{"192.0.2.2", ""}, {"192.0.2.3", ""}, {"192.0.2.4", ""},
	}
	for _, tt := range tests {
		got, err := r.NameOf(t.Context(), netip.MustParseAddr(tt.addr))
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("name of %s: %q, %v; want %q", tt.addr, got, err, tt.want)
		}
	}
	now = now.Add(cacheTime)
	_, _ = r.NameOf(t.Context(), netip.MustParseAddr("192.0.2.2"))
	if asked["192.0.2.1"] != 1 || asked["192.0.2.2"] != 2 {
		t.Errorf("asked %v: answers and failures are to be remembered for a while", asked)
	}
}
