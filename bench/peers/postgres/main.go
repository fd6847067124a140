// Command postgres keeps its books in PostgreSQL, which it starts for itself. A webhook is one statement,
// and so one transaction and one journey.
package main

import (
	"context"
	_ "embed"
	"errors"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hissa/bench/peers/peer"
)

// connections is the size of the pool. Where a sync is quick, half as many do as well; where it is slow,
// these share it.
const connections = 64

//go:embed schema.sql
var schema string

func main() {
	peer.Main(func(o peer.Options) (peer.Service, error) {
		key, err := o.Key()
		if err != nil {
			return nil, err
		}
		c, err := startCluster(o.Data)
		if err != nil {
			return nil, err
		}
		b := &books{cluster: c}
		if b.pool, err = openPool(c.socket); err != nil {
			return nil, errors.Join(err, c.stop())
		}
		b.Handler = peer.Routes(b, peer.Webhook(key, b))
		return b, nil
	})
}

func openPool(socket string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig("user=postgres dbname=postgres host=" + socket)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = connections, connections
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(context.Background(), schema); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// books are safe for concurrent use, as the pool is.
type books struct {
	http.Handler

	pool    *pgxpool.Pool
	cluster *cluster
}

func (b *books) Close() error {
	b.pool.Close()
	return b.cluster.stop()
}

// bookPayment does all there is to a webhook. For a duplicate paid is empty, and then nothing is written.
const bookPayment = `
WITH paid AS (
	INSERT INTO payments (txn_id, order_id, amount) VALUES ($1, $2, $3)
	ON CONFLICT (txn_id) DO NOTHING
	RETURNING id
), credited AS (
	INSERT INTO commissions (payment_id, partner_id, amount)
	SELECT paid.id, clicks.partner_id, $4
	FROM paid, orders JOIN clicks ON clicks.id = orders.click_id
	WHERE orders.id = $2
	RETURNING payment_id
), kept AS (
	INSERT INTO messages (payment_id, body) SELECT id, $5 FROM paid
)
SELECT (SELECT count(*) FROM paid), (SELECT count(*) FROM credited)`

func (b *books) Book(ctx context.Context, p peer.Payment) (peer.Result, error) {
	var paid, credited int
	err := b.pool.QueryRow(ctx, bookPayment, p.TxnID, p.OrderID, p.Amount, p.Commission, p.Body).
		Scan(&paid, &credited)
	switch {
	case err != nil:
		return "", err
	case paid == 0:
		return peer.Duplicate, nil
	case credited == 0:
		return peer.Unattributed, nil
	}
	return peer.Credited, nil
}

// Seed is one transaction. It tells the planner what is in the tables, which autovacuum would do at some
// later time.
func (b *books) Seed(ctx context.Context, bindings []peer.Binding) error {
	return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		partners, err := seedPartners(ctx, tx, bindings)
		if err != nil {
			return err
		}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"clicks"}, []string{"id", "partner_id"},
			pgx.CopyFromSlice(len(bindings), func(i int) ([]any, error) {
				return []any{bindings[i].ClickID, partners[bindings[i].Partner]}, nil
			}))
		if err != nil {
			return err
		}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"orders"}, []string{"id", "click_id"},
			pgx.CopyFromSlice(len(bindings), func(i int) ([]any, error) {
				return []any{bindings[i].OrderID, bindings[i].ClickID}, nil
			}))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `ANALYZE partners, clicks, orders`)
		return err
	})
}

// seedPartners returns the ids of the partners by their codes.
func seedPartners(ctx context.Context, tx pgx.Tx, bindings []peer.Binding) (map[string]int32, error) {
	ids := map[string]int32{}
	for _, one := range bindings {
		if _, ok := ids[one.Partner]; ok {
			continue
		}
		var id int32
		err := tx.QueryRow(ctx, `INSERT INTO partners (code) VALUES ($1)
			ON CONFLICT (code) DO UPDATE SET code = excluded.code RETURNING id`, one.Partner).Scan(&id)
		if err != nil {
			return nil, err
		}
		ids[one.Partner] = id
	}
	return ids, nil
}

func (b *books) Count(ctx context.Context) (c peer.Counts, err error) {
	err = b.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM payments),
		(SELECT count(*) FROM commissions), (SELECT count(*) FROM messages)`).
		Scan(&c.Payments, &c.Commissions, &c.Messages)
	return c, err
}
