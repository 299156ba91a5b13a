package store

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"gaol/internal/event"
)

// Bounds of what is kept of attackers' text. The log itself is where the whole of it stands.
const (
	// KeptMatches is how many bytes of log lines are kept per tally or ban, the newest lines.
	KeptMatches = 16 << 10
	// KeptField is how many bytes of one captured group are kept.
	KeptField = 4 << 10
)

// micros is NULL for the zero time (a ban for ever has no end).
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func fromMicros(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMicro(v.Int64)
}

// packLines keeps the newest whole lines that fit. A single longer one is cut.
func packLines(lines []string) any {
	room := KeptMatches
	first := len(lines)
	for first > 0 && len(lines[first-1]) <= room {
		first--
		room -= len(lines[first])
	}
	kept := lines[first:]
	if len(kept) == 0 && len(lines) > 0 {
		kept = []string{lines[len(lines)-1][:KeptMatches]}
	}
	if len(kept) == 0 {
		return nil
	}
	text := make([]byte, 0, KeptMatches-room+8)
	sep := byte('[')
	for _, line := range kept {
		text = appendText(append(text, sep), line)
		sep = ','
	}
	return string(append(text, ']'))
}

func packFields(fields event.Fields) any {
	if len(fields) == 0 {
		return nil
	}
	text := make([]byte, 0, 128)
	sep := byte('{')
	for _, f := range fields {
		text = append(appendText(append(text, sep), f.Name), ':')
		text = appendText(text, f.Value[:min(len(f.Value), KeptField)])
		sep = ','
	}
	return string(append(text, '}'))
}

// appendText writes a JSON string that sqlite3 users can read: "<" stays "<". Bytes that are not
// UTF-8 become U+FFFD, as they do in fail2ban when it decodes a line. Most text needs no escape;
// encoding/json took a third of what a ban costs here.
func appendText(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return append(out, encode(s)...)
		}
	}
	return append(append(append(out, '"'), s...), '"')
}

// encode is JSON in which "<" stays "<". Texts, and lists of them, always encode.
func encode(v any) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("store: encode %T: %v", v, err))
	}
	return string(bytes.TrimRight(out.Bytes(), "\n"))
}

// decode reads what encode wrote; NULL leaves v as it is.
func decode(text sql.NullString, v any) error {
	if !text.Valid {
		return nil
	}
	if err := json.Unmarshal([]byte(text.String), v); err != nil {
		return fmt.Errorf("decode stored %T: %w", v, err)
	}
	return nil
}
