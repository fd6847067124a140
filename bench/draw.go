package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// line is one server's points in a picture.
type line struct {
	name   string
	points []point // by x, ascending; both above zero
}

type point struct{ x, y float64 }

// panel is one diagram with logarithmic axes: what grows tenfold is drawn at the same distance.
type panel struct {
	title, across string
	xText, yText  func(float64) string // how an axis writes a number
	lines         []line
}

// Sizes of a panel in pixels: the diagram itself, and the room around it for words.
const (
	plotWidth, plotHeight = 420, 300
	leftRoom, rightRoom   = 80, 130
	topRoom, bottomRoom   = 40, 50
)

// colours can be told apart on white and on black, and by most who don't see all colours; each line
// also has its name at its end.
var colours = []string{"#d9541e", "#3b82c4", "#8e6bbf", "#2f9e6e", "#b8860b", "#c2528b", "#7a7f87"}

// draw puts panels side by side. Words and axes are dark on a light page and light on a dark one.
func draw(panels ...panel) string {
	width := len(panels) * (leftRoom + plotWidth + rightRoom)
	height := topRoom + plotHeight + bottomRoom
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`font-family="sans-serif" font-size="12">
<style>
text { fill: #24292f } .axis { stroke: #24292f } .grid { stroke: #888; stroke-opacity: .3 } path, .axis { fill: none }
@media (prefers-color-scheme: dark) { text { fill: #d0d7de } .axis { stroke: #d0d7de } }
</style>
`, width, height, width, height)
	for i, p := range panels {
		fmt.Fprintf(&b, "<g transform=\"translate(%d %d)\">\n", i*(leftRoom+plotWidth+rightRoom)+leftRoom, topRoom)
		p.write(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p panel) write(b *strings.Builder) {
	label(b, 0, -18, "start", p.title)
	label(b, plotWidth/2, plotHeight+40, "middle", p.across)
	x, y := p.axes()
	for _, at := range x.ticks() {
		px := x.place(at) * plotWidth
		fmt.Fprintf(b, "<line class=\"grid\" x1=\"%.1f\" y1=\"0\" x2=\"%.1f\" y2=\"%d\"/>\n", px, px, plotHeight)
		label(b, px, plotHeight+18, "middle", p.xText(at))
	}
	for _, at := range y.ticks() {
		py := (1 - y.place(at)) * plotHeight
		fmt.Fprintf(b, "<line class=\"grid\" x1=\"0\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", py, plotWidth, py)
		label(b, -8, py+4, "end", p.yText(at))
	}
	fmt.Fprintf(b, "<path class=\"axis\" d=\"M0 0V%dH%d\"/>\n", plotHeight, plotWidth)
	var ends []float64
	for i, l := range p.lines {
		if len(l.points) > 0 {
			ends = append(ends, l.write(b, x, y, colours[i%len(colours)], ends))
		}
	}
}

// write draws one line with its name at the end, and returns where the name stands: below those
// that are there already, so that none covers another.
func (l line) write(b *strings.Builder, x, y axis, colour string, taken []float64) float64 {
	var path strings.Builder
	var px, py float64
	for i, at := range l.points {
		px, py = x.place(at.x)*plotWidth, (1-y.place(at.y))*plotHeight
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], px, py)
		fmt.Fprintf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", px, py, colour)
	}
	fmt.Fprintf(b, "<path d=\"%s\" stroke=\"%s\" stroke-width=\"2\"/>\n", path.String(), colour)
	at := apart(py+4, taken)
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" style=\"fill:%s\">%s</text>\n", px+8, at, colour, escaped(l.name))
	return at
}

// apart moves a line of text to the nearest height at which it covers none of the others.
func apart(wanted float64, taken []float64) float64 {
	const room = 13
	free := func(at float64) bool {
		for _, other := range taken {
			if math.Abs(at-other) < room {
				return false
			}
		}
		return true
	}
	for away := 0.0; ; away++ {
		if free(wanted + away) {
			return wanted + away
		}
		if free(wanted - away) {
			return wanted - away
		}
	}
}

func label(b *strings.Builder, x, y float64, anchor, text string) {
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, escaped(text))
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder never fails
	return b.String()
}

// axis is a logarithmic scale between two numbers.
type axis struct {
	from, to float64
	exact    []float64 // the numbers to write, where there are few; nil for steps of 1, 2, 5
}

// axes are as long as the points need. Across, where the points are few, they are what is written.
func (p panel) axes() (x, y axis) {
	x, y = axis{from: math.Inf(1)}, axis{from: math.Inf(1)}
	seen := map[float64]bool{}
	for _, l := range p.lines {
		for _, at := range l.points {
			x.from, x.to = min(x.from, at.x), max(x.to, at.x)
			y.from, y.to = min(y.from, at.y), max(y.to, at.y)
			if !seen[at.x] {
				seen[at.x] = true
				x.exact = append(x.exact, at.x)
			}
		}
	}
	y.from, y.to = y.from/1.2, y.to*1.2
	return x, y
}

// place is where a number stands, from 0 at the beginning to 1 at the end.
func (a axis) place(value float64) float64 {
	if a.to <= a.from {
		return 0
	}
	return math.Log(value/a.from) / math.Log(a.to/a.from)
}

// ticks are the numbers that are written at an axis.
func (a axis) ticks() (list []float64) {
	if a.exact != nil {
		return a.exact
	}
	for step := math.Pow(10, math.Floor(math.Log10(a.from))); step <= a.to && !math.IsInf(step, 0); step *= 10 {
		for _, m := range []float64{1, 2, 5} {
			if at := m * step; at >= a.from && at <= a.to {
				list = append(list, at)
			}
		}
	}
	if len(list) > 8 { // over many powers of ten these alone are enough
		var tens []float64
		for _, at := range list {
			if whole := math.Log10(at); math.Abs(whole-math.Round(whole)) < 1e-9 {
				tens = append(tens, at)
			}
		}
		return tens
	}
	return list
}
