package firewall

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Listening returns the TCP ports on which programs of a name accept connections in this
// network namespace, loopback left out; "" is all ports, whoever listens. Only root sees the
// files of other users' processes.
func Listening(program string) ([]uint16, error) {
	sockets := map[string]uint16{} // "socket:[INODE]" → port
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/thread-self/net/" + table)
		if err != nil {
			if os.IsNotExist(err) {
				continue // no IPv6
			}
			return nil, fmt.Errorf("read listening sockets: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			addSocket(sockets, strings.Fields(line))
		}
	}
	if program == "" {
		return slices.Sorted(maps.Values(sockets)), nil
	}
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	var ports []uint16
	for _, file := range names {
		if comm, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(comm)) != program {
			continue
		}
		fds, _ := filepath.Glob(filepath.Dir(file) + "/fd/*")
		for _, fd := range fds {
			link, _ := os.Readlink(fd)
			if port, ok := sockets[link]; ok && !slices.Contains(ports, port) {
				ports = append(ports, port)
			}
		}
	}
	slices.Sort(ports)
	return ports, nil
}

// addSocket takes in a line of /proc/net/tcp (proc(5)) whose state is 0A, listening.
func addSocket(sockets map[string]uint16, fields []string) {
	const local, state, inode = 1, 3, 9
	if len(fields) <= inode || fields[state] != "0A" {
		return
	}
	host, port, _ := strings.Cut(fields[local], ":")
	raw, err := hex.DecodeString(host)
	var number uint16
	if _, scan := fmt.Sscanf(port, "%x", &number); err != nil || scan != nil {
		return
	}
	for i := 0; i+4 <= len(raw); i += 4 { // words in the machine's order
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	if a, ok := netip.AddrFromSlice(raw); !ok || a.Unmap().IsLoopback() {
		return
	}
	sockets["socket:["+fields[inode]+"]"] = number
}
