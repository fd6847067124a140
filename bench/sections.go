package main

import (
	"fmt"
	"strings"
)

// webhookSection is one table for each number of connections.
func (r *Report) webhookSection() string {
	all := r.connections("webhooks")
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n### Webhooks, as many as each server takes\n\nEvery request is a signed payment of an " +
		"order that a click brought; 5 % come a second time. After each run the books held every payment " +
		"that was acknowledged, once.\n")
	for _, n := range all {
		fmt.Fprintf(&b, "\n**%s**\n", plural(n, "connection"))
		var rows [][]string
		hissa := r.of("webhooks", "hissa", "", n)
		for _, c := range r.servers("webhooks", contestants) {
			g := r.of("webhooks", c.name, "", n)
			rows = append(rows, []string{
				c.name + ": " + c.about, significant(g.median(rateOf)), times(hissa.against(g)),
				duration(g.median(p50Of)), duration(g.median(p99Of)), duration(g.median(p999Of)),
				duration(g.median(cpuOf)), size(g.median(memoryUsed)),
				orDash(c.keeps, size(g.median(writtenOf))), orDash(c.keeps, size(g.median(keptOf))),
			})
		}
		b.WriteString(table([]string{"", "requests/s", "hissa does", "p50", "p99", "p99.9",
			"CPU/request", "memory", "written/request", "kept/request"}, rows))
	}
	return b.String()
}

// pacedSection is how late answers are at half of the load that is too much.
func (r *Report) pacedSection() string {
	var rows [][]string
	for _, c := range r.servers("paced", contestants) {
		g := r.of("paced", c.name, "", pacedConnections)
		rows = append(rows, []string{c.name, significant(g.median(paceOf)), significant(g.median(rateOf)),
			duration(g.median(p50Of)), duration(g.median(p99Of)), duration(g.median(p999Of)),
			duration(g.median(p9999Of))})
	}
	if rows == nil {
		return ""
	}
	return "\n### Webhooks, fewer than each server takes\n\nEach request is due at its moment, and its " +
		"latency counts from that moment, so a server that stalls shows everyone who waited.\n" +
		table([]string{"", "due/s", "answered/s", "p50", "p99", "p99.9", "p99.99"}, rows)
}

// diskSection sets a slow disk against the disk as it is.
func (r *Report) diskSection() string {
	var rows [][]string
	for _, c := range r.servers("disk", contestants) {
		row := []string{c.name}
		bare := r.of("disk", c.name, "bare", 256)
		for _, v := range diskVariants {
			g := r.of("disk", c.name, v.name, 256)
			row = append(row, significant(g.median(rateOf)))
			if v.traced {
				row = append(row, times(g.against(bare)))
			}
		}
		slow := r.of("disk", c.name, "5 ms", 256)
		rows = append(rows, append(row, duration(slow.median(p50Of)), duration(slow.median(p99Of)),
			times(r.of("disk", "hissa", "5 ms", 256).against(slow))))
	}
	if rows == nil {
		return ""
	}
	return "\n### A disk whose syncs take 5 ms\n\n256 connections. strace holds every fsync and fdatasync of " +
		"the server back for 5 ms after the disk has done it; looking without holding back is the control " +
		"(traced). From many processes, as PostgreSQL has them, looking alone takes much, and then the last " +
		"column is partly strace's.\n" + table([]string{"", "bare, requests/s", "traced", "of bare", "5 ms", "of bare",
		"p50 at 5 ms", "p99 at 5 ms", "hissa does at 5 ms"}, rows)
}

// clickSection is how many visitors can be sent on.
func (r *Report) clickSection() string {
	all := r.connections("clicks")
	if len(all) == 0 {
		return ""
	}
	var rows [][]string
	for _, n := range all {
		hissa := r.of("clicks", "hissa", "", n)
		for _, c := range r.servers("clicks", clickers) {
			g := r.of("clicks", c.name, "", n)
			rows = append(rows, []string{c.name + ": " + c.about, fmt.Sprint(n), significant(g.median(rateOf)),
				times(hissa.against(g)), duration(g.median(p50Of)), duration(g.median(p99Of)),
				duration(g.median(cpuOf))})
		}
	}
	return "\n### Clicks\n\nA partner's link is followed; the click is on the disk before the visitor is sent " +
		"on, except where nothing is stored.\n" + table([]string{"", "connections", "requests/s",
		"hissa does", "p50", "p99", "CPU/request"}, rows)
}

// fsyncSection is how many requests share a sync.
func (r *Report) fsyncSection() string {
	var rows [][]string
	for _, c := range r.servers("fsync", contestants) {
		g := r.of("fsync", c.name, "", 16)
		syncs, requests := g.median(syncsOf), g.median(requestsOf)
		rows = append(rows, []string{c.name, significant(requests), significant(syncs),
			significant(syncs / requests)})
	}
	if rows == nil {
		return ""
	}
	return "\n### Syncs counted\n\n16 connections, under strace.\n" +
		table([]string{"", "requests", "fsync and fdatasync", "a request"}, rows)
}

// checksumSection is what it takes to know that a message is genuine.
func (r *Report) checksumSection() string {
	var rows [][]string
	for _, c := range r.Checksums {
		rows = append(rows, []string{c.Who, c.What, duration(c.Nanoseconds / 1000), significant(1e9 / c.Nanoseconds),
			orDash(c.Allocations >= 0, significant(c.Allocations))})
	}
	if rows == nil {
		return ""
	}
	return fmt.Sprintf("\n### One message verified\n\n%d bytes, one core.\n", r.Checksums[0].Bytes) +
		table([]string{"", "", "each", "a second", "allocations"}, rows)
}

// growthSection is hissa with more and more in its books.
func (r *Report) growthSection() string {
	var rows [][]string
	for _, g := range r.Growth {
		rows = append(rows, []string{thousands(g.Payments), significant(g.Rate), times(g.Against), duration(g.CPU),
			size(g.Memory), size(g.WAL), duration(g.Totals), duration(g.Story), duration(g.Explain), duration(g.First),
			significant(g.Verify), size(g.Kept)})
	}
	if rows == nil {
		return ""
	}
	return "\n### Hissa with more and more payments\n\nEach with its click, its order, its message and its " +
		"commission. 64 connections. A larger database and the smallest take as many payments each, in turns; " +
		"the ratio is taken within a turn.\n" + table([]string{"payments", "payments/s", "of the smallest's rate", "CPU/request",
		"memory", "WAL at most", "30 days' totals, a page", "a payment's story, a page", "`explain`, a command",
		"first answer after start", "verify, facts/s", "file/payment"}, rows)
}
