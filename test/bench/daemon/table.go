package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// line is one figure of the table with all its samples; its peer is fail2ban's of the same.
type line struct {
	what, unit, goal string
	samples          []float64
	last             float64
	percentiles      bool // p50 and p99 instead of min, median and max
	note             string
	peer             *line
	quoted           string // fail2ban's figure from an earlier, longer measurement
}

func (b *bench) add(what, unit, goal string) *line {
	l := &line{what: what, unit: unit, goal: goal}
	b.lines = append(b.lines, l)
	return l
}

// peer is fail2ban's side of a line.
func (b *bench) peer(of *line) *line {
	of.peer = &line{what: of.what, unit: of.unit}
	return of.peer
}

func quote(l *line, text string) { l.quoted = text }

func (l *line) is(v float64) {
	l.samples = append(l.samples, v)
	l.last = v
}

func (l *line) took(d time.Duration) {
	if l.unit == "ms" {
		l.is(float64(d.Nanoseconds()) / 1e6)
		return
	}
	l.is(d.Seconds())
}

// at is the sample below which that part of all lies.
func (l *line) at(part float64) float64 {
	s := slices.Sorted(slices.Values(l.samples))
	return s[min(int(part*float64(len(s))), len(s)-1)]
}

func (l *line) text() string {
	switch {
	case l == nil || len(l.samples) == 0:
		return ""
	case l.percentiles:
		return fmt.Sprintf("p50 **%s** p99 **%s** max %s (%d)", short(l.at(0.5)), short(l.at(0.99)), short(l.at(1)), len(l.samples))
	case len(l.samples) == 1:
		return "**" + short(l.samples[0]) + "**"
	}
	return fmt.Sprintf("%s / **%s** / %s (%d)", short(l.at(0)), short(l.at(0.5)), short(l.at(1)), len(l.samples))
}

// short is a number with three digits that mean something.
func short(v float64) string {
	if v == 0 {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return fmt.Sprintf("%.*f", max(digits, 0), v)
}

// ratio is how many times better than fail2ban, in this run.
func (l *line) ratio() string {
	if l.peer == nil || l.peer.note != "" || // another size
		len(l.peer.samples) == 0 || len(l.samples) == 0 || l.at(0.5) == 0 {
		return ""
	}
	return short(l.peer.at(0.5)/l.at(0.5)) + "x"
}

func (b *bench) table() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s. A cell is minimum / **median** / maximum (runs), or percentiles.\n\n", machine())
	out.WriteString("| what | unit | gaol | fail2ban, same run | ratio | fail2ban, measured before | goal | |\n|---|---|---|---|---|---|---|---|\n")
	for _, l := range b.lines {
		note := l.note
		if l.peer != nil && l.peer.note != "" {
			note = strings.TrimPrefix(note+"; fail2ban: "+l.peer.note, "; ")
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", l.what, l.unit, l.text(), l.peer.text(), l.ratio(), l.quoted, l.goal, note)
	}
	return out.String()
}

// machine is what the figures were measured on.
func machine() string {
	cpu := "unknown CPU"
	info, _ := os.ReadFile("/proc/cpuinfo")
	if _, behind, ok := strings.Cut(string(info), "model name\t: "); ok {
		cpu, _, _ = strings.Cut(behind, "\n")
	}
	load, _ := os.ReadFile("/proc/loadavg")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("Measured %s on %d CPUs (%s), kernel %s, %s, fail2ban %s, %s, gaol %s; load average before the last row: %s",
		time.Now().Format("2006-01-02 15:04"), runtime.NumCPU(), cpu, strings.TrimSpace(string(kernel)), runtime.Version(),
		firstLine("fail2ban-server", "--version"), firstLine("nft", "--version"), firstLine("git", "describe", "--tags", "--always", "--dirty"),
		strings.Join(strings.Fields(string(load))[:3], " "))
}

func firstLine(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "(" + err.Error() + ")"
	}
	text, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(strings.TrimPrefix(text, "Fail2Ban v"), "fail2ban ")
}

// put replaces what stands between <!-- name --> and <!-- end --> of a document.
func put(path, name, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	open := "<!-- " + name + " -->\n"
	before, behind, ok := strings.Cut(string(old), open)
	_, behind, ended := strings.Cut(behind, "<!-- end -->")
	if !ok || !ended {
		return fmt.Errorf("%s has no %q with an <!-- end --> behind it", path, strings.TrimSpace(open))
	}
	return os.WriteFile(path, []byte(before+open+text+"<!-- end -->"+behind), 0o644)
}
