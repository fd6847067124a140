package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A promo code's own rate goes before its partner's, which goes before the program's. One that is given
// later counts from its second on; one that comes with its code covers payments from before.
func TestRatesOfPromoCodes(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	set := func(p PartnerChange) int {
		t.Helper()
		healed, err := b.SetPartner(b.ctx(), p)
		if err != nil {
			t.Fatal(err)
		}
		b.inOrder()
		return healed
	}
	b.partner("RAVI", func(p *PartnerChange) { p.Rate = &Rate{BPS: 2000} })
	b.bind(Order{ID: "early", Promo: "DIWALI"})
	b.send(payment("EARLY", "early", paid(b.clockNow())))
	b.wait(time.Hour)
	if n := set(PartnerChange{Code: "RAVI", Promos: []string{"DIWALI"}, PromoRates: map[string]Rate{"DIWALI": {BPS: 2500}}}); n != 1 {
		t.Errorf("%d earlier payments were credited, want 1", n)
	}
	sale := func(txn, promo, want string) {
		t.Helper()
		b.bind(Order{ID: txn, Promo: promo})
		b.send(payment(txn, txn, paid(b.clockNow())))
		if got := b.earned(txn); got != want {
			t.Errorf("%s by %s is %s, want %s", txn, promo, got, want)
		}
	}
	sale("A", "RAVI10", "RAVI 200.00 held period unconfirmed")
	b.wait(time.Hour)
	set(PartnerChange{Code: "RAVI", PromoRates: map[string]Rate{"ravi10": {Flat: 7500}}})
	before := b.inOrder().Facts
	set(PartnerChange{Code: "RAVI", PromoRates: map[string]Rate{"RAVI10": {Flat: 7500}}})
	if after := b.inOrder().Facts; after != before {
		t.Errorf("the same rate again makes %d facts", after-before)
	}
	sale("B", "ravi10", "RAVI 75.00 held period unconfirmed")
	sale("C", "RAVI", "RAVI 200.00 held period unconfirmed")
	if told := b.toldOf("B"); !strings.Contains(told, "a flat ₹75.00, the rate of ravi10, under program 1") {
		t.Errorf("the story of B leaves out whose rate it is:\n%s", told)
	}
	b.wait(time.Hour)
	set(PartnerChange{Code: "RAVI", PromoRates: map[string]Rate{"RAVI10": {}}})
	sale("D", "RAVI10", "RAVI 200.00 held period unconfirmed")
	for txn, want := range map[string]string{"EARLY": "RAVI 250.00 held period unconfirmed", "A": "RAVI 200.00 held period unconfirmed",
		"B": "RAVI 75.00 held period unconfirmed"} {
		if got := b.earned(txn); got != want {
			t.Errorf("in the end %s is %s, want %s", txn, got, want)
		}
	}
}

// toldOf is what hissa explain says of a payment.
func (b *books) toldOf(txn string) string {
	var out strings.Builder
	b.story(txn).tell(&out, b.clockNow())
	return out.String()
}

// A cap holds whatever the rate, and a refund takes back its part of what was earned.
func TestCap(t *testing.T) {
	t.Parallel()
	terms := testTerms()
	terms.Cap = 6000
	b := openBooks(t, terms)
	b.partner("ASHA")
	b.partner("RAVI", func(p *PartnerChange) { p.Rate = &Rate{Flat: 9000} })
	for _, sale := range []struct {
		txn, promo string
		paise      int64
		want       string
	}{
		{"T1", "ASHA10", 60001, "ASHA 60.00 held period unconfirmed"},
		{"T2", "ASHA10", 59900, "ASHA 59.90 held period unconfirmed"},
		{"T3", "RAVI10", 100000, "RAVI 60.00 held period unconfirmed"},
	} {
		b.bind(Order{ID: sale.txn, Promo: sale.promo})
		b.send(payment(sale.txn, sale.txn, amount(sale.paise)))
		if got := b.earned(sale.txn); got != sale.want {
			t.Errorf("%s is %s, want %s", sale.txn, got, sale.want)
		}
	}
	b.send(refund("T3", "R1", "succeeded", 50000))
	if got := b.earned("T3"); got != "RAVI 60.00 less 30.00 held period unconfirmed" {
		t.Errorf("after half of it was refunded T3 is %s", got)
	}
	if told := b.toldOf("T3"); !strings.Contains(told, "a flat ₹90.00, which is capped at ₹60.00") {
		t.Errorf("the story leaves out the cap:\n%s", told)
	}
}

// Only a customer's first payments earn, in the order in which they were made, whatever order the news of
// them came in. What is due by then stays.
func TestFirstPaymentsOnly(t *testing.T) {
	t.Parallel()
	for _, order := range permutations(4) {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel()
			terms := testTerms()
			terms.Payments = 2
			b := openBooks(t, terms)
			b.partner("ASHA")
			for _, i := range order {
				txn := fmt.Sprint("T", i)
				if _, err := b.BindOrder(b.ctx(), Order{ID: txn, Promo: "ASHA10"}, Person{Customer: "customer 7"}); err != nil {
					t.Fatal(err)
				}
				b.send(payment(txn, txn, paid(noon.Add(time.Duration(i)*time.Hour))))
				b.answers(txn, agreeing(txn, txn, 100000))
			}
			b.send(payment("STRANGER", "stranger", func(n *Notification) { n.Reference = "ASHA" }))
			for i, want := range []string{"100.00", "100.00", "0.00", "0.00"} {
				if got := b.earned(fmt.Sprint("T", i)); got != "ASHA "+want+" held period" {
					t.Errorf("T%d is %s, want %s", i, got, want)
				}
			}
			if got := b.earned("STRANGER"); got != "ASHA 100.00 held period unconfirmed" {
				t.Errorf("a payment without a customer is %s", got)
			}
			// The first turns out to have been none, so the third is the second.
			b.answers("T0", denying("T0", "T0"))
			if got := b.earned("T2"); got != "ASHA 100.00 held period" {
				t.Errorf("after the first was denied, the third is %s", got)
			}
			if told := b.toldOf("T3"); !strings.Contains(told, "for the first 2 payments of a customer") {
				t.Errorf("the story of T3 leaves out why it earns nothing:\n%s", told)
			}
			b.wait(30 * 24 * time.Hour)
			b.answers("T0", agreeing("T0", "T0", 100000))
			if got := b.earned("T2"); got != "ASHA 100.00 due" {
				t.Errorf("what was due by then is %s", got)
			}
		})
	}
}

// A version of the program says who brought it, and one that differs in nothing else is no new version.
func TestProgramSaysWho(t *testing.T) {
	t.Parallel()
	first := testTerms()
	first.Who = "asha"
	b := openBooks(t, first)
	again := first
	again.Who = "ravi"
	if added, err := b.AdoptProgram(b.ctx(), again, false); added || err != nil {
		t.Errorf("the same terms from somebody else are a new version: %v, %v", added, err)
	}
	again.Payments = 3
	if added, err := b.AdoptProgram(b.ctx(), again, false); !added || err != nil {
		t.Errorf("other terms are no new version: %v, %v", added, err)
	}
	terms, err := b.Terms(b.ctx())
	if err != nil || terms.programs[0].Who != "asha" || terms.programs[1].Who != "ravi" {
		t.Errorf("%+v, %v", terms.programs, err)
	}
	b.inOrder()
}

// A partner's rate rises with the sales of the month before the day of a payment, in whatever order the
// news comes; refunds and denials lower it again, and another month begins anew.
func TestTiers(t *testing.T) {
	t.Parallel()
	for n, order := range permutations(5) {
		if testing.Short() && n%10 > 0 { // every step proves all books, which the race detector makes slow
			continue
		}
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel()
			terms := testTerms()
			terms.Tiers = []Tier{{150000, Rate{BPS: 1200}}, {250000, Rate{BPS: 1500}}}
			b := openBooks(t, terms)
			b.partner("ASHA")
			b.partner("RAVI", func(p *PartnerChange) { p.Rate = &Rate{BPS: 900} })
			// Two on the 20th of November, one on the 21st, 22nd and on the 1st of December, in India.
			days := []time.Time{
				time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC), time.Date(2026, 11, 20, 18, 29, 0, 0, time.UTC),
				time.Date(2026, 11, 20, 18, 30, 0, 0, time.UTC), time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC),
				time.Date(2026, 11, 30, 18, 30, 0, 0, time.UTC),
			}
			for _, i := range order {
				txn := fmt.Sprint("T", i)
				b.bind(Order{ID: txn, Promo: "ASHA10"})
				b.send(payment(txn, txn, paid(days[i])))
				b.answers(txn, agreeing(txn, txn, 100000))
			}
			b.bind(Order{ID: "R", Promo: "RAVI10"})
			b.send(payment("R", "R", paid(days[3])))
			are := func(when, want string) {
				t.Helper()
				var got []string
				for i := range days {
					got = append(got, strings.Fields(b.earned(fmt.Sprint("T", i)))[1])
				}
				if have := strings.Join(got, " "); have != want {
					t.Errorf("%s the five earn %s, want %s", when, have, want)
				}
			}
			are("first", "100.00 100.00 120.00 150.00 100.00")
			if got := b.earned("R"); got != "RAVI 90.00 held period unconfirmed" {
				t.Errorf("a partner with a rate of their own: %s", got)
			}
			if told := b.toldOf("T3"); !strings.Contains(told, "15% of the payment, for sales of ₹3,000.00 earlier that month") {
				t.Errorf("the story leaves out the tier:\n%s", told)
			}
			b.send(refund("T0", "R1", "succeeded", 60000))
			are("after a refund of 600", "100.00 100.00 100.00 120.00 100.00")
			b.answers("T1", denying("T1", "T1"))
			are("after a denial", "100.00 100.00 100.00 100.00 100.00")
			b.answers("T1", agreeing("T1", "T1", 100000))
			are("after the denial was taken back", "100.00 100.00 100.00 120.00 100.00")
			b.bind(Order{ID: "late", Promo: "ASHA10"})
			b.send(payment("LATE", "late", amount(900000), paid(days[0])))
			are("after a sale that nobody has confirmed", "100.00 100.00 100.00 120.00 100.00")
			b.answers("LATE", agreeing("LATE", "late", 900000))
			are("after it was confirmed", "100.00 100.00 150.00 150.00 100.00")
		})
	}
}
