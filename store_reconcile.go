package main

// The store's side of reconciliation: which comparisons there were, and what the books have of a
// period.

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// comparisonsSeen is how many of the newest comparisons are looked at: months of them.
const comparisonsSeen = 200

// RecordReconciliation keeps what a comparison came to.
func (s *Store) RecordReconciliation(ctx context.Context, r Reconciliation) error {
	return s.write(ctx, s.clicks, func(t *tx) error {
		return t.exec(q("insert-reconciliation"), r.At.UnixMilli(), r.From.UnixMilli(), r.To.UnixMilli(),
			r.Source, r.Listed, r.Missing, r.Mismatched, r.Unrefunded, r.Unlisted, r.Error)
	})
}

// LastReconciliation returns the comparison with Paytm's own list that reaches furthest, the latest of
// several, nil when there was none. Those made under a clock that was ahead are left out, or there would be
// no other until it is as late again.
func (s *Store) LastReconciliation(ctx context.Context) (*Reconciliation, error) {
	last := &Reconciliation{Source: sourceAPI}
	err := s.read(ctx, func(r rows) error {
		var at, from, to int64
		err := r.one(q("last-reconciliation"), args{sourceAPI, s.now().UnixMilli(), comparisonsSeen},
			&at, &from, &to, &last.Listed, &last.Missing, &last.Mismatched, &last.Unrefunded, &last.Unlisted, &last.Error)
		last.At, last.From, last.To = fromMillis(&at), fromMillis(&from), fromMillis(&to)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return last, err
}

// standing is what a comparison needs to know of a transaction: the payment as it stands, nil when there
// is none, what arrived about it, what people decided, and the next question to the API.
func (s *Store) standing(ctx context.Context, txnID string) (t *transaction, f Facts, p Poll, err error) {
	f.TxnID, p.TxnID = txnID, txnID
	err = s.read(ctx, func(r rows) error {
		if f.Notifications, err = r.notifications(txnID); err != nil || len(f.Notifications) == 0 {
			return err
		}
		if t, err = r.transaction(txnID); err != nil || t == nil {
			return err
		}
		p.Txn = t.ID
		var cause string
		asked := r.one(q("poll"), args{t.ID}, &p.next, &cause)
		if errors.Is(asked, sql.ErrNoRows) {
			asked = nil
		}
		return errors.Join(asked, r.decisions(&f))
	})
	return t, f, p, err
}

// SweptUntil is the end of the newest comparison with Paytm's own list that came to its end and went back
// at least so far; zero for none.
func (s *Store) SweptUntil(ctx context.Context, back time.Duration) (time.Time, error) {
	var until int64
	err := s.read(ctx, func(r rows) error {
		return r.one(q("swept-until"), args{sourceAPI, s.now().UnixMilli(), comparisonsSeen, back.Milliseconds()}, &until)
	})
	if until == 0 || err != nil {
		return time.Time{}, err
	}
	return fromMillis(&until), nil
}

// PaidBetween calls each for the transactions whose payment time lies in a half-open stretch.
func (s *Store) PaidBetween(ctx context.Context, from, to time.Time, each func(*transaction)) error {
	return s.read(ctx, func(r rows) error {
		return r.each(q("transactions-paid-between"), args{from.UnixMilli(), to.UnixMilli()},
			func(scan func(...any) error) error {
				t, err := scanTransaction(scan)
				if err == nil {
					each(t)
				}
				return err
			})
	})
}
