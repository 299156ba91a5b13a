package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gaol/internal/event"
)

// journalName is the journal's name in batches and marks.
const journalName = "journal"

// JournalOptions says which entries of the systemd journal to read and where to begin.
type JournalOptions struct {
	// Matches are as fail2ban's journalmatch, one line each: "FIELD=value FIELD=value + ...".
	// Terms of different fields are all required, "+" and lines are alternatives. Empty: all.
	Matches   []string
	Dir       string     // read this directory instead of the system's journal
	Files     []string   // read these files (globs) instead
	Namespace string     // journald namespace
	Bare      bool       // lines are the message alone, as a container's program wrote it, with Line.Taken
	Users     bool       // also the session journals of users, who can write there what they like
	Resume    event.Mark // behind this cursor; without one, Since counts
	Since     time.Time  // zero: from the beginning
	Command   string     // journalctl; empty: from PATH
	// Backoff is how long to wait after so many failures of journalctl in a row; nil: from
	// 0.1 s, doubled up to 30 s.
	Backoff func(failures int) time.Duration
}

// JournalSource reads the systemd journal through journalctl, since its files may only be read
// by systemd's own library. First one journalctl reads up to the present; its end is the
// batch's End. Then another follows. When that one dies it is started again behind the last
// entry handed out, so that none is lost or comes twice. Boots before this one and the
// journals of other hosts count, as in fail2ban (--merge; -f alone reads this boot only).
type JournalSource struct {
	o       JournalOptions
	command string
	matches []string

	mu        sync.Mutex // everything below; held by Next
	cursor    string
	join      joiner // of Bare
	following bool
	failures  int
	retry     time.Time
	child     *exec.Cmd
	stderr    *lastText
	parser    exportParser
	buf       []byte
	pending   []event.Batch

	out  atomic.Pointer[os.File] // of the child; Close wakes Next by its deadline
	life context.Context         // of the source; its end ends journalctl
	end  context.CancelFunc
	once sync.Once
}

// Journal begins to read the systemd journal. It fails if there is no journalctl or a match is
// none.
func Journal(o JournalOptions) (Source, error) { return newJournal(o) }

func newJournal(o JournalOptions) (*JournalSource, error) {
	if o.Command == "" {
		o.Command = "journalctl"
	}
	command, err := exec.LookPath(o.Command)
	if err != nil {
		return nil, fmt.Errorf("read the systemd journal: %w; install systemd, or follow a log file", err)
	}
	matches, err := journalMatches(o.Matches)
	if err != nil {
		return nil, err
	}
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	j := &JournalSource{o: o, command: command, matches: matches, buf: make([]byte, 64<<10)}
	resume, replay := replayOf(o.Resume)
	j.cursor, j.join.replay = resume.Cursor, replay
	j.life, j.end = context.WithCancel(context.Background())
	return j, nil
}

func backoff(failures int) time.Duration {
	return min(100*time.Millisecond<<min(failures-1, 20), 30*time.Second)
}

// Next is as Source says.
func (j *JournalSource) Next(ctx context.Context) (event.Batch, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return event.Batch{}, err
		}
		if j.closed() {
			return event.Batch{}, ErrClosed
		}
		if len(j.pending) > 0 {
			b := j.pending[0]
			j.pending = j.pending[1:]
			return b, nil
		}
		switch {
		case j.child == nil && time.Now().Before(j.retry):
			j.sleep(ctx)
		case j.child == nil:
			if err := j.launch(); err != nil {
				j.failed(err)
			}
		default:
			j.read(ctx)
		}
	}
}

// args is journalctl's command line; see there for each option.
func (j *JournalSource) args() []string {
	args := []string{"--output=export", "--no-pager", "--quiet", "--no-tail", "--merge"}
	if !j.o.Users {
		args = append(args, "--system")
	}
	if j.following {
		args = append(args, "--follow")
	}
	if j.o.Dir != "" {
		args = append(args, "--directory="+j.o.Dir)
	}
	for _, f := range j.o.Files {
		args = append(args, "--file="+f)
	}
	if j.o.Namespace != "" {
		args = append(args, "--namespace="+j.o.Namespace)
	}
	switch {
	case j.cursor != "":
		args = append(args, "--after-cursor="+j.cursor)
	case !j.o.Since.IsZero():
		us := j.o.Since.UnixMicro()
		args = append(args, fmt.Sprintf("--since=@%d.%06d", us/1e6, us%1e6))
	}
	return append(append(args, "--"), j.matches...)
}

func (j *JournalSource) launch() error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("run journalctl: %w", err)
	}
	defer w.Close()
	j.stderr = &lastText{}
	c := exec.CommandContext(j.life, j.command, j.args()...)
	c.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0")
	c.Stdout, c.Stderr = w, j.stderr
	c.WaitDelay = time.Second // should a grandchild hold stderr open
	if err := c.Start(); err != nil {
		r.Close()
		return fmt.Errorf("run journalctl: %w", err)
	}
	j.child, j.parser = c, exportParser{}
	j.out.Store(r)
	return nil
}

// read takes what one read of the child's output gives.
func (j *JournalSource) read(ctx context.Context) {
	out := j.out.Load()
	if err := out.SetReadDeadline(time.Time{}); err != nil || j.closed() {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = out.SetReadDeadline(time.Unix(1, 0)) })
	n, err := out.Read(j.buf)
	stop()
	if n > 0 {
		j.take(j.buf[:n])
		return
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
	case errors.Is(err, io.EOF):
		j.ended()
	default:
		j.failed(fmt.Errorf("read journalctl: %w", err))
	}
}

// take makes a batch of the entries that data completes.
func (j *JournalSource) take(data []byte) {
	b := event.Batch{Source: journalName, End: j.following && len(data) < len(j.buf)}
	now := time.Now()
	taken := false
	err := j.parser.feed(data, func(e entry) {
		if j.o.Bare {
			j.bare(&b, &e, now)
		} else {
			b.Lines = append(b.Lines, e.line(now))
		}
		if e.cut {
			b.Cut++
		}
		taken = true
		if e.fields[cursor] != "" {
			j.cursor = e.fields[cursor]
		}
	})
	if taken {
		j.failures = 0
		b.Mark = j.mark()
		j.pending = append(j.pending, b)
	}
	if err != nil {
		j.failed(err)
	}
}

// bare takes an entry of a container's log in. Its pieces are told apart by the id that Docker
// gives them, or by the stream, which is the priority (moby, daemon/logger/journald).
func (j *JournalSource) bare(b *event.Batch, e *entry, now time.Time) {
	p := piece{text: e.fields[message], stream: e.first(partialID, priority), more: e.fields[partial] == "true"}
	if us, err := strconv.ParseInt(e.first(sourceRealtime, realtime), 10, 64); err == nil {
		p.time = time.UnixMicro(us)
	}
	j.join.take(p, event.Mark{Source: journalName, Cursor: j.cursor}, now, func(l event.Line, over bool) {
		b.Lines = append(b.Lines, l)
		if over {
			b.Cut++
		}
	})
}

// mark is where reading goes on. In front of the very first entry there is no cursor to go back
// to.
func (j *JournalSource) mark() event.Mark {
	end := event.Mark{Source: journalName, Cursor: j.cursor}
	if !j.o.Bare {
		return end
	}
	if m := j.join.mark(end); !strings.HasPrefix(m.Cursor, "+") {
		return m
	}
	return end
}

// ended looks why the child came to its end. The first one is to end; the one that follows is
// not.
func (j *JournalSource) ended() {
	err := j.reap()
	said := j.stderr.String()
	if err == nil && !j.following {
		j.following = true
		j.pending = append(j.pending, event.Batch{
			Source: journalName, End: true, Mark: j.mark()})
		if said != "" {
			j.report(fmt.Errorf("journalctl: %s", said))
		}
		return
	}
	if strings.Contains(said, "seek to cursor") {
		// It is no cursor at all; one whose entry is gone means the next entry.
		j.cursor, j.join = "", joiner{}
	}
	if err == nil {
		err = errors.New("ended of itself")
	}
	j.failed(fmt.Errorf("journalctl: %w: %s", err, said))
}

// failed reports err and has the child started anew after a while.
func (j *JournalSource) failed(err error) {
	if j.child != nil {
		_ = j.child.Process.Kill()
		_ = j.reap()
	}
	j.failures++
	j.retry = time.Now().Add(j.o.Backoff(j.failures))
	j.report(err)
}

func (j *JournalSource) report(err error) {
	j.pending = append(j.pending, event.Batch{Source: journalName, Err: err})
}

// reap waits for the child, which has closed its output. One that lives on is killed.
func (j *JournalSource) reap() error {
	late := time.AfterFunc(5*time.Second, func() { _ = j.child.Process.Kill() })
	err := j.child.Wait()
	late.Stop()
	j.out.Swap(nil).Close()
	j.child = nil
	return err
}

func (j *JournalSource) sleep(ctx context.Context) {
	timer := time.NewTimer(time.Until(j.retry))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-j.life.Done():
	case <-timer.C:
	}
}

func (j *JournalSource) closed() bool { return j.life.Err() != nil }

// Watched is "journal".
func (j *JournalSource) Watched() []string { return []string{journalName} }

// Close ends Next and journalctl.
func (j *JournalSource) Close() error {
	j.once.Do(func() {
		j.end()
		if out := j.out.Load(); out != nil {
			_ = out.SetReadDeadline(time.Unix(1, 0))
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.child != nil {
			_ = j.child.Process.Kill()
			_ = j.reap()
		}
	})
	return nil
}

// lastText keeps the last lines that journalctl wrote to stderr.
type lastText struct {
	mu   sync.Mutex
	text []byte
}

const maxStderr = 4 << 10

func (l *lastText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-maxStderr):]
	return len(p), nil
}

func (l *lastText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(strings.Fields(string(l.text)), " ")
}
