package main

// hissa export everything: the facts, row by row in the order in which they were booked, so that the books
// can be made anew somewhere else (hissa import everything). What follows from the facts is not in it, and is
// worked out again there.
//
// The file is JSON lines. Each line names its table and the table's columns as they are stored: times in
// milliseconds since 1970, amounts in paise, bytes as hex digits. A fact ends with its hash of the chain.
// Every line ends with a sum: the first 16 hex digits of the SHA-256 of the sum before it, all of it, and the
// line without its own. So a line that was changed, left out or put in shows where it is. The first line says
// whose books they are and where the chain ends, the last that nothing is missing.

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// carried are the tables that go along with the facts, with the columns that do; only is which rows. What a
// later schema adds is 0 or empty when an older file lacks it.
var carried = []struct {
	chainedTable
	only string
}{
	{chainedTable{"customers", "alias kind value"}, ""},
	{chainedTable{"contacts", "partner name email vpa account ifsc pan gstin mobile"}, ""},
	{chainedTable{"payout_files", "id at body"}, ""},
	{chainedTable{"acts", "id at who act about note network"}, ""},
	{chainedTable{"deliveries", "notification times last_at"}, ""},
	{chainedTable{"polls", "txn next_at tries error"}, ""},
	{chainedTable{"given_up", "txn"}, ""},
	{chainedTable{"reconciliations",
		"id at from_at to_at source listed missing mismatched unrefunded unlisted error"}, ""},
	// What the shop has taken: a repeat of it is not to be handed on again.
	{chainedTable{"forwards", "id at subject digest content_type tries said ended_at"}, " WHERE body IS NULL"},
}

// leftBehind are the tables of which nothing is in the file, and why.
var leftBehind = map[string]string{
	"settings":     "the first line has what is needed of it",
	"head":         "the first line has it",
	"transactions": "worked out again",
	"attributions": "worked out again",
	"accounts":     "worked out again",
	"days":         "worked out again",
	"months":       "worked out again",
	"shop_days":    "worked out again",
	"keys":         "whoever has a key is to be given a new one",
	"bodies":       "raw messages are personal, and the books don't need them",
	"applications": "whoever applied can do so again",
	"banks":        "they are of the raw messages",
	"banks_done":   "the same",
	"people":       "whoever signs in is to be invited anew",
	"links":        "they were for the other machine",
	"sessions":     "nobody is signed in where nobody signed in",
}

// The tables that a file names beside those of the database.
const (
	beginning = "hissa" // the first line
	ending    = "end"   // the last
)

// wholeHead is the first line.
type wholeHead struct {
	Schema      int64 // of the Hissa that wrote it
	Environment string
	MID         string
	Salt        string // customer_salt: without it nobody is known again
	Facts       int64
	Head        []byte
}

func (h wholeHead) record() record {
	return record{
		{"table", beginning}, {"schema", h.Schema}, {"environment", h.Environment}, {"mid", h.MID},
		{"customer_salt", h.Salt}, {"facts", h.Facts}, {"head", hex.EncodeToString(h.Head)},
	}
}

// wholeWriter writes lines with their sums.
type wholeWriter struct {
	out   *bufio.Writer
	sum   [sha256.Size]byte
	lines int64
}

func (w *wholeWriter) write(r record) error {
	text, err := r.MarshalJSON()
	if err != nil {
		return err
	}
	text = text[:len(text)-1]
	w.sum = sumOf(w.sum, text)
	w.lines++
	_, err = fmt.Fprintf(w.out, "%s%s%x\"}\n", text, sumField, w.sum[:8])
	return err
}

const sumField = `,"sum":"`

func sumOf(before [sha256.Size]byte, text []byte) [sha256.Size]byte {
	return sha256.Sum256(append(before[:], text...))
}

// written is a stored value as the file has it. Text that is none goes as its bytes.
func written(v any) any {
	switch v := v.(type) {
	case []byte:
		return hex.EncodeToString(v)
	case string:
		if !utf8.ValidString(v) {
			return map[string]string{"hex": hex.EncodeToString([]byte(v))}
		}
	}
	return v
}

// ExportEverything writes the facts and what goes along with them, of one moment. It returns how many
// messages for the shop stay behind. progress, when not nil, is told how many facts are done.
func (s *Store) ExportEverything(
	ctx context.Context, to io.Writer, progress func(done, all int64),
) (waiting int64, err error) {
	w := &wholeWriter{out: bufio.NewWriterSize(to, 64<<10)}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	err = s.read(ctx, func(r rows) error {
		h, err := r.wholeHead()
		if err != nil {
			return err
		}
		if err := w.write(h.record()); err != nil {
			return err
		}
		e := exporter{verifier{rows: r}, w, progress}
		if err := e.facts(h); err != nil {
			return err
		}
		if err := e.others(); err != nil {
			return err
		}
		return w.write(record{{"table", ending}, {"lines", w.lines + 1}})
	})
	if err != nil {
		return 0, err
	}
	standing, err := s.Forwards(ctx)
	return standing.Waiting + standing.GivenUp, errors.Join(err, w.out.Flush())
}

func (c *call) exportEverything(ctx context.Context, store *Store) error {
	waiting, err := store.ExportEverything(ctx, c.stdout, c.progress())
	if err == nil && waiting > 0 {
		fmt.Fprintf(c.stderr, "hissa: %s for the shop not taken yet, and not in the file: "+
			"let hissa serve hand them on first\n", plural(waiting, "message"))
	}
	return err
}

func (r rows) wholeHead() (h wholeHead, err error) {
	files, err := schemaFiles.ReadDir("schema")
	var terms int64
	h.Schema = int64(len(files))
	return h, errors.Join(err,
		r.one(q("head"), nil, &h.Facts, &h.Head, &terms),
		r.one(q("setting"), args{"environment"}, &h.Environment),
		r.one(q("setting"), args{"mid"}, &h.MID),
		r.one(q("setting"), args{"customer_salt"}, &h.Salt))
}

// exporter walks the chain as verify does.
type exporter struct {
	verifier
	out      *wholeWriter
	progress func(done, all int64)
}

// facts writes all facts. Books whose chain is broken are not worth taking elsewhere.
func (e exporter) facts(h wholeHead) error {
	var cursors []*cursor
	defer func() {
		for _, c := range cursors {
			_ = c.rows.close()
		}
	}()
	for _, t := range chained {
		c, err := e.open(t)
		if err != nil {
			return err
		}
		cursors = append(cursors, c)
	}
	hash := make([]byte, sha256.Size)
	for seq := int64(1); seq <= h.Facts; seq++ {
		c := earliest(cursors)
		if c == nil || c.seq != seq {
			return noError{fmt.Sprintf("fact %d is missing: run hissa verify", seq)}
		}
		hash = link(hash, c.digest())
		if !bytes.Equal(c.hash(), hash) {
			return noError{fmt.Sprintf("%s was changed after it was booked: run hissa verify", c.place())}
		}
		if err := e.out.write(c.record()); err != nil {
			return err
		}
		if seq%10000 == 0 {
			e.progress(seq, h.Facts)
		}
		if err := c.next(); err != nil {
			return err
		}
	}
	return nil
}

// record is the fact as the file has it. A partner's own chain follows from the entries.
func (c *cursor) record() record {
	r := record{{"table", c.table.name}, {"seq", c.seq}}
	columns := append(c.fields[:len(c.fields):len(c.fields)], strings.Fields(besides[c.table.name])...)
	for i, column := range columns {
		if column != "partner_hash" {
			r = append(r, field{column, written(c.rows.value(i + 1))})
		}
	}
	return append(r, field{"hash", written(c.rows.value(c.rows.columns - 1))})
}

// others writes what goes along.
func (e exporter) others() error {
	if err := e.each(q("transactions-with-older-ids"), nil, func(scan func(...any) error) error {
		var id int64
		var txnID string
		if err := scan(&id, &txnID); err != nil {
			return err
		}
		return e.out.write(record{{"table", "transactions"}, {"id", id}, {"txn_id", txnID}})
	}); err != nil {
		return err
	}
	for _, t := range carried {
		if err := e.table(t.chainedTable, t.only); err != nil {
			return err
		}
	}
	return nil
}

func (e exporter) table(t chainedTable, only string) (err error) {
	fields := t.fields()
	found, err := e.direct.query(
		"SELECT "+strings.Join(fields, ", ")+" FROM "+t.name+only+" ORDER BY 1", nil)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, found.close()) }()
	for {
		if more, err := found.next(); err != nil || !more {
			return err
		}
		r := record{{"table", t.name}}
		for i, name := range fields {
			r = append(r, field{name, written(found.value(i))})
		}
		if err := e.out.write(r); err != nil {
			return err
		}
	}
}

// wholeReader reads lines and compares their sums.
type wholeReader struct {
	in   *bufio.Scanner
	line int64
	sum  [sha256.Size]byte
}

const wholeLine = 64 << 20 // bytes that a line may have: a file for a bank is one

func newWholeReader(from io.Reader) *wholeReader {
	r := &wholeReader{in: bufio.NewScanner(from)}
	r.in.Buffer(make([]byte, 64<<10), wholeLine)
	return r
}

// lineError is a fault of the file. What is wrong comes in words.
type lineError struct {
	line int64
	text string
}

func (e lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

func (r *wholeReader) wrong(format string, a ...any) error {
	return lineError{r.line, fmt.Sprintf(format, a...)}
}

// wholeRow is a line.
type wholeRow struct {
	line   int64
	table  string
	fields map[string]any
}

func (r wholeRow) wrong(format string, a ...any) error {
	return lineError{r.line, fmt.Sprintf(format, a...)}
}

// next reads a line. Past the last there may be none: that one says so itself.
func (r *wholeReader) next() (row wholeRow, err error) {
	r.line++
	if !r.in.Scan() {
		if err := r.in.Err(); err != nil {
			return row, r.wrong("%v", err)
		}
		return row, r.wrong("the file is cut short: its last line is missing")
	}
	text := r.in.Bytes()
	at := bytes.LastIndex(text, []byte(sumField))
	if at < 0 {
		return row, r.wrong("is no line of hissa export everything")
	}
	r.sum = sumOf(r.sum, text[:at])
	if want := fmt.Sprintf("%s%x\"}", sumField, r.sum[:8]); string(text[at:]) != want {
		return row, r.wrong("was changed after it was written, or lines before it are missing")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	row.line = r.line
	if err := decoder.Decode(&row.fields); err != nil {
		return row, r.wrong("is no JSON object")
	}
	row.table, _ = row.fields["table"].(string)
	delete(row.fields, "table")
	delete(row.fields, "sum")
	return row, nil
}

// value reads one field in the type of its column; absent is the empty value of the type.
func (r wholeRow) value(column, kind string) (any, error) {
	v, there := r.fields[column]
	switch v := v.(type) {
	case nil:
		if !there {
			return map[string]any{"INTEGER": int64(0), "TEXT": ""}[kind], nil
		}
		return nil, nil
	case json.Number:
		if n, err := v.Int64(); err == nil && kind == "INTEGER" {
			return n, nil
		}
	case string:
		if kind == "TEXT" {
			return v, nil
		}
		if bytes, err := hex.DecodeString(v); err == nil && kind == "BLOB" {
			return bytes, nil
		}
	case map[string]any:
		digits, _ := v["hex"].(string)
		if bytes, err := hex.DecodeString(digits); err == nil && kind == "TEXT" {
			return string(bytes), nil
		}
	}
	return nil, r.wrong("%s is not of its type, %s", column, strings.ToLower(kind))
}
