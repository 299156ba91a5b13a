package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gaol/internal/event"
)

func frame(stream byte, at time.Time, text string) []byte {
	body := at.Format(time.RFC3339Nano) + " " + text
	head := binary.BigEndian.AppendUint32([]byte{stream, 0, 0, 0}, uint32(len(body)))
	return append(head, body...)
}

// engineLog is a container's log as an engine keeps it.
type engineLog struct {
	mu      sync.Mutex
	written []said
	opened  int
}

type said struct {
	stream byte
	at     time.Time
	text   string
}

func (e *engineLog) add(m ...said) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.written = append(e.written, m...)
}

func (e *engineLog) open(_ context.Context, _ string, since time.Time, _ bool) (io.ReadCloser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opened++
	var out bytes.Buffer
	for _, m := range e.written {
		if !m.at.Before(since) {
			out.Write(frame(m.stream, m.at, m.text))
		}
	}
	return io.NopCloser(&out), nil
}

// The stream breaks off and gaol is killed at any time, times go back a little between the two
// streams, many lines share one time, long lines come in pieces: each line comes once.
func TestStreamAcrossBreaksAndKills(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		log := &engineLog{}
		at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		var want, got []string
		mark := event.Mark{}
		open := [3]string{}
		openAt := [3]time.Time{}
		for i := range 30 {
			for range r.IntN(6) {
				at = at.Add(time.Duration(r.IntN(3)-1) * 20 * time.Millisecond)
				s := byte(1 + r.IntN(2))
				m := said{stream: s, at: at, text: fmt.Sprintf("%d-%d ", i, len(log.written))}
				if open[s] != "" {
					m.at = openAt[s]
				}
				open[s] += m.text
				openAt[s] = m.at
				if r.IntN(3) > 0 {
					m.text += "\n"
					want = append(want, open[s])
					open[s] = ""
				}
				log.add(m)
				at = at.Add(time.Duration(r.IntN(100)) * time.Millisecond)
			}
			src := openStream(streamOptions{id: "id", name: "docker:x local", open: log.open, resume: mark, backoff: func(int) time.Duration { return time.Microsecond }})
			for len(got) < len(want) || r.IntN(2) == 0 {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				if len(got) >= len(want) { // nothing must come: let it open the stream a few times more
					ctx, cancel = context.WithTimeout(t.Context(), 2*time.Millisecond)
				}
				b, err := src.Next(ctx)
				cancel()
				if len(got) >= len(want) && errors.Is(err, context.DeadlineExceeded) {
					break
				}
				if err != nil || b.Err != nil {
					t.Fatalf("seed %d: %v %v; got %d of %d", seed, err, b.Err, len(got), len(want))
				}
				for _, l := range b.Lines {
					got = append(got, l.Text)
				}
				if b.Mark.Source != "" {
					mark = b.Mark
				}
			}
			src.Close()
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d:\n got %q\nwant %q", seed, got, want)
		}
	}
}

// What the engine threw away since the mark (max-size) is not waited for.
func TestStreamAfterTheEngineRotated(t *testing.T) {
	at := time.Now()
	log := &engineLog{}
	for i := range 10 {
		log.add(said{1, at.Add(time.Duration(i) * time.Millisecond), fmt.Sprint(i, "\n")})
	}
	src := openStream(streamOptions{name: "x", open: log.open})
	var mark event.Mark
	for n := 0; n < 10; {
		b, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n, mark = n+len(b.Lines), b.Mark
	}
	src.Close()
	log.written = []said{{1, at.Add(time.Second), "new\n"}}
	src = openStream(streamOptions{name: "x", open: log.open, resume: mark})
	defer src.Close()
	if b, err := src.Next(t.Context()); err != nil || len(b.Lines) != 1 || b.Lines[0].Text != "new" || !b.Known {
		t.Errorf("got %+v, %v", b, err)
	}
}

func TestLogReader(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 2, 7, 5, time.UTC)
	stamp := at.Format(time.RFC3339Nano) + " "
	long := strings.Repeat("x", pieceSize)
	tty := newLogReader(strings.NewReader(stamp+"short\r\n"+stamp+long+stamp+long+stamp+"end\r\n"+stamp+"cut off"), true)
	for _, want := range []string{"short\r", long + long + "end\r"} {
		if p, err := tty.next(); err != nil || p.text != want || p.more || !p.time.Equal(at) {
			t.Errorf("got %d bytes %v, %v; want %d bytes", len(p.text), p.more, err, len(want))
		}
	}
	if p, err := tty.next(); !errors.Is(err, io.EOF) {
		t.Errorf("half a line: %+v, %v", p, err)
	}
	for _, c := range []struct{ in, want string }{
		{string(frame(1, at, "x"))[:20], "EOF"},
		{"HTTP/1.1 400 Bad Request\r\n", "no frame"},
		{"\x01\x00\x00\x00\xff\x00\x00\x00", "no frame"},
		{"\x03\x00\x00\x00\x00\x00\x00\x04disk", "the engine reports: disk"},
		{"\x01\x00\x00\x00\x00\x00\x00\x06no t x", `"no" is no time`},
	} {
		if p, err := newLogReader(strings.NewReader(c.in), false).next(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %+v, %v, want an error with %q", c.in, p, err, c.want)
		}
	}
}

func FuzzLogReader(f *testing.F) {
	f.Add(frame(1, time.Unix(1, 0), "a\n"), false)
	f.Add([]byte("2026-11-24T12:02:07Z a\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, tty bool) {
		r := newLogReader(bytes.NewReader(data), tty)
		for {
			p, err := r.next()
			if err != nil {
				return
			}
			if len(p.text) > frameLimit || p.time.IsZero() && !strings.Contains(string(data), "0001-") {
				t.Fatalf("%+v", p)
			}
			r.whole()
		}
	})
}
