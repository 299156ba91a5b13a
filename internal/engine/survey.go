package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gaol/internal/config"
	"gaol/internal/container"
	"gaol/internal/event"
	"gaol/internal/firewall"
	"gaol/internal/host"
)

// world is what a ban meets outside the configuration: the kernel's rules, the containers, who
// is never banned, and the logs as they are.
type world struct {
	published []firewall.DNAT
	rules     firewall.Rules
	now       container.Snapshot
	floor     *host.Floor
	at        time.Time
}

// Survey holds the jails of a configuration against this machine, as `gaol check` does, and
// returns which bans will not bite, or bite others than they seem to. It changes nothing and needs
// root. What could be found is returned also with an error.
func Survey(ctx context.Context, conf *config.Config) ([]config.Problem, error) {
	w, err := look(ctx, snapshot(ctx, conf))
	var found []config.Problem
	for _, j := range conf.Jails {
		if !j.Broken {
			found = append(found, w.jail(j)...)
		}
	}
	return found, err
}

// snapshot asks the container engine once. That there is none is no trouble here.
func snapshot(ctx context.Context, conf *config.Config) container.Snapshot {
	watch, err := container.Watch(ctx, container.Options{Sockets: strings.Fields(conf.Global.Own.ContainerSocket)})
	if err != nil {
		return container.Snapshot{Err: err}
	}
	now := watch.Now()
	if err := watch.Close(); err != nil {
		now.Err = err
	}
	return now
}

// look reads the kernel's side.
func look(ctx context.Context, now container.Snapshot) (*world, error) {
	w := &world{now: now, at: time.Now()}
	var nat, rules, floor error
	w.published, nat = firewall.Published(ctx)
	w.rules, rules = firewall.ReadRules(ctx)
	if w.floor, floor = host.ReadFloor(); floor == nil {
		w.floor = w.floor.With(standIns(now))
	}
	return w, errors.Join(nat, rules, floor)
}

// jail is everything that this machine makes of one jail, the bans that do not bite first.
func (w *world) jail(j config.Jail) []config.Problem {
	var found []config.Problem
	for _, a := range j.Actions {
		found = append(found, w.action(j, a)...)
	}
	found = append(found, w.journalOf(j)...)
	found = append(found, w.service(j)...)
	found = append(found, w.logs(j)...)
	slices.SortStableFunc(found, func(a, b config.Problem) int { return int(a.Severity) - int(b.Severity) })
	return found
}

// toothless is the finding that a ban stops nothing.
func toothless(j config.Jail, at config.Pos, hint, format string, args ...any) config.Problem {
	return config.Problem{Pos: at, Severity: config.Error, Jail: j.Name, Hint: hint, Msg: "this ban will not bite: " + fmt.Sprintf(format, args...)}
}

func warning(j config.Jail, at config.Pos, hint, format string, args ...any) config.Problem {
	return config.Problem{Pos: at, Severity: config.Warning, Jail: j.Name, Hint: hint, Msg: fmt.Sprintf(format, args...)}
}

// action compares one action with the way that packets take.
func (w *world) action(j config.Jail, a config.Action) (found []config.Problem) {
	path, ok := banPath(j, a)
	if !ok || a.Native {
		return nil
	}
	for _, f := range firewall.Diagnose(path, w.published) {
		p := warning(j, guilty(j, a), f.Hint, "%s", f.Msg)
		if f.Toothless {
			p = toothless(j, guilty(j, a), f.Hint, "%s", f.Msg)
		}
		found = append(found, p)
	}
	if strings.HasPrefix(path.Action, "iptables") {
		found = append(found, w.split(j, a, path)...)
	}
	return append(found, w.appended(j, a)...)
}

// split: the action's iptables changes one kind of rules, and the chain is in the other.
func (w *world) split(j config.Jail, a config.Action, path firewall.BanPath) []config.Problem {
	chain := path.Chain
	if chain == "" || chain == "INPUT" || chain == "FORWARD" {
		return nil // both kinds have them
	}
	kind, program := w.rules.Kind, "iptables"
	if given, _, _ := strings.Cut(prop(a, "iptables"), " "); given != "" {
		program = given
		for _, k := range []string{"nft", "legacy"} {
			if strings.HasSuffix(given, "iptables-"+k) {
				kind = k
			}
		}
	}
	kinds := w.rules.Kinds(chain)
	if len(kinds) == 0 || slices.Contains(kinds, kind) {
		return nil
	}
	return []config.Problem{toothless(j, j.Where("chain"),
		fmt.Sprintf("write `banaction = gaol`; or [Init] iptables = iptables-%s in action.d/iptables.local; or have both use one kind: update-alternatives --config iptables", kinds[0]),
		"chain %s of jail %s is in iptables-%s, and %s of action %s changes iptables-%s, which has no such chain", chain, j.Name, kinds[0], program, a.File, kind)}
}

// appended: the action puts its rule behind one that lets open connections go.
func (w *world) appended(j config.Jail, a config.Action) []config.Problem {
	for _, key := range []string{"actionstart", "actionban"} {
		for _, l := range a.Props[key].Lines {
			words := strings.Fields(l.Text)
			at := slices.Index(words, "-A")
			if at < 0 || at+1 >= len(words) || strings.HasPrefix(words[at+1], "f2b-") {
				continue
			}
			if before, ok := w.rules.Established(w.rules.Kind, words[at+1]); ok {
				return []config.Problem{warning(j, l.Pos, "write -I "+words[at+1]+" 1 in place of -A "+words[at+1]+", or `banaction = gaol`, which cuts open connections",
					"%s of jail %s appends its rule behind `%s`: a banned client keeps the connections that it has open", key, j.Name, before)}
			}
		}
	}
	return nil
}

// banPath is how an action's bans reach the kernel; false where its ports cannot be read,
// which is reported elsewhere.
func banPath(j config.Jail, a config.Action) (firewall.BanPath, bool) {
	p := firewall.BanPath{Jail: j.Name, Action: a.File, Chain: prop(a, "chain")}
	if a.Native {
		p.Action = "gaol"
	}
	if p.Chain == "<known/chain>" {
		p.Chain = "" // jail.conf's way to say: the action's own default, INPUT in Debian's files
	}
	if hook := prop(a, "chain_hook"); strings.HasPrefix(a.File, "nftables") && hook != "" {
		p.Chain = hook
	}
	ports, protocols := prop(a, "port"), prop(a, "protocol")
	if a.Native {
		ports, protocols = a.Port, a.Protocol
	}
	var err error
	if p.Ports, err = firewall.ParsePorts(ports); err != nil {
		return p, false
	}
	if p.Protocols, err = firewall.ParseProtocols(protocols); err != nil {
		return p, false
	}
	if strings.Contains(a.File, "allports") || a.Params["type"] == "allports" {
		p.Ports = nil
	}
	p.DestIP, _ = netip.ParseAddr(a.Params["destip"])
	return p, true
}

func prop(a config.Action, key string) string {
	v, ok := a.Props[key]
	if !ok {
		return ""
	}
	return strings.TrimSpace(v.Text())
}

// guilty is the line to change: the port where the chain is given, else the ban action's.
func guilty(j config.Jail, a config.Action) config.Pos {
	for _, key := range []string{"port", "chain"} {
		if pos := j.Where(key); pos != j.Pos {
			return pos
		}
	}
	return a.Pos
}

// sparedBecause is why nobody is banned by an id, by what the machine is.
func (w *world) sparedBecause(id string) (string, bool) {
	if w.floor == nil {
		return "", false
	}
	return w.floor.Protects(id, event.Address)
}
