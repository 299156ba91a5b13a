package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"gaol/internal/date"
	"gaol/internal/event"
)

// keptFound is how many of the newest lines that name an id are explained.
const keptFound = 20

// searchLogs looks for an id in the ends of a jail's logs, all together at most limit bytes, and
// explains the newest lines that name it.
func (e *engine) searchLogs(ctx context.Context, w *worker, j *event.JailAccount, id string, now time.Time, limit int64) error {
	conf := e.confOf(w)
	if units := date.Units(conf.LogEncoding); units.Wide() {
		j.Logs = append(j.Logs, event.LogSearch{Name: "its logs", Error: "not searched: they are in " + conf.LogEncoding})
		return nil
	}
	var found []string
	for _, path := range logFiles(conf) {
		s, lines := searchFile(ctx, path, id, limit)
		limit -= s.Bytes
		j.Logs, found = append(j.Logs, s), append(found, lines...)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	switch {
	case w.journal():
		j.Logs = append(j.Logs, event.LogSearch{Name: "journal", Error: "not searched: journalctl -g ADDRESS shows the lines"})
	case w.ownLog():
		j.Logs = append(j.Logs, event.LogSearch{Name: "the container's log", Error: "not searched: docker logs shows the lines"})
	}
	if len(found) == 0 {
		return nil
	}
	all, err := Explain(ctx, SubjectOfJail(e.loadOptions(), conf), ExplainOptions{
		Lines: found[max(0, len(found)-keptFound):], Now: now, Spared: e.sparedIn(j.Jail),
	})
	if err != nil {
		return err
	}
	seen := map[event.Outcome]bool{}
	for i := len(all) - 1; i >= 0; i-- {
		if x := all[i]; !seen[x.Outcome] {
			seen[x.Outcome] = true
			j.Newest = append(j.Newest, x)
		}
	}
	return nil
}

// searchFile finds the lines at a file's end that name an address, oldest first.
func searchFile(ctx context.Context, path, id string, limit int64) (s event.LogSearch, lines []string) {
	s.Name = path
	info, err := os.Stat(path)
	switch {
	case err != nil:
		s.Error = "does not exist"
		return s, nil
	case !info.Mode().IsRegular():
		s.Error = "is no regular file"
		return s, nil
	case limit <= 0:
		s.Error = "not searched: the logs before it used up what is searched at most"
		return s, nil
	}
	f, err := os.Open(path)
	if err != nil {
		s.Error = err.Error()
		return s, nil
	}
	defer f.Close()
	from := max(0, info.Size()-limit)
	s.Bytes, s.Whole = info.Size()-from, from == 0
	in := bufio.NewReaderSize(io.NewSectionReader(f, from, s.Bytes), event.MaxLine)
	if from > 0 {
		_, _ = in.ReadString('\n') // the rest of a line; an end of the file shows again
	}
	for ctx.Err() == nil {
		text, err := in.ReadSlice('\n')
		if mentions(string(text), id) {
			s.Lines++
			lines = append(lines, strings.TrimRight(string(text), "\r\n"))
			if len(lines) > 2*keptFound {
				lines = append(lines[:0], lines[len(lines)-keptFound:]...)
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if !errors.Is(err, io.EOF) {
				s.Error = fmt.Sprint(err)
			}
			break
		}
	}
	return s, lines
}

// mentions says whether a text holds an address, not as a part of another one.
func mentions(text, addr string) bool {
	digit := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] >= '0' && text[i] <= '9' || text[i] >= 'a' && text[i] <= 'f' || text[i] >= 'A' && text[i] <= 'F')
	}
	joint := byte('.')
	if strings.Contains(addr, ":") {
		joint = ':'
	}
	for from := 0; ; {
		i := strings.Index(text[from:], addr)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(addr)
		before := digit(i-1) || i > 0 && text[i-1] == joint
		after := digit(end) || end < len(text) && text[end] == joint && digit(end+1)
		if !before && !after {
			return true
		}
		from = i + 1
	}
}
