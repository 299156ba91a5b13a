package source

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	frameHead  = 8
	frameLimit = 1 << 20  // a frame is a piece of at most 16 KiB with its time; more is no frame
	pieceSize  = 16 << 10 // where the engine cuts lines
)

// errDaemon is in the chain of errors that the engine itself reported inside the stream.
var errDaemon = errors.New("the engine reports")

// logReader reads the pieces of a log out of the engine's API stream (Docker Engine API,
// ContainerLogs, with timestamps). Without a terminal each piece is a frame: a byte that names
// the stream, three zeros, the length in big endian. With one the bytes come raw, and the times
// in front of each piece are all that tells pieces apart.
type logReader struct {
	in  *bufio.Reader
	tty bool
}

func newLogReader(in io.Reader, tty bool) *logReader {
	return &logReader{bufio.NewReaderSize(in, 64<<10), tty}
}

// next blocks for the next piece; io.EOF at the end of the stream. What the stream ends in the
// middle of is left out: it comes again when the log is read from the last mark.
func (r *logReader) next() (piece, error) {
	if r.tty {
		return r.raw()
	}
	var head [frameHead]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return piece{}, endOf(err)
	}
	size := binary.BigEndian.Uint32(head[4:])
	if head[0] > 3 || head[1]|head[2]|head[3] != 0 || size > frameLimit {
		return piece{}, fmt.Errorf("read the engine's log stream: % x is no frame", head)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r.in, text); err != nil {
		return piece{}, endOf(err)
	}
	if head[0] == 3 {
		return piece{}, fmt.Errorf("%w: %s", errDaemon, strings.TrimSpace(string(text)))
	}
	return timed(string(text), string(rune('0'+head[0])))
}

// raw reads a line of a terminal. The piece behind each 16 KiB of it begins with the line's
// time once more.
func (r *logReader) raw() (piece, error) {
	var line []byte
	for {
		part, err := r.in.ReadSlice('\n')
		if room := frameLimit - len(line); len(part) > room {
			part = part[:room]
		}
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return piece{}, endOf(err)
		}
	}
	if line[len(line)-1] != '\n' {
		line = append(line, '\n')
	}
	p, err := timed(string(line), "tty")
	if err != nil {
		return p, err
	}
	stamp, _, _ := strings.Cut(string(line), " ")
	var whole strings.Builder
	for rest := p.text; ; {
		if len(rest) <= pieceSize || !strings.HasPrefix(rest[pieceSize:], stamp+" ") {
			whole.WriteString(rest)
			break
		}
		whole.WriteString(rest[:pieceSize])
		rest = rest[pieceSize+len(stamp)+1:]
	}
	p.text = whole.String()
	return p, nil
}

// timed takes the time off that timestamps=1 puts in front of a piece.
func timed(text, stream string) (piece, error) {
	stamp, text, _ := strings.Cut(text, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return piece{}, fmt.Errorf("read the engine's log stream: %q is no time", cutTo(stamp, 40))
	}
	text, whole := strings.CutSuffix(text, "\n")
	return piece{text: text, stream: stream, time: at, more: !whole, sameTime: true}, nil
}

// whole says whether a piece can be had without waiting.
func (r *logReader) whole() bool {
	n := r.in.Buffered()
	head, err := r.in.Peek(min(n, frameHead))
	switch {
	case err != nil:
		return false
	case r.tty:
		all, _ := r.in.Peek(n)
		return strings.Contains(string(all), "\n")
	}
	return n >= frameHead && uint64(n) >= frameHead+uint64(binary.BigEndian.Uint32(head[4:]))
}

func endOf(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

func cutTo(s string, n int) string { return s[:min(n, len(s))] }
