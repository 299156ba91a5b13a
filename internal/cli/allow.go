package cli

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"gaol/internal/control"
	"gaol/internal/event"
)

// allowCommand is `gaol allow [ADDR|PREFIX]`.
func allowCommand() *cobra.Command {
	var f clientFlags
	var span, reason string
	var remove bool
	c := &cobra.Command{
		Use:   "allow [ADDR|PREFIX]",
		Short: "Keep an address or a network from being banned, or list who is",
		Long: "Nobody bans what stands on the allow-list: no jail, and no `gaol ban` by mistake. Bans\n" +
			"that hit it are lifted at once. It outlives a restart; without --for it stays until\n" +
			"--remove. Without an address it is listed.",
		Example: "  gaol allow 203.0.113.9 --for 8h --reason 'the auditors'\n" +
			"  gaol allow --remove 203.0.113.9\n" +
			"  gaol allow",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 0 && (remove || span != "" || reason != "") {
				return withHint(errors.New("expected one address or network"), "gaol allow 203.0.113.9 --for 8h")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return allowed(c, &f)
			}
			if remove {
				return disallow(c, &f, args[0])
			}
			d, err := readSpan(span)
			if err != nil {
				return err
			}
			return allow(c, &f, control.Allow{ID: args[0], For: d, Reason: reason})
		},
	}
	f.add(c)
	f.addJSON(c)
	c.Flags().StringVar(&span, "for", "", "how long, such as 8h, 2d (default: until it is removed)")
	c.Flags().StringVar(&reason, "reason", "", "why, for who reads it later")
	c.Flags().BoolVar(&remove, "remove", false, "take it off the list")
	c.MarkFlagsMutuallyExclusive("remove", "for")
	c.MarkFlagsMutuallyExclusive("remove", "reason")
	return c
}

func allow(c *cobra.Command, f *clientFlags, a control.Allow) error {
	reply, err := f.do(c, a)
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	if f.json {
		return printJSON(out, reply)
	}
	for _, a := range reply.Allowed {
		if err := say(out, "nobody bans %s, %s", a.ID, allowedUntil(a)); err != nil {
			return err
		}
	}
	for _, b := range reply.Bans {
		if err := say(out, "%s is not banned in %s any more", b.ID, b.Jail); err != nil {
			return err
		}
	}
	return nil
}

func disallow(c *cobra.Command, f *clientFlags, id string) error {
	reply, err := f.do(c, control.Disallow{ID: id})
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(c.OutOrStdout(), reply)
	}
	for _, a := range reply.Allowed {
		if err := say(c.OutOrStdout(), "%s is not on the allow-list any more", a.ID); err != nil {
			return err
		}
	}
	return nil
}

func allowed(c *cobra.Command, f *clientFlags) error {
	reply, err := f.do(c, control.Allowed{})
	if err != nil {
		return err
	}
	return showAllowed(c.OutOrStdout(), f.json, reply.Allowed)
}

func showAllowed(out io.Writer, asJSON bool, all []event.Allowance) error {
	switch {
	case asJSON && all == nil:
		return printJSON(out, []event.Allowance{})
	case asJSON:
		return printJSON(out, all)
	case len(all) == 0:
		return say(out, "the allow-list is empty; ignoreip and the addresses that are never banned hold besides")
	}
	rows := [][]string{{"ID", "SINCE", "UNTIL", "WHY"}}
	for _, a := range all {
		rows = append(rows, []string{a.ID, showTime(a.Since), or(showTime(a.End), "removed"), a.Reason})
	}
	return table(out, rows)
}

func allowedUntil(a event.Allowance) string {
	if a.End.IsZero() {
		return "until gaol allow --remove " + a.ID
	}
	return "until " + showTime(a.End)
}
