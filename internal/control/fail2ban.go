package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// The marks of fail2ban's protocol (§5.1): both sides end a message with endMark; a client may
// say goodbye with closeMark.
const (
	endMark   = "<F2B_END_COMMAND>"
	closeMark = "<F2B_CLOSE_COMMAND>"
)

// Limits of fail2ban's socket. A reload carries the client's whole configuration, which is a
// megabyte where every stock jail is enabled.
const (
	maxPickle      = 16 << 20
	maxLegacy      = 32               // connections at once
	legacyIdle     = 10 * time.Minute // between two requests: `fail2ban-client -i` waits for its user
	legacyTransfer = 30 * time.Second // for one request or one reply, once begun
)

// Fail2banOptions are what ListenFail2ban needs.
type Fail2banOptions struct {
	Path    string
	Daemon  Daemon
	Version string // of fail2ban, as `fail2ban-client version` prints it
	Now     func() time.Time
}

// Fail2banServer serves a Daemon to fail2ban's clients.
type Fail2banServer struct {
	o      Fail2banOptions
	socket *socket
	ctx    context.Context
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// ListenFail2ban opens fail2ban's socket, for root only as fail2ban's is, and serves it until
// Close. Where somebody answers on it, the error is an *InUse.
func ListenFail2ban(o Fail2banOptions) (*Fail2banServer, error) {
	sock, err := openSocket(o.Path, "")
	if err != nil {
		return nil, fmt.Errorf("open fail2ban's socket: %w", err)
	}
	s := &Fail2banServer{o: o, socket: sock}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.ended.Add(1)
	go s.accept()
	return s, nil
}

// Close stops listening, ends the connections once their command is carried out, and removes
// the socket.
func (s *Fail2banServer) Close() error {
	s.cancel()
	err := s.socket.listener.Close()
	s.ended.Wait()
	return errors.Join(err, s.socket.remove())
}

func (s *Fail2banServer) accept() {
	defer s.ended.Done()
	slots := make(chan struct{}, maxLegacy)
	for {
		c, err := s.socket.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select { // out of file descriptors, say: wait, and try again
			case <-time.After(time.Second):
			case <-s.ctx.Done():
			}
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			c.Close()
			continue
		}
		s.ended.Add(1)
		go func() {
			defer s.ended.Done()
			defer func() { <-slots }()
			defer c.Close()
			stop := context.AfterFunc(s.ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
			defer stop()
			s.converse(c)
		}()
	}
}

// converse answers requests until the client goes away, or sends what is no request.
func (s *Fail2banServer) converse(c net.Conn) {
	ctx := withPeer(s.ctx, c)
	in := &framed{conn: c, ctx: s.ctx}
	for {
		request, err := in.next()
		if err != nil || bytes.HasPrefix(request, []byte(closeMark)) {
			if errors.Is(err, errTooLong) {
				_ = s.reply(c, "ERROR: the request is too long")
			}
			return
		}
		v, err := unpickle(request)
		if err != nil {
			_ = s.reply(c, fmt.Sprintf("ERROR: read the request: %v", err))
			return
		}
		if s.ctx.Err() != nil || s.reply(c, s.answer(ctx, v)) != nil {
			return
		}
	}
}

// answer carries out one request.
func (s *Fail2banServer) answer(ctx context.Context, request any) Tuple {
	// Not cut short by Close: a stop is itself a command, and Close waits for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commandTimeout)
	defer cancel()
	list, ok := request.([]any)
	if !ok {
		return Tuple{1, exception("Exception", "Invalid command")}
	}
	l := &legacy{daemon: s.o.Daemon, version: s.o.Version, now: s.o.Now}
	v, err := l.do(ctx, list)
	if err != nil {
		return Tuple{1, exceptionOf(err)}
	}
	return Tuple{0, v}
}

func (s *Fail2banServer) reply(c net.Conn, v any) error {
	b, err := pickle(v)
	if err != nil {
		if b, err = pickle(Tuple{1, exception("Exception", err.Error())}); err != nil {
			return err
		}
	}
	if err := c.SetWriteDeadline(time.Now().Add(legacyTransfer)); err != nil {
		return err
	}
	// In one piece: clients look for the mark in the last bytes of what they read.
	_, err = c.Write(append(b, endMark...))
	return err
}

var errTooLong = errors.New("message is too long")

// framed cuts what a connection sends into messages.
type framed struct {
	conn net.Conn
	ctx  context.Context
	buf  []byte
}

// next returns the next message without its mark. The time limit of a message starts with its
// first byte.
func (f *framed) next() ([]byte, error) {
	seen, limit := 0, legacyIdle
	if len(f.buf) > 0 {
		limit = legacyTransfer
	}
	if err := f.allow(limit); err != nil {
		return nil, err
	}
	chunk := make([]byte, 64<<10)
	for {
		if i := bytes.Index(f.buf[seen:], []byte(endMark)); i >= 0 {
			end := seen + i
			m := f.buf[:end:end]
			f.buf = f.buf[end+len(endMark):]
			return m, nil
		}
		seen = max(0, len(f.buf)-len(endMark)+1)
		if len(f.buf) > maxPickle {
			return nil, errTooLong
		}
		n, err := f.conn.Read(chunk)
		if err != nil {
			return nil, err
		}
		if limit == legacyIdle {
			limit = legacyTransfer
			if err := f.allow(limit); err != nil {
				return nil, err
			}
		}
		f.buf = append(f.buf, chunk[:n]...)
	}
}

func (f *framed) allow(d time.Duration) error {
	if err := f.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	return f.ctx.Err() // Close may have set its deadline just before
}
