package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gaol/internal/control"
	"gaol/internal/engine"
	"gaol/internal/event"
)

// statusCommand is `gaol status [JAIL]`.
func statusCommand() *cobra.Command {
	var f clientFlags
	c := &cobra.Command{
		Use:   "status [JAIL]",
		Short: "Show what gaol watches and whom it has banned",
		Long: "Shows all jails with their counts, or one jail with its logs and bans, and why a ban\n" +
			"does not work. Counts are for this moment, in brackets since the start.",
		Example: "  gaol status\n" +
			"  gaol status sshd",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var ask control.Status
			if len(args) == 1 {
				ask.Jail = args[0]
			}
			return showStatus(c, &f, ask)
		},
	}
	f.add(c)
	f.addJSON(c)
	return c
}

func showStatus(c *cobra.Command, f *clientFlags, ask control.Status) error {
	reply, err := f.do(c, ask)
	if err != nil {
		return err
	}
	s := reply.Status
	switch {
	case s == nil:
		return fmt.Errorf("read status: the daemon sent none")
	case f.json && ask.Jail == "":
		return printJSON(c.OutOrStdout(), s)
	case ask.Jail == "":
		return printStatus(c.OutOrStdout(), s)
	case len(s.Jails) != 1:
		return fmt.Errorf("read status of %s: the daemon sent %s", ask.Jail, plural(len(s.Jails), "jail"))
	case f.json:
		return printJSON(c.OutOrStdout(), s.Jails[0])
	}
	return printJail(c.OutOrStdout(), s.Jails[0])
}

func printStatus(out io.Writer, s *event.Status) error {
	head := [][]string{
		{"gaol", fmt.Sprintf("%s, process %d, since %s", s.Version, s.PID, showTime(s.Started))},
		{"configuration", s.Config},
		{"firewall", s.Firewall},
	}
	if s.Containers != "" {
		head = append(head, []string{"containers", s.Containers})
	}
	for _, text := range s.LabelProblems {
		head = append(head, []string{"label", text})
	}
	if s.FirewallProblem != "" {
		head = append(head, []string{"problem", s.FirewallProblem})
	}
	if s.Repairs > 0 {
		head = append(head, []string{"repairs", repairs(s.Repairs, s.LastRepair)})
	}
	if s.DryRun {
		head = append(head, []string{"dry run", "nothing is banned"})
	}
	if len(s.Problems) > 0 {
		head = append(head, []string{"problems", fmt.Sprintf("%d in the configuration; list them with: gaol check", len(s.Problems))})
	}
	if err := table(out, head); err != nil {
		return err
	}
	fmt.Fprintln(out)
	rows := [][]string{{"JAIL", "FAILED", "BANNED", "WATCHES"}}
	for _, j := range s.Jails {
		rows = append(rows, []string{j.Name,
			fmt.Sprintf("%d (%d)", j.CurrentlyFailed, j.TotalFailed),
			fmt.Sprintf("%d (%d)", j.CurrentlyBanned, j.TotalBanned), watches(j)})
	}
	return table(out, rows)
}

// watches is what a jail watches, or what keeps it from it.
func watches(j event.JailStatus) string {
	if !j.Running {
		return "does not run: " + j.Problem
	}
	var logs []string
	for _, s := range j.Sources {
		logs = append(logs, showSource(s))
	}
	text := strings.Join(logs, ", ")
	if text == "" {
		text = "nothing"
	}
	if j.Problem != "" {
		text += "; " + j.Problem
	}
	if n := len(j.Leaks); n > 0 {
		text += fmt.Sprintf("; %s without effect, gaol status %s says why", plural(n, "ban"), j.Name)
	}
	return text
}

func showSource(s event.SourceStatus) string {
	if !s.Found {
		return s.Name + " (not found)"
	}
	return s.Name
}

func printJail(out io.Writer, j event.JailStatus) error {
	rows := [][]string{{"jail", j.Name}}
	if !j.Running {
		rows[0][1] += " (does not run)"
	}
	if j.Problem != "" {
		rows = append(rows, []string{"problem", j.Problem})
	}
	rows = append(rows,
		[]string{"filter", j.Filter},
		[]string{"rule", fmt.Sprintf("%s within %s, bantime %s", plural(j.MaxRetry, "failure"), showSpan(j.FindTime), showSpan(j.BanTime))},
		[]string{"port", port(j)})
	if j.Container != "" {
		rows = append(rows, []string{"container", j.Container}, []string{"closes", or(strings.Join(j.Closes, ", "), "nothing now")})
	}
	for _, n := range j.ContainerNotes {
		rows = append(rows, []string{"note", n})
	}
	rows = append(rows,
		[]string{"actions", strings.Join(j.Actions, ", ")})
	for _, a := range j.ActionStates {
		if text := fares(a); text != "" {
			rows = append(rows, []string{"action " + a.Name, text})
		}
	}
	for _, s := range j.Sources {
		rows = append(rows, []string{"log", fmt.Sprintf("%s, %s", showSource(s), plural(int(s.Lines), "line"))})
	}
	rows = append(rows,
		[]string{"lines", readLines(j)},
		[]string{"failed", fmt.Sprintf("%d now, %d since the start", j.CurrentlyFailed, j.TotalFailed)},
		[]string{"banned", fmt.Sprintf("%d now, %d since the start", j.CurrentlyBanned, j.TotalBanned)})
	for _, f := range j.Folds {
		rows = append(rows, []string{"folded", fmt.Sprintf("%s stands for %s (%s)", f.ID, plural(f.Count, "ban"), f.Reason)})
	}
	if j.Repairs > 0 {
		rows = append(rows, []string{"repairs", repairs(j.Repairs, j.LastRepair)})
	}
	if j.Packets != nil {
		rows = append(rows, []string{"dropped", fmt.Sprintf("%s of banned clients", plural(int(*j.Packets), "packet"))})
	}
	for _, l := range j.Leaks {
		rows = append(rows, []string{"no effect", fmt.Sprintf("%s, %s since its ban: %s", l.ID, plural(l.Failures, "failure"), l.Why)}, []string{"hint", l.Hint})
	}
	if err := table(out, rows); err != nil || len(j.Bans) == 0 {
		return err
	}
	fmt.Fprintln(out)
	return printBans(out, j.Bans, false)
}

// repairs says how often what the kernel had lost was put back.
func repairs(n uint64, last time.Time) string {
	return fmt.Sprintf("the kernel had lost rules or bans %s, last at %s; the log says why", plural(int(n), "time"), showTime(last))
}

// fares is what is worth telling of an action's commands; "" while all is well.
func fares(a event.ActionStatus) string {
	var parts []string
	if a.Failures > 0 {
		parts = append(parts, fmt.Sprintf("failed %s, last at %s: %s", plural(int(a.Failures), "time"), showTime(a.FailedAt), a.Error))
	}
	if a.Waiting > 0 {
		parts = append(parts, plural(a.Waiting, "command")+" waiting")
	}
	if a.Dropped > 0 {
		parts = append(parts, plural(int(a.Dropped), "notification")+" dropped")
	}
	return strings.Join(parts, "; ")
}

func port(j event.JailStatus) string {
	if j.Port == "" {
		return "all"
	}
	if j.Protocol == "" {
		return j.Port
	}
	return j.Port + "/" + j.Protocol
}

func readLines(j event.JailStatus) string {
	text := fmt.Sprintf("%d read", j.Lines)
	if j.CutLines > 0 {
		text += fmt.Sprintf(", %d cut at %d KiB", j.CutLines, event.MaxLine>>10)
	}
	if j.Aborted > 0 {
		text += fmt.Sprintf(", on %d a regex gave up (too many steps)", j.Aborted)
	}
	return text
}

// say prints one line in which log text may stand.
func say(out io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintln(out, engine.Printable(fmt.Sprintf(format, args...)))
	return err
}
