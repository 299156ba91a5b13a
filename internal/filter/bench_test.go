package filter

import (
	"fmt"
	"testing"
	"time"

	"gaol/internal/event"
)

// daemonCase is a filter of the shape that sshd's has.
func daemonCase() filterCase {
	return filterCase{
		Pref: `^<F-MLFID>\s*(?:\S+\s+)?(?:\w+(?:\(\S+\))?\[\d+\]:\s+)?</F-MLFID>(?:error: )?<F-CONTENT>.+</F-CONTENT>$`,
		Fail: []string{
			`^Failed \S+ for (?:invalid user )?<F-USER>\S+</F-USER> from <HOST>(?: port \d+)?(?: ssh\d*)?$`,
			`^<F-NOFAIL>Invalid user</F-NOFAIL> <F-USER>.*?</F-USER> from <HOST>(?: port \d+)?\s*$`,
			`^<F-NOFAIL><F-MLFFORGET>Connection closed</F-MLFFORGET></F-NOFAIL> by (?:invalid user <F-USER>\S+</F-USER> )?<HOST>(?: port \d+)?(?: \[preauth\])?\s*$`,
		},
	}
}

// missed are lines that are no failure: without a literal of the filter's, and with one.
func missed() []string {
	return []string{
		" host sshd[1000]: Accepted publickey for alice from 10.0.0.1 port 50000 ssh2: ED25519 SHA256:abcdefgh",
		" host sshd[1000]: error: Failed to do what alice from 10.0.0.1 port 50000 asked for",
	}
}

func entries(lines ...string) []event.Entry {
	var list []event.Entry
	for i, l := range lines {
		list = append(list, event.Entry{Line: event.Line{Text: "stamp" + l}, After: l, Time: moment().Add(time.Duration(i) * time.Millisecond)})
	}
	return list
}

// What a daemon reads most costs it no memory.
func TestMissedLinesAllocateNothing(t *testing.T) {
	p, err := daemonCase().compile()
	if err != nil {
		t.Fatal(err)
	}
	f := New(p)
	for _, e := range entries(missed()...) {
		if n := testing.AllocsPerRun(10, func() {
			if failures, _ := f.Feed(e, e.Time); failures != nil {
				t.Errorf("failure: %+v", failures)
			}
		}); n > 0 {
			t.Errorf("%v allocations for %q", n, e.After)
		}
	}
}

// BenchmarkFeed is the time per line: of one that is no failure, and of those that attackers cause.
func BenchmarkFeed(b *testing.B) {
	p, err := daemonCase().compile()
	if err != nil {
		b.Fatal(err)
	}
	var attack []string
	for i := range 1000 {
		who := fmt.Sprintf("198.51.100.%d port %d", i%250, 1024+i)
		host := fmt.Sprintf(" host sshd[%d]: ", i)
		attack = append(attack, host+"Invalid user admin from "+who, host+"Failed password for invalid user admin from "+who+" ssh2",
			host+"Connection closed by invalid user admin "+who+" [preauth]")
	}
	for name, lines := range map[string][]event.Entry{"missed": entries(missed()...), "attack": entries(attack...)} {
		b.Run(name, func(b *testing.B) {
			f, n := New(p), 0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e := lines[i%len(lines)]
				failures, _ := f.Feed(e, e.Time)
				n += len(failures)
			}
			if n == 0 && name == "attack" {
				b.Error("no failures")
			}
		})
	}
}
