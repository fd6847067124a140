package main

// What the ten years of calendar_test.go come to, worked out from what happened, in whole paise, and from nothing
// of Hissa's.

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hissa/paytm"
)

var yearsPartners = []string{"ASHA", "MEERA", "RAVI"}

// yearsTiers are Ravi's: what the month has brought before the day decides.
func yearsTiers() []Tier {
	return []Tier{{20_000_00, Rate{BPS: 1500}}, {40_000_00, Rate{BPS: 1800}}}
}

// yearsTax changes with a financial year. Nothing was deducted before 1 April 2026.
func yearsTax() TaxRules {
	from := func(year int64) time.Time { return time.UnixMilli(almanac{india}.start(dayOn(year, 4, 1))) }
	return TaxRules{Rates: []TaxRate{
		{From: from(2026), Section: "393(1)", Code: "1006", BPS: 200, Threshold: 1_000_00},
		{From: from(2031), Section: "393(1)", Code: "1006", BPS: 500, Threshold: 500_00},
	}, WithoutPAN: 2000}
}

// happening is what happened, and what the clock showed then.
type happening struct {
	clock         int64
	what          string // terms click bind heard agreed refund dispute draft file word
	sale          *sale
	word, id      string // what was said, of which refund
	amount, total int64
	paper         int64 // the statement's id
	done          bool  // it was taken, or did something
}

// reckoner works the books out.
type reckoner struct {
	almanac
	receipt bool // a control: the time of receipt is taken for that of payment

	terms   []reckonedTerms
	sales   []*reckoned
	papers  []*sheet
	entries []string
	taxes   map[string]int64 // by financial year, quarter and partner
	months  map[string]int64 // what the ledger moved, by month and kind
	balance map[string]int64
	wrong   []string
}

type reckonedTerms struct{ at, bps int64 }

// reckoned is what is known of a sale.
type reckoned struct {
	*sale
	txn                      string
	visited, first, heard    int64 // the clock, at the click, the first message, and the first success
	clicked, bound, known    bool  // known: there was a message about the payment itself
	success, agreed          bool
	refunds                  map[string]int64
	stated                   int64 // the largest sum of refunds that a message named
	disputed                 bool
	lost                     int64
	earner                   string
	earned, reversed, booked int64
	fixed                    bool
	paidBy                   []int64 // statements
}

// sheet is a statement.
type sheet struct {
	id, at                                   int64
	partner, state, lines                    string
	opening, closing, held, payable, besides int64
	pays                                     map[*reckoned]int64
	credited, base, tax                      int64 // when, and what of it was taxed
}

// reckon works out what a life's happenings come to.
func (l *life) reckon(zone almanac, receipt bool) *reckoner {
	r := &reckoner{almanac: zone, receipt: receipt, taxes: map[string]int64{}, months: map[string]int64{},
		balance: map[string]int64{}}
	by := map[*sale]*reckoned{}
	for _, s := range l.plan.sales {
		by[s] = &reckoned{sale: s, txn: l.sold[s].TxnID, refunds: map[string]int64{}}
		r.sales = append(r.sales, by[s])
	}
	for _, h := range l.told {
		r.happens(h, by[h.sale])
	}
	return r
}

func (r *reckoner) happens(h happening, o *reckoned) {
	switch h.what {
	case "terms":
		r.change(h)
	case "draft":
		for _, partner := range yearsPartners {
			r.draft(partner, h.clock)
		}
	case "file":
		for _, p := range r.papers {
			if p.state == "approved" && !r.stopped(p, h.clock) {
				p.state = "sent"
			}
		}
	case "word":
		r.word(h)
	case "click":
		o.visited, o.clicked = h.clock, true
	default:
		r.fix(o, h.clock)
		r.learn(o, h)
		r.move(o, h.clock)
	}
}

// learn takes in something about a sale.
func (r *reckoner) learn(o *reckoned, h happening) {
	if o.first == 0 && h.what != "bind" {
		o.first = h.clock
	}
	if !o.success && (h.what == "agreed" || h.what == "heard" && h.word == string(paytm.Success)) {
		o.success, o.heard = true, h.clock
	}
	switch h.what {
	case "bind":
		o.bound = true
	case "heard":
		o.known = true
	case "agreed":
		o.agreed = true
	case "refund":
		o.refunds[h.id] = h.amount
		o.stated = max(o.stated, h.total)
	case "dispute":
		o.disputed = h.word == "NEW"
		if h.word == "LOST" {
			o.lost = h.amount
		}
	}
}

// at is when a sale was paid, as far as it is known.
func (o *reckoned) at(r *reckoner) int64 {
	switch {
	case !o.success:
		return o.first
	case r.receipt:
		return o.heard
	}
	return o.paid
}

func (o *reckoned) refunded() int64 {
	var sum int64
	for _, amount := range o.refunds {
		sum += amount
	}
	return min(max(sum, o.stated)+o.lost, o.amount)
}

func (o *reckoned) net() int64 { return o.earned - o.reversed }

func (o *reckoned) void() bool {
	return o.refunded() == o.amount || o.earned > 0 && o.reversed == o.earned
}

func (o *reckoned) due(r *reckoner) int64 { return o.at(r) + 14*aDay }

// state is what a commission is under a reading of the clock.
func (o *reckoned) state(r *reckoner, clock int64) string {
	switch {
	case o.void():
		return "reversed"
	case len(o.paidBy) > 0:
		return "paid"
	case clock < o.due(r) || !o.agreed || o.disputed:
		return "held"
	}
	return "due"
}

func (o *reckoned) blocks() string {
	var list []string
	if !o.agreed {
		list = append(list, "unconfirmed")
	}
	if o.disputed {
		list = append(list, "dispute")
	}
	return strings.Join(list, " ")
}

// fix keeps the rate of what is due, before something new is learnt. The others' rates never change.
func (r *reckoner) fix(o *reckoned, clock int64) {
	state := o.state(r, clock)
	o.fixed = o.fixed || o.earner == "RAVI" && (state == "due" || state == "paid")
}

// move works a sale out, and moves the ledger to where it should be.
func (r *reckoner) move(o *reckoned, clock int64) {
	o.earner = ""
	if o.success && o.brought(r) {
		o.earner = o.partner
	}
	if !o.fixed {
		o.earned = r.earns(o)
	}
	o.reversed = nearest(o.earned, o.refunded(), o.amount)
	switch moved := o.net() - o.booked; {
	case !o.known || o.earner == "":
		return
	case moved > 0:
		r.entry(clock, "earn", "expense", "partner:"+o.partner, moved, o.txn)
	case moved < 0:
		r.entry(clock, "reverse", "partner:"+o.partner, "expense", -moved, o.txn)
	}
	o.booked = o.net()
}

// brought reports whether the partner brought it.
func (o *reckoned) brought(r *reckoner) bool {
	switch o.basis {
	case "reference":
		return true
	case "promo":
		return o.bound
	case "click":
		return o.bound && floor(o.visited, second)*second <= o.at(r) && o.at(r) <= o.visited+30*aDay
	}
	return false
}

func (r *reckoner) earns(o *reckoned) int64 {
	bps := r.version(o.at(r))
	switch o.earner {
	case "":
		return 0
	case "MEERA":
		return 50_00
	case "ASHA":
		bps = 1250
	case "RAVI":
		for _, tier := range yearsTiers() {
			if r.monthSoFar(o) >= tier.From {
				bps = tier.Rate.BPS
			}
		}
	}
	return nearest(o.amount, bps, 10000)
}

// monthSoFar is what Ravi brought in a sale's month before its day.
func (r *reckoner) monthSoFar(o *reckoned) (sum int64) {
	for _, other := range r.sales {
		if other.earner == "RAVI" && other.agreed && r.month(other.at(r)) == r.month(o.at(r)) &&
			r.day(other.at(r)) < r.day(o.at(r)) {
			sum += other.amount - other.refunded()
		}
	}
	return sum
}

// version is the program's rate at a time.
func (r *reckoner) version(at int64) int64 {
	bps := r.terms[0].bps
	for _, v := range r.terms {
		if floor(v.at, second)*second <= at {
			bps = v.bps
		}
	}
	return bps
}

// change takes in a version of the program, which is one if it says anything new.
func (r *reckoner) change(h happening) {
	isNew := len(r.terms) == 0 || r.terms[len(r.terms)-1].bps != h.amount
	if isNew != h.done {
		r.fault("a version of %d at %d was booked: %v", h.amount, h.clock, h.done)
	}
	if !isNew {
		return
	}
	r.terms = append(r.terms, reckonedTerms{h.clock, h.amount})
	since := floor(h.clock, second) * second
	for _, o := range r.sales {
		if o.known && (o.at(r) >= since-60*second || o.first >= since && o.first > o.at(r)+60*second) {
			r.fix(o, h.clock)
			r.move(o, h.clock)
		}
	}
}

func (r *reckoner) fault(format string, a ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, a...))
}

// entry moves the ledger.
func (r *reckoner) entry(clock int64, kind, debit, credit string, amount int64, txn string) {
	r.entries = append(r.entries,
		fmt.Sprintf("entry %d %s %s %s %s %s", clock, kind, debit, credit, inPaise(amount), txn))
	r.balance[debit] -= amount
	r.balance[credit] += amount
	if _, m, _ := civil(r.day(clock)); m == 2 || m == 3 {
		r.months[fmt.Sprintf("moved %.7s %s", date(r.day(clock)), kind)] += amount
	}
	quarter, _, _ := r.quarter(clock)
	if partner, ok := strings.CutPrefix(debit, "partner:"); kind == "withhold" && ok {
		r.taxes[taxLine(r.financialYear(clock), quarter, partner)] += amount
	}
	if partner, ok := strings.CutPrefix(credit, "partner:"); kind == "adjust" && ok {
		r.taxes[taxLine(r.financialYear(clock), quarter, partner)] -= amount
	}
}

// nearest is a × b ÷ c, half up.
func nearest(a, b, c int64) int64 { return floor(2*a*b+c, 2*c) }

// inPaise writes rupees with two decimals.
func inPaise(paise int64) string {
	sign, size := "", max(paise, -paise)
	if paise < 0 {
		sign = "-"
	}
	return fmt.Sprintf("%s%d.%02d", sign, size/100, size%100)
}

func taxLine(year, quarter int64, partner string) string {
	return fmt.Sprintf("tax %d quarter %d %s", year, quarter, partner)
}

// inForce is a partner's newest statement that counts.
func (r *reckoner) inForce(partner string) *sheet {
	for _, p := range slices.Backward(r.papers) {
		if p.partner == partner && p.state != "declined" && p.state != "replaced" {
			return p
		}
	}
	return &sheet{}
}

// besides is a partner's balance beside unpaid commissions.
func (r *reckoner) besides(partner string) int64 {
	left := r.balance["partner:"+partner]
	for _, o := range r.sales {
		if o.earner == partner && len(o.paidBy) == 0 {
			left -= o.net()
		}
	}
	return left
}

// layOut is a partner's account as it closes now.
func (r *reckoner) layOut(partner string, clock int64) *sheet {
	p := &sheet{partner: partner, at: clock, pays: map[*reckoned]int64{}}
	var lines []string
	for _, o := range r.sales {
		if o.earner != partner {
			continue
		}
		kind := ""
		switch state := o.state(r, clock); {
		case state == "due":
			kind = "pays"
			p.pays[o] = o.net()
		case state == "held" && o.net() > 0:
			kind = "held"
			p.held += o.net()
		default:
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %d %s", o.txn, kind, inPaise(o.net()), o.due(r), o.blocks()))
	}
	slices.Sort(lines)
	p.lines = strings.Join(lines, ", ")
	r.close(p)
	return p
}

func (r *reckoner) close(p *sheet) {
	p.closing, p.besides = r.balance["partner:"+p.partner], r.besides(p.partner)
	p.payable = max(0, p.closing-p.held)
}

// stopped reports whether what a statement pays is not so any more.
func (r *reckoner) stopped(p *sheet, clock int64) bool {
	for o, net := range p.pays {
		if o.earner != p.partner || o.state(r, clock) != "due" || o.net() != net {
			return true
		}
	}
	return r.besides(p.partner) < p.besides-p.withheld()
}

func (p *sheet) isCredited() bool {
	return p.state == "approved" || p.state == "sent" || p.state == "paid"
}

// withheld is the tax on a statement that stands in the ledger.
func (p *sheet) withheld() int64 {
	if p.isCredited() {
		return p.tax
	}
	return 0
}

func (r *reckoner) draft(partner string, clock int64) {
	now := r.layOut(partner, clock)
	switch open := r.inForce(partner); open.state {
	case "held", "sent":
		return
	case "approved", "draft":
		stopped := r.stopped(open, clock)
		if !stopped && (open.state == "approved" || open.closing == now.closing && open.lines == now.lines) {
			return
		}
		r.becomes(open, "replaced", clock)
		r.close(now)
	}
	now.opening = r.inForce(partner).closing
	if now.state = "draft"; now.payable < yearsMinimum {
		if now.state = "carried"; now.closing == now.opening {
			return
		}
	}
	now.id = int64(len(r.papers)) + 1
	r.papers = append(r.papers, now)
}

// sayable is what may be said of a statement or its payout in each state.
var sayable = map[string]string{
	"draft": "approved held declined", "held": "approved declined", "approved": "held declined sent paid",
	"sent": "paid failed", "failed": "paid", "paid": "reversed",
}

func (r *reckoner) word(h happening) {
	if h.paper > int64(len(r.papers)) {
		r.fault("there is no statement %d", h.paper)
		return
	}
	p := r.papers[h.paper-1]
	lawful := slices.Contains(strings.Fields(sayable[p.state]), h.word)
	if h.word == "approved" || h.word == "sent" {
		lawful = lawful && !r.stopped(p, h.clock)
	}
	if lawful != h.done {
		r.fault("statement %d was %s and became %s at %d: %v", p.id, p.state, h.word, h.clock, h.done)
	}
	if lawful {
		r.becomes(p, h.word, h.clock)
	}
}

// becomes moves a statement on, and the ledger with it.
func (r *reckoner) becomes(p *sheet, state string, clock int64) {
	before, was, account := p.withheld(), p.state, "partner:"+p.partner
	p.state = state
	switch {
	case state == "approved":
		r.deduct(p, clock)
	case state == "paid":
		if was == "failed" && p.tax > 0 {
			p.credited = clock
			r.entry(clock, "withhold", account, "tds:393(1)", p.tax, "")
		}
		r.entry(clock, "pay", account, "bank", p.payable-p.tax, "")
	case state == "reversed":
		r.entry(clock, "reverse", "bank", account, p.payable-p.tax, "")
	}
	if before > 0 && p.withheld() == 0 {
		r.entry(clock, "adjust", "tds:393(1)", account, before, "")
	}
	for o := range p.pays {
		o.paidBy = slices.DeleteFunc(o.paidBy, func(id int64) bool { return id == p.id })
		if state == "paid" {
			o.paidBy = append(o.paidBy, p.id)
			slices.Sort(o.paidBy)
		}
	}
}

// deduct works out the tax on a statement that is approved: of all that was credited in the financial year, once
// that is more than the threshold; in whole rupees, of which one at least is left.
func (r *reckoner) deduct(p *sheet, clock int64) {
	p.credited, p.base, p.tax = clock, 0, 0
	var bps, threshold int64
	for _, rate := range yearsTax().Rates {
		if clock >= rate.From.UnixMilli() {
			bps, threshold = rate.BPS, rate.Threshold
		}
	}
	if bps == 0 {
		return
	}
	if p.partner == "MEERA" {
		bps = 2000
	}
	total, untaxed := p.payable, p.payable
	for _, q := range r.papers {
		if q != p && q.partner == p.partner && q.isCredited() && r.financialYear(q.credited) == r.financialYear(clock) {
			total += q.payable
			untaxed += q.payable - q.base
		}
	}
	if total <= threshold || untaxed < 0 {
		return
	}
	p.base, p.tax = untaxed, nearest(untaxed, bps, 1_000_000)*100
	for p.tax > 0 && p.payable-p.tax < 100 {
		p.tax -= 100
		p.base = p.tax * 10000 / bps
	}
	if p.tax > 0 {
		r.entry(clock, "withhold", "partner:"+p.partner, "tds:393(1)", p.tax, "")
	}
}

// book is what books say, a line each, sorted. Timeless is what of it does not depend on when something was
// received.
type book struct{ lines, timeless []string }

func (b *book) add(timeless bool, format string, a ...any) {
	line := strings.TrimRight(fmt.Sprintf(format, a...), " ")
	b.lines = append(b.lines, line)
	if timeless {
		b.timeless = append(b.timeless, line)
	}
}

func (b *book) text() string {
	slices.Sort(b.lines)
	return strings.Join(b.lines, "\n")
}

// book is the reckoner's.
func (r *reckoner) book(clock int64) *book {
	b := &book{}
	days, months := map[string]*reckonedTotals{}, map[string]*reckonedTotals{}
	for _, o := range r.sales {
		if o.known {
			r.tellSale(b, o, clock)
		}
		r.count(days, months, o)
	}
	for k, t := range days {
		b.add(t.timeless, "day %s %v", k, *t)
	}
	for k, t := range months {
		b.add(t.timeless, "month %s %v", k, *t)
	}
	for _, e := range r.entries {
		b.add(false, "%s", e)
	}
	for _, sums := range []map[string]int64{r.taxes, r.months} {
		for k, sum := range sums {
			if sum != 0 {
				b.add(false, "%s %s", k, inPaise(sum))
			}
		}
	}
	for _, p := range r.papers {
		b.add(false, "statement %d %s %d %s %s %s %s %s %s: %s", p.id, p.partner, p.at, inPaise(p.opening),
			inPaise(p.closing), inPaise(p.held), inPaise(p.payable), p.state, inPaise(p.withheld()), p.lines)
	}
	for _, w := range r.wrong {
		b.add(false, "%s", w)
	}
	return b
}

func (r *reckoner) tellSale(b *book, o *reckoned, clock int64) {
	status, confirmation, on := "pending", "waiting", ""
	switch {
	case o.success:
		status, on = "success", date(r.day(o.at(r)))
	case o.begins == paytm.Failed:
		status, confirmation = "failed", "off"
	}
	if o.agreed {
		confirmation = "agreed"
	}
	b.add(false, "first heard of %s at %d", o.txn, o.first)
	b.add(o.timeless(), "payment %s %s %s %s on %s at %d less %s, of %s", o.txn, status, confirmation, inPaise(o.amount),
		on, o.at(r), inPaise(o.refunded()), o.earner)
	if o.earner == "" {
		return
	}
	b.add(o.timeless(), "commission %s %s %s less %s, due %d", o.txn, o.earner, inPaise(o.earned),
		inPaise(o.reversed), o.due(r))
	b.add(false, "state %s %s", o.txn, o.state(r, clock))
}

// reckonedTotals are those of a day or month of a partner.
type reckonedTotals struct {
	clicks, payments, sales, refunds, earned, back int64
	timeless                                       bool
}

func (t reckonedTotals) String() string {
	return fmt.Sprint(t.clicks, t.payments, t.sales, t.refunds, t.earned, t.back)
}

// count adds a sale and its click to the totals of their days and months.
func (r *reckoner) count(days, months map[string]*reckonedTotals, o *reckoned) {
	add := func(at int64, partner string, more reckonedTotals) {
		for _, in := range []struct {
			totals map[string]*reckonedTotals
			day    int64
		}{{days, r.day(at)}, {months, r.month(at)}} {
			k := date(in.day) + " " + partner
			t := in.totals[k]
			if t == nil {
				t = &reckonedTotals{timeless: partner == "ASHA" || partner == "MEERA"}
				in.totals[k] = t
			}
			*t = reckonedTotals{t.clicks + more.clicks, t.payments + more.payments, t.sales + more.sales,
				t.refunds + more.refunds, t.earned + more.earned, t.back + more.back, t.timeless}
		}
	}
	if o.clicked {
		add(o.visited, "RAVI", reckonedTotals{clicks: 1})
	}
	if o.success {
		add(o.at(r), o.earner, reckonedTotals{0, 1, o.amount, o.refunded(), o.earned, o.reversed, false})
	}
}
