package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The model is a second, naive telling of the rules: it keeps whole histories, works everything out
// from the start each time, and shares no code with the position it judges.

type modelOrder struct {
	promo, click, customer string
	amount                 int64
}

type modelTxn struct {
	order    string
	first    time.Time
	messages []Notification // payments, refunds, disputes as they came, repeats left out
	answers  []Answer
	decision *Decision
	after    int             // how many messages had come when the person spoke
	fixed    string          // partner, once it was due
	rate     int64           // fixed with it
	repriced int             // which program a person had it decided under, counted from 1; 0 for that of its time
	reviewed map[string]bool // by partner: accepted, or refused
}

type model struct {
	now    time.Time
	txns   map[string]*modelTxn
	orders map[string]modelOrder
	clicks map[string]struct {
		partner string
		at      time.Time
	}
	programs []modelProgram
	papers   []*paper
}

// modelProgram is what Asha earns from a time on, in basis points. Ravi has a rate of his own.
type modelProgram struct {
	at  time.Time
	bps int64
}

func (m *model) rate(txn *modelTxn, partner string, success []Notification) int64 {
	switch {
	case txn.fixed != "":
		return txn.rate
	case partner == "RAVI":
		return 1237
	case txn.repriced > 0:
		return m.programs[txn.repriced-1].bps
	}
	bps := m.programs[0].bps
	for _, p := range m.programs {
		if !p.at.Truncate(time.Second).After(m.paid(txn, success)) {
			bps = p.bps
		}
	}
	return bps
}

// paper is a statement as the model keeps it: what it pays, by payment.
type paper struct {
	partner, state            string
	opening, closing, payable int64
	before                    int64 // what was to be set off
	pays, held                map[string]int64
	told                      string // what its lines say beside
	approved                  time.Time
	base, tax                 int64 // since it was approved last
}

type outcome struct {
	partner          string
	earned, reversed int64
	bps              int64
	state            string
	blocks           []string
}

func (m *model) outcome(txn *modelTxn) outcome {
	var success, failed, pending []Notification
	for _, n := range txn.messages {
		switch {
		case n.Kind != "payment":
		case n.Status == "success":
			success = append(success, n)
		case n.Status == "failed":
			failed = append(failed, n)
		default:
			pending = append(pending, n)
		}
	}
	paidFor, amount := "success", int64(-1)
	base := success
	if len(base) == 0 {
		base, paidFor = failed, "failed"
	}
	if len(base) == 0 {
		base, paidFor = pending, "pending"
	}
	for _, n := range base {
		if amount < 0 || n.Amount < amount {
			amount = n.Amount
		}
	}
	amounts := map[int64]bool{}
	for _, n := range append(slices.Clone(success), failed...) {
		amounts[n.Amount] = true
	}
	conflict := len(amounts) > 1 || len(success) > 0 && len(failed) > 0
	unconfirmed := true
	gone := false
	if d := txn.decision; d != nil {
		unconfirmed = false
		if d.Agree {
			paidFor, amount, conflict = "success", d.Amount, false
		} else {
			gone, conflict = true, false
		}
	} else if len(txn.answers) > 0 {
		a := txn.answers[len(txn.answers)-1]
		stated := false
		for _, n := range txn.messages {
			stated = stated || n.Kind == "payment" && n.Amount == a.Amount
		}
		switch {
		case a.Result == "failed":
			unconfirmed, gone, conflict = false, true, false
		case stated:
			unconfirmed, conflict, paidFor, amount = false, false, "success", a.Amount
		default:
			conflict = true
		}
	}
	if paidFor != "success" && !(gone && len(success) > 0) {
		return outcome{}
	}
	refunded, refundConflict := m.refunded(txn)
	lost, open := m.disputed(txn)
	back := min(refunded+lost, amount)
	partner := txn.fixed
	if partner == "" {
		partner = m.brought(txn, success)
	}
	if partner == "" {
		return outcome{}
	}
	o := outcome{partner: partner, earned: halfUp(amount, m.rate(txn, partner, success), 10000), bps: m.rate(txn, partner, success)}
	o.reversed = halfUp(o.earned, back, amount)
	accepted, spoken := txn.reviewed[partner]
	gone = gone || spoken && !accepted
	if gone {
		o.reversed = o.earned
	}
	if gone || back == amount || o.earned > 0 && o.reversed == o.earned {
		o.state = "reversed"
		return o
	}
	if m.paidOut(txn) {
		o.state = "paid"
		return o
	}
	if m.now.Before(m.paid(txn, success).Add(14 * 24 * time.Hour)) {
		o.blocks = append(o.blocks, "period")
	}
	if unconfirmed {
		o.blocks = append(o.blocks, "unconfirmed")
	}
	if conflict || refundConflict {
		o.blocks = append(o.blocks, "conflict")
	}
	if open {
		o.blocks = append(o.blocks, "dispute")
	}
	agreed := accepted || txn.decision != nil && txn.decision.Agree
	if bound := m.orders[txn.order]; bound.amount > 0 && bound.amount != amount && !agreed {
		o.blocks = append(o.blocks, "merchant")
	}
	o.state = "due"
	if len(o.blocks) > 0 {
		o.state = "held"
	}
	return o
}

func (m *model) paid(txn *modelTxn, success []Notification) time.Time {
	earliest := txn.first
	for i, n := range success {
		if i == 0 || n.PaidAt.Before(earliest) {
			earliest = n.PaidAt
		}
	}
	return earliest
}

func (m *model) refunded(txn *modelTxn) (total int64, conflict bool) {
	for id := range 3 {
		var largest int64
		events := map[string]bool{}
		sizes := map[int64]bool{}
		settled := true
		for i, n := range txn.messages {
			if n.Kind == "refund" && n.RefundID == fmt.Sprint("R", id) {
				largest = max(largest, n.Refund)
				events[n.Event] = true
				sizes[n.Refund] = true
				settled = settled && txn.decision != nil && txn.decision.Agree && i < txn.after
			}
		}
		if events["succeeded"] || events["accepted"] && !events["refused"] {
			total += largest
		}
		if (events["succeeded"] && events["refused"] || len(sizes) > 1) && !settled {
			conflict = true
		}
	}
	return total, conflict
}

func (m *model) disputed(txn *modelTxn) (lost int64, open bool) {
	words := map[string]bool{}
	settled := true
	for i, n := range txn.messages {
		if n.Kind == "dispute" {
			words[n.Dispute] = true
			settled = settled && txn.decision != nil && txn.decision.Agree && i < txn.after
		}
	}
	switch {
	case words["LOST"] && !words["WON"]:
		return 5000, false
	case len(words) == 0 || words["WON"] && !words["LOST"]:
		return 0, false
	}
	return 0, !settled
}

func (m *model) brought(txn *modelTxn, success []Notification) string {
	bound := m.orders[txn.order]
	switch bound.promo {
	case "ASHA10":
		return "ASHA"
	case "RAVI10":
		return "RAVI"
	}
	click, ok := m.clicks[bound.click]
	paid := m.paid(txn, success)
	if ok && !paid.Before(click.at.Truncate(time.Second)) && !paid.After(click.at.Add(30*24*time.Hour)) {
		return click.partner
	}
	return ""
}

// fixDue notes, before anything new is said about a transaction, that its commission was due.
func (m *model) fixDue(txn *modelTxn) {
	if o := m.outcome(txn); (o.state == "due" || o.state == "paid") && txn.fixed == "" {
		txn.fixed, txn.rate = o.partner, o.bps
	}
}

// Random histories of clicks, bindings, payments, repeats, refunds, disputes, conflicts, answers and
// decisions. After every step the books are in order and agree with the model in every commission
// and every balance; and in the end they are the same in another place.
func TestRandomHistoriesAgainstTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := openBooks(t, testTerms())
		b.partner("ASHA", payee, func(p *PartnerChange) { pan := "ABCPE1234F"; p.PAN = &pan })
		b.partner("RAVI", payee, func(p *PartnerChange) { p.Rate = &Rate{BPS: 1237} })
		h := &history{T: rt, b: b, m: &model{
			now: noon, txns: map[string]*modelTxn{}, orders: map[string]modelOrder{},
			clicks: map[string]struct {
				partner string
				at      time.Time
			}{}, programs: []modelProgram{{noon, 1000}},
		}}
		b.tax = TaxRules{Rates: []TaxRate{{Section: "393(1)", Code: "1006", BPS: 1000, Threshold: 1500}}, WithoutPAN: 2000}
		h.monthBefore()
		rt.Repeat(map[string]func(*rapid.T){
			"click":   h.click,
			"bind":    h.bind,
			"pay":     h.pay,
			"pay2":    h.pay,
			"again":   h.again,
			"refund":  h.refund,
			"dispute": h.dispute,
			"answer":  h.answer,
			"decide":  h.decide,
			"wait":    h.wait,
			"draft":   h.draft,
			"judge":   h.judge,
			"judge2":  h.judge,
			"send":    h.send,
			"settle":  h.settle,
			"settle2": h.settle,
			"review":  h.review,
			"program": h.program,
			"replay":  h.replay,
			"forget":  h.forget,
			"":        func(*rapid.T) { h.compare() },
		})
		b.comesBack(rt)
	})
}

type history struct {
	*rapid.T
	b    *books
	m    *model
	sent []Notification
}

func (h *history) order(t *rapid.T) string {
	return rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "order")
}

func (h *history) txn(t *rapid.T) (string, *modelTxn) {
	if len(h.m.txns) == 0 {
		t.Skip()
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(h.m.txns))).Draw(t, "txn")
	return id, h.m.txns[id]
}

func (h *history) click(t *rapid.T) {
	id := fmt.Sprintf("clk_%d", len(h.m.clicks))
	partner := rapid.SampledFrom([]string{"ASHA", "RAVI"}).Draw(t, "partner")
	h.b.click(id, partner)
	h.m.clicks[id] = struct {
		partner string
		at      time.Time
	}{partner, h.m.now}
}

func (h *history) bind(t *rapid.T) {
	id := h.order(t)
	o := modelOrder{
		promo:  rapid.SampledFrom([]string{"", "", "ASHA10", "RAVI10", "NOBODY"}).Draw(t, "promo"),
		click:  rapid.SampledFrom(append(slices.Sorted(maps.Keys(h.m.clicks)), "", "clk_never")).Draw(t, "click"),
		amount: rapid.SampledFrom([]int64{0, 0, 10000}).Draw(t, "amount"),

		customer: rapid.SampledFrom([]string{"", "c1"}).Draw(t, "customer"),
	}
	old, bound := h.m.orders[id]
	want := "bound"
	if bound {
		want = "replaced"
		for _, txn := range h.m.txns {
			for _, n := range txn.messages {
				if txn.order == id && n.Kind == "payment" && n.Status == "success" {
					want = "taken"
				}
			}
		}
	}
	if bound && old == o {
		want = "same"
	}
	if want == "bound" || want == "replaced" {
		for _, txn := range h.m.txns {
			if txn.order == id {
				h.m.fixDue(txn)
			}
		}
		h.m.orders[id] = o
	}
	if got := h.b.bind(Order{ID: id, Promo: o.promo, ClickID: o.click, Amount: o.amount, Customer: o.customer}); got != want {
		t.Fatalf("binding order %s: %s, want %s", id, got, want)
	}
}

func (h *history) pay(t *rapid.T) {
	order := h.order(t)
	id := "T" + order + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "payment")
	h.deliver(payment(id, order,
		status(rapid.SampledFrom([]string{"success", "success", "success", "failed", "pending"}).Draw(t, "status")),
		amount(rapid.SampledFrom([]int64{10000, 10000, 10000, 33333}).Draw(t, "amount")),
		paid(noon.Add(time.Duration(rapid.IntRange(-2, 20).Draw(t, "day"))*24*time.Hour))), order)
}

func (h *history) deliver(n Notification, order string) {
	txn := h.m.txns[n.TxnID]
	if txn == nil {
		txn = &modelTxn{order: order, first: h.m.now}
		h.m.txns[n.TxnID] = txn
	}
	known := slices.ContainsFunc(txn.messages, func(k Notification) bool {
		return string(identified(k).Identity) == string(identified(n).Identity)
	})
	if !known {
		h.m.fixDue(txn)
		txn.messages = append(txn.messages, n)
	}
	h.sent = append(h.sent, n)
	if result := h.b.deliver(n); known && result != resultDuplicate {
		h.Fatalf("a repeat was answered %s", result)
	}
}

func (h *history) again(t *rapid.T) {
	if len(h.sent) == 0 {
		t.Skip()
	}
	n := h.sent[rapid.IntRange(0, len(h.sent)-1).Draw(t, "which")]
	h.deliver(n, h.m.txns[n.TxnID].order)
}

func (h *history) refund(t *rapid.T) {
	id, txn := h.txn(t)
	h.deliver(refund(id, rapid.SampledFrom([]string{"R0", "R1", "R2"}).Draw(t, "refund"),
		rapid.SampledFrom([]string{"accepted", "succeeded", "refused"}).Draw(t, "event"),
		rapid.SampledFrom([]int64{5000, 5000, 3333}).Draw(t, "amount")), txn.order)
}

func (h *history) dispute(t *rapid.T) {
	id, txn := h.txn(t)
	h.deliver(dispute(id, "D1", rapid.SampledFrom([]string{"NEW", "WON", "LOST"}).Draw(t, "word"), 5000), txn.order)
}

func (h *history) answer(t *rapid.T) {
	id, txn := h.txn(t)
	if !slices.ContainsFunc(txn.messages, func(n Notification) bool { return n.Kind == "payment" }) {
		t.Skip()
	}
	a := agreeing(id, txn.order, rapid.SampledFrom([]int64{10000, 10000, 33333, 77777}).Draw(t, "amount"))
	if rapid.IntRange(0, 3).Draw(t, "deny") == 0 {
		a = denying(id, txn.order)
	}
	h.m.fixDue(txn)
	txn.answers = append(txn.answers, a)
	h.b.answers(id, a)
}

func (h *history) decide(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "seldom") > 0 {
		t.Skip()
	}
	id, txn := h.txn(t)
	d := Decision{Agree: rapid.Bool().Draw(t, "agree")}
	if d.Agree {
		d.Amount = rapid.SampledFrom([]int64{0, 10000, 33333}).Draw(t, "amount")
	}
	before := *txn
	h.m.fixDue(txn)
	if err := h.b.decides(id, d); err != nil {
		*txn = before // refused: an amount that nobody stated, or none where two were
		return
	}
	if d.Agree && d.Amount == 0 { // taken: so only one amount was stated
		for _, n := range txn.messages {
			if n.Kind == "payment" {
				d.Amount = n.Amount
			}
		}
	}
	txn.decision, txn.after = &d, len(txn.messages)
}

// review lifts the block of the shop's amount, or takes a commission back.
func (h *history) review(t *rapid.T) {
	id, txn := h.txn(t)
	accept := rapid.Bool().Draw(t, "accept")
	before := h.m.outcome(txn)
	said, spoken := txn.reviewed[before.partner]
	refused := spoken && !said
	may := before.partner != "" && !refused
	if accept {
		may = before.partner != "" && (refused || slices.Contains(before.blocks, "merchant"))
	}
	err := h.b.Review(h.b.ctx(), id, accept, "so I say")
	if (err == nil) != may {
		t.Fatalf("reviewing %s, which is %+v (accept: %v): %v", id, before, accept, err)
	}
	if !may {
		return
	}
	h.m.fixDue(txn)
	if txn.reviewed == nil {
		txn.reviewed = map[string]bool{}
	}
	txn.reviewed[before.partner] = accept
}

// program changes what Asha earns from now on.
func (h *history) program(t *rapid.T) {
	terms, now := testTerms(), h.m.programs[len(h.m.programs)-1]
	terms.Rate.BPS = rapid.SampledFrom([]int64{1000, 2000, 501}).Draw(t, "rate")
	added, err := h.b.AdoptProgram(h.b.ctx(), terms, false)
	if want := terms.Rate.BPS != now.bps; added != want || err != nil {
		t.Fatalf("a new version: %v (%v), want %v", added, err, want)
	}
	if added {
		h.m.programs = append(h.m.programs, modelProgram{h.m.now, terms.Rate.BPS})
	}
}

// replay has all payments decided under some program; those that are due stay as they are.
func (h *history) replay(t *rapid.T) {
	version := rapid.IntRange(1, len(h.m.programs)).Draw(t, "program")
	terms, err := h.b.Terms(h.b.ctx())
	if err != nil {
		t.Fatal(err)
	}
	changed, err := h.b.Reprice(h.b.ctx(), Span{}, terms.programs[version-1].Seq, func(int, int) {})
	want := 0
	for _, txn := range h.m.txns {
		h.m.fixDue(txn)
		before, was := h.m.outcome(txn), txn.repriced
		txn.repriced = version
		if h.m.outcome(txn).bps != before.bps {
			want++
		} else {
			txn.repriced = was
		}
	}
	if changed != want || err != nil {
		t.Fatalf("program %d decides %d payments otherwise (%v), the model says %d", version, changed, err, want)
	}
}

// forget deletes what is personal about the customer; nothing that anybody earned changes.
func (h *history) forget(t *rapid.T) {
	if _, err := h.b.Forget(h.b.ctx(), "c1"); err != nil && !errors.Is(err, errNotFound) {
		t.Fatal(err)
	}
}

func (h *history) wait(t *rapid.T) {
	d := time.Duration(rapid.IntRange(1, 20*24).Draw(t, "hours")) * time.Hour
	h.b.wait(d)
	h.m.now = h.m.now.Add(d)
}

// compare holds every commission and balance against the model.
func (h *history) compare() {
	h.b.inOrder()
	owed := map[string]int64{}
	for id, txn := range h.m.txns {
		want := h.m.outcome(txn)
		owed[want.partner] += want.earned - want.reversed
		var got outcome
		if c := h.b.story(id).Commission; c != nil {
			got = outcome{partner: c.Partner, earned: c.Amount, reversed: c.Reversed, bps: c.Rate.BPS}
			got.state, got.blocks = c.State(h.b.clockNow())
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			h.Fatalf("%s: got %+v, the model says %+v", id, got, want)
		}
	}
	var out, tax int64
	for _, p := range h.m.papers {
		if p.state == "paid" {
			owed[p.partner] -= p.payable - p.tax
			out += p.payable - p.tax
		}
		if p.credited() {
			owed[p.partner] -= p.tax
			tax += p.tax
		}
	}
	if got := h.b.account("tds:393(1)"); got != tax {
		h.Fatalf("%d of tax was deducted, the model says %d", got, tax)
	}
	if got := h.b.account("bank"); got != out {
		h.Fatalf("the bank gave %d, the model says %d", got, out)
	}
	for _, partner := range []string{"ASHA", "RAVI"} {
		if got := h.b.balance(partner); got != owed[partner] {
			h.Fatalf("%s is owed %d, the model says %d", partner, got, owed[partner])
		}
	}
}

// Rule 3: with clicks, bindings and answers fixed, any order of the same messages, with repeats,
// ends in the same transactions, refunds, commissions and balances: all 720 orders of six messages,
// for five sets usually, 20 in CI, and 100 in the long lane.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	sets := cycles(5, 5, 100)
	if os.Getenv("HISSA_REQUIRE_TOOLS") == "1" {
		sets = max(sets, 20)
	}
	generated := rapid.Custom(func(t *rapid.T) arrivals {
		a := arrivals{
			promo:  rapid.SampledFrom([]string{"", "ASHA10"}).Draw(t, "promo"),
			answer: rapid.SampledFrom([]string{"none", "agree", "deny"}).Draw(t, "answer"),
		}
		for range 6 {
			a.messages = append(a.messages, anyMessage(t))
		}
		return a
	})
	for seed := range sets {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			generated.Example(seed).inEveryOrder(t, uint64(seed))
		})
	}
}

// arrivals is a set of messages about one payment, and what is fixed beside them.
type arrivals struct {
	messages      []Notification
	promo, answer string
}

func (a arrivals) inEveryOrder(t *testing.T, seed uint64) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.partner("RAVI")
	orders := permutations(len(a.messages))
	for i := range orders {
		orders[i] = withRepeats(orders[i], seed<<32+uint64(i))
	}
	var all sync.WaitGroup
	for i, order := range orders {
		all.Go(func() { a.arrive(b, fmt.Sprint(i), order) })
	}
	all.Wait()
	var first string
	err := b.read(b.ctx(), func(r rows) error {
		for i, order := range orders {
			s := &Story{Names: map[string]string{}, Deliveries: map[int64]int64{}}
			if err := r.story(s, fmt.Sprint("T", i)); err != nil {
				return err
			}
			end := s.end(b.clockNow())
			if i == 0 {
				first = end
			}
			if end != first {
				t.Fatalf("%+v\nin the order %v end in\n%s\nin the order %v in\n%s", a, order, end, orders[0], first)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	b.inOrder()
}

// arrive has the messages arrive in an order, about a payment of its own, and then the API's answer.
func (a arrivals) arrive(b *books, name string, order []int) {
	txn, id := "T"+name, "1-"+name
	if a.promo != "" {
		if _, err := b.BindOrder(b.ctx(), Order{ID: id, Promo: a.promo}, Person{}); err != nil {
			b.Error(err)
		}
	}
	paid := false
	for _, k := range order {
		n := a.messages[k]
		paid = paid || n.Kind == "payment"
		n.TxnID, n.OrderID = txn, id
		if n.RefundID != "" {
			n.RefundID += name
		}
		n = identified(n)
		if _, err := b.Receive(b.ctx(), n, "", n.Identity); err != nil {
			b.Error(err)
		}
	}
	if !paid || a.answer == "none" {
		return
	}
	answer := agreeing(txn, id, 10000)
	if a.answer == "deny" {
		answer = denying(txn, id)
	}
	if err := b.RecordAnswers(b.ctx(), Poll{TxnID: txn}, []Answer{answer}); err != nil {
		b.Error(err)
	}
}

// withRepeats puts some of a list in once more, each behind its first place.
func withRepeats(order []int, seed uint64) []int {
	luck := rand.New(rand.NewPCG(seed, 6))
	order = slices.Clone(order)
	for i := 0; i < len(order); i++ {
		if luck.IntN(4) == 0 {
			order = slices.Insert(order, i+1+luck.IntN(len(order)-i), order[i])
		}
	}
	return order
}

func anyMessage(t *rapid.T) Notification {
	switch rapid.SampledFrom([]string{"payment", "payment", "payment", "refund", "dispute"}).Draw(t, "kind") {
	case "refund":
		r := refund("", rapid.SampledFrom([]string{"R1", "R2"}).Draw(t, "id"),
			rapid.SampledFrom([]string{"accepted", "succeeded", "refused"}).Draw(t, "event"),
			rapid.SampledFrom([]int64{3333, 5000}).Draw(t, "amount"))
		r.RefundsSum = rapid.SampledFrom([]int64{0, 0, 6000}).Draw(t, "sum")
		return r
	case "dispute":
		return dispute("", "D1", rapid.SampledFrom([]string{"NEW", "WON", "LOST"}).Draw(t, "word"), 2500)
	}
	return payment("", "", status(rapid.SampledFrom([]string{"success", "success", "failed", "pending"}).Draw(t, "status")),
		amount(rapid.SampledFrom([]int64{10000, 33333}).Draw(t, "amount")),
		paid(noon.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "hour"))*time.Hour)),
		func(n *Notification) {
			n.Reference = rapid.SampledFrom([]string{"", "RAVI"}).Draw(t, "reference")
			n.Currency = rapid.SampledFrom([]string{"INR", "INR", "", "USD"}).Draw(t, "currency")
		})
}

// end is what a transaction came to, without ids and places.
func (s *Story) end(now time.Time) string {
	if s.Txn == nil {
		return "no payment"
	}
	t := *s.Txn
	t.ID, t.TxnID, t.OrderID, t.Conflict = 0, "", "", fmt.Sprint(t.Conflict != "")
	net := int64(0)
	for _, e := range s.Entries {
		if e.Kind == "earn" {
			net += e.Amount
		} else {
			net -= e.Amount
		}
	}
	return fmt.Sprintf("%+v\n%s\nledger %d", t, s.earned(now), net)
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var all [][]int
	for _, p := range permutations(n - 1) {
		for i := range n {
			all = append(all, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return all
}
