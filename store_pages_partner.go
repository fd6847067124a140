package main

// What pages read of partners and of the shop as a whole: totals of days, what is held and due, clicks by
// sub-id, statements. Sums come from the totals by day; what these can't say, from partial indexes and from
// one day's payments.

import (
	"math"
	"time"
)

// dayTotal is what came of one day.
type dayTotal struct {
	day int64
	Totals
}

func scanTotals(scan func(...any) error, first any) (t Totals, err error) {
	err = scan(first, &t.Clicks, &t.Payments, &t.Sales, &t.Refunds, &t.Commission, &t.Reversed, &t.Confirmed)
	return t, err
}

// byDay sums up the days of the whole shop, those without anything left out.
func (r rows) byDay(from, to int64) ([]dayTotal, error) {
	return r.dayTotals(q("page-by-day"), from, to)
}

// dayTotals reads the days that one of the queries of days selects.
func (r rows) dayTotals(query string, a ...any) (list []dayTotal, err error) {
	err = r.each(query, a, func(scan func(...any) error) error {
		var d dayTotal
		var err error
		d.Totals, err = scanTotals(scan, &d.day)
		list = append(list, d)
		return err
	})
	return list, err
}

// byPartner sums up days by partner, "" being nobody.
func (r rows) byPartner(from, to int64) (map[string]Totals, error) {
	sums := map[string]Totals{}
	first, behind := wholeMonths(from, to)
	return sums, r.each(q("page-by-partner"), args{from, first, behind, to}, func(scan func(...any) error) error {
		var partner string
		t, err := scanTotals(scan, &partner)
		sums[partner] = t
		return err
	})
}

// daysOf are the days of one partner, those without anything left out.
func (r rows) daysOf(partner string, from, to int64) ([]dayTotal, error) {
	return r.dayTotals(q("page-days-of-partner"), partner, from, to)
}

func totalOf(days []dayTotal) (sum Totals) {
	for _, d := range days {
		sum = sum.plus(d.Totals, 1)
	}
	return sum
}

// holds are the shortest and the longest hold period of payments that may still be within theirs.
func (t *Terms) holds(now time.Time) (shortest, longest time.Duration) {
	shortest = math.MaxInt64
	for i, p := range t.programs {
		over := i+1 < len(t.programs) && t.programs[i+1].At.Before(now.Add(-p.Hold))
		if !over {
			shortest, longest = min(shortest, p.Hold), max(longest, p.Hold)
		}
	}
	if longest == 0 && shortest == math.MaxInt64 {
		shortest = 0
	}
	return shortest, longest
}

// held is what of unpaid commissions can't be paid yet, by partner: of one, or of all for "". Days that are
// wholly within the hold period are taken from the totals; on the day on which it begins, and where the
// program has changed it, the payments themselves are looked at.
func (r rows) held(t *Terms, partner string, now time.Time) (map[string]int64, error) {
	sums := map[string]int64{}
	shortest, longest := t.holds(now)
	whole := dayOf(now.Add(-shortest)) + 1
	add := func(scan func(...any) error) error {
		var code string
		var sum int64
		err := scan(&code, &sum)
		sums[code] += sum
		return err
	}
	from, to := now.Add(-longest).UnixMilli(), startOf(whole).UnixMilli()
	if err := r.each(q("page-held-between"), args{from, to, now.UnixMilli(), partner}, add); err != nil {
		return nil, err
	}
	if err := r.each(q("page-held-blocked"), args{now.UnixMilli(), partner, pollsAtMost}, add); err != nil {
		return nil, err
	}
	var first, last int64
	if err := r.one(q("page-first-and-last-day"), nil, &first, &last); err != nil {
		return nil, err
	}
	if partner != "" {
		days, err := r.daysOf(partner, whole, last+1)
		sum := totalOf(days)
		sums[partner] += sum.Commission - sum.Reversed
		return sums, err
	}
	totals, err := r.byPartner(whole, last+1)
	for code, sum := range totals {
		sums[code] += sum.Commission - sum.Reversed
	}
	return sums, err
}

// Owed is what a partner, or all of them, have in the ledger. Amounts are paise.
type Owed struct {
	Balance int64
	Held    int64     // what of it can't be paid yet
	Next    time.Time // when the next of that is released, zero when nothing is held
}

// due is what could be paid.
func (o Owed) due() int64 { return max(0, o.Balance-o.Held) }

// owed reads what is owed to one partner, or to all of them together for "".
func (r rows) owed(t *Terms, partner string, now time.Time) (o Owed, err error) {
	if partner == "" {
		err = r.one(q("page-balances"), nil, &o.Balance)
	} else {
		err = r.one(q("account-balance"), args{accountOf(partner)}, &o.Balance)
	}
	if err != nil {
		return o, err
	}
	sums, err := r.held(t, partner, now)
	for _, sum := range sums {
		o.Held += sum
	}
	if err != nil || o.Held <= 0 {
		return o, err
	}
	_, longest := t.holds(now)
	var next int64
	err = r.one(q("page-next-due"),
		args{now.Add(-longest).UnixMilli(), now.UnixMilli(), partner, firstReach}, &next)
	if next > 0 {
		o.Next = fromMillis(&next)
	}
	return o, err
}

// paidTo is what was paid to a partner so far.
func (r rows) paidTo(partner string) (paid int64, err error) {
	list, err := r.statementsOf(q("statements-of-partner"), args{partner})
	for _, s := range list {
		if s.State() == "paid" {
			paid += s.Amount()
		}
	}
	return paid, err
}

// SubClicks are a partner's clicks under one sub-id, among the newest that carry any.
type SubClicks struct {
	Sub    string
	Clicks int64
	Last   time.Time
}

const (
	subClicksLook = 5000 // of a partner's clicks with sub-ids
	subsShown     = 50
)

func (r rows) clicksBySub(partner string) (list []SubClicks, err error) {
	a := args{partner, subClicksLook, subsShown + 1}
	err = r.each(q("page-clicks-by-sub"), a, func(scan func(...any) error) error {
		var c SubClicks
		var at int64
		err := scan(&c.Sub, &c.Clicks, &at)
		c.Last = fromMillis(&at)
		list = append(list, c)
		return err
	})
	return list, err
}

const statementsReach = 200 // statements that are looked at in one go

// statementsBack lists statements from an id down, of one partner or of all: those that want likes. next is
// where the next page begins, 0 when this is the last.
func (r rows) statementsBack(
	partner string, before int64, n int, want func(*Statement) bool,
) (list []*Statement, next int64, err error) {
	ends := time.Now().Add(pageBudget)
	if before <= 0 {
		before = math.MaxInt64
	}
	for {
		looked, likely := 0, []int64{}
		err := r.each(q("page-statements"), args{before, partner, statementsReach}, func(scan func(...any) error) error {
			var s Statement
			var step string
			err := scan(&s.ID, &s.Partner, &s.Payable, &s.Minimum, &step)
			if step != "" {
				s.Steps = []Step{{Step: step}}
			}
			if want(&s) {
				likely = append(likely, s.ID)
			}
			looked, before = looked+1, s.ID
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		for _, id := range likely {
			if len(list) == n {
				return list, list[n-1].ID, nil
			}
			s, err := r.statement(id)
			if err != nil {
				return nil, 0, err
			}
			list = append(list, s)
		}
		switch {
		case looked < statementsReach:
			return list, 0, nil
		case time.Now().After(ends):
			return list, before, nil
		}
	}
}
