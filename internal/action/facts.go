package action

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"gaol/internal/event"
)

// values gives the tags of one ban; b is nil for commands that are about no ban: there fail2ban
// fills the tags as for a ban without address (§1.7, §4.4).
func (a *Action) values(ctx context.Context, b *event.Ban, restored bool) func(string) (string, bool) {
	if b == nil {
		b = &event.Ban{Jail: a.spec.Jail, Start: time.Now()}
		if a.spec.BanTime >= 0 {
			b.End = b.Start.Add(a.spec.BanTime)
		}
	}
	return func(name string) (string, bool) {
		if group, ok := strings.CutPrefix(name, "F-"); ok && isGroup(group) {
			return field(b, group), true
		}
		if value, ok := own(b, name, restored); ok {
			return value, true
		}
		if !engineKnows(name) {
			return "", false
		}
		if a.opts.Facts != nil {
			if value, ok := a.opts.Facts(ctx, name, *b); ok {
				return value, true
			}
		}
		return fallback(b, name), true
	}
}

// isGroup: fail2ban replaces F-tags in capitals only.
func isGroup(name string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

func field(b *event.Ban, group string) string {
	switch key := strings.ToLower(group); key {
	case "id":
		return b.Fields.Get("fid")
	case "port":
		return b.Fields.Get("fport")
	default:
		return b.Fields.Get(key)
	}
}

// own are the tags that the ban itself answers.
func own(b *event.Ban, name string, restored bool) (string, bool) {
	switch name {
	case "ip":
		return address(b), true
	case "fid":
		return b.ID, true
	case "family":
		return familyName(b), true
	case "ip-rev":
		return reversed(address(b)), true
	case "bancount":
		return strconv.Itoa(b.Times), true
	case "failures":
		return strconv.Itoa(b.Count), true
	case "time":
		return epoch(b.Start), true
	case "bantime":
		if b.End.IsZero() {
			return "-1", true
		}
		return strconv.FormatInt(int64(b.End.Sub(b.Start)/time.Second), 10), true
	case "matches":
		return strings.Join(b.Matches, "\n"), true
	case "restored":
		return map[bool]string{false: "0", true: "1"}[restored], true
	case "raw-ticket":
		text, _ := json.Marshal(b) // a struct of strings, numbers and times
		return string(text), true
	}
	return layout(name)
}

// layout are the tags that are about no ban.
func layout(name string) (string, bool) {
	switch name {
	case "br":
		return "\n", true
	case "sp":
		return " ", true
	case "fq-hostname", "sh-hostname":
		host, err := os.Hostname()
		if name == "sh-hostname" {
			host, _, _ = strings.Cut(host, ".")
		}
		return host, err == nil
	}
	return "", false
}

func engineKnows(name string) bool {
	switch name {
	case "ip-host", "ipmatches", "ipjailmatches", "ipfailures", "ipjailfailures",
		"jail.name", "jail.banned", "jail.banned_total", "jail.found", "jail.found_total":
		return true
	}
	return false
}

func fallback(b *event.Ban, name string) string {
	switch name {
	case "ip-host":
		return address(b)
	case "ipmatches", "ipjailmatches":
		return strings.Join(b.Matches, "\n")
	case "ipfailures", "ipjailfailures":
		return strconv.Itoa(b.Count)
	case "jail.name":
		return b.Jail
	}
	return "0"
}

// address is <ip>: what the regex captured, which differs from the id where <F-ID> is used.
func address(b *event.Ban) string {
	if b.IP != "" {
		return b.IP
	}
	return b.ID
}

// familyOf is the family whose conditional properties count; "" for what is no address.
func familyOf(b *event.Ban) string {
	text, _, _ := strings.Cut(address(b), "/")
	ip, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return ""
	case ip.Unmap().Is4():
		return inet4
	}
	return inet6
}

// familyName is the tag: fail2ban prints Python's None for an id that is no address.
func familyName(b *event.Ban) string {
	if fam := familyOf(b); fam != "" || address(b) == "" {
		return fam
	}
	return "None"
}

// reversed is the address as reverse DNS has it, with a dot at the end (§1.7).
func reversed(text string) string {
	plain, _, _ := strings.Cut(text, "/")
	ip, err := netip.ParseAddr(plain)
	if err != nil {
		return ""
	}
	var parts []string
	if ip.Is4() {
		parts = strings.Split(text, ".")
	} else {
		for _, b := range ip.As16() {
			parts = append(parts, strconv.FormatUint(uint64(b>>4), 16), strconv.FormatUint(uint64(b&15), 16))
		}
	}
	slices.Reverse(parts)
	return strings.Join(parts, ".") + "."
}

// epoch prints whole seconds without a fraction, as fail2ban does.
func epoch(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMicro())/1e6, 'f', -1, 64)
}
