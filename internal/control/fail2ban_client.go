package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Fail2banConn is a connection to a server that speaks fail2ban's protocol: gaol or fail2ban.
type Fail2banConn struct {
	conn  net.Conn
	limit time.Duration
}

// DialFail2ban connects to the server on path. An answer may take as long as limit, 0 is two
// minutes; errors are the net package's.
func DialFail2ban(ctx context.Context, path string, limit time.Duration) (*Fail2banConn, error) {
	c, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = commandTimeout
	}
	return &Fail2banConn{c, limit}, nil
}

// PID is the server's process; 0: the kernel does not say.
func (c *Fail2banConn) PID() int {
	p, err := peerOf(c.conn)
	if err != nil {
		return 0
	}
	return p.PID
}

// Close says goodbye.
func (c *Fail2banConn) Close() error {
	_, err := c.conn.Write([]byte(closeMark + endMark))
	return errors.Join(err, c.conn.Close())
}

// Ask sends one command, a list of text, numbers and lists, and returns the value of the
// answer. What the server refuses is an Exception.
func (c *Fail2banConn) Ask(command []any) (any, error) {
	b, err := pickle(command)
	if err != nil {
		return nil, err
	}
	if err := c.conn.SetDeadline(time.Now().Add(c.limit)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(append(b, endMark...)); err != nil {
		return nil, err
	}
	reply, err := c.read()
	if err != nil {
		return nil, err
	}
	v, err := unpickleReply(reply)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	answer, ok := v.(Tuple)
	if !ok || len(answer) != 2 {
		return nil, fmt.Errorf("the server answered with %.200q", fmt.Sprint(v))
	}
	if answer[0] == int64(0) {
		return answer[1], nil
	}
	if x, ok := answer[1].(Exception); ok {
		return nil, x
	}
	return nil, fmt.Errorf("the server refused with %.200q", fmt.Sprint(answer[1]))
}

// read reads one answer. The mark is looked for at the end only: an answer may contain it.
func (c *Fail2banConn) read() ([]byte, error) {
	var all []byte
	chunk := make([]byte, 64<<10)
	for len(all) < maxReply {
		n, err := c.conn.Read(chunk)
		all = append(all, chunk[:n]...)
		if m, whole := bytes.CutSuffix(all, []byte(endMark)); whole {
			return m, nil
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return nil, errTooLong
}

// Text is str() of the exception in Python.
func (e Exception) Text() string {
	if text, ok := e.jsonText(); ok {
		return text
	}
	switch {
	case strings.HasSuffix(e.Class, "KeyError") && len(e.Args) == 1:
		return Repr(e.Args[0])
	case len(e.Args) == 3 && strings.HasSuffix(e.Class, "Error"): // OSError with a file name
		return fmt.Sprintf("[Errno %v] %v: %s", e.Args[0], e.Args[1], Repr(e.Args[2]))
	case len(e.Args) == 2 && strings.HasSuffix(e.Class, "Error"):
		return fmt.Sprintf("[Errno %v] %v", e.Args[0], e.Args[1])
	case len(e.Args) == 1:
		return Str(e.Args[0])
	}
	return Repr(Tuple(e.Args))
}

// jsonText is the text of Python's JSONDecodeError, which is sent as message, document and place.
func (e Exception) jsonText() (string, bool) {
	if !strings.HasSuffix(e.Class, ".JSONDecodeError") || len(e.Args) != 3 {
		return "", false
	}
	doc, okDoc := e.Args[1].(string)
	at, okAt := e.Args[2].(int64)
	runes := []rune(doc)
	if !okDoc || !okAt || at < 0 || at > int64(len(runes)) {
		return "", false
	}
	before := string(runes[:at])
	column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	return fmt.Sprintf("%s: line %d column %d (char %d)", Str(e.Args[0]), strings.Count(before, "\n")+1, column, at), true
}

// Shown is repr() of the exception's args.
func (e Exception) Shown() string {
	if text, ok := e.jsonText(); ok {
		return Repr(Tuple{text})
	}
	if len(e.Args) == 3 && strings.HasSuffix(e.Class, "Error") {
		return Repr(Tuple(e.Args[:2])) // Python keeps an OSError's file name elsewhere
	}
	return Repr(Tuple(e.Args))
}
