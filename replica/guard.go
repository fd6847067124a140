package replica

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
)

// guard keeps the journal from starting anew while Litestream takes its first state.
//
// SQLite lets the next writer start the journal anew, over the frames that are in it, once all of them
// are in the database file and no reader needs them. A read transaction that begins at such a moment
// needs none, and Litestream's is no exception: yet it reads its first state out of those very frames,
// and what a writer puts over them meanwhile becomes a part of it (v0.5.18, DB.sync and
// DB.writeLTXFromDB). A copy that was begun so can't be restored.
type guard struct {
	db    *sql.DB
	write *sql.Conn
	read  *sql.Conn // a reader that needs frames: as long as it is there, the journal goes on
}

// guardJournal returns when the journal can't start anew any more.
func guardJournal(ctx context.Context, database string) (*guard, error) {
	source := url.URL{Scheme: "file", OmitHost: true, Path: database, RawQuery: url.Values{
		"_pragma": {"busy_timeout(5000)", "wal_autocheckpoint(0)"},
	}.Encode()}
	db, err := sql.Open("sqlite", source.String())
	if err != nil {
		return nil, err
	}
	g := &guard{db: db}
	if err := g.hold(ctx); err != nil {
		return nil, errors.Join(
			fmt.Errorf("the journal can't be kept from starting anew: %w", err), g.close())
	}
	return g, nil
}

// hold begins the reader. While any reader is there, what is written now stays out of the database file;
// so the reader that begins after it needs it.
func (g *guard) hold(ctx context.Context) (err error) {
	if g.write, err = g.db.Conn(ctx); err != nil {
		return err
	}
	before, err := g.reader(ctx)
	if before != nil {
		defer func() { err = errors.Join(err, end(ctx, before)) }()
	}
	if err != nil {
		return err
	}
	if err := g.touch(ctx); err != nil {
		return err
	}
	g.read, err = g.reader(ctx)
	return err
}

// release lets go, once Litestream's own reader holds a journal with a frame that is not in the database
// file: such a journal can't start anew either.
func (g *guard) release(ctx context.Context) error {
	return errors.Join(g.touch(ctx), g.close())
}

func (g *guard) close() (err error) {
	if g.read != nil {
		err = end(context.Background(), g.read)
	}
	if g.write != nil {
		err = errors.Join(err, g.write.Close())
	}
	return errors.Join(err, g.db.Close())
}

func (g *guard) reader(ctx context.Context) (*sql.Conn, error) {
	c, err := g.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var tables int
	if _, err = c.ExecContext(ctx, "BEGIN"); err == nil {
		err = c.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables)
	}
	return c, err
}

func end(ctx context.Context, reader *sql.Conn) error {
	_, err := reader.ExecContext(ctx, "ROLLBACK")
	return errors.Join(err, reader.Close())
}

// touch writes a frame that changes nothing.
func (g *guard) touch(ctx context.Context) (err error) {
	if _, err := g.write.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	var version int
	if err = g.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err == nil {
		_, err = g.write.ExecContext(ctx, fmt.Sprint("PRAGMA user_version = ", version))
	}
	if err != nil {
		_, undo := g.write.ExecContext(ctx, "ROLLBACK")
		return errors.Join(err, undo)
	}
	_, err = g.write.ExecContext(ctx, "COMMIT")
	return err
}
