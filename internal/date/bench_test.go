package date

import (
	"fmt"
	"testing"

	"gaol/internal/event"
)

// log is lines of one log, %02d being the second.
type log struct {
	name, datepattern string
	forms             []string
}

// logs are of one format each: at the line's start, at one place within the line, behind
// addresses of all lengths, and none at all behind one.
func logs() []log {
	const bracket = `^[^\[]*\[({DATE})` + "\n{^LN-BEG}"
	return []log{
		{"iso", "", []string{"2026-11-24T11:17:%02d.123456+00:00 h sshd[1]: x"}},
		{"comma", "", []string{"2026-11-24 11:17:%02d,123 x"}},
		{"syslog", "", []string{"Nov 24 11:17:%02d h sshd[1]: x"}},
		{"apache", "", []string{"[Tue Nov 24 11:17:%02d.123456 2026] [core:error] x"}},
		{"nginx", bracket, []string{`1.2.3.4 - - [24/Nov/2026:11:17:%02d +0000] "GET / HTTP/1.1" 200 5`, `192.0.2.17 - - [24/Nov/2026:11:17:%02d +0000] "GET / HTTP/1.1" 200 5`}},
		{"place", "", []string{"<34>Nov 24 11:17:%02d h sshd[1]: x"}},
		{"clf", "", []string{`1.2.3.4 - - [24/Nov/2026:11:17:%02d +0000] "GET / HTTP/1.1" 200 5`}},
		{"clf-moving", "", []string{`1.2.3.4 - - [24/Nov/2026:11:17:%02d +0000] "GET / HTTP/1.1" 200 5`, `192.0.2.17 - - [24/Nov/2026:11:17:%02d +0000] "GET / HTTP/1.1" 200 5`,
			`2001:db8::1 - u [24/Nov/2026:11:17:%02d +0000] "GET / HTTP/1.1" 200 5`}},
		{"undated", "", []string{"2026-11-24 11:17:%02d,123 x", "\tat java.lang.Thread.run(Thread.java:7%02d)"}},
	}
}

func (l log) lines() []string {
	var lines []string
	for n := range 60 {
		for _, f := range l.forms {
			lines = append(lines, fmt.Sprintf(f, n))
		}
	}
	return lines
}

func (l log) detector(b *testing.B) *Detector {
	templates, err := Parse(l.datepattern, Options{Year: 2026})
	if err != nil {
		b.Fatal(err)
	}
	return NewDetector(templates)
}

func BenchmarkFind(b *testing.B) {
	for _, l := range logs() {
		lines, d, now := l.lines(), l.detector(b), moment()
		b.Run(l.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if s, ok := d.Find(lines[n%len(lines)], now); ok && !s.OK {
					b.Fatal("no date")
				}
			}
		})
	}
}

func BenchmarkCut(b *testing.B) {
	for _, l := range logs() {
		lines, now := l.lines(), moment()
		c := Cutter{Detector: l.detector(b), Lenient: true}
		b.Run(l.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if _, ok := c.Cut(event.Line{Text: lines[n%len(lines)], Arrived: now}, "log", now); !ok {
					b.Fatal("dropped")
				}
			}
		})
	}
}
