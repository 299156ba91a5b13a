package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// BanPath is how a jail's bans reach the kernel, as its configuration says.
type BanPath struct {
	Jail      string
	Action    string      // "gaol", or the action file's name such as "iptables-multiport"
	Chain     string      // the iptables chain; for nftables actions the hook (chain_hook); empty: INPUT
	Ports     []PortRange // from ParsePorts; nil: all
	Protocols []string    // from ParseProtocols; nil: all
	DestIP    netip.Addr  // the action is restricted to this container; zero: it is not
}

// Finding is something wrong with a BanPath.
type Finding struct {
	Toothless bool   // the bans stop nothing; else they stop less or more than they seem to
	Msg       string // what is wrong
	Hint      string // the lines to write instead
}

// Diagnose compares a jail's bans with the way the kernel's DNAT rules send packets. The facts
// behind it: DNAT happens before the chains INPUT, FORWARD and DOCKER-USER, so that a
// published port's packets never see INPUT, and carry the container's port in the other two.
func Diagnose(p BanPath, published []DNAT) []Finding {
	switch p.place() {
	case atInput:
		return p.diagnoseInput(published)
	case atForward:
		return p.diagnoseForward(published)
	}
	return nil
}

type hookPlace int

const (
	elsewhere hookPlace = iota // before DNAT, or nothing we know
	atInput
	atForward
)

// AtInput says whether the bans stand where only packets to this machine's own services pass.
func (p BanPath) AtInput() bool { return p.place() == atInput }

// place is where in the packet's way the action acts.
func (p BanPath) place() hookPlace {
	name := strings.TrimSuffix(p.Action, ".conf")
	name, _, _ = strings.Cut(name, "[")
	packetFilter := false
	for _, family := range []string{"iptables", "nftables", "firewallcmd", "ufw"} {
		packetFilter = packetFilter || name == family || strings.HasPrefix(name, family+"-")
	}
	if !packetFilter || strings.HasPrefix(name, "iptables-xt_recent") {
		return elsewhere
	}
	switch strings.ToUpper(p.Chain) {
	case "", "INPUT":
		return atInput
	case "FORWARD", "DOCKER-USER", "DOCKER":
		return atForward
	}
	return elsewhere
}

func (p BanPath) chain() string {
	if p.Chain == "" {
		return "INPUT"
	}
	return p.Chain
}

// diagnoseInput finds published ports that the jail means to close in INPUT.
func (p BanPath) diagnoseInput(published []DNAT) []Finding {
	var hit []DNAT
	for _, d := range published {
		if p.speaks(d.Proto) && (p.Ports == nil || overlaps(p.Ports, d.HostPort)) {
			hit = append(hit, d)
		}
	}
	if len(hit) == 0 {
		return nil
	}
	if p.Ports == nil {
		return []Finding{{
			Msg:  fmt.Sprintf("jail %s bans in %s, which the packets to published ports never reach: %s", p.Jail, p.chain(), routes(hit)),
			Hint: "write `banaction = gaol` (and `banaction_allports = gaol`), which closes all ports of this machine, published ones too",
		}}
	}
	inner, all := hit[0], p.leadsAway(hit)
	which := "these"
	if !all {
		which = "some of these"
	}
	return []Finding{{
		Toothless: all,
		Msg: fmt.Sprintf("jail %s bans port %s in %s, but the kernel sends %s packets on before %s sees them: %s",
			p.Jail, portList(p.Ports), p.chain(), which, p.chain(), routes(hit)),
		Hint: fmt.Sprintf("write `banaction = gaol` and keep `port = %s`; with iptables actions write `chain = DOCKER-USER` and `port = %s`, with %s",
			portList(p.Ports), inner.ToPort, restricted(inner.ToAddr)),
	}}
}

// leadsAway says whether all of the jail's ports are published.
func (p BanPath) leadsAway(hit []DNAT) bool {
	for _, r := range p.Ports {
		inside := func(d DNAT) bool { return d.HostPort.First <= r.First && r.Last <= d.HostPort.Last }
		if !slices.ContainsFunc(hit, inside) {
			return false
		}
	}
	return true
}

// diagnoseForward finds ports that are not what they are called behind DNAT.
func (p BanPath) diagnoseForward(published []DNAT) []Finding {
	if p.Ports == nil {
		return nil
	}
	var outer, inner, foreign []DNAT
	for _, d := range published {
		if !p.speaks(d.Proto) || p.DestIP.IsValid() && p.DestIP.Is6() != d.ToAddr.Is6() {
			continue
		}
		switch there := overlaps(p.Ports, d.ToPort); {
		case there && (!p.DestIP.IsValid() || p.DestIP == d.ToAddr):
			inner = append(inner, d)
		case there:
			foreign = append(foreign, d)
		case overlaps(p.Ports, d.HostPort):
			outer = append(outer, d)
		}
	}
	switch {
	case len(inner) > 0:
		return p.severalContainers(inner)
	case len(outer) > 0:
		return []Finding{p.translated(outer)}
	case len(foreign) > 0:
		return []Finding{{
			Toothless: true,
			Msg: fmt.Sprintf("jail %s bans port %s of the container %s, but no published port leads there now: %s",
				p.Jail, portList(p.Ports), p.DestIP, routes(foreign)),
			Hint: fmt.Sprintf("write the container's present address (%s), or `banaction = gaol` with `port = %s`, which needs none",
				foreign[0].ToAddr, foreign[0].HostPort),
		}}
	}
	return []Finding{{
		Toothless: true,
		Msg: fmt.Sprintf("jail %s bans port %s in %s, where only packets to containers pass, and no published port leads to port %s",
			p.Jail, portList(p.Ports), p.chain(), portList(p.Ports)),
		Hint: "for a service of this machine itself delete the `chain` line; for a container start it, or write `banaction = gaol` and the published port",
	}}
}

// translated: the port is the one the client dials, and in this chain it is another one.
func (p BanPath) translated(outer []DNAT) Finding {
	d := outer[0]
	return Finding{
		Toothless: true,
		Msg: fmt.Sprintf("jail %s bans port %s in %s, but packets that reach %s already carry the container's port: %s",
			p.Jail, portList(p.Ports), p.chain(), p.chain(), routes(outer)),
		Hint: fmt.Sprintf("write `banaction = gaol` and keep `port = %s`; or keep `chain = %s`, write `port = %s`, and use %s, else port %s of every container closes",
			portList(p.Ports), p.chain(), d.ToPort, restricted(d.ToAddr), d.ToPort),
	}
}

// severalContainers: the rule is not restricted to one of those it hits.
func (p BanPath) severalContainers(inner []DNAT) []Finding {
	containers := map[netip.Addr]bool{}
	for _, d := range inner {
		if d.Family == inner[0].Family {
			containers[d.ToAddr] = true
		}
	}
	if p.DestIP.IsValid() || len(containers) < 2 {
		return nil
	}
	return []Finding{{
		Msg: fmt.Sprintf("jail %s bans port %s in %s of every container, not of one: %s",
			p.Jail, portList(p.Ports), p.chain(), routes(inner)),
		Hint: fmt.Sprintf("write `banaction = gaol` and `port = %s` (the port clients dial), or use %s",
			inner[0].HostPort, restricted(inner[0].ToAddr)),
	}}
}

// restricted names the way to spare the other containers with iptables.
func restricted(container netip.Addr) string {
	return fmt.Sprintf("an action file whose rules have `-d <destip>`, as `banaction = NAME[destip=%s]`", container)
}

func (p BanPath) speaks(proto string) bool {
	return p.Protocols == nil || slices.Contains(p.Protocols, proto)
}

func overlaps(ports []PortRange, r PortRange) bool {
	return slices.ContainsFunc(ports, func(p PortRange) bool { return p.First <= r.Last && r.First <= p.Last })
}

// portList writes ports as a jail's port option takes them.
func portList(ports []PortRange) string {
	var words []string
	for _, p := range ports {
		words = append(words, strings.Replace(p.String(), "-", ":", 1))
	}
	return strings.Join(words, ",")
}

// routes names at most four rules; a host may publish hundreds.
func routes(rules []DNAT) string {
	const most = 4
	var words []string
	for _, d := range rules[:min(len(rules), most)] {
		words = append(words, d.String())
	}
	text := strings.Join(words, ", ")
	if more := len(rules) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
