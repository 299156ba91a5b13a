package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"gaol/internal/event"
)

// printAccount is what is known of an address: the answer in one line, then what it rests on.
func printAccount(out io.Writer, a *event.Account) error {
	r := &rows{}
	r.verdict(a)
	var others []string
	for i := range a.Jails {
		j := &a.Jails[i]
		if strings.HasPrefix(j.Problem, "does not run") {
			continue // where that matters it is among the reasons
		}
		if !concerned(a, j) {
			others = append(others, j.Jail)
			continue
		}
		r.say("")
		r.jail(j)
	}
	if len(others) > 0 {
		r.say("")
		r.row("others", "nothing in %s", strings.Join(others, ", "))
	}
	_, err := io.WriteString(out, r.b.String())
	return err
}

// verdict is the answer.
func (r *rows) verdict(a *event.Account) {
	if a.Banned {
		for i := range a.Jails {
			for _, b := range a.Jails[i].Bans {
				if !b.Fold || len(a.Jails[i].Bans) == 1 {
					r.say("%s is banned by jail %s since %s, until %s%s", a.ID, b.Jail, showTime(b.Start), showEnd(b), through(a.ID, b))
				}
			}
		}
		return
	}
	if len(a.Because) == 0 {
		r.say("%s is not banned", a.ID)
		return
	}
	for i, b := range a.Because {
		why := b.Why
		if b.Jail != "" {
			why = "jail " + b.Jail + " " + why
		}
		switch {
		case i == 0:
			r.say("%s is not banned: %s", a.ID, why)
		default:
			r.say("also: %s", why)
		}
		if b.Hint != "" {
			r.say("hint: %s", b.Hint)
		}
	}
}

// through says which ban keeps an address out, if it is not its own.
func through(id string, b event.Ban) string {
	if b.ID == id {
		return ""
	}
	return " (as part of " + b.ID + ")"
}

// concerned says whether a jail has anything to tell.
func concerned(a *event.Account, j *event.JailAccount) bool {
	return len(j.Bans)+len(j.Past)+len(j.Newest) > 0 || j.Count != nil || j.Problem != "" || j.Spared != a.Protected && j.Spared != "" || j.Leak != nil
}

func (r *rows) jail(j *event.JailAccount) {
	r.row("jail", "%s", j.Jail)
	if j.MaxRetry > 0 {
		r.row("rule", "%s within %s, bantime %s (filter %s)", plural(j.MaxRetry, "failure"), showSpan(j.FindTime), showSpan(j.BanTime), j.Filter)
	}
	if j.Problem != "" {
		r.row("problem", "%s", j.Problem)
	}
	for _, b := range j.Bans {
		r.ban(b)
	}
	r.kernel(j)
	if l := j.Leak; l != nil {
		r.row("no effect", "%s since its ban: %s", plural(l.Failures, "failure"), l.Why)
		r.more("%s", l.Hint)
	}
	if c := j.Count; c != nil {
		r.row("counted", "%d of %d within %s, from %s to %s; forgotten at %s", c.Count, j.MaxRetry, showSpan(j.FindTime), showTime(c.First), showTime(c.Last), showTime(j.Expires))
		r.lines(c.Matches)
		r.row("regex", "%s", c.Regex)
	}
	if j.Spared != "" {
		r.row("spared", "%s", j.Spared)
	}
	if j.Held != "" {
		r.row("held back", "%s", j.Held)
	}
	for _, p := range j.Past {
		r.row("past ban", "%s", pastBan(p))
	}
	r.searched(j)
}

// ban is one ban with what led to it.
func (r *rows) ban(b event.Ban) {
	switch {
	case b.Fold:
		r.row("folded", "%s stands for %s (%s)", b.ID, plural(b.Count, "ban"), b.Reason)
		return
	case b.Manual:
		r.row("ban", "%s, by hand%s", b.ID, reasonText(b.Reason))
	default:
		r.row("ban", "%s, after %s%s", b.ID, plural(b.Count, "failure"), reasonText(b.Reason))
	}
	if b.Times > 1 {
		r.more("for the %s time", ordinal(b.Times))
	}
	if b.Scope == event.AllPorts {
		r.more("it closes all ports (escalate)")
	}
	if !b.Renewed.IsZero() {
		r.more("renewed at %s, by what it did since", showTime(b.Renewed))
	}
	if b.Regex != "" {
		r.row("regex", "%s", b.Regex)
	}
	if b.Source != "" {
		r.row("log", "%s", b.Source)
	}
	r.lines(b.Matches)
}

func reasonText(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func ordinal(n int) string {
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

// lines are the log lines behind a ban or a count.
func (r *rows) lines(lines []string) {
	label := "lines"
	for _, l := range lines {
		r.row(label, "%s", l)
		label = ""
	}
}

// kernel is how the kernel holds the bans.
func (r *rows) kernel(j *event.JailAccount) {
	if len(j.Bans) == 0 {
		return
	}
	if j.Closes != "" {
		r.row("closes", "%s", j.Closes)
	}
	for _, k := range j.Kernel {
		left := "for ever"
		if k.Left > 0 {
			left = "for another " + showSpan(k.Left.Round(time.Second))
		}
		set := ""
		if k.Set != "" {
			set = "set " + k.Set + " "
		}
		r.row("kernel", "%sholds %s, %s", set, k.Element, left)
		for _, rule := range k.Rules {
			r.row("kernel rule", "%s", rule.Text)
			r.more("it has caught %s, of everybody in the set", plural(int(rule.Packets), "packet"))
		}
	}
	if j.Lacks != "" {
		r.row("kernel", "does not hold it: %s", j.Lacks)
	}
	if len(j.Actions) > 0 {
		r.row("actions", "%s (action.d; gaol status %s tells how they fare)", strings.Join(j.Actions, ", "), j.Jail)
	}
}

func pastBan(p event.PastBan) string {
	text := fmt.Sprintf("%s, since %s", p.Ban.ID, showTime(p.Ban.Start))
	if p.Lifted.IsZero() || !p.Ban.End.IsZero() && !p.Lifted.Before(p.Ban.End) {
		return text + ", ended at " + showTime(p.Ban.End)
	}
	text += ", lifted at " + showTime(p.Lifted)
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

// searched is what the logs say of an address that is not banned.
func (r *rows) searched(j *event.JailAccount) {
	for _, l := range j.Logs {
		switch {
		case l.Error != "":
			r.row("log", "%s %s", l.Name, l.Error)
		case l.Whole:
			r.row("log", "%s: %s with it", l.Name, plural(l.Lines, "line"))
		default:
			r.row("log", "%s: %s with it in its last %.1f MiB", l.Name, plural(l.Lines, "line"), float64(l.Bytes)/(1<<20))
		}
	}
	for i := range j.Newest {
		e := &j.Newest[i]
		r.say("")
		one := *e
		one.Number, one.Jail = 1, ""
		r.say("the newest such line: %s", headline(&one, 1))
		r.explain(&one)
	}
}
