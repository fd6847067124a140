package main

// The half of verify that works every payment out again. What belongs to the payments is read as one
// stream a table, each in the order of the payments, and taken as their turn comes: a question for each
// payment to each table would take ten times as long.

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// stream is the rows of one table in the order of the payments, or the facts, that they belong to.
type stream[T any] struct {
	rows  answer
	read  func(scan func(...any) error) (T, error)
	ended bool  // past the last row
	txn   int64 // of row
	into  []any // where a row goes
	row   T
}

// openers opens streams until one fails, and closes all of them.
type openers struct {
	verifier
	piece args // the first and the last id of the payments
	err   error
	close []func() error
}

// open runs one of the queries whose first column is a payment's id; read scans the others.
func open[T any](o *openers, query string, read func(scan func(...any) error) (T, error)) *stream[T] {
	if o.err != nil {
		return nil
	}
	s := &stream[T]{read: read}
	if s.rows, o.err = o.direct.query(query, o.piece); o.err == nil {
		o.close = append(o.close, s.rows.close)
		o.err = s.next()
	}
	return s
}

func (o *openers) shut() {
	for _, shut := range o.close {
		_ = shut() // it was read to its end, or what failed is known
	}
}

func (s *stream[T]) next() (err error) {
	more, err := s.rows.next()
	if s.ended = !more; !more {
		return err
	}
	s.row, err = s.read(func(into ...any) error {
		s.into = append(append(s.into[:0], &s.txn), into...)
		return s.rows.scan(s.into...)
	})
	return err
}

// of takes the rows of a payment; those of payments that there are not are left behind.
func (s *stream[T]) of(txn int64) (list []T, err error) {
	for !s.ended && s.txn <= txn {
		if s.txn == txn {
			list = append(list, s.row)
		}
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// streams are all that belongs to payments.
type streams struct {
	transactions *stream[paymentRow]
	messages     *stream[Notification]
	bindings     *stream[binding]
	answers      *stream[Answer]
	decisions    *stream[Decision]
	dues         *stream[Due]
	candidates   *stream[Candidate]
	entries      *stream[booking]
	payouts      *stream[int64]
	repricings   *stream[int64]
	reviews      *stream[Review]
	payers       *stream[string]
}

// paymentRow is a payment as its row says it, with its commission where the row says anything of one.
type paymentRow struct {
	*transaction
	commission *Commission
}

// binding is what the shop said about an order that a message names.
type binding struct {
	order *Order
	click *Click
}

// booking is what one ledger entry gives a partner, or takes.
type booking struct {
	partner string
	amount  int64
}

func scanPaymentRow(scan func(...any) error) (p paymentRow, err error) {
	var c Commission
	var says bool
	var due int64
	var blocks string
	p.transaction, err = scanTransaction(func(into ...any) error {
		return scan(append(into, &says, &c.Amount, &c.Reversed, &c.Void, &c.Rate.BPS, &c.Rate.Flat, &c.Program,
			&due, &blocks, &c.Payout)...)
	})
	if err != nil || !says {
		return p, err
	}
	t := p.transaction
	c.TxnID, c.Partner, c.Currency, c.Basis, c.PaidAt = t.TxnID, t.Partner, t.Currency, t.Basis, t.PaidAt
	c.DueAt, c.Blocks = fromMillis(&due), strings.Fields(blocks)
	p.commission = &c
	return p, nil
}

func scanBinding(scan func(...any) error) (b binding, err error) {
	b.order, b.click, err = scanOrder(scan)
	return b, err
}

func scanRanked(scan func(...any) error) (Candidate, error) {
	var rank int64 // they come in its order
	return scanCandidate(func(into ...any) error { return scan(append([]any{&rank}, into...)...) })
}

func scanBooking(scan func(...any) error) (b booking, err error) {
	err = scan(&b.partner, &b.amount)
	return b, err
}

func scanWord(scan func(...any) error) (word string, err error) {
	err = scan(&word)
	return word, err
}

func scanNumber(scan func(...any) error) (n int64, err error) {
	err = scan(&n)
	return n, err
}

// positions works every payment out again whose id is one of from to to.
func (v verifier) positions(from, to int64) error {
	terms, err := v.loadTerms()
	if err != nil {
		return err
	}
	var mid string
	if err := v.one(q("setting"), args{"mid"}, &mid); err != nil {
		return err
	}
	o := &openers{verifier: v, piece: args{from, to}}
	defer o.shut()
	s := streams{
		open(o, q("all-transactions"), scanPaymentRow),
		open(o, q("all-messages"), scanNotification),
		open(o, q("all-bindings"), scanBinding),
		open(o, q("all-answers"), scanAnswer),
		open(o, q("all-decisions"), scanDecision),
		open(o, q("all-dues"), scanDue),
		open(o, q("all-candidates"), scanRanked),
		open(o, q("all-bookings"), scanBooking),
		open(o, q("all-payouts"), scanNumber),
		open(o, q("all-repricings"), scanNumber),
		open(o, q("all-reviews"), scanReview),
		open(o, q("all-payers"), scanWord),
	}
	if o.err != nil {
		return o.err
	}
	for !s.transactions.ended {
		txns, err := s.transactions.of(s.transactions.txn)
		if err != nil {
			return err
		}
		if err := v.position(txns[0], s, mid, terms); err != nil {
			return err
		}
		v.report.Transactions++
	}
	return nil
}

func (v verifier) position(row paymentRow, s streams, mid string, terms *Terms) error {
	txn, have := row.transaction, row.commission
	where := "transaction " + txn.TxnID
	f, err := v.factsOf(txn, s, terms)
	if err != nil {
		return err
	}
	if len(f.payments()) == 0 {
		return badRow{where, "no payment message says that there is such a payment"}
	}
	p := decide(f, terms)
	want := transactionOf(mid, txn.TxnID, p)
	want.ID = txn.ID
	if *txn != want {
		return badRow{where, fmt.Sprintf("the facts make it %+v, the row says %+v", want, *txn)}
	}
	c := p.commission(txn.TxnID)
	payouts, err := s.payouts.of(txn.ID)
	if err != nil {
		return err
	}
	if c != nil && len(payouts) > 0 {
		c.Payout = payouts[0]
	}
	if !sameCommission(have, c) {
		return badRow{where,
			fmt.Sprintf("the facts make the commission %+v, the row says %+v", c, have)}
	}
	v.days.addPayment(txn, have, 1)
	if err := v.bookedAsDue(txn, s, p); err != nil {
		return err
	}
	candidates, err := s.candidates.of(txn.ID)
	if err == nil && !slices.Equal(candidates, p.Candidates) {
		return badRow{"attributions of " + txn.TxnID,
			fmt.Sprintf("the facts make them %+v, the rows say %+v", p.Candidates, candidates)}
	}
	return err
}

// factsOf takes what is known about a payment from the streams.
func (v verifier) factsOf(txn *transaction, s streams, terms *Terms) (Facts, error) {
	f := Facts{TxnID: txn.TxnID, Orders: map[string]*Order{}, Clicks: map[string]*Click{}}
	var errs [8]error
	var bindings []binding
	var dues []Due
	var repricings []int64
	f.Notifications, errs[0] = s.messages.of(txn.ID)
	f.Answers, errs[1] = s.answers.of(txn.ID)
	f.Decisions, errs[2] = s.decisions.of(txn.ID)
	dues, errs[3] = s.dues.of(txn.ID)
	bindings, errs[4] = s.bindings.of(txn.ID)
	repricings, errs[5] = s.repricings.of(txn.ID)
	f.Reviews, errs[6] = s.reviews.of(txn.ID)
	f.Payer, errs[7] = s.payers.of(txn.ID)
	if err := errors.Join(errs[:]...); err != nil {
		return f, err
	}
	for _, n := range f.Notifications {
		if n.TxnID != txn.TxnID {
			return f, badRow{"transaction " + txn.TxnID, fmt.Sprintf("fact %d is about %s", n.Seq, n.TxnID)}
		}
	}
	if len(dues) > 0 {
		f.Due = &dues[0]
	}
	if len(repricings) > 0 { // the last counts
		f.Repriced = repricings[len(repricings)-1]
	}
	for _, b := range bindings { // of several bindings of an order the last is in force
		f.Orders[b.order.ID] = b.order
	}
	for _, b := range bindings {
		if b.click != nil && *f.Orders[b.order.ID] == *b.order {
			f.Clicks[b.click.ID] = b.click
		}
	}
	for _, n := range f.payments() {
		id := withoutTimestamp(n.OrderID)
		if id == n.OrderID {
			continue
		}
		o, c, err := v.order(id)
		if err != nil {
			return f, err
		}
		if o != nil {
			f.Orders[id] = o
		}
		if c != nil {
			f.Clicks[c.ID] = c
		}
	}
	return f, v.namedBy(&f, terms)
}

// clicks counts those that count.
func (v verifier) clicks() error {
	return v.each(q("clicks-that-count"), nil, func(scan func(...any) error) error {
		var at int64
		var partner string
		err := scan(&at, &partner)
		v.days.addClick(time.UnixMilli(at), partner)
		return err
	})
}

// sums compares the totals with what the clicks and the positions come to.
func (v verifier) sums() error {
	for _, kept := range []struct {
		table, query string
		a            args
		want         dayTotals
	}{
		{"days", q("days"), args{int64(0), int64(1 << 40)}, maps.Clone(v.days)},
		{"months", q("months"), nil, v.days.byMonth()},
		{"shop_days", q("shop-days"), nil, v.days.ofShop()},
	} {
		err := v.rows.totals(kept.query, kept.a, func(k dayKey, have Totals) error {
			want := kept.want[k]
			delete(kept.want, k)
			if have == want {
				return nil
			}
			return badRow{fmt.Sprintf("%s in %s", k, kept.table),
				fmt.Sprintf("the books come to %+v, the row says %+v", want, have)}
		})
		if err != nil {
			return err
		}
		if len(kept.want) > 0 {
			first := slices.MinFunc(slices.Collect(maps.Keys(kept.want)), dayKey.compare)
			return badRow{fmt.Sprintf("%s in %s", first, kept.table),
				fmt.Sprintf("the books come to %+v, there is no row", kept.want[first])}
		}
	}
	return nil
}

// bookedAsDue compares the ledger with a position.
func (v verifier) bookedAsDue(txn *transaction, s streams, p Position) error {
	where := "transaction " + txn.TxnID
	entries, err := s.entries.of(txn.ID)
	if err != nil {
		return err
	}
	booked := map[string]int64{}
	for _, e := range entries {
		booked[e.partner] += e.amount
	}
	for partner, amount := range booked {
		due := int64(0)
		if partner == p.Partner {
			due = p.Earned - p.Reversed
		}
		if amount != due {
			return badRow{where, fmt.Sprintf("the ledger holds %s for %s, the facts make it %s",
				decimal(amount), partner, decimal(due))}
		}
	}
	if _, ok := booked[p.Partner]; !ok && p.Earned != p.Reversed {
		return badRow{where, "the ledger holds nothing for " + p.Partner}
	}
	return nil
}

func sameCommission(a, b *Commission) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Blocks, y.Blocks = nil, nil
	return reflect.DeepEqual(x, y) && slices.Equal(a.Blocks, b.Blocks)
}
