package replica

import (
	"context"
	"path/filepath"
	"testing"
	"time"
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
