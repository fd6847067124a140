package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// confirmation is a shop whose worker asks one round at a time, by a clock that is turned by hand.
type confirmation struct {
	*books
	paytm *paytmtest.Paytm
	c     *confirmer
}

func openConfirmation(t *testing.T) *confirmation {
	t.Helper()
	p := paytmtest.New(paytmtest.Config{MID: "SHOP0001", Seed: 31})
	api, stop := p.Start()
	t.Cleanup(stop)
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	return &confirmation{b, p, &confirmer{store: b.Store, mid: "SHOP0001", log: slog.New(slog.DiscardHandler),
		counts: &counters{}, api: &paytm.Client{BaseURL: api, MID: p.MID(), Key: p.Key()}}}
}

// pays has a payment of ₹1,000.00 for an order with Asha's code come in by webhook.
func (c *confirmation) pays(order string, opts ...paytmtest.Option) *paytmtest.Payment {
	c.Helper()
	c.bind(Order{ID: order, Promo: "ASHA10"})
	pay := c.paytm.Pay(order, 100000, opts...)
	c.arrives(c.paytm.PaymentForm(pay))
	return pay
}

func (c *confirmation) arrives(m paytmtest.Message) {
	c.Helper()
	e, err := paytm.Parse(m.Body)
	if err != nil {
		c.Fatal(err)
	}
	id := e.Identity()
	if _, err := c.Receive(c.ctx(), notification(e.Classify(), id[:]), "", m.Body); err != nil {
		c.Fatal(err)
	}
	c.inOrder()
}

// round asks about whatever is due, and returns how many questions that were.
func (c *confirmation) round() int {
	c.Helper()
	polls, err := c.DuePolls(c.ctx(), 100)
	if err != nil {
		c.Fatal(err)
	}
	for _, p := range polls {
		if err := c.c.ask(c.ctx(), p); err != nil {
			c.Fatal(err)
		}
	}
	c.inOrder()
	return len(polls)
}

func (c *confirmation) state(txn string) string {
	return c.story(txn).Txn.confirmationAt(c.clockNow())
}

func (c *confirmation) wantState(txn, want string) {
	c.Helper()
	if got := c.state(txn); got != want {
		c.Errorf("confirmation is %s, want %s", got, want)
	}
}

func TestTheAPIAgreesAtOnce(t *testing.T) {
	c := openConfirmation(t)
	pay := c.pays("1")
	c.wantState(pay.TxnID, waiting)
	if n := c.round(); n != 1 {
		t.Errorf("%d questions at once, want 1", n)
	}
	c.wantState(pay.TxnID, agreed)
	c.wait(100 * time.Hour)
	if n := c.round(); n != 0 {
		t.Errorf("asked again %d times after the answer", n)
	}
}

// While Paytm's API says PENDING it is asked on the ladder and no oftener; after the last step the
// confirmation has expired, and a new message asks again.
func TestLadder(t *testing.T) {
	c := openConfirmation(t)
	pay := c.pays("1", paytmtest.Pending())
	asked := []time.Duration{}
	for at := time.Duration(0); at <= 100*time.Hour; at += 5 * time.Minute {
		if c.round() > 0 {
			asked = append(asked, at)
		}
		c.wait(5 * time.Minute)
	}
	want := append([]time.Duration{0}, ladder...)
	if len(asked) != len(want) {
		t.Fatalf("asked at %v, want %v", asked, want)
	}
	for i := range want {
		if asked[i] != want[i] {
			t.Errorf("question %d came after %v, want %v", i, asked[i], want[i])
		}
	}
	c.wantState(pay.TxnID, expired)
	c.paytm.Settle(pay, paytm.Success)
	c.arrives(c.paytm.PaymentForm(pay))
	if n := c.round(); n != 1 {
		t.Errorf("a new message asked %d times", n)
	}
	c.wantState(pay.TxnID, agreed)
}

// An API that is away is asked again after a growing pause; the schedule is in the database.
func TestAPIAway(t *testing.T) {
	t.Parallel()
	c := openConfirmation(t)
	c.paytm.SetAPI(paytmtest.APIFaults{Away: true})
	pay := c.pays("1")
	questions := 0
	for range 60 * 60 {
		questions += c.round()
		c.wait(time.Second)
	}
	if questions < 8 || questions > 12 {
		t.Errorf("%d questions in an hour, want about ten", questions)
	}
	var told strings.Builder
	c.story(pay.TxnID).tell(&told, c.clockNow())
	if !strings.Contains(told.String(), "brought no answer") {
		t.Errorf("explain does not say that the API is away:\n%s", told.String())
	}
	c.paytm.SetAPI(paytmtest.APIFaults{})
	c.wait(20 * time.Minute)
	c.round()
	c.wantState(pay.TxnID, agreed)
}

// A question that was put off while the clock was ahead is put once the clock is right, and then as often as
// any, but for a payment whose first receipt is still to come: that is asked about once a day.
func TestAskedAfterAClockThatWasAhead(t *testing.T) {
	const year = 366 * 24 * time.Hour
	c := openConfirmation(t)
	c.wait(year)
	c.paytm.SetAPI(paytmtest.APIFaults{Away: true})
	pay := c.pays("1", paytmtest.Pending())
	c.round()
	c.paytm.SetAPI(paytmtest.APIFaults{})
	c.wait(-year)
	asked := 0
	for range 10 * 24 {
		asked += c.round()
		c.wait(time.Hour)
	}
	if asked != 10 {
		t.Errorf("asked %d times in ten days, want once a day", asked)
	}
	c.paytm.Settle(pay, paytm.Success)
	c.wait(time.Hour)
	c.round()
	c.wantState(pay.TxnID, agreed)
}

// Nobody waits longer than a day because the API wants it.
func TestPatienceHasAnEnd(t *testing.T) {
	c := openConfirmation(t)
	c.paytm.SetAPI(paytmtest.APIFaults{Away: true, RetryAfter: 366 * 24 * time.Hour})
	pay := c.pays("1")
	c.round()
	c.paytm.SetAPI(paytmtest.APIFaults{})
	if c.wait(23 * time.Hour); c.round() != 0 {
		t.Error("it was asked before the time that it wants, or a day")
	}
	c.wait(time.Hour)
	c.round()
	c.wantState(pay.TxnID, agreed)
}

// Nothing but a signed, final answer about this very transaction settles it.
func TestAnswersThatSettleNothing(t *testing.T) {
	for name, lie := range map[string]paytmtest.Contradiction{
		"unsigned":        {Unsigned: true},
		"another TXNID":   {TxnID: "20261122111212800110168000000000999"},
		"no TXNID":        {NoTxnID: true},
		"an unknown one":  {Unknown: true},
		"another order":   {OrderID: "OTHER"},
		"still pending":   {Status: paytm.Pending},
		"wrongly signed":  {WrongSignature: true},
		"in other money":  {Currency: "USD"},
		"another amount":  {Amount: 99999},
		"another outcome": {Status: paytm.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			c := openConfirmation(t)
			c.bind(Order{ID: "1", Promo: "ASHA10"})
			pay := c.paytm.Pay("1", 100000)
			c.paytm.SetAPI(paytmtest.APIFaults{Contradict: map[string]paytmtest.Contradiction{pay.TxnID: lie}})
			c.arrives(c.paytm.PaymentForm(pay))
			c.round()
			want := "ASHA 1000.00"
			switch name {
			case "another amount":
				want = "ASHA 100.00 held unconfirmed conflict"
			case "another outcome":
				want = "ASHA 100.00 less 100.00 reversed"
			default:
				want = "ASHA 100.00 held unconfirmed"
			}
			c.wait(60 * 24 * time.Hour)
			if got := c.earned(pay.TxnID); got != want && got != strings.Replace(want, "held ", "held period ", 1) {
				t.Errorf("came to %q, want %q", got, want)
			}
			c.paytm.SetAPI(paytmtest.APIFaults{})
			c.arrives(c.paytm.PaymentJSON(pay)) // a new message, so the API is asked again
			c.round()
			if got := c.earned(pay.TxnID); !strings.HasPrefix(got, "ASHA 100.00 ") || strings.Contains(got, "less") ||
				strings.Contains(got, "unconfirmed") {
				t.Errorf("after the truth: %q", got)
			}
		})
	}
}

// Messages that name two orders: both are asked about.
func TestBothOrdersAreAskedAbout(t *testing.T) {
	c := openConfirmation(t)
	pay := c.pays("1")
	c.arrives(c.paytm.SignForm(map[string]string{"MID": "SHOP0001", "ORDERID": "0-SQUATTED", "TXNID": pay.TxnID,
		"TXNAMOUNT": "1000.00", "STATUS": "TXN_SUCCESS", "CURRENCY": "INR", "BANKTXNID": "1"}))
	if got := c.earned(pay.TxnID); !strings.Contains(got, "nobody") {
		t.Errorf("with two orders: %s", got)
	}
	c.round()
	if c.paytm.Asked("1") != 1 || c.paytm.Asked("0-SQUATTED") != 1 {
		t.Errorf("asked %d and %d times", c.paytm.Asked("1"), c.paytm.Asked("0-SQUATTED"))
	}
	if got := c.earned(pay.TxnID); got != "ASHA 100.00 held period" && got != "ASHA 100.00 due" {
		t.Errorf("after Paytm's word on the order: %s", got)
	}
}

// However many orders forged messages name for a payment, the one that was paid gets its turn.
func TestEveryOrderGetsItsTurn(t *testing.T) {
	c := openConfirmation(t)
	pay := c.pays("genuine")
	for i := range 2*ordersAtOnce + 1 {
		c.arrives(c.paytm.SignForm(map[string]string{"MID": "SHOP0001", "ORDERID": fmt.Sprint("0-", i),
			"TXNID": pay.TxnID, "TXNAMOUNT": "1000.00", "STATUS": "TXN_SUCCESS", "CURRENCY": "INR",
			"BANKTXNID": "1"}))
	}
	orders := map[string]bool{}
	for range 3 {
		polls, err := c.DuePolls(c.ctx(), 10)
		if err != nil || len(polls) != 1 || len(polls[0].Orders) > ordersAtOnce {
			t.Fatalf("%+v, %v", polls, err)
		}
		var answers []Answer
		for _, order := range polls[0].Orders {
			orders[order] = true
			answers = append(answers, Answer{Asked: order, Result: "unknown", Amount: -1})
		}
		if err := c.RecordAnswers(c.ctx(), polls[0], answers); err != nil {
			t.Fatal(err)
		}
		c.wait(7 * time.Hour) // past the next step of the ladder
		c.inOrder()
	}
	if len(orders) != 2*ordersAtOnce+2 || !orders["genuine"] {
		t.Errorf("asked about %v", orders)
	}
}

// A payment link's payments are asked for by the link. Where that API knows nothing of one, as of an
// invoice's, or gives no answer, the order is asked for.
func TestPaymentLinksAreAskedByLink(t *testing.T) {
	c := openConfirmation(t)
	pay := c.paytm.Pay("LINK-1", 100000)
	c.arrives(c.paytm.LinkPayment(pay, "2048"))
	c.round()
	if got := c.story(pay.TxnID); got.Txn.Confirmation != agreed || len(got.Facts.Answers) != 1 ||
		got.Facts.Answers[0].Asked != "link 2048" {
		t.Errorf("%+v", got.Facts.Answers)
	}
	if n := c.paytm.Asked("LINK-1"); n != 0 {
		t.Errorf("the order was asked about %d times", n)
	}

	// The link's list has another amount: a conflict like any other.
	other := c.paytm.Pay("LINK-2", 100000)
	c.paytm.SetAPI(paytmtest.APIFaults{Contradict: map[string]paytmtest.Contradiction{
		other.TxnID: {Amount: 70000}}})
	c.arrives(c.paytm.LinkPayment(other, "2048"))
	c.round()
	if got := c.story(other.TxnID); !strings.Contains(got.Txn.Conflict, "Paytm's API says ₹700.00") {
		t.Errorf("%+v", got.Txn)
	}
	c.paytm.SetAPI(paytmtest.APIFaults{})

	// A reference that only looks like a link's leads to the order.
	third := c.paytm.Pay("LINK-3", 100000, paytmtest.Reference("LI_12ab"))
	c.arrives(c.paytm.PaymentForm(third))
	fourth := c.paytm.Pay("LINK-4", 100000, paytmtest.Reference("LI_9"))
	m := c.paytm.PaymentForm(fourth)
	fourth.Reference = "" // the list of link 9 does not have it
	c.arrives(m)
	c.round()
	for _, pay := range []*paytmtest.Payment{third, fourth} {
		if got := c.story(pay.TxnID); got.Txn.Confirmation != agreed {
			t.Errorf("%s: %+v", pay.OrderID, got.Facts.Answers)
		}
	}
}

// A payment at a static QR code names no order. It is found in Paytm's list by its TXNID; where it is
// not, a person decides.
func TestWithoutAnOrder(t *testing.T) {
	c := openConfirmation(t)
	qr := func(opts ...paytmtest.Option) (*paytmtest.Payment, paytmtest.Message) {
		opts = append(opts, paytmtest.At(noon), paytmtest.Reference("ASHA"))
		pay := c.paytm.Pay("", 100000, opts...)
		return pay, c.paytm.PaymentForm(pay)
	}
	pay, m := qr()
	c.arrives(m)
	if got := c.earned(pay.TxnID); got != "ASHA 100.00 held period unconfirmed" {
		t.Errorf("before the question: %s", got)
	}
	c.round()
	if got := c.earned(pay.TxnID); got != "ASHA 100.00 held period" {
		t.Errorf("after it: %s, %+v", got, c.story(pay.TxnID).Facts.Answers)
	}

	lost, m := qr()
	c.paytm.SetAPI(paytmtest.APIFaults{Contradict: map[string]paytmtest.Contradiction{
		lost.TxnID: {Unknown: true}}})
	c.arrives(m)
	for range 20 {
		c.round()
		c.wait(8 * time.Hour)
	}
	if got := c.earned(lost.TxnID); got != "ASHA 100.00 held period unconfirmed" {
		t.Errorf("one that Paytm's list lacks: %s", got)
	}
	if err := c.decides(lost.TxnID, Decision{Agree: true, Reason: "in the settlement"}); err != nil {
		t.Fatal(err)
	}
	if got := c.earned(lost.TxnID); got != "ASHA 100.00 held period" {
		t.Errorf("after a person's word: %s", got)
	}
}

// With confirm = false a payment without an order waits all the same: nothing else ties it to a sale.
func TestWithoutAnOrderIsAlwaysConfirmed(t *testing.T) {
	terms := testTerms()
	terms.Confirm = false
	b := openBooks(t, terms)
	b.partner("ASHA")
	b.send(payment("T1", "", referring("ASHA")))
	b.send(payment("T2", "2", referring("ASHA")))
	wantEarned(b, "T1", "ASHA 100.00 held period unconfirmed")
	wantEarned(b, "T2", "ASHA 100.00 held period")
}

// When Paytm asks for fewer questions, all of them wait, and are put later.
func TestTooManyQuestions(t *testing.T) {
	t.Parallel()
	c := openConfirmation(t)
	c.setClock(time.Now)
	c.paytm.SetAPI(paytmtest.APIFaults{RateLimit: 3})
	var pays []*paytmtest.Payment
	for i := range 8 {
		pays = append(pays, c.pays(fmt.Sprint(i)))
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); c.c.run(ctx) }()
	defer func() { stop(); <-stopped }()
	for until := time.Now().Add(patience + 30*time.Second); ; time.Sleep(50 * time.Millisecond) {
		left := slices.ContainsFunc(pays, func(pay *paytmtest.Payment) bool {
			return c.story(pay.TxnID).Txn.Confirmation != agreed
		})
		if !left {
			break
		}
		if time.Now().After(until) {
			t.Fatal("not all are confirmed")
		}
	}
	if n := c.paytm.Calls(); n > 2*len(pays)+8 {
		t.Errorf("%d questions for %d payments at three a second", n, len(pays))
	}
}

// A crowd of forged orders before the payment's own message does not outlast the questions: those
// never asked about are asked about without waiting for the ladder.
func TestNoCrowdOfOrdersHidesThePaidOne(t *testing.T) {
	c := openConfirmation(t)
	c.bind(Order{ID: "genuine", Promo: "ASHA10"})
	pay := c.paytm.Pay("genuine", 100000)
	for i := range (len(ladder) + 2) * ordersAtOnce {
		c.deliver(payment(pay.TxnID, fmt.Sprint("0-", i)))
	}
	c.arrives(c.paytm.PaymentForm(pay))
	for range len(ladder) + 3 {
		c.round()
		c.wait(time.Second)
	}
	if got := c.paytm.Asked("genuine"); got != 1 {
		t.Errorf("asked %d times about the order that was paid", got)
	}
	c.wantState(pay.TxnID, agreed)
	c.wait(time.Hour)
	if n := c.round(); n != 0 {
		t.Errorf("asked again %d times after the answer", n)
	}
}

// The worker asks at most four questions at once, and one that hangs holds up nothing else.
func TestQuestionsAreBounded(t *testing.T) {
	b := openBooks(t, testTerms())
	b.setClock(time.Now)
	b.partner("ASHA")
	var now, most, all atomic.Int32
	release := make(chan struct{})
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.Add(1)
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		now.Add(-1)
		http.Error(w, "later", http.StatusServiceUnavailable)
	}))
	defer api.Close()
	for _, order := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		b.send(payment("T"+order, order))
	}
	key, err := paytm.NewKey("0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		(&confirmer{store: b.Store, mid: "SHOP0001", log: slog.New(slog.DiscardHandler), counts: &counters{},
			api: &paytm.Client{BaseURL: api.URL, MID: "SHOP0001", Key: key}}).run(ctx)
	}()
	for deadline := time.Now().Add(20 * time.Second); all.Load() < 4; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d questions were asked, want 4 at once", all.Load())
		}
	}
	if got := b.send(payment("T9", "9")); got != "unattributed" {
		t.Errorf("a webhook while the API hangs: %s", got)
	}
	close(release)
	for deadline := time.Now().Add(20 * time.Second); all.Load() < 9; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d questions were asked, want all 9", all.Load())
		}
	}
	stop()
	<-stopped
	if most.Load() > askers {
		t.Errorf("%d questions at once", most.Load())
	}
}

// What the API asks for is respected, and the pause grows to a quarter of an hour.
func TestWaits(t *testing.T) {
	if w := wait(0, errors.New("away")); w < 5*time.Second || w > 6*time.Second {
		t.Errorf("the first pause is %v", w)
	}
	if w := wait(40, errors.New("away")); w < 15*time.Minute || w > 18*time.Minute {
		t.Errorf("a late pause is %v", w)
	}
	if w := wait(0, &paytm.APIError{Status: 429, RetryAfter: time.Hour}); w != time.Hour {
		t.Errorf("told to wait an hour, it waits %v", w)
	}
}

// The first question comes within five seconds of the 200, over the real server.
func TestAskedSoonAfterTheWebhook(t *testing.T) {
	s := serveShop(t)
	pay := s.paytm.Pay("1", 100000, paytmtest.Reference("ASHA"))
	m := s.paytm.PaymentForm(pay)
	s.do("POST", "/webhooks/paytm", m.ContentType, bytes.NewReader(m.Body))
	answered := time.Now()
	for s.story(pay.TxnID).Txn.Confirmation != agreed {
		if time.Since(answered) > 5*time.Second {
			t.Fatal("not confirmed five seconds after the 200")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A payment of which the API knows nothing is asked about for three days; one that it knows, and never
// answers for under its signature, once a day for a month.
func TestAskedUntilAnswered(t *testing.T) {
	known := agreeing("T1", "1", 100000)
	known.Definite = false
	another := agreeing("T2", "1", 100000)
	another.Definite = false
	for _, row := range []struct {
		what   string
		answer Answer
		asked  int // after the third day
		last   time.Duration
	}{
		{"nothing known", Answer{Asked: "1", Result: "unknown", Amount: -1}, 0, 72 * time.Hour},
		{"another payment of the order", another, 0, 72 * time.Hour},
		{"known, unsigned", known, 27, 30 * 24 * time.Hour},
	} {
		t.Run(row.what, func(t *testing.T) {
			b := openBooks(t, testTerms())
			b.deliver(payment("T1", "1"))
			began, asked, last := b.clockNow(), 0, time.Duration(0)
			for range 40 * 24 {
				polls, err := b.DuePolls(b.ctx(), 10)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range polls {
					if last = b.clockNow().Sub(began); last > 72*time.Hour {
						asked++
					}
					if err := b.RecordAnswers(b.ctx(), p, []Answer{row.answer}); err != nil {
						t.Fatal(err)
					}
				}
				b.wait(time.Hour)
			}
			if asked != row.asked || last != row.last {
				t.Errorf("asked %d times after the third day, at last after %s; want %d and %s",
					asked, last, row.asked, row.last)
			}
			b.inOrder()
		})
	}
}
