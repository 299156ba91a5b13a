package metrics

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gaol/internal/control"
)

// Door is the daemon: asked for its status, and heard.
type Door interface {
	control.Daemon
	control.Teller
}

// Options are what Open needs.
type Options struct {
	Listen string                      // address and port
	Token  string                      // what a client has to bring as a bearer token; empty: nothing
	Told   func(msg string, err error) // what goes wrong while it runs
}

// buffer is how many happenings may wait to be counted: a burst of bans.
const buffer = 4096

// Server serves /metrics.
type Server struct {
	http   http.Server
	at     net.Addr
	stop   context.CancelFunc
	follow chan struct{} // closed when nothing is counted any more
}

// Open serves /metrics until Close. What happens is counted from now on.
func Open(door Door, o Options) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", o.Listen)
	if err != nil {
		return nil, &control.Error{Fault: control.Failed, Msg: "serve metrics: " + err.Error(), Hint: "see who listens there: ss -ltnp; or write another address as metrics"}
	}
	ctx, stop := context.WithCancel(context.Background())
	t := newTally()
	s := &Server{at: l.Addr(), stop: stop, follow: make(chan struct{})}
	told := door.Subscribe(ctx, buffer)
	if reply, err := door.Do(ctx, control.Status{Brief: true}); err == nil && reply.Status != nil {
		for _, j := range reply.Status.Jails {
			t.expect(j.Name)
		}
	}
	go func() {
		defer close(s.follow)
		for h := range told {
			t.count(h)
		}
	}()
	s.http = http.Server{Handler: handler(door, t, o, s.at), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	go func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			o.Told("serve metrics", err)
		}
	}()
	return s, nil
}

// URL is where the metrics are.
func (s *Server) URL() string { return fmt.Sprintf("http://%s/metrics", s.at) }

// Close stops serving and counting.
func (s *Server) Close() error {
	err := s.http.Close()
	s.stop()
	<-s.follow
	return err
}

func handler(door Door, t *tally, o Options, at net.Addr) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(NewCollector(door), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reg.MustRegister(t.collectors()...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorLog: logger(o.Told), ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 2 * askLimit,
	}))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "metrics are at /metrics", http.StatusNotFound)
	})
	return guard(mux, o.Token, at)
}

type logger func(msg string, err error)

// Println is promhttp.Logger's.
func (l logger) Println(v ...any) {
	l("collect metrics", errors.New(strings.TrimSpace(fmt.Sprintln(v...))))
}

// guard asks for the token where there is one. Without one, whom a foreign page's name led to
// loopback (DNS rebinding) is sent away.
func guard(next http.Handler, token string, at net.Addr) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + token))
	loopback := false
	if tcp, ok := at.(*net.TCPAddr); ok {
		loopback = tcp.IP.IsLoopback()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case token != "" && subtle.ConstantTimeCompare(got[:], want[:]) != 1:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a bearer token is needed: what metrics_token_file holds", http.StatusUnauthorized)
		case token == "" && loopback && !local(r.Host):
			http.Error(w, "ask for an address or localhost", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func local(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return host == "localhost" || net.ParseIP(host) != nil
}

var _ prometheus.Collector = (*Collector)(nil)
