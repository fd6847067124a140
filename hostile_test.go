package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hissa/paytm"
)

// What a stranger with one signed message, a clock that jumps or an unlucky order of events could
// bend. Every row ends in what must come out.

func referring(code string) func(*Notification) { return func(n *Notification) { n.Reference = code } }
func in(currency string) func(*Notification)    { return func(n *Notification) { n.Currency = currency } }

func wantEarned(b *books, txn, want string) {
	b.Helper()
	if got := b.earned(txn); got != want {
		b.Errorf("%s came to %q, want %q", txn, got, want)
	}
}

// An unconfirmed payment brings nobody: a forgery on a victim's order can't take that customer's
// confirmed payments to its partner.
func TestAForgeryBringsNoCustomer(t *testing.T) {
	terms := testTerms()
	terms.Lifetime = 12
	b := openBooks(t, terms)
	b.partner("EVIL")
	b.bind(Order{ID: "1", Customer: "c"})
	b.bind(Order{ID: "2", Customer: "c"})
	b.send(payment("T1", "1"))
	b.answers("T1", agreeing("T1", "1", 100000))
	b.send(payment("TFORGED", "1", referring("EVIL"), paid(noon.Add(-24*time.Hour))))
	b.answers("TFORGED", Answer{Asked: "1", OrderID: "1", TxnID: "T1", Result: "success", Amount: 100000})
	b.send(payment("T2", "2", paid(noon.Add(time.Hour))))
	b.answers("T2", agreeing("T2", "2", 100000))
	wantEarned(b, "T1", "nobody")
	wantEarned(b, "T2", "nobody")
}

// Two subscriptions named by one payment's messages are a disagreement, not a choice.
func TestMessagesThatDisagreeOnTheSubscription(t *testing.T) {
	terms := testTerms()
	terms.Lifetime = 12
	b := openBooks(t, terms)
	b.partner("ASHA")
	b.partner("EVIL")
	receive := func(n Notification, subscription string) {
		t.Helper()
		n = identified(n)
		n.Identity = append(n.Identity, subscription...)
		if _, err := b.Receive(b.ctx(), n, subscription, n.Identity); err != nil {
			t.Fatal(err)
		}
		b.inOrder()
	}
	receive(payment("A1", "1", referring("ASHA")), "S1")
	b.answers("A1", agreeing("A1", "1", 100000))
	receive(payment("E1", "2", referring("EVIL")), "S2")
	b.answers("E1", agreeing("E1", "2", 100000))
	renewal := payment("A2", "3", paid(noon.Add(time.Hour)))
	receive(renewal, "S1")
	b.answers("A2", agreeing("A2", "3", 100000))
	renewal.Status = "pending"
	receive(renewal, "S2")
	wantEarned(b, "A2", "ASHA 100.00 held period")
	renewal.Status = "success"
	receive(renewal, "S2")
	wantEarned(b, "A2", "nobody")
}

// A confirmed payment is dated by the API, so no message can end its hold period early or lose its
// click; and an old date can't choose terms that ask for no confirmation.
func TestNoMessageDatesAConfirmedPayment(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.send(payment("T1", "1", referring("ASHA")))
	truth := agreeing("T1", "1", 100000)
	truth.PaidAt = noon
	b.answers("T1", truth)
	b.send(payment("T1", "1", referring("ASHA"), paid(noon.Add(-365*24*time.Hour))))
	wantEarned(b, "T1", "ASHA 100.00 held period")

	lax := testTerms()
	lax.Confirm = false
	b = openBooks(t, lax)
	b.partner("ASHA")
	b.wait(time.Hour)
	if _, err := b.AdoptProgram(b.ctx(), testTerms(), false); err != nil {
		t.Fatal(err)
	}
	b.wait(time.Hour)
	b.send(payment("T1", "1", referring("ASHA"), paid(noon.Add(-365*24*time.Hour))))
	wantEarned(b, "T1", "ASHA 100.00 held unconfirmed")
}

// A failed payment of one rupee with a stranger's text in it, cut up into a refund of somebody
// else's payment: kept for a person, and nothing is taken back.
func TestAForgedRefundTakesNothing(t *testing.T) {
	s := serveShop(t)
	victim := s.paytm.Pay("1", 100000)
	s.bind(Order{ID: "1", Promo: "ASHA10"})
	s.wants("the victim's payment", s.paytm.PaymentForm(victim), 200, "credited")
	genuine := paytm.Fields{{Name: "BANKTXNID", Value: "1"}, {Name: "CURRENCY", Value: "INR"},
		{Name: "MID", Value: "SHOP0001"}, {Name: "ORDERID", Value: "99"}, {Name: "STATUS", Value: "TXN_FAILURE"},
		{Name: "TXNAMOUNT", Value: "1.00"}, {Name: "TXNID", Value: "20261122STRANGER"},
		{Name: "comments", Value: "1000.00|RX1|TXN_SUCCESS|" + victim.TxnID}, {Name: "udf_1", Value: ""}}
	forged := url.Values{"CHECKSUMHASH": {s.paytm.Key().Sign(genuine)}, "REFUNDAMOUNT": {"1000.00"},
		"REFUNDID": {"RX1"}, "STATUS": {"TXN_SUCCESS"}, "TXNID": {victim.TxnID}, "z": {""}}
	for i, f := range genuine[:7] {
		forged.Set(fmt.Sprintf("A%d", i), f.Value)
	}
	a := s.do("POST", "/webhooks/paytm", "application/x-www-form-urlencoded", strings.NewReader(forged.Encode()))
	if a.status != 200 || !strings.Contains(a.body, "review") {
		t.Errorf("the forged refund: %d %s", a.status, a.body)
	}
	if got := s.earned(victim.TxnID); strings.Contains(got, "less") {
		t.Errorf("the victim's payment came to %s", got)
	}
}

// The cumulative total counts when a success states it, and only when its message is above doubt.
func TestStatedTotals(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.bind(Order{ID: "1", Promo: "ASHA10"})
	b.send(payment("T", "1"))
	accepted := refund("T", "R1", "accepted", 50000)
	accepted.RefundsSum = 50000
	b.send(accepted)
	b.send(refund("T", "R1", "refused", 50000))
	wantEarned(b, "T", "ASHA 100.00 held period unconfirmed")
	b.send(payment("T", "1", func(n *Notification) { n.RefundsSum, n.Unknown = 100000, "ZZ" }))
	wantEarned(b, "T", "ASHA 100.00 held period unconfirmed")
	b.send(payment("T", "1", func(n *Notification) { n.RefundsSum = 20000 }))
	wantEarned(b, "T", "ASHA 100.00 less 20.00 held period unconfirmed")
}

// One order that the API can't be asked about does not silence the answer about another.
func TestAPoisonousOrder(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.send(payment("T", "1", referring("ASHA")))
	b.send(payment("T", "0=", referring("ASHA"), status("failed")))
	c := &confirmer{store: b.Store, api: pickyAPI{}, mid: "SHOP0001", counts: &counters{},
		log: slog.New(slog.DiscardHandler)}
	polls, err := b.DuePolls(b.ctx(), 16)
	if err != nil || len(polls) != 1 {
		t.Fatalf("%d questions, %v", len(polls), err)
	}
	if err := c.ask(b.ctx(), polls[0]); err != nil {
		t.Fatal(err)
	}
	b.inOrder()
	wantEarned(b, "T", "ASHA 100.00 held period")
}

// pickyAPI refuses the odd order and knows the other.
type pickyAPI struct{ asker }

func (pickyAPI) OrderStatus(_ context.Context, order string) (*paytm.Answer, error) {
	if order != "1" {
		return nil, &paytm.APIError{Status: 400, Problem: "what order is that"}
	}
	return &paytm.Answer{Result: "TXN_SUCCESS", OrderID: order, TxnID: "T", Amount: 100000, Signed: true}, nil
}

// A sender who stops listening for a moment gets no empty 200 for what is not stored.
func TestNoAnswerBeforeCommit(t *testing.T) {
	s := serveShop(t)
	m := s.paytm.PaymentForm(s.paytm.Pay("1", 100000))
	begun, release := make(chan bool), make(chan bool)
	go func() {
		_ = s.write(s.ctx(), s.payments, func(*tx) error {
			close(begun)
			<-release
			return errors.New("undone")
		})
	}()
	<-begun
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /webhooks/paytm HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		m.ContentType, len(m.Body), m.Body)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
		t.Errorf("answered %q while nothing was stored", line)
	}
	close(release)
}

// After the disk failed, what had queued before is refused like what comes after.
func TestNothingIsAcknowledgedOnABrokenDisk(t *testing.T) {
	b := openBooks(t, testTerms())
	begun, release, queued := make(chan bool), make(chan bool), make(chan error, 1)
	go func() {
		_ = b.write(b.ctx(), b.payments, func(*tx) error {
			close(begun)
			<-release
			return nil
		})
	}()
	<-begun
	j := &job{do: func(*tx) error { return nil }, done: queued}
	b.payments <- j
	closeOnce(b.broken)
	close(release)
	if err := <-queued; !errors.Is(err, errStorage) {
		t.Errorf("a piece that had queued: %v", err)
	}
}

// A fault of our own between the pieces leaves nobody waiting, and nothing is acknowledged after it.
func TestAPanicOfTheWriterIsTheEnd(t *testing.T) {
	b := openBooks(t, testTerms())
	b.turn.Lock()
	connection := b.writer.direct
	b.writer.direct = nil
	b.turn.Unlock()
	for range 2 {
		if err := b.write(b.ctx(), b.payments, func(*tx) error { return nil }); !errors.Is(err, errStorage) {
			t.Errorf("the caller hears %v", err)
		}
	}
	select {
	case <-b.broken:
	default:
		t.Error("the store goes on")
	}
	b.turn.Lock()
	b.writer.direct = connection
	b.turn.Unlock()
}

// Strangers who ask for /readyz can't fill Paytm's lane.
func TestReadyzHasNoPlaceInPaytmsLane(t *testing.T) {
	b := openBooks(t, testTerms())
	begun, release := make(chan bool), make(chan bool)
	go func() {
		_ = b.write(b.ctx(), b.payments, func(*tx) error { close(begun); <-release; return nil })
	}()
	<-begun
	for len(b.clicks) < cap(b.clicks) {
		b.clicks <- &job{do: func(*tx) error { return nil }, done: make(chan error, 1)}
	}
	result := make(chan string, 1)
	go func() { result <- b.deliver(payment("T", "1")) }()
	time.Sleep(10 * time.Millisecond)
	close(release)
	if got := <-result; got != resultUnattributed {
		t.Errorf("a payment behind a full lane of clicks: %s", got)
	}
}

// The same facts in another order, another currency, another case: the same books.
func TestTheSameWhateverTheOrder(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.send(payment("T1", "1", in("USD")))
	b.send(payment("T1", "1", in("EUR")))
	b.send(payment("T2", "1", in("EUR")))
	b.send(payment("T2", "1", in("USD")))
	if one, two := b.story("T1").Txn.Currency, b.story("T2").Txn.Currency; one != two {
		t.Errorf("%s in one order, %s in the other", one, two)
	}
	b.send(payment("T3", "3", in("USD")))
	b.send(payment("T3", "3", status("pending")))
	if got := b.story("T3").Txn.Status; got != "success" {
		t.Errorf("a success in dollars beside a pending in rupees is %s", got)
	}
	b.send(payment("T4", "4", in("USD")))
	b.send(payment("T4", "4", status("failed")))
	if got := b.story("T4").Txn.Confirmation; got != waiting {
		t.Errorf("a conflict of outcomes is %s", got)
	}
}

// What messages and the API say moves a commission even when it is due; bindings don't.
func TestDueStillFollowsTheAPI(t *testing.T) {
	for _, late := range []bool{false, true} {
		b := openBooks(t, testTerms())
		b.partner("ASHA")
		b.partner("RAVI")
		b.send(payment("T", "1", referring("ASHA")))
		if !late {
			b.send(payment("T", "1", referring("RAVI")))
		}
		b.answers("T", agreeing("T", "1", 100000))
		b.wait(15 * 24 * time.Hour)
		b.bind(Order{ID: "2", Promo: "ASHA10"})
		if late {
			b.send(payment("T", "1", referring("RAVI")))
		}
		wantEarned(b, "T", "nobody")
		a := agreeing("T", "1", 100000)
		a.Reference = "RAVI"
		b.answers("T", a)
		wantEarned(b, "T", "RAVI 100.00 due")
	}
}

// A person's agreement is to an amount; nothing that comes later makes it smaller.
func TestAnAgreementIsToAnAmount(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.send(payment("T", "1", referring("ASHA")))
	if err := b.decides("T", Decision{Agree: true}); err != nil {
		t.Fatal(err)
	}
	b.send(payment("T", "1", referring("ASHA"), amount(1)))
	wantEarned(b, "T", "ASHA 100.00 held period")
	b.send(payment("D", "2", referring("ASHA"), in("USD")))
	b.answers("D", agreeing("D", "2", 8300000))
	if err := b.decides("D", Decision{Agree: true}); err != nil {
		t.Fatal(err)
	}
	wantEarned(b, "D", "ASHA 8300.00 held period")
}

// A success stored for an order keeps its binding, whatever order its payment is taken for now.
func TestABindingStaysTaken(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.partner("RAVI")
	b.bind(Order{ID: "5", Promo: "ASHA10"})
	b.send(payment("T", "5"))
	b.send(payment("T", "4"))
	if got := b.bind(Order{ID: "5", Promo: "RAVI10"}); got != "taken" {
		t.Errorf("bound anew: %s", got)
	}
}

// Lawful sequences after which the books must still verify: every step checks them.
func TestBooksStayInOrder(t *testing.T) {
	withLifetime := testTerms()
	withLifetime.Lifetime = 12
	customerFirst := withLifetime
	customerFirst.Precedence = []string{"customer", "promo", "reference"}
	add := func(b *books, code string) {
		if _, err := b.AddPartner(b.ctx(), PartnerChange{Code: code}); err != nil {
			b.Fatal(err)
		}
		b.inOrder()
	}
	for _, row := range []struct {
		name  string
		terms Program
		steps func(b *books)
	}{
		{"the order suffix is switched on later", testTerms(), func(b *books) {
			b.partner("ASHA")
			b.bind(Order{ID: "1042", Promo: "ASHA10"})
			b.send(payment("T", "1042_20261122101500"))
			b.wait(time.Hour)
			suffix := testTerms()
			suffix.OrderSuffix = "_"
			if _, err := b.AdoptProgram(b.ctx(), suffix, false); err != nil {
				b.Fatal(err)
			}
			b.inOrder()
			b.send(payment("T", "1042_20261122101500", func(n *Notification) { n.Mode = "CC" }))
			wantEarned(b, "T", "nobody")
		}},
		{"a code added later, the reference with a space", testTerms(), func(b *books) {
			b.send(payment("T", "1", referring("RAVI ")))
			add(b, "RAVI")
			wantEarned(b, "T", "RAVI 100.00 held period unconfirmed")
		}},
		{"a code that only Unicode folds alike", testTerms(), func(b *books) {
			b.send(payment("T", "1", referring("\u212aIRAN")))
			add(b, "KIRAN")
			wantEarned(b, "T", "nobody")
		}},
		{"the customer's first payment moves to another order", withLifetime, func(b *books) {
			b.partner("ASHA")
			b.bind(Order{ID: "5", Promo: "ASHA10", Customer: "c"})
			b.bind(Order{ID: "6", Customer: "c"})
			b.send(payment("T1", "5"))
			b.answers("T1", agreeing("T1", "5", 100000))
			b.send(payment("T2", "6", paid(noon.Add(time.Hour))))
			b.send(payment("T1", "4"))
		}},
		{"the customer first, and an earlier payment healed", customerFirst, func(b *books) {
			b.partner("ASHA")
			b.bind(Order{ID: "1", Customer: "c"})
			b.bind(Order{ID: "2", Customer: "c", Promo: "ASHA10"})
			b.send(payment("T1", "1", referring("RAVI")))
			b.answers("T1", agreeing("T1", "1", 100000))
			b.send(payment("T2", "2", paid(noon.Add(time.Hour))))
			b.answers("T2", agreeing("T2", "2", 100000))
			add(b, "RAVI")
			wantEarned(b, "T2", "RAVI 100.00 held period")
		}},
		{"the clock is set back", testTerms(), func(b *books) {
			b.send(payment("T", "1", paid(time.Time{})))
			b.wait(-time.Hour)
			b.send(Notification{Gateway: "paytm", Kind: "other", Type: "payment ARN", TxnID: "T", Why: "x"})
			b.send(payment("T", "1"))
		}},
		{"terms change while the clock is set back", testTerms(), func(b *books) {
			b.partner("ASHA")
			b.bind(Order{ID: "1", Promo: "ASHA10"})
			b.send(payment("T", "1"))
			b.wait(-time.Hour)
			terms := testTerms()
			terms.Rate.BPS, terms.Confirm = 2000, false
			if _, err := b.AdoptProgram(b.ctx(), terms, false); err != nil {
				b.Fatal(err)
			}
			b.inOrder()
		}},
		{"an order id that is another payment's TXNID", testTerms(), func(b *books) {
			b.wait(-90 * 24 * time.Hour)
			b.send(Notification{Gateway: "paytm", Kind: "other", Type: "subscription status", OrderID: "T", Why: "x"})
			b.wait(90 * 24 * time.Hour)
			b.send(payment("T", "1"))
			if got := b.story("T"); len(got.Facts.Notifications) != 1 ||
				got.Txn.confirmationAt(b.clockNow()) != waiting {
				b.Errorf("%d messages, %s", len(got.Facts.Notifications), got.Txn.confirmationAt(b.clockNow()))
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) { row.steps(openBooks(t, row.terms)) })
	}
}

// The verb may stand behind flags.
func TestFlagsBeforeTheVerb(t *testing.T) {
	for line, want := range map[string]int{
		"-config x list": 2, "list -config x": 0, "-json list": 1, "-config=x set ASHA": 1, "": -1, "-config x": -1,
	} {
		if got := firstWord(strings.Fields(line)); got != want {
			t.Errorf("%q: word %d, want %d", line, got, want)
		}
	}
}

// Readers who give up at any moment leave every connection fit for the next.
func TestReadersWhoGiveUp(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range cycles(500, 3000, 30000) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%200)*time.Microsecond)
				_, _, _ = b.Head(ctx)
				cancel()
			}
		})
	}
	wg.Wait()
	for range 20 {
		if _, _, err := b.Head(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}
