package host

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Bounds of a list in a file: how often it is looked at for changes, and how long it may be.
const (
	fileEvery = time.Second
	fileLimit = 16 << 20
)

// listFile is `ignoreip = file:/path`: read when somebody is first asked for, and again when
// the file has changed.
type listFile struct {
	path string
	list *List // its trouble is told, its resolver asked

	mu      sync.Mutex
	looked  time.Time
	changed time.Time
	size    int64
	inode   os.FileInfo
	now     *List // what it holds
	told    string
}

// current is what the file holds. Where it cannot be read, what it held before counts: a file
// that is being replaced must not lock staff out.
func (f *listFile) current() *List {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.list.clock()
	if since := now.Sub(f.looked); since >= 0 && since < fileEvery {
		return f.now
	}
	f.looked = now
	info, err := os.Stat(f.path)
	if err == nil && f.inode != nil && os.SameFile(info, f.inode) && info.ModTime().Equal(f.changed) && info.Size() == f.size {
		return f.now
	}
	var text []byte
	if err == nil {
		text, err = readLimited(f.path)
	}
	if err != nil {
		f.tell(fmt.Errorf("read ignoreip list: %w", err))
		return f.now
	}
	f.inode, f.changed, f.size = info, info.ModTime(), info.Size()
	l, bad := ParseList([]string{uncommented(string(text))}, f.list.resolver)
	l.inherit(f.now)
	f.now = l
	f.tell(errors.Join(bad...))
	return l
}

// tell reports a trouble once; nil ends it.
func (f *listFile) tell(err error) {
	text := ""
	if err != nil {
		text = fmt.Sprintf("file:%s: %v", f.path, err)
	}
	if text != f.told && err != nil && f.list.Trouble != nil {
		f.list.Trouble(errors.New(text))
	}
	f.told = text
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(f, fileLimit+1))
	if err == nil && n > fileLimit {
		err = fmt.Errorf("%s is longer than %d MiB", path, fileLimit>>20)
	}
	return b.Bytes(), err
}

// uncommented is a list without what follows # or ; in each line.
func uncommented(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if i := strings.IndexAny(line, "#;"); i >= 0 {
			line = line[:i] + "\n"
		}
		out.WriteString(line)
	}
	return out.String()
}
