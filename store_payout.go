package main

// The store's acts on payouts: sent, and what became of them.

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// SettlePayout books what a person says became of a payout. Saying the same again, word for word, changes
// nothing: whoever was interrupted says it once more.
func (s *Store) SettlePayout(ctx context.Context, id int64, step Step) (st *Statement, again bool, err error) {
	err = s.write(ctx, s.payments, func(t *tx) (err error) {
		if st, err = t.statement(id); err != nil {
			return err
		}
		last := st.last()
		again = last.Step == step.Step && last.UTR == step.UTR && last.Reason == step.Reason
		if again {
			return nil
		}
		if step.Step == "paid" {
			if err := t.refuseUTR(id, step.UTR); err != nil {
				return err
			}
		}
		return t.step(st, step)
	})
	return st, again, err
}

// refuseUTR keeps one bank transfer from paying two payouts.
func (t *tx) refuseUTR(id int64, utr string) error {
	var other int64
	err := t.one(q("paid-under"), args{utr}, &other)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && other == id:
		return nil
	case err != nil:
		return err
	}
	return refusedStep{fmt.Sprintf("UTR %s is that of payout %d already: look at the bank's statement again",
		utr, other)}
}

// SendPayout notes that one payout is being sent by QR, before the QR is shown. again lets one be shown
// that was shown before: the person says that nothing was paid by it.
func (s *Store) SendPayout(ctx context.Context, id int64, again bool) (st *Statement, to Contact, err error) {
	err = s.write(ctx, s.payments, func(t *tx) (err error) {
		if st, err = t.statement(id); err != nil {
			return err
		}
		if to, err = t.contact(st.Partner); err != nil {
			return err
		}
		if to.VPA == "" {
			return refusedStep{fmt.Sprintf("%s has no UPI id: hissa partner set %s -vpa …", st.Partner, st.Partner)}
		}
		last := st.last()
		if last.Step == "sent" && last.Way == "qr" {
			if again {
				return t.refuseStopped(st)
			}
			return refusedStep{fmt.Sprintf("the QR of payout %d was shown on %s: if it was paid, hissa payout paid %d "+
				"-utr …; if surely not, hissa payout qr %d -again", id, clock(last.At), id, id)}
		}
		if st.allows("sent") {
			if err := t.refuseStopped(st); err != nil {
				return err
			}
		}
		return t.step(st, Step{Step: "sent", Way: "qr"})
	})
	return st, to, err
}

// Payable is an approved payout with where it goes.
type Payable struct {
	*Statement
	To Contact
}

// LeftOut is a payout that did not go into the bank's file, or should not have.
type LeftOut struct {
	*Statement
	Why string
}

// SendFile makes a file for the bank of all approved payouts that can go into one, and notes them as sent
// in the same transaction. layOut writes it. The file is kept: see PayoutFile. number is 0 when no payout
// can go.
func (s *Store) SendFile(
	ctx context.Context, layOut func(at time.Time, list []Payable) ([]byte, error),
) (number int64, body []byte, left []LeftOut, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		number, body, left = 0, nil, nil
		ready, err := t.approved(&left)
		if err != nil || len(ready) == 0 {
			return err
		}
		if err := t.one(q("newest-payout-file"), nil, &number); err != nil {
			return err
		}
		number++
		if body, err = layOut(t.now, ready); err != nil {
			return err
		}
		for _, p := range ready {
			if err := t.step(p.Statement, Step{Step: "sent", Way: fmt.Sprintf("file %d", number)}); err != nil {
				return err
			}
		}
		return t.exec(q("insert-payout-file"), number, t.now.UnixMilli(), body)
	})
	return number, body, left, err
}

// approved lists the payouts that can go into a file, and adds those that can't to left.
func (t *tx) approved(left *[]LeftOut) ([]Payable, error) {
	all, err := t.statements(Span{})
	if err != nil {
		return nil, err
	}
	var ready []Payable
	for _, s := range all {
		if s.State() != "approved" {
			continue
		}
		to, err := t.contact(s.Partner)
		if err != nil {
			return nil, err
		}
		why, err := t.stopped(s)
		if err != nil {
			return nil, err
		}
		if why != "" {
			why += fmt.Sprintf("; hissa statement draft -partner %s makes a new statement", s.Partner)
		} else {
			why = noFileFor(s, to)
		}
		if why != "" {
			*left = append(*left, LeftOut{s, why})
			continue
		}
		ready = append(ready, Payable{s, to})
	}
	return ready, nil
}

// noFileFor says why a payout can't go into the bank's file, "" when it can.
func noFileFor(s *Statement, to Contact) string {
	switch {
	case to.Account == "" || to.IFSC == "":
		return fmt.Sprintf("no bank account: hissa partner set %s -account … -ifsc …, or hissa payout qr %d",
			s.Partner, s.ID)
	case bankText(to.Name) == "":
		return fmt.Sprintf("no name in letters that a bank takes: hissa partner set %s -name …", s.Partner)
	}
	return ""
}

// PayoutFile returns a file as it was made for the bank; errNotFound when there is none of this number.
// stopped are the payouts in it that must not be paid any more.
func (s *Store) PayoutFile(ctx context.Context, number int64) (body []byte, stopped []LeftOut, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		stopped = nil
		err := t.one(q("payout-file"), args{number}, &body)
		if errors.Is(err, sql.ErrNoRows) {
			err = errNotFound
		}
		if err != nil {
			return err
		}
		all, err := t.statements(Span{})
		if err != nil {
			return err
		}
		for _, s := range all {
			if s.State() != "sent" || s.last().Way != fmt.Sprintf("file %d", number) {
				continue
			}
			why, err := t.stopped(s)
			if err != nil {
				return err
			}
			if why != "" {
				stopped = append(stopped, LeftOut{s, why})
			}
		}
		return nil
	})
	return body, stopped, err
}
