package main

import (
	"errors"
	"time"
)

// start is from exec to ready.
func (b *bench) start() error {
	ours := line{what: "start to ready, 20 jails", unit: "ms", goal: "<= 150"}.withPeer()
	for n := range 4 * b.size.rounds {
		at, conf := b.gaolAt, withGaol(twenty())
		if n%4 == 3 {
			at, conf = b.fail2banAt, withFail2ban(twenty())
		}
		dir, err := b.home(conf)
		if err != nil {
			return err
		}
		s, err := at(dir)
		if err != nil {
			return err
		}
		took := s.ready.Sub(s.began)
		if n%4 == 3 {
			ours.peer.took(took)
		} else {
			ours.took(took)
		}
		if err := errors.Join(s.stop(), wipe()); err != nil {
			return err
		}
	}
	return b.write(ours)
}

// idle watches both daemons do nothing for a minute, at the same time.
func (b *bench) idle() error {
	memory := line{what: "RSS idle, 20 jails", unit: "MB", goal: "<= 25"}.withPeer()
	cpu := line{what: "CPU over an idle minute, 20 jails", unit: "%", goal: "0.0"}.withPeer()
	naps := line{what: "wake-ups in that minute", goal: "no timer below 1 s"}.withPeer()
	dir, err := b.home(withGaol(twenty()))
	if err != nil {
		return err
	}
	ours, err := b.gaolAt(dir)
	if err != nil {
		return err
	}
	other, err := b.home(withFail2ban(twenty()))
	if err != nil {
		return err
	}
	theirs, err := b.fail2banAt(other)
	if err != nil {
		return err
	}
	watch := b.size.watch
	time.Sleep(b.size.settle)
	c1, n1 := ours.spent()
	d1, m1 := theirs.spent()
	time.Sleep(watch)
	c2, n2 := ours.spent()
	d2, m2 := theirs.spent()
	memory.is(ours.rss("VmRSS"))
	memory.peer.is(theirs.rss("VmRSS"))
	cpu.is(100 * (c2 - c1).Seconds() / watch.Seconds())
	cpu.peer.is(100 * (d2 - d1).Seconds() / watch.Seconds())
	naps.is(float64(n2 - n1))
	naps.peer.is(float64(m2 - m1))
	return errors.Join(ours.stop(), theirs.stop(), b.write(memory, cpu, naps))
}
