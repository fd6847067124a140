package main

// The facts: what arrived, what the API answered, what the shop bound and what a person said. They
// are written once and never changed; everything else follows from them.

import "time"

// Notification is one distinct inbound message as the store keeps it. Amounts are
// paise; times UTC.
type Notification struct {
	Seq        int64
	At         time.Time // first receipt
	Gateway    string
	Identity   []byte // tells a repeat from a new message
	Kind       string // payment, refund, dispute, other
	Type       string // the gateway's own sort of message, in words
	Result     string // what was answered: credited, unattributed, recorded, …
	Why        string // not about money: the reason
	Unusable   string // a field relied on that can't be used: kept for a person
	MID        string
	TxnID      string
	OrderID    string
	Status     string // pending, success, failed
	Amount     int64
	Currency   string
	PaidAt     time.Time // zero when the message does not say
	Reference  string
	POS        string
	Campaign   string
	Customer   string // our alias of the subscription the message names
	Mode       string
	Payer      Person // who paid, as far as the message says; only marks of it are kept
	Unknown    string // field names outside the documented list, joined by spaces; or unsigned
	RefundID   string
	Event      string // accepted, succeeded, refused
	Refund     int64
	RefundsSum int64 // cumulative refunds of the transaction, as a success states them
	DisputeID  string
	Dispute    string // NEW, WON, LOST, …
	Disputed   int64

	marks []Mark // of Payer, those that some partner has too
}

// unsigned stands for the unknown fields of what is booked from Paytm's list: no message that carries a
// checksum, so that nothing is due before the status API has agreed, whatever the program says.
const unsigned = "(unsigned)"

// Answer is what the gateway's API said when asked about an order.
type Answer struct {
	Seq       int64
	At        time.Time
	Asked     string // the order id asked about
	Result    string // success, failed, pending, unknown
	TxnID     string
	OrderID   string
	Amount    int64     // paise, -1 when it names none
	PaidAt    time.Time // zero when it names none
	Reference string
	POS       string
	Code      string
	Text      string
	Definite  bool // signed, about this TXNID, success or failed
}

// Decision is what a person said about a transaction, with the reason.
type Decision struct {
	Seq    int64
	At     time.Time
	Agree  bool
	Amount int64 // paise: which amount the person agreed to; 0 for a denial
	Reason string
}

// Order is the binding in force of one merchant order.
type Order struct {
	Seq      int64
	At       time.Time
	ID       string
	ClickID  string
	Promo    string
	Customer string // our alias of the customer
	Amount   int64  // paise, 0 when the shop named none
	Marks    string // hashes of who ordered, sorted, joined by spaces
	Tried    int    // how many promo codes this order was ever bound to
}

// Click is one recorded visit through a partner's link.
type Click struct {
	Seq      int64
	At       time.Time
	ID       string
	Partner  string
	Sub      string // sub=…&sub1=…, in canonical order
	Counted  string // "" when it counts, else the reason why not
	Imported bool   // from a file, which says when it was

	under int64 // the terms that it was judged under, by their newest change; 0 for whatever holds
}

// Brought says which partner first brought a customer: the earliest attributed payment decides.
type Brought struct {
	Partner string
	TxnID   string
	PaidAt  time.Time
}

// Due is what was fixed when a commission was found to have become due: from then on bindings,
// customers and programs no longer move it.
type Due struct {
	Seq     int64
	At      time.Time
	Partner string
	Basis   string
	Value   string
	Rate    Rate
	Program int64
}

// Facts is all that is known about one transaction.
type Facts struct {
	TxnID         string
	Notifications []Notification
	Answers       []Answer
	Decisions     []Decision
	Due           *Due
	Repriced      int64              // the program that a person had it decided under; 0: that of its time
	Orders        map[string]*Order  // by the order id that the messages carry
	Clicks        map[string]*Click  // by click id
	Brought       map[string]Brought // by customer alias, this transaction left out
	Reviews       []Review
	Sales         int64    // of the partner in the month before the day, where terms have tiers
	Payer         []string // hashes of who paid, those that some partner has too
	Earlier       int      // payments of the same customer before this one, as far as terms count them
}
