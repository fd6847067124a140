package web

// What several pages have in common.

import "time"

// Range is the days that a page is about, in India. From is included, To is not.
type Range struct {
	Name string // today, 7d, 30d, or custom
	From time.Time
	To   time.Time
}

// LastDay is the last day that is included.
func (r Range) LastDay() time.Time { return r.To.Add(-time.Second) }

// Sums are what happened in a range. Amounts are paise.
type Sums struct {
	Sales      int64
	Refunds    int64
	Commission int64 // less what was taken back
	Payments   int64 // successful ones
	Attributed int64 // of them, those that a partner brought
	Clicks     int64 // that count
	Partners   int64 // who brought a sale
}

// Day is one day of a chart, in India.
type Day struct {
	Date       time.Time
	Sales      int64
	Commission int64 // less what was taken back; may be below zero
	Refunds    int64
	Partial    bool // not over yet
}

// Paging is where a page stands in a list: pages follow each other by the key of their last row.
type Paging struct {
	Before string // the key that this page begins behind, "" for the first page
	Older  string // the key to go on behind, "" when this is the last page
}

// PaymentRow is a payment in a list.
type PaymentRow struct {
	TxnID      string
	Order      string
	At         time.Time
	Amount     int64
	Currency   string // "" is INR
	Refunded   int64
	Partner    string // code, "" for nobody
	Name       string // of the partner
	Commission int64
	State      string   // due, held, paid, reversed; nobody, pending, failed
	Blocks     []string // of one that is held
}

// Need is one sort of thing that waits for a person.
type Need struct {
	// Kind is conflict, review, expired, denied, unattributed, refunds, abuse, merchant, refused or forward.
	Kind   string
	Count  int64
	More   bool // there are more than Count
	Oldest time.Time
}

// Field is a name and a text.
type Field struct{ Name, Value string }

// Form is what was typed into a form that comes back, and what was wrong with it. Errors are by field: a
// code of the words' [fault], or a sentence.
type Form struct {
	Values map[string]string
	Errors map[string]string
}

// Link is a partner's link, with what can be copied and scanned.
type Link struct {
	URL string
	Sub string // the sub-id in it, "" for none
}

// Code is a promo code or a reference.
type Code struct {
	Code  string
	Rate  string // its own rate, "" for the partner's
	Since time.Time
}

// Sub is what one sub-id brought.
type Sub struct {
	Sub        string // "" for visits without one
	Clicks     int64
	Payments   int64
	Commission int64
}

// Payee is where a partner's money goes.
type Payee struct {
	Name    string
	VPA     string
	Account string // masked but for its last digits, save on the page of a payout
	IFSC    string
	PAN     string // masked
	Email   string
	GSTIN   string
}

// Step is what a person did with a statement or its payout.
type Step struct {
	At     time.Time
	Who    string
	Step   string // approved, held, declined, replaced, sent, paid, failed, reversed
	Way    string // how it was sent: file 3, qr
	UTR    string
	Reason string
}
