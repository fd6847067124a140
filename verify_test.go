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
	terms.Lifetime = 12
	b := openBooks(t, terms)
	b.partner("ASHA")
	b.partner("RAVI", func(p *PartnerChange) { p.Rate, p.References = &Rate{BPS: 1237}, []string{"LI_7"} })
	for i, partner := range []string{"ASHA", "RAVI", "ASHA"} {
		b.click(fmt.Sprint("clk_", i), partner)
		b.bind(Order{ID: fmt.Sprint(i), ClickID: fmt.Sprint("clk_", i), Promo: "NOBODY", Customer: "c1"})
		b.send(payment(fmt.Sprint("T", i), fmt.Sprint(i), amount(33333*int64(i+1))))
		b.answers(fmt.Sprint("T", i), agreeing(fmt.Sprint("T", i), fmt.Sprint(i), 33333*int64(i+1)))
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
	terms.Rate.BPS = 500
	if _, err := b.AdoptProgram(b.ctx(), terms, false); err != nil {
		t.Fatal(err)
	}
	b.wait(20 * 24 * time.Hour)
	for _, code := range []string{"ASHA", "RAVI"} {
		if _, err := b.SetPartner(b.ctx(), PartnerChange{Code: code, Rate: &Rate{BPS: 1500}}); err != nil {
			t.Fatal(err)
		}
	}
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

// kept is a whole copy of books, whose triggers are gone, and what verify said of the books.
type kept struct {
	testing.TB
	file   []byte
	report Report
}

func keep(b *books) kept {
	b.Helper()
	path := filepath.Join(b.TempDir(), "kept.db")
	if err := b.Backup(b.ctx(), path); err != nil {
		b.Fatal(err)
	}
	triggers := table(b, path, "SELECT name FROM sqlite_schema WHERE type = 'trigger'")
	if len(triggers) == 0 {
		b.Fatal("no triggers: nothing keeps the facts from being changed")
	}
	statements := []string{}
	for _, row := range triggers {
		statements = append(statements, fmt.Sprintf("DROP TRIGGER %s", row[0]))
	}
	tamper(b, path, statements...)
	file, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return kept{b.TB, file, b.inOrder()}
}

// copied writes the copy into a file of its own, to be changed.
func (k kept) copied() (path string) {
	k.Helper()
	path = filepath.Join(k.TempDir(), "copy.db")
	if err := os.WriteFile(path, k.file, 0o600); err != nil {
		k.Fatal(err)
	}
	return path
}

// tamper runs statements on a database behind hissa's back.
func tamper(t testing.TB, path string, statements ...string) {
	t.Helper()
	db := raw(t, path)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
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
	if _, err := db.Exec("PRAGMA ignore_check_constraints = 1"); err != nil {
		t.Fatal(err)
	}
	return db
}

// table runs any query and returns its rows as the driver gives them.
func table(t testing.TB, path, query string) (rows [][]any) {
	t.Helper()
	db := raw(t, path)
	defer db.Close()
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

// verdict is what verify says of a file: "" when the books are in order.
func verdict(t testing.TB, path string) string {
	t.Helper()
	store, err := openStore(path, StoreOptions{Environment: "production", MID: "SHOP0001"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	return verdictOf(t, store)
}

func verdictOf(t testing.TB, store *Store) string {
	t.Helper()
	_, err := store.Verify(context.Background(), nil)
	var bad badRow
	switch {
	case err == nil:
		return ""
	case errors.As(err, &bad):
		return bad.Error()
	}
	return "could not be read: " + err.Error()
}

// wants changes a copy and checks that verify begins what it says with this; "" is in order.
func (k kept) wants(begins string, statements ...string) {
	k.Helper()
	path := k.copied()
	tamper(k, path, statements...)
	got := verdict(k, path)
	if begins == "" && got != "" || !strings.HasPrefix(got, begins) {
		k.Errorf("after %s verify says %q, want %q", statements, got, begins+"…")
	}
}

// column is one column of a table, and something else to put in it.
type column struct{ table, name, other string }

// columnsOf lists the columns of a table.
func columnsOf(t testing.TB, path, name string) (list []column) {
	t.Helper()
	for _, row := range table(t, path, "SELECT name, type FROM pragma_table_info('"+name+"')") {
		c := column{name, row[0].(string), ""}
		c.other = map[string]string{
			"INTEGER": "coalesce(" + c.name + ", 0) + 1",
			"TEXT":    c.name + " || 'x'",
			"BLOB":    "zeroblob(32)",
		}[row[1].(string)]
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
	k := keep(aYear(t))
	path := k.copied()
	for _, chained := range chained {
		rows := table(t, path, "SELECT seq FROM "+chained.name+" ORDER BY seq")
		if len(rows) == 0 {
			t.Errorf("there are no %s to change", chained.name)
			continue
		}
		seq := rows[len(rows)/2][0].(int64)
		for _, c := range columnsOf(t, path, chained.name) {
			where := fmt.Sprintf("%s %d: ", c.table, seq)
			if c.name == "seq" {
				c.other, where = "100000", fmt.Sprintf("fact %d: missing", seq)
			}
			k.wants(where, fmt.Sprintf("UPDATE %s SET %s = %s WHERE seq = %d", c.table, c.name, c.other, seq))
		}
		k.wants(fmt.Sprintf("fact %d: missing", seq), fmt.Sprintf("DELETE FROM %s WHERE seq = %d", chained.name, seq))
	}
}

// Rows that change places, appear, or are taken off the end.
func TestVerifyNoticesMovedFacts(t *testing.T) {
	t.Parallel()
	k := keep(aYear(t))
	path := k.copied()
	seq := func(query string) int64 { return table(t, path, query)[0][0].(int64) }
	first := seq("SELECT min(seq) FROM clicks")
	second := seq(fmt.Sprintf("SELECT min(seq) FROM clicks WHERE seq > %d", first))
	move := "UPDATE clicks SET seq = %d WHERE seq = %d"
	k.wants(fmt.Sprintf("clicks %d: ", first), fmt.Sprintf(move, -1, first), fmt.Sprintf(move, first, second),
		fmt.Sprintf(move, second, -1))
	end := seq("SELECT seq FROM head")
	k.wants(fmt.Sprintf("decisions %d: ", end+1), fmt.Sprintf("INSERT INTO decisions SELECT %d, at, txn_id, agree, amount, reason, hash "+
		"FROM decisions LIMIT 1", end+1))
	k.wants("head: ", "UPDATE head SET seq = seq + 1")
	k.wants("head: ", "UPDATE head SET hash = zeroblob(32)")
	last := table(t, path, fmt.Sprintf("SELECT seq FROM entries WHERE seq = %d", end))
	if len(last) != 1 {
		t.Fatal("the last fact is not an entry")
	}
	k.wants("head: says fact", fmt.Sprintf("DELETE FROM entries WHERE seq = %d", end))
	k.wants("account expense: ", fmt.Sprintf("DELETE FROM entries WHERE seq = %d", end),
		fmt.Sprintf("UPDATE head SET seq = %d, hash = (SELECT hash FROM notifications WHERE seq = %d)", end-1, end-1))
}

// derivedRows are the rows that follow from the facts, one of each, and how verify names them.
var derivedRows = []struct{ table, where, named string }{
	{"transactions", "txn_id = 'T0'", "transaction T0"},
	{"transactions", "txn_id = 'T4'", "transaction T4"},
	{"commissions", "txn = (SELECT id FROM transactions WHERE txn_id = 'T0')", "transaction T0: "},
	{"commissions", "txn = (SELECT id FROM transactions WHERE txn_id = 'T3')", "transaction T3: "},
	{"attributions", "txn = (SELECT id FROM transactions WHERE txn_id = 'T1') AND rank = 0", "attributions of T1: "},
	{"attributions", "txn = (SELECT id FROM transactions WHERE txn_id = 'T1') AND rank = 1", "attributions of T1: "},
	{"accounts", "name = 'expense'", "account expense"},
	{"accounts", "name = 'partner:ASHA'", "account partner:ASHA"},
}

// Every column of what follows from the facts, but for a rank, whose order alone means something, and
// the number of a transaction that nothing refers to.
func TestVerifyNoticesAChangedPosition(t *testing.T) {
	t.Parallel()
	k := keep(aYear(t))
	path := k.copied()
	for _, row := range derivedRows {
		if len(table(t, path, "SELECT 1 FROM "+row.table+" WHERE "+row.where)) != 1 {
			t.Errorf("no %s where %s", row.table, row.where)
		}
		for _, c := range columnsOf(t, path, row.table) {
			named := row.named
			switch {
			case c.name == "rank", c.name == "id" && row.named == "transaction T4":
				continue
			case c.name == "id" || c.name == "txn":
				c.other, named = "100000", ""
			case slices.Contains([]string{"name", "gateway", "mid"}, c.name):
				named = "" // it may be the place that is now empty
			}
			statement := fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s", c.table, c.name, c.other, row.where)
			path := k.copied()
			tamper(t, path, statement)
			if got := verdict(t, path); got == "" || !strings.HasPrefix(got, named) ||
				strings.HasPrefix(got, "could not") {
				t.Errorf("after %s verify says %q, want %q", statement, got, cmp.Or(named, "something"))
			}
		}
	}
}

// Derived rows that are missing, too many, or in another order, and what may lawfully be forgotten.
func TestVerifyNoticesMissingRows(t *testing.T) {
	t.Parallel()
	k := keep(aYear(t))
	const t1 = "txn = (SELECT id FROM transactions WHERE txn_id = 'T1')"
	for _, row := range []struct{ begins, statement string }{
		{"transaction T1: ", "DELETE FROM commissions WHERE " + t1},
		{"attributions of T1: ", "DELETE FROM attributions WHERE rank = 0 AND " + t1},
		{"attributions of T1: ", "UPDATE attributions SET rank = -1 WHERE rank = 0 AND " + t1 +
			"; UPDATE attributions SET rank = 0 WHERE rank = 1 AND " + t1 +
			"; UPDATE attributions SET rank = 1 WHERE rank = -1 AND " + t1},
		{"accounts: the books don't balance", "DELETE FROM accounts WHERE name = 'expense'"},
		{"account partner:RAVI: balance", "UPDATE accounts SET balance = balance + (SELECT balance FROM accounts " +
			"WHERE name = 'partner:ASHA') WHERE name = 'partner:RAVI'; DELETE FROM accounts WHERE name = 'partner:ASHA'"},
		{"the books: a payment message without its transaction", "DELETE FROM transactions WHERE txn_id = 'T4'"},
		{"transaction NEW: ", "INSERT INTO transactions SELECT 1000, gateway, mid, 'NEW', order_id, status, amount, " +
			"currency, paid_at, first_at, refunded, confirmation, conflict, customer, partner, basis, value, why " +
			"FROM transactions WHERE txn_id = 'T4'"},
		{"the books: a commission without", "INSERT INTO commissions SELECT 1000, partner, amount, reversed, void, " +
			"currency, basis, rate_bps, flat, program, paid_at, due_at, blocks FROM commissions WHERE " + t1},
		{"the books: an attribution without", "INSERT INTO attributions SELECT 1000, rank, basis, value, partner, " +
			"verdict, counts FROM attributions WHERE " + t1},
		{"transaction T4: ", "INSERT INTO commissions SELECT (SELECT id FROM transactions WHERE txn_id = 'T4'), " +
			"partner, amount, reversed, void, currency, basis, rate_bps, flat, program, paid_at, due_at, blocks " +
			"FROM commissions WHERE " + t1},
		{"body of notification", "UPDATE bodies SET body = zeroblob(32) WHERE notification = " +
			"(SELECT max(notification) FROM bodies)"},
		{"body of notification", "UPDATE bodies SET salt = zeroblob(16)"},
		{"body of notification", "UPDATE bodies SET notification = notification + 100000"},
		{"customer ", "UPDATE customers SET value = 'c9' WHERE value = 'c1'"},
		{"customer ", "UPDATE customers SET kind = 'subscription' WHERE value = 'c1'"},
		{"customer ", "UPDATE customers SET alias = 'x' WHERE value = 'c1'"},
		{"", "DELETE FROM bodies"},
		{"", "DELETE FROM customers"},
		{"", "DELETE FROM contacts"},
	} {
		k.wants(row.begins, row.statement)
	}
}

// What nobody can find inside a file is that it is an older one: it is in order, and only the head,
// written down elsewhere, tells.
func TestVerifyCannotNoticeAnOlderFile(t *testing.T) {
	t.Parallel()
	b := aYear(t)
	older := keep(b)
	b.send(payment("T9", "9", func(n *Notification) { n.Reference = "LI_7" }))
	if got := verdict(t, older.copied()); got != "" {
		t.Errorf("an older copy is not in order by itself: %s", got)
	}
	if older.report.Head == b.inOrder().Head {
		t.Error("the head is the same before and after a payment")
	}
}

// A thousand times one bit of one value of one fact or entry is turned round: verify finds them all.
func TestVerifyNoticesEveryBit(t *testing.T) {
	t.Parallel()
	flips := cycles(200, 1000, 20_000)
	b := aYear(t)
	path := keep(b).copied()
	store, err := openStore(path, StoreOptions{Environment: "production", MID: "SHOP0001"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	db := raw(t, path)
	defer db.Close()
	luck := rand.New(rand.NewPCG(3, 4))
	var columns []column
	for _, c := range chained {
		columns = append(columns, columnsOf(t, path, c.name)...)
	}
	for done := 0; done < flips; {
		c := columns[luck.IntN(len(columns))]
		undo, what := flip(t, db, luck, c)
		if undo == nil {
			continue
		}
		done++
		if got := verdictOf(t, store); got == "" || strings.HasPrefix(got, "could not") {
			t.Errorf("after %s verify says %q", what, got)
		}
		undo()
	}
	if got := verdictOf(t, store); got != "" {
		t.Errorf("with every bit turned back: %s", got)
	}
}

// flip turns one bit of one value round. undo is nil where there was nothing to turn.
func flip(t testing.TB, db *sql.DB, luck *rand.Rand, c column) (undo func(), what string) {
	t.Helper()
	var rowid int64
	var old any
	if err := db.QueryRow("SELECT rowid, "+c.name+" FROM "+c.table+" ORDER BY random() LIMIT 1").Scan(&rowid, &old); err != nil {
		t.Fatal(err)
	}
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
		_, err := db.Exec("UPDATE "+c.table+" SET "+c.name+" = ? WHERE rowid = ?", to, at)
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
			t.Fatal(err)
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
// encoding that is written down at the head of chain.go. It must come to the head that verify prints.
func TestChainByAnotherHand(t *testing.T) {
	t.Parallel()
	k := keep(aYear(t))
	path := k.copied()
	facts := map[int64][]byte{} // the digest of each
	nulls := 0
	for _, name := range table(t, path, "SELECT s.name FROM sqlite_schema s WHERE s.type = 'table' AND s.name <> 'head' "+
		"AND 2 = (SELECT count(*) FROM pragma_table_info(s.name) WHERE name IN ('seq', 'hash'))") {
		columns := columnsOf(t, path, name[0].(string))
		for _, row := range table(t, path, fmt.Sprintf("SELECT * FROM %s", name[0])) {
			text := encoded(name[0])
			for i, value := range row {
				if value == nil {
					nulls++
				}
				if columns[i].name != "hash" && columns[i].name != "partner_hash" {
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
	if got := hex.EncodeToString(hash); got != k.report.Head || int64(len(facts)) != k.report.Facts || nulls == 0 {
		t.Errorf("%d facts, %d nulls among them, come to %s; verify says %d and %s",
			len(facts), nulls, got, k.report.Facts, k.report.Head)
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

// Copies taken while payments come in are whole: each verifies, and none is older than the one before.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	booked := make(chan bool)
	for sender := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("T%d-%d", sender, i)
				n := identified(payment(id, id, func(n *Notification) { n.Reference = "ASHA" }))
				if _, err := b.Receive(b.ctx(), n, "", n.Identity); err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					return
				case booked <- true:
				default:
				}
			}
		})
	}
	dir := t.TempDir()
	before := Report{}
	for i := range 10 {
		<-booked // something new since the copy before
		path := filepath.Join(dir, fmt.Sprint(i, ".db"))
		if err := b.Backup(b.ctx(), path); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		report := opened(t, path)
		if report.Transactions <= before.Transactions || report.Entries != report.Transactions {
			t.Errorf("copy %d has %+v after %+v", i, report, before)
		}
		before = report
	}
	close(stop)
	wg.Wait()
	if err := b.Backup(b.ctx(), filepath.Join(dir, "0.db")); !errors.Is(err, os.ErrExist) {
		t.Errorf("a copy over another: %v", err)
	}
	if all := b.inOrder(); all.Transactions < before.Transactions {
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
	path := keep(b).copied()
	ask := func(query string) string {
		out, err := exec.Command(tool, "-readonly", "-batch", path, query).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", query, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if got := ask("PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
	got := ask("SELECT account, sum(amount) FROM (SELECT debit AS account, -amount AS amount FROM entries " +
		"UNION ALL SELECT credit, amount FROM entries) GROUP BY account ORDER BY account")
	asha, ravi := b.balance("ASHA"), b.balance("RAVI")
	want := fmt.Sprintf("expense|%d\npartner:ASHA|%d\npartner:RAVI|%d", -asha-ravi, asha, ravi)
	if got != want || asha <= 0 || ravi <= 0 {
		t.Errorf("sqlite3 says\n%s\nhissa says\n%s", got, want)
	}
}
