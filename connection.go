package main

// Connections to SQLite: the writer's, and those for reading. They keep the statements that they have
// prepared. What a connection says to SQLite, sqlite.go says for it.

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// connection is one connection, for one goroutine at a time. Every statement is prepared once.
type connection struct {
	ctx    context.Context
	engine *engine
	stmts  map[string]*statement
}

// connect opens a connection. Before each row of an answer it looks whether ctx has ended.
func connect(ctx context.Context, o opening) (*connection, error) {
	e, err := o.engine()
	if err != nil {
		return nil, err
	}
	return &connection{ctx: ctx, engine: e, stmts: map[string]*statement{}}, nil
}

// close lets go of the statements first: with one of them open SQLite would leave its journal behind.
func (c *connection) close() error {
	for _, s := range c.stmts {
		s.close()
	}
	clear(c.stmts)
	return c.engine.close()
}

// script runs several statements, which are not kept.
func (c *connection) script(text string) error { return c.engine.script(text) }

func (c *connection) stmt(query string) (*statement, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.engine.prepare(query)
	if err != nil {
		return nil, cmp.Or(c.ctx.Err(), err) // which interrupted it
	}
	c.stmts[query] = s
	return s, nil
}

func (c *connection) exec(query string, a []any) (err error) {
	found, err := c.query(query, a)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, found.close()) }()
	for {
		if more, err := found.next(); err != nil || !more {
			return err
		}
	}
}

// answer is what a query finds, row by row.
type answer struct {
	ctx context.Context
	*statement
}

// query begins with a statement, which answers nothing else until the answer is closed.
func (c *connection) query(query string, a []any) (answer, error) {
	s, err := c.stmt(query)
	if err != nil {
		return answer{}, err
	}
	return answer{c.ctx, s}, s.start(a)
}

// next goes on to the next row; false when there is none.
func (a answer) next() (bool, error) {
	if err := a.ctx.Err(); err != nil {
		return false, err
	}
	more, err := a.step()
	if err != nil {
		err = cmp.Or(a.ctx.Err(), err) // which interrupted it
	}
	return more, err
}

func (a answer) scan(into ...any) error {
	if len(into) != a.columns {
		return fmt.Errorf("a row has %d columns, %d are read", a.columns, len(into))
	}
	for i, to := range into {
		if !a.copyTo(i, to) {
			return fmt.Errorf("column %d holds %T, which a %T can't", i+1, a.value(i), to)
		}
	}
	return nil
}

func (a answer) close() error { return a.reset() }

// each calls row for every row of the answer; row scans it.
func (c *connection) each(query string, args []any, row func(scan func(...any) error) error) (err error) {
	a, err := c.query(query, args)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, a.close()) }()
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
func (c *connection) one(query string, args []any, into []any) (err error) {
	a, err := c.query(query, args)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, a.close()) }()
	more, err := a.next()
	if err == nil && !more {
		err = sql.ErrNoRows
	}
	if err != nil {
		return err
	}
	return a.scan(into...)
}

// readers are the connections for reading: those of look, which are held for microseconds, and those for whole
// pages and reports, which look never waits for.
type readers struct{ looks, snapshots *pool }

func openReaders(o opening, most int) readers { return readers{newPool(o, 2), newPool(o, most)} }

func (r readers) Close() error { return errors.Join(r.looks.close(), r.snapshots.close()) }

// look asks for a single row of the database as it stands. A question of a few microseconds is not worth
// giving up.
func (r readers) look(query string, a args, into ...any) error {
	return r.looks.with(context.Background(), func(c *connection) error { return c.one(query, a, into) })
}

// snapshot runs do on one consistent snapshot of the database.
func (r readers) snapshot(ctx context.Context, do func(rows) error) error {
	return r.snapshots.with(ctx, func(c *connection) error {
		return c.transaction(ctx, func() error { return do(rows{direct: c}) })
	})
}

// transaction runs do, which reads, in a transaction. A reader who gives up between BEGIN and ROLLBACK must not
// leave the connection in it: it would answer nobody any more, and hold the journal.
func (c *connection) transaction(ctx context.Context, do func() error) (err error) {
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
	defer c.engine.interruptedBy(ctx)()
	return do()
}

// together runs do on n connections that see one and the same state of the database, or on as many as there
// are.
func (r readers) together(ctx context.Context, n int, do func([]rows) error) error {
	p := r.snapshots
	n = min(n, cap(p.turns))
	// Two who wait for several connections, each with some of them, would wait for ever.
	p.several.Lock()
	taken := sync.OnceFunc(p.several.Unlock)
	defer taken()
	var all []rows
	var take func() error
	take = func() error {
		if len(all) < n {
			return r.snapshot(ctx, func(one rows) error {
				all = append(all, one)
				return take()
			})
		}
		taken()
		if err := seeTheSame(ctx, all); err != nil {
			return err
		}
		return do(all)
	}
	return take()
}

// seeTheSame makes transactions in which nothing was read see the state that the first of them sees.
func seeTheSame(ctx context.Context, all []rows) error {
	for tries := 0; ; tries++ {
		err := trySeeTheSame(all)
		code := sqliteCode(err)
		meanwhile := errors.Is(err, errMoved) || code == codePast || code&0xff == codeBusy
		if !meanwhile || tries == 1000 {
			return err
		}
		// Somebody wrote, or is carrying the journal home, or has begun it anew, which takes milliseconds.
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		for _, one := range all {
			if err := cmp.Or(one.direct.exec("ROLLBACK", nil), one.direct.exec("BEGIN", nil)); err != nil {
				return err
			}
		}
	}
}

// errMoved says that not all see the same.
var errMoved = errors.New("the database has changed meanwhile")

func trySeeTheSame(all []rows) error {
	for _, one := range all { // from its first look on a transaction sees one state
		var id int
		if err := one.one("PRAGMA application_id", nil, &id); err != nil {
			return err
		}
	}
	first, last := all[0].direct.engine, all[len(all)-1].direct.engine
	snapshot, err := first.sees()
	if errors.Is(err, errNoSnapshot) {
		// All see the file, unless the last has come after somebody wrote.
		snapshot, err := last.sees()
		switch {
		case errors.Is(err, errNoSnapshot):
			return nil
		case err == nil:
			last.freeSnapshot(snapshot)
			return errMoved
		}
		return err
	}
	if err != nil {
		return err
	}
	defer first.freeSnapshot(snapshot)
	for _, one := range all[1:] {
		if err := one.direct.engine.see(snapshot); err != nil {
			return err
		}
	}
	return nil
}

// errUnusable says that a connection can't be used again.
var errUnusable = errors.New("the connection is given up")

// pool is a number of connections, each opened when it is first needed. The one used last is used first, so a
// quiet shop has only one with a cache of its own. They keep their statements.
type pool struct {
	opening opening
	turns   chan struct{} // one in it for each connection that is in use
	several sync.Mutex    // held by who takes more than one

	mu     sync.Mutex
	idle   []*connection
	closed bool
}

func newPool(o opening, most int) *pool { return &pool{opening: o, turns: make(chan struct{}, most)} }

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
		return connect(context.Background(), p.opening)
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
