package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// docker is an engine of our own in a network namespace. It has its own process and mount
// namespaces too: killing its first process ends every container, shim and mount of it.
type docker struct {
	dir    string
	cmd    *exec.Cmd
	log    *feed
	client *http.Client
	group  string
}

// startDocker starts the machine's dockerd inside n and waits until it says that it is ready.
func startDocker(n *netns) (*docker, error) {
	dockerd, err := exec.LookPath("dockerd")
	if err != nil {
		return nil, fmt.Errorf("find dockerd: %w; run: %s", err, bring)
	}
	dir, err := tempDir("docker")
	if err != nil {
		return nil, err
	}
	d := &docker{dir: dir, log: newFeed("dockerd"), group: filepath.Base(dir)}
	if err := d.start(n, dockerd); err != nil {
		d.close()
		return nil, fmt.Errorf("start dockerd: %w\n%s", err, strings.Join(d.log.lines(), "\n"))
	}
	return d, nil
}

func (d *docker) start(n *netns, dockerd string) error {
	socket := filepath.Join(d.dir, "docker.sock")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	d.client = &http.Client{Transport: &http.Transport{DialContext: dial}}
	// The machine's own daemon.json must not reach in.
	config := filepath.Join(d.dir, "daemon.json")
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		return err
	}
	ready, err := listenNotify(filepath.Join(d.dir, "notify"))
	if err != nil {
		return err
	}
	defer ready.close()
	// A /run of its own: shims, plugins and lock files of this engine stay out of the machine's.
	d.cmd = exec.Command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
		"/bin/sh", "-c", `mount -t tmpfs tmpfs /run && exec "$0" "$@"`,
		dockerd, "--config-file", config, "--data-root", filepath.Join(d.dir, "data"), "--exec-root", filepath.Join(d.dir, "exec"),
		"--pidfile", filepath.Join(d.dir, "pid"), "--host", "unix://"+socket,
		"--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", "/"+d.group)
	d.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+ready.path, "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	out, err := d.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := n.start(d.cmd); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { defer close(ended); d.log.read(out) }()
	return ready.wait(ended, time.Minute)
}

// close ends the engine with everything in it.
func (d *docker) close() {
	if d.cmd != nil && d.cmd.Process != nil {
		killChildren(d.cmd.Process.Pid) // unshare(1) ends when all of the namespace has ended
		_ = d.cmd.Wait()
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + d.group)
	for _, g := range append(groups, "/sys/fs/cgroup/"+d.group) {
		removeCgroup(g)
	}
	_ = os.RemoveAll(d.dir)
}

// killChildren kills the direct children of a process.
func killChildren(pid int) {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, child := range strings.Fields(string(list)) {
		var c int
		if _, err := fmt.Sscan(child, &c); err == nil {
			_ = syscall.Kill(c, syscall.SIGKILL)
		}
	}
}

// call does one request of the engine's HTTP API, without a version in its path: the oldest
// and the newest engine then answer alike. answer may be nil.
func (d *docker) call(method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	reader, isReader := body.(io.Reader)
	if !isReader && body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, reader)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if isReader {
		req.Header.Set("Content-Type", "application/x-tar")
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask dockerd: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("status %s: %s", resp.Status, bytes.TrimSpace(text))
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// load makes the image `jump` from a tar of its root file system.
func (d *docker) load(rootfs io.Reader) error {
	return d.call("POST", "/images/create?fromSrc=-&repo=jump", rootfs, nil)
}

// container is one that runs.
type container struct {
	id   string
	addr netip.Addr // on the bridge; destip of the article's action
}

// runJump starts a container of the image: its port 22 is the host's port, its auth.log is log.
func (d *docker) runJump(name string, port int, log string) (container, error) {
	type object = map[string]any
	config := object{
		"Image": "jump", "Hostname": name, "Cmd": imageRun, "ExposedPorts": object{"22/tcp": object{}},
		"HostConfig": object{
			"PortBindings": object{"22/tcp": []object{{"HostPort": fmt.Sprint(port)}}},
			"Binds":        []string{log + ":/var/log/auth.log"},
		},
	}
	var made struct{ ID string }
	if err := d.call("POST", "/containers/create?name="+name, config, &made); err != nil {
		return container{}, err
	}
	if err := d.call("POST", "/containers/"+made.ID+"/start", nil, nil); err != nil {
		return container{id: made.ID}, err
	}
	var seen struct {
		NetworkSettings struct {
			Networks map[string]struct{ IPAddress netip.Addr }
		}
	}
	err := d.call("GET", "/containers/"+made.ID+"/json", nil, &seen)
	return container{id: made.ID, addr: seen.NetworkSettings.Networks["bridge"].IPAddress}, err
}

// remove ends and removes a container.
func (d *docker) remove(c container) error {
	return d.call("DELETE", "/containers/"+c.id+"?force=1", nil, nil)
}
