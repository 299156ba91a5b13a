package cli

import (
	"github.com/spf13/cobra"

	"gaol/internal/control"
)

// clientCommands are the subcommands that talk to a running gaol, and the two that need none.
// version is gaol's own; drop deletes gaol's nft table in the kernel (gaol panic).
func clientCommands(version string, drop func() error) []*cobra.Command {
	return []*cobra.Command{
		statusCommand(), banCommand(), unbanCommand(), bannedCommand(),
		reloadCommand(), stopCommand(), panicCommand(drop), versionCommand(version),
	}
}

// clientFlags say which gaol is meant and how its answer is printed.
type clientFlags struct {
	socket string
	json   bool
}

func (f *clientFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.socket, "socket", control.Socket, "control socket of the daemon")
}

func (f *clientFlags) addJSON(c *cobra.Command) {
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

func (f *clientFlags) do(c *cobra.Command, cmd control.Command) (control.Reply, error) {
	return control.NewClient(f.socket).Do(c.Context(), cmd)
}
