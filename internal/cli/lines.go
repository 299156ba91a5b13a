package cli

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"unsafe"

	"gaol/internal/event"
	"gaol/internal/wide"
)

// eachLine calls do for every complete line of the reader, without its end. The text is only
// valid during the call: the buffer is used again. What follows the last newline is no line yet.
// Lines longer than event.MaxLine are cut.
func eachLine(r io.Reader, do func(text string)) error {
	// Small enough to stay in the processor's second cache, four times the longest line that counts.
	buf := make([]byte, 4*event.MaxLine)
	held, long := 0, false // bytes of a line whose end is still to come; it is longer than the buffer
	for {
		n, err := r.Read(buf[held:])
		start, seen := 0, held
		held += n
		for {
			at := bytes.IndexByte(buf[seen:held], '\n')
			if at < 0 {
				break
			}
			line := buf[start : seen+at]
			if long {
				line = line[:event.MaxLine]
			}
			do(lineText(line))
			start, seen, long = seen+at+1, seen+at+1, false
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		held = copy(buf, buf[start:held])
		if held == len(buf) || long {
			held, long = event.MaxLine, true
		}
	}
}

// lineText is a line without its end, cut where it is too long.
func lineText(b []byte) string {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	b = b[:min(len(b), event.MaxLine)]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// eachWideLine is eachLine for characters of several bytes; the text is UTF-8.
func eachWideLine(r io.Reader, u wide.Units, do func(text string)) error {
	in := bufio.NewReaderSize(r, 1<<20)
	head, _ := in.Peek(u.Size()) // an error comes again when it is read
	u = u.Ordered(head)
	limit := event.MaxLine * u.Size()
	unit := make([]byte, u.Size())
	var line []byte
	for {
		if _, err := io.ReadFull(in, unit); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		} else if err != nil {
			return err
		}
		if u.Index(unit) < 0 {
			if len(line) < limit {
				line = append(line, unit...)
			}
			continue
		}
		text := strings.TrimRight(u.Text(line), "\r")
		do(text[:min(len(text), event.MaxLine)])
		line = line[:0]
	}
}

// eachLogLine is eachLine over a file written in units, or over the lines of a text given instead
// of one.
func eachLogLine(log string, isFile bool, units wide.Units, do func(text string)) error {
	if !isFile {
		for line := range strings.SplitSeq(log, "\n") {
			do(line)
		}
		return nil
	}
	f, err := os.Open(log)
	if err != nil {
		return err
	}
	defer f.Close()
	if units.Wide() {
		return eachWideLine(f, units, do)
	}
	return eachLine(f, do)
}

// isFile reports whether LOG is a file; otherwise it is a line of a log.
func isFile(log string) bool {
	st, err := os.Stat(log)
	return err == nil && !st.IsDir()
}
