package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gaol/internal/control"
)

// panicCommand is `gaol panic`: the way back in for who has banned himself. drop deletes
// gaol's table in the kernel.
func panicCommand(drop func() error) *cobra.Command {
	var f clientFlags
	c := &cobra.Command{
		Use:   "panic",
		Short: "Open all ports at once: delete gaol's firewall table, without the daemon",
		Long: "Deletes the nft table `inet gaol`, so that nobody is kept out by it any more, whether or\n" +
			"not the daemon runs or answers. Rules that actions of action.d made are not touched. A\n" +
			"daemon that runs puts its bans back: stop it first, or right after.",
		Example: "  gaol panic && gaol stop",
		Args:    needs(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := drop(); err != nil {
				return fmt.Errorf("delete gaol's firewall table: %w", err)
			}
			fmt.Fprintln(c.OutOrStdout(), "table inet gaol is gone: it keeps nobody out any more")
			warnOfDaemon(c, &f)
			return nil
		},
	}
	f.add(c)
	return c
}

// warnOfDaemon says so where a daemon runs; one that does not answer is no reason to wait.
func warnOfDaemon(c *cobra.Command, f *clientFlags) {
	ctx, cancel := context.WithTimeout(c.Context(), 2*time.Second)
	defer cancel()
	reply, err := f.client().Do(ctx, control.Version{})
	if err != nil || reply.Status == nil {
		return
	}
	fmt.Fprintf(c.ErrOrStderr(), "gaol: warning: the daemon (process %d) runs and will put its bans back\n"+
		"gaol: hint: stop it with: gaol stop\n", reply.Status.PID)
}
