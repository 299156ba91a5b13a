// Package cli is gaol's command line: one file per subcommand. It parses, calls and prints.
package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// Main runs the command line args[0] args[1:]... and returns the exit status: 0 done, 1 failed.
// Called as fail2ban-regex (a link to the same binary) it speaks that program's command line.
func Main(args []string, in io.Reader, out, errw io.Writer) int {
	if strings.TrimSuffix(filepath.Base(args[0]), ".test") == "fail2ban-regex" {
		return Fail2banRegex(args[1:], in, out, errw)
	}
	root := &cobra.Command{
		Use:           "gaol",
		Short:         "Watches logs, finds the clients that attack, closes the ports to them",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(testCommand())
	root.SetArgs(args[1:])
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	if err := root.Execute(); err != nil {
		fmt.Fprintf(errw, "gaol: error: %v\n", err)
		return 1
	}
	return 0
}
