package faulttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// soakTime is how long the soak lasts: in CI, and in the long lane, where it goes on until soakMessages were
// answered too.
func soakTime() time.Duration {
	return time.Duration(cycles(180, 3600)) * time.Second
}

func soakMessages() int { return cycles(0, 5_000_000) }

// soakConnections is over how many payments come: a few, or as many as keep serve busy.
func soakConnections() int {
	if _, pieces := longLane(); pieces > 0 {
		return 48
	}
	return 3
}

// pieces is how many pieces of the copy its child may have open for a moment.
const pieces = 60

// usage is what a process holds.
type usage struct{ descriptors, threads, kilobytes int }

// usages are those of serve and of its child, which copies the database.
func (p *serving) usages(t *testing.T) [2]usage {
	t.Helper()
	return [2]usage{usageOf(t, p.cmd.Process.Pid), usageOf(t, p.child(t))}
}

// child is the process that copies the database.
func (p *serving) child(t *testing.T) int {
	t.Helper()
	// Whichever thread happened to run has started it.
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range threads {
		text, _ := os.ReadFile(file) // a thread may have ended
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return pid
		}
	}
	t.Fatalf("nothing copies the database:\n%s", p.log())
	return 0
}

// perish is kill -9 for serve and what it started, all at once.
func (p *serving) perish(t *testing.T) {
	t.Helper()
	child := p.child(t)
	_ = syscall.Kill(child, syscall.SIGKILL)
	p.kill()
}

func usageOf(t *testing.T, pid int) usage {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	descriptors, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		t.Fatal(err)
	}
	number := func(name string) int {
		_, rest, _ := strings.Cut(string(status), name+":")
		n, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return usage{len(descriptors), number("Threads"), number("VmRSS")}
}

// grown says what a process holds more of than a while ago, beyond what comes and goes.
func (u usage) grown(before usage) string {
	switch {
	case u.descriptors > before.descriptors+16:
		return fmt.Sprintf("%d descriptors, %d before", u.descriptors, before.descriptors)
	case u.threads > before.threads+8:
		return fmt.Sprintf("%d threads, %d before", u.threads, before.threads)
	case u.kilobytes > before.kilobytes*3/2+32<<10:
		return fmt.Sprintf("%d kB, %d before", u.kilobytes, before.kilobytes)
	}
	return ""
}

// soak is everything at once for a while: payments, their duplicates, refunds, visits, and
// commands that read beside it.
func (p *serving) soak(ctx context.Context, l *ledger) *sync.WaitGroup {
	wg := p.load(ctx, l, soakConnections())
	client := newClient(3)
	client.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	every := func(pause time.Duration, do func()) {
		wg.Go(func() {
			for ctx.Err() == nil {
				do()
				time.Sleep(pause)
			}
		})
	}
	every(5*time.Millisecond, func() { p.repeatOrRefund(client, l) })
	every(5*time.Millisecond, func() {
		if answer, err := client.Get(p.url + "/r/ASHA"); err == nil {
			answer.Body.Close()
		}
	})
	every(time.Second, func() { p.shop.hissa("export", "ledger") })
	every(2*time.Second, func() { p.shop.hissa("verify") })
	return wg
}

// repeatOrRefund picks any payment and sends its message again, or refunds the whole of it.
func (p *serving) repeatOrRefund(client *http.Client, l *ledger) {
	all := p.shop.paytm.Payments()
	if len(all) == 0 {
		return
	}
	pay := all[rand.IntN(len(all))]
	l.mu.Lock()
	_, refunded := l.refunded[pay.TxnID]
	acked := l.acked[pay.TxnID]
	l.mu.Unlock()
	if !acked {
		return // it may be on its way
	}
	if refunded || rand.IntN(3) > 0 {
		p.send(client, l, p.shop.paytm.PaymentForm(pay))
		return
	}
	l.mu.Lock()
	l.refunded[pay.TxnID] = false
	l.mu.Unlock()
	aside := newLedger()
	m := p.shop.paytm.RefundSucceeded(pay, p.shop.paytm.Refund(pay, price))
	if p.send(client, aside, m) == http.StatusOK {
		l.mu.Lock()
		l.refunded[pay.TxnID] = true
		l.mu.Unlock()
	}
}

// soaked runs one life of serve and returns what grew in it, or in the child that copies.
func soaked(t *testing.T, s *shop, l *ledger, span time.Duration, end func(*serving)) string {
	t.Helper()
	p := s.start()
	ctx, stop := context.WithTimeout(context.Background(), span)
	defer stop()
	wg := p.soak(ctx, l)
	time.Sleep(span / 3)
	before := p.usages(t)
	time.Sleep(span / 2)
	after := p.usages(t)
	end(p)
	stop()
	wg.Wait()
	t.Logf("%+v, then %+v; %d acknowledged so far", before, after, l.count())
	// Twice a minute the child opens every piece of the last half minute, to make one of them.
	after[1].descriptors = max(0, after[1].descriptors-pieces)
	if grown := after[1].grown(before[1]); grown != "" {
		return "the child that copies: " + grown
	}
	return after[0].grown(before[0])
}

// copied is a new shop whose database is copied to a folder while it is written.
func copied(t *testing.T, binary string) *shop {
	t.Helper()
	s := newShop(t, binary)
	s.copies("local")
	return s
}

// copies adds a copy to the configuration; ack is what an answer waits for.
func (s *shop) copies(ack string) {
	s.Helper()
	text, err := os.ReadFile(s.file("hissa.toml"))
	if err != nil {
		s.Fatal(err)
	}
	s.write("hissa.toml", string(text)+
		fmt.Sprintf("[replica]\nurl = %q\nack = %q\n", "file://"+s.file("copy"), ack))
}

// Everything at once, with kills: the books hold, their copy follows, and no process grows.
func TestSoak(t *testing.T) {
	s, l := copied(t, hissa(t)), newLedger()
	until := time.Now().Add(soakTime())
	answered, refunded := 0, 0 // in the shops before
	for round := 0; time.Now().Before(until) || answered+l.answered() < soakMessages(); round++ {
		end := killed
		if round%3 == 2 {
			end = stopped
		}
		if grown := soaked(t, s, l, 20*time.Second, end); grown != "" {
			t.Error(grown)
		}
		if f := s.check(l); f.any() {
			t.Fatalf("of %d acknowledged: %s", l.count(), f)
		}
		if said, code := s.hissa("drill"); round%3 == 2 && code != 0 {
			t.Fatalf("after an orderly stop the copy is not what the books are: %d %s", code, said)
		}
		if len(s.paytm.Payments()) > 100000 { // books that grow are slow to check
			answered, refunded = answered+l.answered(), refunded+len(l.refunded)
			_ = os.RemoveAll(s.dir)
			s, l = copied(t, hissa(t)), newLedger()
		}
	}
	answered, refunded = answered+l.answered(), refunded+len(l.refunded)
	t.Logf("%d messages answered, %d payments refunded", answered, refunded)
	if answered == 0 || refunded == 0 {
		t.Error("nothing was answered, or nothing refunded")
	}
}

// The control: one descriptor leaks with every batch.
func TestSoakControl(t *testing.T) {
	s := copied(t, binaryNamed(t, "every batch leaks a descriptor"))
	if soaked(t, s, newLedger(), 3*time.Second, killed) == "" {
		t.Error("nothing grew")
	}
}
