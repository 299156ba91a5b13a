package engine

import (
	"context"
	"testing"
	"time"

	"gaol/internal/config"
	"gaol/internal/event"
)

// The two lines an admin lost an hour over: in mode normal the second one only helps.
func TestExplainArticle(t *testing.T) {
	opts := config.LoadOptions{Embedded: true}
	f, _, err := config.ReadFilter(opts, "sshd[mode=normal]")
	must(t, err)
	all, err := Explain(context.Background(), SubjectOfFilter(opts, f, "sshd[mode=normal]"), ExplainOptions{
		Now: time.Date(2025, 7, 25, 3, 15, 0, 0, time.UTC),
		Lines: []string{
			"2025-07-25T11:14:14.410785+08:00 jumps-new sshd[556171]: Invalid user tmp from 203.0.113.68 port 8946",
			"2025-07-25T11:14:14.443162+08:00 jumps-new sshd[556171]: Connection closed by invalid user tmp 203.0.113.68 port 8946 [preauth]",
		},
	})
	must(t, err)
	if all[0].Outcome != event.LineCounts || all[1].Outcome != event.LineHelps || all[1].Tag != "<F-NOFAIL>" {
		t.Errorf("%+v", all)
	}
	if len(all[1].Cures) != 3 || all[1].Cures[0].What != "line 1" || all[1].Cures[1].What != "mode=aggressive" || all[1].Cures[2].What != "mode=ddos" {
		t.Errorf("cures %+v", all[1].Cures)
	}
}
