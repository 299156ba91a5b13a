package pattern

import (
	"regexp"
	"strconv"
	"strings"
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

var (
	// flagGroup is a group that begins with global flags. ((?i)...) was a habit before Python
	// refused flags in the middle of an expression.
	flagGroup = regexp.MustCompile(`\\?\((?:\?:)?(\(\?[a-z]+)\)`)
	anyTag    = regexp.MustCompile(`</?[\w-]+/?>`)
)

// Expand replaces fail2ban's tags in expr and rewrites groups that begin with global flags, as
// fail2ban does before it compiles. What is no tag stays as it is.
func Expand(expr string, o TagOptions) string {
	expr = flagGroup.ReplaceAllStringFunc(expr, func(g string) string {
		if g[0] == '\\' {
			return g
		}
		return g[strings.LastIndexByte(g, '('):len(g)-1] + ":"
	})
	skips := 0
	opened := map[string]bool{}
	return anyTag.ReplaceAllStringFunc(expr, func(t string) string {
		if t == "<SKIPLINES>" {
			skips++
			return `\n(?P<skiplines` + strconv.Itoa(skips-1) + `>(?:(?:.*\n)*?))`
		}
		if text, ok := fixedTag(t, o); ok {
			return text
		}
		return groupTag(t, opened)
	})
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
