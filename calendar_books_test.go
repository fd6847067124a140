package main

// What the books say at the end of the ten years of calendar_test.go, and how it is held against what follows from
// what happened.

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// book reads the same from the books: from exports, and where there is none from the tables.
func (l *life) book() *book {
	b := &book{}
	by, on := map[string]*sale{}, map[string]string{}
	for s, pay := range l.sold {
		by[pay.TxnID] = s
	}
	l.tellDays(b, on)
	for _, row := range l.export("transactions", "", "") {
		id := row.text("txn_id")
		b.add(by[id].timeless(), "payment %s %s %s %s on %s at %d less %s, of %s", id, row.text("status"),
			row.text("confirmation"), row.text("amount"), on[id], row.at("paid_at"), row.text("refunded"), row.text("partner"))
	}
	for _, row := range l.export("commissions", "", "") {
		id := row.text("txn_id")
		b.add(by[id].timeless(), "commission %s %s %s less %s, due %d", id, row.text("partner"), row.text("amount"),
			row.text("reversed"), row.at("due_at"))
		b.add(false, "state %s %s", id, row.text("state"))
	}
	for _, row := range l.export("ledger", "", "") {
		b.add(false, "entry %d %s %s %s %s %s", row.at("at"), row.text("kind"), row.text("debit"), row.text("credit"),
			row.text("amount"), row.text("txn_id"))
	}
	l.tellMoved(b)
	l.tellTaxes(b)
	if err := l.read(l.ctx(), func(r rows) error { return cmp.Or(tellTables(r, b), tellStatements(r, b)) }); err != nil {
		l.Fatal(err)
	}
	return b
}

// exported is a row of an export.
type exported map[string]any

func (e exported) text(name string) string { return fmt.Sprint(e[name]) }

// paise reads an amount, or a count.
func (e exported) paise(name string) (paise int64) {
	for _, digit := range e.text(name) {
		if digit != '.' {
			paise = 10*paise + int64(digit-'0')
		}
	}
	return paise
}

func (e exported) at(name string) int64 {
	at, err := time.Parse(time.RFC3339, e.text(name))
	if err != nil {
		panic(err)
	}
	return at.UnixMilli()
}

// export is what hissa export prints, with -from and -to.
func (l *life) export(kind, from, to string) (list []exported) {
	span, err := parseSpan(from, to)
	var text bytes.Buffer
	if err == nil {
		err = l.Export(l.ctx(), &text, kind, "jsonl", span)
	}
	for d := json.NewDecoder(&text); err == nil && d.More(); {
		var row exported
		err = d.Decode(&row)
		list = append(list, row)
	}
	if err != nil {
		l.Fatal(err)
	}
	return list
}

// tellDays tells the totals of every day, and notes which payments each day's export has.
func (l *life) tellDays(b *book, on map[string]string) {
	exportedOn := map[string]bool{}
	for _, row := range l.export("days", "", "") {
		day, partner := row.text("day"), row.text("partner")
		b.add(partner == "ASHA" || partner == "MEERA", "day %s %s %v", day, partner, reckonedTotals{
			row.paise("clicks"), row.paise("payments"), row.paise("sales"), row.paise("refunds"),
			row.paise("commission"), row.paise("reversed"), false})
		if exportedOn[day] {
			continue
		}
		exportedOn[day] = true
		for _, sold := range l.export("transactions", day, dayAfter(day)) {
			if id := sold.text("txn_id"); sold.text("status") == "success" {
				on[id] += day
			}
		}
	}
}

func dayAfter(day string) string {
	var y, m, d int64
	if _, err := fmt.Sscanf(day, "%d-%d-%d", &y, &m, &d); err != nil {
		panic(err)
	}
	return date(dayOn(y, m, d) + 1)
}

// tellMoved tells what the ledger moved in each February and March.
func (l *life) tellMoved(b *book) {
	for y := int64(2025); y < 2040; y++ {
		for m := int64(2); m < 4; m++ {
			sums := map[string]int64{}
			for _, row := range l.export("ledger", date(dayOn(y, m, 1)), date(dayOn(y, m+1, 1))) {
				sums[row.text("kind")] += row.paise("amount")
			}
			for kind, sum := range sums {
				b.add(false, "moved %04d-%02d %s %s", y, m, kind, inPaise(sum))
			}
		}
	}
}

// tellTaxes tells the tax of every quarter.
func (l *life) tellTaxes(b *book) {
	for y := int64(2025); y < 2040; y++ {
		for q := int64(1); q < 5; q++ {
			sums := map[string]int64{}
			list, err := l.Deductions(l.ctx(), quarterOf(time.Time{}, int(y), int(q)))
			if err != nil {
				l.Fatal(err)
			}
			for _, d := range list {
				sums[d.Partner] += d.Amount
			}
			for partner, sum := range sums {
				if sum != 0 {
					b.add(false, "%s %s", taxLine(y, q, partner), inPaise(sum))
				}
			}
		}
	}
}

// tellTables tells what no export has: the totals of months, and when a payment was first heard of.
func tellTables(r rows, b *book) error {
	err := r.totals(q("months"), nil, func(k dayKey, t Totals) error {
		if t != (Totals{}) {
			b.add(k.partner == "ASHA" || k.partner == "MEERA", "month %s %s %v", date(k.day), k.partner,
				reckonedTotals{t.Clicks, t.Payments, t.Sales, t.Refunds, t.Commission, t.Reversed, false})
		}
		return nil
	})
	return cmp.Or(err, r.each("SELECT txn_id, first_at FROM transactions", nil, func(scan func(...any) error) error {
		var id string
		var first int64
		err := scan(&id, &first)
		b.add(false, "first heard of %s at %d", id, first)
		return err
	}))
}

func tellStatements(r rows, b *book) error {
	list, err := r.statements(Span{})
	for _, s := range list {
		lines, failed := r.lines(s.ID)
		err = cmp.Or(err, failed)
		var texts []string
		for _, l := range lines {
			texts = append(texts,
				fmt.Sprintf("%s %s %s %d %s", l.TxnID, l.Kind, inPaise(l.Amount), l.DueAt.UnixMilli(), l.Blocks))
		}
		slices.Sort(texts)
		b.add(false, "statement %d %s %d %s %s %s %s %s %s: %s", s.ID, s.Partner, s.At.UnixMilli(), inPaise(s.Opening),
			inPaise(s.Closing), inPaise(s.Held), inPaise(s.Payable), s.State(), inPaise(s.withheld()),
			strings.Join(texts, ", "))
	}
	return err
}

// timeless is what the books say that does not depend on when something was received.
func (l *life) timeless() string {
	slices.Sort(l.said.timeless)
	return strings.Join(l.said.timeless, "\n")
}

// compare holds the books against the calendar.
func (l *life) compare() {
	l.said = l.book()
	have := l.said.text()
	if want := l.reckon(almanac{india}, false).book(l.clock()).text(); have != want {
		l.Errorf("the books and the calendar differ:\n%s", difference(have, want))
	}
}

// control holds the books against calendars that are wrong, which has to show.
func (l *life) control() {
	for name, wrong := range map[string]*reckoner{
		"India's days are UTC's":           l.reckon(almanac{0}, false),
		"a day begins a second late":       l.reckon(almanac{india - second}, false),
		"a day begins a second early":      l.reckon(almanac{india + second}, false),
		"payments were made when heard of": l.reckon(almanac{india}, true),
	} {
		if wrong.book(l.clock()).text() == l.said.text() {
			l.Errorf("the control is not seen: %s", name)
		}
	}
}

// inPlace holds that every fact has a place of its own, in the order of booking, and the time that the clock
// showed then.
func (l *life) inPlace() {
	var facts []mark
	err := l.read(l.ctx(), func(r rows) error {
		for _, table := range chained {
			if err := r.each("SELECT seq, at FROM "+table.name, nil, func(scan func(...any) error) error {
				var m mark
				err := scan(&m.fact, &m.clock)
				facts = append(facts, m)
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.Fatal(err)
	}
	slices.SortFunc(facts, func(a, b mark) int { return cmp.Compare(a.fact, b.fact) })
	marks := l.marks
	for i, f := range facts {
		for len(marks) > 0 && marks[0].fact < f.fact {
			marks = marks[1:]
		}
		if f.fact != int64(i)+1 || len(marks) == 0 || f.clock != marks[0].clock {
			l.Fatalf("fact %d of the chain has place %d and the time %d; the clock showed %v", i+1, f.fact, f.clock,
				marks[:min(1, len(marks))])
		}
	}
}

// difference lists the first lines that only one of two texts has.
func difference(have, want string) string {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	only := func(label string, list, others []string) (text string) {
		known := map[string]bool{}
		for _, line := range others {
			known[line] = true
		}
		n := 0
		for _, line := range list {
			if !known[line] && n < 12 {
				text += label + line + "\n"
				n++
			}
		}
		return text
	}
	return only("- ", b, a) + only("+ ", a, b)
}
