// Package paytmtest is a simulated Paytm: it takes payments, keeps books of them, writes the
// notifications Paytm would send, answers the Transaction Status API, and misbehaves on purpose.
//
// Shapes, names and values follow Paytm's own documentation and published samples; signatures
// are real, made with a synthetic merchant key. Everything but the signing salts follows from
// Config.Seed: two simulators with one seed and one clock, asked the same things in the same
// order, send the same bodies. No network is needed beyond 127.0.0.1.
package paytmtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"hissa/paytm"
)

// Defaults of Config. The key is synthetic and opens nothing at the real Paytm.
const (
	DefaultMID         = "DEMOSHOP000000000001"
	DefaultMerchantKey = "demo_Key%0000&#1"
)

// Config says which shop the simulated Paytm serves. The zero Config is usable.
type Config struct {
	MID         string           // DefaultMID when empty
	MerchantKey string           // 16, 24 or 32 bytes; DefaultMerchantKey when empty
	Seed        uint64           // decides TXNIDs and every fault on delivery
	Now         func() time.Time // time.Now when nil
}

// Paytm is one simulated Paytm with one merchant. Its methods may be called at the same time.
type Paytm struct {
	mid  string
	seed uint64
	now  func() time.Time

	mu       sync.Mutex // guards all below, and the fields of every Payment and Refund
	key      *paytm.Key
	keyText  string
	serial   uint64 // the last twelve digits of the latest TXNID or refund id
	couriers uint64 // couriers made
	payments []*Payment
	orders   map[string][]*Payment
	faults   APIFaults
	asked    map[string]int // Transaction Status requests per order id
	calls    int
	window   int64 // the second that inWindow counts
	inWindow int
}

// Payment is one attempt to pay, as Paytm has it on its books. Settle, Refund and the refund
// messages change it; read its fields only while none of them runs.
type Payment struct {
	TxnID, OrderID string
	Amount         int64  // paise
	Currency       string // INR
	Mode           string // UPI, CC, DC, NB, PPI, HYBRID
	Status         paytm.Status
	PaidAt         time.Time
	Reference      string // MERC_UNQ_REF
	CustID         string
	SubsID         string
	PosID          string
	Campaign       string // PROMO_CAMP_ID
	Comments       string
	Extra          []paytm.Field // further names of the form and the flat JSON
	Refunds        []*Refund
}

// Refund is money on its way back for one payment. Event is the latest that Paytm sent or,
// before any, Accepted.
type Refund struct {
	ID, RefID string // Paytm's id and the merchant's
	Amount    int64  // paise
	Event     paytm.RefundEvent
	At        time.Time
}

// New makes a simulated Paytm with empty books. It panics on a merchant key of a length that
// no AES key has, as a test's mistake.
func New(c Config) *Paytm {
	if c.MID == "" {
		c.MID = DefaultMID
	}
	if c.MerchantKey == "" {
		c.MerchantKey = DefaultMerchantKey
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	p := &Paytm{
		mid:    c.MID,
		seed:   c.Seed,
		now:    c.Now,
		serial: rand.New(rand.NewPCG(c.Seed, 0)).Uint64N(serials),
		orders: map[string][]*Payment{},
		asked:  map[string]int{},
	}
	p.Rotate(c.MerchantKey)
	return p
}

// Rotate changes the merchant key: from now on Paytm signs and checks with this one alone.
func (p *Paytm) Rotate(merchantKey string) {
	key, err := paytm.NewKey(merchantKey)
	if err != nil {
		panic(fmt.Sprintf("paytmtest: %v", err))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.keyText = key, merchantKey
}

// Key returns the merchant key in force, ready to sign and verify.
func (p *Paytm) Key() *paytm.Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key
}

// MerchantKey returns the text of the merchant key in force, as a shop would configure it.
func (p *Paytm) MerchantKey() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keyText
}

// MID returns the merchant id.
func (p *Paytm) MID() string { return p.mid }

// Start serves Handler on a free port of 127.0.0.1. stop closes the listener and every
// connection, and may be called more than once.
func (p *Paytm) Start() (baseURL string, stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("paytmtest: no free port on 127.0.0.1: %v", err))
	}
	server := &http.Server{Handler: p.Handler(), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with ErrServerClosed, by stop
	}()
	return "http://" + listener.Addr().String(), func() {
		_ = server.Close() // nothing to save: open requests are dropped, as asked
		<-done
	}
}

// Option says how a payment differs from the usual one.
type Option func(*Payment)

// Mode sets the payment mode as Paytm writes it: UPI (the usual), CC, DC, NB, PPI, HYBRID.
func Mode(mode string) Option { return func(pay *Payment) { pay.Mode = mode } }

// Pending leaves the payment open until Settle.
func Pending() Option { return func(pay *Payment) { pay.Status = paytm.Pending } }

// Failed makes it a payment the bank declined.
func Failed() Option { return func(pay *Payment) { pay.Status = paytm.Failed } }

// Reference sets what the shop sent as extendInfo.mercUnqRef.
func Reference(ref string) Option { return func(pay *Payment) { pay.Reference = ref } }

// At sets the payment time; the wire carries whole seconds of it.
func At(t time.Time) Option { return func(pay *Payment) { pay.PaidAt = t } }

// Subscription marks it a debit of a subscription.
func Subscription(subsID string) Option { return func(pay *Payment) { pay.SubsID = subsID } }

// Customer sets CUSTID.
func Customer(custID string) Option { return func(pay *Payment) { pay.CustID = custID } }

// Campaign sets PROMO_CAMP_ID, the id of a campaign configured at Paytm.
func Campaign(id string) Option { return func(pay *Payment) { pay.Campaign = id } }

// Pos sets POS_ID, the counter or device of an in-store payment.
func Pos(id string) Option { return func(pay *Payment) { pay.PosID = id } }

// Comments sets the free text that the payer or the shop left.
func Comments(text string) Option { return func(pay *Payment) { pay.Comments = text } }

// TxnID sets the TXNID instead of a fresh one; nothing stops a test from using one twice.
func TxnID(id string) Option { return func(pay *Payment) { pay.TxnID = id } }

// Currency sets the currency code; Paytm's is always INR.
func Currency(code string) Option { return func(pay *Payment) { pay.Currency = code } }

// With adds one more name to the form and the flat JSON, signed like the others.
func With(name, value string) Option {
	return func(pay *Payment) {
		pay.Extra = append(pay.Extra, paytm.Field{Name: name, Value: value})
	}
}

// Pay books one payment for an order, amount in paise: a success by UPI, paid now, unless the
// options say otherwise.
func (p *Paytm) Pay(order string, amount int64, opts ...Option) *Payment {
	pay := &Payment{
		OrderID:  order,
		Amount:   amount,
		Currency: "INR",
		Mode:     "UPI",
		Status:   paytm.Success,
		PaidAt:   p.now(),
		CustID:   "CUST_001",
	}
	for _, opt := range opts {
		opt(pay)
	}
	pay.PaidAt = pay.PaidAt.UTC().Truncate(time.Second)
	p.mu.Lock()
	defer p.mu.Unlock()
	if pay.TxnID == "" {
		pay.TxnID = p.newID(pay.PaidAt, "111212800110168")
	}
	p.payments = append(p.payments, pay)
	p.orders[order] = append(p.orders[order], pay)
	return pay
}

// Settle gives a payment its end: what was PENDING becomes a success or a failure. Nothing
// stops a test from settling a second time, which the real Paytm never should.
func (p *Paytm) Settle(pay *Payment, s paytm.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pay.Status = s
}

// RefundOption says how a refund differs from the usual one.
type RefundOption func(*Refund)

// RefundID gives a refund an id of the test's own.
func RefundID(id string) RefundOption { return func(r *Refund) { r.ID = id } }

// Refund books a refund of amount paise, accepted and on its way.
func (p *Paytm) Refund(pay *Payment, amount int64, opts ...RefundOption) *Refund {
	at := p.now().UTC().Truncate(time.Second)
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &Refund{
		ID:     p.newID(at, "111212801300168"),
		RefID:  fmt.Sprintf("RF_%s_%d", pay.OrderID, len(pay.Refunds)+1),
		Amount: amount,
		Event:  paytm.Accepted,
		At:     at,
	}
	for _, opt := range opts {
		opt(r)
	}
	pay.Refunds = append(pay.Refunds, r)
	return r
}

// Payments returns all payments in the order they were booked.
func (p *Paytm) Payments() []*Payment {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Payment(nil), p.payments...)
}

const (
	serials = 1_000_000_000_000 // twelve digits
	stride  = 618_033_988_747   // has no factor in common with serials: no number comes twice
)

// newID makes an id in today's form: 35 digits, first the date in India. Callers hold p.mu.
func (p *Paytm) newID(at time.Time, middle string) string {
	p.serial = (p.serial + stride) % serials
	return fmt.Sprintf("%s%s%012d", at.In(paytm.IST).Format("20060102"), middle, p.serial)
}

// refunded is the sum of refunds that count, up to and with the given one, or all for nil.
// Callers hold p.mu.
func (pay *Payment) refunded(upTo *Refund) int64 {
	var sum int64
	for _, r := range pay.Refunds {
		if r.Event != paytm.Refused || r == upTo {
			sum += r.Amount
		}
		if r == upTo {
			break
		}
	}
	return sum
}
