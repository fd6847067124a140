package web

import (
	"io"
	"time"
)

// Needs is a list of what waits for a person, of one sort: /admin/needs/{what}.
type Needs struct {
	What   string // a Need's Kind
	All    []Need
	Rows   []NeedRow
	Paging Paging
}

// NeedRow is one thing that waits. What is about no payment has no TxnID, and Label says what it is.
type NeedRow struct {
	TxnID   string
	Label   string // the refund id, the sender, the message's time …
	At      time.Time
	Amount  int64 // of the payment, the refund; 0 when there is none
	Partner string
	Name    string
	Held    int64 // the commission that it holds back
	Why     string
}

// Render writes the page.
func (p Needs) Render(w io.Writer, f Frame) error { return render(w, f, "needs", p) }
