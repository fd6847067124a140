package faulttest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// books sells so many payments in a new shop and leaves its database: merged into one file, or,
// after a kill, with a journal.
func books(t *testing.T, binary string, payments int, end func(*serving)) (*shop, *ledger) {
	t.Helper()
	s, l := newShop(t, binary), newLedger()
	p := s.start()
	p.payAtOnce(l, payments)
	end(p)
	return s, l
}

// derived are the tables beside the facts whose every row verify works out again. It does not vouch for the
// number in head that tells caches to reload: any other tells them so, too.
var derived = []string{"(SELECT one, seq, hash FROM head)", "transactions", "attributions", "accounts", "days", "months", "shop_days"}

// dump reads all that verify vouches for, which are the tables of facts and what is derived from them, and says
// what SQLite's own check thinks of the file.
func dump(path string, facts []string) (rows string, check string, err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&immutable=1")
	if err != nil {
		return "", "", err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	check = "ok"
	if err := db.QueryRow("PRAGMA integrity_check(1)").Scan(&check); err != nil {
		check = err.Error()
	}
	var b strings.Builder
	for _, table := range slices.Concat(facts, derived) {
		if err := dumpTable(&b, db, table); err != nil {
			return "", check, err
		}
	}
	return b.String(), check, nil
}

// facts are the tables of facts, as the whole file names them: a bit can flip in a name, too.
func (s *shop) facts() ([]string, error) {
	db, err := sql.Open("sqlite", "file:"+s.database()+"?mode=ro&immutable=1")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return factTables(db)
}

func dumpTable(b *strings.Builder, db *sql.DB, table string) error {
	rows, err := db.QueryContext(context.Background(), "SELECT * FROM "+table)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for _, v := range values {
			if text, ok := v.([]byte); ok {
				v = string(text) // hissa reads both alike
			}
			fmt.Fprintf(b, "%s %q\n", table, fmt.Sprint(v))
		}
	}
	return rows.Err()
}

// flips is what became of so many flipped bits.
type flips struct{ tried, changed, unseen, unseenBySQLite atomic.Int64 }

// One bit of the file flips, any bit: whenever a fact, an entry or what follows from them reads
// differently afterwards, verify says so. SQLite's own check is the control: it must miss some.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	s, _ := books(t, hissa(t), 60, stopped)
	sound, err := os.ReadFile(s.database())
	if err != nil {
		t.Fatal(err)
	}
	facts, err := s.facts()
	if err != nil {
		t.Fatal(err)
	}
	before, check, err := dump(s.database(), facts)
	if err != nil || check != "ok" || len(before) < 10000 {
		t.Fatalf("%d bytes, %s, %v", len(before), check, err)
	}
	var f flips
	var wg sync.WaitGroup
	piece, _ := longLane()
	for worker := range 2 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(worker), uint64(piece)))
			dir := memoryDir(t)
			ask := s.elsewhere(dir)
			for range cycles(1000, 100000) / 2 {
				f.flip(t, r, filepath.Join(dir, "hissa.db"), sound, before, facts, ask)
			}
		})
	}
	wg.Wait()
	t.Logf("%d flips, %d changed what is read, of which verify missed %d and integrity_check %d",
		f.tried.Load(), f.changed.Load(), f.unseen.Load(), f.unseenBySQLite.Load())
	if f.changed.Load() == 0 || f.unseenBySQLite.Load() == 0 {
		t.Error("the control found nothing that SQLite misses")
	}
}

func (f *flips) flip(t *testing.T, r *rand.Rand, path string, sound []byte, before string,
	facts []string, ask func() string) {
	damaged := slices.Clone(sound)
	bit := r.IntN(8 * len(damaged))
	damaged[bit/8] ^= 1 << (bit % 8)
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Error(err)
		return
	}
	f.tried.Add(1)
	after, check, err := dump(path, facts)
	if err == nil && after == before {
		return
	}
	f.changed.Add(1)
	if err == nil && check == "ok" {
		f.unseenBySQLite.Add(1)
	}
	if ask() == "" {
		f.unseen.Add(1)
		t.Errorf("verify does not see bit %d of byte %d: %v\n%s", bit%8, bit/8, err, differs(before, after))
	}
}

// differs is where two dumps part.
func differs(before, after string) string {
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			from := max(0, i-5)
			return fmt.Sprintf("was:\n%s\nis:\n%s", strings.Join(was[from:min(i+6, len(was))], "\n"),
				strings.Join(is[from:min(i+6, len(is))], "\n"))
		}
	}
	return fmt.Sprintf("%d lines were %d", len(is), len(was))
}

// damage is done to a shop's files; says is part of what serve must say then.
type damage struct {
	what string
	do   func(*shop)
	says string
}

// refused insists that serve does not start, says what to do, and leaves the files as they are.
func (s *shop) refused(t *testing.T, d damage) {
	t.Helper()
	d.do(s)
	before, _ := os.ReadFile(s.database())
	said, code := s.hissa("serve")
	after, _ := os.ReadFile(s.database())
	if code != 78 && code != 1 || !strings.Contains(said, d.says) {
		t.Errorf("%s: exit code %d, %s", d.what, code, said)
	}
	if !bytes.Equal(before, after) {
		t.Errorf("%s: the start that was refused changed the database", d.what)
	}
}

func cut(size int64) func(*shop) {
	return func(s *shop) {
		if err := os.Truncate(s.database(), size); err != nil {
			s.Fatal(err)
		}
	}
}

// The control: a hissa that takes an empty file for a new database, and remembers no other.
func TestCutShortControl(t *testing.T) {
	t.Parallel()
	s, _ := books(t, binaryNamed(t, "an empty file is taken for a new database"), 2, stopped)
	cut(0)(s)
	if err := os.Remove(s.file("hissa.db-head")); err != nil {
		t.Fatal(err)
	}
	p := s.start()
	p.stop()
	if said, _ := s.hissa("export", "transactions"); said != "" {
		t.Errorf("the control did not start empty: %s", said)
	}
}

// A journal that is damaged after a kill: SQLite takes it for the torn end of an unfinished write
// and leaves out what follows. Either the books are all there, or the head beside them tells.
func TestDamagedJournal(t *testing.T) {
	t.Parallel()
	s, l := books(t, hissa(t), 12, killed)
	damaged := s.damages(t, l)
	if damaged.missed > 0 || damaged.noticed == 0 {
		t.Errorf("%+v", damaged)
	}
	t.Logf("%+v", damaged)

	// The control: without the head, payments are missing and nothing tells.
	if err := os.Remove(s.file("hissa.db-head")); err != nil {
		t.Fatal(err)
	}
	if s.damages(t, l).missed == 0 {
		t.Error("the control missed nothing: no damage did any harm")
	}
}

// damages says what became of journals that one flipped bit damaged.
type damages struct {
	harmless int // nothing is missing
	noticed  int // serve refuses to start, and says why
	missed   int // payments are missing without a word
}

func (s *shop) damages(t *testing.T, l *ledger) (d damages) {
	t.Helper()
	wal, err := os.ReadFile(s.file("hissa.db-wal"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range cycles(20, 1000) {
		damaged := slices.Clone(wal)
		at := rand.IntN(len(wal))
		if i == 0 {
			at = 16 // the salt in its header
		}
		damaged[at] ^= 1
		c := s.copyOf(t)
		c.write("hissa.db-wal", string(damaged))
		p := c.launch()
		if !p.ready() {
			if code := p.end(); code != 78 || !strings.Contains(p.log(), "does not hold fact") {
				t.Errorf("byte %d: exit code %d %s", at, code, p.log())
			}
			d.noticed++
			continue
		}
		p.kill()
		switch f := c.check(l); {
		case f.disorder != "" || len(f.doubled)+len(f.half) > 0:
			t.Errorf("byte %d: %s", at, f)
		case len(f.lost) > 0:
			d.missed++
		default:
			d.harmless++
		}
	}
	return d
}

// copyOf is a shop with its own copy of another's files, in a folder of its own.
func (s *shop) copyOf(t *testing.T) *shop {
	t.Helper()
	other := emptyShop(t, s.binary, t.TempDir())
	for _, name := range []string{"hissa.db", "hissa.db-wal", "hissa.db-head"} {
		text, err := os.ReadFile(s.file(name))
		if err == nil {
			other.write(name, string(text))
		}
	}
	return other
}

// A database cut short, at every sector of its first page and at many places after, is refused,
// and never replaced by an empty one.
func TestCutShort(t *testing.T) {
	t.Parallel()
	s, _ := books(t, hissa(t), 20, stopped)
	whole := s.size()
	var sizes []int64
	for size := int64(0); size <= page; size += sector {
		sizes = append(sizes, size)
	}
	for range cycles(20, 400) {
		sizes = append(sizes, rand.Int64N(whole/sector)*sector, rand.Int64N(whole))
	}
	sizes = append(sizes, whole-1, whole-sector, whole-page)
	for _, size := range sizes {
		s.copyOf(t).refused(t, damage{fmt.Sprintf("cut to %d of %d bytes", size, whole), cut(size),
			"put your last backup in its place"})
	}
}

// What is not hissa's database, or not its configuration, is refused with the sentence that helps.
func TestForeignFiles(t *testing.T) {
	t.Parallel()
	needs(t, "sqlite3")
	sound, _ := books(t, hissa(t), 6, stopped)
	sqlite := func(statement string) func(*shop) {
		return func(s *shop) {
			if out, err := exec.Command("sqlite3", s.database(), statement).CombinedOutput(); err != nil {
				s.Fatalf("%v %s", err, out)
			}
		}
	}
	content := func(name, text string) func(*shop) { return func(s *shop) { s.write(name, text) } }
	config := func(old, new string) func(*shop) {
		return func(s *shop) {
			text, err := os.ReadFile(s.file("hissa.toml"))
			if err != nil || !strings.Contains(string(text), old) {
				s.Fatal(err, old)
			}
			s.write("hissa.toml", strings.Replace(string(text), old, new, 1))
		}
	}
	for _, d := range []damage{
		{"garbage", content("hissa.db", strings.Repeat("garbage ", 1000)), "put your last backup"},
		{"zeros", content("hissa.db", strings.Repeat("\x00", 8192)), "put your last backup"},
		{"another program's", func(s *shop) {
			if err := os.Remove(s.database()); err != nil {
				s.Fatal(err)
			}
			sqlite("CREATE TABLE notes (text)")(s)
		}, "belongs to another program"},
		{"a newer hissa's", sqlite("PRAGMA user_version = 99"), "install that version again"},
		{"a folder", func(s *shop) {
			if err := os.Remove(s.database()); err != nil {
				s.Fatal(err)
			}
			if err := os.Mkdir(s.database(), 0o700); err != nil {
				s.Fatal(err)
			}
		}, "hissa.db"},
		{"half a configuration", func(s *shop) {
			if err := os.Truncate(s.file("hissa.toml"), 100); err != nil {
				s.Fatal(err)
			}
		}, "hissa.toml:"},
		{"an empty configuration", content("hissa.toml", ""), "public_url"},
		{"a flipped bit in a name", config("merchant_key", "lerchant_key"), "lerchant_key"},
		{"a flipped bit in a value", config(`rate = "10%"`, `rate = "10e"`), "commission.rate"},
		{"a NUL in it", config("[paytm]", "\x00[paytm]"), "hissa.toml:"},
		{"another shop's", config(`mid = "`, `mid = "X`), "set database to another file"},
		{"no key", func(s *shop) {
			if err := os.Remove(s.file("paytm.key")); err != nil {
				s.Fatal(err)
			}
		}, "put the merchant key there"},
		{"half a key", content("paytm.key", "short"), "copy it again"},
	} {
		t.Run(d.what, func(t *testing.T) { sound.copyOf(t).refused(t, d) })
	}
}

// The control for all refusals: a sound copy is not refused.
func TestSoundCopyStarts(t *testing.T) {
	t.Parallel()
	sound, l := books(t, hissa(t), 6, killed)
	s := sound.copyOf(t)
	if code := s.start().stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if f := s.check(l); f.any() {
		t.Error(f)
	}
}
