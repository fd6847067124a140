package main

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"
)

// A customer is forgotten: no trace of the id, nor of what the raw messages said, is left in the file or
// its journal; the books stand as before, and know the customer's payments still.
func TestForget(t *testing.T) {
	t.Parallel()
	terms := testTerms()
	terms.Lifetime = 12
	b := openBooks(t, terms)
	b.partner("ASHA")
	const canary = "canary-id-7f3a91"
	deliver := func(txn, order, says, subscription string) {
		t.Helper()
		n := identified(payment(txn, order))
		if _, err := b.Receive(b.ctx(), n, subscription, []byte(`{"body":"`+says+`"}`)); err != nil {
			t.Fatal(err)
		}
	}
	b.bind(Order{ID: "1", Promo: "ASHA10", Customer: canary})
	deliver("T1", "1", "canary-body-5a1c0e", "")
	b.bind(Order{ID: "2", Customer: canary}) // earns by the customer
	deliver("T2", "2", "canary-body-77e2b4", "")
	deliver("T3", "3", "somebody-else-kept", "SUBS_9")
	b.answers("T1", agreeing("T1", "1", 100000))
	b.answers("T2", agreeing("T2", "2", 100000))
	before := b.earned("T2")
	if before != "ASHA 100.00 held period" {
		t.Fatalf("the customer brings no second commission: %s", before)
	}
	f, err := b.Forget(b.ctx(), canary)
	if err != nil || f != (Forgotten{Values: 1, Bodies: 2}) {
		t.Errorf("forgotten %+v (%v)", f, err)
	}
	b.inOrder()
	if got := b.earned("T2"); got != before {
		t.Errorf("T2 is %s, it was %s", got, before)
	}
	if _, err := b.Forget(b.ctx(), canary); !errors.Is(err, errNotFound) {
		t.Errorf("forgotten twice: %v", err)
	}
	if f, err := b.Forget(b.ctx(), "SUBS_9"); err != nil || f != (Forgotten{Values: 1, Bodies: 1}) {
		t.Errorf("a subscription forgotten: %+v (%v)", f, err)
	}
	copied := b.path + ".after"
	if err := b.Backup(b.ctx(), copied); err != nil {
		t.Fatal(err)
	}
	db := raw(t, b.path)
	if _, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{b.path, b.path + "-wal", copied} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, trace := range []string{canary, "canary-body", "somebody-else"} {
			if bytes.Contains(text, []byte(trace)) {
				t.Errorf("%s is still in %s", trace, file)
			}
		}
	}
}

// Raw messages are dropped when they have been kept for long enough, and no others.
func TestOldBodiesAreDropped(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.send(payment("OLD", "1"))
	b.wait(48 * time.Hour)
	b.send(payment("NEW", "2"))
	for _, c := range []struct {
		keep time.Duration
		want int64
	}{{72 * time.Hour, 0}, {24 * time.Hour, 1}, {24 * time.Hour, 0}, {0, 0}} {
		n, err := b.DropBodies(b.ctx(), b.clockNow().Add(-c.keep))
		if err != nil || n != c.want {
			t.Errorf("%d were dropped after %s (%v), want %d", n, c.keep, err, c.want)
		}
		b.inOrder()
	}
}

// Whoever was turned down is forgotten after half a year, though nobody applies any more; the others are not.
func TestOldApplicationsAreDropped(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	for _, name := range []string{"Refused", "Open", "Accepted"} {
		a := Application{Name: name, Email: name + "@example.in", Places: "a channel", Code: name}
		if err := b.Apply(b.ctx(), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.RefuseApplication(b.ctx(), 1, "no channel"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AcceptApplication(b.ctx(), 3, "ACCEPTED"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		wait time.Duration
		want int64
	}{{applicationsKept - time.Hour, 0}, {2 * time.Hour, 1}, {time.Hour, 0}} {
		b.wait(c.wait)
		if n, err := b.DropApplications(b.ctx(), b.clockNow().Add(-applicationsKept)); err != nil || n != c.want {
			t.Errorf("after %s %d were dropped (%v), want %d", c.wait, n, err, c.want)
		}
	}
	list, _, err := b.Applications(b.ctx(), 0)
	if err != nil || len(list) != 2 || list[0].Name != "Accepted" || list[1].Name != "Open" {
		t.Errorf("what is left: %+v (%v)", list, err)
	}
}
