package container

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// One address that is none loses neither the list of containers nor its container; the snapshot
// says what was left out. A container that cannot be read at all is as it was before.
func TestOneBadAnswerDoesNotLoseTheRest(t *testing.T) {
	s := shapes()["docker 28"]
	f := startFake(t, s.a)
	bad := strings.Replace(strings.ReplaceAll(s.inspect, "aaaaaaaa", "bbbbbbbb"), `"172.17.0.2"`, `"172.17.0.2/16"`, 1)
	if bad == s.inspect || !strings.Contains(bad, "/16") {
		t.Fatal("the answer holds no address to spoil")
	}
	f.has(t, s.inspect, bad)
	f.mu.Lock()
	f.listed[0] = strings.TrimSuffix(f.listed[0], "}") + `,"Ports":[{"IP":"somewhere","PrivatePort":22,"Type":"tcp"}]}`
	f.mu.Unlock()
	w := watch(t, f)
	now := w.Now()
	if len(now.Containers) != 2 || len(now.Containers[1].Networks[0].Addrs) != 0 || len(now.Containers[0].Networks[0].Addrs) != 1 {
		t.Errorf("containers: %+v", now.Containers)
	}
	if text := fmt.Sprint(now.Err); !strings.Contains(text, `IP "somewhere"`) || !strings.Contains(text, `IPAddress "172.17.0.2/16"`) {
		t.Errorf("what was left out: %s", text)
	}
	f.mu.Lock()
	for id := range f.seen {
		if strings.HasPrefix(id, "bbbb") {
			f.seen[id] = `{"Id":` + id
		}
	}
	f.mu.Unlock()
	f.events <- `{"Type":"container","Action":"start","Actor":{"ID":"a"}}`
	wait(t, w, func(s Snapshot) bool {
		return s.Err != nil && strings.Contains(s.Err.Error(), "inspect container bbbb")
	})
	if !slices.ContainsFunc(w.Now().Containers, func(c Container) bool { return strings.HasPrefix(c.ID, "bbbb") }) {
		t.Error("a container that cannot be read is lost")
	}
}

// A log's stream that is closed leaves no connection behind.
func TestLogsCloseTheirConnection(t *testing.T) {
	f := startFake(t, shapes()["docker 28"].a)
	w := watch(t, f)
	before := f.connections()
	stream, err := w.Logs(t.Context(), "aaaa", time.Time{}, false)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(stream); err != nil || string(text) != "a line\n" {
		t.Errorf("the log: %q, %v", text, err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	limit := time.After(20 * time.Second)
	for f.connections() > before {
		select {
		case <-f.closed:
		case <-limit:
			t.Fatalf("%d connections, %d before", f.connections(), before)
		}
	}
}
