package host

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxParents is how far ShellPeers walks up; it ends a loop that pid reuse could make.
const maxParents = 64

// ShellPeers returns the addresses from which somebody sits at the process pid: what sshd(8)
// wrote into SSH_CONNECTION for it or for a process above it. sudo(8) takes that variable away,
// its caller still has it, so all parents are asked. proc is where procfs(5) is mounted. What
// cannot be read is passed over: the answer is a courtesy to who is about to ban himself, not a
// right.
func ShellPeers(proc string, pid int) []netip.Addr {
	var peers []netip.Addr
	for range maxParents {
		if pid <= 1 {
			break
		}
		dir := filepath.Join(proc, strconv.Itoa(pid))
		if a, ok := sshPeer(filepath.Join(dir, "environ")); ok {
			peers = append(peers, a)
		}
		pid = parent(filepath.Join(dir, "status"))
	}
	return peers
}

// sshPeer reads the client's address out of "SSH_CONNECTION=client port server port".
func sshPeer(environ string) (netip.Addr, bool) {
	env, err := os.ReadFile(environ)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, v := range bytes.Split(env, []byte{0}) {
		if value, ok := bytes.CutPrefix(v, []byte("SSH_CONNECTION=")); ok {
			client, _, _ := strings.Cut(string(value), " ")
			client, _, _ = strings.Cut(client, "%") // the zone of a link-local client
			return parseAddr(client)
		}
	}
	return netip.Addr{}, false
}

func parent(status string) int {
	text, err := os.ReadFile(status)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "PPid:"); ok {
			pid, _ := strconv.Atoi(strings.TrimSpace(value))
			return pid
		}
	}
	return 0
}
