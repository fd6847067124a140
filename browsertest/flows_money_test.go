package browsertest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hissa/paytm/paytmtest"
)

// stays marks the document that is shown; the function that it returns fails the test where there is another.
func (p *tab) stays() func() {
	p.Helper()
	p.run(`window.stayed = true; undefined`)
	return func() {
		p.Helper()
		if !eval[bool](p, `!!window.stayed`) {
			p.Error("the page was loaded anew")
		}
	}
}

// comesUp waits until a part of the page says something.
func (p *tab) comesUp(part, text string) {
	p.Helper()
	p.until(text+" comes up", fmt.Sprintf(
		`document.querySelector(%q).innerText.replaceAll('\u00a0', ' ').includes(%q)`, part, text))
}

// A sale is seen where the payments are open, as it happens, and so is whose it is; nothing is loaded anew.
func TestSalesAreSeenLive(t *testing.T) {
	inViews(t, func(t *testing.T, v view) {
		s := newShop(t, "", `hold = "0d"`)
		lives(t, "shop.example", s.plainShop(""))
		p := s.merchant(v)
		p.comes("/admin/payments")
		p.says("No payment yet")
		same := p.stays()

		visitor := open(t, view{width: 360})
		visitor.goTo(house + "/r/ASHA?sub=reel")
		visitor.buys("1001")
		if got := s.pays("1001"); got != "ASHA click 149.90" {
			t.Errorf("the payment earns %q", got)
		}
		p.comesUp("#rows", "Asha")
		p.comesUp("#rows", "Due") // Paytm's API was asked, and agreed
		p.comesUp("#live", "1 new payment")

		s.takes("1002", 250000) // paid before the shop says whose it is
		p.comesUp("#rows", "No partner")
		s.bind("1002", visitor.cookie("hissa_click").Value)
		p.until("the partner is there", `!document.querySelector('#rows').innerText.includes('No partner')`)
		p.comesUp("#rows", "₹2,500.00")
		same()
		p.fine()

		p.follows("#rows tbody tr:last-child a")
		p.says("₹1,499.00 for order 1001", "Asha earns ₹149.90.", "by a click", "this one counts")
		p.comes("/admin/")
		same = p.stays()
		p.comesUp("#numbers", "₹3,999.00 in sales")
		s.takes("1003", 100000)
		p.comesUp("#numbers", "₹4,999.00 in sales")
		p.comesUp("#latest", "No partner")
		same()
		p.fine()
	})
}

// Rows do not move while somebody reads them: they wait behind a line until that is pressed.
func TestNewRowsWaitWhileOneReads(t *testing.T) {
	s := newShop(t, "")
	p := s.merchant(view{width: 360})
	s.takes("1", 100000)
	p.comes("/admin/payments")
	same := p.stays()
	p.run(`document.querySelector('#rows a').focus(); undefined`)
	s.takes("2", 200000)
	p.comesUp("#live", "1 new payment · show")
	if strings.Contains(p.text("#rows"), "2,000") {
		t.Error("the rows moved while one of them was in use")
	}
	p.fine()
	p.press("#live button")
	p.comesUp("#rows", "₹2,000.00")
	same()
}

// What happened while the service was away is seen once it is back: at the shop's pages and at a partner's, and
// none of them is loaded anew.
func TestPagesCatchUp(t *testing.T) {
	s := newShop(t, "")
	s.hissa("partner", "set", "ASHA", "-email", "asha@example.in")
	shop, asha := s.merchant(view{}), open(t, view{width: 360})
	asha.welcomed(strings.TrimSpace(s.hissa("partner", "invite", "ASHA")))
	shop.comes("/admin/payments")
	s.takes("1", 100000, paytmtest.Reference("ASHA"))
	shop.comesUp("#rows", "₹1,000.00")
	asha.comesUp("#latest", "₹100.00")
	sameForShop, sameForAsha := shop.stays(), asha.stays()

	s.stop()
	away := func(p *tab) bool { // the proxy in front says so
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.ContainsFunc(p.said, func(text string) bool { return strings.Contains(text, "status of 502 ") })
	}
	for deadline := time.Now().Add(patience); !away(shop) || !away(asha); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no page has come back to a service that is away")
		}
	}
	s.serve()
	s.takes("2", 200000, paytmtest.Reference("ASHA")) // before anybody is let through to it
	lives(t, "go.shop.example", behind(t, s.url))
	shop.comesUp("#rows", "₹2,000.00")
	shop.comesUp("#live", "2 new payments")
	asha.comesUp("#latest", "₹200.00")
	sameForShop()
	sameForAsha()
	for _, p := range []*tab{shop, asha} {
		for away(p) {
			p.expects(http.StatusBadGateway)
		}
		p.fine()
	}
}

// brings lets a partner bring sales that are due, by a reference, and waits until they are.
func (s *shop) brings(code string, amounts ...int64) {
	s.Helper()
	for i, amount := range amounts {
		order := fmt.Sprint(code, "-", amount, "-", i)
		s.takes(order, amount, paytmtest.Reference(code))
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		due := 0
		for _, row := range s.rows("commissions") {
			if row["partner"] == code && row["state"] == "due" {
				due++
			}
		}
		if due >= len(amounts) {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("of %d sales of %s %d are due", len(amounts), code, due)
		}
	}
}

// What partners are owed is drafted, approved with the password given again, paid by QR or by the bank's
// file, and recorded with the bank's reference.
func TestPayingPartners(t *testing.T) {
	inViews(t, func(t *testing.T, v view) {
		s := newShop(t, "", `hold = "0d"`, "[payout]", `account = "50100012345678"`)
		s.hissa("partner", "set", "ASHA", "-name", "Asha Rao", "-vpa", "asha.rao@okbank")
		s.hissa("partner", "set", "RAVI", "-name", "Ravi Kumar", "-account", "001234567890", "-ifsc", "HDFC0001234")
		s.brings("ASHA", 149900, 250000)
		s.brings("RAVI", 1000000)
		p := s.merchant(v)
		p.comes("/admin/statements")
		p.follows(`form[action$="/draft"] button`)
		p.says("Drafted.", "Asha Rao", "₹399.90", "Ravi Kumar", "₹1,000.00", "To approve")

		p.follows(`#rows a[href$="/statements/1"]`)
		p.says("Statement 1 for Asha Rao", "The payout covers 2 commissions", "₹399.90")
		p.opens(".panel summary")
		p.follows("button[value=approved]")
		p.says("Your password, once more", "You are about to approve a payment to a partner.")
		p.fills("again_password", "another password")
		p.stopped("main form button", 422, "That is not your password.")
		p.fills("again_password", password)
		p.follows("main form button")
		p.at("/admin/payouts/1")
		p.says("₹399.90 to Asha Rao", "Approved")
		p.paysByQR("asha.rao@okbank", "Asha Rao", "399.90")
		p.fills("utr", "?")
		p.stopped("button[value=paid]", 422, "6 to 32 letters and digits")
		p.fills("utr", "HDFCN52026120112345")
		p.follows("button[value=paid]")
		p.says("Paid", "HDFCN52026120112345", "meera@shop.in")

		p.comes("/admin/statements")
		p.press(`input[name=id][value="2"]`)
		p.follows(`form[action$="/statements/approve"] > p button`)
		p.at("/admin/payouts")
		p.says("1 payout is ready, ₹1,000.00")
		p.follows(`form[action$="/payouts/file"] button`)
		p.at("/admin/payouts")
		p.says("The file is made", "File 1", "Sent")
		name, text := p.saves(`a[href$="/payouts/files/1"]`)
		if name != "payouts-1.csv" || !strings.Contains(text, "Ravi Kumar,001234567890,HDFC0001234,1000.00") ||
			!strings.Contains(text, "50100012345678") || strings.Contains(text, "Asha") {
			t.Errorf("%s holds\n%s", name, text)
		}
		p.follows(`#rows a[href$="/payouts/2"]`)
		p.fills("utr", "HDFCN52026120154321")
		p.follows("button[value=paid]")
		p.says("Paid", "HDFCN52026120154321")
		paid := map[string]any{}
		for _, row := range s.rows("ledger") {
			if row["kind"] == "pay" {
				paid[fmt.Sprint(row["debit"])] = row["amount"]
			}
		}
		if len(paid) != 2 || paid["partner:ASHA"] != "399.90" || paid["partner:RAVI"] != "1000.00" {
			t.Errorf("the ledger has as paid %v", paid)
		}
	})
}

// paysByQR has the QR of an approved payout shown, and reads it with a phone's camera: it holds what the page
// says.
func (p *tab) paysByQR(vpa, name, amount string) {
	p.Helper()
	p.follows(`form[action$="/send"] button`)
	p.says("Sent", vpa, amount)
	codes := p.codes()
	if len(codes) != 1 {
		p.Fatalf("the camera reads %q", codes)
	}
	link, err := url.Parse(codes[0])
	if err != nil || link.Scheme != "upi" || link.Host != "pay" {
		p.Fatalf("the camera reads %q: %v", codes[0], err)
	}
	q := link.Query()
	for field, want := range map[string]string{
		"pa": vpa, "pn": name, "am": amount, "cu": "INR", "tn": p.shows(".copylist div:nth-child(3) bdi"),
	} {
		if q.Get(field) != want {
			p.Errorf("the QR says %s=%q, want %q", field, q.Get(field), want)
		}
	}
	for i, want := range []string{vpa, amount} {
		if got := p.shows(fmt.Sprintf(".copylist div:nth-child(%d) dd > :first-child", i+1)); got != want {
			p.Errorf("the page has to copy %q, want %q", got, want)
		}
	}
}

// A partner signs in by the link, in a browser of their own, and sees what is theirs: what is held, due and
// paid, each sale as it comes, the link and its QR, the statement. Of others they see nothing.
func TestAPartnersView(t *testing.T) {
	inViews(t, func(t *testing.T, v view) {
		s := newShop(t, "", `hold = "0d"`)
		s.hissa("partner", "set", "ASHA", "-email", "asha@example.in", "-vpa", "asha@okbank")
		s.hissa("partner", "set", "RAVI", "-name", "Ravi Kumar", "-vpa", "ravi@okbank")
		s.brings("ASHA", 149900)
		s.brings("RAVI", 7654300)
		s.hissa("statement", "draft")
		for id, utr := range map[string]string{"1": "UTRASHA1", "2": "UTRRAVI2"} {
			s.hissa("statement", "approve", id)
			s.hissa("payout", "qr", id)
			s.hissa("payout", "paid", id, "-utr", utr)
		}
		s.brings("ASHA", 250000)
		s.binds(map[string]string{"order_id": "held", "promo_code": "", "amount": "5000.00"})
		s.takes("held", 500100, paytmtest.Reference("ASHA"))

		p := open(t, v)
		p.welcomed(strings.TrimSpace(s.hissa("partner", "invite", "ASHA")))
		p.at("/partner/")
		p.says("₹500.10", "₹250.00", "₹149.90", house+"/r/ASHA", "You earn 10 % on each sale.")
		same := p.stays()
		s.takes("live", 9900, paytmtest.Reference("ASHA"))
		p.comesUp("#latest", "₹9.90")
		same()
		p.fine()
		seen := p.readsAll("/partner/sales", "/partner/sales?state=held", "/partner/links?sub=reel",
			"/partner/statements", "/partner/statements/1", "/partner/details", "/partner/account")
		for _, own := range []string{"being looked at", "UTRASHA1", "asha@okbank", "Statement 1 for Asha", "₹9.90"} {
			if !strings.Contains(seen, own) {
				t.Errorf("no page says %q", own)
			}
		}
		for _, foreign := range []string{"RAVI", "Ravi", "ravi@", "7,654", "76,543", "UTRRAVI2"} {
			if strings.Contains(seen, foreign) {
				t.Errorf("a page tells Asha of %q", foreign)
			}
		}
		p.goTo(house + "/partner/statements/2")
		p.expects(http.StatusNotFound)
		p.fine()
		p.says("Nothing here")
		p.comes("/admin/payments") // which is another door
		p.says("Sign in", "hissa admin add")

		p.comes("/partner/links")
		if codes := p.codes(); len(codes) != 1 || codes[0] != house+"/r/ASHA" || codes[0] != p.text(".copies bdi") {
			t.Errorf("a camera reads %q from the link's QR; the page says %s", codes, p.text(".copies bdi"))
		}
		p.signsOut()
		p.fills("email", "asha@example.in", "password", password)
		p.follows("main form button")
		p.at("/partner/")
	})
}

// readsAll comes to pages, and returns all that is in them, seen or not.
func (p *tab) readsAll(paths ...string) string {
	p.Helper()
	var all strings.Builder
	for _, path := range paths {
		p.comes(path)
		all.WriteString(strings.ReplaceAll(eval[string](p, `document.documentElement.outerHTML`), "\u00a0", " "))
		all.WriteString(strings.ReplaceAll(eval[string](p, `document.documentElement.textContent`), "\u00a0", " "))
	}
	return all.String()
}
