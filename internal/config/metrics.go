package config

import "net"

// Metrics is where /metrics is served; Listen is empty where it is not.
type Metrics struct {
	Listen    string // address and port
	TokenFile string // holds what clients have to bring; empty: nothing
}

// metricsKeys are the keys of gaol.conf about it.
func metricsKeys() []Key {
	return []Key{
		{"metrics", "gaol.conf", definition, "", "0.1", "address and port where Prometheus reads /metrics, such as 127.0.0.1:8482; empty: nowhere; read at start"},
		{"metrics_token_file", "gaol.conf", definition, "", "0.1", "file with a token that Prometheus has to bring (authorization: credentials_file); empty: everybody who reaches the address may read"},
		{"metrics_insecure", "gaol.conf", definition, "no", "0.1", "yes: serve it beyond this machine without a token"},
	}
}

// metrics reads those keys. What cannot be served as it is written is not served.
func (g globalReader) metrics(values map[string]string) Metrics {
	m := Metrics{Listen: values["metrics"], TokenFile: values["metrics_token_file"]}
	insecure := g.yes("metrics_insecure", values)
	if m.Listen == "" {
		return m
	}
	host, port, err := net.SplitHostPort(m.Listen)
	ip := net.ParseIP(host)
	switch {
	case err != nil || port == "" || host != "" && host != "localhost" && ip == nil:
		g.leftOut("metrics", "write for instance metrics = 127.0.0.1:8482", "metrics %s is no address with a port: they are not served", quote(m.Listen))
		m.Listen = ""
	case m.TokenFile == "" && !insecure && host != "localhost" && (ip == nil || !ip.IsLoopback()):
		g.leftOut("metrics", "write metrics_token_file; or metrics = 127.0.0.1:8482; or metrics_insecure = yes, where a firewall guards the port",
			"metrics %s is reached from other machines, and asks for no token: they are not served", quote(m.Listen))
		m.Listen = ""
	}
	return m
}
