package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"

	"gaol/internal/event"
	"gaol/internal/host"
)

// shields says which prefixes must not be banned as a whole, in the version of now: ignoreip
// has somebody in them. Own addresses and gateways are the floor's business.
func (w *worker) shields() func(netip.Prefix) (why string, shielded bool) {
	list := w.ignore
	return func(p netip.Prefix) (string, bool) {
		if entry, ok := list.Touches(p); ok {
			return "ignoreip has " + entry + " in it", true
		}
		return "", false
	}
}

// offender is under which id the jail bans id: itself, or the prefix that an address counts as.
func (w *worker) offender(id string) (string, bool) {
	if _, banned := w.jail.Find(id); banned {
		return id, true
	}
	wide := w.jail.Offender(id)
	_, banned := w.jail.Find(wide)
	return wide, banned
}

// tellHold says that bans are held back, loudly, and that it is over.
func (w *worker) tellHold(d event.Decision) {
	level, text := slog.LevelError, d.Reason
	if text == "" {
		level, text = Notice, "offenders are banned again as they come"
	}
	w.log.Log(context.Background(), level, fmt.Sprintf("[%s] %s", w.conf.Name, text), "logger", "actions")
}

// covering are the bans that keep id out; none where id is empty.
func (w *worker) covering(id string) (all []event.Ban) {
	if id == "" {
		return nil
	}
	for _, b := range w.jail.Bans() {
		if hits(b, id) {
			all = append(all, b)
		}
	}
	if f, folded := w.jail.FoldOf(canonicalID(id)); folded {
		all = append(all, f)
	}
	return all
}

func canonicalID(text string) string {
	id, _ := host.ParseID(text)
	return id
}

// letOut are the bans that decisions of an Unban of id lifted: those of the jail, and that of a
// fold which covered an id that was not banned itself.
func letOut(jail, id string, ds []event.Decision) (out []event.Ban) {
	for _, d := range ds {
		if d.Kind == event.Lift {
			out = append(out, d.Ban)
		}
	}
	if len(out) == 0 && len(ds) > 0 {
		out = append(out, event.Ban{Jail: jail, ID: canonicalID(id)})
	}
	return out
}
