package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// turn is one measurement to be made: what one row of a table needs, once.
type turn struct {
	work        string
	variant     string // what is special about it within the work, "" for nothing
	connections int
	round       int
	pace        float64  // requests a second; 0 for as many as can be
	under       []string // the program that runs the server: strace with its options
	trace       string   // the file in which strace notes every sync, to be counted
}

// Run is one measurement made. Times are microseconds, sizes bytes.
type Run struct {
	Work        string  `json:"work"`
	Server      string  `json:"server"`
	Variant     string  `json:"variant,omitempty"`
	Connections int     `json:"connections"`
	Round       int     `json:"round"`
	Pace        float64 `json:"pace,omitempty"` // requests a second that were due
	Requests    int     `json:"requests"`       // answered with success
	Refused     int     `json:"refused"`        // answered otherwise
	Seconds     float64 `json:"seconds"`
	Rate        float64 `json:"rate"`   // requests a second
	P50         float64 `json:"p50_us"` // these four: 0 when the requests were too few to tell
	P99         float64 `json:"p99_us"`
	P999        float64 `json:"p999_us"`
	P9999       float64 `json:"p9999_us"`
	CPU         float64 `json:"cpu_us"`          // a request, in user and kernel mode
	Memory      float64 `json:"memory"`          // at its highest
	Written     float64 `json:"written"`         // a request
	Kept        float64 `json:"kept"`            // a request, on the disk after the end
	Syncs       float64 `json:"syncs,omitempty"` // all in all; counted only where that is the work
}

// measure is one life of a server under one load: its stock is made, it starts, is warmed up, is
// measured, stops, and its books are counted.
func (b *bench) measure(ctx context.Context, s *site, t turn) (Run, error) {
	made, err := s.payments(ctx, b.stockFor(s, t))
	if err != nil {
		return Run{}, err
	}
	run, err := b.underLoad(ctx, s, t, made, http.StatusOK)
	if err != nil {
		return run, fmt.Errorf("%s at %d connections: %w", s.name, t.connections, err)
	}
	s.expects[t.sort()] = run.Rate
	b.progress(run)
	return run, nil
}

// sort names turns that can be expected to go alike.
func (t turn) sort() string { return fmt.Sprint(t.work, t.variant, t.connections) }

// stockFor is how many payments to make for a turn: rather too many than too few, but a run whose
// stock is used up is only shorter.
func (b *bench) stockFor(s *site, t turn) int {
	rate := t.pace
	if rate == 0 {
		rate = s.expects[t.sort()]
	}
	if rate == 0 {
		rate = min(6000, 1500*float64(t.connections))
	}
	if !s.keeps {
		return 1000 // sent again and again: these keep nothing that could tell
	}
	return int(1.2*rate*(b.length+b.warm()).Seconds()) + 100
}

// warm is how long a server is loaded before the clock starts.
func (b *bench) warm() time.Duration { return b.length / 5 }

// underLoad measures one life with a stock that is ready.
func (b *bench) underLoad(ctx context.Context, s *site, t turn, made *stock, expect int) (run Run, err error) {
	before, err := onDisk(s.dir)
	if err != nil {
		return run, err
	}
	server, err := s.start(ctx, t.under...)
	if err != nil {
		return run, err
	}
	run, err = b.loaded(ctx, server, t, made, expect)
	if err != nil {
		_ = server.stop()
		return run, fmt.Errorf("%w: it said\n%s", err, server.lastWords())
	}
	run.Server = s.name
	if expect == http.StatusOK {
		s.acked += made.acknowledged()
		s.unsure += int64(run.Refused)
	} else {
		s.visited(made.taken.Load())
	}
	sent := made.taken.Load()
	if err := s.check(ctx, server); err != nil {
		return run, err
	}
	after, err := onDisk(s.dir)
	run.Kept = float64(after-before) / float64(sent)
	return run, err
}

// loaded sends the load and reads what it cost the server.
func (b *bench) loaded(ctx context.Context, server *server, t turn, made *stock, expect int) (run Run, err error) {
	run = Run{Work: t.work, Variant: t.variant, Connections: t.connections, Round: t.round, Pace: t.pace}
	wires, err := dialAll(server.addr, t.connections)
	if err != nil {
		return run, err
	}
	defer closeAll(wires)
	send := func(length time.Duration) (*tally, error) {
		if t.pace > 0 {
			return openLoop(ctx, wires, made, expect, t.pace, length)
		}
		return closedLoop(ctx, wires, made, expect, length)
	}
	warm, err := send(b.warm())
	if err != nil {
		return run, err
	}
	start, err := usageOf(server.pid())
	if err != nil {
		return run, err
	}
	from := time.Now()
	got, err := send(b.length)
	if err != nil {
		return run, err
	}
	if t.trace != "" {
		if run.Syncs, err = syncsBetween(t.trace, from, time.Now()); err != nil {
			return run, err
		}
	}
	end, err := usageOf(server.pid())
	if err != nil {
		return run, err
	}
	memory, err := memoryOf(server.pid())
	run.fill(got)
	run.Refused += warm.refused
	n := float64(got.answers())
	run.CPU = microseconds(end.cpu-start.cpu) / n
	run.Written = float64(end.written-start.written) / n
	run.Memory = float64(memory)
	return run, err
}

// fill takes over what was counted.
func (r *Run) fill(t *tally) {
	slices.Sort(t.latencies)
	r.Requests, r.Refused = len(t.latencies), t.refused
	r.Seconds, r.Rate = t.elapsed.Seconds(), t.rate()
	r.P50 = microseconds(shown(t.latencies, 0.50))
	r.P99 = microseconds(shown(t.latencies, 0.99))
	r.P999 = microseconds(shown(t.latencies, 0.999))
	r.P9999 = microseconds(shown(t.latencies, 0.9999))
}
