package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// common is what all jails share. The attackers' addresses need no look-up.
const common = "[DEFAULT]\nignoreself = false\nignoreip =\nusedns = no\nbackend = auto\nbantime = 1h\nfindtime = 10m\nport = ssh\nbanaction = BANACTION\nblocktype = reject\n"

// jailOf is a jail on a log of the daemon's folder.
func jailOf(name, filter, log string, maxRetry int) string {
	return fmt.Sprintf("[%s]\nenabled = true\nfilter = %s\nlogpath = DIR/%s\nmaxretry = %d\n", name, filter, log, maxRetry)
}

func withGaol(jails string) string { return strings.ReplaceAll(common, "BANACTION", "gaol") + jails }

// withFail2ban leaves blocktype to nftables' own, which rejects too.
func withFail2ban(jails string) string {
	return strings.ReplaceAll(strings.ReplaceAll(common, "BANACTION", "nftables-multiport"), "blocktype = reject\n", "") + jails
}

// twenty are jails of Debian's jail.conf with a filter each, on logs that exist.
func twenty() string {
	var out strings.Builder
	for _, name := range strings.Fields("sshd dropbear apache-auth apache-badbots apache-noscript apache-overflows apache-nohome apache-botsearch nginx-http-auth nginx-botsearch proftpd pure-ftpd vsftpd postfix dovecot exim named-refused asterisk sieve squid") {
		fmt.Fprintf(&out, "[%s]\nenabled = true\nlogpath = DIR/log\n", name)
	}
	return out.String()
}

// start is from exec to ready.
func (b *bench) start() error {
	ours := b.add("start to ready, 20 jails", "ms", "<= 150")
	theirs := b.peer(ours)
	for range 3 * b.rounds {
		dir, err := b.home(withGaol(twenty()))
		if err != nil {
			return err
		}
		s, err := b.gaolAt(dir)
		if err != nil {
			return err
		}
		ours.took(s.ready.Sub(s.began))
		if err := errors.Join(s.stop(), wipe()); err != nil {
			return err
		}
	}
	for range b.rounds {
		dir, err := b.home(withFail2ban(twenty()))
		if err != nil {
			return err
		}
		s, err := b.fail2banAt(dir)
		if err != nil {
			return err
		}
		theirs.took(s.ready.Sub(s.began))
		if err := errors.Join(s.stop(), wipe()); err != nil {
			return err
		}
	}
	return nil
}

// idle watches both daemons do nothing for a minute, at the same time.
func (b *bench) idle() error {
	memory := b.add("RSS idle, 20 jails", "MB", "<= 25")
	cpu := b.add("CPU over an idle minute, 20 jails", "%", "0.0")
	naps := b.add("wake-ups in that minute", "", "")
	theirMemory, theirCPU, theirNaps := b.peer(memory), b.peer(cpu), b.peer(naps)
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
	const settle, watch = 5 * time.Second, time.Minute
	time.Sleep(settle)
	c1, n1 := ours.spent()
	d1, m1 := theirs.spent()
	time.Sleep(watch)
	c2, n2 := ours.spent()
	d2, m2 := theirs.spent()
	memory.is(ours.rss("VmRSS"))
	theirMemory.is(theirs.rss("VmRSS"))
	cpu.is(100 * (c2 - c1).Seconds() / watch.Seconds())
	theirCPU.is(100 * (d2 - d1).Seconds() / watch.Seconds())
	naps.is(float64(n2 - n1))
	theirNaps.is(float64(m2 - m1))
	return errors.Join(ours.stop(), theirs.stop(), wipe())
}

// burst is a log that comes at once, to the ban of its last line.
func (b *bench) burst() error {
	size := 200_000
	if b.full {
		size = 1_000_000
	}
	took := b.add(fmt.Sprintf("%d mixed lines at once, to the last refused connection", size), "s", "1M in <= 2")
	rate := b.add("the same in lines a second", "1000/s", "500")
	last := offender(1<<16 + 1)
	for range b.rounds {
		dir, err := b.home(withGaol(jailOf("sshd", "sshd", "log", 5)))
		if err != nil {
			return err
		}
		s, err := b.gaolAt(dir)
		if err != nil {
			return err
		}
		text := append(mixed(size), failures(last, 5)...)
		began := time.Now()
		if _, err := s.append("log", text); err != nil {
			return err
		}
		at, err := b.refused(last, time.Millisecond, 5*time.Minute)
		if err != nil {
			return errors.Join(err, s.stop())
		}
		took.is(at.Sub(began).Seconds())
		rate.is(float64(size) / at.Sub(began).Seconds() / 1000)
		n, err := inKernel(1)
		took.note = fmt.Sprintf("%d bans, peak RSS %.0f MB", n, s.rss("VmHWM"))
		if err := errors.Join(err, s.stop(), wipe()); err != nil {
			return err
		}
	}
	quote(took, "248 s for 1M, 4,000 lines/s")
	return nil
}

// latency is from the write of the last line to the first connection that is refused.
func (b *bench) latency() error {
	closed := b.add("write of the last line to refused connection, idle", "ms", "p50 <= 0.5, p99 <= 3")
	closed.percentiles = true
	theirs := b.peer(closed)
	theirs.percentiles = true
	commit := b.add("write of the last line to the kernel's commit, idle", "ms", "")
	commit.percentiles = true
	if err := b.ways(1000, closed, commit, 0); err != nil {
		return err
	}
	dir, err := b.home(withFail2ban(jailOf("sshd", "sshd", "log", 5)))
	if err != nil {
		return err
	}
	s, err := b.fail2banAt(dir)
	if err != nil {
		return err
	}
	for n := range 20 {
		time.Sleep(time.Duration(500+n*53%500) * time.Millisecond)
		took, err := b.way(s, nil, offender(n))
		if err != nil {
			return errors.Join(err, s.stop())
		}
		theirs.took(took.closed)
	}
	return errors.Join(s.stop(), wipe())
}

// load is latency while other lines come.
func (b *bench) load() error {
	closed := b.add("the same while 50,000 other lines a second come", "ms", "p99 <= 20")
	closed.percentiles = true
	return b.ways(1000, closed, nil, 50_000)
}

// ways bans so many offenders one after the other.
func (b *bench) ways(count int, closed, committed *line, perSecond int) error {
	dir, err := b.home(withGaol(jailOf("sshd", "sshd", "log", 5)))
	if err != nil {
		return err
	}
	s, err := b.gaolAt(dir)
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	done := make(chan int, 1)
	began := time.Now()
	go s.babble(perSecond, stop, done)
	for n := range count {
		took, err := b.way(s, committed, offender(n))
		if err != nil {
			return errors.Join(err, s.stop())
		}
		closed.took(took.closed)
		if committed != nil {
			committed.took(took.committed)
		}
	}
	close(stop)
	if n := <-done; perSecond > 0 {
		closed.note = fmt.Sprintf("%d other lines in %s", n, time.Since(began).Round(time.Second))
	}
	return errors.Join(s.stop(), wipe())
}

// babble writes so many lines a second, in a hundred writes, until it is stopped.
func (s *server) babble(perSecond int, stop <-chan struct{}, done chan<- int) {
	written := 0
	defer func() { done <- written }()
	if perSecond == 0 {
		return
	}
	r := rand.New(rand.NewPCG(3, 4))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if _, err := s.append("log", noise(r, perSecond/100)); err != nil {
				return
			}
			written += perSecond / 100
		}
	}
}

type way struct{ closed, committed time.Duration }

// way bans one offender: four failures, a moment later the fifth.
func (b *bench) way(s *server, committed *line, addr netip.Addr) (took way, err error) {
	if _, err := s.append("log", failures(addr, 4)); err != nil {
		return took, err
	}
	time.Sleep(10 * time.Millisecond)
	var watch *commits
	heard := make(chan error, 1)
	var wrote, commit time.Time
	if committed != nil {
		if watch, err = openCommits(); err != nil {
			return took, err
		}
		defer watch.conn.Close()
		go func() {
			at, err := watch.of(addr, time.Minute)
			commit = at
			heard <- err
		}()
	} else {
		heard <- nil
	}
	err = b.among(func() error {
		text := failures(addr, 1)
		wrote = time.Now()
		if _, err := s.append("log", text); err != nil {
			return err
		}
		at, err := untilRefused(addr, 50*time.Microsecond, time.Minute)
		took.closed = at.Sub(wrote)
		return err
	})
	err = errors.Join(err, <-heard)
	took.committed = commit.Sub(wrote)
	return took, err
}

// bans is ten thousand offenders in one write.
func (b *bench) bans() error {
	count, peers := 10_000, 1000
	if b.full {
		peers = count
	}
	took := b.add(fmt.Sprintf("%d bans at once, write to all in the kernel", count), "s", "<= 0.1")
	theirs := b.peer(took)
	theirs.note = fmt.Sprintf("%d bans", peers)
	limit := b.add("limit: nft -f of the same elements", "s", "")
	for range b.rounds {
		dir, err := b.home(withGaol(jailOf("sshd", "sshd", "log", 1)))
		if err != nil {
			return err
		}
		s, err := b.gaolAt(dir)
		if err != nil {
			return err
		}
		at, err := b.allBanned(s, count)
		if err != nil {
			return errors.Join(err, s.stop())
		}
		took.is(at.Seconds())
		_, err = inKernel(count)
		if err := errors.Join(err, s.stop(), wipe()); err != nil {
			return err
		}
		if err := b.script(count, limit); err != nil {
			return err
		}
	}
	dir, err := b.home(withFail2ban(jailOf("sshd", "sshd", "log", 1)))
	if err != nil {
		return err
	}
	s, err := b.fail2banAt(dir)
	if err != nil {
		return err
	}
	at, err := b.allBanned(s, peers)
	theirs.is(at.Seconds())
	quote(took, "10,000: 143 s")
	return errors.Join(err, s.stop(), wipe())
}

// allBanned writes a failure of each and waits until the last of them is refused.
func (b *bench) allBanned(s *server, count int) (time.Duration, error) {
	text := each(count)
	began := time.Now()
	if _, err := s.append("log", text); err != nil {
		return 0, err
	}
	at, err := b.refused(offender(count), time.Millisecond, 10*time.Minute)
	return at.Sub(began), err
}

// script measures what nft(8) needs for so many elements.
func (b *bench) script(count int, to *line) error {
	var text bytes.Buffer
	text.WriteString("table inet plain {\nset bans { type ipv4_addr; flags timeout; }\n}\nadd element inet plain bans {\n")
	for n := range count {
		fmt.Fprintf(&text, "%s timeout 1h,\n", offender(n+1))
	}
	text.WriteString("}\n")
	path := filepath.Join(b.dir, "script")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return err
	}
	began := time.Now()
	err := command("nft -f " + path)
	to.is(time.Since(began).Seconds())
	return errors.Join(err, wipe())
}
