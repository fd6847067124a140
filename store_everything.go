package main

// The store's acts on books that are made anew: facts booked as they were, with their places and hashes, and
// what follows from them worked out by the same position that worked it out first.

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
)

// ofTerms are the tables that terms are loaded from.
var ofTerms = []string{"programs", "program_limits", "partners", "codes", "code_rates", "marks"}

// columnTypes are the types of the columns of every table that a file may name.
func (s *Store) columnTypes(ctx context.Context) (map[string]map[string]string, error) {
	types := map[string]map[string]string{}
	err := s.read(ctx, func(r rows) error {
		tables := slices.Clone(chained)
		for _, t := range carried {
			tables = append(tables, t.chainedTable)
		}
		for _, table := range tables {
			of := map[string]string{}
			types[table.name] = of
			if err := r.each(q("columns"), args{table.name}, func(scan func(...any) error) error {
				var name, kind string
				err := scan(&name, &kind)
				of[name] = kind
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return types, err
}

// carryAll books the rows of a file.
func (t *tx) carryAll(rows []wholeRow, types map[string]map[string]string) error {
	for _, row := range rows {
		if err := t.carry(row, types[row.table]); err != nil {
			var fault lineError
			if errors.As(err, &fault) || spoils(err) {
				return err
			}
			return row.wrong("can't be booked: %v", err)
		}
	}
	return nil
}

func (t *tx) carry(row wholeRow, types map[string]string) error {
	if i := slices.IndexFunc(chained, func(c chainedTable) bool { return c.name == row.table }); i >= 0 {
		return t.carryFact(row, chained[i], types)
	}
	if row.table == "transactions" {
		return t.carryTransaction(row)
	}
	for _, c := range carried {
		if c.name == row.table {
			columns := c.fields()
			values, err := row.values(columns, types)
			if err != nil {
				return err
			}
			return t.exec("INSERT INTO "+c.name+" ("+strings.Join(columns, ", ")+") "+
				"VALUES (?"+strings.Repeat(", ?", len(columns)-1)+")", values...)
		}
	}
	return row.wrong("is about %q, which this Hissa does not know", row.table)
}

// values reads the columns of a row, and refuses one that has others.
func (r wholeRow) values(columns []string, types map[string]string) (values []any, err error) {
	for _, column := range columns {
		v, err := r.value(column, types[column])
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	for name := range r.fields {
		if !slices.Contains(columns, name) {
			return nil, r.wrong("has a field %q, which this Hissa does not know", name)
		}
	}
	return values, nil
}

// carryFact books a fact in its old place, and what hangs on it.
func (t *tx) carryFact(row wholeRow, table chainedTable, types map[string]string) error {
	fields := table.fields()
	columns := append([]string{"seq", "hash"}, fields...)
	if table.name == "notifications" {
		columns = append(columns, "opens")
	}
	all, err := row.values(columns, types)
	if err != nil {
		return err
	}
	seq, hash, values := all[0], all[1], all[2:2+len(fields)]
	if seq != t.head.seq+1 {
		return row.wrong("is fact %v, fact %d should be next", seq, t.head.seq+1)
	}
	switch table.name {
	case "entries":
		err = t.carryEntry(values)
	case "notifications":
		err = t.carryNotification(values, all[len(all)-1])
	case "clicks":
		err = t.carryClick(values)
	default:
		_, err = t.book(table.name, values...)
	}
	if err != nil {
		return err
	}
	if want, _ := hash.([]byte); !bytes.Equal(t.head.hash, want) {
		return row.wrong("is not what was booked as fact %v: its hash is another", seq)
	}
	if slices.Contains(ofTerms, table.name) {
		t.head.terms = t.head.seq
	}
	return nil
}

// of finds a value of a row by its column; it is of the column's type, or null.
func of[T any](table string, values []any, column string) (v T) {
	i := slices.IndexFunc(chained, func(c chainedTable) bool { return c.name == table })
	v, _ = values[slices.Index(chained[i].fields(), column)].(T)
	return v
}

func (t *tx) carryEntry(values []any) error {
	partner := of[string]("entries", values, "partner")
	end, err := t.endOf(accountOf(partner))
	if err != nil {
		return err
	}
	if _, end, err = t.bookEntry(end, values...); err != nil {
		return err
	}
	t.transfer(of[string]("entries", values, "debit"), of[string]("entries", values, "credit"),
		of[int64]("entries", values, "amount"), partner, end)
	return nil
}

// carryNotification makes room for the payment that begins with a message.
func (t *tx) carryNotification(values []any, opens any) error {
	if _, err := t.bookWith("notifications", []any{opens}, values...); err != nil || opens != int64(1) {
		return err
	}
	return t.beginTransaction(t.head.seq, of[string]("notifications", values, "subject"))
}

// beginTransaction makes a row about which nothing is known yet.
func (t *tx) beginTransaction(id int64, txnID string) error {
	now := transactionOf(t.store.mid, txnID, Position{})
	now.ID = id
	return t.writeDown(&transaction{}, &now, Position{})
}

func (t *tx) carryClick(values []any) error {
	if of[string]("clicks", values, "counted") == "" {
		at := of[int64]("clicks", values, "at")
		t.days.addClick(fromMillis(&at), of[string]("clicks", values, "partner"))
	}
	_, err := t.book("clicks", values...)
	return err
}

// carryTransaction makes room for a payment from before payments had the place of their first message for an
// id.
func (t *tx) carryTransaction(row wholeRow) error {
	types := map[string]string{"id": "INTEGER", "txn_id": "TEXT"}
	values, err := row.values([]string{"id", "txn_id"}, types)
	if err != nil {
		return err
	}
	id, _ := values[0].(int64)
	txnID, _ := values[1].(string)
	return t.beginTransaction(id, txnID)
}

// derive works out every payment from the facts. One may lean on earlier ones, by its customer or by its
// partner's month, and the words about one may name a later one; so where terms let it, all are worked out
// twice more in order of payment.
func (s *Store) derive(ctx context.Context, progress func(done, all int64)) error {
	var all int64
	terms, err := s.Terms(ctx)
	if err != nil {
		return err
	}
	if err := s.read(ctx, func(r rows) error { return r.one(q("count-transactions"), nil, &all) }); err != nil {
		return err
	}
	rounds := []string{q("txnids-by-id")}
	if terms.anyLifetime() || terms.anyTiers() || terms.mostPayments() > 0 {
		rounds = append(rounds, q("txnids-by-payment"), q("txnids-by-payment"))
	}
	all *= int64(len(rounds))
	var done int64
	for _, query := range rounds {
		after, last := int64(-1<<62), ""
		for {
			var n int64
			if err := s.write(ctx, s.payments, func(t *tx) (err error) {
				n, after, last, err = t.deriveSome(query, after, last)
				return err
			}); err != nil {
				return err
			}
			done += n
			if progress(done, all); n < fillChunk {
				break
			}
		}
	}
	return nil
}

// deriveSome works out the payments that come next, and says where it stopped.
func (t *tx) deriveSome(query string, after int64, last string) (n, newAfter int64, newLast string, err error) {
	var ids []string
	newAfter, newLast = after, last
	if err := t.each(query, args{after, last, fillChunk}, func(scan func(...any) error) error {
		err := scan(&newAfter, &newLast)
		ids = append(ids, newLast)
		return err
	}); err != nil {
		return 0, 0, "", err
	}
	for _, id := range ids {
		if err := t.deriveOne(id); err != nil {
			return 0, 0, "", err
		}
	}
	return int64(len(ids)), newAfter, newLast, nil
}

func (t *tx) deriveOne(txnID string) error {
	txn, err := t.transaction(txnID)
	if err != nil {
		return err
	}
	known, err := t.notifications(txnID)
	if err != nil {
		return err
	}
	f, err := t.facts(txnID, known, txn)
	if err != nil {
		return err
	}
	p := decide(f, t.terms)
	now := transactionOf(t.store.mid, txnID, p)
	now.ID = txn.ID
	return t.writeDown(txn, &now, p)
}
