package main

// What is personal can be forgotten: the facts know customers by keyed hashes only, and the hash of a raw
// body is of its salted MAC, so that nothing which is deleted here breaks a chain or a sum.

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Forgotten is what was deleted about a customer.
type Forgotten struct {
	Values   int64 // the customer's id, as a shop's or as a subscription's
	Bodies   int64 // raw messages
	Forwards int64 // copies of messages that the shop has taken, or never took
}

// forgetChunk is how many raw messages one transaction deletes.
const forgetChunk = 500

// Forget deletes what is personal about a customer or a subscription, overwriting it in the file;
// errNotFound when nothing is known of one. Who brought the customer, and what that earned, stays.
func (s *Store) Forget(ctx context.Context, value string) (f Forgotten, err error) {
	// What belongs to the customer is looked for on a snapshot, because that reads every order.
	var aliases, txnIDs []string
	var bodies []int64
	if err := s.read(ctx, func(r rows) error {
		if aliases, err = r.aliasesOf(value); err != nil {
			return err
		}
		for _, alias := range aliases {
			ids, err := r.transactionIDs(q("txnids-about-customer"), alias)
			if err != nil {
				return err
			}
			txnIDs = append(txnIDs, ids...)
		}
		for _, alias := range aliases {
			if err := r.numbers(q("bodies-naming-customer"), args{alias}, &bodies); err != nil {
				return err
			}
		}
		for _, id := range txnIDs {
			if err := r.numbers(q("bodies-about"), args{id}, &bodies); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return f, err
	}
	slices.Sort(bodies)
	for chunk := range slices.Chunk(slices.Compact(bodies), forgetChunk) {
		if err := s.erase(ctx, &f.Bodies, func(t *tx, count func(string, ...any) error) error {
			for _, body := range chunk {
				if err := errors.Join(t.exec(q("delete-bank"), body), count(q("delete-body"), body)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return f, err
		}
	}
	// The id goes last: until then the command can be said again.
	if err := s.erase(ctx, &f.Forwards, func(t *tx, count func(string, ...any) error) error {
		for _, id := range txnIDs {
			if err := count(q("delete-forwards"), id); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return f, err
	}
	err = s.erase(ctx, &f.Values, func(t *tx, count func(string, ...any) error) error {
		return count(q("delete-customer"), value)
	})
	if err != nil || f.Values == 0 {
		return f, firstError(err, errNotFound)
	}
	return f, s.write(ctx, s.payments, func(t *tx) error { return t.act("customer-forgotten", "", "") })
}

// DropBodies deletes raw messages that came before a time, the oldest first, and returns how many.
func (s *Store) DropBodies(ctx context.Context, before time.Time) (dropped int64, err error) {
	for {
		var n int64
		if err := s.erase(ctx, &n, func(t *tx, count func(string, ...any) error) error {
			// A day's are gone when all of that day's bodies are.
			if err := t.exec(q("delete-old-banks"), dayOf(before)<<bankBits); err != nil {
				return err
			}
			return count(q("delete-old-bodies"), before.UnixMilli(), forgetChunk)
		}); err != nil {
			return dropped, err
		}
		if dropped += n; n < forgetChunk {
			return dropped, nil
		}
	}
}

// DropApplications deletes the applications from before a time that were turned down, and returns how many.
func (s *Store) DropApplications(ctx context.Context, before time.Time) (dropped int64, err error) {
	err = s.erase(ctx, &dropped, func(t *tx, count func(string, ...any) error) error {
		return count(q("drop-old-applications"), before.UnixMilli())
	})
	return dropped, err
}

// erase runs deletions in one transaction, overwriting what they delete, and adds up how many rows went.
func (s *Store) erase(
	ctx context.Context, total *int64, do func(t *tx, count func(query string, a ...any) error) error,
) error {
	var sum int64
	err := s.write(ctx, s.payments, func(t *tx) (err error) {
		sum = 0
		var on int
		if err := t.one("PRAGMA secure_delete = ON", nil, &on); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.one("PRAGMA secure_delete = OFF", nil, &on)) }()
		return do(t, func(query string, a ...any) error {
			if err := t.exec(query, a...); err != nil {
				return err
			}
			var n int64
			err := t.one(q("count-changes"), nil, &n)
			sum += n
			return err
		})
	})
	if err == nil {
		*total += sum
	}
	return err
}

// aliasesOf are the keyed hashes under which the facts know a value.
func (r rows) aliasesOf(value string) ([]string, error) {
	var salt string
	if err := r.one(q("setting"), args{"customer_salt"}, &salt); err != nil {
		return nil, err
	}
	return []string{aliasOf(salt, "customer", value), aliasOf(salt, "subscription", value)}, nil
}

// numbers reads a column of integers.
func (r rows) numbers(query string, a args, into *[]int64) error {
	return r.each(query, a, func(scan func(...any) error) error {
		var n int64
		err := scan(&n)
		*into = append(*into, n)
		return err
	})
}
