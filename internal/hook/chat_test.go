package hook

import "testing"

func TestChatTextCallsNobodyAndLinksNowhere(t *testing.T) {
	for text, want := range map[string]string{
		"ban [sshd@jumps] 192.0.2.1":       "ban [sshd@jumps] 192.0.2.1",
		"<!channel> <https://x.test|bank>": "‹!channel› ‹https://x.test|bank›",
		"[bank](https://x.test)":           "[bank] (https://x.test)",
		"@everyone @here a@example.com":    "＠everyone ＠here a@example.com",
	} {
		if got := unmarked(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
