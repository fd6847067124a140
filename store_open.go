package main

// Opening a database: making a new one, bringing an old one up to date, and refusing what is not
// ours, what durability can't rest on, and what another process will have to mend.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// openReader opens a file that another process writes, for reading only. There is no writer: what
// would write panics. The file may change without SQLite's knowing, so a reader lives only as long
// as one request.
func openReader(path string) *Store {
	return &Store{path: path, clock: time.Now, readers: openReaders(untouched(path), 1)}
}

// prepareFile makes the database if it may and must. A live database is never opened here: closing
// such a handle would drop SQLite's locks.
func prepareFile(path string, o StoreOptions) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() < 512: // which SQLite would take for a new database
		return configError{fmt.Errorf("%s is empty: put your last backup in its place; hissa "+
			"never starts empty instead (if there never were books in it, remove it)", path)}
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return configError{fmt.Errorf("database %s: %w", path, err)}
	case !o.Create:
		return configError{fmt.Errorf("no database at %s: hissa serve makes one; "+
			"or set database in the configuration to where it is", path)}
	}
	if err := neverEmpty(path); err != nil {
		return err
	}
	if err := makeDatabase(path, o); err != nil {
		return configError{fmt.Errorf("database %s can't be made: %w: "+
			"make its folder, writable by the user that runs hissa", path, err)}
	}
	return nil
}

// makeDatabase makes a new database, readable by its owner only, under another name and links it
// into its place when it is whole: a half-made one, or one that another process makes at the same
// time, is never taken for books that were lost.
func makeDatabase(path string, o StoreOptions) error {
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return err
	}
	s, err := openFile(f.Name(), o)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	if err := putInPlace(f.Name(), path); !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil // another was first
}

// putInPlace gives a database that nobody has open any more its name. The error is os.ErrExist when
// that is taken. SQLite does not say when it could not bring its journal home on closing, and a
// database without its journal would be a broken one.
func putInPlace(from, to string) error {
	if journalBeside(from) {
		return errors.New("it could not be written as a whole")
	}
	if err := os.Link(from, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// journalBeside reports whether a journal holds what the file may lack.
func journalBeside(path string) bool {
	for _, kind := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(path + kind); err == nil && info.Size() > 0 {
			return true
		}
	}
	return false
}

// forReading is how a database is opened by those who only look at it. Even they may have to write beside it:
// who comes first after a crash makes the journal's index anew.
func forReading(path string) opening {
	return opening{path: path, pragmas: []string{"query_only = 1"}}
}

// untouched is how a database is opened whose very files shall stay as they are.
func untouched(path string) opening {
	o := forReading(path)
	o.readOnly = true
	return o
}

// prepare asserts what durability rests on, migrates, and checks that the database is ours.
func (s *Store) prepare(o StoreOptions) (*writer, error) {
	direct, err := connect(context.Background(), opening{path: s.path, pragmas: []string{
		"synchronous = FULL", "foreign_keys = 1", "trusted_schema = 0", "cache_size = -8000",
		"temp_store = MEMORY", // what a savepoint remembers needs no file
	}})
	if err != nil {
		return nil, unopenable(s.path, err)
	}
	w := &writer{store: s, rows: rows{direct: direct}}
	if o.remembers {
		w.beside.path = headPath(s.path)
	}
	migrate := func() error { return w.migrate(o) }
	for _, step := range []func() error{w.useWAL, w.assertDurable, w.holdsHead, migrate, w.knowsPlace} {
		if err := step(); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// unopenable explains why SQLite refuses a file.
func unopenable(path string, err error) error {
	if code := sqliteCode(err); code == codeNoDB || code == codeCorrupt {
		return configError{fmt.Errorf("%s is not a whole SQLite database (%w): "+
			"put your last backup in its place; hissa never starts empty instead", path, err)}
	}
	return fmt.Errorf("database %s: %w", path, err)
}

// useWAL switches the journal, but never that of another program's database.
func (w *writer) useWAL() error {
	files, err := schemaFiles.ReadDir("schema")
	if err != nil {
		return err
	}
	if _, err := w.schemaVersion(len(files)); err != nil {
		return err
	}
	if err := w.wholePages(); err != nil {
		return err
	}
	var mode string
	if err := w.one("PRAGMA journal_mode = WAL", nil, &mode); err != nil {
		return unopenable(w.store.path, err)
	}
	return nil
}

// wholePages refuses a file that ends in the middle of a page, which SQLite would fill with zeros.
// After a power cut it may lawfully end so: then a journal beside it holds the whole page.
func (w *writer) wholePages() error {
	if journalBeside(w.store.path) {
		return nil
	}
	var page int64
	if err := w.one("PRAGMA page_size", nil, &page); err != nil {
		return unopenable(w.store.path, err)
	}
	info, err := os.Stat(w.store.path)
	if err == nil && info.Size()%page != 0 {
		err = configError{fmt.Errorf("%s is cut short, in the middle of a page: put your last "+
			"backup in its place; hissa never starts empty instead", w.store.path)}
	}
	return err
}

func (w *writer) assertDurable() error {
	version := sqliteVersion()
	var mode string
	var sync int
	if err := cmp.Or(
		w.one("PRAGMA journal_mode", nil, &mode),
		w.one("PRAGMA synchronous", nil, &sync),
	); err != nil {
		return unopenable(w.store.path, err)
	}
	switch {
	case sqliteNumber(version) < oldestSQLite:
		return configError{fmt.Errorf("SQLite %s is inside, 3.51.3 or newer is needed: "+
			"build hissa with the go.mod it came with", version)}
	case mode != "wal" || sync != 2:
		return configError{fmt.Errorf("database %s: journal mode %s and synchronous %d, "+
			"want wal and 2: put it on a local disk (no network share)",
			w.store.path, mode, sync)}
	}
	return nil
}

// sqliteNumber turns 3.54.1 into 3054001.
func sqliteNumber(version string) int {
	n := 0
	for i, part := range strings.SplitN(version+".0.0", ".", 4) {
		v, _ := strconv.Atoi(part)
		if i < 3 {
			n = n*1000 + v
		}
	}
	return n
}

// migrate brings the schema up to date in one transaction and fixes what the database is for. A
// database that is up to date is only read, so that a command beside a busy server need not wait.
func (w *writer) migrate(o StoreOptions) error {
	files, err := schemaFiles.ReadDir("schema")
	if err != nil {
		return err
	}
	have, err := w.schemaVersion(len(files))
	if err != nil {
		return err
	}
	if have == len(files) {
		return w.compareClaim(o)
	}
	if err := w.begin(); err != nil {
		return unopenable(w.store.path, err)
	}
	if err := w.migrateInside(o, files); err != nil {
		return errors.Join(err, w.exec("ROLLBACK"))
	}
	return w.exec("COMMIT")
}

// schemaVersion is how many of the migrations the database has seen; newest is how many there are.
func (w *writer) schemaVersion(newest int) (int, error) {
	var have, app, objects int
	if err := cmp.Or(
		w.one("PRAGMA user_version", nil, &have),
		w.one("PRAGMA application_id", nil, &app),
		w.one(q("count-schema-objects"), nil, &objects),
	); err != nil {
		return 0, unopenable(w.store.path, err)
	}
	switch {
	case app != applicationID && objects > 0:
		return 0, configError{fmt.Errorf("%s belongs to another program: "+
			"set database in the configuration to a file of Hissa's own", w.store.path)}
	case have > newest:
		return 0, configError{fmt.Errorf("%s was written by a newer Hissa "+
			"(schema %d, this one knows %d): install that version again",
			w.store.path, have, newest)}
	}
	return have, nil
}

func (w *writer) migrateInside(o StoreOptions, files []fs.DirEntry) error {
	var have int // read again: another process may have been first
	if err := w.one("PRAGMA user_version", nil, &have); err != nil {
		return err
	}
	for i := have; i < len(files); i++ {
		text, err := schemaFiles.ReadFile("schema/" + files[i].Name())
		if err != nil {
			return err
		}
		mark := fmt.Sprintf("\nPRAGMA application_id = %d; PRAGMA user_version = %d;",
			applicationID, i+1)
		if err := w.direct.script(string(text) + mark); err != nil {
			return fmt.Errorf("migration %s: %w", files[i].Name(), err)
		}
	}
	for name, value := range map[string]string{
		"environment": o.Environment, "mid": o.MID, "customer_salt": cmp.Or(o.salt, randomText()),
	} {
		if err := w.exec(q("insert-setting"), name, value); err != nil {
			return err
		}
	}
	return w.compareClaim(o)
}

// compareClaim refuses a database that was made for another shop or another environment.
func (w *writer) compareClaim(o StoreOptions) error {
	for _, set := range []struct{ name, want string }{
		{"environment", o.Environment},
		{"mid", o.MID},
	} {
		var have string
		if err := w.one(q("setting"), args{set.name}, &have); err != nil {
			return err
		}
		if have != set.want {
			return configError{fmt.Errorf("%s holds the books of %s %q, the configuration "+
				"says %q: set database to another file, or paytm.%s back to %q",
				w.store.path, set.name, have, set.want, set.name, have)}
		}
	}
	return nil
}

// rewriteJournal writes what the journal holds over itself, so that the kernel has to take it to
// the disk again, and syncs it and its name (SQLite does not look at how that went). The caller
// holds the write lock: nobody appends meanwhile. SQLite has no locks on this file to lose.
func rewriteJournal(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	part := make([]byte, 256<<10)
	for at := int64(0); ; {
		n, err := f.ReadAt(part, at)
		if _, err := f.WriteAt(part[:n], at); err != nil {
			return err
		}
		if at += int64(n); errors.Is(err, io.EOF) {
			return errors.Join(f.Sync(), folder.Sync())
		}
		if err != nil {
			return err
		}
	}
}
