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
	"time"

	"hissa/paytm"
)

const (
	askers     = 4                // questions to the API at once
	askTimeout = 20 * time.Second // for one question
)

// asker is what confirmation needs of Paytm's API.
type asker interface {
	OrderStatus(ctx context.Context, orderID string) (*paytm.Answer, error)
}

// keyring asks by one merchant key after the other until an answer is signed: while a key is being
// rotated nobody here knows by which of them Paytm goes. Its answer is otherwise that to the newest.
type keyring []*paytm.Client

// OrderStatus is that of paytm.Client.
func (k keyring) OrderStatus(ctx context.Context, orderID string) (*paytm.Answer, error) {
	newest, failed := k[0].OrderStatus(ctx, orderID)
	if failed == nil && newest.Signed || !keyMayBeWrong(failed) {
		return newest, failed
	}
	for _, older := range k[1:] {
		if a, err := older.OrderStatus(ctx, orderID); err == nil && a.Signed {
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
}

// run asks until ctx ends, then waits for the questions in flight.
func (c *confirmer) run(ctx context.Context) {
	questions := schedule[Poll]{
		what: "questions to Paytm", atOnce: askers, wake: c.store.wake, log: c.log,
		due: c.store.DuePolls,
		id:  func(p Poll) int64 { return p.Txn },
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

// ask puts the question for every order that the transaction's messages name, and
// books the answers.
func (c *confirmer) ask(ctx context.Context, p Poll) error {
	var answers []Answer
	var failed error
	for _, order := range p.Orders {
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		a, err := c.api.OrderStatus(asking, order)
		cancel()
		if err != nil {
			if ctx.Err() != nil {
				return nil // stopping: the question stays on the schedule
			}
			c.counts.unanswered.Add(1)
			c.log.Warn("Paytm's API gave no answer", "order", order, "cause", err.Error())
			failed = err
			continue
		}
		c.counts.answered.Add(1)
		answers = append(answers, c.answer(p.TxnID, order, a))
	}
	for _, a := range answers {
		c.log.Info("Paytm's API answered", "txn", p.TxnID, "order", a.Asked,
			"result", a.Result, "definite", a.Definite, "amount", max(a.Amount, 0))
	}
	settled := slices.ContainsFunc(answers, func(a Answer) bool { return a.Definite })
	if failed != nil && !settled {
		return c.store.PollFailed(ctx, p, failed.Error(), wait(p.Tries, failed))
	}
	return c.store.RecordAnswers(ctx, p, answers)
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
	result := "unknown"
	switch a.Result {
	case "TXN_SUCCESS":
		result = "success"
	case "TXN_FAILURE":
		result = "failed"
	case "PENDING":
		result = "pending"
	}
	definite := a.Definite() && a.TxnID == txnID && a.OrderID == asked &&
		(a.MID == "" || a.MID == c.mid) &&
		(a.Currency == "" || a.Currency == "INR")
	return Answer{
		Asked: asked, PaidAt: a.PaidAt, Result: result, TxnID: a.TxnID, OrderID: a.OrderID, Amount: a.Amount,
		Reference: a.Reference, POS: a.PosID, Code: a.Code, Text: a.Text, Definite: definite,
	}
}
