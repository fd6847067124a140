package main

// Totals by day and partner, and from them by month and partner, and by day of the whole shop. They are kept up
// in the transaction that changes what they are made of, and verify works them out again.

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
func dayOf(t time.Time) int64 { return dayOfMillis(t.UnixMilli()) }

func dayOfMillis(at int64) int64 { return (at + indiaAhead) / dayLength }

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
	Confirmed  int64 // what of sales less refunds is confirmed
}

func (t Totals) plus(o Totals, times int64) Totals {
	return Totals{
		t.Clicks + times*o.Clicks, t.Payments + times*o.Payments, t.Sales + times*o.Sales,
		t.Refunds + times*o.Refunds, t.Commission + times*o.Commission, t.Reversed + times*o.Reversed,
		t.Confirmed + times*o.Confirmed,
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
	if t.Confirmation == agreed || t.Confirmation == off {
		sum.Confirmed = t.Amount - t.Refunded
	}
	if c != nil {
		sum.Commission, sum.Reversed = c.Amount, c.Reversed
		if c.Void {
			sum.Reversed = c.Amount
		}
	}
	d.add(dayKey{dayOf(t.PaidAt), t.Partner}, sum, times)
}

// byMonth are the totals of months, by their first days.
func (d dayTotals) byMonth() dayTotals {
	months := dayTotals{}
	for k, t := range d {
		months.add(dayKey{monthOf(k.day), k.partner}, t, 1)
	}
	return months
}

// ofShop are the totals of everybody together.
func (d dayTotals) ofShop() dayTotals {
	shop := dayTotals{}
	for k, t := range d {
		shop.add(dayKey{day: k.day}, t, 1)
	}
	return shop
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
	defer clear(w.days)
	return cmp.Or(w.moveTotals(q("move-day"), w.days), w.moveTotals(q("move-month"), w.days.byMonth()),
		w.moveTotals(q("move-shop-day"), w.days.ofShop()))
}

func (w *writer) moveTotals(query string, changes dayTotals) error {
	for _, k := range slices.SortedFunc(maps.Keys(changes), dayKey.compare) {
		t := changes[k]
		if err := w.exec(query, k.day, k.partner,
			t.Clicks, t.Payments, t.Sales, t.Refunds, t.Commission, t.Reversed, t.Confirmed); err != nil {
			return err
		}
	}
	return nil
}

// days reads the totals of the days that begin in a span, in order.
func (r rows) days(span Span, row func(dayKey, Totals) error) error {
	from, to := span.days()
	return r.totals(q("days"), args{from, to}, row)
}

// totals reads what one of the queries of totals by time and partner selects.
func (r rows) totals(query string, a args, row func(dayKey, Totals) error) error {
	return r.each(query, a, func(scan func(...any) error) error {
		var k dayKey
		var t Totals
		err := scan(&k.day, &k.partner,
			&t.Clicks, &t.Payments, &t.Sales, &t.Refunds, &t.Commission, &t.Reversed, &t.Confirmed)
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

// monthOf is the first day of a day's month.
func monthOf(day int64) int64 {
	at := startOf(day).In(ist)
	return day - int64(at.Day()) + 1
}

// wholeMonths are the months that lie wholly between two days: the first day of the first of them, and the day
// behind the last; where there is none, the later day is both.
func wholeMonths(from, to int64) (first, behind int64) {
	first, behind = monthOf(from), monthOf(to)
	if first < from {
		first = monthOf(first + 31)
	}
	if first >= behind {
		return to, to
	}
	return first, behind
}

// salesOf is what a partner's confirmed sales of some days come to, less refunds; the last day left out.
func (r rows) salesOf(partner string, from, to int64) (sum int64, err error) {
	if partner == "" || from >= to {
		return 0, nil
	}
	return sum, r.one(q("sales-of"), args{partner, from, to}, &sum)
}

// sold is what a payment adds to the sales that tiers count.
func (t *transaction) sold() (dayKey, int64) {
	sum := dayTotals{}
	sum.addPayment(t, nil, 1)
	k := dayKey{dayOf(t.PaidAt), t.Partner}
	return k, sum[k].Confirmed
}

// redecideMonths works out again the payments whose tier changes because another payment did: those that
// the same partner brought later in the month.
func (t *tx) redecideMonths(before, after *transaction) error {
	if !t.terms.anyTiers() {
		return nil
	}
	k, had := before.sold()
	now, has := after.sold()
	if k == now {
		return t.redecideMonth(k, has-had)
	}
	return cmp.Or(t.redecideMonth(k, -had), t.redecideMonth(now, has))
}

func (t *tx) redecideMonth(k dayKey, moved int64) error {
	if moved == 0 || k.partner == "" {
		return nil
	}
	if err := t.moveDays(); err != nil {
		return err
	}
	month := monthOf(k.day)
	next := monthOf(month + 31)
	var ids []string
	err := t.each(q("days-of-partner"), args{k.partner, k.day + 1, next}, func(scan func(...any) error) error {
		var day, sales int64
		if err := scan(&day); err != nil {
			return err
		}
		sales, err := t.salesOf(k.partner, month, day)
		if err != nil || !t.terms.otherTier(sales-moved, sales) {
			return err
		}
		from, to := startOf(day).UnixMilli(), startOf(day+1).UnixMilli()
		found, err := t.transactionIDs(q("txnids-of-partner-between"), k.partner, from, to)
		ids = append(ids, found...)
		return err
	})
	if err != nil {
		return err
	}
	return t.redecideAll(ids)
}

// otherTier reports whether under some program one amount of sales reaches another tier than another.
func (t *Terms) otherTier(a, b int64) bool {
	return slices.ContainsFunc(t.programs, func(p Program) bool { return p.tier(a) != p.tier(b) })
}
