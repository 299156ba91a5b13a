package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/engine"
	"gaol/internal/event"
)

// whyOptions are the arguments of `gaol why`.
type whyOptions struct {
	clientFlags
	jail    string
	search  int64
	offline bool
}

// whyCommand is `gaol why ADDR|LINE...`.
func whyCommand(now func() time.Time) *cobra.Command {
	var o whyOptions
	c := &cobra.Command{
		Use:   "why ADDR | LINE...",
		Short: "Say why an address is banned or not, or what becomes of a log line",
		Long: "With an address (or a network, or another ban id): asks the running gaol whether it is\n" +
			"banned, by which jail, until when, for which lines, and how the kernel holds the ban; if it\n" +
			"is not, why not, the likeliest reason first. The ends of the jails' logs are searched for it.\n" +
			"With log lines: says which jails see them and what becomes of them, by the running gaol, or by\n" +
			"the configuration where none runs. With - lines are read from standard input. gaol explain\n" +
			"does the same with a filter instead of a jail.",
		Example: "  gaol why 203.0.113.66\n" +
			"  gaol why 'Nov 24 10:00:00 host sshd[7]: Connection closed by 203.0.113.66 port 4711 [preauth]'\n" +
			"  tail -n 5 /var/log/auth.log | gaol why --jail sshd -",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return needs("ADDR or LINE")(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && isID(args[0]) {
				return whyID(c, &o, args[0])
			}
			lines, err := linesOf(args, c.InOrStdin())
			if err != nil {
				return err
			}
			return whyLines(c, &o, lines, now())
		},
	}
	o.add(c)
	o.addJSON(c)
	c.Flags().StringVar(&o.jail, "jail", "", "of lines: only in this jail, also one that is not enabled")
	c.Flags().BoolVar(&o.offline, "offline", false, "of lines: by the configuration, also where gaol runs")
	c.Flags().Int64Var(&o.search, "search", 8, "of an address that is not banned: MiB of each jail's logs that are searched for it; 0: none")
	return c
}

// isID tells a ban id from a log line: it is an address or a network, or one word.
func isID(arg string) bool {
	if _, err := netip.ParseAddr(arg); err == nil {
		return true
	}
	return arg != "-" && !strings.ContainsAny(arg, " \t\n")
}

func whyID(c *cobra.Command, o *whyOptions, id string) error {
	ask := control.Why{ID: id, Search: o.search << 20}
	if o.search <= 0 {
		ask.Search = -1
	}
	reply, err := o.do(c, ask)
	if err != nil {
		return err
	}
	switch {
	case reply.Account == nil:
		return errors.New("read account: the daemon sent none")
	case o.json:
		return printJSON(c.OutOrStdout(), reply.Account)
	}
	return printAccount(c.OutOrStdout(), reply.Account)
}

func whyLines(c *cobra.Command, o *whyOptions, lines []string, now time.Time) error {
	all, source, err := o.explained(c, lines, now)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(c.OutOrStdout(), all)
	}
	if err := printJails(c.OutOrStdout(), all, source); err != nil {
		return err
	}
	if o.offline {
		return nil
	}
	return o.now(c, all)
}

// mostNow bounds of how many ids it is told how they stand now.
const mostNow = 3

// now tells how the ids that lines name stand with the gaol that runs, if one does: the lines
// themselves may be old.
func (o *whyOptions) now(c *cobra.Command, all []event.Explanation) error {
	var ids []string
	for _, e := range all {
		if e.ID != "" && e.Outcome != event.LineIgnored && !slices.Contains(ids, e.ID) && len(ids) < mostNow {
			ids = append(ids, e.ID)
		}
	}
	r := &rows{}
	for _, id := range ids {
		reply, err := o.do(c, control.Why{ID: id, Search: -1})
		if err != nil || reply.Account == nil {
			return nil // none runs, and the answer stands without
		}
		r.verdict(reply.Account)
		for i := range reply.Account.Jails {
			r.kernel(&reply.Account.Jails[i])
		}
	}
	_, err := io.WriteString(c.OutOrStdout(), r.b.String())
	return err
}

// explained asks the daemon, or reads the configuration where none answers; source says which.
func (o *whyOptions) explained(c *cobra.Command, lines []string, now time.Time) (all []event.Explanation, source string, err error) {
	if !o.offline {
		reply, err := o.do(c, control.Explain{Lines: lines, Jail: o.jail})
		var fault *control.Error
		if err == nil {
			return reply.Explained, "by the gaol that runs", nil
		}
		if !errors.As(err, &fault) || fault.Fault != control.Absent {
			return nil, "", err
		}
	}
	all, err = explainOffline(c.Context(), o.config, o.jail, lines, now)
	return all, "by the configuration; no gaol was asked", err
}

// explainOffline holds lines against the enabled jails of a configuration, or against one.
func explainOffline(ctx context.Context, dir, jail string, lines []string, now time.Time) (all []event.Explanation, err error) {
	if dir == "" {
		dir = config.DefaultDir()
	}
	opts := config.LoadOptions{Dir: dir, Embedded: dir == "", All: jail != ""}
	conf, problems := config.Load(opts)
	for _, j := range conf.Jails {
		switch {
		case jail != "" && j.Name != jail:
			continue
		case j.Broken && jail == "":
			continue
		case j.Broken:
			for _, p := range problems {
				if p.Jail == jail && p.Severity == config.Error {
					return nil, withHint(&p, p.Hint)
				}
			}
			return nil, withHint(fmt.Errorf("jail %s is broken", jail), "gaol check")
		}
		o := engine.ExplainOptions{Lines: lines, Now: now}
		if o.Spared, err = engine.SparedBy(j); err != nil {
			return nil, err
		}
		one, err := engine.Explain(ctx, engine.SubjectOfJail(opts, j), o)
		if err != nil {
			return nil, fmt.Errorf("jail %s: %w", j.Name, err)
		}
		all = append(all, one...)
	}
	if len(all) == 0 && jail != "" {
		return nil, withHint(fmt.Errorf("no jail is called %q", jail), "gaol explain LINE FILTER tries a filter without a jail")
	}
	if len(all) == 0 {
		return nil, withHint(errors.New("no jail is enabled"), "name one with --jail, or try a filter: gaol explain LINE FILTER")
	}
	return all, nil
}

// printJails shows the jails that have to do with the lines; of none the one that came closest.
func printJails(out io.Writer, all []event.Explanation, source string) error {
	var order []string
	byJail := map[string][]event.Explanation{}
	for _, e := range all {
		if byJail[e.Jail] == nil {
			order = append(order, e.Jail)
		}
		byJail[e.Jail] = append(byJail[e.Jail], e)
	}
	var shown, others []string
	for _, jail := range order {
		if seesAny(byJail[jail]) {
			shown = append(shown, jail)
		} else {
			others = append(others, jail)
		}
	}
	if len(shown) == 0 {
		shown = []string{closest(order, byJail)}
		others = nil
		for _, jail := range order {
			if jail != shown[0] {
				others = append(others, jail)
			}
		}
	}
	for i, jail := range shown {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := printExplained(out, byJail[jail]); err != nil {
			return err
		}
	}
	fmt.Fprintln(out)
	if len(others) > 0 {
		if err := say(out, "not seen by: %s", strings.Join(others, ", ")); err != nil {
			return err
		}
	}
	return say(out, "(%s)", source)
}

// seesAny says whether some expression of a jail matched one of the lines.
func seesAny(all []event.Explanation) bool {
	for _, e := range all {
		if e.Outcome != event.LineMissed {
			return true
		}
	}
	return false
}

// closest is the jail whose filter came furthest with the lines.
func closest(order []string, byJail map[string][]event.Explanation) string {
	best, most := order[0], -1
	for _, jail := range order {
		for _, e := range byJail[jail] {
			score := 0
			if e.Nearest != nil && e.Nearest.Stop != nil {
				score = e.Nearest.Stop.Literal
			}
			if e.Prefix == nil || e.Prefix.Matched {
				score += 1000
			}
			if e.Prefix == nil && score == 1000 {
				score = 0 // nothing of it
			}
			if score > most {
				best, most = jail, score
			}
		}
	}
	return best
}
