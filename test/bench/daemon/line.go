package main

import (
	"fmt"
	"strings"
	"time"

	"gaol/test/bench/record"
)

// line is one figure with all its samples; its peer is fail2ban's of the same.
type line struct {
	what, unit, goal, note string
	record.Samples
	percentiles bool // p50 and p99 instead of minimum, median and maximum
	rate        bool // more is better
	each        int  // of what the time is for; 0: not known. With the peer's, the ratio is per one
	peer        *line
	quoted      string // fail2ban's figure from an earlier, longer measurement
}

// withPeer is the line with one of fail2ban's beside it.
func (l line) withPeer() *line {
	l.peer = &line{what: l.what, unit: l.unit, percentiles: l.percentiles}
	return &l
}

func (l *line) is(v float64) { l.Samples = append(l.Samples, v) }

func (l *line) took(d time.Duration) {
	if l.unit == "ms" {
		l.is(float64(d.Nanoseconds()) / 1e6)
		return
	}
	l.is(d.Seconds())
}

func (l *line) text() string {
	if l.percentiles {
		return l.Percentiles()
	}
	return l.Range()
}

// write puts lines into the table; those without a sample are left out.
func (b *bench) write(lines ...*line) error {
	for _, l := range lines {
		if l == nil || len(l.Samples) == 0 {
			continue
		}
		cells := []string{l.what, l.unit, l.text(), "", "", l.quoted, l.goal, l.note}
		if p := l.peer; p != nil && len(p.Samples) > 0 {
			cells[3] = p.text()
			if p.note != "" { // another size
				cells[7] = strings.TrimPrefix(l.note+"; fail2ban: "+p.note, "; ")
			}
			switch {
			case l.rate:
				cells[4] = record.Ratio(l.Median(), p.Median())
			case l.each > 0 && p.each > 0 && p.note != "":
				cells[4] = record.Ratio(p.Median()/float64(p.each), l.Median()/float64(l.each)) + " each"
			case p.note == "":
				cells[4] = record.Ratio(p.Median(), l.Median())
			}
		}
		fmt.Fprintf(b.progress, "   %s: %s %s %s\n", cells[0], cells[2], cells[1], cells[3])
		if err := b.table.Put(cells...); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) about() string {
	pinned := "The daemons share the machine's only processor with what measures them."
	if b.cpu != "" {
		pinned = "Each daemon has one processor to itself, number " + b.cpu + "; what writes and knocks has the others."
	}
	return fmt.Sprintf("%s\n\nA cell is minimum / **median** / maximum (runs), or percentiles. %s", record.Machine(), pinned)
}
