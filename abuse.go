package main

// Signs of abuse: a sale that a partner seems to have made to themself, clicks that come in bursts, promo
// codes that were guessed. None is proof, so none takes anything away: the commission is blocked with the
// reason, until a person has looked (hissa review).

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"
)

// Person is how a customer or a partner can be known again. It is never stored: the facts hold marks.
type Person struct{ Customer, Email, Mobile, VPA string }

// Mark is a keyed hash of one such thing, which tells that two are the same and nothing else.
type Mark struct {
	Kind string // customer, email, mobile, vpa
	Hash string
}

// markWords are what the kinds of marks are called, in the order in which they are told.
var markWords = []struct{ kind, words string }{
	{"customer", "customer id"}, {"email", "e-mail address"}, {"mobile", "mobile number"}, {"vpa", "UPI id"},
}

// marks are those of what is known of a person, however it is written: mobile numbers with or without
// +91, addresses in any case, with or without what Gmail ignores. A UPI id often begins with the number.
func (p Person) marks(salt string) (list []Mark) {
	add := func(kind, value string) {
		m := Mark{kind, aliasOf(salt, kind, value)}
		if value != "" && !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	add("customer", p.Customer)
	add("email", plainEmail(p.Email))
	add("mobile", plainMobile(p.Mobile))
	vpa := strings.ToLower(strings.TrimSpace(p.VPA))
	add("vpa", vpa)
	if name, _, is := strings.Cut(vpa, "@"); is {
		add("mobile", plainMobile(name))
	}
	return list
}

func plainEmail(text string) string {
	name, host, is := strings.Cut(strings.ToLower(strings.TrimSpace(text)), "@")
	if !is {
		return ""
	}
	name, _, _ = strings.Cut(name, "+")
	if host == "gmail.com" || host == "googlemail.com" {
		name, host = strings.ReplaceAll(name, ".", ""), "gmail.com"
	}
	return name + "@" + host
}

// plainMobile is the ten digits of an Indian number, "" when there are not as many.
func plainMobile(text string) string {
	var digits []byte
	for _, c := range []byte(text) {
		switch {
		case '0' <= c && c <= '9':
			digits = append(digits, c)
		case !strings.ContainsRune(" +-()", rune(c)):
			return ""
		}
	}
	if n := len(digits); n >= 10 && n <= 13 && digits[n-10] >= '6' {
		return string(digits[n-10:])
	}
	return ""
}

// burst begins the reason of a click that one in a burst is given. Such a click names its partner, but
// blocks what it earns.
const burst = "burst: "

// abuse says what about a sale looks wrong, "" when nothing does. Of an order's customers, messages and
// partners only the marks are compared, so it is as pure as the rest of the position.
func abuse(p *Position, f Facts, o *Order, t *Terms, program Program) string {
	var signs []string
	if same := sameAs(p, f, o, t); program.Own && len(same) > 0 {
		signs = append(signs, "the customer seems to be "+p.Partner+": the same "+strings.Join(same, " and "))
	}
	if c := f.Clicks[p.Value]; c != nil && strings.HasPrefix(c.Counted, burst) {
		signs = append(signs, "the click came in a "+c.Counted)
	}
	if program.Guesses > 0 && p.Basis == "promo" && o != nil && o.Tried > program.Guesses {
		signs = append(signs, fmt.Sprintf("%d promo codes were tried on the order", o.Tried))
	}
	return strings.Join(signs, "; ")
}

// sameAs lists what the customer of a sale has in common with the partner who brought it.
func sameAs(p *Position, f Facts, o *Order, t *Terms) (same []string) {
	hashes := append(slices.Clone(f.Payer), p.Customer)
	if o != nil {
		hashes = append(hashes, strings.Fields(o.Marks)...)
	}
	for _, mark := range markWords {
		if slices.ContainsFunc(hashes, func(hash string) bool {
			return slices.Contains(t.marks[hash], markOf{p.Partner, mark.kind})
		}) {
			same = append(same, mark.words)
		}
	}
	return same
}

// bursts counts the clicks that come from one browser at one address through one partner's link, within
// the hour. It is in memory alone, and holds hashes under a key that dies with the process.
type bursts struct {
	mu     sync.Mutex
	seed   maphash.Seed
	since  time.Time
	counts map[uint64]int
}

const (
	burstPeriod = time.Hour
	// burstMost bounds the memory: past it, all is forgotten and counted from the start.
	burstMost = 100_000
)

func newBursts() *bursts { return &bursts{seed: maphash.MakeSeed(), counts: map[uint64]int{}} }

// next counts a click and returns why it is one of a burst, "" when it is none.
func (b *bursts) next(now time.Time, most int, partner, address, browser string) string {
	if most == 0 {
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.counts) >= burstMost || now.Sub(b.since) >= burstPeriod || now.Before(b.since) {
		b.since, b.counts = now, map[uint64]int{}
	}
	key := maphash.String(b.seed, partner+"\x00"+address+"\x00"+browser)
	if b.counts[key]++; b.counts[key] <= most {
		return ""
	}
	return fmt.Sprintf("%smore than %d clicks within an hour from one browser at one address", burst, most)
}
