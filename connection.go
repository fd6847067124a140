package main

// Connections to SQLite: the writer's, and those for reading. They speak to the driver itself: database/sql
// between the two, with a pool for one connection and a lock for one goroutine, took an eighth of the writer's
// time, and had every page prepare its statements anew.

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"

	"modernc.org/sqlite"
)

// connection is one connection of the driver, for one goroutine. Every statement is prepared once, and runs
// once at a time.
type connection struct {
	ctx    context.Context
	driver driver.Conn
	stmts  map[string]statement
	args   []driver.NamedValue // of the statement that runs
}

// statement is what the driver prepares.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// connect opens a connection. What it is asked ends with ctx.
func connect(ctx context.Context, dsn string) (*connection, error) {
	c, err := new(sqlite.Driver).Open(dsn)
	if err != nil {
		return nil, err
	}
	return &connection{ctx: ctx, driver: c, stmts: map[string]statement{}}, nil
}

// close lets go of the statements first: with one of them open SQLite would leave its journal behind.
func (c *connection) close() error { return errors.Join(c.forget(), c.driver.Close()) }

// forget lets go of the statements.
func (c *connection) forget() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	clear(c.stmts)
	return errors.Join(errs...)
}

// script runs several statements, which are not kept.
func (c *connection) script(text string) error {
	_, err := c.driver.(driver.ExecerContext).ExecContext(c.ctx, text, nil)
	return err
}

func (c *connection) stmt(query string) (statement, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	prepared, err := c.driver.Prepare(query)
	if err != nil {
		return nil, err
	}
	s, ok := prepared.(statement)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver prepares %T, not what it used to", prepared), prepared.Close())
	}
	c.stmts[query] = s
	return s, nil
}

// bind turns arguments into what the driver takes.
func (c *connection) bind(a []any) (bound []driver.NamedValue, err error) {
	c.args = c.args[:0]
	for i, v := range a {
		switch n := v.(type) {
		case nil, int64, string, []byte, bool:
		case int:
			v = int64(n)
		default:
			if v, err = driver.DefaultParameterConverter.ConvertValue(v); err != nil {
				return nil, err
			}
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return c.args, nil
}

func (c *connection) exec(query string, a []any) error {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	bound, err := c.bind(a)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(c.ctx, bound)
	return err
}

// answer is what a query finds, row by row.
type answer struct {
	ctx    context.Context
	found  driver.Rows
	values []driver.Value // of the row
}

func (c *connection) query(query string, a []any) (*answer, error) {
	s, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	bound, err := c.bind(a)
	if err != nil {
		return nil, err
	}
	found, err := s.QueryContext(c.ctx, bound)
	if err != nil {
		return nil, err
	}
	return &answer{c.ctx, found, make([]driver.Value, len(found.Columns()))}, nil
}

// next goes on to the next row; false when there is none.
func (a *answer) next() (bool, error) {
	if err := a.ctx.Err(); err != nil {
		return false, err
	}
	err := a.found.Next(a.values)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

func (a *answer) scan(into ...any) error { return assign(into, a.values) }

func (a *answer) close() error { return a.found.Close() }

// each calls row for every row of the answer; row scans it.
func (c *connection) each(query string, args []any, row func(scan func(...any) error) error) (err error) {
	a, err := c.query(query, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	for {
		if more, err := a.next(); err != nil || !more {
			return err
		}
		if err := row(a.scan); err != nil {
			return err
		}
	}
}

// one reads a single row; sql.ErrNoRows when there is none.
func (c *connection) one(query string, a []any, into []any) error {
	var found bool
	err := c.each(query, a, func(scan func(...any) error) error {
		if found {
			return nil
		}
		found = true
		return scan(into...)
	})
	if err == nil && !found {
		return sql.ErrNoRows
	}
	return err
}

// assign is what database/sql does with a row, for the types that the schema has.
func assign(into []any, values []driver.Value) error {
	if len(into) != len(values) {
		return fmt.Errorf("a row has %d columns, %d are read", len(values), len(into))
	}
	for i, v := range values {
		if !assignOne(into[i], v) {
			return fmt.Errorf("column %d holds %T, which a %T can't", i+1, v, into[i])
		}
	}
	return nil
}

func assignOne(into any, value driver.Value) (ok bool) {
	switch into := into.(type) {
	case *int64:
		*into, ok = value.(int64)
	case *int:
		var n int64
		n, ok = value.(int64)
		*into = int(n)
	case *bool:
		var n int64
		n, ok = value.(int64)
		*into = n != 0
	case *string:
		*into, ok = value.(string)
	case *[]byte:
		*into, ok = value.([]byte)
		ok = ok || value == nil
	case **int64:
		*into = nil
		if n, isInt := value.(int64); isInt {
			*into = &n
		}
		ok = *into != nil || value == nil
	}
	return ok
}

// readers are the connections for reading: those of look, which are held for microseconds, and those for whole
// pages and reports, which look never waits for.
type readers struct{ looks, snapshots *pool }

func openReaders(dsn string, most int) readers { return readers{newPool(dsn, 2), newPool(dsn, most)} }

func (r readers) Close() error { return errors.Join(r.looks.close(), r.snapshots.close()) }

// look asks for a single row of the database as it stands. A question of a few microseconds is not worth
// giving up.
func (r readers) look(query string, a args, into ...any) error {
	return r.looks.with(context.Background(), func(c *connection) error { return c.one(query, a, into) })
}

// snapshot runs do on one consistent snapshot of the database.
func (r readers) snapshot(ctx context.Context, do func(rows) error) error {
	return r.snapshots.with(ctx, func(c *connection) (err error) {
		// A reader who gives up between BEGIN and ROLLBACK must not leave the connection in a
		// transaction: it would answer nobody any more, and hold the journal.
		whole := context.WithoutCancel(ctx)
		c.ctx = whole
		if err := c.exec("BEGIN", nil); err != nil {
			return errors.Join(err, errUnusable)
		}
		defer func() {
			c.ctx = whole
			if end := c.exec("ROLLBACK", nil); end != nil {
				err = errors.Join(err, end, errUnusable)
			}
		}()
		c.ctx = ctx
		return do(rows{direct: c})
	})
}

// errUnusable says that a connection can't be used again.
var errUnusable = errors.New("the connection is given up")

// pool is a number of connections, each opened when it is first needed. The one used last is used first, so a
// quiet shop has only one with a cache of its own. They keep their statements.
type pool struct {
	dsn   string
	turns chan struct{} // one in it for each connection that is in use

	mu     sync.Mutex
	idle   []*connection
	closed bool
}

func newPool(dsn string, most int) *pool { return &pool{dsn: dsn, turns: make(chan struct{}, most)} }

// with waits for a connection, until ctx ends.
func (p *pool) with(ctx context.Context, do func(*connection) error) (err error) {
	select {
	case p.turns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.turns }()
	c, err := p.take()
	if err != nil {
		return err
	}
	usable := false // not after a panic
	defer func() { err = errors.Join(err, p.give(c, usable)) }()
	err = do(c)
	usable = !errors.Is(err, errUnusable)
	return err
}

func (p *pool) take() (*connection, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	last := len(p.idle) - 1
	if last < 0 {
		return connect(context.Background(), p.dsn)
	}
	c := p.idle[last]
	p.idle = p.idle[:last]
	return c, nil
}

func (p *pool) give(c *connection, usable bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !usable {
		return c.close()
	}
	p.idle = append(p.idle, c)
	return nil
}

// close closes what is idle now, and the others when they come back.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, c := range p.idle {
		errs = append(errs, c.close())
	}
	p.idle, p.closed = nil, true
	return errors.Join(errs...)
}
