package config

import (
	"net"
	"strings"
)

// Web is how the web page is served; Listen is empty where it is not.
type Web struct {
	Listen       string   // address and port
	TokenFile    string   // holds the token that opens it; empty: web.token in the state directory
	PasswordHash string   // opens it, too: what `gaol web --hash` makes; empty: none
	Cert, Key    string   // PEM files; both or none
	GeoIP        string   // database of countries; empty: none are shown
	Insecure     bool     // served beyond this machine without TLS
	Hosts        []string // names under which it is reached, beside addresses and localhost
}

// webKeys are the keys of gaol.conf about the page.
func webKeys() []Key {
	return []Key{
		{"web", "gaol.conf", definition, "", "0.1", "address and port of the web page, such as 127.0.0.1:8480; empty: it is not served; read at start"},
		{"web_token_file", "gaol.conf", definition, "", "0.1", "file with the token that opens the page, made where it is missing; empty: web.token in the state directory"},
		{"web_password_hash", "gaol.conf", definition, "", "0.1", "a password that opens it as well, as gaol web --hash writes it"},
		{"web_cert", "gaol.conf", definition, "", "0.1", "certificate file (PEM), with its chain: the page is served over TLS"},
		{"web_key", "gaol.conf", definition, "", "0.1", "key file of web_cert"},
		{"web_hosts", "gaol.conf", definition, "", "0.1", "names under which browsers reach the page, beside localhost and addresses: what another name leads to is refused"},
		{"web_insecure", "gaol.conf", definition, "no", "0.1", "yes: serve it beyond this machine without TLS, behind a proxy that has it"},
		{"geoip", "gaol.conf", definition, "", "0.1", "database of countries (.mmdb) for the page; nobody is asked over the network"},
	}
}

// web reads the keys of the page. What cannot be served as it is written is not served.
func (g globalReader) web(values map[string]string) Web {
	w := Web{Listen: values["web"], TokenFile: values["web_token_file"], PasswordHash: values["web_password_hash"],
		Cert: values["web_cert"], Key: values["web_key"], GeoIP: values["geoip"],
		Hosts: strings.FieldsFunc(values["web_hosts"], func(c rune) bool { return strings.ContainsRune(" \t\n,", c) })}
	w.Insecure = g.yes("web_insecure", values)
	if w.Listen == "" {
		return w
	}
	wrong := func(hint, format string, args ...any) {
		raw, _ := g.d.raw(definition, "web")
		g.l.r.note(fault(raw.Pos(), hint, format, args...))
		w.Listen = ""
	}
	host, port, err := net.SplitHostPort(w.Listen)
	ip := net.ParseIP(host)
	switch {
	case err != nil || port == "" || host != "" && host != "localhost" && ip == nil:
		wrong("write for instance web = 127.0.0.1:8480", "web %s is no address with a port: the page is not served", quote(w.Listen))
	case (w.Cert == "") != (w.Key == ""):
		wrong("write both web_cert and web_key", "the page has a certificate without a key, or a key without a certificate: it is not served")
	case w.Cert == "" && !w.Insecure && host != "localhost" && (ip == nil || !ip.IsLoopback()):
		wrong("write web_cert and web_key; or web = 127.0.0.1:8480; or web_insecure = yes, where a proxy before it has TLS",
			"web %s is reached from other machines, and has no TLS: the page is not served", quote(w.Listen))
	}
	return w
}
