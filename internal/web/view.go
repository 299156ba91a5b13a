package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gaol/internal/event"
)

// parsePages reads the templates, each with the frame around it.
func parsePages() (map[string]*template.Template, error) {
	pages := map[string]*template.Template{}
	for _, name := range []string{"overview", "jail", "offender", "act", "bench", "check", "allowed", "login", "error"} {
		t, err := template.New("base.html").Funcs(functions()).ParseFS(files, "pages/base.html", "pages/parts.html", "pages/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("read the web page: %w", err)
		}
		pages[name] = t
	}
	return pages, nil
}

func functions() template.FuncMap {
	return template.FuncMap{
		"time": showTime, "short": func(t time.Time) string { return shortTime(t, time.Now()) }, "iso": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"until": func(b event.Ban) string { return showEnd(b.End) }, "end": showEnd,
		"span": showSpan, "size": showSize, "num": showNumber, "plural": plural, "why": why,
		"q": url.QueryEscape, "join": strings.Join, "args": args, "deref": func(n *int64) int64 { return *n },
		"packets": func(n *uint64) string {
			if n == nil {
				return "–"
			}
			return showNumber(int64(*n))
		},
		"u": func(n uint64) string { return showNumber(int64(min(n, 1<<62))) },
		"n": func(n int) string { return showNumber(int64(n)) },
	}
}

// args makes a map of names and values, for a template that is used in another.
func args(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("argument %d has no name", i)
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

const timeLayout = "2006-01-02 15:04:05"

func showTime(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Local().Format(timeLayout)
}

// shortTime leaves out the day of today, and the seconds of another.
func shortTime(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format(time.TimeOnly)
	}
	return t.Format("2 Jan 15:04")
}

func showEnd(t time.Time) string {
	if t.IsZero() {
		return "for ever"
	}
	return showTime(t)
}

// showSpan is a duration in its two largest units.
func showSpan(d time.Duration) string {
	if d < 0 {
		return "for ever"
	}
	d = d.Round(time.Second)
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	var parts []string
	for _, u := range units {
		if n := d / u.size; n > 0 && len(parts) < 2 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			d -= n * u.size
		} else if len(parts) > 0 {
			break
		}
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}

func showSize(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// showNumber puts thin spaces between thousands.
func showNumber(n int64) string {
	text := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, c := range text {
		if i > 0 && (len(text)-i)%3 == 0 && text[i-1] != '-' {
			b.WriteRune('\u2009')
		}
		b.WriteRune(c)
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return showNumber(int64(n)) + " " + what + "s"
}

// why says what led to a ban, in few words.
func why(b event.Ban) string {
	text := b.Regex
	switch {
	case b.Manual && b.Reason != "":
		text = "by hand: " + b.Reason
	case b.Manual:
		text = "by hand"
	case text == "":
		text = b.Reason
	}
	if b.Scope == event.AllPorts {
		text = "all ports; " + text
	}
	return text
}

// network is the /24 or /48 of an address.
func network(id string) (string, bool) {
	a, err := netip.ParseAddr(id)
	if err != nil {
		return "", false
	}
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	return p.String(), err == nil
}

// harmless makes control and formatting characters visible in a finished page: they come from
// logs alone, and would turn text around, hide it, or hide behind it. It is the last step, so
// that none can be forgotten.
func harmless(page []byte) []byte {
	if utf8.Valid(page) && !bytes.ContainsFunc(page, harmful) {
		return page
	}
	out := make([]byte, 0, len(page)+len(page)/8)
	for len(page) > 0 {
		c, size := utf8.DecodeRune(page)
		switch {
		case c == utf8.RuneError && size == 1:
			out = fmt.Appendf(out, "⟨%02X⟩", page[0])
		case c < 0x20 && harmful(c):
			out = utf8.AppendRune(out, 0x2400+c) // Unicode's pictures of control characters
		case harmful(c):
			out = fmt.Appendf(out, "⟨U+%04X⟩", c)
		default:
			out = append(out, page[:size]...)
		}
		page = page[size:]
	}
	return out
}

func harmful(c rune) bool {
	return c != '\n' && c != '\t' && c != '\u2009' && !unicode.IsPrint(c)
}
