package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Limits of the socket: whoever may use it may ban, but must not be able to hold the daemon up.
const (
	maxRequest     = 64 << 10         // bytes of a command
	maxHeader      = 16 << 10         // bytes of HTTP headers
	readTimeout    = 10 * time.Second // for a whole request
	commandTimeout = 2 * time.Minute  // for carrying it out; a reload compiles every filter
	closeTimeout   = 5 * time.Second  // for commands under way when the server closes
)

// ServerOptions are what Listen needs.
type ServerOptions struct {
	Path   string // of the socket; its directory is made where it is missing
	Group  string // group that may use the socket (mode 0660); empty: its owner only (0600)
	Daemon Daemon
}

// Server serves a Daemon on a unix socket.
type Server struct {
	http   *http.Server
	socket *socket
	ended  chan struct{}
}

// Listen opens the socket and serves it until Close. A socket that nobody answers on is
// replaced; where somebody does, the error is an *InUse that names the process.
func Listen(o ServerOptions) (*Server, error) {
	s, err := openSocket(o.Path, o.Group)
	if err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	srv := &Server{socket: s, ended: make(chan struct{}), http: &http.Server{
		Handler:        handler{o.Daemon},
		ReadTimeout:    readTimeout,
		WriteTimeout:   readTimeout + commandTimeout + closeTimeout,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: maxHeader,
		ConnContext:    withPeer,
	}}
	go func() {
		defer close(srv.ended)
		_ = srv.http.Serve(s.listener) // ends when Close closes the listener
	}()
	return srv, nil
}

// Close stops listening, waits a little for commands under way, and removes the socket.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.ended
	return errors.Join(err, s.socket.remove())
}

type handler struct{ daemon Daemon }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var reply Reply
	var err error
	if r.URL.Path == eventsPath {
		if err = h.stream(w, r); err == nil {
			return
		}
	} else {
		reply, err = h.serve(w, r)
	}
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Fault: Failed, Msg: err.Error()}
		}
		write(w, statusOf(e.Fault), failure{*e, reply})
		return
	}
	write(w, http.StatusOK, reply)
}

// failure is an error on the wire, with what there is to say besides: a reload that fails has
// its problems.
type failure struct {
	Error
	Reply Reply `json:"reply,omitzero"`
}

func (h handler) serve(w http.ResponseWriter, r *http.Request) (Reply, error) {
	name, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	if !ok {
		return Reply{}, &Error{Fault: Unknown, Msg: "commands are asked as POST /v1/NAME"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return Reply{}, &Error{Fault: Invalid, Msg: fmt.Sprintf("read command: %v", err)}
	}
	c, err := decode(name, body)
	if err != nil {
		return Reply{}, err
	}
	if r.Method != http.MethodPost && (r.Method != http.MethodGet || !readOnly(c)) {
		return Reply{}, &Error{Fault: Invalid, Msg: fmt.Sprintf("%s is asked with POST", name)}
	}
	ctx, cancel := context.WithTimeout(r.Context(), commandTimeout)
	defer cancel()
	return h.daemon.Do(ctx, c)
}

func statusOf(f Fault) int {
	switch f {
	case Invalid:
		return http.StatusBadRequest
	case Unknown:
		return http.StatusNotFound
	case Refused:
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error here is a caller who went away
}

type peerKey struct{}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	if p, err := peerOf(c); err == nil {
		return context.WithValue(ctx, peerKey{}, p)
	}
	return ctx
}

// Caller is the process that a command came from, as the kernel names it (SO_PEERCRED,
// unix(7)); false: it did not come over a socket.
func Caller(ctx context.Context) (Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(Peer)
	return p, ok
}
