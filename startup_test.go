package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// What is not as it should be is refused at the start, with the sentence that mends it.
func TestRefusedAtStart(t *testing.T) {
	change := func(statement string) func(*child) {
		return func(c *child) {
			db, err := sql.Open("sqlite", filepath.Join(c.dir, "hissa.db"))
			if err != nil {
				c.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(statement); err != nil {
				c.Fatal(err)
			}
		}
	}
	edit := func(old, new string) func(*child) {
		return func(c *child) {
			text, err := os.ReadFile(c.config())
			if err != nil {
				c.Fatal(err)
			}
			changed := strings.Replace(string(text), old, new, 1)
			if changed == string(text) {
				c.Fatalf("%q is not in the configuration", old)
			}
			if err := os.WriteFile(c.config(), []byte(changed), 0o600); err != nil {
				c.Fatal(err)
			}
		}
	}
	for _, row := range []struct {
		what  string
		spoil func(*child)
		says  string
	}{
		{"a key that others can read", func(c *child) {
			if err := os.Chmod(filepath.Join(c.dir, "paytm.key"), 0o644); err != nil {
				c.Fatal(err)
			}
		}, "chmod 600"},
		{"an unknown option", edit("[links]", "[links]\nlandingg = \"x\""), "hissa.toml:4:1: links.landingg"},
		{"another environment", edit(`"staging"`, `"production"`), `of environment "staging"`},
		{"another shop", edit(`mid = "`, `mid = "X`), `of mid "`},
		{"a newer Hissa's database", change("PRAGMA user_version = 999"), "install that version again"},
		{"another program's database", change("PRAGMA application_id = 1"), "belongs to another program"},
		{"a database that is none", func(c *child) {
			if err := os.WriteFile(filepath.Join(c.dir, "hissa.db"), []byte(strings.Repeat("garbage ", 1000)), 0o600); err != nil {
				c.Fatal(err)
			}
		}, "put your last backup in its place"},
		{"a database cut short", func(c *child) {
			if err := os.Truncate(filepath.Join(c.dir, "hissa.db"), 10000); err != nil {
				c.Fatal(err)
			}
		}, "put your last backup in its place"},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			c := newChild(t)
			row.spoil(c)
			before, err := os.ReadFile(filepath.Join(c.dir, "hissa.db"))
			if err != nil {
				t.Fatal(err)
			}
			out, code := c.hissa("serve")
			if code != exitConfig || !strings.Contains(out, row.says) {
				t.Errorf("exit code %d, %s", code, out)
			}
			after, err := os.ReadFile(filepath.Join(c.dir, "hissa.db"))
			if err != nil || string(after) != string(before) {
				t.Error("the database was changed by a start that was refused")
			}
		})
	}
}

// Whoever opens a new database first makes it, whole: another that comes at the same moment finds the
// same one, and nothing half-made is left behind.
func TestADatabaseAppearsWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new.db")
	o := StoreOptions{Environment: "staging", MID: "SHOP0001", Create: true}
	var wg sync.WaitGroup
	var salts sync.Map
	for range 8 {
		wg.Go(func() {
			s, err := openStore(path, o)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			err = s.read(context.Background(), func(r rows) error {
				var salt string
				defer func() { salts.Store(salt, true) }()
				return r.one(q("setting"), args{"customer_salt"}, &salt)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// Of several that close at one moment none may be the last, who takes the journal away.
	last, err := openStore(path, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := last.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	salts.Range(func(any, any) bool { n++; return true })
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if n != 1 || err != nil || len(left) != 1 {
		t.Errorf("%d databases were made; there is %v, %v", n, left, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// Only a command that books makes a database.
func TestReadingMakesNoDatabase(t *testing.T) {
	c := newChild(t)
	if err := os.Remove(filepath.Join(c.dir, "hissa.db")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify"}, {"export", "ledger"}, {"explain", "T"}, {"partner", "list"}, {"key", "list"}} {
		if out, code := c.hissa(args...); code != exitConfig || !strings.Contains(out, "no database at") {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	if _, err := os.Stat(filepath.Join(c.dir, "hissa.db")); err == nil {
		t.Error("a reading command made a database")
	}
}

func TestSQLiteVersions(t *testing.T) {
	for version, enough := range map[string]bool{
		"3.51.3": true, "3.51.2": false, "3.54.1": true, "3.9.9": false, "4.0.0": true, "3.52": true, "": false,
	} {
		if got := sqliteNumber(version) >= oldestSQLite; got != enough {
			t.Errorf("SQLite %q is enough: %v, want %v", version, got, enough)
		}
	}
	if version := sqliteVersion(); sqliteNumber(version) < oldestSQLite {
		t.Errorf("inside is %s", version)
	}
}
