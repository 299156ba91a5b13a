package engine

import (
	"context"
	"net/netip"
	"strings"

	"gaol/internal/action"
	"gaol/internal/event"
)

// googlebotScript ends the path of the only command among fail2ban's filters that is a Python
// program, and loads fail2ban: it tells whether an address is one of Google's crawlers.
const googlebotScript = "/filter.d/ignorecommands/apache-fakegooglebot"

// askIgnore runs ignorecommand: status 0 ignores the failure. The googlebot script is not run,
// gaol knows itself what it answers.
func (d *deps) askIgnore(ctx context.Context, command string, b event.Ban) (status int, output string, err error) {
	arg, twin := googlebotArg(command)
	if !twin {
		facts := func(ctx context.Context, tag string, b event.Ban) (string, bool) {
			if tag != "ip-host" {
				return "", false
			}
			return d.hostOf(ctx, b)
		}
		return action.Ask(ctx, command, b, askLimit, action.Options{Facts: facts})
	}
	addr, err := netip.ParseAddr(action.Fill(ctx, arg, b))
	if err != nil {
		return 2, err.Error(), nil // the script's status for what is no address
	}
	if d.resolver.IsGoogle(ctx, addr) {
		return 0, "", nil
	}
	return 1, "", nil
}

// googlebotArg is what the command gives to the googlebot script, if it is nothing but a call of
// it. Its second argument, a time limit, is ours to choose.
func googlebotArg(command string) (arg string, ok bool) {
	words := strings.Fields(command)
	if len(words) != 2 && len(words) != 3 || !strings.HasSuffix(words[0], googlebotScript) {
		return "", false
	}
	return words[1], true
}
