package faulttest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A second serve on the same database ends at once, and says who holds it.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	s, l := newShop(t, hissa(t)), newLedger()
	p := s.start()
	began := time.Now()
	said, code := s.hissa("serve")
	if code != 75 || !strings.Contains(said, fmt.Sprintf("process %d ", p.cmd.Process.Pid)) {
		t.Errorf("the second: %d %s", code, said)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s to say so", took)
	}
	p.payAtOnce(l, 10)
	p.kill()
	next := s.start() // a kill leaves no lock behind
	next.payAtOnce(l, 10)
	next.stop()
	if f := s.check(l); f.any() || l.count() != 20 {
		t.Errorf("%d acknowledged: %s", l.count(), f)
	}
}

// The control: without the lock both serve.
func TestTwoInstancesControl(t *testing.T) {
	t.Parallel()
	s := newShop(t, binaryNamed(t, "nobody takes the lock"))
	first, second := s.start(), s.start()
	if first.url == second.url {
		t.Error("the control did not serve twice")
	}
	second.stop()
	first.stop()
}

// A database from a newer hissa is refused by every command, and left as it is.
func TestDowngrade(t *testing.T) {
	t.Parallel()
	needs(t, "sqlite3")
	for name, want := range map[string]int{"": 78, "a newer schema is taken for ours": 0} {
		s, _ := books(t, binaryNamed(t, name), 4, stopped)
		bump := "PRAGMA user_version = 1000"
		if out, err := exec.Command("sqlite3", s.database(), bump).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		for _, args := range [][]string{
			{"verify"}, {"export", "ledger"}, {"partner", "add", "-code", "RAVI", "-name", "Ravi"},
		} {
			said, code := s.hissa(args...)
			if code != want || want == 78 && !strings.Contains(said, "install that version again") {
				t.Errorf("%q %v: %d %s", name, args, code, said)
			}
		}
	}
}

// killedWhileMaking has the first command of all killed at its nth such system call, and makes the
// database again: "" when the books are then whole. reached is false when there was no nth call.
func killedWhileMaking(t *testing.T, binary, call string, n int) (wrong string, reached bool) {
	t.Helper()
	s, l := emptyShop(t, binary, t.TempDir()), newLedger()
	under := []string{"strace", "-D", "-f", "-o", s.file("strace.log"), "-e", "trace=" + call,
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n)}
	code, _ := making(s, l, under)
	if wrong := s.partnerAgain(code); wrong != "" {
		return wrong, code == -1
	}
	p := s.start()
	p.payAtOnce(l, 2)
	p.stop()
	if f := s.check(l); f.any() {
		return f.String(), code == -1
	}
	return "", code == -1
}

// Killed at every system call with which the database is made.
func TestKilledWhileMaking(t *testing.T) {
	t.Parallel()
	needs(t, "strace")
	kills := 0
	for _, call := range []string{"openat", "open", "fsync", "fdatasync", "ftruncate", "unlink", "unlinkat", "linkat", "pwrite64"} {
		for n := 1; ; n++ {
			wrong, reached := killedWhileMaking(t, hissa(t), call, n)
			if wrong != "" {
				t.Errorf("killed at %s %d: %s", call, n, wrong)
			}
			if !reached {
				break
			}
			if kills++; call == "pwrite64" || call == "openat" {
				n += cycles(11, 0)
			}
		}
	}
	t.Logf("%d kills", kills)
	if kills < 10 {
		t.Error("hardly anything was killed")
	}
}

// The control: a database that is there before it is whole.
func TestKilledWhileMakingControl(t *testing.T) {
	t.Parallel()
	needs(t, "strace")
	weak := binaryNamed(t, "a database is made in its own place")
	for n := 1; n < 10; n++ {
		if wrong, _ := killedWhileMaking(t, weak, "pwrite64", n); wrong != "" {
			return
		}
	}
	t.Error("nothing was found")
}

// killedWhileUpgrading has a command killed at its nth such system call while it brings a database of
// an older hissa up to date: "" when a second command then finds whole books.
func killedWhileUpgrading(t *testing.T, binary, old, call string, n int) (wrong string, reached bool) {
	t.Helper()
	text, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	s, l := emptyShop(t, binary, t.TempDir()), newLedger()
	s.write("hissa.db", string(text))
	under := []string{"strace", "-D", "-f", "-o", s.file("strace.log"), "-e", "trace=" + call,
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n)}
	_, code := s.runs(under, "key", "add", "first")
	if said, again := s.hissa("key", "add", "second"); again != 0 {
		return said, code == -1
	}
	for _, args := range [][]string{{"verify"}, {"replay", "-forwards"}} { // which needs the newest table
		if said, again := s.hissa(args...); again != 0 {
			return said, code == -1
		}
	}
	p := s.start()
	p.payAtOnce(l, 2)
	p.stop()
	if lost := s.check(l).lost; len(lost) > 0 {
		return fmt.Sprint("lost ", lost), code == -1
	}
	return "", code == -1
}

// Killed at every system call with which a database of any older hissa is brought up to date.
func TestKilledWhileUpgrading(t *testing.T) {
	t.Parallel()
	needs(t, "strace")
	databases, err := filepath.Glob("../testdata/databases/*.db")
	if err != nil || len(databases) == 0 {
		t.Fatal("no older databases", err)
	}
	kills := 0
	for _, old := range databases {
		for _, call := range []string{"openat", "fsync", "fdatasync", "ftruncate", "pwrite64"} {
			for n := 1; ; n++ {
				wrong, reached := killedWhileUpgrading(t, hissa(t), old, call, n)
				if wrong != "" {
					t.Errorf("%s, killed at %s %d: %s", filepath.Base(old), call, n, wrong)
				}
				if !reached {
					break
				}
				if kills++; call == "pwrite64" || call == "openat" {
					n += cycles(5, 0)
				}
			}
		}
	}
	t.Logf("%d kills", kills)
	if kills < 5 {
		t.Error("hardly anything was killed")
	}
}

// The control: the number of the schema is written before its tables.
func TestKilledWhileUpgradingControl(t *testing.T) {
	t.Parallel()
	needs(t, "strace")
	weak := binaryNamed(t, "a migration is not one transaction")
	for n := 1; n < 30; n++ {
		wrong, _ := killedWhileUpgrading(t, weak, "../testdata/databases/schema-1.db", "pwrite64", n)
		if wrong != "" {
			return
		}
	}
	t.Error("nothing was found")
}

// fromOutside looks at the database of a running serve with SQLite's own command, over and over,
// until ctx ends.
func fromOutside(ctx context.Context, s *shop) chan int {
	looks := make(chan int, 1)
	go func() {
		n := 0
		for ctx.Err() == nil {
			_ = exec.Command("sqlite3", s.database(), "SELECT count(*) FROM transactions").Run()
			n++
		}
		looks <- n
	}()
	return looks
}

// lookedAt serves under load while somebody opens and closes the database from outside, then is
// killed.
func lookedAt(t *testing.T, binary string, rounds int) (findings, int) {
	t.Helper()
	s, l := newShop(t, binary), newLedger()
	for range rounds {
		p := s.launch()
		if !p.ready() {
			p.end()
			return findings{disorder: p.log()}, l.count()
		}
		ctx, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
		looks := fromOutside(ctx, s)
		p.load(ctx, l, 4).Wait()
		p.kill()
		stop()
		if <-looks == 0 {
			t.Error("nobody looked")
		}
	}
	return s.check(l), l.count()
}

// SQLite's command opens and closes the database from outside, at any time: nothing is lost at the
// kill that follows. The control opens the file beside SQLite in its own process, which drops the
// locks that keep others from removing the journal.
func TestOpenedFromOutside(t *testing.T) {
	t.Parallel()
	needs(t, "sqlite3")
	if f, acked := lookedAt(t, hissa(t), cycles(10, 500)); f.any() || acked == 0 {
		t.Errorf("of %d acknowledged: %s", acked, f)
	}
	weak := binaryNamed(t, "the database is opened and closed beside SQLite")
	if f, acked := lookedAt(t, weak, 5); len(f.lost) == 0 && f.disorder == "" {
		t.Errorf("the control lost nothing of %d acknowledged", acked)
	}
}
