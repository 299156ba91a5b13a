package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"gaol/internal/event"
)

// Change is what one jail has to write down. Within a change the order is that of the
// fields; an id that is banned and then lifted goes into two changes.
type Change struct {
	Jail        string
	Time        time.Time         // when it was decided: stamps the history; zero: now
	Marks       []event.Mark      // read positions
	Tallies     []event.Tally     // new, or changed
	GoneTallies []string          // ids that are no longer counted
	Confirmed   []string          // Unbans that the kernel has carried out
	Unbans      []string          // lifted: kept in State.Unbanned until Confirmed or banned again
	Reason      string            // why the Unbans were lifted, for the history
	Forgiven    []string          // ids whose earlier bans no longer count: Past
	ForgiveAll  bool              // earlier bans of all ids no longer count
	Bans        []event.Ban       // new, or changed; Jail counts, not Ban.Jail
	Folds       []string          // prefixes that may be in the kernel from now on, for the bans in them: written before the kernel is
	Unfolds     []string          // those that the kernel let go
	Memory      map[string][]byte // what the filter remembers of a connection, by its key: new, or changed
	Forgotten   []string          // keys that it remembers no more
}

// Commit writes all changes in one transaction: after it returns nil all of them survive
// kill -9, and otherwise none is there.
func (s *Store) Commit(ctx context.Context, changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	return s.write(ctx, "commit state", func(w *writer) {
		for i := range changes {
			w.change(&changes[i])
		}
	})
}

// write runs do in one transaction; what names it in the error.
func (s *Store) write(ctx context.Context, what string, do func(*writer)) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer func() { _ = tx.Rollback() }()
	w := &writer{ctx: ctx, tx: tx, prepared: map[string]*sql.Stmt{}}
	do(w)
	if w.err == nil {
		w.err = tx.Commit()
	}
	if w.err != nil {
		return fmt.Errorf("%s: %w", what, w.err)
	}
	return nil
}

// writer runs statements in one transaction, compiles each once and keeps the first error.
type writer struct {
	ctx      context.Context
	tx       *sql.Tx
	prepared map[string]*sql.Stmt
	unbanned *bool // whether there are any; nil: not asked yet
	err      error
}

// someUnbanned says whether a lift waits for the kernel: mostly none does, and the bans of a burst
// need not look each for one.
func (w *writer) someUnbanned() bool {
	if w.unbanned == nil && w.err == nil {
		w.unbanned = new(bool)
		w.err = w.tx.QueryRowContext(w.ctx, `SELECT EXISTS (SELECT 1 FROM unban)`).Scan(w.unbanned)
	}
	return w.err == nil && *w.unbanned
}

func (w *writer) exec(query string, args ...any) {
	w.with(query, func(stmt *sql.Stmt) error {
		_, err := stmt.ExecContext(w.ctx, args...)
		return err
	})
}

// with compiles a statement, once, and has do run it.
func (w *writer) with(query string, do func(*sql.Stmt) error) {
	if w.err != nil {
		return
	}
	stmt := w.prepared[query]
	if stmt == nil {
		stmt, w.err = w.tx.PrepareContext(w.ctx, query)
		if w.err != nil {
			return
		}
		w.prepared[query] = stmt
	}
	w.err = do(stmt)
}

func (w *writer) change(c *Change) {
	at := c.Time
	if at.IsZero() {
		at = time.Now()
	}
	for _, m := range c.Marks {
		w.exec(`INSERT OR REPLACE INTO mark VALUES (?,?,?,?,?,?,?)`,
			c.Jail, m.Source, int64(m.Inode), m.Hash, m.Offset, m.Cursor, micros(at))
	}
	for i := range c.Tallies {
		w.tally(c.Jail, &c.Tallies[i])
	}
	for _, id := range c.GoneTallies {
		w.exec(`DELETE FROM tally WHERE jail=? AND id=?`, c.Jail, id)
	}
	for _, id := range c.Confirmed {
		w.exec(`DELETE FROM unban WHERE jail=? AND id=?`, c.Jail, id)
	}
	for _, id := range c.Unbans {
		w.exec(`UPDATE ban SET lifted=?, lift_reason=? WHERE jail=? AND id=? AND lifted IS NULL`,
			micros(at), c.Reason, c.Jail, id)
		w.exec(`INSERT OR REPLACE INTO unban VALUES (?,?,?)`, c.Jail, id, micros(at))
		w.unbanned = nil
	}
	if c.ForgiveAll {
		w.exec(`UPDATE ban SET times=0 WHERE jail=?`, c.Jail)
	}
	for _, id := range c.Forgiven {
		w.exec(`UPDATE ban SET times=0 WHERE jail=? AND id=?`, c.Jail, id)
	}
	for i := range c.Bans {
		w.ban(c.Jail, &c.Bans[i])
	}
	for _, prefix := range c.Folds {
		w.exec(`INSERT OR REPLACE INTO fold VALUES (?,?,?)`, c.Jail, prefix, micros(at))
	}
	for _, prefix := range c.Unfolds {
		w.exec(`DELETE FROM fold WHERE jail=? AND prefix=?`, c.Jail, prefix)
	}
	for _, key := range c.Forgotten {
		w.exec(`DELETE FROM memory WHERE jail=? AND key=?`, c.Jail, key)
	}
	for key, data := range c.Memory {
		w.exec(`INSERT OR REPLACE INTO memory VALUES (?,?,?,?)`, c.Jail, key, data, micros(at))
	}
}

func (w *writer) tally(jail string, t *event.Tally) {
	w.exec(`INSERT OR REPLACE INTO tally VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
		jail, t.ID, int(t.Kind), t.IP, micros(t.First), micros(t.Last), t.Count, t.Failures,
		t.Regex, t.Source, packLines(t.Matches), packFields(t.Fields))
}

// ban writes a ban over the one in force, so that an extension is no second entry in the
// history, and takes back an unban that the kernel has not seen yet. Of a Bare one the evidence
// that is stored stays.
func (w *writer) ban(jail string, b *event.Ban) {
	evidence := `, regex=excluded.regex, source=excluded.source, matches=excluded.matches, fields=excluded.fields`
	if b.Bare {
		evidence = ""
	}
	w.exec(`INSERT INTO ban (jail, id, kind, ip, start, "end", renewed, failures, regex, source, reason, manual, matches, fields, times, scope)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (jail, id) WHERE lifted IS NULL DO UPDATE SET
			kind=excluded.kind, ip=excluded.ip, start=excluded.start, "end"=excluded."end", renewed=excluded.renewed,
			failures=excluded.failures, reason=excluded.reason, manual=excluded.manual, times=excluded.times, scope=excluded.scope`+evidence,
		jail, b.ID, int(b.Kind), b.IP, micros(b.Start), micros(b.End), micros(b.Renewed), b.Count,
		b.Regex, b.Source, b.Reason, b.Manual, packLines(b.Matches), packFields(b.Fields), b.Times, b.Scope)
	if w.someUnbanned() {
		w.exec(`DELETE FROM unban WHERE jail=? AND id=?`, jail, b.ID)
	}
}
