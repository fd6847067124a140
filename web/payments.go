package web

import (
	"io"
	"time"
)

// Payments is the list of payments, the newest first. Block: rows.
type Payments struct {
	Query   PaymentQuery
	Rows    []PaymentRow
	Paging  Paging
	Nothing bool // no payment ever came
	Webhook string
}

// PaymentQuery is what the list is narrowed down to, by the names of its query: q (TXNID, order, RRN, a
// partner's code, or an amount in rupees), state, partner, from, to.
type PaymentQuery struct {
	Text    string
	State   string // due, held, paid, reversed, nobody, pending, failed, refunded; "" for all
	Partner string
	From    time.Time // days in India, zero for none
	To      time.Time // included
	Faults  map[string]string
}

// Any reports whether the list is narrowed down at all.
func (q PaymentQuery) Any() bool {
	return q.Text != "" || q.State != "" || q.Partner != "" || !q.From.IsZero() || !q.To.IsZero()
}

// Render writes the page.
func (p Payments) Render(w io.Writer, f Frame) error { return render(w, f, "payments", p) }

// Payment is the whole story of one payment. Forms: confirm sends say (agree, deny), amount, reason to
// /admin/payments/{txn}/confirm; review sends say (accept, refuse), reason to /admin/payments/{txn}/review.
type Payment struct {
	TxnID        string
	Known        bool // a payment; else only messages that wait for one
	Order        string
	Status       string // success, failed, pending
	Amount       int64
	Currency     string
	Refunded     int64
	PaidAt       time.Time
	Mode         string // UPI, CC, DC, NB, PPI, HYBRID …, "" when not said
	RRN          string
	Parts        []Part // of a hybrid payment
	Conflict     string
	Confirmation Confirmation
	Partner      string
	Name         string // of the partner
	Basis        string // promo, click, reference, customer, campaign
	Why          string // why nobody earns, where nobody does
	Commission   *Commission
	Candidates   []Candidate
	Messages     []Message
	Answers      []Answer
	Handed       []Handed
	Entries      []Entry
	Words        []Word
	Message      []Field // the fields of the newest message, what is personal masked
	CanConfirm   bool
	CanAccept    bool
	CanRefuse    bool
	AskAmount    bool // in a conflict of amounts
	Form         Form
}

// Part is one of the ways in which a hybrid payment was made.
type Part struct {
	Mode   string
	Amount int64 // below 0 when not said
}

// Confirmation is what Paytm's API, or a person, says about a payment.
type Confirmation struct {
	State   string // waiting, agreed, denied, expired, off
	Person  bool   // a person said so
	At      time.Time
	Reason  string
	Next    time.Time // when it is asked again
	Trouble string    // why the last question brought no answer
}

// Commission is what a payment earns its partner.
type Commission struct {
	Amount   int64
	Reversed int64
	State    string // due, held, paid, reversed
	Blocks   []Block
	Rate     string // 10 %, or ₹50.00
	By       string // whose rate: program, partner, code, tier, exhausted
	Code     string // the promo code, for code
	Sales    int64  // the sales of the month before, for tier
	Cap      int64  // which the program's cap left of it, 0 when that did not touch it
	Program  int
	DueAt    time.Time
	FixedAt  time.Time // when partner and rate were fixed, zero for not yet
	Payout   int64     // which paid it, 0 for none
}

// Block is why a commission is held.
type Block struct {
	Code string // period, unconfirmed, conflict, dispute, abuse, merchant
	Text string // what exactly, for conflict and abuse
}

// Candidate is who could have brought a payment, and why they did or did not.
type Candidate struct {
	Counts  bool
	Won     bool
	Basis   string
	Partner string
	Name    string
	Verdict string
}

// Message is what Paytm sent, and how often.
type Message struct {
	At     time.Time
	What   string
	Result string // credited, duplicate, conflict …
	Times  int64
	Note   string
}

// Answer is what Paytm's API said.
type Answer struct {
	At    time.Time
	Asked string
	Said  string // success, failed, pending, nothing
	Paise int64  // for success
	Text  string
}

// Handed is what became of a message that is handed on to the shop.
type Handed struct {
	At    time.Time
	State string // taken, waits, never
	Tries int
	Note  string
}

// Entry is a ledger transfer.
type Entry struct {
	Seq    int64
	At     time.Time
	Kind   string // earn, reverse, pay, withhold, adjust
	Debit  string
	Credit string
	Amount int64
	TxnID  string
	Payout int64
	UTR    string
	Hash   string // hexadecimal
}

// Word is what a person decided.
type Word struct {
	At     time.Time
	Who    string
	Say    string // agree, deny, accept, refuse
	Reason string
}

// Render writes the page.
func (p Payment) Render(w io.Writer, f Frame) error { return render(w, f, "payment", p) }

// Deliveries is how many messages came.
func (p Payment) Deliveries() (n int64) {
	for _, m := range p.Messages {
		n += m.Times
	}
	return n
}
