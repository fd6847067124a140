package main

import (
	"context"
	"runtime"
	"syscall"
	"time"
)

// pacedConnections is how many connections share the paced load. When a server stalls, that many
// requests wait inside it and the rest wait here; all of them count from when they were due.
const pacedConnections = 64

// openLoop sends a fixed number of requests a second whatever the answers do. Every latency counts
// from the moment at which the request was due, not from when a connection was free to send it: a
// server that stalls for a second then shows a second of late answers, as its callers would see
// it, and not one. (Measuring from the sending is "coordinated omission".)
func openLoop(
	ctx context.Context, wires []*wire, s *stock, expect int, rate float64, length time.Duration,
) (*tally, error) {
	due := make(chan time.Time, int(rate*length.Seconds())+1)
	go pace(ctx, due, rate)
	return together(wires, expect, func(w *worker) {
		for at := range due {
			next := s.next()
			if next == nil || !w.fire(next, at) {
				return
			}
		}
	})
}

// pace gives each request its moment. The channel has room for all of them, so a slow server never
// holds it up. It sleeps in the kernel: the Go runtime's own timers may be a millisecond late,
// which would be most of what is measured.
func pace(ctx context.Context, due chan<- time.Time, rate float64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(due)
	start := time.Now()
	for i := range cap(due) {
		at := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if left := time.Until(at); left > 0 {
			pause := syscall.NsecToTimespec(int64(left))
			_ = syscall.Nanosleep(&pause, nil) // woken early by a signal is as good as in time
		}
		if ctx.Err() != nil {
			return
		}
		due <- at
	}
}
