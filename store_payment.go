package main

// The store's acts on payments: a message, an answer, a person's word, a binding, a click. Each is
// one savepoint: the fact goes in, the position is worked out afresh, and the difference between
// what the position says and what is booked becomes ledger entries.

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	errNoProgram  = errors.New("the database has no terms yet, under which nothing can be decided")
	errNotFound   = errors.New("not found")
	errOrderTaken = errors.New("a success for this order is stored: its binding stays")
)

// Receive books a genuine message and answers with its result. subscription is the
// gateway's own id of the customer's subscription, "" when the message names none; it
// is kept apart from the facts. When Receive returns without an error, message,
// decision and ledger entries are on the disk.
func (s *Store) Receive(
	ctx context.Context, n Notification, subscription string, body []byte,
) (string, error) {
	return s.receiveWith(ctx, n, subscription, body, func(*tx, Notification) error { return nil })
}

// receiveWith does something more in the same transaction.
func (s *Store) receiveWith(
	ctx context.Context, n Notification, subscription string, body []byte,
	more func(*tx, Notification) error,
) (string, error) {
	var result string
	err := s.write(ctx, s.payments, func(t *tx) (err error) {
		n.At = t.now
		if n.Customer, err = t.alias("subscription", subscription); err != nil {
			return err
		}
		if n.marks, err = t.ofPartners(n.Payer); err != nil {
			return err
		}
		if result, err = t.receive(n, body); err != nil {
			return err
		}
		return more(t, n)
	})
	if err != nil {
		return "", err // result is still the writer's, if the sender did not wait
	}
	return result, nil
}

func (t *tx) receive(n Notification, body []byte) (string, error) {
	if len(t.terms.programs) == 0 {
		return "", errNoProgram
	}
	subject := n.subject()
	known, err := t.notificationsIfAny(subject)
	if err != nil {
		return "", err
	}
	repeat := slices.IndexFunc(known, func(k Notification) bool {
		return string(k.Identity) == string(n.Identity)
	})
	if repeat >= 0 {
		return again(known[repeat]), t.countDelivery(known[repeat].Seq)
	}
	var txn *transaction
	if len(known) > 0 { // a payment begins with a message
		if txn, err = t.transaction(n.TxnID); err != nil {
			return "", err
		}
	}
	if n.Kind == "other" || n.Unusable != "" || n.TxnID == "" ||
		txn == nil && n.Kind != "payment" {
		// About no payment that is known: kept, and found again when the payment comes.
		n.Result = judge(n, Facts{Notifications: known}, Position{})
		return n.Result, t.bookNotification(n, subject, body, false)
	}
	if err := t.fixIfDue(txn); err != nil {
		return "", err
	}
	after, err := t.facts(n.TxnID, append(slices.Clip(known), n.at(t.head.seq+1)), txn)
	if err != nil {
		return "", err
	}
	before := after
	before.Notifications = known
	marks := slices.DeleteFunc(n.marks, func(m Mark) bool { return slices.Contains(after.Payer, m.Hash) })
	for _, m := range marks {
		after.Payer = append(after.Payer, m.Hash)
	}
	position := decide(after, t.terms)
	n.Result = judge(n, before, position)
	if err := t.bookNotification(n, subject, body, txn == nil); err != nil {
		return "", err
	}
	t.opened = t.head.seq
	for _, m := range marks {
		if _, err := t.book("marks", t.now, "", 0, n.TxnID, m.Kind, m.Hash); err != nil {
			return "", err
		}
	}
	now, err := t.settle(n.TxnID, txn, position)
	if err != nil || txn == nil && position.Confirmation == off {
		return n.Result, err
	}
	return n.Result, t.askAtOnce(now, position)
}

// notificationsIfAny are the messages about a subject that came before. Mostly there are none: asking that
// alone is cheaper than asking for thirty columns.
func (w *writer) notificationsIfAny(subject string) ([]Notification, error) {
	var any bool
	if err := w.one(q("any-notification"), args{subject, w.store.mid}, &any); err != nil || !any {
		return nil, err
	}
	return w.notifications(subject)
}

// ofPartners are those marks of a person that some partner has too. Of others nothing is kept.
func (t *tx) ofPartners(p Person) ([]Mark, error) {
	if len(t.terms.marks) == 0 {
		return nil, nil
	}
	marks, err := t.marksOf(p)
	return slices.DeleteFunc(marks, func(m Mark) bool { return len(t.terms.marks[m.Hash]) == 0 }), err
}

// at is the notification with its place in the chain.
func (n Notification) at(seq int64) Notification {
	n.Seq = seq
	return n
}

// bookNotification books a message; opens is whether a transaction begins with it.
func (t *tx) bookNotification(n Notification, subject string, body []byte, opens bool) error {
	raw := t.store.keys.newRawBody(body)
	seq, err := t.bookWith("notifications", []any{stored(opens)},
		n.At, n.Gateway, n.Identity, subject, n.Kind, n.Type, n.Result, n.Why, n.Unusable,
		n.MID, n.TxnID, n.OrderID, n.Status, n.Amount, n.Currency, n.PaidAt,
		n.Reference, n.POS, n.Campaign, n.Customer, n.Mode, n.Unknown,
		n.RefundID, n.Event, n.Refund, n.RefundsSum,
		n.DisputeID, n.Dispute, n.Disputed, raw.mac)
	if err != nil {
		return err
	}
	return t.exec(q("insert-body"), seq, raw.salt, raw.packed, raw.packing, blob(raw.key))
}

func (t *tx) countDelivery(seq int64) error {
	return t.exec(q("count-delivery"), seq, t.now.UnixMilli())
}

// alias is the keyed hash by which the facts know a customer; the value itself stays erasable.
func (t *tx) alias(kind, value string) (string, error) {
	if value == "" {
		return "", nil
	}
	var salt string
	if err := t.one(q("setting"), args{"customer_salt"}, &salt); err != nil {
		return "", err
	}
	alias := aliasOf(salt, kind, value)
	return alias, t.exec(q("insert-customer"), alias, kind, value)
}

func aliasOf(salt, kind, value string) string {
	mac := hmac.New(sha256.New, []byte(salt))
	mac.Write([]byte(kind + ":" + value))
	return hex.EncodeToString(mac.Sum(nil)[:12])
}

// redecide works a known transaction out afresh after a fact about it was booked.
func (t *tx) redecide(txn *transaction) (Position, error) {
	known, err := t.notifications(txn.TxnID)
	if err != nil {
		return Position{}, err
	}
	f, err := t.facts(txn.TxnID, known, txn)
	if err != nil {
		return Position{}, err
	}
	p := decide(f, t.terms)
	_, err = t.settle(txn.TxnID, txn, p)
	return p, err
}

// fixIfDue records, before a new fact is booked, that the commission has become due under the
// facts so far: bindings, customers and programs no longer move it.
func (t *tx) fixIfDue(txn *transaction) error {
	if txn == nil {
		return nil
	}
	c, err := t.commission(txn.ID)
	if c == nil || err != nil {
		return err
	}
	if state, _ := c.State(t.now); state != "due" && state != "paid" {
		return nil
	}
	var fixed int
	err = t.one(q("count-dues"), args{txn.TxnID}, &fixed)
	if err != nil || fixed > 0 {
		return err
	}
	_, err = t.book("dues",
		t.now, txn.TxnID, c.Partner, c.Basis, txn.Value, c.Rate.BPS, c.Rate.Flat, c.Program)
	return err
}

// settle writes a position down: the transaction with its commission, its candidates, and in the
// ledger the difference to what is booked. txn is nil for a transaction that begins with the message
// just booked.
func (t *tx) settle(txnID string, txn *transaction, p Position) (*transaction, error) {
	now := transactionOf(t.store.mid, txnID, p)
	known := txn != nil
	if !known {
		txn = &transaction{}
	}
	customers := slices.Compact([]string{txn.Customer, now.Customer})
	brought, err := t.firstBringers(customers)
	if err != nil {
		return nil, err
	}
	if now.ID = txn.ID; !known {
		now.ID = t.opened
	}
	if err := t.writeDown(txn, &now, p); err != nil {
		return nil, err
	}
	if err := t.bookDifference(now, known, p); err != nil {
		return nil, err
	}
	if err := t.redecideMonths(txn, &now); err != nil {
		return nil, err
	}
	return &now, t.redecideCustomers(customers, brought)
}

// writeDown makes the row of a transaction what its position says, with its candidates and the totals of its
// day. Without an id before it is a new row.
func (t *tx) writeDown(before, now *transaction, p Position) error {
	commission := p.commission(now.TxnID)
	verdict, others := p.trail()
	row := append(args{
		now.OrderID, now.Status, now.Amount, now.Currency,
		now.PaidAt.UnixMilli(), now.FirstAt.UnixMilli(), now.Refunded, now.Confirmation,
		now.Conflict, now.Customer, now.Partner, now.Basis, now.Value, now.Why, now.Abuse, verdict,
	}, commission.row()...)
	known := before.ID != 0
	var err error
	if known {
		if err := t.takeOut(before); err != nil {
			return err
		}
		err = t.exec(q("update-transaction"), append(row, now.ID)...)
	} else {
		err = t.exec(q("insert-transaction"), append(row, now.ID, now.MID, now.TxnID)...)
	}
	if err != nil {
		return err
	}
	if known && before.Partner != now.Partner {
		if err := t.exec(q("write-payout"), now.ID); err != nil {
			return err
		}
	}
	t.days.addPayment(now, commission, 1)
	return t.writeCandidates(now.ID, known, others)
}

// transactionOf is the row of a position.
func transactionOf(mid, txnID string, p Position) transaction {
	return transaction{
		Gateway: "paytm", MID: mid, TxnID: txnID,
		OrderID: p.OrderID, Status: p.Status, Amount: p.Amount, Currency: p.Currency,
		PaidAt: p.PaidAt, FirstAt: p.FirstAt, Refunded: p.Refunded,
		Confirmation: p.Confirmation, Conflict: p.Conflict, Customer: p.Customer,
		Partner: p.Partner, Basis: p.Basis, Value: p.Value, Why: p.Why, Abuse: p.Abuse,
	}
}

// trail says who could have brought a transaction, as it is kept: with nobody but the winner, the
// verdict alone stands beside what the transaction says of them.
func (p Position) trail() (verdict string, others []Candidate) {
	if len(p.Candidates) == 1 {
		only := p.Candidates[0]
		if only.counts && only.Partner == p.Partner && only.Basis == p.Basis && only.Value == p.Value {
			return only.Verdict, nil
		}
	}
	return "", p.Candidates
}

func (t *tx) writeCandidates(id int64, known bool, cs []Candidate) error {
	if known {
		if err := t.exec(q("delete-attributions"), id); err != nil {
			return err
		}
	}
	for rank, c := range cs {
		err := t.exec(q("insert-attribution"),
			id, rank, c.Basis, c.Value, c.Partner, c.Verdict, c.counts)
		if err != nil {
			return err
		}
	}
	return nil
}

// row is what a transaction says of its commission; nobody's is null.
func (c *Commission) row() args {
	if c == nil {
		return args{nil, 0, false, 0, 0, 0, 0, ""}
	}
	return args{c.Amount, c.Reversed, c.Void, c.Rate.BPS, c.Rate.Flat, c.Program,
		c.DueAt.UnixMilli(), strings.Join(c.Blocks, " ")}
}

// redecideCustomers works out again the payments of customers when who first brought one of them
// has changed. Twice over in order of payment: a payment leans only on earlier ones, and the
// verdicts of earlier ones name later ones.
func (t *tx) redecideCustomers(customers, broughtBefore []string) error {
	broughtNow, err := t.firstBringers(customers)
	if err != nil || slices.Equal(broughtBefore, broughtNow) {
		return err
	}
	t.inCustomer = true
	defer func() { t.inCustomer = false }()
	for range 2 {
		for _, customer := range customers {
			ids, err := t.transactionIDs(q("txnids-of-customer"), customer)
			if err != nil {
				return err
			}
			if err := t.redecideAll(ids); err != nil {
				return err
			}
		}
	}
	return nil
}

// firstBringers lists, of each customer, all that other payments of the customer depend on: the two
// earliest payments that some partner brought, since each leaves itself out, where a program has a
// lifetime; and one more than the first payments that some program pays for alone. None while the
// payments of a customer are being worked out.
func (t *tx) firstBringers(customers []string) ([]string, error) {
	var list []string
	if t.inCustomer {
		return nil, nil
	}
	if most := t.terms.mostPayments(); most > 0 {
		for _, customer := range customers {
			first, err := t.transactionIDs(q("txnids-of-customer-first"), customer, most+1)
			if err != nil {
				return nil, err
			}
			list = append(append(list, customer), first...)
		}
	}
	if !t.terms.anyLifetime() {
		return list, nil
	}
	for _, customer := range customers {
		err := t.each(q("first-bringers"), args{customer}, func(scan func(...any) error) error {
			var partner, txnID string
			var paid int64
			err := scan(&partner, &txnID, &paid)
			list = append(list, fmt.Sprint(customer, partner, txnID, paid))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// redecideAll works transactions out afresh, those found due fixed first.
func (t *tx) redecideAll(txnIDs []string) error {
	for _, id := range txnIDs {
		txn, err := t.transaction(id)
		if err != nil {
			return err
		}
		if err := t.fixIfDue(txn); err != nil {
			return err
		}
		if _, err := t.redecide(txn); err != nil {
			return err
		}
	}
	return nil
}

// RecordClick stores a visit. It counts from the moment it is durable. errTermsMoved when it was judged under
// terms that are no longer the newest.
func (s *Store) RecordClick(ctx context.Context, c Click) error {
	return s.write(ctx, s.clicks, func(t *tx) error {
		if c.under != 0 && c.under != t.head.terms {
			return errTermsMoved
		}
		if c.Counted == "" {
			t.days.addClick(t.now, c.Partner)
		}
		_, err := t.book("clicks", t.now, c.ID, c.Partner, c.Sub, c.Counted)
		return err
	})
}

// BindOrder stores what the shop says about an order: bound the first time, same when it says the
// same again, replaced when it changed. errOrderTaken when it changed after a success for the
// order was stored; a first binding is lawful at any time.
func (s *Store) BindOrder(
	ctx context.Context, o Order, who Person,
) (string, error) {
	var result string
	err := s.write(ctx, s.payments, func(t *tx) (err error) {
		if o.Customer, err = t.alias("customer", who.Customer); err != nil {
			return err
		}
		marks, err := t.marksOf(Person{Email: who.Email, Mobile: who.Mobile, VPA: who.VPA})
		if err != nil {
			return err
		}
		o.At = t.now
		result, err = t.bindOrder(o, marks)
		return err
	})
	if err != nil {
		return "", err // result is still the writer's, if the shop did not wait
	}
	return result, nil
}

func (t *tx) bindOrder(o Order, marks []Mark) (string, error) {
	var hashes []string
	for _, m := range marks {
		hashes = append(hashes, m.Hash)
	}
	slices.Sort(hashes)
	o.Marks = strings.Join(hashes, " ")
	old, _, err := t.order(o.ID)
	if err != nil {
		return "", err
	}
	if old != nil && old.says() == o.says() {
		return "same", nil
	}
	txns, err := t.transactionsOfOrder(o.ID)
	if err != nil {
		return "", err
	}
	result := "bound"
	if old != nil {
		result = "replaced"
		for _, txn := range txns {
			if taken, err := t.hasSuccess(txn); taken || err != nil {
				return "", cmp.Or(err, errOrderTaken)
			}
		}
	}
	for _, txn := range txns {
		if err := t.fixIfDue(txn); err != nil {
			return "", err
		}
	}
	binding, err := t.book("orders", o.At, o.ID, o.ClickID, o.Promo, o.Customer, o.Amount)
	if err != nil {
		return "", err
	}
	for _, m := range marks {
		if _, err := t.book("marks", t.now, "", binding, "", m.Kind, m.Hash); err != nil {
			return "", err
		}
	}
	for _, txn := range txns {
		// As it is by now: working one out may have moved another, and one may be listed twice.
		now, err := t.transaction(txn.TxnID)
		if err != nil {
			return "", err
		}
		if _, err := t.redecide(now); err != nil {
			return "", err
		}
	}
	return result, nil
}

// says is a binding's content, without its place and time.
func (o Order) says() Order {
	o.Seq, o.At, o.Tried = 0, time.Time{}, 0
	return o
}

func (t *tx) hasSuccess(txn *transaction) (bool, error) {
	known, err := t.notifications(txn.TxnID)
	return slices.ContainsFunc(Facts{Notifications: known}.payments(), succeeded), err
}

// Decide books a person's word on a transaction. errNotFound for an unknown one; a decisionError
// when the word leaves the amount open or names one that nobody has stated.
func (s *Store) Decide(ctx context.Context, txnID string, d Decision) error {
	return s.write(ctx, s.payments, func(t *tx) error {
		txn, err := t.transaction(txnID)
		if err != nil {
			return err
		}
		if txn == nil {
			return errNotFound
		}
		if d.Agree {
			if d.Amount, err = t.agreedAmount(txn, d.Amount); err != nil {
				return err
			}
		}
		if err := t.fixIfDue(txn); err != nil {
			return err
		}
		if _, err := t.book("decisions", t.now, txnID, d.Agree, d.Amount, d.Reason); err != nil {
			return err
		}
		act := "payment-denied"
		if d.Agree {
			act = "payment-agreed"
		}
		if err := errors.Join(t.exec(q("never-ask"), txn.ID), t.act(act, txnID, d.Reason)); err != nil {
			return err
		}
		_, err = t.redecide(txn)
		return err
	})
}

// decisionError says what a person's word lacks.
type decisionError struct{ text string }

func (e decisionError) Error() string { return e.text }

// agreedAmount is the amount that a person agrees to: the one they named, or the only one stated.
func (t *tx) agreedAmount(txn *transaction, amount int64) (int64, error) {
	known, err := t.notifications(txn.TxnID)
	if err != nil {
		return 0, err
	}
	f, err := t.facts(txn.TxnID, known, txn)
	if err != nil {
		return 0, err
	}
	var stated []int64
	for _, n := range f.payments() {
		if n.inRupees() {
			stated = append(stated, n.Amount)
		}
	}
	if a := lastAnswer(f); a != nil && a.Amount > 0 {
		stated = append(stated, a.Amount)
	}
	slices.Sort(stated)
	stated = slices.Compact(stated)
	var words []string
	for _, s := range stated {
		words = append(words, decimal(s))
	}
	list := strings.Join(words, ", ")
	switch {
	case len(stated) == 0:
		return 0, decisionError{"no message states an amount in rupees for this payment: " +
			"it can only be denied"}
	case amount == 0 && len(stated) > 1:
		return 0, decisionError{"the amounts " + list + " were stated: say which with -amount"}
	case amount != 0 && !slices.Contains(stated, amount):
		return 0, decisionError{"nobody stated " + decimal(amount) + ", only " + list}
	case amount == 0:
		return stated[0], nil
	}
	return amount, nil
}
