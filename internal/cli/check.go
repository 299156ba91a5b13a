package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gaol/internal/config"
	"gaol/internal/engine"
)

type checkFlags struct {
	configFlags
	strict, json, offline bool
}

// errFindings ends a check that found errors: they are printed already.
var errFindings = errors.New("")

// checkCommand is `gaol check`: everything a configuration gets wrong, before it hurts.
func checkCommand() *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check",
		Short: "List what the configuration gets wrong, and which bans would not bite",
		Long: "Reads the configuration and lists every finding with its file, its line and the edit\n" +
			"that mends it. Run as root it also reads the kernel's rules, the container engine and\n" +
			"the ends of the logs, and says which ban would not bite. Exit status: 0 without errors, 1 with errors (with --strict also with\n" +
			"warnings).",
		Example: "  gaol check -c /etc/fail2ban --strict",
		Args:    needs(),
		RunE:    func(c *cobra.Command, _ []string) error { return check(c.Context(), f, c.OutOrStdout()) },
	}
	f.add(c)
	c.Flags().BoolVar(&f.strict, "strict", false, "take warnings for errors")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	c.Flags().BoolVar(&f.offline, "offline", false, "do not look at the kernel")
	return c
}

// finding is a Problem as --json prints it.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Severity string `json:"severity"`
	Jail     string `json:"jail,omitempty"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

// inspect finds what there is to say of a configuration. notes are what could not be looked at.
func inspect(ctx context.Context, f checkFlags) (conf *config.Config, problems []config.Problem, notes []string) {
	conf, _ = f.load()
	problems = append(conf.Check(), engine.Verify(conf)...)
	if !f.offline {
		live, err := bites(ctx, conf)
		problems = append(problems, live...)
		if err != nil {
			notes = append(notes, err.Error())
		}
		live, said, err := subjects(ctx, conf)
		problems, notes = append(problems, live...), append(notes, said...)
		if err != nil {
			notes = append(notes, err.Error())
		}
	}
	return conf, problems, notes
}

func check(ctx context.Context, f checkFlags, out io.Writer) error {
	conf, problems, notes := inspect(ctx, f)
	errs := count(problems, config.Error)
	if f.strict {
		errs = len(problems)
	}
	if f.json {
		if err := printFindings(out, problems); err != nil {
			return err
		}
	} else {
		printProblems(out, conf, problems, notes)
	}
	if errs > 0 {
		return errFindings
	}
	return nil
}

func count(ps []config.Problem, s config.Severity) (n int) {
	for _, p := range ps {
		if p.Severity == s {
			n++
		}
	}
	return n
}

func printFindings(out io.Writer, ps []config.Problem) error {
	all := []finding{}
	for _, p := range ps {
		all = append(all, finding{p.Pos.File, p.Pos.Line, p.Severity.String(), p.Jail, p.Msg, p.Hint})
	}
	return printJSON(out, all)
}

func printProblems(out io.Writer, conf *config.Config, ps []config.Problem, notes []string) {
	for _, p := range ps {
		fmt.Fprintln(out, p)
		if p.Hint != "" {
			fmt.Fprintf(out, "    hint: %s\n", strings.ReplaceAll(p.Hint, "\n", "\n          "))
		}
	}
	for _, note := range notes {
		fmt.Fprintln(out, "note:", note)
	}
	dir := conf.Dir
	if dir == "" {
		dir = "the embedded configuration"
	}
	var names []string
	for _, j := range conf.Jails {
		if !j.Broken {
			names = append(names, j.Name)
		}
	}
	slices.Sort(names)
	fmt.Fprintf(out, "%s: %s, %s; jails that run: %s\n", dir,
		plural(count(ps, config.Error), "error"), plural(count(ps, config.Warning), "warning"), or(strings.Join(names, " "), "none"))
}

// bites holds each ban against the kernel's NAT rules.
func bites(ctx context.Context, conf *config.Config) ([]config.Problem, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("not root: the kernel's NAT rules were not read, so whether bans bite is not known")
	}
	return diagnose(ctx, conf)
}
