package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"gaol/internal/event"
)

// Record is one ban of the past or present, for "why".
type Record struct {
	Ban        event.Ban
	Lifted     time.Time // zero: in force
	LiftReason string
}

// History lists the bans of an id, newest first, at most limit. An empty jail or id means any.
func (s *Store) History(ctx context.Context, jail, id string, limit int) ([]Record, error) {
	all, err := records(ctx, s.db, `WHERE (?1 = '' OR jail = ?1) AND (?2 = '' OR id = ?2)
		ORDER BY start DESC, number DESC LIMIT ?3`, jail, id, limit)
	if err != nil {
		return nil, fmt.Errorf("read ban history: %w", err)
	}
	return all, nil
}

// Past is how often an id was banned by a jail (any jail: by all together, an empty jail), and
// the start of its newest ban; zero where none is known or it was forgiven. Each ban keeps the
// number that it has, so that the count outlives the rows of earlier ones.
func (s *Store) Past(ctx context.Context, jail, id string) (times int, last time.Time, err error) {
	rows, err := query(ctx, s.db, scanPast, `SELECT times, max(start) FROM ban
		WHERE id = ?1 AND (?2 = '' OR jail = ?2) GROUP BY jail`, id, jail)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read the past of a ban id: %w", err)
	}
	for _, r := range rows { // beside max() SQLite yields the values of its row
		times += r.Times
		if r.Times > 0 && r.Start.After(last) {
			last = r.Start
		}
	}
	return times, last, nil
}

func scanPast(rows *sql.Rows) (b event.Ban, err error) {
	var start sql.NullInt64
	err = rows.Scan(&b.Times, &start)
	b.Start = fromMicros(start)
	return b, err
}

// Trim leaves of each ban the newest log lines, at most so many (dbmaxmatches).
func (s *Store) Trim(ctx context.Context, most int) error {
	return s.write(ctx, "trim log lines", func(w *writer) {
		w.exec(`UPDATE ban SET matches = (SELECT json_group_array(value) FROM (SELECT value FROM json_each(ban.matches)
			WHERE key >= json_array_length(ban.matches) - ?1 ORDER BY key)) WHERE json_array_length(matches) > ?1`, max(most, 0))
	})
}

// idlePosition is how much longer the read position of a silent log is kept in a running jail.
const idlePosition = 30 * 24 * time.Hour

// Purge removes what is older than age: bans lifted before that, the log lines of bans that
// began before that, and what is left of jails that are not running. age must not be shorter
// than the longest findtime: a position forgotten earlier would count failures twice. The newest
// ban of an id, without its log lines, stays for three times its length more: the next one is
// longer for it (bantime.increment).
func (s *Store) Purge(ctx context.Context, now time.Time, age time.Duration, running []string) error {
	before := now.Add(-age).UnixMicro()
	idle := now.Add(-age - idlePosition).UnixMicro()
	alive := encode(append([]string{}, running...))
	const gone = ` AND jail NOT IN (SELECT value FROM json_each(?))`
	err := s.write(ctx, "purge state", func(w *writer) {
		w.exec(`DELETE FROM ban WHERE lifted < ?1 AND ("end" IS NULL OR times = 0 OR start + 3 * ("end" - start) < ?1
			OR EXISTS (SELECT 1 FROM ban newer WHERE newer.id = ban.id AND newer.jail = ban.jail AND newer.start > ban.start))`, before)
		w.exec(`UPDATE ban SET fields = NULL WHERE lifted < ? AND fields IS NOT NULL`, before)
		w.exec(`UPDATE ban SET matches = NULL WHERE start < ? AND matches IS NOT NULL`, before)
		w.exec(`DELETE FROM mark WHERE at < ?`, idle)
		for _, statement := range []string{
			`DELETE FROM mark WHERE at < ?`,
			`DELETE FROM tally WHERE last < ?`,
			`DELETE FROM ban WHERE "end" < ?`,
			`DELETE FROM unban WHERE at < ?`,
			`DELETE FROM memory WHERE at < ?`,
			`DELETE FROM fold WHERE at < ?`,
		} {
			w.exec(statement+gone, before, alive)
		}
	})
	if err != nil {
		return err
	}
	// The write-ahead log would keep what was purged until it is written over.
	if _, err := s.db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		return fmt.Errorf("purge state: %w", err)
	}
	return nil
}
