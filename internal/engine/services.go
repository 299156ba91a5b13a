package engine

import (
	"errors"
	"os"
	"syscall"

	"gaol/internal/config"
	"gaol/internal/control"
	"gaol/internal/event"
)

// Door is how a Service reaches the engine: commands in, what happens out.
type Door interface {
	control.Daemon
	control.Teller
}

// Service is what runs beside the jails, in the same process: the web page. It begins when every
// jail watches. One that cannot begin is told in the log and among the problems of the status; it
// stops no jail.
type Service struct {
	Name  string
	Start func(Door) (stop func() error, err error)
}

func (e *engine) startServices(undo *cleanups) error {
	for _, s := range e.o.Services {
		stop, err := s.Start(e)
		if err == nil {
			undo.add("stop "+s.Name, stop)
			continue
		}
		hint := ""
		if h := (interface{ Hinted() string })(nil); errors.As(err, &h) {
			hint = h.Hinted()
		}
		e.log.Error(s.Name+" does not run", "logger", "server", "error", err, "hint", hint)
		e.mu.Lock()
		e.problems = append(e.problems, config.Problem{Severity: config.Error, Msg: s.Name + " does not run: " + err.Error(), Hint: hint})
		e.mu.Unlock()
	}
	return nil
}

// tellBehind adds how many bytes of its logs a jail has not read yet, where they are files.
func tellBehind(j *event.JailStatus) {
	for i := range j.Sources {
		s := &j.Sources[i]
		info, err := os.Stat(s.Name)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Ino == s.Mark.Inode { // else it was rotated just now
			behind := max(info.Size()-s.Mark.Offset, 0)
			s.Behind = &behind
		}
	}
}
