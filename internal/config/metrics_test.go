package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeysOfMetrics(t *testing.T) {
	for _, c := range []struct{ text, listen, said string }{
		{"socket = /x", "", ""},
		{"metrics = 127.0.0.1:8482", "127.0.0.1:8482", ""},
		{"metrics = localhost:8482", "localhost:8482", ""},
		{"metrics = [::1]:8482", "[::1]:8482", ""},
		{"metrics = 0.0.0.0:8482\nmetrics_token_file = /t", "0.0.0.0:8482", ""},
		{"metrics = :8482\nmetrics_insecure = yes", ":8482", ""},
		{"metrics = :8482", "", "gaol.conf:2: error: metrics “:8482” is reached from other machines, and asks for no token"},
		{"metrics = 192.0.2.1:8482", "", "is reached from other machines"},
		{"metrics = 8482", "", "metrics “8482” is no address with a port"},
		{"metrics = host:8482", "", "is no address with a port"},
		{"metrics = 127.0.0.1:8482\nmetrics_insecure = perhaps", "127.0.0.1:8482", "metrics_insecure “perhaps” cannot be read"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "gaol.conf"), []byte("[Definition]\n"+c.text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		conf, problems := Load(LoadOptions{Dir: dir})
		var said []string
		for _, p := range problems {
			said = append(said, p.String())
		}
		if all := strings.Join(said, "\n"); !strings.Contains(all, c.said) || c.said == "" && all != "" || conf.Global.Own.Metrics.Listen != c.listen {
			t.Errorf("%q: listens on %q, said %q", c.text, conf.Global.Own.Metrics.Listen, all)
		}
	}
}
