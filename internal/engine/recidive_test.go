package engine

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"gaol/internal/control"
)

const recidive = `
[recidive]
enabled = true
filter = recidive
backend = auto
logpath = %s
maxretry = 3
findtime = 1d
bantime = 1w
`

// Who is banned again and again by another jail is banned by recidive, which reads gaol's own
// log: with gaol's filter and with the one of Debian's package.
func TestRecidiveReadsGaolsOwnLog(t *testing.T) {
	for name, filter := range map[string]string{"gaol's": "", "Debian's": "/etc/fail2ban/filter.d/recidive.conf"} {
		t.Run(name, func(t *testing.T) {
			r := newRunning(t)
			r.own = r.dir + "/gaol.log"
			if filter != "" {
				text, err := os.ReadFile(filter)
				if err != nil {
					t.Fatalf("%v; install it with: scripts/packages test", err)
				}
				r.write("conf/filter.d/recidive.conf", string(text))
			}
			r.write("conf/jail.local", fmt.Sprintf(sshdJail, r.log)+fmt.Sprintf(recidive, r.own))
			r.start()
			for range 3 {
				r.fail("203.0.113.7", 3)
				r.wait("[sshd] Ban 203.0.113.7")
				r.wait("[recidive] Found 203.0.113.7")
				r.do(control.Unban{Jail: "sshd", ID: "203.0.113.7"})
			}
			r.wait("[recidive] Ban 203.0.113.7")
			s := r.do(control.Status{Jail: "recidive"}).Status.Jails[0]
			if len(s.Bans) != 1 || s.Bans[0].End.Sub(s.Bans[0].Start) != 7*24*time.Hour || s.TotalFailed != 3 {
				t.Errorf("recidive: %+v", s)
			}
		})
	}
}

// logTo is where the engine logs: to the test, and to the file own where it is set.
func (r *running) logTo() io.Writer {
	if r.own == "" {
		return saying{r.said}
	}
	f, err := os.OpenFile(r.own, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { f.Close() })
	return io.MultiWriter(f, saying{r.said})
}
