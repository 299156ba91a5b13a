package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestRepair takes the rules away from a daemon that runs: another program's flush is undone at
// once, gaol panic is not.
func TestRepair(t *testing.T) {
	h := newHost(t, "1h")
	h.start(t)
	v4 := h.probes[0]
	h.cli(t, "ban", "sshd", hostClient[0])
	v4.waitShut(t, 5*time.Second)

	h.node.Run("nft", "flush", "ruleset")
	h.daemon.out.wait(t, "the kernel had lost the table, 1 ban; put back", 1, 5*time.Second)
	v4.mustStayShut(t, time.Now(), time.Now().Add(200*time.Millisecond))
	if out := h.cli(t, "status"); !strings.Contains(out, "lost rules or bans 1 time") {
		t.Errorf("gaol status does not count the repair:\n%s", out)
	}

	out := h.cli(t, "panic")
	if !strings.Contains(out, "told to stop") {
		t.Errorf("gaol panic says nothing of the daemon:\n%s", out)
	}
	v4.waitOpen(t, 5*time.Second)
	if err := h.daemon.wait(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	if left := strings.TrimSpace(h.node.Run("nft", "list", "tables")); left != "" {
		t.Errorf("after gaol panic there is %s", left)
	}
	h.start(t)
	v4.waitShut(t, 5*time.Second) // the bans were kept
	h.stop(t)
}
