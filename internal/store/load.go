package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gaol/internal/event"
)

// State is what a jail goes on from.
type State struct {
	Marks    []event.Mark
	Tallies  []event.Tally // oldest failure first
	Bans     []event.Ban   // in force when they were written, in order of start, all Bare; some may have expired since
	Unbanned []string      // lifted, but the kernel has not confirmed it
	Folds    []string      // prefixes that may be in the kernel for the bans in them
	Memory   [][]byte      // what the filter remembers of connections, in the order of their keys
}

// Load reads what is stored of one jail, as of one moment. A jail never seen is empty.
func (s *Store) Load(ctx context.Context, jail string) (State, error) {
	var state State
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return state, fmt.Errorf("load jail %s: %w", jail, err)
	}
	defer func() { _ = tx.Rollback() }()
	state.Marks, err = query(ctx, tx, scanMark,
		`SELECT source, inode, hash, offset, cursor FROM mark WHERE jail=? ORDER BY source`, jail)
	if err == nil {
		state.Tallies, err = query(ctx, tx, scanTally,
			`SELECT id, kind, ip, first, last, count, failures, regex, source, matches, fields
			FROM tally WHERE jail=? ORDER BY last, id`, jail)
	}
	if err == nil {
		state.Bans, err = held(ctx, tx, jail)
	}
	if err == nil {
		state.Unbanned, err = query(ctx, tx, scanText, `SELECT id FROM unban WHERE jail=? ORDER BY id`, jail)
	}
	if err == nil {
		state.Folds, err = query(ctx, tx, scanText, `SELECT prefix FROM fold WHERE jail=? ORDER BY prefix`, jail)
	}
	if err == nil {
		state.Memory, err = query(ctx, tx, scanBytes, `SELECT data FROM memory WHERE jail=? ORDER BY key`, jail)
	}
	if err != nil {
		return State{}, fmt.Errorf("load jail %s: %w", jail, err)
	}
	return state, nil
}

// Jails lists the jails that the store knows anything of but history: those that are no longer
// configured have bans and positions to be cleared away.
func (s *Store) Jails(ctx context.Context) ([]string, error) {
	names, err := query(ctx, s.db, scanText, `SELECT jail FROM mark UNION SELECT jail FROM tally
		UNION SELECT jail FROM ban WHERE lifted IS NULL UNION SELECT jail FROM unban
		UNION SELECT jail FROM memory ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("list jails in state: %w", err)
	}
	return names, nil
}

// Banned counts the bans of each jail that were in force when they were written.
func (s *Store) Banned(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	_, err := query(ctx, s.db, func(rows *sql.Rows) (none struct{}, err error) {
		var jail string
		var n int
		err = rows.Scan(&jail, &n)
		counts[jail] = n
		return none, err
	}, `SELECT jail, count(*) FROM ban WHERE lifted IS NULL GROUP BY jail`)
	if err != nil {
		return nil, fmt.Errorf("count bans in state: %w", err)
	}
	return counts, nil
}

// queryer is a *sql.DB or a *sql.Tx.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func query[T any](ctx context.Context, q queryer, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

func scanText(rows *sql.Rows) (text string, err error) {
	err = rows.Scan(&text)
	return text, err
}

func scanBytes(rows *sql.Rows) (data []byte, err error) {
	err = rows.Scan(&data)
	return data, err
}

func scanMark(rows *sql.Rows) (event.Mark, error) {
	var m event.Mark
	var inode int64
	err := rows.Scan(&m.Source, &inode, &m.Hash, &m.Offset, &m.Cursor)
	m.Inode = uint64(inode)
	return m, err
}

func scanTally(rows *sql.Rows) (event.Tally, error) {
	var t event.Tally
	var first, last sql.NullInt64
	var matches, fields sql.NullString
	err := rows.Scan(&t.ID, &t.Kind, &t.IP, &first, &last, &t.Count, &t.Failures, &t.Regex, &t.Source, &matches, &fields)
	t.First, t.Last = fromMicros(first), fromMicros(last)
	return t, errors.Join(err, decode(matches, &t.Matches), decode(fields, &t.Fields))
}

func records(ctx context.Context, q queryer, where string, args ...any) ([]Record, error) {
	// What many bans have in common is held once.
	once := map[string]string{}
	scan := func(rows *sql.Rows) (Record, error) {
		r, err := scanRecord(rows)
		b := &r.Ban
		for _, text := range []*string{&b.Jail, &b.Regex, &b.Source} {
			*text = common(once, *text)
		}
		if b.IP == b.ID {
			b.IP = b.ID
		}
		return r, err
	}
	return query(ctx, q, scan, `SELECT jail, id, kind, ip, start, "end", renewed, failures, regex, source,
		reason, manual, matches, fields, lifted, lift_reason, times, scope FROM ban `+where, args...)
}

func scanRecord(rows *sql.Rows) (Record, error) {
	var r Record
	b := &r.Ban
	var start, end, renewed, lifted sql.NullInt64
	var matches, fields sql.NullString
	err := rows.Scan(&b.Jail, &b.ID, &b.Kind, &b.IP, &start, &end, &renewed, &b.Count, &b.Regex, &b.Source,
		&b.Reason, &b.Manual, &matches, &fields, &lifted, &r.LiftReason, &b.Times, &b.Scope)
	b.Start, b.End, b.Renewed, r.Lifted = fromMicros(start), fromMicros(end), fromMicros(renewed), fromMicros(lifted)
	return r, errors.Join(err, decode(matches, &b.Matches), decode(fields, &b.Fields))
}
