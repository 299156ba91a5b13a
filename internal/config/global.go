package config

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Global is fail2ban.conf's settings (§1.8) and gaol.conf's own.
type Global struct {
	LogLevel     string // CRITICAL ERROR WARNING NOTICE INFO DEBUG ..., or a number
	LogTarget    string // file, STDOUT, STDERR, SYSOUT, SYSLOG, SYSTEMD-JOURNAL
	SyslogSocket string
	Socket       string // fail2ban's socket
	PIDFile      string
	AllowIPv6    string // auto or a boolean
	DBFile       string // fail2ban's database, read for import only
	DBMaxMatches int
	DBPurgeAge   time.Duration
	StackSize    *int // KiB, of [Thread]: shown to who asks, without effect; nil: not set

	Own     Own
	Options map[string]Value // fail2ban.conf's options that are set, interpolated
}

// Own is gaol.conf's [Definition]: what fail2ban has no key for.
type Own struct {
	Socket      string // gaol's own control socket
	SocketGroup string // group that may use it; empty: root only
	State       string // directory of the store, mode 0700
	// ContainerSocket is where the container engine listens, several separated by blanks; empty: where Docker and Podman do.
	ContainerSocket string
	Firewall        string // auto, nft or iptables: what banaction = gaol bans with
	Web             Web
	Gate            Gate
	Hooks           Hooks
	Metrics         Metrics
	Labels          bool // containers may join jails by their label gaol.jail
}

// Key describes one of gaol's own configuration keys, for check and for the documentation.
type Key struct {
	Name, File, Section, Default, Since, Doc string
}

// Keys is the one table of all keys that gaol adds to fail2ban's language.
func Keys() []Key {
	return append([]Key{
		{"socket", "gaol.conf", definition, "/run/gaol/gaol.sock", "0.1", "gaol's own control socket"},
		{"socket_group", "gaol.conf", definition, "", "0.1", "group that may use the socket; root only when empty"},
		{"state", "gaol.conf", definition, "/var/lib/gaol", "0.1", "directory of bans, failures and read positions"},
		{"firewall", "gaol.conf", definition, "auto", "0.1", "what banaction = gaol bans with: nft, iptables (with ipset), or auto, which is nft where the kernel has it; read at start"},
		{"container_socket", "gaol.conf", definition, "", "0.1", "socket of the container engine, several separated by blanks; empty: /run/docker.sock, /var/run/docker.sock, /run/podman/podman.sock; the first that answers is read; read at start"},
		{"labels", "gaol.conf", definition, "off", "0.1", "on: a container joins a jail by its label gaol.jail=JAIL, with its own log and ports; gaol.port=PORT chooses among them"},
		{"blocktype", "jail.conf", "jail", "drop", "0.1", "drop or reject: what banaction = gaol does with a packet"},
		{"container", "jail.conf", "jail", "", "0.1", "the container whose published ports banaction = gaol closes, and whose log is read where there is no logpath: NAME, label=KEY[=VALUE] or compose=PROJECT/SERVICE"},
		{"logformat", "jail.conf", "jail", "plain", "0.1", "how the files of logpath frame lines: plain; json-file, Docker's; cri, Kubernetes' and Podman's k8s-file. A container's own log needs no word"},
		{"prefix", "jail.conf", "jail", "32/128", "0.1", "how wide an offender is, IPv4/IPv6: failures of one such prefix are counted together, and it is banned; 32/64 in the embedded configuration"},
		{"aggregate", "jail.conf", "jail", "off", "0.1", "on: the bans of many offenders of one prefix become one ban of the prefix in the kernel, while aggregate.budget allows it"},
		{"aggregate.budget", "jail.conf", "jail", "1/32", "0.1", "how many others a prefix may cover for each of its offenders: IPv4 addresses / IPv6 networks of length 64"},
		{"aggregate.width", "jail.conf", "jail", "24/48", "0.1", "no prefix of aggregate is wider than this, IPv4/IPv6"},
		{"escalate", "jail.conf", "jail", "off", "0.1", "ports, host: an offender who goes on failing although it is banned, or comes back after its ban, is banned from all ports of the machine, and not only from the jail's"},
		{"maxbanrate", "jail.conf", "jail", "0", "0.1", "bans of a minute at most; 0: no limit. 1000 in the embedded configuration"},
		{"trusted_proxies", "jail.conf", "jail", "", "0.1", "addresses and networks of proxies before the service: never banned, whatever the log says"},
		{"maxbans", "jail.conf", "jail", "0", "0.1", "bans at a time at most; 0: no limit. 50000 in the embedded configuration"},
	}, slices.Concat(webKeys(), gateKeys(), hookKeys(), metricsKeys())...)
}

// globalReader reads [Definition] of a global file.
type globalReader struct {
	l    *loader
	d    *doc
	read map[string]Value
}

func (g globalReader) text(key, otherwise string) string {
	raw, ok := g.d.raw(definition, key)
	if !ok {
		return otherwise
	}
	v, err := interpolate(raw, func(ref string) (Value, bool) { return g.d.ref(definition, ref) })
	if err != nil {
		g.l.r.note(asProblem(err, raw.Pos()))
		return otherwise
	}
	v = v.trimmed()
	g.read[key] = v
	return v.Text()
}

func (g globalReader) complain(key, got, want string) {
	raw, _ := g.d.raw(definition, key)
	g.l.r.note(fault(raw.Pos(), "write for instance "+key+" = "+want, "%s %s cannot be read, %s is used", key, quote(got), want))
}

// yes reads one of gaol's own keys that is a yes or a no.
func (g globalReader) yes(key string, values map[string]string) bool {
	switch strings.ToLower(values[key]) {
	case "yes", "true", "on", "1":
		return true
	case "no", "false", "off", "0", "":
	default:
		g.complain(key, values[key], "no")
	}
	return false
}

// leftOut notes an entry of a key that is left out.
func (g globalReader) leftOut(key, hint, format string, args ...any) {
	raw, _ := g.d.raw(definition, key)
	g.l.r.note(fault(raw.Pos(), hint, format, args...))
}

func (l *loader) global() Global {
	g := globalReader{l, l.optional("fail2ban"), map[string]Value{}}
	out := Global{
		LogLevel: g.text("loglevel", "INFO"), LogTarget: g.text("logtarget", "STDERR"),
		SyslogSocket: g.text("syslogsocket", "auto"), Socket: g.text("socket", "/var/run/fail2ban/fail2ban.sock"),
		PIDFile: g.text("pidfile", "/var/run/fail2ban/fail2ban.pid"), AllowIPv6: g.text("allowipv6", "auto"),
		DBFile: g.text("dbfile", "/var/lib/fail2ban/fail2ban.sqlite3"), DBMaxMatches: 10, DBPurgeAge: 24 * time.Hour,
	}
	if s := g.text("dbmaxmatches", "10"); s != "10" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			g.complain("dbmaxmatches", s, "10")
		} else {
			out.DBMaxMatches = n
		}
	}
	if s := g.text("dbpurgeage", "1d"); s != "1d" {
		d, err := duration(s)
		if err != nil {
			g.complain("dbpurgeage", s, "1d")
		} else {
			out.DBPurgeAge = d
		}
	}
	out.Own, out.Options = l.own(), g.read
	return out
}

func (l *loader) own() Own {
	g := globalReader{l, l.optional("gaol"), map[string]Value{}}
	values := map[string]string{}
	var names []string
	for _, k := range Keys() {
		if k.File == "gaol.conf" {
			values[k.Name] = g.text(k.Name, k.Default)
			names = append(names, k.Name)
		}
	}
	if s := g.d.sections[definition]; s != nil {
		for _, key := range s.order {
			if !slices.Contains(names, key) {
				hint := "gaol.conf(5) and docs/configuration.md list its keys"
				if n := near(key, names); n != "" {
					hint = "write " + n
				}
				l.warn(s.keys[key].Pos(), "", hint, "gaol.conf has no key %q", key)
			}
		}
	}
	if fw := values["firewall"]; !slices.Contains([]string{"auto", "nft", "iptables"}, fw) {
		g.complain("firewall", fw, "auto")
		values["firewall"] = "auto"
	}
	labels := strings.ToLower(values["labels"])
	if labels != "on" && labels != "off" {
		g.complain("labels", values["labels"], "off")
	}
	return Own{Web: g.web(values), Gate: g.gate(values), Hooks: g.hooks(values), Metrics: g.metrics(values), Labels: labels == "on", Socket: values["socket"], SocketGroup: values["socket_group"], State: values["state"], Firewall: values["firewall"], ContainerSocket: values["container_socket"]}
}

// optional reads a global file that may be missing.
func (l *loader) optional(logical string) *doc {
	d, err := l.r.load(logical)
	if err != nil {
		return newDoc()
	}
	return d
}
