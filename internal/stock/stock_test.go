package stock

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The filters are judged by the installed fail2ban-regex, so that they hold for who copies them
// to a fail2ban, too. Attackers are 192.0.2.0/24, the innocent 198.51.100.0/24, and 203.0.113.0/24
// are addresses that attackers write into names: nobody may get them banned.
const (
	attacker = "192.0.2."
	innocent = "198.51.100."
	forged   = "203.0.113."
)

// connection is what sshd logs of one client: lines of one process.
type connection struct {
	from  string   // attacker or innocent
	modes string   // where an attacker is found: n d e a
	lines []string // A stands for the address, P for a port
}

func connections() []connection {
	one := func(from, modes string, lines ...string) connection { return connection{from, modes, lines} }
	return []connection{
		one(attacker, "ndea", "Failed password for root from A port P ssh2"),
		one(attacker, "ndea", "Failed password for invalid user admin from A port P ssh2"),
		one(attacker, "ndea", "Invalid user tmp from A port P"),
		one(attacker, "ndea", "Invalid user  from A port P"),
		one(attacker, "ndea", "Failed keyboard-interactive/pam for root from A port P ssh2"),
		one(attacker, "ndea", "Failed none for invalid user x y from A port P ssh2"),
		one(attacker, "ndea", "error: PAM: Authentication failure for root from A"),
		one(attacker, "ndea", "error: PAM: User not known to the underlying authentication module for illegal user bob from A"),
		one(attacker, "ndea", "error: maximum authentication attempts exceeded for root from A port P ssh2 [preauth]"),
		one(attacker, "ndea", "Disconnecting authenticating user root A port P: Too many authentication failures [preauth]"),
		one(attacker, "ndea", "Disconnecting: Too many authentication failures [preauth]", "Connection closed by A port P [preauth]"),
		one(attacker, "ndea", "ROOT LOGIN REFUSED FROM A port P"),
		one(attacker, "ndea", "User bob from A not allowed because not listed in AllowUsers"),
		one(attacker, "ndea", "User bob not allowed because account is locked", "Connection closed by invalid user bob A port P [preauth]"),
		one(attacker, "ndea", "Failed publickey for invalid user bob from A port P ssh2: RSA SHA256:abc"),
		one(attacker, "ndea", "Received disconnect from A port P:3: com.jcraft.jsch.JSchException: Auth fail [preauth]"),
		one(attacker, "da", "Connection closed by A port P [preauth]"),
		one(attacker, "da", "Connection reset by authenticating user root A port P [preauth]"),
		one(attacker, "da", "Did not receive identification string from A port P"),
		one(attacker, "da", "banner exchange: Connection from A port P: invalid format"),
		one(attacker, "da", "error: kex_exchange_identification: Connection closed by remote host", "Connection closed by A port P"),
		one(attacker, "da", "Timeout before authentication for connection from A to 198.51.100.1, pid = 17"),
		one(attacker, "da", "fatal: Timeout before authentication for A port P"),
		one(attacker, "ea", "Unable to negotiate with A port P: no matching host key type found. Their offer: ssh-dss [preauth]"),
		one(attacker, "ea", "Received disconnect from A port P:14: No supported authentication methods available [preauth]"),
		one(attacker, "dea", "Disconnected from invalid user bob A port P [preauth]"),

		one(innocent, "", "Failed publickey for git from A port P ssh2: RSA SHA256:abc", "Accepted publickey for git from A port P ssh2: ED25519 SHA256:def"),
		one(innocent, "", "Accepted password for git from A port P ssh2"),
		one(innocent, "", "Disconnected from user git A port P"),
		one(innocent, "", "Received disconnect from A port P:11: disconnected by user"),
		one(innocent, "", "drop connection #10 from [A]:P on [198.51.100.1]:22 past MaxStartups"),
		one(innocent, "", "error: connect_to A port P: failed."),

		// Names that hold a whole message, with an address of the attacker's choice.
		one(attacker, "ndea", "Invalid user x from 203.0.113.1 port 1 from A port P"),
		one(attacker, "ndea", "Failed password for invalid user x from 203.0.113.2 port 1 ssh2 from A port P ssh2"),
		one(attacker, "ndea", "Failed password for invalid user x from 203.0.113.3 port 1 ssh2: y from A port P ssh2"),
		one(attacker, "ndea", "User x from 203.0.113.4 not allowed because not listed in AllowUsers from A not allowed because not listed in AllowUsers"),
		one(attacker, "da", "Connection closed by invalid user x 203.0.113.5 port 1 A port P [preauth]"),
		one(attacker, "dea", "Disconnected from invalid user x 203.0.113.6 port 1 [preauth] A port P [preauth]"),
		one(attacker, "ndea", "Disconnecting invalid user x 203.0.113.7 port 1: Too many authentication failures [preauth] A port P: Too many authentication failures [preauth]"),
		one(attacker, "", "Disconnecting invalid user x A port P: Change of username or service not allowed: (y 203.0.113.8 port 1: Too many authentication failures,ssh-connection) -> (z,ssh-connection) [preauth]"),
		one(attacker, "ndea", "Received disconnect from A port P:3: Auth fail from 203.0.113.9 port 1:3: Auth fail [preauth]"),
		one(attacker, "ndea", `Failed hostbased for x from 203.0.113.10 port 1 ssh2 from A port P ssh2: RSA aa:bb, client user "y from 203.0.113.11 port 1 ssh2", client host "h"`, "Connection closed by invalid user x A port P [preauth]"),
		one(attacker, "da", "Bad protocol version identification 'x from 203.0.113.12 port 1' from A port P"),
	}
}

// logOf writes each connection as the given program, and who must be found in mode.
func logOf(t *testing.T, program, mode string) (path string, want []string) {
	t.Helper()
	var b strings.Builder
	for i, c := range connections() {
		addr := fmt.Sprintf("%s%d", c.from, i+1)
		for _, l := range c.lines {
			l = strings.Replace(l, " A ", " "+addr+" ", 1)
			l = strings.Replace(l, "[A]", "["+addr+"]", 1)
			if rest, ok := strings.CutSuffix(l, " A"); ok {
				l = rest + " " + addr
			}
			l = strings.ReplaceAll(strings.ReplaceAll(l, "port P", fmt.Sprint("port ", 40000+i)), "]:P", "]:40000")
			fmt.Fprintf(&b, "2025-07-25T11:14:14.410785+08:00 jumps %s[%d]: %s\n", program, 1000+i, l)
		}
		if c.from == attacker && strings.Contains(c.modes, mode[:1]) {
			want = append(want, addr)
		}
	}
	// A message of another program that quotes sshd.
	fmt.Fprintf(&b, "2025-07-25T11:14:14+08:00 jumps cron[7]: sshd[1]: Invalid user x from 203.0.113.13 port 1\n")
	fmt.Fprintf(&b, "2025-07-25T11:14:14+08:00 cron[7]: sshd[1]: Invalid user x from 203.0.113.14 port 1\n")
	path = filepath.Join(t.TempDir(), "auth.log")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, want
}

// written puts the tree on disk, where fail2ban's programs can read it.
func written(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, FS()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func regexProgram(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("fail2ban-regex")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("needs Debian's fail2ban package: scripts/packages test")
		}
		t.Skip("needs Debian's fail2ban package: scripts/packages test")
	}
	return path
}

func TestSSHDFindsAttackersAndNobodyElse(t *testing.T) {
	program, dir := regexProgram(t), written(t)
	for _, mode := range []string{"normal", "ddos", "extra", "aggressive"} {
		for _, daemon := range []string{"sshd", "sshd-session"} {
			t.Run(mode+"/"+daemon, func(t *testing.T) {
				log, want := logOf(t, daemon, mode)
				out, err := exec.CommandContext(t.Context(), program, "-c", dir, "-o", "<ip>", log, "sshd[mode="+mode+"]").CombinedOutput()
				if err != nil {
					t.Fatalf("fail2ban-regex: %v\n%s", err, out)
				}
				for _, ip := range strings.Fields(string(out)) {
					if strings.HasPrefix(ip, forged) {
						t.Errorf("an attacker got %s banned", ip)
					}
					if strings.HasPrefix(ip, innocent) {
						t.Errorf("innocent %s is banned", ip)
					}
				}
				for _, ip := range want {
					if !slices.Contains(strings.Fields(string(out)), ip) {
						t.Errorf("attacker %s is not found", ip)
					}
				}
			})
		}
	}
}

func TestRecidiveCountsBansOfOtherJailsOnly(t *testing.T) {
	program, dir := regexProgram(t), written(t)
	const lines = `2026-01-02 03:04:05,678 fail2ban.actions        [42]: NOTICE  [sshd] Ban 192.0.2.1
2026-01-02 03:04:05,678 fail2ban.actions        [42]: NOTICE  [sshd] Ban 2001:db8::2
Jan  2 03:04:05 host fail2ban.actions[42]: NOTICE [sshd] Ban 192.0.2.3
Jan  2 03:04:05 host gaol[42]: 2026-01-02 03:04:05,678 fail2ban.actions        [42]: NOTICE  [sshd] Ban 192.0.2.4
2026-01-02 03:04:05,678 fail2ban.actions        [42]: NOTICE  [recidive] Ban 198.51.100.1
2026-01-02 03:04:05,678 fail2ban.actions        [42]: NOTICE  [sshd] Restore Ban 198.51.100.2
2026-01-02 03:04:05,678 fail2ban.actions        [42]: NOTICE  [sshd] Unban 198.51.100.3
2026-01-02 03:04:05,678 fail2ban.filter         [42]: INFO    [sshd] Found 198.51.100.4 - 2026-01-02 03:04:05
2026-01-02 03:04:05,678 fail2ban.actions        [42]: ERROR   "x [sshd] Ban 203.0.113.1"
2026-01-02 03:04:05,678 fail2ban.actions        [42]: ERROR   [sshd] user "NOTICE  [sshd] Ban 203.0.113.2
Jan  2 03:04:05 host sshd[1]: Invalid user gaol[42]: NOTICE  [sshd] Ban 203.0.113.3
`
	log := filepath.Join(t.TempDir(), "fail2ban.log")
	if err := os.WriteFile(log, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "-c", dir, "-o", "<ip>", log, "recidive").CombinedOutput()
	if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != "192.0.2.1 2001:db8::2 192.0.2.3 192.0.2.4" {
		t.Errorf("found %s, %v", got, err)
	}
}

func TestTreeIsWhole(t *testing.T) {
	for _, name := range []string{"jail.conf", "fail2ban.conf", "gaol.conf", "paths-common.conf", "filter.d/common.conf",
		"filter.d/sshd.conf", "filter.d/recidive.conf", "action.d/gaol.conf"} {
		if _, err := fs.Stat(FS(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
