package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"gaol/internal/control"
)

// reloadCommand is `gaol reload`.
func reloadCommand() *cobra.Command {
	var f clientFlags
	c := &cobra.Command{
		Use:   "reload",
		Short: "Let the daemon read its configuration again",
		Long: "Reads the configuration again and switches the jails that are sound; a broken one keeps\n" +
			"running as it was. Bans and read positions are kept. Prints what is wrong, with file\n" +
			"and line.",
		Example: "  gaol check && gaol reload",
		Args:    needs(),
		RunE:    func(c *cobra.Command, _ []string) error { return reload(c, &f) },
	}
	f.add(c)
	f.addJSON(c)
	return c
}

func reload(c *cobra.Command, f *clientFlags) error {
	reply, err := f.do(c, control.Reload{})
	out := c.OutOrStdout()
	if f.json && (err == nil || len(reply.Problems) > 0) {
		if perr := printJSON(out, reply); perr != nil {
			return perr
		}
		return err
	}
	for _, p := range reply.Problems {
		if perr := say(out, "%s", p); perr != nil {
			return perr
		}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "the configuration was read again")
	return err
}
