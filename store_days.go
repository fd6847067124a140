package main

// Totals by day and partner. They are kept up in the transaction that changes what they are made of, and
// verify works them out again.

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	indiaAhead = 19_800_000 // ms by which India's clocks are ahead of UTC, all year
	dayLength  = 86_400_000 // ms
)

// dayOf is the day in India on which a time falls, counted from 1970-01-01 there.
func dayOf(t time.Time) int64 { return (t.UnixMilli() + indiaAhead) / dayLength }

// startOf is when a day began.
func startOf(day int64) time.Time { return time.UnixMilli(day*dayLength - indiaAhead).UTC() }

// dayKey is what the totals are kept by.
type dayKey struct {
	day     int64
	partner string // "" for payments that nobody brought
}

// Totals is what came of one partner's links: counts, and amounts in paise.
type Totals struct {
	Clicks     int64 // that count
	Payments   int64 // successful ones
	Sales      int64 // what they come to
	Refunds    int64 // what was refunded of them
	Commission int64 // what they earned
	Reversed   int64 // what was taken back of that
}

func (t Totals) plus(o Totals, times int64) Totals {
	return Totals{
		t.Clicks + times*o.Clicks, t.Payments + times*o.Payments, t.Sales + times*o.Sales,
		t.Refunds + times*o.Refunds, t.Commission + times*o.Commission, t.Reversed + times*o.Reversed,
	}
}

// dayTotals are totals by day and partner, or how they change.
type dayTotals map[dayKey]Totals

func (d dayTotals) add(k dayKey, t Totals, times int64) {
	if sum := d[k].plus(t, times); sum != (Totals{}) {
		d[k] = sum
	} else {
		delete(d, k)
	}
}

// addClick counts a click that counts.
func (d dayTotals) addClick(at time.Time, partner string) {
	d.add(dayKey{dayOf(at), partner}, Totals{Clicks: 1}, 1)
}

// addPayment counts a payment and what it earned, or with -1 takes it out. One that did not succeed is
// none.
func (d dayTotals) addPayment(t *transaction, c *Commission, times int64) {
	if t.Status != "success" {
		return
	}
	sum := Totals{Payments: 1, Sales: t.Amount, Refunds: t.Refunded}
	if c != nil {
		sum.Commission, sum.Reversed = c.Amount, c.Reversed
		if c.Void {
			sum.Reversed = c.Amount
		}
	}
	d.add(dayKey{dayOf(t.PaidAt), t.Partner}, sum, times)
}

func (k dayKey) compare(o dayKey) int {
	return cmp.Or(cmp.Compare(k.day, o.day), cmp.Compare(k.partner, o.partner))
}

func (k dayKey) String() string {
	return fmt.Sprintf("totals of %q on %s", k.partner, startOf(k.day).In(ist).Format(time.DateOnly))
}

// takeOut takes a payment out of the totals as it stood, before it changes.
func (t *tx) takeOut(txn *transaction) error {
	c, err := t.commission(txn.ID)
	if err == nil {
		t.days.addPayment(txn, c, -1)
	}
	return err
}

// moveDays writes down what a batch changes.
func (w *writer) moveDays() error {
	for _, k := range slices.SortedFunc(maps.Keys(w.days), dayKey.compare) {
		t := w.days[k]
		if err := w.exec(q("move-day"), k.day, k.partner,
			t.Clicks, t.Payments, t.Sales, t.Refunds, t.Commission, t.Reversed); err != nil {
			return err
		}
	}
	clear(w.days)
	return nil
}

// days reads the totals of the days that begin in a span, in order.
func (r rows) days(span Span, row func(dayKey, Totals) error) error {
	from, to := span.days()
	return r.each(q("days"), args{from, to}, func(scan func(...any) error) error {
		var k dayKey
		var t Totals
		err := scan(&k.day, &k.partner,
			&t.Clicks, &t.Payments, &t.Sales, &t.Refunds, &t.Commission, &t.Reversed)
		if err != nil {
			return err
		}
		return row(k, t)
	})
}

// days are those that begin in the span, the last left out.
func (s Span) days() (from, to int64) {
	to = 1 << 40
	if !s.From.IsZero() {
		from = dayOf(s.From.Add(-time.Millisecond)) + 1
	}
	if !s.To.IsZero() {
		to = dayOf(s.To.Add(-time.Millisecond)) + 1
	}
	return from, to
}
