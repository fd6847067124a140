package main

// What the store reads: the facts of one transaction, and the rows behind them. These run on the
// writer's connection inside a batch and on a reader's snapshot alike.

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// transaction is a payment as it stands: derived from the facts, except that its row exists.
type transaction struct {
	ID           int64
	Gateway      string
	MID          string
	TxnID        string
	OrderID      string
	Status       string
	Amount       int64
	Currency     string
	PaidAt       time.Time
	FirstAt      time.Time
	Refunded     int64
	Confirmation string
	Conflict     string
	Customer     string
	Partner      string
	Basis        string
	Value        string
	Why          string
	Abuse        string
}

// scanTransaction reads what every query of transactions selects.
func scanTransaction(scan func(...any) error) (*transaction, error) {
	var t transaction
	var paid, first int64
	err := scan(
		&t.ID, &t.Gateway, &t.MID, &t.TxnID, &t.OrderID, &t.Status, &t.Amount, &t.Currency,
		&paid, &first, &t.Refunded, &t.Confirmation, &t.Conflict, &t.Customer,
		&t.Partner, &t.Basis, &t.Value, &t.Why, &t.Abuse)
	t.PaidAt, t.FirstAt = fromMillis(&paid), fromMillis(&first)
	return &t, err
}

// confirmationAt reads waiting as expired once nothing was known for expiry after
// the first receipt.
func (t transaction) confirmationAt(now time.Time) string {
	if t.Confirmation == waiting && now.Sub(t.FirstAt) >= expiry {
		return expired
	}
	return t.Confirmation
}

// transaction returns the payment with this TXNID, nil when none is known.
func (r rows) transaction(txnID string) (*transaction, error) {
	ts, err := r.transactions(q("transaction"), txnID)
	if len(ts) == 0 || err != nil {
		return nil, err
	}
	return ts[0], nil
}

// transactions reads the payments that one of the queries of transactions selects.
func (r rows) transactions(query string, a ...any) ([]*transaction, error) {
	var ts []*transaction
	err := r.each(query, a, func(scan func(...any) error) error {
		t, err := scanTransaction(scan)
		ts = append(ts, t)
		return err
	})
	return ts, err
}

// transactionIDs reads the TXNIDs that one of the queries of txnids selects.
func (r rows) transactionIDs(query string, a ...any) ([]string, error) {
	var ids []string
	err := r.each(query, a, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// facts gathers what is known about one transaction; txn is nil when it was not seen before, and
// then nothing but messages and bindings can exist.
func (w *writer) facts(txnID string, known []Notification, txn *transaction) (Facts, error) {
	if w.terms.anyTiers() { // they read the totals
		if err := w.moveDays(); err != nil {
			return Facts{}, err
		}
	}
	return w.factsUnder(w.terms, txnID, known, txn)
}

// factsUnder is facts under any terms.
func (r rows) factsUnder(
	t *Terms, txnID string, known []Notification, txn *transaction,
) (Facts, error) {
	f := Facts{TxnID: txnID, Notifications: known}
	var err error
	if txn != nil {
		if err = errors.Join(r.answers(&f), r.decisions(&f), r.due(&f), r.repricing(&f), r.reviews(&f),
			r.payer(&f)); err != nil {
			return f, err
		}
	}
	f.Orders, f.Clicks = map[string]*Order{}, map[string]*Click{}
	for _, n := range f.payments() {
		if _, ok := f.Orders[n.OrderID]; ok {
			continue
		}
		for _, id := range slices.Compact([]string{n.OrderID, withoutTimestamp(n.OrderID)}) {
			o, click, err := r.order(id)
			if err != nil {
				return f, err
			}
			if o != nil {
				f.Orders[id] = o
			}
			if click != nil {
				f.Clicks[click.ID] = click
			}
		}
	}
	return f, r.namedBy(&f, t)
}

// namedBy finds what the facts loaded so far name: clicks, who brought a customer, the customer's payments
// before, and the partner's sales of the month.
func (r rows) namedBy(f *Facts, t *Terms) error {
	if err := r.clicksOf(f); err != nil {
		return err
	}
	if t.anyLifetime() {
		if err := r.broughtOf(f); err != nil {
			return err
		}
	}
	most := t.mostPayments()
	if most == 0 && !t.anyTiers() {
		return nil
	}
	// Whose payment it was, who brought it and when follows from the rest.
	p := decide(*f, t)
	if t.anyTiers() {
		var err error
		day := dayOf(p.PaidAt)
		if f.Sales, err = r.salesOf(p.Partner, monthOf(day), day); err != nil {
			return err
		}
	}
	if most == 0 {
		return nil
	}
	return r.one(q("count-earlier"), args{p.Customer, p.PaidAt.UnixMilli(), f.TxnID, most}, &f.Earlier)
}

// notifications returns the distinct messages about a subject, in order of booking.
func (r rows) notifications(subject string) ([]Notification, error) {
	var ns []Notification
	err := r.each(q("notifications"), args{subject}, func(scan func(...any) error) error {
		n, err := scanNotification(scan)
		ns = append(ns, n)
		return err
	})
	return ns, err
}

// scanNotification reads what every query of notifications selects.
func scanNotification(scan func(...any) error) (n Notification, err error) {
	var at int64
	var paid *int64
	err = scan(
		&n.Seq, &at, &n.Gateway, &n.Identity, &n.Kind, &n.Type, &n.Result, &n.Why, &n.Unusable,
		&n.MID, &n.TxnID, &n.OrderID, &n.Status, &n.Amount, &n.Currency, &paid,
		&n.Reference, &n.POS, &n.Campaign, &n.Customer, &n.Mode, &n.Unknown,
		&n.RefundID, &n.Event, &n.Refund, &n.RefundsSum, &n.DisputeID, &n.Dispute, &n.Disputed)
	n.At, n.PaidAt = fromMillis(&at), fromMillis(paid)
	return n, err
}

func (r rows) answers(f *Facts) error {
	return r.each(q("answers"), args{f.TxnID}, func(scan func(...any) error) error {
		a, err := scanAnswer(scan)
		f.Answers = append(f.Answers, a)
		return err
	})
}

func scanAnswer(scan func(...any) error) (a Answer, err error) {
	var at int64
	var paid *int64
	err = scan(&a.Seq, &at, &a.Asked, &a.Result, &a.TxnID, &a.OrderID, &a.Amount, &paid,
		&a.Reference, &a.POS, &a.Code, &a.Text, &a.Definite)
	a.At, a.PaidAt = fromMillis(&at), fromMillis(paid)
	return a, err
}

func (r rows) decisions(f *Facts) error {
	return r.each(q("decisions"), args{f.TxnID}, func(scan func(...any) error) error {
		d, err := scanDecision(scan)
		f.Decisions = append(f.Decisions, d)
		return err
	})
}

func scanDecision(scan func(...any) error) (d Decision, err error) {
	var at int64
	err = scan(&d.Seq, &at, &d.Agree, &d.Amount, &d.Reason)
	d.At = fromMillis(&at)
	return d, err
}

func (r rows) due(f *Facts) error {
	return r.each(q("due"), args{f.TxnID}, func(scan func(...any) error) error {
		d, err := scanDue(scan)
		f.Due = &d
		return err
	})
}

func (r rows) repricing(f *Facts) error {
	return r.one(q("repricing"), args{f.TxnID}, &f.Repriced)
}

func (r rows) payer(f *Facts) (err error) {
	f.Payer, err = r.transactionIDs(q("payer"), f.TxnID)
	return err
}

func scanDue(scan func(...any) error) (d Due, err error) {
	var at int64
	err = scan(&d.Seq, &at, &d.Partner, &d.Basis, &d.Value, &d.Rate.BPS, &d.Rate.Flat, &d.Program)
	d.At = fromMillis(&at)
	return d, err
}

// order returns the binding in force of exactly this order id, and its click; nil when there is none.
func (r rows) order(id string) (o *Order, c *Click, err error) {
	err = r.each(q("order"), args{id}, func(scan func(...any) error) (err error) {
		o, c, err = scanOrder(scan)
		return err
	})
	return o, c, err
}

// scanOrder reads a binding and its click, nil when that is none that is known.
func scanOrder(scan func(...any) error) (*Order, *Click, error) {
	var o Order
	var c Click
	var at, clicked int64
	err := scan(&o.Seq, &at, &o.ID, &o.ClickID, &o.Promo, &o.Customer, &o.Amount, &o.Marks, &o.Tried,
		&c.Seq, &clicked, &c.Partner, &c.Sub, &c.Counted, &c.Imported)
	o.At = fromMillis(&at)
	if c.Seq == 0 {
		return &o, nil, err
	}
	c.ID, c.At = o.ClickID, fromMillis(&clicked)
	return &o, &c, err
}

// withoutTimestamp cuts what Paytm's WooCommerce and Magento plugins append: the last "_" and
// exactly 14 digits after it.
func withoutTimestamp(id string) string {
	i := strings.LastIndexByte(id, '_')
	if i < 1 || len(id)-i-1 != 14 {
		return id
	}
	for _, c := range id[i+1:] {
		if c < '0' || c > '9' {
			return id
		}
	}
	return id[:i]
}

// transactionsOfOrder finds the payments that a binding of this order concerns: every one that some
// message gives this order, whichever order it is taken to be for now.
func (w *writer) transactionsOfOrder(id string) ([]*transaction, error) {
	known, err := w.rows.transactions(q("transactions-of-order"), id)
	if err != nil || !w.terms.anySuffix() {
		return known, err
	}
	longer, err := w.rows.transactions(q("transactions-of-longer-orders"), id)
	return append(known, longer...), err
}

// clicksOf loads the clicks that the order, or a reference, names.
func (r rows) clicksOf(f *Facts) error {
	var ids []string
	for _, o := range f.Orders {
		ids = append(ids, o.ClickID)
	}
	for _, n := range f.Notifications {
		ids = append(ids, n.Reference, n.POS)
	}
	for _, a := range f.Answers {
		ids = append(ids, a.Reference, a.POS)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if _, loaded := f.Clicks[id]; loaded || id == "" {
			continue
		}
		c, err := r.click(id)
		if err != nil {
			return err
		}
		if c != nil {
			f.Clicks[id] = c
		}
	}
	return nil
}

func (r rows) click(id string) (*Click, error) {
	var c Click
	var at int64
	err := r.one(q("click"), args{id}, &c.Seq, &at, &c.ID, &c.Partner, &c.Sub, &c.Counted, &c.Imported)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	c.At = fromMillis(&at)
	return &c, err
}

// broughtOf finds, for each customer that the facts name, who first brought them: the earliest
// payment, this one left out, that was attributed on another basis than the customer.
func (r rows) broughtOf(f *Facts) error {
	f.Brought = map[string]Brought{}
	var aliases []string
	for _, o := range f.Orders {
		aliases = append(aliases, o.Customer)
	}
	for _, n := range f.Notifications {
		aliases = append(aliases, n.Customer)
	}
	slices.Sort(aliases)
	for _, alias := range slices.Compact(aliases) {
		if alias == "" {
			continue
		}
		var b Brought
		var paid int64
		err := r.one(q("who-brought"), args{alias, f.TxnID}, &b.Partner, &b.TxnID, &paid)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		b.PaidAt = fromMillis(&paid)
		f.Brought[alias] = b
	}
	return nil
}

// commission returns what a transaction earns, nil when nobody does.
func (r rows) commission(id int64) (*Commission, error) {
	var found *Commission
	err := r.commissions(q("commission"), args{id}, func(c Commission) error {
		found = &c
		return nil
	})
	return found, err
}

// commissions reads those that one of the queries of commissions selects.
func (r rows) commissions(query string, a args, row func(Commission) error) error {
	return r.each(query, a, func(scan func(...any) error) error {
		c, err := scanCommission(scan)
		if err != nil {
			return err
		}
		return row(c)
	})
}

func scanCommission(scan func(...any) error) (c Commission, err error) {
	var paid, due int64
	var blocks string
	err = scan(&c.TxnID, &c.Partner, &c.Amount, &c.Reversed, &c.Void, &c.Currency,
		&c.Basis, &c.Rate.BPS, &c.Rate.Flat, &c.Program, &paid, &due, &blocks, &c.Payout)
	c.PaidAt, c.DueAt = fromMillis(&paid), fromMillis(&due)
	c.Blocks = strings.Fields(blocks)
	return c, err
}

// candidates returns everybody who could have brought a transaction, as it was decided.
func (r rows) candidates(id int64) ([]Candidate, error) {
	var cs []Candidate
	err := r.each(q("attributions"), args{id}, func(scan func(...any) error) error {
		c, err := scanCandidate(scan)
		cs = append(cs, c)
		return err
	})
	return cs, err
}

func scanCandidate(scan func(...any) error) (c Candidate, err error) {
	err = scan(&c.Basis, &c.Value, &c.Partner, &c.Verdict, &c.counts)
	return c, err
}

// Backup writes a consistent copy of the database to a new file, readable by its owner only. Nobody is
// signed in to it.
func (s *Store) Backup(ctx context.Context, target string) error {
	f, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// VACUUM INTO takes an empty file for a new one.
	err = execIn(ctx, s.path, "VACUUM INTO ?", target)
	if err == nil {
		err = signNobodyIn(ctx, target)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(target))
	}
	return err
}

// signNobodyIn takes sessions, and links that were not used, out of a copy of the books.
func signNobodyIn(ctx context.Context, path string) error {
	for _, query := range []string{q("void-sessions"), q("void-links")} {
		if err := execIn(ctx, path, query); err != nil {
			return err
		}
	}
	return nil
}

// execIn runs one statement on a connection of its own: the readers' may only query.
func execIn(ctx context.Context, path, query string, a ...any) (err error) {
	c, err := connect(ctx, opening{path: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	defer c.engine.interruptedBy(ctx)()
	return c.exec(query, a)
}

// inspectDatabase looks at a database without changing it.
func inspectDatabase(path string, o StoreOptions) (summary string, err error) {
	if err := prepareFile(path, StoreOptions{}); err != nil {
		return "", err
	}
	direct, err := connect(context.Background(), untouched(path))
	if err != nil {
		return "", unopenable(path, err)
	}
	defer func() { err = errors.Join(err, direct.close()) }()
	w := &writer{store: &Store{path: path}, rows: rows{direct}}
	files, err := schemaFiles.ReadDir("schema")
	if err != nil {
		return "", err
	}
	have, err := w.schemaVersion(len(files))
	if err != nil {
		return "", err
	}
	if err := w.compareClaim(o); err != nil {
		return "", err
	}
	var payments int64
	if err := w.one(q("count-transactions"), nil, &payments); err != nil {
		return "", err
	}
	return fmt.Sprintf("schema %d of %d, %s, %s",
		have, len(files), o.Environment, plural(payments, "payment")), nil
}

// Knows reports whether a message is in the books. Of one that names no transaction it may say no.
func (s *Store) Knows(ctx context.Context, n Notification) (known bool, err error) {
	err = s.read(ctx, func(r rows) error {
		list, err := r.notifications(n.subject())
		known = slices.ContainsFunc(list, func(k Notification) bool {
			return string(k.Identity) == string(n.Identity)
		})
		return err
	})
	return known, err
}
