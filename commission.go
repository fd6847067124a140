package main

// A commission and its state, which is read and never stored: time alone makes one due.

import "time"

// Commission is what one transaction earns one partner, as it stands.
type Commission struct {
	TxnID    string
	Partner  string
	Amount   int64
	Reversed int64
	Void     bool // all of it is taken back; told apart from a commission of zero
	Currency string
	Basis    string
	Rate     Rate
	Program  int64
	PaidAt   time.Time
	DueAt    time.Time
	Blocks   []string
	Payout   int64 // the payout that paid it, 0 for none; the store's, not the position's
}

// State is the first that holds of: reversed (all of it taken back), paid, held (a block stands), due.
// blocks says what holds it, "period" in front while the hold period runs.
func (c Commission) State(now time.Time) (state string, blocks []string) {
	if c.Void {
		return "reversed", []string{}
	}
	if c.Payout != 0 {
		return "paid", []string{}
	}
	if now.Before(c.DueAt) {
		blocks = append(blocks, "period")
	}
	blocks = append(blocks, c.Blocks...)
	if len(blocks) > 0 {
		return "held", blocks
	}
	return "due", []string{}
}

// net is what of a commission is not taken back.
func (c Commission) net() int64 { return c.Amount - c.Reversed }

// commission is the position's commission, nil when nobody earned.
func (p Position) commission(txnID string) *Commission {
	if p.Partner == "" {
		return nil
	}
	void := p.Refused || p.Confirmation == denied || p.Refunded == p.Amount ||
		p.Earned > 0 && p.Reversed == p.Earned
	return &Commission{
		TxnID: txnID, Partner: p.Partner, Amount: p.Earned, Reversed: p.Reversed, Void: void,
		Currency: p.Currency, Basis: p.Basis, Rate: p.Rate, Program: p.Program,
		PaidAt: p.PaidAt, DueAt: p.DueAt, Blocks: p.Blocks,
	}
}
