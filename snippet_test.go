package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The shop of these tests is https://shop.example, and Hissa stands beside it.
const shopOrigin = "https://shop.example"

func beside(c *Config) {
	c.PublicURL.Scheme, c.PublicURL.Host = "https", "go.shop.example"
	c.Links.CookieDomain = "shop.example"
}

// sends is what the script in a page of the shop sends from a phone.
func (s *liveShop) sends(form string, header ...string) said {
	s.Helper()
	return s.do("POST", "/v1/clicks", "application/x-www-form-urlencoded;charset=UTF-8", strings.NewReader(form),
		append([]string{"Origin", shopOrigin, "User-Agent", phoneAgent, "Sec-Fetch-Site", "same-site",
			"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, header...)...)
}

// became is what became of a click, and its id.
func became(t *testing.T, a said) (result, id string) {
	t.Helper()
	var got struct {
		Result string `json:"result"`
		ID     string `json:"click_id"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %q", a.status, a.body)
	}
	return got.Result, got.ID
}

// storedClicks are all the clicks in the books: partner, sub-ids, why one does not count.
func (s *liveShop) storedClicks() (clicks []string) {
	s.Helper()
	if err := s.read(s.ctx(), func(r rows) error {
		return r.each("SELECT partner || '|' || sub || '|' || counted FROM clicks ORDER BY seq", nil,
			func(scan func(...any) error) error {
				var row string
				err := scan(&row)
				clicks = append(clicks, row)
				return err
			})
	}); err != nil {
		s.Fatal(err)
	}
	return clicks
}

// A click from a page of the shop is the click that /r/ would have made: stored, with the same cookie.
// Its order earns.
func TestPageClick(t *testing.T) {
	s := serveShop(t, beside)
	a := s.sends("code=asha&sub=insta&sub2=reel&email=x@y.example&click=")
	result, id := became(t, a)
	want := "hissa_click=" + id +
		"; Path=/; Domain=shop.example; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax"
	if got := a.header.Get("Set-Cookie"); result != "counted" || got != want {
		t.Errorf("%s, with the cookie\n%s, want\n%s", result, got, want)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": shopOrigin, "Access-Control-Allow-Credentials": "true",
		"Vary": "Origin", "Cache-Control": "no-store", "Content-Type": "application/json",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := s.storedClicks(); len(got) != 1 || got[0] != "ASHA|sub=insta&sub2=reel|" {
		t.Errorf("stored: %q", got)
	}
	s.bind(Order{ID: "1", ClickID: id})
	s.wants("its payment", s.paytm.PaymentForm(s.paytm.Pay("1", 100000)), 200, "credited")
}

// What is stored and what is not, and that only a click which counts has a cookie.
func TestPageClickResults(t *testing.T) {
	s := serveShop(t, beside)
	if _, err := s.SetPartner(s.ctx(), PartnerChange{Code: "RAVI", State: "disabled"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, form string
		header     []string
		result     string
		stored     string // the new row, "" for none
	}{
		{"an unknown code", "code=producthunt", nil, "unknown", ""},
		{"a promo code", "code=ASHA10", nil, "unknown", ""},
		{"no code", "sub=insta", nil, "unknown", ""},
		{"nothing", "", nil, "unknown", ""},
		{"a disabled partner", "code=RAVI", nil, "uncounted", "RAVI||the partner was disabled"},
		{"a crawler that runs scripts", "code=ASHA", []string{"User-Agent",
			"Mozilla/5.0 (Linux; Android 6.0.1) Chrome/142.0.0.0 Mobile (compatible; Googlebot/2.1)"},
			"uncounted", "ASHA||a crawler (Googlebot)"},
		{"a driven browser", "code=ASHA", []string{"User-Agent",
			strings.ReplaceAll(phoneAgent, "Chrome/", "HeadlessChrome/")},
			"uncounted", "ASHA||a tool (HeadlessChrome)"},
		{"no agent", "code=ASHA", []string{"User-Agent", ""}, "uncounted", "ASHA||no user agent"},
		{"a page that is only prepared", "code=ASHA", []string{"Sec-Purpose", "prefetch;prerender"},
			"uncounted", "ASHA||a prefetch"},
		{"an image", "code=ASHA", []string{"Sec-Fetch-Dest", "image"},
			"uncounted", "ASHA||not sent by a page's script"},
		{"a form that navigates", "code=ASHA", []string{"Sec-Fetch-Dest", "document"},
			"uncounted", "ASHA||not sent by a page's script"},
		{"an app's own browser", "code=ASHA", []string{"User-Agent", "ShopApp/3.1"}, "counted", "ASHA||"},
		{"an old browser", "code=ASHA", []string{"Sec-Fetch-Dest", "", "Sec-Fetch-Mode", ""},
			"counted", "ASHA||"},
	} {
		before := len(s.storedClicks())
		a := s.sends(c.form, c.header...)
		result, id := became(t, a)
		stored := strings.Join(s.storedClicks()[before:], " ")
		hasCookie := strings.HasPrefix(a.header.Get("Set-Cookie"), "hissa_click=clk_")
		if counted := result == "counted"; result != c.result || stored != c.stored ||
			hasCookie != counted || (id != "") != counted {
			t.Errorf("%s: %s, id %q, stored %q, cookie %q, want %s and %q",
				c.what, result, id, stored, a.header.Get("Set-Cookie"), c.result, c.stored)
		}
	}
}

// Only the shop's own pages set clicks. From any other there is no row, no cookie, and no answer that
// its script could read.
func TestPageClickOrigins(t *testing.T) {
	matrix := []struct {
		origin               string
		live, port, loopback bool // public_url https; landing on a port of its own; all on this machine
	}{
		{"https://shop.example", true, true, true},
		{"https://m.shop.example", true, true, true},
		{"https://shop.example:8443", false, true, false},
		{"http://127.0.0.1:3000", false, false, true},
		{"http://localhost", false, false, true},
		{"http://[::1]:3000", false, false, true},
		{"", false, false, false},
		{"null", false, false, false},
		{"*", false, false, false},
		{"http://shop.example", false, false, false},
		{"https://shop.example/", false, false, false},
		{"https://SHOP.example", false, false, false},
		{"https://shop.example:443", false, false, false},
		{"https://shop.example.", false, false, false},
		{"https://a.shop.example", false, false, false},
		{"https://go.shop.example", false, false, false},
		{"https://shop.example.evil.example", false, false, false},
		{"https://evilshop.example", false, false, false},
		{"https://evil.example", false, false, false},
		{"https://shop.example@evil.example", false, false, false},
		{"https://evil.example, https://shop.example", false, false, false},
		{"http://127.0.0.1.evil.example", false, false, false},
		{"http://localhost.evil.example", false, false, false},
		{"http://user@localhost", false, false, false},
		{"chrome-extension://abcdef", false, false, false},
		{"file://", false, false, false},
	}
	hosts := func(c *Config) { c.Links.AllowHosts = []string{"shop.example", "M.Shop.example"} }
	shops := map[string]*liveShop{
		"live": serveShop(t, beside, hosts),
		"port": serveShop(t, beside, hosts, func(c *Config) {
			c.Links.Landing = mustURL(t, "https://shop.example:8443/x")
		}),
		"loopback": serveShop(t, hosts),
	}
	for _, row := range matrix {
		for name, want := range map[string]bool{"live": row.live, "port": row.port, "loopback": row.loopback} {
			s := shops[name]
			before := len(s.storedClicks())
			a := s.sends("code=ASHA", "Origin", row.origin)
			stored, cookie := len(s.storedClicks())-before, a.header.Get("Set-Cookie")
			shared, credentials := a.header.Get("Access-Control-Allow-Origin"),
				a.header.Get("Access-Control-Allow-Credentials")
			taken := a.status == 200 && stored == 1 && cookie != "" && shared == row.origin && credentials == "true"
			refused := a.status == 403 && stored == 0 && cookie == "" && shared == "" && credentials == ""
			if want && !taken || !want && !refused || a.header.Get("Vary") != "Origin" {
				t.Errorf("%s: %q: %d %s, %d stored, cookie %q, shared with %q, want it taken: %v",
					name, row.origin, a.status, a.body, stored, cookie, shared, want)
			}
		}
	}
}

// What is no small form from a page is refused before anything is looked at.
func TestPageClickRefusals(t *testing.T) {
	s := serveShop(t, beside)
	post := func(contentType, body string) said {
		return s.do("POST", "/v1/clicks", contentType, strings.NewReader(body),
			"Origin", shopOrigin, "User-Agent", phoneAgent)
	}
	const form = "application/x-www-form-urlencoded"
	for what, a := range map[string]said{
		"JSON":             post("application/json", `{"code":"ASHA"}`),
		"text":             post("text/plain;charset=UTF-8", "code=ASHA"),
		"no type":          post("", "code=ASHA"),
		"a broken escape":  post(form, "code=%zz"),
		"far too much":     post(form, "code=ASHA&sub="+strings.Repeat("a", maxPageClick)),
		"a semicolon":      post(form, "code=ASHA;sub=x"),
		"a multipart form": post("multipart/form-data; boundary=x", "--x--"),
	} {
		if a.status != http.StatusBadRequest || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	got := s.do("GET", "/v1/clicks?code=ASHA", "", nil, "Origin", shopOrigin, "User-Agent", phoneAgent)
	if got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", got.status)
	}
	// A request that would need leave in advance gets none.
	a := s.do("OPTIONS", "/v1/clicks", "", nil, "Origin", shopOrigin, "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "content-type")
	if a.status < 400 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("OPTIONS: %d %v", a.status, a.header)
	}
	inAddress := s.do("POST", "/v1/clicks?code=ASHA", form, nil, "Origin", shopOrigin, "User-Agent", phoneAgent)
	if result, _ := became(t, inAddress); result != "unknown" {
		t.Errorf("the code in the address: %s", result)
	}
	if got := s.storedClicks(); len(got) != 0 {
		t.Errorf("stored: %q", got)
	}
}

// The model counts for pages as for links. A page that can't have the cookie says which click it has.
func TestPageClickModels(t *testing.T) {
	for _, model := range []string{"first-click", "last-click"} {
		s := serveShop(t, beside, func(c *Config) { c.Attribution.Model = model })
		_, first := became(t, s.sends("code=ASHA"))
		for what, a := range map[string]said{
			"by the cookie": s.sends("code=RAVI", "Cookie", "hissa_click="+first),
			"by the page":   s.sends("code=RAVI&click=" + first),
			"by both":       s.sends("code=RAVI&click=clk_never", "Cookie", "hissa_click="+first),
			"through the link": s.do("GET", "/r/RAVI", "", nil, "User-Agent", phoneAgent,
				"Cookie", "hissa_click="+first),
		} {
			replaced := a.header.Get("Set-Cookie") != ""
			if replaced != (model == "last-click") {
				t.Errorf("%s, %s: the cookie was replaced: %v", model, what, replaced)
			}
			if a.status != http.StatusOK {
				continue
			}
			result, id := became(t, a)
			right := result == "kept" && id == first
			if model == "last-click" {
				right = result == "counted" && id != first
			}
			if !right {
				t.Errorf("%s, %s: %s %s, the first was %s", model, what, result, id, first)
			}
		}
		for what, a := range map[string]said{
			"a click that never was": s.sends("code=RAVI&click=clk_never"),
			"a stale cookie":         s.sends("code=RAVI&click="+first, "Cookie", "hissa_click=clk_never"),
		} {
			if result, _ := became(t, a); result != "counted" {
				t.Errorf("%s, %s: %s", model, what, result)
			}
		}
	}
}

// Clicks from pages and through links are one burst.
func TestPageClicksInABurst(t *testing.T) {
	s := serveShop(t, beside, func(c *Config) { c.Abuse.Clicks = 2 })
	s.do("GET", "/r/ASHA", "", nil, "User-Agent", phoneAgent)
	s.sends("code=ASHA")
	a := s.sends("code=ASHA")
	if result, _ := became(t, a); result != "counted" || a.header.Get("Set-Cookie") == "" {
		t.Errorf("the third is %s: a burst is stored with its reason, and blocks what it earns", result)
	}
	got := s.storedClicks()
	if len(got) != 3 || got[1] != "ASHA||" || !strings.HasPrefix(got[2], "ASHA||"+burst) {
		t.Errorf("stored: %q", got)
	}
}

// A visitor who takes their consent back has the cookie deleted: one of the same name, domain and path.
func TestPageClickForgotten(t *testing.T) {
	s := serveShop(t, beside)
	a := s.sends("forget=1&code=ASHA")
	if result, id := became(t, a); result != "forgotten" || id != "" || len(s.storedClicks()) != 0 {
		t.Errorf("%s %q, stored %q", result, id, s.storedClicks())
	}
	want := "hissa_click=; Path=/; Domain=shop.example; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
	if got := a.header.Get("Set-Cookie"); got != want {
		t.Errorf("the cookie\n%s, want\n%s", got, want)
	}
	a = s.sends("forget=1", "Origin", "https://evil.example")
	if a.status != http.StatusForbidden || a.header.Get("Set-Cookie") != "" {
		t.Errorf("from another site: %d %v", a.status, a.header)
	}
}

// When nothing can be stored the page hears so, and may try again with the next page.
func TestPageClickWithoutStorage(t *testing.T) {
	s := serveShop(t, beside)
	begun, release := make(chan struct{}), make(chan struct{})
	go func() { // one piece of work holds the writer, and the clicks' queue behind it fills
		_ = s.write(s.ctx(), s.clicks, func(*tx) error { close(begun); <-release; return nil })
	}()
	<-begun
	for len(s.clicks) < cap(s.clicks) {
		s.clicks <- &job{do: func(*tx) error { return nil }, done: make(chan error, 1)}
	}
	a := s.sends("code=ASHA")
	shared := a.header.Get("Access-Control-Allow-Origin")
	if a.status != 503 || a.header.Get("Set-Cookie") != "" || shared != shopOrigin {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	close(release)
	for len(s.clicks) > 0 {
		time.Sleep(time.Millisecond)
	}
	if result, _ := became(t, s.sends("code=ASHA")); result != "counted" {
		t.Errorf("with the next page: %s", result)
	}
}

// The script is small, arrives packed where that is understood, and is not sent again when it has not
// changed. Nothing of the source but comments and indentation is left out.
func TestScript(t *testing.T) {
	s := serveShop(t, beside, func(c *Config) { c.PublicURL.Path = "/go" })
	get := func(header ...string) said {
		return s.do("GET", "/go/hissa.js", "", nil, append([]string{"Accept-Encoding", "identity"}, header...)...)
	}
	plain := get()
	packed := get("Accept-Encoding", "br, gzip, deflate")
	if size := len(packed.body); size >= 1024 {
		t.Errorf("the script is %d bytes packed, want less than 1,024", size)
	}
	unpacked, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unpacked)
	if err != nil || !bytes.Equal(text, []byte(plain.body)) {
		t.Errorf("packed it is another text (%v)", err)
	}
	var want strings.Builder
	for line := range strings.Lines(scriptSource) {
		if line = strings.TrimLeft(line, " "); !strings.HasPrefix(line, "//") {
			want.WriteString(line)
		}
	}
	if plain.body != want.String() || strings.Contains(plain.body, "//") {
		t.Errorf("the script served is\n%s", plain.body)
	}
	for what, a := range map[string]said{"plain": plain, "packed": packed} {
		got := fmt.Sprint(a.status)
		for _, name := range []string{"Content-Type", "Cache-Control", "Vary", "X-Content-Type-Options",
			"Access-Control-Allow-Origin", "Set-Cookie"} {
			got += "|" + a.header.Get(name)
		}
		want := "200|text/javascript; charset=utf-8|public, max-age=3600|Accept-Encoding|nosniff|*|"
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	if plain.header.Get("ETag") == packed.header.Get("ETag") {
		t.Error("two texts have one ETag")
	}
	if a := get("If-None-Match", plain.header.Get("ETag")); a.status != http.StatusNotModified || a.body != "" {
		t.Errorf("asked again: %d", a.status)
	}
	if a := s.do("HEAD", "/hissa.js", "", nil); a.status != 200 {
		t.Errorf("HEAD, by a proxy that strips the path: %d", a.status)
	}
}

// originOf writes an origin as a browser does.
func TestOriginOf(t *testing.T) {
	for text, want := range map[string]string{
		"https://Shop.in/x?y#z": "https://shop.in", "https://shop.in:443/": "https://shop.in",
		"https://shop.in:8443": "https://shop.in:8443", "http://127.0.0.1:80/": "http://127.0.0.1",
		"http://localhost:443/": "http://localhost:443",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := originOf(u); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
