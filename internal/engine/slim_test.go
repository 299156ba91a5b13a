package engine

import (
	"bufio"
	"slices"
	"strings"
	"testing"
)

// Only what can be mapped again from the file is let go.
func TestCleanMapsAreThoseOfTheFileItself(t *testing.T) {
	const smaps = `00400000-00e2a000 r-xp 00000000 fe:00 4711 /usr/bin/gaol
Rss:                4096 kB
Anonymous:             0 kB
00e2a000-01500000 r--p 00a2a000 fe:00 4711 /usr/bin/gaol
Anonymous:             4 kB
01500000-01580000 rw-p 01100000 fe:00 4711 /usr/bin/gaol
Anonymous:             0 kB
7f0000000000-7f0000021000 r--p 00000000 fe:00 12 /usr/bin/other
Anonymous:             0 kB
7f0000100000-7f0000200000 rw-p 00000000 00:00 0
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0xe2a000}}
	if got := cleanMaps(bufio.NewScanner(strings.NewReader(smaps)), "/usr/bin/gaol"); !slices.Equal(got, want) {
		t.Errorf("cleanMaps = %x, want %x", got, want)
	}
}

// The program goes on as before, whatever of it is mapped.
func TestSlimKeepsTheProgram(t *testing.T) {
	slim()
	TestCleanMapsAreThoseOfTheFileItself(t)
}
