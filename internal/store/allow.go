package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"gaol/internal/event"
)

// Allow writes down whom nobody is to ban, over what was written of the same id before.
func (s *Store) Allow(ctx context.Context, a event.Allowance) error {
	return s.write(ctx, "write down an allowance", func(w *writer) {
		w.exec(`INSERT OR REPLACE INTO allow VALUES (?,?,?,?)`, a.ID, micros(a.Since), micros(a.End), a.Reason)
	})
}

// Disallow takes an allowance back. It is no error where there is none.
func (s *Store) Disallow(ctx context.Context, id string) error {
	return s.write(ctx, "take back an allowance", func(w *writer) {
		w.exec(`DELETE FROM allow WHERE id=?`, id)
	})
}

// Allowed lists the allowances that have not ended at now, oldest first, and forgets the others.
func (s *Store) Allowed(ctx context.Context, now time.Time) ([]event.Allowance, error) {
	err := s.write(ctx, "forget allowances that ended", func(w *writer) {
		w.exec(`DELETE FROM allow WHERE "end" <= ?`, now.UnixMicro())
	})
	if err != nil {
		return nil, err
	}
	all, err := query(ctx, s.db, scanAllowance, `SELECT id, since, "end", reason FROM allow ORDER BY since, id`)
	if err != nil {
		return nil, fmt.Errorf("read allowances: %w", err)
	}
	return all, nil
}

func scanAllowance(rows *sql.Rows) (event.Allowance, error) {
	var a event.Allowance
	var since, end sql.NullInt64
	err := rows.Scan(&a.ID, &since, &end, &a.Reason)
	a.Since, a.End = fromMicros(since), fromMicros(end)
	return a, err
}
