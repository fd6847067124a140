package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hissa/paytm/paytmtest"
)

// desk is one of the shop's people at the pages of a served shop.
type desk struct {
	*liveShop
	cookie string
}

// atDesk lets somebody in with a role, who has just given the password again.
func (s *liveShop) atDesk(role string) *desk {
	s.Helper()
	ctx := withActor(s.ctx(), "nobody", "")
	email := role + "@shop.example"
	token, err := s.AddUser(ctx, email, strings.ToUpper(role), role)
	if err != nil {
		s.Fatal(err)
	}
	session, err := s.AcceptLink(ctx, token, "a password that is kept elsewhere")
	if err != nil {
		s.Fatal(err)
	}
	old, err := s.Session(ctx, session)
	if err != nil {
		s.Fatal(err)
	}
	if session, err = s.Sure(ctx, old, 0); err != nil {
		s.Fatal(err)
	}
	return &desk{s, session}
}

func (d *desk) ask(method, path, kind string, body io.Reader) said {
	d.Helper()
	a := d.do(method, path, kind, body, "Cookie", "hissa_admin="+d.cookie, "Sec-Fetch-Site", "same-origin")
	if method == "GET" && a.status == 200 && strings.Contains(a.body, "</html>") {
		hindi := d.do(method, path, "", nil, "Cookie", "hissa_admin="+d.cookie, "Accept-Language", "hi")
		wantHindi(d.TB, path, hindi.body)
	}
	return a
}

// page reads a page that is there.
func (d *desk) page(path string) string {
	d.Helper()
	a := d.ask("GET", path, "", nil)
	if a.status != 200 {
		d.Fatalf("GET %s: %d %s", path, a.status, plainText(a.body))
	}
	return a.body
}

// posts sends a form and checks the books.
func (d *desk) posts(path string, pairs ...string) said {
	d.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	a := d.ask("POST", path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	d.inOrder()
	return a
}

// does sends a form that is done, and returns what is said about it.
func (d *desk) does(path string, pairs ...string) string {
	d.Helper()
	a := d.posts(path, pairs...)
	if a.status != http.StatusSeeOther {
		d.Fatalf("POST %s %q: %d %s", path, pairs, a.status, plainText(a.body))
	}
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == flashCookie {
			d.flashInHindi(c.Value)
			return unsealed(d.TB, c.Value)
		}
	}
	return ""
}

// flashInHindi looks at what is said about a form on a Hindi page.
func (d *desk) flashInHindi(note string) {
	d.Helper()
	a := d.do("GET", "/admin/keys", "", nil, "Cookie", "hissa_admin="+d.cookie+"; "+flashCookie+"="+note, "Accept-Language", "hi")
	wantHindi(d.TB, "what is said", a.body)
	if !strings.Contains(a.body, `class="flash`) {
		d.Error("nothing is said in Hindi")
	}
}

// unsealed is what a sealed note says.
func unsealed(t testing.TB, note string) string {
	t.Helper()
	_, text, _ := strings.Cut(note, ".")
	said, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatalf("the note %q: %v", note, err)
	}
	return string(said)
}

func (d *desk) wants(text, page string, parts ...string) {
	d.Helper()
	for _, part := range parts {
		if !strings.Contains(strings.ToLower(plainText(page)), strings.ToLower(part)) {
			d.Errorf("%s lacks %q:\n%s", text, part, plainText(page))
		}
	}
}

var tags = regexp.MustCompile(`(?s)<(script|style).*?</(script|style)>|<[^>]*>`)

// plainText is what a page says.
func plainText(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, " "))), " ")
}

// deskShop is a shop with a payment of each sort, and somebody at its pages.
func deskShop(t *testing.T, change ...func(*Config)) (d *desk, paid map[string]*paytmtest.Payment) {
	t.Helper()
	s := serveShop(t, change...)
	d, p := s.atDesk("finance"), s.paytm
	paid = map[string]*paytmtest.Payment{}
	name, vpa, account, ifsc := "Asha Verma", "asha@okbank", "12345678901", "HDFC0001234"
	if _, err := s.SetPartner(s.ctx(), PartnerChange{Code: "ASHA", Name: &name, VPA: &vpa, Account: &account, IFSC: &ifsc}); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Order{{ID: "good", Promo: "ASHA10"}, {ID: "other", Promo: "RAVI10", Amount: 5}, {ID: "twice", Promo: "ASHA10"}} {
		s.bind(o)
	}
	for _, order := range []string{"good", "other", "twice", "nobodys"} {
		paid[order] = p.Pay(order, 149900)
		s.hook(p.PaymentForm(paid[order]))
	}
	s.hook(p.Conflicting(paid["twice"], 500))
	s.hook(p.RefundSucceeded(paid["good"], p.Refund(paid["good"], 49900)))
	s.settle()
	return d, paid
}

// settle waits until Paytm's API has been asked about every payment.
func (s *liveShop) settle() {
	s.Helper()
	for range 400 {
		var waits, oldest int64
		if err := s.read(s.ctx(), func(r rows) error { return r.one(q("overdue-polls"), nil, &waits, &oldest) }); err != nil {
			s.Fatal(err)
		}
		if waits == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.Fatal("the simulated Paytm was not asked about every payment")
}

func TestOverviewAndPaymentsTellWhatHappened(t *testing.T) {
	d, paid := deskShop(t)
	page := d.page("/admin/")
	d.wants("the overview", page, "₹5,996.00", "Asha Verma", "other", "payments that differ from the order's amount")
	for _, at := range []string{"?range=7d", "?range=30d", "?from=2026-01-01&to=2026-03-01", "?from=nonsense&to=2026-03-01",
		"?from=1900-01-01&to=2990-01-01", "?block=numbers"} {
		d.page("/admin/" + at)
	}
	d.wants("a range without sales", d.page("/admin/?from=2020-01-01&to=2020-03-01"), "₹0.00")
	list := d.page("/admin/payments")
	d.wants("the list", list, "good", "other", "twice", "nobodys")
	for _, look := range []struct{ query, has, lacks string }{
		{"q=good", "good", "nobodys"},
		{"q=" + paid["other"].TxnID, "other", "nobodys"},
		{"q=asha10", "twice", "nobodys"},
		{"q=1499.00", "nobodys", ""},
		{"q=1%2C499", "nobodys", ""},
		{"q=7.00", "", "nobodys"},
		{"state=nobody", "nobodys", "other"},
		{"state=held", "other", "nobodys"},
		{"partner=RAVI", "other", "nobodys"},
		{"from=2020-01-01&to=2020-01-02", "", "nobodys"},
	} {
		text := plainText(d.page("/admin/payments?" + look.query))
		if look.has != "" && !strings.Contains(text, look.has) || look.lacks != "" && strings.Contains(text, look.lacks) {
			t.Errorf("%s: want %q and no %q in: %s", look.query, look.has, look.lacks, text)
		}
	}
	one := d.page("/admin/payments/" + paid["good"].TxnID)
	d.wants("the payment", one, "Asha Verma", "ASHA10", "₹499.00", "partner:ASHA", "RRN")
	if a := d.ask("GET", "/admin/payments/unknown", "", nil); a.status != 404 {
		t.Errorf("an unknown payment: %d", a.status)
	}
	for _, need := range []string{"conflict", "review", "expired", "unattributed", "refunds", "abuse", "merchant",
		"refused", "forward", "denied", "dispute"} {
		d.page("/admin/needs/" + need)
	}
	if a := d.ask("GET", "/admin/needs/nothing", "", nil); a.status != 404 {
		t.Errorf("an unknown need: %d", a.status)
	}
	d.wants("the merchant's list", d.page("/admin/needs/merchant"), paid["other"].TxnID[:6], "the amount is not the one the shop named")
}

// What is personal in a message is on no page.
func TestThePageOfAPaymentMasksWhatIsPersonal(t *testing.T) {
	d, _ := deskShop(t)
	link := d.paytm.Pay("LINK", 50000)
	m := d.paytm.LinkPayment(link, "77")
	values, err := url.ParseQuery(string(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	d.hook(m)
	page := d.page("/admin/payments/" + link.TxnID)
	d.wants("the page", page, "TXNAMOUNT", "PAYMENTEMAILID", masked)
	for _, name := range []string{"PAYMENTEMAILID", "PAYMENTMOBILENUMBER", "CUSTID", "CHECKSUMHASH"} {
		if value := values.Get(name); len(value) < 3 || strings.Contains(html.UnescapeString(page), value) {
			t.Errorf("%s %q is on the page, or the message has none", name, value)
		}
	}
}

// A person's word on a page is booked as the command books it, with who said it.
func TestWordsOnPaymentsAreBooked(t *testing.T) {
	d, paid := deskShop(t)
	other, twice := paid["other"].TxnID, paid["twice"].TxnID
	if a := d.posts("/admin/payments/"+other+"/review", "say", "accept"); a.status != 422 {
		t.Errorf("without a reason: %d", a.status)
	}
	if said := d.does("/admin/payments/"+other+"/review", "say", "accept", "reason", "a gift"); said != "notice saved" {
		t.Errorf("accepted: %s", said)
	}
	if got := d.earned(other); got != "RAVI 149.90 held period" {
		t.Errorf("after it was accepted: %s", got)
	}
	if said := d.does("/admin/payments/"+other+"/review", "say", "accept", "reason", "a gift"); !strings.Contains(said, "nothing to accept") {
		t.Errorf("once more: %s", said)
	}
	if a := d.posts("/admin/payments/"+twice+"/confirm", "say", "agree", "amount", "x", "reason", "seen"); a.status != 422 {
		t.Errorf("agreed to an amount of x: %d", a.status)
	}
	if said := d.does("/admin/payments/"+twice+"/confirm", "say", "deny", "reason", "not in the bank's list"); said != "notice saved" {
		t.Errorf("denied: %s", said)
	}
	if got := d.earned(twice); !strings.Contains(got, "reversed") {
		t.Errorf("after it was denied: %s", got)
	}
	d.wants("the page", d.page("/admin/payments/"+twice), "not in the bank's list", "finance@shop.example")
	if a := d.posts("/admin/payments/"+twice+"/confirm", "say", "perhaps", "reason", "x"); a.status != 400 {
		t.Errorf("perhaps: %d", a.status)
	}
	if a := d.posts("/admin/payments/unknown/confirm", "say", "deny", "reason", "x"); a.status != 404 {
		t.Errorf("an unknown payment: %d", a.status)
	}
}

// Where a partner's money goes is not changed from a screen that somebody left alone, neither at once nor by way
// of a link to the portal.
func TestWhereMoneyGoesTakesThePasswordAgain(t *testing.T) {
	s := serveShop(t)
	name, email := "Asha Verma", "asha@example.in"
	if _, err := s.SetPartner(s.ctx(), PartnerChange{Code: "ASHA", Name: &name, Email: &email}); err != nil {
		t.Fatal(err)
	}
	b := s.person("f@shop.example", "finance")
	form := url.Values{"name": {name}, "email": {email}}
	b.want(b.post("/admin/partners/ASHA/edit", form), 303, "/admin/partners/ASHA")
	form.Set("email", "thief@example.in")
	b.want(b.post("/admin/partners/ASHA/edit", form), 200, "where money goes")
	form.Set("email", email)
	form.Set("vpa", "thief@okbank")
	b.want(b.post("/admin/partners/ASHA/edit", form), 200, "where money goes")
	b.want(b.post("/admin/partners/ASHA/invite", nil), 200, "who may sign in")
	form.Set("again_password", "wrong wrong wrong")
	b.want(b.post("/admin/partners/ASHA/edit", form), 422, "not your password")
	page := b.want(b.get("/admin/partners/ASHA"), 200, "")
	if strings.Contains(page.body, "thief@okbank") || strings.Contains(page.body, "/partner/welcome/") {
		t.Error("it was done without the password")
	}
	form.Set("again_password", aPassword)
	form.Set("vpa", "asha@okbank")
	b.want(b.post("/admin/partners/ASHA/edit", form), 303, "/admin/partners/ASHA")
	b.want(b.get("/admin/partners/ASHA"), 200, "asha@okbank")
}

// Two change a partner at once: what one of them did not touch stays as the other has it.
func TestAFormChangesWhatWasTouched(t *testing.T) {
	d, _ := deskShop(t)
	field := regexp.MustCompile(`<input type="hidden"\s+name="(was_\w+)" value="([^"]*)"`)
	form := []string{"name", "Asha Rao", "vpa", "asha@okbank"}
	for _, m := range field.FindAllStringSubmatch(d.page("/admin/partners/ASHA/edit"), -1) {
		form = append(form, m[1], html.UnescapeString(m[2]))
	}
	vpa, rate := "new@upi", Rate{BPS: 1500}
	if _, err := d.SetPartner(d.ctx(), PartnerChange{Code: "ASHA", VPA: &vpa, Rate: &rate}); err != nil {
		t.Fatal(err)
	}
	d.does("/admin/partners/ASHA/edit", form...)
	d.wants("the partner", d.page("/admin/partners/ASHA"), "Asha Rao", "new@upi", "15 %")
	d.does("/admin/partners/ASHA/edit", append(form, "rate", "11%")...)
	d.wants("the partner, given a rate", d.page("/admin/partners/ASHA"), "11 %", "new@upi")
}

// Whoever only looks changes nothing.
func TestAViewerChangesNothing(t *testing.T) {
	d, paid := deskShop(t)
	v := d.atDesk("viewer")
	for _, path := range []string{"/admin/payments/" + paid["other"].TxnID + "/review", "/admin/statements/draft",
		"/admin/new-partner", "/admin/partners/ASHA/state", "/admin/payouts/file", "/admin/keys"} {
		if a := v.posts(path, "say", "accept", "reason", "x", "state", "disabled"); a.status != 403 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	for _, path := range []string{"/admin/", "/admin/payments", "/admin/partners", "/admin/partners/ASHA",
		"/admin/statements", "/admin/payouts", "/admin/settings", "/admin/keys"} {
		v.page(path)
	}
}

func TestPartnersAreAddedAndChanged(t *testing.T) {
	d, _ := deskShop(t)
	if a := d.posts("/admin/new-partner", "code", "A B", "name", "", "rate", "much", "email", "x", "vpa", "y", "promo", "?"); a.status != 422 ||
		strings.Count(a.body, "aria-invalid") != 6 {
		t.Errorf("a form full of faults: %d with %d faults", a.status, strings.Count(a.body, "aria-invalid"))
	}
	if a := d.posts("/admin/new-partner", "code", "asha", "name", "Asha"); a.status != 422 || !strings.Contains(plainText(a.body), "taken") {
		t.Errorf("a code that is taken: %d", a.status)
	}
	d.does("/admin/new-partner", "code", "MEERA", "name", "Meera", "rate", "12%", "promo", "MEERA5=15% M2", "ref", "LI_9", "email", "meera@example.in")
	page := d.page("/admin/partners/MEERA")
	d.wants("the partner", page, "Meera", "12 %", "MEERA5", "15 %", "LI_9", d.config.URLFor("r", "MEERA"))
	d.wants("the form", d.page("/admin/partners/MEERA/edit"), "Change")
	d.does("/admin/partners/MEERA/edit", "name", "Meera Rao", "rate", "", "promo", "MEERA5 M2 M3", "ref", "LI_9", "email", "meera@example.in")
	d.wants("the partner, changed", d.page("/admin/partners/MEERA"), "Meera Rao", "M3")
	terms, err := d.Terms(d.ctx())
	if p, _ := terms.partner("MEERA"); err != nil || p.Rate != (Rate{}) {
		t.Errorf("the rate is %v, want the program's (%v)", p.Rate, err)
	}
	invited := d.posts("/admin/partners/MEERA/invite")
	d.wants("the invitation", invited.body, "/partner/welcome/")
	d.does("/admin/partners/MEERA/state", "state", "disabled", "reason", "left us")
	terms, err = d.Terms(d.ctx())
	if p, _ := terms.partner("MEERA"); err != nil || p.State != "disabled" {
		t.Errorf("the state is %s (%v)", p.State, err)
	}
	d.wants("the list", d.page("/admin/partners?q=rao"), "Meera Rao")
	d.does("/admin/new-partner", "code", "RANI", "name", "Rani", "email", "rani@example.in")
	d.wants("the invitation", d.posts("/admin/partners/RANI/invite").body, "/partner/welcome/")
	a := d.posts("/admin/partners/RANI/edit", "name", "Rani", "email", "meera@example.in")
	if a.status != 422 || !strings.Contains(plainText(a.body), "MEERA signs in with meera@example.in already") {
		t.Errorf("the address of another: %d %s", a.status, plainText(a.body))
	}
	if strings.Contains(plainText(d.page("/admin/partners?state=active")), "Meera") {
		t.Error("a disabled partner is among the active")
	}
	for path, kind := range map[string]string{"qr.svg?sub=a%26b": "image/svg+xml", "qr.png": "image/png"} {
		if a := d.ask("GET", "/admin/partners/ASHA/"+path, "", nil); a.status != 200 || a.header.Get("Content-Type") != kind {
			t.Errorf("%s: %d %s", path, a.status, a.header.Get("Content-Type"))
		}
	}
}

// Whatever a partner's code is, the partner has a page.
func TestNoFormHidesAPartner(t *testing.T) {
	d, _ := deskShop(t)
	for _, r := range pageRoutes() {
		if word, below := strings.CutPrefix(r.pattern, "GET /admin/partners/"); below && !strings.HasPrefix(word, "{code}") {
			t.Errorf("%s hides the partner of that code", r.pattern)
		}
	}
	for _, code := range []string{"new", "import"} {
		d.does("/admin/new-partner", "code", code, "name", "Partner called "+code)
		d.wants("the partner "+code, d.page("/admin/partners/"+code), "Partner called "+code, d.config.URLFor("r", code))
	}
	d.wants("the form", d.page("/admin/new-partner"), "Promo")
	d.wants("the other form", d.page("/admin/import"), "CSV")
}

// The list of partners, page by page, holds each once.
func TestPagesOfPartnersHoldEachOnce(t *testing.T) {
	s := serveShop(t)
	d := s.atDesk("owner")
	want := []string{"ASHA", "RAVI"}
	for i := range 2*partnersShown + 3 {
		code := fmt.Sprintf("P%03d", i)
		if _, err := s.AddPartner(s.ctx(), PartnerChange{Code: code, Promos: []string{code + "10"}}); err != nil {
			t.Fatal(err)
		}
		want = append(want, code)
	}
	var got []string
	links := regexp.MustCompile(`href="/admin/partners/([A-Z0-9]+)"`)
	older := regexp.MustCompile(`href="([^"]+)" rel="next"`)
	for path := "/admin/partners"; path != ""; {
		page := d.page(path)
		for _, m := range links.FindAllStringSubmatch(page, -1) {
			got = append(got, m[1])
		}
		path = ""
		if m := older.FindStringSubmatch(page); m != nil {
			path = html.UnescapeString(m[1])
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func (d *desk) uploads(text string, fields ...string) said {
	d.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if text != "" {
		file, err := form.CreateFormFile("file", "partners.csv")
		if err != nil {
			d.Fatal(err)
		}
		_, _ = file.Write([]byte(text))
	}
	for i := 0; i+1 < len(fields); i += 2 {
		_ = form.WriteField(fields[i], fields[i+1])
	}
	form.Close()
	a := d.ask("POST", "/admin/import", form.FormDataContentType(), &body)
	d.inOrder()
	return a
}

func TestPartnersComeFromAFile(t *testing.T) {
	d, _ := deskShop(t)
	text := "code,name,rate\nASHA,Asha,\nNEW1,First,12%\nNEW2,Second,\n"
	a := d.uploads(text)
	d.wants("the dry run", a.body, "NEW1", "NEW2", "is there already")
	if terms, _ := d.Terms(d.ctx()); len(terms.partners) != 2 {
		t.Errorf("a dry run has made %d partners", len(terms.partners))
	}
	if a := d.uploads("code,rate\nNEW1,\nBAD,much\n"); a.status != 422 || strings.Contains(a.body, `name="apply"`) {
		t.Errorf("a bad line: %d, and what would be refused must not be offered", a.status)
	}
	if a := d.uploads("no such column\n"); a.status != 422 {
		t.Errorf("no CSV of partners: %d", a.status)
	}
	if a := d.uploads("", "apply", "1", "text", "code,rate\nBAD,much\n"); a.status != 422 {
		t.Errorf("a bad line, applied: %d", a.status)
	}
	if a := d.uploads("", "apply", "1", "text", text); a.status != 303 {
		t.Errorf("applied: %d %s", a.status, plainText(a.body))
	}
	terms, _ := d.Terms(d.ctx())
	if p, known := terms.partner("NEW1"); !known || p.Rate.BPS != 1200 || len(terms.partners) != 4 {
		t.Errorf("after the import: %+v of %d", p, len(terms.partners))
	}
}

// From due to paid, by pages alone.
func TestMoneyLeavesByThePages(t *testing.T) {
	d, _ := deskShop(t, func(c *Config) {
		c.Commission.Hold = 0
		c.Payout.Columns = defaultColumns(t)
		c.Payout.Account = "99988877766"
	})
	earned := d.balance("ASHA")
	if said := d.does("/admin/statements/draft", "partner", "asha"); said != "notice drafted" {
		t.Errorf("drafted: %s", said)
	}
	d.does("/admin/statements/draft", "partner", "asha")
	d.wants("the queue", d.page("/admin/statements"), "Asha Verma", "to approve")
	d.wants("the statement", d.page("/admin/statements/1"), "Asha Verma", "Payable")
	for format, has := range map[string]string{"csv": "payable", "signed": `"hissa_statement"`, "text": "Statement 1"} {
		if a := d.ask("GET", "/admin/statements/1?format="+format, "", nil); a.status != 200 || !strings.Contains(a.body, has) ||
			!strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: %d %s", format, a.status, a.body)
		}
	}
	if a := d.posts("/admin/statements/1", "step", "held"); a.status != 422 {
		t.Errorf("held without a reason: %d", a.status)
	}
	d.does("/admin/statements/1", "step", "held", "reason", "let me look")
	if said := d.does("/admin/statements/approve"); said != "fault none_picked" {
		t.Errorf("nothing picked: %s", said)
	}
	d.does("/admin/statements/approve", "id", "1")
	if a := d.posts("/admin/statements/approve", "id", "1"); a.status != 422 || !strings.Contains(a.body, "is approved") {
		t.Errorf("approved twice: %d %s", a.status, plainText(a.body))
	}
	d.wants("the payouts", d.page("/admin/payouts"), "Asha Verma", "approved")
	if said := d.does("/admin/payouts/file"); said != "notice file_made" {
		t.Errorf("making the bank's file: %s", said)
	}
	file := d.ask("GET", "/admin/payouts/files/1", "", nil)
	if file.status != 200 || !strings.Contains(file.body, "12345678901") || !strings.Contains(file.header.Get("Content-Disposition"), "payouts-1.csv") {
		t.Errorf("the bank's file: %d %s", file.status, file.body)
	}
	if again := d.ask("GET", "/admin/payouts/files/1", "", nil); again.body != file.body {
		t.Errorf("the file once more: %d %s", again.status, again.body)
	}
	if said := d.does("/admin/payouts/file"); !strings.HasPrefix(said, "fault") {
		t.Errorf("a second file: %s", said)
	}
	if a := d.posts("/admin/payouts/1", "step", "paid", "utr", "?"); a.status != 422 {
		t.Errorf("a UTR that is none: %d", a.status)
	}
	d.does("/admin/payouts/1", "step", "paid", "utr", "n123456789")
	if left := d.balance("ASHA"); left != 0 || earned == 0 {
		t.Errorf("of %d, %d is left", earned, left)
	}
	d.wants("the payout", d.page("/admin/payouts/1"), "N123456789", "finance@shop.example", "paid")
	d.does("/admin/payouts/1", "step", "reversed", "reason", "the account is closed")
	if left := d.balance("ASHA"); left != earned {
		t.Errorf("after it came back: %d, want %d", left, earned)
	}
	// The next one goes by QR.
	d.does("/admin/statements/draft", "partner", "ASHA")
	d.does("/admin/statements/2", "step", "approved")
	if strings.Contains(d.page("/admin/payouts/2"), "upi://") {
		t.Error("the QR is shown before it is booked as sent")
	}
	qr := d.posts("/admin/payouts/2/send", "way", "qr")
	d.wants("the QR's page", qr.body, "asha@okbank", decimal(earned))
	if !strings.Contains(html.UnescapeString(qr.body), "upi://pay?pa=asha@okbank") {
		t.Error("the link is not on the page")
	}
	if said := d.does("/admin/payouts/2/send", "way", "qr"); !strings.Contains(said, "was shown on") {
		t.Errorf("the same form twice: %s", said)
	}
	if strings.Contains(d.page("/admin/payouts/2"), "upi://") {
		t.Error("who looks later sees the QR, and may pay it twice")
	}
	if a := d.posts("/admin/payouts/2/send", "way", "qr", "again", "1"); a.status != 200 {
		t.Errorf("once more, on purpose: %d", a.status)
	}
	d.does("/admin/payouts/2", "step", "failed", "reason", "the app refused")
	d.wants("all payouts", d.page("/admin/payouts?show=all"), "the app refused")
	if a := d.ask("GET", "/admin/tds?year=2026&quarter=3&format=csv", "", nil); a.status != 200 || !strings.HasPrefix(a.body, "statement,partner") {
		t.Errorf("the tax file: %d %s", a.status, a.body)
	}
}

// earns lets partners, who are made where they are new, bring a sale each whose commission is due.
func (s *liveShop) earns(codes ...string) {
	s.Helper()
	terms, err := s.Terms(s.ctx())
	if err != nil {
		s.Fatal(err)
	}
	for _, code := range codes {
		if _, known := terms.partner(code); !known {
			if _, err := s.AddPartner(s.ctx(), PartnerChange{Code: code, Promos: []string{code + "10"}}); err != nil {
				s.Fatal(err)
			}
		}
		s.hears(s.paytm.PaymentForm(s.paytm.Pay("of-"+code, 100000, paytmtest.Reference(code+"10"))))
	}
}

// dueAtOnce is a program whose commissions are due as soon as they are earned.
func dueAtOnce(c *Config) { c.Paytm.Confirm, c.Commission.Hold = false, 0 }

// Of those picked each that can be is approved, and the page says why the others are not.
func TestSomeOfThosePickedAreApproved(t *testing.T) {
	s := serveShop(t, dueAtOnce)
	d := s.atDesk("finance")
	s.earns("ASHA", "RAVI", "MEERA")
	d.does("/admin/statements/draft")
	ids := map[string]string{}
	if err := s.read(s.ctx(), func(r rows) error {
		list, err := r.statements(Span{})
		for _, st := range list {
			ids[st.Partner] = fmt.Sprint(st.ID)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	d.does("/admin/statements/"+ids["RAVI"], "step", "declined", "reason", "not yet")
	a := d.posts("/admin/statements/approve", "id", "99", "id", ids["ASHA"], "id", ids["RAVI"], "id", ids["MEERA"])
	if a.status != 200 {
		t.Errorf("two of four: %d", a.status)
	}
	d.wants("the page", a.body, "2 statements were not approved", "Statement "+ids["RAVI"]+" · RAVI : statement",
		"is declined and", "Statement 99 : There is no such statement", "2 were approved", ids["ASHA"]+" , "+ids["MEERA"])
	if !strings.Contains(a.body, `data-live="/admin/statements?block=rows"`) {
		t.Error("the list on the page does not follow what happens")
	}
	for code, want := range map[string]string{"ASHA": "approved", "RAVI": "declined", "MEERA": "approved"} {
		id, _ := strconv.ParseInt(ids[code], 10, 64)
		if told, err := s.Tell(s.ctx(), id, TaxRules{}); err != nil || told.State() != want {
			t.Errorf("%s: %v %v, want %s", code, told, err, want)
		}
	}
	if a := d.posts("/admin/statements/approve", "id", "99"); a.status != 422 {
		t.Errorf("one that is none: %d", a.status)
	}
}

// What was done is said by the next whole page, whatever the page before asks for in between: its blocks change
// at the same moment.
func TestDoneIsSaidOnce(t *testing.T) {
	s := serveShop(t, dueAtOnce)
	d := s.atDesk("finance")
	s.earns("ASHA")
	b := s.browser()
	at, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: "hissa_admin", Value: d.cookie, Path: "/"}})
	if a := b.at("POST", "/admin/statements/draft", nil); a.status != http.StatusSeeOther {
		t.Fatalf("draft: %d %s", a.status, plainText(a.body))
	}
	for _, c := range []struct {
		path, mode string
		status     int
		said       bool
	}{
		{"/admin/statements?block=rows", "", 200, false},
		{"/admin/statements", "cors", 200, false}, // as where a block is sent on to
		{"/admin/nowhere", "navigate", 404, false},
		{"/admin/statements", "navigate", 200, true},
		{"/admin/statements", "navigate", 200, false},
	} {
		a := b.at("GET", c.path, nil, "Sec-Fetch-Mode", c.mode)
		if said := strings.Contains(a.body, "Drafted. Look at them"); a.status != c.status || said != c.said {
			t.Errorf("%s: %d, said: %v; want %d, %v", c.path, a.status, said, c.status, c.said)
		}
	}
}

// However many statements are drafted and payouts ready, the pages count them all.
func TestManyPayoutsAreCounted(t *testing.T) {
	s := serveShop(t, dueAtOnce)
	d := s.atDesk("viewer")
	var codes []string
	for i := range statementsReach + 10 {
		code, name, account, ifsc := fmt.Sprintf("P%03d", i), "A partner", "12345678901", "HDFC0001234"
		p := PartnerChange{Code: code, Promos: []string{code + "10"}}
		if i%5 > 0 { // the others are paid by UPI
			p.Name, p.Account, p.IFSC = &name, &account, &ifsc
		}
		if _, err := s.AddPartner(s.ctx(), p); err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	s.earns(codes...)
	drafted, err := s.DraftStatements(s.ctx(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	d.wants("the overview", d.page("/admin/"), fmt.Sprint(len(codes), " statements to approve"))
	judge := func(st *Statement, step string, rules TaxRules) {
		t.Helper()
		if _, err := s.JudgeStatement(s.ctx(), st.ID, step, "as agreed", rules); err != nil {
			t.Fatal(err)
		}
	}
	taxed := TaxRules{Rates: []TaxRate{{Section: "393(1)", BPS: 200}}}
	for i, drafted := range drafted {
		st := drafted.Statement
		switch i % 7 {
		case 0:
			judge(st, "approved", taxed)
		case 1:
			judge(st, "approved", taxed)
			judge(st, "held", taxed)
			if i%2 == 0 { // now without the tax
				judge(st, "approved", TaxRules{})
			}
		case 2:
			if i == 2 {
				judge(st, "declined", taxed)
			}
		default:
			judge(st, "approved", TaxRules{})
		}
	}
	s.inOrder()
	var drafts, ready, left, total int64
	if err := s.read(s.ctx(), func(r rows) error {
		list, err := r.statements(Span{})
		for _, st := range list {
			to, err := r.contact(st.Partner)
			switch {
			case err != nil:
				return err
			case st.State() == "draft":
				drafts++
			case st.State() == "approved" && noFileFor(st, to) == "":
				ready, total = ready+1, total+st.Amount()
			case st.State() == "approved":
				left++
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	d.wants("the overview", d.page("/admin/"), fmt.Sprint(drafts, " statements to approve"))
	payouts := s.atDesk("finance").page("/admin/payouts")
	d.wants("the payouts", payouts, fmt.Sprintf("%d payouts are ready, %s", ready, strings.TrimSuffix(rupees(total), ".00")))
	if n := int64(strings.Count(payouts, "no bank account")); n != left {
		t.Errorf("%d are left out of a file, want %d", n, left)
	}
}

// defaultColumns are the bank's columns that a configuration without any has.
func defaultColumns(t *testing.T) []payoutColumn {
	t.Helper()
	config, faults := parseConfig("x", []byte(sampleFile), t.TempDir(), false)
	if config == nil {
		t.Fatal(faults)
	}
	return config.Payout.Columns
}

func TestKeysAreMadeAndRevoked(t *testing.T) {
	s := serveShop(t)
	d := s.atDesk("owner")
	a := d.posts("/admin/keys", "name", "monitor", "scope", "metrics")
	secret := regexp.MustCompile(`hissa_metrics_[a-z0-9]+`).FindString(a.body)
	if works, err := s.HasKey(secret, "metrics"); !works || err != nil {
		t.Errorf("the key %q does not work: %v", secret, err)
	}
	if strings.Contains(d.page("/admin/keys"), secret) {
		t.Error("the key is shown twice")
	}
	if a := d.posts("/admin/keys", "name", "monitor", "scope", "metrics"); a.status != 422 {
		t.Errorf("the same name: %d", a.status)
	}
	d.does("/admin/keys/monitor/revoke")
	if works, _ := s.HasKey(secret, "metrics"); works {
		t.Error("a revoked key works")
	}
}

// What the file says stands on the page with its line; what is secret does not.
func TestSettingsShowTheFile(t *testing.T) {
	sections := settingsSections("public_url = \"https://go.shop.in\"\n\n[commission]\nrate = \"12%\"\n" +
		"tiers = [\n  \"1.00 2%\", # first\n  \"2.00 3%\",\n]\n[alerts]\nurl = \"https://ntfy.sh/secret-topic\"\n")
	got := map[string]string{}
	for _, section := range sections {
		for _, row := range section.Rows {
			got[section.Name+"."+row.Key] = fmt.Sprint(row.Value, " ", row.Line)
			if row.Doc == "" {
				t.Errorf("%s.%s has no prose", section.Name, row.Key)
			}
		}
	}
	for key, want := range map[string]string{
		".public_url": `"https://go.shop.in" 1`, "commission.rate": `"12%" 4`, "commission.hold": `"14d" 0`,
		"commission.tiers": `[ "1.00 2%", # first "2.00 3%", ] 5`, "alerts.url": masked + " 10", ".listen": `"127.0.0.1:8080" 0`,
		"paytm.mid": " 0",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	d := serveShop(t).atDesk("viewer")
	d.wants("the page", d.page("/admin/settings"), "public_url", "default")
}

// hostileText is a text in every field that takes one: nothing of it may be a tag on any page.
const hostileText = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`

func TestHostileTextsAreShownAsTexts(t *testing.T) {
	s := serveShop(t)
	d, p := s.atDesk("owner"), s.paytm
	name := hostileText
	if _, err := s.SetPartner(s.ctx(), PartnerChange{Code: "ASHA", Name: &name}); err != nil {
		t.Fatal(err)
	}
	if err := s.RecordClick(s.ctx(), Click{ID: "hc_1", Partner: "ASHA", Sub: "sub=" + url.QueryEscape(hostileText)}); err != nil {
		t.Fatal(err)
	}
	s.bind(Order{ID: "1", Promo: hostileText})
	s.bind(Order{ID: "2", Promo: "ASHA10", Amount: 5})
	for i, order := range []string{"1", "2"} {
		pay := p.Pay(order, 100000, paytmtest.Reference(hostileText))
		s.hook(p.PaymentForm(pay))
		s.deliver(payment(fmt.Sprint("H", i), "H", func(n *Notification) {
			n.Unusable, n.Type, n.Mode, n.Why = hostileText, hostileText, hostileText, hostileText
		}))
		s.deliver(payment(pay.TxnID, order, amount(5), func(n *Notification) { n.Mode, n.Reference = hostileText, hostileText }))
		if err := s.Decide(s.ctx(), pay.TxnID, Decision{Agree: true, Amount: 5, Reason: hostileText}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/admin/", "/admin/payments", "/admin/payments?q=" + url.QueryEscape(hostileText),
			"/admin/payments?partner=" + url.QueryEscape(hostileText), "/admin/payments/" + pay.TxnID, "/admin/payments/H0",
			"/admin/partners", "/admin/partners?q=" + url.QueryEscape(hostileText), "/admin/partners/ASHA", "/admin/partners/ASHA/edit",
			"/admin/needs/review", "/admin/needs/merchant", "/admin/needs/conflict", "/admin/needs/unattributed",
			"/admin/statements?partner=" + url.QueryEscape(hostileText), "/admin/settings"} {
			if a := d.ask("GET", path, "", nil); strings.Contains(a.body, "<script>") || strings.Contains(a.body, "<img") || a.status != 200 {
				t.Errorf("%s: %d, and what was stored became a tag, or there is no page", path, a.status)
			}
		}
	}
}

// listener is a browser that follows what happens.
type listener struct {
	testing.TB
	body  io.ReadCloser
	lines *bufio.Scanner
	id    string // of the last event
}

// follows opens a stream of events. last is the id of the last event heard before, "" for none; what isn't
// heard in minutes never comes.
func (s *liveShop) follows(client *http.Client, path, cookie, last string) *listener {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	a, err := client.Do(req)
	if err != nil || a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/event-stream" {
		s.Fatalf("%s: %v %v", path, a, err)
	}
	s.Cleanup(func() { cancel(); a.Body.Close() })
	return &listener{s, a.Body, bufio.NewScanner(a.Body), ""}
}

// hears reads the next event.
func (l *listener) hears() (n News) {
	l.Helper()
	for l.lines.Scan() {
		if id, is := strings.CutPrefix(l.lines.Text(), "id: "); is {
			l.id = id
		}
		if text, is := strings.CutPrefix(l.lines.Text(), "data: "); is {
			if err := json.Unmarshal([]byte(text), &n); err != nil {
				l.Fatalf("%s: %v", text, err)
			}
			return n
		}
	}
	l.Fatalf("the stream ended: %v", l.lines.Err())
	return n
}

// hearsOf reads on until payments are told of, and returns how many.
func (l *listener) hearsOf() int {
	l.Helper()
	for {
		if n := l.hears(); n.Payments > 0 {
			return n.Payments
		}
	}
}

// ends wants the stream to end, with nothing said before.
func (l *listener) ends() {
	l.Helper()
	for l.lines.Scan() {
		if text := l.lines.Text(); strings.HasPrefix(text, "data: ") {
			l.Fatalf("the stream goes on: %s", text)
		}
	}
	if err := l.lines.Err(); err != nil {
		l.Fatalf("the stream ends by %v", err)
	}
}

// Whoever looks on hears of a payment; whoever comes back hears of those that came meanwhile, and where that
// can't be told, that everything may have changed. The stream ends when the service does.
func TestEventsComeAndEnd(t *testing.T) {
	s := serveShop(t)
	d := s.atDesk("viewer")
	follows := func(path, last string) *listener {
		return s.follows(s.client, path, "hissa_admin="+d.cookie, last)
	}
	sold := 0
	sells := func() { sold++; s.hook(s.paytm.PaymentForm(s.paytm.Pay(fmt.Sprint(sold), 100000))) }

	stream := follows("/admin/events", "")
	if n := stream.hears(); len(n.Changed) > 0 || stream.id == "" {
		t.Errorf("it begins with %+v at %q", n, stream.id)
	}
	began := stream.id
	sells()
	for heard := []string{}; !slices.Contains(heard, "needs"); {
		n := stream.hears()
		heard = append(heard, n.Changed...)
	}
	if stream.id == began {
		t.Error("the payment has no place of its own")
	}
	page := d.ask("GET", "/admin/payments", "", nil).place()
	sells()
	sells()
	if n := follows("/admin/events?since="+page, "").hearsOf(); page == "" || n != 2 {
		t.Errorf("of two payments since the page was made at %q, %d are told of", page, n)
	}
	for _, back := range []*listener{follows("/admin/events", began), follows("/admin/events?since="+began, "")} {
		if n := back.hears(); len(n.Changed) > 0 || back.id != began {
			t.Errorf("after coming back it begins with %+v at %s, want nothing at %s", n, back.id, began)
		}
		if n := back.hearsOf(); n != sold {
			t.Errorf("after coming back %d payments were told of, want %d", n, sold)
		}
	}
	for _, id := range []string{"nothing of ours", "-1", "999999999"} { // the last as of books that were put back since
		back := follows("/admin/events", id)
		if n := back.hears(); !slices.Equal(n.Changed, newsTopics) || n.Payments != 0 {
			t.Errorf("after coming back with the id %s: %+v", id, n)
		}
		if n, _ := strconv.Atoi(back.id); n < 1 || n > 1000 {
			t.Errorf("after %s it goes on at %s", id, back.id)
		}
	}

	ended := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, stream.body); ended <- err }()
	s.stop()
	select {
	case err := <-ended:
		if err != nil { // the service cut it off instead
			t.Errorf("the stream ended by %v", err)
		}
	case <-time.After(2 * time.Minute):
		t.Error("the stream goes on after the service was told to stop")
	}
}

// A crowd of listeners is bounded, and who leaves makes room.
func TestListenersAreBounded(t *testing.T) {
	h := newHub()
	var all []chan struct{}
	for range listenersMost {
		wake, ok := h.join(listenersMost)
		if !ok {
			t.Fatal("no room")
		}
		all = append(all, wake)
	}
	if _, ok := h.join(listenersMost); ok {
		t.Error("one too many")
	}
	for range 3 {
		h.wakeAll() // nobody reads, and nobody is waited for
	}
	h.leave(all[0])
	if _, ok := h.join(listenersMost); !ok {
		t.Error("no room though one has left")
	}
	h.close()
	if _, open := <-all[1]; !open {
		t.Error("the wake before the end is lost")
	}
	if _, open := <-all[1]; open {
		t.Error("a stream goes on after the end")
	}
	if _, ok := h.join(listenersMost); ok {
		t.Error("somebody joins after the end")
	}
	h.leave(all[2])
}
