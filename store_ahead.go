package main

// What the writer has to know of a payment is read before its turn comes, by whoever waits for it: whether
// anything was heard of the payment before, and which order and click it names. By its turn that may have
// changed; so the writer remembers what it booked lately, and asks for itself when in doubt.

import (
	"strings"
	"time"
)

// ahead is what was read for a message in advance. Its zero value knows nothing.
type ahead struct {
	seq     int64 // the newest fact there was; 0: nothing was read
	subject string
	known   bool // there were messages about the subject
	orderID string
	order   *Order
	click   *Click // of the order
}

// lookAhead reads what a payment will need. What goes wrong here goes wrong again in the writer, and
// there it is told.
func (s *Store) lookAhead(n Notification) (a ahead) {
	if n.Kind != "payment" || n.Unusable != "" || n.TxnID == "" || n.OrderID != withoutTimestamp(n.OrderID) {
		return a
	}
	var seq int64
	var o Order
	var c Click
	var bound, clicked int64
	err := s.readers.look(q("look-ahead"), args{n.subject(), s.mid, n.OrderID}, &seq, &a.known,
		&o.Seq, &bound, &o.ClickID, &o.Promo, &o.Customer, &o.Amount,
		&c.Seq, &clicked, &c.Partner, &c.Sub, &c.Counted)
	if err != nil {
		return ahead{}
	}
	a.seq, a.subject, a.orderID = seq, n.subject(), n.OrderID
	if o.Seq != 0 {
		o.ID, o.At = n.OrderID, time.UnixMilli(bound).UTC()
		a.order = &o
	}
	if c.Seq != 0 {
		c.ID, c.At = o.ClickID, time.UnixMilli(clicked).UTC()
		a.click = &c
	}
	return a
}

// holds reports whether what was read in advance is still so.
func (a ahead) holds(l *lately) bool {
	return a.seq > 0 && !l.changed("notifications", a.subject, a.seq) && !l.changed("orders", a.orderID, a.seq) &&
		(a.order == nil || !l.changed("clicks", a.order.ClickID, a.seq))
}

// orders answers from what was read in advance where it can.
func (a ahead) orders(ask func(string) (*Order, *Click, error)) func(string) (*Order, *Click, error) {
	return func(id string) (*Order, *Click, error) {
		if id == a.orderID {
			return a.order, a.click, nil
		}
		return ask(id)
	}
}

// lately remembers what was booked last: a few thousand facts, each under the name that it is looked up by.
// What was rolled back may be among them; then somebody asks once too often.
type lately struct {
	young, old         map[factName]int64 // the newest fact of each
	youngFrom, oldFrom int64              // complete after this fact
}

type factName struct{ table, name string }

const latelyAtMost = 4096 // in each of the two

// nameColumn is where in the columns of a fact the name is.
var nameColumn = map[string]int{"clicks": 1, "orders": 1, "notifications": 3}

// forget begins anew: of the facts up to this one nothing is known.
func (l *lately) forget(seq int64) {
	*l = lately{young: map[factName]int64{}, youngFrom: seq, oldFrom: seq}
}

func (l *lately) note(table string, seq int64, columns []any) {
	column, ok := nameColumn[table]
	if !ok {
		return
	}
	if len(l.young) >= latelyAtMost {
		l.old, l.oldFrom = l.young, l.youngFrom
		l.young, l.youngFrom = map[factName]int64{}, seq-1
	}
	name := strings.Clone(columns[column].(string)) // it is a piece of a whole message
	l.young[factName{table, name}] = seq
}

// changed reports whether something was, or may have been, booked under a name after a fact.
func (l *lately) changed(table, name string, since int64) bool {
	key := factName{table, name}
	return l.young == nil || since < l.oldFrom || l.young[key] > since || l.old[key] > since
}
