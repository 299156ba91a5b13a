package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The page is served only as it can be without being read on the way.
func TestWebKeys(t *testing.T) {
	for _, tt := range []struct{ keys, listen, says string }{
		{"", "", ""},
		{"web = 127.0.0.1:8480", "127.0.0.1:8480", ""},
		{"web = [::1]:8480\nweb_hosts = a.example, b.example", "[::1]:8480", ""},
		{"web = localhost:8480", "localhost:8480", ""},
		{"web = 8480", "", "gaol.local:2: error: web “8480” is no address with a port"},
		{"web = www.example:8480", "", "is no address with a port"},
		{"web = 0.0.0.0:8480", "", "reached from other machines, and has no TLS"},
		{"web = :8480", "", "reached from other machines, and has no TLS"},
		{"web = 0.0.0.0:8480\nweb_insecure = yes", "0.0.0.0:8480", ""},
		{"web = 0.0.0.0:8480\nweb_insecure = perhaps", "", "web_insecure"},
		{"web = 0.0.0.0:8480\nweb_cert = c.pem\nweb_key = k.pem", "0.0.0.0:8480", ""},
		{"web = 127.0.0.1:8480\nweb_cert = c.pem", "", "certificate without a key"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "gaol.local"), []byte("[Definition]\n"+tt.keys+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		conf, problems := Load(LoadOptions{Dir: dir})
		var said strings.Builder
		for _, p := range problems {
			if strings.Contains(p.Msg, "web") || strings.Contains(p.Msg, "page") {
				said.WriteString(p.String() + "\n")
			}
		}
		if got := conf.Global.Own.Web.Listen; got != tt.listen || (tt.says == "") != (said.Len() == 0) || !strings.Contains(said.String(), tt.says) {
			t.Errorf("%q: listens on %q, want %q; says %q, want %q", tt.keys, got, tt.listen, said.String(), tt.says)
		}
	}
}
