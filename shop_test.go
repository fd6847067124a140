package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// testTerms are the terms that tests run under unless they say otherwise.
func testTerms() Program {
	return Program{
		Rate: Rate{BPS: 1000}, Hold: 14 * 24 * time.Hour, Window: 30 * 24 * time.Hour, Model: "last-click",
		Precedence: []string{"promo", "click", "reference", "customer"}, Confirm: true,
	}
}

// books is a store in a temporary file with a clock that tests turn by hand. Every step that goes
// through it is followed by the invariant checker.
type books struct {
	testing.TB
	*Store
	mu   sync.Mutex
	time time.Time
	real func() time.Time // when not nil, the clock
	tax  TaxRules         // none
}

// noon is when tests begin: 22 November 2026, 12:00 IST.
var noon = time.Date(2026, 11, 22, 6, 30, 0, 0, time.UTC)

func openBooks(t testing.TB, terms Program) *books {
	t.Helper()
	b := &books{TB: t, time: noon}
	var err error
	b.Store, err = openStore(filepath.Join(t.TempDir(), "hissa.db"), StoreOptions{
		Environment: "production", MID: "SHOP0001", Create: true, Clock: b.clockNow,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.inHindi()
		if err := b.Store.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := b.AdoptProgram(b.ctx(), terms, false); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *books) ctx() context.Context { return context.Background() }

func (b *books) clockNow() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.real != nil {
		return b.real()
	}
	return b.time
}

// setClock replaces the clock that is turned by hand.
func (b *books) setClock(clock func() time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.real = clock
}

// holdClock lets no time pass until the clock is set again.
func (b *books) holdClock() {
	now := b.clockNow()
	b.setClock(func() time.Time { return now })
}

func (b *books) wait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.time = b.time.Add(d)
}

// inOrder is the invariant checker: chain intact, books balanced, one commission a transaction,
// reversed no more than earned, every position what the facts make it.
func (b *books) inOrder() Report {
	b.Helper()
	report, err := b.Verify(b.ctx(), nil)
	if err != nil {
		b.Fatalf("the books are not in order: %v", err)
	}
	return report
}

func (b *books) partner(code string, change ...func(*PartnerChange)) {
	b.Helper()
	p := PartnerChange{Code: code, Promos: []string{code + "10"}}
	for _, c := range change {
		c(&p)
	}
	if _, err := b.AddPartner(b.ctx(), p); err != nil {
		b.Fatal(err)
	}
	b.inOrder()
}

func (b *books) click(id, partner string) {
	b.Helper()
	if err := b.RecordClick(b.ctx(), Click{ID: id, Partner: partner}); err != nil {
		b.Fatal(err)
	}
}

func (b *books) bind(o Order) string {
	b.Helper()
	result, err := b.BindOrder(b.ctx(), o, Person{Customer: o.Customer})
	if err != nil && !errors.Is(err, errOrderTaken) {
		b.Fatal(err)
	}
	b.inOrder()
	if err != nil {
		return "taken"
	}
	return result
}

// payment is a message about a payment of ₹1,000.00, changed as the test says.
func payment(txn, order string, change ...func(*Notification)) Notification {
	n := Notification{Gateway: "paytm", Kind: "payment", Type: "payment", MID: "SHOP0001", TxnID: txn, OrderID: order,
		Status: "success", Amount: 100000, Currency: "INR", Mode: "UPI", PaidAt: noon}
	for _, c := range change {
		c(&n)
	}
	return n
}

func status(s string) func(*Notification)   { return func(n *Notification) { n.Status = s } }
func amount(a int64) func(*Notification)    { return func(n *Notification) { n.Amount = a } }
func paid(at time.Time) func(*Notification) { return func(n *Notification) { n.PaidAt = at } }

func refund(txn, id, event string, amount int64) Notification {
	return Notification{Gateway: "paytm", Kind: "refund", Type: "refund " + event, TxnID: txn, RefundID: id,
		Event: event, Refund: amount}
}

func dispute(txn, id, state string, amount int64) Notification {
	return Notification{Gateway: "paytm", Kind: "dispute", Type: "dispute", MID: "SHOP0001", TxnID: txn, DisputeID: id,
		Dispute: state, Disputed: amount}
}

// identified gives a message the identity that its content has.
func identified(n Notification) Notification {
	id := sha256.Sum256(fmt.Appendf(nil, "%+v", n))
	n.Identity = id[:]
	return n
}

// send delivers a message and checks the books.
func (b *books) send(n Notification) string {
	b.Helper()
	result := b.deliver(n)
	b.inOrder()
	return result
}

func (b *books) deliver(n Notification) string {
	b.Helper()
	n = identified(n)
	result, err := b.Receive(b.ctx(), n, "", n.Identity)
	if err != nil {
		b.Fatal(err)
	}
	return result
}

// answers has Paytm's API answer about a transaction.
func (b *books) answers(txn string, a ...Answer) {
	b.Helper()
	if err := b.RecordAnswers(b.ctx(), Poll{TxnID: txn}, a); err != nil {
		b.Fatal(err)
	}
	b.inOrder()
}

func agreeing(txn, order string, amount int64) Answer {
	return Answer{Asked: order, OrderID: order, TxnID: txn, Result: "success", Amount: amount, Definite: true}
}

func denying(txn, order string) Answer {
	return Answer{Asked: order, OrderID: order, TxnID: txn, Result: "failed", Amount: -1, Definite: true}
}

func (b *books) decides(txn string, d Decision) error {
	b.Helper()
	d.Reason = "seen on the bank statement"
	err := b.Decide(b.ctx(), txn, d)
	b.inOrder()
	return err
}

func (b *books) story(txn string) *Story {
	b.Helper()
	s, err := b.Story(b.ctx(), txn)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// earned says in one line what a transaction came to: partner, earned less reversed, state.
func (b *books) earned(txn string) string {
	b.Helper()
	return b.story(txn).earned(b.clockNow())
}

func (s *Story) earned(now time.Time) string {
	if s.Commission == nil {
		return "nobody"
	}
	c := s.Commission
	state, blocks := c.State(now)
	text := fmt.Sprintf("%s %s", c.Partner, decimal(c.Amount))
	if c.Reversed > 0 {
		text += " less " + decimal(c.Reversed)
	}
	text += " " + state
	for _, block := range blocks {
		text += " " + block
	}
	return text
}

// balance is what the ledger owes a partner.
func (b *books) balance(partner string) int64 { return b.account("partner:" + partner) }

// account is what a ledger account comes to.
func (b *books) account(name string) int64 {
	b.Helper()
	var balance int64
	if err := b.read(b.ctx(), func(r rows) error {
		return r.one("SELECT coalesce(sum(balance), 0) FROM accounts WHERE name = ?", args{name}, &balance)
	}); err != nil {
		b.Fatal(err)
	}
	return balance
}

// cycles is how often a test repeats: in short mode, usually, and in the long lane or a piece of it.
func cycles(short, usual, long int) int {
	_, pieces := longLane()
	switch {
	case pieces > 0:
		return (long + pieces - 1) / pieces
	case testing.Short():
		return short
	}
	return usual
}

// longLane reads HISSA_LONG: 1 is the whole long lane, 3/20 the third of twenty pieces of it, which make up
// other random things each. Without it there are no pieces.
func longLane() (piece, pieces int) {
	switch text := os.Getenv("HISSA_LONG"); text {
	case "":
		return 0, 0
	case "1":
		return 1, 1
	default:
		_, err := fmt.Sscanf(text, "%d/%d", &piece, &pieces)
		if err != nil || piece < 1 || piece > pieces || fmt.Sprintf("%d/%d", piece, pieces) != text {
			panic("HISSA_LONG=" + text + ": it is 1, or a piece such as 3/20")
		}
		return piece, pieces
	}
}

// luckOf is chance that comes the same again, but another in every piece of the long lane.
func luckOf(seed uint64) *rand.Rand {
	piece, _ := longLane()
	return rand.New(rand.NewPCG(seed, uint64(piece)))
}
