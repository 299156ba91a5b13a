package cli

import (
	"errors"
	"fmt"
	"io"

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
	fmt.Fprintf(errw, "gaol: error: %s\n", engine.Printable(err.Error()))
	var h interface{ Hinted() string }
	if errors.As(err, &h) && h.Hinted() != "" {
		fmt.Fprintf(errw, "gaol: hint: %s\n", h.Hinted())
	}
	return 1
}
