package main

// A shop's ninety days in a minute, under a clock of their own, with everything that goes wrong at once:
//
//	2,000 orders, bound to a code, to a click, to nothing, or with a partner's reference in the payment;
//	payment links, and a counter's QR code, whose payments name no order
//	paid, failed and tried again, or pending for a day and a half; in one way or two; in the three shapes
//	messages doubled, late by up to two days, in any order, and some that never come
//	genuine messages that state another amount, forged ones, refunds and disputes of every kind
//	messages about everything else that Paytm tells
//	Paytm's API away for a day, without a signature, with a wrong one, breaking off, asking for patience
//	Hissa stopped and started again, once with a new merchant key
//
// In the end the books are what Paytm's own are: that is worked out from the simulated Paytm and from
// what the shop meant, and from nothing of Hissa's. Three seeds usually, 50 in CI (HISSA_REQUIRE_TOOLS=1),
// 10,000 in the long lane (HISSA_LONG=1). Each is then written out and made anew from that; in the long lane one in
// twenty.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

const (
	virtualOrders = 2000
	virtualLink   = 7100 // the number of Asha's payment link; Ravi's is the next
	virtualDays   = 90
	virtualStep   = 6 * time.Hour
	virtualAfter  = 40 * 24 * time.Hour // for what is still on its way, and for the last hold period
)

func TestVirtualShop(t *testing.T) {
	seeds := cycles(1, 3, 10_000)
	piece, pieces := longLane()
	if pieces == 0 && !testing.Short() && os.Getenv("HISSA_REQUIRE_TOOLS") == "1" {
		seeds = 50
	}
	first := seeds * max(0, piece-1)
	for seed := uint64(first); seed < uint64(first+seeds); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			v := openVirtualShop(t, seed)
			v.live()
			v.compare()
			if pieces == 0 || seed%20 == 0 {
				v.comesBack(t)
			}
		})
	}
}

// virtualShop is the shop, its Paytm, and what is on its way between them.
type virtualShop struct {
	*books
	config *Config
	paytm  *paytmtest.Paytm
	luck   *rand.Rand
	web    http.Handler
	sales  []*virtualSale
	forged map[string]bool // by TXNID

	later    []virtualEvent
	arriving []paytmtest.Message
	made     int // orders that are planned
	orders   int // orders that were made
	faulty   int // steps for which the API stays as it is
}

// virtualSale is what the shop and Paytm know of a payment.
type virtualSale struct {
	*paytmtest.Payment
	partner string
	lost    int64 // in disputes
}

// virtualEvent happens at a time: a message arrives, a customer or Paytm does something.
type virtualEvent struct {
	at time.Time
	do func()
}

func openVirtualShop(t *testing.T, seed uint64) *virtualShop {
	v := &virtualShop{books: openBooks(t, testTerms()), luck: rand.New(rand.NewPCG(seed, 90)),
		config: &Config{}, forged: map[string]bool{}}
	v.paytm = paytmtest.New(paytmtest.Config{MID: "SHOP0001", Seed: seed, Now: v.clockNow})
	v.config.Paytm.MID, v.config.Paytm.Keys = "SHOP0001", []*paytm.Key{v.paytm.Key()}
	v.config.PublicURL = &url.URL{Scheme: "https", Host: "go.shop.example"}
	v.start()
	for i, code := range []string{"ASHA", "RAVI"} {
		v.partner(code, func(p *PartnerChange) {
			p.References = []string{fmt.Sprint("LI_", virtualLink+i), "POS_" + code}
		})
	}
	return v
}

func (v *virtualShop) start() {
	s := &server{config: v.config, store: v.Store, log: slog.New(slog.DiscardHandler)}
	v.web = s.routes()
}

// restart stops Hissa and starts it again on the same file.
func (v *virtualShop) restart() {
	path := v.path
	if err := v.Store.Close(); err != nil {
		v.Fatal(err)
	}
	store, err := openStore(path, StoreOptions{Environment: "production", MID: "SHOP0001", Clock: v.clockNow})
	if err != nil {
		v.Fatal(err)
	}
	v.Store = store
	if len(v.config.Paytm.Keys) == 1 {
		v.paytm.Rotate("virtual_key_0002")
		v.config.Paytm.Keys = []*paytm.Key{v.paytm.Key(), v.config.Paytm.Keys[0]}
	}
	v.start()
	v.inOrder()
}

func (v *virtualShop) chance(percent int) bool { return v.luck.IntN(100) < percent }

func (v *virtualShop) within(d time.Duration) time.Duration {
	return time.Duration(v.luck.Int64N(int64(d)))
}

// live goes through the days.
func (v *virtualShop) live() {
	end := noon.Add(virtualDays * 24 * time.Hour)
	steps := int(end.Sub(noon) / virtualStep)
	for step := range steps {
		from := noon.Add(time.Duration(step) * virtualStep)
		for v.made*steps < virtualOrders*(step+1) {
			at := from.Add(v.within(virtualStep))
			v.later = append(v.later, virtualEvent{at, v.sell})
			v.made++
		}
		v.misbehave()
		v.pass(from.Add(virtualStep))
		if step%120 == 119 {
			v.restart()
		}
	}
	v.paytm.SetAPI(paytmtest.APIFaults{})
	for at := end; at.Before(end.Add(virtualAfter)); at = at.Add(virtualStep) {
		v.pass(at.Add(virtualStep))
	}
}

// misbehave lets Paytm's API fail for a while now and then, a day at most.
func (v *virtualShop) misbehave() {
	if v.faulty--; v.faulty > 0 {
		return
	}
	var faults paytmtest.APIFaults
	switch luck := v.luck.IntN(100); {
	case luck < 8:
		faults.Away = true
	case luck < 12:
		faults.Unsigned = true
	case luck < 16:
		faults.WrongSignature = true
	case luck < 20:
		faults.Drop = true
	case luck < 24:
		faults.Garbled = true
	case luck < 28:
		faults.RateLimit = 3
	}
	v.faulty = 1 + v.luck.IntN(4)
	v.paytm.SetAPI(faults)
}

// pass lets the time go on to now: what Paytm and its customers do by then, then the messages that
// arrive, then the questions to the API and the daily sweep.
func (v *virtualShop) pass(now time.Time) {
	for {
		slices.SortStableFunc(v.later, func(a, b virtualEvent) int { return a.at.Compare(b.at) })
		if len(v.later) == 0 || v.later[0].at.After(now) {
			break
		}
		next := v.later[0]
		v.later = v.later[1:]
		v.turn(next.at)
		next.do()
	}
	v.turn(now)
	v.deliver()
	v.confirm()
	r := &reconciler{v.config, v.Store, v.asker(), slog.New(slog.DiscardHandler)}
	_ = r.sweepWhenDue(v.ctx()) // the API may be away just now: what counts is the end
	v.confirm()
}

// turn sets the clock, never back.
func (v *virtualShop) turn(at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if at.After(v.time) {
		v.time = at
	}
}

func (v *virtualShop) after(d time.Duration, do func()) {
	v.later = append(v.later, virtualEvent{v.clockNow().Add(v.within(d)), do})
}

// send has a message arrive within a time, perhaps twice.
func (v *virtualShop) send(d time.Duration, m paytmtest.Message) {
	for range 1 + v.luck.IntN(2) {
		v.after(d, func() { v.arriving = append(v.arriving, m) })
	}
}

// late is for how long a message may be on its way: mostly not for long.
func (v *virtualShop) late() time.Duration {
	if v.chance(10) {
		return 48 * time.Hour
	}
	return time.Hour
}

// deliver hands over what has arrived, in any order and several at a time.
func (v *virtualShop) deliver() {
	v.luck.Shuffle(len(v.arriving), func(i, j int) {
		v.arriving[i], v.arriving[j] = v.arriving[j], v.arriving[i]
	})
	inParallel(v.arriving, func(m paytmtest.Message) {
		request := httptest.NewRequest(http.MethodPost, "/webhooks/paytm", bytes.NewReader(m.Body))
		request.Header.Set("Content-Type", m.ContentType)
		answer := httptest.NewRecorder()
		if v.web.ServeHTTP(answer, request); answer.Code != http.StatusOK && !v.forged[m.TxnID] {
			v.Errorf("%s: %d %s", m.About, answer.Code, answer.Body)
		}
	})
	v.arriving = nil
}

func inParallel[W any](list []W, do func(W)) {
	work := make(chan W)
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for w := range work {
				do(w)
			}
		})
	}
	for _, w := range list {
		work <- w
	}
	close(work)
	workers.Wait()
}

func (v *virtualShop) asker() asker {
	var k keyring
	for _, key := range v.config.Paytm.Keys {
		k = append(k, &paytm.Client{BaseURL: "https://paytm.example", MID: "SHOP0001", Key: key,
			HTTP: &http.Client{Transport: inProcess{v.paytm.Handler()}}})
	}
	return k
}

// inProcess answers requests without a network.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	defer func() {
		switch why := recover(); {
		case why == http.ErrAbortHandler:
			err = io.ErrUnexpectedEOF
		case why != nil:
			panic(why)
		}
	}()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// confirm puts the questions that are due. A confirmer for each: they pace themselves by the real clock.
func (v *virtualShop) confirm() {
	for {
		polls, err := v.DuePolls(v.ctx(), 64)
		if err != nil {
			v.Fatal(err)
		}
		if len(polls) == 0 {
			return
		}
		inParallel(polls, func(p Poll) {
			c := &confirmer{store: v.Store, api: v.asker(), mid: "SHOP0001", counts: &counters{},
				log: slog.New(slog.DiscardHandler)}
			if err := c.ask(v.ctx(), p); err != nil {
				v.Error(err)
			}
		})
	}
}

// sell makes an order, says who brought it, and has the customer pay.
func (v *virtualShop) sell() {
	v.orders++
	order, amount := fmt.Sprint("V", v.orders), 100+v.luck.Int64N(500_000)
	partner, other := "ASHA", "RAVI"
	if v.chance(50) {
		partner, other = other, partner
	}
	bind := func(o Order) {
		if _, err := v.BindOrder(v.ctx(), o, Person{}); err != nil {
			v.Fatal(err)
		}
	}
	var options []paytmtest.Option
	switch luck := v.luck.IntN(100); {
	case luck < 35:
		bind(Order{ID: order, Promo: partner + "10"})
	case luck < 55:
		v.click("click-"+order, partner)
		bind(Order{ID: order, ClickID: "click-" + order})
	case luck < 60: // a code comes before a click
		v.click("click-"+order, other)
		bind(Order{ID: order, ClickID: "click-" + order, Promo: partner + "10"})
	case luck < 70:
		options = append(options, paytmtest.Reference(partner))
	case luck < 75:
		link := virtualLink
		if partner == "RAVI" {
			link++
		}
		options = append(options, paytmtest.Reference(fmt.Sprint("LI_", link)))
	case luck < 80: // at a counter
		order, options = "", append(options, paytmtest.Pos("POS_"+partner))
	default:
		partner = ""
	}
	if v.chance(1) && order != "" {
		v.forge(order)
	}
	if v.chance(3) {
		v.send(time.Hour, []paytmtest.Message{
			v.paytm.SubscriptionStatus("S1", "ACTIVE"), v.paytm.PreDebitNotice(order), v.paytm.CardExpiry("S1"),
			v.paytm.Downtime(),
		}[v.luck.IntN(4)])
	}
	v.after(2*time.Hour, func() { v.pay(order, amount, partner, options) })
}

func (v *virtualShop) pay(order string, amount int64, partner string, options []paytmtest.Option) {
	sale := &virtualSale{partner: partner}
	book := func(how ...paytmtest.Option) {
		how = append(how, options...)
		how = append(how, paytmtest.Mode([]string{"UPI", "CC", "NB", "PPI", "HYBRID"}[v.luck.IntN(5)]))
		sale.Payment = v.paytm.Pay(order, amount, how...)
		v.sales = append(v.sales, sale)
	}
	switch luck := v.luck.IntN(100); {
	case luck < 10:
		book(paytmtest.Failed())
		v.tell(sale)
		if v.chance(60) {
			v.after(time.Hour, func() { v.pay(order, amount, partner, options) })
		}
	case luck < 20:
		book(paytmtest.Pending())
		v.tell(sale)
		v.after(36*time.Hour, func() {
			if v.chance(30) {
				v.paytm.Settle(sale.Payment, paytm.Failed)
				v.tell(sale)
				return
			}
			v.paytm.Settle(sale.Payment, paytm.Success)
			v.succeeded(sale)
		})
	default:
		book()
		v.succeeded(sale)
	}
}

// tell sends what Paytm says of a payment as it stands, in one or two of the three shapes.
func (v *virtualShop) tell(sale *virtualSale) {
	shapes := []func(*paytmtest.Payment) paytmtest.Message{
		v.paytm.PaymentForm, v.paytm.PaymentFlatJSON, v.paytm.PaymentJSON,
	}
	link, isLink := strings.CutPrefix(sale.Reference, "LI_")
	for range 1 + v.luck.IntN(2) {
		if isLink {
			v.send(v.late(), v.paytm.LinkPayment(sale.Payment, link))
			continue
		}
		v.send(v.late(), shapes[v.luck.IntN(3)](sale.Payment))
	}
}

// succeeded tells of a success, or fails to; and what comes after one.
func (v *virtualShop) succeeded(sale *virtualSale) {
	if sale.PosID != "" || !v.chance(4) { // Paytm's list does not say at which counter it was
		v.tell(sale)
	}
	if v.chance(2) {
		v.send(v.late(), v.paytm.Conflicting(sale.Payment, sale.Amount+1+v.luck.Int64N(10_000)))
	}
	if v.chance(5) {
		v.send(30*24*time.Hour, v.paytm.ARN(sale.Payment))
	}
	left := sale.Amount
	for v.chance(12) && left > 0 {
		amount := 1 + v.luck.Int64N(left)
		if v.chance(30) {
			amount = left
		}
		left -= amount
		v.after([]time.Duration{time.Minute, 20 * 24 * time.Hour}[v.luck.IntN(2)], func() {
			v.refund(sale, amount)
		})
	}
	if v.chance(2) && left > 0 {
		v.after(20*24*time.Hour, func() { v.dispute(sale, 1+v.luck.Int64N(left)) })
	}
}

// refund gives money back, or tries to.
func (v *virtualShop) refund(sale *virtualSale, amount int64) {
	r := v.paytm.Refund(sale.Payment, amount)
	accepted := v.paytm.RefundAccepted(sale.Payment, r)
	switch luck := v.luck.IntN(100); {
	case luck < 15: // only this one has to arrive: Paytm's list knows of no refused refund
		refused := v.paytm.RefundRefused(sale.Payment, r)
		v.send(v.late(), accepted)
		v.send(v.late(), refused)
	case luck < 25:
		v.send(v.late(), v.paytm.RefundOlderForm(sale.Payment, r))
	case luck < 32: // nobody tells
		v.paytm.RefundSucceeded(sale.Payment, r)
	default:
		succeeded := v.paytm.RefundSucceeded(sale.Payment, r)
		v.send(v.late(), accepted)
		if v.chance(80) {
			v.send(v.late(), succeeded)
			v.send(30*24*time.Hour, v.paytm.RefundARN(sale.Payment, r))
		}
	}
}

func (v *virtualShop) dispute(sale *virtualSale, amount int64) {
	id := fmt.Sprint("D", len(v.sales), "-", sale.OrderID)
	v.send(v.late(), v.paytm.Dispute(sale.Payment, id, "NEW", amount))
	end := []string{"WON", "LOST"}[v.luck.IntN(2)]
	if end == "LOST" {
		sale.lost = amount
	}
	v.after(10*24*time.Hour, func() { v.send(v.late(), v.paytm.Dispute(sale.Payment, id, end, amount)) })
}

// forge sends what a stranger makes of Paytm's own signature, about an order of the shop's.
func (v *virtualShop) forge(order string) {
	id := fmt.Sprintf("2026%031d", v.orders)
	bait, forged := v.paytm.Forge(order, id, 100_000)
	v.forged[id] = true
	v.send(time.Hour, bait)
	v.send(time.Hour, forged)
}

// compare holds the books against Paytm's and the shop's.
func (v *virtualShop) compare() {
	v.inOrder()
	told := func(r rows, id string) *Story {
		s := &Story{Names: map[string]string{}, Deliveries: map[int64]int64{}}
		if err := r.story(s, id); err != nil && !errors.Is(err, errNotFound) {
			v.Fatal(err)
		}
		return s
	}
	err := v.read(v.ctx(), func(r rows) error {
		for _, sale := range v.sales {
			if got, want := told(r, sale.TxnID).stands(v.clockNow()), sale.should(); got != want {
				v.Errorf("%s, order %s, %s: the books have\n  %s, Paytm's\n  %s",
					sale.TxnID, sale.OrderID, sale.Status, got, want)
			}
		}
		for id := range v.forged {
			if c := told(r, id).Commission; c != nil {
				if state, _ := c.State(v.clockNow()); state == "due" {
					v.Errorf("%s is forged and its commission due", id)
				}
			}
		}
		return nil
	})
	if err != nil {
		v.Fatal(err)
	}
	if last, err := v.LastReconciliation(v.ctx()); err != nil || last == nil || last.Completeness() != 100 {
		v.Errorf("the last sweep came to %+v, %v", last, err)
	}
}

// stands is what a payment came to in the books.
func (s *Story) stands(now time.Time) string {
	if s.Txn == nil {
		return "nothing"
	}
	t, earned := s.Txn, s.earned(now)
	if t.Status != "success" {
		return t.Status + ", " + earned
	}
	return fmt.Sprintf("success, %d less %d, %s, %s", t.Amount, t.Refunded, t.Confirmation, earned)
}

// should is what it has to come to.
func (s *virtualSale) should() string {
	if s.Status != paytm.Success {
		return string(s.Status) + ", nobody"
	}
	back := s.lost
	for _, r := range s.Refunds {
		if r.Event != paytm.Refused {
			back += r.Amount
		}
	}
	earned := halfUp(s.Amount, 10, 100)
	reversed := halfUp(earned, back, s.Amount)
	text := "nobody"
	if s.partner != "" {
		text = s.partner + " " + decimal(earned)
		if reversed > 0 {
			text += " less " + decimal(reversed)
		}
		if back == s.Amount || reversed == earned {
			text += " reversed"
		} else {
			text += " due"
		}
	}
	return fmt.Sprintf("success, %d less %d, agreed, %s", s.Amount, back, text)
}
