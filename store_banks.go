package main

// By which payments are found that a customer names by the bank's reference: for UPI the RRN. The facts don't
// have it, raw bodies do, and an index of them on the webhook's way would cost every message a page of the
// disk. So they are gone through afterwards, many at once, and what is kept is a number that says nothing.

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"hissa/paytm"
)

const (
	bankBits     = 40              // of the hash, behind the day
	bankDaysBack = 366             // bodies are kept no longer
	banksAtOnce  = 1000            // messages in one transaction
	banksEvery   = 5 * time.Minute // a search goes through the rest by itself
	banksPause   = 100 * time.Millisecond
)

// bankNote is what is kept of one message.
type bankNote struct{ bank, notification int64 }

// NoteBanks goes through the next messages that are still to be looked at, and says how many those were.
func (s *Store) NoteBanks(ctx context.Context) (looked int, err error) {
	var notes []bankNote
	var last int64
	err = s.read(ctx, func(r rows) error {
		var salt string
		if err := r.one(q("setting"), args{"customer_salt"}, &salt); err != nil {
			return err
		}
		return r.each(q("bodies-behind"), args{banksAtOnce}, func(scan func(...any) error) error {
			var at int64
			var raw rawBody
			if err := scan(&last, &at, &raw.packed, &raw.packing, &raw.key, &raw.mac); err != nil {
				return err
			}
			looked++
			body, err := s.keys.bodyOf(raw)
			if err != nil {
				return nil // verify says so, or that a key is missing
			}
			envelope, err := paytm.Parse(body)
			if err != nil || envelope.BankReference() == "" {
				return nil // booked from a list, or without one
			}
			hash, err := bankHash(salt, envelope.BankReference())
			notes = append(notes, bankNote{dayOfMillis(at)<<bankBits + hash, last})
			return err
		})
	})
	if err != nil || looked == 0 {
		return looked, err
	}
	slices.SortFunc(notes, func(a, b bankNote) int { return cmp.Compare(a.bank, b.bank) })
	return looked, s.write(ctx, s.clicks, func(t *tx) error {
		for _, n := range notes {
			if err := t.exec(q("insert-bank"), n.bank, n.notification); err != nil {
				return err
			}
		}
		return t.exec(q("banks-done"), last)
	})
}

// noteBanks goes through messages until ctx ends.
func noteBanks(ctx context.Context, store *Store, log *slog.Logger) {
	for {
		wait := banksEvery
		looked, err := store.NoteBanks(ctx)
		if err != nil && ctx.Err() == nil {
			log.Error("payments are not found by the bank's reference", "cause", err.Error())
		}
		if looked == banksAtOnce {
			wait = banksPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// bankHash is by what a reference of the bank is found within a day.
func bankHash(salt, reference string) (int64, error) {
	return strconv.ParseInt(aliasOf(salt, "bank", reference)[:bankBits/4], 16, 64)
}
