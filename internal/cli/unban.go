package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"gaol/internal/control"
)

// unbanCommand is `gaol unban JAIL|--all ADDR`.
func unbanCommand() *cobra.Command {
	var f clientFlags
	var all bool
	c := &cobra.Command{
		Use:   "unban JAIL ADDR | --all ADDR",
		Short: "Lift the ban of an address or a network",
		Long: "Lifts a ban in one jail, or with --all in every jail, and forgets what was counted\n" +
			"since. It is no error if there was none. ADDR is the id as `gaol banned` shows it, or an\n" +
			"address of the prefix that the jail counts it as (prefix = 32/64). It is not taken out\n" +
			"of a network that was banned by hand.",
		Example: "  gaol unban sshd 203.0.113.66\n" +
			"  gaol unban --all 203.0.113.0/24",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case all && len(args) != 1:
				return withHint(errors.New("--all takes an address and no jail"), "gaol unban --all 203.0.113.66")
			case !all && len(args) != 2:
				return withHint(errors.New("expected a jail and an address"), "gaol unban JAIL ADDR, or for all jails: gaol unban --all ADDR")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if all {
				return unban(c, &f, control.Unban{ID: args[0]})
			}
			return unban(c, &f, control.Unban{Jail: args[0], ID: args[1]})
		},
	}
	f.add(c)
	f.addJSON(c)
	c.Flags().BoolVar(&all, "all", false, "in all jails")
	return c
}

func unban(c *cobra.Command, f *clientFlags, u control.Unban) error {
	reply, err := f.do(c, u)
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	if f.json {
		return printJSON(out, reply)
	}
	for _, b := range reply.Bans {
		if err := say(out, "%s is not banned in %s any more", b.ID, b.Jail); err != nil {
			return err
		}
	}
	for _, b := range reply.Covering {
		if err := say(out, "%s is still kept out in %s by the ban of %s; lift it with: gaol unban %s %s", u.ID, b.Jail, b.ID, b.Jail, b.ID); err != nil {
			return err
		}
	}
	if len(reply.Bans)+len(reply.Covering) > 0 {
		return nil
	}
	if u.Jail == "" {
		return say(out, "%s was not banned in any jail", u.ID)
	}
	return say(out, "%s was not banned in %s", u.ID, u.Jail)
}
