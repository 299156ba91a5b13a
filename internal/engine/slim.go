package engine

import (
	"bufio"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// slimAfter is how long behind the start memory is given back once more: the first garbage of
// the running daemon is gone then.
const slimAfter = 3 * time.Second

// slim gives back what the start alone needed: the heap's free pages, and the pages of our own
// program that were mapped for it (reading a configuration, compiling, the database's schema),
// two thirds of all. They stay in the kernel's cache, and those that are used again are mapped
// again, sixteen at a time, without being read.
func slim() {
	debug.FreeOSMemory()
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	for _, m := range cleanMaps(bufio.NewScanner(f), own) {
		// An error leaves a page where it is.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.first, m.behind-m.first, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ first, behind uintptr }

// cleanMaps are the mappings of a file that cannot be written to and of which no page is a changed
// copy, which would be lost (proc(5), smaps).
func cleanMaps(lines *bufio.Scanner, file string) (all []mapping) {
	var now mapping
	ours := false
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) >= 6 && strings.Contains(words[0], "-"):
			now, ours = rangeOf(words[0])
			ours = ours && words[5] == file && !strings.Contains(words[1], "w")
		case ours && len(words) == 3 && words[0] == "Anonymous:" && words[1] == "0":
			all = append(all, now)
		}
	}
	return all
}

func rangeOf(text string) (m mapping, ok bool) {
	first, behind, _ := strings.Cut(text, "-")
	a, err1 := strconv.ParseUint(first, 16, 64)
	b, err2 := strconv.ParseUint(behind, 16, 64)
	return mapping{uintptr(a), uintptr(b)}, err1 == nil && err2 == nil && b > a
}
