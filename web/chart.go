package web

// Charts as SVG, drawn here: widths are percentages and heights pixels, so a chart fits any screen and its
// letters stay as large as they are. Colours come from classes alone.

import (
	"fmt"
	"html/template"
	"strings"
	"time"
)

const (
	mostBars     = 62  // more days than this are drawn by the week, more weeks by four
	salesHeight  = 132 // of the upper half, for sales above and refunds below the zero line
	incomeHeight = 60  // of the lower half, for commissions
	headroom     = 18  // above each half, for its largest value
	axisHeight   = 22
)

// bucket is one bar: a day, or several.
type bucket struct {
	Day
	to time.Time
}

// buckets joins days until there are few enough to be seen.
func buckets(days []Day) []bucket {
	size := 1
	if len(days) > mostBars {
		size = 7
	}
	if len(days) > 7*mostBars {
		size = 28
	}
	var list []bucket
	for i, d := range days {
		if i%size == 0 {
			list = append(list, bucket{d, d.Date})
			continue
		}
		b := &list[len(list)-1]
		b.Sales, b.Commission, b.Refunds = b.Sales+d.Sales, b.Commission+d.Commission, b.Refunds+d.Refunds
		b.Partial, b.to = b.Partial || d.Partial, d.Date
	}
	return list
}

// panel is one half of a chart: a zero line, with what is more above and what is less below.
type panel struct {
	top, height int
	most, least int64
}

// scale is how many pixels an amount is high. What is not nothing can be seen.
func (p panel) scale(paise int64) int {
	if paise <= 0 {
		return 0
	}
	return max(1, int(int64(p.height)*paise/max(1, p.most+p.least)))
}

func (p panel) zero() int { return p.top + p.scale(p.most) }

// bars draws sales and commissions by day. Without a sale in any of them there is nothing to draw.
func (v *vocabulary) bars(days []Day) (template.HTML, error) {
	list := buckets(days)
	upper := panel{top: headroom, height: salesHeight}
	lower := panel{top: 2*headroom + salesHeight + 6, height: incomeHeight}
	for _, b := range list {
		upper.most, upper.least = max(upper.most, b.Sales), max(upper.least, b.Refunds)
		lower.most, lower.least = max(lower.most, b.Commission), max(lower.least, -b.Commission)
	}
	bottom := lower.top + incomeHeight
	var svg strings.Builder
	label, err := v.say("chart.label")
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&svg, `<svg class="chart" width="100%%" height="%d" role="img" aria-label="%s"><defs>`,
		bottom+axisHeight, label)
	for _, name := range []string{"sales", "income", "refund"} {
		fmt.Fprintf(&svg, `<pattern id="h-%s" class="%s" width="5" height="5" patternUnits="userSpaceOnUse" `+
			`patternTransform="rotate(45)"><path d="M0 0v5" stroke="currentColor" stroke-width="4"/>`+
			`</pattern>`, name, name)
	}
	svg.WriteString(`</defs>`)
	for _, p := range []panel{upper, lower} {
		fmt.Fprintf(&svg, `<path class="grid" d="M0 %d.5h4000"/>`, p.zero())
	}
	for i, b := range list {
		v.bar(&svg, b, i, len(list), upper, lower)
	}
	for _, h := range []struct {
		p    panel
		name string
	}{{upper, "sales"}, {lower, "commission"}} {
		text, err := v.say("chart.most_"+h.name, "amount", Rupees(h.p.most))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&svg, `<text x="0" y="%d">%s</text>`, h.p.top-6, text)
	}
	v.axis(&svg, list, bottom+axisHeight-5)
	svg.WriteString(`</svg>`)
	return template.HTML(svg.String()), nil
}

// bar draws what one bucket comes to; one that is not over is hatched.
func (v *vocabulary) bar(svg *strings.Builder, b bucket, i, n int, upper, lower panel) {
	slot := 100 / float64(n)
	x, width := float64(i)*slot+slot*0.14, slot*0.72
	rect := func(class string, y, height int) {
		if height > 0 {
			fmt.Fprintf(svg, `<rect class="%s" x="%.2f%%" width="%.2f%%" y="%d" height="%d"/>`,
				class, x, width, y, height)
		}
	}
	hatch := ""
	if b.Partial {
		hatch = " part"
	}
	title, err := v.say("chart.bar", "day", v.dayOf(b), "sales", Rupees(b.Sales),
		"commission", Rupees(b.Commission), "refunds", Rupees(b.Refunds))
	if err != nil {
		title = ""
	}
	fmt.Fprintf(svg, `<g><title>%s</title><rect class="hit" x="%.2f%%" width="%.2f%%" y="0" height="%d"/>`,
		title, float64(i)*slot, slot, lower.top+lower.height)
	up, down := upper.scale(b.Sales), upper.scale(b.Refunds)
	rect("sales"+hatch, upper.zero()-up, up)
	rect("refund", upper.zero()+1, down)
	earned, lost := lower.scale(b.Commission), lower.scale(-b.Commission)
	rect("income"+hatch, lower.zero()-earned, earned)
	rect("refund", lower.zero()+1, lost)
	svg.WriteString(`</g>`)
}

func (v *vocabulary) dayOf(b bucket) string {
	if b.to.Equal(b.Date) {
		return v.dayText(b.Date)
	}
	return v.dayMonth(b.Date) + " – " + v.dayText(b.to)
}

// axis names some of the days: at most four of them, so that a phone has room.
func (v *vocabulary) axis(svg *strings.Builder, list []bucket, y int) {
	step := max(1, (len(list)+3)/4)
	for i := 0; i < len(list); i += step {
		x, class := (float64(i)+0.5)*100/float64(len(list)), ` class="mid"`
		if i == 0 {
			x, class = 0, "" // flush with the frame
		}
		fmt.Fprintf(svg, `<text%s x="%.2f%%" y="%d">%s</text>`, class, x, y, v.dayMonth(list[i].Date))
	}
}

// spark draws amounts as bars beside each other, no higher than a line of text.
func spark(amounts []int64) template.HTML {
	const height = 24
	var most int64
	for _, a := range amounts {
		most = max(most, a)
	}
	if most == 0 {
		return ""
	}
	var path strings.Builder
	for i, a := range amounts {
		if h := height * max(0, a) / most; h > 0 {
			fmt.Fprintf(&path, "M%d %dv-%d", 3*i+1, height, h)
		}
	}
	width := 3 * len(amounts)
	return template.HTML(fmt.Sprintf(`<svg class="spark" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`aria-hidden="true"><path d="%s"/></svg>`, width, height, width, height, path.String()))
}

// share draws a part of the most as a line as long as it is large.
func share(part, most int64) template.HTML {
	if most <= 0 || part <= 0 {
		return `<svg class="share" width="100%" height="6" aria-hidden="true"></svg>`
	}
	return template.HTML(fmt.Sprintf(`<svg class="share" width="100%%" height="6" aria-hidden="true">`+
		`<rect width="%.1f%%" height="6" rx="3"/></svg>`, float64(part)*100/float64(most)))
}
