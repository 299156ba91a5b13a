package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gaol/internal/config"
	"gaol/internal/engine"
	"gaol/internal/event"
)

// explainOptions are the arguments of `gaol explain`.
type explainOptions struct {
	config, datepattern, usedns string
	all, json                   bool
}

// explainCommand is `gaol explain LINE... FILTER`: a line's way through a filter.
func explainCommand(now func() time.Time) *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain LINE... FILTER",
		Short: "Show a log line's way through a filter, and where it stopped",
		Long: "Says what a filter makes of log lines and why: the timestamp and what it means, prefregex,\n" +
			"the failregex that matches, or the one that came furthest and the character where it\n" +
			"stopped, and what would make the line count. Several lines are taken as one log; with -\n" +
			"they are read from standard input. FILTER is a jail's name, a filter's name with its\n" +
			"parameters, the path of a filter file, or a failregex. No daemon is needed; gaol why\n" +
			"asks the one that runs.",
		Example: "  gaol explain 'Nov 24 10:00:00 host sshd[7]: Connection closed by 203.0.113.66 port 4711 [preauth]' sshd\n" +
			"  tail -n 20 /var/log/auth.log | gaol explain - 'sshd[mode=aggressive]'",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return needs("LINE", "FILTER")(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			lines, err := linesOf(args[:len(args)-1], c.InOrStdin())
			if err != nil {
				return err
			}
			return runExplain(c.Context(), c.OutOrStdout(), o, lines, args[len(args)-1], now())
		},
	}
	f := c.Flags()
	f.StringVarP(&o.config, "config", "c", "", "configuration directory (default /etc/gaol, else /etc/fail2ban, else the one inside gaol)")
	f.StringVarP(&o.datepattern, "datepattern", "d", "", "how timestamps look, instead of what the filter says")
	f.StringVar(&o.usedns, "usedns", "", "yes, warn, no or raw: what becomes of host names (default: the jail's, else warn)")
	f.BoolVar(&o.all, "all", false, "show every regex and how far it came")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

// mostLines bounds how many lines are explained at once: it is slow, and who reads more?
const mostLines = 500

// linesOf are the lines that arguments name; - reads them.
func linesOf(args []string, in io.Reader) (lines []string, err error) {
	for _, a := range args {
		if a != "-" {
			lines = append(lines, strings.Split(strings.TrimRight(a, "\r\n"), "\n")...)
			continue
		}
		if err := eachLine(in, func(text string) { lines = append(lines, strings.Clone(text)) }); err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
	}
	if len(lines) == 0 || len(lines) > mostLines {
		return nil, withHint(fmt.Errorf("%d lines to explain: expected 1 to %d", len(lines), mostLines), "gaol test LOG FILTER goes through whole logs")
	}
	return lines, nil
}

func runExplain(ctx context.Context, out io.Writer, o explainOptions, lines []string, regex string, now time.Time) error {
	s, err := subjectOf(cmp.Or(o.config, config.DefaultDir()), regex)
	if err != nil {
		return err
	}
	s.DatePattern = cmp.Or(o.datepattern, s.DatePattern)
	s.Spec.UseDNS = cmp.Or(o.usedns, s.Spec.UseDNS)
	ask := engine.ExplainOptions{Lines: lines, Now: now, All: o.all}
	if s.Jail != nil {
		if ask.Spared, err = engine.SparedBy(*s.Jail); err != nil {
			return err
		}
	}
	all, err := engine.Explain(ctx, s, ask)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(out, all)
	}
	return printExplained(out, all)
}

// subjectOf finds out what FILTER means, as `gaol test` does. A jail is read whole, for its counts.
func subjectOf(dir, regex string) (engine.Subject, error) {
	opts := config.LoadOptions{Dir: dir, Embedded: dir == "", All: true}
	p, err := prepareFilter(dir, regex)
	if err != nil {
		return engine.Subject{}, err
	}
	if p.jail != "" {
		conf, _ := config.Load(opts)
		for _, j := range conf.Jails {
			if j.Name == p.jail && !j.Broken {
				return engine.SubjectOfJail(opts, j), nil
			}
		}
	}
	p.spec.UseDNS = cmp.Or(p.spec.UseDNS, "warn")
	s := engine.Subject{Filter: regex, Spec: p.spec, DatePattern: p.date, Zone: p.zone, Encoding: p.encoding}
	if p.where.name == "" {
		return s, nil
	}
	if p.where.dir != "" {
		opts = config.LoadOptions{Dir: p.where.dir}
	}
	f, _, err := config.ReadFilter(opts, p.where.name+p.where.options)
	if err != nil {
		return s, err
	}
	return engine.SubjectOfFilter(opts, f, regex), nil
}

// printExplained says first what becomes of each line and what counts, then how that came.
func printExplained(out io.Writer, all []event.Explanation) error {
	r := &rows{}
	for i := range all {
		r.say("%s", headline(&all[i], len(all)))
	}
	r.say("%s", whatCounts(all))
	for i := range all {
		r.say("")
		r.explain(&all[i])
	}
	_, err := io.WriteString(out, r.b.String())
	return err
}
