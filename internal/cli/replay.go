package cli

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gaol/internal/config"
	"gaol/internal/date"
	"gaol/internal/engine"
	"gaol/internal/replay"
	"gaol/internal/wide"
)

type replayFlags struct {
	configFlags
	jails []string
	sweep []string
	top   int
	bans  bool
	json  bool
}

// replayCommand is `gaol replay`: what a configuration would have done.
func replayCommand() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay [LOG...]",
		Short: "Run logs of the past through the jails: who would have been banned, and when",
		Long: "Runs logs through the jails of a configuration on the logs' own clock and touches neither\n" +
			"the kernel nor the state of a running gaol. Shows who would have been banned, how many\n" +
			"failures that would have prevented, and who of the banned also logged in. LOG may be\n" +
			"packed (.gz); several are read as one, in the order of their stamps. Without LOG each\n" +
			"jail reads its own logpath. --sweep tries other rules besides, all in one pass.\n\n" +
			"Host names in logs are not looked up, ignorecommand is not run, gaol's allow list is not\n" +
			"known. A stamp without a year is of the last such day before now.",
		Example: "  gaol replay /var/log/auth.log.2.gz /var/log/auth.log.1 --jail sshd\n" +
			"  gaol replay --jail sshd --sweep maxretry=2..8 --sweep bantime=10m,1h,1d",
		RunE: func(c *cobra.Command, logs []string) error {
			return runReplay(c.Context(), f, logs, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f.add(c)
	c.Flags().StringSliceVar(&f.jails, "jail", nil, "jails to replay, enabled or not (default: all that are enabled)")
	c.Flags().StringArrayVar(&f.sweep, "sweep", nil, "rule to try in other ways: maxretry=2..8, findtime=10m,1h or bantime=1h,1d,-1; several give each combination")
	c.Flags().IntVar(&f.top, "top", 20, "how many offenders to list")
	c.Flags().BoolVar(&f.bans, "bans", false, "list every ban")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON, with every ban and every offender")
	return c
}

func runReplay(ctx context.Context, f replayFlags, logs []string, out, errw io.Writer) error {
	sweep, err := parseSweep(f.sweep)
	if err != nil {
		return withHint(err, "for instance: gaol replay --sweep maxretry=2..8 --sweep bantime=10m,1h")
	}
	jails, err := f.chosen()
	if err != nil {
		return err
	}
	now := time.Now()
	lanes, broken, err := engine.Lanes(ctx, jails, now)
	if err != nil {
		return hinted(err)
	}
	printBroken(errw, broken)
	if len(lanes) == 0 {
		return withHint(errors.New("no jail can be replayed"), "name one: gaol replay LOG --jail sshd; gaol check lists what is wrong")
	}
	logsOf := func(j config.Jail) []string { return ownLogs(j) }
	if len(logs) > 0 {
		logsOf = func(config.Jail) []string { return logs }
	}
	bar := newProgress(errw)
	files, err := replayFiles(jails, lanes, logsOf, bar)
	if err != nil {
		return err
	}
	report, err := replay.Run(ctx, replay.Options{Lanes: lanes, Files: files, Sweep: sweep, Now: now})
	bar.end()
	if err != nil {
		return hinted(err)
	}
	if f.json {
		return printJSON(out, report)
	}
	return printReplay(out, report, f, time.Since(now))
}

// chosen are the jails that the flags name; without one, all that are enabled and sound.
func (f *replayFlags) chosen() ([]config.Jail, error) {
	o := config.LoadOptions{Dir: f.dir, Embedded: f.embedded, All: len(f.jails) > 0}
	if o.Dir == "" && !o.Embedded {
		o.Dir = config.DefaultDir()
	}
	conf, problems := config.Load(o)
	if len(f.jails) == 0 {
		return slices.DeleteFunc(conf.Jails, func(j config.Jail) bool { return j.Broken }), nil
	}
	var all []config.Jail
	for _, name := range f.jails {
		i := slices.IndexFunc(conf.Jails, func(j config.Jail) bool { return j.Name == name })
		if i < 0 {
			return nil, withHint(fmt.Errorf("the configuration has no jail %q", name), "every [section] of jail.conf and jail.local can be replayed, enabled or not")
		}
		if at := slices.IndexFunc(problems, func(p config.Problem) bool { return p.Jail == name && p.Severity == config.Error }); conf.Jails[i].Broken && at >= 0 {
			return nil, withHint(errors.New(problems[at].String()), problems[at].Hint)
		}
		all = append(all, conf.Jails[i])
	}
	return all, nil
}

// printBroken names jails that are left out, and why.
func printBroken(errw io.Writer, broken []config.Problem) {
	for _, p := range broken {
		fmt.Fprintf(errw, "gaol: warning: jail %s is left out: %s\n", p.Jail, engine.Printable(p.String()))
	}
}

// ownLogs are the files that a jail's logpath names now. A log inside a container is none.
func ownLogs(j config.Jail) (all []string) {
	for _, l := range j.LogPath {
		glob := l
		if at := strings.LastIndexByte(l, ' '); at >= 0 {
			glob = l[:at]
		}
		found, _ := filepath.Glob(glob) // a pattern that is none matches nothing
		all = append(all, found...)
	}
	return all
}

// replayFiles are the logs, each with the lanes that read it.
func replayFiles(jails []config.Jail, lanes []replay.Lane, logsOf func(config.Jail) []string, bar *progress) ([]replay.File, error) {
	var files []replay.File
	at := map[string]int{}
	for _, j := range jails {
		lane := slices.IndexFunc(lanes, func(l replay.Lane) bool { return l.Jail == j.Name })
		if lane < 0 {
			continue
		}
		for _, path := range logsOf(j) {
			i, known := at[path]
			if !known {
				file, err := replayFile(path, date.Units(j.LogEncoding), bar)
				if err != nil {
					return nil, err
				}
				i, at[path] = len(files), len(files)
				files = append(files, file)
			}
			files[i].Lanes = append(files[i].Lanes, lane)
		}
	}
	if len(files) == 0 {
		return nil, withHint(errors.New("there is no log to replay: logpath matches no file"), "name one: gaol replay /var/log/auth.log --jail sshd")
	}
	return files, nil
}

func replayFile(path string, units wide.Units, bar *progress) (replay.File, error) {
	st, err := os.Stat(path)
	if err != nil {
		return replay.File{}, withHint(fmt.Errorf("read log: %w", err), "LOG is a file, packed (.gz) or not")
	}
	if st.IsDir() {
		return replay.File{}, withHint(fmt.Errorf("read log: %s is a directory", path), "LOG is a file, packed (.gz) or not")
	}
	bar.total += st.Size()
	return replay.File{Path: path, Read: func(do func(string)) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in := io.Reader(bar.reader(f))
		if strings.HasSuffix(path, ".gz") {
			unpacked, err := gzip.NewReader(in)
			if err != nil {
				return fmt.Errorf("unpack: %w", err)
			}
			in = unpacked
		}
		if units.Wide() {
			return eachWideLine(in, units, do)
		}
		return eachLine(in, do)
	}}, nil
}
