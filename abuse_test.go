package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func watchful() Program {
	terms := testTerms()
	terms.Own, terms.Guesses = true, 2
	return terms
}

func words(text string) *string { return &text }

// A partner's own sale is blocked, however the shop or Paytm writes who bought; a stranger's is not.
func TestOwnSalesAreBlocked(t *testing.T) {
	t.Parallel()
	b := openBooks(t, watchful())
	b.partner("ASHA", func(p *PartnerChange) {
		p.Email, p.Mobile, p.VPA, p.Customer = words("Asha.Rao@gmail.com"), words("+91 98765 43210"), words("asha@okbank"), words("4711")
	})
	b.partner("RAVI")
	for i, sale := range []struct {
		promo        string
		orders, pays Person
		same         string // "" when it is not blocked
	}{
		{"ASHA10", Person{}, Person{}, ""},
		{"ASHA10", Person{Customer: "4712", Email: "ravi@gmail.com", Mobile: "9876543211"}, Person{VPA: "ravi@okbank"}, ""},
		{"RAVI10", Person{Email: "asha.rao@gmail.com"}, Person{VPA: "asha@okbank"}, ""},
		{"ASHA10", Person{Email: "AshaRao+shop@googlemail.com"}, Person{}, "e-mail address"},
		{"ASHA10", Person{Mobile: "09876543210"}, Person{}, "mobile number"},
		{"ASHA10", Person{Customer: "4711"}, Person{}, "customer id"},
		{"ASHA10", Person{}, Person{VPA: "Asha@OKBANK"}, "UPI id"},
		{"ASHA10", Person{}, Person{VPA: "9876543210@ybl"}, "mobile number"},
		{"ASHA10", Person{}, Person{Email: "asharao@gmail.com", Mobile: "919876543210"}, "e-mail address and mobile number"},
		{"ASHA10", Person{Customer: "4711", Mobile: "9876543210"}, Person{VPA: "asha@okbank"}, "customer id and mobile number and UPI id"},
	} {
		txn := fmt.Sprint("T", i)
		if _, err := b.BindOrder(b.ctx(), Order{ID: txn, Promo: sale.promo}, sale.orders); err != nil {
			t.Fatal(err)
		}
		b.send(payment(txn, txn, func(n *Notification) { n.Payer = sale.pays }))
		b.answers(txn, agreeing(txn, txn, 100000))
		want, why := sale.promo[:4]+" 100.00 held period", ""
		if sale.same != "" {
			want, why = want+" abuse", "the customer seems to be ASHA: the same "+sale.same
		}
		if got, says := b.earned(txn), b.story(txn).Txn.Abuse; got != want || says != why {
			t.Errorf("sale %d is %s (%s), want %s (%s)", i, got, says, want, why)
		}
	}
}

// What a partner is known by only later blocks what is not due yet, and leaves what is.
func TestOwnSalesFoundLater(t *testing.T) {
	t.Parallel()
	b := openBooks(t, watchful())
	b.partner("ASHA")
	sale := func(txn string) {
		t.Helper()
		if _, err := b.BindOrder(b.ctx(), Order{ID: txn, Promo: "ASHA10"}, Person{Email: "a@b.in", Customer: "7"}); err != nil {
			t.Fatal(err)
		}
		b.send(payment(txn, txn, paid(b.clockNow())))
		b.answers(txn, agreeing(txn, txn, 100000))
	}
	sale("OLD")
	b.wait(20 * 24 * time.Hour)
	sale("NEW")
	if _, err := b.SetPartner(b.ctx(), PartnerChange{Code: "ASHA", Email: words("A@B.in")}); err != nil {
		t.Fatal(err)
	}
	b.inOrder()
	for txn, want := range map[string]string{"OLD": "ASHA 100.00 due", "NEW": "ASHA 100.00 held period abuse"} {
		if got := b.earned(txn); got != want {
			t.Errorf("%s is %s, want %s", txn, got, want)
		}
	}
	// The same again is nothing new.
	before := b.inOrder().Facts
	if _, err := b.SetPartner(b.ctx(), PartnerChange{Code: "ASHA", Email: words("a@b.in")}); err != nil || b.inOrder().Facts != before {
		t.Errorf("the same address makes %d facts (%v)", b.inOrder().Facts-before, err)
	}
}

// Codes that are tried one after the other on an order, and the click of a burst, block what they bring.
func TestGuessedCodesAndBursts(t *testing.T) {
	t.Parallel()
	b := openBooks(t, watchful())
	b.partner("ASHA")
	for _, promo := range []string{"SAVE10", "save10", "", "ASHA10"} {
		b.bind(Order{ID: "FEW", Promo: promo})
	}
	for _, promo := range []string{"SAVE10", "SAVE20", "ASHA10"} {
		b.bind(Order{ID: "MANY", Promo: promo})
	}
	limit, now := newBursts(), b.clockNow()
	var reasons []string
	for i := range 4 {
		reasons = append(reasons, limit.next(now, 2, "ASHA", "10.0.0.1", "Firefox"))
		if i < 2 && reasons[i] != "" || i >= 2 && !strings.HasPrefix(reasons[i], burst) {
			t.Errorf("click %d is %q", i, reasons[i])
		}
	}
	if limit.next(now, 2, "ASHA", "10.0.0.2", "Firefox") != "" || limit.next(now, 2, "RAVI", "10.0.0.1", "Firefox") != "" ||
		limit.next(now, 0, "ASHA", "10.0.0.1", "Firefox") != "" || limit.next(now.Add(time.Hour), 2, "ASHA", "10.0.0.1", "Firefox") != "" {
		t.Error("another address, another partner, no limit or another hour counts as the burst")
	}
	if err := b.RecordClick(b.ctx(), Click{ID: "clk_burst", Partner: "ASHA", Counted: reasons[3]}); err != nil {
		t.Fatal(err)
	}
	b.bind(Order{ID: "BURST", ClickID: "clk_burst"})
	for order, want := range map[string]string{
		"FEW": "", "MANY": "3 promo codes were tried on the order",
		"BURST": "the click came in a burst: more than 2 clicks within an hour from one browser at one address",
	} {
		b.send(payment(order, order))
		b.answers(order, agreeing(order, order, 100000))
		blocked := strings.HasSuffix(b.earned(order), " abuse")
		if got := b.story(order).Txn.Abuse; got != want || blocked != (want != "") {
			t.Errorf("%s is %s: %q, want %q", order, b.earned(order), got, want)
		}
	}
}

// A person lifts a block, or takes the commission back; the last word counts, and only about the partner
// it was said of.
func TestReview(t *testing.T) {
	t.Parallel()
	b := openBooks(t, watchful())
	b.partner("ASHA", func(p *PartnerChange) { p.VPA = words("asha@okbank") })
	b.partner("RAVI")
	b.send(payment("T1", "1", func(n *Notification) {
		n.Payer, n.Reference, n.Status = Person{VPA: "asha@okbank"}, "ASHA", "pending"
	}))
	b.send(payment("T1", "1", func(n *Notification) { n.Payer, n.Reference = Person{VPA: "asha@okbank"}, "ASHA" }))
	b.answers("T1", agreeing("T1", "1", 100000))
	review := func(txn string, accept bool, want string) {
		t.Helper()
		err := b.Review(b.ctx(), txn, accept, "so I say")
		b.inOrder()
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("reviewing %s (accept: %v): %v, want %q", txn, accept, err, want)
		}
	}
	is := func(want string) {
		t.Helper()
		if got := b.earned("T1"); got != want {
			t.Errorf("T1 is %s, want %s", got, want)
		}
	}
	review("NONE", true, "not found")
	is("ASHA 100.00 held period abuse")
	review("T1", true, "")
	is("ASHA 100.00 held period")
	review("T1", true, "nothing to accept")
	review("T1", false, "")
	is("ASHA 100.00 less 100.00 reversed")
	review("T1", false, "refused already")
	if told := b.toldOf("T1"); !strings.Contains(told, "A person refused it on") {
		t.Errorf("the story leaves the refusal out:\n%s", told)
	}
	b.bind(Order{ID: "1", Promo: "RAVI10"}) // what was said was about Asha
	is("RAVI 100.00 held period")
	b.wait(20 * 24 * time.Hour)
	is("RAVI 100.00 due")
	review("T1", false, "") // a person's word moves what is due
	is("RAVI 100.00 less 100.00 reversed")
	review("T1", true, "")
	is("RAVI 100.00 due")
	if b.balance("RAVI") != 10000 || b.balance("ASHA") != 0 {
		t.Errorf("Ravi is owed %d and Asha %d", b.balance("RAVI"), b.balance("ASHA"))
	}
	b.send(payment("T2", "2"))
	review("T2", true, "nobody earns on this payment")
	b.bind(Order{ID: "3", Promo: "RAVI10", Amount: 5})
	b.send(payment("T3", "3"))
	review("T3", true, "") // the shop's amount, too
	if got := b.earned("T3"); strings.Contains(got, "merchant") {
		t.Errorf("T3 is %s", got)
	}
}

// Through the wire: a browser that clicks without end is noticed, and what the shop says of who orders is
// nowhere in the file.
func TestAbuseOverHTTP(t *testing.T) {
	t.Parallel()
	s := serveShop(t, func(c *Config) { c.Abuse.Own, c.Abuse.Clicks = true, 3 })
	if _, err := s.SetPartner(s.ctx(), PartnerChange{Code: "ASHA", Mobile: words("9876543210")}); err != nil {
		t.Fatal(err)
	}
	var last string
	for range 4 {
		request, err := http.NewRequest(http.MethodGet, s.url+"/r/ASHA", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("User-Agent", "Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0")
		answer, err := s.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if len(answer.Cookies()) != 1 {
			t.Fatalf("%s, with the cookies %v", answer.Status, answer.Cookies())
		}
		last = answer.Cookies()[0].Value
	}
	const mobile = "+91 98765-43210"
	for i, order := range []string{
		`{"order_id":"1","click_id":"` + last + `"}`, `{"order_id":"2","promo_code":"ASHA10","mobile":"` + mobile + `","email":"x@y.example"}`,
	} {
		status, said := s.call(order)
		if status != http.StatusCreated {
			t.Errorf("order %d: %d %s", i, status, said)
		}
	}
	for txn, want := range map[string]string{"1": "the click came in a burst: ", "2": "the customer seems to be ASHA: the same mobile number"} {
		s.send(payment("T"+txn, txn, paid(s.clockNow())))
		if got := s.story("T" + txn).Txn.Abuse; !strings.HasPrefix(got, want) {
			t.Errorf("T%s: %q, want %q", txn, got, want)
		}
	}
	for _, suffix := range []string{"", "-wal"} {
		file, err := os.ReadFile(s.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		for _, personal := range []string{mobile, "x@y.example"} {
			if bytes.Contains(file, []byte(personal)) {
				t.Errorf("%s is in the database%s", personal, suffix)
			}
		}
	}
}

// call binds an order over HTTP.
func (s *liveShop) call(order string) (int, string) {
	s.Helper()
	request, err := http.NewRequest(http.MethodPost, s.url+"/v1/orders", strings.NewReader(order))
	if err != nil {
		s.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.key)
	answer, err := s.client.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer.StatusCode, string(said)
}

// However a number or an address is written, it is the same one; what is none is none.
func TestMarks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"9876543210": "9876543210", "+91 98765-43210": "9876543210", "09876543210": "9876543210", "(91)9876543210": "9876543210",
		"12345": "", "1234567890": "", "98765432101234": "", "98765x43210": "", "": "",
	} {
		if got := plainMobile(text); got != want {
			t.Errorf("mobile %q is %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		" A.B+c@GMail.com": "ab@gmail.com", "a.b+c@x.in": "a.b@x.in", "nobody": "", "": "",
	} {
		if got := plainEmail(text); got != want {
			t.Errorf("e-mail %q is %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`[6-9][0-9]{9}`).Draw(t, "number")
		for _, before := range []string{"", "0", "91", "+91", "+91 "} {
			if got := plainMobile(before + number); got != number {
				t.Fatalf("%q is %q", before+number, got)
			}
		}
	})
}
