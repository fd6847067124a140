package main

// hissa verify: everything that can be recomputed is recomputed. The chain from the facts, the
// positions from the facts of each transaction, the ledger from the positions, the balances from
// the ledger. Tests run it after every step of everything that touches money.

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"hissa/replica"
)

var verifyCommand = command{
	name: "verify", config: true, reading: true, usage: "[-json]",
	short: "work the books out again and compare",
	long: `
Recomputes the chain of facts, every payment's position, the ledger and the balances, on one
snapshot, beside a running serve. Exit code 1 names the first row that is not as it should be; 78
names the key without which raw messages could not be compared, all else being in order.

The last line is the chain's head: kept elsewhere, it shows later whether the file was rolled back.
Hissa keeps it beside the database, and beside the copy if there is one, and compares with both.

Example:  hissa verify`,
	run: func(c *call) error {
		if err := c.exactly(0); err != nil {
			return err
		}
		collectLess()
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
			{"bad", bad.where}, {"what", bad.what}, {"unopened", report.Closed},
		})
		if err != nil {
			return err
		}
	}
	if bad != (badRow{}) {
		return noError{"the books are not in order: " + bad.Error()}
	}
	if !c.json {
		report.tell(c.stdout)
	}
	return report.lacksKeys()
}

// verifyMark compares the books with the mark beside their copy and with the copy's end, where there is one: a file
// that was rolled back is in order in itself.
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
	if err != nil {
		return err
	}
	err = config.Replica.Place.NotOlder(ctx, mark, store)
	var older *replica.OlderError
	if errors.As(err, &older) {
		return badRow{"the copy", older.Error()}
	}
	if err != nil {
		fmt.Fprintf(c.stderr, "hissa: compared with the mark beside the copy alone: %v\n", err)
	}
	return nil
}

func (r Report) tell(w io.Writer) {
	fmt.Fprintf(w, "The books are in order: %s, %s, %s, each worked out again.\nChain head: %s\n",
		plural(r.Facts, "fact"), plural(r.Transactions, "payment"), entriesWord(r.Entries), r.Head)
}

// lacksKeys says which raw messages could not be looked at. The books do not hang on them.
func (r Report) lacksKeys() error {
	if r.Closed == 0 {
		return nil
	}
	return configError{fmt.Errorf("%s not compared with the facts: %s: %s",
		plural(r.Closed, "raw message"), lacksKeys(r.Missing), findKeys)}
}

func entriesWord(n int64) string {
	if n == 1 {
		return "1 ledger entry"
	}
	return fmt.Sprintf("%d ledger entries", n)
}

// Report is what verify found in order.
type Report struct {
	Facts        int64  // rows of the chain, entries among them
	Entries      int64  // of the ledger
	Transactions int64  // whose positions were worked out again
	Head         string // end of the chain: write it down elsewhere to notice a rolled back file

	Closed  int64    // raw messages that were not compared: no key of the configuration opens them
	Missing []string // the ids of their keys
}

func (r *Report) closed(e missingKeyError) {
	r.Closed++
	if name := keyName(e.id); !slices.Contains(r.Missing, name) {
		r.Missing = append(r.Missing, name)
	}
}

// add takes in what one hand has found in order. The chain, and the bodies, are one hand's alone.
func (r *Report) add(o Report) {
	r.Transactions += o.Transactions
	if o.Head != "" {
		r.Facts, r.Entries, r.Head, r.Closed, r.Missing = o.Facts, o.Entries, o.Head, o.Closed, o.Missing
	}
}

// badRow is the first thing that is not as it should be.
type badRow struct {
	where string
	what  string
}

func (b badRow) Error() string { return b.where + ": " + b.what }

// inTurn stops at the first check that fails.
func inTurn(checks ...func() error) error {
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

type verifier struct {
	rows
	report   *Report
	walked   func(places int64)
	keys     bodyKeys
	balances map[string]int64  // of every account, from the entries
	ends     map[string][]byte // of every partner's chain, from the entries
	days     dayTotals         // from the clicks and the positions

	paperwork *paperwork       // the statements, as the walk comes by them
	bodies    *stream[rawBody] // the raw messages that are still kept, by the facts that they belong to
}

// cursor walks one table of the chain in order.
type cursor struct {
	table  chainedTable
	fields []string // of the digest
	rows   answer   // seq, the digested columns, those beside them, hash
	seq    int64
	ended  bool   // past the last row: a place itself may be anything in books that were tampered with
	text   []byte // reused for each row
}

func (v verifier) open(t chainedTable) (*cursor, error) {
	columns := append([]string{"seq"}, t.fields()...)
	columns = append(columns, strings.Fields(besides[t.name])...)
	columns = append(columns, "hash")
	found, err := v.direct.query(
		"SELECT "+strings.Join(columns, ", ")+" FROM "+t.name+" ORDER BY seq", nil)
	if err != nil {
		return nil, err
	}
	c := &cursor{table: t, fields: t.fields(), rows: found}
	if err := c.next(); err != nil {
		return nil, errors.Join(err, found.close())
	}
	return c, nil
}

// next moves to the next row.
func (c *cursor) next() error {
	more, err := c.rows.next()
	if c.ended = !more; more {
		c.seq = c.rows.integer(0)
	}
	return err
}

// digest is that of the row.
func (c *cursor) digest() [sha256.Size]byte {
	c.text = piece(c.text[:0], 't', c.table.name)
	for i := range len(c.fields) + 1 {
		switch v := c.rows.at(i); v.kind() {
		case kindNull:
			c.text = append(c.text, 'n')
		case kindInteger:
			c.text = integerPiece(c.text, v.integer())
		case kindText:
			c.text = piece(c.text, 't', v.bytes())
		case kindBlob:
			c.text = piece(c.text, 'b', v.bytes())
		}
	}
	return sha256.Sum256(c.text)
}

// hash is what the row says; beside is the column before it. Both lie in SQLite's memory until next.
func (c *cursor) hash() []byte   { return c.rows.bytes(c.rows.columns - 1) }
func (c *cursor) beside() []byte { return c.rows.bytes(c.rows.columns - 2) }

// chain walks all facts in the order in which they were booked.
func (v verifier) chain() error {
	var end head
	if err := v.one(q("head"), nil, &end.seq, &end.hash, &end.terms); err != nil {
		return err
	}
	var cursors []*cursor
	o := &openers{verifier: v}
	defer func() {
		for _, c := range cursors {
			_ = c.rows.close() // it was read to its end, or what failed is known
		}
		o.shut()
	}()
	if v.bodies = open(o, q("bodies"), scanBody); o.err != nil {
		return o.err
	}
	for _, t := range chained {
		c, err := v.open(t)
		if err != nil {
			return err
		}
		cursors = append(cursors, c)
	}
	last, hash, err := v.walk(cursors)
	if err != nil {
		return err
	}
	if !v.bodies.ended {
		return v.badBody()
	}
	if err := v.paperwork.finish(); err != nil {
		return err
	}
	if last != end.seq || !bytes.Equal(hash, end.hash) {
		return badRow{"head", fmt.Sprintf("says fact %d, the facts end at %d", end.seq, last)}
	}
	v.report.Facts, v.report.Head = end.seq, hex.EncodeToString(end.hash)
	return nil
}

const walkedAtOnce = 10_000 // facts between two words on how far the walk is

// walk checks every fact and returns the place and the hash of the last.
func (v verifier) walk(cursors []*cursor) (last int64, hash []byte, err error) {
	hash = make([]byte, sha256.Size)
	for seq := int64(1); ; seq++ {
		c := earliest(cursors)
		if c == nil {
			v.walked((seq - 1) % walkedAtOnce)
			return seq - 1, hash, nil
		}
		if c.seq != seq {
			return 0, nil, badRow{fmt.Sprintf("fact %d", seq),
				fmt.Sprintf("missing, or there twice (next is %s %d)", c.table.name, c.seq)}
		}
		if hash, err = v.link(hash, c); err != nil {
			return 0, nil, err
		}
		if seq%walkedAtOnce == 0 {
			v.walked(walkedAtOnce)
		}
		if err := c.next(); err != nil {
			return 0, nil, err
		}
	}
}

func (c *cursor) place() string { return fmt.Sprintf("%s %d", c.table.name, c.seq) }

// earliest is the cursor at the first fact not yet walked, nil when all are past their last.
func earliest(cursors []*cursor) *cursor {
	var c *cursor
	for _, candidate := range cursors {
		if !candidate.ended && (c == nil || candidate.seq < c.seq) {
			c = candidate
		}
	}
	return c
}

// link checks one row against the chain, and an entry against its partner's chain.
func (v verifier) link(before []byte, c *cursor) ([]byte, error) {
	digest := c.digest()
	hash := link(before, digest)
	if !bytes.Equal(hash, c.hash()) {
		return nil, badRow{c.place(), "was changed after it was booked (or the row before it was)"}
	}
	if err := v.body(c); err != nil {
		return nil, err
	}
	if err := v.paperwork.pass(c, v.balances); err != nil || c.table.name != "entries" {
		return hash, err
	}
	v.report.Entries++
	partner, amount := c.word("partner"), c.number("amount")
	end, ok := v.ends[partner]
	if !ok {
		end = make([]byte, sha256.Size)
	}
	v.ends[partner] = link(end, digest)
	if !bytes.Equal(v.ends[partner], c.beside()) {
		return nil, badRow{c.place(), "does not follow the partner's entry before it"}
	}
	v.balances[c.word("debit")] -= amount
	v.balances[c.word("credit")] += amount
	return hash, nil
}

// word and number read a column of a row whose digest was right, so that it is of its type.
func (c *cursor) word(column string) string {
	return c.rows.text(c.column(column))
}

func (c *cursor) number(column string) int64 {
	return c.rows.integer(c.column(column))
}

func (c *cursor) column(name string) int { return 1 + slices.Index(c.fields, name) }

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
	for _, name := range slices.Sorted(maps.Keys(v.balances)) {
		return badRow{"account " + name, "has entries but no row"}
	}
	return nil
}

// body compares the raw message of a fact, where it is still kept, with the MAC in the fact.
func (v verifier) body(c *cursor) error {
	switch {
	case v.bodies.ended || v.bodies.txn > c.seq:
		return nil
	case v.bodies.txn < c.seq || c.table.name != "notifications":
		return v.badBody()
	}
	raw := v.bodies.row
	raw.mac = c.rows.bytes(c.column("body_mac"))
	body, err := v.keys.bodyOf(raw)
	var missing missingKeyError
	if errors.As(err, &missing) {
		v.report.closed(missing)
	} else if err != nil || !hmac.Equal(macOf(raw.salt, body), raw.mac) {
		return v.badBody()
	}
	return v.bodies.next()
}

func (v verifier) badBody() error {
	return badRow{fmt.Sprintf("body of notification %d", v.bodies.txn), "is not what was received"}
}

func scanBody(scan func(...any) error) (raw rawBody, err error) {
	err = scan(&raw.salt, &raw.packed, &raw.packing, &raw.key)
	return raw, err
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

// strays looks for rows that belong to nothing.
func (v verifier) strays() error {
	for _, stray := range []struct{ what, query string }{
		{"a payment message without its transaction", q("stray-notifications")},
		{"an entry without its transaction", q("stray-entries")},
		{"a message that began a transaction which is not there", q("stray-openings")},
		{"an attribution without its transaction", q("stray-attributions")},
		{"a line of a statement without its transaction", q("stray-lines")},
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
