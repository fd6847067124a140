package web

import (
	"io"
	"time"
)

// Earnings is the first page of the portal. Its blocks: numbers, chart, latest.
type Earnings struct {
	Code     string
	Name     string
	Range    Range
	Sums     Sums // Sales, Clicks, Payments, Commission of this partner
	Before   Sums
	Held     int64
	Releases []Release // of what is held, the next first
	Due      int64
	Paid     int64
	Days     []Day
	Latest   []Sale
	Link     Link
	Rate     string
	Hold     time.Duration
	Minimum  int64 // below which nothing is paid out, 0 for none
	Details  bool  // where the money goes is known
	Nothing  bool  // no click ever came
}

// NextRelease is the day on which something of what is held becomes due; zero when none has a day yet.
func (p Earnings) NextRelease() time.Time {
	if len(p.Releases) == 0 {
		return time.Time{}
	}
	return p.Releases[0].At
}

// Release is what becomes due on a day.
type Release struct {
	At     time.Time
	Amount int64
	Count  int64
}

// Sale is a payment as its partner sees it: nothing of the customer.
type Sale struct {
	TxnID      string
	At         time.Time
	Amount     int64
	Refunded   int64
	Commission int64
	State      string // due, held, paid, reversed
	Blocks     []string
	DueAt      time.Time
	Basis      string
	Via        string // the sub-id, the promo code
}

// Render writes the page.
func (p Earnings) Render(w io.Writer, f Frame) error { return render(w, f, "earnings", p) }

// Sales are a partner's sales and clicks. Its query: state. Blocks: rows, clicks.
type Sales struct {
	State   string
	Rows    []Sale
	Paging  Paging
	Clicks  []Click // the last ones
	Nothing bool
	Link    Link
}

// Click is a visit through the partner's link.
type Click struct {
	At      time.Time
	Sub     string
	Counted bool
	Why     string // why not
}

// Render writes the page.
func (p Sales) Render(w io.Writer, f Frame) error { return render(w, f, "sales", p) }

// Links is what a partner shares. Its query: sub, which makes a link with a sub-id. Pictures:
// /partner/qr.svg and /partner/qr.png, with ?sub=.
type Links struct {
	Link   Link // with the sub-id asked for
	Promos []Code
	Refs   []Code
	Subs   []Sub
	More   bool
	Share  string // the text to share it with
	Form   Form
}

// Render writes the page.
func (p Links) Render(w io.Writer, f Frame) error { return render(w, f, "links", p) }

// PartnerStatements is the list of a partner's own.
type PartnerStatements struct {
	Rows   []StatementRow
	Paging Paging
	Key    string
}

// Render writes the page.
func (p PartnerStatements) Render(w io.Writer, f Frame) error {
	return render(w, f, "partner_statements", p)
}

// Details is where a partner's money goes. Form: POST /partner/details: vpa, account, ifsc, pan,
// gstin, email, password.
type Details struct {
	Payee Payee // masked as it is kept; a field left empty stays as it is
	Tax   bool  // tax is deducted, so the PAN matters
	Form  Form
}

// Render writes the page.
func (p Details) Render(w io.Writer, f Frame) error { return render(w, f, "details", p) }

// Join is where somebody applies to become a partner. Form: POST /join: name, email, mobile, where, note,
// code; website stays empty, only programs fill it.
type Join struct {
	Rate    string
	Hold    time.Duration
	Minimum int64
	Done    bool
	Form    Form
}

// Render writes the page.
func (p Join) Render(w io.Writer, f Frame) error { return render(w, f, "join", p) }
