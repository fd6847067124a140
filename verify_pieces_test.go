package main

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
)

// Several hands see one state of the books, whoever writes and carries the journal home meanwhile; and what they
// find is what one finds.
func TestVerifyWithManyHands(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := range cycles(60, 300, 3000) {
				id := fmt.Sprintf("T%d-%d", w, i)
				n := identified(payment(id, id, func(n *Notification) { n.Reference = "ASHA" }))
				if _, err := b.Receive(b.ctx(), n, "", n.Identity); err != nil {
					t.Error(err)
				}
			}
		})
	}
	defer writers.Wait()
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	looked := 0
	for writing := true; writing; looked++ {
		select {
		case <-done:
			writing = false
		default:
		}
		r, err := b.verifyWith(b.ctx(), 4, 7, nil)
		if err != nil {
			t.Fatalf("the books are not in order: %v", err)
		}
		if r.Entries != r.Transactions || r.Facts < 2*r.Transactions {
			t.Fatalf("not of one moment: %+v", r)
		}
	}
	one, err := b.verifyWith(b.ctx(), 1, pieceOfBooks, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, hands := range []int{2, 4, 9} {
		var last int64
		many, err := b.verifyWith(b.ctx(), hands, 5, func(done, all int64) {
			if done < last || done > all || all != one.Facts {
				t.Errorf("%d of %d after %d", done, all, last)
			}
			last = done
		})
		if err != nil || !reflect.DeepEqual(many, one) {
			t.Errorf("%d hands find %+v, %v, one finds %+v", hands, many, err, one)
		}
		if last < one.Facts*9/10 {
			t.Errorf("%d hands were last heard of at %d of %d", hands, last, one.Facts)
		}
	}
	for i := range 100 {
		b.click(fmt.Sprint("c", i), "ASHA") // by which no payment is
	}
	var told, of int64
	if r, err := b.verifyWith(b.ctx(), 2, 7, func(d, a int64) { told, of = d, a }); err != nil ||
		told != r.Facts || of != r.Facts {
		t.Errorf("%v, last heard of at %d of %d facts of %d", err, told, of, r.Facts)
	}
	if looked < 2 {
		t.Errorf("looked %d times", looked)
	}
}

// However far apart somebody who tampered has set the ids of payments, verify ends and says so.
func TestVerifyOfIDsFarApart(t *testing.T) {
	t.Parallel()
	e := take(aYear(t))
	for _, id := range []int64{math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1, -1, 0, 1 << 62} {
		said := e.after(fmt.Sprintf("UPDATE transactions SET id = %d WHERE id = (SELECT max(id) FROM transactions)", id))
		if said == "" {
			t.Errorf("a payment with the id %d is in order", id)
		}
	}
}

// A journal that was just made, or just carried home, has no state to name; nor has that kept anybody from
// reading.
func TestVerifyWithoutAJournal(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	want := b.inOrder()
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := b.Backup(b.ctx(), path); err != nil || journalBeside(path) {
		t.Fatalf("%v, a journal: %v", err, journalBeside(path))
	}
	store := &Store{path: path, readers: openReaders(untouched(path), 4)}
	defer store.readers.Close()
	got, err := store.verifyWith(t.Context(), 3, 1, nil)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}
