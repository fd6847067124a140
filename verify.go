package main

// hissa verify: everything that can be recomputed is recomputed. The chain from the facts, the
// positions from the facts of each transaction, the ledger from the positions, the balances from
// the ledger. Tests run it after every step of everything that touches money.

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
)

var verifyCommand = command{
	name: "verify", config: true, reading: true, usage: "[-json]",
	short: "work the books out again and compare",
	long: `
Recomputes the chain of facts, every payment's position, the ledger and the balances, on one
snapshot, beside a running serve. Exit code 1 names the first row that is not as it should be.

The last line is the chain's head: kept elsewhere, it shows later whether the file was rolled back.
Hissa keeps it beside the database, and beside the copy if there is one, and compares with both.

Example:  hissa verify`,
	run: func(c *call) error {
		if err := c.exactly(0); err != nil {
			return err
		}
		var report Report
		err := c.with(false, func(ctx context.Context, config *Config, store *Store) (err error) {
			if report, err = store.Verify(ctx, c.progress()); err != nil {
				return err
			}
			return c.verifyMark(ctx, config, store)
		})
		return c.verified(report, err)
	},
}

// verified says how it went.
func (c *call) verified(report Report, err error) error {
	var bad badRow
	var rolled rolledBackError
	switch {
	case errors.As(err, &rolled):
		bad = badRow{"the head beside the database", rolled.text}
	case err != nil && !errors.As(err, &bad):
		return err
	}
	if c.json {
		err := c.writeJSON(record{
			{"ok", bad == badRow{}}, {"facts", report.Facts}, {"entries", report.Entries},
			{"transactions", report.Transactions}, {"head", report.Head},
			{"bad", bad.where}, {"what", bad.what},
		})
		if err != nil || bad == (badRow{}) {
			return err
		}
	}
	if bad != (badRow{}) {
		return noError{"the books are not in order: " + bad.Error()}
	}
	if !c.json {
		report.tell(c.stdout)
	}
	return nil
}

// verifyMark compares the books with the mark beside their copy, where there is one: a file that was
// rolled back is in order in itself.
func (c *call) verifyMark(ctx context.Context, config *Config, store *Store) error {
	if config.Replica.Place == nil {
		return nil
	}
	mark, err := config.Replica.Place.Mark(ctx)
	switch {
	case err != nil:
		fmt.Fprintf(c.stderr, "hissa: not compared with the copy: %v\n", err)
		return nil
	case mark == nil:
		fmt.Fprintln(c.stderr, "hissa: not compared with the copy: there is none yet")
		return nil
	}
	err = holdsMark(ctx, store, mark)
	var no noError
	if errors.As(err, &no) {
		return badRow{"the copy's mark", no.text}
	}
	return err
}

func (r Report) tell(w io.Writer) {
	fmt.Fprintf(w, "The books are in order: %s, %s, %s, each worked out again.\nChain head: %s\n",
		plural(r.Facts, "fact"), plural(r.Transactions, "payment"), entriesWord(r.Entries), r.Head)
}

func entriesWord(n int64) string {
	if n == 1 {
		return "1 ledger entry"
	}
	return fmt.Sprintf("%d ledger entries", n)
}

// progress writes one line on stderr, when that is a terminal.
// Report is what verify found in order.
type Report struct {
	Facts        int64  // rows of the chain, entries among them
	Entries      int64  // of the ledger
	Transactions int64  // whose positions were worked out again
	Head         string // end of the chain: write it down elsewhere to notice a rolled back file
}

// badRow is the first thing that is not as it should be.
type badRow struct {
	where string
	what  string
}

func (b badRow) Error() string { return b.where + ": " + b.what }

// Verify recomputes the books on one snapshot. A badRow error says that they are wrong; any other
// error that they could not be read. progress, when not nil, is told how many facts are done.
func (s *Store) Verify(ctx context.Context, progress func(done, all int64)) (Report, error) {
	var report Report
	if progress == nil {
		progress = func(int64, int64) {}
	}
	err := s.read(ctx, func(r rows) error {
		v := verifier{
			rows: r, report: &report, progress: progress,
			balances: map[string]int64{}, ends: map[string][]byte{}, days: dayTotals{},
		}
		for _, check := range []func() error{
			v.chain, v.accounts, v.bodies, v.customers, v.positions, v.totals, v.strays,
		} {
			if err := check(); err != nil {
				return err
			}
		}
		return nil
	})
	return report, err
}

type verifier struct {
	rows
	report   *Report
	progress func(done, all int64)
	balances map[string]int64  // of every account, from the entries
	ends     map[string][]byte // of every partner's chain, from the entries
	days     dayTotals         // from the clicks and the positions
}

// cursor walks one table of the chain in order.
type cursor struct {
	table chainedTable
	rows  *sql.Rows
	row   []any // seq, the digested columns, [partner_hash,] hash
	seq   int64
}

func (v verifier) open(t chainedTable) (*cursor, error) {
	columns := append([]string{"seq"}, t.fields()...)
	if t.name == "entries" {
		columns = append(columns, "partner_hash")
	}
	columns = append(columns, "hash")
	found, err := v.conn.QueryContext(v.ctx,
		"SELECT "+strings.Join(columns, ", ")+" FROM "+t.name+" ORDER BY seq")
	if err != nil {
		return nil, err
	}
	c := &cursor{table: t, rows: found, row: make([]any, len(columns))}
	return c, c.next()
}

// next moves to the next row; seq is 0 past the last.
func (c *cursor) next() error {
	c.seq = 0
	if !c.rows.Next() {
		return c.rows.Err()
	}
	into := make([]any, len(c.row))
	for i := range c.row {
		into[i] = &c.row[i]
	}
	if err := c.rows.Scan(into...); err != nil {
		return err
	}
	seq, ok := c.row[0].(int64)
	if !ok {
		return badRow{c.table.name, "a row without a place"}
	}
	c.seq = seq
	return nil
}

// chain walks all facts in the order in which they were booked.
func (v verifier) chain() error {
	var end head
	if err := v.one(q("head"), nil, &end.seq, &end.hash, &end.terms); err != nil {
		return err
	}
	var cursors []*cursor
	defer func() {
		for _, c := range cursors {
			c.rows.Close()
		}
	}()
	for _, t := range chained {
		c, err := v.open(t)
		if err != nil {
			return err
		}
		cursors = append(cursors, c)
	}
	last, hash, err := v.walk(cursors, end.seq)
	if err != nil {
		return err
	}
	if last != end.seq || !bytes.Equal(hash, end.hash) {
		return badRow{"head", fmt.Sprintf("says fact %d, the facts end at %d", end.seq, last)}
	}
	v.report.Facts, v.report.Head = end.seq, hex.EncodeToString(end.hash)
	return nil
}

// walk checks every fact and returns the place and the hash of the last.
func (v verifier) walk(cursors []*cursor, all int64) (last int64, hash []byte, err error) {
	hash = make([]byte, sha256.Size)
	for seq := int64(1); ; seq++ {
		c := earliest(cursors)
		if c == nil {
			return seq - 1, hash, nil
		}
		if c.seq != seq {
			return 0, nil, badRow{fmt.Sprintf("fact %d", seq),
				fmt.Sprintf("missing, or there twice (next is %s %d)", c.table.name, c.seq)}
		}
		if hash, err = v.link(hash, c); err != nil {
			return 0, nil, err
		}
		if seq%10000 == 0 {
			v.progress(seq, all)
		}
		if err := c.next(); err != nil {
			return 0, nil, err
		}
	}
}

// earliest is the cursor at the first fact not yet walked, nil when all are past their last.
func earliest(cursors []*cursor) *cursor {
	var c *cursor
	for _, candidate := range cursors {
		if candidate.seq != 0 && (c == nil || candidate.seq < c.seq) {
			c = candidate
		}
	}
	return c
}

// link checks one row against the chain, and an entry against its partner's chain.
func (v verifier) link(before []byte, c *cursor) ([]byte, error) {
	where := fmt.Sprintf("%s %d", c.table.name, c.seq)
	columns := len(c.table.fields())
	_, digest := digestOf(c.table.name, c.seq, c.row[1:columns+1])
	hash := link(before, digest)
	if stored, _ := c.row[len(c.row)-1].([]byte); !bytes.Equal(hash, stored) {
		return nil, badRow{where, "was changed after it was booked (or the row before it was)"}
	}
	at := func(column string) any { return c.row[1+slices.Index(c.table.fields(), column)] }
	if c.table.name == "clicks" && at("counted") == "" {
		v.days.addClick(time.UnixMilli(at("at").(int64)), at("partner").(string))
	}
	if c.table.name != "entries" {
		return hash, nil
	}
	v.report.Entries++
	partner, amount := at("partner").(string), at("amount").(int64)
	end, ok := v.ends[partner]
	if !ok {
		end = make([]byte, sha256.Size)
	}
	v.ends[partner] = link(end, digest)
	if stored, _ := c.row[len(c.row)-2].([]byte); !bytes.Equal(v.ends[partner], stored) {
		return nil, badRow{where, "does not follow the partner's entry before it"}
	}
	v.balances[at("debit").(string)] -= amount
	v.balances[at("credit").(string)] += amount
	return hash, nil
}

// accounts compares the balances with the entries.
func (v verifier) accounts() error {
	var sum int64
	err := v.each(q("accounts"), nil, func(scan func(...any) error) error {
		var name string
		var balance int64
		var hash []byte
		if err := scan(&name, &balance, &hash); err != nil {
			return err
		}
		if balance != v.balances[name] {
			return badRow{"account " + name, fmt.Sprintf("balance %s, its entries come to %s",
				decimal(balance), decimal(v.balances[name]))}
		}
		var end []byte // only a partner's account has a chain
		if partner, ok := strings.CutPrefix(name, "partner:"); ok {
			end = v.ends[partner]
		}
		if !bytes.Equal(hash, end) {
			return badRow{"account " + name, "the end of the partner's chain is another one"}
		}
		sum += balance
		delete(v.balances, name)
		return nil
	})
	if err != nil {
		return err
	}
	if sum != 0 {
		return badRow{"accounts", "the books don't balance: they come to " + decimal(sum)}
	}
	for name := range v.balances {
		return badRow{"account " + name, "has entries but no row"}
	}
	return nil
}

// bodies compares the raw bodies that are still kept with the MACs in the facts.
func (v verifier) bodies() error {
	return v.each(q("bodies"), nil, func(scan func(...any) error) error {
		var seq int64
		var packing int
		var salt, packed, want []byte
		if err := scan(&seq, &salt, &packed, &packing, &want); err != nil {
			return err
		}
		body, err := unpackBody(packed, packing)
		if err != nil || !hmac.Equal(macOf(salt, body), want) {
			return badRow{fmt.Sprintf("body of notification %d", seq), "is not what was received"}
		}
		return nil
	})
}

// customers compares the values that are still kept with the aliases in the facts.
func (v verifier) customers() error {
	var salt string
	if err := v.one(q("setting"), args{"customer_salt"}, &salt); err != nil {
		return err
	}
	return v.each(q("customers"), nil, func(scan func(...any) error) error {
		var alias, kind, value string
		if err := scan(&alias, &kind, &value); err != nil {
			return err
		}
		if alias != aliasOf(salt, kind, value) {
			return badRow{"customer " + alias, "the alias is not that of the value"}
		}
		return nil
	})
}

// positions works every transaction out again.
func (v verifier) positions() error {
	terms, err := v.loadTerms()
	if err != nil {
		return err
	}
	var mid string
	if err := v.one(q("setting"), args{"mid"}, &mid); err != nil {
		return err
	}
	for after := int64(0); ; {
		ts, err := v.transactions(q("transactions-after"), after)
		if err != nil {
			return err
		}
		if len(ts) == 0 {
			return nil
		}
		for _, t := range ts {
			if err := v.position(t, mid, terms); err != nil {
				return err
			}
			v.report.Transactions++
			after = t.ID
		}
	}
}

func (v verifier) position(txn *transaction, mid string, terms *Terms) error {
	where := "transaction " + txn.TxnID
	known, err := v.notifications(txn.TxnID)
	if err != nil {
		return err
	}
	f, err := v.factsUnder(terms, txn.TxnID, known, txn)
	if err != nil {
		return err
	}
	p := decide(f, terms)
	want := transactionOf(mid, txn.TxnID, p)
	want.ID = txn.ID
	if *txn != want {
		return badRow{where, fmt.Sprintf("the facts make it %+v, the row says %+v", want, *txn)}
	}
	have, err := v.commission(txn.ID)
	if err != nil {
		return err
	}
	if c := p.commission(txn.TxnID); !sameCommission(have, c) {
		return badRow{where,
			fmt.Sprintf("the facts make the commission %+v, the row says %+v", c, have)}
	}
	v.days.addPayment(txn, have, 1)
	if err := v.bookedAsDue(txn, p); err != nil {
		return err
	}
	return v.candidatesOf(txn, p)
}

// totals compares the totals of days with what the clicks and the positions come to.
func (v verifier) totals() error {
	err := v.rows.days(Span{}, func(k dayKey, have Totals) error {
		want := v.days[k]
		delete(v.days, k)
		if have == want {
			return nil
		}
		return badRow{k.String(), fmt.Sprintf("the books come to %+v, the row says %+v", want, have)}
	})
	if err != nil {
		return err
	}
	for k, want := range v.days {
		return badRow{k.String(), fmt.Sprintf("the books come to %+v, there is no row", want)}
	}
	return nil
}

// bookedAsDue compares the ledger with a position.
func (v verifier) bookedAsDue(txn *transaction, p Position) error {
	where := "transaction " + txn.TxnID
	booked, err := v.booked(txn.ID)
	if err != nil {
		return err
	}
	for partner, amount := range booked {
		due := int64(0)
		if partner == p.Partner {
			due = p.Earned - p.Reversed
		}
		if amount != due {
			return badRow{where, fmt.Sprintf("the ledger holds %s for %s, the facts make it %s",
				decimal(amount), partner, decimal(due))}
		}
	}
	if _, ok := booked[p.Partner]; !ok && p.Earned != p.Reversed {
		return badRow{where, "the ledger holds nothing for " + p.Partner}
	}
	return nil
}

func sameCommission(a, b *Commission) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Blocks, y.Blocks = nil, nil
	return reflect.DeepEqual(x, y) && slices.Equal(a.Blocks, b.Blocks)
}

func (v verifier) candidatesOf(txn *transaction, p Position) error {
	have, err := v.candidates(txn.ID)
	if err != nil {
		return err
	}
	if !slices.Equal(have, p.Candidates) {
		return badRow{"attributions of " + txn.TxnID,
			fmt.Sprintf("the facts make them %+v, the rows say %+v", p.Candidates, have)}
	}
	return nil
}

// candidates returns everybody who could have brought a transaction, as it was decided.
func (r rows) candidates(id int64) ([]Candidate, error) {
	var cs []Candidate
	err := r.each(q("attributions"), args{id}, func(scan func(...any) error) error {
		var c Candidate
		err := scan(&c.Basis, &c.Value, &c.Partner, &c.Verdict, &c.counts)
		cs = append(cs, c)
		return err
	})
	return cs, err
}

// strays looks for rows that belong to nothing.
func (v verifier) strays() error {
	for _, stray := range []struct{ what, query string }{
		{"a payment message without its transaction", q("stray-notifications")},
		{"a transaction without a payment message", q("stray-transactions")},
		{"an entry without its transaction", q("stray-entries")},
		{"a commission without its transaction", q("stray-commissions")},
		{"an attribution without its transaction", q("stray-attributions")},
	} {
		var n int
		if err := v.one(stray.query, nil, &n); err != nil {
			return err
		}
		if n > 0 {
			return badRow{"the books", fmt.Sprintf("%s (%d)", stray.what, n)}
		}
	}
	return nil
}
