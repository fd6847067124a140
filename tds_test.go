package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// What is taxed with a statement of so many rupees, after so much credited and so much of it taxed.
func TestTaxOnAStatement(t *testing.T) {
	two := TaxRate{BPS: 200, Threshold: 20_000_00}
	twenty := TaxRate{BPS: 2000, Threshold: 20_000_00}
	for _, c := range []struct {
		rate                     TaxRate
		credited, taxed, payable int64
		base, amount             int64
	}{
		{two, 0, 0, 20_000_00, 0, 0},                                        // just the threshold
		{two, 0, 0, 20_000_01, 20_000_01, 400_00},                           // over it
		{two, 15_000_00, 0, 10_000_00, 25_000_00, 500_00},                   // what came before is taxed too
		{two, 25_000_00, 25_000_00, 1_000_00, 1_000_00, 20_00},              // once over, each alone
		{two, 25_000_00, 25_000_00, 1_024_99, 1_024_99, 20_00},              // down to whole rupees
		{two, 25_000_00, 25_000_00, 1_025_00, 1_025_00, 21_00},              // half a rupee up
		{two, 25_000_00, 25_000_00, 24_00, 24_00, 0},                        // less than half a rupee
		{two, 19_900_00, 0, 200_00, 9_950_00, 199_00},                       // more than there is: one rupee is left
		{two, 20_100_00, 9_950_00, 5_000_00, 15_150_00, 303_00},             // and the rest comes with the next
		{two, 25_000_00, 25_000_00, 50, 50, 0},                              // not even a rupee
		{two, 25_000_00, 40_000_00, 10_000_00, 0, 0},                        // a reversed payout's share is taxed already
		{two, 25_000_00, 40_000_00, 16_000_00, 1_000_00, 20_00},             // once that is used up
		{twenty, 0, 0, 30_000_00, 30_000_00, 6_000_00},                      // without a PAN
		{two, 0, 0, 90_000_000_000_00, 90_000_000_000_00, 1_800_000_000_00}, // a large number
	} {
		base, amount := c.rate.of(c.credited, c.taxed, c.payable)
		if base != c.base || amount != c.amount {
			t.Errorf("%s after %s, taxed %s: %s on %s, want %s on %s", rupees(c.payable), rupees(c.credited),
				rupees(c.taxed), rupees(amount), rupees(base), rupees(c.amount), rupees(c.base))
		}
	}
}

// The financial year and its quarters begin at midnight in India.
func TestFinancialYear(t *testing.T) {
	lastSecond := time.Date(2027, 3, 31, 18, 29, 59, 0, time.UTC)
	for at, want := range map[time.Time]string{
		lastSecond:                             "2026: 1 Jan 2027 to 31 Mar 2027",
		lastSecond.Add(time.Second):            "2027: 1 Apr 2027 to 30 Jun 2027",
		noon:                                   "2026: 1 Oct 2026 to 31 Dec 2026",
		time.Date(2026, 7, 1, 0, 0, 0, 0, ist): "2026: 1 Jul 2026 to 30 Sep 2026",
	} {
		q := quarterOf(at, 0, 0)
		if got := fmt.Sprintf("%d: %s to %s", financialYear(at), day(q.From), day(q.To.Add(-1))); got != want {
			t.Errorf("%s is in %s, want %s", at, got, want)
		}
	}
	for _, c := range []struct {
		year, quarter int
		want          string
	}{
		{2026, 4, "1 Jan 2027 to 31 Mar 2027"}, {2026, 0, "1 Apr 2026 to 31 Mar 2027"}, {0, 1, "1 Apr 2026 to 30 Jun 2026"},
	} {
		q := quarterOf(noon, c.year, c.quarter)
		if got := day(q.From) + " to " + day(q.To.Add(-1)); got != c.want {
			t.Errorf("year %d, quarter %d: %s, want %s", c.year, c.quarter, got, c.want)
		}
	}
}

// Genuine numbers pass; with any one character mistyped none does.
func TestTaxNumbers(t *testing.T) {
	refused := func(pan, gstin string) bool {
		return checkTaxNumbers(PartnerChange{PAN: &pan, GSTIN: &gstin}) != nil
	}
	for _, gstin := range []string{"27AAPFU0939F1ZV", "29AAGCB7383J1Z4"} {
		if refused(gstin[2:12], gstin) {
			t.Errorf("%s is refused", gstin)
		}
		for i := range len(gstin) {
			for _, c := range "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
				wrong := gstin[:i] + string(c) + gstin[i+1:]
				if wrong != gstin && !refused("", wrong) {
					t.Errorf("%s passes", wrong)
				}
			}
		}
	}
	for pan, want := range map[string]bool{
		"": false, "ABCPE1234F": false, "ABCXE1234F": true, "ABCPE123F": true, "ABCPE12345": true, "abcpe1234f": true,
	} {
		if refused(pan, "") != want {
			t.Errorf("PAN %q: refused %t, want %t", pan, !want, want)
		}
	}
	if !refused("ABCPE1234F", "27AAPFU0939F1ZV") {
		t.Error("a GSTIN of another PAN passes")
	}
}

// Tax follows what becomes of a payout: deducted when it is approved, given back when it is put on hold,
// declined, failed or reversed, and deducted again when a failed one turns out to be paid.
func TestTaxFollowsThePayout(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA", func(p *PartnerChange) { pan, vpa := "ABCPE1234F", "asha@okbank"; p.PAN, p.VPA = &pan, &vpa })
	b.tax = TaxRules{WithoutPAN: 2000, Rates: []TaxRate{
		{From: noon.Add(-time.Hour), Section: "393(1)", Code: "1006", BPS: 200, Threshold: 20_000_00}}}
	is := func(when string, balance, tax, bank int64) {
		t.Helper()
		if got := [3]int64{b.balance("ASHA"), b.account("tds:393(1)"), b.account("bank")}; got != [3]int64{balance, tax, bank} {
			t.Errorf("%s: %d, want %d", when, got, [3]int64{balance, tax, bank})
		}
	}
	b.due("ASHA", "A", 150_000_00)
	first := b.judges(b.drafts("ASHA")[0], "approved")
	is("below the threshold", 15_000_00, 0, 0)
	b.settles(first, "paid", "UTR001")
	is("paid whole", 0, 0, 15_000_00)

	b.due("ASHA", "B", 100_000_00)
	second := b.judges(b.drafts("ASHA")[0], "approved")
	is("over it, both are taxed", 9_500_00, 500_00, 15_000_00)
	second = b.judges(second, "held")
	is("on hold", 10_000_00, 0, 15_000_00)
	second = b.judges(second, "approved")
	is("approved after all", 9_500_00, 500_00, 15_000_00)
	second = b.settles(b.sent(second), "failed", "")
	is("failed", 10_000_00, 0, 15_000_00)
	second = b.settles(second, "paid", "UTR002")
	is("paid after all", 0, 500_00, 24_500_00)
	b.settles(second, "reversed", "")
	is("reversed", 10_000_00, 0, 15_000_00)

	third := b.drafts("ASHA")[0]
	told, err := b.Tell(b.ctx(), third.ID, b.tax)
	if err != nil || told.Tax == nil || told.Tax.Amount != 500_00 || told.Amount() != 9_500_00 {
		t.Errorf("before it is approved the tax is %+v (%v)", told.Tax, err)
	}
	none := ""
	if _, err := b.SetPartner(b.ctx(), PartnerChange{Code: "ASHA", PAN: &none}); err != nil {
		t.Fatal(err)
	}
	b.judges(third, "approved")
	is("without a PAN", 5_000_00, 5_000_00, 15_000_00)

	list, err := b.Deductions(b.ctx(), quarterOf(noon, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, fmt.Sprint(d.Statement, " ", d.Base, " ", d.Amount))
	}
	const want = "2 2500000 50000, 2 -2500000 -50000, 2 2500000 50000, 2 -2500000 -50000, 2 2500000 50000, " +
		"2 -2500000 -50000, 3 2500000 500000"
	if strings.Join(got, ", ") != want {
		t.Errorf("the report says %s, want %s", strings.Join(got, ", "), want)
	}
	// The next financial year begins with nothing credited.
	b.wait(200 * 24 * time.Hour)
	b.settles(third, "paid", "UTR003")
	b.due("ASHA", "C", 150_000_00)
	b.judges(b.drafts("ASHA")[0], "approved")
	is("in the next year", 15_000_00, 5_000_00, 20_000_00)
}

// The payout that brought the tax on an earlier one stays, the earlier one comes back, and less is earned anew:
// more was taxed than is credited then, and nothing more is until that is used up.
func TestTaxedBeforeItCameBack(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA", payee)
	b.tax = TaxRules{Rates: []TaxRate{{Section: "393(1)", BPS: 200, Threshold: 20_000_00}}}
	pays := func(when string, tax, amount int64) *Statement {
		t.Helper()
		s := b.judges(b.drafts("ASHA")[0], "approved")
		if s.withheld() != tax || s.Amount() != amount {
			t.Errorf("%s: %s with %s of tax, want %s with %s", when, rupees(s.Amount()), rupees(s.withheld()),
				rupees(amount), rupees(tax))
		}
		return b.settles(s, "paid", "UTR"+when)
	}
	b.due("ASHA", "A", 150_000_00)
	first := pays("FIRST", 0, 15_000_00)
	b.due("ASHA", "B", 200_000_00)
	pays("SECOND", 700_00, 19_300_00) // both are taxed
	b.settles(first, "reversed", "")
	b.send(refund("A", "R1", "succeeded", 150_000_00))
	b.due("ASHA", "C", 50_000_00)
	pays("THIRD", 0, 5_000_00)
	b.due("ASHA", "D", 150_000_00)
	pays("FOURTH", 100_00, 14_900_00) // 5,000 of 15,000
}

// An approved payout is stopped by a dispute: drafting anew gives its tax back before the account is
// closed. A payout on its way that is stopped can't be shown or had again without a word.
func TestStoppedPayoutGivesItsTaxBack(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA", payee)
	b.tax = TaxRules{Rates: []TaxRate{{Section: "393(1)", BPS: 200}}}
	b.due("ASHA", "A", 150_000_00)
	b.due("ASHA", "B", 50_000_00)
	b.judges(b.drafts("ASHA")[0], "approved")
	b.send(dispute("A", "D1", "NEW", 100))
	second := b.drafts("ASHA")[0]
	if got := b.told(second.ID); got != "0.00 20000.00 15000.00 5000.00 draft: held A 15000.00, pays B 5000.00" {
		t.Errorf("the new statement says %s", got)
	}
	b.sent(b.judges(second, "approved"))
	b.send(refund("B", "R1", "succeeded", 100))
	var refused refusedStep
	if _, _, err := b.SendPayout(b.ctx(), second.ID, true); !errors.As(err, &refused) ||
		!strings.Contains(err.Error(), "if it was not paid, hissa payout failed 2") {
		t.Errorf("a payout that is stopped was shown again: %v", err)
	}
	b.settles(second, "failed", "")
	third := b.judges(b.drafts("ASHA")[0], "approved")
	number, _, left, err := b.SendFile(b.ctx(), func(time.Time, []Payable) ([]byte, error) { return []byte("file"), nil })
	if err != nil || len(left) > 0 {
		t.Fatal(err, left)
	}
	if _, stopped, err := b.PayoutFile(b.ctx(), number); err != nil || len(stopped) > 0 {
		t.Errorf("before: %v %v", stopped, err)
	}
	b.send(refund("B", "R2", "succeeded", 100))
	if _, stopped, err := b.PayoutFile(b.ctx(), number); err != nil || len(stopped) != 1 || stopped[0].ID != third.ID {
		t.Errorf("after: %v %v", stopped, err)
	}
}

// The page of a quarter tells by section and partner what was credited, deducted and paid; the file for the
// return hangs on it.
func TestThePageOfTax(t *testing.T) {
	d, _ := deskShop(t, func(c *Config) {
		c.Commission.Hold = 0
		c.TDS.Deduct, c.TDS.WithoutPAN = true, 2000
		c.TDS.Rates = []TaxRate{{Section: "393(1)", Code: "1006", BPS: 200}}
	})
	d.wants("nothing yet", d.page("/admin/tds"), "No tax was deducted")
	earned := d.balance("ASHA")
	pan := "ABCPE1234F"
	if _, err := d.SetPartner(d.ctx(), PartnerChange{Code: "ASHA", PAN: &pan}); err != nil {
		t.Fatal(err)
	}
	d.does("/admin/statements/draft", "partner", "ASHA")
	d.does("/admin/statements/1", "step", "approved")
	tax := earned - d.balance("ASHA")
	if tax == 0 || tax != d.account("tds:393(1)") {
		t.Fatalf("of %d, %d was deducted", earned, tax)
	}
	page := d.page("/admin/tds")
	d.wants("the quarter", page, "Section 393(1), code 1006", "Asha Verma", "234F", "2 %", rupees(earned),
		rupees(tax), "₹0.00")
	if strings.Contains(page, pan) {
		t.Error("the whole PAN is on the page")
	}
	d.does("/admin/payouts/1", "step", "paid", "utr", "n123456789")
	d.wants("after it was paid", d.page("/admin/tds"), rupees(earned-tax))

	year, quarter := financialYear(d.clockNow()), quarterIn(d.clockNow())
	d.wants("the whole year", d.page(fmt.Sprintf("/admin/tds?year=%d", year)), "Whole year", rupees(tax))
	d.wants("a year before", d.page(fmt.Sprintf("/admin/tds?year=%d&quarter=%d", year-1, quarter)), "No tax was deducted")
	file := d.ask("GET", fmt.Sprintf("/admin/tds?year=%d&quarter=%d&format=csv", year, quarter), "", nil)
	if file.status != 200 || !strings.HasPrefix(file.body, "statement,partner") || !strings.Contains(file.body, pan) ||
		!strings.HasPrefix(file.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the file: %d %s", file.status, file.body)
	}
	viewer := d.atDesk("viewer")
	if a := viewer.ask("GET", "/admin/tds?format=csv", "", nil); a.status != 403 || strings.Contains(a.body, pan) {
		t.Errorf("who only looks is given whole PANs: %d", a.status)
	}
	if page := viewer.page("/admin/tds"); strings.Contains(page, "format=csv") {
		t.Error("who only looks is led to the file")
	}
	if strings.Contains(page, fmt.Sprintf("year=%d", year-1)) {
		t.Error("the page leads to a year before the first statement")
	}
	if a := d.ask("GET", "/admin/tds?quarter=5", "", nil); a.status != 400 {
		t.Errorf("a fifth quarter: %d", a.status)
	}

	none := ""
	if _, err := d.SetPartner(d.ctx(), PartnerChange{Code: "ASHA", PAN: &none}); err != nil {
		t.Fatal(err)
	}
	d.wants("without a PAN", d.page("/admin/tds"), "PAN not known")
	d.does("/admin/payouts/1", "step", "reversed", "reason", "the account is closed")
	d.wants("given back", d.page("/admin/tds"), "₹0.00")
}
