// Package sqlite opens the databases of the peers that keep their books in SQLite.
package sqlite

import (
	"database/sql"
	"fmt"
	"net/url"

	"modernc.org/sqlite" // the driver, in the version that Hissa uses
)

// As hissa does: without it the driver syncs with fsync, which also waits for the time of the last write.
func init() { _, _ = sqlite.Fdatasync(true) }

// Open opens a database, makes it if need be, and runs the schema. There is one connection: SQLite
// has one writer at a time, and a second connection would poll for the lock. database/sql gives the
// connection to any of those who wait for it, so writers do better to wait for a mutex, in turn.
func Open(path, schema string) (*sql.DB, error) {
	options := url.Values{
		"_pragma": {
			"journal_mode(WAL)",
			"synchronous(FULL)", // the journal is synced with every commit
			"busy_timeout(5000)",
			"cache_size(-65536)", // 64 MiB, for the indexes
			"temp_store(MEMORY)",
		},
		"_txlock": {"immediate"}, // a transaction writes, so it takes the lock at once
	}
	file := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(),
		RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", file.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("%s can't be opened: %w: give -data a folder that can be written",
			path, err)
	}
	return db, nil
}
