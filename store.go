package main

// SQLite: opening, migrating, and the one writer.
//
// Everything that changes the books goes through write: the caller's work is queued, one goroutine
// takes all that has gathered, runs it piece by piece in one BEGIN IMMEDIATE, commits once, and only
// then tells every caller. A caller who finds nobody at work does that itself. A piece that fails undoes
// only itself. So one fsync covers many callers, and nobody is answered before what they were told is on
// the disk. There is no timer: while one batch is being synced the next one gathers. Reads use
// connections of their own and never wait for the writer.

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
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

	// errTermsMoved says that the terms are no longer those under which something was to be booked.
	errTermsMoved = errors.New("the terms have changed meanwhile")

	// errHalfDone says that a piece failed after it had written something, with no savepoint to go
	// back to.
	errHalfDone = errors.New("a piece of work failed halfway")
)

// Store is the database: one writer, many readers.
type Store struct {
	path    string
	mid     string
	clock   func() time.Time
	keys    bodyKeys // that seal and open raw messages
	readers readers
	cached  atomic.Pointer[cachedTerms]

	writer *writer
	turn   sync.Mutex // held by whoever works with writer

	payments chan *job
	clicks   chan *job
	stop     chan struct{} // closed by Close: what is queued is still done, nothing new comes in
	stopped  chan struct{} // closed when the writer has gone
	broken   chan struct{} // closed when the disk refused a sync: nothing is acknowledged after
	wake     chan struct{} // told after a COMMIT when a transaction waits for the API's word
	handOn   chan struct{} // told after a COMMIT when a message waits for the shop
	booked   chan struct{} // told after a COMMIT that booked something
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
	Keys        bodyKeys // none: raw messages are not sealed

	remembers bool   // keep the head beside it, and hold it against that
	salt      string // customer_salt of books that are made anew; "" for a new one
}

// configError is a fault that a person has to mend before a restart can help: exit code 78.
type configError struct{ error }

// openStore opens or makes the database, brings its schema up to date and starts the writer.
func openStore(path string, o StoreOptions) (*Store, error) {
	if err := prepareFile(path, o); err != nil {
		return nil, err
	}
	o.remembers = true
	return openFile(path, o)
}

// openFile opens a file that is there.
func openFile(path string, o StoreOptions) (*Store, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	s := &Store{
		path: path, mid: o.MID, clock: o.Clock, keys: o.Keys,
		payments: make(chan *job, paymentQueue), clicks: make(chan *job, clickQueue),
		stop: make(chan struct{}), stopped: make(chan struct{}),
		broken: make(chan struct{}),
		wake:   make(chan struct{}, 1), handOn: make(chan struct{}, 1),
		booked: make(chan struct{}, 1),
	}
	s.readers = openReaders(forReading(path), 4)
	w, err := s.prepare(o)
	if err != nil {
		return nil, errors.Join(err, s.readers.Close())
	}
	s.writer = w
	go s.run()
	return s, nil
}

// write queues work for the writer and waits until it is durable or refused. A full queue answers
// errBusy at once; trouble with the disk answers errStorage. The work's own error comes back as it
// is, and then nothing of that work was booked.
func (s *Store) write(ctx context.Context, lane chan *job, do func(*tx) error) error {
	if by, ok := ctx.Value(actorKey{}).(actor); ok {
		act := do
		do = func(t *tx) error { t.by = by; return act(t) }
	}
	j := &job{do: do, done: make(chan error, 1)}
	select {
	case <-s.stop:
		return errClosed
	case <-s.broken:
		return errStorage
	default:
	}
	if s.turn.TryLock() { // nobody works: two goroutines would only wake each other
		s.writer.commit(append([]*job{j}, s.queued()...))
		s.turn.Unlock()
		return <-j.done
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
	return s.readers.Close()
}

// writer owns the one writing connection; only who has the turn touches these fields.
type writer struct {
	rows
	store *Store
	head  head
	terms *Terms // reloaded whenever head.terms has moved
	from  int64  // head.terms that terms was loaded at
	asks  bool   // the batch schedules a question to the API for now
	hands bool   // the batch queues a message for the shop
	sound bool   // the journal found at the start is known to be on the disk

	written int // statements that may have changed something

	moves map[string]move   // what this batch does to accounts
	days  dayTotals         // and to the totals
	ends  map[string][]byte // of the partners' chains, as far as they are known
	last  int64             // the newest fact when they were: another process may book too

	beside headFile
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
	by         actor // whose doing it is, nobody's where the program acts by itself
	opened     int64 // the message just booked: the id of the transaction that begins with it
	inCustomer bool  // the other payments of a customer are being worked out
}

// run works for all that have to queue, until the store is closed.
func (s *Store) run() {
	defer close(s.stopped)
	for {
		batch := s.gather()
		if batch == nil {
			s.writer.close()
			return // with the turn, so that nobody takes it again
		}
		s.writer.commit(batch)
		s.turn.Unlock()
	}
}

func (w *writer) close() {
	_ = w.direct.close()
	w.beside.close()
}

// gather waits for the first piece of work and for its turn, then takes whatever else has queued; nil
// at the end.
func (s *Store) gather() []*job {
	var batch []*job
	select {
	case j := <-s.payments:
		batch = append(batch, j)
	case j := <-s.clicks:
		batch = append(batch, j)
	case <-s.stop:
	}
	s.turn.Lock()
	return append(batch, s.queued()...)
}

// queued takes what has queued: payments first, and clicks up to a limit of their own, so that neither
// lane starves the other.
func (s *Store) queued() (batch []*job) {
	for _, lane := range []chan *job{s.payments, s.clicks} {
		for range batchLimit {
			select {
			case j := <-lane:
				batch = append(batch, j)
				continue
			default:
			}
			break
		}
	}
	return batch
}

// commit runs a batch in one transaction and tells every caller its fate, after COMMIT.
func (w *writer) commit(batch []*job) {
	var err error = errStorage
	var halfway bool
	select {
	case <-w.store.broken: // what queued before the disk failed
	default:
		halfway = true
		err = recovered(func() error { err := w.attempt(batch); halfway = false; return err })
	}
	if err != nil {
		slog.Error("nothing of this batch was booked; every sender is told to try again",
			"pieces", len(batch), "cause", err.Error())
		var journal journalError
		code := sqliteCode(err)
		if halfway || code&0xff == codeIO || errors.As(err, &journal) {
			// After a failed sync nobody knows what the disk holds, nor after a panic what the writer
			// does. Acknowledging anything more could lose it; a restart reads the journal and knows again.
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
	if err == nil {
		tell(w.store.wake, w.asks)
		tell(w.store.handOn, w.hands)
		tell(w.store.booked, true)
	}
	w.asks, w.hands = false, false
}

// tell wakes whoever listens, when there is reason to.
func tell(c chan struct{}, reason bool) {
	if !reason {
		return
	}
	select {
	case c <- struct{}{}:
	default:
	}
}

// attempt runs a batch in one transaction. Hardly any piece fails, and most that do fail before they
// have written anything; so the first try does without savepoints, and only when a piece has to be
// undone is the batch begun again with them.
func (w *writer) attempt(batch []*job) error {
	err := w.transact(batch, w.bare)
	if errors.Is(err, errHalfDone) {
		err = w.transact(batch, w.inSavepoint)
	}
	return err
}

func (w *writer) transact(batch []*job, run func(func(*tx) error) error) (err error) {
	if err := w.begin(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.terms, w.last = nil, 0
			// SQLite may have rolled back by itself; either way it is undone.
			_ = w.exec("ROLLBACK")
		}
	}()
	w.moves, w.days = map[string]move{}, dayTotals{}
	if err := w.refresh(); err != nil {
		return err
	}
	start := w.head.seq
	for _, j := range batch {
		before := w.head
		j.err = run(j.do)
		if j.err == nil {
			continue
		}
		w.head = before
		if w.from != before.terms {
			if err := w.reloadTerms(); err != nil {
				return err
			}
		}
		if spoils(j.err) {
			return j.err
		}
	}
	if err := w.move(); err != nil {
		return err
	}
	if w.head.seq != start {
		err := w.exec(q("move-head"), w.head.seq, w.head.hash, w.head.terms)
		if err != nil {
			return err
		}
	}
	if err := w.exec("COMMIT"); err != nil {
		return err
	}
	w.last = w.head.seq
	if w.head.seq != start {
		w.beside.note(w.head, w.store.now())
	}
	return nil
}

// spoils reports whether a piece's failure takes the whole transaction with it.
func spoils(err error) bool {
	code := sqliteCode(err)
	return code == codeFull || code&0xff == codeIO ||
		errors.Is(err, errNotUndone) || errors.Is(err, errHalfDone)
}

// move writes down what was gathered.
func (w *writer) move() error { return cmp.Or(w.moveAccounts(), w.moveDays()) }

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

// refresh reads the head, and the terms when another process or a rolled back batch moved them.
func (w *writer) refresh() error {
	w.head = head{}
	err := w.one(q("head"), nil, &w.head.seq, &w.head.hash, &w.head.terms)
	if err != nil {
		return err
	}
	if w.head.seq != w.last || w.last == 0 {
		w.ends = map[string][]byte{}
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

// bare runs one piece of work with nothing to go back to.
func (w *writer) bare(do func(*tx) error) error {
	before := w.written
	err := w.piece(do)
	if err != nil && w.written != before && !spoils(err) {
		return fmt.Errorf("%w: %w", errHalfDone, err)
	}
	return err
}

// inSavepoint runs one piece of work so that its failure, or its panic, undoes only itself.
func (w *writer) inSavepoint(do func(*tx) error) (err error) {
	if err := w.exec("SAVEPOINT piece"); err != nil {
		return err
	}
	if err = cmp.Or(w.piece(do), w.move()); err == nil {
		return w.exec("RELEASE piece")
	}
	clear(w.moves)
	clear(w.days)
	undo := cmp.Or(w.exec("ROLLBACK TO piece"), w.exec("RELEASE piece"))
	if undo != nil {
		return fmt.Errorf("%w: %w, after: %w", errNotUndone, undo, err)
	}
	return err
}

func (w *writer) piece(do func(*tx) error) error {
	return recovered(func() error { return do(&tx{writer: w, now: w.store.now()}) })
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

// rows reads and writes on one connection: the writer's, or a reader's with its snapshot.
type rows struct{ direct *connection }

type args []any

// exec notes that something may have been written.
func (w *writer) exec(query string, a ...any) error {
	w.written++
	return w.direct.exec(query, a)
}

// one reads a single row; sql.ErrNoRows when there is none.
func (r rows) one(query string, a args, into ...any) error { return r.direct.one(query, a, into) }

// each calls row for every row of the answer; row scans it.
func (r rows) each(query string, a args, row func(scan func(...any) error) error) error {
	return r.direct.each(query, a, row)
}

// read runs do on one consistent snapshot of the database.
func (s *Store) read(ctx context.Context, do func(rows) error) error {
	return s.readers.snapshot(ctx, do)
}

// cachedTerms is what readers remember of the terms, and the change they were read at.
type cachedTerms struct {
	from int64
	*Terms
}

// Terms returns the terms as they are now, whichever process changed them last.
func (s *Store) Terms(ctx context.Context) (*Terms, error) {
	c, err := s.newestTerms(ctx)
	return c.Terms, err
}

// lastTerms returns the terms as somebody last read them here. Who books under them says so (Click.under), and
// hears of it when they have moved: to ask every time costs as much as to book a click.
func (s *Store) lastTerms(ctx context.Context) (cachedTerms, error) {
	if c := s.cached.Load(); c != nil {
		return *c, nil
	}
	return s.newestTerms(ctx)
}

func (s *Store) newestTerms(ctx context.Context) (c cachedTerms, err error) {
	if err := s.readers.look(q("newest-terms"), nil, &c.from); err != nil {
		return c, err
	}
	if known := s.cached.Load(); known != nil && known.from == c.from {
		return *known, nil
	}
	err = s.read(ctx, func(r rows) (err error) {
		if err := r.one(q("newest-terms"), nil, &c.from); err != nil {
			return err
		}
		if c.Terms, err = r.loadTerms(); err == nil {
			s.cached.Store(&c)
		}
		return err
	})
	return c, err
}
