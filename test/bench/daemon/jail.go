package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// common is what all jails share. The attackers' addresses need no look-up.
const common = "[DEFAULT]\nignoreself = false\nignoreip =\nusedns = no\nbackend = auto\nbantime = 1h\nfindtime = 10m\nport = ssh\nbanaction = BANACTION\nblocktype = reject\n"

// jailOf is a jail on a log of the daemon's folder.
func jailOf(name, filter, log string, maxRetry int) string {
	return fmt.Sprintf("[%s]\nenabled = true\nfilter = %s\nlogpath = DIR/%s\nmaxretry = %d\n", name, filter, log, maxRetry)
}

func withGaol(jails string) string { return strings.ReplaceAll(common, "BANACTION", "gaol") + jails }

// withFail2ban leaves blocktype to nftables' own, which rejects too.
func withFail2ban(jails string) string {
	return strings.ReplaceAll(strings.ReplaceAll(common, "BANACTION", "nftables-multiport"), "blocktype = reject\n", "") + jails
}

// twenty are jails of Debian's jail.conf with a filter each, on logs that exist.
func twenty() string {
	var out strings.Builder
	for _, name := range strings.Fields("sshd dropbear apache-auth apache-badbots apache-noscript apache-overflows apache-nohome apache-botsearch nginx-http-auth nginx-botsearch proftpd pure-ftpd vsftpd postfix dovecot exim named-refused asterisk sieve squid") {
		fmt.Fprintf(&out, "[%s]\nenabled = true\nlogpath = DIR/log\n", name)
	}
	return out.String()
}

// filters are so many different filters of Debian's: sshd, and the first others by name that
// stand for themselves.
func filters(count int) ([]string, error) {
	files, err := filepath.Glob("/etc/fail2ban/filter.d/*.conf")
	if err != nil {
		return nil, err
	}
	all := []string{"sshd"}
	slices.Sort(files)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".conf")
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		if name == "sshd" || strings.HasSuffix(name, "common") || !strings.Contains(string(text), "\nfailregex") {
			continue
		}
		if all = append(all, name); len(all) == count {
			return all, nil
		}
	}
	if len(all) < count {
		return nil, fmt.Errorf("%d filters in /etc/fail2ban/filter.d, want %d", len(all), count)
	}
	return all, nil
}

// jailsWith is a jail for each filter, all on one log.
func jailsWith(filters []string) string {
	var out strings.Builder
	for i, f := range filters {
		out.WriteString(jailOf(fmt.Sprintf("j%d", i), f, "log", 5))
	}
	return out.String()
}

// nothing is fail2ban's action of that name.
func nothing(dir string) error {
	return os.WriteFile(filepath.Join(dir, "conf", "action.d", "nothing.conf"), []byte("[Definition]\nactionban =\nactionunban =\n"), 0o600)
}
