package firewall_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gaol/internal/firewall"
)

func TestMemoryRunsOnFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fw := firewall.NewMemory()
		ok(t, fw.Ensure([]firewall.Target{{Jail: "sshd"}}))
		ok(t, fw.Apply(append(ban("sshd", time.Hour, "203.0.113.66"), ban("sshd", 0, "203.0.113.67")...)))
		<-time.After(time.Hour) // of the bubble's clock, which does not wait
		sameBans(t, list(t, fw), map[string][]firewall.Element{"sshd": elements(0, "203.0.113.67")})
	})
}
