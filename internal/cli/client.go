package cli

import (
	"time"

	"github.com/spf13/cobra"

	"gaol/internal/control"
)

// clientCommands are the subcommands that talk to a running gaol, and the two that need none.
// version is gaol's own; drop deletes gaol's nft table in the kernel (gaol panic).
func clientCommands(version string, drop func() error) []*cobra.Command {
	return []*cobra.Command{
		whyCommand(time.Now), explainCommand(time.Now),
		statusCommand(), banCommand(), unbanCommand(), bannedCommand(), allowCommand(), eventsCommand(), metricsCommand(),
		reloadCommand(), stopCommand(), panicCommand(drop), versionCommand(version),
	}
}

// clientFlags say which gaol is meant and how its answer is printed.
type clientFlags struct {
	socket, config string
	json           bool
}

func (f *clientFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.socket, "socket", "", "control socket of the daemon (default: socket of gaol.conf, else "+control.Socket+")")
	c.Flags().StringVarP(&f.config, "config", "c", "", "configuration directory of the daemon, to find its socket")
}

func (f *clientFlags) addJSON(c *cobra.Command) {
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

// client is the daemon that is meant. What else is wrong in its configuration does not matter
// here: it must be possible to stop it.
func (f *clientFlags) client() *control.Client {
	if f.socket != "" {
		return control.NewClient(f.socket)
	}
	conf, _ := (&configFlags{dir: f.config}).load()
	return control.NewClient(or(conf.Global.Own.Socket, control.Socket))
}

func (f *clientFlags) do(c *cobra.Command, cmd control.Command) (control.Reply, error) {
	return f.client().Do(c.Context(), cmd)
}
