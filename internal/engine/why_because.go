package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gaol/internal/event"
)

// The reasons why an id is not banned, the likeliest first: a rule that forbids it, then what has
// been, then what is counted, then what was read, then what was not.
const (
	forbidden = iota
	heldBack
	over
	counting
	passedOver
	notCounted
	notMatched
	neverSeen
	notRead
	notRunning
)

type reason struct {
	rank int
	event.Because
}

// because is why an id is not banned, from what is known of it; nothing where it is.
func because(a *event.Account) (sorted []event.Because) {
	if a.Banned {
		return nil
	}
	var all []reason
	if a.Protected != "" {
		all = append(all, reason{forbidden, event.Because{Why: "nobody bans it: " + a.Protected, Hint: allowHint(a.Protected)}})
	}
	for i := range a.Jails {
		all = append(all, becauseOf(a, &a.Jails[i])...)
	}
	if !slices.ContainsFunc(all, func(r reason) bool { return r.rank < neverSeen }) {
		all = append(all, unseen(a))
	}
	slices.SortStableFunc(all, func(a, b reason) int { return a.rank - b.rank })
	if all[0].rank <= counting { // then it does not matter what is not read
		all = slices.DeleteFunc(all, func(r reason) bool { return r.rank > counting })
	}
	for _, r := range all {
		sorted = append(sorted, r.Because)
	}
	return sorted
}

func allowHint(why string) string {
	if strings.HasPrefix(why, "the allow-list") {
		return "gaol allow lists it; gaol allow --remove ADDRESS takes it back"
	}
	return ""
}

// becauseOf is what one jail has to do with it.
func becauseOf(a *event.Account, j *event.JailAccount) (all []reason) {
	add := func(rank int, hint, format string, args ...any) {
		all = append(all, reason{rank, event.Because{Jail: j.Jail, Why: fmt.Sprintf(format, args...), Hint: hint}})
	}
	if strings.HasPrefix(j.Problem, "does not run") {
		add(notRunning, "gaol check", "%s", j.Problem)
		return all
	}
	if j.Spared != "" && j.Spared != a.Protected {
		add(forbidden, "", "spares it: %s", j.Spared)
	}
	if j.Held != "" && j.Count != nil && j.Count.Count >= j.MaxRetry {
		add(heldBack, "", "holds its bans back: %s", j.Held)
	}
	if len(j.Past) > 0 {
		add(over, "", "%s", pastText(j.Past[0]))
	}
	if t := j.Count; t != nil {
		add(counting, "", "has counted %d of %d failures within %s, the last at %s; without another one they are forgotten at %s",
			t.Count, j.MaxRetry, spanText(j.FindTime), clock(t.Last), clock(j.Expires))
	}
	for i := range j.Newest {
		if r, ok := lineReason(j, &j.Newest[i]); ok {
			all = append(all, r)
		}
	}
	if j.Problem != "" {
		add(notRead, "gaol status "+j.Jail, "has a problem: %s", j.Problem)
	}
	for _, l := range j.Logs {
		if l.Error == "does not exist" {
			add(notRead, "write the path of a log, or start the service that writes it", "waits for its log %s, which does not exist", l.Name)
		}
	}
	return all
}

// pastText is how a ban came to its end.
func pastText(p event.PastBan) string {
	since := clock(p.Ban.Start)
	switch {
	case p.Reason != "" && p.Reason != "expired":
		return fmt.Sprintf("banned it at %s, and the ban was lifted at %s: %s", since, clock(p.Lifted), p.Reason)
	case p.Ban.End.IsZero():
		return fmt.Sprintf("banned it at %s, and the ban was lifted at %s", since, clock(p.Lifted))
	}
	return fmt.Sprintf("banned it at %s, and the ban ended at %s", since, clock(p.Ban.End))
}

// lineReason is what a line that names the id, and that was not counted just now, has to say.
func lineReason(j *event.JailAccount, x *event.Explanation) (reason, bool) {
	r := reason{Because: event.Because{Jail: j.Jail}}
	switch x.Outcome {
	case event.LineCounts:
		if j.Count != nil || len(j.Past) > 0 {
			return r, false // that says it
		}
		r.rank = passedOver
		r.Why = fmt.Sprintf("reads a line, of %s, that counts, and has nothing counted now: the line is older than findtime (%s), or stood there before the jail read the log",
			clock(x.Date.Time), spanText(j.FindTime))
	case event.LineSpared:
		return r, false
	case event.LineIgnored:
		r.rank = notCounted
		r.Why = "ignores its newest line: an ignoreregex matches"
		if x.Ignore != nil {
			r.Why = "ignores its newest line: ignoreregex " + x.Ignore.Where + " matches"
		}
	case event.LineHelps:
		r.rank = notCounted
		r.Why = fmt.Sprintf("sees its newest line, which only helps: %s of %s says that it is no failure by itself", x.Tag, x.Rule.Where)
		r.Hint = cureHint(x)
	case event.LineWaits:
		r.rank = notCounted
		r.Why = "waits for another line of a connection that names the address"
	default:
		r.rank = notMatched
		r.Why = "reads lines that name it, and no failregex matches the newest of them"
		if n := x.Nearest; n != nil {
			r.Why += fmt.Sprintf("; %s came furthest", n.Where)
		}
		r.Hint = cureHint(x)
	}
	return r, true
}

// cureHint is the edit that makes a line count.
func cureHint(x *event.Explanation) string {
	for _, c := range x.Cures {
		if c.Write != "" {
			return "write " + c.Write
		}
	}
	return ""
}

// unseen is what is left where no jail has anything to do with an id.
func unseen(a *event.Account) reason {
	files, bytes := 0, int64(0)
	for _, j := range a.Jails {
		for _, l := range j.Logs {
			if l.Error == "" {
				files, bytes = files+1, bytes+l.Bytes
			}
		}
	}
	why := "no jail has ever counted it"
	if files > 0 {
		why += fmt.Sprintf(", and no log names it (%d searched, %s)", files, size(bytes))
	}
	return reason{neverSeen, event.Because{Why: why, Hint: "look for the address in the service's log; if it stands there under another form, or not at all, no jail can see it"}}
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// clock is a time for people.
func clock(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.Local().Format(time.DateTime)
}
