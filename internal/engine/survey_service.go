package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gaol/internal/config"
	"gaol/internal/container"
	"gaol/internal/firewall"
)

// service compares the ports that a jail closes with those of the service whose log it reads:
// that of a container, or a program of this machine.
func (w *world) service(j config.Jail) []config.Problem {
	if j.Container != "" {
		return nil // its ports are resolved, and what is wrong with them told elsewhere
	}
	c, m, ok := w.writer(j)
	if !ok {
		return w.program(j)
	}
	found := w.mounted(j, c, m)
	switch {
	case c.Host:
		return append(found, w.program(j)...)
	case len(c.Networks) > 0 && !slices.ContainsFunc(c.Networks, func(n container.Network) bool { return n.Driver != "macvlan" && n.Driver != "ipvlan" }):
		return append(found, toothless(j, j.Where("port"), "write `container = "+c.Name+"` and `banaction = gaol`, which bans inside the container's network",
			"the log of jail %s is written by container %s on a %s network, whose packets this machine's rules never see", j.Name, c.Name, c.Networks[0].Driver))
	case len(c.Ports) == 0:
		return append(found, warning(j, j.Where("port"), "ban at the proxy: its log, and `container` with its name; name it in `trusted_proxies` here",
			"the log of jail %s is written by container %s, which publishes no port: its clients come through another one, such as a proxy", j.Name, c.Name))
	}
	return append(found, w.otherPort(j, c)...)
}

// journalOf finds jails that read the journal for a container whose log driver writes elsewhere.
func (w *world) journalOf(j config.Jail) (found []config.Problem) {
	if !strings.HasPrefix(j.Backend, "systemd") {
		return nil
	}
	for _, c := range w.now.Containers {
		meant := slices.ContainsFunc(j.Filter.JournalMatch, func(line string) bool {
			return slices.Contains(config.JournalWords(line), "CONTAINER_NAME="+c.Name)
		})
		if ref, err := container.ParseRef(j.Container); err == nil && ref.Matches(c) {
			meant = true
		}
		if meant && c.LogDriver != "journald" {
			found = append(found, config.Problem{Pos: j.Where("backend"), Severity: config.Error, Jail: j.Name,
				Hint: "write `container = " + c.Name + "` without backend, logpath and journalmatch, which reads the container's log whatever its driver; or run it with --log-driver journald",
				Msg:  "jail " + j.Name + " reads the journal for container " + c.Name + ", whose log driver is " + c.LogDriver + ": no line of it gets there"})
		}
	}
	return found
}

// writer is the container that writes a jail's log into a folder or file of this machine; not
// ok where there is none, or several share it.
func (w *world) writer(j config.Jail) (by container.Container, through container.Mount, ok bool) {
	n := 0
	for _, path := range logFiles(j) {
		for _, c := range w.now.Containers {
			if c.LogPath == path {
				by, through, n = c, container.Mount{}, n+1
			}
			for _, m := range c.Mounts {
				if m.Source == path || strings.HasPrefix(path, strings.TrimSuffix(m.Source, "/")+"/") && m.Source != "/" {
					by, through, n = c, m, n+1
				}
			}
		}
	}
	return by, through, n == 1
}

// logFiles are the files that a jail reads now, and those it waits for.
func logFiles(j config.Jail) (paths []string) {
	if strings.HasPrefix(j.Backend, "systemd") {
		return nil
	}
	for _, l := range j.LogPath {
		glob, _, _ := strings.Cut(l, " ")
		found, err := filepath.Glob(glob)
		if err != nil || len(found) == 0 {
			found = []string{glob}
		}
		paths = append(paths, found...)
	}
	return paths
}

// mounted: a file that is mounted alone is one inode for ever; after a rotation inside the
// container its program writes to another.
func (w *world) mounted(j config.Jail, c container.Container, m container.Mount) []config.Problem {
	info, err := os.Stat(m.Source)
	if m.Source == "" || err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return []config.Problem{warning(j, j.Where("logpath"), "mount the folder: -v "+filepath.Dir(m.Source)+":"+filepath.Dir(m.Destination)+
		", or write `logpath = container:"+m.Destination+"` with `container = "+c.Name+"`",
		"%s is mounted into container %s as a single file: whatever renames or replaces it, logrotate or an editor, on either side, parts the two, and jail %s reads a log that nobody writes", m.Source, c.Name, j.Name)}
}

// otherPort: the container's clients dial ports that the jail leaves open.
func (w *world) otherPort(j config.Jail, c container.Container) (found []config.Problem) {
	var dialled, own []firewall.PortRange
	var list []string
	for _, b := range c.Ports {
		dialled = append(dialled, firewall.PortRange{First: b.HostPort, Last: b.HostPort})
		own = append(own, firewall.PortRange{First: b.Port, Last: b.Port})
		list = append(list, b.String())
	}
	for _, a := range j.Actions {
		path, ok := banPath(j, a)
		if !ok || path.Ports == nil || !a.Native && !path.AtInput() || meet(path.Ports, dialled) {
			continue
		}
		at := dialled[0]
		for i, r := range own { // the one that was meant
			if meet(path.Ports, []firewall.PortRange{r}) {
				at = dialled[i]
				break
			}
		}
		hint := "write `port = " + at.String() + "`, or `container = " + c.Name + "`"
		if !a.Native {
			hint = "write `banaction = gaol` and `port = " + at.String() + "`"
		}
		found = append(found, toothless(j, j.Where("port"), hint,
			"jail %s closes port %s of this machine, but its log is container %s's, which is reached by %s", j.Name, portsText(path.Ports), c.Name, strings.Join(list, ", ")))
	}
	return found
}

// program: the program that the filter is named after listens on ports that the jail leaves open,
// and nobody is on those that it closes.
func (w *world) program(j config.Jail) []config.Problem {
	listens, err := firewall.Listening(j.FilterName)
	if err != nil || len(listens) == 0 {
		return nil
	}
	var list []string
	for _, p := range listens {
		list = append(list, strconv.Itoa(int(p)))
	}
	taken := w.taken()
	for _, a := range j.Actions {
		path, ok := banPath(j, a)
		if !ok || path.Ports == nil || !a.Native && !path.AtInput() || meet(path.Ports, taken) {
			continue
		}
		return []config.Problem{toothless(j, j.Where("port"), "write `port = "+strings.Join(list, ",")+"`",
			"jail %s closes port %s, but %s of this machine listens on %s", j.Name, portsText(path.Ports), j.FilterName, strings.Join(list, ", "))}
	}
	return nil
}

// taken are the ports of this machine that lead somewhere: a jail that closes one of these may
// mean a service that we do not see.
func (w *world) taken() (all []firewall.PortRange) {
	listens, _ := firewall.Listening("")
	for _, p := range listens {
		all = append(all, firewall.PortRange{First: p, Last: p})
	}
	for _, d := range w.published {
		all = append(all, d.HostPort)
	}
	return all
}

func meet(a, b []firewall.PortRange) bool {
	return slices.ContainsFunc(a, func(x firewall.PortRange) bool {
		return slices.ContainsFunc(b, func(y firewall.PortRange) bool { return x.First <= y.Last && y.First <= x.Last })
	})
}

func portsText(all []firewall.PortRange) string {
	var list []string
	for _, r := range all {
		list = append(list, r.String())
	}
	return strings.Join(list, ",")
}
