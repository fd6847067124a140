package browsertest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// fromREADME is a block that shop owners copy, with the names of the tests' shop in it.
func fromREADME(t testing.TB, info string) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n```"+info+"\n")
	block, _, closed := strings.Cut(after, "\n```\n")
	if !found || !closed {
		t.Fatalf("the README has no block %q", info)
	}
	return strings.ReplaceAll(block, "go.shop.in", "go.shop.example")
}

// tag is the line that puts the snippet into a page; waiting is the one that waits for consent.
func tag(t testing.TB) string { return fromREADME(t, "html snippet") }

func waiting(t testing.TB) string { return fromREADME(t, "html snippet wait") }

// plainPage is a page of a shop that has a strict policy and a checkout without any script of its own.
const plainPage = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Kanpur Shoes</title>
<link rel="icon" href="data:">%s</head><body><h1>%s</h1><p><a id="on" href="/sandals">Sandals</a></p>
<form method="post" action="/checkout"><input type="hidden" name="hissa_click">
<input name="order" aria-label="Order"><button id="buy">Buy</button></form></body></html>`

// policy is the least that the snippet needs of a shop that has one.
const policy = "default-src 'self'; img-src 'self' data:; script-src 'self' https://go.shop.example; " +
	"connect-src 'self' https://go.shop.example"

// plainShop is a shop whose every page is the same, with these tags in it. Its checkout reads the cookie,
// or else the form's hidden field, and tells Hissa.
func (s *shop) plainShop(tags string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /checkout", func(w http.ResponseWriter, r *http.Request) {
		click := r.PostFormValue("hissa_click")
		if c, err := r.Cookie("hissa_click"); err == nil {
			click = c.Value
		}
		s.bind(r.PostFormValue("order"), click)
		fmt.Fprintf(w, plainPage, "", "Go and pay")
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		fmt.Fprintf(w, plainPage, tags, "Shoes")
	})
	return mux
}

// sent are the clicks that the page sent.
func (p *tab) sent() []request {
	return p.made(func(r request) bool { return strings.HasPrefix(r.URL, "https://go.shop.example/v1/clicks") })
}

// buys goes through the checkout of a plain shop.
func (p *tab) buys(order string) {
	p.Helper()
	p.write(`input[name=order]`, order)
	p.press("#buy")
	if got := p.text("h1"); got != "Go and pay" {
		p.Fatalf("after the checkout the page says %q", got)
	}
}

func (s *shop) wantClicks(want ...string) {
	s.Helper()
	if got := s.clicks(); !slices.Equal(got, want) {
		s.Errorf("clicks in the books: %q, want %q", got, want)
	}
}

func (s *shop) wantPaid(order, want string) {
	s.Helper()
	if got := s.pays(order); got != want {
		s.Errorf("the payment of %s earns %q, want %q", order, got, want)
	}
}

// A partner shares a page of the shop; a visitor comes, looks around, and pays on another page.
func TestPlainShop(t *testing.T) {
	s := newShop(t, "")
	lives(t, "shop.example", s.plainShop(tag(t)))
	p := open(t, view{width: 360})
	p.goTo("https://shop.example/shoes?ref=asha&sub=insta&sub2=reel&utm_source=x&email=me@shop.example")
	sent := p.sent()
	if len(sent) != 1 || sent[0].Method != "POST" || sent[0].Status != 200 ||
		sent[0].Body != "code=asha&sub=insta&sub2=reel&click=" {
		t.Fatalf("the page sent %+v", sent)
	}
	if r := sent[0]; r.header("Referer") != "" || r.header("Origin") != "https://shop.example" {
		t.Errorf("it told where it was: %v", r.Headers)
	}
	if got := eval[string](p, `location.href`); !strings.HasSuffix(got, "&email=me@shop.example") {
		t.Errorf("the address was changed: %s", got)
	}
	wantCookie(p)
	if got := eval[string](p, `document.cookie`); got != "" {
		t.Errorf("a script of the page reads the cookie: %s", got)
	}
	p.press("#on")
	p.goTo("https://shop.example/shoes?ref=asha&sub=insta&sub2=reel")
	p.run(`location.reload()`)
	if sent := p.sent(); len(sent) != 1 {
		t.Errorf("the same was sent again: %+v", sent)
	}
	s.wantClicks("ASHA sub=insta&sub2=reel true")
	p.buys("1001")
	s.wantPaid("1001", "ASHA click 149.90")
}

// wantCookie checks that the browser keeps the click as the shop's own cookie.
func wantCookie(p *tab) {
	p.Helper()
	c := p.cookie("hissa_click")
	if c == nil {
		p.Fatal("there is no cookie")
	}
	days := time.Until(time.Unix(int64(c.Expires), 0)).Hours() / 24
	if !strings.HasPrefix(c.Value, "clk_") || c.Domain != ".shop.example" || c.Path != "/" || !c.HTTPOnly ||
		!c.Secure || c.SameSite != network.CookieSameSiteLax || c.PartitionKey != nil || days < 29.9 || days > 30 {
		p.Errorf("the cookie is %+v, for %.2f days", c, days)
	}
}

// The other two names, an unknown code, and pages without any.
func TestNamesOfTheParameter(t *testing.T) {
	s := newShop(t, "")
	lives(t, "shop.example", s.plainShop(tag(t)))
	p := open(t, view{})
	for _, path := range []string{"/", "/?utm_source=x", "/?ref=&via=&aff=", "/?reference=ASHA#ref=ASHA"} {
		p.goTo("https://shop.example" + path)
	}
	if sent := p.sent(); len(sent) != 0 || p.cookie("hissa_click") != nil {
		t.Fatalf("pages that name no partner sent %+v", sent)
	}
	p.goTo("https://shop.example/?ref=producthunt")
	if sent := p.sent(); len(sent) != 1 || p.cookie("hissa_click") != nil {
		t.Errorf("an unknown code: %+v, %v", sent, p.cookie("hissa_click"))
	}
	p.goTo("https://shop.example/?via=ASHA")
	first := p.cookie("hissa_click")
	p.goTo("https://shop.example/?ref=producthunt")
	p.goTo("https://shop.example/?aff=ravi&sub=b")
	if last := p.cookie("hissa_click"); first == nil || last == nil || first.Value == last.Value {
		t.Errorf("the last click does not count: %v, then %v", first, last)
	}
	s.wantClicks("ASHA  true", "RAVI sub=b true")
	p.buys("1")
	s.wantPaid("1", "RAVI click 149.90")
}

// With first-click the first partner keeps the visitor, and the page hears which click that is.
func TestFirstClick(t *testing.T) {
	s := newShop(t, `model = "first-click"`)
	lives(t, "shop.example", s.plainShop(tag(t)))
	p := open(t, view{})
	p.goTo("https://shop.example/?ref=ASHA")
	first := p.cookie("hissa_click")
	p.goTo("https://shop.example/?ref=RAVI")
	if now := p.cookie("hissa_click"); first == nil || now.Value != first.Value ||
		eval[string](p, `hissa.click`) != first.Value {
		t.Errorf("the cookie was %v and is %v", first, now)
	}
	s.wantClicks("ASHA  true", "RAVI  true")
	p.buys("1")
	s.wantPaid("1", "ASHA click 149.90")
}

// Before the visitor consents nothing is sent and nothing kept; consent given on the second page still
// counts the first one's link; consent taken back deletes the cookie.
func TestConsent(t *testing.T) {
	s := newShop(t, "")
	lives(t, "shop.example", s.plainShop(waiting(t)))
	for name, consent := range map[string]string{
		"by a call": `hissa.consent()`, "by an event": `dispatchEvent(new Event('hissa:consent'))`,
	} {
		p := open(t, view{})
		p.goTo("https://shop.example/?ref=ASHA")
		p.press("#on")
		p.run(`hissa.track()`)
		time.Sleep(300 * time.Millisecond)
		untouched(p, name)
		p.run(consent)
		if sent := p.sent(); len(sent) != 1 || !strings.HasPrefix(sent[0].Body, "code=ASHA&") {
			t.Fatalf("%s: after consent the page sent %+v", name, sent)
		}
		wantCookie(p)
		p.run(`hissa.forget()`)
		if c := p.cookie("hissa_click"); c != nil || eval[*string](p, `hissa.click`) != nil {
			t.Errorf("%s: after forget() there is %v", name, c)
		}
		p.goTo("https://shop.example/?ref=RAVI")
		if sent := p.sent(); len(sent) != 2 {
			t.Errorf("%s: forgotten, and then sent %+v", name, sent[2:])
		}
	}
	s.wantClicks("ASHA  true", "ASHA  true")
}

// untouched checks that nothing but the script was asked of Hissa, and that nothing is kept.
func untouched(p *tab, name string) {
	p.Helper()
	asked := p.made(func(r request) bool {
		return strings.HasPrefix(r.URL, "https://go.") && r.URL != "https://go.shop.example/hissa.js"
	})
	stored := eval[int](p, `sessionStorage.length + localStorage.length`)
	if len(asked) > 0 || len(p.cookies()) > 0 || stored > 0 {
		p.Fatalf("%s: before consent: %+v, cookies %v", name, asked, p.cookies())
	}
}

// Global Privacy Control makes the snippet wait as data-consent does. A banner that ran before the
// snippet has said so in window.hissa.
func TestPrivacyControl(t *testing.T) {
	s := newShop(t, "")
	lives(t, "shop.example", s.plainShop(tag(t)))
	p := open(t, view{hello: `Object.defineProperty(navigator, 'globalPrivacyControl', { value: true });`})
	p.goTo("https://shop.example/?ref=ASHA")
	time.Sleep(300 * time.Millisecond)
	untouched(p, "under Global Privacy Control")
	p.run(`hissa.consent()`)
	wantCookie(p)

	lives(t, "shop.example", s.plainShop(waiting(t)))
	p = open(t, view{hello: `window.hissa = { consented: true };`})
	p.goTo("https://shop.example/?ref=ASHA")
	wantCookie(p)
	s.wantClicks("ASHA  true", "ASHA  true")
}

// Going back to a page is no new click, whether the browser has kept it or loads it anew: the last
// partner whose link was followed keeps the visitor.
func TestGoingBack(t *testing.T) {
	const unkept = `addEventListener('unload', () => {});`
	for how, hello := range map[string]string{"kept": "", "loaded": unkept} {
		s := newShop(t, "")
		lives(t, "shop.example", s.plainShop(tag(t)))
		p := open(t, view{hello: hello + `addEventListener('pageshow', (e) => { window.wasKept = e.persisted; });`})
		p.goTo("https://shop.example/?ref=ASHA")
		p.goTo("https://shop.example/?ref=RAVI")
		p.run(`history.back()`)
		time.Sleep(300 * time.Millisecond)
		p.settle()
		got := eval[string](p, `location.search + ' ' + window.wasKept`)
		if got != fmt.Sprint("?ref=ASHA ", how == "kept") {
			t.Fatalf("%s: going back led to %s", how, got)
		}
		s.wantClicks("ASHA  true", "RAVI  true")
		p.buys("1")
		s.wantPaid("1", "RAVI click 149.90")
	}
}

// A page that the browser prepares in advance counts when the visitor comes to it, and not before. The
// browser prepares none in a tab that is watched, so this one is not, and goes on when the shop lets it.
func TestPreparedPage(t *testing.T) {
	s := newShop(t, "")
	shop := s.plainShop(tag(t))
	prepared, loaded, goOn := make(chan string, 1), make(chan struct{}, 1), make(chan struct{})
	hissa := behind(t, s.url)
	lives(t, "go.shop.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hissa.ServeHTTP(w, r)
		if r.URL.Path == "/hissa.js" {
			loaded <- struct{}{}
		}
	}))
	lives(t, "shop.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/start":
			fmt.Fprint(w, `<!doctype html><title>Start</title><link rel="icon" href="data:"><a href="/?ref=ASHA">Go</a>
<script type="speculationrules">{"prerender": [{"urls": ["/?ref=ASHA"], "eagerness": "immediate"}]}</script>
<script>fetch('/wait').then(() => document.querySelector('a').click())</script>`)
		case "/wait":
			<-goOn
		default:
			prepared <- r.Header.Get("Sec-Purpose")
			shop.ServeHTTP(w, r)
		}
	}))
	p := open(t, view{})
	call(p, target.CreateTarget, target.CreateTargetParams{
		URL: "https://shop.example/start", BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID,
	})
	select {
	case why := <-prepared:
		if !strings.Contains(why, "prerender") {
			t.Fatalf("the page is asked for with Sec-Purpose %q", why)
		}
	case <-time.After(patience):
		t.Fatal("the browser prepares no page")
	}
	select {
	case <-loaded:
	case <-time.After(patience):
		t.Fatal("the prepared page does not load the snippet")
	}
	time.Sleep(2 * time.Second)
	s.wantClicks()
	close(goOn)
	for deadline := time.Now().Add(patience); len(s.clicks()) == 0 && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	s.wantClicks("ASHA  true")
	if len(prepared) > 0 {
		t.Error("the page was loaded anew, and not the one that was prepared")
	}
}

// WooCommerce with the plugin that is copied into it, its banner and its checkout.
func TestWooCommerce(t *testing.T) {
	needs(t, "php", "apt-get install php-cli php-curl")
	line := fromREADME(t, "php snippet")
	for _, line := range []string{line, strings.Replace(line, "'wait'", "'now'", 1)} {
		s := newShop(t, "")
		lives(t, "shop.example", behind(t, s.wordpress(line)))
		p := open(t, view{width: 360})
		p.goTo("https://shop.example/?product=7&ref=ASHA")
		if strings.Contains(line, "wait") {
			time.Sleep(300 * time.Millisecond)
			untouched(p, "WooCommerce")
			p.press("#accept")
		}
		wantCookie(p)
		s.wantClicks("ASHA  true")
		p.goTo("https://shop.example/?product=8") // the banner remembers
		p.write(`input[name=order]`, "1042")
		p.press("#buy")
		if got := p.text("body"); got != "Go and pay" {
			t.Fatalf("the checkout says %q", got)
		}
		s.wantPaid("1042_20261122101500", "ASHA click 149.90")
	}
}

// wordpress serves the shop that deploy/shop/woocommerce.php is tested with, with a line more in its
// wp-config.php, and returns its address.
func (s *shop) wordpress(line string) string {
	s.Helper()
	command := exec.Command("php", "-S", "127.0.0.1:0", "deploy/shop/testdata/wordpress.php")
	command.Dir = ".."
	command.Env = append(os.Environ(), "HISSA_URL=https://go.shop.example", "HISSA_BEHIND="+s.url,
		"HISSA_KEY="+s.key, "HISSA_WP_CONFIG="+line)
	return started(s, command, regexp.MustCompile(`(http://127\.0\.0\.1:[0-9]+)\) started`))
}

// Another site may include the snippet, call the route, frame the shop: it sets no cookie, and nothing
// that it does is counted.
func TestHostileSite(t *testing.T) {
	s := newShop(t, "")
	lives(t, "shop.example", s.plainShop(tag(t)))
	lives(t, "evil.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>Recipes</title><link rel="icon" href="data:">`, tag(t),
			`<iframe src="https://shop.example/?ref=RAVI"></iframe>
			<form method="post" action="https://go.shop.example/v1/clicks"><input name="code" value="RAVI"></form>`)
	}))
	p := open(t, view{})
	p.goTo("https://evil.example/?ref=RAVI")
	p.run(`fetch('https://go.shop.example/v1/clicks', { method: 'POST', mode: 'no-cors', credentials: 'include',
		body: new URLSearchParams('code=RAVI') })`)
	p.run(`navigator.sendBeacon('https://go.shop.example/v1/clicks', new URLSearchParams('code=RAVI'))`)
	if len(p.sent()) < 3 {
		t.Errorf("the site did not get to its attack: %+v", p.sent())
	}
	p.run(`document.forms[0].submit()`)
	p.complaints() // its own
	if cookies := p.cookies(); len(cookies) != 0 {
		t.Errorf("cookies: %+v", cookies)
	}
	s.wantClicks()
}

// The condition under which all of this is shown: this browser keeps no cookie of another site than the
// page's, not even one that asks to be kept.
func TestOtherSitesCookiesAreRefused(t *testing.T) {
	lives(t, "shop.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>Shop</title><link rel="icon" href="data:">`)
	}))
	lives(t, "ads.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{
			Name: "ads", Value: "1", Path: "/", SameSite: http.SameSiteNoneMode, Secure: true,
		})
		w.Header().Set("Access-Control-Allow-Origin", "https://shop.example")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
	}))
	p := open(t, view{})
	p.goTo("https://shop.example/")
	p.run(`fetch('https://ads.example/', { credentials: 'include' })`)
	if c := p.cookie("ads"); c != nil {
		t.Fatalf("the browser keeps cookies of other sites: %+v", c)
	}
}
