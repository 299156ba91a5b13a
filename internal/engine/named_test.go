package engine

import "testing"

func TestNamed(t *testing.T) {
	for id, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1", "2001:db8::/64": "2001:db8::/64",
		"alice":                                `"alice"`,
		"www.example.com":                      `"www.example.com"`,
		"x [sshd] Ban 1.2.3.4":                 `"x [sshd] Ban 1.2.3.4"`,
		"x] Ban 1.2.3.4":                       `"x] Ban 1.2.3.4"`,
		"fe80::1%x] Ban 1.2.3.4":               `"fe80::1%x] Ban 1.2.3.4"`,
		"\x1b[2J\u202e\u009b\r\n\xff":          `"\x1b[2J\u202e\u009b\r\n\xff"`,
		`"`:                                    `"\""`,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaé1.2.3.4": `"aaaaaaaaaaaaaaaaaaaaaaaaaaaa"…`,
	} {
		if got := named(id, 29); got != want {
			t.Errorf("%q is named %s, want %s", id, got, want)
		}
	}
}
