package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"gaol/internal/event"
	"gaol/internal/firewall"
)

const (
	// repairEvery is how often the kernel is compared with what it should hold, whatever it
	// tells by itself.
	repairEvery = 45 * time.Second
	// quiet is how long a repair waits for the end of what is going on, at most four times:
	// a script that deletes elements one by one is one loss.
	quiet = 5 * time.Millisecond
	// repairBurst is how many repairs come at once; after that it is one a second, so that
	// gaol and a tool that goes on deleting do not keep the machine busy.
	repairBurst = 30
	// repairSlack is by how much the kernel may end a ban early: it counts in jiffies, and what
	// ends within it is not worth a repair.
	repairSlack = 2 * time.Second
	// repairPatience is how long a repair waits for a jail that is busy.
	repairPatience = time.Second
	// lookShare bounds what the regular look costs: a jail is looked at no more often than every
	// lookShare times of what it took. The kernel lists 10,000 bans in 25 ms, but 100,000 in
	// 0.7 s (it walks the set anew for each piece of the answer), and no ban passes meanwhile.
	lookShare = 100
	// remindEvery is how often the log says that something is still wrong.
	remindEvery = time.Minute
)

// mender is a firewall that tells what others do to it. The kernel's does.
type mender interface {
	Watch(ctx context.Context, tell func(what string)) error
	Mend(targets []firewall.Target) (lacked []string, err error)
}

// hard is a firewall that hears of some losses only, and is looked at more often.
type hard interface{ LookEvery() time.Duration }

// repairs keeps the kernel as it should be: it wakes up when somebody changes our table, or
// when a jail finds its sets gone, compares, and writes what is missing. What others added
// is left alone.
type repairs struct {
	e     *engine
	every time.Duration
	wake  chan struct{}

	// For the goroutine that repairs.
	pace     pace
	took     time.Duration // by the last round, if it was for nothing
	sound    bool          // the last round found all in place, when others had made so many changes
	foreign  uint32
	failing  reminder
	harassed reminder

	mu      sync.Mutex // guards what follows
	causes  []string   // since the last round, the first few
	since   time.Time
	count   uint64
	last    time.Time
	what    string // was lost last, and by whom
	problem string // rules or bans are not in force
	fought  string // somebody keeps removing them
	blind   string // the watch does not work
}

func newRepairs(e *engine) *repairs {
	r := &repairs{e: e, every: e.o.RepairEvery, wake: make(chan struct{}, 1)}
	if h, ok := e.fw.(hard); ok && r.every <= 0 {
		r.every = h.LookEvery()
	}
	if r.every <= 0 {
		r.every = repairEvery
	}
	return r
}

// keepFirewall starts the watch over the kernel. It ends before the jails do.
func (e *engine) keepFirewall(undo *cleanups) error {
	if e.o.DryRun {
		return nil
	}
	ctx, cancel := context.WithCancel(e.ctx)
	var all sync.WaitGroup
	all.Go(func() { e.repairs.watch(ctx) })
	all.Go(func() { e.repairs.run(ctx) })
	undo.add("end the watch over the firewall", func() error { cancel(); all.Wait(); return nil })
	return nil
}

// kick asks for a repair; cause says why, for the log.
func (r *repairs) kick(cause string) {
	r.note(time.Now(), cause)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// note keeps what the next round is about, and since when.
func (r *repairs) note(since time.Time, causes ...string) {
	const most = 4
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.causes) == 0 || since.Before(r.since) {
		r.since = since
	}
	for _, c := range causes {
		if len(r.causes) < most && !slices.Contains(r.causes, c) {
			r.causes = append(r.causes, c)
		}
	}
}

// watch hears from the kernel. A watch that broke is begun anew each second; each time, all
// is compared, so that being deaf is no more than a slower hearing.
func (r *repairs) watch(ctx context.Context) {
	m, ok := r.e.fw.(mender)
	if !ok {
		return
	}
	var told reminder
	for {
		err := m.Watch(ctx, func(what string) {
			r.setBlind("")
			r.kick(what)
		})
		if ctx.Err() != nil {
			return
		}
		r.setBlind("the watch over the firewall broke, and begins anew every second: " + err.Error())
		if told.due(time.Now()) {
			r.log(slog.LevelError, "the watch over the firewall broke; it begins anew every second", "error", err)
		}
		select {
		case <-time.After(retryEvery):
			r.kick("the watch over the firewall broke")
		case <-ctx.Done():
			return
		}
	}
}

func (r *repairs) setBlind(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blind = why
}

// run repairs when asked, when the last repair failed, and now and then.
func (r *repairs) run(ctx context.Context) {
	poll := time.NewTicker(r.every)
	defer poll.Stop()
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
			r.settle(ctx)
		case <-poll.C:
			if r.untouched() {
				continue
			}
			r.note(time.Now(), r.look()) // not kick: this round is the look, and no other after it
		case <-again:
		}
		again = nil
		if !r.slow(ctx) {
			return
		}
		if !r.round(ctx) {
			again = time.After(retryEvery)
		}
	}
}

// look is the cause of a repair that nobody asked for.
func (r *repairs) look() string { return "found by the look at it every " + r.every.String() }

// settle waits until nothing happens any more, but not for long. Where a round takes long the
// wait is as long, so that half of the time at most goes into comparing.
func (r *repairs) settle(ctx context.Context) {
	calm := min(max(quiet, r.took), retryEvery)
	end := time.After(4 * calm)
	for {
		select {
		case <-r.wake:
		case <-time.After(calm):
			return
		case <-end:
			return
		case <-ctx.Done():
			return
		}
	}
}

// slow holds back a repair that comes too soon after too many, and says so; false: ctx ended.
func (r *repairs) slow(ctx context.Context) bool {
	wait := r.pace.wait(time.Now())
	if wait <= 0 {
		return true
	}
	r.mu.Lock()
	r.fought = "something keeps removing gaol's rules or bans from the kernel; they are put back once a second. Last: " + r.what
	r.mu.Unlock()
	if r.harassed.due(time.Now()) {
		r.log(slog.LevelError, "something keeps removing gaol's rules or bans: they are put back only once a second now, and ports are open in between; find out what it is", "last", r.what)
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// round compares rules and bans with the kernel and writes what is missing; false: not all of
// it could be made sure of.
func (r *repairs) round(ctx context.Context) bool {
	r.mu.Lock()
	causes, since := r.causes, r.since
	r.causes = nil
	r.mu.Unlock()
	regular := slices.Equal(causes, []string{r.look()})
	begin := time.Now()
	slow := time.AfterFunc(retryEvery, func() {
		r.log(slog.LevelWarn, "comparing the kernel with what it should hold takes more than a second; what is lost is not known yet", "cause", strings.Join(causes, "; "))
	})
	if regular {
		slow.Stop()
	}
	defer slow.Stop()
	r.sound = false
	foreign, known := r.others() // asked first: what changes meanwhile counts as new
	lacked, err := r.rules()
	if err != nil {
		r.fail("gaol's rules are not known to be in force", err)
		r.note(since, causes...)
		return false
	}
	// Where rules are gone, bans may be: that comparison is not put off.
	found := r.bans(ctx, regular && len(lacked) == 0)
	r.took = time.Since(begin)
	if found.lost > 0 {
		lacked = append(lacked, counted(found.lost, "ban"))
	}
	if len(lacked) > 0 {
		r.took = 0 // what is lost does not wait; pace holds it back where it is too often
		r.pace.spend(time.Now())
		r.mended(strings.Join(lacked, ", "), found.refused, strings.Join(causes, "; "), time.Since(since))
	}
	if len(found.busy) > 0 {
		r.fail("not all bans are known to be in force", fmt.Errorf("busy: %s", strings.Join(found.busy, ", ")))
		r.note(since, causes...)
		return false
	}
	r.recovered(len(lacked) == 0)
	r.sound, r.foreign = known && len(lacked)+len(found.refused)+found.skipped == 0, foreign
	return true
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// rules makes the rules true and says what was missing.
func (r *repairs) rules() (lacked []string, err error) {
	if m, ok := r.e.fw.(mender); ok {
		r.e.ruling.Lock()
		defer r.e.ruling.Unlock()
		return m.Mend(r.e.targets())
	}
	return nil, r.e.deps.ensure()
}

// found is what jails find when they compare their bans with the kernel's.
type found struct {
	lost, skipped int
	busy, refused []string // jails that had no time; that could not write what was lost
}

// bans has each jail compare its bans with the kernel's, and write what is lost.
func (r *repairs) bans(ctx context.Context, regular bool) (all found) {
	ctx, cancel := context.WithTimeout(ctx, repairPatience)
	defer cancel()
	workers := r.e.running()
	answers := make(chan found, len(workers))
	for _, w := range workers {
		go func() {
			var a found
			free := w.callWithin(ctx, func() {
				begin := time.Now()
				defer func() { a.skipped = w.unlooked(begin) }()
				if a.lost = w.mend(regular); w.owes {
					a.refused = []string{w.conf.Name}
				}
			})
			if !free {
				a.busy = []string{w.conf.Name}
			}
			answers <- a
		}()
	}
	for range workers {
		a := <-answers
		all.lost, all.skipped = all.lost+a.lost, all.skipped+a.skipped
		all.busy, all.refused = append(all.busy, a.busy...), append(all.refused, a.refused...)
	}
	return all
}

// fail says that a repair failed, at once and then now and then, and keeps it in the status.
func (r *repairs) fail(what string, err error) {
	r.mu.Lock()
	r.problem = fmt.Sprintf("%s: %v", what, err)
	r.mu.Unlock()
	if r.failing.due(time.Now()) {
		r.e.deps.bus.publish(event.Happening{What: event.FirewallFails, Reason: fmt.Sprintf("%s: %v", what, err)})
		r.log(slog.LevelError, what+"; trying again every second", "error", err)
	}
}

// mended counts and logs a repair; after is the time since the loss was told.
func (r *repairs) mended(lacked string, refused []string, cause string, after time.Duration) {
	r.mu.Lock()
	r.count++
	r.e.deps.bus.publish(event.Happening{What: event.Repaired, Reason: "the kernel had lost " + lacked + ": " + cause})
	r.last, r.what = r.e.o.Now(), cause
	r.mu.Unlock()
	outcome := "; put back"
	if len(refused) > 0 {
		outcome = "; the bans of these jails are not back yet: " + strings.Join(refused, ", ")
	}
	r.log(slog.LevelWarn, "the kernel had lost "+lacked+outcome, "cause", cause, "after", after.Round(10*time.Microsecond))
}

// recovered takes back what was said to be wrong. That something keeps removing our rules is
// over when a repair finds nothing missing and could come at once again.
func (r *repairs) recovered(clean bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.problem = ""; r.failing.stop() {
		r.e.deps.bus.publish(event.Happening{What: event.FirewallMended})
		r.log(Notice, "all rules and bans are in force again")
	}
	if !clean || !r.pace.calm(time.Now()) {
		return
	}
	if r.fought = ""; r.harassed.stop() {
		r.log(Notice, "nobody removes gaol's rules or bans any more")
	}
}

func (r *repairs) log(level slog.Level, text string, args ...any) {
	r.e.log.Log(context.Background(), level, text, append([]any{"logger", "actions"}, args...)...)
}

// tell adds what repairs know to a status.
func (r *repairs) tell(s *event.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Repairs, s.LastRepair = r.count, r.last
	wrong := slices.DeleteFunc([]string{r.problem, r.fought, r.blind}, func(p string) bool { return p == "" })
	s.FirewallProblem = strings.Join(wrong, "; ")
}
