package main

import (
	"errors"
	"fmt"
	"time"

	"gaol/test/bench/record"
	"gaol/test/bench/sample"
)

// burst is a log that comes at once, to the ban of its last line.
func (b *bench) burst() error {
	size := b.size.burst
	took := &line{what: fmt.Sprintf("%d mixed lines at once, to the last refused connection", size), unit: "s", goal: "1M in <= 2", quoted: "248 s for 1M"}
	rate := line{what: "the same in lines a second", unit: "1000/s", goal: "500", quoted: "4,000/s", rate: true}.withPeer()
	for range b.size.rounds {
		s, err := b.one(b.gaolAt, withGaol)
		if err != nil {
			return err
		}
		at, err := s.swallow(size)
		if err != nil {
			return err
		}
		took.is(at.Seconds())
		rate.is(float64(size) / at.Seconds() / 1000)
		n, err := inKernel(1)
		took.note = fmt.Sprintf("%d bans, peak RSS %.0f MB", n, s.rss("VmHWM"))
		if err := errors.Join(err, s.stop(), wipe(), b.write(took, rate)); err != nil {
			return err
		}
	}
	wide := &line{what: "the lines a second with all processors", unit: "1000/s", rate: true}
	s, err := b.one(func(dir string) (*server, error) { return b.gaolOn(fmt.Sprintf("0-%d", record.Processors()-1), dir) }, withGaol)
	if err != nil {
		return err
	}
	at, err := s.swallow(size)
	if err != nil {
		return err
	}
	wide.is(float64(size) / at.Seconds() / 1000)
	if err := errors.Join(s.stop(), wipe(), b.write(wide)); err != nil {
		return err
	}
	if s, err = b.one(b.fail2banAt, withFail2ban); err != nil {
		return err
	}
	if at, err = s.swallow(b.size.peerBurst); err != nil {
		return err
	}
	rate.peer.is(float64(b.size.peerBurst) / at.Seconds() / 1000)
	rate.peer.note = fmt.Sprintf("%d lines", b.size.peerBurst)
	return errors.Join(s.stop(), b.write(rate))
}

// one starts a daemon with one sshd jail.
func (b *bench) one(at func(dir string) (*server, error), with func(string) string) (*server, error) {
	dir, err := b.home(with(jailOf("sshd", "sshd", "log", 5)))
	if err != nil {
		return nil, err
	}
	return at(dir)
}

// swallow writes so many lines at once and waits for the ban of the last.
func (s *server) swallow(lines int) (time.Duration, error) {
	last := sample.Offender(1<<16 + 1)
	text := append(sample.Mixed(lines), sample.Failures(last, 5)...)
	began := time.Now()
	if _, err := s.append("log", text); err != nil {
		return 0, err
	}
	at, err := s.refused(last, time.Millisecond, 10*time.Minute)
	return at.Sub(began), err
}
