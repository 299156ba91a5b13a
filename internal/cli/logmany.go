package cli

import (
	"io"
	"strings"

	"gaol/internal/engine"
)

// RecordMany implements engine.ManyRecorder: a file or a stream takes them in one write.
func (l *logFile) RecordMany(all []engine.LogRecord) error {
	l.mu.Lock()
	far := l.sys != nil
	l.mu.Unlock()
	if far || len(all) == 1 {
		var first error
		for _, r := range all {
			if err := l.Record(r.Time, r.Level, r.Logger, r.Message); first == nil {
				first = err
			}
		}
		return first
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.follow()
	var text strings.Builder
	for _, r := range all {
		text.WriteString(l.target.line(r.Time, r.Level, r.Logger, r.Message))
	}
	_, err := io.WriteString(l.out, text.String())
	return err
}
