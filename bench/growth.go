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
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// Growth is what hissa is like with so many payments in its books. Times are microseconds, sizes
// bytes.
type Growth struct {
	Payments int64   `json:"payments"`
	Rate     float64 `json:"rate"`    // payments a second
	Against  float64 `json:"against"` // the rate with the smallest books, in turns
	CPU      float64 `json:"cpu_us"`  // a request, of the last payments
	Memory   float64 `json:"memory"`  // at its highest, under that load
	WAL      float64 `json:"wal"`     // the journal at its longest since the size before

	Totals  float64 `json:"totals_us"`  // the page with thirty days'
	Story   float64 `json:"story_us"`   // the page of a payment
	Explain float64 `json:"explain_us"` // the same by the command
	First   float64 `json:"first_us"`   // from the start of the process to the first answer
	Verify  float64 `json:"verify"`     // facts a second
	Kept    float64 `json:"kept"`       // of the file, a payment with its click and order
}

const (
	growthConnections = 64
	growthChunk       = 20000 // payments at most in one stretch, so that memory here stays small
)

// growthWork lets a database grow by real webhooks, and stops at each size to measure. Another stays
// about as small as the first size, so that what a larger one takes can be held against it in turns:
// the minutes in which a database grows are not all alike.
func growthWork(ctx context.Context, b *bench) error {
	small, err := b.newSite(ctx, contestants[0], "growth-small")
	if err != nil {
		return err
	}
	s := small
	for i, want := range b.sizes {
		if i == 1 {
			if s, err = b.newSite(ctx, contestants[0], "growth"); err != nil {
				return err
			}
		}
		g, err := b.grow(ctx, s, want)
		if err != nil {
			return err
		}
		if g.Against = 1; s != small {
			if err := b.against(ctx, small, s, &g); err != nil {
				return err
			}
		}
		if err := g.look(ctx, s); err != nil {
			return err
		}
		b.report.Growth = append(b.report.Growth, g)
		fmt.Fprintf(os.Stderr, "   %s payments: %.0f/s, %.2f of %s, %s of memory, verify %.0f facts/s\n",
			thousands(g.Payments), g.Rate, g.Against, thousands(small.acked), size(g.Memory), g.Verify)
	}
	return nil
}

// against has the small books and the large ones take a stretch in turns, as often as there are rounds.
func (b *bench) against(ctx context.Context, small, large *site, g *Growth) error {
	var rates, ratios []float64
	n := min(growthChunk, b.sizes[0])
	for range b.rounds {
		few, err := b.stretch(ctx, small, n)
		if err != nil {
			return err
		}
		many, err := b.stretch(ctx, large, n)
		if err != nil {
			return err
		}
		rates, ratios = append(rates, many.Rate), append(ratios, many.Rate/few.Rate)
		g.CPU, g.Memory = many.CPU, max(g.Memory, many.Memory)
	}
	g.Rate, g.Against = median(rates), median(ratios)
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
		run, err := b.stretch(ctx, s, left/stretches)
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

// stretch sends so many payments, each once, in one life.
func (b *bench) stretch(ctx context.Context, s *site, n int) (run Run, err error) {
	made, err := s.payments(ctx, n)
	if err != nil {
		return run, err
	}
	made.repeats = false
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
func (g *Growth) look(ctx context.Context, s *site) error {
	h, ok := s.program.(*hissa)
	if !ok {
		return errors.New("the first contestant is not hissa")
	}
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
	txnIDs, err := g.explain(ctx, s, h)
	if err != nil {
		return err
	}
	if err := g.pages(ctx, s, h, txnIDs); err != nil {
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

var txnIDPattern = regexp.MustCompile(`\b\d{30,}\b`)

// explain asks for the story of payments from anywhere in the books: the whole command, from its start
// to its end. It returns which payments these were.
func (g *Growth) explain(ctx context.Context, s *site, h *hissa) (txnIDs []string, err error) {
	var took []float64
	for range 20 {
		order := fmt.Sprintf("ORDER_%09d", 1+rand.IntN(s.orders))
		start := time.Now()
		out, err := h.run(ctx, "explain", order)
		if err != nil {
			return nil, err
		}
		took = append(took, microseconds(time.Since(start)))
		txnID := txnIDPattern.FindString(out)
		if !strings.Contains(out, order) || txnID == "" {
			return nil, fmt.Errorf("hissa explain %s says nothing of it:\n%s", order, out)
		}
		txnIDs = append(txnIDs, txnID)
	}
	g.Explain = median(took)
	return txnIDs, nil
}

// pages are what somebody who is signed in waits for: the totals of thirty days, and the story of a payment.
func (g *Growth) pages(ctx context.Context, s *site, h *hissa, txnIDs []string) (err error) {
	server, err := s.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	owner, err := h.signIn(ctx, server, fmt.Sprintf("owner%d@shop.example", g.Payments))
	if err != nil {
		return err
	}
	var totals, stories []float64
	for _, txnID := range txnIDs {
		took, err := owner.waits(ctx, "/admin/?range=30d", "PARTNER")
		if err != nil {
			return err
		}
		totals = append(totals, took)
		if took, err = owner.waits(ctx, "/admin/payments/"+txnID, txnID); err != nil {
			return err
		}
		stories = append(stories, took)
	}
	g.Totals, g.Story = median(totals), median(stories)
	return nil
}
