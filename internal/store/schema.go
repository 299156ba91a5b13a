package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// applicationID marks the file as gaol's (PRAGMA application_id): "gaol" in ASCII.
const applicationID = 0x67616f6c

// migrations holds one script per schema version; script n leads from version n to n+1. A
// script that was released is never changed: a new one is added behind it.
//
// Times are microseconds since 1970 (nanoseconds would end in 2262, before some ban times do).
// A ban that is in force is the row with lifted NULL; the others are the history.
func migrations() []string {
	return []string{`
CREATE TABLE mark (
	jail TEXT NOT NULL, source TEXT NOT NULL,
	inode INTEGER NOT NULL, hash TEXT NOT NULL, offset INTEGER NOT NULL, cursor TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (jail, source)
) STRICT;
CREATE TABLE tally (
	jail TEXT NOT NULL, id TEXT NOT NULL, kind INTEGER NOT NULL, ip TEXT NOT NULL,
	first INTEGER, last INTEGER, count INTEGER NOT NULL, failures INTEGER NOT NULL,
	regex TEXT NOT NULL, source TEXT NOT NULL, matches TEXT, fields TEXT,
	PRIMARY KEY (jail, id)
) STRICT;
CREATE TABLE ban (
	number INTEGER PRIMARY KEY,
	jail TEXT NOT NULL, id TEXT NOT NULL, kind INTEGER NOT NULL, ip TEXT NOT NULL,
	start INTEGER, "end" INTEGER, renewed INTEGER, failures INTEGER NOT NULL,
	regex TEXT NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL, manual INTEGER NOT NULL,
	matches TEXT, fields TEXT,
	lifted INTEGER, lift_reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX ban_in_force ON ban (jail, id) WHERE lifted IS NULL;
CREATE INDEX ban_of_id ON ban (id, start);
CREATE INDEX ban_lifted ON ban (lifted) WHERE lifted IS NOT NULL;
CREATE TABLE unban (
	jail TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
	PRIMARY KEY (jail, id)
) STRICT;
CREATE TABLE memory (
	jail TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL, at INTEGER NOT NULL,
	PRIMARY KEY (jail, key)
) STRICT;
CREATE TABLE intent (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	jail TEXT NOT NULL, action TEXT NOT NULL, file TEXT NOT NULL, family TEXT NOT NULL, ban TEXT NOT NULL,
	undo TEXT NOT NULL, flush TEXT NOT NULL, print TEXT NOT NULL, boot TEXT NOT NULL, limit_us INTEGER NOT NULL,
	ran INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE VIEW bans_in_force AS
	SELECT jail, id, strftime('%Y-%m-%d %H:%M:%S', start / 1000000, 'unixepoch', 'localtime') AS since,
		ifnull(strftime('%Y-%m-%d %H:%M:%S', "end" / 1000000, 'unixepoch', 'localtime'), 'for ever') AS until,
		failures, regex, source, reason, manual, matches
	FROM ban WHERE lifted IS NULL ORDER BY start;
CREATE VIEW ban_history AS
	SELECT jail, id, strftime('%Y-%m-%d %H:%M:%S', start / 1000000, 'unixepoch', 'localtime') AS since,
		strftime('%Y-%m-%d %H:%M:%S', lifted / 1000000, 'unixepoch', 'localtime') AS lifted,
		lift_reason, failures, regex, source, reason, manual, matches
	FROM ban ORDER BY start;
CREATE VIEW failures AS
	SELECT jail, id, count, strftime('%Y-%m-%d %H:%M:%S', last / 1000000, 'unixepoch', 'localtime') AS last,
		regex, source, matches
	FROM tally ORDER BY last;
CREATE VIEW read_positions AS SELECT jail, source, offset, inode, cursor FROM mark ORDER BY jail, source;
CREATE VIEW unconfirmed_unbans AS SELECT jail, id FROM unban ORDER BY jail, id;
CREATE VIEW action_journal AS
	SELECT number, jail, action, family, ban, ran, undo FROM intent ORDER BY number;
`, `
CREATE TABLE takeover (path TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE VIEW taken_over AS
	SELECT path, strftime('%Y-%m-%d %H:%M:%S', at / 1000000, 'unixepoch', 'localtime') AS at
	FROM takeover ORDER BY at;
`, `
ALTER TABLE ban ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
`, `
CREATE TABLE allow (
	id TEXT PRIMARY KEY, since INTEGER, "end" INTEGER, reason TEXT NOT NULL
) STRICT;
CREATE VIEW allowed AS
	SELECT id, strftime('%Y-%m-%d %H:%M:%S', since / 1000000, 'unixepoch', 'localtime') AS since,
		ifnull(strftime('%Y-%m-%d %H:%M:%S', "end" / 1000000, 'unixepoch', 'localtime'), 'for ever') AS until, reason
	FROM allow ORDER BY since;
`, `
CREATE TABLE fold (
	jail TEXT NOT NULL, prefix TEXT NOT NULL, at INTEGER NOT NULL,
	PRIMARY KEY (jail, prefix)
) STRICT;
`, `
ALTER TABLE ban ADD COLUMN scope TEXT NOT NULL DEFAULT '';
`, `
CREATE INDEX ban_held ON ban (jail, ` + brief + `) WHERE lifted IS NULL;
`}
}

// migrate brings the file to this gaol's schema, all steps in one transaction.
func (s *Store) migrate() error {
	ctx := context.Background() // opening is not given up half way
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	version, err := schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	steps := migrations()
	if version > len(steps) {
		return fmt.Errorf("a newer gaol wrote it (schema %d, this one knows %d): start that version, or move the file away",
			version, len(steps))
	}
	for ; version < len(steps); version++ {
		if _, err := tx.ExecContext(ctx, steps[version]); err != nil {
			return fmt.Errorf("migrate schema %d to %d: %w", version, version+1, err)
		}
	}
	// PRAGMA takes no parameters; both values are ours.
	_, err = tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = %d`, applicationID, version))
	if err != nil {
		return err
	}
	return tx.Commit()
}

// schemaVersion is 0 for an empty file. Another program's database is refused, not filled.
func schemaVersion(ctx context.Context, tx *sql.Tx) (int, error) {
	var application, version, tables int
	err := errors.Join(
		tx.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&application),
		tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version),
		tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&tables))
	if err != nil {
		return 0, err
	}
	if tables > 0 && application != applicationID {
		return 0, errors.New("it is a database of another program: give another file")
	}
	return version, nil
}
