package browsertest

import (
	"time"

	"hissa/browsertest/stage"
)

// throttle makes the tab a slow phone.
func (p *tab) throttle() {
	p.Helper()
	if err := stage.SlowPhone(p.ctx, 4); err != nil {
		p.Fatal(err)
	}
}

// firstPaint is when the page first showed something of its own, from the moment it was asked for.
func (p *tab) firstPaint() time.Duration {
	p.Helper()
	ms := eval[float64](p, stage.FirstPaint)
	return time.Duration(ms * float64(time.Millisecond))
}

// shift is by how much things moved while the page was loading, as the browser counts it, and what moved
// from where to where: 0 is not at all.
func (p *tab) shift() (sum float64, what string) {
	p.Helper()
	for _, s := range eval[[]struct {
		Value float64
		What  string
	}](p, `testShifts`) {
		sum += s.Value
		what += s.What + "\n"
	}
	return sum, what
}

// weight is how often the page asked for something, and how many bytes came over the wire for it.
func (p *tab) weight() (requests int, bytes float64) {
	list := p.made(func(request) bool { return true })
	for _, r := range list {
		bytes += r.Bytes
	}
	return len(list), bytes
}

// overflow names what is wider than the window, so that the page scrolls sideways; "" when nothing is.
// What scrolls inside a box of its own is not meant.
func (p *tab) overflow() string {
	p.Helper()
	return eval[string](p, `(() => {
		const root = document.scrollingElement;
		if (root.scrollWidth <= root.clientWidth) return '';
		const wide = [...document.querySelectorAll('body *')].filter(
			(e) => e.getBoundingClientRect().right > root.clientWidth + 0.5);
		return root.scrollWidth + ' of ' + root.clientWidth + ': ' +
			wide.slice(-3).map((e) => e.outerHTML.slice(0, 120)).join(' | ');
	})()`)
}
