package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// liveShop is a served shop on a real listener, with a simulated Paytm.
type liveShop struct {
	*books
	paytm  *paytmtest.Paytm
	config *Config
	url    string
	key    string
	client *http.Client
	stop   context.CancelFunc // tells the service to stop
	filled bool               // rows were put in past the store, which no check would find in order
}

func serveShop(t testing.TB, change ...func(*Config)) *liveShop {
	t.Helper()
	p := paytmtest.New(paytmtest.Config{MID: "SHOP0001", Seed: 11})
	api, stopAPI := p.Start()
	config := &Config{TrustedProxies: nil}
	config.Links.Landing = mustURL(t, "https://shop.example/")
	config.Links.AllowHosts = []string{"shop.example"}
	config.Paytm.MID, config.Paytm.Environment = "SHOP0001", "production"
	config.Paytm.Keys, config.Paytm.Confirm, config.Paytm.APIURL = []*paytm.Key{p.Key()}, true, api
	config.Attribution.Window, config.Attribution.Model = 30*24*time.Hour, "last-click"
	config.Attribution.Precedence = []string{"promo", "click", "reference", "customer"}
	config.Commission.RateBPS, config.Commission.Hold = 1000, 14*24*time.Hour
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config.PublicURL = mustURL(t, "http://"+listener.Addr().String())
	for _, c := range change {
		c(config)
	}
	s := &liveShop{books: openBooks(t, config.program()), paytm: p, config: config,
		url: "http://" + listener.Addr().String(), client: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
	config.Database = s.path
	s.Store.keys = config.Privacy.Keys
	s.setClock(time.Now)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	ended := make(chan error, 1)
	go func() {
		ended <- serveOn(ctx, listener, config, s.Store, nil, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		stopAPI()
		if !s.filled {
			s.inOrder()
		}
	})
	if s.key, err = s.AddKey(s.ctx(), "shop", "orders"); err != nil {
		t.Fatal(err)
	}
	s.books.partner("ASHA")
	s.books.partner("RAVI")
	return s
}

// said is an answer over HTTP.
type said struct {
	status int
	header http.Header
	body   string
}

func (s *liveShop) do(method, path, contentType string, body io.Reader, header ...string) said {
	s.Helper()
	req, err := http.NewRequest(method, s.url+path, body)
	if err != nil {
		s.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	answer, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	return said{answer.StatusCode, answer.Header, string(text)}
}

// hook delivers a message and returns its status and result or error.
func (s *liveShop) hook(m paytmtest.Message, header ...string) (int, string) {
	s.Helper()
	a := s.do("POST", "/webhooks/paytm", m.ContentType, bytes.NewReader(m.Body), header...)
	var got struct{ Result, Error string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		s.Fatalf("%d %q is no JSON: %v", a.status, a.body, err)
	}
	return a.status, got.Result + got.Error
}

func (s *liveShop) wants(what string, m paytmtest.Message, status int, result string, header ...string) {
	s.Helper()
	if gotStatus, got := s.hook(m, header...); gotStatus != status || got != result {
		s.Errorf("%s: %d %s, want %d %s", what, gotStatus, got, status, result)
	}
}

// Every result that a genuine message can have, in one shop's day.
func TestWebhookResults(t *testing.T) {
	s := serveShop(t)
	p := s.paytm
	s.bind(Order{ID: "1", Promo: "ASHA10"})
	first := p.Pay("1", 100000)
	s.wants("the first success", p.PaymentForm(first), 200, "credited")
	s.wants("the same again", p.PaymentForm(first), 200, "duplicate")
	s.wants("the same in another shape", p.PaymentJSON(first), 200, "duplicate")
	s.wants("the same in the third shape", p.PaymentFlatJSON(first), 200, "duplicate")
	s.wants("another amount", p.Conflicting(first, 5), 200, "conflict")
	s.wants("a payment nobody brought", p.PaymentForm(p.Pay("2", 100000)), 200, "unattributed")
	pending := p.Pay("3", 100000, paytmtest.Pending())
	s.wants("pending", p.PaymentJSON(pending), 200, "recorded")
	s.wants("a failure", p.PaymentForm(p.Pay("4", 100000, paytmtest.Failed())), 200, "recorded")
	refund := p.Refund(first, 40000)
	s.wants("a refund without a MID", p.RefundAccepted(first, refund), 200, "recorded")
	s.wants("the refund again", p.RefundAccepted(first, refund), 200, "duplicate")
	s.wants("the refund, next event", p.RefundSucceeded(first, refund), 200, "recorded")
	s.wants("the bank's number", p.ARN(first), 200, "ignored")
	s.wants("a mandate", p.SubscriptionStatus("102771", "ACTIVE"), 200, "ignored")
	s.wants("a dispute", p.Dispute(first, "D1", "NEW", 100000), 200, "recorded")
	s.wants("dollars alone", p.PaymentForm(p.Pay("5", 100000, paytmtest.Currency("USD"))), 200, "review")
	odd := p.SignForm(map[string]string{"MID": "SHOP0001", "ORDERID": "6", "TXNID": "T6",
		"TXNAMOUNT": "1e9", "STATUS": "TXN_SUCCESS", "BANKTXNID": "7"})
	s.wants("an amount that is none", odd, 200, "review")
	s.wants("the same odd one again", odd, 200, "review")
	s.inOrder()
	if got, _, _ := strings.Cut(s.earned(first.TxnID), " held"); got != "ASHA 100.00 less 40.00" {
		t.Errorf("the first payment came to %s", got)
	}
}

// Before the signature: malformed is 400, everything that depends on key or MID one and the same 401.
func TestWebhookRefusals(t *testing.T) {
	s := serveShop(t)
	good := s.paytm.PaymentForm(s.paytm.Pay("1", 100000))
	form := func(body string) paytmtest.Message {
		return paytmtest.Message{ContentType: good.ContentType, Body: []byte(body)}
	}
	stranger := paytmtest.New(paytmtest.Config{MID: "SHOP0001", MerchantKey: "another_key_0000"})
	elsewhere := paytmtest.New(paytmtest.Config{MID: "OTHERSHOP"})
	for _, row := range []struct {
		what   string
		m      paytmtest.Message
		status int
		want   string
	}{
		{"another key", stranger.PaymentForm(stranger.Pay("1", 100000)), 401, "signature"},
		{"another shop's MID", elsewhere.PaymentForm(elsewhere.Pay("1", 100000)), 401, "signature"},
		{"a tampered amount", form(strings.Replace(string(good.Body), "1000.00", "9000.00", 1)), 401, "signature"},
		{"no checksum", form("MID=SHOP0001&ORDERID=1&STATUS=TXN_SUCCESS"), 401, "signature"},
		{"a name twice", form(string(good.Body) + "&STATUS=TXN_SUCCESS"), 400, "malformed"},
		{"a broken escape", form(string(good.Body) + "&x=%zz"), 400, "malformed"},
		{"nothing", form(""), 400, "malformed"},
		{"JSON with something after it", form(`{"head":{},"body":{}} x`), 400, "malformed"},
	} {
		s.wants(row.what, row.m, row.status, row.want)
	}
	post := func(path, body string, header ...string) said {
		return s.do("POST", path, good.ContentType, strings.NewReader(body), header...)
	}
	var first said
	for i, m := range []paytmtest.Message{stranger.PaymentForm(stranger.Pay("2", 1)), elsewhere.PaymentForm(elsewhere.Pay("2", 1)),
		form("MID=SHOP0001&CHECKSUMHASH=" + strings.Repeat("A", 108))} {
		got := post("/webhooks/paytm", string(m.Body))
		got.header.Del("Date")
		if i == 0 {
			first = got
		}
		if got.body != first.body || got.status != first.status || len(got.header) != len(first.header) {
			t.Errorf("a stranger can tell refusals apart: %+v and %+v", first, got)
		}
	}
	for _, row := range []struct {
		what   string
		answer said
		status int
	}{
		{"a query string", post("/webhooks/paytm?STATUS=TXN_SUCCESS", string(good.Body)), 400},
		{"an empty query", post("/webhooks/paytm?", string(good.Body)), 400},
		{"compressed", post("/webhooks/paytm", string(good.Body), "Content-Encoding", "gzip"), 415},
		{"64 KiB and one byte", post("/webhooks/paytm", strings.Repeat("a", maxBody+1)), 413},
		{"GET", s.do("GET", "/webhooks/paytm", "", nil), 405},
		{"endless", s.do("POST", "/webhooks/paytm", good.ContentType, io.LimitReader(endless{}, 1<<20)), 413},
	} {
		if row.answer.status != row.status {
			t.Errorf("%s: %d, want %d", row.what, row.answer.status, row.status)
		}
	}
	s.wants("identity is no compression", good, 200, "unattributed", "Content-Encoding", "identity")
	full := "comments=" + strings.Repeat("a", maxBody-len("comments="))
	if got := post("/webhooks/paytm", full); got.status != 401 {
		t.Errorf("exactly 64 KiB: %d, want it read, and refused for its signature", got.status)
	}
	if r := s.inOrder(); r.Transactions != 1 {
		t.Errorf("%d transactions, want the one genuine", r.Transactions)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// While a key is rotated, messages under either are believed.
func TestTwoKeys(t *testing.T) {
	s := serveShop(t, func(c *Config) {
		next, err := paytm.NewKey("the_next_key_000")
		if err != nil {
			t.Fatal(err)
		}
		c.Paytm.Keys = append([]*paytm.Key{next}, c.Paytm.Keys...)
	})
	next := paytmtest.New(paytmtest.Config{MID: "SHOP0001", MerchantKey: "the_next_key_000", Seed: 2})
	s.wants("the old key", s.paytm.PaymentForm(s.paytm.Pay("1", 100000)), 200, "unattributed")
	s.wants("the new key", next.PaymentForm(next.Pay("2", 100000)), 200, "unattributed")
}

// A visit: sent on with a cookie, stored before that; whoever is no person is sent on without one.
func TestClicks(t *testing.T) {
	s := serveShop(t, func(c *Config) {
		c.PublicURL = mustURL(t, "https://go.shop.example")
		c.Links.CookieDomain = "shop.example"
	})
	visit := func(path string, header ...string) said {
		return s.do("GET", path, "", nil, append([]string{"User-Agent", phone}, header...)...)
	}
	got := visit("/r/asha?to=/shoes&sub=insta&sub2=reel&utm_source=x")
	if got.status != 302 || got.header.Get("Location") != "https://shop.example/shoes?sub=insta&sub2=reel&utm_source=x" ||
		got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("a visit: %d %v", got.status, got.header)
	}
	cookie := got.header.Get("Set-Cookie")
	id, attributes, _ := strings.Cut(strings.TrimPrefix(cookie, "hissa_click="), "; ")
	if want := "Path=/; Domain=shop.example; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax"; attributes != want {
		t.Errorf("the cookie's attributes are %q, want %q", attributes, want)
	}
	for what, a := range map[string]said{
		"HEAD":             s.do("HEAD", "/r/ASHA", "", nil, "User-Agent", phone),
		"a prefetch":       visit("/r/ASHA", "Sec-Purpose", "prefetch;prerender"),
		"WhatsApp":         s.do("GET", "/r/ASHA", "", nil, "User-Agent", preview),
		"an unknown code":  visit("/r/NOBODY"),
		"an unlawful page": visit("/r/NOBODY?to=https://evil.example/"),
	} {
		if a.status != 302 || a.header.Get("Set-Cookie") != "" ||
			!strings.HasPrefix(a.header.Get("Location"), "https://shop.example/") {
			t.Errorf("%s: %d %v", what, a.status, a.header)
		}
	}
	var stored []string
	if err := s.read(s.ctx(), func(r rows) error {
		return r.each("SELECT id || ' ' || partner || ' ' || sub || ' ' || counted FROM clicks ORDER BY seq", nil,
			func(scan func(...any) error) error {
				var row string
				err := scan(&row)
				stored = append(stored, row)
				return err
			})
	}); err != nil {
		t.Fatal(err)
	}
	if len(stored) != 4 || stored[0] != id+" ASHA sub=insta&sub2=reel " {
		t.Errorf("stored: %q", stored)
	}
	for _, row := range stored[1:] {
		if strings.HasSuffix(row, " ") {
			t.Errorf("counted as a person: %q", row)
		}
	}
}

// A command changes the partners beside the service, which remembers the terms between two visits: the next
// visit is judged by what is in force then.
func TestClicksUnderTermsOfNow(t *testing.T) {
	s := serveShop(t)
	beside, err := openStore(s.path, StoreOptions{Environment: "production", MID: "SHOP0001"})
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	change := func(by func(*Store) (int, error)) {
		t.Helper()
		if _, err := by(beside); err != nil {
			t.Fatal(err)
		}
	}
	counts := func(code string) bool {
		return s.do("GET", "/r/"+code, "", nil, "User-Agent", phone).header.Get("Set-Cookie") != ""
	}
	if !counts("ASHA") || counts("MEERA") {
		t.Fatal("before any change")
	}
	state := func(state string) func(*Store) (int, error) {
		return func(b *Store) (int, error) {
			return b.SetPartner(s.ctx(), PartnerChange{Code: "ASHA", State: state})
		}
	}
	change(state("disabled"))
	if counts("ASHA") {
		t.Error("a visit counts although its partner is disabled")
	}
	change(func(b *Store) (int, error) { return b.AddPartner(s.ctx(), PartnerChange{Code: "MEERA"}) })
	if !counts("MEERA") {
		t.Error("a new partner's visit does not count")
	}
	change(state("active"))
	if !counts("ASHA") {
		t.Error("a visit does not count although its partner is active again")
	}
	change(func(b *Store) (int, error) {
		terms := s.config.program()
		terms.Model = "first-click"
		_, err := b.AdoptProgram(s.ctx(), terms, false)
		return 0, err
	})
	first := s.do("GET", "/r/ASHA", "", nil, "User-Agent", phone).header.Get("Set-Cookie")
	cookie, _, _ := strings.Cut(first, ";")
	if s.do("GET", "/r/MEERA", "", nil, "User-Agent", phone, "Cookie", cookie).header.Get("Set-Cookie") != "" {
		t.Error("the first click does not keep its cookie although the program says so by now")
	}
	got := 0
	if err := s.read(s.ctx(), func(r rows) error {
		return r.one("SELECT count(*) FROM clicks", nil, &got)
	}); err != nil || got != 6 {
		t.Errorf("%d clicks are stored, of six: %v", got, err)
	}
}

func TestFirstClickKeepsALiveCookie(t *testing.T) {
	s := serveShop(t, func(c *Config) { c.Attribution.Model = "first-click" })
	first := s.do("GET", "/r/ASHA", "", nil, "User-Agent", phone).header.Get("Set-Cookie")
	cookie, _, _ := strings.Cut(first, ";")
	again := s.do("GET", "/r/RAVI", "", nil, "User-Agent", phone, "Cookie", cookie)
	if got := again.header.Get("Set-Cookie"); got != "" {
		t.Errorf("a live cookie was replaced: %s", got)
	}
	stale := s.do("GET", "/r/RAVI", "", nil, "User-Agent", phone, "Cookie", "hissa_click=clk_never")
	if stale.header.Get("Set-Cookie") == "" {
		t.Error("a cookie that names no click was kept")
	}
}

// What the shop may say about an order, and what it hears.
func TestOrders(t *testing.T) {
	s := serveShop(t)
	order := func(body string, header ...string) said {
		return s.do("POST", "/v1/orders", "application/json", strings.NewReader(body),
			append([]string{"Authorization", "Bearer " + s.key}, header...)...)
	}
	metrics, err := s.AddKey(s.ctx(), "monitor", "metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		what   string
		answer said
		status int
		holds  string
	}{
		{"first", order(`{"order_id":"1","promo_code":"ASHA10"}`), 201, `{"order_id":"1","result":"bound"}`},
		{"again", order(`{"order_id":"1","promo_code":"ASHA10"}`), 200, `"same"`},
		{"changed", order(`{"order_id":"1","promo_code":"RAVI10","amount":"1000.00"}`), 200, `"replaced"`},
		{"a number for an id", order(`{"order_id":77}`), 201, `"order_id":"77"`},
		{"not JSON", order(`order_id=1`), 400, `"json"`},
		{"no id", order(`{}`), 422, `"field":"order_id"`},
		{"an unlawful amount", order(`{"order_id":"1","amount":"1e3"}`), 422, `"field":"amount"`},
		{"an unknown field", order(`{"order_id":"1","coupon":"X"}`), 422, `"field":"coupon"`},
		{"no key", s.do("POST", "/v1/orders", "", strings.NewReader(`{}`)), 401, `"key"`},
		{"another scope", order(`{"order_id":"1"}`, "Authorization", "Bearer "+metrics), 401, `"key"`},
	} {
		if row.answer.status != row.status || !strings.Contains(row.answer.body, row.holds) {
			t.Errorf("%s: %d %s, want %d with %s", row.what, row.answer.status, row.answer.body, row.status, row.holds)
		}
	}
	s.wants("the payment", s.paytm.PaymentForm(s.paytm.Pay("1", 100000)), 200, "credited")
	if got := order(`{"order_id":"1","promo_code":"ASHA10"}`); got.status != 409 {
		t.Errorf("changed after a success: %d %s", got.status, got.body)
	}
	if err := s.RevokeKey(s.ctx(), "shop"); err != nil {
		t.Fatal(err)
	}
	if got := order(`{"order_id":"9"}`); got.status != 401 {
		t.Errorf("a revoked key: %d", got.status)
	}
	if got := s.do("GET", "/metrics", "", nil, "Authorization", "Bearer "+metrics); got.status != 200 ||
		!strings.Contains(got.body, `hissa_webhooks_total{result="credited"} 1`) {
		t.Errorf("metrics: %d\n%s", got.status, got.body)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if got := s.do("GET", path, "", nil); got.status != 200 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

// Under a path, with and without a proxy that strips it.
func TestPublicURLWithAPath(t *testing.T) {
	s := serveShop(t, func(c *Config) { c.PublicURL.Path = "/go" })
	for _, path := range []string{"/go/healthz", "/healthz"} {
		if got := s.do("GET", path, "", nil); got.status != 200 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

// Storage trouble is 503 and nothing is booked; when it is over, the same message is credited.
func TestStorageTrouble(t *testing.T) {
	s := serveShop(t)
	s.bind(Order{ID: "1", Promo: "ASHA10"})
	m := s.paytm.PaymentForm(s.paytm.Pay("1", 100000))
	begun, release := make(chan struct{}), make(chan struct{})
	go func() { // one piece of work holds the writer, and the queue behind it fills
		_ = s.write(s.ctx(), s.payments, func(*tx) error { close(begun); <-release; return nil })
	}()
	<-begun
	for len(s.payments) < cap(s.payments) {
		s.payments <- &job{do: func(*tx) error { return nil }, done: make(chan error, 1)}
	}
	got := s.do("POST", "/webhooks/paytm", m.ContentType, bytes.NewReader(m.Body))
	if got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "storage") {
		t.Errorf("a full queue: %d %v %s", got.status, got.header, got.body)
	}
	close(release)
	for len(s.payments) > 0 {
		time.Sleep(time.Millisecond)
	}
	s.wants("the same message, later", m, 200, "credited")
}
