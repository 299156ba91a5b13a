package filter

import (
	"container/list"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of the memory for connections (§2.4). fail2ban keeps 100 of them, first in first out, so
// that an attacker can push his own connection out with others; more cost little.
const (
	maxConnections = 10_000
	connectionLife = 5 * time.Minute // from its first line
	maxKeptLines   = 50              // lines kept for one connection
	maxUsers       = 16              // user names kept; two are enough to tell
)

// connection is what earlier lines told about one <F-MLFID>.
type connection struct {
	Key     string    `json:"key"`
	Since   time.Time `json:"since"`
	Data    Fields    `json:"data"`
	Users   []string  `json:"users,omitempty"`
	Quiet   []string  `json:"quiet,omitempty"`   // lines that were no failure so far
	Matches []string  `json:"matches,omitempty"` // lines of the failure that is due or was reported
	Pending bool      `json:"pending,omitempty"` // a failure that waits for an address
	NoFail  bool      `json:"nofail,omitempty"`  // the last line was no failure

	place *list.Element
}

// memory holds the connections of one jail, oldest first.
type memory struct {
	byKey map[string]*connection
	order list.List // of *connection
	dirty bool
}

// get returns the connection with the key unless it is too old.
func (m *memory) get(key string, at time.Time) *connection {
	c := m.byKey[key]
	if c != nil && c.expired(at) {
		m.forget(c)
		return nil
	}
	return c
}

// expired holds the ages apart also where a log goes back in time.
func (c *connection) expired(at time.Time) bool { return at.Sub(c.Since).Abs() > connectionLife }

func (m *memory) forget(c *connection) {
	delete(m.byKey, c.Key)
	m.order.Remove(c.place)
	m.dirty = true
}

func (m *memory) add(c *connection) {
	if m.byKey == nil {
		m.byKey = map[string]*connection{}
	}
	m.byKey[c.Key] = c
	c.place = m.order.PushBack(c)
	m.dirty = true
	for front := m.front(); front != c && front.expired(c.Since); front = m.front() {
		m.forget(front)
	}
	if len(m.byKey) > maxConnections {
		m.forget(m.leastDangerous())
	}
}

func (m *memory) front() *connection { return m.order.Front().Value.(*connection) }

// leastDangerous is the oldest connection that has nothing to report; the oldest of all where
// none of the first ones is so.
func (m *memory) leastDangerous() *connection {
	e := m.order.Front()
	for range 64 {
		if c := e.Value.(*connection); !c.Pending && len(c.Quiet) == 0 {
			return c
		}
		e = e.Next()
	}
	return m.front()
}

// verdict is what a matching line comes to.
type verdict int

const (
	failure verdict = iota
	quiet           // <F-NOFAIL>: no failure (yet)
	pending         // a failure without an address, which a later line may bring
)

// merge joins the fields of a line with what its connection told before (§2.4). data must hold
// mlfid. The connection returned holds the joined fields and the lines that led to a failure.
func (m *memory) merge(data *Fields, line string, at time.Time) (*connection, verdict) {
	gained := data.Get("mlfgained") != ""
	nofail := gained || data.Get("nofail") != ""
	forget := data.Get("mlfforget") != ""
	data.drop("mlfforget")
	key := data.Get("mlfid")
	user := data.Get("user")
	c := m.get(key, at)
	if c == nil {
		c = &connection{Since: at, Data: *data}
		if !forget {
			c.Data = data.Clone()
			c.Key = c.Data.Get("mlfid")
			m.add(c)
		}
	} else {
		before := c.NoFail
		c.Data.drop("nofail")
		c.Data.drop("mlfgained")
		if gained {
			c.Pending = false
		}
		if !before && !c.Pending {
			c.Matches = nil // they were reported
		}
		c.addUser(user)
		c.Data.update(*data)
		if forget {
			m.forget(c)
		}
	}
	m.dirty = true
	c.addUser(user)
	if c.Pending || len(c.Users) > 1 {
		nofail, gained = false, false
		c.Data.drop("nofail")
		c.Data.drop("mlfgained")
		c.Pending = false // this line brings the address, or waits for one itself
	}
	return c, c.conclude(line, nofail, forget)
}

// conclude keeps the line where it belongs and says what it comes to (§2.4 steps 4 and 5).
func (c *connection) conclude(line string, nofail, forget bool) verdict {
	c.NoFail = nofail
	if nofail {
		if !forget {
			c.Quiet = keep(c.Quiet, line)
		}
		return quiet
	}
	for _, l := range c.Quiet {
		c.Matches = keep(c.Matches, l)
	}
	c.Quiet = nil
	c.Matches = keep(c.Matches, line)
	if len(c.Users) > 0 {
		c.Data.put("users", set(c.Users))
	}
	if c.Data.Get("fid") == "" && c.Data.Get("ip4") == "" && c.Data.Get("ip6") == "" && c.Data.Get("dns") == "" {
		c.Pending = true
		return pending
	}
	return failure
}

func (c *connection) addUser(user string) {
	if user != "" && len(c.Users) < maxUsers && !slices.Contains(c.Users, user) {
		c.Users = append(c.Users, strings.Clone(user))
		c.Data.put("users", "") // written out when it is needed
	}
}

// set writes names as Python shows a set, which is what <F-USERS> is in fail2ban.
func set(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = Repr(n)
	}
	return "{" + strings.Join(quoted, ", ") + "}"
}

// keep appends a line and drops the oldest where there are too many.
func keep(lines []string, line string) []string {
	if len(lines) >= maxKeptLines {
		lines = lines[1:]
	}
	return append(slices.Clip(lines), strings.Clone(line))
}

// Snapshot returns the memory for connections, for Restore after a restart.
func (f *Filter) Snapshot() ([]byte, error) {
	live := make([]*connection, 0, f.memory.order.Len())
	for e := f.memory.order.Front(); e != nil; e = e.Next() {
		live = append(live, e.Value.(*connection))
	}
	f.memory.dirty = false
	b, err := json.Marshal(live)
	if err != nil {
		return nil, fmt.Errorf("write filter memory: %w", err)
	}
	return b, nil
}

// Restore takes back what Snapshot returned. Nothing is changed on an error.
func (f *Filter) Restore(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	var live []*connection
	if err := json.Unmarshal(b, &live); err != nil {
		return fmt.Errorf("read filter memory: %w", err)
	}
	f.memory = memory{}
	for _, c := range live {
		f.memory.add(c)
	}
	f.memory.dirty = false
	return nil
}

// Changed reports whether the memory differs from what Snapshot last returned or Restore took.
func (f *Filter) Changed() bool { return f.memory.dirty }
