package filter

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"gaol/internal/pattern"
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
	Matches []string  `json:"matches,omitempty"` // lines of the failure that is due
	Pending bool      `json:"pending,omitempty"` // a failure that waits for an address
	NoFail  bool      `json:"nofail,omitempty"`  // the last line was no failure

	older, newer *connection
	users        string // Users as an action sees them
	shown        int    // how many of Users that is
	texts        texts
}

// memory holds the connections of one jail, oldest first.
type memory struct {
	byKey          map[string]*connection
	oldest, newest *connection
	touched        map[string]bool // keys that changed since Delta, and whether they are new; nil: nobody asks

	// What new connections are made of: forgotten ones. Under attack most lines begin or end a
	// connection, and every second allocation was one's. The matches of the present line may
	// still show those behind ready.
	spare   []*connection
	ready   int
	passing connection // one that its first line ends

	reported []string // lines of failures that the present line completed
}

// maxSpare is how many forgotten connections are kept for new ones.
const maxSpare = 16

// nextLine says that nobody looks at the matches of the line before any more.
func (m *memory) nextLine() {
	m.ready = len(m.spare)
	if len(m.reported) > 0 {
		m.reported = forgetLines(m.reported)
	}
}

// fresh is a connection that knows nothing yet.
func (m *memory) fresh(since time.Time) *connection {
	if m.ready == 0 {
		return &connection{Since: since, texts: make(texts, 0, 256)}
	}
	m.ready--
	last := len(m.spare) - 1
	c := m.spare[m.ready]
	m.spare[m.ready] = m.spare[last]
	m.spare = m.spare[:last]
	c.recycled().Since = since
	return c
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
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		m.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		m.newest = c.older
	}
	if len(m.spare) < maxSpare {
		m.spare = append(m.spare, c)
	}
	m.touch(c, false)
}

// touch notes that a connection changed, or came into being (born).
func (m *memory) touch(c *connection, born bool) {
	if m.touched == nil {
		return
	}
	if _, known := m.touched[c.Key]; !known {
		m.touched[strings.Clone(c.Key)] = born // it outlives the connection
	}
}

func (m *memory) add(c *connection) {
	if m.byKey == nil {
		m.byKey = map[string]*connection{}
	}
	m.byKey[c.Key] = c
	if c.older = m.newest; c.older != nil {
		c.older.newer = c
	} else {
		m.oldest = c
	}
	m.newest = c
	m.touch(c, true)
	for m.oldest != c && m.oldest.expired(c.Since) {
		m.forget(m.oldest)
	}
	if len(m.byKey) > maxConnections {
		m.forget(m.leastDangerous())
	}
}

// leastDangerous is the oldest connection that has nothing to report; the oldest of all where
// none of the first ones is so.
func (m *memory) leastDangerous() *connection {
	c := m.oldest
	for range 64 {
		if !c.Pending && len(c.Quiet) == 0 {
			return c
		}
		c = c.newer
	}
	return m.oldest
}

// merge joins the fields of a line, of which told is what they tell, with what its connection told
// before (§2.4). data must hold mlfid; line is the line alone. The connection returned holds the
// joined fields; lines are those that led to a failure, valid until the next line.
func (m *memory) merge(data *Fields, told told, line []string, at time.Time) (c *connection, lines []string, v Verdict) {
	nofail := told.gained || told.nofail
	data.drop(keyForget)
	c = m.get(told.mlfid, at)
	switch {
	case c == nil && told.forget:
		m.passing = connection{Since: at, Data: *data} // nothing is kept, so there are no users either
		c = &m.passing
	case c == nil:
		c = m.fresh(at)
		c.Data = data.appendTo(c.Data, &c.texts)
		c.Key = c.Data.Get("mlfid")
		c.addUser(told.user)
		m.add(c)
	default:
		c.goOn(told)
		c.update(*data)
		m.touch(c, false)
		if told.forget {
			m.forget(c)
		}
	}
	if c.Pending || len(c.Users) > 1 {
		nofail = false
		c.Data.drop(keyNoFail)
		c.Data.drop(keyGained)
		c.Pending = false // this line brings the address, or waits for one itself
	}
	lines, v = m.conclude(c, line, nofail, told.forget)
	return c, lines, v
}

// goOn takes back what only held for the connection's line before.
func (c *connection) goOn(told told) {
	c.Data.drop(keyNoFail)
	c.Data.drop(keyGained)
	if told.gained {
		c.Pending = false
	}
	if !c.NoFail && !c.Pending {
		c.Matches = nil // they were reported
	}
	c.addUser(told.user)
}

// conclude keeps the line where it belongs and says what it comes to (§2.4 steps 4 and 5).
func (m *memory) conclude(c *connection, line []string, nofail, forget bool) ([]string, Verdict) {
	c.NoFail = nofail
	if nofail {
		if !forget {
			c.Quiet = keep(c.Quiet, c.texts.keep(line[0]))
		}
		return c.Matches, Quiet
	}
	if n := len(c.Users); n > 0 {
		if n > c.shown {
			c.users, c.shown = c.set(), n
		}
		c.Data.put("users", c.users)
	}
	if t := c.Data.told(); t.fid == "" && t.ip4 == "" && t.ip6 == "" && t.dns == "" {
		for _, l := range c.Quiet {
			c.Matches = keep(c.Matches, l)
		}
		c.Quiet = forgetLines(c.Quiet)
		c.Matches = keep(c.Matches, c.texts.keep(line[0]))
		c.Pending = true
		return c.Matches, Pending
	}
	// The lines are reported now and not asked for again: this one, mostly the only one, needs
	// no copy.
	if len(c.Matches)+len(c.Quiet) > 0 {
		line = m.report(c, line[0])
	}
	c.Matches, c.Quiet = nil, forgetLines(c.Quiet)
	return line, Failed
}

func (c *connection) addUser(user string) {
	if user != "" && len(c.Users) < maxUsers && !slices.Contains(c.Users, user) {
		c.Users = append(c.Users, c.texts.keep(user))
		c.Data.put("users", "") // written out when it is needed
	}
}

// set writes the connection's names as Python shows a set, which is what <F-USERS> is in fail2ban.
func (c *connection) set() string {
	if len(c.Users) == 1 {
		return c.texts.keep("{" + pattern.Repr(c.Users[0]) + "}")
	}
	quoted := make([]string, len(c.Users))
	for i, n := range c.Users {
		quoted[i] = pattern.Repr(n)
	}
	return "{" + strings.Join(quoted, ", ") + "}"
}

// keep appends a line and drops the oldest where there are too many.
func keep(lines []string, line string) []string {
	if len(lines) >= maxKeptLines {
		lines = slices.Delete(lines, 0, 1)
	}
	return append(lines, line)
}

// forgetLines gives an empty list in the same memory, which keeps no line alive.
func forgetLines(lines []string) []string {
	clear(lines)
	return lines[:0]
}

// Snapshot returns the whole memory for connections, for Restore: a JSON list of them.
func (f *Filter) Snapshot() ([]byte, error) {
	live := make([]*connection, 0, len(f.memory.byKey))
	for c := f.memory.oldest; c != nil; c = c.newer {
		live = append(live, c)
	}
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
	slices.SortStableFunc(live, func(a, b *connection) int { return a.Since.Compare(b.Since) })
	tracked := f.memory.touched != nil
	f.memory = memory{}
	for _, c := range live {
		for i := range c.Data {
			c.Data[i].key = keyOf(c.Data[i].Name)
		}
		f.memory.add(c)
	}
	if tracked {
		f.Track()
	}
	return nil
}

// Track begins to note changes for Delta. Without it nothing is noted: who only reads a log
// through would collect keys for ever.
func (f *Filter) Track() { f.memory.touched = map[string]bool{} }

// Changes is Delta without which connections are new. A store that keeps them up to date by key
// writes a few rows for a line of a log, where Snapshot has ten thousand connections under attack.
func (f *Filter) Changes() (changed map[string][]byte, gone []string, err error) {
	d, err := f.Delta()
	return d.Changed, d.Gone, err
}
