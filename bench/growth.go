package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// Growth is what hissa is like with so many payments in its books. Times are microseconds, sizes
// bytes.
type Growth struct {
	Payments int64   `json:"payments"`
	Rate     float64 `json:"rate"`   // payments a second, the last before this size
	CPU      float64 `json:"cpu_us"` // a request, of these
	Memory   float64 `json:"memory"` // at its highest, under that load
	WAL      float64 `json:"wal"`    // the journal at its longest since the size before
	Explain  float64 `json:"explain_us"`
	First    float64 `json:"first_us"` // from the start of the process to the first answer
	Verify   float64 `json:"verify"`   // facts a second
	Kept     float64 `json:"kept"`     // of the file, a payment with its click and order
}

const (
	growthConnections = 64
	growthChunk       = 20000 // payments at most in one stretch, so that memory here stays small
)

// growthWork lets one database grow by real webhooks, and stops at each size to measure.
func growthWork(ctx context.Context, b *bench) error {
	s, err := b.newSite(ctx, contestants[0], "growth")
	if err != nil {
		return err
	}
	program, ok := s.program.(*hissa)
	if !ok {
		return errors.New("the first contestant is not hissa")
	}
	for _, want := range b.sizes {
		g, err := b.grow(ctx, s, want)
		if err != nil {
			return err
		}
		if err := g.look(ctx, s, program); err != nil {
			return err
		}
		b.report.Growth = append(b.report.Growth, g)
		fmt.Fprintf(os.Stderr, "   %s payments: %.0f/s, %s of memory, verify %.0f facts/s\n",
			thousands(g.Payments), g.Rate, size(g.Memory), g.Verify)
	}
	return nil
}

// grow sends payments until there are as many as wanted. What it says of the speed is of the last
// stretch. The books are counted once at the end: recomputing them all after each stretch would
// take longer than the growing.
func (b *bench) grow(ctx context.Context, s *site, want int) (g Growth, err error) {
	var longest atomic.Int64
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go watchSize(watching, filepath.Join(s.dir, "hissa.db-wal"), &longest)
	for s.acked < int64(want) {
		if ctx.Err() != nil {
			return g, ctx.Err()
		}
		left := want - int(s.acked)
		stretches := (left + growthChunk - 1) / growthChunk // all of a length, the last too
		made, err := s.payments(ctx, left/stretches)
		if err != nil {
			return g, err
		}
		made.repeats = false
		run, err := b.ingest(ctx, s, made)
		if err != nil {
			return g, err
		}
		g.Rate, g.CPU, g.Memory = run.Rate, run.CPU, run.Memory
		fmt.Fprintf(os.Stderr, "\r   %s of %s payments ", thousands(s.acked), thousands(int64(want)))
	}
	fmt.Fprintln(os.Stderr)
	g.Payments, g.WAL = s.acked, float64(longest.Load())
	return g, nil
}

// ingest sends one stretch to its end, in one life.
func (b *bench) ingest(ctx context.Context, s *site, made *stock) (run Run, err error) {
	server, err := s.start(ctx)
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	wires, err := dialAll(server.addr, growthConnections)
	if err != nil {
		return run, err
	}
	defer closeAll(wires)
	start, err := usageOf(server.pid())
	if err != nil {
		return run, err
	}
	got, err := closedLoop(ctx, wires, made, http.StatusOK, time.Hour)
	if err != nil {
		return run, err
	}
	if got.refused > 0 {
		return run, fmt.Errorf("hissa refused %d payments: %s", got.refused, server.lastWords())
	}
	end, err := usageOf(server.pid())
	if err != nil {
		return run, err
	}
	memory, err := memoryOf(server.pid())
	s.acked += made.acknowledged()
	run.fill(got)
	run.CPU = microseconds(end.cpu-start.cpu) / float64(got.answers())
	run.Memory = float64(memory)
	return run, err
}

// watchSize notes how long a file ever is, looking fifty times a second.
func watchSize(ctx context.Context, path string, longest *atomic.Int64) {
	for ctx.Err() == nil {
		if info, err := os.Stat(path); err == nil {
			longest.Store(max(longest.Load(), info.Size()))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// look measures what takes no load.
func (g *Growth) look(ctx context.Context, s *site, h *hissa) error {
	var firsts []float64
	for range 5 {
		server, err := s.start(ctx)
		if err != nil {
			return err
		}
		firsts = append(firsts, microseconds(server.first))
		if err := server.stop(); err != nil {
			return err
		}
	}
	g.First = median(firsts)
	if err := g.explain(ctx, s, h); err != nil {
		return err
	}
	v, took, err := h.verify(ctx)
	if err != nil {
		return err
	}
	if v.Transactions != s.acked || v.Entries != s.acked || v.Facts != 2*s.acked+h.facts {
		return fmt.Errorf("hissa acknowledged %d payments, and its books hold %+v", s.acked, v)
	}
	g.Verify = float64(v.Facts) / took.Seconds()
	file, err := os.Stat(filepath.Join(s.dir, "hissa.db"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(s.dir, "hissa.db-wal")); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, errors.New("hissa left its journal: the file is not the whole of it"))
	}
	g.Kept = float64(file.Size()) / float64(s.acked)
	return nil
}

// explain asks for the story of payments from anywhere in the books: the whole command, from its start
// to its end.
func (g *Growth) explain(ctx context.Context, s *site, h *hissa) error {
	var took []float64
	for range 20 {
		order := fmt.Sprintf("ORDER_%09d", 1+rand.IntN(s.orders))
		start := time.Now()
		out, err := h.run(ctx, "explain", order)
		if err != nil {
			return err
		}
		took = append(took, microseconds(time.Since(start)))
		if !strings.Contains(out, order) {
			return fmt.Errorf("hissa explain %s says nothing of it:\n%s", order, out)
		}
	}
	g.Explain = median(took)
	return nil
}
