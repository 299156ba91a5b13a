package firewall

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Memory is a Backend without a kernel: what NFT would have done, kept in maps, with the same
// answers and errors.
type Memory struct {
	mu      sync.Mutex
	targets map[string]Target
	ends    map[string]map[netip.Prefix]time.Time // zero: for ever
}

var _ Backend = (*Memory)(nil)

// NewMemory makes an empty one. Its clock is time.Now, so that it runs on the fake time of
// testing/synctest.
func NewMemory() *Memory {
	return &Memory{targets: map[string]Target{}, ends: map[string]map[netip.Prefix]time.Time{}}
}

// Ensure implements Backend.
func (m *Memory) Ensure(targets []Target) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range targets {
		if _, err := t.protos(); err != nil {
			return fmt.Errorf("jail %s: %w", t.Jail, err)
		}
		if _, err := t.endpoints(); err != nil {
			return fmt.Errorf("jail %s: %w", t.Jail, err)
		}
	}
	for _, t := range targets {
		m.targets[t.Jail] = t
		if m.ends[t.Jail] == nil {
			m.ends[t.Jail] = map[netip.Prefix]time.Time{}
		}
	}
	return nil
}

// Apply implements Backend.
func (m *Memory) Apply(changes []Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	wishes, order, err := fold(changes)
	if err != nil {
		return err
	}
	for _, jail := range order {
		if m.ends[jail] == nil && !wishes[jail].forget {
			return fmt.Errorf("change the bans of jail %s: %w", jail, ErrGone)
		}
	}
	now := time.Now()
	for _, jail := range order {
		if wishes[jail].forget {
			delete(m.ends, jail)
			delete(m.targets, jail)
			continue
		}
		(&netSet{ends: m.ends[jail]}).change(wishes[jail].order, wishes[jail], now)
	}
	return nil
}

// List implements Backend.
func (m *Memory) List(jails ...string) (map[string][]Element, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string][]Element{}
	for jail, ends := range m.ends {
		if len(jails) > 0 && !slices.Contains(jails, jail) {
			continue
		}
		elems := (&netSet{ends: ends}).elements(time.Now())
		sortElements(elems)
		all[jail] = elems
	}
	return all, nil
}

// Targets returns what was ensured, ordered by jail, for tests.
func (m *Memory) Targets() []Target {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Target
	for _, jail := range slices.Sorted(maps.Keys(m.targets)) {
		all = append(all, m.targets[jail])
	}
	return all
}

// Drop implements Backend.
func (m *Memory) Drop() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.targets)
	clear(m.ends)
	return nil
}

// Close implements Backend.
func (m *Memory) Close() error { return nil }
