package faulttest

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// stopping ends serve by a signal again and again under load, and returns what is then wrong.
func stopping(t *testing.T, binary string, times int) (f findings, acked int) {
	t.Helper()
	s, l := newShop(t, binary), newLedger()
	for range times {
		p := s.start()
		ctx, stop := context.WithCancel(context.Background())
		wg := p.load(ctx, l, 8)
		time.Sleep(time.Duration(20+rand.IntN(100)) * time.Millisecond)
		if code := p.stop(); code != 0 {
			t.Errorf("exit code %d:\n%s", code, p.log())
		}
		stop()
		wg.Wait()
	}
	return s.check(l), l.count()
}

// A stop under load answers what is inside, ends well, and loses nothing.
func TestStopped(t *testing.T) {
	t.Parallel()
	left, acked := cycles(50, 1000), 0
	for ; left > 0; left -= 50 {
		f, n := stopping(t, hissa(t), min(left, 50))
		if f.any() {
			t.Fatalf("of %d acknowledged: %s", n, f)
		}
		acked += n
	}
	t.Logf("%d stops, %d acknowledged, 0 lost", cycles(50, 1000), acked)
}

// The control: one that stops at once, in the middle of what it has already answered.
func TestStoppedControl(t *testing.T) {
	t.Parallel()
	weak := binaryNamed(t, "it stops at once, and answers before the commit")
	if f, acked := stopping(t, weak, 20); len(f.lost) == 0 {
		t.Errorf("of %d acknowledged none is lost", acked)
	}
}
