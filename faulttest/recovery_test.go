package faulttest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// perished kills serve under load once it has acknowledged so many payments, with the child that
// copies, and takes away all that the machine held but its configuration.
func (s *shop) perished(t *testing.T, l *ledger, payments int) {
	t.Helper()
	p := s.start()
	p.inStep(t)
	ctx, stop := context.WithCancel(context.Background())
	wg := p.load(ctx, l, 16)
	for l.count() < payments {
		time.Sleep(time.Millisecond)
	}
	p.perish(t)
	stop()
	wg.Wait()
	remains, err := filepath.Glob(s.database() + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range remains {
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
	}
}

// inStep waits until the copy has begun: before, nothing can come back.
func (p *serving) inStep(t *testing.T) {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		answer, err := http.Get(p.url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			Replica struct {
				InStep bool `json:"in_step"`
				Fact   int
			}
		}
		err = json.NewDecoder(answer.Body).Decode(&said)
		answer.Body.Close()
		if err == nil && said.Replica.InStep && said.Replica.Fact > 0 {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("no copy after a minute: %v\n%s", err, p.log())
		}
	}
}

// comesBack starts serve on the empty machine as a service manager does, every five seconds while the
// lost machine's hold on the copy lasts, and returns after how long a payment would be taken, and how
// much of that was the hold.
func (s *shop) comesBack(t *testing.T) (p *serving, took, held time.Duration) {
	t.Helper()
	from := time.Now()
	for p = s.launch(); !p.ready(); p = s.launch() {
		if code := p.end(); code != 75 || time.Since(from) > time.Minute {
			t.Fatalf("exit code %d:\n%s", code, p.log())
		}
		time.Sleep(5 * time.Second)
		held = time.Since(from)
	}
	for {
		answer, err := http.Get(p.url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return p, time.Since(from), held
		}
		if time.Since(from) > 2*time.Minute {
			t.Fatalf("not ready after two minutes:\n%s", p.log())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// The machine is lost while payments come in. What an answer waited for decides what is lost with
// it; the number of payments, how long it takes to serve again.
func TestRecovery(t *testing.T) {
	t.Parallel()
	sizes := []int{1000}
	if piece, _ := longLane(); piece == 1 { // it is no matter of chance
		sizes = append(sizes, 10_000, 100_000)
	}
	var table strings.Builder
	for _, payments := range sizes {
		for _, ack := range []string{"local", "replica"} {
			s, l := newShop(t, hissa(t)), newLedger()
			s.copies(ack)
			s.perished(t, l, payments)
			p, took, held := s.comesBack(t)
			p.stop()
			f := s.check(l)
			if f.disorder != "" || len(f.doubled)+len(f.half) > 0 || ack == "replica" && len(f.lost) > 0 {
				t.Errorf("%d payments, ack = %q: %s", payments, ack, f)
			}
			fmt.Fprintf(&table, "%7d payments (%d MB), ack = %-9q: %d of %d acknowledged lost; "+
				"%.1f s until it served again, after %.0f s of the lost machine's hold\n",
				payments, s.size()>>20, ack, len(f.lost), l.count(), (took - held).Seconds(), held.Seconds())
		}
	}
	t.Logf("\n%s", table.String())
}
