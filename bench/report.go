package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Report is everything that a run found out; its JSON is what -json writes.
type Report struct {
	Date      time.Time  `json:"date"`
	Machine   Machine    `json:"machine"`
	Versions  []string   `json:"versions"`
	Missing   []string   `json:"missing,omitempty"` // what was left out, where -allow-missing said so
	Rounds    int        `json:"rounds"`
	Seconds   float64    `json:"seconds"` // of one measurement
	Runs      []Run      `json:"runs"`
	Checksums []Checksum `json:"checksums,omitempty"`
	Growth    []Growth   `json:"growth,omitempty"`
}

// write prints the report and puts it wherever the options want it.
func (r *Report) write(o options) error {
	text := r.markdown()
	if _, err := os.Stdout.WriteString(text); err != nil {
		return err
	}
	if o.markdown != "" {
		if err := os.WriteFile(o.markdown, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if o.json != "" {
		raw, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(raw, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.svg == "" {
		return nil
	}
	if err := os.MkdirAll(o.svg, 0o755); err != nil {
		return err
	}
	for name, picture := range r.pictures() {
		if err := os.WriteFile(filepath.Join(o.svg, name), []byte(picture), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// group is the rounds of one row of a table.
type group []Run

// of is the runs of one row.
func (r *Report) of(work, server, variant string, connections int) (g group) {
	for _, run := range r.Runs {
		if run.Work == work && run.Server == server && run.Variant == variant &&
			run.Connections == connections {
			g = append(g, run)
		}
	}
	return g
}

// median is that of one figure over the rounds.
func (g group) median(figure func(Run) float64) float64 {
	var values []float64
	for _, run := range g {
		values = append(values, figure(run))
	}
	return median(values)
}

// against is the median of the rates' ratios, each taken within one round.
func (g group) against(other group) float64 { return median(ratios(g.rates(), other.rates())) }

func (g group) rates() map[int]float64 {
	rates := map[int]float64{}
	for _, run := range g {
		rates[run.Round] = run.Rate
	}
	return rates
}

// The figures of a run that tables show.
func rateOf(r Run) float64     { return r.Rate }
func paceOf(r Run) float64     { return r.Pace }
func p50Of(r Run) float64      { return r.P50 }
func p99Of(r Run) float64      { return r.P99 }
func p999Of(r Run) float64     { return r.P999 }
func p9999Of(r Run) float64    { return r.P9999 }
func cpuOf(r Run) float64      { return r.CPU }
func memoryUsed(r Run) float64 { return r.Memory }
func writtenOf(r Run) float64  { return r.Written }
func keptOf(r Run) float64     { return r.Kept }
func syncsOf(r Run) float64    { return r.Syncs }
func requestsOf(r Run) float64 { return float64(r.Requests) }

// saturation is the most requests a second that a server took, over all numbers of connections.
func (r *Report) saturation(server string) (most float64) {
	for _, n := range r.connections("webhooks") {
		most = max(most, r.of("webhooks", server, "", n).median(rateOf))
	}
	return most
}

// connections are those that a work was measured at, ascending.
func (r *Report) connections(work string) (list []int) {
	for _, run := range r.Runs {
		if run.Work == work && !slices.Contains(list, run.Connections) {
			list = append(list, run.Connections)
		}
	}
	slices.Sort(list)
	return list
}

// servers are those that took part in a work, in the order of the list.
func (r *Report) servers(work string, list []contestant) (found []contestant) {
	for _, c := range list {
		if slices.ContainsFunc(r.Runs, func(run Run) bool { return run.Work == work && run.Server == c.name }) {
			found = append(found, c)
		}
	}
	return found
}

// markdown is the report as people read it.
func (r *Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Measured on %s\n\n", r.Date.UTC().Format("2 January 2006"))
	m := r.Machine
	fmt.Fprintf(&b, "%s, %d cores, %s of memory, Linux %s, %s. Writing 4 KiB and syncing them takes "+
		"%s (p99 %s). The load comes from the same machine.\n\n", m.CPU, m.Cores, size(float64(m.Memory)),
		m.Kernel, m.FileSystem, duration(m.SyncP50), duration(m.SyncP99))
	for _, v := range r.Versions {
		fmt.Fprintf(&b, "- %s\n", v)
	}
	for _, what := range r.Missing {
		fmt.Fprintf(&b, "- left out: %s\n", what)
	}
	fmt.Fprintf(&b, "\nWhere servers take turns, a figure is the median of %s of %g s. "+
		"A ratio is taken within a round, then the median of those.\n", plural(r.Rounds, "round"), r.Seconds)
	for _, section := range []func() string{
		r.webhookSection, r.pacedSection, r.diskSection, r.clickSection, r.fsyncSection,
		r.checksumSection, r.growthSection,
	} {
		b.WriteString(section())
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// duration writes microseconds with three figures, in the unit that suits them.
func duration(us float64) string {
	switch {
	case us == 0: // too few requests to tell
		return "–"
	case us < 1000:
		return significant(us) + " µs"
	case us < 1e6:
		return significant(us/1e3) + " ms"
	}
	return significant(us/1e6) + " s"
}

// size writes bytes with three figures.
func size(n float64) string {
	for _, unit := range []string{"B", "KB", "MB"} {
		if n < 1000 {
			return significant(n) + " " + unit
		}
		n /= 1000
	}
	return significant(n) + " GB"
}

// significant writes a number with three figures that mean something, and thousands set apart.
func significant(x float64) string {
	switch {
	case x != x:
		return "–"
	case x < 0:
		return "−" + significant(-x)
	case x >= 100:
		return thousands(int64(x + 0.5))
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func thousands(n int64) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// times writes a ratio.
func times(x float64) string {
	if x != x {
		return "–"
	}
	return significant(x) + " ×"
}

// table writes a Markdown table whose first column is words and the others are figures.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	b.WriteString("\n| " + strings.Join(head, " | ") + " |\n|---" + strings.Repeat("|---:", len(head)-1) + "|\n")
	for _, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	return b.String()
}

// orDash hides a figure that has no meaning for a server.
func orDash(shown bool, text string) string { return cmp.Or(map[bool]string{true: text}[shown], "–") }
