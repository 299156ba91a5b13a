package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gaol/internal/config"
	"gaol/internal/store"
)

// ImportOptions says what Import brings where. Load and StateDir are required.
type ImportOptions struct {
	Load     func() (*config.Config, []config.Problem)
	StateDir string
	DB       string // fail2ban's database; empty: dbfile of fail2ban.conf
	DryRun   bool   // write nothing
	Alone    bool   // do not look for a running fail2ban
	Now      func() time.Time
}

// Imported is what came over from fail2ban.
type Imported struct {
	From    string        `json:"from"`
	Jails   []store.Taken `json:"jails"`
	LeftOut []string      `json:"left_out,omitempty"` // jails that are not enabled here
}

// Errors of Import that a command line can turn into a hint.
var (
	ErrNoDatabase = errors.New("fail2ban has no database")
	ErrGaolRuns   = errors.New("gaol is running")
)

// Import takes over what fail2ban knows into the state of a gaol that does not run: the bans in
// force, those of the past, and where each log was read to. The next start judges the bans by
// the configuration of then (§4.5). Doing it twice takes nothing twice.
func Import(ctx context.Context, o ImportOptions) (Imported, error) {
	conf, _ := o.Load()
	path := o.DB
	if path == "" {
		path = database(conf)
	}
	if path == "" {
		return Imported{}, fmt.Errorf("%w: dbfile is %s", ErrNoDatabase, conf.Global.DBFile)
	}
	f, err := store.OpenFail2ban(ctx, path)
	if errors.Is(err, os.ErrNotExist) {
		return Imported{}, fmt.Errorf("%w: %w", ErrNoDatabase, err)
	}
	if err != nil {
		return Imported{}, err
	}
	defer f.Close()
	s, cleanUp, err := stateFor(o)
	if err != nil {
		return Imported{}, err
	}
	defer cleanUp()
	if !o.Alone && !o.DryRun { // behind the lock: a gaol that runs answers on fail2ban's socket too
		pid, common, err := otherFail2ban(ctx, conf.Global.Socket, jailNames(conf))
		if err == nil && len(common) > 0 {
			return Imported{}, fmt.Errorf("%w (pid %d) and would read on: %s", ErrFail2banRuns, pid, strings.Join(common, ", "))
		}
	}
	return takeOver(ctx, s, f, path, conf, o.Now(), o.DryRun)
}

// stateFor opens the state that an import writes to. A trial makes no state where there is none.
func stateFor(o ImportOptions) (*store.Store, func(), error) {
	path, remove := filepath.Join(o.StateDir, "gaol.db"), func() {}
	if _, err := os.Stat(path); o.DryRun && errors.Is(err, os.ErrNotExist) {
		dir, err := os.MkdirTemp("", "gaol-import-")
		if err != nil {
			return nil, nil, fmt.Errorf("make a directory for the trial: %w", err)
		}
		path, remove = filepath.Join(dir, "gaol.db"), func() { _ = os.RemoveAll(dir) }
	}
	s, err := store.Open(path)
	if err != nil {
		remove()
		if locked := (*store.LockedError)(nil); errors.As(err, &locked) {
			err = fmt.Errorf("%w: %w", ErrGaolRuns, err)
		}
		return nil, nil, err
	}
	return s, func() { _ = s.Close(); remove() }, nil
}

func takeOver(ctx context.Context, s *store.Store, f *store.Fail2ban, path string, conf *config.Config, now time.Time, try bool) (Imported, error) {
	theirs, err := f.Jails(ctx)
	if err != nil {
		return Imported{}, err
	}
	all, ours := Imported{From: path}, jailNames(conf)
	var common []string
	for _, name := range theirs {
		if slices.Contains(ours, name) {
			common = append(common, name)
		} else {
			all.LeftOut = append(all.LeftOut, name)
		}
	}
	all.Jails, err = s.TakeOver(ctx, f, store.Taking{Jails: common, Now: now, Since: now.Add(-conf.Global.DBPurgeAge), Try: try})
	return all, err
}

// takeOver is the step of a first start: what fail2ban knew is taken over, once, while nothing
// is in the state yet. A database that cannot be read is said to be so and holds nothing up.
func (e *engine) takeOver(*cleanups) error {
	path := database(e.conf)
	if e.o.DryRun || path == "" || len(e.store.Notices()) > 0 {
		return nil // a damaged state was not empty: its bans would come back lifted or not
	}
	if empty, err := e.store.Empty(e.ctx); err != nil || !empty {
		return err
	}
	f, err := store.OpenFail2ban(e.ctx, path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer f.Close()
		var all Imported
		if all, err = takeOver(e.ctx, e.store, f, path, e.conf, e.o.Now(), false); err == nil {
			e.sayTaken(all)
			return nil
		}
	}
	e.log.Warn("bans and read positions of fail2ban are not taken over", "error", err)
	return nil
}

func (e *engine) sayTaken(all Imported) {
	e.log.Info("first start: taking over from fail2ban's database " + all.From)
	for _, j := range all.Jails {
		e.log.Info(fmt.Sprintf("[%s] taken over from fail2ban: %d bans in force, %d of the past, %d addresses banned more than once, %d read positions",
			j.Jail, j.Bans, j.Past, j.Counts, len(j.Positions)), "logger", "jail")
		for _, p := range j.Positions {
			e.log.Info(fmt.Sprintf("[%s] reading of %s goes on %s", j.Jail, p.Source, p), "logger", "jail")
		}
	}
	if len(all.LeftOut) > 0 {
		e.log.Info("not taken over, since these jails are not enabled here: " + strings.Join(all.LeftOut, ", "))
	}
}

// database is the path of fail2ban's database; empty: fail2ban is told to keep none (§1.8).
func database(c *config.Config) string {
	switch name := c.Global.DBFile; strings.ToLower(name) {
	case "none", ":memory:":
		return ""
	default:
		return name
	}
}

func jailNames(c *config.Config) []string {
	var names []string
	for _, j := range c.Jails {
		names = append(names, j.Name)
	}
	return names
}
