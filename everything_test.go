package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// exportOf is the whole of every kind of export.
func exportOf(t testing.TB, s *Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, kind := range exports {
		var out bytes.Buffer
		if err := s.Export(context.Background(), &out, kind.name, "jsonl", Span{}); err != nil {
			t.Fatal(err)
		}
		all[kind.name] = out.String()
	}
	return all
}

func everythingOf(t testing.TB, s *Store) string {
	t.Helper()
	var out strings.Builder
	if _, err := s.ExportEverything(context.Background(), &out, nil); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// anew makes books of a file, in a folder in which nothing else may be left.
func anew(t testing.TB, o StoreOptions, file string) (*Store, error) {
	t.Helper()
	folder := t.TempDir()
	path := filepath.Join(folder, "hissa.db")
	_, failed := makeAnew(context.Background(), path, o, strings.NewReader(file), true,
		func(string, int64, int64) {})
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if failed != nil {
		if len(names) > 0 {
			t.Fatalf("refused, and left %q", names)
		}
		return nil, failed
	}
	if !slices.Equal(names, []string{path, headPath(path)}) {
		t.Fatalf("made %q", names)
	}
	return openStore(path, o)
}

// cameBack exports everything, makes books of it, and holds one against the other.
func cameBack(t testing.TB, s *Store, o StoreOptions) error {
	before, err := s.Verify(context.Background(), nil)
	if err != nil {
		return err
	}
	file := everythingOf(t, s)
	back, err := anew(t, o, file)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, file)
	}
	defer back.Close()
	after, err := back.Verify(context.Background(), nil)
	if err != nil || !reflect.DeepEqual(after, before) {
		return fmt.Errorf("%+v (%w), was %+v", after, err, before)
	}
	was, is := exportOf(t, s), exportOf(t, back)
	for kind := range was {
		if was[kind] != is[kind] {
			return fmt.Errorf("%s were\n%sand are\n%s", kind, was[kind], is[kind])
		}
	}
	if again := everythingOf(t, back); again != file {
		return fmt.Errorf("everything of what came back is\n%sand was\n%s", again, file)
	}
	return nil
}

func (b *books) comesBack(t interface {
	Helper()
	Fatal(...any)
}) {
	t.Helper()
	if err := cameBack(b.TB, b.Store, b.options()); err != nil {
		t.Fatal(err)
	}
}

func (b *books) options() StoreOptions {
	return StoreOptions{Environment: "production", MID: "SHOP0001", Clock: b.clockNow}
}

// Books with something in every table go on where they came from: a customer is known again, a repeat is one.
func TestEverythingComesBack(t *testing.T) {
	t.Parallel()
	b := aYear(t)
	b.send(payment("T0", "0", amount(33333)))
	b.comesBack(t)
	back, err := anew(t, b.options(), everythingOf(t, b.Store))
	if err != nil {
		t.Fatal(err)
	}
	moved := &books{TB: t, Store: back, time: b.clockNow(), tax: b.tax}
	defer back.Close()
	moved.wait(0)
	if got := moved.send(payment("T0", "0", amount(33333))); got != resultDuplicate {
		t.Errorf("a repeat of what came before the move is %s", got)
	}
	for _, books := range []*books{b, moved} {
		books.bind(Order{ID: "later", Customer: "c1"})
		books.send(payment("T9", "later", paid(noon.Add(24*time.Hour))))
	}
	if was, is := b.earned("T9"), moved.earned("T9"); was != is || is == "nobody" {
		t.Errorf("a customer who comes back earns %s, at the old place %s", is, was)
	}
	_, err = moved.Forget(t.Context(), "c1")
	if err != nil {
		t.Errorf("a customer can't be forgotten any more: %v", err)
	}
}

// The databases of all older schemas can be moved: their payments have other ids.
func TestEverythingOfOlderSchemas(t *testing.T) {
	t.Parallel()
	databases, err := filepath.Glob("testdata/databases/schema-*.db")
	if err != nil || len(databases) == 0 {
		t.Fatal(databases, err)
	}
	for _, old := range databases {
		text, err := os.ReadFile(old)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "hissa.db")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var o StoreOptions
		if err := raw(t, path).QueryRow("SELECT (SELECT value FROM settings WHERE name = 'environment'), "+
			"(SELECT value FROM settings WHERE name = 'mid')").Scan(&o.Environment, &o.MID); err != nil {
			t.Fatal(err)
		}
		s, err := openStore(path, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := cameBack(t, s, o); err != nil {
			t.Errorf("%s: %v", old, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Random histories under terms that make payments lean on each other: what customers bring for months, rates
// by the month's sales, first payments only, orders with a timestamp behind them.
func TestEverythingOfRandomHistories(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		terms := testTerms()
		terms.Lifetime = rapid.SampledFrom([]int{0, 12}).Draw(rt, "lifetime")
		terms.Payments = rapid.SampledFrom([]int{0, 1, 2}).Draw(rt, "payments")
		terms.OrderSuffix = rapid.SampledFrom([]string{"", "_"}).Draw(rt, "suffix")
		if rapid.Bool().Draw(rt, "tiers") {
			terms.Tiers = []Tier{{150000, Rate{BPS: 1500}}, {300000, Rate{BPS: 2000}}}
		}
		b := openBooks(t, terms)
		b.partner("ASHA", payee)
		b.partner("RAVI", payee)
		b.click("clk_a", "ASHA")
		order := func() string { return fmt.Sprint("O", rapid.IntRange(0, 7).Draw(rt, "order")) }
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			id := order()
			switch rapid.IntRange(0, 8).Draw(rt, "step") {
			case 0, 1:
				_, _ = b.BindOrder(b.ctx(), Order{ID: id,
					Promo:   rapid.SampledFrom([]string{"", "ASHA10", "RAVI10", "LATER10"}).Draw(rt, "promo"),
					ClickID: rapid.SampledFrom([]string{"", "clk_a", "clk_old"}).Draw(rt, "click"),
				}, Person{Customer: rapid.SampledFrom([]string{"", "c1", "c2"}).Draw(rt, "customer")})
			case 2, 3, 4:
				suffix := rapid.SampledFrom([]string{"", "_20261122101500"}).Draw(rt, "timestamp")
				b.deliver(payment("T"+id, id+suffix, paid(noon.Add(time.Duration(
					rapid.IntRange(-50, 9).Draw(rt, "hour"))*9*time.Hour))))
				_ = b.RecordAnswers(b.ctx(), Poll{TxnID: "T" + id}, []Answer{agreeing("T"+id, id+suffix, 100000)})
			case 5:
				b.deliver(refund("T"+id, "R"+id, "succeeded", 40000))
			case 6:
				b.wait(time.Duration(rapid.IntRange(1, 400).Draw(rt, "wait")) * time.Hour)
			case 7:
				if rapid.Bool().Draw(rt, "partner") {
					_, _ = b.AddPartner(b.ctx(), PartnerChange{Code: "LATER", Promos: []string{"LATER10"}})
				} else {
					b.brings(bringClicks, "id,partner,at\nclk_old,RAVI,2026-11-10T00:00:00Z\n")
				}
			case 8:
				if _, err := b.DraftStatements(b.ctx(), "", 0); err != nil {
					rt.Fatal(err)
				}
			}
		}
		b.comesBack(rt)
	})
}

// reseal gives lines the sums that they should have, as somebody would who edits the file and knows how.
func reseal(lines []string) string {
	var out strings.Builder
	var sum [32]byte
	for _, line := range lines {
		text := []byte(line[:strings.LastIndex(line, sumField)])
		sum = sumOf(sum, text)
		fmt.Fprintf(&out, "%s%s%x\"}\n", text, sumField, sum[:8])
	}
	return out.String()
}

// Whatever line is changed, left out, doubled or moved: the import says which.
func TestEverythingChangedByHand(t *testing.T) {
	t.Parallel()
	b := aYear(t)
	file := everythingOf(t, b.Store)
	lines := strings.SplitAfter(strings.TrimSuffix(file, "\n"), "\n")
	lines[len(lines)-1] += "\n"
	join := func(l []string) string { return strings.Join(l, "") }
	for i := 0; i < len(lines); i += 1 + len(lines)/cycles(10, 25, len(lines)) {
		changed := slices.Clone(lines)
		changed[i] = strings.Replace(lines[i], `:`, `: `, 1)
		for what, c := range map[string]struct {
			file string
			line int
		}{
			"changed":  {join(changed), i + 1},
			"left out": {join(slices.Delete(slices.Clone(lines), i, i+1)), min(i+1, len(lines))},
			"doubled":  {join(slices.Insert(slices.Clone(lines), i, lines[i])), i + 2},
			"cut":      {join(lines[:i]) + lines[i][:len(lines[i])/2], i + 1},
			"the last": {join(lines[:i+1]), i + 2},
		} {
			if what == "the last" && i == len(lines)-1 {
				continue
			}
			_, err := anew(t, b.options(), c.file)
			var fault lineError
			if !errors.As(err, &fault) || fault.line != int64(c.line) {
				t.Errorf("line %d %s: %v", i+1, what, err)
			}
		}
	}
}

// Somebody who gives a changed file the sums that it should have is found out by the chain, and if the chain
// is made anew too, by the books, which are worked out again.
func TestEverythingForged(t *testing.T) {
	t.Parallel()
	b := aYear(t)
	b.send(payment("T0", "0", amount(33333))) // once more
	file := everythingOf(t, b.Store)
	lines := strings.SplitAfter(strings.TrimSuffix(file, "\n"), "\n")
	find := func(begins string) int {
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, begins) })
		if i < 0 {
			t.Fatalf("no line begins with %s", begins)
		}
		return i
	}
	for _, c := range []struct{ begins, old, new, want string }{
		{`{"table":"entries"`, `"amount":`, `"amount":1`, "its hash is another"},
		{`{"table":"clicks"`, `"clk_0"`, `"clk_X"`, "its hash is another"},
		{`{"table":"clicks"`, `"counted":""`, `"counted":null`, "can't be booked: "},
		{`{"table":"clicks"`, `"seq":`, `"seq":1`, "should be next"},
		{`{"table":"clicks"`, `"counted":""`, `"counted":"","more":1`, `has a field "more"`},
		{`{"table":"clicks"`, `"counted":""`, `"counted":7`, "counted is not of its type, text"},
		{`{"table":"orders"`, `"amount":0`, `"amount":0.5`, "amount is not of its type, integer"},
		{`{"table":"decisions"`, `"agree":1`, `"agree":0`, "its hash is another"},
		{`{"table":"notifications"`, `"opens":1`, `"opens":0`, "FOREIGN KEY"},
		{`{"table":"customers"`, `"value":"`, `"value":"x`, "the alias is not that of the value"},
		{`{"table":"deliveries"`, `"notification":`, `"notification":99999`, "can't be booked: "},
		{`{"table":"contacts"`, `"contacts"`, `"keys"`, `is about "keys", which this Hissa does not know`},
		{`{"table":"end"`, `"lines":`, `"lines":1`, "another number of lines"},
		{`{"table":"hissa"`, `"head":"`, `"head":"00`, "says that the chain ends"},
		{`{"table":"hissa"`, `"facts":`, `"facts":1`, "says that the chain ends"},
		{`{"table":"hissa"`, `"mid":"`, `"mid":"NOT`, "these are the books of production"},
		{`{"table":"hissa"`, `production`, `staging`, "these are the books of staging"},
		{`{"table":"hissa"`, `"customer_salt":"`, `"customer_salt":"x`, "the alias is not that of the value"},
		{`{"table":"hissa"`, `"schema":`, `"schema":1`, "a newer Hissa wrote this file"},
		{`{"table":"hissa"`, `"hissa"`, `"shop"`, "is not where the export of everything begins"},
		{`{"table":"hissa"`, `"facts":`, `"facts":"many","fact":`, "facts is not of its type"},
	} {
		i := find(c.begins)
		forged := slices.Clone(lines)
		if forged[i] = strings.Replace(lines[i], c.old, c.new, 1); forged[i] == lines[i] {
			t.Fatalf("%s has no %s", lines[i], c.old)
		}
		_, err := anew(t, b.options(), reseal(forged))
		var fault lineError
		var bad badRow
		text := fmt.Sprint(err)
		if errors.As(err, &bad) {
			text = "the books of it: " + text
		} else if !errors.As(err, &fault) || fault.line != int64(i+1) && fault.line != 1 &&
			c.want != "FOREIGN KEY" {
			t.Errorf("%s for %s: %v, which is no line %d", c.new, c.old, err, i+1)
		}
		if err == nil || !strings.Contains(text, c.want) {
			t.Errorf("%s for %s: %s, want %s", c.new, c.old, text, c.want)
		}
	}
	if _, err := anew(t, b.options(), chainAnew(t, lines, find(`{"table":"entries"`))); err == nil ||
		!strings.Contains(err.Error(), "the ledger") {
		t.Errorf("a false entry in a chain made anew: %v", err)
	}
	_, err := anew(t, b.options(), file+"more\n")
	if err == nil || !strings.Contains(err.Error(), "behind the last line") {
		t.Errorf("more lines: %v", err)
	}
}

// chainAnew adds a rupee to an entry, and makes the chain and the sums right.
func chainAnew(t *testing.T, lines []string, entry int) string {
	t.Helper()
	forged := slices.Clone(lines)
	hash := make([]byte, 32)
	for i, line := range forged {
		var fields map[string]any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&fields); err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(chained, func(c chainedTable) bool { return c.name == fields["table"] })
		if at < 0 {
			continue
		}
		row := wholeRow{fields: fields}
		seq, _ := row.value("seq", "INTEGER")
		values := []any{seq}
		for _, column := range chained[at].fields() {
			values = append(values, guess(t, row, column))
		}
		if i == entry {
			amount := 1 + slices.Index(chained[at].fields(), "amount")
			was := fmt.Sprintf(`"amount":%d,`, values[amount])
			values[amount] = values[amount].(int64) + 100
			line = strings.Replace(line, was, fmt.Sprintf(`"amount":%d,`, values[amount]), 1)
		}
		_, digest := digestOf(chained[at].name, seq.(int64), values[1:])
		was := fields["hash"].(string)
		if hash = link(hash, digest); i < entry && hex.EncodeToString(hash) != was {
			t.Fatalf("line %d: the chain is made otherwise here", i+1)
		}
		forged[i] = strings.Replace(line, was, hex.EncodeToString(hash), 1)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &fields); err != nil {
		t.Fatal(err)
	}
	forged[0] = strings.Replace(lines[0], fields["head"].(string), hex.EncodeToString(hash), 1)
	return reseal(forged)
}

// guess reads a value in the type that it seems to have; bytes are those of two columns.
func guess(t *testing.T, row wholeRow, column string) any {
	t.Helper()
	kinds := []string{"INTEGER", "TEXT"}
	if column == "identity" || column == "body_mac" {
		kinds = []string{"BLOB"}
	}
	for _, kind := range kinds {
		if v, err := row.value(column, kind); err == nil {
			return v
		}
	}
	t.Fatalf("%s of %v", column, row.fields)
	return nil
}

// A file of an older Hissa lacks columns that came later, beside the facts: they are empty.
func TestEverythingFromAnOlderHissa(t *testing.T) {
	t.Parallel()
	b := aYear(t)
	lines := strings.SplitAfter(strings.TrimSuffix(everythingOf(t, b.Store), "\n"), "\n")
	lines[0] = regexp.MustCompile(`"schema":[0-9]+`).ReplaceAllString(lines[0], `"schema":5`)
	for i, line := range lines {
		if strings.HasPrefix(line, `{"table":"contacts"`) {
			at := strings.Index(line, `,"mobile":`)
			lines[i] = line[:at] + line[strings.LastIndex(line, sumField):]
		}
	}
	s, err := anew(t, b.options(), reseal(lines))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// An import that is interrupted leaves nothing, nor does one that was only to show.
func TestEverythingInterrupted(t *testing.T) {
	t.Parallel()
	b := aYear(t)
	file := everythingOf(t, b.Store)
	for _, at := range []string{"lines", "payments", "nothing"} {
		folder := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		path := filepath.Join(folder, "hissa.db")
		_, err := makeAnew(ctx, path, b.options(), strings.NewReader(file), at != "nothing",
			func(what string, _, _ int64) {
				if what == at {
					cancel()
				}
			})
		cancel()
		left, err2 := os.ReadDir(folder)
		if (err == nil) != (at == "nothing") || err2 != nil || len(left) > 0 {
			t.Errorf("interrupted at the %s: %v, left %v (%v)", at, err, left, err2)
		}
	}
}

// Of every table it is settled whether it is in the file.
func TestEveryTableIsTakenOrLeft(t *testing.T) {
	b := openBooks(t, Program{})
	for _, row := range (&evidence{TB: t, db: raw(t, b.path)}).rows(
		"SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'") {
		name := row[0].(string)
		_, left := leftBehind[name]
		taken := slices.ContainsFunc(chained, func(t chainedTable) bool { return t.name == name })
		for _, c := range carried {
			taken = taken || c.name == name
		}
		if taken == left {
			t.Errorf("%s: taken %v, left %v: put it into carried or leftBehind (everything.go)", name, taken, left)
		}
	}
	file := everythingOf(t, aYear(t).Store)
	for name := range leftBehind {
		if name != "transactions" && strings.Contains(file, fmt.Sprintf(`{"table":%q`, name)) {
			t.Errorf("%s is in the file", name)
		}
	}
	if strings.Contains(file, signingKeyName) {
		t.Error("the key that signs statements is in the file")
	}
}

// Whatever a file holds, it is read or refused.
func FuzzEverything(f *testing.F) {
	file := everythingOf(f, aYear(f).Store)
	for line := range strings.Lines(file) {
		f.Add([]byte(line))
	}
	f.Add([]byte(file))
	f.Fuzz(func(t *testing.T, file []byte) {
		r := newWholeReader(bytes.NewReader(file))
		if _, err := r.head(StoreOptions{Environment: "production", MID: "SHOP0001"}); err != nil {
			return
		}
		for {
			rows, ended, err := r.some()
			if err != nil || ended {
				return
			}
			for _, row := range rows {
				for column := range row.fields {
					for _, kind := range []string{"INTEGER", "TEXT", "BLOB"} {
						_, _ = row.value(column, kind)
					}
				}
			}
		}
	})
}
