package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// lock keeps a second serve away from a database. It is a file of its own beside the database,
// never the database itself: closing a handle on that would drop SQLite's locks. The kernel
// releases it when the process ends, however it ends.
type lock struct{ file *os.File }

// lockedError says who holds the database: exit code 75.
type lockedError struct{ text string }

func (e lockedError) Error() string { return e.text }

func takeLock(database string) (*lock, error) {
	path := database + ".lock"
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, configError{fmt.Errorf("lock file %w: "+
			"make the folder, writable by the user that runs hissa", err)}
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, configError{fmt.Errorf("lock file %s: %w: "+
				"put the database on a local disk", path, err)}
		}
		text := make([]byte, 256)
		n, _ := f.ReadAt(text, 0)
		holder := strings.TrimSpace(string(text[:n]))
		return nil, lockedError{fmt.Sprintf("another serve (%s) holds %s: "+
			"stop it first, or give this one its own database", holder, database)}
	}
	host, _ := os.Hostname()
	who := fmt.Sprintf("process %d on %s since %s\n",
		os.Getpid(), host, time.Now().UTC().Format(time.RFC3339))
	if err := errors.Join(f.Truncate(0), writeAt(f, who)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &lock{f}, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// release leaves the file: removing it could let two processes lock two files of one name.
func (l *lock) release() { _ = l.file.Close() }
