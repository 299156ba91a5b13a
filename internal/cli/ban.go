package cli

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/event"
)

// banCommand is `gaol ban JAIL ADDR|PREFIX`.
func banCommand() *cobra.Command {
	var f clientFlags
	var span, reason string
	c := &cobra.Command{
		Use:   "ban JAIL ADDR|PREFIX",
		Short: "Ban an address or a network by hand",
		Long: "Bans an address or a network in a jail, for the jail's bantime or as long as --for\n" +
			"says. ignoreip does not count here. This machine's own addresses, its gateways and\n" +
			"networks that cover one of them are refused.",
		Example: "  gaol ban sshd 203.0.113.66\n" +
			"  gaol ban sshd 203.0.113.0/24 --for 1d --reason 'scans since Monday'\n" +
			"  gaol ban sshd 2001:db8::66 --for -1",
		Args: needs("JAIL", "ADDR|PREFIX"),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := readSpan(span)
			if err != nil {
				return err
			}
			return ban(c, &f, control.Ban{Jail: args[0], ID: args[1], For: d, Reason: reason})
		},
	}
	f.add(c)
	f.addJSON(c)
	c.Flags().StringVar(&span, "for", "", "how long, such as 600, 10m, 1h30m, 2d; -1: for ever (default: the jail's bantime)")
	c.Flags().StringVar(&reason, "reason", "", "why, for who reads it later")
	return c
}

// readSpan reads --for; nil where it is empty.
func readSpan(text string) (*time.Duration, error) {
	if text == "" {
		return nil, nil
	}
	secs, err := config.Seconds(text)
	if err != nil {
		return nil, withHint(fmt.Errorf("--for: %w", err), "write 600, 10m, 1h30m, 2d, or -1 for a ban that does not end")
	}
	d := time.Duration(-1)
	if secs >= 0 {
		// More than a Duration holds (292 years) is as good as that.
		d = time.Duration(math.Min(secs*float64(time.Second), math.MaxInt64/2))
	}
	return &d, nil
}

func ban(c *cobra.Command, f *clientFlags, b control.Ban) error {
	reply, err := f.do(c, b)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(c.OutOrStdout(), reply)
	}
	for _, now := range reply.Bans {
		if err := sayBan(c.OutOrStdout(), now, reply.Outcome); err != nil {
			return err
		}
	}
	return nil
}

func sayBan(out io.Writer, b event.Ban, outcome control.Outcome) error {
	until := "for ever"
	if !b.End.IsZero() {
		until = "until " + showTime(b.End)
	}
	switch outcome {
	case control.Prolonged:
		return say(out, "%s was banned in %s already; now it is %s", b.ID, b.Jail, until)
	case control.Unchanged:
		return say(out, "%s is banned in %s already, %s; nothing was changed", b.ID, b.Jail, until)
	}
	return say(out, "%s is banned in %s %s", b.ID, b.Jail, until)
}
