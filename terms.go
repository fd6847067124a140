package main

// Terms: the program's versions, the partners' versions and the codes that name a partner, as one
// read-only snapshot that the pure position consults.

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Program is one version of the terms. It counts for payments from the second it was changed in;
// the first version covers all time before it.
type Program struct {
	Seq         int64
	At          time.Time
	Rate        Rate
	ExcludeTax  int64 // basis points
	Hold        time.Duration
	Window      time.Duration
	Model       string // last-click or first-click
	Precedence  []string
	Lifetime    int // months, 0 when off
	Confirm     bool
	OrderSuffix string
	Cap         int64  // paise, the most that one payment earns; 0 for none
	Payments    int    // how many payments of one customer earn; 0 for all
	Tiers       []Tier // by sales, the lowest first
	Own         bool   // a partner's sale to themself is blocked
	Guesses     int    // more promo codes than this tried on an order block it; 0 for any number
	Who         string // whose command brought it; "" when that was not kept yet
}

// same reports whether two versions say the same, whoever brought them.
func (p Program) same(q Program) bool {
	return p.Rate == q.Rate && p.ExcludeTax == q.ExcludeTax && p.Hold == q.Hold &&
		p.Window == q.Window && p.Model == q.Model && slices.Equal(p.Precedence, q.Precedence) &&
		p.Lifetime == q.Lifetime && p.Confirm == q.Confirm && p.OrderSuffix == q.OrderSuffix &&
		p.Cap == q.Cap && p.Payments == q.Payments &&
		slices.Equal(p.Tiers, q.Tiers) && p.Own == q.Own && p.Guesses == q.Guesses
}

// Partner is one version of who earns.
type Partner struct {
	Seq   int64
	At    time.Time
	Code  string
	Rate  Rate   // zero: the program's
	State string // active or disabled
}

// Code is a name that stands for a partner: the partner's own code, a promo code or a reference.
// All share one case-insensitive namespace, and none ever moves to another partner.
type Code struct {
	Seq     int64
	At      time.Time
	Code    string
	Kind    string // partner, promo, reference
	Partner string
}

// Tier is a rate from an amount of sales on, in paise, that a partner brought within the month before the
// day of the payment: confirmed sales less refunds, months and days of India.
type Tier struct {
	From int64
	Rate Rate
}

// tier is the rate that sales reach, zero below the lowest.
func (p Program) tier(sales int64) (reached Rate) {
	for _, t := range p.Tiers {
		if sales >= t.From {
			reached = t.Rate
		}
	}
	return reached
}

func tierTexts(tiers []Tier) []string {
	list := []string{}
	for _, t := range tiers {
		list = append(list, decimal(t.From)+" "+t.Rate.String())
	}
	return list
}

// codeRate is one version of a promo code's own rate; the zero Rate is that of its partner.
type codeRate struct {
	At   time.Time
	Rate Rate
}

// markOf is whose mark it is, and of what kind.
type markOf struct{ partner, kind string }

// Terms is a snapshot; never changed once built.
type Terms struct {
	programs []Program             // by seq
	partners map[string][]Partner  // by code, by seq
	codes    map[string]Code       // by lower-case code
	rates    map[string][]codeRate // by lower-case code, by seq; of codes that ever had their own
	marks    map[string][]markOf   // of partners, by hash
}

// versionAt returns the last version that counts from second or earlier, else the first.
func versionAt[V any](versions []V, at func(V) time.Time, second time.Time) (v V) {
	for i, candidate := range versions {
		if i == 0 || !at(candidate).Truncate(time.Second).After(second) {
			v = candidate
		}
	}
	return v
}

func (t *Terms) programAt(paid time.Time) Program {
	return versionAt(t.programs, func(p Program) time.Time { return p.At }, paid)
}

// program returns the version with this seq.
func (t *Terms) program(seq int64) Program {
	i := slices.IndexFunc(t.programs, func(p Program) bool { return p.Seq == seq })
	if i < 0 {
		return Program{}
	}
	return t.programs[i]
}

// latest is the version that new clicks and bindings live under.
func (t *Terms) latest() Program {
	if len(t.programs) == 0 {
		return Program{}
	}
	return t.programs[len(t.programs)-1]
}

func (t *Terms) partnerAt(code string, paid time.Time) Partner {
	return versionAt(t.partners[code], func(p Partner) time.Time { return p.At }, paid)
}

// partner returns a partner's latest version by code, in any case.
func (t *Terms) partner(code string) (Partner, bool) {
	c, ok := t.codes[lower(code)]
	if !ok || c.Kind != "partner" {
		return Partner{}, false
	}
	versions := t.partners[c.Partner]
	return versions[len(versions)-1], true
}

// addCodeRate takes in the next version of a code's rate. Before its first there was none, unless that
// was booked together with the code.
func (t *Terms) addCodeRate(code string, r codeRate) {
	key := lower(code)
	if made := t.codes[key].At; len(t.rates[key]) == 0 && made.Before(r.At) {
		t.rates[key] = []codeRate{{At: made}}
	}
	t.rates[key] = append(t.rates[key], r)
}

// ownRate is the rate of a code itself at a time, zero when it has none.
func (t *Terms) ownRate(code string, paid time.Time) Rate {
	return versionAt(t.rates[lower(code)], func(r codeRate) time.Time { return r.At }, paid).Rate
}

// rateOf is what a candidate earns: the rate of the promo code that named the partner, else the
// partner's, else that of the tier that the partner's sales reach, else the program's.
func (t *Terms) rateOf(c Candidate, paid time.Time, sales int64, program Program) Rate {
	return cmp.Or(t.ownRate(c.Value, paid), t.partnerAt(c.Partner, paid).Rate, program.tier(sales), program.Rate)
}

// byCode makes the candidate of a code; how ends the sentence "code ASHA10 …".
func (t *Terms) byCode(basis, value, how string, paid time.Time) Candidate {
	value = strings.TrimSpace(value)
	c := Candidate{Basis: basis, Value: value}
	code, ok := t.codes[lower(value)]
	switch {
	case !ok:
		c.Verdict = value + " " + how + ", but names no partner"
		return c
	case (basis == "promo" || basis == "campaign") && code.Kind == "reference":
		c.Verdict = value + " " + how + ", but is registered as a reference, not as a promo code"
		return c
	}
	c.Partner, c.counts = code.Partner, true
	c.Verdict = value + " " + how
	return t.active(c, paid)
}

// active takes a candidate's chance away when the partner was disabled at payment time.
func (t *Terms) active(c Candidate, paid time.Time) Candidate {
	if t.partnerAt(c.Partner, paid).State == "disabled" {
		c.counts = false
		c.Verdict += "; but " + c.Partner + " was disabled at the time"
	}
	return c
}

// Rate is either basis points of the payment (1000 is 10 %) or a flat amount in paise.
type Rate struct {
	BPS  int64
	Flat int64
}

// String writes "10%", "12.5%", or "50.00" for a flat rate in rupees.
func (r Rate) String() string {
	if r.Flat > 0 {
		return decimal(r.Flat)
	}
	text := strings.TrimRight(fmt.Sprintf("%d.%02d", r.BPS/100, r.BPS%100), "0")
	return strings.TrimSuffix(text, ".") + "%"
}

// of is the commission on an amount, rounded once, half a paisa up; excludeTax (basis points)
// takes the tax inside the amount out first. A flat rate never exceeds the payment.
func (r Rate) of(amount, excludeTax int64) int64 {
	if r.Flat > 0 {
		return min(r.Flat, amount)
	}
	return share(amount, r.BPS, 10000+excludeTax)
}

// share is amount × part ÷ whole by a 128-bit product, half rounded up. None may be negative, and
// part ≤ whole keeps the result ≤ amount.
func share(amount, part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(amount), uint64(part))
	lo, carry := bits.Add64(lo, uint64(whole)/2, 0)
	quotient, _ := bits.Div64(hi+carry, lo, uint64(whole))
	return int64(quotient)
}

// lower folds ASCII only, as SQLite's NOCASE does.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}
