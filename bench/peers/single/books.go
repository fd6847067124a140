package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"net/http"
	"sync"

	"hissa/bench/peers/peer"
	"hissa/bench/peers/sqlite"
)

//go:embed schema.sql
var schema string

// books has its statements prepared once, for the one connection there is.
type books struct {
	http.Handler

	writing sync.Mutex // held for each transaction

	db                    *sql.DB
	pay, credit, keep     *sql.Stmt
	partner, click, order *sql.Stmt
}

func openBooks(path string) (*books, error) {
	db, err := sqlite.Open(path, schema)
	if err != nil {
		return nil, err
	}
	b := &books{db: db}
	for _, s := range []struct {
		into **sql.Stmt
		text string
	}{
		{&b.pay, `INSERT INTO payments (txn_id, order_id, amount) VALUES (?, ?, ?)
			ON CONFLICT DO NOTHING`},
		{&b.credit, `INSERT INTO commissions (payment_id, partner_id, amount)
			SELECT ?, clicks.partner_id, ? FROM orders JOIN clicks ON clicks.id = orders.click_id
			WHERE orders.id = ?`},
		{&b.keep, `INSERT INTO messages (payment_id, body) VALUES (?, ?)`},
		{&b.partner, `INSERT INTO partners (code) VALUES (?) ON CONFLICT DO NOTHING`},
		{&b.click, `INSERT INTO clicks (id, partner_id)
			SELECT ?, id FROM partners WHERE code = ? ON CONFLICT DO NOTHING`},
		{&b.order, `INSERT INTO orders (id, click_id) VALUES (?, ?) ON CONFLICT DO NOTHING`},
	} {
		if *s.into, err = db.Prepare(s.text); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return b, nil
}

func (b *books) Close() error { return b.db.Close() }

// Book is one transaction, and so one fsync. A duplicate writes nothing; the first of its kind was
// committed before, because there is only one connection.
func (b *books) Book(ctx context.Context, p peer.Payment) (peer.Result, error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer tx.Rollback()
	paid, err := tx.StmtContext(ctx, b.pay).ExecContext(ctx, p.TxnID, p.OrderID, p.Amount)
	if err != nil {
		return "", err
	}
	if n, err := paid.RowsAffected(); err != nil || n == 0 {
		return peer.Duplicate, err
	}
	id, err := paid.LastInsertId()
	if err != nil {
		return "", err
	}
	credit, err := tx.StmtContext(ctx, b.credit).ExecContext(ctx, id, p.Commission, p.OrderID)
	if err != nil {
		return "", err
	}
	if _, err := tx.StmtContext(ctx, b.keep).ExecContext(ctx, id, p.Body); err != nil {
		return "", err
	}
	if err := tx.Commit(); err != nil {
		return "", err
	}
	if n, err := credit.RowsAffected(); err != nil || n == 0 {
		return peer.Unattributed, err
	}
	return peer.Credited, nil
}

// Seed is one transaction.
func (b *books) Seed(ctx context.Context, bindings []peer.Binding) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	partner, click := tx.StmtContext(ctx, b.partner), tx.StmtContext(ctx, b.click)
	order := tx.StmtContext(ctx, b.order)
	for _, one := range bindings {
		if _, err := partner.Exec(one.Partner); err != nil {
			return err
		}
		if _, err := click.Exec(one.ClickID, one.Partner); err != nil {
			return err
		}
		if _, err := order.Exec(one.OrderID, one.ClickID); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (b *books) Count(ctx context.Context) (c peer.Counts, err error) {
	err = b.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM payments),
		(SELECT count(*) FROM commissions), (SELECT count(*) FROM messages)`).
		Scan(&c.Payments, &c.Commissions, &c.Messages)
	return c, err
}
