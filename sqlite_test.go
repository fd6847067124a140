package main

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"modernc.org/sqlite"
	"pgregory.net/rapid"
)

// emptyDatabase is one of its own, with the journal that the books have.
func emptyDatabase(t *testing.T) *connection {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a?b%20c.db") // a name, never a URL
	other, err := sql.Open("sqlite", "file:"+strings.NewReplacer("?", "%3f", "%", "%25").Replace(path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER PRIMARY KEY, v ANY) STRICT"); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := connect(context.Background(), opening{path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// What is stored comes back as it was, whatever was stored by the same statement before, and another program
// reads it just so.
func TestSQLiteKeepsWhatItIsGiven(t *testing.T) {
	c := emptyDatabase(t)
	other, err := sql.Open("sqlite", "file:"+strings.NewReplacer("?", "%3f", "%", "%25").Replace(c.path(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	values := rapid.OneOf(
		rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.StringN(0, 40000, -1), func(s string) any { return s }),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) any { return append([]byte{}, b...) }),
		rapid.Just(any(nil)),
		rapid.SampledFrom([]any{"", []byte{}, "\x00", "a\x00b", int64(math.MinInt64), int64(math.MaxInt64), strings.Repeat("₹", 9999)}),
	)
	rapid.Check(t, func(t *rapid.T) {
		if err := c.exec("DELETE FROM t", nil); err != nil {
			t.Fatal(err)
		}
		want := rapid.SliceOfN(values, 1, 8).Draw(t, "values")
		for i, v := range want {
			if err := c.exec("INSERT INTO t VALUES (?, ?)", []any{i, v}); err != nil {
				t.Fatal(err)
			}
		}
		var got, theirs []any
		answer, err := c.query("SELECT v FROM t ORDER BY n", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.close()
		for more, err := answer.next(); more || err != nil; more, err = answer.next() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, answer.value(0))
		}
		rows, err := other.Query("SELECT v FROM t ORDER BY n")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var v any
			if err := rows.Scan(&v); err != nil {
				t.Fatal(err)
			}
			if b, ok := v.([]byte); ok { // the driver makes none of an empty one
				v = append([]byte{}, b...)
			}
			theirs = append(theirs, v)
		}
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(theirs, want) {
			t.Errorf("stored %#v, read %#v, another program reads %#v", want, got, theirs)
		}
	})
}

// path is where SQLite says that the database is.
func (c *connection) path(t *testing.T) (path string) {
	t.Helper()
	if err := c.one("SELECT file FROM pragma_database_list WHERE name = 'main'", nil, []any{&path}); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every sort of argument and of place to read into that the store has, and what is none.
// What SQLite's own builds do on Linux, this one has to be told.
func TestSQLiteSyncsDataAlone(t *testing.T) {
	if runtime.GOOS == "linux" && !sqlite.FdatasyncEnabled() {
		t.Error("a COMMIT waits for the time of the last write, too")
	}
}

func TestSQLiteTypes(t *testing.T) {
	c := emptyDatabase(t)
	nine := int64(9)
	for _, step := range []struct {
		query string
		args  []any
		into  any
		want  any // what is read, or a part of the error
	}{
		{"SELECT ?", []any{7}, new(int64), int64(7)},
		{"SELECT ?", []any{int64(8)}, new(int), 8},
		{"SELECT ?", []any{true}, new(bool), true},
		{"SELECT ?", []any{false}, new(bool), false},
		{"SELECT ?", []any{"a"}, new(string), "a"},
		{"SELECT ?", []any{[]byte("b")}, new([]byte), []byte("b")},
		{"SELECT ?", []any{[]byte(nil)}, new([]byte), []byte(nil)},
		{"SELECT ?", []any{9}, new(*int64), &nine},
		{"SELECT ?", []any{nil}, new(*int64), (*int64)(nil)},
		{"SELECT ?2 || ?1 || ?2", []any{"a", "b"}, new(string), "bab"},
		{"SELECT ?", []any{2 * time.Second}, new(int64), int64(2e9)}, // as database/sql converts it
		{"SELECT ?", []any{new(string)}, new(string), ""},
		{"SELECT ?", []any{(*string)(nil)}, new([]byte), []byte(nil)},
		{"SELECT ?", []any{"a"}, new(int64), errors.New("column 1 holds string, which a *int64 can't")},
		{"SELECT ?", []any{nil}, new(string), errors.New("column 1 holds <nil>, which a *string can't")},
		{"SELECT ?", []any{"a"}, new(*int64), errors.New("can't")},
		{"SELECT 1.5", nil, new([]byte), errors.New("column 1 holds float64, which a *[]uint8 can't")},
		{"SELECT 1, 2", nil, new(int64), errors.New("a row has 2 columns, 1 are read")},
		{"SELECT 1 WHERE 0", nil, new(int64), sql.ErrNoRows},
		{"SELECT ?", []any{1, 2}, new(int64), errors.New("takes 1 arguments, not 2")},
		{"SELECT ?", nil, new(int64), errors.New("takes 1 arguments, not 0")},
		{"SELECT 1; SELECT 2", nil, new(int64), errors.New("not one statement")},
		{" ", nil, new(int64), errors.New("not one statement")},
		{"SELECT \x00", nil, new(int64), errors.New("zero byte")},
		{"SELECT missing", nil, new(int64), errors.New("no such column: missing (1)")},
		{"SELECT ?", []any{struct{}{}}, new(int64), errors.New("no column holds a struct")},
		{"SELECT ?", []any{1.5}, new(int64), errors.New("no column holds a float64")},
		{"SELECT ?", []any{time.Now()}, new(int64), errors.New("no column holds a time.Time")},
	} {
		err := c.one(step.query, step.args, []any{step.into})
		if lack, fails := step.want.(error); fails {
			if err == nil || !strings.Contains(err.Error(), lack.Error()) {
				t.Errorf("%q with %v: %v, want %v", step.query, step.args, err, lack)
			}
			continue
		}
		if got := reflect.ValueOf(step.into).Elem().Interface(); err != nil || !reflect.DeepEqual(got, step.want) {
			t.Errorf("%q with %v: %#v, %v, want %#v", step.query, step.args, got, err, step.want)
		}
	}
}

func TestSQLiteRefuses(t *testing.T) {
	c := emptyDatabase(t)
	insert := func(n int) error { return c.exec("INSERT INTO t VALUES (?, 1)", []any{n}) }
	if err := errors.Join(insert(1), insert(2)); err != nil {
		t.Fatal(err)
	}
	if code := sqliteCode(insert(1)); code != 1555 { // SQLITE_CONSTRAINT_PRIMARYKEY
		t.Errorf("a second row of one number: %d", code)
	}
	if err := insert(3); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
	read := 0
	err := c.each("SELECT n FROM t", nil, func(func(...any) error) error {
		if read++; read > 10 { // the inner question would begin the outer one anew
			return errors.New("without end")
		}
		return c.each("SELECT n FROM t", nil, func(func(...any) error) error { return nil })
	})
	if err == nil || !strings.Contains(err.Error(), "while its last answer is being read") {
		t.Errorf("a question within its own answer: %v", err)
	}
	looker, err := connect(context.Background(), untouched(c.path(t)))
	if err != nil {
		t.Fatal(err)
	}
	if code := sqliteCode(looker.exec("INSERT INTO t VALUES (9, 9)", nil)); code != 8 { // SQLITE_READONLY
		t.Errorf("who only looks writes: %d", code)
	}
	if err := looker.close(); err != nil {
		t.Error(err)
	}
	_, err = connect(context.Background(), opening{path: c.path(t) + "-not"})
	if sqliteCode(err) != 14 { // SQLITE_CANTOPEN
		t.Errorf("a file that is not there: %v", err)
	}
	_, err = connect(context.Background(), opening{path: c.path(t), pragmas: []string{"no such pragma"}})
	if sqliteCode(err) != 1 {
		t.Errorf("a pragma that is none: %v", err)
	}
}

// What fails when a statement is carried out, of whose answer only the first row was read, is heard of.
func TestSQLiteFailsAfterARow(t *testing.T) {
	c := emptyDatabase(t)
	if err := c.script(`PRAGMA foreign_keys = 1; CREATE TABLE child (
		of INTEGER REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)`); err != nil {
		t.Fatal(err)
	}
	const orphan = "INSERT INTO child VALUES (7) RETURNING of"
	var of int64
	if code := sqliteCode(c.one(orphan, nil, []any{&of})); code != 787 || of != 7 { // SQLITE_CONSTRAINT_FOREIGNKEY
		t.Errorf("one row of a statement that fails at its end: %d, code %d", of, code)
	}
	enough := errors.New("enough")
	err := c.each(orphan, nil, func(func(...any) error) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("who has read enough is told %v", err)
	}
	var rows int64
	if err := c.one("SELECT count(*) FROM child", nil, []any{&rows}); err != nil || rows != 0 {
		t.Errorf("%d rows of what failed, %v", rows, err)
	}
}

// What runs ends with its context, also within a step that would last for half a minute, and what comes after runs.
func TestSQLiteInterrupted(t *testing.T) {
	c := emptyDatabase(t)
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		end := c.engine.interruptedBy(ctx)
		c.ctx = ctx
		time.AfterFunc(time.Millisecond, cancel)
		var n int64
		err := c.one("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000000) SELECT count(*) FROM n", nil, []any{&n})
		end()
		c.ctx = context.Background()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("a long question came to %d, %v", n, err)
		}
		if err := c.one("SELECT count(*) FROM t", nil, []any{&n}); err != nil {
			t.Fatalf("the question after: %v", err)
		}
	}
	// Also what begins only after its context has ended, unnoticed.
	ctx, cancel := context.WithCancel(t.Context())
	end := c.engine.interruptedBy(ctx)
	cancel()
	time.Sleep(time.Millisecond)
	err := c.exec("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000000) SELECT count(*) FROM n", nil)
	end()
	if code := sqliteCode(err); code != 9 { // SQLITE_INTERRUPT
		t.Errorf("a long question that nobody waits for: %v", err)
	}
}
