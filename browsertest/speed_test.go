package browsertest

import (
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
)

// throttle makes the tab a cheap phone on a 4G that is not having its best day: 1.6 Mbit/s down,
// 750 kbit/s up, 150 ms to the first byte, a processor at a quarter of this one's pace.
func (p *tab) throttle() {
	p.Helper()
	const mbit = 1e6 / 8
	call(p, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{
			Latency: 150, DownloadThroughput: 1.6 * mbit, UploadThroughput: 0.75 * mbit,
		}},
	})
	call(p, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: 4})
}

// firstPaint is when the page first showed something of its own, from the moment it was asked for.
func (p *tab) firstPaint() time.Duration {
	p.Helper()
	ms := eval[float64](p, `new Promise((done) => new PerformanceObserver((list) => {
		for (const e of list.getEntriesByName('first-contentful-paint')) done(e.startTime);
	}).observe({ type: 'paint', buffered: true }))`)
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
