package main

// How the ten years of calendar_test.go are lived: by webhooks, by the shop's calls, and by what people do about
// statements and payouts. All that happens is noted with the clock's reading, for calendar_reckoned_test.go.

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// life is the ten years as they are lived under a clock.
type life struct {
	*books
	shop  *virtualShop // its web, and its way to Paytm's API
	plan  *plan
	turns *rand.Rand // how the clock is turned; nil when nobody does
	real  int64      // the time that it is, which Paytm knows
	off   int64      // by which the clock is ahead

	bps     int64 // of the program in the configuration
	sold    map[*sale]*sold
	told    []happening
	marks   []mark
	newest  map[string]*Statement
	numbers map[string]bool // that were given to statements and files
	looked  int64           // the last message that was looked at
	astray  bool            // the clock was not right at the last comparison with Paytm's list
	putOff  int64           // by how much a question was, at most
	said    *book           // what the books say in the end
}

// sold is a sale as Paytm has it.
type sold struct {
	*paytmtest.Payment
	first   *paytmtest.Message
	waiting bool // for the API's word
}

// giving is a refund.
type giving struct {
	sale   *sale
	amount int64
	silent bool
	refund *paytmtest.Refund
}

// mark is how far the books went under a reading of the clock.
type mark struct{ fact, clock int64 }

func (p *plan) live(t *testing.T, turns *rand.Rand) *life {
	l, every := p.open(t, turns), 20
	if _, pieces := longLane(); pieces > 0 {
		every = 400
	}
	for i, a := range p.acts {
		l.step(a.at, a.do)
		if turns != nil && i%every == 0 {
			l.inOrder()
		}
	}
	l.end()
	l.compare()
	if turns == nil {
		l.control()
	}
	l.inPlace()
	return l
}

func (p *plan) open(t *testing.T, turns *rand.Rand) *life {
	l := &life{books: &books{TB: t, time: noon, tax: yearsTax()}, plan: p, turns: turns,
		real: noon.UnixMilli(), bps: 1000, sold: map[*sale]*sold{}, newest: map[string]*Statement{},
		numbers: map[string]bool{}}
	l.shop = &virtualShop{books: l.books, config: &Config{}}
	l.shop.paytm = paytmtest.New(paytmtest.Config{MID: "SHOP0001", Seed: p.seed,
		Now: func() time.Time { return time.UnixMilli(l.real).UTC() }})
	l.shop.config.Paytm.MID, l.shop.config.Paytm.Keys = "SHOP0001", []*paytm.Key{l.shop.paytm.Key()}
	l.shop.config.PublicURL = &url.URL{Scheme: "https", Host: "go.shop.example"}
	l.openStore(filepath.Join(t.TempDir(), "hissa.db"), true)
	t.Cleanup(func() {
		if err := l.Store.Close(); err != nil {
			t.Error(err)
		}
	})
	l.adopt(l.bps)
	asha, meera, pan := Rate{BPS: 1250}, Rate{Flat: 50_00}, "ABCPE1234F"
	l.partner("ASHA", payee, func(c *PartnerChange) { c.Rate, c.PAN = &asha, &pan })
	l.partner("MEERA", payee, func(c *PartnerChange) { c.Rate = &meera })
	l.partner("RAVI", payee, func(c *PartnerChange) { c.PAN = &pan })
	l.compareLists() // as serve does soon after its first start
	l.mark()
	return l
}

func (l *life) openStore(path string, create bool) {
	var err error
	if l.Store, err = openStore(path, StoreOptions{Environment: "production", MID: "SHOP0001", Create: create,
		Clock: l.clockNow}); err != nil {
		l.Fatal(err)
	}
	l.shop.start()
}

// step does something at a time, which the clock may not show.
func (l *life) step(at int64, do func(*life)) {
	l.wind(at)
	do(l)
	l.mark()
}

// wind lets the time go on, and turns the clock now and then. While something is done it stands still.
func (l *life) wind(at int64) {
	l.real = at
	if l.turns != nil && l.turns.IntN(3) == 0 {
		l.off = l.turned()
	}
	l.turn(l.off)
}

// turn has the clock be so far ahead.
func (l *life) turn(off int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = off
	l.time = time.UnixMilli(l.real + l.off).UTC()
}

// turned is by how much the clock is ahead from now on.
func (l *life) turned() int64 {
	sign := 1 - 2*l.turns.Int64N(2)
	switch l.turns.IntN(10) {
	case 0:
		return sign
	case 1:
		return sign * second
	case 2:
		return sign * hour
	case 3:
		return sign * india
	case 4:
		return sign * l.turns.Int64N(40*aDay)
	case 5:
		return sign * 366 * aDay
	case 6: // it shows the edge of a day within the year
		zone := almanac{india}
		return zone.start(zone.day(l.real)+l.turns.Int64N(731)-365) + l.turns.Int64N(3) - 1 - l.real
	}
	return 0
}

// clock is what it shows.
func (l *life) clock() int64 { return l.real + l.off }

// mark notes that all facts since the last mark were booked under this reading of the clock.
func (l *life) mark() {
	m := mark{clock: l.clock()}
	if err := l.readers.look(q("newest-fact"), nil, &m.fact); err != nil {
		l.Fatal(err)
	}
	l.marks = append(l.marks, m)
}

// restart closes Hissa, and opens it at another time; serve then reads its configuration.
func (l *life) restart() {
	path := l.path
	if err := l.Store.Close(); err != nil {
		l.Fatal(err)
	}
	l.wind(l.real)
	l.openStore(path, false)
	l.adopt(l.bps)
}

// adopt is what serve does with the program of the configuration when it starts.
func (l *life) adopt(bps int64) {
	terms := testTerms()
	terms.Rate.BPS, terms.Tiers = bps, yearsTiers()
	added, err := l.AdoptProgram(l.ctx(), terms, false)
	if err != nil {
		l.Fatal(err)
	}
	l.bps = bps
	l.note(happening{what: "terms", amount: bps, done: added})
}

func (l *life) note(h happening) {
	h.clock = l.clock()
	l.told = append(l.told, h)
}

// end brings everything to its end under a clock that is right: what is on its way, what is due, what is open.
func (l *life) end() {
	l.turns, l.off = nil, 0
	at := yearsEnd + yearsAfter
	for range 4 {
		at += 20 * aDay
		l.step(at, (*life).ask)
		l.step(at+hour, (*life).compareLists)
		l.step(at+aDay, (*life).draft)
		for i, do := range []func(*life, uint64){(*life).judge, (*life).send, (*life).settle} {
			l.step(at+int64(2+i)*aDay, func(l *life) { do(l, 0) })
		}
	}
	l.inOrder()
	if l.putOff > 2*aDay {
		l.Errorf("a question to Paytm's API was put off for %d days", l.putOff/aDay)
	}
}

// buy is what a customer does at Paytm.
func (l *life) buy(s *sale) {
	options := []paytmtest.Option{paytmtest.At(time.UnixMilli(s.paid)),
		func(p *paytmtest.Payment) { p.Status = s.begins }}
	if s.basis == "reference" {
		options = append(options, paytmtest.Reference(s.partner))
	}
	l.sold[s] = &sold{Payment: l.shop.paytm.Pay(s.order, s.amount, options...)}
}

func (l *life) succeed(s *sale) { l.shop.paytm.Settle(l.sold[s].Payment, paytm.Success) }

func (l *life) bindCode(s *sale) { l.bindTo(s, Order{Promo: s.partner + "10"}) }

// follow is a visit through Ravi's link, and the order that the visitor then makes.
func (l *life) follow(s *sale) {
	id := "click-" + s.order
	l.click(id, s.partner)
	l.note(happening{what: "click", sale: s})
	l.bindTo(s, Order{ClickID: id})
}

func (l *life) bindTo(s *sale, o Order) {
	o.ID = s.order
	if _, err := l.BindOrder(l.ctx(), o, Person{}); err != nil {
		l.Fatal(err)
	}
	l.note(happening{what: "bind", sale: s})
}

// hear has a message about a payment arrive, in one of the three shapes.
func (l *life) hear(s *sale, shape int) {
	pay := l.sold[s]
	shapes := []func(*paytmtest.Payment) paytmtest.Message{
		l.shop.paytm.PaymentForm, l.shop.paytm.PaymentFlatJSON, l.shop.paytm.PaymentJSON,
	}
	m := shapes[shape](pay.Payment)
	text, err := url.QueryUnescape(string(m.Body))
	if stamp := (almanac{india}).stamp(s.paid); err != nil || !strings.Contains(text, stamp) {
		l.Errorf("Paytm does not say %s: %s (%v)", stamp, text, err)
	}
	if pay.first == nil {
		pay.first = &m
	}
	l.post(m)
	pay.waiting = pay.waiting || pay.Status != paytm.Failed
	l.note(happening{what: "heard", sale: s, word: string(pay.Status)})
	l.ask()
}

// hearOnceMore has the first message arrive again, if there was one.
func (l *life) hearOnceMore(s *sale) {
	if first := l.sold[s].first; first != nil {
		if got := l.post(*first); !strings.Contains(got, `"duplicate"`) {
			l.Errorf("%s, once more: %s", first.About, got)
		}
	}
}

func (l *life) post(m paytmtest.Message) string {
	request := httptest.NewRequest(http.MethodPost, "/webhooks/paytm", bytes.NewReader(m.Body))
	request.Header.Set("Content-Type", m.ContentType)
	answer := httptest.NewRecorder()
	if l.shop.web.ServeHTTP(answer, request); answer.Code != http.StatusOK {
		l.Errorf("%s: %d %s", m.About, answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// api takes Paytm's API away, until it is asked the next time.
func (l *life) api(away bool) { l.shop.paytm.SetAPI(paytmtest.APIFaults{Away: away}) }

// ask puts the questions that are due, and notes which payments the API has agreed to. None is put off for
// long, whatever the clock showed when that was done.
func (l *life) ask() {
	polls, err := l.DuePolls(l.ctx(), 64)
	for _, p := range polls {
		c := &confirmer{store: l.Store, api: l.shop.asker(), mid: "SHOP0001", counts: &counters{},
			log: slog.New(slog.DiscardHandler)}
		err = cmp.Or(err, c.ask(l.ctx(), p))
	}
	l.api(false)
	var waiting string
	var last int64
	err = cmp.Or(err, l.readers.look(`SELECT coalesce(group_concat(txn_id), ''),
		(SELECT coalesce(max(next_at), 0) FROM polls)
		FROM transactions WHERE confirmation = 'waiting'`, nil, &waiting, &last))
	if err != nil {
		l.Fatal(err)
	}
	l.putOff = max(l.putOff, last-l.clock())
	for _, s := range l.plan.sales {
		if pay := l.sold[s]; pay != nil && pay.waiting && !strings.Contains(waiting, pay.TxnID) {
			pay.waiting = false
			l.note(happening{what: "agreed", sale: s})
		}
	}
}

func (l *life) refund(r *giving) {
	r.refund = l.shop.paytm.Refund(l.sold[r.sale].Payment, r.amount)
}

// refundHeard has a message about a refund arrive. A success states the sum of all so far.
func (l *life) refundHeard(r *giving, event string) {
	pay, h := l.sold[r.sale].Payment, happening{what: "refund", sale: r.sale, id: r.refund.ID, amount: r.amount}
	m := l.shop.paytm.RefundAccepted(pay, r.refund)
	if event == "succeeded" {
		m = l.shop.paytm.RefundSucceeded(pay, r.refund)
		for _, one := range pay.Refunds[:slices.Index(pay.Refunds, r.refund)+1] {
			h.total += one.Amount
		}
	}
	l.post(m)
	l.note(h)
	l.ask()
}

func (l *life) dispute(s *sale, state string, amount int64) {
	l.post(l.shop.paytm.Dispute(l.sold[s].Payment, "D-"+s.order, state, amount))
	l.note(happening{what: "dispute", sale: s, word: state, amount: amount})
	l.ask()
}

// compareLists compares the books with Paytm's list, if that is due by the clock, and notes what it found.
func (l *life) compareLists() {
	l.astray = l.off != 0
	r := &reconciler{l.shop.config, l.Store, l.shop.asker(), slog.New(slog.DiscardHandler)}
	if err := r.sweepWhenDue(l.ctx()); err != nil {
		l.Fatal(err)
	}
	by := map[string]*sale{}
	for s, pay := range l.sold {
		by[pay.TxnID] = s
	}
	err := l.read(l.ctx(), func(r rows) error {
		return r.each(`SELECT seq, txn_id, refund_id, refund FROM notifications
			WHERE seq > ? AND type LIKE '%Paytm''s list' ORDER BY seq`, args{l.looked}, func(scan func(...any) error) error {
			h := happening{what: "heard", word: string(paytm.Success)}
			var txn string
			err := scan(&l.looked, &txn, &h.id, &h.amount)
			if h.sale = by[txn]; h.id != "" {
				h.what = "refund"
			} else {
				l.sold[h.sale].waiting = true
			}
			l.note(h)
			return err
		})
	})
	if err != nil {
		l.Fatal(err)
	}
	l.ask()
}

// compareAgain is the comparison of the day after, by a clock that is right, where the last was by one that was
// not: what that says it compared may not have been there yet. serve does it every day; here some months go by.
func (l *life) compareAgain() {
	if !l.astray {
		return
	}
	l.turn(0)
	l.compareLists()
}

// draft closes all partners' accounts. Today's quarter is the clock's.
func (l *life) draft() {
	list, err := l.DraftStatements(l.ctx(), "", yearsMinimum)
	if err != nil {
		l.Fatal(err)
	}
	for _, d := range list {
		if d.Statement != nil {
			l.isNew(fmt.Sprint("statement ", d.Statement.ID))
			l.newest[d.Partner] = d.Statement
		}
	}
	l.note(happening{what: "draft"})
	span, zone := quarterOf(l.now(), 0, 0), almanac{india}
	if _, from, to := zone.quarter(l.clock()); span.From.UnixMilli() != from || span.To.UnixMilli() != to {
		l.Errorf("at %s the quarter is %v, by the calendar it begins at %s", l.now(), span, zone.stamp(from))
	}
}

// isNew holds that a number was never given before.
func (l *life) isNew(number string) {
	if l.numbers[number] {
		l.Errorf("%s was given twice", number)
	}
	l.numbers[number] = true
}

// eachStatement looks at every partner's newest statement, with luck of its own in percent.
func (l *life) eachStatement(luck uint64, do func(p *Statement, luck uint64)) {
	for _, partner := range yearsPartners {
		if p := l.newest[partner]; p != nil {
			do(p, luck%100)
		}
		luck /= 100
	}
}

func (l *life) judge(luck uint64) {
	l.eachStatement(luck, func(s *Statement, luck uint64) {
		switch state := s.State(); {
		case state == "draft" && luck < 78, state == "held" && luck < 60:
			l.word(s.ID, "approved")
		case state == "draft" && luck < 86, state == "approved" && luck > 87:
			l.word(s.ID, "held")
		case state == "draft" && luck < 92, state == "held" && luck < 80, state == "approved" && luck > 84:
			l.word(s.ID, "declined")
		}
	})
}

func (l *life) send(luck uint64) {
	if luck%4 == 3 {
		number, _, _, err := l.SendFile(l.ctx(), func(_ time.Time, list []Payable) ([]byte, error) {
			for _, p := range list {
				l.newest[p.Partner] = p.Statement
			}
			return []byte("file"), nil
		})
		if err != nil {
			l.Fatal(err)
		}
		if number > 0 {
			l.isNew(fmt.Sprint("file ", number))
		}
		l.note(happening{what: "file"})
		return
	}
	l.eachStatement(luck, func(s *Statement, _ uint64) {
		if s.State() == "approved" {
			l.word(s.ID, "sent")
		}
	})
}

func (l *life) settle(luck uint64) {
	l.eachStatement(luck, func(s *Statement, luck uint64) {
		switch state := s.State(); {
		case state == "sent" && luck < 80, state == "failed" && luck%4 == 1, state == "approved" && luck > 85:
			l.word(s.ID, "paid")
		case state == "sent" && luck < 92:
			l.word(s.ID, "failed")
		case state == "paid" && luck > 95:
			l.word(s.ID, "reversed")
		}
	})
}

// word says something of a statement or its payout, which may be refused.
func (l *life) word(id int64, step string) {
	var err error
	var s *Statement
	switch step {
	case "approved", "held", "declined":
		s, err = l.JudgeStatement(l.ctx(), id, step, "so I say", l.tax)
	case "sent":
		s, _, err = l.SendPayout(l.ctx(), id, false)
	case "paid":
		s, _, err = l.SettlePayout(l.ctx(), id, Step{Step: step, UTR: fmt.Sprint("UTR", id)})
	default:
		s, _, err = l.SettlePayout(l.ctx(), id, Step{Step: step, Reason: "so the bank says"})
	}
	if err == nil {
		l.newest[s.Partner] = s
	}
	var refused refusedStep
	if err != nil && !errors.As(err, &refused) {
		l.Fatal(err)
	}
	l.note(happening{what: "word", paper: id, word: step, done: err == nil})
}
