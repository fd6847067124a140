package main

// hissa import everything: books made anew from what hissa export everything wrote. They are made beside
// the database's place and get its name only when they are whole and verified, so there is nothing to
// resume: what was interrupted has left no books, and is said again.

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func importEverything(c *call) error {
	apply := c.flags.Bool("apply", false, "")
	if err := c.exactly(1); err != nil {
		return err
	}
	config, err := c.load()
	if err != nil {
		return err
	}
	if _, err := os.Stat(config.Database); !errors.Is(err, fs.ErrNotExist) {
		return noError{fmt.Sprintf("there is a database at %s already: everything goes into a new one; "+
			"set database to another file, or move %s* aside", config.Database, config.Database)}
	}
	if err := neverEmpty(config.Database); err != nil {
		return err
	}
	in, name := c.stdin, "stdin"
	if c.args[0] != "-" {
		file, err := os.Open(c.args[0])
		if err != nil {
			return noError{err.Error()}
		}
		defer file.Close()
		in, name = file, c.args[0]
	}
	collectLess()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := makeAnew(ctx, config.Database, config.storeOptions(true), in, *apply, c.wholeProgress())
	var fault lineError
	var bad badRow
	switch {
	case ctx.Err() != nil:
		return noError{"interrupted: no database was made"}
	case errors.As(err, &fault):
		return noError{fmt.Sprintf("%s:%d: %s; no database was made", name, fault.line, fault.text)}
	case errors.As(err, &bad):
		return noError{fmt.Sprintf("the books of %s are not in order: %v; no database was made", name, bad)}
	case err != nil:
		return err
	}
	if err := c.verified(report, nil); err != nil {
		return err
	}
	if !*apply {
		fmt.Fprintf(c.stderr, "hissa: they would be at %s with -apply\n", config.Database)
		return nil
	}
	fmt.Fprintf(c.stderr, "hissa: they are at %s; compare the chain's head with what hissa verify "+
		"says where they come from, and make new keys: hissa key add\n", config.Database)
	return nil
}

// wholeProgress tells a person at a terminal how far it has come.
func (c *call) wholeProgress() func(what string, done, all int64) {
	f, ok := c.stderr.(*os.File)
	if !ok || !isTerminal(f) {
		return func(string, int64, int64) {}
	}
	return func(what string, done, all int64) { fmt.Fprintf(f, "\r\x1b[K%d of %d %s\r", done, all, what) }
}

// makeAnew makes a database of a file, and with keep gives it its name. The report is of its verification.
func makeAnew(
	ctx context.Context, path string, o StoreOptions, in io.Reader, keep bool,
	progress func(what string, done, all int64),
) (report Report, err error) {
	r := newWholeReader(in)
	h, err := r.head(o)
	if err != nil {
		return report, err
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), filepath.Base(path)+".import-*")
	if err != nil {
		return report, configError{fmt.Errorf("database %s can't be made: %w: make its folder, writable by "+
			"the user that runs hissa", path, err)}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	beside := filepath.Join(folder, "hissa.db")
	if err := os.WriteFile(beside, nil, 0o600); err != nil {
		return report, err
	}
	o.salt = h.Salt
	store, err := openFile(beside, o)
	if err != nil {
		return report, err
	}
	report, err = store.fill(ctx, r, h, progress)
	if err = errors.Join(err, store.Close()); err != nil || !keep {
		return report, err
	}
	err = putInPlace(beside, path)
	if errors.Is(err, fs.ErrExist) {
		err = noError{fmt.Sprintf("meanwhile another database was made at %s", path)}
	}
	if err == nil {
		remember := headFile{path: headPath(path)}
		remember.note(head{seq: h.Facts, hash: h.Head}, store.now())
		remember.close()
	}
	return report, err
}

// head reads the first line, and refuses another shop's books.
func (r *wholeReader) head(o StoreOptions) (h wholeHead, err error) {
	row, err := r.next()
	if err != nil {
		return h, err
	}
	if row.table != beginning {
		return h, row.wrong("is not where the export of everything begins")
	}
	var errs []error
	number := func(name string) int64 {
		v, err := row.value(name, "INTEGER")
		n, _ := v.(int64)
		errs = append(errs, err)
		return n
	}
	text := func(name string) string {
		v, err := row.value(name, "TEXT")
		text, _ := v.(string)
		errs = append(errs, err)
		return text
	}
	h = wholeHead{Schema: number("schema"), Environment: text("environment"), MID: text("mid"),
		Salt: text("customer_salt"), Facts: number("facts")}
	h.Head, err = hex.DecodeString(text("head"))
	files, err2 := schemaFiles.ReadDir("schema")
	if err := errors.Join(append(errs, err, err2)...); err != nil {
		return h, row.wrong("can't be read: %v", err)
	}
	switch {
	case h.Schema > int64(len(files)):
		return h, row.wrong("a newer Hissa wrote this file: install that version")
	case h.Environment != o.Environment || h.MID != o.MID:
		return h, row.wrong("these are the books of %s %q, the configuration says %s %q",
			h.Environment, h.MID, o.Environment, o.MID)
	case h.Salt == "":
		return h, row.wrong("customer_salt is missing")
	}
	return h, nil
}

// fillChunk is how many lines, or payments, one transaction writes.
const fillChunk = 500

// fill books the lines of a file, works out what follows from them, and has all of it verified.
func (s *Store) fill(
	ctx context.Context, r *wholeReader, h wholeHead, progress func(what string, done, all int64),
) (report Report, err error) {
	types, err := s.columnTypes(ctx)
	if err != nil {
		return report, err
	}
	for ended := false; !ended; {
		var rows []wholeRow
		if rows, ended, err = r.some(); err != nil {
			return report, err
		}
		if err := s.write(ctx, s.payments, func(t *tx) error { return t.carryAll(rows, types) }); err != nil {
			return report, err
		}
		progress("lines", r.line, max(h.Facts, r.line))
	}
	if err := s.derive(ctx, func(done, all int64) { progress("payments", done, all) }); err != nil {
		return report, err
	}
	report, err = s.Verify(ctx, func(done, all int64) { progress("facts verified", done, all) })
	if err == nil && (report.Facts != h.Facts || report.Head != hex.EncodeToString(h.Head)) {
		err = lineError{1, fmt.Sprintf("says that the chain ends at fact %d with %x, its facts end at %d with %s",
			h.Facts, h.Head, report.Facts, report.Head)}
	}
	return report, err
}

// some reads the lines of one transaction; ended after the last.
func (r *wholeReader) some() (rows []wholeRow, ended bool, err error) {
	for len(rows) < fillChunk {
		row, err := r.next()
		if err != nil {
			return nil, false, err
		}
		if row.table == ending {
			if lines, err := row.value("lines", "INTEGER"); err != nil || lines != r.line {
				return nil, false, row.wrong("says that the file has another number of lines")
			}
			if r.in.Scan() && len(bytes.TrimSpace(r.in.Bytes())) > 0 {
				r.line++
				return nil, false, r.wrong("stands behind the last line")
			}
			return rows, true, r.in.Err()
		}
		rows = append(rows, row)
	}
	return rows, false, nil
}
