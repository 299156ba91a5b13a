package container

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

const dockerParts = `[{"Name":"Engine","Version":"x","Details":{"MinAPIVersion":"1.12"}}]`

// The shapes differ in what docker.md §3 lists: 20.10 still has the addresses at the top level
// and pairs 0.0.0.0 with ::, API 1.52 has neither; Podman names itself among the components.
func shapes() map[string]struct {
	a       answers
	inspect string
	engine  string
	backend string
} {
	const id = "aaaaaaaaaaaaaaaaaaaa"
	container := func(top, hosts, network string) string {
		return `{"Id":"` + id + `","Name":"/jumps","Image":"sha256:1","LogPath":"/x-json.log","State":{"Running":true,"Pid":42,"StartedAt":"2026-11-24T12:00:00.5Z"},
		"Config":{"Image":"jump","Tty":false,"Labels":{"role":"bastion"}},"HostConfig":{"NetworkMode":"default","LogConfig":{"Type":"json-file"}},
		"NetworkSettings":{` + top + `"Ports":{"22/tcp":[` + hosts + `],"80/tcp":null},"Networks":{"` + network + `":{"NetworkID":"n1","Gateway":"172.17.0.1","IPAddress":"172.17.0.2","IPv6Gateway":"","GlobalIPv6Address":"","MacAddress":""}}}}`
	}
	network := func(name string) string {
		return `[{"Name":"` + name + `","Id":"n1","Driver":"bridge","IPAM":{"Config":[{"Subnet":"172.17.0.0/16"}]},"Options":{"com.docker.network.bridge.name":"docker0"}},
		{"Name":"idle","Id":"n2","Driver":"bridge","IPAM":{"Config":[{"Subnet":"172.30.0.0/16","Gateway":"172.30.0.9"}]},"Options":{}}]`
	}
	both := `{"HostIp":"0.0.0.0","HostPort":"2222"},{"HostIp":"::","HostPort":"2222"}`
	podman := `[{"Name":"Podman Engine","Version":"%s"}]`
	type shape = struct {
		a       answers
		inspect string
		engine  string
		backend string
	}
	return map[string]shape{
		"docker 20.10": {answers{"20.10.24", dockerParts, `{}`, network("bridge"), "1.41"}, container(`"IPAddress":"172.17.0.2","Gateway":"172.17.0.1",`, both, "bridge"), "docker 20.10.24", ""},
		"docker 28":    {answers{"28.3.1", dockerParts, `{"FirewallBackend":{"Driver":"iptables"}}`, network("bridge"), "1.51"}, container("", both, "bridge"), "docker 28.3.1", "iptables"},
		"docker 29":    {answers{"29.7.2", dockerParts, `{"FirewallBackend":{"Driver":"nftables","Info":[["EnableUserlandProxy","false"]]}}`, network("bridge"), "1.56"}, container("", both, "bridge"), "docker 29.7.2", "nftables"},
		"podman 4":     {answers{"4.3.1", fmt.Sprintf(podman, "4.3.1"), `{}`, network("podman"), "1.41"}, container(`"IPAddress":"",`, `{"HostIp":"","HostPort":"2222"}`, "podman"), "podman 4.3.1", ""},
		"podman 5":     {answers{"5.4.0", fmt.Sprintf(podman, "5.4.0"), `{}`, network("podman"), "1.44"}, container("", `{"HostIp":"0.0.0.0","HostPort":"2222"}`, "podman"), "podman 5.4.0", ""},
	}
}

func TestEnginesAreRead(t *testing.T) {
	for name, s := range shapes() {
		t.Run(name, func(t *testing.T) {
			f := startFake(t, s.a)
			f.has(t, s.inspect)
			now := watch(t, f).Now()
			if now.Err != nil || now.Engine+" "+now.Version != s.engine || now.Firewall != s.backend || len(now.Containers) != 1 {
				t.Fatalf("read %+v", now)
			}
			if proxy := strings.HasPrefix(s.engine, "docker") && name != "docker 29"; now.Proxy != proxy {
				t.Errorf("docker-proxy: %v, want %v", now.Proxy, proxy)
			}
			c := now.Containers[0]
			driver := "json-file"
			if now.Engine == "podman" {
				driver = "k8s-file"
			}
			if c.Name != "jumps" || !c.Running || c.PID != 42 || c.LogDriver != driver || c.Labels["role"] != "bastion" || c.Started.IsZero() || c.Image != "jump" {
				t.Errorf("container %+v", c)
			}
			if fmt.Sprint(c.Ports) != "[2222->22/tcp]" || fmt.Sprint(c.Networks[0].Addrs, c.Networks[0].Gateways, c.Networks[0].Driver) != "[172.17.0.2] [172.17.0.1]bridge" {
				t.Errorf("ports %v, networks %+v", c.Ports, c.Networks)
			}
			gateways := map[string]string{}
			for _, n := range now.Networks {
				gateways[n.Driver+" "+n.Bridge] += fmt.Sprint(n.Gateways)
			}
			if fmt.Sprint(gateways) != "map[bridge :[172.30.0.9] bridge docker0:[172.17.0.1]]" {
				t.Errorf("gateways of networks: %v", gateways)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, asked := range f.asked {
				if !strings.HasPrefix(asked, "GET ") && asked != "HEAD /_ping" {
					t.Errorf("asked %q: only reading is allowed", asked)
				}
			}
		})
	}
}

// TestChangesAreFollowed: an event brings a full look; an engine that goes and comes back is
// found again, with what was last seen kept meanwhile.
func TestChangesAreFollowed(t *testing.T) {
	s := shapes()["docker 28"]
	f := startFake(t, s.a)
	w := watch(t, f)
	if n := len(w.Now().Containers); n != 0 {
		t.Fatalf("%d containers before there are any", n)
	}
	f.has(t, s.inspect)
	f.events <- `{"Type":"container","Action":"start","Actor":{"ID":"a"}}`
	wait(t, w, func(s Snapshot) bool { return len(s.Containers) == 1 && s.Err == nil })

	if err := f.server.Close(); err != nil {
		t.Fatal(err)
	}
	wait(t, w, func(s Snapshot) bool { return s.Err != nil && len(s.Containers) == 1 })
	_ = os.Remove(f.socket)
	f.has(t)
	f.listen(t, s.a)
	wait(t, w, func(s Snapshot) bool { return s.Err == nil && len(s.Containers) == 0 })
}

func TestNoEngine(t *testing.T) {
	w, err := Watch(t.Context(), Options{Sockets: []string{t.TempDir() + "/none.sock"}})
	if err != nil {
		t.Fatal(err)
	}
	if now := w.Now(); !errors.Is(now.Err, ErrNoEngine) || now.Engine != "" {
		t.Errorf("without an engine: %+v", now)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Watch(t.Context(), Options{Sockets: []string{"tcp://1.2.3.4"}}); err == nil {
		t.Error("an engine that is no unix socket is taken")
	}
}

func wait(t *testing.T, w *Watcher, ok func(Snapshot) bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for !ok(w.Now()) {
		select {
		case <-w.Changes():
		case <-limit:
			t.Fatalf("nothing came of it; last seen %+v", w.Now())
		}
	}
}
