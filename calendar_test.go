package main

// A shop's ten years in a second, under a clock that the test turns: by milliseconds and by a year, back and
// forth, between any two things that happen, and while Hissa is closed.
//
//	payments at the edges of days, months, quarters, financial years and leap days, of India and of UTC, to the
//	second on either side, and at any other moment; Paytm writes their times in IST
//	clicks at either end of their window, to the millisecond; promo codes, references, nobody
//	messages that come twice, years later, in another shape, late, or never; pending and failed payments
//	refunds, disputes, Paytm's API away
//	rates that change with the month, and one that depends on what the month has brought so far
//	every month's statements, drafted at the month's edge, approved, held, declined, paid, failed, reversed,
//	with tax by financial year
//	the comparison with Paytm's list, which finds what never came
//
// In the end the books are what the calendar says: calendar_reckoned_test.go works them out from what happened,
// with days, months and years by plain arithmetic. The same ten years under a clock that nobody turns come to the
// same in all that does not depend on when something was received. What does depend on it keeps to these rules:
//
//	a fact bears the clock's reading when it was booked, and its place says which came first, whatever the clock
//	a payment was first heard of with the message that has the first place
//	terms count from the second of their change; of several that do, the one with the last place
//	a click counts from its second until its window is over, by the payment's time
//	a commission is due when the clock has reached its day, and fixed when something is heard of it while it is due
//	a statement goes from place to place; what it pays, and the year of its tax, are the clock's
//	no question to Paytm's API is put off for longer than a day or two, nor the comparison with Paytm's list
//
// Five seeds usually, one in short mode, 10,000 in the long lane (HISSA_LONG=1). The invariant checker looks at the
// books after every 20th step, in the long lane after every 400th: after every step it takes ten times as long as
// all else.

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"hissa/paytm"
)

const (
	yearsGroups  = 25     // of payments around one moment
	yearsMinimum = 100_00 // of a payout
)

func TestTenYears(t *testing.T) {
	_, ahead := noon.Local().Zone()
	t.Log(ofThisMachine(ahead))
	seeds := cycles(1, 5, 10_000)
	piece, _ := longLane()
	first := seeds * max(0, piece-1)
	for seed := uint64(first); seed < uint64(first+seeds); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			p := planYears(seed)
			straight, turned := p.live(t, nil), p.live(t, rand.New(rand.NewPCG(seed, 11)))
			if a, b := straight.timeless(), turned.timeless(); a != b {
				t.Errorf("under a clock that is turned the books differ:\n%s", difference(b, a))
			}
		})
	}
}

func ofThisMachine(ahead int) string {
	return fmt.Sprintf("this machine's clock is %d s ahead of UTC", ahead)
}

// The same on a machine that stands in another zone.
func TestTenYearsElsewhere(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for zone, ahead := range map[string]int{
		"Asia/Kolkata": 19800, "America/New_York": -18000, "Pacific/Kiritimati": 50400,
	} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			elsewhere := exec.Command(self, "-test.run", "^TestTenYears$/^0$", "-test.v")
			elsewhere.Env = append(os.Environ(), "TZ="+zone, "HISSA_LONG=")
			out, err := elsewhere.CombinedOutput()
			for _, want := range []string{"--- PASS: TestTenYears/0 ", ofThisMachine(ahead)} {
				if err != nil || !strings.Contains(string(out), want) {
					t.Fatalf("want %q (%v) in\n%s", want, err, out)
				}
			}
		})
	}
}

// plan is what happens in ten years, the same whatever the clock shows.
type plan struct {
	*rand.Rand
	seed  uint64
	acts  []act
	sales []*sale
}

// act is done at a time, in ms since 1970.
type act struct {
	at int64
	do func(*life)
}

// sale is a payment as it is meant.
type sale struct {
	order, partner, basis string
	amount, paid, clicked int64
	begins                paytm.Status
}

// timeless reports whether what the payment comes to does not depend on when anything about it was received.
func (s *sale) timeless() bool { return s.partner != "RAVI" && s.begins != paytm.Failed }

// The ten years, and how long after them something may still happen.
var (
	yearsBegin = noon.UnixMilli() + hour
	yearsEnd   = yearsBegin + 3653*aDay
)

const yearsAfter = 100 * aDay

func planYears(seed uint64) *plan {
	p := &plan{Rand: luckOf(seed), seed: seed}
	for range yearsGroups {
		p.group()
	}
	for i, month := range edges(india, func(_, _, d int64) bool { return d == 1 }) {
		p.month(month, i%6 == 0 || p.chance(5))
	}
	for i := range int64(6) { // the program changes within a second of a payment
		paid := p.sales[p.IntN(len(p.sales))].paid
		p.at(paid+p.either(-1, 0, 1, second-1, second), func(l *life) { l.adopt(650 + 50*i) })
	}
	for range 6 {
		p.at(p.any(), (*life).restart)
	}
	slices.SortStableFunc(p.acts, func(a, b act) int { return cmp.Compare(a.at, b.at) })
	return p
}

func (p *plan) at(at int64, do func(*life)) {
	p.acts = append(p.acts, act{min(at, yearsEnd+yearsAfter), do})
}

func (p *plan) chance(percent int) bool { return p.IntN(100) < percent }

func (p *plan) either(list ...int64) int64 { return list[p.IntN(len(list))] }

func (p *plan) any() int64 { return yearsBegin + p.Int64N(yearsEnd-yearsBegin) }

// edges are those beginnings of days of a zone in the ten years that are wanted.
func edges(ahead int64, wanted func(y, m, d int64) bool) (list []int64) {
	zone := almanac{ahead}
	first := zone.day(yearsBegin) + 1
	y, m, d := civil(first)
	for at := zone.start(first); at < yearsEnd; at += aDay {
		if wanted(y, m, d) {
			list = append(list, at)
		}
		if d++; d > monthLength(y, m) {
			m, d = m+1, 1
		}
		if m > 12 {
			y, m = y+1, 1
		}
	}
	return list
}

// edge is the beginning of a day, mostly of one that matters.
func (p *plan) edge() int64 {
	luck := p.IntN(100)
	list := edges(p.either(india, india, 0), func(_, m, d int64) bool {
		switch {
		case luck < 30:
			return m == 2 && d == 29 || m == 3 && d == 1
		case luck < 50:
			return m == 4 && d == 1
		case luck < 60:
			return m%3 == 1 && d == 1
		case luck < 85:
			return d == 1
		}
		return true
	})
	return list[p.IntN(len(list))]
}

// group is payments around one moment: a second before, in it, after it, and some days away.
func (p *plan) group() {
	edge := p.edge()
	if p.chance(15) {
		edge = p.any() / second * second
	}
	for _, off := range []int64{-second, 0, p.either(second, 60*second), (p.Int64N(24) - 12) * aDay} {
		p.sell(max(yearsBegin, edge+off))
	}
}

// sell plans a payment and what is heard of it. Ravi's rate depends on what the month has brought, so his
// payments are heard of in their order, and nothing is taken back.
func (p *plan) sell(paid int64) {
	s := &sale{order: fmt.Sprint("Y", len(p.sales)), amount: 5_000_00 + p.Int64N(30_000_00), paid: paid,
		begins: paytm.Success}
	p.sales = append(p.sales, s)
	p.at(paid, func(l *life) { l.buy(s) })
	switch luck := p.IntN(100); {
	case luck < 45:
		s.partner = "RAVI"
		p.bringRavi(s)
		p.at(paid+2*second, func(l *life) { l.hear(s, 0) })
		p.hearAgain(s, paid+2*second)
		return
	case luck < 70:
		s.partner = "ASHA"
	case luck < 85:
		s.partner = "MEERA"
	}
	switch {
	case s.partner != "" && p.chance(40):
		s.basis = "reference"
	case s.partner != "":
		s.basis = "promo"
		p.at(paid+p.either(-1, -hour, aDay, 60*aDay), func(l *life) { l.bindCode(s) })
	}
	p.tell(s)
}

// bringRavi names Ravi by a code, or by a click near either end of its window.
func (p *plan) bringRavi(s *sale) {
	if p.chance(40) {
		s.basis = "promo"
		p.at(s.paid-1, func(l *life) { l.bindCode(s) })
		return
	}
	const window = 30 * aDay
	s.basis = "click"
	s.clicked = s.paid + p.either(-window-1, -window, 1-window, -p.Int64N(window), -1, 0, 1, second-1, second)
	p.at(s.clicked, func(l *life) { l.follow(s) })
}

// tell plans when a payment is heard of, if ever, and what comes after.
func (p *plan) tell(s *sale) {
	heard := s.paid + p.either(second, hour, p.Int64N(40*aDay))
	switch luck := p.IntN(100); {
	case luck < 6:
		s.begins = paytm.Failed
		p.at(heard, func(l *life) { l.hear(s, 0) })
		return
	case luck < 14:
		s.begins = paytm.Pending
		p.at(s.paid+second, func(l *life) { l.hear(s, 0) })
		p.at(s.paid+2*aDay, func(l *life) { l.succeed(s) })
		heard += 2 * aDay
	case luck < 22:
		heard = 0
	}
	if heard > 0 {
		shape, away := p.IntN(3), p.chance(20)
		p.at(heard, func(l *life) {
			l.api(away)
			l.hear(s, shape)
		})
		p.hearAgain(s, heard)
	}
	left := s.amount
	for p.chance(25) && left > 0 {
		amount := 1 + p.Int64N(left)
		if p.chance(30) {
			amount = left
		}
		left -= amount
		p.giveBack(s, amount)
	}
	if p.chance(8) && left > 0 {
		p.dispute(s, 1+p.Int64N(left))
	}
}

// hearAgain plans that a message comes once more, byte for byte, and that another says the same.
func (p *plan) hearAgain(s *sale, heard int64) {
	if p.chance(30) {
		p.at(heard+p.either(1, p.Int64N(3*365*aDay)), func(l *life) { l.hearOnceMore(s) })
	}
	if p.chance(20) {
		p.at(heard+p.either(second, p.Int64N(20*aDay), p.Int64N(2*365*aDay)), func(l *life) { l.hear(s, 2) })
	}
}

// giveBack plans a refund, at the edge of a day if there is one left, and what is heard of it.
func (p *plan) giveBack(s *sale, amount int64) {
	at := max(s.paid+3*aDay, min(p.edge()+p.either(-1, 0), s.paid+p.Int64N(400*aDay)))
	r := &giving{sale: s, amount: amount, silent: p.chance(25)}
	p.at(at, func(l *life) { l.refund(r) })
	if !r.silent {
		p.at(at+p.either(1, p.Int64N(3*aDay)), func(l *life) { l.refundHeard(r, "accepted") })
		p.at(at+3*aDay+p.Int64N(9*aDay), func(l *life) { l.refundHeard(r, "succeeded") })
	}
}

func (p *plan) dispute(s *sale, amount int64) {
	at, end := s.paid+3*aDay+p.Int64N(60*aDay), []string{"WON", "LOST"}[p.IntN(2)]
	p.at(at, func(l *life) { l.dispute(s, "NEW", amount) })
	p.at(at+p.Int64N(60*aDay), func(l *life) { l.dispute(s, end, amount) })
}

// month plans what is done about statements and payouts at the edge of a month, and the comparison. Paytm's list
// goes back 18 months.
func (p *plan) month(edge int64, compares bool) {
	at := edge + p.either(-1, 0, 1, second, p.Int64N(3*aDay))
	p.at(at, (*life).draft)
	for _, do := range []func(*life, uint64){(*life).judge, (*life).judge, (*life).send, (*life).settle} {
		luck := p.Uint64()
		at += 1 + p.Int64N(3*aDay)
		p.at(at, func(l *life) { do(l, luck) })
	}
	if compares {
		at := edge + p.Int64N(28*aDay)
		p.at(at, (*life).compareLists)
		p.at(at+aDay, (*life).compareAgain)
	}
}
