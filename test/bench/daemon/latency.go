package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"gaol/test/bench/sample"
)

// latency is from the write of the last line to the first connection that is refused.
func (b *bench) latency() error {
	closed := line{what: "write of the last line to refused connection, idle", unit: "ms", goal: "p50 <= 0.5, p99 <= 3", percentiles: true}.withPeer()
	commit := line{what: "write of the last line to the kernel's commit, idle", unit: "ms", percentiles: true}.withPeer()
	if err := b.ways(closed, commit, 0); err != nil {
		return err
	}
	s, err := b.one(b.fail2banAt, withFail2ban)
	if err != nil {
		return err
	}
	for n := range b.size.peerWays {
		time.Sleep(time.Duration(500+n*53%500) * time.Millisecond)
		took, err := s.way(sample.Offender(n))
		if err != nil {
			return err
		}
		closed.peer.took(took.closed)
		commit.peer.took(took.committed)
	}
	return errors.Join(s.stop(), b.write(closed, commit))
}

// load is latency while other lines come.
func (b *bench) load() error {
	closed := &line{what: fmt.Sprintf("refused connection while %d other lines a second come", b.size.perSecond), unit: "ms", goal: "p99 <= 20", percentiles: true}
	commit := &line{what: "the kernel's commit meanwhile", unit: "ms", percentiles: true}
	return b.ways(closed, commit, b.size.perSecond)
}

// ways bans offenders one after the other.
func (b *bench) ways(closed, committed *line, perSecond int) error {
	s, err := b.one(b.gaolAt, withGaol)
	if err != nil {
		return err
	}
	stop, done := make(chan struct{}), make(chan int, 1)
	began := time.Now()
	go s.babble(perSecond, stop, done)
	for n := range b.size.ways {
		took, err := s.way(sample.Offender(n))
		if err != nil {
			close(stop)
			return err
		}
		closed.took(took.closed)
		committed.took(took.committed)
	}
	close(stop)
	if n := <-done; perSecond > 0 {
		took := time.Since(began)
		closed.note = fmt.Sprintf("%.0f other lines a second for %s", float64(n)/took.Seconds(), took.Round(time.Second))
	}
	return errors.Join(s.stop(), wipe(), b.write(closed, committed))
}

// babble writes so many lines a second, about each ten milliseconds, until it is stopped. What it
// could not write in time it makes up for.
func (s *server) babble(perSecond int, stop <-chan struct{}, done chan<- int) {
	written := 0
	defer func() { done <- written }()
	if perSecond == 0 {
		return
	}
	r := rand.New(rand.NewPCG(3, 4))
	began := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			due := min(int(time.Since(began).Seconds()*float64(perSecond))-written, perSecond/10)
			if _, err := s.append("log", sample.Noise(r, due)); err != nil {
				return
			}
			written += due
		}
	}
}

type way struct{ closed, committed time.Duration }

// way bans one offender: four failures, a moment later the fifth. Its write is stamped before,
// the ban at the event of its transaction and at the first refused connection.
func (s *server) way(addr netip.Addr) (took way, err error) {
	if _, err := s.append("log", sample.Failures(addr, 4)); err != nil {
		return took, err
	}
	time.Sleep(10 * time.Millisecond)
	watch, err := openCommits()
	if err != nil {
		return took, err
	}
	defer watch.conn.Close()
	const atMost = 30 * time.Second
	heard := make(chan error, 1)
	var wrote, commit time.Time
	go func() {
		at, err := watch.of(addr, atMost)
		commit = at
		heard <- err
	}()
	err = s.b.among(func() error {
		text := sample.Failures(addr, 1)
		wrote = time.Now()
		if _, err := s.append("log", text); err != nil {
			return err
		}
		at, err := s.untilRefused(addr, 50*time.Microsecond, atMost)
		took.closed = at.Sub(wrote)
		return err
	})
	err = errors.Join(err, <-heard)
	took.committed = commit.Sub(wrote)
	return took, err
}
