package web

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gaol/internal/event"
)

// Sizes of the chart, in its own units.
const (
	chartWide, chartHigh       = 720, 200
	chartLeft, chartBottom     = 40, 24
	chartTop, chartRight       = 10, 6
	chartColours               = 5 // jails with a colour of their own; the last is for all others
	chartLines, chartTimeMarks = 4, 6
)

// chart is bans over time as a template draws it: bars of pieces, one colour a jail.
type chart struct {
	Wide, High  int
	Title, Desc string
	Bars        []bar
	Lines       []mark // horizontal, with a number
	Times       []mark // below, with a time
	Jails       []legend
	Bottom      float64
	Left, Right int
	Total       int
}

type bar struct {
	Pieces []piece
	Label  string
	Total  int
	X, W   float64
}

type piece struct {
	X, Y, W, H float64
	Colour     int
}

type mark struct {
	At   float64
	Text string
}

type legend struct {
	Name   string
	Colour int
	Total  int
}

// draw makes the chart of a history; span names it.
func draw(h event.History, span string) chart {
	c := chart{Wide: chartWide, High: chartHigh, Left: chartLeft, Right: chartWide - chartRight, Bottom: chartHigh - chartBottom}
	c.Jails = legends(h)
	colours := map[string]int{}
	for _, l := range c.Jails {
		colours[l.Name] = l.Colour
	}
	steps, most := 0, 0
	for _, counts := range h.Jails {
		steps = max(steps, len(counts))
	}
	totals := make([]int, steps)
	for _, counts := range h.Jails {
		for i, n := range counts {
			totals[i] += n
			most = max(most, totals[i])
			c.Total += n
		}
	}
	top := ceiling(most)
	high := c.Bottom - chartTop
	for i := range chartLines + 1 {
		n := top * i / chartLines
		c.Lines = append(c.Lines, mark{c.Bottom - high*float64(i)/chartLines, fmt.Sprint(n)})
	}
	width := float64(c.Right-c.Left) / float64(max(steps, 1))
	for i := range steps {
		at := h.Since.Add(time.Duration(i) * h.Step)
		b := bar{Total: totals[i], Label: fmt.Sprintf("%s – %s: %s", clock(at, h.Step), clock(at.Add(h.Step), h.Step), plural(totals[i], "ban")),
			X: float64(c.Left) + float64(i)*width, W: width}
		y := c.Bottom
		for _, l := range c.Jails {
			n := 0
			for name, counts := range h.Jails {
				if name == l.Name || l.Colour == chartColours && (colours[name] == 0 || colours[name] == chartColours) {
					n += counts[i]
				}
			}
			if n > 0 {
				p := high * float64(n) / float64(top)
				y -= p
				b.Pieces = append(b.Pieces, piece{b.X + width*0.12, y, width * 0.76, p, l.Colour})
			}
		}
		c.Bars = append(c.Bars, b)
		if each := max(steps/chartTimeMarks, 1); i%each == 0 {
			c.Times = append(c.Times, mark{b.X, clock(at, h.Step)})
		}
	}
	c.Title = "Bans that began in the last " + span
	c.Desc = fmt.Sprintf("%s in all, %d at most in %s.", plural(c.Total, "ban"), most, showSpan(h.Step))
	return c
}

// legends gives the jails with the most bans a colour; the others share one.
func legends(h event.History) (all []legend) {
	for name, counts := range h.Jails {
		n := 0
		for _, k := range counts {
			n += k
		}
		all = append(all, legend{Name: name, Total: n})
	}
	slices.SortFunc(all, func(a, b legend) int { return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name)) })
	if len(all) > chartColours {
		rest := legend{Name: fmt.Sprintf("%d others", len(all)-chartColours+1)}
		for _, l := range all[chartColours-1:] {
			rest.Total += l.Total
		}
		all = append(all[:chartColours-1], rest)
	}
	for i := range all {
		all[i].Colour = i + 1
	}
	return all
}

// ceiling is the smallest round number that is not below n and can be quartered.
func ceiling(n int) int {
	for unit := 4; ; unit *= 10 {
		for _, m := range []int{1, 2, 5} {
			if unit*m >= n {
				return unit * m
			}
		}
	}
}

// clock is a time as the chart's steps need it.
func clock(t time.Time, step time.Duration) string {
	if step >= time.Hour {
		return t.Local().Format("Jan 2 15:04")
	}
	return t.Local().Format("15:04")
}
