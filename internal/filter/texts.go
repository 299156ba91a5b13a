package filter

import (
	"slices"
	"strings"
	"unsafe"
)

// texts holds the texts of one connection in one piece of memory, which the next connection
// takes over: who is attacked sees thousands of short ones begin and end each second. What is
// kept here must not be asked for once the connection is forgotten and another line has come.
type texts []byte

// roomy is how much one connection's texts may be. Beyond it each is an allocation of its own, so
// that what is replaced can be freed.
const roomy = 2 << 10

// keep gives a copy of the text that lives as long as the connection.
func (t *texts) keep(text string) string {
	if len(text) == 0 {
		return ""
	}
	if len(*t)+len(text) > max(roomy, cap(*t)) {
		return strings.Clone(text)
	}
	at := len(*t)
	*t = append(*t, text...)
	return unsafe.String(&(*t)[at], len(text))
}

// update puts the other's set values over the connection's. What a connection's lines repeat is
// not copied again: the address, the user, the connection itself.
func (c *connection) update(other Fields) {
	for _, f := range other {
		if !f.Set {
			continue
		}
		switch i := c.Data.index(f.key, f.Name); {
		case i < 0:
			f.Value = c.texts.keep(f.Value)
			c.Data = append(c.Data, f)
		case !c.Data[i].Set || c.Data[i].Value != f.Value:
			c.Data[i].Value, c.Data[i].Set = c.texts.keep(f.Value), true
		}
	}
}

// recycled is a connection that knows nothing yet, in the memory of one that nobody asks for.
func (c *connection) recycled() *connection {
	*c = connection{Data: c.Data[:0], Users: c.Users[:0], Quiet: forgetLines(c.Quiet), texts: c.texts[:0]}
	return c
}

// report is a failure's lines: those kept of the connection, and this one. They are valid until
// the next line.
func (m *memory) report(c *connection, line string) []string {
	from := len(m.reported)
	for _, kept := range [][]string{c.Matches, c.Quiet} {
		m.reported = append(m.reported, kept...)
	}
	m.reported = append(m.reported, line)
	lines := m.reported[from:]
	return slices.Clip(lines[max(0, len(lines)-maxKeptLines):])
}
