package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"gaol/internal/event"
)

// Intend writes down what is about to be done, before it is done, and returns its number.
func (s *Store) Intend(ctx context.Context, i event.Intent) (int64, error) {
	result, err := s.db.ExecContext(ctx, `INSERT INTO intent
		(jail, action, file, family, ban, undo, flush, print, boot, limit_us, ran) VALUES (?,?,?,?,?,?,?,?,?,?,?)`,
		i.Jail, i.Action, i.File, i.Family, i.Ban, encode(i.Undo), encode(i.Flush), i.Print, i.Boot, i.Limit.Microseconds(), i.Ran)
	if err != nil {
		return 0, fmt.Errorf("write down intent: %w", err)
	}
	id, err := result.LastInsertId()
	if err != nil {
		return 0, fmt.Errorf("write down intent: %w", err)
	}
	return id, nil
}

// Ran notes that the command of an intent ended well.
func (s *Store) Ran(ctx context.Context, id int64) error {
	if _, err := s.db.ExecContext(ctx, `UPDATE intent SET ran=1 WHERE number=?`, id); err != nil {
		return fmt.Errorf("confirm intent %d: %w", id, err)
	}
	return nil
}

// Done strikes out intents that are undone, or that left nothing to undo.
func (s *Store) Done(ctx context.Context, ids ...int64) error {
	if len(ids) == 0 {
		return nil
	}
	return s.write(ctx, "strike out intents", func(w *writer) {
		for _, id := range ids {
			w.exec(`DELETE FROM intent WHERE number=?`, id)
		}
	})
}

// Pending lists the intents that are not struck out, in the order they were written.
func (s *Store) Pending(ctx context.Context) ([]event.Intent, error) {
	all, err := query(ctx, s.db, scanIntent, `SELECT number, jail, action, file, family, ban, undo, flush,
		print, boot, limit_us, ran FROM intent ORDER BY number`)
	if err != nil {
		return nil, fmt.Errorf("read intents: %w", err)
	}
	return all, nil
}

func scanIntent(rows *sql.Rows) (event.Intent, error) {
	var i event.Intent
	var undo, flush sql.NullString
	var limit int64
	err := rows.Scan(&i.ID, &i.Jail, &i.Action, &i.File, &i.Family, &i.Ban, &undo, &flush, &i.Print, &i.Boot, &limit, &i.Ran)
	if err != nil {
		return i, err
	}
	i.Limit = time.Duration(limit) * time.Microsecond
	if err := decode(undo, &i.Undo); err != nil {
		return i, err
	}
	return i, decode(flush, &i.Flush)
}
