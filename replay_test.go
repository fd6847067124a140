package main

import (
	"testing"
	"time"
)

// Payments decided anew under a program that pays half, and has a shorter window: those that are held
// move, with their partner and their hold period; those that are due stay; doing it twice changes nothing;
// and what comes later about one is decided under the same program.
func TestReprice(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.partner("RAVI", func(p *PartnerChange) { p.Rate = &Rate{BPS: 2000} })
	b.click("clk_old", "ASHA")
	b.due("ASHA", "DUE", 100000)
	b.wait(10 * 24 * time.Hour)
	for _, o := range []Order{{ID: "1", Promo: "ASHA10"}, {ID: "2", ClickID: "clk_old"}, {ID: "3", Promo: "RAVI10"}, {ID: "4"}} {
		b.bind(o)
		txn := "T" + o.ID
		b.send(payment(txn, o.ID, paid(b.clockNow())))
		b.answers(txn, agreeing(txn, o.ID, 100000))
	}
	other := testTerms()
	other.Rate.BPS, other.Window, other.Hold = 500, 24*time.Hour, time.Hour
	b.wait(time.Minute)
	if _, err := b.AdoptProgram(b.ctx(), other, false); err != nil {
		t.Fatal(err)
	}
	is := func(when string, want map[string]string) {
		t.Helper()
		b.inOrder()
		for txn, w := range want {
			if got := b.earned(txn); got != w {
				t.Errorf("%s %s is %s, want %s", when, txn, got, w)
			}
		}
	}
	before := map[string]string{"DUE": "ASHA 100.00 due", "T1": "ASHA 100.00 held period",
		"T2": "ASHA 100.00 held period", "T3": "RAVI 200.00 held period", "T4": "nobody"}
	is("before", before)
	terms, err := b.Terms(b.ctx())
	if err != nil {
		t.Fatal(err)
	}
	reprice := func(span Span, program int, want int) {
		t.Helper()
		n, err := b.Reprice(b.ctx(), span, terms.programs[program].Seq, func(int, int) {})
		if err != nil || n != want {
			t.Errorf("%d payments were decided otherwise (%v), want %d", n, err, want)
		}
	}
	reprice(Span{From: b.clockNow()}, 1, 0) // nothing was paid since
	is("out of the span", before)
	reprice(Span{}, 1, 3)
	under := map[string]string{"DUE": "ASHA 100.00 due", "T1": "ASHA 50.00 held period", "T2": "nobody",
		"T3": "RAVI 200.00 held period", "T4": "nobody"}
	is("under the new one", under)
	reprice(Span{}, 1, 0)
	is("twice", under)
	b.send(refund("T1", "R1", "succeeded", 50000))
	is("after a refund", map[string]string{"T1": "ASHA 50.00 less 25.00 held period"})
	b.wait(2 * time.Hour)
	is("after its hold period", map[string]string{"T1": "ASHA 50.00 less 25.00 due", "T3": "RAVI 200.00 due"})
	reprice(Span{}, 0, 1) // T2 only: the others are due by now
	is("back again", map[string]string{"T1": "ASHA 50.00 less 25.00 due", "T2": "ASHA 100.00 held period"})
}
