package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gaol/internal/control"
)

// stopLimit is how long `gaol stop` waits: actions may take their time to take down rules.
const stopLimit = 5 * time.Minute

// stopCommand is `gaol stop`.
func stopCommand() *cobra.Command {
	var f clientFlags
	var unban bool
	c := &cobra.Command{
		Use:   "stop",
		Short: "Stop the daemon and wait for its end",
		Long: "Stops the daemon and returns when it has ended. The bans of the native action stay in\n" +
			"the kernel, each until its own end, and the next start goes on with them; --unban lifts\n" +
			"them. The actions of action.d take their rules down either way, as in fail2ban.",
		Example: "  gaol stop\n" +
			"  gaol stop --unban",
		Args: needs(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.client().StopAndWait(c.Context(), control.Stop{Unban: unban}, stopLimit); err != nil {
				return err
			}
			what := "gaol has stopped; its bans stay in the kernel until they end"
			if unban {
				what = "gaol has stopped; nobody is banned any more"
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), what)
			return err
		},
	}
	f.add(c)
	c.Flags().BoolVar(&unban, "unban", false, "open the ports to everybody again")
	return c
}
