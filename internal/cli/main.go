// Package cli is gaol's command line: one file per subcommand. It parses, calls and prints.
package cli

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"gaol/internal/firewall"
)

// version is set by the build (-ldflags -X).
var version = "dev"

// Main runs the command line args[0] args[1:]... and returns the exit status: 0 done, 1 failed.
// Called as fail2ban-regex, fail2ban-client or fail2ban-server (links to the same binary) it
// speaks that program's command line.
func Main(args []string, in io.Reader, out, errw io.Writer) int {
	out = &tame{to: out} // errw has to stay a terminal for the progress bar
	switch name := filepath.Base(args[0]); name {
	case "fail2ban-regex":
		return Fail2banRegex(args[1:], in, out, &tame{to: errw})
	case "fail2ban-client", "fail2ban-server":
		return Fail2banClient(name, args[1:], in, out, &tame{to: errw})
	}
	root := rootCommand()
	root.SetArgs(args[1:])
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	if err := root.Execute(); err != nil {
		return printError(errw, err)
	}
	return 0
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "gaol",
		Short: "Watches logs, finds the clients that attack, closes the ports to them",
		Long: "gaol watches the logs of services, finds the clients that attack them and closes the\n" +
			"ports to those clients, in the kernel. It reads fail2ban's configuration unchanged.",
		Example: "  gaol check -c /etc/fail2ban\n" +
			"  gaol run -c /etc/fail2ban",
		Args:          knownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(runCommand(), checkCommand(), webCommand(), testCommand(), replayCommand(), importCommand())
	root.AddCommand(clientCommands(version, dropTable)...)
	return root
}

// knownCommand refuses a word that is no subcommand.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "gaol --help lists the commands"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean: gaol " + near[0]
	}
	return withHint(fmt.Errorf("gaol has no command %q", args[0]), hint)
}

// dropTable deletes gaol's rules and sets without a daemon, of nft and of iptables: nobody has
// to know which it was.
func dropTable() error { return hinted(firewall.DropAll()) }
