package cli

import (
	"context"

	"gaol/internal/event"
)

// Subscribe tells one happening of each kind that a line shows differently, and that it ends.
func (d canned) Subscribe(context.Context, int) <-chan event.Happening {
	bans := d.bans()
	told := make(chan event.Happening, 5)
	for _, h := range []event.Happening{
		{What: event.Banned, Jail: "sshd", Ban: &bans[0]},
		{What: event.Unbanned, Jail: "sshd", Ban: &event.Ban{ID: bans[1].ID}, Reason: "scans\x1b[2J"},
		{What: event.SourceFails, Jail: "sshd", Reason: "/var/log/auth.log: permission denied"},
		{What: event.Missed, Count: 7},
		{What: event.Stopping},
	} {
		h.Time = bans[0].Start
		told <- h
	}
	return told
}
