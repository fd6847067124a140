package faulttest

import (
	"context"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// killing kills serve again and again at any moment under load, also while it starts, and returns
// what is then wrong with the books.
func killing(t *testing.T, s *shop, l *ledger, times int) findings {
	t.Helper()
	for range times {
		p := s.launch()
		if rand.IntN(4) == 0 {
			time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
			p.kill()
			continue
		}
		if !p.ready() {
			t.Fatalf("serve does not start again: %d\n%s", p.end(), p.log())
		}
		ctx, stop := context.WithCancel(context.Background())
		wg := p.load(ctx, l, 8)
		time.Sleep(time.Duration(5+rand.IntN(100)) * time.Millisecond)
		p.kill()
		stop()
		wg.Wait()
	}
	return s.check(l)
}

// kill -9 at any moment under load: whatever was acknowledged is there, once and whole.
func TestKilled(t *testing.T) {
	t.Parallel()
	acked, left := 0, cycles(300, 20000)
	for left > 0 {
		s, l := newShop(t, hissa(t)), newLedger()
		times := min(left, 50) // then a new shop, for books that grow are slow to check
		if f := killing(t, s, l, times); f.any() {
			t.Fatalf("of %d acknowledged: %s", l.count(), f)
		}
		if l.answers[503] > 0 || l.answers[401] > 0 {
			t.Errorf("answers: %v", l.answers)
		}
		left -= times
		acked += l.count()
		_ = os.RemoveAll(s.dir)
	}
	t.Logf("%d kills, %d payments acknowledged, 0 lost", cycles(300, 20000), acked)
	if acked == 0 {
		t.Error("nothing was ever acknowledged")
	}
}

// The controls: what a kill would do to a hissa without one of its promises.
func TestKilledControls(t *testing.T) {
	t.Parallel()
	for name, sees := range map[string]func(findings) bool{
		"the answer goes out before the commit": func(f findings) bool { return len(f.lost) > 0 },
		"a payment may have two rows":           func(f findings) bool { return len(f.doubled) > 0 },
		"a message is committed before its commission": func(f findings) bool {
			return f.disorder != ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, l := newShop(t, binaryNamed(t, name)), newLedger()
			for round := 1; round <= 20; round++ {
				if f := killing(t, s, l, 10); f.any() {
					if !sees(f) {
						t.Errorf("after %d kills: %s", 10*round, f)
					}
					return
				}
			}
			t.Errorf("200 kills, %d acknowledged, and nothing was found", l.count())
		})
	}
}
