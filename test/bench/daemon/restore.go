package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"gaol/internal/control"
)

// restore is a start with many bans: with the kernel empty, as behind a reboot, and with its
// sets full, as behind a restart. Another jail's offender comes in the same moment: its ban says
// whether reading is held up.
func (b *bench) restore() error {
	count := 100_000
	reboot := b.add(fmt.Sprintf("start with %d bans, kernel empty, to ready", count), "s", "<= 0.6")
	held := b.add("the same, exec to a ban of another jail's log", "s", "")
	adopt := b.add(fmt.Sprintf("start with %d bans, all in the kernel, to ready", count), "s", "<= 1.5")
	held2 := b.add("the same, exec to a ban of another jail's log", "s", "")
	rss := b.add(fmt.Sprintf("RSS with %d bans, ten seconds behind the start", count), "MB", "<= 60")
	limit := b.add(fmt.Sprintf("limit: nft -f of %d elements", count), "s", "")
	dir, err := b.home(withGaol(jailOf("sshd", "sshd", "log", 1) + jailOf("zweite", "sshd", "second", 1)))
	if err != nil {
		return err
	}
	s, err := b.gaolAt(dir)
	if err != nil {
		return err
	}
	if _, err := b.allBanned(s, count); err != nil {
		return errors.Join(err, s.stop())
	}
	if err := s.stop(); err != nil {
		return err
	}
	for n := range b.rounds {
		if err := wipe(); err != nil {
			return err
		}
		if s, err = b.again(dir, reboot, held, 2*n, count); err != nil {
			return err
		}
		if err := s.stop(); err != nil {
			return err
		}
		if s, err = b.again(dir, adopt, held2, 2*n+1, count); err != nil {
			return err
		}
		if n == b.rounds-1 {
			time.Sleep(10 * time.Second)
			rss.is(s.rss("VmRSS"))
			rss.note = fmt.Sprintf("peak %.0f MB", s.rss("VmHWM"))
		}
		if err := s.stop(); err != nil {
			return err
		}
	}
	quote(reboot, "10,000: 145 s")
	quote(rss, "185 MB, 241 behind a restart")
	if err := wipe(); err != nil {
		return err
	}
	return errors.Join(b.script(count, limit), wipe())
}

// again starts gaol on a state that is there; the other jail's offender is in its log already.
func (b *bench) again(dir string, ready, held *line, n, count int) (*server, error) {
	addr := offender(count + 10 + n)
	s := &server{b: b, dir: dir}
	if _, err := s.append("second", failures(addr, 1)); err != nil {
		return nil, err
	}
	type outcome struct {
		at  time.Time
		err error
	}
	heard := make(chan outcome, 1)
	go func() {
		at, err := b.refused(addr, time.Millisecond, time.Minute)
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
	if _, err := b.refused(offender(count), time.Millisecond, time.Minute); err != nil {
		return s, err
	}
	if all := time.Since(s.began).Seconds(); ready.last < all {
		ready.note = fmt.Sprintf("all in the kernel within %.2f s", all)
	}
	_, err = inKernel(count)
	return s, err
}

// jails is how many lines a second pass with more and more jails on one file.
func (b *bench) jails() error {
	lines := 100_000
	text := mixed(lines)
	for _, n := range []int{1, 10, 50} {
		rate := b.add(fmt.Sprintf("lines a second, %d jails with the sshd filter on one file", n), "1000/s", map[int]string{1: "", 10: "", 50: "half of one jail's"}[n])
		var all string
		for i := range n {
			all += jailOf(fmt.Sprintf("sshd%d", i), "sshd", "log", 5)
		}
		dir, err := b.home(withGaol(all))
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
		at, err := s.allRead(n, uint64(lines))
		if err != nil {
			return errors.Join(err, s.stop())
		}
		rate.is(float64(lines) / at.Sub(began).Seconds() / 1000)
		rate.note = fmt.Sprintf("RSS %.0f MB", s.rss("VmRSS"))
		quote(rate, map[int]string{1: "19,800/s", 10: "1,830/s", 50: "264/s"}[n])
		if err := errors.Join(s.stop(), wipe()); err != nil {
			return err
		}
	}
	return nil
}

// allRead waits until so many jails have read so many lines.
func (s *server) allRead(jails int, lines uint64) (time.Time, error) {
	client := control.NewClient(filepath.Join(s.dir, "gaol.sock"))
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		reply, err := client.Do(s.b.ctx, control.Status{})
		if err != nil {
			return time.Time{}, err
		}
		done := 0
		for _, j := range reply.Status.Jails {
			if j.Lines >= lines {
				done++
			}
		}
		if done == jails {
			return time.Now(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%d jails have not read %d lines", jails, lines)
}
