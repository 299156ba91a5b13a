// Package store keeps what must survive a kill -9 in one SQLite file: read positions, failure
// tallies, bans and their history, unbans that the kernel has not confirmed, filter memory and
// the undo journal of action.d commands. It decides nothing.
//
// Durability: the file is in WAL mode with synchronous=NORMAL. A commit is a write(2) into the
// log, so an acknowledged commit survives the death of the process at any moment. It is not an
// fsync: a power loss can take back the commits since the last Sync (or, at the latest, since
// the kernel wrote the pages back, 30 s by default; proc(5) dirty_expire_centisecs). What it
// takes back it takes back whole and in order, positions included, so the log lines behind them
// are read again and lead to the same bans; and the kernel's rules are gone with the power too.
// FULL would cost an fsync for every batch of log lines and protect no more than that.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Store is an open state file. Its methods may be called from several goroutines.
type Store struct {
	db      *sql.DB
	lock    *os.File
	path    string
	notices []string
}

// Open opens the state file at path, making it (mode 0600) and its directory (mode 0700) where
// they are missing. It fails when another process holds it, when it belongs to another user,
// when it cannot be written, or when a newer gaol wrote it. A damaged file is moved aside and a
// fresh one begun: see Notices.
func Open(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	if err := prepareDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := acquire(path)
	if err != nil {
		return nil, err
	}
	s := &Store{lock: lock, path: path}
	err = s.open()
	if isCorrupt(err) {
		err = s.startFresh(err)
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("open state %s: %w", path, err)
	}
	return s, nil
}

// Notices says what the user must hear about the opening: a damaged file that was moved aside,
// and where to. Empty when all went well.
func (s *Store) Notices() []string { return s.notices }

// Close writes the log back into the file and lets go of it.
func (s *Store) Close() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
		s.db = nil
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	return err
}

// Sync makes all commits so far survive a power loss too (fsync). It is meant for once a minute
// and behind what no log line would bring back, such as a ban by hand.
func (s *Store) Sync(ctx context.Context) error {
	if _, err := s.db.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`); err != nil {
		return fmt.Errorf("sync state %s: %w", s.path, err)
	}
	return nil
}

func (s *Store) open() error {
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	// SQLite gives its -wal and -shm the mode of the main file.
	err = errors.Join(f.Chmod(0o600), f.Close())
	if err != nil {
		return err
	}
	if err := checkOwner(s.path); err != nil {
		return err
	}
	connector, err := sqlite.NewConnector(dsn(s.path))
	if err != nil {
		return err
	}
	s.db = sql.OpenDB(connector)
	// One connection: commits queue here instead of meeting SQLITE_BUSY.
	s.db.SetMaxOpenConns(1)
	if err := s.check(); err != nil {
		return err
	}
	return s.migrate()
}

// dsn names the file and what every connection sets. secure_delete overwrites what Purge
// removes: log lines hold passwords typed as names, and free pages would keep them readable.
func dsn(path string) string {
	query := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "secure_delete(ON)",
	}}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// check reads the whole file once: damage is found now and not at the first ban that needs it.
func (s *Store) check() error {
	var verdict string
	if err := s.db.QueryRowContext(context.Background(), `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return &damage{verdict}
	}
	return nil
}

// damage is what quick_check found; the statement itself succeeds.
type damage struct{ verdict string }

func (d *damage) Error() string { return "database is damaged: " + d.verdict }

func isCorrupt(err error) bool {
	var found *damage
	if errors.As(err, &found) {
		return true
	}
	var code *sqlite.Error
	if !errors.As(err, &code) {
		return false
	}
	primary := code.Code() & 0xff
	return primary == sqlite3.SQLITE_CORRUPT || primary == sqlite3.SQLITE_NOTADB
}

// startFresh moves the damaged file and its log aside, where they can be looked at, and opens
// an empty one.
func (s *Store) startFresh(cause error) error {
	if s.db != nil {
		_ = s.db.Close()
		s.db = nil
	}
	aside := s.path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		err := os.Rename(s.path+suffix, aside+suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("move damaged state aside (%w): %w", cause, err)
		}
	}
	s.notices = append(s.notices, fmt.Sprintf(
		"state %s was damaged (%v): moved to %s and started empty; bans still in the kernel are kept, earlier failures and read positions are not known",
		s.path, cause, aside))
	return s.open()
}
