package main

// Tax deducted at source from commissions (TDS). A commission is credited to its partner when the
// statement that pays it is approved, so that is where tax is deducted: never later than the payment. The
// rule is that of section 393(1) of the Income-tax Act 2025, table row 1(ii): when what a partner was
// credited in a financial year goes over the threshold, all of it is taxed, what came before included.

import (
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// TaxRate is what the law says from a date on.
type TaxRate struct {
	From      time.Time
	Section   string // of the Income-tax Act
	Code      string // of the return
	BPS       int64
	Threshold int64 // paise to one partner in a financial year; more is taxed
}

// TaxRules are the rates in force, by date; none when nothing is deducted.
type TaxRules struct {
	Rates      []TaxRate
	WithoutPAN int64 // the least share, in basis points, for whoever's PAN is not known
}

// taxRules are those of the configuration.
func (c *Config) taxRules() TaxRules {
	if !c.TDS.Deduct {
		return TaxRules{}
	}
	return TaxRules{c.TDS.Rates, c.TDS.WithoutPAN}
}

// at is the rate in force, nil when there is none.
func (r TaxRules) at(now time.Time) *TaxRate {
	var found *TaxRate
	for i := range r.Rates {
		if !now.Before(r.Rates[i].From) {
			found = &r.Rates[i]
		}
	}
	return found
}

// Withholding is the tax on one statement, and how it came about. Amounts are paise.
type Withholding struct {
	Seq int64
	At  time.Time
	TaxRate
	Credited int64 // in the financial year, before this statement
	Base     int64 // what is taxed now
	Amount   int64 // whole rupees
}

// account is where the tax waits to be deposited.
func (w Withholding) account() string { return "tds:" + w.Section }

func (w Withholding) words(booked bool) string {
	words := "Tax to be deducted, "
	if booked {
		words = "Tax deducted, "
	}
	return words + "section " + w.Section + ", " + Rate{BPS: w.BPS}.String()
}

// taxWords is the tax of a payout in words, "" without.
func taxWords(s *Statement) string {
	if s.Tax == nil {
		return ""
	}
	w := s.Tax
	return fmt.Sprintf("%s: %s of %s under section %s, after %s credited in the financial year",
		rupees(w.Amount), Rate{BPS: w.BPS}, rupees(w.Base), w.Section, rupees(w.Credited))
}

// of works out what is taxed with a payable amount, and the tax. credited and taxed are what the partner
// had in the financial year before, and what of it was taxed: more than that where a payout which was taxed
// with another's came back. The tax is in whole rupees, half a rupee up. One rupee at least is left to pay;
// what that leaves untaxed is taxed with the next statement.
func (r TaxRate) of(credited, taxed, payable int64) (base, amount int64) {
	const rupee = 100
	if credited+payable <= r.Threshold {
		return 0, 0
	}
	base = max(0, credited+payable-taxed)
	amount = share(base, r.BPS, 10000*rupee) * rupee
	if most := max(0, (payable-rupee)/rupee*rupee); amount > most {
		return most * 10000 / r.BPS, most
	}
	return base, amount
}

// financialYear is the year in India in which one begins, on 1 April.
func financialYear(at time.Time) int {
	at = at.In(ist)
	if at.Month() < time.April {
		return at.Year() - 1
	}
	return at.Year()
}

// creditedAt is when a statement was credited: with its tax, or when it was approved.
func (s *Statement) creditedAt() time.Time {
	if s.Tax != nil {
		return s.Tax.At
	}
	return s.step("approved").At
}

// yearSoFar adds up what a partner was credited in the financial year of now, and what of it was taxed,
// without one statement.
func yearSoFar(list []*Statement, now time.Time, without int64) (credited, taxed int64) {
	for _, s := range list {
		if s.ID == without || !s.credited() || financialYear(s.creditedAt()) != financialYear(now) {
			continue
		}
		credited += s.Payable
		if s.Tax != nil {
			taxed += s.Tax.Base
		}
	}
	return credited, taxed
}

// taxOn is the tax on a statement that is approved now; nil when the rules have none.
func (r rows) taxOn(s *Statement, now time.Time, rules TaxRules) (*Withholding, error) {
	rate := rules.at(now)
	if rate == nil {
		return nil, nil
	}
	w := &Withholding{At: now, TaxRate: *rate}
	to, err := r.contact(s.Partner)
	if err != nil {
		return nil, err
	}
	if to.pan() == "" {
		w.BPS = max(w.BPS, rules.WithoutPAN)
	}
	list, err := r.statementsOf(q("statements-of-partner"), args{s.Partner})
	if err != nil {
		return nil, err
	}
	credited, taxed := yearSoFar(list, now, s.ID)
	w.Credited = credited
	w.Base, w.Amount = w.of(credited, taxed, s.Payable)
	return w, nil
}

// withholding reads the tax of a statement's last approval into it.
func (r rows) withholding(s *Statement) error {
	var w Withholding
	var at int64
	err := r.one(q("withholding"), args{s.ID}, &w.Seq, &at, &w.Section, &w.Code, &w.BPS, &w.Threshold,
		&w.Credited, &w.Base, &w.Amount)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	w.At = fromMillis(&at)
	if w.Seq > s.step("approved").Seq {
		s.Tax = &w
	}
	return err
}

// pan is a partner's PAN, which a GSTIN contains.
func (c Contact) pan() string {
	if c.PAN == "" && c.GSTIN != "" {
		return c.GSTIN[2:12]
	}
	return c.PAN
}

// panPattern: the fourth letter is the sort of holder, C company, P person, H Hindu undivided family, F firm …
var (
	panPattern   = pattern(`^[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]$`)
	gstinPattern = pattern(`^[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]$`)
)

// checkTaxNumbers refuses what can't be a PAN or a GSTIN; a PAN has no check digit.
func checkTaxNumbers(p PartnerChange) error {
	if p.PAN != nil && *p.PAN != "" && !panPattern().MatchString(*p.PAN) {
		return usageError{"-pan is like ABCPE1234F: five letters, the fourth of them a sort of holder, " +
			"four digits, a letter"}
	}
	if p.GSTIN == nil || *p.GSTIN == "" {
		return nil
	}
	switch g := *p.GSTIN; {
	case !gstinPattern().MatchString(g) || !panPattern().MatchString(g[2:12]):
		return usageError{"-gstin is like 27ABCPE1234F1Z5: a state's two digits, a PAN, a digit or letter, Z, a check"}
	case g[14] != gstinCheck(g[:14]):
		return usageError{"-gstin has another check at its end: a digit or letter is mistyped"}
	case p.PAN != nil && *p.PAN != "" && *p.PAN != g[2:12]:
		return usageError{"-gstin contains another PAN than -pan"}
	}
	return nil
}

// gstinCheck is the last character of a GSTIN, from the 14 before it: values of 36, doubled at every second
// place, digits of the products added up.
func gstinCheck(text string) byte {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	sum := 0
	for i := range len(text) {
		product := strings.IndexByte(digits, text[i]) * (1 + i%2)
		sum += product/36 + product%36
	}
	return digits[(36-sum%36)%36]
}

var tdsCommand = command{
	name: "tds", config: true, reading: true, usage: "[-year 2026] [-quarter 1|2|3|4] [-format text|csv]",
	short: "tax deducted from commissions, by quarter",
	long: `
Lists the tax that was deducted (TDS) in a quarter of the financial year that begins in April of
-year: the partner and the PAN, section and code, the day on which the commission was credited (its
statement was approved), what was taxed, at which rate, and the tax. What was given back, because a
payout failed or came back, stands with a minus in the quarter in which that was said; so a quarter
that is over never changes. Without -year and -quarter it is the current quarter.

Hissa deducts only with deduct = true under [tds], and does nothing else: deposit the tax, file the
return and issue the certificates yourself. It knows of no commission that you paid elsewhere, of no
certificate for a lower rate, and of no declaration by a partner.

Example:  hissa tds -year 2026 -quarter 3 -format csv > tds.csv`,
	run: func(c *call) error {
		year := c.flags.Int("year", 0, "")
		quarter := c.flags.Int("quarter", 0, "")
		format := c.flags.String("format", "text", "")
		if err := c.exactly(0); err != nil {
			return err
		}
		switch {
		case *quarter < 0 || *quarter > 4 || *year != 0 && (*year < 2000 || *year > 2100):
			return usageError{"-year is the year of April, like 2026, and -quarter 1 to 4"}
		case *format != "text" && *format != "csv":
			return usageError{fmt.Sprintf("-format %q: it is text or csv", *format)}
		}
		return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
			span := quarterOf(store.now(), *year, *quarter)
			list, err := store.Deductions(ctx, span)
			if err != nil {
				return err
			}
			return c.tellDeductions(span, list, *format)
		})
	},
}

// quarterIn is the quarter of the financial year in which a time lies, 1 from April to June.
func quarterIn(at time.Time) int { return (int(at.In(ist).Month())+8)%12/3 + 1 }

// quarterOf is a quarter of a financial year; zeros stand for those of now. A whole year without a quarter.
func quarterOf(now time.Time, year, quarter int) Span {
	months := 3
	switch {
	case year == 0 && quarter == 0:
		year, quarter = financialYear(now), quarterIn(now)
	case year == 0:
		year = financialYear(now)
	case quarter == 0:
		quarter, months = 1, 12
	}
	from := time.Date(year, time.April+time.Month(3*(quarter-1)), 1, 0, 0, 0, 0, ist)
	return Span{from, from.AddDate(0, months, 0)}
}

// Deduction is tax that was deducted, or given back (below nothing), with what it was worked out from.
type Deduction struct {
	At        time.Time
	Partner   string
	Statement int64
	TaxRate
	Base   int64
	Amount int64
	To     Contact
}

// Deductions lists the tax entries of the ledger in a stretch of time.
func (s *Store) Deductions(ctx context.Context, span Span) (list []Deduction, err error) {
	from, to := span.millis()
	err = s.read(ctx, func(r rows) error {
		err := r.each(q("tax-entries"), args{from, to}, func(scan func(...any) error) error {
			var d Deduction
			var at int64
			err := scan(&at, &d.Partner, &d.Statement, &d.Section, &d.Code, &d.BPS, &d.Base, &d.Amount)
			d.At = fromMillis(&at)
			list = append(list, d)
			return err
		})
		for i := range list {
			if err == nil {
				list[i].To, err = r.contact(list[i].Partner)
			}
		}
		return err
	})
	return list, err
}

func (d Deduction) record() record {
	return record{
		{"statement", d.Statement}, {"partner", d.Partner}, {"name", d.To.Name}, {"pan", d.To.pan()},
		{"section", d.Section}, {"code", d.Code}, {"credited_on", isoDay(d.At)}, {"base", decimal(d.Base)},
		{"rate", Rate{BPS: d.BPS}.String()}, {"tax", decimal(d.Amount)},
	}
}

func (c *call) tellDeductions(span Span, list []Deduction, format string) error {
	var total int64
	var rows [][]string
	for _, d := range list {
		total += d.Amount
		if c.json {
			if err := c.writeJSON(d.record()); err != nil {
				return err
			}
		}
		rows = append(rows, d.record().cells())
	}
	names := Deduction{}.record().names()
	switch {
	case c.json:
		return nil
	case format == "csv":
		return writeCSV(c.stdout, names, rows)
	}
	fmt.Fprintf(c.stdout, "Tax deducted from commissions, %s to %s: %s\n",
		day(span.From), day(span.To.Add(-time.Second)), rupees(total))
	if len(rows) == 0 {
		return nil
	}
	headings := strings.Split(strings.ToUpper(strings.ReplaceAll(strings.Join(names, "|"), "_", " ")), "|")
	return table(c.stdout, headings, rows)
}

// writeCSV writes cells for a spreadsheet.
func writeCSV(w io.Writer, names []string, rows [][]string) error {
	out := csv.NewWriter(w)
	for _, row := range append([][]string{names}, rows...) {
		for i := range row {
			row[i] = notFormula(row[i])
		}
		_ = out.Write(row) // Error has it
	}
	out.Flush()
	return out.Error()
}
