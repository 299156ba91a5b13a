package filter

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gaol/internal/event"
)

// TestConnectionsKeepTheirTexts: a connection that takes over the memory of one before never shows
// the other's lines, users or address.
func TestConnectionsKeepTheirTexts(t *testing.T) {
	p, err := filterCase{
		Pref: `^<F-MLFID>\d+</F-MLFID> <F-CONTENT>.+</F-CONTENT>$`, UseDNS: "no",
		Fail: []string{
			`^<F-NOFAIL>try</F-NOFAIL> <F-USER>\S*</F-USER> from <ADDR>`, `^fail <F-USER>\S*</F-USER> from <ADDR>`,
			`^<F-NOFAIL><F-MLFFORGET>close</F-MLFFORGET></F-NOFAIL> <ADDR>$`, `^<F-MLFFORGET>kick</F-MLFFORGET> <ADDR>$`,
		},
	}.compile()
	if err != nil {
		t.Fatal(err)
	}
	type told struct{ lines, users []string }
	r := rand.New(rand.NewPCG(3, 1))
	f, known, failures := New(p), map[int]*told{}, 0
	for n := range 6000 {
		id := r.IntN(12)
		c := known[id]
		if c == nil {
			c = &told{}
		}
		addr, user := fmt.Sprintf("192.0.2.%d", id), fmt.Sprint("u", n, strings.Repeat("x", r.IntN(40)*r.IntN(20)))
		line, forget := fmt.Sprintf("%d try %s from %s", id, user, addr), false
		switch r.IntN(5) {
		case 0:
			line = fmt.Sprintf("%d fail %s from %s", id, user, addr)
		case 1:
			line, forget, user = fmt.Sprintf("%d close %s", id, addr), true, ""
		case 2:
			line, forget, user = fmt.Sprintf("%d kick %s", id, addr), true, ""
		}
		if user != "" && len(c.users) < maxUsers {
			c.users = append(c.users, user)
		}
		fails := strings.Contains(line, " fail ") || strings.Contains(line, " kick ") || len(c.users) > 1
		m := f.Match(event.Entry{Line: event.Line{Text: line}, After: line, Time: moment()}, moment())
		if (m.Verdict == Failed) != fails {
			t.Fatalf("line %d %q: verdict %v", n, line, m.Verdict)
		}
		c.lines = append(c.lines, line)
		if fails {
			failures++
			want := c.lines[max(0, len(c.lines)-maxKeptLines):]
			if !slices.Equal(m.Lines, want) || m.ID != addr || m.Fields.Get("mlfid") != fmt.Sprint(id) {
				t.Fatalf("line %d of %s: %q of %s, want %q", n, addr, m.Lines, m.ID, want)
			}
			for _, u := range c.users {
				if !strings.Contains(m.Fields.Get("users"), u) {
					t.Fatalf("line %d: users %q lack %q", n, m.Fields.Get("users"), u)
				}
			}
			c.lines = nil
		}
		if known[id] = c; forget {
			delete(known, id)
		}
	}
	if failures < 1000 {
		t.Errorf("only %d failures", failures)
	}
}
