package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// busyShop is a shop that has had some weeks of every sort of payment.
func busyShop(t *testing.T, seed uint64, payments int) *books {
	t.Helper()
	b := openBooks(t, testTerms())
	partners := []string{"ASHA", "RAVI", "MEERA"}
	for _, code := range partners {
		b.partner(code)
	}
	r := luckOf(seed)
	for i := range payments {
		b.wait(time.Duration(r.IntN(int(2 * 40 * 24 * time.Hour / time.Duration(payments)))))
		if i == payments/2 { // the hold period changes on the way
			terms := testTerms()
			terms.Hold = 5 * 24 * time.Hour
			if _, err := b.AdoptProgram(b.ctx(), terms, false); err != nil {
				t.Fatal(err)
			}
		}
		txn, order := fmt.Sprintf("2026%05d", i), fmt.Sprintf("ORDER%d", i)
		n := payment(txn, order, paid(b.clockNow().Add(-time.Duration(r.IntN(90))*time.Minute)), amount(int64(1+r.IntN(5))*50000))
		if r.IntN(3) > 0 {
			n.Reference = partners[r.IntN(r.IntN(3)+1)]
		}
		switch r.IntN(12) {
		case 0:
			n.Status = "failed"
		case 1:
			n.Status = "pending"
		}
		b.deliver(n)
		switch r.IntN(10) {
		case 0:
			n.Amount += 100
			b.deliver(n)
		case 1:
			b.deliver(refund(txn, "R"+txn, "succeeded", 10000))
		case 2:
			b.deliver(dispute(txn, "D"+txn, "NEW", n.Amount))
		case 3:
			b.deliver(refund("UNKNOWN"+txn, "R"+txn, "accepted", 10000))
		}
		switch r.IntN(6) {
		case 0:
		case 1:
			b.answers0(txn, denying(txn, order))
		default:
			b.answers0(txn, agreeing(txn, order, n.Amount))
		}
	}
	b.inOrder()
	return b
}

// answers0 is answers without the look at the books.
func (b *books) answers0(txn string, a ...Answer) {
	b.Helper()
	if err := b.RecordAnswers(b.ctx(), Poll{TxnID: txn}, a); err != nil {
		b.Fatal(err)
	}
}

// every payment, by an ordinary reading of the whole table.
func (b *books) allLines() (list []paymentLine) {
	b.Helper()
	if err := b.read(b.ctx(), func(r rows) error {
		ts, err := r.transactions(q("transactions-by-order"))
		for _, txn := range ts {
			c, failed := r.commission(txn.ID)
			list, err = append(list, paymentLine{txn, c}), cmp.Or(err, failed)
		}
		return err
	}); err != nil {
		b.Fatal(err)
	}
	slices.SortFunc(list, func(x, y paymentLine) int {
		return cmp.Or(y.PaidAt.Compare(x.PaidAt), cmp.Compare(y.ID, x.ID))
	})
	return list
}

// Whatever a list is narrowed down to, its pages together hold each payment that fits once, the newest first.
func TestPagesOfPaymentsHoldEachOnce(t *testing.T) {
	b := busyShop(t, 1, cycles(60, 150, 600))
	all, now := b.allLines(), b.clockNow()
	middle := all[len(all)/2].PaidAt
	for _, partner := range []string{"", "ASHA", "MEERA", "NOBODY"} {
		for _, state := range []string{"", "due", "held", "paid", "reversed", "nobody", "pending", "failed", "refunded"} {
			for _, f := range []paymentFilter{
				{Partner: partner, State: state, Amount: -1},
				{Partner: partner, State: state, Amount: 100000},
				{Partner: partner, State: state, Amount: -1, Span: Span{From: middle}},
				{Partner: partner, State: state, Amount: -1, Span: Span{To: middle}},
			} {
				var want, got []string
				for _, l := range all {
					s, _ := l.state(now)
					fits := f.State == "" || s == f.State ||
						f.State == "refunded" && l.Refunded > 0 || f.State == l.Status
					if fits && (f.Partner == "" || l.Partner == f.Partner) && (f.Amount < 0 || l.Amount == f.Amount) &&
						!l.PaidAt.Before(f.Span.From) && (f.Span.To.IsZero() || l.PaidAt.Before(f.Span.To)) {
						want = append(want, l.TxnID)
					}
				}
				for from := newest; ; {
					page, err := b.Payments(b.ctx(), f, from, 11)
					if err != nil {
						t.Fatal(err)
					}
					for _, l := range page.Lines {
						got = append(got, l.TxnID)
					}
					if page.Next == nil {
						break
					}
					if next := parsePlace(page.Next.String()); next == from {
						t.Fatalf("%+v: the page after %v is itself (%d payments, looked up to %v)", f, from, len(page.Lines), page.Upto)
					}
					if len(page.Lines) != 11 && page.Upto.IsZero() {
						t.Fatalf("%+v: a page of %d payments does not say how far it has looked", f, len(page.Lines))
					}
					from = parsePlace(page.Next.String())
				}
				if !slices.Equal(got, want) {
					t.Errorf("%+v: %d payments, want %d:\n%v\n%v", f, len(got), len(want), got, want)
				}
			}
		}
	}
}

// What is held and what is due are what the commissions say, one by one, whatever the hold period was.
func TestOwedIsWhatTheCommissionsSay(t *testing.T) {
	b := busyShop(t, 2, cycles(60, 150, 600))
	for range 8 {
		terms, err := b.Terms(b.ctx())
		if err != nil {
			t.Fatal(err)
		}
		want, next, now := map[string]int64{}, time.Time{}, b.clockNow()
		for _, l := range b.allLines() {
			if l.Commission == nil {
				continue
			}
			state, blocks := l.Commission.State(now)
			if state != "held" {
				continue
			}
			want[""] += l.Commission.net()
			want[l.Partner] += l.Commission.net()
			if at := l.Commission.DueAt; slices.Contains(blocks, "period") && l.Commission.Amount > 0 &&
				(next.IsZero() || at.Before(next)) {
				next = at
			}
		}
		err = b.read(b.ctx(), func(r rows) error {
			each, err := r.held(terms, "", now)
			for code, sum := range each {
				if code != "" && sum != want[code] {
					t.Errorf("%s: held of each %d, want %d", code, sum, want[code])
				}
			}
			for _, code := range []string{"", "ASHA", "RAVI", "MEERA"} {
				o, failed := r.owed(terms, code, now)
				balance := b.balance(code)
				if code == "" {
					balance = b.balance("ASHA") + b.balance("RAVI") + b.balance("MEERA")
				}
				if o.Held != want[code] || o.Balance != balance || o.due() != max(0, balance-want[code]) ||
					code == "" && !o.Next.Equal(next) {
					t.Errorf("%q at %s: %+v, want held %d of %d, next %s", code, clock(now), o, want[code], balance, next)
				}
				err = cmp.Or(err, failed)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		b.wait(3*24*time.Hour + 7*time.Hour)
	}
}

// A payment is found by whatever a person has in hand.
func TestPaymentsAreFoundByWhatAPersonHasInHand(t *testing.T) {
	s := serveShop(t)
	p := s.paytm
	pay := func(order string, options ...paytmtest.Option) *paytmtest.Payment {
		made := p.Pay(order, 123400, options...)
		s.wants(order, p.PaymentForm(made), 200, "unattributed")
		return made
	}
	plain := pay("1042")
	suffixed := pay("1042_20261122101500")
	longer := pay("10420")
	pay("77")
	bank := bankOf(t, p.PaymentForm(plain).Body)
	for _, look := range []struct {
		text string
		want []*paytmtest.Payment
	}{
		{plain.TxnID, []*paytmtest.Payment{plain}},
		{"1042", []*paytmtest.Payment{plain, suffixed, longer}},
		{"1042_2026", []*paytmtest.Payment{suffixed}},
		{"104", []*paytmtest.Payment{plain, suffixed, longer}},
		{bank, []*paytmtest.Payment{plain}},
		{bank[:8], nil}, // of it only a number made of the whole is kept
		{"nothing of this", nil},
		{"' OR 1=1 --", nil},
	} {
		found, more, err := s.PaymentsNamed(s.ctx(), look.text, 20)
		if err != nil || more {
			t.Fatal(err, more)
		}
		var got, want []string
		for _, l := range found {
			got = append(got, l.TxnID)
		}
		for _, w := range look.want {
			want = append(want, w.TxnID)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q finds %v, want %v", look.text, got, want)
		}
	}
	if found, more, err := s.PaymentsNamed(s.ctx(), "104", 2); len(found) != 2 || !more || err != nil {
		t.Errorf("two of more: %d, %v, %v", len(found), more, err)
	}
	// The reference goes with the body, and the number with it.
	if _, err := s.DropBodies(s.ctx(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if found, _, err := s.PaymentsNamed(s.ctx(), bank, 2); len(found) != 0 || err != nil {
		t.Errorf("after its body was deleted a payment is found by %s: %v", bank, err)
	}
	s.bind(Order{ID: "gone", Customer: "c-77"})
	gone := pay("gone")
	bank = bankOf(t, p.PaymentForm(gone).Body)
	if found, _, err := s.PaymentsNamed(s.ctx(), bank, 2); len(found) != 1 || err != nil {
		t.Errorf("%s finds %d (%v)", bank, len(found), err)
	}
	kept := func() (n int) {
		if err := s.read(s.ctx(), func(r rows) error {
			return r.one("SELECT count(*) FROM banks WHERE notification IN (SELECT seq FROM notifications WHERE txn_id = ?)",
				args{gone.TxnID}, &n)
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := kept()
	if _, err := s.Forget(s.ctx(), "c-77"); err != nil {
		t.Fatal(err)
	}
	if after := kept(); before != 1 || after != 0 {
		t.Errorf("%d numbers of the customer's message before they were forgotten, %d after", before, after)
	}
}

// bankOf is the bank's reference in a message.
func bankOf(t *testing.T, body []byte) string {
	t.Helper()
	envelope, err := paytm.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	reference := envelope.BankReference()
	if len(reference) < 10 {
		t.Fatalf("the message has no reference of the bank: %q", reference)
	}
	return reference
}

// What waits for a person is counted, and listed page by page.
func TestNeedsAreCountedAndListed(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	for i := range 3 {
		b.send(payment(fmt.Sprint("C", i), "1", amount(1000)))
		b.send(payment(fmt.Sprint("C", i), "1", amount(2000)))
		b.send(payment(fmt.Sprint("U", i), "2", func(n *Notification) { n.Unusable, n.Type = "TXNAMOUNT is missing", fmt.Sprint(i) }))
		b.send(refund(fmt.Sprint("X", i), "R", "succeeded", 500))
		b.bind(Order{ID: fmt.Sprint("M", i), Promo: "ASHA10", Amount: 77})
		b.send(payment(fmt.Sprint("M", i), fmt.Sprint("M", i)))
		b.answers(fmt.Sprint("M", i), agreeing(fmt.Sprint("M", i), fmt.Sprint("M", i), 100000))
		b.send(payment(fmt.Sprint("E", i), fmt.Sprint("E", i)))
		for _, kind := range []string{"N", "D"} { // the API says no, the customer does
			id := fmt.Sprint(kind, i)
			b.bind(Order{ID: id, Promo: "ASHA10"})
			b.send(payment(id, id))
			b.answers(id, map[string]Answer{"N": denying(id, id), "D": agreeing(id, id, 100000)}[kind])
		}
		b.send(dispute(fmt.Sprint("D", i), "P", "NEW", 100000))
	}
	b.send(payment("F", "F", status("failed"))) // an ordinary failure is nobody's business
	b.answers("F", denying("F", "F"))
	counts := func() map[string]int64 {
		needs, err := b.Needs(b.ctx())
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, n := range needs {
			if got[n.Kind] = n.Count; (n.Count == 0) != n.Oldest.IsZero() || n.More {
				t.Errorf("%+v", n)
			}
		}
		return got
	}
	want := map[string]int64{"conflict": 3, "review": 3, "expired": 0, "refunds": 3, "abuse": 0, "merchant": 3,
		"forward": 0, "unattributed": 6, "denied": 3, "dispute": 3}
	if got := counts(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	b.wait(73 * time.Hour)
	// Of E0 the API knows nothing and it is given up; nobody was there to ask about the others.
	b.answers("E0", Answer{Asked: "E0", OrderID: "E0", Result: "unknown", Amount: -1})
	want["expired"] = 6 // the conflicts are not settled either
	if got := counts(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after three days: %v, want %v", got, want)
	}
	for kind, n := range want {
		seen := map[string]bool{}
		for from, more := newest, true; more; {
			var ids []string
			var next *place
			if kind == "review" || kind == "refunds" {
				list, further, err := b.NeedMessages(b.ctx(), kind, from, 2)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range list {
					ids = append(ids, fmt.Sprint(m.Seq))
				}
				next = further
			} else if kind == "forward" {
				break
			} else {
				l, err := b.NeedPayments(b.ctx(), kind, from, 2)
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range l.Lines {
					ids = append(ids, l.TxnID)
				}
				next = l.Next
			}
			for _, id := range ids {
				if seen[id] {
					t.Errorf("%s: %s twice", kind, id)
				}
				seen[id] = true
			}
			if more = next != nil; more {
				from = *next
			}
		}
		if int64(len(seen)) != n {
			t.Errorf("%s lists %d, want %d", kind, len(seen), n)
		}
	}
	// A person's word, the API's and a message that comes late each take one off a list.
	if err := b.decides("E0", Decision{Agree: true}); err != nil {
		t.Fatal(err)
	}
	b.answers("E1", agreeing("E1", "E1", 100000))
	if err := b.decides("C0", Decision{Agree: true, Amount: 1000}); err != nil {
		t.Fatal(err)
	}
	if err := b.Review(b.ctx(), "M0", true, "as agreed"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.decides("N0", Decision{}), b.decides("N1", Decision{Agree: true})); err != nil {
		t.Fatal(err)
	}
	b.send(dispute("D0", "P", "WON", 100000))
	b.send(payment("X0", "X0")) // first heard of three days ago, by its refund
	want = map[string]int64{"conflict": 2, "review": 3, "expired": 4, "refunds": 2, "abuse": 0, "merchant": 2,
		"forward": 0, "unattributed": 7, "denied": 1, "dispute": 2}
	if got := counts(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after some were settled: %v, want %v", got, want)
	}
}

// No query of a page reads a large table from end to end: it goes in by an index, and by rowid only where it
// stops after so many.
func TestPagesScanNoLargeTable(t *testing.T) {
	b := openBooks(t, testTerms())
	scan := regexp.MustCompile(`^SCAN (\w+)( USING (COVERING )?INDEX (\w+))?`)
	// What may be walked: indexes that ordinary payments are not in, and small tables.
	lawful := []string{"transactions_in_conflict", "transactions_blocked", "transactions_disputed",
		"transactions_denied", "notifications_for_review",
		"forwards_given_up", "polls", "given_up", "back", "span", "n", "b", "d", "accounts", "contacts",
		"payout_files", "head"} // the first of which stops after so many
	err := b.read(b.ctx(), func(r rows) error {
		for name, statement := range queries {
			page := strings.HasPrefix(name, "page-") || strings.HasPrefix(name, "needs-") ||
				slices.Contains([]string{"count-conflicts", "count-blocked", "count-disputed", "count-denied",
					"count-expired", "count-review",
					"count-refunds", "count-forwards", "subjects-of-order", "statements-of-partner", "body-of", "newest-fact"}, name)
			if !page {
				continue
			}
			var holes args
			for range strings.Count(statement, "?") {
				holes = append(holes, 0)
			}
			most := 0
			for n := range holes {
				if strings.Contains(statement, fmt.Sprint("?", n+1)) {
					most = n + 1
				}
			}
			if most > 0 {
				holes = holes[:most]
			}
			if err := r.each("EXPLAIN QUERY PLAN "+statement, holes, func(into func(...any) error) error {
				var id, parent, unused int
				var detail string
				err := into(&id, &parent, &unused, &detail)
				m := scan.FindStringSubmatch(detail)
				if m != nil && !slices.Contains(lawful, cmp.Or(m[4], m[1])) && !strings.HasPrefix(m[1], "CONSTANT") {
					t.Errorf("%s: %s", name, detail)
				}
				return err
			}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
