package main

// The chain. Every fact and every entry has a place in one order and a hash that covers it and all
// before it, so that a changed, missing or inserted row shows.
//
//	digest = SHA-256 of the table's name and every column but hash, partner_hash and opens, each as
//	         a letter for its type (i integer, t text, b blob, n null), its length in decimal, ":",
//	         its bytes; integers as decimal text
//	hash   = SHA-256 of the hash before it, then the digest
//
// Entries carry a second hash of the same digest over the entries of their partner alone.

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// chained lists the tables of the chain with the columns that their digests cover, in order, after
// seq. A later schema may add columns to a table, but never to this list for rows already booked.
var chained = []chainedTable{
	{"programs", "at rate_bps flat exclude_tax_bps hold_s window_s model precedence " +
		"lifetime_months confirm order_suffix"},
	{"partners", "at code rate_bps flat state"},
	{"codes", "at code kind partner"},
	{"clicks", "at id partner sub counted"},
	{"orders", "at order_id click_id promo_code customer amount"},
	{"notifications", "at gateway identity subject kind type result why unusable " +
		"mid txn_id order_id status amount currency paid_at " +
		"reference pos campaign customer mode unknown " +
		"refund_id event refund refunds_sum dispute_id dispute disputed body_mac"},
	{"answers", "at about asked result txn_id order_id amount paid_at reference pos code text definite"},
	{"decisions", "at txn_id agree amount reason"},
	{"dues", "at txn_id partner basis value rate_bps flat program"},
	{"entries", "at kind debit credit amount currency txn txn_id partner"},
	{"statements", "at id partner follows opening closing held payable minimum"},
	{"statement_lines", "at statement kind txn_id amount due_at blocks"},
	{"steps", "at statement step way utr reason"},
	{"repricings", "at txn_id program"},
	{"program_limits", "at program who cap payments tiers own guesses"},
	{"marks", "at partner binding txn_id kind mark"},
	{"reviews", "at txn_id partner accept reason"},
	{"code_rates", "at code rate_bps flat"},
	{"withholdings", "at statement section code rate_bps threshold credited base amount"},
	{"imports", "at what first who"},
}

// besides are the columns that are written with a fact and not digested: what they say follows from the
// others.
var besides = map[string]string{"entries": "partner_hash", "notifications": "opens"}

type chainedTable struct{ name, columns string }

func (t chainedTable) fields() []string { return strings.Fields(t.columns) }

var insertFact = func() map[string]string {
	m := map[string]string{}
	for _, t := range chained {
		columns := append([]string{"seq"}, t.fields()...)
		columns = append(columns, strings.Fields(besides[t.name])...)
		columns = append(columns, "hash")
		m[t.name] = "INSERT INTO " + t.name + " (" + strings.Join(columns, ", ") + ") " +
			"VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	}
	return m
}()

// chainHolds looks a place of the chain up, in whichever table it is.
var chainHolds = func() string {
	var tables []string
	for _, t := range chained {
		tables = append(tables, "SELECT hash FROM "+t.name+" WHERE seq = ?1")
	}
	return "SELECT EXISTS (SELECT 1 FROM (" + strings.Join(tables, " UNION ALL ") +
		") WHERE hash = ?2)"
}()

// book appends a fact to its table and to the chain, and returns its place.
func (t *tx) book(table string, values ...any) (int64, error) {
	return t.bookWith(table, nil, values...)
}

// bookWith is book for a table with columns that are not digested.
func (t *tx) bookWith(table string, besides []any, values ...any) (int64, error) {
	seq := t.head.seq + 1
	row, digest := digestOf(table, seq, values)
	return seq, t.append(table, seq, append(row, besides...), digest)
}

// bookEntry appends a ledger entry to the chain and to its partner's own chain, whose end comes in
// and goes out.
func (t *tx) bookEntry(partnerEnd []byte, values ...any) (seq int64, end []byte, err error) {
	seq = t.head.seq + 1
	row, digest := digestOf("entries", seq, values)
	end = link(partnerEnd, digest)
	return seq, end, t.append("entries", seq, append(row, end), digest)
}

func (t *tx) append(table string, seq int64, row []any, digest [sha256.Size]byte) error {
	hash := link(t.head.hash, digest)
	if err := t.exec(insertFact[table], append(row, hash)...); err != nil {
		return fmt.Errorf("booking into %s: %w", table, err)
	}
	t.head.seq, t.head.hash = seq, hash
	return nil
}

func link(before []byte, digest [sha256.Size]byte) []byte {
	var both [2 * sha256.Size]byte
	copy(both[copy(both[:], before):], digest[:])
	h := sha256.Sum256(both[:])
	return h[:]
}

// digestOf turns a row's values into what SQLite stores, and digests them.
func digestOf(table string, seq int64, values []any) (row []any, digest [sha256.Size]byte) {
	row = make([]any, 0, len(values)+3) // the hashes are still to come
	row = append(row, seq)
	for _, v := range values {
		row = append(row, stored(v))
	}
	return row, sha256.Sum256(appendRow(make([]byte, 0, 1024), table, row))
}

// appendRow appends what is digested of a row: its table, its place and its columns.
func appendRow(text []byte, table string, row []any) []byte {
	text = piece(text, 't', table)
	for _, v := range row {
		switch v := v.(type) {
		case nil:
			text = append(text, 'n')
		case int64:
			text = integerPiece(text, v)
		case string:
			text = piece(text, 't', v)
		case []byte:
			text = piece(text, 'b', v)
		}
	}
	return text
}

func integerPiece(text []byte, n int64) []byte {
	var digits [20]byte
	return piece(text, 'i', strconv.AppendInt(digits[:0], n, 10))
}

func piece[T string | []byte](text []byte, kind byte, v T) []byte {
	text = append(text, kind)
	text = strconv.AppendInt(text, int64(len(v)), 10)
	text = append(text, ':')
	return append(text, v...)
}

// stored is the form in which SQLite keeps a value: integers, text, blobs, null. A zero time is
// null.
func stored(v any) any {
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case int:
		return int64(v)
	case time.Duration:
		return int64(v / time.Second)
	case time.Time:
		if v.IsZero() {
			return nil
		}
		return v.UnixMilli()
	case int64, string, []byte, nil:
		return v
	}
	panic(fmt.Sprintf("no column holds a %T", v))
}

// fromMillis reads a time back; null is the zero time.
func fromMillis(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return time.UnixMilli(*ms).UTC()
}
