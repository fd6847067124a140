package replica

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/benbjohnson/litestream"
)

// The mark is renewed in time although the clock was put back by hours.
func TestTheMarkOutlivesAClockPutBack(t *testing.T) {
	place, err := Parse("file://" + filepath.Join(t.TempDir(), "copy"))
	if err != nil {
		t.Fatal(err)
	}
	c := &child{place: place, mark: Mark{Epoch: 1, Writer: "W"}}
	if err := c.renew(lease); err != nil {
		t.Fatal(err)
	}
	first := c.mark.At
	c.mark.At = first.Add(5 * time.Hour) // before the clock was put back
	c.marked = c.marked.Add(-renewAfter)
	stop, kept := make(chan struct{}), make(chan struct{})
	go func() { c.keep(stop, make(chan error, 1)); close(kept) }()
	defer func() { close(stop); <-kept }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		m, err := place.Mark(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if m.At.After(first) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the mark is not renewed")
		}
	}
}

// Who holds a place, and for how long, hangs on no machine's clock but that of the place.
func TestALeaseIsNoMatterOfClocks(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "copy")
	place, err := Parse("file://" + folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		wrong, age, lasts time.Duration // of the writer's clock; of the mark; of the lease
		left              time.Duration // the least and, two seconds later, the most
	}{
		{0, 0, lease, lease}, {5 * time.Hour, 0, lease, lease}, {-5 * time.Hour, 0, lease, lease},
		{5 * time.Hour, 40 * time.Second, lease, -10 * time.Second},
		{-5 * time.Hour, 20 * time.Second, lease, 10 * time.Second},
		{5 * time.Hour, 0, 0, -rounding}, // given back
		{0, -time.Hour, lease, lease},    // the place's own clock was put back
	} {
		at := time.Now().Add(row.wrong)
		m := Mark{Epoch: 1, Writer: "W", At: at.UTC(), Until: at.Add(row.lasts).UTC()}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, markName)
		if err := writeFile(path, m.text()); err != nil {
			t.Fatal(err)
		}
		written := time.Now().Add(-row.age)
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
		found, err := place.Mark(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(found.Until); left < row.left-time.Second || left > row.left+rounding+time.Second {
			t.Errorf("%+v: %s are left", row, left)
		}
	}
}

// A copy is wanting when it lacks a file or has a damaged one, not when the way to it or the disk fails.
func TestWanting(t *testing.T) {
	for _, row := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{fmt.Errorf("restore: %w", litestream.ErrNoSnapshots), true},
		{fmt.Errorf("open: %w", &fs.PathError{Op: "open", Path: "0000.ltx", Err: syscall.ENOENT}), true},
		{fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: "hissa.db", Err: syscall.ENOSPC}), false},
		{fmt.Errorf("get: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), false},
		{fmt.Errorf("get: %w", context.DeadlineExceeded), false},
		{errors.New("the restored books are not in order"), true},
	} {
		if got := Wanting(row.err); got != row.want {
			t.Errorf("%v: %v", row.err, got)
		}
	}
}
