package browsertest

import (
	"fmt"
	"image"
	"image/color"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// A page with everything wrong with it that these tests look for: each has to be found.
func TestABadPageIsNoticed(t *testing.T) {
	lives(t, "bad.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; img-src 'none'")
		fmt.Fprint(w, `<!doctype html><title>Bad</title><style>p { color: #bbb; background: #fff }</style>
<div id="late"></div><p>Too pale to read</p><div style="width: 1500px">wide</div><img src="/x.png">
<script src="/none.js"></script>
<script>console.error('oh'); setTimeout(() => { document.getElementById('late').style.height = '300px' }, 80);
setTimeout(() => { throw new Error('later') }, 10)</script>`)
	}))
	p := open(t, view{})
	p.goTo("https://bad.example/")
	p.until("the text has moved", `testShifts.length > 0`)
	for _, want := range []string{
		"against the policy: img-src", `"oh"`, "exception: Uncaught Error: later", "/none.js",
	} {
		p.complainsOf(want)
	}
	p.complaints()
	found := strings.Join(p.barriers(), "\n")
	for _, want := range []string{"color-contrast", "html-has-lang", "image-alt"} {
		if !strings.Contains(found, want) {
			t.Errorf("axe says nothing of %s:\n%s", want, found)
		}
	}
	if contrast := p.barriers("color-contrast"); len(contrast) != 1 {
		t.Errorf("by that rule alone: %q", contrast)
	}
	if got := p.overflow(); !strings.Contains(got, "wide") {
		t.Errorf("what is too wide: %q", got)
	}
	if shift, what := p.shift(); shift < 0.01 || !strings.Contains(what, "Too pale") {
		t.Errorf("the text moved down by 300 points, and the shift is %v of %s", shift, what)
	}
	if requests, bytes := p.weight(); requests < 2 || bytes < 500 {
		t.Errorf("%d requests, %.0f bytes", requests, bytes)
	}
}

// complainsOf waits for a complaint that says a text.
func (p *tab) complainsOf(text string) {
	p.Helper()
	var said []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		p.mu.Lock()
		said = slices.Clone(p.said)
		p.mu.Unlock()
		if slices.ContainsFunc(said, func(one string) bool { return strings.Contains(one, text) }) {
			return
		}
	}
	p.Errorf("nothing is said of %q:\n%s", text, strings.Join(said, "\n"))
}

// A good page: nothing is found, and it is painted in time on a slow phone. How it looks depends on the
// view.
func TestAGoodPage(t *testing.T) {
	lives(t, "good.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>Good</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:">
<style>main { background: Canvas; color: CanvasText; height: 300px } :root { color-scheme: light dark }</style>
<main><h1>Good</h1></main></html>`)
	}))
	look := map[string]image.Image{}
	for _, v := range []view{{width: 360, slow: true}, {width: 360, dark: true}, {}, {dark: true}} {
		p := open(t, v)
		p.goTo("https://good.example/")
		accessible(p, v.String())
		shift, what := p.shift()
		if over := p.overflow(); over != "" || shift != 0 {
			t.Errorf("%s: overflow %q, shift %v of %s", v, over, shift, what)
		}
		requests, bytes := p.weight()
		if requests != 1 || bytes < 400 || bytes > 1500 {
			t.Errorf("%s: %d requests, %.0f bytes", v, requests, bytes)
		}
		paint := p.firstPaint()
		if paint <= 0 || v.slow && paint < 150*time.Millisecond {
			t.Errorf("%s: painted after %v", v, paint)
		}
		look[v.String()] = p.picture()
		p.close()
	}
	if w := look["360-light"].Bounds().Dx(); w != 360 {
		t.Errorf("the narrow picture is %d points wide", w)
	}
	if share := differs(look["1280-light"], look["1280-dark"]); share < 0.3 {
		t.Errorf("dark looks like light but for %.3f", share)
	}
}

// What counts as another look.
func TestDiffers(t *testing.T) {
	plain := func(w, h int, c color.Color) *image.RGBA {
		m := image.NewRGBA(image.Rect(0, 0, w, h))
		for i := range w * h {
			m.Set(i%w, i/w, c)
		}
		return m
	}
	white := plain(10, 10, color.White)
	spot := plain(10, 10, color.White)
	spot.Set(3, 3, color.Black)
	for name, c := range map[string]struct {
		with image.Image
		want float64
	}{
		"the same": {plain(10, 10, color.White), 0}, "a little greyer": {plain(10, 10, color.Gray{230}), 0},
		"a spot": {spot, 0.01}, "grey": {plain(10, 10, color.Gray{190}), 1},
		"longer": {plain(10, 20, color.White), 0.5},
	} {
		if got := differs(white, c.with); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
