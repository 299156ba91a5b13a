package engine

import (
	"bytes"

	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/host"
	"gaol/internal/store"
)

var (
	readerSeed  = flag.Uint64("reader.seed", 0, "the one run of TestSharedReadingIsReadingAlone; 0: as many as fit")
	readerLimit = flag.Duration("reader.limit", 6*time.Second, "how long it goes on")
)

// samples are the lines of fail2ban's own test logs, by filter.
const samples = "/usr/lib/python3/dist-packages/fail2ban/tests/files/logs"

// pupil is a jail that does nothing but take its portions in.
type pupil struct {
	t        *testing.T
	w        *worker
	failures []event.Failure
	lines    int
	rows     map[string]string // what a store would hold of the filter's memory
	parted   int
}

// began is a jail at its reader, with what it took before.
func (p *pupil) began(readers *readers) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	at := map[string]event.Mark{}
	state := store.State{}
	if p.w != nil {
		at = p.w.at
	}
	for _, m := range at {
		state.Marks = append(state.Marks, m)
	}
	for _, row := range p.rows {
		state.Memory = append(state.Memory, []byte(row))
	}
	plan := p.w.plan
	p.w = &worker{plan: plan, at: map[string]event.Mark{}, log: slog.New(slog.DiscardHandler),
		deps: &deps{now: func() time.Time { return now }, docks: &docks{}, readers: readers}}
	if err := p.w.begin(p.t.Context(), state, false); err != nil {
		p.t.Fatal(err)
	}
}

// read takes portions until the log's end is so far.
func (p *pupil) read(path string, size int64) {
	for p.w.at[path].Offset < size || !p.ends(path) {
		select {
		case one, open := <-p.w.listener.out:
			if !open {
				p.parted++
				p.w.readAlone(p.t.Context())
				continue
			}
			select {
			case <-p.w.listener.room:
			default:
			}
			p.take(one)
		case <-time.After(20 * time.Second):
			p.t.Fatalf("%s: nothing came; it stands at %+v of %d", p.w.conf.Name, p.w.at[path], size)
		}
	}
}

func (p *pupil) ends(path string) bool { return p.w.at[path].Source != "" }

func (p *pupil) take(one *portion) {
	p.lines += one.lines
	p.failures = append(p.failures, one.failures...)
	p.w.at[one.Mark.Source] = one.Mark
	sum := filter.Join([]filter.Delta{one.memory})
	for _, key := range sum.Gone {
		delete(p.rows, key)
	}
	for key, row := range sum.Changed {
		p.rows[key] = string(row)
	}
}

// corpus is every filter of Debian's fail2ban as a jail, and the lines of each one's samples.
func corpus(t *testing.T, dir string) (plans []*plan, lines map[string][]string) {
	t.Helper()
	files, err := filepath.Glob("/etc/fail2ban/filter.d/*.conf")
	if _, err2 := os.Stat(samples); err != nil || err2 != nil || len(files) == 0 {
		missing(t, "fail2ban's filters and sample logs are missing: scripts/packages test")
	}
	var local bytes.Buffer
	lines = map[string][]string{}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".conf")
		text, err := os.ReadFile(filepath.Join(samples, name))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
				lines[name] = append(lines[name], strings.TrimRight(line, "\n"))
			}
		}
		fmt.Fprintf(&local, "[%s]\nenabled = true\nfilter = %s\nlogpath = %s/one\n", name, name, dir)
	}
	local.WriteString("[sshd-aggressive]\nenabled = true\nfilter = sshd[mode=aggressive]\nlogpath = " + dir + "/one\n")
	conf := filepath.Join(dir, "conf")
	if err := os.CopyFS(conf, os.DirFS("/etc/fail2ban")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(conf, "jail.d")); err != nil {
		t.Fatal(err)
	}
	head := "[DEFAULT]\nbackend = auto\nbanaction = gaol\nusedns = no\nfindtime = 10m\nmaxlines = 1\n"
	if err := os.WriteFile(filepath.Join(conf, "jail.local"), append([]byte(head), local.Bytes()...), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, problems := config.Load(config.LoadOptions{Dir: conf})
	var shelf shelf
	for _, j := range loaded.Jails {
		p, err := shelf.makePlan(j, host.NewResolver(), 2026)
		if err != nil || j.Broken {
			continue // tells nothing of readers
		}
		plans = append(plans, p)
	}
	if len(plans) < 50 {
		t.Fatalf("%d jails: %v", len(plans), problems)
	}
	return plans, lines
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

var syslogStamp = regexp.MustCompile(`^[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d `)

// trial is a random set of jails on random logs, which are written piece by piece; some jails
// stop and start, some are slow.
type trial struct {
	dir    string
	jails  []*plan
	pieces []piece
}

type piece struct {
	path  string
	text  string
	stops []int // jails that stop before it is written, and start again once it is
	loses bool  // those have forgotten their connections then
	slow  int   // a jail that does not take this one and the next; -1: none
}

func newTrial(r *rand.Rand, dir string, plans []*plan, lines map[string][]string) trial {
	t := trial{dir: dir}
	restarts := r.IntN(2) == 0
	for range 2 + r.IntN(8) {
		p := *plans[r.IntN(len(plans))]
		if r.IntN(3) == 0 { // one that remembers connections
			name := []string{"sshd", "sshd-aggressive"}[r.IntN(2)]
			p = *plans[slices.IndexFunc(plans, func(p *plan) bool { return p.conf.Name == name })]
		}
		for range 1 + r.IntN(3) { // some are equal
			twin := p
			twin.conf.Name = fmt.Sprintf("%s-%d", p.conf.Name, len(t.jails))
			twin.conf.LogPath = []string{dir + "/one head", dir + "/two head"}[:1+r.IntN(8)/7]
			t.jails = append(t.jails, &twin)
		}
	}
	for range 4 + r.IntN(12) {
		one := piece{path: filepath.Join(dir, []string{"one", "one", "two"}[r.IntN(3)]), slow: -1}
		var text strings.Builder
		for range 1 + r.IntN(6) {
			own := lines[t.jails[r.IntN(len(t.jails))].conf.FilterName]
			if len(own) == 0 {
				continue
			}
			at := r.IntN(len(own))
			for _, l := range own[at:min(len(own), at+1+r.IntN(40)/(1+r.IntN(8)))] {
				// A restart forgets which formats of stamps came before: then they are one.
				if !restarts || syslogStamp.MatchString(l) {
					text.WriteString(l + "\n")
				}
			}
		}
		one.text = text.String()
		if restarts {
			one.loses = r.IntN(2) == 0
			for n := range t.jails {
				if r.IntN(6) == 0 {
					one.stops = append(one.stops, n)
				}
			}
		} else if r.IntN(3) == 0 {
			one.slow = r.IntN(len(t.jails))
		}
		t.pieces = append(t.pieces, one)
	}
	return t
}

// run reads the trial's logs with all jails at the same readers, or with each at its own.
func (tr trial) run(t *testing.T, shared bool) (all []*pupil, united int) {
	t.Helper()
	for _, name := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(tr.dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fresh := func() *readers {
		return &readers{log: slog.New(slog.DiscardHandler), now: func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) },
			lag: lag{portions: 1, patience: 8 * time.Millisecond}}
	}
	common := fresh()
	common.hold()
	at := map[*pupil]*readers{}
	for _, p := range tr.jails {
		one := &pupil{t: t, w: &worker{plan: p}, rows: map[string]string{}}
		at[one] = common
		if !shared {
			at[one] = fresh()
		}
		one.began(at[one])
		all = append(all, one)
	}
	common.release()
	sizes := map[string]int64{filepath.Join(tr.dir, "one"): 0, filepath.Join(tr.dir, "two"): 0}
	wait := func(slow int) {
		for n, one := range all {
			for path := range sizes {
				if n != slow && one.follows(path) {
					one.read(path, sizes[path])
				}
			}
		}
	}
	wait(-1) // what is written from now on is in operation
	slow, most := -1, common.count()
	for _, piece := range tr.pieces {
		for _, n := range piece.stops {
			all[n].w.leave()
		}
		f, err := os.OpenFile(piece.path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(piece.text); err != nil {
			t.Fatal(err)
		}
		f.Close()
		sizes[piece.path] += int64(len(piece.text))
		for _, n := range piece.stops {
			if piece.loses {
				clear(all[n].rows)
			}
			all[n].began(at[all[n]])
		}
		if slow < 0 {
			slow = piece.slow
			wait(slow)
		} else {
			wait(slow)
			slow = -1
			wait(slow)
		}
		n := common.count()
		united, most = united+max(0, most-n), n
	}
	wait(-1)
	for _, one := range all {
		one.w.leave()
	}
	return all, united
}

func (rs *readers) count() int {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.all)
}

func (p *pupil) follows(path string) bool {
	for _, l := range p.w.conf.LogPath {
		if strings.HasPrefix(l, path+" ") {
			return true
		}
	}
	return false
}

// However many jails read a log together, each gets what it gets alone: the same failures, the
// same count of lines, the same memory of connections.
func TestSharedReadingIsReadingAlone(t *testing.T) {
	dir := t.TempDir()
	plans, lines := corpus(t, dir)
	found, parted, united, runs := 0, 0, 0, 0
	end := time.Now().Add(*readerLimit)
	for seed := uint64(1); time.Now().Before(end) && !t.Failed(); seed++ {
		if *readerSeed != 0 {
			seed, end = *readerSeed, time.Now()
		}
		runs++
		tr := newTrial(rand.New(rand.NewPCG(seed, 70)), dir, plans, lines)
		together, n := tr.run(t, true)
		alone, _ := tr.run(t, false)
		united += n
		for n, got := range together {
			want := alone[n]
			found, parted = found+len(got.failures), parted+got.parted
			if got.lines != want.lines {
				t.Errorf("seed %d: %s read %d lines, alone %d", seed, got.w.conf.Name, got.lines, want.lines)
			}
			if !reflect.DeepEqual(got.rows, want.rows) {
				t.Errorf("seed %d: %s remembers %v, alone %v", seed, got.w.conf.Name, got.rows, want.rows)
			}
			if fmt.Sprintf("%+v", got.failures) != fmt.Sprintf("%+v", want.failures) {
				t.Errorf("seed %d: %s found %d failures, alone %d\n%+v\n%+v", seed, got.w.conf.Name, len(got.failures), len(want.failures), got.failures, want.failures)
			}
		}
	}
	t.Logf("%d runs, %d failures, %d times a jail fell behind, %d readers became one with another", runs, found, parted, united)
	if *readerSeed == 0 && (found == 0 || parted == 0 || united == 0) {
		t.Error("the runs show nothing")
	}
}
