package browsertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// appPage is a single-page app: one document, addresses changed by its own router, an order sent by
// fetch. It gives the click along, for the case that the cookie can't be had.
const appPage = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Kanpur Shoes</title>
<link rel="icon" href="data:">%s<script type="module">
const show = () => { document.querySelector('h1').textContent = location.pathname; };
document.addEventListener('click', (e) => {
  const link = e.target.closest('a');
  if (link) { e.preventDefault(); history.pushState({}, '', link.href); show(); }
});
addEventListener('popstate', show);
document.querySelector('#buy').addEventListener('click', async () => {
  const order = document.querySelector('input').value;
  const answer = await fetch('/order', { method: 'POST',
    body: JSON.stringify({ order, click: await hissa.click }) });
  document.querySelector('h1').textContent = await answer.text();
});
</script></head><body><h1></h1><a id="campaign" href="/shoes?ref=ASHA&amp;sub=story">Shoes</a>
<a id="other" href="/sandals?ref=RAVI">Sandals</a><a id="on" href="/cart">Cart</a>
<input aria-label="Order"><button id="buy">Buy</button></body></html>`

func (s *shop) app(tags string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /order", func(w http.ResponseWriter, r *http.Request) {
		var said struct{ Order, Click string }
		if err := json.NewDecoder(r.Body).Decode(&said); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		click := said.Click
		if c, err := r.Cookie("hissa_click"); err == nil {
			click = c.Value
		}
		s.bind(said.Order, click)
		fmt.Fprint(w, "Go and pay")
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, appPage, tags) })
	return mux
}

func (p *tab) ordersIn(order string) {
	p.Helper()
	p.write("input", order)
	p.press("#buy")
	if got := p.text("h1"); got != "Go and pay" {
		p.Fatalf("the app says %q", got)
	}
}

// The parameter appears after the app has gone to another address by itself; nothing has to be called.
func TestSinglePageApp(t *testing.T) {
	s := newShop(t, "")
	lives(t, "shop.example", s.app(tag(t)))
	p := open(t, view{width: 360})
	p.goTo("https://shop.example/")
	p.press("#on")
	if sent := p.sent(); len(sent) != 0 {
		t.Fatalf("sent without a partner: %+v", sent)
	}
	p.press("#campaign")
	wantCookie(p)
	p.press("#on")
	p.press("#campaign")
	p.press("#other")
	p.run(`history.back()`)
	s.wantClicks("ASHA sub=story true", "RAVI  true") // going back is no click, unless the app says so
	p.run(`hissa.track()`)
	s.wantClicks("ASHA sub=story true", "RAVI  true", "ASHA sub=story true")
	p.run(`hissa.track('https://shop.example/x?via=RAVI&sub=told')`)
	s.wantClicks("ASHA sub=story true", "RAVI  true", "ASHA sub=story true", "RAVI sub=told true")
	p.ordersIn("1001")
	s.wantPaid("1001", "RAVI click 149.90")
}

// A code that came before consent, and was gone from the address when consent was given.
func TestSinglePageAppWaits(t *testing.T) {
	s := newShop(t, "")
	lives(t, "shop.example", s.app(waiting(t)))
	p := open(t, view{})
	p.goTo("https://shop.example/?ref=ASHA")
	p.press("#on")
	time.Sleep(300 * time.Millisecond)
	untouched(p, "in the app")
	p.run(`hissa.consent()`)
	wantCookie(p)
	p.ordersIn("1001")
	s.wantPaid("1001", "ASHA click 149.90")
}

// A browser without the Navigation API: the router calls track.
func TestSinglePageAppInAnOldBrowser(t *testing.T) {
	s := newShop(t, "")
	lives(t, "shop.example", s.app(tag(t)))
	p := open(t, view{hello: `Object.defineProperty(window, 'navigation', { value: undefined });`})
	p.goTo("https://shop.example/")
	p.press("#campaign")
	s.wantClicks()
	p.run(`hissa.track()`)
	s.wantClicks("ASHA sub=story true")
}

// The shop is on another site than Hissa: the browser refuses the cookie, the page has the click's id,
// and the sale is the partner's all the same.
func TestShopOnAnotherSite(t *testing.T) {
	s := newShop(t, `model = "first-click"`)
	lives(t, "other.example", s.app(tag(t)))
	p := open(t, view{})
	p.goTo("https://other.example/?ref=ASHA")
	p.goTo("https://other.example/?ref=RAVI")
	p.goTo("https://other.example/cart")
	if cookies := p.cookies(); len(cookies) != 0 {
		t.Fatalf("cookies: %+v", cookies)
	}
	if len(p.refused) != 1 { // the second click found a live one, and had no cookie to set
		t.Errorf("refused cookies: %q, want the first click's", p.refused)
	}
	s.wantClicks("ASHA  true", "RAVI  true")
	p.ordersIn("1001")
	s.wantPaid("1001", "ASHA click 149.90")
}

// The form that the README has for such a shop, without any other script.
func TestFormOnAnotherSite(t *testing.T) {
	s := newShop(t, "")
	lives(t, "other.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			s.bind("1001", r.PostFormValue("hissa_click"))
		}
		fmt.Fprint(w, `<!doctype html><title>Shop</title><link rel="icon" href="data:">`, tag(t),
			fromREADME(t, "html snippet elsewhere"))
	}))
	p := open(t, view{})
	p.goTo("https://other.example/?ref=ASHA")
	p.goTo("https://other.example/cart")
	p.press("button")
	if got := eval[string](p, `location.pathname`); got != "/checkout" {
		t.Fatalf("the form led to %s", got)
	}
	s.wantPaid("1001", "ASHA click 149.90")
}
