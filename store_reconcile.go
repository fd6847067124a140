package main

// The store's side of reconciliation: which comparisons there were, and what the books have of a
// period.

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// RecordReconciliation keeps what a comparison came to.
func (s *Store) RecordReconciliation(ctx context.Context, r Reconciliation) error {
	return s.write(ctx, s.clicks, func(t *tx) error {
		return t.exec(q("insert-reconciliation"), r.At.UnixMilli(), r.From.UnixMilli(), r.To.UnixMilli(),
			r.Source, r.Listed, r.Missing, r.Mismatched, r.Unrefunded, r.Unlisted, r.Error)
	})
}

// LastReconciliation returns the comparison with Paytm's own list that reaches furthest, the latest of
// several, nil when there was none.
func (s *Store) LastReconciliation(ctx context.Context) (*Reconciliation, error) {
	last := &Reconciliation{Source: sourceAPI}
	err := s.read(ctx, func(r rows) error {
		var at, from, to int64
		err := r.one(q("last-reconciliation"), args{sourceAPI}, &at, &from, &to, &last.Listed, &last.Missing,
			&last.Mismatched, &last.Unrefunded, &last.Unlisted, &last.Error)
		last.At, last.From, last.To = fromMillis(&at), fromMillis(&from), fromMillis(&to)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return last, err
}

// PaidBetween returns the transactions whose payment time lies in a half-open stretch.
func (s *Store) PaidBetween(ctx context.Context, from, to time.Time) (list []*transaction, err error) {
	err = s.read(ctx, func(r rows) error {
		list, err = r.transactions(q("transactions-paid-between"), from.UnixMilli(), to.UnixMilli())
		return err
	})
	return list, err
}
