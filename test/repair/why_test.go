package repair

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"gaol/internal/cli"
	"gaol/internal/engine"
)

// `gaol why` of an attacker who is shut out names the set that holds it and the rule that dropped
// its packets, as the kernel has them.
func TestWhyTellsWhatTheKernelDropped(t *testing.T) {
	l := start(t, engine.Options{}, nil)
	l.ban(attackerAddr)
	l.attacker.Dead("tcp", service)
	var out bytes.Buffer
	if status := cli.Main([]string{"gaol", "why", "--socket", l.socket, attackerAddr}, nil, &out, &out); status != 0 {
		t.Fatalf("exit status %d: %s", status, out.String())
	}
	said := out.String()
	if first, _, _ := strings.Cut(said, "\n"); !strings.HasPrefix(first, attackerAddr+" is banned by jail sshd since ") {
		t.Errorf("the first line is %q", first)
	}
	for _, want := range []string{
		`(?m)^kernel +set inet gaol j_sshd_ban4 holds 203\.0\.113\.66, for another (59m\d+s|1h)$`,
		`(?m)^kernel rule ip saddr @j_sshd_ban4 .* counter drop\n +it has caught [1-9]\d* packets?, of everybody in the set$`,
		`(?m)^closes +port 22/tcp$`,
	} {
		if !regexp.MustCompile(want).MatchString(said) {
			t.Errorf("nothing like %s in:\n%s", want, said)
		}
	}
}
