package container

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fake is an engine on a socket that answers as one version of Docker or Podman does.
type fake struct {
	socket string
	events chan string
	mu     sync.Mutex
	listed []string          // JSON of GET /containers/json
	seen   map[string]string // id → JSON of its inspection
	asked  []string          // method and path
	server *http.Server
	open   map[net.Conn]bool
	closed chan struct{} // has a value when a connection was closed
}

// count keeps which connections are open.
func (f *fake) count(c net.Conn, s http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s == http.StateNew {
		f.open[c] = true
	}
	if s == http.StateClosed {
		delete(f.open, c)
		select {
		case f.closed <- struct{}{}:
		default:
		}
	}
}

func (f *fake) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open)
}

type answers struct{ version, components, info, networks, api string }

// startFake serves until the test ends.
func startFake(t *testing.T, a answers) *fake {
	t.Helper()
	f := &fake{socket: filepath.Join(t.TempDir(), "engine.sock"), events: make(chan string, 16), seen: map[string]string{}, open: map[net.Conn]bool{}, closed: make(chan struct{}, 1)}
	f.listen(t, a)
	return f
}

func (f *fake) listen(t *testing.T, a answers) {
	t.Helper()
	listener, err := net.Listen("unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	f.server = &http.Server{ConnState: f.count, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, a) })} //nolint:gosec // a test's
	go func() { _ = f.server.Serve(listener) }()
	t.Cleanup(func() { _ = f.server.Close() })
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request, a answers) {
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") {
		path = path[strings.Index(path[1:], "/")+1:]
	}
	f.mu.Lock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	listed := "[" + strings.Join(f.listed, ",") + "]"
	one, known := f.seen[strings.TrimSuffix(strings.TrimPrefix(path, "/containers/"), "/json")]
	f.mu.Unlock()
	w.Header().Set("Api-Version", a.api)
	w.Header().Set("Content-Type", "application/json")
	say := func(text string) { _, _ = w.Write([]byte(text)) }
	switch {
	case path == "/_ping":
		say("OK")
	case path == "/version":
		say(fmt.Sprintf(`{"Version":%q,"ApiVersion":%q,"Components":%s}`, a.version, a.api, a.components))
	case path == "/info":
		say(a.info)
	case path == "/networks":
		say(a.networks)
	case path == "/containers/json":
		say(listed)
	case path == "/events":
		w.(http.Flusher).Flush()
		for {
			select {
			case e := <-f.events:
				say(e)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	case strings.HasSuffix(path, "/logs"):
		say("a line\n")
	case known:
		say(one)
	default:
		w.WriteHeader(http.StatusNotFound)
		say(`{"message":"No such container"}`)
	}
}

// has sets the engine's containers; each is the JSON of its inspection.
func (f *fake) has(t *testing.T, inspections ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listed, f.seen = nil, map[string]string{}
	for _, text := range inspections {
		var one struct{ ID string }
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			t.Fatal(err)
		}
		f.listed = append(f.listed, fmt.Sprintf(`{"Id":%q}`, one.ID))
		f.seen[one.ID] = text
	}
}

func watch(t *testing.T, f *fake) *Watcher {
	t.Helper()
	w, err := Watch(context.Background(), Options{Sockets: []string{f.socket}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}
