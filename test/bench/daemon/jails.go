package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"gaol/internal/control"
	"gaol/test/bench/sample"
)

// jails is how many lines a second pass with more and more jails on one file: with one filter for
// all, and with another for each.
func (b *bench) jails() error {
	var first *line
	text := sample.Mixed(b.size.jailLines)
	quoted := map[int]string{1: "19,800/s", 10: "1,830/s", 50: "264/s"}
	measure := func(what, goal string, filters []string, peerLines int) error {
		l := line{what: "lines a second, one file, " + what, unit: "1000/s", goal: goal, rate: true}.withPeer()
		if len(slices.Compact(slices.Clone(filters))) == 1 {
			l.quoted = quoted[len(filters)]
		}
		if err := b.passing(l, filters, text); err != nil {
			return err
		}
		if first == nil {
			first = l
		}
		l.note = fmt.Sprintf("%.2f of one jail's; %s", l.Median()/first.Median(), l.note)
		if err := b.write(l); err != nil || peerLines == 0 {
			return err
		}
		return errors.Join(b.peerPassing(l.peer, filters, peerLines), b.write(l))
	}
	for i, n := range b.size.jails {
		goal := "half of one jail's"
		if n == 1 {
			goal = ""
		}
		if err := measure(fmt.Sprintf("%d x the sshd filter", n), goal, slices.Repeat([]string{"sshd"}, n), b.size.peerJails[i]); err != nil {
			return err
		}
	}
	most := b.size.jails[len(b.size.jails)-1]
	different, err := filters(most)
	if err != nil {
		return err
	}
	return measure(fmt.Sprintf("%d different filters", most), "a quarter of one jail's", different, 0)
}

// passing measures gaol. The lines are stamped when they are made, a moment before.
func (b *bench) passing(l *line, filters []string, text []byte) error {
	dir, err := b.home(withGaol(jailsWith(filters)))
	if err != nil {
		return err
	}
	s, err := b.gaolAt(dir)
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := s.append("log", text); err != nil {
		return err
	}
	read, at, err := s.allRead(len(filters), uint64(b.size.jailLines), b.size.patience)
	if err != nil {
		return err
	}
	l.is(float64(read) / at.Sub(began).Seconds() / 1000)
	l.note = fmt.Sprintf("%d lines, RSS %.0f MB", read, s.rss("VmRSS"))
	return errors.Join(s.stop(), wipe())
}

// allRead waits until so many jails have read so many lines, and stops waiting when patience is
// over: then read is what the slowest has.
func (s *server) allRead(jails int, lines uint64, patience time.Duration) (read uint64, at time.Time, err error) {
	client := control.NewClient(filepath.Join(s.dir, "gaol.sock"))
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		reply, err := client.Do(context.Background(), control.Status{Brief: true})
		if err != nil {
			if s.alive() && time.Now().Before(end.Add(time.Minute)) {
				continue // it is too busy to answer
			}
			return 0, at, errors.Join(err, fmt.Errorf("gaol said: %s", s.said()))
		}
		at, read = time.Now(), lines
		for _, j := range reply.Status.Jails {
			read = min(read, j.Lines)
		}
		if len(reply.Status.Jails) != jails {
			return 0, at, fmt.Errorf("%d jails run, want %d", len(reply.Status.Jails), jails)
		}
		if read == lines || at.After(end) {
			return read, at, nil
		}
	}
}

// peerPassing measures fail2ban, which has an action that does nothing: reading is all its work.
func (b *bench) peerPassing(l *line, filters []string, lines int) error {
	l.note = fmt.Sprintf("%d lines, no action", lines)
	dir, err := b.home(withFail2ban("action = nothing\n" + jailsWith(filters)))
	if err != nil {
		return err
	}
	if err := nothing(dir); err != nil {
		return err
	}
	s, err := b.fail2banAt(dir)
	if err != nil {
		return err
	}
	last := sample.Offender(1<<16 + 1)
	text := append(sample.Mixed(lines), sample.Failures(last, 5)...)
	began := time.Now()
	if _, err := s.append("log", text); err != nil {
		return err
	}
	if err := s.until("Ban "+last.String(), len(filters), 3*time.Minute); err != nil {
		return err
	}
	l.is(float64(lines) / time.Since(began).Seconds() / 1000)
	return errors.Join(s.stop(), wipe())
}
