package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"

	"gaol/internal/event"
)

// Timeline counts the bans that began since a time, in steps of that length up to now, and lists
// at most `most` of those who were banned. It reads beside the commits and holds none of them up.
func (s *Store) Timeline(ctx context.Context, since, now time.Time, step time.Duration, most int) (event.History, error) {
	h := event.History{Since: since, Step: step, Jails: map[string][]int{}}
	if step < time.Microsecond || !since.Before(now) {
		return h, errors.New("count bans over time: expected a time in the past and a step")
	}
	db, err := s.beside()
	if err != nil {
		return h, fmt.Errorf("count bans over time: %w", err)
	}
	defer func() { _ = db.Close() }()
	steps := int((now.Sub(since) + step - 1) / step)
	_, err = query(ctx, db, func(rows *sql.Rows) (none struct{}, err error) {
		var jail string
		var at, n int
		err = rows.Scan(&jail, &at, &n)
		if h.Jails[jail] == nil {
			h.Jails[jail] = make([]int, steps)
		}
		if at < steps { // what begins after now: the clock was set back
			h.Jails[jail][at] = n
		}
		return none, err
	}, `SELECT jail, (start - ?1) / ?2, count(*) FROM ban WHERE start >= ?1 GROUP BY 1, 2`, since.UnixMicro(), step.Microseconds())
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT count(DISTINCT id) FROM ban WHERE start >= ?`, since.UnixMicro()).Scan(&h.IDs)
	}
	if err == nil {
		h.Offenders, err = query(ctx, db, scanOffender, `SELECT id, max(kind), count(*), sum(failures), group_concat(DISTINCT jail),
			max(start), max(lifted IS NULL AND ("end" IS NULL OR "end" > ?)) FROM ban
			WHERE start >= ? GROUP BY id ORDER BY 3 DESC, 4 DESC, 6 DESC, 1 LIMIT ?`, now.UnixMicro(), since.UnixMicro(), max(most, 0))
	}
	if err != nil {
		return h, fmt.Errorf("count bans over time: %w", err)
	}
	return h, nil
}

func scanOffender(rows *sql.Rows) (o event.Offender, err error) {
	var jails string
	var last sql.NullInt64
	err = rows.Scan(&o.ID, &o.Kind, &o.Bans, &o.Failures, &jails, &last, &o.Now)
	o.Jails, o.Last = strings.Split(jails, ","), fromMicros(last)
	slices.Sort(o.Jails)
	return o, err
}

// beside is a connection for reading alone: the one of the store belongs to the commits.
func (s *Store) beside() (*sql.DB, error) {
	query := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)", "query_only(ON)"}}
	connector, err := sqlite.NewConnector((&url.URL{Scheme: "file", Path: s.path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}
