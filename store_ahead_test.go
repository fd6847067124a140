package main

import (
	"fmt"
	"strings"
	"testing"
)

// receiveLate has the writer take a message up long after it was read what it needs.
func (b *books) receiveLate(n Notification, a ahead) (result string) {
	b.Helper()
	n = identified(n)
	raw := newRawBody(n.Identity)
	if err := b.write(b.ctx(), b.payments, func(t *tx) (err error) {
		n.At = t.now
		result, err = t.receive(n, raw, a)
		return err
	}); err != nil {
		b.Fatal(err)
	}
	b.inOrder()
	return result
}

// What was read in advance is believed only while nothing that it is about was booked since.
func TestLookingAheadIsNeverStale(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.partner("RAVI")
	b.click("c1", "ASHA")
	b.click("c2", "RAVI")

	one := payment("T1", "1")
	before := b.lookAhead(one)
	if before.known || before.order != nil || before.click != nil || before.seq == 0 {
		t.Errorf("of an unknown payment was read %+v", before)
	}
	b.bind(Order{ID: "1", ClickID: "c1"})
	bound := b.lookAhead(one)
	if bound.known || bound.order == nil || bound.order.ClickID != "c1" || bound.click == nil || bound.click.Partner != "ASHA" {
		t.Errorf("of a payment to come was read %+v", bound)
	}
	b.bind(Order{ID: "1", ClickID: "c2"})
	for _, stale := range []ahead{before, bound, b.lookAhead(one)} {
		if got := b.receiveLate(one, stale); got != resultCredited && got != resultDuplicate {
			t.Errorf("answered %s", got)
		}
	}
	if got := b.earned("T1"); !strings.HasPrefix(got, "RAVI ") {
		t.Errorf("T1 earns %s, want RAVI", got)
	}
	if !b.lookAhead(one).known {
		t.Error("a payment that came is not known")
	}

	// The click comes after the order that names it.
	b.bind(Order{ID: "2", ClickID: "c3"})
	two := payment("T2", "2")
	stale := b.lookAhead(two)
	b.click("c3", "ASHA")
	if got := b.receiveLate(two, stale); got != resultCredited {
		t.Errorf("answered %s: the click was booked before the payment", got)
	}

	// A refund comes before its payment.
	three := payment("T3", "3")
	stale = b.lookAhead(three)
	b.send(refund("T3", "R1", "succeeded", 40000))
	b.receiveLate(three, stale)
	if story := b.story("T3"); story.Txn.Refunded != 40000 {
		t.Errorf("of T3 %d paise are refunded", story.Txn.Refunded)
	}

	if a := b.lookAhead(payment("T4", "4_20261122120000")); a.seq != 0 {
		t.Error("of an order with a timestamp something was read, though that takes two questions")
	}
}

func TestLately(t *testing.T) {
	var l lately
	if !l.changed("orders", "1", 5) {
		t.Error("with nothing remembered, nothing is known to be as it was")
	}
	l.forget(100)
	note := func(seq int64, id string) { l.note("orders", seq, []any{int64(0), id, "", "", "", int64(0)}) }
	note(101, "1")
	for _, c := range []struct {
		id    string
		since int64
		want  bool
	}{{"1", 99, true}, {"2", 99, true}, {"1", 100, true}, {"2", 100, false}, {"1", 101, false}} {
		if got := l.changed("orders", c.id, c.since); got != c.want {
			t.Errorf("%s since %d: %t", c.id, c.since, got)
		}
	}
	if l.changed("clicks", "1", 100) {
		t.Error("an order is taken for a click")
	}
	for i := range int64(3 * latelyAtMost) {
		note(102+i, fmt.Sprint("x", i))
	}
	end := int64(101 + 3*latelyAtMost)
	if !l.changed("orders", "1", 100) || !l.changed("orders", "new", 101) {
		t.Error("what is forgotten counts as unchanged")
	}
	if l.changed("orders", "new", end-latelyAtMost) || !l.changed("orders", "x12287", end-1) {
		t.Error("what is remembered does not count")
	}
	if len(l.young)+len(l.old) > 2*latelyAtMost {
		t.Error("it remembers without end")
	}
}
