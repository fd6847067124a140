package main

// Replication: the copy of the database elsewhere, and the way back from it. The copying is done
// by package replica, in a child process; here stands what Hissa makes of it: whether a database may
// be served beside a copy, when a webhook waits for the copy, how the books come back.

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"hissa/replica"
)

const (
	// copyWithin is how long a request waits for the copy. Paytm's own limit is said to be 5 to 10
	// seconds.
	copyWithin = 4 * time.Second

	// copyAtLast is how long a stop waits for it.
	copyAtLast = 10 * time.Second
)

// Head returns the newest fact and the end of the chain.
func (s *Store) Head(ctx context.Context) (seq int64, hash []byte, err error) {
	err = s.read(ctx, func(r rows) error {
		var terms int64
		return r.one(q("head"), nil, &seq, &hash, &terms)
	})
	return seq, hash, err
}

// Holds reports whether the chain had this end at that fact; fact 0 is before the first.
func (s *Store) Holds(ctx context.Context, seq int64, hash []byte) (holds bool, err error) {
	if seq == 0 {
		return true, nil
	}
	err = s.read(ctx, func(r rows) error { return r.one(chainHolds, args{seq, hash}, &holds) })
	return holds, err
}

// HeadPage is the page of the file in which Head is.
func (s *Store) HeadPage(ctx context.Context) (page uint32, err error) {
	err = s.read(ctx, func(r rows) error {
		var n int64
		err := r.one(q("head-page"), nil, &n)
		page = uint32(n)
		return err
	})
	return page, err
}

// HeadIn reads Head from such a page (sqlite.org/fileformat.html, 1.6 and 2): a leaf of a table, with one row whose
// columns are null (the key is the row's own), a number, 32 bytes and a number.
func (s *Store) HeadIn(page []byte) (seq int64, hash []byte, ok bool) {
	const leaf, rows, bytes32 = 0x0d, 1, 12 + 2*32
	if len(page) < 512 || page[0] != leaf || binary.BigEndian.Uint16(page[3:]) != rows {
		return 0, nil, false
	}
	// The row's length, its key, the length of what says the types, and these, each a byte. Then the values.
	row := page[min(int(binary.BigEndian.Uint16(page[8:])), len(page)):]
	if len(row) < 7+32 || row[1] != 1 || row[2] != 5 || row[3] != 0 || row[5] != bytes32 {
		return 0, nil, false
	}
	if row[4] == 9 { // stands for 1, and takes no room
		seq = 1
	}
	values, size := row[7:], map[byte]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}[row[4]]
	if len(values) < size+32 {
		return 0, nil, false
	}
	for _, b := range values[:size] {
		seq = seq<<8 | int64(b)
	}
	return seq, slices.Clone(values[size : size+32]), true
}

// replicateCommand is the child process. It is not for people, so no list names it.
var replicateCommand = command{
	name: "replicate", usage: "",
	short: "the replication of a running serve, which starts it by itself",
	long:  "Not for people: hissa serve starts it, and speaks to it over stdin and stdout.",
	run: func(c *call) error {
		if err := c.exactly(0); err != nil {
			return err
		}
		slog.SetDefault(slog.New(slog.NewTextHandler(c.stderr,
			&slog.HandlerOptions{Level: slog.LevelWarn})))
		return replica.Run(c.stdin, c.stdout)
	},
}

// bringBack makes sure that there is a database to open, or that there may be a new one: where a
// copy is configured and the database is missing, it comes back from the copy. Nothing starts empty
// beside a copy that can't be seen, and beside a place without a copy only by the operator's word.
func bringBack(ctx context.Context, config *Config, isNew bool, log *slog.Logger) error {
	place := config.Replica.Place
	if place == nil {
		return nil
	}
	_, err := os.Stat(config.Database)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	mark, err := place.Mark(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("there is no database at %s, and its copy can't be looked at: %w: "+
			"hissa does not start empty; mend that and start again", config.Database, err)
	case mark == nil && isNew:
		return nil
	case mark == nil:
		return configError{fmt.Errorf("there is no database at %s and no copy at %s: "+
			"if this shop is new, start once with hissa serve -new; if it is not, mend replica.url",
			config.Database, place)}
	case isNew && mark.Seq > 0:
		return configError{fmt.Errorf("%s holds a copy of this shop's books (fact %d, %s): "+
			"leave -new out, and they are brought back", place, mark.Seq, clock(mark.At))}
	case time.Now().Before(mark.Until):
		return heldElsewhere(&replica.HeldError{Place: place.String(), Mark: *mark})
	}
	log.Warn("there is no database: it is brought back from its copy",
		"database", config.Database, "replica", place.String(), "mark", mark.Seq)
	back, err := restoreBooks(ctx, config, time.Time{}, config.Database)
	switch {
	case errors.Is(err, replica.ErrNone) && isNew:
		return nil
	case errors.Is(err, replica.ErrNone):
		return configError{fmt.Errorf("there is no database at %s, and the copy at %s was begun but never "+
			"came to hold one: if this shop is new, start once with hissa serve -new", config.Database, place)}
	case err != nil:
		return err
	}
	log.Warn("the books are back and in order",
		"facts", back.Facts, "payments", back.Transactions, "head", back.Head)
	return nil
}

func heldElsewhere(err error) error {
	return lockedError{err.Error() + ": two would book the same sales; stop that one first"}
}

// restoreBooks brings the database of a time, the zero time for the newest, back into a new file. It
// appears there only after its form, its chain and its balances were checked, and, the newest, when it
// holds what the mark beside the copy promises.
func restoreBooks(
	ctx context.Context, config *Config, at time.Time, target string,
) (report Report, err error) {
	for _, leftover := range []string{target, target + "-wal", target + "-shm"} {
		if _, err := os.Lstat(leftover); err == nil {
			return report, configError{fmt.Errorf("%s is in the way: move it aside, "+
				"with what else begins with %s", leftover, filepath.Base(target))}
		}
	}
	folder, err := os.MkdirTemp(filepath.Dir(target), filepath.Base(target)+".restore-*")
	if err != nil {
		return report, err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, "hissa.db")
	mark, err := config.Replica.Place.Restore(ctx, at, file)
	if err != nil {
		return report, err
	}
	if report, err = inspectBooks(ctx, config, file, mark, at.IsZero()); err != nil {
		return report, err
	}
	last, known, err := readHead(target)
	if err == nil && known && at.IsZero() && last.seq > report.Facts {
		slog.Warn("the lost database had come further than its copy: what is missing is with Paytm",
			"copy_ends_at_fact", report.Facts, "database_had", last.seq, "booked", rfc3339(last.at))
	}
	// What a lost database left beside it must not speak for this one.
	stale := errors.Join(os.RemoveAll(target+"-replica"), os.RemoveAll(target+"-litestream"),
		os.RemoveAll(headPath(target)))
	return report, cmp.Or(stale, putInPlace(file, target))
}

// inspectBooks verifies restored books and compares them with the mark beside the copy.
func inspectBooks(
	ctx context.Context, config *Config, file string, mark *replica.Mark, newest bool,
) (report Report, err error) {
	store, err := openFile(file, config.storeOptions(false))
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	report, err = store.Verify(ctx, nil)
	var bad badRow
	if errors.As(err, &bad) {
		return report, fmt.Errorf("the restored books are not in order: %s: try an earlier time with "+
			"hissa restore -at, and give replica.url a new path before serve is started on them", bad)
	}
	if err != nil || !newest {
		return report, err
	}
	return report, holdsMark(ctx, store, mark)
}

// holdsMark compares a database with the mark beside its copy.
func holdsMark(ctx context.Context, store *Store, mark *replica.Mark) error {
	hash, err := hex.DecodeString(mark.Hash)
	if err != nil {
		return fmt.Errorf("the mark beside the copy is damaged: %w", err)
	}
	holds, err := store.Holds(ctx, mark.Seq, hash)
	if err != nil || holds {
		return err
	}
	have, _, err := store.Head(ctx)
	if err != nil {
		return err
	}
	return noError{fmt.Sprintf("the books end at fact %d and don't hold fact %d as it was copied "+
		"on %s: they are older than the copy, or were changed", have, mark.Seq, clock(mark.At))}
}

// startReplication begins to copy the database, unless it must not be served at all: somebody else
// writes to its place, or the copy is newer. A place that can't be reached harms nothing; the copy
// follows when it can.
func startReplication(
	ctx context.Context, config *Config, store *Store, log *slog.Logger,
) (*replica.Supervisor, error) {
	place := config.Replica.Place
	if place == nil {
		return nil, nil
	}
	claim, err := replica.Judge(ctx, place, config.Database, store)
	var held *replica.HeldError
	var older *replica.OlderError
	switch {
	case errors.As(err, &held):
		return nil, heldElsewhere(err)
	case errors.As(err, &older):
		return nil, olderThanCopy(err, config.Database)
	case err != nil:
		log.Error("the copy can't be looked at yet; webhooks are booked on", "cause", err.Error())
	case claim.Mark == nil:
		log.Warn("there is no copy yet: the first one is made now", "replica", place.String())
	}
	return replica.Start(replica.Options{
		Place: place, Database: config.Database, Books: store, Log: log, Command: replicating,
	}), nil
}

// olderThanCopy says how to go on: the newer books are in the copy, and where it lies is for people to say.
func olderThanCopy(err error, database string) error {
	return configError{fmt.Errorf("%w: to go on from the copy, move %s* aside and start again; to look at it "+
		"first, hissa restore -to FILE; to go on from this database all the same, give replica.url a new path",
		err, database)}
}

// lostPlace is why serve ends when its copy may no longer be its own, in a word for the alarm and in full.
func lostPlace(why error, database string) (word string, err error) {
	var older *replica.OlderError
	if errors.As(why, &older) {
		return "the database is older than its copy", olderThanCopy(why, database)
	}
	return "another hissa has taken over", lockedError{"another hissa has taken over this shop's copy: " + why.Error() +
		": two would book the same sales; stop one of them"}
}

// syncAtLast tries until ctx ends: the child may just be starting again.
func syncAtLast(ctx context.Context, mirror *replica.Supervisor) (err error) {
	for {
		if err = mirror.Sync(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// replicating is the child process, ready to start.
func replicating() *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", replicateCommand.name)
	cmd.Stderr = os.Stderr
	return cmd
}

// copied waits until what was just stored is in the copy, where the configuration asks for that.
func (s *server) copied(ctx context.Context) error {
	if s.mirror == nil || s.config.Replica.Ack != "replica" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, copyWithin)
	defer cancel()
	err := s.mirror.Sync(ctx)
	if err != nil && s.config.Replica.Away == "local" {
		s.counts.uncopied.Add(1)
		s.log.Error("ANSWERED WITHOUT A COPY: if this machine dies now, this message is lost here",
			"cause", err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: no copy was made: %w", errStorage, err)
	}
	return nil
}

var restoreCommand = command{
	name: "restore", config: true, usage: "[-at TIME] [-to FILE]",
	short: "the database back from its copy",
	long: `
Brings the database back from replica.url, the newest state or that of a TIME in the last days (a
date in IST, or RFC 3339), into FILE, by default the database of the configuration. FILE must not
exist. It appears there whole, after its form, its chain and its balances were checked. Stop serve
first when the database itself is to be replaced, and move the old one aside with all that begins
with its name.

Example:  hissa restore -at 2026-11-22T18:00:00+05:30 -to /tmp/yesterday.db`,
	run: func(c *call) error {
		at := c.flags.String("at", "", "")
		to := c.flags.String("to", "", "")
		if err := c.exactly(0); err != nil {
			return err
		}
		when, err := parseWhen("-at", *at)
		if err != nil {
			return usageError{err.Error()}
		}
		config, err := c.loadReplicated()
		if err != nil {
			return err
		}
		target := config.Database
		if *to != "" {
			if target, err = filepath.Abs(*to); err != nil {
				return err
			}
		}
		if target == config.Database {
			lock, err := takeLock(config.Database)
			if err != nil {
				return err
			}
			defer lock.release()
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt) // it tidies up first
		defer stop()
		report, err := restoreBooks(ctx, config, when, target)
		if errors.Is(err, replica.ErrNone) {
			return noError{"there is no copy at " + config.Replica.Place.String()}
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "hissa: restored to %s\n", target)
		report.tell(c.stdout)
		if lacks := report.lacksKeys(); lacks != nil {
			fmt.Fprintf(c.stderr, "hissa: %v\n", lacks)
		}
		return nil
	},
}

// loadReplicated reads a configuration that has to name a copy.
func (c *call) loadReplicated() (*Config, error) {
	// What Litestream has to tell is for the log of serve.
	slog.SetDefault(slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	config, err := c.load()
	if err != nil {
		return nil, err
	}
	if config.Replica.Place == nil {
		return nil, configError{errors.New("the configuration names no copy: " +
			`set replica.url, such as "file:///var/backups/hissa"`)}
	}
	return config, nil
}
