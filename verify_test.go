package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// aYear is books with something in every table: terms that changed, clicks, customers, messages of
// every kind, answers, a person's word, commissions that are held, due, taken back.
func aYear(t testing.TB) *books {
	t.Helper()
	terms := testTerms()
	terms.Own, terms.Guesses = true, 5
	terms.Tiers = []Tier{{90000, Rate{BPS: 1100}}}
	terms.Lifetime, terms.Cap, terms.Payments, terms.Who = 12, 1000000, 9, "asha"
	b := openBooks(t, terms)
	b.partner("ASHA", func(p *PartnerChange) { p.Email = words("asha@shop.example") })
	b.partner("RAVI", func(p *PartnerChange) {
		p.Rate, p.References = &Rate{BPS: 1237}, []string{"LI_7"}
		p.Promos, p.PromoRates = []string{"RAVI10"}, map[string]Rate{"RAVI10": {BPS: 1300}}
	})
	for i, partner := range []string{"ASHA", "RAVI", "ASHA"} {
		b.click(fmt.Sprint("clk_", i), partner)
		order, txn, paise := fmt.Sprint(i), fmt.Sprint("T", i), 33333*int64(i+1)
		b.bind(Order{ID: order, ClickID: "clk_" + order, Promo: "NOBODY", Customer: "c1"})
		b.send(payment(txn, order, amount(paise)))
		b.answers(txn, agreeing(txn, order, paise))
	}
	b.bind(Order{ID: "3", Promo: "RAVI10", Customer: "c2"})
	b.send(payment("T3", "3"))
	b.send(payment("T3", "3", amount(5)))
	b.send(dispute("T3", "D1", "NEW", 100))
	if err := b.decides("T3", Decision{Agree: true, Amount: 100000}); err != nil {
		t.Fatal(err)
	}
	b.send(payment("T4", "4", status("pending"), paid(time.Time{})))
	b.send(payment("T5", "5", status("failed")))
	b.send(Notification{Gateway: "paytm", Kind: "other", Type: "downtime", Why: "not about money"})
	b.subscribes("T6", "6", "SUBS_1")
	program := func() int64 {
		terms, err := b.Terms(b.ctx())
		if err != nil {
			t.Fatal(err)
		}
		return terms.latest().Seq
	}
	original := program()
	terms.Rate.BPS = 500
	if _, err := b.AdoptProgram(b.ctx(), terms, false); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Reprice(b.ctx(), Span{}, program(), func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Reprice(b.ctx(), Span{}, original, func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.BindOrder(b.ctx(), Order{ID: "7", Promo: "RAVI10"}, Person{Email: "ASHA@shop.example"}); err != nil {
		t.Fatal(err)
	}
	b.send(payment("T7", "7"))
	for _, accept := range []bool{false, true} {
		if err := b.Review(b.ctx(), "T7", accept, "so I say"); err != nil {
			t.Fatal(err)
		}
	}
	b.brings(bringClicks, "id,partner,at\nclk_old,RAVI,2026-11-01T00:00:00Z\n")
	b.brings(bringOrders, "order_id,click_id,customer_id\n8,clk_old,c3\n")
	b.send(payment("T8", "8"))
	b.wait(20 * 24 * time.Hour)
	for _, code := range []string{"ASHA", "RAVI"} {
		change := PartnerChange{Code: code, Rate: &Rate{BPS: 1500}}
		if _, err := b.SetPartner(b.ctx(), change); err != nil {
			t.Fatal(err)
		}
	}
	b.tax = TaxRules{Rates: []TaxRate{{Section: "393(1)", Code: "1006", BPS: 200}}}
	first := b.drafts("ASHA")[0]
	b.judges(first, "held")
	b.judges(first, "approved")
	b.settles(first, "paid", "HDFC0000001")
	b.settles(first, "reversed", "")
	b.settles(b.judges(b.drafts("ASHA")[0], "approved"), "paid", "HDFC0000002")
	b.drafts("RAVI")
	b.send(refund("T0", "R1", "accepted", 11111)) // T0 was due by now, and is fixed
	b.send(refund("T1", "R2", "succeeded", 66666))
	return b
}

// subscribes delivers a payment that names a subscription.
func (b *books) subscribes(txn, order, subscription string) {
	b.Helper()
	n := identified(payment(txn, order, func(n *Notification) { n.Reference = "LI_7" }))
	if _, err := b.Receive(b.ctx(), n, subscription, n.Identity); err != nil {
		b.Fatal(err)
	}
	b.inOrder()
}

// evidence is a whole copy of books, open for anybody to tamper with: its triggers are gone.
type evidence struct {
	testing.TB
	path   string
	store  *Store
	db     *sql.DB // the tamperer's own connection
	tables []string
	report Report // what verify said of the books
}

func take(b *books) *evidence {
	b.Helper()
	e := &evidence{TB: b.TB, path: filepath.Join(b.TempDir(), "copy.db"), report: b.inOrder()}
	if err := b.Backup(b.ctx(), e.path); err != nil {
		b.Fatal(err)
	}
	e.db = raw(b, e.path)
	triggers := e.rows("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
	if len(triggers) == 0 {
		b.Fatal("no triggers: nothing keeps the facts from being changed")
	}
	for _, row := range triggers {
		e.tamper(fmt.Sprintf("DROP TRIGGER %s", row[0]))
	}
	for _, row := range e.rows("SELECT name FROM sqlite_schema WHERE type = 'table'") {
		name := row[0].(string)
		e.tables = append(e.tables, name)
		e.tamper("CREATE TEMP TABLE saved_" + name + " AS SELECT * FROM " + name)
	}
	var err error
	e.store, err = openStore(e.path, StoreOptions{Environment: "production", MID: "SHOP0001"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if found := verdictOf(e, e.store); found != "" {
			b.Errorf("with everything put back verify says %q", found)
		}
		if err := errors.Join(e.db.Close(), e.store.Close()); err != nil {
			b.Error(err)
		}
	})
	return e
}

func (e *evidence) tamper(statement string, a ...any) {
	e.Helper()
	if _, err := e.db.Exec(statement, a...); err != nil {
		e.Fatalf("%s: %v", statement, err)
	}
}

// rows runs any query and returns its rows as the driver gives them.
func (e *evidence) rows(query string) [][]any {
	e.Helper()
	return rowsOf(e, e.db, query)
}

// after says what verify finds once somebody ran a statement, and puts everything back.
func (e *evidence) after(statement string) string {
	e.Helper()
	e.tamper(statement)
	found := verdictOf(e, e.store)
	back := "BEGIN"
	for _, name := range e.tables {
		back += "; DELETE FROM " + name + "; INSERT INTO " + name + " SELECT * FROM saved_" + name
	}
	e.tamper(back + "; COMMIT")
	return found
}

// wants checks how that begins; "" is in order.
func (e *evidence) wants(begins, statement string) {
	e.Helper()
	if got := e.after(statement); begins == "" && got != "" || !strings.HasPrefix(got, begins) {
		e.Errorf("after %s verify says %q, want %q", statement, got, begins+"…")
	}
}

// raw is a database as anybody may open it, who does not care about constraints.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	const careless = "PRAGMA ignore_check_constraints = 1; PRAGMA synchronous = OFF"
	if _, err := db.Exec(careless); err != nil {
		t.Fatal(err)
	}
	return db
}

func rowsOf(t testing.TB, db *sql.DB, query string) (rows [][]any) {
	t.Helper()
	found, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for found.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// verdictOf is what verify says of a database: "" when the books are in order. However many work at it, and in
// however small pieces, they say the same.
func verdictOf(t testing.TB, store *Store) string {
	t.Helper()
	words := func(_ Report, err error) string {
		var bad badRow
		switch {
		case err == nil:
			return ""
		case errors.As(err, &bad):
			return bad.Error()
		}
		return "could not be read: " + err.Error()
	}
	said := words(store.Verify(context.Background(), nil))
	if others := words(store.verifyWith(context.Background(), 3, 4, nil)); others != said {
		t.Errorf("one hand says %q, three say %q", said, others)
	}
	return said
}

// column is one column of a table, and something else to put in it.
type column struct{ table, name, other string }

// columns lists the columns of a table.
func (e *evidence) columns(name string) (list []column) {
	e.Helper()
	for _, row := range e.rows("SELECT name, type FROM pragma_table_info('" + name + "')") {
		c := column{name, row[0].(string), ""}
		c.other = map[string]string{
			"INTEGER": "coalesce(" + c.name + ", 0) + 1",
			"TEXT":    c.name + " || 'x'",
			"BLOB":    "zeroblob(32)",
		}[row[1].(string)]
		if c.name == "id" && row[1] == "INTEGER" {
			c.other = "id + 100000" // no other row's
		}
		if slices.Contains([]string{"counts", "void"}, c.name) {
			c.other = "1 - " + c.name
		}
		list = append(list, c)
	}
	return list
}

// Every column of every fact: verify names the row that was changed.
func TestVerifyNoticesAChangedFact(t *testing.T) {
	t.Parallel()
	e := take(aYear(t))
	for _, chained := range chained {
		rows := e.rows("SELECT seq FROM " + chained.name + " ORDER BY seq")
		if len(rows) == 0 {
			t.Errorf("there are no %s to change", chained.name)
			continue
		}
		seq := rows[len(rows)/2][0].(int64)
		for _, c := range e.columns(chained.name) {
			where := fmt.Sprintf("%s %d: ", c.table, seq)
			switch c.name {
			case "seq":
				c.other, where = "100000", fmt.Sprintf("fact %d: missing", seq)
			case "opens":
				c.other, where = "1 - opens", "the books: a message that began"
			}
			e.wants(where, fmt.Sprintf("UPDATE %s SET %s = %s WHERE seq = %d",
				c.table, c.name, c.other, seq))
		}
		e.wants(fmt.Sprintf("fact %d: missing", seq),
			fmt.Sprintf("DELETE FROM %s WHERE seq = %d", chained.name, seq))
		for _, place := range []int64{math.MinInt64, -1, 0, math.MaxInt64} { // where there is nothing
			e.wants("fact ", fmt.Sprintf("INSERT INTO %s SELECT %d%s FROM %s WHERE seq = %d",
				chained.name, place, e.others(chained.name), chained.name, seq))
		}
	}
}

// Nor is a fact overlooked that stands alone in its table, in whatever place.
func TestVerifyNoticesALoneFact(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	e := take(b)
	lone := 0
	for _, chained := range chained {
		if len(e.rows("SELECT seq FROM "+chained.name)) > 0 {
			continue
		}
		lone++
		for _, place := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
			row := fmt.Sprint(place)
			for _, c := range e.columns(chained.name)[1:] {
				row += map[bool]string{true: ", 1", false: ", zeroblob(32)"}[c.other != "zeroblob(32)"]
			}
			e.wants("fact ", "INSERT INTO "+chained.name+" VALUES ("+row+")")
		}
	}
	if lone < 10 {
		t.Errorf("only %d tables are empty", lone)
	}
}

// others are the columns of a table beside seq, each with something else in it.
func (e *evidence) others(table string) (list string) {
	e.Helper()
	for _, c := range e.columns(table)[1:] {
		list += ", " + c.other
	}
	return list
}

// Rows that change places, appear, or are taken off the end.
func TestVerifyNoticesMovedFacts(t *testing.T) {
	t.Parallel()
	e := take(aYear(t))
	seq := func(query string) int64 { return e.rows(query)[0][0].(int64) }
	first := seq("SELECT min(seq) FROM clicks")
	second := seq(fmt.Sprintf("SELECT min(seq) FROM clicks WHERE seq > %d", first))
	move := "UPDATE clicks SET seq = %d WHERE seq = %d"
	e.wants(fmt.Sprintf("clicks %d: ", first),
		fmt.Sprintf(move+"; "+move+"; "+move, -1, first, first, second, second, -1))
	end := seq("SELECT seq FROM head")
	e.wants(fmt.Sprintf("decisions %d: ", end+1), fmt.Sprintf("INSERT INTO decisions "+
		"SELECT %d, at, txn_id, agree, amount, reason, hash FROM decisions LIMIT 1", end+1))
	e.wants("head: ", "UPDATE head SET seq = seq + 1")
	e.wants("head: ", "UPDATE head SET hash = zeroblob(32)")
	last := e.rows(fmt.Sprintf("SELECT seq FROM entries WHERE seq = %d", end))
	if len(last) != 1 {
		t.Fatal("the last fact is not an entry")
	}
	e.wants("head: says fact", fmt.Sprintf("DELETE FROM entries WHERE seq = %d", end))
	e.wants("account expense: ", fmt.Sprintf("DELETE FROM entries WHERE seq = %[1]d + 1; "+
		"UPDATE head SET seq = %[1]d, hash = "+
		"(SELECT hash FROM notifications WHERE seq = %[1]d)", end-1))
}

const ofT1 = "txn = (SELECT id FROM transactions WHERE txn_id = 'T1')"

// derivedRows are the rows that follow from the facts, one of each, and how verify names them.
var derivedRows = []struct{ table, where, named string }{
	{"transactions", "txn_id = 'T0'", "transaction T0"},
	{"transactions", "txn_id = 'T4'", "transaction T4"},
	{"transactions", "txn_id = 'T3'", "transaction T3"},
	{"attributions", ofT1 + " AND rank = 0", "attributions of T1: "},
	{"attributions", ofT1 + " AND rank = 1", "attributions of T1: "},
	{"accounts", "name = 'expense'", "account expense"},
	{"accounts", "name = 'partner:ASHA'", "account partner:ASHA"},
	{"days", "partner = 'ASHA' AND day = (SELECT min(day) FROM days WHERE partner = 'ASHA')", "totals of "},
	{"months", "partner = 'ASHA' AND month = (SELECT min(month) FROM months WHERE partner = 'ASHA')", "totals of "},
	{"shop_days", "day = (SELECT min(day) FROM shop_days)", "totals of "},
}

// Every column of what follows from the facts, but for a rank, whose order alone means something.
func TestVerifyNoticesAChangedPosition(t *testing.T) {
	t.Parallel()
	e := take(aYear(t))
	for _, row := range derivedRows {
		if len(e.rows("SELECT 1 FROM "+row.table+" WHERE "+row.where)) != 1 {
			t.Errorf("no %s where %s", row.table, row.where)
		}
		for _, c := range e.columns(row.table) {
			named := row.named
			switch {
			case c.name == "rank":
				continue
			case c.name == "id" || c.name == "txn":
				c.other, named = "100000", ""
			case slices.Contains([]string{"name", "gateway", "mid"}, c.name):
				named = "" // it may be the place that is now empty
			case c.name == "verdict":
				named = "attributions of "
			}
			statement := fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s",
				c.table, c.name, c.other, row.where)
			if got := e.after(statement); got == "" || !strings.HasPrefix(got, named) ||
				strings.HasPrefix(got, "could not") {
				t.Errorf("after %s verify says %q, want %q", statement, got,
					cmp.Or(named, "something"))
			}
		}
	}
}

// Derived rows that are missing, too many, or in another order, and what may be forgotten.
func TestVerifyNoticesMissingRows(t *testing.T) {
	t.Parallel()
	e := take(aYear(t))
	for _, row := range []struct{ begins, statement string }{
		{"transaction T1: ", "UPDATE transactions SET commission = NULL, reversed = 0 WHERE txn_id = 'T1'"},
		{"attributions of T1: ", "DELETE FROM attributions WHERE rank = 0 AND " + ofT1},
		{"attributions of T1: ", "UPDATE attributions SET rank = -1 WHERE rank = 0 AND " + ofT1 +
			"; UPDATE attributions SET rank = 0 WHERE rank = 1 AND " + ofT1 +
			"; UPDATE attributions SET rank = 1 WHERE rank = -1 AND " + ofT1},
		{"accounts: the books don't balance", "DELETE FROM accounts WHERE name = 'expense'"},
		{"account partner:RAVI: balance", "UPDATE accounts SET balance = balance + " +
			"(SELECT balance FROM accounts WHERE name = 'partner:ASHA') " +
			"WHERE name = 'partner:RAVI'; DELETE FROM accounts WHERE name = 'partner:ASHA'"},
		{"the books: a message that began", "DELETE FROM transactions WHERE txn_id = 'T4'"},
		{"the books: a payment message without its transaction", "DELETE FROM transactions WHERE txn_id = 'T4'; " +
			"UPDATE notifications SET opens = 0 WHERE subject = 'T4'"},
		{"transaction NEW: ", "INSERT INTO transactions (id, gateway, mid, txn_id, order_id, status, amount, " +
			"currency, paid_at, first_at, refunded, confirmation, conflict, customer, partner, basis, value, " +
			"why) SELECT 1000, gateway, mid, 'NEW', order_id, status, amount, currency, paid_at, first_at, " +
			"refunded, confirmation, conflict, customer, partner, basis, value, why FROM transactions " +
			"WHERE txn_id = 'T4'"},
		{"the books: a message that began", "UPDATE notifications SET opens = 0 WHERE opens = 1"},
		{"the books: an attribution without", "INSERT INTO attributions SELECT 1000, rank, " +
			"basis, value, partner, verdict, counts FROM attributions WHERE " + ofT1},
		{"transaction T7: ", "UPDATE transactions SET abuse = 'odd' WHERE txn_id = 'T7'"},
		{"transaction T4: ", "UPDATE transactions SET commission = 1 WHERE txn_id = 'T4'"},
		{"totals of ", "UPDATE days SET confirmed = confirmed + 1 WHERE partner = 'ASHA'"},
		{"totals of ", "DELETE FROM days WHERE partner = 'ASHA'"},
		{"totals of ", "INSERT INTO days VALUES (1, 'NOBODY', 1, 0, 0, 0, 0, 0, 0)"},
		{"totals of ", "DELETE FROM months WHERE partner = 'ASHA'"},
		{"totals of ", "INSERT INTO months VALUES (1, 'NOBODY', 1, 0, 0, 0, 0, 0, 0)"},
		{"totals of ", "DELETE FROM shop_days"},
		{"totals of ", "INSERT INTO shop_days VALUES (1, 1, 0, 0, 0, 0, 0, 0)"},
		{"body of notification", "UPDATE bodies SET body = zeroblob(32) WHERE notification = " +
			"(SELECT max(notification) FROM bodies)"},
		{"body of notification", "UPDATE bodies SET salt = zeroblob(16)"},
		{"body of notification", "UPDATE bodies SET notification = notification + 100000"},
		{"body of notification", "UPDATE bodies SET notification = (SELECT min(seq) FROM entries) WHERE notification = " +
			"(SELECT min(notification) FROM bodies)"},
		{"transaction T0: ", "UPDATE transactions SET payout = 1 WHERE txn_id = 'T0'"},
		{"transaction T1: ", "UPDATE transactions SET payout = 2 WHERE txn_id = 'T1'"},
		{"", "DELETE FROM payout_files"},
		{"customer ", "UPDATE customers SET value = 'c9' WHERE value = 'c1'"},
		{"customer ", "UPDATE customers SET kind = 'subscription' WHERE value = 'c1'"},
		{"customer ", "UPDATE customers SET alias = 'x' WHERE value = 'c1'"},
		{"", "DELETE FROM bodies"},
		{"", "DELETE FROM customers"},
		{"", "DELETE FROM contacts"},
	} {
		e.wants(row.begins, row.statement)
	}
}

// What nobody can find inside a file is that it is an older one: it is in order, and only the
// head, written down elsewhere, tells.
func TestVerifyCannotNoticeAnOlderFile(t *testing.T) {
	t.Parallel()
	b := aYear(t)
	older := take(b)
	b.send(payment("T9", "9", func(n *Notification) { n.Reference = "LI_7" }))
	if got := verdictOf(t, older.store); got != "" {
		t.Errorf("an older copy is not in order by itself: %s", got)
	}
	if older.report.Head == b.inOrder().Head {
		t.Error("the head is the same before and after a payment")
	}
}

// A thousand times one bit of one value of one fact or entry is turned round: all are found.
func TestVerifyNoticesEveryBit(t *testing.T) {
	t.Parallel()
	flips := cycles(200, 1000, 20_000)
	e := take(aYear(t))
	luck := luckOf(3)
	var columns []column
	for _, c := range chained {
		columns = append(columns, e.columns(c.name)...)
	}
	for done := 0; done < flips; {
		c := columns[luck.IntN(len(columns))]
		undo, what := e.flip(luck, c)
		if undo == nil {
			continue
		}
		done++
		if got := verdictOf(t, e.store); got == "" || strings.HasPrefix(got, "could not") {
			t.Errorf("after %s verify says %q", what, got)
		}
		undo()
	}
}

// flip turns one bit of one value round. undo is nil where there was nothing to turn.
func (e *evidence) flip(luck *rand.Rand, c column) (undo func(), what string) {
	e.Helper()
	rows := e.rows("SELECT rowid, " + c.name + " FROM " + c.table + " ORDER BY rowid")
	row := rows[luck.IntN(len(rows))]
	rowid, old := row[0].(int64), row[1]
	var turned any
	switch v := old.(type) {
	case int64:
		turned = v ^ 1<<luck.IntN(64)
	case string:
		turned = string(turn([]byte(v), luck))
	case []byte:
		turned = turn(bytes.Clone(v), luck)
	}
	if turned == nil || turned == "" {
		return nil, ""
	}
	set := func(to any, at int64) error {
		_, err := e.db.Exec("UPDATE "+c.table+" SET "+c.name+" = ? WHERE rowid = ?", to, at)
		return err
	}
	if set(turned, rowid) != nil {
		return nil, "" // the place of another row
	}
	at := rowid
	if c.name == "seq" {
		at = turned.(int64)
	}
	return func() {
		if err := set(old, at); err != nil {
			e.Fatal(err)
		}
	}, fmt.Sprintf("%s.%s of row %d from %q to %q", c.table, c.name, rowid, old, turned)
}

func turn(text []byte, luck *rand.Rand) []byte {
	if len(text) > 0 {
		bit := luck.IntN(8 * len(text))
		text[bit/8] ^= 1 << (bit % 8)
	}
	return text
}

// The chain by another hand: every table that has a place and a hash, read with SELECT *, in the
// encoding that is written down at the head of chain.go, must come to the head that verify prints.
func TestChainByAnotherHand(t *testing.T) {
	t.Parallel()
	e := take(aYear(t))
	facts := map[int64][]byte{} // the digest of each
	nulls := 0
	for _, name := range e.rows("SELECT s.name FROM sqlite_schema s " +
		"WHERE s.type = 'table' AND s.name <> 'head' AND 2 = " +
		"(SELECT count(*) FROM pragma_table_info(s.name) WHERE name IN ('seq', 'hash'))") {
		columns := e.columns(name[0].(string))
		for _, row := range e.rows(fmt.Sprintf("SELECT * FROM %s", name[0])) {
			text := encoded(name[0])
			for i, value := range row {
				if value == nil {
					nulls++
				}
				if !slices.Contains([]string{"hash", "partner_hash", "opens"}, columns[i].name) {
					text += encoded(value)
				}
			}
			digest := sha256.Sum256([]byte(text))
			facts[row[0].(int64)] = digest[:]
		}
	}
	hash := make([]byte, 32)
	for seq := int64(1); seq <= int64(len(facts)); seq++ {
		next := sha256.Sum256(append(bytes.Clone(hash), facts[seq]...))
		hash = next[:]
	}
	got := hex.EncodeToString(hash)
	if got != e.report.Head || int64(len(facts)) != e.report.Facts || nulls == 0 {
		t.Errorf("%d facts, %d nulls among them, come to %s; verify says %d and %s",
			len(facts), nulls, got, e.report.Facts, e.report.Head)
	}
}

// encoded is one value: a letter for its type, its length, a colon, its bytes; null is its letter.
func encoded(value any) string {
	switch v := value.(type) {
	case int64:
		text := fmt.Sprint(v)
		return fmt.Sprintf("i%d:%s", len(text), text)
	case string:
		return fmt.Sprintf("t%d:%s", len(v), v)
	case []byte:
		return fmt.Sprintf("b%d:%s", len(v), v)
	}
	return "n"
}

// Copies taken while payments come in are whole: each verifies, and is younger than the last.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	dir := t.TempDir()
	var wg sync.WaitGroup
	before := Report{}
	rounds := cycles(3, 10, 40)
	for i := range rounds {
		for sender := range 4 {
			wg.Go(func() {
				for k := range 25 {
					id := fmt.Sprintf("T%d-%d-%d", i, sender, k)
					n := identified(payment(id, id, func(n *Notification) {
						n.Reference = "ASHA"
					}))
					if _, err := b.Receive(b.ctx(), n, "", n.Identity); err != nil {
						t.Error(err)
					}
				}
			})
		}
		path := filepath.Join(dir, fmt.Sprint(i, ".db"))
		if err := b.Backup(b.ctx(), path); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		report := opened(t, path)
		if i > 1 && report.Transactions <= before.Transactions ||
			report.Entries != report.Transactions {
			t.Errorf("copy %d has %+v after %+v", i, report, before)
		}
		before = report
	}
	if err := b.Backup(b.ctx(), filepath.Join(dir, "0.db")); !errors.Is(err, os.ErrExist) {
		t.Errorf("a copy over another: %v", err)
	}
	if all := b.inOrder(); all.Transactions != int64(100*rounds) {
		t.Errorf("%+v after %+v", all, before)
	}
}

// opened verifies a copy as hissa itself would after putting it in place.
func opened(t testing.TB, path string) Report {
	t.Helper()
	store, err := openStore(path, StoreOptions{Environment: "production", MID: "SHOP0001"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	report, err := store.Verify(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Debian's own sqlite3 reads a copy, and its sum of the entries is what hissa owes everybody.
func TestAnotherSQLiteReadsACopy(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("HISSA_REQUIRE_TOOLS") == "1" {
			t.Fatal("sqlite3 is missing: apt-get install sqlite3")
		}
		t.Skip("sqlite3 is missing: apt-get install sqlite3")
	}
	b := aYear(t)
	e := take(b)
	ask := func(query string) string {
		out, err := exec.Command(tool, "-readonly", "-batch", e.path, query).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", query, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if got := ask("PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
	got := ask("SELECT account, sum(amount) FROM " +
		"(SELECT debit AS account, -amount AS amount FROM entries " +
		"UNION ALL SELECT credit, amount FROM entries) GROUP BY account ORDER BY account")
	bank, asha, ravi, tax := b.account("bank"), b.balance("ASHA"), b.balance("RAVI"), b.account("tds:393(1)")
	want := fmt.Sprintf("bank|%d\nexpense|%d\npartner:ASHA|%d\npartner:RAVI|%d\ntds:393(1)|%d",
		bank, -bank-asha-ravi-tax, asha, ravi, tax)
	if got != want || tax <= 0 || bank <= 0 || asha == 0 || ravi <= 0 {
		t.Errorf("sqlite3 says\n%s\nhissa says\n%s", got, want)
	}
}
