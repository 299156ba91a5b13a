package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gaol/internal/control"
)

// panicLimit is how long panic waits for a daemon that runs.
const panicLimit = 10 * time.Second

// panicCommand is `gaol panic`: the way back in for who has banned himself. drop deletes
// gaol's rules in the kernel.
func panicCommand(drop func() error) *cobra.Command {
	var f clientFlags
	c := &cobra.Command{
		Use:   "panic",
		Short: "Open all ports at once: delete gaol's firewall rules and stop the daemon",
		Long: "Deletes the nft table `inet gaol`, and gaol's chains and sets of iptables, so that nobody is\n" +
			"kept out by them any more, whether or not the daemon runs or answers. A daemon that runs\n" +
			"would put them back: it is told to stop. Bans stay written down, and the next start brings them back; rules that actions of\n" +
			"action.d made are taken down by the daemon's stop only.",
		Example: "  gaol panic",
		Args:    needs(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := drop(); err != nil {
				return fmt.Errorf("delete gaol's firewall rules: %w", err)
			}
			stopped, err := stopForPanic(c.Context(), &f, drop)
			if err != nil {
				return err
			}
			text := "gaol's firewall rules are gone: they keep nobody out any more\n"
			if stopped {
				text += "the daemon was told to stop; the next start brings the bans back\n"
			}
			_, err = fmt.Fprint(c.OutOrStdout(), text)
			return err
		},
	}
	f.add(c)
	return c
}

// stopForPanic stops a daemon, which may have put the rules back meanwhile: it deletes them
// at its own end, and drop does so before.
func stopForPanic(ctx context.Context, f *clientFlags, drop func() error) (stopped bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, panicLimit)
	defer cancel()
	_, err = f.client().Do(ctx, control.Stop{Drop: true})
	if e := (*control.Error)(nil); errors.As(err, &e) && e.Fault == control.Absent && ctx.Err() == nil {
		return false, nil
	}
	if err != nil {
		return false, withHint(fmt.Errorf("the rules were deleted, but the daemon runs, does not stop and will put them back: %w", err),
			"end it, and then again: systemctl kill -s KILL gaol; gaol panic")
	}
	if err := drop(); err != nil {
		return true, fmt.Errorf("delete gaol's firewall rules: %w", err)
	}
	return true, nil
}
