package main

import (
	"os"
	"strings"
	"testing"
)

// Books that end before what was booked in them are refused, whatever made them so, and taken again
// when somebody says so.
func TestBooksThatEndTooEarly(t *testing.T) {
	read := func(t *testing.T, path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	write := func(t *testing.T, path string, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		what  string
		spoil func(t *testing.T, c *child)
		left  int // sales that are still there
	}{
		{"an older file", func(t *testing.T, c *child) {
			older := read(t, c.database())
			c.start()
			c.sales(3)
			c.stop()
			write(t, c.database(), older)
		}, 3},
		{"a journal damaged in the middle", func(t *testing.T, c *child) {
			c.start()
			c.sales(3)
			c.dies()
			journal := read(t, c.database()+"-wal")
			journal[len(journal)/2] ^= 1
			write(t, c.database()+"-wal", journal)
		}, -1},
		{"a journal that was lost", func(t *testing.T, c *child) {
			c.start()
			c.sales(3)
			c.dies()
			if err := os.Remove(c.database() + "-wal"); err != nil {
				t.Fatal(err)
			}
		}, 3},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			c := newChild(t)
			c.start()
			c.sales(3)
			c.stop()
			row.spoil(t, c)
			const words = "does not hold fact"
			c.refused(exitConfig, words, "serve")
			c.refused(exitConfig, words, "partner", "add", "-code", "RAVI", "-name", "Ravi")
			c.refused(exitNo, words, "verify")
			if out, _ := c.hissa("verify", "-json"); !strings.Contains(out, `"ok":false`) {
				t.Errorf("verify -json: %s", out)
			}
			if err := os.Remove(headPath(c.database())); err != nil {
				t.Fatal(err)
			}
			c.must("verify")
			left := strings.Count(c.only("export", "transactions"), "\n")
			if left >= 6 || row.left >= 0 && left != row.left {
				t.Errorf("%d sales are left: what was done to the books lost none", left)
			}
			c.start()
			c.sales(1)
			c.stop()
			c.must("verify")
		})
	}
}

// A database that has gone does not begin anew by itself.
func TestNeverEmptyWhereBooksWere(t *testing.T) {
	t.Parallel()
	c := newChild(t)
	c.start()
	c.sales(1)
	c.stop()
	if err := os.Remove(c.database()); err != nil {
		t.Fatal(err)
	}
	c.refused(exitConfig, "bring back the newest backup", "serve")
	if err := os.Remove(headPath(c.database())); err != nil {
		t.Fatal(err)
	}
	c.start()
	c.stop()
}

// What a power cut leaves of the head's file, and a file that can't be written, stop nobody.
func TestHeadBesideIsNoHindrance(t *testing.T) {
	t.Parallel()
	c := newChild(t)
	path := headPath(c.database())
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, torn := range []string{
		"", "\n", string(whole[:len(whole)/2]), strings.Repeat("\x00", len(whole)),
		strings.Replace(string(whole), "fact 0", "fact 9", 1), string(whole) + "\n",
	} {
		if err := os.WriteFile(path, []byte(torn), 0o600); err != nil {
			t.Fatal(err)
		}
		c.start()
		c.sales(1)
		c.stop()
		if last, known, err := readHead(c.database()); err != nil || !known || last.seq != c.facts() {
			t.Fatalf("after %q: %d of %d facts, %v, %v", torn, last.seq, c.facts(), known, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	c.start()
	c.sales(1)
	c.stop()
	if log := c.log.String(); !strings.Contains(log, "may go unnoticed") {
		t.Errorf("nothing was said of it: %s", log)
	}
	c.must("verify")
}
