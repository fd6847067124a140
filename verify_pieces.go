package main

// verify's work divided: one hand walks the chain, the others, and then that one too, work the payments out again,
// piece by piece. All see one state of the books.

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"sync"
)

// pieceOfBooks is how many places of the chain a hand takes at a time: some thousands of payments, which is
// much beside the questions that each piece begins with, and little beside the whole.
const pieceOfBooks = 20_000

// verification is what the hands have in common.
type verification struct {
	piece    int64 // places of the chain that are taken at a time
	all      int64 // facts
	progress func(done, all int64)

	mu     sync.Mutex
	next   int64 // payments of lower ids have been taken
	ended  bool  // all have
	done   int64 // facts that were walked by
	placed int64 // the place up to which payments were worked out
	bad    error // of the earliest piece that is wrong
	badAt  int64
	report Report
	days   dayTotals
}

// Verify recomputes the books: the chain and what hangs on it, and beside that the positions, all on one
// snapshot. A badRow error says that they are wrong; any other error that they could not be read.
// progress, when not nil, is told how many facts are done.
func (s *Store) Verify(ctx context.Context, progress func(done, all int64)) (Report, error) {
	var end head
	if err := s.readers.look(q("head"), nil, &end.seq, &end.hash, &end.terms); err != nil {
		return Report{}, err
	}
	hands := min(int64(runtime.GOMAXPROCS(0)), 1+end.seq/pieceOfBooks)
	return s.verifyWith(ctx, int(hands), pieceOfBooks, progress)
}

func (s *Store) verifyWith(
	ctx context.Context, hands int, piece int64, progress func(done, all int64),
) (Report, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	w := &verification{piece: piece, progress: progress, next: math.MinInt64, days: dayTotals{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := s.readers.together(ctx, hands, func(all []rows) error {
		return w.verify(all, s.keys, cancel)
	})
	return w.report, err
}

func (w *verification) verify(all []rows, keys bodyKeys, cancel func()) error {
	var end head
	if err := all[0].one(q("head"), nil, &end.seq, &end.hash, &end.terms); err != nil {
		return err
	}
	w.all = end.seq
	var facts, strays error
	var hands sync.WaitGroup
	for i, r := range all {
		v := verifier{
			rows: r, report: &Report{}, walked: w.walked, keys: keys,
			balances: map[string]int64{}, ends: map[string][]byte{}, days: dayTotals{},
			paperwork: &paperwork{statements: map[int64]*Statement{}, newest: map[string]*Statement{},
				all: map[string][]*Statement{}},
		}
		hands.Go(func() {
			if i == 0 {
				if facts = recovered(v.facts); facts != nil {
					cancel() // what else is wrong would only follow from it
				} else {
					strays = recovered(v.strays)
				}
			}
			w.work(v)
		})
	}
	hands.Wait()
	if err := cmp.Or(facts, w.bad); err != nil {
		return err
	}
	sums := verifier{rows: all[0], days: w.days}
	return cmp.Or(recovered(func() error { return inTurn(sums.clicks, sums.sums) }), strays)
}

// facts checks the chain and all that hangs on it.
func (v verifier) facts() error { return inTurn(v.chain, v.accounts, v.customers) }

// work takes pieces as long as there are any.
func (w *verification) work(v verifier) {
	for {
		from, to, err := w.take(v.rows)
		if err == nil && from > to {
			break
		}
		if err == nil { // what was tampered with may be more than arithmetic holds
			err = recovered(func() error { return v.positions(from, to) })
		}
		if err != nil {
			w.found(from, err)
		}
		w.worked(to)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.add(*v.report)
	for k, t := range v.days {
		w.days.add(k, t, 1)
	}
}

// take gives out the ids of the next piece, which begins with a payment wherever the ids lie; none, with from
// behind to, past the last payment and after a piece that is wrong.
func (w *verification) take(r rows) (from, to int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var first *int64
	if !w.ended && w.bad == nil {
		err = r.one(q("next-transaction"), args{w.next}, &first)
	}
	if first == nil {
		w.placed = w.all
		w.tell()
		return 1, 0, err
	}
	from, to = *first, math.MaxInt64
	if from <= to-w.piece {
		to = from + w.piece - 1
	}
	w.next, w.ended = to+1, to == math.MaxInt64
	return from, to, nil
}

// found keeps what is wrong in the earliest piece: the pieces before it are all being worked on.
func (w *verification) found(at int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bad == nil || at < w.badAt {
		w.bad, w.badAt = err, at
	}
}

// walked counts facts of the chain.
func (w *verification) walked(facts int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done += facts
	w.tell()
}

// worked says up to which id payments were worked out.
func (w *verification) worked(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.placed = max(w.placed, min(id, w.all))
	w.tell()
}

// tell says how far it has come: every place of the chain is come by twice.
func (w *verification) tell() { w.progress((w.done+w.placed)/2, w.all) }
