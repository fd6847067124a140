package main

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Every row is a short history and what the commission comes to after it.
func TestWhatAPaymentComesTo(t *testing.T) {
	const day = 24 * time.Hour
	for _, story := range []struct {
		name string
		tell func(b *books)
		want string
	}{
		{"a click within the window", func(b *books) {
			b.click("clk_a", "ASHA")
			b.bind(Order{ID: "1", ClickID: "clk_a"})
			b.send(payment("T", "1"))
		}, "ASHA 100.00 held period unconfirmed"},
		{"agreed by the API", func(b *books) {
			b.click("clk_a", "ASHA")
			b.bind(Order{ID: "1", ClickID: "clk_a"})
			b.send(payment("T", "1"))
			b.answers("T", agreeing("T", "1", 100000))
		}, "ASHA 100.00 held period"},
		{"due after the hold period", func(b *books) {
			b.bind(Order{ID: "1", Promo: "asha10"})
			b.send(payment("T", "1"))
			b.answers("T", agreeing("T", "1", 100000))
			b.wait(14 * day)
		}, "ASHA 100.00 due"},
		{"a click after the payment", func(b *books) {
			b.click("clk_a", "ASHA")
			b.bind(Order{ID: "1", ClickID: "clk_a"})
			b.send(payment("T", "1", paid(noon.Add(-time.Second))))
		}, "nobody"},
		{"a click in the payment's own second", func(b *books) {
			b.wait(900 * time.Millisecond)
			b.click("clk_a", "ASHA")
			b.bind(Order{ID: "1", ClickID: "clk_a"})
			b.send(payment("T", "1"))
		}, "ASHA 100.00 held period unconfirmed"},
		{"a click on the window's last second", func(b *books) {
			b.click("clk_a", "ASHA")
			b.bind(Order{ID: "1", ClickID: "clk_a"})
			b.send(payment("T", "1", paid(noon.Add(30*day))))
		}, "ASHA 100.00 held period unconfirmed"},
		{"a click one second too old", func(b *books) {
			b.click("clk_a", "ASHA")
			b.bind(Order{ID: "1", ClickID: "clk_a"})
			b.send(payment("T", "1", paid(noon.Add(30*day+time.Second))))
		}, "nobody"},
		{"a promo code before a click", func(b *books) {
			b.click("clk_a", "ASHA")
			b.bind(Order{ID: "1", ClickID: "clk_a", Promo: "RAVI10"})
			b.send(payment("T", "1"))
		}, "RAVI 125.00 held period unconfirmed"},
		{"an unknown promo code leaves it to the click", func(b *books) {
			b.click("clk_a", "ASHA")
			b.bind(Order{ID: "1", ClickID: "clk_a", Promo: "NOBODY10"})
			b.send(payment("T", "1"))
		}, "ASHA 100.00 held period unconfirmed"},
		{"a reference that came back with the payment", func(b *books) {
			b.send(payment("T", "1", func(n *Notification) { n.Reference = "ravi" }))
		}, "RAVI 125.00 held period unconfirmed"},
		{"a click id as the reference", func(b *books) {
			b.click("clk_a", "ASHA")
			b.send(payment("T", "1", func(n *Notification) { n.Reference = "clk_a" }))
		}, "ASHA 100.00 held period unconfirmed"},
		{"messages that disagree on the reference", func(b *books) {
			b.send(payment("T", "1"))
			b.send(payment("T", "1", func(n *Notification) { n.Reference = "RAVI" }))
		}, "nobody"},
		{"the API's own copy of the reference decides", func(b *books) {
			b.send(payment("T", "1"))
			b.send(payment("T", "1", func(n *Notification) { n.Reference = "RAVI" }))
			a := agreeing("T", "1", 100000)
			a.Reference = "RAVI"
			b.answers("T", a)
		}, "RAVI 125.00 held period"},
		{"the API's copy names another reference", func(b *books) {
			b.send(payment("T", "1", func(n *Notification) { n.Reference = "RAVI" }))
			a := agreeing("T", "1", 100000)
			a.Reference = "somebody-else"
			b.answers("T", a)
		}, "nobody"},
		{"half refunded", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.send(refund("T", "R1", "accepted", 50000))
		}, "ASHA 100.00 less 50.00 held period unconfirmed"},
		{"two refunds of the same size", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.send(refund("T", "R1", "accepted", 50000))
			b.send(refund("T", "R2", "accepted", 50000))
		}, "ASHA 100.00 less 100.00 reversed"},
		{"a refund that came before its sale", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(refund("T", "R1", "succeeded", 25000))
			b.send(payment("T", "1"))
		}, "ASHA 100.00 less 25.00 held period unconfirmed"},
		{"a refund accepted, then refused", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.send(refund("T", "R1", "accepted", 50000))
			b.send(refund("T", "R1", "refused", 50000))
		}, "ASHA 100.00 held period unconfirmed"},
		{"a refund both succeeded and refused is a conflict", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.send(refund("T", "R1", "refused", 50000))
			b.send(refund("T", "R1", "succeeded", 50000))
		}, "ASHA 100.00 less 50.00 held period unconfirmed conflict"},
		{"a cumulative total that knows of a lost message", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			second := refund("T", "R2", "succeeded", 10000)
			second.RefundsSum = 60000
			b.send(second)
		}, "ASHA 100.00 less 60.00 held period unconfirmed"},
		{"more refunded than paid", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.send(refund("T", "R1", "accepted", 900000))
		}, "ASHA 100.00 less 100.00 reversed"},
		{"denied by the API", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.answers("T", denying("T", "1"))
		}, "ASHA 100.00 less 100.00 reversed"},
		{"denied, then agreed: the latest answer wins", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.answers("T", denying("T", "1"))
			b.answers("T", agreeing("T", "1", 100000))
		}, "ASHA 100.00 held period"},
		{"an answer about another transaction is nothing known", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.answers("T", Answer{Asked: "1", OrderID: "1", TxnID: "OTHER", Result: "success", Amount: 100000})
		}, "ASHA 100.00 held period unconfirmed"},
		{"two amounts: the smaller, blocked", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1", amount(900000)))
			b.send(payment("T", "1"))
		}, "ASHA 100.00 held period unconfirmed conflict"},
		{"two amounts, the API says the larger", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1", amount(900000)))
			b.send(payment("T", "1"))
			b.answers("T", agreeing("T", "1", 900000))
		}, "ASHA 900.00 held period"},
		{"an amount that only the API names", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.answers("T", agreeing("T", "1", 77700))
		}, "ASHA 100.00 held period unconfirmed conflict"},
		{"success and failure both", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1", status("failed")))
			b.send(payment("T", "1"))
		}, "ASHA 100.00 held period unconfirmed conflict"},
		{"pending never contradicts", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1", status("pending"), amount(5)))
			b.send(payment("T", "1"))
			b.send(payment("T", "1", status("pending"), amount(7)))
		}, "ASHA 100.00 held period unconfirmed"},
		{"pending alone earns nothing", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1", status("pending")))
		}, "nobody"},
		{"pending that the API calls a success", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1", status("pending")))
			b.answers("T", agreeing("T", "1", 100000))
		}, "ASHA 100.00 held period"},
		{"dollars alone are for a person", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1", func(n *Notification) { n.Currency = "USD" }))
		}, "nobody"},
		{"dollars beside rupees are a conflict at the rupees", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1", func(n *Notification) { n.Currency = "USD"; n.Amount = 1 }))
			b.send(payment("T", "1"))
		}, "ASHA 100.00 held period unconfirmed conflict"},
		{"the shop named another amount", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10", Amount: 100001})
			b.send(payment("T", "1"))
		}, "ASHA 100.00 held period unconfirmed merchant"},
		{"an open dispute", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.send(dispute("T", "D1", "NEW", 100000))
		}, "ASHA 100.00 held period unconfirmed dispute"},
		{"a dispute lost is money gone", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.send(dispute("T", "D1", "NEW", 40000))
			b.send(dispute("T", "D1", "LOST", 40000))
		}, "ASHA 100.00 less 40.00 held period unconfirmed"},
		{"a dispute won", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.send(dispute("T", "D1", "WON", 40000))
			b.send(dispute("T", "D1", "NEW", 40000))
		}, "ASHA 100.00 held period unconfirmed"},
		{"bound after the payment, while held", func(b *books) {
			b.send(payment("T", "1", func(n *Notification) { n.Reference = "RAVI" }))
			b.bind(Order{ID: "1", Promo: "ASHA10"})
		}, "ASHA 100.00 held period unconfirmed"},
		{"bound after it was due: too late", func(b *books) {
			b.send(payment("T", "1", func(n *Notification) { n.Reference = "RAVI" }))
			b.answers("T", agreeing("T", "1", 100000))
			b.wait(15 * day)
			b.bind(Order{ID: "1", Promo: "ASHA10"})
		}, "RAVI 125.00 due"},
		{"due once is due for ever, as far as bindings go", func(b *books) {
			b.send(payment("T", "1", func(n *Notification) { n.Reference = "RAVI" }))
			b.answers("T", agreeing("T", "1", 100000))
			b.wait(15 * day)
			b.send(dispute("T", "D1", "NEW", 100000))
			b.bind(Order{ID: "1", Promo: "ASHA10"})
		}, "RAVI 125.00 held dispute"},
		{"unattributed, bound a month later", func(b *books) {
			b.send(payment("T", "1"))
			b.answers("T", agreeing("T", "1", 100000))
			b.wait(40 * day)
			b.bind(Order{ID: "1", Promo: "ASHA10"})
		}, "ASHA 100.00 due"},
		{"refunded after it was due", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.answers("T", agreeing("T", "1", 100000))
			b.wait(15 * day)
			b.send(refund("T", "R1", "succeeded", 33333))
		}, "ASHA 100.00 less 33.33 due"},
		{"a disabled partner", func(b *books) {
			if _, err := b.SetPartner(b.ctx(), PartnerChange{Code: "asha", State: "disabled"}); err != nil {
				b.Fatal(err)
			}
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
		}, "nobody"},
		{"a partner disabled after the payment", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.wait(time.Second)
			if _, err := b.SetPartner(b.ctx(), PartnerChange{Code: "ASHA", State: "disabled"}); err != nil {
				b.Fatal(err)
			}
			b.inOrder()
		}, "ASHA 100.00 held period unconfirmed"},
		{"a promo code registered after the payment", func(b *books) {
			b.bind(Order{ID: "1", Promo: "Diwali"})
			b.send(payment("T", "1"))
			healed, err := b.SetPartner(b.ctx(), PartnerChange{Code: "ASHA", Promos: []string{"DIWALI"}})
			if err != nil || healed != 1 {
				b.Fatalf("healed %d payments, %v", healed, err)
			}
			b.inOrder()
		}, "ASHA 100.00 held period unconfirmed"},
		{"a person agrees", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.decides("T", Decision{Agree: true})
		}, "ASHA 100.00 held period"},
		{"a person's word outranks the API's", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.decides("T", Decision{Agree: false})
			b.answers("T", agreeing("T", "1", 100000))
		}, "ASHA 100.00 less 100.00 reversed"},
		{"a person settles the amount", func(b *books) {
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.send(payment("T", "1", amount(200000)))
			b.decides("T", Decision{Agree: true, Amount: 200000})
		}, "ASHA 200.00 held period"},
	} {
		t.Run(story.name, func(t *testing.T) {
			b := openBooks(t, testTerms())
			b.partner("ASHA")
			b.partner("RAVI", func(p *PartnerChange) { p.Rate = &Rate{BPS: 1250} })
			story.tell(b)
			if got := b.earned("T"); got != story.want {
				t.Errorf("came to %q, want %q", got, story.want)
			}
		})
	}
}

// An unknown field name makes the API's word mandatory even where the program waives it.
func TestConfirmationCanBeWaivedOnlyForDocumentedNames(t *testing.T) {
	terms := testTerms()
	terms.Confirm = false
	b := openBooks(t, terms)
	b.partner("ASHA")
	b.bind(Order{ID: "1", Promo: "ASHA10"})
	b.bind(Order{ID: "2", Promo: "ASHA10"})
	b.send(payment("T1", "1"))
	b.send(payment("T2", "2", func(n *Notification) { n.Unknown = "HOUSE_NUMBER" }))
	if got := b.earned("T1"); got != "ASHA 100.00 held period" {
		t.Errorf("documented names: %s", got)
	}
	if got := b.earned("T2"); got != "ASHA 100.00 held period unconfirmed" {
		t.Errorf("an unknown name: %s", got)
	}
	b.send(payment("T1", "1", status("failed")))
	if got := b.earned("T1"); got != "ASHA 100.00 held period unconfirmed conflict" {
		t.Errorf("a contradiction: %s", got)
	}
}

// A customer stays with who first brought them, by payment time, whatever order the news comes in.
func TestLifetimeFollowsTheEarliestPayment(t *testing.T) {
	terms := testTerms()
	terms.Lifetime = 12
	b := openBooks(t, terms)
	b.partner("ASHA")
	b.partner("RAVI")
	month := 30 * 24 * time.Hour
	b.bind(Order{ID: "3", Customer: "c-7"})
	b.send(payment("T3", "3", paid(noon.Add(2*month))))
	if got := b.earned("T3"); got != "nobody" {
		t.Fatalf("before anybody brought the customer: %s", got)
	}
	b.bind(Order{ID: "2", Customer: "c-7", Promo: "RAVI10"})
	b.send(payment("T2", "2", paid(noon.Add(month))))
	if got := b.earned("T3"); got != "nobody" {
		t.Errorf("on the word of an unconfirmed payment: %s", got)
	}
	b.answers("T2", agreeing("T2", "2", 100000))
	if got := b.earned("T3"); got != "RAVI 100.00 held period unconfirmed" {
		t.Errorf("after Ravi brought the customer: %s", got)
	}
	b.bind(Order{ID: "1", Customer: "c-7", Promo: "ASHA10"})
	b.send(payment("T1", "1"))
	b.answers("T1", agreeing("T1", "1", 100000))
	if got := b.earned("T3"); got != "ASHA 100.00 held period unconfirmed" {
		t.Errorf("after news of an earlier payment through Asha: %s", got)
	}
	b.answers("T1", denying("T1", "1"))
	if got := b.earned("T3"); got != "RAVI 100.00 held period unconfirmed" {
		t.Errorf("after the earlier payment was denied: %s", got)
	}
	b.bind(Order{ID: "4", Customer: "c-7"})
	b.send(payment("T4", "4", paid(noon.Add(15*month))))
	if got := b.earned("T4"); got != "nobody" {
		t.Errorf("after the lifetime: %s", got)
	}
}

// Paytm's shop plugins send the order with a timestamp behind it.
func TestOrderSuffix(t *testing.T) {
	terms := testTerms()
	terms.OrderSuffix = "_"
	b := openBooks(t, terms)
	b.partner("ASHA")
	b.partner("RAVI")
	b.bind(Order{ID: "1042", Promo: "ASHA10"})
	b.send(payment("T1", "1042_20261122120000"))
	b.send(payment("T2", "1042_2026112212000"))
	b.bind(Order{ID: "1043_20261122120000", Promo: "RAVI10"})
	b.bind(Order{ID: "1043", Promo: "ASHA10"})
	b.send(payment("T3", "1043_20261122120000"))
	b.send(payment("T4", "1044_20261122120000"))
	b.bind(Order{ID: "1044", Promo: "ASHA10"})
	for txn, want := range map[string]string{"T1": "ASHA", "T2": "nobody", "T3": "RAVI", "T4": "ASHA"} {
		if got, _, _ := strings.Cut(b.earned(txn), " "); got != want {
			t.Errorf("%s went to %s, want %s", txn, got, want)
		}
	}
}

// share against exact rational arithmetic.
func TestShareRoundsHalfUpOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.Int64Range(1, 1<<50).Draw(t, "whole")
		part := rapid.Int64Range(0, whole).Draw(t, "part")
		amount := rapid.Int64Range(0, 1<<55).Draw(t, "amount")
		if got, want := share(amount, part, whole), halfUp(amount, part, whole); got != want {
			t.Fatalf("share(%d, %d, %d) = %d, want %d", amount, part, whole, got, want)
		}
	})
}

// halfUp is floor(amount × part ÷ whole + ½) by big rationals.
func halfUp(amount, part, whole int64) int64 {
	r := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(amount), big.NewInt(part)), big.NewInt(whole))
	r.Add(r, big.NewRat(1, 2))
	return new(big.Int).Div(r.Num(), r.Denom()).Int64()
}

func TestRates(t *testing.T) {
	for _, row := range []struct {
		rate        Rate
		tax         int64
		amount      int64
		want        int64
		wantWritten string
	}{
		{Rate{BPS: 1000}, 0, 149900, 14990, "10%"},
		{Rate{BPS: 1250}, 0, 1, 0, "12.5%"},
		{Rate{BPS: 5000}, 0, 1, 1, "50%"},
		{Rate{BPS: 1000}, 1800, 118000, 10000, "10%"},
		{Rate{BPS: 1005}, 1800, 99999, 8517, "10.05%"},
		{Rate{Flat: 5000}, 0, 149900, 5000, "50.00"},
		{Rate{Flat: 5000}, 0, 4999, 4999, "50.00"},
		{Rate{BPS: 10000}, 0, 99999999999999, 99999999999999, "100%"},
	} {
		t.Run(fmt.Sprint(row.rate, row.amount), func(t *testing.T) {
			if got := row.rate.of(row.amount, row.tax); got != row.want {
				t.Errorf("earned %d, want %d", got, row.want)
			}
			if got := row.rate.String(); got != row.wantWritten {
				t.Errorf("written %s, want %s", got, row.wantWritten)
			}
		})
	}
}
