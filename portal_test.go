package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hissa/paytm/paytmtest"
)

// twoPartners is a shop in which two partners brought sales whose amounts, orders and codes name them, and
// each has a statement that was paid.
func twoPartners(t *testing.T) (s *liveShop, amounts map[string]string) {
	s = serveShop(t, func(c *Config) { c.Paytm.Confirm = false; c.Commission.Hold = 0; c.Join.Open = true })
	amounts = map[string]string{}
	for i, code := range []string{"ASHA", "RAVI"} {
		for n := range 3 {
			id := fmt.Sprintf("OF_%s_%d", code, n)
			amount := int64(1234500 + 100000*i + 1000*n)
			amounts[id] = rupees(amount)
			pay := s.paytm.Pay(fmt.Sprintf("90%d%d", i, n), amount, paytmtest.TxnID(id), paytmtest.Reference(code+"10"))
			s.hears(s.paytm.PaymentForm(pay))
		}
		name, email, vpa := "Name of "+code, strings.ToLower(code)+"@example.in", strings.ToLower(code)+"@upi"
		if _, err := s.SetPartner(s.ctx(), PartnerChange{Code: code, Name: &name, Email: &email, VPA: &vpa}); err != nil {
			t.Fatal(err)
		}
		if err := s.RecordClick(s.ctx(), Click{ID: clickPrefix + "of_" + code, Partner: code, Sub: "sub=by_" + code}); err != nil {
			t.Fatal(err)
		}
	}
	s.inOrder()
	return s, amounts
}

func (s *liveShop) hears(m paytmtest.Message) {
	s.Helper()
	if status, said := post(s.TB.(*testing.T), s.client, s.url+"/webhooks/paytm", m); status != http.StatusOK {
		s.Fatalf("answered %d %s", status, said)
	}
}

// statements drafts, approves and pays one for everybody.
func (s *liveShop) statements(t *testing.T) (ids map[string]int64) {
	ids = map[string]int64{}
	list, err := s.DraftStatements(s.ctx(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.Statement == nil {
			t.Fatalf("%s: %s", d.Partner, d.Why)
		}
		ids[d.Partner] = d.Statement.ID
	}
	return ids
}

var portalPages = []string{"/partner/", "/partner/?range=7d", "/partner/sales", "/partner/sales?state=due", "/partner/links",
	"/partner/links?sub=reel", "/partner/statements", "/partner/details", "/partner/account", "/partner/qr.svg?sub=x"}

// A partner sees what is theirs and nothing of anybody else's, whatever they ask for.
func TestAPartnerSeesOnlyTheirOwn(t *testing.T) {
	s, amounts := twoPartners(t)
	ids := s.statements(t)
	asha, ravi := s.portal("ASHA"), s.portal("RAVI")
	asha.want(asha.get(fmt.Sprint("/partner/statements/", ids["ASHA"])), 404, "") // a draft is nobody's yet
	for _, id := range ids {
		if _, err := s.JudgeStatement(s.ctx(), id, "approved", "between us", s.tax); err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{"", "?format=csv", "?format=text", "?format=signed"} {
			if got := asha.get(fmt.Sprint("/partner/statements/", id, format)); strings.Contains(got.body, "between us") {
				t.Errorf("%s of an approved statement tells the merchant's own reason", format)
			}
		}
		if _, _, err := s.SettlePayout(s.ctx(), id, Step{Step: "paid", UTR: fmt.Sprint("UTR00000", id)}); err != nil {
			t.Fatal(err)
		}
		s.inOrder()
	}
	pages := append(slices.Clone(portalPages), fmt.Sprint("/partner/statements/", ids["ASHA"]))
	for _, format := range []string{"csv", "text", "signed"} {
		pages = append(pages, fmt.Sprint("/partner/statements/", ids["ASHA"], "?format=", format))
	}
	var all strings.Builder
	for _, page := range pages {
		got := asha.want(asha.get(page), 200, "")
		all.WriteString(got.body)
		if strings.Contains(got.body, "</html>") {
			wantHindi(t, page, asha.at(http.MethodGet, page, nil, "Accept-Language", "hi").body)
		}
		for _, foreign := range []string{"RAVI", "ravi@", "Name of RAVI", "by_RAVI", "UTR00000" + fmt.Sprint(ids["RAVI"])} {
			if strings.Contains(got.body, foreign) {
				t.Errorf("%s tells Asha of %s", page, foreign)
			}
		}
		for id, amount := range amounts {
			if strings.Contains(id, "RAVI") && (strings.Contains(got.body, id) || strings.Contains(got.body, amount)) {
				t.Errorf("%s tells Asha of %s, %s", page, id, amount)
			}
		}
		if strings.Contains(got.body, "between us") {
			t.Errorf("%s tells the merchant's own reason", page)
		}
	}
	for id, amount := range amounts {
		if strings.Contains(id, "ASHA") && !strings.Contains(all.String(), amount) {
			t.Errorf("no page tells Asha of %s, %s", id, amount)
		}
	}
	// Another partner's statement is as little there as one that never was.
	foreign := asha.get(fmt.Sprint("/partner/statements/", ids["RAVI"]))
	never := asha.get("/partner/statements/99999")
	if foreign.status != 404 || strings.ReplaceAll(foreign.body, fmt.Sprint("statements/", ids["RAVI"]), "") !=
		strings.ReplaceAll(never.body, "statements/99999", "") {
		t.Errorf("another partner's statement: %d; one that never was: %d", foreign.status, never.status)
	}
	for _, format := range []string{"csv", "text", "signed"} {
		asha.want(asha.get(fmt.Sprint("/partner/statements/", ids["RAVI"], "?format=", format)), 404, "")
	}
	ravi.want(ravi.get("/partner/sales"), 200, amounts["OF_RAVI_0"])
}

// What a partner downloads is checked without the shop.
func TestAPartnerChecksAStatement(t *testing.T) {
	s, _ := twoPartners(t)
	ids := s.statements(t)
	if _, err := s.JudgeStatement(s.ctx(), ids["ASHA"], "approved", "", s.tax); err != nil {
		t.Fatal(err)
	}
	asha := s.portal("ASHA")
	list := asha.want(asha.get("/partner/statements"), 200, "work it out again")
	file := asha.want(asha.get(fmt.Sprint("/partner/statements/", ids["ASHA"], "?format=signed")), 200, "")
	path := filepath.Join(t.TempDir(), "asha.json")
	if err := os.WriteFile(path, []byte(file.body), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, words strings.Builder
	if code := run([]string{"verify-statement", path}, strings.NewReader(""), &out, &words); code != exitDone {
		t.Fatalf("exit %d: %s%s", code, out.String(), words.String())
	}
	key := regexp.MustCompile(`[0-9a-f]{64}`).FindString(list.body)
	if key == "" || !strings.Contains(out.String(), key[:16]) && !strings.Contains(words.String()+out.String(), key) {
		t.Errorf("the page shows the key %q, and the check says %s%s", key, out.String(), words.String())
	}
	changed := strings.Replace(file.body, "ASHA", "ASHB", 1)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run([]string{"verify-statement", path}, strings.NewReader(""), &out, &words); code != exitNo {
		t.Errorf("a changed statement: exit %d", code)
	}
}

// A list that is paged shows everything once.
func TestSalesAreAllThereOnce(t *testing.T) {
	s := serveShop(t, func(c *Config) { c.Paytm.Confirm = false })
	const sales = 2*pageRows + 7
	for n := range sales {
		pay := s.paytm.Pay(fmt.Sprint("9", n), int64(100000+100*n), paytmtest.TxnID(fmt.Sprint("SALE_", n)),
			paytmtest.Reference([]string{"ASHA10", "ASHA10", "RAVI10"}[n%3]))
		s.hears(s.paytm.PaymentForm(pay))
	}
	asha := s.portal("ASHA")
	seen, page := map[string]int{}, "/partner/sales"
	for range 10 {
		got := asha.want(asha.get(page), 200, "")
		rows, _, _ := strings.Cut(got.body, `id="clicks"`)
		for _, amount := range regexp.MustCompile(`₹[0-9,]+\.00`).FindAllString(rows, -1) {
			seen[amount]++
		}
		next := regexp.MustCompile(`href="(/partner/sales\?before=[^"]+)" rel="next"`).FindStringSubmatch(got.body)
		if next == nil {
			break
		}
		page = strings.ReplaceAll(next[1], "&amp;", "&")
	}
	for n := range sales {
		amount, want := rupees(int64(100000+100*n)), 1
		if n%3 == 2 {
			want = 0
		}
		if seen[amount] != want {
			t.Errorf("%s stands there %d times, want %d", amount, seen[amount], want)
		}
	}
}

// Where the money goes is changed by whoever knows the password, checked, and noted.
func TestAPartnerChangesWhereMoneyGoes(t *testing.T) {
	s, _ := twoPartners(t)
	asha := s.portal("ASHA")
	form := url.Values{"vpa": {"asha.new@upi"}, "account": {"123456789012"}, "ifsc": {"hdfc0001234"}}
	asha.want(asha.post("/partner/details", form), 422, "not your password")
	form.Set("password", aPassword)
	for field, bad := range map[string]string{"vpa": "nonsense", "account": "12", "ifsc": "HDFC1", "gstin": "22AAAAA0000A1Z4", "email": "x"} {
		wrong := url.Values{"password": {aPassword}, field: {bad}}
		if got := asha.post("/partner/details", wrong); got.status != 422 || !strings.Contains(got.body, `aria-invalid`) {
			t.Errorf("%s %q: %d", field, bad, got.status)
		}
	}
	s.portal("RAVI")
	taken := asha.want(asha.post("/partner/details", url.Values{"password": {aPassword}, "email": {"ravi@example.in"}}), 422, "taken")
	if strings.Contains(taken.body, "RAVI") {
		t.Error("a partner is told whose address it is")
	}
	asha.want(asha.post("/partner/details", form), 303, "/partner/details")
	page := asha.want(asha.get("/partner/details"), 200, "asha.new@upi")
	if strings.Contains(page.body, "123456789012") {
		t.Error("the whole account number is on the page")
	}
	var to Contact
	if err := s.read(s.ctx(), func(r rows) (err error) { to, err = r.contact("ASHA"); return err }); err != nil {
		t.Fatal(err)
	}
	if to.VPA != "asha.new@upi" || to.Account != "123456789012" || to.IFSC != "HDFC0001234" {
		t.Errorf("the contact is %+v", to)
	}
	acts, _, err := s.Acts(s.ctx(), 0, "", "ASHA")
	if err != nil || acts[0].Act != "partner-changed" || acts[0].Who != "ASHA" || acts[0].Note != "UPI id, account, IFSC" {
		t.Errorf("noted %+v (%v)", acts[0], err)
	}
	s.inOrder()
}

// From an application to the first link that works.
func TestSomebodyJoins(t *testing.T) {
	s := serveShop(t, func(c *Config) { c.Join.Open = true })
	owner, viewer, stranger := s.person("o@shop.example", "owner"), s.person("v@shop.example", "viewer"), s.browser()
	form := url.Values{"name": {`Meera <b>"x"</b>`}, "email": {"meera@example.in"}, "where": {"<script>alert(1)</script>"},
		"code": {"MEERA"}, "mobile": {"98765 43210"}}
	stranger.want(stranger.get("/join"), 200, `action="/join"`)
	for field, bad := range map[string]string{"name": "", "email": "x", "where": "", "mobile": "12", "code": "a b"} {
		wrong := url.Values{}
		for name, values := range form {
			wrong[name] = values
		}
		wrong.Set(field, bad)
		stranger.want(stranger.post("/join", wrong), 422, `aria-invalid`)
	}
	stranger.want(stranger.post("/join", form), 303, "/join?done")
	stranger.want(stranger.get("/join?done"), 200, "")
	stranger.want(stranger.post("/join", form), 303, "/join?done") // said again
	trap := url.Values{"website": {"x"}}
	for name, values := range form {
		trap[name] = values
	}
	trap.Set("email", "robot@example.in")
	stranger.want(stranger.post("/join", trap), 303, "/join?done")
	list, _, err := s.Applications(s.ctx(), 0)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d applications wait (%v), want 1", len(list), err)
	}
	owner.want(owner.get("/admin/"), 200, "1 application") // before the first sale, too
	page := owner.want(owner.get("/admin/applications"), 200, "Meera &lt;b&gt;")
	if strings.Contains(page.body, "<script>alert") {
		t.Error("what was applied with is markup on the page")
	}
	at := fmt.Sprint("/admin/applications/", list[0].ID)
	viewer.want(viewer.post(at, url.Values{"say": {"accept"}, "code": {"MEERA"}}), 403, "")
	owner.want(owner.post(at, url.Values{"say": {"accept"}, "code": {"ASHA"}}), 422, "taken")
	got := owner.want(owner.post(at, url.Values{"say": {"accept"}, "code": {"MEERA"}}), 200, "/partner/welcome/")
	owner.want(owner.post(at, url.Values{"say": {"accept"}, "code": {"MEERA2"}}), 404, "")
	link := regexp.MustCompile(`/partner/welcome/[a-z0-9]+`).FindString(got.body)
	stranger.want(stranger.post(link, url.Values{"password": {aPassword}, "again": {aPassword}}), 303, "/partner/")
	stranger.want(stranger.get("/partner/links"), 200, "/r/MEERA")
	if visit := stranger.get("/r/MEERA"); visit.status != http.StatusFound {
		t.Errorf("the link answers %d", visit.status)
	}
	s.inOrder()
	for n := range applicationsOften + 1 {
		form.Set("email", fmt.Sprint("many", n, "@example.in"))
		got = stranger.post("/join", form)
	}
	if got.status != http.StatusTooManyRequests {
		t.Errorf("a flood is answered %d", got.status)
	}
	list, _, err = s.Applications(s.ctx(), 0)
	if err != nil || list[0].State != "open" {
		t.Fatal(err)
	}
	at = fmt.Sprint("/admin/applications/", list[0].ID)
	owner.want(owner.post(at, url.Values{"say": {"refuse"}, "reason": {"no\nlines"}}), 422, "")
	owner.want(owner.post(at, url.Values{"say": {"refuse"}, "reason": {"not now"}}), 303, "applications")
	if closed := serveShop(t).browser(); true {
		closed.want(closed.get("/join"), 404, "")
		closed.want(closed.post("/join", form), 404, "")
	}
}

// Finance invites partners, but does not undo what an owner decided.
func TestOnlyAnOwnerLetsBackIn(t *testing.T) {
	s := serveShop(t, dueAtOnce)
	s.portal("ASHA")
	owner, finance := s.person("o@shop.example", "owner"), s.person("f@shop.example", "finance")
	again := url.Values{"again_password": {aPassword}}
	const page = "/admin/partners/ASHA"
	finance.want(finance.post(page+"/invite", again), 200, "/partner/welcome/")
	owner.want(owner.post(page+"/shut-out", again), 303, page)
	finance.want(finance.post(page+"/invite", again), 303, page)
	finance.want(finance.get(page), 200, "only an owner lets them in again")
	owner.want(owner.post(page+"/invite", again), 200, "/partner/welcome/")
}

// A partner who is shut out is out at once and by every door, until invited anew; what they earn goes on.
func TestAPartnerIsShutOut(t *testing.T) {
	p := newPostOffice(t)
	s := serveShop(t, p.config, func(c *Config) { c.Paytm.Confirm = false })
	asha, owner := s.portal("ASHA"), s.person("o@shop.example", "owner")
	asha.asks("asha@example.in")
	mailed := s.mailedPath(p)
	token, err := s.InvitePartner(s.ctx(), "ASHA")
	if err != nil {
		t.Fatal(err)
	}
	asha.asks("asha@example.in") // an invitation ended the one before
	mailed2 := s.mailedPath(p)

	again := url.Values{"again_password": {aPassword}}
	const page = "/admin/partners/ASHA"
	owner.want(owner.get(page), 200, page+"/shut-out")
	if finance := s.person("f@shop.example", "finance"); strings.Contains(finance.get(page).body, "/shut-out") {
		t.Error("the page offers it to who may not")
	}
	owner.want(owner.post(page+"/shut-out", nil), 200, "Your password, once more")
	asha.want(asha.get("/partner/"), 200, "")
	stream := s.follows(asha.client, "/partner/events", "", "")
	stream.hears()
	owner.want(owner.post(page+"/shut-out", again), 303, page)
	owner.want(owner.get(page), 200, "Shut out of the portal.")
	if shown := owner.get(page).body; strings.Contains(shown, "/shut-out") || !strings.Contains(shown, "was shut out of the portal") {
		t.Error("the page does not show that they are out")
	}
	owner.want(owner.post(page+"/shut-out", again), 303, page)
	owner.want(owner.get(page), 200, "has no way into the portal")

	asha.want(asha.get("/partner/"), 303, "/partner/sign-in")
	b := s.browser()
	welcome := "/partner/welcome/" + token
	chosen := url.Values{"password": {aPassword + "!"}, "again": {aPassword + "!"}}
	b.want(b.post("/partner/sign-in", signInAs("asha@example.in")), 422, "not right")
	b.want(b.post(welcome, chosen), 410, "")
	for _, path := range []string{mailed, mailed2} {
		b.want(b.post(path, nil), 410, "")
	}
	if _, _, err := s.LinkToMail(s.ctx(), "asha@example.in"); !errors.Is(err, errNotFound) {
		t.Errorf("a link is mailed to who is shut out (%v)", err)
	}
	pay := s.paytm.Pay("1", 100000, paytmtest.Reference("ASHA10"))
	s.hears(s.paytm.PaymentForm(pay))
	if earned := s.balance("ASHA"); earned != 10000 {
		t.Errorf("they earn %d, want 10000 as before", earned)
	}
	stream.ends()

	if token, err = s.InvitePartner(s.ctx(), "ASHA"); err != nil {
		t.Fatal(err)
	}
	b.want(b.post("/partner/sign-in", signInAs("asha@example.in")), 422, "not right") // the old password is gone
	b.want(b.post("/partner/welcome/"+token, chosen), 303, "/partner/")
	b.want(b.get("/partner/"), 200, "₹1,000")
}

// A partner hears of their own sales as they happen, also of those that came while the stream was broken, and
// of nobody else's: not even whether there were any.
func TestAPartnerHearsOfTheirSales(t *testing.T) {
	s := serveShop(t, func(c *Config) { c.Paytm.Confirm = false })
	asha, ravi := s.portal("ASHA"), s.portal("RAVI")
	sells := func(codes ...string) {
		for _, code := range codes {
			pay := s.paytm.Pay("order"+randomText(), 100000, paytmtest.Reference(code))
			s.hears(s.paytm.PaymentForm(pay))
		}
	}
	follows := func(b *browser, last string) *listener { return s.follows(b.client, "/partner/events", "", last) }
	page := asha.get("/partner/").place()
	sells("ASHA10", "RAVI10", "ASHA10") // before the page's script has run
	if n := s.follows(asha.client, "/partner/events?since="+page, "", "").hearsOf(); n != 2 {
		t.Errorf("of two sales since the page was made, %d are told of", n)
	}
	if _, told := placeOfID(page, ""); told {
		t.Errorf("the page's place %s tells how much is booked in the whole shop", page)
	}
	stream := follows(asha, "")
	if n := stream.hears(); len(n.Changed) > 0 {
		t.Errorf("it begins with %+v", n)
	}
	began := stream.id
	sells("RAVI10", "ASHA10")
	if n := stream.hears(); n.Payments != 1 {
		t.Errorf("heard %+v, want of one payment", n)
	}
	if _, told := placeOfID(stream.id, ""); told || len(stream.id) != len(began) {
		t.Errorf("the id %s tells how much is booked in the whole shop", stream.id)
	}
	here := follows(asha, stream.id)
	if here.hears(); here.id == stream.id {
		t.Error("whether somebody else sold is seen from whether the id is another")
	}

	stream.body.Close()
	sells("RAVI10", "ASHA10", "ASHA10")
	if back := follows(asha, began); len(back.hears().Changed) > 0 || back.hearsOf() != 3 {
		t.Error("after coming back not all three sales were told of")
	}
	for whose, b := range map[string]*browser{"ASHA": asha, "RAVI": ravi} {
		id := began
		if whose == "ASHA" {
			id = placeID(1<<40, whose) // as of books that were put back since
		}
		if n := follows(b, id).hears(); !slices.Equal(n.Changed, newsTopics) || n.Payments != 0 {
			t.Errorf("%s, with an id that says nothing: %+v", whose, n)
		}
	}
}
