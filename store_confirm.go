package main

// The store's side of confirmation: which transactions the gateway's API is still to be asked
// about, and what it answered. The schedule lives in the database, so a restart forgets nothing.

import (
	"context"
	"errors"
	"slices"
	"time"
)

// ladder is when to ask again after an answer that settled nothing, counted from the first
// receipt: Paytm's own recommendation (its page on late notifications). After the last step the
// confirmation has expired, and only a new message or Paytm's list of orders can still settle it.
var ladder = []time.Duration{
	15 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	48 * time.Hour, 72 * time.Hour,
}

// nextStep is the first step of the ladder after now; ok is false past its end.
func nextStep(first, now time.Time) (at time.Time, ok bool) {
	for _, step := range ladder {
		if at := first.Add(step); at.After(now) {
			return at, true
		}
	}
	return time.Time{}, false
}

const (
	askKnownEvery = 24 * time.Hour
	askKnownFor   = 30 * 24 * time.Hour

	// Nothing on a schedule is put off for longer than a day, by some hours. What stands further off was put
	// there by a clock that was ahead and has been put right since: it is due, or nobody would do it for as
	// long as the clock was wrong by.
	putOffAtMost = 24 * time.Hour
	putOffAstray = 48 * time.Hour
)

// dueBy are the arguments of the queries for what is due.
func dueBy(now time.Time, limit int) args {
	return args{now.UnixMilli(), now.Add(putOffAstray).UnixMilli(), limit}
}

// askKnown is when to ask again once the ladder is at its end, about a payment that Paytm knows and has
// not answered for under its signature.
func askKnown(txnID string, first, now time.Time, answers []Answer) (at time.Time, ok bool) {
	known := slices.ContainsFunc(answers, func(a Answer) bool {
		return a.TxnID == txnID && (a.Result == "success" || a.Result == "failed")
	})
	return now.Add(askKnownEvery), known && now.Sub(first) < askKnownFor
}

// backoff is how long to wait after tries attempts in a row that brought no answer.
func backoff(tries int) time.Duration {
	return min(5*time.Second<<min(tries, 10), 15*time.Minute)
}

// askAtOnce schedules the API to be asked now, because something new was said about a transaction,
// unless nothing depends on its answer.
func (t *tx) askAtOnce(txn *transaction, p Position) error {
	if p.Confirmation == off {
		return t.exec(q("never-ask"), txn.ID)
	}
	t.asks = true
	return t.exec(q("ask"), txn.ID, t.now.UnixMilli())
}

// ordersAtOnce is how many orders one question names. A genuine payment has one, a conflict two.
const ordersAtOnce = 8

// Poll is a transaction to ask about, with the orders and payment links that its messages name,
// ordersAtOnce of each at most.
type Poll struct {
	Txn     int64
	TxnID   string
	PaidAt  time.Time
	Orders  []string
	Links   []string // numbers of payment links and invoices
	NoOrder bool     // a message names none
	Tries   int
	next    int64 // when it was to be asked: a message that came since has moved it
}

// DuePolls returns up to limit transactions to ask about now, the longest waiting first.
func (s *Store) DuePolls(ctx context.Context, limit int) ([]Poll, error) {
	var polls []Poll
	err := s.read(ctx, func(r rows) error {
		err := r.each(q("due-polls"), dueBy(s.now(), limit), func(scan func(...any) error) error {
			var p Poll
			var paid int64
			err := scan(&p.Txn, &p.TxnID, &p.Tries, &p.next, &paid)
			p.PaidAt = fromMillis(&paid)
			polls = append(polls, p)
			return err
		})
		if err != nil {
			return err
		}
		for i := range polls {
			if err := r.ordersToAsk(&polls[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return polls, err
}

func (r rows) ordersToAsk(p *Poll) error {
	err := r.each(q("orders-to-ask"), args{p.TxnID, ordersAtOnce}, func(scan func(...any) error) error {
		var order string
		err := scan(&order)
		if order == "" {
			p.NoOrder = true
			return err
		}
		p.Orders = append(p.Orders, order)
		return err
	})
	if err != nil {
		return err
	}
	return r.each(q("links-to-ask"), args{p.TxnID, ordersAtOnce}, func(scan func(...any) error) error {
		var link string
		err := scan(&link)
		p.Links = append(p.Links, link)
		return err
	})
}

// RecordAnswers books what the API said about a transaction, one answer an order asked about, and
// schedules the next question, unless the answer is final.
func (s *Store) RecordAnswers(ctx context.Context, p Poll, answers []Answer) error {
	return s.write(ctx, s.payments, func(t *tx) error {
		txn, err := t.transaction(p.TxnID)
		if err != nil {
			return err
		}
		if txn == nil {
			return errNotFound
		}
		if err := t.fixIfDue(txn); err != nil {
			return err
		}
		final := false
		for _, a := range answers {
			final = final || a.Definite
			if _, err := t.book("answers",
				t.now, p.TxnID, a.Asked, a.Result, a.TxnID, a.OrderID, a.Amount, a.PaidAt,
				a.Reference, a.POS, a.Code, a.Text, a.Definite,
			); err != nil {
				return err
			}
		}
		position, err := t.redecide(txn)
		if err != nil {
			return err
		}
		next, ok := nextStep(txn.FirstAt, t.now)
		var unasked int
		if err := t.one(q("count-unasked-orders"), args{p.TxnID}, &unasked); err != nil {
			return err
		}
		if unasked > 0 && len(answers) >= len(p.Links)+len(p.Orders) {
			next, ok = t.now, true // else a crowd of forged orders outlasts the ladder
		}
		if !ok {
			next, ok = askKnown(p.TxnID, txn.FirstAt, t.now, answers)
		}
		if !ok && position.Confirmation == waiting {
			if err := errors.Join(t.exec(q("tidy-given-up")), t.exec(q("give-up"), txn.ID)); err != nil {
				return err
			}
		}
		if final && position.Confirmation != waiting || !ok {
			return t.exec(q("answered"), txn.ID, p.next)
		}
		if most := t.now.Add(putOffAtMost); next.After(most) { // the first receipt is still to come, by the clock
			next = most
		}
		return t.exec(q("ask-later"), next.UnixMilli(), txn.ID, p.next)
	})
}

// PollFailed notes that the API could not be asked, and when to try again.
func (s *Store) PollFailed(ctx context.Context, p Poll, cause string, wait time.Duration) error {
	return s.write(ctx, s.payments, func(t *tx) error {
		next := t.now.Add(min(wait, putOffAtMost))
		return t.exec(q("ask-again"), next.UnixMilli(), cause, p.Txn, p.next)
	})
}
