package faulttest

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// receiver is the shop's own handler: it remembers which payments it was told of, and is out of order
// for one in seven when it first hears of it.
type receiver struct {
	mu      sync.Mutex
	told    map[string]bool
	refused map[string]bool
	heard   int
}

var named = regexp.MustCompile(`(?:TXNID=|"txnId":")([0-9]+)`)

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	id := named.FindSubmatch(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || id == nil {
		http.Error(w, "no message", http.StatusBadRequest)
		return
	}
	txnID := string(id[1])
	if r.heard++; r.heard%7 == 0 && !r.refused[txnID] {
		r.refused[txnID] = true
		http.Error(w, "out of order", http.StatusBadGateway)
		return
	}
	r.told[txnID] = true
}

// untold are the acknowledged payments that the shop has not been told of.
func (r *receiver) untold(l *ledger) (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.acked {
		if !r.told[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// forwarding kills serve again and again under load, and returns of which acknowledged payments the
// shop is not told in the end.
func forwarding(t *testing.T, binary string, kills int) (untold []string, acked int) {
	t.Helper()
	r := &receiver{told: map[string]bool{}, refused: map[string]bool{}}
	web := httptest.NewServer(r)
	t.Cleanup(web.Close)
	s, l := newShop(t, binary), newLedger()
	text, err := os.ReadFile(s.file("hissa.toml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("hissa.toml", strings.Replace(string(text), "\n[commission]",
		"\nforward = \""+web.URL+"\"\n[commission]", 1))
	for range kills {
		p := s.start()
		ctx, stop := context.WithCancel(context.Background())
		wg := p.load(ctx, l, 4)
		time.Sleep(time.Duration(20+rand.IntN(100)) * time.Millisecond)
		p.kill()
		stop()
		wg.Wait()
	}
	p := s.start()
	// What was refused is tried again after five seconds.
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if untold = r.untold(l); len(untold) == 0 {
			break
		}
	}
	p.kill()
	if f := s.check(l); f.any() {
		t.Errorf("of %d acknowledged: %s", l.count(), f)
	}
	return untold, l.count()
}

// What Paytm was told is stored also reaches the shop, whenever hissa is killed.
func TestKilledForwarding(t *testing.T) {
	t.Parallel()
	untold, acked := forwarding(t, hissa(t), cycles(40, 2000))
	if len(untold) > 0 || acked == 0 {
		t.Errorf("of %d acknowledged payments the shop was not told of %d", acked, len(untold))
	}
	t.Logf("%d acknowledged, the shop was told of all", acked)
}

// The control: what is to be handed on is in the database only after the answer.
func TestKilledForwardingControl(t *testing.T) {
	t.Parallel()
	weak := binaryNamed(t, "a message for the shop is queued after the answer")
	if untold, acked := forwarding(t, weak, 20); len(untold) == 0 {
		t.Errorf("the shop was told of all of %d acknowledged payments", acked)
	}
}
