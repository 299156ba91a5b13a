package engine

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gaol/internal/control"
	"gaol/internal/firewall"
)

// engineTwin answers on a socket like Docker, as far as gaol asks.
type engineTwin struct {
	mu     sync.Mutex
	all    []string // JSON of each container's inspection
	events chan struct{}
}

// box is a container of the twin: its port 22 is published, its log is a json-file.
type box struct {
	name, id, log string
	port          int
	labels        map[string]string
	more          string // of HostConfig
}

func (b box) inspection() string {
	labels, _ := json.Marshal(b.labels)
	return fmt.Sprintf(`{"Id":%q,"Name":%q,"LogPath":%q,"State":{"Running":true,"Pid":1,"StartedAt":"2026-01-01T00:00:00Z"},
		"Config":{"Image":"box","Labels":%s},"HostConfig":{"LogConfig":{"Type":"json-file"}%s},
		"NetworkSettings":{"Networks":{},"Ports":{"22/tcp":[{"HostIp":"0.0.0.0","HostPort":"%d"}]}}}`, b.id, "/"+b.name, b.log, labels, b.more, b.port)
}

// has sets the twin's containers and tells of it.
func (d *engineTwin) has(boxes ...box) {
	d.mu.Lock()
	d.all = nil
	for _, b := range boxes {
		d.all = append(d.all, b.inspection())
	}
	d.mu.Unlock()
	select {
	case d.events <- struct{}{}:
	default:
	}
}

func (d *engineTwin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	all := slices.Clone(d.all)
	d.mu.Unlock()
	var ids []string
	for _, text := range all {
		id, _, _ := strings.Cut(text, ",")
		ids = append(ids, id+"}")
	}
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") {
		path = path[strings.Index(path[1:], "/")+1:]
	}
	w.Header().Set("Api-Version", "1.47")
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]string{"/_ping": "OK", "/version": `{"Version":"28.0.0","ApiVersion":"1.47"}`, "/info": "{}",
		"/networks": "[]", "/containers/json": "[" + strings.Join(ids, ",") + "]"}[path]
	if path == "/events" {
		w.(http.Flusher).Flush()
		for {
			select {
			case <-d.events:
				fmt.Fprint(w, `{"Type":"container","Action":"start"}`)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
	for _, text := range all {
		if id := strings.Split(path, "/"); len(id) == 4 && strings.Contains(text, `"Id":"`+id[2]+`"`) {
			answer = text
		}
	}
	if answer == "" {
		w.WriteHeader(http.StatusNotFound)
	}
	fmt.Fprint(w, answer)
}

// serve answers at the socket of r's configuration until the test ends or stop is called.
func (d *engineTwin) serve(r *running) (stop func()) {
	r.t.Helper()
	l, err := net.Listen("unix", filepath.Join(r.dir, "engine.sock"))
	if err != nil {
		r.t.Fatal(err)
	}
	s := &http.Server{Handler: d} //nolint:gosec // a test's
	go func() { _ = s.Serve(l) }()
	stop = func() { _ = s.Close() }
	r.t.Cleanup(stop)
	return stop
}

// newBoxed is a daemon that follows a twin; its jail sshd also runs a command that must not run for labels.
func newBoxed(t *testing.T) (*running, *engineTwin) {
	t.Helper()
	r := newRunning(t)
	r.write("conf/gaol.local", "[Definition]\nlabels = on\ncontainer_socket = "+filepath.Join(r.dir, "engine.sock")+"\n")
	jail := strings.Replace(fmt.Sprintf(sshdJail, r.log), "filter = sshd", `filter =
failregex = ^\s*(?:\S+ sshd\[\d+\]: )?Failed password for \S+ from <HOST> port`, 1)
	r.write("conf/jail.local", jail+"escalate = ports, host\naction = gaol[port=22]\n touch\n[web]\nenabled = true\nfilter =\nfailregex = ^x <HOST>\nlogpath = "+r.log+
		"\n[broken]\nenabled = true\nfilter = none-such\n")
	r.write("conf/action.d/touch.conf", "[Definition]\nactionban = touch "+filepath.Join(r.dir, "ran")+"-<ip>\n")
	return r, &engineTwin{events: make(chan struct{}, 1)}
}

func (r *running) box(name string, port int, labels map[string]string) box {
	id := strings.Repeat(fmt.Sprintf("%x", name), 16)
	return box{name: name, id: id[:64], log: filepath.Join(r.dir, name+".log"), port: port, labels: labels}
}

// boxFails appends n failures to a box's log, as Docker frames them and `sshd -e` writes them.
func (r *running) boxFails(b box, addr string, n int) {
	r.t.Helper()
	f, err := os.OpenFile(b.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	for range n {
		fmt.Fprintf(f, `{"log":"Failed password for root from %s port 1 ssh2\n","stream":"stderr","time":%q}`+"\n", addr, time.Now().UTC().Format(time.RFC3339Nano))
	}
}

// target is what the kernel's twin has of a jail.
func (r *running) target(jail string) (t firewall.Target, ok bool) {
	for _, one := range r.fw.Targets() {
		if one.Jail == jail {
			return one, true
		}
	}
	return t, false
}

// A container joins the jail that its label names, with its own log and the port that its label
// chooses. What its log says bans on its own endpoint only: neither the jail itself bans, nor does
// its command run. gaol's restart keeps the ban, also while the engine is away; the ban outlives
// the container in the state, and nothing of it stays in the kernel.
func TestAContainerJoinsAJailByItsLabel(t *testing.T) {
	r, twin := newBoxed(t)
	labels := map[string]string{"gaol.jail": "sshd", "gaol.port": "22"}
	one, two := r.box("one", 2222, labels), r.box("two", 2223, map[string]string{"gaol.jail": "sshd"})
	r.write("one.log", "")
	r.write("two.log", "")
	twin.has(one)
	stop := twin.serve(r)
	r.start()
	r.saidSoFar("[sshd@one] watches docker:one")
	twin.has(one, two)
	r.wait("[sshd@two] container two: bans close tcp 2223")
	r.boxFails(one, "203.0.113.7", 3)
	r.wait("[sshd@one] Ban 203.0.113.7 on container one")
	if got := r.banned("sshd@one"); !slices.Equal(got, []string{"203.0.113.7"}) {
		t.Errorf("the kernel holds %v of sshd@one", got)
	}
	if _, ok := r.target("sshd@one/all ports"); ok || r.e.find("sshd@one").conf.Escalate {
		t.Error("a container's jail escalates")
	}
	for _, jail := range []string{"sshd", "sshd@two", "web"} {
		if got := r.banned(jail); len(got) > 0 {
			t.Errorf("the kernel holds %v of %s", got, jail)
		}
	}
	at, _ := r.target("sshd@one")
	if !at.Scoped || at.Ports != nil || len(at.Endpoints) != 1 || at.Endpoints[0].Port.First != 2222 {
		t.Errorf("what is closed: %+v", at)
	}
	r.fail("203.0.113.8", 3) // the jail itself goes on as ever
	r.wait("[sshd] Ban 203.0.113.8")
	r.do(control.Status{}) // the command of that ban has run when its jail ends
	r.end()
	if ran, _ := filepath.Glob(filepath.Join(r.dir, "ran-*")); !slices.Equal(ran, []string{filepath.Join(r.dir, "ran-203.0.113.8")}) {
		t.Errorf("commands ran: %v", ran)
	}

	// The engine is away when gaol starts; then it comes back without the second container.
	stop()
	r.write("two.log", "")
	r.start()
	if at, ok := r.target("sshd@one"); !ok || len(at.Endpoints) != 1 || len(r.banned("sshd@one")) != 1 {
		t.Errorf("while the engine is away: %+v, bans %v", at, r.banned("sshd@one"))
	}
	twin.has(one)
	twin.serve(r)
	r.wait("[sshd@two] jail is gone")
	if s := r.do(control.Status{Jail: "sshd@one"}).Status.Jails[0]; !s.Running || len(s.Bans) != 1 || !slices.Equal(s.Closes, []string{"tcp 2222"}) {
		t.Errorf("after the restart: %+v", s)
	}
	twin.has()
	r.wait("[sshd@one] jail stopped: its container is gone, or its label")
	if _, ok := r.target("sshd@one"); ok {
		t.Error("the kernel still has the jail of a container that is gone")
	}
	twin.has(one)
	r.wait("[sshd@one] Restore Ban 203.0.113.7")
	r.write("conf/gaol.local", "[Definition]\ncontainer_socket = "+filepath.Join(r.dir, "engine.sock")+"\n")
	_, _ = r.e.Do(t.Context(), control.Reload{}) // its error tells of the broken jail
	r.wait("[sshd@one] jail stopped")
}

// saidSoFar is wait for what may have been said before the engine's start was over.
func (r *running) saidSoFar(text string) {
	r.t.Helper()
	if !slices.ContainsFunc(r.seen, func(line string) bool { return strings.Contains(line, text) }) {
		r.wait(text)
	}
}

// A label that cannot be followed says so once, in the log and in the status.
func TestLabelsThatChooseWhatTheyMayNot(t *testing.T) {
	r, twin := newBoxed(t)
	host := r.box("hostnet", 2222, map[string]string{"gaol.jail": "sshd"})
	host.more = `,"NetworkMode":"host"`
	side := r.box("sidecar", 2222, map[string]string{"gaol.jail": "sshd"})
	side.more = `,"NetworkMode":"container:hostnet"`
	twin.has(host, side, r.box("nowhere", 1, map[string]string{"gaol.jail": "sshd\n[evil]"}), r.box("ill", 1, map[string]string{"gaol.jail": "broken"}),
		r.box("badport", 1, map[string]string{"gaol.jail": "sshd", "gaol.port": "1; rm"}), r.box("otherport", 2224, map[string]string{"gaol.jail": "sshd", "gaol.port": "80"}))
	twin.serve(r)
	r.start()
	r.saidSoFar("[sshd@otherport] label gaol.port of container otherport: no such port: port 80 is neither published nor a port of container otherport, which has 2224->22/tcp")
	s := r.do(control.Status{}).Status
	said := strings.Join(s.LabelProblems, "\n")
	for _, want := range []string{
		"container hostnet does not join a jail: its network is not its own",
		"container sidecar does not join a jail: its network is not its own",
		`container nowhere does not join a jail: label gaol.jail: there is no enabled jail "sshd?[evil]"; there is sshd, web, broken`,
		"container ill does not join a jail: label gaol.jail: jail broken is broken",
		"container badport does not join a jail: label gaol.port:",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the status lacks %q; it says:\n%s", want, said)
		}
		if !slices.ContainsFunc(r.seen, func(line string) bool { return strings.Contains(line, want[:40]) }) {
			t.Errorf("the log lacks %q", want[:40])
		}
	}
	var names []string
	for _, j := range s.Jails {
		names = append(names, j.Name)
		if j.Name == "sshd@otherport" && !strings.Contains(j.Problem, "no such port") {
			t.Errorf("problem of the jail with an unknown port: %q", j.Problem)
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"broken", "sshd", "sshd@otherport", "web"}) {
		t.Errorf("jails: %v", names)
	}
}

// gaol starts while the container engine is down: what the kernel closes for a container's jail
// stays closed until the engine has answered; what it says then counts, also that nothing is.
func TestAnEngineThatIsDownChangesNothing(t *testing.T) {
	r, twin := newBoxed(t)
	r.write("conf/jail.d/box.local", "[web]\ncontainer = one\nbanaction = gaol\nport = all\n")
	one := r.box("one", 2222, nil)
	twin.has(one)
	stop := twin.serve(r)
	r.start()
	r.do(control.Ban{Jail: "web", ID: "203.0.113.9"})
	r.end()
	stop()
	r.start()
	at, _ := r.target("web")
	if len(at.Endpoints) != 1 || at.Endpoints[0].Port.First != 2222 || len(r.banned("web")) != 1 {
		t.Errorf("while the engine is down: %+v, bans %v", at, r.banned("web"))
	}
	r.do(control.Ban{Jail: "web", ID: "203.0.113.10"})
	one.port = 2299
	twin.has(one)
	stop = twin.serve(r)
	r.wait("[web] container one: bans close tcp 2299")
	r.do(control.Ban{Jail: "web", ID: "203.0.113.11"})
	r.end()
	stop()
	r.start()
	twin.has()
	twin.serve(r)
	r.wait("there is no container one")
	r.e.ruling.Lock()   // until what was told is done
	r.e.ruling.Unlock() //nolint:staticcheck // nothing is to be done meanwhile
	if at, _ := r.target("web"); len(at.Endpoints) != 0 || len(r.banned("web")) != 3 {
		t.Errorf("the container is gone: %+v, bans %v", at, r.banned("web"))
	}
}
