package firewall

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// shortMax is how long the jail's part of a name is: a set's may have 31 bytes, a chain's 28.
	shortMax = 20
	// maxTimeout is the longest that ipset keeps (ipset(8), "timeout").
	maxTimeout = 2147483 * time.Second
	// setSize is how many elements a set may hold; ipset's own default of 65,536 is less than a
	// busy list of nets. Memory is taken as they come.
	setSize = 4 << 20
)

// shortIdent is ident for the names of chains and sets. A name that is too long for it ends in
// ".." and a hash; the rule that leads to the jail's chain keeps the longer one.
func shortIdent(jail string) string {
	name := strings.TrimPrefix(ident(jail), identPrefix)
	if len(name) > shortMax {
		sum := sha256.Sum256([]byte(jail))
		name = name[:shortMax-12] + ".." + hex.EncodeToString(sum[:5])
	}
	return ourPrefix + name
}

// set is the name of the place's set of one family.
func (p *ipPlace) set(f family) string { return fmt.Sprintf("%s_%d", p.id, f) }

// placeOf is the way back from a set's name.
func placeOf(set string) (id string, f family, ok bool) {
	for _, f := range []family{v4, v6} {
		if id, found := strings.CutSuffix(set, fmt.Sprintf("_%d", f)); found && strings.HasPrefix(id, ourPrefix) {
			return id, f, true
		}
	}
	return "", 0, false
}

// sets carries out a script for ipset. What is there already is changed, and what is not there
// is deleted without complaint.
func (t *tools) sets(script string) error {
	if script == "" {
		return nil
	}
	_, err := t.ipset(script, "-exist", "restore")
	return err
}

// setNames are the sets of this namespace.
func (t *tools) setNames() ([]string, error) {
	out, err := t.ipset("", "list", "-n")
	if err != nil {
		return nil, fmt.Errorf("list the sets of ipset: %w", err)
	}
	return strings.Fields(out), nil
}

// destroyAll destroys all sets that are ours.
func (t *tools) destroyAll() error {
	if _, err := find("ipset"); err != nil {
		return nil // no ipset, no sets
	}
	all, err := t.setNames()
	if err != nil {
		return err
	}
	return t.destroy(slices.DeleteFunc(all, func(set string) bool { _, _, ours := placeOf(set); return !ours }))
}

// destroy deletes sets that no rule uses any more. The kernel lets go of them a little after
// the rules are gone (nf_tables frees rules in the background), so a set that is still in use
// is tried again for a second.
func (t *tools) destroy(sets []string) error {
	for _, set := range sets {
		var err error
		for range 50 {
			_, err = t.ipset("", "-exist", "destroy", set)
			if err == nil || errors.Is(err, ErrGone) {
				err = nil
				break
			}
			if !strings.Contains(err.Error(), "in use") {
				break
			}
			<-time.After(20 * time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("destroy the set %s: %w", set, err)
		}
	}
	return nil
}

// makeSets creates the sets that are missing of the jails that have rules.
func (n *IPTables) makeSets(state *ipState) error {
	var script strings.Builder
	for _, p := range n.sorted() {
		if !p.ruled {
			continue
		}
		for _, f := range n.families {
			if state.sets[p.set(f)] {
				continue
			}
			if _, known := n.chains[chainRef{f, p.id}]; known {
				n.miss("the sets of jail " + p.jail)
			}
			name := map[family]string{v4: "inet", v6: "inet6"}[f]
			fmt.Fprintf(&script, "create %s hash:net family %s timeout 0 maxelem %d\n", p.set(f), name, setSize)
		}
	}
	if err := n.tools.sets(script.String()); err != nil {
		return fmt.Errorf("create sets: %w", err)
	}
	return nil
}

// script writes the changes of one jail for `ipset restore`.
func (p *ipPlace) script(b *strings.Builder, w *wish, now time.Time) {
	for _, prefix := range w.order {
		f := v4
		if prefix.Addr().Is6() {
			f = v6
		}
		timeout := w.wanted[prefix].timeout
		p.long.note(prefix, timeout, now)
		for _, text := range setElems(prefix) {
			if timeout == remove {
				fmt.Fprintf(b, "del %s %s\n", p.set(f), text)
				continue
			}
			fmt.Fprintf(b, "add %s %s timeout %d\n", p.set(f), text, wholeSeconds(timeout))
		}
	}
}

// setElems are the elements that stand for a prefix: hash:net refuses the length 0.
func setElems(p netip.Prefix) []string {
	if p.Bits() > 0 {
		return []string{p.String()}
	}
	low, high := halves(p.Addr().Is6())
	return []string{low.String(), high.String()}
}

// halves are the two that make everything.
func halves(is6 bool) (low, high netip.Prefix) {
	if is6 {
		return netip.MustParsePrefix("::/1"), netip.MustParsePrefix("8000::/1")
	}
	return netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1")
}

// wholeSeconds is a timeout as ipset takes it: 0 is for ever, and what is left of a ban must
// not round to that.
func wholeSeconds(t time.Duration) int64 {
	return int64(min(t, maxTimeout)+time.Second-1) / int64(time.Second)
}

// longBans are those that outlast the kernel's longest timeout.
type longBans map[netip.Prefix]longBan

type longBan struct {
	end    time.Time // when the ban is over
	kernel time.Time // when the kernel ends it, if it is not prolonged
}

func (l longBans) note(p netip.Prefix, timeout time.Duration, now time.Time) {
	delete(l, p)
	if timeout > maxTimeout {
		l[p] = longBan{end: now.Add(timeout), kernel: now.Add(maxTimeout)}
	}
}

// left is what is left of a ban, when the kernel says what is left of its element. Who gave
// the element less than we did has the last word.
func (l longBans) left(p netip.Prefix, kernel time.Duration, now time.Time) time.Duration {
	b, long := l[p]
	if !long || kernel == 0 || now.Add(kernel).Before(b.kernel.Add(-time.Minute)) {
		return kernel
	}
	return b.end.Sub(now)
}

// prolong writes the long bans anew that have less than half of the kernel's time left.
func (n *IPTables) prolong() error {
	var script strings.Builder
	now := n.now()
	for _, p := range n.sorted() {
		var again wish
		again.wanted = map[netip.Prefix]want{}
		for _, prefix := range slices.SortedFunc(maps.Keys(p.long), netip.Prefix.Compare) {
			b := p.long[prefix]
			switch left := b.end.Sub(now); {
			case left <= 0:
				delete(p.long, prefix)
			case b.kernel.Sub(now) < maxTimeout/2:
				again.order = append(again.order, prefix)
				again.wanted[prefix] = want{timeout: left}
			}
		}
		p.script(&script, &again, now)
	}
	if err := n.tools.sets(script.String()); err != nil {
		return fmt.Errorf("prolong bans: %w", err)
	}
	return nil
}

// elements lists one jail's bans.
func (n *IPTables) elements(p *ipPlace) ([]Element, error) {
	var all []Element
	now := n.now()
	for _, f := range n.families {
		out, err := n.tools.ipset("", "save", p.set(f))
		if err != nil {
			return nil, err
		}
		elems, err := parseSet(out)
		if err != nil {
			return nil, err
		}
		for _, e := range whole(elems, f == v6) {
			e.Timeout = p.long.left(e.Prefix, e.Timeout, now)
			all = append(all, e)
		}
	}
	sortElements(all)
	return all, nil
}

// parseSet reads the elements from `ipset save`: "add NAME 203.0.113.66 timeout 3599".
func parseSet(text string) ([]Element, error) {
	var all []Element
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "add" {
			continue
		}
		p, err := parseElem(words[2])
		if err != nil {
			return nil, fmt.Errorf("read %q of ipset: %w", strings.TrimSpace(line), err)
		}
		e := Element{Prefix: p}
		if i := slices.Index(words, "timeout"); i > 0 && i+1 < len(words) {
			seconds, err := strconv.ParseInt(words[i+1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("read %q of ipset: %w", strings.TrimSpace(line), err)
			}
			e.Timeout = time.Duration(seconds) * time.Second
		}
		all = append(all, e)
	}
	return all, nil
}

func parseElem(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// whole puts everything together again where both its halves are banned. A half that is banned
// longer than the other is a ban of its own as well.
func whole(elems []Element, is6 bool) []Element {
	low, high := halves(is6)
	i := slices.IndexFunc(elems, func(e Element) bool { return e.Prefix == low })
	j := slices.IndexFunc(elems, func(e Element) bool { return e.Prefix == high })
	if i < 0 || j < 0 {
		return elems
	}
	all := Element{Prefix: netip.PrefixFrom(low.Addr(), 0), Timeout: elems[i].Timeout}
	if t := elems[j].Timeout; all.Timeout == 0 || t != 0 && t < all.Timeout {
		all.Timeout = t
	}
	kept := slices.DeleteFunc(slices.Clone(elems), func(e Element) bool {
		return (e.Prefix == low || e.Prefix == high) && e.Timeout != 0 && all.Timeout != 0 && e.Timeout-all.Timeout <= time.Second ||
			(e.Prefix == low || e.Prefix == high) && e.Timeout == all.Timeout
	})
	return append(kept, all)
}
