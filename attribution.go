package main

// The pure position. Everything known about one transaction goes in as Facts; out comes its
// Position: what was paid, who brought it, how much that earns, what blocks it, and the trail of
// why. Nothing here reads a clock, a file or a database, so the same facts give the same position
// today, in a replay next year, and in whatever order the messages came.
//
// The steps, top to bottom: settle (what do the messages, read together, say was paid, and who has
// the last word on a contradiction), refunds (how much of it went back), candidates (everybody who
// could have brought it, each with a verdict in words), earn (the amount, once rounded), block.

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Candidate is somebody who could have brought the sale, and what became of it.
type Candidate struct {
	Basis   string
	Value   string // what named the partner
	Partner string // "" when the value names nobody
	Verdict string
	counts  bool
}

// Position is what the facts of one transaction come to.
type Position struct {
	Status       string // pending, success, failed
	OrderID      string
	Amount       int64
	Currency     string
	PaidAt       time.Time
	FirstAt      time.Time
	Refunded     int64
	Confirmation string // waiting, agreed, denied, off
	Conflict     string
	Customer     string
	Candidates   []Candidate
	Why          string // nobody earned: the reason

	Partner  string // "" when nobody earned
	Basis    string
	Value    string
	Earned   int64
	Reversed int64
	Rate     Rate
	Program  int64
	DueAt    time.Time
	Abuse    string   // what looks like abuse, in words
	Refused  bool     // by a person
	Blocks   []string // unconfirmed, conflict, dispute, abuse, merchant; period follows from DueAt
}

// The states of a confirmation. Expired is waiting, read more than expiry after the first receipt.
const (
	waiting = "waiting"
	agreed  = "agreed"
	denied  = "denied"
	off     = "off"
	expired = "expired"

	// Paytm itself gives a payment up after 72 hours (its page on late notifications).
	expiry = 72 * time.Hour
)

// decide gives the position of one transaction under the terms.
func decide(f Facts, t *Terms) Position {
	var p Position
	p.FirstAt = firstReceipt(f.Notifications)
	settle(&p, f, t)
	program := t.programAt(p.PaidAt)
	if f.Repriced != 0 {
		program = t.program(f.Repriced)
	}
	p.Program = program.Seq
	refunds, refundConflict := refunded(f)
	lost, disputed := disputes(f)
	p.Refunded = min(refunds+lost, p.Amount)
	if refundConflict != "" && p.Conflict == "" {
		p.Conflict = refundConflict
	}
	order := orderOf(f, p.OrderID, program)
	p.Customer = customerOf(f, order)
	p.Candidates = candidates(f, &p, order, t, program)
	earn(&p, f, t, program)
	if p.Partner == "" {
		return p
	}
	if f.Due == nil { // what is due, no sign moves any more; a person does
		p.Abuse = abuse(&p, f, order, t, program)
	}
	review := lastReview(f, p.Partner)
	if p.Refused = review != nil && !review.Accept; p.Refused {
		p.Reversed = p.Earned
	}
	block(&p, f, order, disputed, review != nil && review.Accept)
	return p
}

// firstReceipt is when the first message was booked. The order of booking tells which that was, even
// where the clock was set back in between.
func firstReceipt(ns []Notification) time.Time {
	if len(ns) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(ns, func(a, b Notification) int { return cmp.Compare(a.Seq, b.Seq) }).At
}

// payments returns the messages about the payment itself that can be relied on.
func (f Facts) payments() []Notification {
	return only(f.Notifications, func(n Notification) bool { return n.Kind == "payment" && n.Unusable == "" })
}

// only is what holds. Mostly all does, and then nothing is copied.
func only[T any](list []T, holds func(T) bool) []T {
	other := slices.IndexFunc(list, func(one T) bool { return !holds(one) })
	if other < 0 {
		return slices.Clip(list)
	}
	kept := slices.Clone(list[:other])
	for _, one := range list[other:] {
		if holds(one) {
			kept = append(kept, one)
		}
	}
	return kept
}

// inRupees treats a missing currency as INR: Paytm's payment-link message leaves it out.
func (n Notification) inRupees() bool { return n.Currency == "" || n.Currency == "INR" }

// currency is the stated one; Paytm's only one is INR.
func (n Notification) currency() string { return cmp.Or(n.Currency, "INR") }

// settle reads all messages of the transaction together and lets the last word settle what they
// leave open.
func settle(p *Position, f Facts, t *Terms) {
	ps := f.payments()
	rupees := only(ps, Notification.inRupees)
	p.Currency = "INR"
	settled := func(n Notification) bool { return n.Status != "pending" }
	if !slices.ContainsFunc(rupees, settled) && slices.ContainsFunc(ps, settled) ||
		len(rupees) == 0 {
		rupees = ps
	}
	merge(p, rupees)
	p.Conflict = contradiction(ps)
	p.PaidAt = paidAt(ps, p.FirstAt)
	switch d, a := lastDecision(f), lastAnswer(f); {
	case d != nil:
		obey(p, d)
	case a != nil:
		believe(p, a, ps)
	case confirmationNeeded(p, ps, asks(t, p)):
		p.Confirmation = waiting
	default:
		p.Confirmation = off
	}
}

// merge takes success over failed over pending, then the smallest amount, then the byte-smallest
// order: an arbitrary choice, but one that no order of arrival can change.
func merge(p *Position, ps []Notification) {
	rank := func(status string) int {
		return slices.Index([]string{"success", "failed", "pending"}, status)
	}
	if len(ps) == 0 {
		return
	}
	first := slices.MinFunc(ps, func(a, b Notification) int {
		return cmp.Or(cmp.Compare(rank(a.Status), rank(b.Status)),
			cmp.Compare(a.Amount, b.Amount), cmp.Compare(a.OrderID, b.OrderID),
			cmp.Compare(a.currency(), b.currency()))
	})
	p.Status, p.Amount, p.OrderID = first.Status, first.Amount, first.OrderID
	p.Currency = first.currency()
}

// contradiction says in words what the messages disagree on, or "". PENDING never contradicts.
func contradiction(ps []Notification) string {
	if len(ps) < 2 { // as mostly
		return ""
	}
	var amounts, orders, statuses []string
	add := func(list []string, v string) []string {
		if slices.Contains(list, v) {
			return list
		}
		return append(list, v)
	}
	for _, n := range ps {
		if n.Status == "pending" {
			continue
		}
		amounts = add(amounts, money(n.Amount, n.Currency))
		orders = add(orders, n.OrderID)
		statuses = add(statuses, n.Status)
	}
	var words []string
	for _, set := range []struct {
		what   string
		values []string
	}{{"amounts", amounts}, {"orders", orders}, {"outcomes", statuses}} {
		if len(set.values) > 1 {
			slices.Sort(set.values)
			words = append(words, "different "+set.what+" ("+strings.Join(set.values, ", ")+")")
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "the messages carry " + strings.Join(words, " and ")
}

// paidAt is the earliest time that a success states, else the first receipt.
func paidAt(ps []Notification, firstAt time.Time) time.Time {
	var paid time.Time
	for _, n := range ps {
		if n.Status != "success" || n.PaidAt.IsZero() {
			continue
		}
		if paid.IsZero() || n.PaidAt.Before(paid) {
			paid = n.PaidAt
		}
	}
	if paid.IsZero() {
		return firstAt
	}
	return paid
}

func lastDecision(f Facts) *Decision {
	if len(f.Decisions) == 0 {
		return nil
	}
	d := slices.MaxFunc(f.Decisions, func(a, b Decision) int { return cmp.Compare(a.Seq, b.Seq) })
	return &d
}

// lastAnswer is the latest definite answer: it wins whatever messages came before or after it.
func lastAnswer(f Facts) *Answer {
	var last *Answer
	for i, a := range f.Answers {
		if a.Definite && (last == nil || a.Seq > last.Seq) {
			last = &f.Answers[i]
		}
	}
	return last
}

// obey lets a person's decision settle the payment.
func obey(p *Position, d *Decision) {
	if !d.Agree {
		p.Confirmation, p.Status, p.Conflict = denied, "failed", ""
		return
	}
	p.Confirmation, p.Status, p.Conflict = agreed, "success", ""
	p.Currency, p.Amount = "INR", d.Amount
}

// believe lets the API's definite answer settle the payment.
func believe(p *Position, a *Answer, ps []Notification) {
	if a.Result == "failed" {
		p.Confirmation, p.Status, p.Conflict = denied, "failed", ""
		return
	}
	known := func(is func(Notification) bool) bool { return slices.ContainsFunc(ps, is) }
	switch {
	case !known(func(n Notification) bool { return n.Amount == a.Amount && n.inRupees() }):
		p.Confirmation = waiting
		p.Conflict = fmt.Sprintf("Paytm's API says %s, no message does", money(a.Amount, "INR"))
	case !known(func(n Notification) bool { return n.OrderID == a.OrderID || n.OrderID == "" }):
		p.Confirmation = waiting
		p.Conflict = fmt.Sprintf("Paytm's API says order %s, no message does", a.OrderID)
	default:
		p.Confirmation, p.Conflict, p.Currency = agreed, "", "INR"
		p.Status, p.Amount, p.OrderID = "success", a.Amount, a.OrderID
		if !a.PaidAt.IsZero() {
			p.PaidAt = a.PaidAt // no message can date a confirmed payment otherwise
		}
	}
}

// asks reports whether the terms ask for the API's word: those in force at payment time, and those at
// the first receipt, which is our own clock and not a sender's.
func asks(t *Terms, p *Position) bool {
	return t.programAt(p.PaidAt).Confirm || t.programAt(p.FirstAt).Confirm
}

// confirmationNeeded: always, unless the program waives it and some success carries only
// documented names. Field names are not signed, so an unknown one may be a message cut up by a
// stranger; and one that names no order can only be found by its TXNID. A payment that only failed earns nothing and needs no word.
func confirmationNeeded(p *Position, ps []Notification, asked bool) bool {
	if p.Status == "failed" && p.Conflict == "" {
		return false
	}
	if asked || p.Conflict != "" || p.Status == "pending" {
		return true
	}
	return !slices.ContainsFunc(ps, func(n Notification) bool {
		return n.Status == "success" && n.Unknown == "" && n.OrderID != ""
	})
}

// refunded is what went back: the larger of the counted refunds' sum and the largest cumulative
// total that a success states, so that one lost message costs nothing. An accepted refund counts
// until it is refused. Events of one refund that contradict each other are a conflict; until a
// person decides, the larger reading counts, so that nobody is paid on it.
func refunded(f Facts) (total int64, conflict string) {
	type refund struct {
		amount                      int64
		counted, succeeded, refused bool
		differ, decided             bool
	}
	byID := map[string]*refund{}
	decision := lastDecision(f)
	var sum, cumulative int64
	for _, n := range f.Notifications {
		if n.Unusable != "" {
			continue
		}
		if n.Event == "succeeded" || n.Kind == "payment" && n.Status == "success" && n.Unknown == "" {
			cumulative = max(cumulative, n.RefundsSum)
		}
		if n.Kind != "refund" {
			continue
		}
		r := byID[n.RefundID]
		if r == nil {
			r = &refund{amount: n.Refund, decided: true}
			byID[n.RefundID] = r
		}
		r.differ = r.differ || r.amount != n.Refund
		r.amount = max(r.amount, n.Refund)
		r.counted = r.counted || n.Event != "refused"
		r.succeeded = r.succeeded || n.Event == "succeeded"
		r.refused = r.refused || n.Event == "refused"
		r.decided = r.decided && decision != nil && decision.Agree && n.Seq < decision.Seq
	}
	var odd []string
	for id, r := range byID {
		if r.succeeded || r.counted && !r.refused {
			sum += r.amount
		}
		if (r.succeeded && r.refused || r.differ) && !r.decided {
			odd = append(odd, id)
		}
	}
	if len(odd) > 0 {
		slices.Sort(odd)
		conflict = "messages about refund " + strings.Join(odd, ", ") + " contradict each other"
	}
	return max(sum, cumulative), conflict
}

// disputes returns what was lost in closed disputes, and whether one is open. Paytm documents only
// the status NEW, so anything but WON and LOST keeps the dispute open until a person agrees.
func disputes(f Facts) (lost int64, open bool) {
	type dispute struct {
		amount             int64
		won, lost, decided bool
	}
	byID := map[string]*dispute{}
	decision := lastDecision(f)
	for _, n := range f.Notifications {
		if n.Kind != "dispute" || n.Unusable != "" {
			continue
		}
		d := byID[n.DisputeID]
		if d == nil {
			d = &dispute{decided: true}
			byID[n.DisputeID] = d
		}
		d.amount = max(d.amount, n.Disputed)
		d.won = d.won || n.Dispute == "WON"
		d.lost = d.lost || n.Dispute == "LOST"
		d.decided = d.decided && decision != nil && decision.Agree && n.Seq < decision.Seq
	}
	for _, d := range byID {
		switch {
		case d.lost && !d.won:
			lost += d.amount
		case d.won && !d.lost, d.decided:
		default:
			open = true
		}
	}
	return lost, open
}

// orderOf is the binding of the order that the payment was for, nil when the shop never bound it.
func orderOf(f Facts, orderID string, program Program) *Order {
	if o := f.Orders[orderID]; o != nil || program.OrderSuffix == "" {
		return o
	}
	return f.Orders[withoutTimestamp(orderID)]
}

// customerOf prefers the shop's own customer over the subscription that the successes name, if they
// name one and the same. Never CUSTID, which Paytm replaces with its own.
func customerOf(f Facts, o *Order) string {
	if o != nil && o.Customer != "" {
		return o.Customer
	}
	named := distinct(f, func(n Notification) string { return n.Customer })
	if len(named) != 1 {
		return ""
	}
	return named[0]
}

// candidates lists everybody who could have brought the sale, in the program's order of
// precedence, each with a verdict. The first that counts wins.
func candidates(f Facts, p *Position, o *Order, t *Terms, program Program) []Candidate {
	var all []Candidate
	for _, basis := range program.Precedence {
		switch basis {
		case "promo":
			if o != nil && o.Promo != "" {
				all = append(all, t.byCode(basis, o.Promo, "is on the order", p.PaidAt))
			}
		case "click":
			if o != nil && o.ClickID != "" {
				all = append(all, byClick(basis, o.ClickID, f, t, program, p.PaidAt))
			}
		case "reference":
			all = append(all, byReference(f, t, program, p.PaidAt)...)
		case "campaign":
			all = append(all, byCampaign(f, t, p.PaidAt)...)
		case "customer":
			if program.Lifetime > 0 && p.Customer != "" {
				all = append(all, byCustomer(f, t, p, program)...)
			}
		}
	}
	winner := slices.IndexFunc(all, func(c Candidate) bool { return c.counts })
	for i := range all {
		if i > winner && all[i].counts {
			all[i].counts = false
			all[i].Verdict += "; but " + all[winner].Basis + " comes first"
		}
	}
	return all
}

// byClick judges a click by server time against the payment's time.
func byClick(basis, id string, f Facts, t *Terms, program Program, paid time.Time) Candidate {
	c := Candidate{Basis: basis, Value: id}
	click := f.Clicks[id]
	if click == nil {
		c.Verdict = "no such click was ever recorded"
		return c
	}
	c.Partner = click.Partner
	from, until := click.At.Truncate(time.Second), click.At.Add(program.Window)
	switch {
	case click.Counted != "" && !strings.HasPrefix(click.Counted, burst):
		c.Verdict = "not a click: " + click.Counted
	case paid.Before(from):
		c.Verdict = "clicked " + span(from.Sub(paid)) + " after the payment"
	case paid.After(until):
		c.Verdict = fmt.Sprintf("clicked %s before payment, the window is %s",
			span(paid.Sub(from)), span(program.Window))
	default:
		c.Verdict = fmt.Sprintf("clicked %s before payment, within the window of %s",
			span(paid.Sub(from)), span(program.Window))
		c.counts = true
	}
	if click.Imported {
		c.Verdict += ", as an imported file says"
	}
	return t.active(c, paid)
}

// byReference reads what came back in MERC_UNQ_REF and POS_ID. Field names and boundaries are not
// signed, so a value counts only when every success carries the same one, or when the API's own
// copy says which.
func byReference(f Facts, t *Terms, program Program, paid time.Time) []Candidate {
	var all []Candidate
	for _, source := range []struct {
		name string
		of   func(Notification) string
		copy func(*Answer) string
	}{
		{"MERC_UNQ_REF", func(n Notification) string { return n.Reference },
			func(a *Answer) string { return a.Reference }},
		{"POS_ID", func(n Notification) string { return n.POS },
			func(a *Answer) string { return a.POS }},
	} {
		values := distinct(f, source.of)
		own := ""
		if a := lastAnswer(f); a != nil {
			own = source.copy(a)
		}
		if own != "" && !slices.Contains(values, own) {
			values = append(values, own)
		}
		for _, v := range values {
			if v == "" {
				continue
			}
			c := reference(v, source.name, f, t, program, paid)
			switch {
			case own != "" && v != own:
				c.counts, c.Verdict = false, "Paytm's own record of this payment says "+own
			case own == "" && len(values) > 1:
				c.counts = false
				c.Verdict = "the messages disagree on " + source.name +
					": bind the order to say who brought it"
			}
			all = append(all, c)
		}
	}
	return all
}

// byCampaign reads PROMO_CAMP_ID, Paytm's own campaign field, under the same rule as a reference.
func byCampaign(f Facts, t *Terms, paid time.Time) []Candidate {
	var all []Candidate
	values := distinct(f, func(n Notification) string { return n.Campaign })
	for _, v := range values {
		if v == "" {
			continue
		}
		c := t.byCode("campaign", v, "is the payment's Paytm campaign", paid)
		if len(values) > 1 {
			c.counts, c.Verdict = false, "the messages disagree on PROMO_CAMP_ID"
		}
		all = append(all, c)
	}
	return all
}

// reference resolves one value: a click id, or a registered code of any kind.
func reference(v, name string, f Facts, t *Terms, program Program, paid time.Time) Candidate {
	if strings.HasPrefix(v, clickPrefix) {
		return byClick("reference", v, f, t, program, paid)
	}
	return t.byCode("reference", v, "came back with the payment in "+name, paid)
}

// distinct returns the values that the successes carry, each once, sorted; "" is one of them,
// since a value that only some messages carry is a disagreement too. Paytm's list says less than its
// messages: what it leaves out is no disagreement.
func distinct(f Facts, of func(Notification) string) []string {
	var values []string
	for _, n := range f.payments() {
		if v := of(n); n.Status == "success" && (v != "" || n.Unknown != unsigned) {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// byCustomer credits the partner who first brought this customer, for the program's lifetime.
func byCustomer(f Facts, t *Terms, p *Position, program Program) []Candidate {
	b, ok := f.Brought[p.Customer]
	if !ok {
		return nil
	}
	c := Candidate{Basis: "customer", Value: b.TxnID, Partner: b.Partner}
	until := b.PaidAt.In(ist).AddDate(0, program.Lifetime, 0)
	switch {
	case p.PaidAt.Before(b.PaidAt) || p.PaidAt.Equal(b.PaidAt) && f.TxnID < b.TxnID:
		c.Verdict = "brought this customer only later, on " + day(b.PaidAt)
	case p.PaidAt.After(until):
		c.Verdict = fmt.Sprintf("brought this customer on %s, more than %d months before",
			day(b.PaidAt), program.Lifetime)
	default:
		c.Verdict = fmt.Sprintf("brought this customer on %s, within %d months",
			day(b.PaidAt), program.Lifetime)
		c.counts = true
	}
	return []Candidate{t.active(c, p.PaidAt)}
}

// earn fixes partner, rate and amount.
func earn(p *Position, f Facts, t *Terms, program Program) {
	if p.Status != "success" && p.Confirmation != denied {
		p.Why = "the payment has not succeeded"
		return
	}
	if p.Confirmation == denied && !slices.ContainsFunc(f.payments(), succeeded) {
		p.Why = "the payment has not succeeded"
		return
	}
	if p.Currency != "INR" {
		p.Why = "paid in " + p.Currency + ": commissions are in rupees only"
		return
	}
	winner := slices.IndexFunc(p.Candidates, func(c Candidate) bool { return c.counts })
	switch {
	case f.Due != nil:
		p.Partner, p.Basis, p.Value = f.Due.Partner, f.Due.Basis, f.Due.Value
		p.Rate, p.Program = f.Due.Rate, f.Due.Program
		program = t.program(p.Program)
		readAgain(p, f, t, program)
	case winner >= 0:
		c := p.Candidates[winner]
		p.Partner, p.Basis, p.Value = c.Partner, c.Basis, c.Value
		p.Rate = t.rateOf(c, p.PaidAt, f.Sales, program)
		limit(p, &p.Candidates[winner], f, program)
	default:
		p.Why = nobody(p.Candidates)
		return
	}
	if p.Partner == "" {
		return
	}
	p.Earned = p.Rate.of(p.Amount, program.ExcludeTax)
	if program.Cap > 0 {
		p.Earned = min(p.Earned, program.Cap)
	}
	p.Reversed = p.Earned
	if p.Confirmation != denied {
		p.Reversed = share(p.Earned, p.Refunded, p.Amount)
	}
	p.DueAt = p.PaidAt.Add(program.Hold)
}

// limit leaves a commission of nothing where the program pays for a customer's first payments alone. The
// sale stays with who brought it. A payment without a customer can't be counted, and earns.
func limit(p *Position, c *Candidate, f Facts, program Program) {
	if program.Payments == 0 || p.Customer == "" || f.Earlier < program.Payments {
		return
	}
	p.Rate = Rate{}
	first := "first payment"
	if program.Payments > 1 {
		first = fmt.Sprintf("first %d payments", program.Payments)
	}
	c.Verdict += "; it earns nothing: the program pays for the " + first + " of a customer"
}

// readAgain lets what messages and the API say still move a commission whose partner they named:
// only bindings, customers and programs no longer do. Then it marks whom the commission stays with.
func readAgain(p *Position, f Facts, t *Terms, program Program) {
	var named []Candidate
	switch p.Basis {
	case "reference":
		named = byReference(f, t, program, p.PaidAt)
	case "campaign":
		named = byCampaign(f, t, p.PaidAt)
	}
	if named != nil {
		i := slices.IndexFunc(named, func(c Candidate) bool { return c.counts })
		switch {
		case i < 0:
			p.Partner, p.Why = "", "no partner: what named one no longer counts"
		case named[i].Partner != p.Partner:
			p.Partner, p.Value = named[i].Partner, named[i].Value
			p.Rate = t.rateOf(named[i], p.PaidAt, f.Sales, program)
		}
	}
	for i := range p.Candidates {
		c := &p.Candidates[i]
		stays := p.Partner != "" && c.Basis == p.Basis && c.Value == p.Value
		if c.counts && !stays {
			c.Verdict += "; but the commission was due already"
		}
		c.counts = stays
	}
}

func succeeded(n Notification) bool { return n.Status == "success" }

// nobody says why a payment is unattributed.
func nobody(cs []Candidate) string {
	if len(cs) == 0 {
		return "no partner: the order was not bound to a click or a code, " +
			"and the payment carries no reference that is registered"
	}
	return "no partner: nothing that was bound to the order or came with the payment counts"
}

// block lists what keeps the commission from being due, apart from the hold period.
func block(p *Position, f Facts, o *Order, disputed, accepted bool) {
	d := lastDecision(f)
	personAgrees := accepted || d != nil && d.Agree
	add := func(b string, when bool) {
		if when {
			p.Blocks = append(p.Blocks, b)
		}
	}
	add("unconfirmed", p.Confirmation == waiting)
	add("conflict", p.Conflict != "")
	add("dispute", disputed)
	add("abuse", p.Abuse != "" && !accepted)
	add("merchant", o != nil && o.Amount > 0 && o.Amount != p.Amount && !personAgrees)
}
