package config

import "testing"

func TestNear(t *testing.T) {
	names := []string{"socket", "state", "mail_to", "mail_tls"}
	for text, want := range map[string]string{"scoket": "socket", "sockets": "socket", "stat": "state", "mailto": "mail_to", "mail_tlss": "mail_tls", "bantime": "", "": ""} {
		if got := near(text, names); got != want {
			t.Errorf("%q is taken for %q, want %q", text, got, want)
		}
	}
}
