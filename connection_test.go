package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// A reader that gave up, or whose work panicked, takes nobody's turn, and leaves no connection in its
// transaction.
func TestReadersThatGiveUp(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	numbers := "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
	for range 10 { // more than there are connections
		ctx, cancel := context.WithCancel(t.Context())
		read := 0
		err := b.read(ctx, func(r rows) error {
			return r.each(numbers, nil, func(func(...any) error) error {
				if read++; read == 1000 {
					cancel()
				}
				return nil
			})
		})
		if !errors.Is(err, context.Canceled) || read > 1000 {
			t.Fatalf("%v after %d rows", err, read)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a panic was swallowed")
				}
			}()
			_ = b.read(t.Context(), func(r rows) error {
				var one int
				if err := r.one("SELECT 1", nil, &one); err != nil {
					return err
				}
				panic("halfway")
			})
		}()
	}
	b.partner("RAVI") // which a transaction left open would not see
	terms, err := b.Terms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, known := terms.partner("RAVI"); !known {
		t.Error("a reader still sees the books as they were")
	}
}

// Connections see the same even when somebody begins the journal anew between their first looks, and wait no
// longer than a second or two for who keeps them from it.
func TestReadersSeeTheSame(t *testing.T) {
	w := emptyDatabase(t)
	run := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var all []rows
	for range 3 {
		c, err := connect(t.Context(), forReading(w.path(t)))
		run(err)
		defer func() { run(c.close()) }()
		run(c.exec("BEGIN", nil))
		all = append(all, rows{c})
	}
	run(w.exec("INSERT INTO t VALUES (1, 1)", nil))
	var busy, frames, home int64
	run(w.one("PRAGMA wal_checkpoint(PASSIVE)", nil, []any{&busy, &frames, &home}))
	var id int
	run(all[0].one("PRAGMA application_id", nil, &id)) // the first sees the file alone, all being home
	run(w.exec("INSERT INTO t VALUES (2, 1)", nil))    // and the journal begins anew
	if err := trySeeTheSame(all); sqliteCode(err) != codePast {
		t.Fatalf("the journal was not begun anew: %v", err)
	}
	run(seeTheSame(t.Context(), all))
	run(w.exec("INSERT INTO t VALUES (3, 1)", nil))
	for i, r := range all {
		var count int
		run(r.one("SELECT count(*) FROM t", nil, &count))
		if count != 2 {
			t.Errorf("connection %d sees %d rows", i, count)
		}
	}
}

// What somebody gave up before its first row leaves nothing behind on a connection that is used again.
func TestReadersGiveUpBeforeTheFirstRow(t *testing.T) {
	b := openBooks(t, testTerms())
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		err := b.read(ctx, func(r rows) error {
			cancel()
			_, err := verifier{rows: r}.open(chained[0])
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		b.inOrder()
	}
}

// More readers than connections wait for each other, or until they no longer want to; those that are at work
// when the store is closed end their work.
func TestReadersWaitForEachOther(t *testing.T) {
	r := openReaders(forReading(openBooks(t, testTerms()).path), 2)
	var inside, left sync.WaitGroup
	inside.Add(2)
	end := make(chan struct{})
	for range 2 {
		left.Go(func() {
			if err := r.snapshot(context.Background(), func(r rows) error {
				var before, after int
				err := r.one(q("count-transactions"), nil, &before)
				inside.Done()
				<-end
				return errors.Join(err, r.one(q("count-transactions"), nil, &after))
			}); err != nil {
				t.Error(err)
			}
		})
	}
	inside.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	none := func(rows) error { t.Error("a third reader came in"); return nil }
	if err := r.snapshot(ctx, none); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third reader: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	close(end)
	left.Wait()
	if err := r.snapshot(t.Context(), none); !errors.Is(err, errClosed) {
		t.Errorf("a reader of a closed store: %v", err)
	}
}
