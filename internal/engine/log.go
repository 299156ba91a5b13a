package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Notice is the level of bans and lifts, between info and warning as in fail2ban, whose
// recidive filter and external parsers look for "NOTICE  [jail] Ban ADDRESS".
const Notice = slog.Level(2)

// LogHandler writes records as fail2ban writes its log, so that what reads that log
// (recidive, dashboards, scripts) reads gaol's:
//
//	2026-11-24 13:00:00,123 fail2ban.actions        [4242]: NOTICE  [sshd] Ban 192.0.2.1
//
// The attribute "logger" chooses the logger's name; other attributes follow the message as
// key=value. Message and values are stripped of control characters and line ends, so that
// text written by an attacker never starts a line of its own.
type LogHandler struct {
	mu    *sync.Mutex
	out   io.Writer
	level slog.Leveler
	attrs []slog.Attr
}

// Recorder is an out that writes records in a form of its own. message is one line of printable
// text, with the attributes.
type Recorder interface {
	Record(t time.Time, level slog.Level, logger, message string) error
}

// ManyRecorder is a Recorder that takes many at once more cheaply.
type ManyRecorder interface {
	Recorder
	RecordMany(all []LogRecord) error
}

// LogRecord is what a Recorder is given.
type LogRecord struct {
	Time            time.Time
	Level           slog.Level
	Logger, Message string
}

// NewLogHandler returns a handler that writes records of at least level to out, which may be a
// Recorder.
func NewLogHandler(out io.Writer, level slog.Leveler) *LogHandler {
	return &LogHandler{mu: &sync.Mutex{}, out: out, level: level}
}

// Enabled implements slog.Handler.
func (h *LogHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *LogHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.HandleMany(ctx, []slog.Record{r})
}

// HandleMany is Handle for records in their order, in one write.
func (h *LogHandler) HandleMany(_ context.Context, all []slog.Record) error {
	lines := make([]LogRecord, len(all))
	for i, r := range all {
		lines[i] = h.line(r)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch own := h.out.(type) {
	case ManyRecorder:
		return own.RecordMany(lines)
	case Recorder:
		var errs []error
		for _, l := range lines {
			errs = append(errs, own.Record(l.Time, l.Level, l.Logger, l.Message))
		}
		return errors.Join(errs...)
	}
	var text []byte
	for _, l := range lines {
		text = append(append(text, LogStamp(l.Time)...), LogLine(l.Level, l.Logger, l.Message)...)
	}
	_, err := h.out.Write(text)
	return err
}

// line is a record with its attributes in the message.
func (h *LogHandler) line(r slog.Record) LogRecord {
	line := LogRecord{Time: r.Time, Level: r.Level, Logger: "gaol"}
	var tail strings.Builder
	add := func(a slog.Attr) bool {
		if a.Key == "logger" {
			line.Logger = a.Value.String()
			return true
		}
		v := Printable(a.Value.String())
		if v == "" || strings.ContainsAny(v, " \"=") {
			v = fmt.Sprintf("%q", v)
		}
		fmt.Fprintf(&tail, " %s=%s", a.Key, v)
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	line.Message = Printable(r.Message) + tail.String()
	return line
}

// LogStamp is how a line of the log begins.
func LogStamp(t time.Time) string {
	b := t.AppendFormat(make([]byte, 0, 32), time.DateTime)
	ms := t.Nanosecond() / 1e6
	return string(append(b, ',', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), ' '))
}

// LogLine is the rest of it, with the line's end.
func LogLine(l slog.Level, logger, message string) string {
	b := make([]byte, 0, 48+len(logger)+len(message))
	b = padded(append(b, "fail2ban."...), logger, 15)
	b = strconv.AppendInt(append(b, " ["...), int64(os.Getpid()), 10)
	b = padded(append(b, "]: "...), LevelName(l), 7)
	return string(append(append(append(b, ' '), message...), '\n'))
}

// padded appends a word and blanks up to a width.
func padded(b []byte, word string, width int) []byte {
	b = append(b, word...)
	for n := utf8.RuneCountInString(word); n < width; n++ {
		b = append(b, ' ')
	}
	return b
}

// WithAttrs implements slog.Handler.
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.attrs = append(append([]slog.Attr(nil), h.attrs...), attrs...)
	return &n
}

// WithGroup implements slog.Handler; fail2ban's format has no groups.
func (h *LogHandler) WithGroup(string) slog.Handler { return h }

// LevelName is fail2ban's word for a level (§1.8).
func LevelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < Notice:
		return "INFO"
	case l < slog.LevelWarn:
		return "NOTICE"
	case l < slog.LevelError:
		return "WARNING"
	}
	return "ERROR"
}

// Printable returns s with every control character, line end and invalid byte replaced by
// '?', so that text from a log can be shown on a terminal or in a line of gaol's own log.
func Printable(s string) string {
	plain := 0
	for plain < len(s) && s[plain] >= ' ' && s[plain] <= '~' {
		plain++
	}
	clean := true
	for _, r := range s[plain:] { // most is plain ASCII
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
