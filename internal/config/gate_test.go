package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ownKeys loads a gaol.conf and returns what it says, and what is wrong with it.
func ownKeys(t *testing.T, text string) (Own, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gaol.conf"), []byte("[Definition]\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, problems := Load(LoadOptions{Dir: dir})
	var said []string
	for _, p := range problems {
		said = append(said, p.String()+" | "+p.Hint)
	}
	return conf.Global.Own, strings.Join(said, "\n")
}

func gateOf(t *testing.T, text string) (Gate, string) {
	t.Helper()
	own, said := ownKeys(t, text)
	return own.Gate, said
}

func TestKeysOfForwardAuth(t *testing.T) {
	g, said := gateOf(t, "forward_auth = 127.0.0.1:8481\nforward_auth_trusted = 10.0.0.7, 172.17.0.1/16\nforward_auth_unsure = deny\n"+
		"deny_files = plain:/tmp/a geo:/tmp/b\ndeny_command = nginx -s reload\n")
	if said != "" || g.Listen != "127.0.0.1:8481" || g.Header != "X-Forwarded-For" || len(g.Trusted) != 2 || g.Trusted[1].String() != "172.17.0.0/16" ||
		!g.Closed || len(g.Files) != 2 || g.Files[1] != (GateFile{"geo", "/tmp/b"}) || g.Command != "nginx -s reload" {
		t.Errorf("%+v\n%s", g, said)
	}
	if g, said := gateOf(t, "socket = /x\n"); said != "" || g.Listen != "" || g.Closed || len(g.Files) > 0 {
		t.Errorf("without keys: %+v\n%s", g, said)
	}
	for text, want := range map[string]string{
		"forward_auth = 8481":          "gaol.conf:2: error: forward_auth “8481” is no address with a port",
		"forward_auth = host:8481":     "is no address with a port",
		"forward_auth_trusted = proxy": "“proxy” is no address and no network",
		"forward_auth_unsure = maybe":  "forward_auth_unsure = allow",
		"deny_files = json:/tmp/x":     "expected plain:, nginx: or geo:",
		"deny_files = plain:x":         "a path from / on",
	} {
		g, said := gateOf(t, text+"\n")
		if !strings.Contains(said, want) || g.Listen != "" || g.Closed || len(g.Files) > 0 || len(g.Trusted) > 0 {
			t.Errorf("%s: %+v, said %q, want %q", text, g, said, want)
		}
	}
}
