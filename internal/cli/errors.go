package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"gaol/internal/engine"
)

// hintError is an error and the command or edit that mends it.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error  { return e.error }
func (e *hintError) Hinted() string { return e.hint }

func withHint(err error, hint string) error { return &hintError{err, hint} }

// printError shows an error and its hint, and returns the exit status. An error without text
// was shown already.
func printError(errw io.Writer, err error) int {
	if err.Error() == "" {
		return 1
	}
	errw = &tame{to: errw}
	fmt.Fprintf(errw, "gaol: error: %s\n", engine.Printable(err.Error()))
	var h interface{ Hinted() string }
	if errors.As(err, &h) && h.Hinted() != "" {
		fmt.Fprintf(errw, "gaol: hint: %s\n", h.Hinted())
	}
	return 1
}

// needs refuses a command line without exactly these arguments, in words that say which.
func needs(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		what := "takes no arguments"
		if len(names) > 0 {
			what = "takes " + strings.Join(names, " and ")
		}
		return withHint(fmt.Errorf("%s %s, got %d", c.CommandPath(), what, len(args)), "see "+c.CommandPath()+" --help")
	}
}
