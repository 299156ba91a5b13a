// Package engine wires the rooms together and is the only one that holds goroutines, the
// clock and the log: it starts, reloads and stops jails, and makes their decisions true.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gaol/internal/action"
	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/event"
	"gaol/internal/firewall"
	"gaol/internal/host"
	"gaol/internal/store"
)

// Options is what Run needs. Load and StateDir are required.
type Options struct {
	Load        func() (*config.Config, []config.Problem) // reads the configuration; called again on reload
	StateDir    string                                    // directory of the store, mode 0700
	Socket      string                                    // control socket; empty: none is served
	Fail2ban    string                                    // socket for fail2ban's clients; empty: none is served
	Group       string                                    // group that may use the socket; empty: root only
	DryRun      bool                                      // watch and say what would be banned; change nothing
	Firewall    firewall.Backend                          // nil: what the configuration asks for
	Choice      firewall.Choice                           // how it is chosen, for tests; Want is the configuration's
	Log         *slog.Logger
	Version     string
	Now         func() time.Time // nil: time.Now
	Ready       func()           // called once when every jail watches; may be nil
	Reload      <-chan os.Signal // SIGHUP; may be nil
	LogFile     LogFile          // where Log writes, for fail2ban-client set loglevel; nil: it cannot be changed
	RepairEvery time.Duration    // how often the kernel is compared with what it should hold; 0: 45 s
	Services    []Service        // what runs beside the jails
	Alone       bool             // do not look for a running fail2ban (tests of the engine itself)
}

// Errors that a command line can turn into a hint.
var (
	ErrFail2banRuns = errors.New("fail2ban is running")
	ErrNoJail       = errors.New("no jail can run")
)

// deps is what all workers share.
type deps struct {
	now      func() time.Time
	log      *slog.Logger
	resolver *host.Resolver
	floor    *floor
	allows   *allows
	shelf    shelf
	readers  *readers
	docks    *docks
	// remembered is what the store holds of the memory of a jail's filter.
	remembered func(ctx context.Context, jail string) ([][]byte, error)
	commit     func(store.Change) <-chan error
	past       func(ctx context.Context, jail, id string) (times int, last time.Time, err error)
	evidence   func(ctx context.Context, jail string, bans []event.Ban) error // store.Evidence
	// maxMatches is dbmaxmatches: how many log lines the store keeps of a ban.
	maxMatches func() int
	apply      func([]firewall.Change) error
	ensure     func() error
	lost       func() // a jail found its sets gone from the kernel
	list       func(jails ...string) (map[string][]firewall.Element, error)
	queues     *action.Queues
	journal    action.Journal
	dryRun     bool
	bus        *bus

	counters  *hitCounters // of the native rules
	inquiring sync.Mutex   // held by the one inquiry that may run
	inquire   func(context.Context, inquiry) *event.Leak
}

type engine struct {
	o          Options
	log        *slog.Logger
	deps       *deps
	store      *store.Store
	fw         firewall.Backend
	fwName     string
	started    time.Time
	stop       context.CancelCauseFunc
	ctx        context.Context
	unbanAll   atomic.Bool // `stop --unban`
	dropTable  atomic.Bool // `panic`
	repairs    *repairs
	containers containers
	ruling     sync.Mutex // held from reading what the rules should be until they are
	reloading  sync.Mutex
	naming     sync.Mutex // held while names of ignoreip are looked up
	explaining sync.Mutex // held while lines are explained

	mu       sync.Mutex // guards what follows: commands come from other goroutines
	conf     *config.Config
	problems []config.Problem
	broken   map[string]string // jail → why it does not run
	workers  map[string]*worker
}

// Run starts gaol and serves until ctx ends or a stop command comes. What was opened is
// closed in reverse order; native bans stay in the kernel.
func Run(ctx context.Context, o Options) (err error) {
	e, closeAll, err := start(ctx, o)
	defer func() { err = errors.Join(err, closeAll()) }()
	if err != nil {
		return err
	}
	if o.Ready != nil {
		o.Ready()
	}
	go debug.FreeOSMemory() // configuration, compiling and restoring took more than is needed from now on
	defer time.AfterFunc(slimAfter, slim).Stop()
	return e.serve()
}

// cleanups run in reverse order; each is named, so that a failing one can be.
type cleanups []cleanup

type cleanup struct {
	name string
	do   func() error
}

func (c *cleanups) add(name string, do func() error) { *c = append(*c, cleanup{name, do}) }

func (c cleanups) run() error {
	var errs []error
	for _, one := range slices.Backward(c) {
		if err := one.do(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", one.name, err))
		}
	}
	return errors.Join(errs...)
}

func start(ctx context.Context, o Options) (*engine, func() error, error) {
	var undo cleanups
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &engine{o: o, log: o.Log, started: o.Now(), workers: map[string]*worker{}, broken: map[string]string{}}
	e.ctx, e.stop = context.WithCancelCause(ctx)
	steps := []func(*cleanups) error{e.readConfig, e.lookAround, e.openStore, e.takeOver, e.openFirewall, e.watchContainers, e.startJails, e.keepFirewall, e.followContainers, e.listen, e.listenFail2ban, e.startServices}
	for _, step := range steps {
		if err := step(&undo); err != nil {
			return e, undo.run, err
		}
	}
	return e, undo.run, nil
}

func (e *engine) readConfig(*cleanups) error {
	e.conf, e.problems = e.o.Load()
	for _, p := range e.problems {
		level := slog.LevelWarn
		if p.Severity == config.Error {
			level = slog.LevelError
		}
		e.log.Log(e.ctx, level, p.String(), "logger", "config", "hint", p.Hint)
	}
	if len(e.conf.Jails) == 0 && slices.ContainsFunc(e.problems, func(p config.Problem) bool { return p.Severity == config.Error }) {
		return fmt.Errorf("%w: the configuration has errors and no sound jail", ErrNoJail)
	}
	return nil
}

// lookAround refuses to run beside a fail2ban that has the same jails.
func (e *engine) lookAround(*cleanups) error {
	if e.o.DryRun || e.o.Alone {
		return nil
	}
	var names []string
	for _, j := range e.conf.Jails {
		names = append(names, j.Name)
	}
	pid, common, err := otherFail2ban(e.ctx, e.conf.Global.Socket, names)
	if err != nil {
		e.log.Warn("a fail2ban seems to run", "pid", pid, "error", err)
		return nil
	}
	if isGaol(pid) {
		return nil // the store or the control socket, which come next, tell of it in better words
	}
	if len(common) > 0 {
		return fmt.Errorf("%w (pid %d) with the same jails: %s", ErrFail2banRuns, pid, strings.Join(common, ", "))
	}
	if pid != 0 {
		e.log.Warn("fail2ban is running beside gaol, with other jails", "pid", pid)
	}
	return nil
}

func (e *engine) openStore(undo *cleanups) error {
	path := filepath.Join(e.o.StateDir, "gaol.db")
	if e.o.DryRun {
		// A dry run reads from scratch and must leave the real positions alone.
		dir, err := os.MkdirTemp("", "gaol-dry-run-")
		if err != nil {
			return fmt.Errorf("make a directory for the dry run: %w", err)
		}
		undo.add("remove dry run state", func() error { return os.RemoveAll(dir) })
		path = filepath.Join(dir, "gaol.db")
	}
	s, err := store.Open(path)
	if err != nil {
		return err
	}
	for _, n := range s.Notices() {
		e.log.Warn(n)
	}
	e.store = s
	undo.add("close state", s.Close)
	c := newCommitter(s)
	done := make(chan struct{})
	go func() { defer close(done); c.run() }()
	undo.add("write down state", func() error { close(c.queue); <-done; return nil })
	e.deps = &deps{now: e.o.Now, log: e.log, resolver: host.NewResolver(), commit: c.commit, past: s.Past, evidence: s.Evidence, maxMatches: e.maxMatches, dryRun: e.o.DryRun, allows: &allows{}}
	e.deps.readers = &readers{log: e.log, now: e.o.Now}
	e.deps.docks, e.deps.remembered = &e.containers.docks, s.Memory
	e.deps.bus = newBus(e.o.Now)
	undo.add("end the bus", e.deps.bus.close)
	if _, err := e.readAllowed(); err != nil {
		return err
	}
	e.deps.floor, err = readFloor()
	return err
}

func (e *engine) openFirewall(undo *cleanups) error {
	e.fw, e.fwName = e.o.Firewall, "given by the caller"
	switch {
	case e.fw != nil:
	case e.o.DryRun:
		e.fw, e.fwName = firewall.NewMemory(), "none: dry run"
	default:
		chosen, err := firewall.Choose(e.o.choice(e.conf.Global.Own.Firewall))
		if err != nil {
			return err
		}
		e.fw, e.fwName = chosen.Backend, chosen.Name
		if chosen.Warning != "" {
			e.log.Warn(chosen.Warning)
		}
		e.log.Info("firewall: " + e.fwName)
	}
	if e.o.Firewall == nil && !e.o.DryRun {
		e.fw = firewall.NewSpread(e.fw)
	}
	undo.add("close firewall", e.fw.Close)
	e.deps.apply = e.fw.Apply
	e.deps.ensure = func() error {
		e.ruling.Lock()
		defer e.ruling.Unlock()
		return e.fw.Ensure(e.targets())
	}
	e.deps.counters, e.deps.inquire = &hitCounters{read: e.hits}, e.inquire
	e.deps.list, e.repairs = e.fw.List, newRepairs(e)
	e.deps.lost = func() { e.containers.release(); e.repairs.kick("a jail found its sets gone") }
	e.deps.queues, e.deps.journal = action.NewQueues(context.Background()), e.store
	undo.add("finish action commands", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		return e.deps.queues.Close(ctx)
	})
	return nil
}

// serve waits for the end, and reloads on the way.
func (e *engine) serve() error {
	refresh := time.NewTicker(floorEvery)
	defer refresh.Stop()
	sync := time.NewTicker(time.Minute)
	defer sync.Stop()
	purge := time.NewTicker(time.Hour)
	defer purge.Stop()
	for {
		select {
		case <-e.ctx.Done():
			if cause := context.Cause(e.ctx); cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, errStopped) {
				return cause
			}
			return nil
		case <-e.o.Reload:
			if _, err := e.reloadBy(control.Reload{}); err != nil {
				e.log.Error("reload", "error", err)
			}
		case <-refresh.C:
			e.refreshFloor()
		case <-sync.C: // what a power loss can take back is a minute at most
			if err := e.store.Sync(e.ctx); err != nil {
				e.log.Error("sync state", "error", err)
			}
		case <-purge.C:
			if err := e.purge(); err != nil {
				e.log.Error("purge state", "error", err)
			}
		}
	}
}

// stopLimit bounds how long a stop waits for action.d commands.
const stopLimit = 30 * time.Second

// errStopped is the cause of a context that a stop command ended.
var errStopped = errors.New("stopped by command")

func (e *engine) listen(undo *cleanups) error {
	if e.o.Socket == "" {
		return nil
	}
	srv, err := control.Listen(control.ServerOptions{Path: e.o.Socket, Group: e.o.Group, Daemon: e})
	if err != nil {
		return err
	}
	undo.add("close control socket", func() error {
		e.deps.bus.publish(event.Happening{What: event.Stopping}) // ends what streams from the socket
		return srv.Close()
	})
	return nil
}

func (o Options) choice(want string) firewall.Choice {
	o.Choice.Want = want
	return o.Choice
}

// targets are what the native jails close, in the order of their names.
func (e *engine) targets() []firewall.Target {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []firewall.Target
	for _, name := range slices.Sorted(maps.Keys(e.workers)) {
		if w := e.workers[name]; w.target != nil && !e.containers.holds(w.plan) {
			own := e.scoped(w.plan)
			all = append(all, own)
			if raised, ok := w.raisedWithin(own); ok {
				all = append(all, raised)
			}
		}
	}
	return all
}

func (e *engine) maxMatches() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.conf.Global.DBMaxMatches
}

// purge forgets history older than dbpurgeage (fail2ban.conf), and jails configured no more.
func (e *engine) purge() error {
	e.mu.Lock()
	age := e.conf.Global.DBPurgeAge
	names := slices.Collect(maps.Keys(e.broken))
	e.mu.Unlock()
	for _, w := range e.running() {
		names = append(names, w.conf.Name)
		w.call(func() { age = max(age, w.conf.FindTime) }) // a position forgotten earlier would count failures twice
	}
	return errors.Join(e.store.Purge(e.ctx, e.o.Now(), age, names), e.store.Trim(e.ctx, e.maxMatches()))
}
