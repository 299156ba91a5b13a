package e2e

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// feed collects lines as they appear and wakes who waits for them.
type feed struct {
	name string
	mu   sync.Mutex
	text []string
	more chan struct{} // closed and replaced at each line
}

func newFeed(name string) *feed { return &feed{name: name, more: make(chan struct{})} }

func (f *feed) add(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = append(f.text, line)
	close(f.more)
	f.more = make(chan struct{})
}

// lines is a copy of what came so far.
func (f *feed) lines() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.text)
}

// with is how many lines contain word.
func (f *feed) with(word string) (found []string) {
	for _, l := range f.lines() {
		if strings.Contains(l, word) {
			found = append(found, l)
		}
	}
	return found
}

// wait blocks until n lines contain word and returns them.
func (f *feed) wait(t *testing.T, word string, n int, atMost time.Duration) []string {
	t.Helper()
	deadline := time.After(atMost)
	for {
		f.mu.Lock()
		more := f.more
		f.mu.Unlock()
		found := f.with(word)
		if len(found) >= n {
			return found
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("%s: %d lines with %q after %s, want %d:\n%s", f.name, len(found), word, atMost, n, strings.Join(f.lines(), "\n"))
		}
	}
}

// read takes in r's lines until it ends.
func (f *feed) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f.add(lines.Text())
	}
}

// follow makes an empty file at path and feeds what others append to it.
func follow(t *testing.T, path string) *feed {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o640)
	if err != nil {
		t.Fatalf("make log: %v", err)
	}
	w, err := fsnotify.NewWatcher()
	if err == nil {
		err = w.Add(path)
	}
	if err != nil {
		t.Fatalf("watch log: %v", err)
	}
	t.Cleanup(func() { _, _ = w.Close(), file.Close() })
	f := newFeed(path)
	go func() {
		var rest []byte
		buf := make([]byte, 64<<10)
		for range w.Events {
			for {
				n, err := file.Read(buf)
				rest = append(rest, buf[:n]...)
				for {
					line, behind, whole := bytes.Cut(rest, []byte("\n"))
					if !whole {
						break
					}
					f.add(string(line))
					rest = behind
				}
				if n == 0 || err != nil {
					break
				}
			}
		}
	}()
	return f
}
