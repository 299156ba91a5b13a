package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"gaol/internal/control"
	"gaol/internal/event"
)

// errShown is a failure that was printed as an answer already: exit status 1 and no more text.
var errShown = errors.New("")

// bannedCommand is `gaol banned [ADDR]`.
func bannedCommand() *cobra.Command {
	var f clientFlags
	c := &cobra.Command{
		Use:   "banned [ADDR]",
		Short: "List the bans, or those that keep an address out",
		Long: "Lists all bans of all jails. With ADDR, only those that hit it, by itself or in a\n" +
			"network, with the log lines that led to them; the exit status is 1 where there is none.\n" +
			"\"all ports\" stands where a ban closes more than its jail's ports (escalate).",
		Example: "  gaol banned\n" +
			"  gaol banned 203.0.113.66",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return banned(c, &f, args[0])
			}
			return banned(c, &f, "")
		},
	}
	f.add(c)
	f.addJSON(c)
	return c
}

func banned(c *cobra.Command, f *clientFlags, id string) error {
	reply, err := f.do(c, control.Banned{ID: id})
	if err != nil {
		return err
	}
	if err := showBanned(c, f, id, reply.Bans); err != nil {
		return err
	}
	if id != "" && len(reply.Bans) == 0 {
		return errShown
	}
	return nil
}

func showBanned(c *cobra.Command, f *clientFlags, id string, bans []event.Ban) error {
	out := c.OutOrStdout()
	switch {
	case f.json && bans == nil:
		return printJSON(out, []event.Ban{})
	case f.json:
		return printJSON(out, bans)
	case len(bans) == 0 && id != "":
		return say(out, "%s is not banned", id)
	case len(bans) == 0:
		return say(out, "nobody is banned")
	}
	if err := printBans(out, bans, true); err != nil || id == "" {
		return err
	}
	for _, b := range bans {
		for _, line := range b.Matches {
			if err := say(out, "  %s: %s", b.Jail, line); err != nil {
				return err
			}
		}
	}
	return nil
}
