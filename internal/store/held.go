package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gaol/internal/event"
)

// brief is what a start needs of a ban in force, as one text: SQLite keeps it in an index by
// itself, so that 100,000 of them are read in some 50 ms and their log lines not at all. The id is
// last, its length before it: it may hold any character. The index ban_held has this expression;
// another one needs a migration that makes it anew.
const brief = `ifnull(start,'')||','||ifnull("end",'')||','||ifnull(renewed,'')||','||kind||','||failures||','||times
	||','||manual||','||hex(scope)||','||hex(reason)||','||CASE ip WHEN id THEN '=' ELSE hex(ip) END
	||','||length(CAST(id AS BLOB))||','||id`

// briefs is how many bans are read at once.
const briefs = 8192

// held reads the bans of a jail that are in force, without their evidence, in order of start.
func held(ctx context.Context, q queryer, jail string) ([]event.Ban, error) {
	jail = strings.Clone(jail)
	counts, err := query(ctx, q, scanPage, `SELECT '', count(*) FROM ban INDEXED BY ban_held WHERE jail=? AND lifted IS NULL`, jail)
	if err != nil {
		return nil, err
	}
	all := make([]event.Ban, 0, counts[0].count)
	last := ""
	for {
		// The rows are put together in SQLite: one by one they take ten times as long.
		pages, err := query(ctx, q, scanPage, `SELECT group_concat(b, ''), count(*) FROM (SELECT `+brief+` AS b FROM ban
			INDEXED BY ban_held WHERE jail=? AND lifted IS NULL AND `+brief+` > ? ORDER BY b LIMIT ?)`, jail, last, briefs)
		if err != nil {
			return nil, err
		}
		p := pages[0]
		for len(p.text) > 0 {
			b, rest, ok := cutBrief(p.text)
			if !ok {
				return nil, fmt.Errorf("read a stored ban: %.100q", p.text)
			}
			b.Jail = jail
			all, last, p.text = append(all, b), p.text[:len(p.text)-len(rest)], rest
		}
		if p.count < briefs {
			break
		}
	}
	byStart := func(a, b event.Ban) int { return a.Start.Compare(b.Start) }
	if !slices.IsSortedFunc(all, byStart) { // the index has them as text: another number of digits, or none
		slices.SortStableFunc(all, byStart)
	}
	return all, nil
}

type page struct {
	text  string
	count int
}

func scanPage(rows *sql.Rows) (p page, err error) {
	var text sql.NullString
	err = rows.Scan(&text, &p.count)
	p.text = text.String
	return p, err
}

// cutBrief reads one ban off a text of them.
func cutBrief(text string) (b event.Ban, rest string, ok bool) {
	ok, rest = true, text
	next := func() (field string) {
		var found bool
		field, rest, found = strings.Cut(rest, ",")
		ok = ok && found
		return field
	}
	number := func() int {
		n, err := strconv.Atoi(next())
		ok = ok && err == nil
		return n
	}
	moment := func() time.Time {
		field := next()
		if field == "" {
			return time.Time{}
		}
		n, err := strconv.ParseInt(field, 10, 64)
		ok = ok && err == nil
		return time.UnixMicro(n)
	}
	unhex := func(field string) string {
		if field == "" {
			return ""
		}
		raw, err := hex.DecodeString(field)
		ok = ok && err == nil
		return string(raw)
	}
	b.Bare = true
	b.Start, b.End, b.Renewed = moment(), moment(), moment()
	b.Kind, b.Count, b.Times, b.Manual = event.IDKind(number()), number(), number(), number() != 0
	b.Scope, b.Reason = unhex(next()), unhex(next())
	if b.Scope == event.AllPorts {
		b.Scope = event.AllPorts // held once
	}
	ip := next()
	n := number()
	if !ok || n < 0 || n > len(rest) {
		return b, text, false
	}
	b.ID, rest = strings.Clone(rest[:n]), rest[n:]
	if b.IP = b.ID; ip != "=" {
		b.IP = unhex(ip)
	}
	return b, rest, ok
}

// evidenceOf is how many bans are looked up one by one; of more, all of the jail are read.
const evidenceOf = 1000

// Evidence gives bans of a jail that are Bare what led to them: log lines, groups, regex and
// source. A ban that the store does not know stays Bare.
func (s *Store) Evidence(ctx context.Context, jail string, bans []event.Ban) error {
	bare := map[string]*event.Ban{}
	for i := range bans {
		if bans[i].Bare {
			bare[bans[i].ID] = &bans[i]
		}
	}
	if err := s.evidence(ctx, jail, bare); err != nil {
		return fmt.Errorf("read what led to bans of %s: %w", jail, err)
	}
	return nil
}

func (s *Store) evidence(ctx context.Context, jail string, bare map[string]*event.Ban) error {
	const columns = `SELECT id, start, regex, source, matches, fields FROM ban `
	once := map[string]string{}
	fill := func(rows *sql.Rows) (none struct{}, err error) {
		var b event.Ban
		var start sql.NullInt64
		var matches, fields sql.NullString
		err = rows.Scan(&b.ID, &start, &b.Regex, &b.Source, &matches, &fields)
		to := bare[b.ID]
		if err != nil || to == nil || !fromMicros(start).Equal(to.Start.Truncate(time.Microsecond)) {
			return none, err
		}
		to.Regex, to.Source, to.Bare = common(once, b.Regex), common(once, b.Source), false
		return none, errors.Join(decode(matches, &to.Matches), decode(fields, &to.Fields))
	}
	if len(bare) > evidenceOf {
		_, err := query(ctx, s.db, fill, columns+`WHERE jail=? AND lifted IS NULL`, jail)
		return err
	}
	for id, b := range bare {
		// By its start, not by being in force: a lift may be written down already.
		_, err := query(ctx, s.db, fill, columns+`INDEXED BY ban_of_id WHERE jail=? AND id=? AND start IS ? ORDER BY number DESC LIMIT 1`,
			jail, id, micros(b.Start.Truncate(time.Microsecond)))
		if err != nil {
			return err
		}
	}
	return nil
}

// common holds what many bans have in common once.
func common(once map[string]string, text string) string {
	if kept, ok := once[text]; ok {
		return kept
	}
	once[text] = text
	return text
}
