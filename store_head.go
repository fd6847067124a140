package main

// The head beside the database: how far the books had come, in a small file of its own.
//
// SQLite takes a journal that is damaged in the middle for one whose last writes were never
// finished, and an older copy of a file is as whole as the newest. Either way books that end too
// early look in order. So after each COMMIT the end of the chain is also written to this file, and
// whoever opens the database asks whether it still holds that. The file is never synced: after a
// power cut it may be behind the books, which harms nothing, but it can't be ahead of what they had
// made durable.

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// headFile is the writer's side; only its goroutine touches it.
type headFile struct {
	path string // empty: nothing is remembered
	file *os.File
	sick bool // it could not be written, which was said once
}

func headPath(database string) string { return database + "-head" }

// remembered is what the file says.
type remembered struct {
	seq  int64
	hash []byte
	at   time.Time
}

const seenFormat = "fact %020d %64x %s"

// note remembers the end of the chain. Nothing depends on its success.
func (h *headFile) note(end head, at time.Time) {
	if h.path == "" {
		return
	}
	text := fmt.Sprintf(seenFormat, end.seq, end.hash, at.UTC().Format(time.RFC3339))
	text += fmt.Sprintf(" %08x\n", crc32.ChecksumIEEE([]byte(text)))
	var err error
	if h.file == nil {
		h.file, err = os.OpenFile(h.path, os.O_CREATE|os.O_WRONLY, 0o600)
	}
	if err == nil {
		_, err = h.file.WriteAt([]byte(text), 0)
	}
	if err != nil && !h.sick {
		slog.Warn("the head beside the database can't be written: a file that was rolled back "+
			"or damaged may go unnoticed", "cause", err.Error())
	}
	h.sick = err != nil
}

func (h *headFile) close() {
	if h.file != nil {
		_ = h.file.Close()
	}
}

// readHead reads what was remembered. False when there is nothing that can be relied on: no file, or
// one that a power cut left torn.
func readHead(database string) (remembered, bool, error) {
	f, err := os.Open(headPath(database))
	if errors.Is(err, fs.ErrNotExist) {
		return remembered{}, false, nil
	}
	if err != nil {
		return remembered{}, false, err
	}
	defer f.Close()
	// Beside a busy server one look may see half of the old line and half of the new.
	for range 5 {
		text, err := io.ReadAll(io.LimitReader(f, 256))
		if err != nil {
			return remembered{}, false, err
		}
		line, _, _ := strings.Cut(string(text), "\n")
		if r, ok := parseHead(line); ok {
			return r, true, nil
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return remembered{}, false, err
		}
	}
	return remembered{}, false, nil
}

func parseHead(text string) (r remembered, ok bool) {
	const sum = len(" 01234567")
	if len(text) <= sum {
		return r, false
	}
	var digest uint32
	var hash, at string
	line, tail := text[:len(text)-sum], text[len(text)-sum:]
	if _, err := fmt.Sscanf(tail, " %08x", &digest); err != nil || digest != crc32.ChecksumIEEE([]byte(line)) {
		return r, false
	}
	if _, err := fmt.Sscanf(line, "fact %d %s %s", &r.seq, &hash, &at); err != nil {
		return r, false
	}
	var err, err2 error
	r.hash, err = hex.DecodeString(hash)
	r.at, err2 = time.Parse(time.RFC3339, at)
	return r, err == nil && err2 == nil
}

// rolledBackError says that books end before what had been booked in them: exit code 78, and 1 for
// verify, whose answer it is.
type rolledBackError struct{ text string }

func (e rolledBackError) Error() string { return e.text }

// holdsHead refuses a database that lacks what the file beside it remembers.
func (w *writer) holdsHead() error {
	if w.beside.path == "" {
		return nil
	}
	last, known, err := readHead(w.store.path)
	if err != nil {
		slog.Warn("the head beside the database can't be read", "cause", err.Error())
	}
	if !known {
		return nil
	}
	have, holds, err := w.holds(last)
	if err != nil {
		return unopenable(w.store.path, err)
	}
	if holds {
		return nil
	}
	return rolledBackError{fmt.Sprintf("%s ends at fact %d and does not hold fact %d, "+
		"which was booked in it on %s: it is an older file, or its journal was damaged. Nothing was "+
		"changed. Move %s* aside, and bring the copy back if there is one (hissa restore -to FILE), "+
		"or the newest backup; or, to go on without what is missing, remove %s",
		w.store.path, have, last.seq, clock(last.at), filepath.Base(w.store.path), w.beside.path)}
}

// holds looks the remembered place of the chain up. An empty file has no tables to look into.
func (w *writer) holds(last remembered) (have int64, holds bool, err error) {
	var schema, terms int64
	var hash []byte
	if err := w.one("PRAGMA user_version", nil, &schema); err != nil || schema == 0 {
		return 0, false, err
	}
	err = errors.Join(
		w.one(q("head"), nil, &have, &hash, &terms),
		w.one(chainHolds, args{last.seq, last.hash}, &holds),
	)
	return have, holds, err
}

// neverEmpty refuses to make a new database where one with books in it has been.
func neverEmpty(path string) error {
	last, known, err := readHead(path)
	if err != nil || !known {
		return nil // says nothing about books
	}
	return configError{fmt.Errorf("there is no database at %s, but there was one: fact %d was booked "+
		"in it on %s: bring back the newest backup; or, to begin anew, remove %s",
		path, last.seq, clock(last.at), headPath(path))}
}

// knowsPlace signs everybody out of books that have no head beside them: they were put back from a copy or
// a backup. Of new ones there is nobody to sign out.
func (w *writer) knowsPlace() (err error) {
	if w.beside.path == "" {
		return nil
	}
	if _, err := os.Stat(w.beside.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := w.begin(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.exec("ROLLBACK"))
		}
	}()
	var end head
	if err := w.one(q("head"), nil, &end.seq, &end.hash, &end.terms); err != nil {
		return err
	}
	if end.seq > 0 {
		if err := w.voidSessions(); err != nil {
			return err
		}
	}
	if err := w.exec("COMMIT"); err != nil {
		return err
	}
	if end.seq > 0 {
		w.beside.note(end, w.store.now())
	}
	return nil
}
