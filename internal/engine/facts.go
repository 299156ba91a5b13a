package engine

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"gaol/internal/action"
	"gaol/internal/event"
)

// factBans is how many bans of an id <ipmatches> and <ipfailures> tell of at most, the newest.
const factBans = 200

// factLimit is how long a jail may take to tell its counts. It may be on its way out.
const factLimit = 2 * time.Second

// actionOptions are what actions need of the engine.
func (e *engine) actionOptions() action.Options {
	return action.Options{Journal: e.deps.journal, Facts: e.fact, NoIPv6: !e.allowsIPv6()}
}

// fact gives the value of a tag that only the engine knows (§1.7), for the commands of an
// action; false: the ban's own value is to be used. It is asked in an action's queue.
func (e *engine) fact(ctx context.Context, tag string, b event.Ban) (string, bool) {
	jail := b.Jail
	switch tag {
	case "ip-host":
		return e.deps.hostOf(ctx, b)
	case "ipmatches", "ipfailures":
		jail = ""
		fallthrough
	case "ipjailmatches", "ipjailfailures":
		if b.ID == "" {
			return "", false
		}
		bans, err := e.bansOf(ctx, jail, b)
		if err != nil {
			e.log.Warn("read earlier bans for an action", "logger", "actions", "tag", tag, "error", err)
			return "", false
		}
		return merged(bans, strings.HasSuffix(tag, "matches")), true
	case "jail.found", "jail.found_total", "jail.banned", "jail.banned_total":
		counts, ok := e.counts(ctx, b.Jail)
		return strconv.FormatUint(counts[tag], 10), ok
	}
	return "", false
}

// hostOf is <ip-host>: the name of the ban's address.
func (d *deps) hostOf(ctx context.Context, b event.Ban) (string, bool) {
	text := b.IP
	if text == "" {
		text = b.ID
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return "", false
	}
	name, err := d.resolver.NameOf(ctx, addr)
	return name, err == nil
}

// bansOf are the bans of b's id that the store knows, oldest first, with b as it is now: the
// store may not have written it down yet.
func (e *engine) bansOf(ctx context.Context, jail string, b event.Ban) ([]event.Ban, error) {
	records, err := e.store.History(ctx, jail, b.ID, factBans)
	if err != nil {
		return nil, err
	}
	var bans []event.Ban
	for _, r := range slices.Backward(records) {
		if r.Ban.Jail != b.Jail || !r.Ban.Start.Equal(b.Start.Truncate(time.Microsecond)) {
			bans = append(bans, r.Ban)
		}
	}
	return append(bans, b), nil
}

func merged(bans []event.Ban, matches bool) string {
	failures := 0
	var lines []string
	for _, b := range bans {
		failures += b.Count
		lines = append(lines, b.Matches...)
	}
	if matches {
		return strings.Join(lines, "\n")
	}
	return strconv.Itoa(failures)
}

// counts are the counts of a jail by their tags.
func (e *engine) counts(ctx context.Context, jail string) (map[string]uint64, bool) {
	w := e.find(jail)
	if w == nil {
		return nil, false
	}
	told := make(chan map[string]uint64, 1)
	limit := time.NewTimer(factLimit)
	defer limit.Stop()
	select {
	case w.calls <- func() {
		failed, totalFailed, banned, totalBanned := w.jail.Counts()
		told <- map[string]uint64{"jail.found": uint64(failed), "jail.found_total": totalFailed,
			"jail.banned": uint64(banned), "jail.banned_total": totalBanned}
	}:
		return <-told, true
	case <-w.done:
	case <-limit.C:
	case <-ctx.Done():
	}
	return nil, false
}

// allowsIPv6 is fail2ban.conf's allowipv6: with auto, whether the kernel has IPv6 switched on
// (§0: as 1.1 finds out).
func (e *engine) allowsIPv6() bool {
	e.mu.Lock()
	wanted := e.conf.Global.AllowIPv6
	e.mu.Unlock()
	switch strings.ToLower(strings.TrimSpace(wanted)) {
	case "yes", "true", "on", "1":
		return true
	case "no", "false", "off", "0":
		return false
	}
	if off, err := os.ReadFile("/proc/sys/net/ipv6/conf/all/disable_ipv6"); err == nil {
		return strings.TrimSpace(string(off)) == "0"
	}
	l, err := (&net.ListenConfig{}).Listen(e.ctx, "tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	return l.Close() == nil
}
