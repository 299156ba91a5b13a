package store

import (
	"context"
	"crypto/sha1" // fail2ban's mark of a file, no protection
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"

	"gaol/internal/event"
)

// fail2banSchema is the version of fail2ban's database that is read here. fail2ban 0.11 made
// it, and every later one still writes it (§4.7).
const fail2banSchema = 4

// Fail2ban is fail2ban's database, open for reading. A fail2ban that has it open is not
// disturbed: nothing is written, and a lock is held for single statements only.
type Fail2ban struct {
	db   *sql.DB
	path string
	used time.Time // when fail2ban last wrote to it
}

// OpenFail2ban opens fail2ban's database. A missing file is an error that is os.ErrNotExist;
// another program's database and other versions than 4 are refused.
func OpenFail2ban(ctx context.Context, path string) (*Fail2ban, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read fail2ban's database: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil { // a relative path would be the authority of the address below
		return nil, fmt.Errorf("read fail2ban's database: %w", err)
	}
	query := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)", "query_only(ON)"}}
	connector, err := sqlite.NewConnector((&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("read fail2ban's database %s: %w", path, err)
	}
	f := &Fail2ban{db: sql.OpenDB(connector), path: path, used: info.ModTime()}
	if err := f.checkVersion(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("read fail2ban's database %s: %w", path, err), f.Close())
	}
	return f, nil
}

// Close closes the database.
func (f *Fail2ban) Close() error { return f.db.Close() }

func (f *Fail2ban) checkVersion(ctx context.Context) error {
	var tables, version int
	err := f.db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master
		WHERE type = 'table' AND name IN ('fail2banDb', 'jails', 'logs', 'bans', 'bips')`).Scan(&tables)
	if err != nil {
		return err
	}
	if err := f.db.QueryRowContext(ctx, `SELECT version FROM fail2banDb`).Scan(&version); err != nil {
		return fmt.Errorf("it is no database of fail2ban: %w", err)
	}
	if version != fail2banSchema || tables != 5 {
		return fmt.Errorf("it has version %d, gaol reads version %d: a fail2ban of 0.11 to 1.1 that starts on it once converts it",
			version, fail2banSchema)
	}
	return nil
}

// Jails lists the jails that fail2ban knows anything of.
func (f *Fail2ban) Jails(ctx context.Context) ([]string, error) {
	names, err := query(ctx, f.db, scanText, `SELECT jail FROM logs UNION SELECT jail FROM bips UNION SELECT jail FROM bans ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("read the jails of %s: %w", f.path, err)
	}
	return names, nil
}

// banned is one row of bips (the newest ban of an id) or bans (one row per ban). count is the
// how-manieth ban of the id it was, for bantime.increment.
type banned struct {
	event.Ban
	count int
	data  []byte // see evidence
}

// takenOver is the reason of bans that come from fail2ban.
const takenOver = "taken over from fail2ban"

func scanBanned(rows *sql.Rows) (banned, error) {
	var b banned
	var start, length int64
	if err := rows.Scan(&b.Jail, &b.ID, &start, &length, &b.count, &b.data); err != nil {
		return b, err
	}
	b.ID, b.Kind = fail2banID(b.ID)
	b.Start, b.Reason, b.Times = time.Unix(start, 0), takenOver, max(b.count, 1)
	// Below zero: -1 is for ever, -2 unknown. Both come back with the bantime of today (§4.5).
	if length >= 0 {
		b.End = time.Unix(start+length, 0)
	}
	return b, nil
}

// fail2banID is gaol's name for an id of fail2ban, which writes addresses as inet_ntop(3) does.
func fail2banID(text string) (string, event.IDKind) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return a.Unmap().String(), event.Address
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked().String(), event.Network
	}
	return text, event.Raw
}

// evidence reads the JSON of a ban: log lines, how many failures, and the groups of the regex
// as further members. What cannot be read is left out: the ban holds without it.
func (b *banned) evidence() {
	b.IP = b.ID
	var members map[string]any
	if json.Unmarshal(b.data, &members) != nil {
		return
	}
	if n, ok := members["failures"].(float64); ok {
		b.Count = int(n)
	}
	lines, _ := members["matches"].([]any)
	for _, l := range lines {
		b.Matches = append(b.Matches, lineOf(l))
	}
	fields := map[string]string{}
	for name, value := range members {
		if text, ok := value.(string); ok {
			fields[strings.ToLower(name)] = text
		}
	}
	if b.Kind == event.Raw {
		b.IP = fields["ip4"] + fields["ip6"]
	}
	b.Fields = event.FieldsOf(fields)
}

// lineOf joins a log line: a text, or the text before its date, the date and what is behind.
func lineOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var whole strings.Builder
		for _, part := range v {
			whole.WriteString(lineOf(part))
		}
		return whole.String()
	}
	return ""
}

// journalPath is the path under which fail2ban keeps the position in the systemd journal.
const journalPath = "systemd-journal"

// position is a row of logs. fail2ban does not keep the inode, so that a file's mark is found
// again by its first line; where no whole line was there yet, it is none.
type position struct {
	jail string
	mark event.Mark
}

func scanPosition(rows *sql.Rows) (position, error) {
	var p position
	var hash sql.NullString
	var at float64 // bytes; of the journal: seconds, where fail2ban knows them with microseconds
	if err := rows.Scan(&p.jail, &p.mark.Source, &hash, &at); err != nil {
		return p, err
	}
	if p.mark.Source == journalPath {
		p.mark = event.Mark{Source: "journal", Offset: int64(math.Round(at * 1e6))}
		return p, nil
	}
	p.mark.Hash, p.mark.Offset = hash.String, int64(at)
	return p, nil
}

// known says whether the position means anything: fail2ban keeps the hash of nothing for a
// file that was empty, and such a file is read from its beginning anyway.
func (p position) known() bool {
	nothing := sha1.Sum(nil)
	return p.mark.Source == "journal" && p.mark.Offset > 0 ||
		p.mark.Hash != "" && p.mark.Hash != hex.EncodeToString(nothing[:]) && p.mark.Offset > 0
}
