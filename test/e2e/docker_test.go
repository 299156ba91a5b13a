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
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gaol/internal/netlab"
)

// docker is an engine of our own, Docker or Podman, in a network namespace. It has its own
// process and mount namespaces too: killing its first process ends every container, shim and
// mount of it.
type docker struct {
	dir    string
	daemon *daemon
	client *http.Client
	group  string // cgroup
}

func newDocker(name string) (*docker, error) {
	dir, err := tempDir(name)
	if err != nil {
		return nil, err
	}
	d := &docker{dir: dir, group: filepath.Base(dir)}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", d.socket())
	}
	d.client = &http.Client{Transport: &http.Transport{DialContext: dial}}
	return d, nil
}

func (d *docker) socket() string { return filepath.Join(d.dir, "docker.sock") }

// startDocker starts the machine's dockerd inside n and waits until it says that it is ready.
func startDocker(n *netlab.Node, options ...string) (*docker, error) {
	d, err := newDocker("docker")
	if err != nil {
		return nil, err
	}
	// The machine's own daemon.json must not reach in.
	config := filepath.Join(d.dir, "daemon.json")
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		return nil, err
	}
	if err := syscall.Mkfifo(d.again(), 0o600); err != nil {
		return nil, err
	}
	// A /run of its own: shims, plugins and lock files of this engine stay out of the machine's.
	const run = `mount -t tmpfs tmpfs /run && again=$1 && shift && while dockerd "$@"; do read -r word <"$again"; done`
	return d, d.start(n, append([]string{run, "dockerd", d.again(),
		"--config-file", config, "--data-root", filepath.Join(d.dir, "data"), "--exec-root", filepath.Join(d.dir, "exec"),
		"--pidfile", filepath.Join(d.dir, "pid"), "--host", "unix://" + d.socket(),
		"--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", "/" + d.group}, options...))
}

// again is the pipe that a stopped dockerd is started through again.
func (d *docker) again() string { return filepath.Join(d.dir, "again") }

// start runs a shell's script, with $0 and arguments, in namespaces of its own inside n until it
// says that it is ready.
func (d *docker) start(n *netlab.Node, script []string) (err error) {
	cmd := n.Command("unshare", append([]string{"--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
		"/bin/sh", "-c"}, script...)...)
	if d.daemon, err = startReady(script[1], d.dir, cmd, time.Minute); err != nil {
		d.close()
	}
	return err
}

// close ends the engine with everything in it.
func (d *docker) close() {
	if d.daemon != nil {
		killChildren(d.daemon.cmd.Process.Pid) // unshare(1) ends when all of the namespace has
		_ = d.daemon.wait(20 * time.Second)
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + d.group)
	removeCgroups(append(groups, "/sys/fs/cgroup/"+d.group))
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

// runJump starts a container of the image: its port 22 is the host's port, its auth.log is log.
// It returns the container's address on the bridge. The container ends with the engine.
func (d *docker) runJump(name string, port int, log string) (addr netip.Addr, err error) {
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
		return addr, err
	}
	if err := d.call("POST", "/containers/"+made.ID+"/start", nil, nil); err != nil {
		return addr, err
	}
	var seen struct {
		NetworkSettings struct {
			Networks map[string]struct{ IPAddress netip.Addr }
		}
	}
	err = d.call("GET", "/containers/"+made.ID+"/json", nil, &seen)
	return seen.NetworkSettings.Networks["bridge"].IPAddress, err
}
