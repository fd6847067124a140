package web

import (
	"io"
	"time"
)

// Partner is a partner's page. Forms, by POST: /admin/partners/{code}/invite (nothing more), …/state (state:
// active, disabled; reason), …/shut-out (nothing more; for owners). Pictures: …/qr.svg and …/qr.png, with ?sub=.
type Partner struct {
	Code      string
	Name      string
	State     string // active, disabled
	Since     time.Time
	Payee     Payee
	Mobile    string
	Held      int64
	HeldUntil time.Time // when the next of it is released
	Due       int64
	Paid      int64
	Range     Range
	Sums      Sums
	Before    Sums
	Days      []Day
	Links     []Link // the first is the plain one
	Promos    []Code
	Refs      []Code
	Rates     []RateChange
	Subs      []Sub
	MoreSubs  bool
	Customers Customers
	Latest    []PaymentRow
	Access    Access
	Form      Form
}

// RateChange is from when on a partner has a rate.
type RateChange struct {
	At    time.Time // zero for from the beginning
	Rate  string    // "" for the program's
	Of    string    // the promo code whose rate it is, "" for the partner
	State string    // disabled, or "" for active
}

// Customers are those whom a partner brought and for whom they earn on.
type Customers struct {
	On    bool // the program pays for later payments of a customer
	Count int64
	Rows  []Customer
}

// Customer is one of them; ID is masked.
type Customer struct {
	ID         string
	Since      time.Time
	Until      time.Time // zero for always
	Payments   int64
	Commission int64
}

// Access is whether a partner can look at the portal.
type Access struct {
	State string // none, invited, active, shut
	At    time.Time
	Link  string // to send to the partner; shown once, when it was just made
	Until time.Time
	Mail  string // the address that a link can be mailed to: POST …/invite with mail=1; "" for none
}

// Render writes the page.
func (p Partner) Render(w io.Writer, f Frame) error { return render(w, f, "partner", p) }
