package web

import (
	"io"
	"time"
)

// Overview is the first page of whoever runs the shop. Its blocks: numbers, chart, needs, latest, partners.
type Overview struct {
	Range        Range
	Sums         Sums
	Before       Sums // of the period before, as long
	Held         int64
	NextRelease  time.Time // when the next of it is released, zero when nothing is held
	Due          int64
	Days         []Day
	Complete     Completeness
	Replica      Replica
	Needs        []Need
	Checked      time.Time // when it was last looked for what needs a person
	Latest       []PaymentRow
	Partners     []PartnerBar
	Nothing      bool // no payment ever came
	HasPartner   bool
	Webhook      string // the URL to give to Paytm
	Applications int    // of people who want to become partners
	Drafts       int    // statements to approve
}

// Completeness is how the books compare with what Paytm lists.
type Completeness struct {
	Known   bool // there was a comparison
	Upto    time.Time
	Paytm   int64  // payments that Paytm has
	Here    int64  // of them, those that are in the books
	Healed  int64  // taken over from Paytm's list
	Trouble string // why the last comparison failed
}

// Replica is how the copy of the database stands.
type Replica struct {
	State   string // off, ok, behind, failed
	Lag     time.Duration
	Trouble string
}

// PartnerBar is a partner in a list of the best.
type PartnerBar struct {
	Code, Name        string
	Commission, Sales int64
	Payments          int64
}

// Render writes the page.
func (p Overview) Render(w io.Writer, f Frame) error { return render(w, f, "overview", p) }

// Most is the largest commission among the partners shown.
func (p Overview) Most() (most int64) {
	for _, b := range p.Partners {
		most = max(most, b.Commission)
	}
	return most
}

// Waiting is how much needs a person.
func (p Overview) Waiting() (n int64) {
	for _, need := range p.Needs {
		n += need.Count
	}
	return n
}
