package engine

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"gaol/internal/config"
	"gaol/internal/event"
	"gaol/internal/firewall"
)

// inquiry is a ban that seems not to work.
type inquiry struct {
	plan       *plan
	ban        event.Ban
	failures   int
	since, now time.Time
	problem    string  // what gaol itself knows to be wrong with the jail's bans
	dropped    *uint64 // packets that the jail's rules dropped since; nil: not known
}

// inquire finds out why a ban does not work; nil: it works, as far as can be seen. It runs beside
// the jail, and reads the kernel's rules.
func (e *engine) inquire(ctx context.Context, q inquiry) *event.Leak {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	told := &event.Leak{ID: q.ban.ID, Banned: q.ban.Start, Told: q.now, Dropped: q.dropped}
	told.Why, told.Hint = e.why(ctx, q)
	if told.Why == "" || ctx.Err() != nil {
		return nil
	}
	return told
}

// why takes the causes in the order of how sure they are.
func (e *engine) why(ctx context.Context, q inquiry) (why, hint string) {
	if q.problem != "" {
		return "its bans are not all in force: " + q.problem, "mend that first; gaol tries again by itself"
	}
	if s, ok := e.containers.scopes()[q.plan.conf.Name]; ok && q.plan.conf.Container != "" {
		switch {
		case s.err != nil:
			return s.err.Error(), "write the port that clients dial, or the container's own"
		case len(s.closes()) == 0:
			return "container " + q.plan.conf.Container + " has nothing that could be closed: " + strings.Join(s.notes, "; "), "correct `container`, or start it"
		}
	}
	w, err := look(ctx, e.containers.now())
	if err != nil {
		e.log.Debug("read what stands in the way of a ban", "error", err)
	}
	for _, p := range w.jail(q.plan.conf) {
		if p.Severity == config.Error {
			return p.Pos.String() + ": " + strings.TrimPrefix(p.Msg, "this ban will not bite: "), p.Hint
		}
	}
	if why, hint := w.ruled(q); why != "" {
		return why, hint
	}
	return q.elsewhere()
}

// ruled looks at the rules of iptables that name the banned address.
func (w *world) ruled(q inquiry) (why, hint string) {
	a, err := netip.ParseAddr(q.ban.ID)
	if err != nil {
		return "", ""
	}
	for _, r := range w.rules.Against(a) {
		if before, ok := w.rules.Passed(r); ok {
			return fmt.Sprintf("`%s` stands before `%s`: connections that are open already go past the ban", before, r),
				"write `banaction = gaol`, which cuts open connections; or have the action insert its rule in front (-I " + before.Chain + " 1)"
		}
		if r.Packets == 0 && q.plan.target == nil {
			return fmt.Sprintf("no packet has met `%s`: its packets do not pass %s, or carry another port or address there", r, r.Chain),
				"write `banaction = gaol` and the port that clients dial; if a proxy stands before the service, ban there and name it in `trusted_proxies`"
		}
	}
	return "", ""
}

// elsewhere is what is left: the packets go another way than to the ports that are closed.
func (q inquiry) elsewhere() (why, hint string) {
	t := q.plan.target
	switch {
	case t == nil && q.now.Sub(q.since) > proofPast:
		return "nothing in the kernel's rules explains it; gaol cannot count what the commands of its actions drop", "write `banaction = gaol`, which counts"
	case t == nil:
		return "", ""
	case q.dropped != nil && *q.dropped == 0:
		return fmt.Sprintf("no packet to %s was dropped since: its packets carry another address (a proxy's), or go to another port", closedText(*t)),
			"if a proxy stands before the service, ban there and name it in `trusted_proxies`; else write the port that clients dial, or `port = all`"
	case q.dropped != nil && q.now.Sub(q.since) > proofPast:
		return fmt.Sprintf("%d packets to %s were dropped since, and yet it gets through: there is a second way to the service, such as another port or a proxy", *q.dropped, closedText(*t)),
			"write all ports that the service is reached by, or `port = all`"
	}
	return "", ""
}

// closedText is what a target closes, for people.
func closedText(t firewall.Target) string {
	if t.Scoped {
		return "the container's ports"
	}
	if t.Ports == nil {
		return "any port"
	}
	return "port " + portsText(t.Ports)
}
