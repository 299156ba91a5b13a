package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gaol/test/bench/sample"
)

// bans is many offenders in one write.
func (b *bench) bans() error {
	count, peers := b.size.bans, b.size.peerBans
	took := line{what: fmt.Sprintf("%d bans at once, write to all in the kernel", count), unit: "s", goal: "<= 0.1", quoted: "10,000: 143 s", each: count}.withPeer()
	for range b.size.rounds {
		at, err := b.allAtOnce(b.gaolAt, withGaol, count)
		if err != nil {
			return err
		}
		took.is(at.Seconds())
	}
	if err := errors.Join(b.write(took), b.limits(count)); err != nil {
		return err
	}
	at, err := b.allAtOnce(b.fail2banAt, withFail2ban, peers)
	if err != nil {
		return err
	}
	took.peer.is(at.Seconds())
	took.peer.each = peers
	if peers != count {
		took.peer.note = fmt.Sprintf("%d bans", peers)
	}
	return b.write(took)
}

// allAtOnce starts a daemon, has it ban so many, and checks that the kernel has them.
func (b *bench) allAtOnce(start func(string) (*server, error), with func(string) string, count int) (time.Duration, error) {
	dir, err := b.home(with(jailOf("sshd", "sshd", "log", 1)))
	if err != nil {
		return 0, err
	}
	s, err := start(dir)
	if err != nil {
		return 0, err
	}
	at, err := s.allBanned(count)
	if err != nil {
		return 0, err
	}
	return at, errors.Join(s.hasAll(count), s.stop(), wipe())
}

// allBanned writes a failure of each and waits until the last of them is refused.
func (s *server) allBanned(count int) (time.Duration, error) {
	text := sample.Each(count)
	began := time.Now()
	if _, err := s.append("log", text); err != nil {
		return 0, err
	}
	at, err := s.refused(sample.Offender(count), time.Millisecond, 10*time.Minute)
	return at.Sub(began), err
}

// limits measures what nft(8) and ipset(8) need for so many elements.
func (b *bench) limits(count int) error {
	var nft, ipset bytes.Buffer
	nft.WriteString("table inet plain {\nset bans { type ipv4_addr; flags timeout; }\n}\nadd element inet plain bans {\n")
	fmt.Fprintf(&ipset, "create plain hash:ip timeout 3600 maxelem %d\n", count+1)
	for n := range count {
		fmt.Fprintf(&nft, "%s timeout 1h,\n", sample.Offender(n+1))
		fmt.Fprintf(&ipset, "add plain %s timeout 3600\n", sample.Offender(n+1))
	}
	nft.WriteString("}\n")
	for _, l := range []struct {
		name, command, clean string
		text                 []byte
	}{
		{"nft -f", "nft -f ", "nft delete table inet plain", nft.Bytes()},
		{"ipset restore", "ipset restore -file ", "ipset destroy plain", ipset.Bytes()},
	} {
		to := &line{what: fmt.Sprintf("limit: %s of %d elements", l.name, count), unit: "s"}
		path := filepath.Join(b.dir, "script")
		if err := os.WriteFile(path, l.text, 0o600); err != nil {
			return err
		}
		for range b.size.rounds {
			began := time.Now()
			if err := command(l.command + path); err != nil {
				return err
			}
			to.is(time.Since(began).Seconds())
			if err := command(l.clean); err != nil {
				return err
			}
		}
		if err := b.write(to); err != nil {
			return err
		}
	}
	return nil
}
