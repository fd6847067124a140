package web

import (
	"io"
	"time"
)

// Statements is the queue of statements. Its query: show (open, all). Forms: POST /admin/statements/draft;
// POST /admin/statements/approve with id (several).
type Statements struct {
	Show    string // open, all
	Partner string // of one partner only
	Rows    []StatementRow
	Paging  Paging
	Minimum int64
	Due     int64 // what is due and on no statement yet
	Nothing bool  // none was ever drafted

	// What became of those that were picked, where not all could be approved.
	Approved []int64
	Refused  []LeftOut
}

// StatementRow is a statement in a list.
type StatementRow struct {
	ID      int64
	Partner string
	Name    string
	At      time.Time
	Closing int64
	Held    int64
	Payable int64
	Tax     int64
	State   string // draft, carried, approved, held, declined, replaced, sent, paid, failed, reversed
	Reason  string
}

// Render writes the page.
func (p Statements) Render(w io.Writer, f Frame) error { return render(w, f, "statements", p) }

// Drafts reports whether one can be approved.
func (p Statements) Drafts() bool {
	for _, r := range p.Rows {
		if r.State == "draft" {
			return true
		}
	}
	return false
}

// Statement is one statement, for the merchant and, in the portal, for its partner; it prints as one A4
// page. Form: POST /admin/statements/{id} with step (approved, held, declined), reason.
type Statement struct {
	ID        int64
	Partner   string
	Name      string
	From      time.Time // zero for the first
	At        time.Time
	State     string
	Opening   int64
	Entries   []StatementEntry
	Closing   int64
	Held      int64
	Payable   int64
	Minimum   int64
	Tax       *Tax
	Amount    int64 // what is paid: payable less tax
	Pays      []StatementLine
	Holds     []StatementLine
	TakenBack int64 // of earlier payouts, set off
	Steps     []Step
	Allows    []string // steps that can be taken now
	Key       string   // hexadecimal, which the signed file is checked with
	Follows   int64    // the statement before, 0 for none
	More      bool     // there are more entries than are shown
	Form      Form
}

// StatementEntry is what the partner was given or what was taken.
type StatementEntry struct {
	At     time.Time
	Kind   string // earn, reverse, pay, withhold, adjust
	TxnID  string
	Payout int64
	UTR    string
	Amount int64 // less than 0 for what was taken
}

// StatementLine is a commission that the payout covers, or that is held.
type StatementLine struct {
	TxnID  string
	Amount int64
	DueAt  time.Time
	Blocks []string
}

// Tax is what is deducted.
type Tax struct {
	Amount   int64
	Section  string
	Rate     string
	Base     int64
	Credited int64 // in the financial year before
	Deducted bool  // else it would be by approving now
}

// Render writes the page.
func (p Statement) Render(w io.Writer, f Frame) error { return render(w, f, "statement", p) }
