package main

// SQLite by its own C interface, as modernc.org/sqlite/lib has it in Go. The same module's driver for database/sql
// stands apart from it by an allocation and a name for every argument, the names and types of all columns for
// every answer, and a lock for every call: a fifth of the writer's time, and more of verify's.
//
// What SQLite is given is copied into memory of its own, and what it returns is copied out of it: no pointer
// of one side is ever kept by the other.

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite's results that somebody acts on (sqlite.org/rescode.html), and the types of its values.
const (
	codeFull    = sqlite3.SQLITE_FULL
	codeIO      = sqlite3.SQLITE_IOERR // the last byte of several
	codeCorrupt = sqlite3.SQLITE_CORRUPT
	codeNoDB    = sqlite3.SQLITE_NOTADB
	codeBusy    = sqlite3.SQLITE_BUSY
	codePast    = sqlite3.SQLITE_ERROR_SNAPSHOT // the journal no longer holds what a snapshot names

	kindInteger = sqlite3.SQLITE_INTEGER
	kindText    = sqlite3.SQLITE_TEXT
	kindBlob    = sqlite3.SQLITE_BLOB
	kindNull    = sqlite3.SQLITE_NULL
)

func init() {
	// What the driver does before the first database is opened: without it SQLite takes the pages of memory for
	// smaller than they are on some machines.
	sqlite3.PatchIssue199()

	// SQLite syncs with fdatasync where its build finds it, as on every Linux; this translation has to be told. It
	// keeps all that fsync keeps but the time of the last write, for which a file system with a journal of its own
	// would write that journal at every COMMIT. Where there is none (macOS), SQLite goes on as before.
	_, _ = sqlite.Fdatasync(true)
}

// sqliteVersion is that of the SQLite inside.
func sqliteVersion() string {
	tls := libc.NewTLS()
	defer tls.Close()
	return libc.GoString(sqlite3.Xsqlite3_libversion(tls))
}

// sqliteError is SQLite's word on why it did not do something.
type sqliteError struct {
	code int // the extended result code
	text string
}

func (e *sqliteError) Error() string { return e.text }

// sqliteCode is SQLite's extended result code of an error, 0 when it is not SQLite's.
func sqliteCode(err error) int {
	var e *sqliteError
	if errors.As(err, &e) {
		return e.code
	}
	return 0
}

// engine is one open database. It and its statements belong to one goroutine at a time; interrupt alone may be
// called by another.
type engine struct {
	tls *libc.TLS
	db  uintptr
	out [2]uintptr // where SQLite leaves the pointers that it returns
}

// opening says how a database is opened.
type opening struct {
	path     string // of a file that is there: none is made
	readOnly bool   // the file itself; whether its books may change, query_only says
	pragmas  []string
}

func (o opening) engine() (*engine, error) {
	e := &engine{tls: libc.NewTLS()}
	if err := e.open(o.path, o.readOnly); err != nil {
		return nil, errors.Join(err, e.close())
	}
	sqlite3.Xsqlite3_extended_result_codes(e.tls, e.db, 1)
	sqlite3.Xsqlite3_busy_timeout(e.tls, e.db, 5000) // milliseconds
	for _, pragma := range o.pragmas {
		if err := e.script("PRAGMA " + pragma); err != nil {
			return nil, errors.Join(err, e.close())
		}
	}
	return e, nil
}

func (e *engine) open(path string, readOnly bool) error {
	pointers, err := e.memory(2 * int(unsafe.Sizeof(e.db)))
	if err != nil {
		return err
	}
	e.out = [2]uintptr{pointers, pointers + unsafe.Sizeof(e.db)}
	name, err := e.lent(path)
	if err != nil {
		return err
	}
	defer libc.Xfree(e.tls, name)
	// Nobody shares a connection, so that its own lock would only cost.
	flags := int32(sqlite3.SQLITE_OPEN_NOMUTEX | sqlite3.SQLITE_OPEN_READWRITE)
	if readOnly {
		flags = sqlite3.SQLITE_OPEN_NOMUTEX | sqlite3.SQLITE_OPEN_READONLY
	}
	code := sqlite3.Xsqlite3_open_v2(e.tls, name, e.out[0], flags, 0)
	e.db = pointerAt(e.out[0]) // also after a failure, about which it then knows more
	return e.failure(code)
}

// close lets go of the database, whose statements have been closed.
func (e *engine) close() error {
	var err error
	if e.db != 0 {
		err = e.failure(sqlite3.Xsqlite3_close(e.tls, e.db))
	}
	libc.Xfree(e.tls, e.out[0])
	e.tls.Close()
	return err
}

// interrupt makes what runs end, from another goroutine.
func (e *engine) interrupt() {
	tls := libc.NewTLS() // one is for one goroutine
	defer tls.Close()
	sqlite3.Xsqlite3_interrupt(tls, e.db)
}

// script runs several statements, which are not kept.
func (e *engine) script(text string) error {
	query, err := e.lent(text)
	if err != nil {
		return err
	}
	defer libc.Xfree(e.tls, query)
	return e.failure(sqlite3.Xsqlite3_exec(e.tls, e.db, query, 0, 0, 0))
}

// failure is nil for success.
func (e *engine) failure(code int32) error {
	if code == sqlite3.SQLITE_OK {
		return nil
	}
	text := libc.GoString(sqlite3.Xsqlite3_errstr(e.tls, code))
	if e.db != 0 {
		if more := libc.GoString(sqlite3.Xsqlite3_errmsg(e.tls, e.db)); more != text {
			text += ": " + more
		}
	}
	return &sqliteError{int(code), fmt.Sprintf("%s (%d)", text, code)}
}

var errNoMemory = errors.New("SQLite has no memory left")

func (e *engine) memory(size int) (uintptr, error) {
	p := libc.Xmalloc(e.tls, libc.Tsize_t(size))
	if p == 0 {
		return 0, errNoMemory
	}
	return p, nil
}

// lent is a copy that SQLite can read; the caller frees it.
func (e *engine) lent(s string) (uintptr, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return 0, errors.New("a name or a query with a zero byte in it")
	}
	return libc.CString(s)
}

// bytesAt is SQLite's memory, until the call that moves or frees it.
func bytesAt(p uintptr, n int) []byte {
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&p))), n)
}

func pointerAt(p uintptr) uintptr { return *(*uintptr)(*(*unsafe.Pointer)(unsafe.Pointer(&p))) }

// statement is a prepared statement, which runs once at a time.
type statement struct {
	*engine
	handle  uintptr
	args    int // how many it takes
	columns int // of its answer
	running bool

	room uintptr // for its arguments' bytes, which SQLite reads where they are
	size int     // of room

	last []string // by column: what text read last, since many rows say the same
}

const mostRoom = 64 << 10 // bytes that a statement keeps for its next arguments

func (e *engine) prepare(query string) (*statement, error) {
	text, err := e.lent(query)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(e.tls, text)
	code := sqlite3.Xsqlite3_prepare_v3(e.tls, e.db, text, -1, sqlite3.SQLITE_PREPARE_PERSISTENT, e.out[0], e.out[1])
	if code != sqlite3.SQLITE_OK {
		return nil, e.failure(code)
	}
	s := &statement{engine: e, handle: pointerAt(e.out[0])}
	if rest := libc.GoString(pointerAt(e.out[1])); s.handle == 0 || strings.Trim(rest, "; \n\t") != "" {
		s.close()
		return nil, fmt.Errorf("not one statement: %s", query)
	}
	s.args = int(sqlite3.Xsqlite3_bind_parameter_count(e.tls, s.handle))
	s.columns = int(sqlite3.Xsqlite3_column_count(e.tls, s.handle))
	return s, nil
}

func (s *statement) close() {
	sqlite3.Xsqlite3_finalize(s.tls, s.handle) // how it last ran, step has said
	libc.Xfree(s.tls, s.room)
}

// start binds the arguments; step does the work.
func (s *statement) start(a []any) error {
	if s.running {
		return errors.New("a statement is asked while its last answer is being read")
	}
	if len(a) != s.args {
		return fmt.Errorf("a statement takes %d arguments, not %d", s.args, len(a))
	}
	size := 1 // text without a byte has a place, too, or it would be null
	for i, v := range a {
		bytes, known := sizeOf(v)
		if !known {
			plain, err := driver.DefaultParameterConverter.ConvertValue(v) // of a pointer, of a type of its own
			if bytes, known = sizeOf(plain); !known || err != nil {
				return fmt.Errorf("no column holds a %T", v)
			}
			a = slices.Clone(a)
			a[i] = plain
		}
		size += bytes
	}
	if size > s.size {
		libc.Xfree(s.tls, s.room)
		s.size = 0
		var err error
		if s.room, err = s.memory(size); err != nil {
			return err
		}
		s.size = size
	}
	at := s.room
	for i, v := range a {
		used, err := s.bind(int32(i+1), v, at)
		if err != nil {
			return err
		}
		at += uintptr(used)
	}
	s.running = true
	return nil
}

// sizeOf is how many bytes of memory an argument needs; not known of what bind does not take.
func sizeOf(v any) (bytes int, known bool) {
	switch v := v.(type) {
	case string:
		return len(v), true
	case []byte:
		return len(v), true
	case nil, int64, int, bool:
		return 0, true
	}
	return 0, false
}

// bind sets one argument; its bytes lie at at from then on.
func (s *statement) bind(n int32, v any, at uintptr) (used int, err error) {
	var code int32
	switch v := v.(type) {
	case int64:
		code = sqlite3.Xsqlite3_bind_int64(s.tls, s.handle, n, v)
	case int:
		code = sqlite3.Xsqlite3_bind_int64(s.tls, s.handle, n, int64(v))
	case bool:
		var bit int64
		if v {
			bit = 1
		}
		code = sqlite3.Xsqlite3_bind_int64(s.tls, s.handle, n, bit)
	case string:
		used = copy(bytesAt(at, len(v)), v)
		code = sqlite3.Xsqlite3_bind_text(s.tls, s.handle, n, at, int32(used), sqlite3.SQLITE_STATIC)
	case []byte:
		if v == nil {
			code = sqlite3.Xsqlite3_bind_null(s.tls, s.handle, n)
			break
		}
		used = copy(bytesAt(at, len(v)), v)
		code = sqlite3.Xsqlite3_bind_blob(s.tls, s.handle, n, at, int32(used), sqlite3.SQLITE_STATIC)
	case nil:
		code = sqlite3.Xsqlite3_bind_null(s.tls, s.handle, n)
	default:
		return 0, fmt.Errorf("no column holds a %T", v)
	}
	return used, s.failure(code)
}

// step goes on to the next row of the answer; false at its end.
func (s *statement) step() (bool, error) {
	switch code := sqlite3.Xsqlite3_step(s.tls, s.handle); code {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, s.failure(code)
	}
}

// reset ends the answer, and with it what it holds locked. A statement that was left before its end is carried
// out here, with what may fail in that: PRAGMA journal_mode commits only then.
func (s *statement) reset() error {
	s.running = false
	code := sqlite3.Xsqlite3_reset(s.tls, s.handle)
	if s.size > mostRoom {
		sqlite3.Xsqlite3_clear_bindings(s.tls, s.handle)
		libc.Xfree(s.tls, s.room)
		s.room, s.size = 0, 0
	}
	return s.failure(code)
}

// at is a value of the row, where SQLite has it: until the next step. To ask a value costs less than to ask the
// statement three times for it; SQLite allows that to whoever is alone with the connection.
func (s *statement) at(i int) cell {
	return cell{s.tls, sqlite3.Xsqlite3_column_value(s.tls, s.handle, int32(i))}
}

// kind is SQLite's type of a value in the row.
func (s *statement) kind(i int) int32 { return s.at(i).kind() }

func (s *statement) integer(i int) int64 {
	return sqlite3.Xsqlite3_column_int64(s.tls, s.handle, int32(i))
}

// bytes are those of text or of a blob, where SQLite has them: until the next step.
func (s *statement) bytes(i int) []byte { return s.at(i).bytes() }

// text is a copy of text, the same one as long as row after row says the same.
func (s *statement) text(i int) string { return s.again(i, s.bytes(i)) }

func (s *statement) again(i int, text []byte) string {
	if s.last == nil {
		s.last = make([]string, s.columns)
	}
	if string(text) != s.last[i] {
		s.last[i] = string(text)
	}
	return s.last[i]
}

// value is a copy of one value of the row: int64, string, []byte, nil or, where there is one, float64.
func (s *statement) value(i int) any {
	c := s.at(i)
	switch c.kind() {
	case kindInteger:
		return c.integer()
	case kindText:
		return string(c.bytes())
	case kindBlob:
		return append([]byte{}, c.bytes()...)
	case sqlite3.SQLITE_FLOAT:
		return sqlite3.Xsqlite3_value_double(c.tls, c.handle)
	}
	return nil
}

// copyTo copies one value of the row; false where what it holds is of another type.
func (s *statement) copyTo(i int, into any) bool {
	c := s.at(i)
	kind := c.kind()
	switch into := into.(type) {
	case *int64:
		*into = c.integer()
		return kind == kindInteger
	case *int:
		*into = int(c.integer())
		return kind == kindInteger
	case *bool:
		*into = c.integer() != 0
		return kind == kindInteger
	case *string:
		if kind != kindText {
			return false
		}
		*into = s.again(i, c.bytes())
		return true
	case *[]byte:
		*into = nil
		if kind == kindBlob {
			*into = append([]byte{}, c.bytes()...)
		}
		return kind == kindBlob || kind == kindNull
	case **int64:
		*into = nil
		if kind == kindInteger {
			n := c.integer()
			*into = &n
		}
		return kind == kindInteger || kind == kindNull
	}
	return false
}

// cell is one value of the row that a statement is at.
type cell struct {
	tls    *libc.TLS
	handle uintptr
}

func (c cell) kind() int32    { return sqlite3.Xsqlite3_value_type(c.tls, c.handle) }
func (c cell) integer() int64 { return sqlite3.Xsqlite3_value_int64(c.tls, c.handle) }

func (c cell) bytes() []byte {
	p := sqlite3.Xsqlite3_value_blob(c.tls, c.handle)
	return bytesAt(p, int(sqlite3.Xsqlite3_value_bytes(c.tls, c.handle)))
}

// errNoSnapshot says that nobody has written to the journal since it was made, so that there is no state to name
// but the file's own.
var errNoSnapshot = errors.New("there is no journal to take a snapshot of")

// sees names the state that a transaction sees (sqlite.org/c3ref/snapshot.html). The caller frees it.
func (e *engine) sees() (snapshot uintptr, err error) {
	main, err := e.lent("main")
	if err != nil {
		return 0, err
	}
	defer libc.Xfree(e.tls, main)
	code := sqlite3.Xsqlite3_snapshot_get(e.tls, e.db, main, e.out[0])
	if code == sqlite3.SQLITE_ERROR {
		return 0, errNoSnapshot
	}
	return pointerAt(e.out[0]), e.failure(code)
}

// see makes a transaction that has read see the state that one of another engine names. SQLITE_BUSY while the
// journal is being carried home.
func (e *engine) see(snapshot uintptr) error {
	main, err := e.lent("main")
	if err != nil {
		return err
	}
	defer libc.Xfree(e.tls, main)
	return e.failure(sqlite3.Xsqlite3_snapshot_open(e.tls, e.db, main, snapshot))
}

func (e *engine) freeSnapshot(snapshot uintptr) { sqlite3.Xsqlite3_snapshot_free(e.tls, snapshot) }

// interruptedBy has what runs on e end when ctx does. The caller calls the function it returns before anything
// that may no longer be interrupted.
func (e *engine) interruptedBy(ctx context.Context) (end func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	over, gone := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(gone)
		for {
			e.interrupt()
			select {
			case <-over:
				return
			case <-time.After(10 * time.Millisecond): // between two statements SQLite forgets it
			}
		}
	})
	return func() {
		close(over)
		if !stop() {
			<-gone
		}
	}
}
