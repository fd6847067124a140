package main

// What pages read of payments. Everything is bounded: a list stops after a page of rows, and where a filter
// finds few, after a while; then the page says how far back it has looked and goes on from there.

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	pageRows   = 50                    // of a list
	pageBudget = 25 * time.Millisecond // for which one page goes on looking where a filter finds few
	firstReach = 1000                  // payments that are looked at first; each further reach is twice that
	lastReach  = 1 << 15

	countAtMost = 99   // more is only more
	pollsAtMost = 5000 // the oldest questions that are looked at for expired ones
	refundsLook = 1000 // refunds that are looked at for those without a payment
	needsBack   = 30 * 24 * time.Hour
)

// place is where a page begins in an order of time: behind a row.
type place struct{ at, id int64 }

// newest is before every row.
var newest = place{1 << 62, 1 << 62}

func (p place) String() string { return fmt.Sprintf("%d-%d", p.at, p.id) }

// parsePlace reads what String wrote; anything else is the beginning.
func parsePlace(text string) place {
	at, id, _ := strings.Cut(text, "-")
	var p place
	var err, err2 error
	p.at, err = strconv.ParseInt(at, 10, 64)
	p.id, err2 = strconv.ParseInt(id, 10, 64)
	if err != nil || err2 != nil || p.at < 0 || p.id < 0 {
		return newest
	}
	return p
}

// paymentLine is a payment in a list.
type paymentLine struct {
	*transaction
	Commission *Commission // nil when nobody earns
}

func (l paymentLine) place() place { return place{l.PaidAt.UnixMilli(), l.ID} }

// state is how the commission stands, or why there is none: nobody, pending, failed.
func (l paymentLine) state(now time.Time) (state string, blocks []string) {
	switch {
	case l.Commission != nil:
		return l.Commission.State(now)
	case l.Status == "success":
		return "nobody", nil
	}
	return l.Status, nil
}

// scanLine reads a row of the view payment_lines.
func scanLine(scan func(...any) error) (l paymentLine, err error) {
	var c Commission
	var amount *int64
	var due int64
	var blocks string
	l.transaction, err = scanTransaction(func(into ...any) error {
		return scan(append(into, &amount, &c.Reversed, &c.Void, &c.Rate.BPS, &c.Rate.Flat, &c.Program,
			&due, &blocks, &c.Payout)...)
	})
	if amount == nil || err != nil {
		return l, err
	}
	c.Amount = *amount
	c.TxnID, c.Partner, c.Currency, c.Basis = l.TxnID, l.Partner, l.Currency, l.Basis
	c.PaidAt, c.DueAt, c.Blocks = l.PaidAt, fromMillis(&due), strings.Fields(blocks)
	l.Commission = &c
	return l, nil
}

// paymentLines reads the payments that one of the queries of lists selects.
func (r rows) paymentLines(query string, a ...any) (list []paymentLine, err error) {
	err = r.each(query, a, func(scan func(...any) error) error {
		l, err := scanLine(scan)
		list = append(list, l)
		return err
	})
	return list, err
}

// paymentFilter is what a list of payments is narrowed down to.
type paymentFilter struct {
	Partner string // "" for all
	State   string // due, held, paid, reversed, nobody, pending, failed, refunded; "" for all
	Amount  int64  // below 0 for all
	Span    Span   // by payment time
}

// paymentList is one page of payments, the newest first.
type paymentList struct {
	Lines []paymentLine
	Next  *place    // where the next page begins, nil when this is the last
	Upto  time.Time // how far back was looked when that is why the page ends; zero otherwise
}

// cut ends a page after n rows of a list that was read one further.
func cut(list []paymentLine, n int) paymentList {
	if len(list) <= n {
		return paymentList{Lines: list}
	}
	next := list[n-1].place()
	return paymentList{Lines: list[:n], Next: &next}
}

// Payments lists a page of payments behind a place.
func (s *Store) Payments(ctx context.Context, f paymentFilter, from place, n int) (l paymentList, err error) {
	err = s.read(ctx, func(r rows) error {
		l, err = r.payments(f, from, n, s.now())
		return err
	})
	return l, err
}

func (r rows) payments(f paymentFilter, from place, n int, now time.Time) (paymentList, error) {
	low, high := f.Span.millis()
	from = from.atMost(high - 1)
	var list []paymentLine
	reach, ends := firstReach, time.Now().Add(pageBudget)
	if f.Partner == "" && f.State == "" && f.Amount < 0 {
		reach = n + 1
	}
	var first, last int64 // days
	if err := r.one(q("page-first-and-last-day"), nil, &first, &last); err != nil {
		return paymentList{}, err
	}
	for {
		bottom := low
		if f.Partner != "" {
			// Days on which the partner had nothing are passed over.
			day, found, err := r.dayBefore(f.Partner, min(last, dayOfMillis(from.at)), max(first, dayOfMillis(low)))
			if err != nil || !found {
				return paymentList{Lines: list}, err
			}
			from = from.atMost(startOf(day+1).UnixMilli() - 1)
			bottom = max(low, startOf(day).UnixMilli())
		}
		var count int
		var least int64
		if err := r.one(q("page-stretch"), args{bottom, from.at, from.id, reach}, &count, &least); err != nil {
			return paymentList{}, err
		}
		if count > 0 {
			found, err := r.paymentLines(q("page-payments"), least, from.at, from.id, f.Partner, f.Amount, f.State,
				now.UnixMilli(), n+1-len(list))
			if err != nil {
				return paymentList{}, err
			}
			if list = append(list, found...); len(list) > n {
				return cut(list, n), nil
			}
		}
		switch {
		case count == reach:
			from = place{least, 0}
		case f.Partner == "" || bottom == low: // the span has no more
			return paymentList{Lines: list}, nil
		default:
			from = place{bottom - 1, 1 << 62}
		}
		if time.Now().After(ends) {
			return paymentList{list, &from, fromMillis(&from.at)}, nil
		}
		reach = min(2*reach, lastReach)
	}
}

// atMost is the place, or the end of the time before which it may not be.
func (p place) atMost(at int64) place {
	if at < p.at {
		return place{at, 1 << 62}
	}
	return p
}

// dayBefore is the newest day, from one back to another, on which a partner had a click or a sale.
func (r rows) dayBefore(partner string, from, to int64) (day int64, found bool, err error) {
	err = r.one(q("page-day-before"), args{partner, from, to}, &day)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return day, err == nil, err
}

// PaymentsNamed finds payments by what a person has in hand: the TXNID or its beginning, the order's id or its
// beginning, the bank's reference. The newest come first, n at most; more is whether there are others.
func (s *Store) PaymentsNamed(ctx context.Context, text string, n int) (list []paymentLine, more bool, err error) {
	if _, err := s.NoteBanks(ctx); err != nil { // so that the last minute's are found too
		return nil, false, err
	}
	err = s.read(ctx, func(r rows) error {
		var salt string
		if err := r.one(q("setting"), args{"customer_salt"}, &salt); err != nil {
			return err
		}
		bank, err := bankHash(salt, text)
		if err != nil {
			return err
		}
		today := dayOf(s.now()) + 1 // a clock may have been ahead
		var ids []string
		for _, look := range []struct {
			query string
			args  args
		}{
			{q("subjects-of-order"), args{text}},
			{q("page-txnids-of-longer-orders"), args{text, n + 1}},
			{q("page-txnids-of-bank"), args{bank, today, today - bankDaysBack, n + 1}},
			{q("page-txnids-like"), args{text, n + 1}},
			{q("page-txnids-of-orders-like"), args{text, n + 1}},
		} {
			found, err := r.transactionIDs(look.query, look.args...)
			if err != nil {
				return err
			}
			ids = append(ids, found...)
		}
		seen := map[string]bool{}
		for _, id := range ids {
			if seen[id] || len(list) > n {
				continue
			}
			seen[id] = true
			found, err := r.paymentLines(q("page-payment"), id)
			if err != nil {
				return err
			}
			list = append(list, found...)
		}
		return nil
	})
	if more = len(list) > n; more {
		list = list[:n]
	}
	slices.SortStableFunc(list, func(a, b paymentLine) int {
		return cmp.Or(b.PaidAt.Compare(a.PaidAt), cmp.Compare(b.ID, a.ID))
	})
	return list, more, err
}

// Need is one sort of thing that waits for a person: how much of it there is, countAtMost at most, and since
// when.
type Need struct {
	Kind   string
	Count  int64
	More   bool
	Oldest time.Time
}

// Needs counts what waits for a person in the books.
func (s *Store) Needs(ctx context.Context) (list []Need, err error) {
	now := s.now()
	long, since := now.Add(-expiry).UnixMilli(), now.Add(-needsBack).UnixMilli()
	limit := countAtMost + 1
	err = s.read(ctx, func(r rows) error {
		for _, n := range []struct {
			kind, query string
			args        args
		}{
			{"conflict", q("count-conflicts"), args{limit}},
			{"review", q("count-review"), args{since, limit}},
			{"expired", q("count-expired"), args{long, pollsAtMost, limit}},
			{"denied", q("count-denied"), args{since, limit}},
			{"dispute", q("count-disputed"), args{limit}},
			{"refunds", q("count-refunds"), args{since, limit, refundsLook}},
			{"abuse", q("count-blocked"), args{"abuse", limit}},
			{"merchant", q("count-blocked"), args{"merchant", limit}},
			{"forward", q("count-forwards"), args{limit}},
		} {
			need := Need{Kind: n.kind}
			var oldest int64
			if err := r.one(n.query, n.args, &need.Count, &oldest); err != nil {
				return err
			}
			if need.Count > 0 {
				need.Oldest = fromMillis(&oldest)
			}
			list = append(list, need.atMost(countAtMost))
		}
		nobody, err := r.nobodyLately(now)
		list = append(list, nobody)
		return err
	})
	return list, err
}

func (n Need) atMost(most int64) Need {
	if n.More = n.Count > most; n.More {
		n.Count = most
	}
	return n
}

// nobodysDays is for how many days payments that nobody brought are shown.
const nobodysDays = 7

// nobodyLately counts the payments of the last days that nobody brought.
func (r rows) nobodyLately(now time.Time) (Need, error) {
	n := Need{Kind: "unattributed"}
	today := dayOf(now)
	days, err := r.daysOf("", today-nobodysDays+1, today+1)
	for i := len(days) - 1; i >= 0; i-- {
		if n.Count += days[i].Payments; days[i].Payments > 0 {
			n.Oldest = startOf(days[i].day)
		}
	}
	return n.atMost(countAtMost), err
}

// NeedPayments lists payments that wait for a person, for one of the reasons conflict, expired, denied,
// dispute, abuse, merchant, unattributed; errNotFound for any other.
func (s *Store) NeedPayments(ctx context.Context, kind string, from place, n int) (l paymentList, err error) {
	now := s.now()
	err = s.read(ctx, func(r rows) (err error) {
		var list []paymentLine
		switch kind {
		case "conflict":
			list, err = r.paymentLines(q("needs-conflicts"), from.at, from.id, n+1)
		case "expired":
			list, err = r.paymentLines(q("needs-expired"),
				now.Add(-expiry).UnixMilli(), from.at, from.id, pollsAtMost, n+1)
		case "denied":
			list, err = r.paymentLines(q("needs-denied"), now.Add(-needsBack).UnixMilli(), from.at, from.id, n+1)
		case "dispute":
			list, err = r.paymentLines(q("needs-disputed"), from.at, from.id, n+1)
		case "abuse", "merchant":
			list, err = r.paymentLines(q("needs-blocked"), kind, from.at, from.id, n+1)
		case "unattributed":
			since := startOf(dayOf(now) - nobodysDays + 1)
			l, err = r.payments(paymentFilter{State: "nobody", Amount: -1, Span: Span{From: since}}, from, n, now)
			return err
		default:
			return errNotFound
		}
		l = cut(list, n)
		return err
	})
	return l, err
}

// NeedMessages lists messages that wait for a person: those that can't be used (review), and refunds of
// payments that are not known (refunds); errNotFound for any other kind.
func (s *Store) NeedMessages(
	ctx context.Context, kind string, from place, n int,
) (list []Notification, next *place, err error) {
	since := s.now().Add(-needsBack).UnixMilli()
	query, a := "", args{since, from.at, from.id, n + 1}
	switch kind {
	case "review":
		query = q("needs-review")
	case "refunds":
		query, a = q("needs-refunds"), append(a, refundsLook)
	default:
		return nil, nil, errNotFound
	}
	err = s.read(ctx, func(r rows) error {
		return r.each(query, a, func(scan func(...any) error) error {
			m, err := scanNotification(scan)
			list = append(list, m)
			return err
		})
	})
	if len(list) > n {
		last := list[n-1]
		list, next = list[:n], &place{last.At.UnixMilli(), last.Seq}
	}
	return list, next, err
}

// Untaken is a message that the shop never took.
type Untaken struct {
	ID      int64
	At      time.Time
	Subject string
	Tries   int
	Said    string
	Ended   time.Time
}

// Untaken lists messages that the shop never took.
func (s *Store) Untaken(ctx context.Context, from place, n int) (list []Untaken, next *place, err error) {
	err = s.read(ctx, func(r rows) error {
		return r.each(q("needs-forwards"), args{from.at, from.id, n + 1}, func(scan func(...any) error) error {
			var u Untaken
			var at int64
			var ended *int64
			err := scan(&u.ID, &at, &u.Subject, &u.Tries, &u.Said, &ended)
			u.At, u.Ended = fromMillis(&at), fromMillis(ended)
			list = append(list, u)
			return err
		})
	})
	if len(list) > n {
		last := list[n-1]
		list, next = list[:n], &place{last.At.UnixMilli(), last.ID}
	}
	return list, next, err
}

// RawBody is a message as it came; errNotFound once it is deleted, or without its key.
func (s *Store) RawBody(ctx context.Context, notification int64) (body []byte, err error) {
	err = s.read(ctx, func(r rows) error {
		var raw rawBody
		err := r.one(q("body-of"), args{notification}, &raw.packed, &raw.packing, &raw.key, &raw.mac)
		if errors.Is(err, sql.ErrNoRows) {
			return errNotFound
		}
		if err != nil {
			return err
		}
		body, err = s.keys.bodyOf(raw)
		var closed missingKeyError
		if errors.As(err, &closed) {
			return errNotFound
		}
		return err
	})
	return body, err
}
