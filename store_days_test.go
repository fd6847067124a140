package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// totals are the rows of days, as export writes them.
func (b *books) totals() string {
	b.Helper()
	b.inOrder()
	var out strings.Builder
	if err := b.Export(b.ctx(), &out, "days", "csv", Span{}); err != nil {
		b.Fatal(err)
	}
	_, rows, _ := strings.Cut(out.String(), "\n")
	return strings.TrimSpace(rows)
}

func (b *books) totalsAre(want ...string) {
	b.Helper()
	if have := b.totals(); have != strings.Join(want, "\n") {
		b.Errorf("the totals are\n%s\nwant\n%s", have, strings.Join(want, "\n"))
	}
}

// The totals follow a payment through all that becomes of it; a day begins at midnight in India.
func TestTotalsOfDays(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.partner("RAVI")
	b.click("c1", "ASHA")
	b.totalsAre("2026-11-22,ASHA,1,0,0.00,0.00,0.00,0.00")

	midnight := time.Date(2026, 11, 22, 18, 30, 0, 0, time.UTC)
	b.bind(Order{ID: "1", ClickID: "c1"})
	b.send(payment("T1", "1", paid(midnight.Add(-time.Second))))
	b.send(payment("T2", "2", paid(midnight)))
	b.send(payment("T3", "3", paid(midnight), status("failed")))
	b.totalsAre("2026-11-22,ASHA,1,1,1000.00,0.00,100.00,0.00", "2026-11-23,,0,1,1000.00,0.00,0.00,0.00")

	b.send(refund("T1", "R1", "succeeded", 40000))
	b.totalsAre("2026-11-22,ASHA,1,1,1000.00,400.00,100.00,40.00", "2026-11-23,,0,1,1000.00,0.00,0.00,0.00")

	// A binding that comes late gives the sale to somebody else.
	b.bind(Order{ID: "2", Promo: "RAVI10"})
	b.totalsAre("2026-11-22,ASHA,1,1,1000.00,400.00,100.00,40.00",
		"2026-11-23,RAVI,0,1,1000.00,0.00,100.00,0.00")

	// A person denies it: it is no sale any more.
	if err := b.Decide(b.ctx(), "T2", Decision{Reason: "never paid"}); err != nil {
		t.Fatal(err)
	}
	b.inOrder()
	if rows := b.totals(); strings.Contains(rows, "RAVI,0,1,1000.00,0.00,100.00,0.00") {
		t.Errorf("a payment that was denied counts:\n%s", rows)
	}
}

// A span takes the days that begin in it.
func TestDaysOfASpan(t *testing.T) {
	b := openBooks(t, testTerms())
	for day := range 5 {
		b.send(payment(fmt.Sprint("T", day), fmt.Sprint(day), paid(noon.AddDate(0, 0, day))))
	}
	at := func(text string) time.Time {
		when, err := parseWhen("", text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, c := range []struct {
		span Span
		want string
	}{
		{Span{}, "22 23 24 25 26"},
		{Span{From: at("2026-11-23"), To: at("2026-11-25")}, "23 24"},
		{Span{From: at("2026-11-23").Add(time.Second)}, "24 25 26"},
		{Span{To: at("2026-11-23").Add(time.Second)}, "22 23"},
		{Span{To: at("2026-11-22")}, ""},
	} {
		var out strings.Builder
		if err := b.Export(b.ctx(), &out, "days", "csv", c.span); err != nil {
			t.Fatal(err)
		}
		var days []string
		for _, row := range strings.Split(strings.TrimSpace(out.String()), "\n")[1:] {
			days = append(days, row[8:10])
		}
		if have := strings.Join(days, " "); have != c.want {
			t.Errorf("%+v: %s, want %s", c.span, have, c.want)
		}
	}
}

// A binding may concern a payment twice, by the order that it names and by the same with a timestamp behind
// it, and move one payment by another: the totals count each once.
func TestDaysWhenABindingMovesSeveral(t *testing.T) {
	t.Parallel()
	terms := testTerms()
	terms.OrderSuffix, terms.Lifetime = "_", 12
	b := openBooks(t, terms)
	b.partner("ASHA")
	b.send(payment("T1", "1"))
	b.send(payment("T1", "1_20261122101500"))
	b.bind(Order{ID: "1", Promo: "ASHA10"})
	for _, id := range []string{"T2", "T3"} {
		n := identified(payment(id, "2"))
		if _, err := b.Receive(b.ctx(), n, "SUBS_1", n.Identity); err != nil {
			t.Fatal(err)
		}
		b.answers(id, agreeing(id, "2", 100000))
	}
	b.bind(Order{ID: "2", Promo: "ASHA10"})
	b.inOrder()
}
