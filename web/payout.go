package web

import (
	"io"
	"time"
)

// Payouts is what is approved and to be paid. Its query: show (open, all). Form: POST /admin/payouts/file
// makes the bank's file and answers with it; GET /admin/payouts/files/{n} gives it once more.
type Payouts struct {
	Show   string
	Rows   []PayoutRow
	Paging Paging
	Ready  int   // how many could go into a file
	Total  int64 // what they come to
	Files  []BankFile
	Left   []LeftOut // approved, but not for a file
}

// PayoutRow is a payout in a list.
type PayoutRow struct {
	ID      int64
	Partner string
	Name    string
	Amount  int64
	State   string // approved, sent, paid, failed, reversed
	Since   time.Time
	Way     string
	UTR     string
	Reason  string
}

// BankFile is a file that was made for the bank.
type BankFile struct {
	Number int64
	At     time.Time
	Count  int
	Total  int64
	Open   int // of its payouts, those of which nothing was said yet
}

// LeftOut is a payout that can't go into a file, and why.
type LeftOut struct {
	ID      int64
	Partner string
	Why     string
}

// Render writes the page.
func (p Payouts) Render(w io.Writer, f Frame) error { return render(w, f, "payouts", p) }

// Payout is one payout. Forms, by POST: /admin/payouts/{id}/send (way: qr; again, when it was sent before),
// /admin/payouts/{id} with step (paid: utr; failed, reversed: reason).
type Payout struct {
	ID      int64
	Partner string
	Name    string
	Amount  int64
	Tax     *Tax
	State   string
	Payee   Payee
	Note    string // stands on both sides' bank statements
	UPI     string // the upi:// link, once it is sent by QR; "" before
	Steps   []Step
	Allows  []string // sent, paid, failed, reversed
	Form    Form
}

// Render writes the page.
func (p Payout) Render(w io.Writer, f Frame) error { return render(w, f, "payout", p) }
