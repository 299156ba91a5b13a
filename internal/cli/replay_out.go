package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"gaol/internal/replay"
)

// printReplay shows a report to people.
func printReplay(out io.Writer, r *replay.Report, f replayFlags, took time.Duration) error {
	w := &failing{Writer: out}
	fmt.Fprintf(w, "%s from %s to %s, read in %.1f s\n", plural(r.Lines, "line"), showTime(r.From), showTime(r.To), took.Seconds())
	if r.Undated > 0 {
		fmt.Fprintf(w, "%s without a stamp that datepattern finds: each counts at the time of the line before\n", plural(r.Undated, "line"))
	}
	rows := [][]string{{"JAIL", "MAXRETRY", "FINDTIME", "BANTIME", "FAILURES", "PREVENTED", "BANS", "BANNED", "OF THEM LOGGED IN"}}
	for _, j := range r.Jails {
		rows = append(rows, append([]string{j.Jail, strconv.Itoa(j.MaxRetry), showSpan(j.FindTime), showSpan(j.BanTime)}, outcomeCells(j.Outcome)...))
	}
	w.section("", rows)
	printNotes(w, r)
	w.section("offenders with most failures", offenderRows(r.Offenders[:min(len(r.Offenders), f.top)]))
	if more := len(r.Offenders) - f.top; more > 0 {
		fmt.Fprintf(w, "and %d more (--top, --json)\n", more)
	}
	mistaken := slices.DeleteFunc(slices.Clone(r.Offenders), func(o replay.Offender) bool { return o.Bans == 0 || o.Accepted == 0 })
	w.section("banned, although they also logged in", offenderRows(mistaken[:min(len(mistaken), f.top)]))
	if f.bans {
		w.section("bans", banRows(r.Bans))
	}
	w.section("other rules", sweepRows(r.Sweep))
	return w.err
}

// printNotes says what the figures leave out.
func printNotes(w io.Writer, r *replay.Report) {
	for _, j := range r.Jails {
		if j.Names > 0 {
			fmt.Fprintf(w, "%s: %s of host names left out: names are not looked up here\n", j.Jail, plural(j.Names, "failure"))
		}
		if j.Aborted > 0 {
			fmt.Fprintf(w, "%s: %d searches were given up: they took too many steps\n", j.Jail, j.Aborted)
		}
		if j.Held != "" {
			fmt.Fprintf(w, "%s: %s\n", j.Jail, quoteControl(j.Held))
		}
	}
	const shown = 5
	for i, s := range r.Spared {
		if i == shown {
			fmt.Fprintf(w, "and %d more would not be banned (--json)\n", len(r.Spared)-shown)
			break
		}
		fmt.Fprintf(w, "%s: %s would not be banned: %s\n", s.Jail, quoteControl(s.ID), quoteControl(s.Why))
	}
}

func outcomeCells(o replay.Outcome) []string {
	return []string{strconv.Itoa(o.Failures), share(o.Prevented, o.Failures), strconv.Itoa(o.Bans), strconv.Itoa(o.Banned), strconv.Itoa(o.Accepted)}
}

// share is n with its part of all.
func share(n, all int) string {
	if all == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%.0f %%)", n, 100*float64(n)/float64(all))
}

func offenderRows(list []replay.Offender) [][]string {
	rows := [][]string{{"ID", "JAIL", "FAILURES", "PREVENTED", "BANS", "LOGINS", "FIRST", "LAST"}}
	for _, o := range list {
		rows = append(rows, []string{o.ID, o.Jail, strconv.Itoa(o.Failures), strconv.Itoa(o.Prevented), strconv.Itoa(o.Bans),
			strconv.Itoa(o.Accepted), showTime(o.First), showTime(o.Last)})
	}
	return rows
}

func banRows(bans []replay.Ban) [][]string {
	rows := [][]string{{"AT", "JAIL", "ID", "UNTIL", "FAILURES", "LOGINS", "WHY"}}
	for _, b := range bans {
		until := "for ever"
		if !b.End.IsZero() {
			until = showTime(b.End)
		}
		rows = append(rows, []string{showTime(b.At), b.Jail, b.ID, until, strconv.Itoa(b.Failures), strconv.Itoa(b.Accepted), b.Regex})
	}
	return rows
}

func sweepRows(all []replay.Outcome) [][]string {
	rows := [][]string{{"MAXRETRY", "FINDTIME", "BANTIME", "FAILURES", "PREVENTED", "BANS", "BANNED", "OF THEM LOGGED IN"}}
	for _, o := range all {
		rows = append(rows, append([]string{changed(o.Change.MaxRetry, strconv.Itoa), changed(o.Change.FindTime, showSpan),
			changed(o.Change.BanTime, showSpan)}, outcomeCells(o)...))
	}
	return rows
}

// changed shows what a sweep changes; what it leaves alone is "as is".
func changed[T int | time.Duration](v T, show func(T) string) string {
	var zero T
	if v == zero {
		return "as is"
	}
	return show(v)
}

// failing keeps the first error, so that printing reads as text.
type failing struct {
	io.Writer
	err error
}

func (w *failing) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.Writer.Write(p)
	w.err = err
	return n, err
}

// section prints a table under a title, if it has more than its head.
func (w *failing) section(title string, rows [][]string) {
	if len(rows) < 2 {
		return
	}
	fmt.Fprintln(w)
	if title != "" {
		fmt.Fprintf(w, "%s\n", title)
	}
	if err := table(w, rows); err != nil && w.err == nil {
		w.err = err
	}
}
