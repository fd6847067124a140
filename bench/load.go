package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// tally is what a stretch of load came to.
type tally struct {
	latencies []time.Duration // of every answer with success
	refused   int             // answers of another status
	elapsed   time.Duration   // from the first request to the last answer
}

func (t *tally) answers() int { return len(t.latencies) + t.refused }

// rate is answers with success a second.
func (t *tally) rate() float64 { return float64(len(t.latencies)) / t.elapsed.Seconds() }

// worker is one connection's part of the load, with its own notes so that none waits for another.
type worker struct {
	wire   *wire
	expect int // the status of success
	tally  tally
	err    error
}

// fire sends one shot; the latency counts from the given moment.
func (w *worker) fire(s *shot, from time.Time) bool {
	status, err := w.wire.send(s.request)
	switch {
	case err != nil:
		w.err = err
		return false
	case status != w.expect:
		w.tally.refused++
	default:
		s.acked.Store(true)
		w.tally.latencies = append(w.tally.latencies, time.Since(from))
	}
	return true
}

// closedLoop sends over all connections at once, each the next request as soon as the last is
// answered, for so long or until the stock is used up. So it finds the most a server can do.
func closedLoop(ctx context.Context, wires []*wire, s *stock, expect int, length time.Duration) (*tally, error) {
	until := time.Now().Add(length)
	return together(wires, expect, func(w *worker) {
		for ctx.Err() == nil {
			now := time.Now()
			if now.After(until) {
				return
			}
			next := s.next()
			if next == nil || !w.fire(next, now) {
				return
			}
		}
	})
}

// together runs one worker on each connection and adds up what they did.
func together(wires []*wire, expect int, work func(*worker)) (*tally, error) {
	workers := make([]worker, len(wires))
	var all sync.WaitGroup
	start := time.Now()
	for i := range workers {
		workers[i] = worker{wire: wires[i], expect: expect}
		all.Go(func() { work(&workers[i]) })
	}
	all.Wait()
	sum := &tally{elapsed: time.Since(start)}
	var errs []error
	for _, w := range workers {
		sum.latencies = append(sum.latencies, w.tally.latencies...)
		sum.refused += w.tally.refused
		if w.err != nil && len(errs) < 3 {
			errs = append(errs, w.err)
		}
	}
	if len(errs) == 0 && len(sum.latencies) == 0 {
		errs = append(errs, errors.New("not one request was answered with "+http.StatusText(expect)))
	}
	return sum, errors.Join(errs...)
}
