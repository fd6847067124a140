package main

// SQLite: opening, migrating, and the one writer.
//
// Everything that changes the books goes through write: the caller's work is queued, one goroutine
// takes all that has gathered, runs each piece in a savepoint of one BEGIN IMMEDIATE, commits
// once, and only then tells every caller. So one fsync covers many callers, and nobody is answered
// before what they were told is on the disk. There is no timer: while one batch is being synced
// the next one gathers. Reads use connections of their own and never wait for the writer.

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// schemaFiles are the migrations, by number; schema/queries.sql is none.
//
//go:embed schema/0*.sql
var schemaFiles embed.FS

const (
	applicationID = 0x48495353 // "HISS", so that no other program's database is taken for ours

	// Before 3.51.3 SQLite could lose committed rows when a WAL was reset while a second
	// connection was open (sqlite.org/wal.html, "the WAL-reset bug").
	oldestSQLite = 3_051_003

	pageSize = 4096 // SQLite's, which nothing here changes

	paymentQueue = 1024 // webhooks, orders, answers that may wait; one more is told to come back
	clickQueue   = 1024 // clicks that may wait, in a lane of their own
	batchLimit   = 256  // pieces of either lane in one transaction
)

var (
	errBusy    = errors.New("the queue of the database is full")
	errStorage = errors.New("the database could not be written")
	errClosed  = errors.New("the database is closing")

	// errNotUndone takes the whole batch with it: half of a failed piece may still be in it.
	errNotUndone = errors.New("a failed piece of work could not be undone")
)

// Store is the database: one writer, many readers.
type Store struct {
	path    string
	mid     string
	clock   func() time.Time
	write1  *sql.DB // the writer's only connection
	readers *sql.DB
	cached  atomic.Pointer[cachedTerms]

	payments chan *job
	clicks   chan *job
	stop     chan struct{} // closed by Close: what is queued is still done, nothing new comes in
	stopped  chan struct{} // closed when the writer has gone
	broken   chan struct{} // closed when the disk refused a sync: nothing is acknowledged after
	wake     chan struct{} // told after a COMMIT when a transaction waits for the API's word
}

// job is one caller's work and the channel on which its fate is told.
type job struct {
	do   func(*tx) error
	err  error
	done chan error
}

// StoreOptions say what the database is for.
type StoreOptions struct {
	Environment string // fixed when the database is made
	MID         string // fixed when the database is made
	Create      bool   // make it when it is not there
	Clock       func() time.Time
}

// configError is a fault that a person has to mend before a restart can help: exit code 78.
type configError struct{ error }

// openStore opens or makes the database, brings its schema up to date and starts the writer.
func openStore(path string, o StoreOptions) (*Store, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if err := prepareFile(path, o); err != nil {
		return nil, err
	}
	return openFile(path, o)
}

// openFile opens a file that is there.
func openFile(path string, o StoreOptions) (*Store, error) {
	s := &Store{
		path: path, mid: o.MID, clock: o.Clock,
		payments: make(chan *job, paymentQueue), clicks: make(chan *job, clickQueue),
		stop: make(chan struct{}), stopped: make(chan struct{}),
		broken: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	var err error
	s.write1, err = sql.Open("sqlite", dsn(path,
		"synchronous(FULL)", "foreign_keys(1)", "trusted_schema(0)", "cache_size(-20000)"))
	if err != nil {
		return nil, err
	}
	s.write1.SetMaxOpenConns(1)
	if s.readers, err = sql.Open("sqlite", dsn(path, "query_only(1)")); err != nil {
		return nil, errors.Join(err, s.write1.Close())
	}
	s.readers.SetMaxOpenConns(4)
	w, err := s.prepare(o)
	if err != nil {
		return nil, errors.Join(err, s.readers.Close(), s.write1.Close())
	}
	go s.run(w)
	return s, nil
}

// openReader opens a file that another process writes, for reading only. There is no writer: what
// would write panics. The file may change without SQLite's knowing, so a reader lives only as long
// as one request.
func openReader(path string) (*Store, error) {
	readers, err := sql.Open("sqlite", dsn(path, "query_only(1)")+"&mode=ro")
	if err != nil {
		return nil, err
	}
	readers.SetMaxOpenConns(1)
	return &Store{path: path, clock: time.Now, readers: readers}, nil
}

// prepareFile makes the database if it may and must. A live database is never opened here: closing
// such a handle would drop SQLite's locks.
func prepareFile(path string, o StoreOptions) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() < 512: // which SQLite would take for a new database
		return configError{fmt.Errorf("%s is empty: put your last backup in its place; hissa "+
			"never starts empty instead (if there never were books in it, remove it)", path)}
	case err == nil && info.Size()%pageSize != 0 && !journalBeside(path):
		return configError{fmt.Errorf("%s is cut short, in the middle of a page: put your last "+
			"backup in its place; hissa never starts empty instead", path)}
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return configError{fmt.Errorf("database %s: %w", path, err)}
	case !o.Create:
		return configError{fmt.Errorf("no database at %s: hissa serve makes one; "+
			"or set database in the configuration to where it is", path)}
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
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncFolder(folder)
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// journalBeside reports whether SQLite will bring the file in order itself: after a power cut a
// page may be half there, and the journal then holds the whole of it.
func journalBeside(path string) bool {
	for _, kind := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(path + kind); err == nil && info.Size() > 0 {
			return true
		}
	}
	return false
}

func dsn(path string, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{"busy_timeout(5000)"}, pragmas...)}
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + q.Encode()
}

// prepare asserts what durability rests on, migrates, and checks that the database is ours.
func (s *Store) prepare(o StoreOptions) (*writer, error) {
	ctx := context.Background()
	conn, err := s.write1.Conn(ctx)
	if err != nil {
		return nil, unopenable(s.path, err)
	}
	w := &writer{store: s, rows: rows{ctx: ctx, conn: conn, stmts: map[string]*sql.Stmt{}}}
	migrate := func() error { return w.migrate(o) }
	for _, step := range []func() error{w.useWAL, w.assertDurable, migrate} {
		if err := step(); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// unopenable explains why SQLite refuses a file.
func unopenable(path string, err error) error {
	if code := sqliteCode(err); code == sqlite3.SQLITE_NOTADB || code == sqlite3.SQLITE_CORRUPT {
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
	var mode string
	if err := w.one("PRAGMA journal_mode = WAL", nil, &mode); err != nil {
		return unopenable(w.store.path, err)
	}
	return nil
}

func (w *writer) assertDurable() error {
	var version, mode string
	var sync int
	if err := w.one(q("sqlite-version"), nil, &version); err != nil {
		return unopenable(w.store.path, err)
	}
	if err := errors.Join(
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
		_, undo := w.conn.ExecContext(w.ctx, "ROLLBACK")
		return errors.Join(err, undo)
	}
	_, err = w.conn.ExecContext(w.ctx, "COMMIT")
	return err
}

// schemaVersion is how many of the migrations the database has seen; newest is how many there are.
func (w *writer) schemaVersion(newest int) (int, error) {
	var have, app, objects int
	if err := errors.Join(
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
		if _, err := w.conn.ExecContext(w.ctx, string(text)+mark); err != nil {
			return fmt.Errorf("migration %s: %w", files[i].Name(), err)
		}
	}
	for name, value := range map[string]string{
		"environment": o.Environment, "mid": o.MID, "customer_salt": randomText(),
	} {
		if _, err := w.conn.ExecContext(w.ctx, q("insert-setting"), name, value); err != nil {
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

// write queues work for the writer and waits until it is durable or refused. A full queue answers
// errBusy at once; trouble with the disk answers errStorage. The work's own error comes back as it
// is, and then nothing of that work was booked.
func (s *Store) write(ctx context.Context, lane chan *job, do func(*tx) error) error {
	j := &job{do: do, done: make(chan error, 1)}
	select {
	case <-s.stop:
		return errClosed
	case <-s.broken:
		return errStorage
	default:
	}
	select {
	case lane <- j:
	default:
		return errBusy
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped:
	}
	select {
	case err := <-j.done:
		return err
	default:
		return errClosed
	}
}

// Close lets the writer finish what is queued and closes the database.
func (s *Store) Close() error {
	close(s.stop)
	<-s.stopped
	return errors.Join(s.readers.Close(), s.write1.Close())
}

// writer owns the one writing connection; only its goroutine touches these fields.
type writer struct {
	rows
	store *Store
	head  head
	terms *Terms // reloaded whenever head.terms has moved
	from  int64  // head.terms that terms was loaded at
	asks  bool   // the batch schedules a question to the API for now
	sound bool   // the journal found at the start is known to be on the disk
}

// head is the end of the chain.
type head struct {
	seq   int64
	hash  []byte
	terms int64
}

// tx is one caller's work inside a batch, with its own now.
type tx struct {
	*writer
	now        time.Time
	inCustomer bool // the other payments of a customer are being worked out
}

func (s *Store) run(w *writer) {
	defer close(s.stopped)
	defer w.close()
	for {
		batch := s.gather()
		if batch == nil {
			return
		}
		w.commit(batch)
	}
}

// close lets go of the statements first: with one of them open SQLite would leave its journal behind.
func (w *writer) close() {
	for _, s := range w.stmts {
		_ = s.Close()
	}
	_ = w.conn.Close()
}

// gather waits for the first piece of work, then takes whatever else has queued: payments first,
// and clicks up to a limit of their own, so that neither lane starves the other.
func (s *Store) gather() []*job {
	var batch []*job
	take := func(lane chan *job, limit int) {
		for range limit {
			select {
			case j := <-lane:
				batch = append(batch, j)
			default:
				return
			}
		}
	}
	select {
	case j := <-s.payments:
		batch = append(batch, j)
	case j := <-s.clicks:
		batch = append(batch, j)
	case <-s.stop:
	}
	take(s.payments, batchLimit)
	take(s.clicks, batchLimit)
	return batch
}

// commit runs a batch in one transaction and tells every caller its fate, after COMMIT.
func (w *writer) commit(batch []*job) {
	var err error = errStorage
	select {
	case <-w.store.broken: // what queued before the disk failed
	default:
		err = w.attempt(batch)
	}
	if err != nil {
		slog.Error("nothing of this batch was booked; every sender is told to try again",
			"pieces", len(batch), "cause", err.Error())
		var journal journalError
		code := sqliteCode(err)
		if code&0xff == sqlite3.SQLITE_IOERR || errors.As(err, &journal) {
			// After a failed sync nobody knows what the disk holds. Acknowledging anything more
			// could lose it; a restart reads the journal and knows again.
			closeOnce(w.store.broken)
		}
		err = fmt.Errorf("%w: %w", errStorage, err)
	}
	for _, j := range batch {
		if err != nil {
			j.err = err
		}
		j.done <- j.err
	}
	if w.asks && err == nil {
		select {
		case w.store.wake <- struct{}{}:
		default:
		}
	}
	w.asks = false
}

func (w *writer) attempt(batch []*job) (err error) {
	if err := w.begin(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.terms = nil
			// SQLite may have rolled back by itself; either way it is undone.
			_ = w.exec("ROLLBACK")
		}
	}()
	if err := w.refresh(); err != nil {
		return err
	}
	start := w.head.seq
	for _, j := range batch {
		before := w.head
		j.err = w.inSavepoint(j.do)
		if j.err == nil {
			continue
		}
		w.head = before
		if w.from != before.terms {
			if err := w.reloadTerms(); err != nil {
				return err
			}
		}
		code := sqliteCode(j.err)
		if code == sqlite3.SQLITE_FULL || code&0xff == sqlite3.SQLITE_IOERR ||
			errors.Is(j.err, errNotUndone) {
			return j.err
		}
	}
	if w.head.seq != start {
		err := w.exec(q("move-head"), w.head.seq, w.head.hash, w.head.terms)
		if err != nil {
			return err
		}
	}
	return w.exec("COMMIT")
}

// begin takes the write lock. The first time it makes sure that the journal, on which everything
// that follows will stand, is on the disk and not only in the kernel's memory: after a failed sync
// the kernel still shows what the disk never got, and a restart would build on it.
func (w *writer) begin() error {
	if err := w.exec("BEGIN IMMEDIATE"); err != nil || w.sound {
		return err
	}
	if err := rewriteJournal(w.store.path + "-wal"); err != nil {
		return errors.Join(journalError{err}, w.exec("ROLLBACK"))
	}
	w.sound = true
	return nil
}

// journalError says that the journal found at the start can't be trusted to the disk.
type journalError struct{ error }

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

// refresh reads the head, and the terms when another process or a rolled back batch moved them.
func (w *writer) refresh() error {
	w.head = head{}
	err := w.one(q("head"), nil, &w.head.seq, &w.head.hash, &w.head.terms)
	if err != nil {
		return err
	}
	if w.terms != nil && w.from == w.head.terms {
		return nil
	}
	return w.reloadTerms()
}

func (w *writer) reloadTerms() (err error) {
	w.from = w.head.terms
	w.terms, err = w.loadTerms()
	return err
}

// inSavepoint runs one piece of work so that its failure, or its panic, undoes only itself.
func (w *writer) inSavepoint(do func(*tx) error) (err error) {
	if err := w.exec("SAVEPOINT piece"); err != nil {
		return err
	}
	err = recovered(func() error { return do(&tx{writer: w, now: w.store.now()}) })
	if err == nil {
		return w.exec("RELEASE piece")
	}
	undo := cmp.Or(w.exec("ROLLBACK TO piece"), w.exec("RELEASE piece"))
	if undo != nil {
		return fmt.Errorf("%w: %w, after: %w", errNotUndone, undo, err)
	}
	return err
}

func recovered(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return do()
}

// now is cut to milliseconds: what is written is what is read back.
func (s *Store) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// sqliteCode is SQLite's extended result code of an error, 0 when it is not SQLite's.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// rows reads and writes on one connection. With a statement cache (the writer's) every statement
// is prepared once; without one (a reader's) it is prepared each time.
type rows struct {
	ctx   context.Context
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

type args []any

func (r rows) stmt(query string) (*sql.Stmt, func() error, error) {
	if s, ok := r.stmts[query]; ok {
		return s, func() error { return nil }, nil
	}
	s, err := r.conn.PrepareContext(r.ctx, query)
	if err != nil || r.stmts == nil {
		return s, func() error { return s.Close() }, err
	}
	r.stmts[query] = s
	return s, func() error { return nil }, nil
}

func (r rows) exec(query string, a ...any) error {
	s, done, err := r.stmt(query)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(r.ctx, a...)
	return errors.Join(err, done())
}

// one reads a single row; sql.ErrNoRows when there is none.
func (r rows) one(query string, a args, into ...any) error {
	s, done, err := r.stmt(query)
	if err != nil {
		return err
	}
	err = s.QueryRowContext(r.ctx, a...).Scan(into...)
	if closing := done(); err == nil {
		err = closing
	}
	return err
}

// each calls row for every row of the answer; row scans it.
func (r rows) each(query string, a args, row func(scan func(...any) error) error) (err error) {
	s, done, err := r.stmt(query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	found, err := s.QueryContext(r.ctx, a...)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		if err := row(found.Scan); err != nil {
			return err
		}
	}
	return found.Err()
}

// read runs do on one consistent snapshot of the database.
func (s *Store) read(ctx context.Context, do func(rows) error) (err error) {
	conn, err := s.readers.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	defer func() {
		_, end := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		err = errors.Join(err, end)
	}()
	return do(rows{ctx: ctx, conn: conn})
}

// cachedTerms is what readers remember of the terms, and the change they were read at.
type cachedTerms struct {
	from  int64
	terms *Terms
}

// Terms returns the terms as they are now, whichever process changed them last.
func (s *Store) Terms(ctx context.Context) (*Terms, error) {
	var terms *Terms
	err := s.read(ctx, func(r rows) error {
		var from int64
		if err := r.one(q("newest-terms"), nil, &from); err != nil {
			return err
		}
		if c := s.cached.Load(); c != nil && c.from == from {
			terms = c.terms
			return nil
		}
		var err error
		if terms, err = r.loadTerms(); err == nil {
			s.cached.Store(&cachedTerms{from, terms})
		}
		return err
	})
	return terms, err
}
