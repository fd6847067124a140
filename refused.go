package main

// Messages that were refused: their signature did not fit, or nobody could read them. With a wrong
// merchant key that is every sale, so the last of them are kept outside the books, and when the key is
// mended `hissa replay -rejected` takes them again, through the same door as any other.

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"
)

// Strangers decide what is refused, so all of it is bounded. There are two files; the older goes when
// the newer is full.
const (
	refusedBodies  = 2000     // in a file
	refusedBytes   = 16 << 20 // in a file, and one more message
	refusedShare   = 4        // one network fills one part in so many of a file at most
	refusedWaiting = 64       // messages on their way to the file; more are dropped
	refusedKept    = 30 * 24 * time.Hour
)

// Refused is a message that was refused, as it is kept.
type Refused struct {
	At          time.Time `json:"at"`
	From        string    `json:"from"` // the sender's network
	Status      int       `json:"status"`
	ContentType string    `json:"content_type"`
	Key         string    `json:"key,omitempty"` // the id of the key that sealed the body, "" for none
	Body        []byte    `json:"body"`
}

// sealed is the message as the file has it.
func (m Refused) sealed(keys bodyKeys) Refused {
	var id []byte
	if m.Body, id = keys.seal(m.Body, placeOfRefused(m.At)); id != nil {
		m.Key = keyName(id)
	}
	return m
}

// opened is the message as it came; one that no key here opens stays as it is, with its Key.
func (m Refused) opened(keys bodyKeys) Refused {
	id, err := hex.DecodeString(m.Key)
	if m.Key == "" || err != nil {
		return m
	}
	if body, err := keys.open(m.Body, id, placeOfRefused(m.At)); err == nil {
		m.Body, m.Key = body, ""
	}
	return m
}

// refusedRing keeps the last messages that were refused. Its files are written by run alone.
type refusedRing struct {
	path    string // of the newer file; the older has ".old" behind it
	keys    bodyKeys
	log     *slog.Logger
	forward func(context.Context, Wire) error // nil: refused messages are not for the shop
	waiting chan Refused

	file  *os.File
	known map[[sha256.Size]byte]bool
	bytes int64
	share map[string]int64 // bytes of the newer file, by network

	saidKeep, saidForward, saidShare bool
}

func refusedPath(database string) string { return database + "-refused" }

func newRefusedRing(database string, keys bodyKeys, log *slog.Logger) *refusedRing {
	return &refusedRing{
		path: refusedPath(database), keys: keys, log: log, waiting: make(chan Refused, refusedWaiting),
	}
}

// keep hands a message over and never waits: who is refused learns nothing from how long it takes.
func (r *refusedRing) keep(m Refused) {
	select {
	case r.waiting <- m:
	default:
	}
}

// run writes until ctx ends, and then what is still waiting. Once a day it lets go of what is too old.
func (r *refusedRing) run(ctx context.Context) {
	defer r.close()
	daily := time.NewTicker(24 * time.Hour)
	defer daily.Stop()
	r.forget(time.Now())
	for {
		select {
		case m := <-r.waiting:
			r.take(context.WithoutCancel(ctx), m)
		case now := <-daily.C:
			r.forget(now)
		case <-ctx.Done():
			for len(r.waiting) > 0 {
				r.take(context.WithoutCancel(ctx), <-r.waiting)
			}
			return
		}
	}
}

// take writes one message, and queues it for the shop if that is to have it. What fails is said once
// in a process: strangers decide how often.
func (r *refusedRing) take(ctx context.Context, m Refused) {
	if err := r.write(m); err != nil && !r.saidKeep {
		r.log.Warn("refused messages can't be kept", "cause", err.Error())
		r.saidKeep = true
	}
	if r.forward == nil {
		return
	}
	if err := r.forward(ctx, Wire{m.Body, m.ContentType}); err != nil && !r.saidForward {
		r.log.Warn("a refused message is not handed on", "cause", err.Error())
		r.saidForward = true
	}
}

func (r *refusedRing) close() {
	if r.file != nil {
		_ = r.file.Close()
	}
}

// write appends a message that is not there yet. Nothing is synced: Paytm comes again for what was
// refused.
func (r *refusedRing) write(m Refused) error {
	if err := r.open(); err != nil {
		return err
	}
	digest := sha256.Sum256(m.Body)
	line, err := json.Marshal(m.sealed(r.keys))
	if err != nil {
		return err
	}
	size := int64(len(line) + 1)
	switch {
	case r.known[digest]:
		return nil
	case r.share[m.From]+size > refusedBytes/refusedShare:
		if !r.saidShare {
			r.log.Warn("one network sends so much that is refused that no more of it is kept",
				"from", m.From)
			r.saidShare = true
		}
		return nil
	case len(r.known) >= refusedBodies || r.bytes+size > refusedBytes:
		if err := r.turn(); err != nil {
			return err
		}
	}
	if _, err := r.file.Write(append(line, '\n')); err != nil {
		return err
	}
	r.count(m.From, digest, size)
	return nil
}

// open opens the newer file, and reads what is in it, the first time.
func (r *refusedRing) open() error {
	if r.file != nil {
		return nil
	}
	r.known, r.share, r.bytes = map[[sha256.Size]byte]bool{}, map[string]int64{}, 0
	err := readRefused(r.path, func(m Refused, size int64) error {
		r.count(m.From, sha256.Sum256(m.opened(r.keys).Body), size)
		return nil
	})
	if err != nil {
		return err
	}
	r.file, err = os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	// What comes after a line that a crash has cut short begins on a line of its own.
	if info, err := r.file.Stat(); err == nil && info.Size() > 0 {
		end := make([]byte, 1)
		if _, err := r.file.ReadAt(end, info.Size()-1); err == nil && end[0] != '\n' {
			_, err = r.file.WriteString("\n")
			return err
		}
	}
	return nil
}

func (r *refusedRing) count(from string, digest [sha256.Size]byte, size int64) {
	r.known[digest] = true
	r.bytes += size
	r.share[from] += size
}

// turn makes the newer file the older, and begins another.
func (r *refusedRing) turn() error {
	r.close()
	r.file = nil
	if err := os.Rename(r.path, r.path+".old"); err != nil {
		return err
	}
	return r.open()
}

// forget takes what is too old out of both files.
func (r *refusedRing) forget(now time.Time) {
	r.close()
	r.file = nil
	for _, file := range []string{r.path + ".old", r.path} {
		if err := forgetRefused(file, now); err != nil {
			r.log.Warn("old refused messages are not deleted", "cause", err.Error())
		}
	}
}

// forgetRefused writes a file anew without what is too old, if anything is.
func forgetRefused(file string, now time.Time) error {
	var kept bytes.Buffer
	old := 0
	err := readRefused(file, func(m Refused, _ int64) error {
		if now.Sub(m.At) > refusedKept {
			old++
			return nil
		}
		return json.NewEncoder(&kept).Encode(m)
	})
	if err != nil || old == 0 {
		return err
	}
	if kept.Len() == 0 {
		return os.Remove(file)
	}
	next := file + ".new"
	if err := os.WriteFile(next, kept.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(next, file)
}

// readRefused reads one file in its order. A line that a crash has cut short is left out.
func readRefused(path string, each func(m Refused, size int64) error) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4*maxBody)
	for lines.Scan() {
		var m Refused
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue
		}
		if err := each(m, int64(len(lines.Bytes())+1)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// eachRefused reads both files as they are, the older first, but for what is too old.
func eachRefused(database string, now time.Time, each func(Refused) error) error {
	path := refusedPath(database)
	for _, file := range []string{path + ".old", path} {
		err := readRefused(file, func(m Refused, _ int64) error {
			if now.Sub(m.At) > refusedKept {
				return nil
			}
			return each(m)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// refusedTail is how much of the end of a file is read for a page.
const refusedTail = 256 << 10

// lastRefused are the messages refused last, the newest first, n at most: as many as stand at the ends of the
// files.
func lastRefused(database string, now time.Time, n int) (list []Refused, err error) {
	path := refusedPath(database)
	for _, file := range []string{path, path + ".old"} {
		text, err := tailOf(file, refusedTail)
		if err != nil {
			return nil, err
		}
		lines := bytes.Split(text, []byte("\n"))
		for _, line := range slices.Backward(lines) {
			var m Refused
			if json.Unmarshal(line, &m) != nil || now.Sub(m.At) > refusedKept {
				continue
			}
			if list = append(list, m); len(list) == n {
				return list, nil
			}
		}
	}
	return list, nil
}

// tailOf is the end of a file, nothing when there is none.
func tailOf(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-most), most))
}
