package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// read asks the engine for everything. What one container or the networks lack is no reason to
// go without the rest: Err says it.
//
// An answer that cannot be decoded is asked for once more and read leniently. A container that
// cannot be read at all is as it was before, where it was known.
func read(ctx context.Context, c *conn, socket string, before []Container) (Snapshot, error) {
	s, err := readAll(ctx, c.Client, socket, before)
	if s.Engine == "" || err == nil && s.Err == nil || ctx.Err() != nil {
		return s, err
	}
	c.lenient.turn(true)
	again, err := readAll(ctx, c.Client, socket, before)
	if emptied := c.lenient.turn(false); len(emptied) > 0 {
		again.Err = errors.Join(again.Err, fmt.Errorf("the engine says what is no address, it was left out: %s", strings.Join(slices.Compact(emptied), ", ")))
	}
	return again, err
}

func readAll(ctx context.Context, c *client.Client, socket string, before []Container) (Snapshot, error) {
	s, err := readEngine(ctx, c)
	if err != nil {
		return s, err
	}
	s.Socket = socket
	if s.Networks, err = readNetworks(ctx, c); err != nil {
		s.Err = err
	}
	list, err := c.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return s, fmt.Errorf("list containers: %w", err)
	}
	for _, one := range list.Items {
		seen, err := c.ContainerInspect(ctx, one.ID, client.ContainerInspectOptions{})
		if isGone(err) {
			continue
		}
		if err != nil {
			s.Err = errors.Join(s.Err, fmt.Errorf("inspect container %s: %w", one.ID, err))
			if i := slices.IndexFunc(before, func(c Container) bool { return c.ID == one.ID }); i >= 0 {
				s.Containers = append(s.Containers, before[i])
			}
			continue
		}
		got := parse(seen.Container, s.Networks)
		if s.Engine == "podman" && got.LogDriver == "json-file" {
			got.LogDriver = "k8s-file" // the name that its Docker API has for it
		}
		s.Containers = append(s.Containers, got)
	}
	slices.SortFunc(s.Containers, func(a, b Container) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID)) })
	follow(s.Containers)
	return s, ctx.Err()
}

// isGone: the container was removed between list and inspect (containerd/errdefs' NotFound).
func isGone(err error) bool {
	var gone interface{ NotFound() }
	return errors.As(err, &gone)
}

func readEngine(ctx context.Context, c *client.Client) (s Snapshot, err error) {
	v, err := c.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return s, fmt.Errorf("ask for the version: %w", err)
	}
	s.Engine, s.Version, s.Proxy = "docker", v.Version, true
	for _, part := range v.Components {
		if strings.HasPrefix(part.Name, "Podman") {
			s.Engine, s.Version, s.Proxy = "podman", part.Version, false
		}
	}
	if s.Engine == "podman" {
		return s, nil
	}
	info, err := c.Info(ctx, client.InfoOptions{})
	if err != nil {
		return s, fmt.Errorf("ask for the engine's settings: %w", err)
	}
	if fw := info.Info.FirewallBackend; fw != nil {
		s.Firewall = fw.Driver
		for _, pair := range fw.Info { // 29.5 and later
			if pair[0] == "EnableUserlandProxy" {
				s.Proxy = pair[1] != "false"
			}
		}
	}
	return s, nil
}

func readNetworks(ctx context.Context, c *client.Client) ([]NetworkInfo, error) {
	list, err := c.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	var all []NetworkInfo
	for _, n := range list.Items {
		info := NetworkInfo{ID: n.ID, Name: n.Name, Driver: n.Driver, Bridge: n.Options["com.docker.network.bridge.name"]}
		if info.Bridge == "" && n.Driver == "bridge" && len(n.ID) >= shortID {
			info.Bridge = "br-" + n.ID[:shortID]
		}
		for _, part := range n.IPAM.Config {
			gateway := part.Gateway
			if part.Subnet.IsValid() {
				info.Subnets = append(info.Subnets, part.Subnet)
				if !gateway.IsValid() && n.Driver == "bridge" {
					gateway = part.Subnet.Masked().Addr().Next()
				}
			}
			if gateway.IsValid() {
				info.Gateways = append(info.Gateways, gateway.Unmap())
			}
		}
		all = append(all, info)
	}
	slices.SortFunc(all, func(a, b NetworkInfo) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// parse reads one inspected container. The addresses are those below Networks: API 1.52 has
// NetworkSettings.IPAddress no more.
func parse(in container.InspectResponse, networks []NetworkInfo) Container {
	c := Container{ID: in.ID, Name: strings.TrimPrefix(in.Name, "/"), LogPath: in.LogPath}
	if in.Config != nil {
		c.Image, c.Labels, c.TTY = in.Config.Image, in.Config.Labels, in.Config.Tty
	}
	if in.State != nil {
		c.Running = in.State.Running
		if c.Running {
			c.PID = in.State.Pid
		}
		c.Started, _ = time.Parse(time.RFC3339Nano, in.State.StartedAt) // year 1: never
	}
	if in.HostConfig != nil {
		c.NetworkMode, c.Host = string(in.HostConfig.NetworkMode), in.HostConfig.NetworkMode == "host"
		c.LogDriver = in.HostConfig.LogConfig.Type
	}
	for _, m := range in.Mounts {
		if m.Type == mount.TypeBind {
			c.Mounts = append(c.Mounts, Mount{Source: m.Source, Destination: m.Destination})
		}
	}
	slices.SortFunc(c.Mounts, func(a, b Mount) int { return strings.Compare(a.Destination, b.Destination) })
	if in.NetworkSettings == nil {
		return c
	}
	for name, n := range in.NetworkSettings.Networks {
		place := Network{Name: name}
		if n != nil {
			place.Addrs, place.Gateways = given(n.IPAddress, n.GlobalIPv6Address), given(n.Gateway, n.IPv6Gateway)
		}
		for _, info := range networks {
			if n != nil && info.ID == n.NetworkID || info.Name == name {
				place.Driver = info.Driver
			}
		}
		c.Networks = append(c.Networks, place)
	}
	slices.SortFunc(c.Networks, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
	published := in.NetworkSettings.Ports
	if !c.Running && in.HostConfig != nil {
		published = in.HostConfig.PortBindings // what it was made with
	}
	c.Ports = readBindings(published, c.Running)
	return c
}

// readBindings reads a container's ports. Those that the engine chooses at each start are not
// known before it.
func readBindings(published network.PortMap, running bool) (all []Binding) {
	for port, hosts := range published {
		for _, h := range hosts {
			if b, ok := binding(port, h); ok && (running || b.HostPort != 0) && !slices.Contains(all, b) {
				all = append(all, b)
			}
		}
	}
	slices.SortFunc(all, compareBindings)
	return all
}

func compareBindings(a, b Binding) int {
	return cmp.Or(strings.Compare(a.Proto, b.Proto), cmp.Compare(a.HostPort, b.HostPort), cmp.Compare(a.Port, b.Port), a.HostIP.Compare(b.HostIP))
}

// binding reads one entry of NetworkSettings.Ports. 0.0.0.0 and :: are both "every address", so
// that Docker's pair of them is one binding.
func binding(port network.Port, host network.PortBinding) (Binding, bool) {
	b := Binding{Proto: string(port.Proto()), Port: port.Num()}
	if host.HostPort != "" {
		outside, err := strconv.ParseUint(host.HostPort, 10, 16)
		if err != nil {
			return Binding{}, false
		}
		b.HostPort = uint16(outside)
	}
	if host.HostIP.IsValid() && !host.HostIP.IsUnspecified() {
		b.HostIP = host.HostIP.Unmap()
	}
	return b, true
}

// given leaves out the addresses that are not there.
func given(all ...netip.Addr) []netip.Addr {
	var found []netip.Addr
	for _, a := range all {
		if a.IsValid() && !a.IsUnspecified() {
			found = append(found, a.Unmap())
		}
	}
	return found
}

// follow gives a container that lives in another's network (network mode container:ID, or a
// Podman pod) that one's ports and addresses: it has none of its own.
func follow(all []Container) {
	for i := range all {
		c := &all[i]
		for at, hops := *c, 0; hops < 8; hops++ {
			id, shared := strings.CutPrefix(at.NetworkMode, "container:")
			if !shared {
				c.Host, c.Ports, c.Networks = at.Host, at.Ports, at.Networks
				break
			}
			n := slices.IndexFunc(all, func(o Container) bool { return o.ID == id || o.Name == id })
			if n < 0 {
				break
			}
			at = all[n]
		}
	}
}
