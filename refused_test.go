package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newRing(t *testing.T) *refusedRing {
	t.Helper()
	r := newRefusedRing(filepath.Join(t.TempDir(), "hissa.db"), nil, slog.New(slog.DiscardHandler))
	t.Cleanup(r.close)
	return r
}

// kept are the bodies that a replay would take.
func (r *refusedRing) kept(t *testing.T) (bodies []string) {
	t.Helper()
	database := strings.TrimSuffix(r.path, "-refused")
	if err := eachRefused(database, time.Now(), func(m Refused) error {
		bodies = append(bodies, string(m.opened(r.keys).Body))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return bodies
}

func refusedFrom(network string, body []byte) Refused {
	return Refused{At: time.Now(), From: network, Status: 401, Body: body}
}

// However much strangers send, the files stay within their bounds, and the newest are kept.
func TestRefusedIsBounded(t *testing.T) {
	t.Run("in count", func(t *testing.T) {
		r := newRing(t)
		const sent = 3*refusedBodies + 100
		for i := range sent {
			if err := r.write(refusedFrom(fmt.Sprint(i%50), fmt.Append(nil, i))); err != nil {
				t.Fatal(err)
			}
		}
		kept := r.kept(t)
		if len(kept) > 2*refusedBodies || kept[len(kept)-1] != fmt.Sprint(sent-1) {
			t.Errorf("%d are kept, the last is %s", len(kept), kept[len(kept)-1])
		}
	})
	t.Run("in bytes", func(t *testing.T) {
		r := newRing(t)
		for i := range 1000 {
			body := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, maxBody/2)
			if err := r.write(refusedFrom(fmt.Sprint(i%50), body)); err != nil {
				t.Fatal(err)
			}
		}
		for _, file := range []string{r.path, r.path + ".old"} {
			if info, err := os.Stat(file); err != nil || info.Size() > refusedBytes {
				t.Errorf("%s: %v %v", file, info, err)
			}
		}
	})
}

// One network can't push out what others sent.
func TestOneStrangerPushesNobodyOut(t *testing.T) {
	r := newRing(t)
	if err := r.write(refusedFrom("paytm's", []byte("a sale"))); err != nil {
		t.Fatal(err)
	}
	for i := range 3000 {
		body := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 10_000)
		if err := r.write(refusedFrom("a stranger's", body)); err != nil {
			t.Fatal(err)
		}
	}
	if kept := r.kept(t); kept[0] != "a sale" {
		t.Errorf("the sale is gone; %d others are kept", len(kept))
	}
}

// After thirty days a refused message is gone from the disk; what is newer stays, and what comes is added.
func TestRefusedIsForgotten(t *testing.T) {
	r := newRing(t)
	old := refusedFrom("n", []byte("canary"))
	old.At = time.Now().Add(-refusedKept + time.Hour)
	for _, m := range []Refused{old, refusedFrom("n", []byte("new"))} {
		if err := r.write(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(r.path, r.path+".old"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, "canary new"}, {2 * time.Hour, "new later 2h0m0s"}, {refusedKept + 4*time.Hour, ""}} {
		r.forget(time.Now().Add(c.after))
		if c.after == 2*time.Hour {
			if err := r.write(refusedFrom("n", fmt.Append(nil, "later ", c.after))); err != nil {
				t.Fatal(err)
			}
		}
		if kept := strings.Join(r.kept(t), " "); kept != c.want {
			t.Errorf("after %s: %s, want %s", c.after, kept, c.want)
		}
	}
	if left, err := filepath.Glob(r.path + "*"); err != nil || len(left) > 0 {
		t.Errorf("left: %s (%v)", left, err)
	}
}

// A repeat is kept once, also after a restart, and what a crash cut short or is too old is left out.
func TestRefusedAgain(t *testing.T) {
	r := newRing(t)
	old := refusedFrom("n", []byte("old"))
	old.At = time.Now().Add(-refusedKept - time.Hour)
	for _, m := range []Refused{old, refusedFrom("n", []byte("one")), refusedFrom("n", []byte("one"))} {
		if err := r.write(m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.file.WriteString(`{"at":"2026`); err != nil {
		t.Fatal(err)
	}
	r.close()
	again := newRefusedRing(strings.TrimSuffix(r.path, "-refused"), r.keys, r.log)
	t.Cleanup(again.close)
	for _, body := range []string{"one", "two"} {
		if err := again.write(refusedFrom("n", []byte(body))); err != nil {
			t.Fatal(err)
		}
	}
	if kept := strings.Join(again.kept(t), " "); kept != "one two" {
		t.Errorf("kept: %s", kept)
	}
	if info, err := os.Stat(r.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}
