package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const unitFile = "init/gaol.service"

// directives are what our units may use, by section: names of systemd.unit(5), systemd.service(5),
// systemd.exec(5) and systemd.kill(5). systemd passes over a name it does not know, so a mistyped
// one would protect nothing.
func directives() map[string][]string {
	return map[string][]string{
		"Unit": {"Description", "Documentation", "After", "StartLimitIntervalSec", "StartLimitBurst"},
		"Service": {"Type", "ExecStart", "ExecReload", "Restart", "RestartSec", "KillMode", "TimeoutStopSec", "RuntimeDirectory",
			"StateDirectory", "StateDirectoryMode", "CapabilityBoundingSet", "ProtectSystem", "ProtectHome", "ProtectControlGroups",
			"ProtectHostname", "ProtectKernelLogs", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality",
			"SystemCallArchitectures", "NoNewPrivileges", "PrivateDevices"},
		"Install": {"WantedBy"},
	}
}

// parseUnit returns the values of a unit as "Section.Directive". Each may stand once, After
// adds up.
func parseUnit(t *testing.T, name, text string) map[string]string {
	t.Helper()
	known, section, all := directives(), "", map[string]string{}
	for i, line := range strings.Split(text, "\n") {
		key, value, assigned := strings.Cut(line, "=")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
		case !assigned || !slices.Contains(known[section], key):
			t.Errorf("%s:%d: [%s] %s is no directive we know", name, i+1, section, line)
		case key == "After":
			all[section+"."+key] += " " + value
		case all[section+"."+key] != "":
			t.Errorf("%s:%d: %s stands twice", name, i+1, key)
		default:
			all[section+"."+key] = value
		}
	}
	return all
}

func TestUnit(t *testing.T) {
	unit := parseUnit(t, unitFile, read(t, unitFile))
	for key, want := range map[string]string{
		"Service.Type": "notify", "Service.KillMode": "mixed", "Service.ExecReload": "/bin/kill -HUP $MAINPID",
		"Service.RuntimeDirectory": "gaol", "Service.StateDirectory": "gaol", "Service.StateDirectoryMode": "0700",
	} {
		if unit[key] != want {
			t.Errorf("%s = %q, want %q", key, unit[key], want)
		}
	}
	words := strings.Fields(unit["Service.ExecStart"])
	if flags, ok := commands(t)[words[1]]; words[0] != "/usr/bin/gaol" || !ok || len(words) > 2 {
		t.Errorf("ExecStart = %q; gaol %s has the options %v", unit["Service.ExecStart"], words[1], flags)
	}
	if !strings.Contains(unit["Unit.After"], " fail2ban.service") {
		t.Error("gaol must start after fail2ban, or it cannot see that it runs")
	}
	// The engine gives action.d commands this long to stop; systemd must not kill them earlier.
	m := regexp.MustCompile(`const stopLimit = (\d+) \* time\.Second`).FindStringSubmatch(read(t, "internal/engine/engine.go"))
	if m == nil {
		t.Fatal("internal/engine/engine.go has no stopLimit any more")
	}
	limit, _ := strconv.Atoi(m[1])
	if stop, err := strconv.Atoi(unit["Service.TimeoutStopSec"]); err != nil || stop <= limit {
		t.Errorf("TimeoutStopSec = %q, the engine's stopLimit is %d s", unit["Service.TimeoutStopSec"], limit)
	}
}

// dropIn is the stricter unit that the configuration page shows.
func dropIn(t *testing.T) block {
	t.Helper()
	for _, b := range blocksOf(t, configurationPage) {
		if name, _ := b.file(); strings.HasPrefix(name, "/etc/systemd/") {
			return b
		}
	}
	t.Fatalf("%s shows no drop-in", configurationPage)
	return block{}
}

// TestSystemdTakesUnit has systemd itself read the unit and the drop-in. TestUnit is the check
// for machines without systemd.
func TestSystemdTakesUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("no systemd here; TestUnit has read the unit")
		return
	}
	gaol, err := exec.LookPath("gaol")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	drop := filepath.Join(dir, "gaol.service.d")
	if err := os.Mkdir(drop, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(dir, "gaol.service"): strings.ReplaceAll(read(t, unitFile), "/usr/bin/gaol", gaol),
		filepath.Join(drop, "native.conf"): dropIn(t).text,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", filepath.Join(dir, "gaol.service")).CombinedOutput()
	if err != nil || strings.Contains(string(out), "gaol.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestRightsSuffice runs gaol with the rights that the unit leaves it, and with those of the
// drop-in, and bans with each: with commands of action.d, and with the native ban.
func TestRightsSuffice(t *testing.T) {
	b := dropIn(t)
	for _, c := range []struct {
		name, rights, banaction, ask, want string
		strict                             bool
	}{
		{"unit", parseUnit(t, unitFile, read(t, unitFile))["Service.CapabilityBoundingSet"], "iptables-multiport",
			"iptables -S f2b-sshd", "-s 192.0.2.1/32", false},
		{"drop-in", parseUnit(t, b.String(), b.text)["Service.CapabilityBoundingSet"], "gaol",
			"nft list table inet gaol", "192.0.2.1", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if w.user {
				missing(t, "give a log to another user", os.ErrPermission)
			}
			w.do("chown daemon /var/log/auth.log && chmod 600 /var/log/auth.log")
			w.write("/etc/fail2ban/jail.local", "[DEFAULT]\nbanaction = "+c.banaction+"\n")
			w.write("/etc/fail2ban/gaol.local", "[Definition]\nsocket_group = adm\n")
			line := "setpriv --bounding-set=" + capabilities(c.rights)
			if c.strict {
				line = `unshare --mount bash -c '` + readOnly + `exec "$@"' readonly ` + line + " --no-new-privs"
			}
			d := w.start(w.dir, line+" gaol run")
			w.do("gaol ban sshd 192.0.2.1")
			w.do("timeout 20 bash -c 'until " + c.ask + " | grep -F -e \"" + c.want + "\"; do read -r -t 0.1 <> <(:) || :; done'")
			d.said.until(t, "watches /var/log/auth.log")
			w.do("[ $(stat -c %G /run/gaol/gaol.sock) = adm ]")
			if err := d.signal("TERM"); err != nil || strings.Contains(d.said.text(), "ERROR") {
				t.Errorf("%v\n%s", err, d.said.text())
			}
		})
	}
}

// readOnly is what ProtectSystem=strict with RuntimeDirectory= and StateDirectory= comes to.
const readOnly = `mkdir -p /run/gaol /var/lib/gaol && mount --bind /run/gaol /run/gaol && mount --bind /var/lib/gaol /var/lib/gaol
while read -r _ _ _ _ at _; do case $at in
/proc*|/sys*|/dev*|/run/gaol|/var/lib/gaol) ;;
*) mount -o remount,bind,ro "$at" 2>/dev/null || : ;; esac; done </proc/self/mountinfo
! touch /etc/written 2>/dev/null || exit 1
`

// capabilities writes systemd's CapabilityBoundingSet= as setpriv(1) takes it.
func capabilities(set string) string {
	rest, without := strings.CutPrefix(set, "~")
	sign, words := "+", []string{"-all"}
	if without {
		sign, words = "-", nil
	}
	for _, name := range strings.Fields(rest) {
		words = append(words, sign+strings.ToLower(strings.TrimPrefix(name, "CAP_")))
	}
	return strings.Join(words, ",")
}
