package pattern

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// TagOptions say what fail2ban's tags mean.
type TagOptions struct {
	UseDNS string // "no": <HOST> is an address only
}

// What the tags stand for (fail2ban-behaviour §2.2).
const (
	tagIP4  = `(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})`
	tagIP6  = `(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|:){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))`
	tagCIDR = `(?P<cidr>\d+)`
	tagDNS  = `(?P<dns>[\w\-.^_]*\w)`
	tagAddr = `\[?(?:` + tagIP4 + `|` + tagIP6 + `)\]?`
	tagNet  = `\[?(?:` + tagIP4 + `|` + tagIP6 + `)(?:/` + tagCIDR + `)?\]?`
	tagHost = `(?:` + tagAddr + `|` + tagDNS + `)`
)

// flagGroup is a group that begins with global flags. ((?i)...) was a habit before Python refused
// flags in the middle of an expression.
var flagGroup = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\?\((?:\?:)?(\(\?[a-z]+)\)`) })

// nextTag is where the first tag `</?[\w-]+/?>` of the text stands; to is 0 if there is none.
func nextTag(text string) (from, to int) {
	for {
		open := strings.IndexByte(text[from:], '<')
		if open < 0 {
			return 0, 0
		}
		from += open
		name := from + 1
		if name < len(text) && text[name] == '/' {
			name++
		}
		end := name
		for end < len(text) && (text[end] == '-' || text[end] < utf8.RuneSelf && isWord(rune(text[end]))) {
			end++
		}
		if to = end; to < len(text) && text[to] == '/' {
			to++
		}
		if end > name && to < len(text) && text[to] == '>' {
			return from, to + 1
		}
		from++
	}
}

// Expand replaces fail2ban's tags in expr and rewrites groups that begin with global flags, as
// fail2ban does before it compiles. What is no tag stays as it is.
func Expand(expr string, o TagOptions) string {
	if strings.Contains(expr, "((?") || strings.Contains(expr, "(?:(?") {
		expr = flagGroup().ReplaceAllStringFunc(expr, func(g string) string {
			if g[0] == '\\' {
				return g
			}
			return g[strings.LastIndexByte(g, '('):len(g)-1] + ":"
		})
	}
	skips := 0
	opened := map[string]bool{}
	var out strings.Builder
	for {
		from, to := nextTag(expr)
		if to == 0 {
			out.WriteString(expr)
			return out.String()
		}
		out.WriteString(expr[:from])
		t := expr[from:to]
		expr = expr[to:]
		if t == "<SKIPLINES>" {
			out.WriteString(`\n(?P<skiplines` + strconv.Itoa(skips) + `>(?:(?:.*\n)*?))`)
			skips++
		} else if text, ok := fixedTag(t, o); ok {
			out.WriteString(text)
		} else {
			out.WriteString(groupTag(t, opened))
		}
	}
}

func fixedTag(t string, o TagOptions) (string, bool) {
	switch t {
	case "<IP4>", "<F-IP4/>":
		return tagIP4, true
	case "<IP6>", "<F-IP6/>":
		return tagIP6, true
	case "<ADDR>", "<F-ADDR/>":
		return tagAddr, true
	case "<DNS>", "<F-DNS/>":
		return tagDNS, true
	case "<CIDR>", "<F-CIDR/>":
		return tagCIDR, true
	case "<SUBNET>", "<F-SUBNET/>":
		return tagNet, true
	case "<F-ID/>":
		return `(?P<fid>\S+)`, true
	case "<F-PORT/>":
		return `(?P<fport>\w+)`, true
	case "<HOST>":
		if o.UseDNS == "no" {
			return tagAddr, true
		}
		return tagHost, true
	}
	return "", false
}

// groupTag opens or closes a named group: <F-NAME>, </F-NAME>.
func groupTag(t string, opened map[string]bool) string {
	name, closing := strings.CutPrefix(strings.Trim(t, "<>"), "/")
	name, ok := strings.CutPrefix(name, "F-")
	if !ok || name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return t
	}
	if closing {
		if opened[name] {
			return ")"
		}
		return t
	}
	opened[name] = true
	switch name {
	case "ID", "PORT":
		return "(?P<f" + strings.ToLower(name) + ">"
	}
	return "(?P<" + strings.ToLower(name) + ">"
}
