package action

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"gaol/internal/event"
)

// MaxOutput is how much of a command's output is kept. It may write as much as it likes.
const MaxOutput = 16 << 10

// grace is between SIGTERM and SIGKILL (§4.4).
const grace = 200 * time.Millisecond

// ErrTimeout is the cause of a command that was ended because its time was up.
var ErrTimeout = errors.New("time limit exceeded")

// shell runs a command with /bin/sh in a session of its own. It ends when the shell has ended,
// even if a child that went to the background still holds the output open. When limit or ctx
// is over, the whole process group gets SIGTERM and then SIGKILL. When gaol itself is killed
// the kernel kills the shell (Pdeathsig), so that a script does not run on beside the next
// gaol's undo.
func shell(ctx context.Context, c event.Command, limit time.Duration) (string, error) {
	// Pdeathsig means the thread that forked, not the process (prctl(2)): keep it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, ErrTimeout)
	defer cancel()
	var out output
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", c.Script}, c.Values...)...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
		err = nil // the shell ended well, a background child goes on
	}
	if ctx.Err() != nil && err != nil && cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what ignored SIGTERM
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	text := out.String()
	if err != nil {
		err = &CommandError{Cause: err, Output: text}
	}
	return text, err
}

// CommandError is a command that could not be run, failed or was ended.
type CommandError struct {
	Cause  error  // *exec.ExitError, ErrTimeout, ...
	Output string // holds attackers' text
}

func (e *CommandError) Unwrap() error { return e.Cause }

// Error quotes the first line of the output: it is somebody else's text in a log.
func (e *CommandError) Error() string {
	var why string
	var exit *exec.ExitError
	if errors.As(e.Cause, &exit) {
		switch exit.ExitCode() {
		case 126:
			why = " (found, but cannot be executed)"
		case 127:
			why = " (a command was not found)"
		}
	}
	line, _, _ := strings.Cut(strings.TrimSpace(e.Output), "\n")
	if line != "" {
		why += fmt.Sprintf(": %.300q", line)
	}
	return e.Cause.Error() + why
}

// output keeps the beginning of what is written to it. It is read while a background child
// may still be writing.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p[:min(len(p), MaxOutput-len(o.text))]...)
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
