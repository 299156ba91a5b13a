package config

import (
	"strconv"
	"strings"
)

// stackSize is [Thread] stacksize of fail2ban.conf. gaol has no use for it, for stacks of
// goroutines grow by themselves; it keeps the number for who asks.
func (l *loader) stackSize() *int {
	raw, ok := l.optional("fail2ban").raw("Thread", "stacksize")
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(raw.Text()))
	if err != nil || n != 0 && n < 32 {
		l.warn(raw.Pos(), "", "take the line out, gaol has no use for it", "stacksize %s is neither 0 nor a number from 32 on", quote(raw.Text()))
		return nil
	}
	return &n
}
