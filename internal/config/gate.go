package config

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// Gate is what gaol.conf says about keeping the banned out where packets do not help.
type Gate struct {
	Listen  string // address and port, or the path of a unix socket; empty: no proxy is answered
	Header  string
	Trusted []netip.Prefix
	Closed  bool
	Files   []GateFile
	Command string
}

// GateFile is a list of the banned that is kept for a server.
type GateFile struct{ Format, Path string }

// gateKeys are the keys of gaol.conf about it.
func gateKeys() []Key {
	return []Key{
		{"forward_auth", "gaol.conf", definition, "", "0.1", "address and port, or path of a unix socket, where HTTP proxies ask whether a client is banned; empty: nowhere; read at start"},
		{"forward_auth_header", "gaol.conf", definition, "X-Forwarded-For", "0.1", "header in which a trusted proxy names the client"},
		{"forward_auth_trusted", "gaol.conf", definition, "", "0.1", "addresses and networks of proxies whose header is believed, beside loopback; of others their own address is judged"},
		{"forward_auth_unsure", "gaol.conf", definition, "allow", "0.1", "allow or deny: the answer while bans are not read yet, or where a trusted proxy names no client"},
		{"deny_files", "gaol.conf", definition, "", "0.1", "files with the banned that gaol keeps, several separated by blanks: plain:PATH, an address a line; nginx:PATH, deny lines; geo:PATH, lines of nginx's geo"},
		{"deny_command", "gaol.conf", definition, "", "0.1", "command to run when a deny file has changed, once a second at most, such as nginx -s reload"},
	}
}

// gate reads those keys. What cannot be read is left out, and told.
func (g globalReader) gate(values map[string]string) Gate {
	out := Gate{Listen: values["forward_auth"], Header: values["forward_auth_header"], Command: values["deny_command"]}
	if host, port, err := net.SplitHostPort(out.Listen); out.Listen != "" && !strings.HasPrefix(out.Listen, "/") &&
		(err != nil || port == "" || host != "localhost" && net.ParseIP(host) == nil) {
		g.leftOut("forward_auth", "write for instance forward_auth = 127.0.0.1:8481, or a path",
			"forward_auth %s is no address with a port and no path: no proxy is answered", quote(out.Listen))
		out.Listen = ""
	}
	for _, text := range words(values["forward_auth_trusted"]) {
		p, err := netip.ParsePrefix(text)
		if a, aerr := netip.ParseAddr(text); aerr == nil {
			p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
		}
		if err != nil {
			g.leftOut("forward_auth_trusted", "write addresses or networks: forward_auth_trusted = 172.17.0.0/16", "%s is no address and no network: it is not trusted", quote(text))
			continue
		}
		out.Trusted = append(out.Trusted, p.Masked())
	}
	switch values["forward_auth_unsure"] {
	case "deny":
		out.Closed = true
	case "allow":
	default:
		g.complain("forward_auth_unsure", values["forward_auth_unsure"], "allow")
	}
	for _, text := range words(values["deny_files"]) {
		format, path, _ := strings.Cut(text, ":")
		if format != "plain" && format != "nginx" && format != "geo" || !filepath.IsAbs(path) {
			g.leftOut("deny_files", "write for instance deny_files = plain:/var/lib/gaol/banned.txt", "deny_files has %s: expected plain:, nginx: or geo: and a path from / on; it is not kept", quote(text))
			continue
		}
		out.Files = append(out.Files, GateFile{format, path})
	}
	return out
}

// words splits at blanks and commas.
func words(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(" \t\n,", c) })
}
