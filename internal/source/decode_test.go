package source

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gaol/internal/event"
)

func TestParseFramedLines(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 2, 7, 199127001, time.UTC)
	for _, c := range []struct {
		format Format
		raw    string
		want   piece
		ok     bool
	}{
		{JSONFile, `{"log":"a \"b\"\n","stream":"stderr","attrs":{"x":"y"},"time":"2026-11-24T12:02:07.199127001Z"}`,
			piece{text: `a "b"`, stream: "stderr", time: at, sameTime: true}, true},
		{JSONFile, `{"log":"a","stream":"stdout","time":"2026-11-24T12:02:07.199127001Z"}`,
			piece{text: "a", stream: "stdout", time: at, more: true, sameTime: true}, true},
		{JSONFile, `{"log":"a\n","stream":"stdout","ti`, piece{}, false},
		{JSONFile, `{"msg":"a service's own JSON","time":"2026-11-24T12:02:07Z"}`, piece{}, false},
		{JSONFile, `["log"]`, piece{}, false},
		{CRI, `2026-11-24T13:02:07.199127001+01:00 stdout F  a b`, piece{text: " a b", stream: "stdout", time: at}, true},
		{CRI, `2026-11-24T12:02:07.199127001Z stderr P:x a`, piece{text: "a", stream: "stderr", time: at, more: true}, true},
		{CRI, `2026-11-24T12:02:07.199127001Z stderr F `, piece{stream: "stderr", time: at}, true},
		{CRI, `2026-11-24T12:02:07Z stdin F a`, piece{}, false},
		{CRI, `Nov 24 12:02:07 host sshd[1]: x`, piece{}, false},
		{CRI, `yesterday stdout F a`, piece{}, false},
	} {
		got, ok := c.format.parse(c.raw)
		if ok && got.time.Equal(c.want.time) {
			got.time = c.want.time
		}
		if got != c.want || ok != c.ok {
			t.Errorf("%s: got %+v %v, want %+v %v", c.raw, got, ok, c.want, c.ok)
		}
	}
}

func FuzzJSONFile(f *testing.F) {
	f.Add(`{"log":"a\n","stream":"stdout","time":"2026-11-24T12:02:07Z"}`)
	f.Add(`{"log":"\u0000\ud800"}`)
	f.Fuzz(func(t *testing.T, raw string) { fuzzFormat(t, JSONFile, raw) })
}

func FuzzCRI(f *testing.F) {
	f.Add("2026-11-24T12:02:07.199127001Z stdout P:x a b")
	f.Fuzz(func(t *testing.T, raw string) { fuzzFormat(t, CRI, raw) })
}

// fuzzFormat: whatever stands in a log, the joiner hands out lines within bounds.
func fuzzFormat(t *testing.T, format Format, raw string) {
	var j joiner
	for _, part := range strings.Split(raw, "\n") {
		p, ok := format.parse(part)
		if ok && p.time.IsZero() {
			t.Fatalf("%q has no time", part)
		}
		j.take(p, event.Mark{}, time.Time{}, func(l event.Line, _ bool) {
			if len(l.Text) > event.MaxLine || strings.Contains(l.Text, "\n") {
				t.Fatalf("%q gives the line %q", part, l.Text)
			}
		})
	}
}

func jsonLine(text, stream string, at time.Time) string {
	raw, _ := json.Marshal(map[string]any{"log": text, "stream": stream, "time": at})
	return string(raw) + "\n"
}

// part is a framed line, and the program's line that it completes.
type part struct{ raw, whole string }

// writeFramed is what a log driver writes for lines of two streams: pieces of up to 8 bytes,
// interleaved.
func writeFramed(r *rand.Rand, format Format, at time.Time, n int) (pieces []part, lines []string) {
	queues := [2][]part{}
	for i := range n {
		s := r.IntN(2)
		text := fmt.Sprintf("line %d %s", i, strings.Repeat("x", r.IntN(30)))
		stamp := at.Add(time.Duration(i) * time.Millisecond)
		name := []string{"stdout", "stderr"}[s]
		for rest := text; ; {
			k := min(len(rest), 8)
			one, last := rest[:k], k == len(rest)
			rest = rest[k:]
			p := part{}
			if last {
				p.whole = text
			}
			if format == CRI {
				tag := "P"
				if last {
					tag = "F"
				}
				p.raw = stamp.Format(time.RFC3339Nano) + " " + name + " " + tag + " " + one + "\n"
				stamp = stamp.Add(time.Microsecond)
			} else {
				if last {
					one += "\n"
				}
				p.raw = jsonLine(one, name, stamp)
			}
			queues[s] = append(queues[s], p)
			if last {
				break
			}
		}
	}
	for len(queues[0])+len(queues[1]) > 0 {
		s := r.IntN(2)
		if len(queues[s]) == 0 {
			s = 1 - s
		}
		p := queues[s][0]
		queues[s] = queues[s][1:]
		pieces = append(pieces, p)
		if p.whole != "" {
			lines = append(lines, p.whole)
		}
	}
	return pieces, lines
}

// Pieces of interleaved streams, the file rotated between them, the reader killed anywhere and
// going on at the mark of its last batch: each line comes once.
func TestFramedFilesAcrossKillsAndRotation(t *testing.T) {
	for _, format := range []Format{JSONFile, CRI} {
		for seed := range uint64(6) {
			r := rand.New(rand.NewPCG(seed, uint64(format)))
			path := filepath.Join(t.TempDir(), "c-json.log")
			pieces, lines := writeFramed(r, format, time.Now(), 60)
			f := start(t, FileOptions{Patterns: []string{path}, Format: format})
			write(t, path, map[Format]string{JSONFile: jsonLine("first\n", "stdout", time.Now()), CRI: "2026-11-24T12:00:00Z stdout F first\n"}[format])
			f.want("first") // a log that was never read is not looked for among rotated files
			var got []string
			whole := 0
			for i, p := range pieces {
				write(t, path, p.raw)
				if p.whole != "" {
					whole++
				}
				switch r.IntN(12) {
				case 0: // rotation as dockerd does it
					for n := 30; n > 0; n-- {
						_ = os.Rename(fmt.Sprint(path, ".", n), fmt.Sprint(path, ".", n+1))
					}
					rename(t, path, path+".1")
					write(t, path, "")
				case 1:
					f.restart()
				}
				if r.IntN(3) == 0 || i == len(pieces)-1 {
					for len(got) < whole {
						for _, l := range f.next().Lines {
							got = append(got, l.Text)
							if l.Taken.IsZero() {
								t.Errorf("line %q has no time", l.Text)
							}
						}
					}
				}
			}
			if !slices.Equal(got, lines) {
				t.Fatalf("format %d, seed %d:\n%q\nwant\n%q", format, seed, got, lines)
			}
			f.nothingElse(path)
			f.stop()
		}
	}
}

// What no newline ends is a line of its own once its stream begins another, and does not hold
// the mark back for ever.
func TestUnfinishedLineOfAProgramThatEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c-json.log")
	at := time.Now()
	write(t, path, jsonLine("half", "stdout", at)+jsonLine("whole\n", "stdout", at.Add(time.Second)))
	f := start(t, FileOptions{Patterns: []string{path}, Format: JSONFile})
	f.want("half", "whole")
	write(t, path, jsonLine("open", "stderr", at.Add(time.Second)))
	var text strings.Builder
	var want []string
	for i := range maxReplay {
		one := fmt.Sprint(i)
		text.WriteString(jsonLine(one+"\n", "stdout", at.Add(time.Duration(i)*time.Minute)))
		want = append(want, one)
	}
	write(t, path, text.String())
	f.want(append(want, "open")...)
	if m := f.marks[path]; m.Cursor != "" {
		t.Errorf("the mark is still held back: %+v", m)
	}
}

// Lines of 16 KiB pieces, as dockerd cuts them; what is too long for a line is cut and counted.
func TestLongFramedLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c-json.log")
	at := time.Now()
	const piece = 16 << 10
	bytes := strings.Repeat("\x01", piece) // six bytes each in JSON
	write(t, path, jsonLine(bytes, "stdout", at)+jsonLine(bytes+"\n", "stdout", at))
	write(t, path, strings.Repeat(jsonLine(bytes, "stdout", at.Add(1)), 6)+jsonLine("\n", "stdout", at.Add(1)))
	f := start(t, FileOptions{Patterns: []string{path}, Format: JSONFile})
	f.want(strings.Repeat("\x01", 2*piece), strings.Repeat("\x01", event.MaxLine))
	if f.cut != 1 {
		t.Errorf("%d lines were cut, want 1", f.cut)
	}
}

// The first start skips what is older than Since, by the driver's times.
func TestFramedSince(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c-json.log")
	now := time.Now()
	var text strings.Builder
	for i := range 4000 {
		text.WriteString(jsonLine(fmt.Sprintf("%d\n", i), "stdout", now.Add(time.Duration(i-3999)*time.Second)))
	}
	write(t, path, text.String())
	f := start(t, FileOptions{Patterns: []string{path}, Format: JSONFile, Since: now.Add(-10 * time.Second)})
	first := f.next().Lines[0].Text
	if first == "0" {
		t.Error("reading began with the oldest line")
	}
}
