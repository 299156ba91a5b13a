package main

import "time"

// sizes are how much is measured.
type sizes struct {
	rounds           int // of what is short
	burst, peerBurst int // lines at once
	ways, peerWays   int // bans one after the other
	perSecond        int // other lines meanwhile
	bans, peerBans   int // at once
	restored         int
	settle, watch    time.Duration // idle
	rest             time.Duration // before memory is read
	jails            []int         // on one file
	jailLines        int
	peerJails        []int         // lines for as many jails each
	patience         time.Duration // for the lines of many jails
}

func sizesOf(o options) sizes {
	s := sizes{
		rounds: o.rounds, burst: 1_000_000, peerBurst: 50_000, ways: 1000, peerWays: 20, perSecond: 50_000, bans: 10_000, peerBans: 1000,
		restored: 100_000, settle: 5 * time.Second, watch: time.Minute, rest: 10 * time.Second,
		jails: []int{1, 10, 50}, jailLines: 200_000, peerJails: []int{40_000, 8_000, 2_000}, patience: 30 * time.Second,
	}
	switch {
	case o.full:
		s.peerBurst, s.peerWays, s.peerBans, s.jailLines, s.patience = 1_000_000, 100, 10_000, 1_000_000, 5*time.Minute
	case o.tiny:
		s = sizes{
			rounds: 1, burst: 2000, peerBurst: 200, ways: 3, peerWays: 1, perSecond: 1000, bans: 50, peerBans: 3,
			restored: 200, settle: 0, watch: 100 * time.Millisecond, rest: 0,
			jails: []int{1, 3}, jailLines: 500, peerJails: []int{50, 0}, patience: 10 * time.Second,
		}
	}
	return s
}
