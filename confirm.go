package main

// Confirmation: asking Paytm's status API whether a payment is so. A message proves that somebody
// held the merchant key; the API's own signed answer is the last word on amount, order and
// outcome. This never happens on the webhook's path, and the schedule is in the database.

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"hissa/paytm"
)

const (
	askers     = 4                     // questions to the API at once
	askEvery   = 20 * time.Millisecond // between the beginnings of two
	askTimeout = 20 * time.Second      // for one question
	askNobody  = 15 * time.Minute      // the longest that Paytm can have us wait with all questions
	nearPaid   = 10 * time.Minute      // how far from its time a payment is looked for in the list, first
	aroundPaid = 24 * time.Hour        // and then
)

// asker is what confirmation needs of Paytm's API.
type asker interface {
	OrderStatus(ctx context.Context, orderID string) (*paytm.Answer, error)
	LinkTransactions(ctx context.Context, link string) ([]paytm.Listed, error)
	Orders(ctx context.Context, kind paytm.ListKind, from, to time.Time,
		each func(paytm.Listed) error) error
}

// keyring asks by one merchant key after the other until an answer is signed: while a key is being
// rotated nobody here knows by which of them Paytm goes. Its answer is otherwise that to the newest.
type keyring []*paytm.Client

// OrderStatus is that of paytm.Client.
func (k keyring) OrderStatus(ctx context.Context, orderID string) (*paytm.Answer, error) {
	return byAnyKey(k, func(c *paytm.Client) (*paytm.Answer, bool, error) {
		a, err := c.OrderStatus(ctx, orderID)
		return a, err == nil && a.Signed, err
	})
}

// LinkTransactions is that of paytm.Client.
func (k keyring) LinkTransactions(ctx context.Context, link string) ([]paytm.Listed, error) {
	return byAnyKey(k, func(c *paytm.Client) ([]paytm.Listed, bool, error) {
		rows, err := c.LinkTransactions(ctx, link)
		return rows, err == nil && allSigned(rows), err
	})
}

// Orders is that of paytm.Client, by the key for which the first row is signed.
func (k keyring) Orders(
	ctx context.Context, kind paytm.ListKind, from, to time.Time, each func(paytm.Listed) error,
) error {
	for _, c := range k {
		begun := false
		err := c.Orders(ctx, kind, from, to, func(row paytm.Listed) error {
			if begun = begun || row.Signed; !begun {
				return errNotSigned
			}
			return each(row)
		})
		if begun || err == nil || !errors.Is(err, errNotSigned) && !keyMayBeWrong(err) {
			return err
		}
	}
	return k[0].Orders(ctx, kind, from, to, each)
}

var errNotSigned = errors.New("the first row is not signed")

func allSigned(rows []paytm.Listed) bool {
	return !slices.ContainsFunc(rows, func(row paytm.Listed) bool { return !row.Signed })
}

func byAnyKey[A any](k keyring, ask func(*paytm.Client) (answer A, signed bool, err error)) (A, error) {
	newest, signed, failed := ask(k[0])
	if signed || !keyMayBeWrong(failed) {
		return newest, failed
	}
	for _, older := range k[1:] {
		if a, signed, err := ask(older); err == nil && signed {
			return a, nil
		}
	}
	return newest, failed
}

// keyMayBeWrong tells an answer that another key could change from one of the network.
func keyMayBeWrong(err error) bool {
	var api *paytm.APIError
	if errors.As(err, &api) {
		return api.Status == http.StatusUnauthorized || api.Status == http.StatusForbidden
	}
	return err == nil || errors.Is(err, paytm.ErrSignature)
}

// confirmer asks about every transaction that waits for a word.
type confirmer struct {
	store  *Store
	api    asker
	mid    string
	log    *slog.Logger
	counts *counters

	mu    sync.Mutex
	next  time.Time // when the next question may begin
	quiet time.Time // until when Paytm wants to hear none
}

// run asks until ctx ends, then waits for the questions in flight.
func (c *confirmer) run(ctx context.Context) {
	questions := schedule[Poll]{
		what: "questions to Paytm", atOnce: askers, wake: c.store.wake, log: c.log,
		due: func(ctx context.Context, limit int) ([]Poll, error) {
			if c.resting() {
				return nil, nil
			}
			return c.store.DuePolls(ctx, limit)
		},
		id: func(p Poll) int64 { return p.Txn },
		do: func(ctx context.Context, p Poll) {
			err := recovered(func() error { return c.ask(ctx, p) })
			if err != nil && ctx.Err() == nil {
				c.log.Error("confirmation", "txn", p.TxnID, "cause", err.Error())
				c.putOff(ctx, p, err)
			}
		},
	}
	questions.run(ctx)
}

// putOff keeps a question that ended in a fault of ours from being put again at once and for ever,
// in front of all younger ones. When not even that can be stored, it keeps its slot for a while.
func (c *confirmer) putOff(ctx context.Context, p Poll, cause error) {
	if c.store.PollFailed(ctx, p, cause.Error(), wait(p.Tries, cause)) == nil {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(backoff(0)):
	}
}

// ask puts the question for all that the transaction's messages name, and books the answers. A link's
// payments are asked for by the link, as Paytm has it; if that settles nothing, and for all others, by
// the order; and those that name no order, as at a static QR code, are looked for in the list.
func (c *confirmer) ask(ctx context.Context, p Poll) error {
	var answers []Answer
	var failed error
	note := func(asked string, a Answer, err error) {
		if err != nil {
			c.counts.unanswered.Add(1)
			c.rest(err)
			c.log.Warn("Paytm's API gave no answer", "order", asked, "cause", err.Error())
			failed = err
			return
		}
		c.counts.answered.Add(1)
		answers = append(answers, a)
		c.log.Info("Paytm's API answered", "txn", p.TxnID, "order", a.Asked,
			"result", a.Result, "definite", a.Definite, "amount", max(a.Amount, 0))
	}
	settled := func() bool {
		return slices.ContainsFunc(answers, func(a Answer) bool { return a.Definite })
	}
	for _, link := range p.Links {
		a, err := c.askLink(ctx, p, link)
		note("link "+link, a, err)
	}
	for _, order := range p.Orders {
		if len(p.Links) > 0 && settled() {
			break
		}
		a, err := c.askOrder(ctx, p, order)
		note(order, a, err)
	}
	if p.NoOrder && !settled() {
		a, err := c.askList(ctx, p)
		note("list", a, err)
	}
	if ctx.Err() != nil {
		return nil // stopping: the question stays on the schedule
	}
	if failed != nil && !settled() {
		return c.store.PollFailed(ctx, p, failed.Error(), wait(p.Tries, failed))
	}
	return c.store.RecordAnswers(ctx, p, answers)
}

// turn waits until a question may begin, and bounds it.
func (c *confirmer) turn(ctx context.Context) (context.Context, context.CancelFunc) {
	c.mu.Lock()
	now := time.Now()
	at := c.next
	if at.Before(now) {
		at = now
	}
	c.next = at.Add(askEvery)
	c.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(at.Sub(now)):
	}
	return context.WithTimeout(ctx, askTimeout)
}

// resting reports whether Paytm wants to hear no question now.
func (c *confirmer) resting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.quiet)
}

// rest heeds an answer that asks for fewer questions: it is meant for all of them.
func (c *confirmer) rest(err error) {
	var api *paytm.APIError
	if !errors.As(err, &api) || api.Status != http.StatusTooManyRequests {
		return
	}
	until := time.Now().Add(min(max(api.RetryAfter, time.Second), askNobody))
	c.mu.Lock()
	defer c.mu.Unlock()
	if until.After(c.quiet) {
		c.quiet = until
	}
}

func (c *confirmer) askOrder(ctx context.Context, p Poll, order string) (Answer, error) {
	ctx, cancel := c.turn(ctx)
	defer cancel()
	a, err := c.api.OrderStatus(ctx, order)
	if err != nil {
		return Answer{}, err
	}
	return c.answer(p.TxnID, order, a), nil
}

func (c *confirmer) askLink(ctx context.Context, p Poll, link string) (Answer, error) {
	ctx, cancel := c.turn(ctx)
	defer cancel()
	rows, err := c.api.LinkTransactions(ctx, link)
	if err != nil {
		return Answer{}, err
	}
	asked := Answer{Asked: "link " + link, Result: "unknown", Amount: -1}
	for _, row := range rows {
		if row.TxnID == p.TxnID {
			return fromList(asked.Asked, row), nil
		}
	}
	return asked, nil
}

// askList looks for the TXNID among all payments around its time.
func (c *confirmer) askList(ctx context.Context, p Poll) (Answer, error) {
	ctx, cancel := c.turn(ctx)
	defer cancel()
	answer := Answer{Asked: listOf(p.PaidAt), Result: "unknown", Amount: -1}
	var err error
	for _, around := range []time.Duration{nearPaid, aroundPaid} {
		err = c.api.Orders(ctx, paytm.ListPayments, p.PaidAt.Add(-around), p.PaidAt.Add(around),
			func(row paytm.Listed) error {
				if row.TxnID == p.TxnID && !row.Refund {
					answer = fromList(answer.Asked, row)
				}
				return nil
			})
		if err != nil || answer.Result != "unknown" {
			break
		}
	}
	return answer, err
}

// listOf names the list of a day.
func listOf(at time.Time) string { return "list of " + at.In(ist).Format(time.DateOnly) }

// fromList makes an answer of a row of one of Paytm's lists. It is definite when it is signed and final.
func fromList(asked string, row paytm.Listed) Answer {
	a := Answer{
		Asked: asked, PaidAt: row.At, Result: resultOf(row.Result), TxnID: row.TxnID, OrderID: row.OrderID,
		Amount: row.Amount, Reference: row.Reference, Text: "in Paytm's list",
	}
	a.Definite = row.Signed && (a.Result == "failed" || a.Result == "success" && a.Amount >= 0)
	return a
}

// resultOf translates Paytm's word for how a payment stands.
func resultOf(word string) string {
	switch word {
	case "TXN_SUCCESS":
		return "success"
	case "TXN_FAILURE":
		return "failed"
	case "PENDING":
		return "pending"
	}
	return "unknown"
}

// wait is the backoff, spread by a fifth so that questions don't come in waves;
// never less than the API itself asked for.
func wait(tries int, err error) time.Duration {
	d := backoff(tries)
	d += time.Duration(rand.Int64N(int64(d)/5 + 1))
	var api *paytm.APIError
	if errors.As(err, &api) {
		d = max(d, api.RetryAfter)
	}
	return d
}

// answer translates Paytm's answer. It is definite only when it is signed, final, and about this
// very transaction and order: an unknown order or another TXNID is nothing known, not a denial.
func (c *confirmer) answer(txnID, asked string, a *paytm.Answer) Answer {
	definite := a.Definite() && a.TxnID == txnID && a.OrderID == asked &&
		(a.MID == "" || a.MID == c.mid) &&
		(a.Currency == "" || a.Currency == "INR")
	return Answer{
		Asked: asked, PaidAt: a.PaidAt, Result: resultOf(a.Result), TxnID: a.TxnID, OrderID: a.OrderID, Amount: a.Amount,
		Reference: a.Reference, POS: a.PosID, Code: a.Code, Text: a.Text, Definite: definite,
	}
}
