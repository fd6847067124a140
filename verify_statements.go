package main

// The part of verify that follows statements and payouts along the chain: what a statement says of its
// partner's balance must be so at its place, its steps must be lawful, and every rupee that went to a
// partner, or came back, must stand in the ledger right after the step that says so.

import (
	"fmt"
)

// paperwork is what the walk has come by so far.
type paperwork struct {
	statements map[int64]*Statement
	newest     map[string]*Statement   // of each partner, neither declined nor replaced
	all        map[string][]*Statement // of each partner
	open       *Statement              // whose lines are being read
	held       int64                   // what they leave out so far
	owed       []booked                // the entries that have to come next
	taxed      *Statement              // the newest step was about it, and its tax may come next
	taxedAgain bool                    // and has to: it was given back, and is due again
}

// booked is what an entry of a payout has to say.
type booked struct {
	step                         string
	kind, debit, credit, partner string
	amount                       int64
}

// pass takes the next fact. balances are those before it.
func (p *paperwork) pass(c *cursor, balances map[string]int64) error {
	if p.open != nil && c.table.name != "statement_lines" {
		if err := p.close(); err != nil {
			return err
		}
	}
	taxed, again := p.taxed, p.taxedAgain
	p.taxed, p.taxedAgain = nil, false
	switch {
	case c.table.name == "withholdings":
		return p.withholding(c, taxed, again)
	case again:
		return badRow{c.place(), fmt.Sprintf("the tax of statement %d was to be deducted again", taxed.ID)}
	case c.table.name == "entries" || len(p.owed) > 0:
		return p.entry(c)
	}
	switch c.table.name {
	case "statements":
		return p.statement(c, balances)
	case "statement_lines":
		return p.line(c)
	case "steps":
		return p.step(c)
	}
	return nil
}

// finish is called past the last fact.
func (p *paperwork) finish() error {
	if len(p.owed) > 0 || p.taxedAgain {
		return badRow{"the last step of a payout", "its entry is not in the ledger"}
	}
	return p.close()
}

// entry takes a ledger entry: one about no payment must be a payout's, and the other way round.
func (p *paperwork) entry(c *cursor) error {
	about := c.table.name == "entries" && c.rows.kind(c.column("txn")) != kindNull
	if len(p.owed) == 0 {
		if about {
			return nil
		}
		return badRow{c.place(), "is about neither a payment nor a payout"}
	}
	want := p.owed[0]
	p.owed = p.owed[1:]
	if c.table.name != "entries" || about {
		return badRow{want.step, "its entry is not in the ledger"}
	}
	have := booked{want.step, c.word("kind"), c.word("debit"), c.word("credit"), c.word("partner"),
		c.number("amount")}
	if have != want {
		return badRow{c.place(), fmt.Sprintf("the payout makes it %+v, the row says %+v", want, have)}
	}
	return nil
}

// withholding takes the tax of a statement, which follows the step that makes it due.
func (p *paperwork) withholding(c *cursor, s *Statement, again bool) error {
	if s == nil || c.number("statement") != s.ID {
		return badRow{c.place(), "does not follow the approval of its statement"}
	}
	at := c.number("at")
	w := &Withholding{At: fromMillis(&at), TaxRate: TaxRate{Section: c.word("section"), Code: c.word("code"),
		BPS: c.number("rate_bps"), Threshold: c.number("threshold")},
		Credited: c.number("credited"), Base: c.number("base"), Amount: c.number("amount")}
	credited, taxed := yearSoFar(p.all[s.Partner], w.At, s.ID)
	base, amount := w.of(credited, taxed, s.Payable)
	if again {
		credited, base, amount = s.Tax.Credited, s.Tax.Base, s.Tax.Amount
	}
	if w.Credited != credited || w.Base != base || w.Amount != amount {
		return badRow{c.place(), fmt.Sprintf("the statements make it %s on %s after %s, the row says %s on %s after %s",
			decimal(amount), decimal(base), decimal(credited), decimal(w.Amount), decimal(w.Base), decimal(w.Credited))}
	}
	if s.Tax = w; w.Amount > 0 {
		p.owed = append([]booked{{c.place(), "withhold", accountOf(s.Partner), w.account(), s.Partner, w.Amount}},
			p.owed...)
	}
	return nil
}

func (p *paperwork) statement(c *cursor, balances map[string]int64) error {
	s := &Statement{
		ID: c.number("id"), Partner: c.word("partner"), Follows: c.number("follows"),
		Opening: c.number("opening"), Closing: c.number("closing"), Held: c.number("held"),
		Payable: c.number("payable"), Minimum: c.number("minimum"),
	}
	before := &Statement{}
	if newest := p.newest[s.Partner]; newest != nil {
		before = newest
	}
	switch {
	case s.ID != int64(len(p.statements))+1:
		return badRow{c.place(), fmt.Sprintf("is statement %d, the one before it was %d", s.ID, len(p.statements))}
	case before.ID != 0 && before.isOpen():
		return badRow{c.place(), fmt.Sprintf("statement %d of %s was still open", before.ID, s.Partner)}
	case s.Follows != before.ID || s.Opening != before.Closing:
		return badRow{c.place(), fmt.Sprintf("does not open where statement %d of %s closed", before.ID, s.Partner)}
	case s.Closing != balances[accountOf(s.Partner)]:
		return badRow{c.place(), fmt.Sprintf("closes with %s, the ledger came to %s",
			decimal(s.Closing), decimal(balances[accountOf(s.Partner)]))}
	case s.Payable != max(0, s.Closing-s.Held):
		return badRow{c.place(), "what is payable is not the balance less what is held"}
	}
	p.statements[s.ID], p.newest[s.Partner] = s, s
	p.all[s.Partner] = append(p.all[s.Partner], s)
	p.open, p.held = s, 0
	return nil
}

func (p *paperwork) line(c *cursor) error {
	if p.open == nil || c.number("statement") != p.open.ID {
		return badRow{c.place(), "does not follow its statement"}
	}
	if c.word("kind") == "held" {
		p.held += c.number("amount")
	}
	return nil
}

// close ends the lines of a statement.
func (p *paperwork) close() error {
	s := p.open
	if p.open = nil; s != nil && s.Held != p.held {
		return badRow{fmt.Sprintf("statement %d", s.ID), fmt.Sprintf("leaves out %s, its lines come to %s",
			decimal(s.Held), decimal(p.held))}
	}
	return nil
}

func (p *paperwork) step(c *cursor) error {
	s, ok := p.statements[c.number("statement")]
	if !ok {
		return badRow{c.place(), "is about no statement"}
	}
	at := c.number("at")
	step := Step{At: fromMillis(&at), Statement: s.ID, Step: c.word("step")}
	if !s.allows(step.Step) {
		return badRow{c.place(), fmt.Sprintf("statement %d was %s and can't become %s", s.ID, s.State(), step.Step)}
	}
	before := s.withheld()
	s.Steps = append(s.Steps, step)
	owes := func(kind, debit, credit string, paise int64) {
		p.owed = append(p.owed, booked{c.place(), kind, debit, credit, s.Partner, paise})
	}
	switch partner := accountOf(s.Partner); step.Step {
	case "approved":
		p.taxed, s.Tax = s, nil
	case "declined", "replaced":
		if p.newest[s.Partner] == s {
			p.newest[s.Partner] = p.statements[s.Follows]
		}
	case "paid":
		if before == 0 && s.withheld() > 0 { // it was thought to have failed
			p.taxed, p.taxedAgain = s, true
		}
		owes("pay", partner, "bank", s.Amount())
	case "reversed":
		owes("reverse", "bank", partner, s.Amount())
	}
	if before > 0 && s.withheld() == 0 && s.Tax != nil {
		owes("adjust", s.Tax.account(), accountOf(s.Partner), before)
	}
	return nil
}
