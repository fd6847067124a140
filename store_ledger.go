package main

// The ledger: transfers between accounts, booked as the difference between what a position says and what
// is booked already, and the balances that they move.

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"maps"
	"slices"
)

// bookDifference makes the ledger say what the position says: whoever should have nothing is taken
// back, and the partner gets or gives back the difference.
func (t *tx) bookDifference(txn transaction, known bool, p Position) error {
	want := map[string]int64{}
	if p.Partner != "" {
		want[p.Partner] = p.Earned - p.Reversed
	}
	if known {
		booked, err := t.booked(txn.ID)
		if err != nil {
			return err
		}
		for partner, amount := range booked {
			want[partner] -= amount
		}
	}
	partners := slices.Sorted(maps.Keys(want))
	// What is taken back comes first, so that an auditor reads it in order.
	for _, partner := range partners {
		if want[partner] >= 0 {
			continue
		}
		err := t.entry("reverse", "partner:"+partner, "expense", -want[partner], txn, partner)
		if err != nil {
			return err
		}
	}
	for _, partner := range partners {
		if want[partner] <= 0 {
			continue
		}
		err := t.entry("earn", "expense", "partner:"+partner, want[partner], txn, partner)
		if err != nil {
			return err
		}
	}
	return nil
}

// booked is what the ledger holds of one transaction, by partner.
func (r rows) booked(id int64) (map[string]int64, error) {
	sums := map[string]int64{}
	err := r.each(q("booked"), args{id}, func(scan func(...any) error) error {
		var partner string
		var sum int64
		err := scan(&partner, &sum)
		sums[partner] = sum
		return err
	})
	return sums, err
}

// entry books one transfer and moves the balances of both accounts. A payout's is about no
// transaction.
func (t *tx) entry(
	kind, debit, credit string, amount int64, txn transaction, partner string,
) error {
	end, err := t.endOf("partner:" + partner)
	if err != nil {
		return err
	}
	var id any
	if txn.ID != 0 {
		id = txn.ID
	}
	_, end, err = t.bookEntry(end,
		t.now, kind, debit, credit, amount, txn.Currency, id, txn.TxnID, partner)
	if err == nil {
		t.transfer(debit, credit, amount, partner, end)
	}
	return err
}

// transfer moves the balances of an entry's accounts; end is where the partner's chain ends with it.
func (t *tx) transfer(debit, credit string, amount int64, partner string, end []byte) {
	for _, side := range []struct {
		account string
		amount  int64
	}{{debit, -amount}, {credit, amount}} {
		m, ok := t.moves[side.account]
		if !ok {
			m.end = []byte{}
		}
		m.amount += side.amount
		if side.account == "partner:"+partner {
			m.end = end
		}
		t.moves[side.account] = m
	}
}

// move is what the entries of a batch do to one account, which is written once for all of them.
type move struct {
	amount int64
	end    []byte // of the partner's chain
}

// endOf is where the chain of an account ends by now; zeros before its first entry.
func (w *writer) endOf(account string) ([]byte, error) {
	if m, ok := w.moves[account]; ok {
		return m.end, nil
	}
	if end, ok := w.ends[account]; ok {
		return end, nil
	}
	end := make([]byte, sha256.Size)
	err := w.one(q("account-hash"), args{account}, &end)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return end, err
}

// balance is what an account comes to by now (credits less debits).
func (w *writer) balance(account string) (balance int64, err error) {
	err = w.one(q("account-balance"), args{account}, &balance)
	return balance + w.moves[account].amount, err
}

func (w *writer) moveAccounts() error {
	for _, account := range slices.Sorted(maps.Keys(w.moves)) {
		m := w.moves[account]
		if err := w.exec(q("move-balance"), account, m.amount, m.end); err != nil {
			return err
		}
		w.ends[account] = m.end
	}
	clear(w.moves)
	return nil
}
