package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gaol/internal/engine"
)

type importFlags struct {
	configFlags
	state, db    string
	dryRun, json bool
}

// importCommand is `gaol import`.
func importCommand() *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "import",
		Short: "Take over bans and read positions from fail2ban's database",
		Long: "Takes over from fail2ban's database, for the jails that are enabled: the bans in force,\n" +
			"those of the past, how often an address was banned, and where each log was read to, and\n" +
			"prints what it took. gaol must be stopped; its next start judges the bans by the\n" +
			"configuration of then. The first start of gaol does this by itself. What was taken is not\n" +
			"taken a second time, and fail2ban's database stays as it is.",
		Example: "  gaol import --dry-run\n" +
			"  gaol import --db /backup/fail2ban.sqlite3",
		Args: needs(),
		RunE: func(c *cobra.Command, _ []string) error { return importFail2ban(c, f) },
	}
	f.add(c)
	c.Flags().StringVar(&f.state, "state", "", "directory of bans, failures and read positions (default /var/lib/gaol)")
	c.Flags().StringVar(&f.db, "db", "", "fail2ban's database (default: dbfile of fail2ban.conf)")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "write nothing, say what would be taken")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return c
}

func importFail2ban(c *cobra.Command, f importFlags) error {
	conf, _ := f.load()
	all, err := engine.Import(c.Context(), engine.ImportOptions{
		Load: f.load, StateDir: or(f.state, conf.Global.Own.State), DB: f.db, DryRun: f.dryRun, Now: time.Now,
	})
	switch {
	case errors.Is(err, engine.ErrNoDatabase):
		return withHint(err, "name it: gaol import --db PATH")
	case errors.Is(err, engine.ErrGaolRuns):
		return withHint(err, "stop it first; its bans stay in the kernel: gaol stop && gaol import")
	case errors.Is(err, os.ErrPermission):
		return withHint(err, "run it as root: sudo gaol import")
	case err != nil:
		return hinted(err)
	}
	if f.json {
		return printJSON(c.OutOrStdout(), all)
	}
	return printImported(c.OutOrStdout(), all, f.dryRun)
}

func printImported(out io.Writer, all engine.Imported, try bool) error {
	verb := "taken"
	if try {
		verb = "would be taken"
	}
	if len(all.Jails) == 0 {
		if err := say(out, "%s has nothing that is new here", all.From); err != nil {
			return err
		}
	}
	rows := [][]string{{"JAIL", "BANS", "PAST BANS", "REPEATED", "READS ON"}}
	for _, j := range all.Jails {
		row := []string{j.Jail, fmt.Sprint(j.Bans), fmt.Sprint(j.Past), fmt.Sprint(j.Counts), ""}
		for i, p := range j.Positions {
			if i > 0 { // each position on a line of its own
				rows, row = append(rows, row), []string{" ", " ", " ", " ", ""}
			}
			row[4] = p.Source + ", " + p.String()
		}
		rows = append(rows, row)
	}
	if len(all.Jails) > 0 {
		if err := say(out, "%s from %s:", verb, all.From); err != nil {
			return err
		}
		if err := table(out, rows); err != nil {
			return err
		}
	}
	if len(all.LeftOut) == 0 {
		return nil
	}
	return say(out, "left, since these jails are not enabled here: %s", strings.Join(all.LeftOut, ", "))
}
