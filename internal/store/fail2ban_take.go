package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gaol/internal/event"
)

// Taking says what is to be taken over from fail2ban.
type Taking struct {
	Jails []string  // whose; those of fail2ban that are not among them are left
	Now   time.Time // what ends later is in force
	Since time.Time // bans that began before and are over are left
	Try   bool      // write nothing, only say what would be
}

// Taken is what came over of one jail. What the store knew already is not counted.
type Taken struct {
	Jail      string     `json:"jail"`
	Bans      int        `json:"bans"`      // in force
	Past      int        `json:"past"`      // over, for the history
	Counts    int        `json:"counts"`    // ids banned more than once, for bantime.increment
	Positions []Position `json:"positions"` // where reading goes on
}

// Position is where fail2ban had read to.
type Position struct {
	Source string    `json:"source"`           // path, or "journal"
	Offset int64     `json:"offset,omitempty"` // bytes read of a file
	Time   time.Time `json:"time,omitzero"`    // of the last entry read of the journal
}

// Empty says whether nothing was ever written: neither by a jail nor by a TakeOver.
func (s *Store) Empty(ctx context.Context) (bool, error) {
	var rows int
	err := s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM mark) + EXISTS (SELECT 1 FROM tally)
		+ EXISTS (SELECT 1 FROM ban) + EXISTS (SELECT 1 FROM takeover)`).Scan(&rows)
	if err != nil {
		return false, fmt.Errorf("look for state: %w", err)
	}
	return rows == 0, nil
}

// TakeOver writes down what fail2ban knew, all of it or nothing. Whatever is taken is not taken
// a second time: a ban that began at the same second is known, also when it was lifted since.
// Of two positions in one log the later counts: the further one of the same file, else the one
// of the program that read last.
func (s *Store) TakeOver(ctx context.Context, f *Fail2ban, o Taking) ([]Taken, error) {
	from, err := f.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // bans and positions of one moment
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.path, err)
	}
	defer func() { _ = from.Rollback() }()
	var all []Taken
	err = s.write(ctx, "take over from fail2ban", func(w *writer) {
		t := taker{w, from, f, o}
		for _, jail := range o.Jails {
			if one := t.jail(jail); one.Bans+one.Past+len(one.Positions) > 0 {
				all = append(all, one)
			}
		}
		w.exec(`INSERT INTO takeover VALUES (?,?)`, f.path, micros(o.Now))
		if w.err == nil && o.Try {
			w.err = errTried
		}
	})
	if err != nil && !errors.Is(err, errTried) {
		return nil, err
	}
	return all, nil
}

// errTried takes a trial back.
var errTried = errors.New("only tried")

// taker reads from fail2ban's transaction and writes to ours.
type taker struct {
	*writer
	from *sql.Tx
	f    *Fail2ban
	o    Taking
}

func (t *taker) jail(name string) Taken {
	taken := Taken{Jail: name}
	now := t.o.Now.Unix()
	note := func(b *banned, isNew bool, count *int) {
		if isNew {
			*count++
			taken.Counts += min(b.count-1, 1)
		}
	}
	t.each(`FROM bips WHERE jail = ? AND (bantime < 0 OR timeofban + bantime > ?)`, func(b *banned) {
		note(b, t.inForce(b), &taken.Bans)
	}, name, now)
	// What bips has that is over counts for the next ban, however old it is.
	t.each(`FROM bips WHERE jail = ? AND bantime >= 0 AND timeofban + bantime <= ?`, func(b *banned) {
		note(b, t.past(b), &taken.Past)
	}, name, now)
	// A ban that bips has too is known by now.
	t.each(`FROM bans WHERE jail = ? AND timeofban > ? ORDER BY timeofban`, func(b *banned) {
		if t.past(b) {
			taken.Past++
		}
	}, name, t.o.Since.Unix())
	taken.Positions = t.positions(name)
	return taken
}

// each hands over the rows of bips or bans one by one: a history can be long.
func (t *taker) each(where string, do func(*banned), args ...any) {
	if t.err != nil {
		return
	}
	rows, err := t.from.QueryContext(t.ctx, `SELECT jail, ip, CAST(timeofban AS INTEGER), CAST(bantime AS INTEGER),
		CAST(bancount AS INTEGER), data `+where, args...)
	if err != nil {
		t.err = err
		return
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() && t.err == nil {
		b, err := scanBanned(rows)
		if err != nil {
			t.err = err
			return
		}
		do(&b)
	}
	t.err = errors.Join(t.err, rows.Err())
}

// inForce writes a ban that holds, unless it is known or gaol has one that ends later.
func (t *taker) inForce(b *banned) bool {
	var end sql.NullInt64
	if t.found(&end, `SELECT "end" FROM ban WHERE jail = ? AND id = ? AND start = ?`, b.Jail, b.ID, micros(b.Start)) {
		return false
	}
	own := t.found(&end, `SELECT "end" FROM ban WHERE jail = ? AND id = ? AND lifted IS NULL`, b.Jail, b.ID)
	if own && (!end.Valid || !b.End.IsZero() && end.Int64 >= b.End.UnixMicro()) || t.err != nil {
		return false
	}
	b.evidence()
	t.ban(b.Jail, &b.Ban)
	return t.err == nil
}

// past writes a ban of the history, unless it is known.
func (t *taker) past(b *banned) bool {
	var number int64
	if t.found(&number, `SELECT number FROM ban WHERE jail = ? AND id = ? AND start = ?`, b.Jail, b.ID, micros(b.Start)) || t.err != nil {
		return false
	}
	lifted := b.End
	if lifted.IsZero() || lifted.After(t.o.Now) {
		lifted = t.o.Now
	}
	b.evidence()
	t.exec(`INSERT INTO ban (jail, id, kind, ip, start, "end", failures, regex, source, reason, manual, matches, fields, lifted, times)
		VALUES (?,?,?,?,?,?,?,'','',?,0,?,?,?,?)`,
		b.Jail, b.ID, int(b.Kind), b.IP, micros(b.Start), micros(b.End), b.Count, b.Reason,
		packLines(b.Matches), packFields(b.Fields), micros(lifted), b.Times)
	return t.err == nil
}

// found scans one value; false where there is no row.
func (t *taker) found(into any, query string, args ...any) (there bool) {
	t.with(query, func(stmt *sql.Stmt) error {
		err := stmt.QueryRowContext(t.ctx, args...).Scan(into)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		there = err == nil
		return err
	})
	return there
}

func (t *taker) positions(jail string) []Position {
	if t.err != nil {
		return nil
	}
	all, err := query(t.ctx, t.from, scanPosition, `SELECT jail, path, firstlinemd5, CAST(lastfilepos AS REAL)
		FROM logs WHERE jail = ? AND path IS NOT NULL ORDER BY path`, jail)
	t.err = err
	var taken []Position
	for _, p := range all {
		if !p.known() || !t.newer(p) || t.err != nil {
			continue
		}
		m := p.mark
		t.exec(`INSERT OR REPLACE INTO mark VALUES (?,?,0,?,?,'',?)`, jail, m.Source, m.Hash, m.Offset, micros(t.o.Now))
		one := Position{Source: m.Source, Offset: m.Offset}
		if m.Source == "journal" {
			one = Position{Source: m.Source, Time: time.UnixMicro(m.Offset)}
		}
		taken = append(taken, one)
	}
	return taken
}

// newer says whether a position of fail2ban's is behind the one that gaol has.
func (t *taker) newer(p position) bool {
	var own event.Mark
	var at int64
	err := t.tx.QueryRowContext(t.ctx, `SELECT hash, offset, at FROM mark WHERE jail = ? AND source = ?`,
		p.jail, p.mark.Source).Scan(&own.Hash, &own.Offset, &at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return true
	case err != nil:
		t.err = err
		return false
	case own.Hash != "" && own.Hash == p.mark.Hash:
		return p.mark.Offset > own.Offset
	}
	return t.f.used.UnixMicro() > at
}

// String says the place in words: "behind byte 4711", "behind 2026-11-24 13:00:00".
func (p Position) String() string {
	if p.Source == "journal" {
		return "behind " + p.Time.Format(time.DateTime)
	}
	return fmt.Sprintf("behind byte %d", p.Offset)
}
