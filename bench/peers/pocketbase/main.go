// Command pocketbase keeps its books in collections of PocketBase, which is used as a framework: a
// route of its own takes the webhook, and one transaction books it.
package main

import (
	"context"
	"log"
	"net/http"
	"net/url"
	"os"
	"sync"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	"modernc.org/sqlite"

	"hissa/bench/peers/peer"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// run is PocketBase's own start, server and end.
func run() error {
	if _, err := sqlite.Fdatasync(true); err != nil { // as hissa does
		return err
	}
	o, err := peer.ParseFlags()
	if err != nil {
		return err
	}
	key, err := o.Key()
	if err != nil {
		return err
	}
	os.Args = []string{os.Args[0], "serve", "--dir", o.Data, "--http", o.Listen} // PocketBase reads them
	app := pocketbase.NewWithConfig(pocketbase.Config{HideStartBanner: true, DBConnect: connect})
	app.OnServe().BindFunc(func(e *core.ServeEvent) error {
		e.InstallerFunc = nil // no browser is opened to make the first account
		b := &books{app: e.App}
		routes := e.Router.Group("")
		// Requests that went well are not noted in the second database.
		routes.Bind(apis.SkipSuccessActivityLog())
		routes.POST("/webhooks/paytm", apis.WrapStdHandler(peer.Webhook(key, b)))
		routes.POST("/seed", apis.WrapStdHandler(peer.Seed(b))).Bind(apis.BodyLimit(256 << 20))
		routes.GET("/count", apis.WrapStdHandler(peer.Count(b)))
		routes.GET("/ready", func(e *core.RequestEvent) error { return e.NoContent(http.StatusOK) })
		return e.Next()
	})
	return app.Start()
}

// connect opens a database as PocketBase does, but that the journal is synced with every
// commit, and that there is more memory for the indexes.
func connect(path string) (*dbx.DB, error) {
	options := url.Values{"_pragma": {
		"busy_timeout(10000)", // first, so that the others wait
		"journal_mode(WAL)",
		"journal_size_limit(200000000)",
		"synchronous(FULL)", // PocketBase has NORMAL
		"foreign_keys(ON)",
		"temp_store(MEMORY)",
		"cache_size(-65536)", // 64 MiB; PocketBase has half of it
	}}
	return dbx.Open("sqlite", path+"?"+options.Encode())
}

// books does not go through records: their validation and their hooks have nothing to do here.
type books struct {
	app     core.App
	writing sync.Mutex // held for each booking, in turn: database/sql takes any of those who wait
}

// The payment, its commission and its message have one id, which is Paytm's. So no table needs an
// index beyond that of its ids.
const (
	pay = `INSERT INTO payments (id, order_id, amount) VALUES ({:txn}, {:order}, {:amount})
		ON CONFLICT DO NOTHING`
	credit = `INSERT INTO commissions (id, partner, amount)
		SELECT {:txn}, clicks.partner, {:amount} FROM orders JOIN clicks ON clicks.id = orders.click
		WHERE orders.id = {:order}`
	keep = `INSERT INTO messages (id, body) VALUES ({:txn}, {:body})`
)

// Book is one transaction, and so one fsync. PocketBase has one connection that writes, so the first
// of a kind was committed before a duplicate is seen, which writes nothing.
func (b *books) Book(_ context.Context, p peer.Payment) (result peer.Result, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	err = b.app.RunInTransaction(func(tx core.App) error {
		paid, err := execute(tx, pay, dbx.Params{"txn": p.TxnID, "order": p.OrderID, "amount": p.Amount})
		if err != nil {
			return err
		}
		if paid == 0 {
			result = peer.Duplicate
			return nil
		}
		credited, err := execute(tx, credit,
			dbx.Params{"txn": p.TxnID, "order": p.OrderID, "amount": p.Commission})
		if err != nil {
			return err
		}
		result = peer.Credited
		if credited == 0 {
			result = peer.Unattributed
		}
		_, err = execute(tx, keep, dbx.Params{"txn": p.TxnID, "body": string(p.Body)})
		return err
	})
	return result, err
}

// execute runs a statement and says how many rows it has written.
func execute(app core.App, statement string, values dbx.Params) (int64, error) {
	done, err := app.DB().NewQuery(statement).Bind(values).Execute()
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

// Seed is one transaction.
func (b *books) Seed(_ context.Context, bindings []peer.Binding) error {
	return b.app.RunInTransaction(func(tx core.App) error {
		partner := tx.DB().NewQuery(`INSERT INTO partners (code) VALUES ({:code}) ON CONFLICT DO NOTHING`).Prepare()
		defer partner.Close()
		click := tx.DB().NewQuery(`INSERT INTO clicks (id, partner)
			SELECT {:id}, id FROM partners WHERE code = {:code} ON CONFLICT DO NOTHING`).Prepare()
		defer click.Close()
		order := tx.DB().NewQuery(`INSERT INTO orders (id, click) VALUES ({:id}, {:click})
			ON CONFLICT DO NOTHING`).Prepare()
		defer order.Close()
		for _, one := range bindings {
			if _, err := partner.Bind(dbx.Params{"code": one.Partner}).Execute(); err != nil {
				return err
			}
			if _, err := click.Bind(dbx.Params{"id": one.ClickID, "code": one.Partner}).Execute(); err != nil {
				return err
			}
			if _, err := order.Bind(dbx.Params{"id": one.OrderID, "click": one.ClickID}).Execute(); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *books) Count(context.Context) (c peer.Counts, err error) {
	err = b.app.DB().NewQuery(`SELECT (SELECT count(*) FROM payments),
		(SELECT count(*) FROM commissions), (SELECT count(*) FROM messages)`).
		Row(&c.Payments, &c.Commissions, &c.Messages)
	return c, err
}
