package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gaol/test/bench/sample"
)

// month is how long the log of a replay was written.
const month = 31 * 24 * time.Hour

// replay measures `gaol replay` over a month of a jump host: ten times as many lines as the other
// logs have where it is to be thorough. It uses what processors there are, as users do.
func (b *bench) replay(full bool) error {
	lines := b.lines
	if full {
		lines *= 10
	}
	fmt.Fprintf(os.Stderr, "== replay of a month, %d lines\n", lines)
	log := filepath.Join(b.dir, "month.log")
	if err := sample.WriteOver(log, lines, month, sample.SSHD(sample.ISO)); err != nil {
		return err
	}
	defer os.Remove(log)
	p := &program{lines: lines, args: []string{b.gaol, "replay", "-c", "/etc/fail2ban", "--jail", "sshd", log}, all: true}
	for range 2 {
		if err := p.run(); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "   %s s\n", p.wall.Range())
	return b.table.Put(fmt.Sprintf("replay of a month, %d lines, sshd", lines), p.rates.Range(), "", "", "", "", "", "",
		"10M lines in a minute", fmt.Sprintf("all processors; wall %s s, peak RSS %d MB", p.wall.Range(), p.rss/1024))
}
