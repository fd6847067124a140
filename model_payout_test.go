package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// The part of the model that is about money out: statements as plain lists of what they pay, each worked
// out from all payments whenever it is needed.

// payee gives a partner something to be paid through.
func payee(p *PartnerChange) {
	name, vpa, account, ifsc := p.Code, "someone@okbank", "1234567890", "HDFC0001234"
	p.Name, p.VPA, p.Account, p.IFSC = &name, &vpa, &account, &ifsc
}

// paidOut reports whether some paid statement pays for a transaction.
func (m *model) paidOut(txn *modelTxn) bool {
	for id, t := range m.txns {
		if t == txn {
			return slices.ContainsFunc(m.papers, func(p *paper) bool {
				_, is := p.pays[id]
				return is && p.state == "paid"
			})
		}
	}
	return false
}

// owes is what the ledger owes a partner, and what of that is beside unpaid commissions.
func (m *model) owes(partner string) (balance, beside int64) {
	for _, txn := range m.txns {
		if o := m.outcome(txn); o.partner == partner {
			balance += o.earned - o.reversed
			if o.state == "paid" || o.state == "reversed" {
				beside += o.earned - o.reversed
			}
		}
	}
	for _, p := range m.papers {
		if p.partner != partner {
			continue
		}
		var gone int64
		if p.credited() {
			gone += p.tax
		}
		if p.state == "paid" {
			gone += p.payable - p.tax
		}
		balance -= gone
		beside -= gone
	}
	return balance, beside
}

// inForce is the newest statement of a partner that counts.
func (m *model) inForce(partner string) *paper {
	for _, p := range slices.Backward(m.papers) {
		if p.partner == partner && p.state != "declined" && p.state != "replaced" {
			return p
		}
	}
	return &paper{state: "none"}
}

func (m *model) stopped(p *paper) bool {
	for id, paise := range p.pays {
		if o := m.outcome(m.txns[id]); o.state != "due" || o.earned-o.reversed != paise {
			return true
		}
	}
	_, beside := m.owes(p.partner)
	if p.credited() {
		beside += p.tax
	}
	return beside < p.before
}

// credited: its payable amount is the partner's income.
func (p *paper) credited() bool {
	return p.state == "approved" || p.state == "sent" || p.state == "paid"
}

// deduct works out what is taxed when a statement is approved: a tenth, a fifth for Ravi, whose PAN nobody
// knows, of all that was credited in the year, once that is more than ₹15.00; in whole rupees, and one of
// them at least is left.
func (m *model) deduct(p *paper) {
	year := func(t time.Time) int { return t.In(ist).AddDate(0, -3, 0).Year() }
	total, untaxed, rate := p.payable, p.payable, int64(1000)
	for _, q := range m.papers {
		if q != p && q.partner == p.partner && q.credited() && year(q.approved) == year(m.now) {
			total += q.payable
			untaxed += q.payable - q.base
		}
	}
	if p.partner == "RAVI" {
		rate = 2000
	}
	p.approved, p.base, p.tax = m.now, 0, 0
	if total <= 1500 {
		return
	}
	p.base = untaxed
	p.tax = halfUp(untaxed, rate, 1_000_000) * 100
	for p.tax > 0 && p.payable-p.tax < 100 {
		p.tax -= 100
		p.base = p.tax * 10000 / rate
	}
}

// draft says which statement of a partner has to come now, nil for none.
func (m *model) draft(partner string) *paper {
	now := &paper{partner: partner, pays: map[string]int64{}, held: map[string]int64{}}
	var held int64
	for id, txn := range m.txns {
		o := m.outcome(txn)
		switch net := o.earned - o.reversed; {
		case o.partner != partner:
		case o.state == "due":
			now.pays[id] = net
		case o.state == "held" && net > 0:
			now.held[id] = net
			held += net
		}
	}
	now.told = m.told(now)
	close := func() {
		now.closing, now.before = m.owes(partner)
		now.payable = max(0, now.closing-held)
	}
	close()
	switch open := m.inForce(partner); open.state {
	case "held", "sent":
		return nil
	case "approved":
		if !m.stopped(open) {
			return nil
		}
		open.state = "replaced"
		close() // its tax came back
	case "draft":
		if open.closing == now.closing && open.told == now.told && !m.stopped(open) {
			return nil
		}
		open.state = "replaced"
	}
	now.opening = m.inForce(partner).closing
	if now.state = "draft"; now.payable == 0 {
		now.state = "carried"
		if now.closing == now.opening {
			return nil
		}
	}
	return now
}

// told is what the lines of a statement say: amounts, reasons, and when each hold period ends.
func (m *model) told(p *paper) (text string) {
	for _, id := range slices.Sorted(maps.Keys(m.txns)) {
		pays, isPaid := p.pays[id]
		held, isHeld := p.held[id]
		if !isPaid && !isHeld {
			continue
		}
		txn := m.txns[id]
		success := slices.DeleteFunc(slices.Clone(txn.messages), func(n Notification) bool {
			return n.Kind != "payment" || n.Status != "success"
		})
		blocks := slices.DeleteFunc(m.outcome(txn).blocks, func(b string) bool { return b == "period" })
		text += fmt.Sprintln(id, isPaid, pays, held, blocks, m.paid(txn, success))
	}
	return text
}

// monthBefore is sales that are confirmed and due when the history begins, so that there is money to pay.
func (h *history) monthBefore() {
	for i, promo := range []string{"ASHA10", "RAVI10", "ASHA10"} {
		order := fmt.Sprint(i + 1)
		h.m.orders[order] = modelOrder{promo: promo}
		h.b.bind(Order{ID: order, Promo: promo})
		id := "T" + order + "a"
		h.deliver(payment(id, order, amount(10000), paid(noon.Add(-20*24*time.Hour))), order)
		h.m.txns[id].answers = append(h.m.txns[id].answers, agreeing(id, order, 10000))
		h.b.answers(id, agreeing(id, order, 10000))
	}
}

func (h *history) draft(*rapid.T) {
	drafted, err := h.b.DraftStatements(h.b.ctx(), "", 0)
	if err != nil {
		h.Fatal(err)
	}
	for _, partner := range []string{"ASHA", "RAVI"} {
		want := h.m.draft(partner)
		i := slices.IndexFunc(drafted, func(d Drafted) bool { return d.Partner == partner && d.Statement != nil })
		if (want == nil) != (i < 0) {
			h.Fatalf("drafted %+v, the model says %+v", drafted, want)
		}
		if want == nil {
			continue
		}
		h.m.papers = append(h.m.papers, want)
		h.isAsTold(want, drafted[i].Statement.ID)
	}
}

// isAsTold compares a statement with the model's.
func (h *history) isAsTold(want *paper, id int64) {
	told, err := h.b.Tell(h.b.ctx(), id, h.b.tax)
	if err != nil {
		h.Fatal(err)
	}
	pays, held := map[string]int64{}, map[string]int64{}
	for _, l := range told.Lines {
		map[string]map[string]int64{"pays": pays, "held": held}[l.Kind][l.TxnID] = l.Amount
	}
	sum := told.Opening
	for _, e := range told.Entries {
		sum += e.signed()
	}
	got := fmt.Sprint(id, told.Partner, told.State(), told.Opening, told.Closing, told.Payable, pays, held)
	if is := fmt.Sprint(len(h.m.papers), want.partner, want.state, want.opening, want.closing, want.payable,
		want.pays, want.held); got != is || sum != told.Closing {
		h.Fatalf("statement %s with entries to %d, the model says %s", got, sum, is)
	}
	var file strings.Builder
	if err := told.sign(&file, "https://go.shop.in"); err != nil {
		h.Fatal(err)
	}
	if _, err := parseStatement([]byte(file.String())); err != nil {
		h.Fatalf("the signed statement %d: %v", id, err)
	}
}

// anyPaper picks a statement, mostly one that is open.
func (h *history) anyPaper(t *rapid.T) (int64, *paper) {
	if len(h.m.papers) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(h.m.papers)-1).Draw(t, "statement")
	if rapid.IntRange(0, 3).Draw(t, "open") > 0 {
		for j, p := range slices.Backward(h.m.papers) {
			if p.state == "draft" || p.state == "approved" || p.state == "sent" {
				i = j
				break
			}
		}
	}
	return int64(i + 1), h.m.papers[i]
}

// may is what a person can say of a statement in each state.
var may = map[string]string{
	"draft": "approved held declined", "held": "approved declined", "approved": "held declined sent paid",
	"sent": "paid failed", "failed": "paid", "paid": "reversed",
}

// takes checks that a word was taken or refused as it should be.
func (h *history) takes(p *paper, step string, err error) {
	want := slices.Contains(strings.Fields(may[p.state]), step)
	if (step == "approved" || step == "sent") && h.m.stopped(p) {
		want = false
	}
	var refused refusedStep
	switch {
	case err != nil && !errors.As(err, &refused):
		h.Fatal(err)
	case want != (err == nil):
		h.Fatalf("a statement that is %s was to become %s: %v", p.state, step, err)
	case want:
		p.state = step
	}
}

func (h *history) judge(t *rapid.T) {
	id, p := h.anyPaper(t)
	step := rapid.SampledFrom([]string{"approved", "approved", "approved", "held", "declined"}).Draw(t, "word")
	_, err := h.b.JudgeStatement(h.b.ctx(), id, step, "so I say", h.b.tax)
	if h.takes(p, step, err); err == nil && step == "approved" {
		h.m.deduct(p)
	}
}

func (h *history) send(t *rapid.T) {
	if rapid.Bool().Draw(t, "qr") {
		id, p := h.anyPaper(t)
		_, _, err := h.b.SendPayout(h.b.ctx(), id, false)
		h.takes(p, "sent", err)
		return
	}
	number, _, _, err := h.b.SendFile(h.b.ctx(), func(_ time.Time, list []Payable) ([]byte, error) {
		return []byte(fmt.Sprint(len(list))), nil
	})
	if err != nil {
		h.Fatal(err)
	}
	sent := 0
	for _, p := range h.m.papers {
		if p.state == "approved" && !h.m.stopped(p) {
			p.state = "sent"
			sent++
		}
	}
	body, _, err := h.b.PayoutFile(h.b.ctx(), number)
	if sent == 0 && !errors.Is(err, errNotFound) || sent > 0 && string(body) != fmt.Sprint(sent) {
		h.Fatalf("file %d has %s payouts (%v), the model says %d", number, body, err, sent)
	}
}

func (h *history) settle(t *rapid.T) {
	id, p := h.anyPaper(t)
	step := rapid.SampledFrom([]string{"paid", "paid", "failed", "reversed"}).Draw(t, "what became")
	said := Step{Step: step, Reason: "so the bank says"}
	if step == "paid" {
		said.UTR = fmt.Sprint("UTR", id)
	}
	_, again, err := h.b.SettlePayout(h.b.ctx(), id, said)
	if again {
		if p.state != step || err != nil {
			h.Fatalf("a payout that is %s was taken to be %s already (%v)", p.state, step, err)
		}
		return
	}
	late := p.state == "failed" // its tax counts anew from now
	if h.takes(p, step, err); err == nil && late && p.tax > 0 {
		p.approved = h.m.now
	}
}
