package main

import "strings"

// pictures are the SVG files of a report, by name.
func (r *Report) pictures() map[string]string {
	files := map[string]string{}
	if len(r.connections("webhooks")) > 0 {
		files["latency.svg"] = draw(r.latencyPanel("p50", p50Of), r.latencyPanel("p99", p99Of))
	}
	if len(r.Growth) > 0 {
		files["growth.svg"] = draw(r.growthPanel())
	}
	return files
}

// latencyPanel is latency against load, one line a server.
func (r *Report) latencyPanel(name string, figure func(Run) float64) panel {
	p := panel{title: "Webhooks: latency, " + name, across: "connections",
		xText: significantWhole, yText: wholeDuration}
	for _, c := range r.servers("webhooks", contestants) {
		l := line{name: c.name}
		for _, n := range r.connections("webhooks") {
			if g := r.of("webhooks", c.name, "", n); g != nil {
				l.points = append(l.points, point{float64(n), g.median(figure)})
			}
		}
		p.lines = append(p.lines, l)
	}
	return p
}

// growthPanel is what one of each thing costs against how much is in the books.
func (r *Report) growthPanel() panel {
	costs := []struct {
		name string
		of   func(Growth) float64
	}{
		{"one payment", func(g Growth) float64 { return 1e6 / g.Rate }},
		{"its CPU", func(g Growth) float64 { return g.CPU }},
		{"one fact verified", func(g Growth) float64 { return 1e6 / g.Verify }},
		{"30 days' totals", func(g Growth) float64 { return g.Totals }},
		{"one story", func(g Growth) float64 { return g.Story }},
		{"one explain", func(g Growth) float64 { return g.Explain }},
		{"one start", func(g Growth) float64 { return g.First }},
	}
	p := panel{title: "hissa: time for", across: "payments in the books",
		xText: significantWhole, yText: wholeDuration}
	for _, cost := range costs {
		l := line{name: cost.name}
		for _, g := range r.Growth {
			l.points = append(l.points, point{float64(g.Payments), cost.of(g)})
		}
		p.lines = append(p.lines, l)
	}
	return p
}

// significantWhole writes a number at an axis.
func significantWhole(x float64) string { return thousands(int64(x)) }

// wholeDuration writes microseconds at an axis, where all numbers are round.
func wholeDuration(us float64) string {
	number, unit, _ := strings.Cut(duration(us), " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number + " " + unit
}
