package source

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gaol/internal/event"
)

// field is one journal field that gaol reads (systemd.journal-fields(7)).
type field int

const (
	unwanted field = iota
	cursor
	realtime
	monotonic
	sourceRealtime
	sourceMonotonic
	hostname
	identifier
	comm
	syslogPID
	pid
	message
	partial
	partialID
	priority
	fieldCount
)

func fieldOf(name string) field {
	switch name {
	case "__CURSOR":
		return cursor
	case "__REALTIME_TIMESTAMP":
		return realtime
	case "__MONOTONIC_TIMESTAMP":
		return monotonic
	case "_SOURCE_REALTIME_TIMESTAMP":
		return sourceRealtime
	case "_SOURCE_MONOTONIC_TIMESTAMP":
		return sourceMonotonic
	case "_HOSTNAME":
		return hostname
	case "SYSLOG_IDENTIFIER":
		return identifier
	case "_COMM":
		return comm
	case "SYSLOG_PID":
		return syslogPID
	case "_PID":
		return pid
	case "MESSAGE":
		return message
	case "CONTAINER_PARTIAL_MESSAGE":
		return partial
	case "CONTAINER_PARTIAL_ID":
		return partialID
	case "PRIORITY":
		return priority
	}
	return unwanted
}

// entry is one journal entry, each field at most MaxLine bytes. Of a field that came more than
// once, which only untrusted ones can, the first value counts.
type entry struct {
	fields [fieldCount]string
	has    [fieldCount]bool
	cut    bool
}

// exportParser reads the journal export format (systemd.dev/JOURNAL_EXPORT_FORMATS), fed in
// pieces of any size. It holds the fields above, at most MaxLine bytes of each: a core dump in
// a field costs no memory.
type exportParser struct {
	state   func(p *exportParser, data []byte) (rest []byte, err error)
	name    []byte
	value   []byte
	field   field
	left    uint64 // bytes of a sized value still to come
	size    []byte
	entry   entry
	any     bool // the entry has begun
	emit    func(entry)
	tooLong bool
}

// maxFieldName is longer than journald lets a field name be (64).
const maxFieldName = 256

// feed takes the next piece and gives each entry that it completes to emit. An error means
// that this is not the format; the parser is of no use after it.
func (p *exportParser) feed(data []byte, emit func(entry)) error {
	if p.state == nil {
		p.state = inName
	}
	p.emit = emit
	for len(data) > 0 {
		rest, err := p.state(p, data)
		if err != nil {
			return err
		}
		data = rest
	}
	return nil
}

// inName reads up to '=' (text follows), a newline (a size follows), or the empty line that
// ends an entry.
func inName(p *exportParser, data []byte) ([]byte, error) {
	i := bytes.IndexAny(data, "=\n")
	if i < 0 {
		i = len(data)
	}
	p.name = append(p.name, data[:i]...)
	if len(p.name) > maxFieldName {
		return nil, fmt.Errorf("read journal export: field name longer than %d bytes", maxFieldName)
	}
	if i == len(data) {
		return nil, nil
	}
	isText := data[i] == '='
	data = data[i+1:]
	if len(p.name) == 0 {
		if isText {
			return nil, fmt.Errorf("read journal export: field without a name")
		}
		p.finish()
		return data, nil
	}
	p.any = true
	p.field, p.name, p.value, p.tooLong = fieldOf(string(p.name)), p.name[:0], p.value[:0], false
	p.state, p.size = inText, p.size[:0]
	if !isText {
		p.state = inSize
	}
	return data, nil
}

func inText(p *exportParser, data []byte) ([]byte, error) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		p.keep(data)
		return nil, nil
	}
	p.keep(data[:i])
	p.store()
	return data[i+1:], nil
}

func inSize(p *exportParser, data []byte) ([]byte, error) {
	n := min(len(data), 8-len(p.size))
	p.size = append(p.size, data[:n]...)
	if len(p.size) == 8 {
		p.left = binary.LittleEndian.Uint64(p.size)
		p.state = inBytes
	}
	return data[n:], nil
}

func inBytes(p *exportParser, data []byte) ([]byte, error) {
	n := int(min(uint64(len(data)), p.left))
	p.keep(data[:n])
	p.left -= uint64(n)
	data = data[n:]
	if len(data) == 0 {
		return nil, nil
	}
	if data[0] != '\n' {
		return nil, fmt.Errorf("read journal export: no newline behind a sized field")
	}
	p.store()
	return data[1:], nil
}

func (p *exportParser) keep(data []byte) {
	if p.field == unwanted {
		return
	}
	room := event.MaxLine - len(p.value)
	if len(data) > room {
		data, p.tooLong = data[:room], true
	}
	p.value = append(p.value, data...)
}

func (p *exportParser) store() {
	p.state = inName
	if p.field != unwanted && !p.entry.has[p.field] {
		p.entry.fields[p.field], p.entry.has[p.field] = string(p.value), true
		p.entry.cut = p.entry.cut || p.tooLong
	}
}

func (p *exportParser) finish() {
	if p.any {
		p.emit(p.entry)
	}
	p.entry, p.any = entry{}, false
}

// line renders an entry as fail2ban does (§2.10): "host ident[pid]: message". The kernel's
// entries, which have no pid, get their time since boot as in the kernel's own log.
func (e *entry) line(arrived time.Time) event.Line {
	var b strings.Builder
	b.WriteString(e.fields[hostname])
	ident := e.first(identifier, comm)
	if ident != "" {
		space(&b)
		b.WriteString(ident)
		id := e.first(syslogPID, pid)
		if id != "" {
			b.WriteString("[" + id + "]")
		}
		b.WriteString(":")
		if us, err := strconv.ParseUint(e.first(sourceMonotonic, monotonic), 10, 64); err == nil && id == "" && ident == "kernel" {
			fmt.Fprintf(&b, " [%5d.%06d]", us/1e6, us%1e6)
		}
	}
	if b.Len() > 0 {
		b.WriteString(" ")
	}
	b.WriteString(strings.ReplaceAll(e.fields[message], "\n", `\n`))
	text := b.String()
	if len(text) > event.MaxLine {
		text, e.cut = text[:event.MaxLine], true
	}
	l := event.Line{Text: text, Arrived: arrived}
	if us, err := strconv.ParseInt(e.first(sourceRealtime, realtime), 10, 64); err == nil {
		l.Time = time.UnixMicro(us)
	}
	return l
}

// first is the first of the fields that is not empty.
func (e *entry) first(list ...field) string {
	for _, f := range list {
		if e.fields[f] != "" {
			return e.fields[f]
		}
	}
	return ""
}

func space(b *strings.Builder) {
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
}
