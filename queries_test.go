package main

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// uses returns the name that every call of q in the sources gives, and complains of one that gives
// no plain text.
func uses(t *testing.T) []string {
	t.Helper()
	var names []string
	for path, f := range sources(t, "*.go") {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if called, ok := call.Fun.(*ast.Ident); !ok || called.Name != "q" {
				return true
			}
			text, ok := call.Args[0].(*ast.BasicLit)
			if !ok || text.Kind != token.STRING {
				t.Errorf("%s: q is called with something other than a name in quotes", path)
				return true
			}
			name, _ := strconv.Unquote(text.Value)
			names = append(names, name)
			return true
		})
	}
	return names
}

// A name that the code uses is in the file, and the file holds nothing else.
func TestEveryQueryIsThereAndUsed(t *testing.T) {
	used := uses(t)
	for _, name := range used {
		if queries[name] == "" {
			t.Errorf("schema/queries.sql has no query %s", name)
		}
	}
	for name := range queries {
		if !slices.Contains(used, name) {
			t.Errorf("nothing uses the query %s", name)
		}
	}
}

// SQL is a file. What is made from the lists of tables is the exception.
func TestNoQueryStandsInTheCode(t *testing.T) {
	statement := regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH)\s`)
	made := []string{
		"chain.go INSERT INTO ", "verify.go SELECT ",
		"everything.go SELECT ", "store_everything.go INSERT INTO ",
		"chain.go SELECT hash FROM ", "chain.go SELECT EXISTS (SELECT 1 FROM (",
	}
	for path, f := range sources(t, "*.go") {
		ast.Inspect(f, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
				value, _ := strconv.Unquote(text.Value)
				if statement.MatchString(value) && !slices.Contains(made, path+" "+value) {
					t.Errorf("%s holds a query: %.60q", path, value)
				}
			}
			return true
		})
	}
}

// SQLite understands every query under the newest schema, and those that one function reads select
// the same columns in the same order.
func TestEveryQueryFitsTheSchema(t *testing.T) {
	b := openBooks(t, Program{})
	err := b.read(t.Context(), func(r rows) error {
		for name, statement := range queries {
			if _, err := r.direct.stmt(statement); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, alike := range [][]string{
		{"transaction", "transactions-of-order", "transactions-of-longer-orders",
			"transactions-by-order", "transactions-paid-between", "export-transactions"},
		{"notifications", "export-notifications"},
		{"commission", "export-commissions"},
		{"statement", "statement-in-force", "statements"},
		{"txnids-paid-since", "txnids-of-customer", "txnids-naming-code"},
	} {
		columns, _, _ := strings.Cut(queries[alike[0]], "\n  FROM ")
		for _, name := range alike[1:] {
			selected, _, _ := strings.Cut(queries[name], "\n  FROM ")
			if selected != columns && !strings.HasPrefix(selected, columns+",\n") {
				t.Errorf("%s selects other columns than %s:\n%s", name, alike[0], selected)
			}
		}
	}
}

// The file's text becomes statements that the driver can keep prepared: no comment, nothing after.
func TestQueriesAreReadByName(t *testing.T) {
	got := loadQueries("-- A heading.\n\n-- name: one\n-- Why.\nSELECT 1;\n\n" +
		"-- Another heading.\n\n-- name: two\nSELECT 2\n  FROM one;\n")
	if len(got) != 2 || got["one"] != "SELECT 1" || got["two"] != "SELECT 2\n  FROM one" {
		t.Errorf("read %q", got)
	}
	for _, bad := range []string{
		"-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n",
		"-- name:\nSELECT 1;\n",
		"-- name: one\n-- only prose\n",
	} {
		if err := recovered(func() error { loadQueries(bad); return nil }); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

// schema/queries.sql is no migration.
func TestMigrationsAreNumbered(t *testing.T) {
	files, err := schemaFiles.ReadDir("schema")
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range files {
		if number, err := strconv.Atoi(strings.TrimSuffix(file.Name(), ".sql")); number != i+1 {
			t.Errorf("migration %d is called %s (%v)", i+1, file.Name(), err)
		}
	}
}

// What verify asks must not take longer for each row the more rows there are: no table is read from one end to
// the other for every row of another. SQLite says how it would go about each question.
func TestVerifyReadsNoTableOnceARow(t *testing.T) {
	db := raw(t, openBooks(t, Program{}).path)
	argument := regexp.MustCompile(`\?\d+`)
	for _, name := range uses(t) {
		if !strings.HasPrefix(name, "all-") && !strings.HasPrefix(name, "stray-") {
			continue
		}
		steps := rowsOf(t, db, "EXPLAIN QUERY PLAN "+argument.ReplaceAllString(queries[name], "1"))
		if len(steps) == 0 {
			t.Errorf("nothing is said of %s", name)
		}
		inner := map[int64]bool{} // steps that run for each row of another
		for i, step := range steps {
			id, parent, does := step[0].(int64), step[1].(int64), step[3].(string)
			inner[id] = inner[parent] || strings.HasPrefix(does, "CORRELATED") ||
				slices.ContainsFunc(steps[:i], func(before []any) bool { return before[1] == step[1] && isLoop(before) })
			if strings.HasPrefix(does, "SCALAR SUBQUERY") { // what hangs on no row is asked once
				inner[id] = false
			}
			first := strings.Contains(does, " EXISTS") // it ends with the first row
			if inner[id] && strings.HasPrefix(does, "SCAN ") && !first {
				t.Errorf("%s: %s, for every row of another table", name, does)
			}
		}
	}
}

// isLoop: what stands behind it on the same level is done for each of its rows.
func isLoop(step []any) bool {
	does := step[3].(string)
	return strings.HasPrefix(does, "SCAN ") || strings.HasPrefix(does, "SEARCH ")
}
