package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gaol/internal/date"
	"gaol/internal/event"
	"gaol/internal/filter"
	"gaol/internal/pattern"
)

// dateName is what a datepattern is called in reports.
func dateName(pattern string) (string, error) {
	t, err := date.Parse(pattern, date.Options{Year: time.Now().Year()})
	if err != nil {
		return "", err
	}
	return t.Shown(), nil
}

// names resolves host names, each once: a log may name the same one a thousand times.
type names struct{ known map[string][]string }

// resolveFor bounds one look-up.
const resolveFor = 5 * time.Second

func newNames() *names { return &names{known: map[string][]string{}} }

// resolve is the ids of a match: one, except where a host name stands for its addresses.
func (n *names) resolve(m *filter.Match) []string {
	if m.ID == "" {
		return []string{"None"}
	}
	if m.Kind != event.Name {
		return []string{m.ID}
	}
	if ids, ok := n.known[m.ID]; ok {
		return ids
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveFor)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", m.ID)
	ids := []string{}
	if err == nil {
		seen := map[string]bool{}
		for _, a := range addrs {
			if id := a.Unmap().String(); !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(strings.Count(a, ":"), strings.Count(b, ":")) }) // IPv4 first
	n.known[strings.Clone(m.ID)] = ids
	return ids
}

// print writes what -o asks for of the line's failure, if it is one; with -i the line, if it is none.
func (r *regexRun) print(e event.Entry, now time.Time) {
	m := r.filter.Match(e, now)
	failed := m.Verdict == filter.Failed && !m.Alone
	if failed == r.args.invert {
		return
	}
	if !failed {
		fmt.Fprintln(r.out, e.Line.Text)
		return
	}
	for _, id := range r.names.resolve(&m) {
		fmt.Fprintln(r.out, r.format(&m, id, e, now))
	}
}

// format is the failure as -o wants it.
func (r *regexRun) format(m *filter.Match, id string, e event.Entry, now time.Time) string {
	switch r.args.out {
	case "id", "fid":
		return id
	case "ip":
		if m.IP != "" && m.Kind != event.Name && m.IP != id {
			return m.IP
		}
		return id
	case "msg":
		return strings.Join(m.Lines, "\n")
	case "row":
		return fmt.Sprintf("[%s,\t%s,\t%s],", pattern.Repr(id), r.time(e), dict(m.Fields))
	case "matches":
		return "[" + strings.Join(tuples(m.Lines, e), ", ") + "]"
	}
	if strings.Contains(r.args.out, "<") {
		return r.tags(m, id, e, now)
	}
	for _, f := range m.Fields {
		if f.Name == r.args.out && f.Set {
			return f.Value
		}
	}
	return "None"
}

// time is the failure's time as Python shows it: a float, but where the stamp named its zone.
func (r *regexRun) time(e event.Entry) string {
	if r.cutter.Seen == date.Undated {
		return "None"
	}
	return pythonTime(e.Time, r.cutter.Zoned)
}

func pythonTime(t time.Time, whole bool) string {
	if whole {
		return strconv.FormatInt(t.Unix(), 10)
	}
	s := strconv.FormatFloat(float64(t.UnixNano())/1e9, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// tuples shows lines as Python shows the parts fail2ban keeps of them. Of earlier lines the parts
// are not known any more.
func tuples(lines []string, e event.Entry) []string {
	shown := make([]string, 0, len(lines))
	for _, l := range lines {
		parts := [3]string{"", "", l}
		if l == e.Line.Text {
			parts = [3]string{e.Before, e.Stamp, e.After}
		}
		shown = append(shown, "("+pattern.Repr(parts[0])+", "+pattern.Repr(parts[1])+", "+pattern.Repr(parts[2])+")")
	}
	return shown
}

// tags replaces the tags of action commands (§1.7) in the text of -o.
func (r *regexRun) tags(m *filter.Match, id string, e event.Entry, now time.Time) string {
	tag := regexp.MustCompile(`<([^ <>]+)>`)
	return tag.ReplaceAllStringFunc(r.args.out, func(tag string) string {
		name := tag[1 : len(tag)-1]
		if field, ok := strings.CutPrefix(name, "F-"); ok {
			return m.Fields.Get(groupName(field))
		}
		if v, ok := r.tag(name, m, id, e, now); ok {
			return v
		}
		return tag
	})
}

// tag is the value of one tag that is no <F-…>.
func (r *regexRun) tag(name string, m *filter.Match, id string, e event.Entry, now time.Time) (string, bool) {
	ip := id
	if m.IP != "" && m.Kind != event.Name {
		ip = m.IP
	}
	addr, err := netip.ParseAddr(ip)
	switch name {
	case "ip":
		return ip, true
	case "fid":
		return id, true
	case "time":
		if r.cutter.Seen == date.Undated {
			return pythonTime(now, false), true
		}
		return r.time(e), true
	case "msg", "matches":
		return strings.Join(m.Lines, "\n"), true
	case "family":
		if err != nil {
			return "None", true
		}
		return map[bool]string{true: "inet4", false: "inet6"}[addr.Is4()], true
	case "ip-rev":
		if err != nil {
			return "", true
		}
		return reversed(addr), true
	case "failures", "restored", "bancount":
		return "0", true
	case "br":
		return "\n", true
	case "sp":
		return " ", true
	case "fq-hostname", "sh-hostname":
		host, _ := os.Hostname()
		if name == "sh-hostname" {
			host, _, _ = strings.Cut(host, ".")
		}
		return host, true
	}
	return "", false
}

// groupName is the named group of <F-NAME>.
func groupName(field string) string {
	switch field {
	case "ID":
		return "fid"
	case "PORT":
		return "fport"
	}
	return strings.ToLower(field)
}

// reversed is the address as DNS zones for addresses have it, with a dot at its end.
func reversed(a netip.Addr) string {
	var b strings.Builder
	if a.Is4() {
		for _, n := range []int{3, 2, 1, 0} {
			b.WriteString(strconv.Itoa(int(a.As4()[n])) + ".")
		}
		return b.String()
	}
	raw := a.As16()
	for i := 15; i >= 0; i-- {
		fmt.Fprintf(&b, "%x.%x.", raw[i]&15, raw[i]>>4)
	}
	return b.String()
}
