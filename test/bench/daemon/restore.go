package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"time"

	"gaol/test/bench/sample"
)

// restore is a start with many bans: with the kernel empty, as behind a reboot, and with its
// sets full, as behind a restart. Another jail's offender comes in the same moment: its ban says
// whether reading is held up.
func (b *bench) restore() error {
	count := b.size.restored
	r := restored{
		count:  count,
		reboot: &line{what: fmt.Sprintf("start with %d bans, kernel empty, to ready", count), unit: "s", goal: "<= 0.6", quoted: "10,000: 145 s"},
		held:   &line{what: "exec to a ban of another jail's log meanwhile, kernel empty", unit: "s", goal: "not held up"},
		adopt:  &line{what: fmt.Sprintf("start with %d bans, all in the kernel, to ready", count), unit: "s", goal: "<= 1.5"},
		held2:  &line{what: "exec to a ban of another jail's log meanwhile, kernel full", unit: "s", goal: "not held up"},
	}
	memory := &line{what: fmt.Sprintf("RSS with %d bans, ten seconds behind the start", count), unit: "MB", goal: "<= 60", quoted: "185 MB, 241 behind a restart"}
	dir, err := b.home(withGaol(jailOf("sshd", "sshd", "log", 1) + jailOf("zweite", "sshd", "second", 1)))
	if err != nil {
		return err
	}
	s, err := b.gaolAt(dir)
	if err != nil {
		return err
	}
	if _, err := s.allBanned(count); err != nil {
		return err
	}
	if err := errors.Join(s.hasAll(count), s.stop()); err != nil {
		return err
	}
	for n := range b.size.rounds {
		if err := wipe(); err != nil {
			return err
		}
		if s, err = r.again(b, dir, r.reboot, r.held, 2*n); err != nil {
			return err
		}
		if err := s.stop(); err != nil {
			return err
		}
		if s, err = r.again(b, dir, r.adopt, r.held2, 2*n+1); err != nil {
			return err
		}
		if err := b.write(r.reboot, r.held, r.adopt, r.held2); err != nil {
			return err
		}
		if n == b.size.rounds-1 {
			time.Sleep(b.size.rest)
			memory.is(s.rss("VmRSS"))
			memory.note = fmt.Sprintf("peak %.0f MB", s.rss("VmHWM"))
		}
		if err := s.stop(); err != nil {
			return err
		}
	}
	return errors.Join(b.write(memory), wipe(), b.limits(count))
}

// restored are the lines of restore.
type restored struct {
	count                      int
	reboot, held, adopt, held2 *line
}

// again starts gaol on a state that is there; the other jail's offender is in its log already.
func (r *restored) again(b *bench, dir string, ready, held *line, n int) (*server, error) {
	addr := sample.Offender(r.count + 10 + n)
	s := &server{b: b, dir: dir}
	if _, err := s.append("second", sample.Failures(addr, 1)); err != nil {
		return nil, err
	}
	type outcome struct {
		at  time.Time
		err error
	}
	heard := make(chan outcome, 1)
	go func() {
		at, err := b.knocked(addr)
		heard <- outcome{at, err}
	}()
	s, err := b.gaolAt(dir)
	o := <-heard
	if err := errors.Join(err, o.err); err != nil {
		return s, err
	}
	ready.is(s.ready.Sub(s.began).Seconds())
	held.is(o.at.Sub(s.began).Seconds())
	// Ready may come before the kernel has all of them.
	if _, err := s.refused(sample.Offender(r.count), time.Millisecond, time.Minute); err != nil {
		return s, err
	}
	ready.note = fmt.Sprintf("last run: all in the kernel within %.2f s", time.Since(s.began).Seconds())
	return s, s.hasAll(r.count)
}

// knocked is refused for a daemon that is only about to start.
func (b *bench) knocked(addr netip.Addr) (at time.Time, err error) {
	waiting := &server{b: b, cmd: &exec.Cmd{}, ended: make(chan struct{})}
	return waiting.refused(addr, time.Millisecond, time.Minute)
}
