package main

// The store's acts on what a file brings: clicks and orders, judged and booked line by line, with a fact that
// says that they came from a file.

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// bring books lines in one transaction and says of each what became of it. Those that are wrong are left
// out.
func (s *Store) bring(ctx context.Context, b bringing, lines []*importLine) error {
	if len(lines) == 0 {
		return nil
	}
	who, before := whoami(), make([]importLine, len(lines))
	for i, l := range lines {
		before[i] = *l
	}
	return s.write(ctx, s.payments, func(t *tx) error {
		for i, l := range lines { // the writer may try a second time
			*l = before[i]
		}
		return b.book(t, who, lines)
	})
}

// bringClicks books clicks that are not known yet, and decides the payments anew that named one of them.
func (t *tx) bringClicks(who string, lines []*importLine) error {
	first := t.head.seq + 1
	var ids []string
	for _, l := range lines {
		if l.result == "wrong" {
			continue
		}
		if err := t.judgeClick(l); err != nil {
			return err
		}
		if l.result != "new" {
			continue
		}
		c := l.click
		if c.Counted == "" {
			t.days.addClick(c.At, c.Partner)
		}
		if _, err := t.book("clicks", c.At, c.ID, c.Partner, c.Sub, c.Counted); err != nil {
			return err
		}
		ids = append(ids, c.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	if _, err := t.book("imports", t.now, "clicks", first, who); err != nil {
		return err
	}
	named, err := t.carrying(ids)
	if err != nil {
		return err
	}
	return t.redecideAll(named)
}

// judgeClick says whether a click can be booked.
func (t *tx) judgeClick(l *importLine) error {
	partner, ok := t.terms.partner(l.click.Partner)
	if !ok {
		l.wrong("there is no partner %q: add or import partners first", l.click.Partner)
		return nil
	}
	l.click.Partner = partner.Code
	known, err := t.click(l.click.ID)
	switch {
	case err != nil:
		return err
	case known == nil:
		l.result = "new"
	case known.Partner == l.click.Partner && known.At.Equal(l.click.At) && known.Sub == l.click.Sub &&
		known.Counted == l.click.Counted:
		l.result, l.why = "same", "is there already"
	default:
		l.wrong("is there already, otherwise: of %s at %s", known.Partner, rfc3339(known.At))
	}
	return nil
}

// bringOrders binds orders as the shop does.
func (t *tx) bringOrders(who string, lines []*importLine) error {
	first, some := t.head.seq+1, false
	for _, l := range lines {
		if l.result == "wrong" {
			continue
		}
		if err := t.bringOrder(l); err != nil {
			return err
		}
		some = some || l.result == "bound" || l.result == "replaced"
	}
	if !some {
		return nil
	}
	_, err := t.book("imports", t.now, "orders", first, who)
	return err
}

func (t *tx) bringOrder(l *importLine) error {
	var salt string
	if err := t.one(q("setting"), args{"customer_salt"}, &salt); err != nil {
		return err
	}
	o := l.order
	if l.person.Customer != "" {
		o.Customer = aliasOf(salt, "customer", l.person.Customer)
	}
	old, _, err := t.order(o.ID)
	if err != nil {
		return err
	}
	marks := Person{Email: l.person.Email, Mobile: l.person.Mobile}.marks(salt)
	l.result, err = t.bindOrder(o, marks)
	if errors.Is(err, errOrderTaken) {
		l.wrong("a payment of this order is stored: it stays bound to %s", old.to())
		return nil
	}
	if err != nil {
		return err
	}
	var remarks []string
	if l.result == "replaced" {
		remarks = append(remarks, "was bound to "+old.to())
	}
	if click, err := t.click(o.ClickID); o.ClickID != "" && (click == nil || err != nil) {
		if err != nil {
			return err
		}
		remarks = append(remarks, "no such click is known")
	}
	if _, known := t.terms.codes[lower(o.Promo)]; o.Promo != "" && !known {
		remarks = append(remarks, "nobody holds the code "+o.Promo)
	}
	if l.result == "same" {
		remarks = slices.Insert(remarks, 0, "is there already")
	}
	l.why = strings.Join(remarks, "; ")
	// Last, so that nothing is kept of a customer whose order was refused.
	_, err = t.alias("customer", l.person.Customer)
	return err
}

// to says in words what an order is bound to.
func (o *Order) to() string {
	var words []string
	if o.Promo != "" {
		words = append(words, "code "+o.Promo)
	}
	if o.ClickID != "" {
		words = append(words, "click "+o.ClickID)
	}
	if len(words) == 0 {
		return "neither a code nor a click"
	}
	return strings.Join(words, " and ")
}
