package install

import (
	"fmt"
	"strings"
	"testing"
)

const guide = "docs/install.md"

// attack has the attacker fail until it is banned, silently or with a refusal.
func (w *world) attack() {
	w.Helper()
	w.attacker.Alive("tcp", ssh)
	w.fails(attackerIP, 6)
	w.until("gaol banned " + attackerIP)
	w.attacker.Dead("tcp", ssh)
	w.staff.Alive("tcp", staffSSH)
}

// TestDebs: the deb installs, runs, upgrades, is removed and purged in a fresh Debian.
func TestDebs(t *testing.T) {
	w := newWorld(t)
	steps := commands(t, guide, "fresh")
	w.do("ls -A /etc /var/lib /var/log >/root/before")
	for _, line := range steps {
		w.do(line)
	}
	w.wants("cat /var/log/systemctl", "start gaol.service")
	w.do("systemctl is-enabled gaol && systemctl is-active gaol")
	w.lacks("[ -e /etc/gaol ]")
	w.contents()
	w.attack()
	w.upgrade()
	w.rotates()

	for _, line := range commands(t, guide, "remove") {
		w.do(line)
	}
	w.attacker.Returns("tcp", ssh)
	if tables := w.host.Run("nft", "list", "tables"); strings.Contains(tables, "gaol") {
		t.Errorf("after the removal the kernel has %s", tables)
	}
	w.lacks("systemctl is-active gaol")
	w.do("[ -e /var/lib/gaol/gaol.db ]")
	w.do("apt install ./gaol_*.deb && systemctl is-active gaol")
	w.attacker.Dead("tcp", ssh)

	w.do("apt purge gaol")
	w.attacker.Returns("tcp", ssh)
	w.do("[ -e /etc/gaol/fail2ban.local ] && rm -r /etc/gaol") // the admin's, which no package touches
	w.do("rm -f /run/standin.* /var/log/systemctl /var/log/journal.* /etc/ld.so.cache")
	if left := w.do("ls -A /etc /var/lib /var/log | diff /root/before - || :"); strings.Contains(left, "gaol") {
		t.Errorf("a purge leaves:\n%s", left)
	}
	w.lacks("find /etc /usr /var/lib /run -name '*gaol*' | grep .")
}

// contents looks at what the package has besides the daemon.
func (w *world) contents() {
	w.Helper()
	w.do("zcat /usr/share/man/man8/gaol.8.gz | grep -q '^.Nm gaol' && zcat /usr/share/man/man5/gaol.conf.5.gz | grep -q 'container_socket'")
	w.do("zcat /usr/share/doc/gaol/changelog.gz | head -n 1 | grep '^gaol (' && test -e /usr/share/doc/gaol/install.md")
	w.do(`bash -c '. /usr/share/bash-completion/completions/gaol && complete -p gaol'`)
	w.wants("gaol __complete unb", "unban")
	w.do("for f in zsh/vendor-completions/_gaol fish/vendor_completions.d/gaol.fish; do grep -q __complete /usr/share/$f || exit 1; done")
	w.wants("dpkg -s gaol", "Status: install ok installed")
	w.wants("gaol version", "gaol packaged")
	w.wants("dpkg --verify gaol && echo unchanged", "unchanged")
}

// upgrade installs a newer version of the package, and has the banned attacker knock meanwhile.
func (w *world) upgrade() {
	w.Helper()
	w.do(`mkdir new && dpkg-deb -R gaol_*.deb new/tree && sed -i 's/^Version: .*/Version: 99/' new/tree/DEBIAN/control &&
		dpkg-deb --root-owner-group -Znone -b new/tree new/gaol_99.deb`)
	before := w.do("cat /run/standin.gaol.service.pid")
	done := make(chan string)
	go func() {
		said, status := w.sh("apt install ./new/gaol_99.deb")
		if status == 0 {
			said = ""
		}
		done <- said
	}()
	for knocks, over := 0, false; !over; knocks++ {
		w.attacker.Dead("tcp", ssh)
		select {
		case said := <-done:
			if over = true; said != "" {
				w.Fatalf("upgrade:\n%s", said)
			}
			w.Logf("the attacker knocked %d times while the package was upgraded", knocks+1)
		default:
		}
	}
	if after := w.do("systemctl is-active gaol && cat /run/standin.gaol.service.pid"); after == before {
		w.Error("the upgrade did not restart the daemon")
	}
	w.wants("dpkg -s gaol", "Version: 99")
	w.wants("gaol banned "+attackerIP, attackerIP)
	w.attacker.Dead("tcp", ssh)
	w.staff.Alive("tcp", staffSSH)
}

// rotates has gaol log to the file that its logrotate file is about, and rotates it.
func (w *world) rotates() {
	w.Helper()
	w.write("/etc/gaol/fail2ban.local", "[Definition]\nlogtarget = /var/log/gaol.log\n")
	w.do("systemctl restart gaol && gaol ban sshd 192.0.2.1")
	w.until("grep 'Ban 192.0.2.1' /var/log/gaol.log")
	w.do("logrotate --force /etc/logrotate.d/gaol && gaol ban sshd 192.0.2.2")
	w.until("grep 'Ban 192.0.2.2' /var/log/gaol.log")
	w.lacks("grep 192.0.2.2 /var/log/gaol.log.1")
	w.wants("stat -c '%U %G %a' /var/log/gaol.log", "root adm 640")
}

// TestBesideFail2ban: beside a fail2ban that guards the machine three commands move to gaol, and
// two move back. The attacker is kept out by whoever guards.
func TestBesideFail2ban(t *testing.T) {
	w := newWorld(t)
	w.write("/etc/fail2ban/jail.local", "[sshd]\nbackend = polling\nmaxretry = 3\nbantime = 1h\n")
	w.do("apt install -o Dpkg::Options::=--force-confold fail2ban")
	w.until("fail2ban-client status sshd")
	w.attacker.Alive("tcp", ssh)
	w.fails(attackerIP, 3)
	w.attackerOut("fail2ban")

	moves := commands(t, guide, "move")
	backs := commands(t, guide, "back")
	if len(moves) != 3 || len(backs) != 2 {
		t.Fatalf("the move takes %q and back %q; want three commands and two", moves, backs)
	}
	w.wants(moves[0], "fail2ban is installed and guards this machine; gaol is not started")
	w.do("systemctl is-active fail2ban")
	w.lacks("systemctl is-active gaol || systemctl is-enabled gaol")
	w.wants("gaol run", "fail2ban is running")
	w.do(moves[1])
	w.do("fail2ban-client --version | grep -v gaol")
	w.do(moves[2])

	w.do("systemctl is-active gaol && systemctl is-enabled gaol")
	w.wants("dpkg -s fail2ban", "Status: deinstall ok config-files")
	w.do("[ -e /etc/fail2ban/jail.conf ] && [ ! -e /etc/gaol ]")
	w.wants("gaol banned "+attackerIP, "taken over from fail2ban")
	w.wants("fail2ban-client status sshd", attackerIP)
	w.wants("fail2ban-regex 'Jan  1 00:00:00 h sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2' sshd", "1 matched")
	w.attackerOut("gaol")
	w.wants("cat /var/log/fail2ban.log", "] Restore Ban "+attackerIP)
	w.do("logrotate --force /etc/logrotate.d/fail2ban && gaol ban sshd 192.0.2.9") // its file goes on
	w.until("grep '] Ban 192.0.2.9' /var/log/fail2ban.log")

	w.do(backs[0])
	w.lacks("systemctl is-active gaol || systemctl is-enabled gaol || command -v fail2ban-client")
	w.attacker.Returns("tcp", ssh)
	w.do(backs[1])
	w.until("fail2ban-client status sshd")
	w.attackerOut("fail2ban")
	w.wants("dpkg -s gaol", "Status: install ok installed")
	w.lacks("systemctl is-active gaol || dpkg -s gaol-fail2ban")
	w.wants("fail2ban-client status sshd", attackerIP)
}

// attackerOut waits until the attacker is refused, as fail2ban's action does it, and nobody else.
func (w *world) attackerOut(guard string) {
	w.Helper()
	w.until(fmt.Sprintf("iptables -S f2b-sshd | grep -F -e '-s %s/32'", attackerIP))
	w.attacker.Refused("tcp", ssh)
	w.staff.Alive("tcp", staffSSH)
	w.Logf("%s keeps the attacker out", guard)
}
