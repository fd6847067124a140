package web

import (
	"io"
	"time"
)

// TDS is the tax that was deducted in a quarter of a financial year: /admin/tds with year, quarter; with
// format=csv it is the file for the return. It prints as it is.
type TDS struct {
	Year      int // of the April in which it begins
	FirstYear int // in which the shop's first statement was drafted
	ThisYear  int
	Quarter   int // 1 to 4; 0 for the whole year
	From      time.Time
	LastDay   time.Time
	Sections  []TaxSection
	Off       bool // nothing is deducted
}

// TaxSection is what was deducted under one section of the Income-tax Act.
type TaxSection struct {
	Section string
	Code    string // of the return
	Rows    []TaxRow
	TaxSums
}

// TaxRow is one partner at one rate.
type TaxRow struct {
	Partner string
	Name    string
	PAN     string // masked; "" for one that is not known
	Rate    string
	TaxSums
}

// TaxSums are amounts in paise.
type TaxSums struct {
	Credited int64 // by statements that were approved in this time and stand
	Taxed    int64 // what the tax is worked out from, earlier credits of the year included
	Deducted int64 // less what was given back
	Paid     int64 // of what was credited, after tax
}

// Quarters are those of the year, and the whole of it.
func (TDS) Quarters() []int { return []int{1, 2, 3, 4, 0} }

// YearName is 2026-27 for the financial year that begins in April 2026.
func (p TDS) YearName(year int) string {
	return time.Date(year, 4, 1, 0, 0, 0, 0, time.UTC).Format("2006-") +
		time.Date(year+1, 4, 1, 0, 0, 0, 0, time.UTC).Format("06")
}

// Before is 0 where there was no statement yet.
func (p TDS) Before() int {
	if p.Year <= p.FirstYear {
		return 0
	}
	return p.Year - 1
}

// After is 0 where the year has not begun.
func (p TDS) After() int {
	if p.Year >= p.ThisYear {
		return 0
	}
	return p.Year + 1
}

// Render writes the page.
func (p TDS) Render(w io.Writer, f Frame) error { return render(w, f, "tds", p) }
