package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// versionCommand is `gaol version`.
func versionCommand(version string) *cobra.Command {
	var f clientFlags
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print gaol's version",
		Long:    "Prints the version of this binary. `gaol status` shows that of the daemon that runs.",
		Example: "  gaol version --json",
		Args:    needs(),
		RunE: func(c *cobra.Command, _ []string) error {
			if f.json {
				return printJSON(c.OutOrStdout(), struct {
					Version string `json:"version"`
					Go      string `json:"go"`
					OS      string `json:"os"`
					Arch    string `json:"arch"`
				}{version, runtime.Version(), runtime.GOOS, runtime.GOARCH})
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "gaol %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	f.addJSON(c)
	return c
}
