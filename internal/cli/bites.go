package cli

import (
	"context"
	"net/netip"
	"strings"

	"gaol/internal/config"
	"gaol/internal/firewall"
)

// diagnose compares the ban of each jail with the way the kernel's NAT rules send packets.
// What could be found is returned also with an error.
func diagnose(ctx context.Context, conf *config.Config) ([]config.Problem, error) {
	published, err := firewall.Published(ctx)
	var found []config.Problem
	for _, j := range conf.Jails {
		if j.Broken {
			continue
		}
		for _, a := range j.Actions {
			path, ok := banPath(j, a)
			if !ok {
				continue
			}
			for _, f := range firewall.Diagnose(path, published) {
				p := config.Problem{Pos: guilty(j, a), Severity: config.Warning, Jail: j.Name, Msg: f.Msg, Hint: f.Hint}
				if f.Toothless {
					p.Severity, p.Msg = config.Error, "this ban will not bite: "+f.Msg
				}
				found = append(found, p)
			}
		}
	}
	return found, err
}

// banPath is how an action's bans reach the kernel; false where its ports cannot be read,
// which is reported elsewhere.
func banPath(j config.Jail, a config.Action) (firewall.BanPath, bool) {
	p := firewall.BanPath{Jail: j.Name, Action: a.File, Chain: prop(a, "chain")}
	if p.Chain == "<known/chain>" {
		p.Chain = "" // jail.conf's way to say: the action's own default, INPUT in Debian's files
	}
	if hook := prop(a, "chain_hook"); strings.HasPrefix(a.File, "nftables") && hook != "" {
		p.Chain = hook
	}
	var err error
	if p.Ports, err = firewall.ParsePorts(prop(a, "port")); err != nil {
		return p, false
	}
	if p.Protocols, err = firewall.ParseProtocols(prop(a, "protocol")); err != nil {
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
