// Package gate keeps the banned out where packets do not help: behind a proxy or a CDN every
// packet comes from the proxy's address. HTTP servers ask gaol for each request whether its client
// is banned (nginx auth_request, Traefik forwardAuth, Caddy forward_auth), or read a file with the
// banned that gaol keeps (HAProxy's acl, nginx's deny and geo).
//
// It answers from a copy of the bans in memory that follows what the daemon tells, so that a
// request costs no jail anything.
package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gaol/internal/control"
	"gaol/internal/event"
)

// Options are what Open needs.
type Options struct {
	Listen  string         // address and port, or the absolute path of a unix socket; empty: nobody is answered
	Header  string         // names the client of a request that a trusted proxy asks about
	Trusted []netip.Prefix // whose header is believed, and who is no client in it; loopback always
	Closed  bool           // what is not known is refused: before the bans are read, without a client's address
	Files   []File
	Command string // runs when a file has changed; empty: none
	Told    func(msg string, err error)
	Now     func() time.Time // nil: time.Now
}

// Door is the daemon that is asked.
type Door interface {
	control.Daemon
	control.Teller
}

// Gate is open until Close.
type Gate struct {
	o      Options
	door   Door
	bans   *index
	ready  atomic.Bool
	dirty  chan struct{} // holds one where files have to be written
	odd    reminder
	server *http.Server
	at     string // where it listens
	stop   context.CancelFunc
	work   sync.WaitGroup
}

const (
	queue       = 16384            // happenings that may wait: a burst of bans
	settleEvery = time.Second      // files are written at most that often
	readLimit   = 10 * time.Second // for the head of a request
)

// Open reads the bans that hold and begins to answer. The error says what cannot be listened on.
func Open(door Door, o Options) (*Gate, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Gate{o: o, door: door, bans: newIndex(), dirty: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	g.stop = cancel
	told := door.Subscribe(ctx, queue)
	if o.Listen != "" {
		if err := g.listen(); err != nil {
			cancel()
			return nil, err
		}
	}
	g.work.Go(func() { g.follow(ctx, told) })
	if len(o.Files) > 0 {
		g.work.Go(func() { g.keepFiles(ctx) })
	}
	return g, nil
}

// Addr is where the gate listens, as Listen has it but with the port that was given.
func (g *Gate) Addr() string { return g.at }

// Close ends it. The files stay as they are: they hold until gaol is back.
func (g *Gate) Close() error {
	g.stop()
	var err error
	if g.server != nil {
		err = g.server.Close()
	}
	g.work.Wait()
	return err
}

func (g *Gate) listen() error {
	network := "tcp"
	if strings.HasPrefix(g.o.Listen, "/") {
		network = "unix"
		if err := os.Remove(g.o.Listen); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the old socket of forward_auth: %w", err)
		}
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), network, g.o.Listen)
	if err != nil {
		return &control.Error{Msg: "listen for forward_auth: " + err.Error(), Hint: "write another address: forward_auth = 127.0.0.1:8481"}
	}
	if network == "unix" { // proxies have users of their own; the answer is no secret
		if err := os.Chmod(g.o.Listen, 0o666); err != nil { //nolint:gosec // see above
			return errors.Join(fmt.Errorf("open the socket of forward_auth to proxies: %w", err), l.Close())
		}
	}
	g.at = l.Addr().String()
	g.server = &http.Server{Handler: g, ReadHeaderTimeout: readLimit, IdleTimeout: 5 * time.Minute}
	g.work.Go(func() {
		if err := g.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			g.o.Told("forward_auth has ended", err)
		}
	})
	return nil
}

// follow keeps the copy of the bans true.
func (g *Gate) follow(ctx context.Context, told <-chan event.Happening) {
	g.read(ctx)
	for h := range told {
		changed := false
		switch {
		case h.What == event.Missed, h.What == event.Reloaded:
			g.read(ctx)
		case h.Ban == nil || h.DryRun:
		case h.What == event.Banned, h.What == event.Prolonged, h.What == event.Raised:
			changed = g.bans.put(*h.Ban)
		case h.What == event.Unbanned:
			changed = g.bans.drop(*h.Ban)
		}
		if changed {
			g.nudge()
		}
	}
}

// read takes all bans over that hold now. What is told meanwhile is told again behind it.
func (g *Gate) read(ctx context.Context) {
	reply, err := g.door.Do(ctx, control.Status{})
	if err != nil || reply.Status == nil {
		if ctx.Err() == nil {
			g.o.Told("forward_auth cannot read the bans", err)
		}
		return
	}
	fresh := newIndex()
	for _, j := range reply.Status.Jails {
		for _, b := range j.Bans {
			b.Jail = j.Name
			fresh.put(b)
		}
	}
	g.bans.replace(fresh)
	g.ready.Store(true)
	g.nudge()
}

func (g *Gate) nudge() {
	select {
	case g.dirty <- struct{}{}:
	default:
	}
}
