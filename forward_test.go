package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hissa/paytm/paytmtest"
)

// forwarding is a shop whose messages are handed on to a handler, which answers with status.
func forwarding(t *testing.T, change ...func(*Config)) (*liveShop, *shopHandler) {
	t.Helper()
	handler := &shopHandler{}
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	to := mustURL(t, web.URL+"/paytm-hook")
	return serveShop(t, append(change, func(c *Config) { c.Paytm.Forward = to })...), handler
}

// has waits until the handler has taken so many messages.
func (h *shopHandler) has(t *testing.T, n int) []paytmtest.Message {
	t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		h.mu.Lock()
		taken := slices.Clone(h.taken)
		h.mu.Unlock()
		if len(taken) >= n {
			return taken
		}
		if time.Now().After(until) {
			t.Fatalf("the shop has %d messages, want %d", len(taken), n)
		}
	}
}

// Every shape and kind of genuine message reaches the shop as it came, with its Content-Type.
func TestForwardedByteForByte(t *testing.T) {
	s, handler := forwarding(t)
	p := s.paytm
	pay := p.Pay("1042", 49900, paytmtest.Comments("ü & = + % ₹"))
	refund := p.Refund(pay, 100)
	messages := []paytmtest.Message{
		p.PaymentForm(pay), p.PaymentFlatJSON(pay), p.PaymentJSON(pay), p.RefundAccepted(pay, refund),
		p.RefundSucceeded(pay, refund), p.RefundOlderForm(pay, refund), p.Dispute(pay, "D1", "NEW", 100),
		p.SubscriptionStatus("S1", "ACTIVE"), p.CardExpiry("S1"), p.Downtime(), p.ARN(pay),
	}
	// A form that Paytm might have written otherwise: what is handed on is not written anew.
	odd := messages[0]
	odd.Body = append(bytes.ReplaceAll(odd.Body, []byte("%2C"), []byte(",")), '&')
	odd.ContentType = "application/x-www-form-urlencoded; charset=UTF-8"
	messages = append(messages, odd)
	for _, m := range messages {
		if status, body := post(t, s.client, s.url+"/webhooks/paytm", m); status != http.StatusOK {
			t.Fatalf("%s: %d %s", m.About, status, body)
		}
	}
	taken := handler.has(t, len(messages))
	for _, m := range messages {
		if !slices.ContainsFunc(taken, func(got paytmtest.Message) bool {
			return bytes.Equal(got.Body, m.Body) && got.ContentType == m.ContentType
		}) {
			t.Errorf("%s has not reached the shop as it came", m.About)
		}
	}
	if len(taken) != len(messages) {
		t.Errorf("the shop has %d messages, want %d", len(taken), len(messages))
	}
}

// What was refused is handed on only where that is asked for, and strangers can't fill the queue.
func TestForwardRefused(t *testing.T) {
	s, handler := forwarding(t, func(c *Config) { c.Paytm.ForwardRefused = true })
	forged := paytmtest.Message{Body: []byte("MID=SHOP0001&CHECKSUMHASH=x"), ContentType: "text/odd"}
	unreadable := paytmtest.Message{Body: []byte("%%%")}
	for m, want := range map[*paytmtest.Message]int{&forged: 401, &unreadable: 400} {
		if status, _ := post(t, s.client, s.url+"/webhooks/paytm", *m); status != want {
			t.Errorf("%s: %d, want %d", m.Body, status, want)
		}
	}
	taken := handler.has(t, 2)
	if !slices.ContainsFunc(taken, func(m paytmtest.Message) bool {
		return bytes.Equal(m.Body, forged.Body) && m.ContentType == forged.ContentType
	}) {
		t.Errorf("the shop has %s", taken)
	}

	handler.mu.Lock()
	handler.down = true
	handler.mu.Unlock()
	var err error
	for i := 0; err == nil && i <= refusedAtMost; i++ {
		err = s.ForwardRefused(t.Context(), Wire{Body: fmt.Appendf(nil, "forged %d", i)})
	}
	if err == nil || !strings.Contains(err.Error(), "too many refused") {
		t.Errorf("the queue took %d refused messages: %v", refusedAtMost+1, err)
	}
}

// Paytm's answer never waits for the shop.
func TestTheShopNeverDelaysPaytm(t *testing.T) {
	hangs := make(chan struct{})
	var asked atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked.Add(1)
		<-hangs
	}))
	t.Cleanup(web.Close)
	t.Cleanup(func() { close(hangs) })
	s := serveShop(t, func(c *Config) { c.Paytm.Forward = mustURL(t, web.URL) })
	for i := range 20 {
		m := s.paytm.PaymentForm(s.paytm.Pay(fmt.Sprint(i), 100))
		if status, _ := post(t, s.client, s.url+"/webhooks/paytm", m); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	if f, err := s.Forwards(t.Context()); err != nil || f.Waiting != 20 {
		t.Errorf("%+v wait (%v), want 20", f, err)
	}
	for until := time.Now().Add(patience); asked.Load() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the shop was never asked: the test shows nothing")
		}
	}
}

// aForwarder works the queue off by hand, under a clock of the test's.
type aForwarder struct {
	*books
	*forwarder
	tries []time.Duration // since the message came
	began time.Time
}

func newAForwarder(t *testing.T, to string) *aForwarder {
	b := openBooks(t, testTerms())
	f := &aForwarder{books: b, began: b.now()}
	f.forwarder = &forwarder{store: b.Store, url: mustURL(t, to), counts: &counters{},
		log: slog.New(slog.DiscardHandler)}
	f.client = clientFor(f.url)
	return f
}

// works tries whatever is due now.
func (f *aForwarder) works(t *testing.T) int {
	t.Helper()
	due, err := f.DueForwards(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range due {
		f.tries = append(f.tries, f.now().Sub(f.began))
		f.forward(t.Context(), m)
	}
	return len(due)
}

// A message that is not taken is tried on Standard Webhooks' schedule, then kept until somebody asks
// for it again.
func TestForwardSchedule(t *testing.T) {
	status := http.StatusInternalServerError
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
	}))
	t.Cleanup(web.Close)
	f := newAForwarder(t, web.URL)
	wire := Wire{Body: []byte("message"), ContentType: "text/plain"}
	if _, err := f.ReceiveAndForward(t.Context(), identified(payment("T1", "1")), "", wire); err != nil {
		t.Fatal(err)
	}
	for range 6 * 24 * 60 { // minutes
		f.works(t)
		f.wait(5 * time.Second)
		f.works(t)
		f.wait(55 * time.Second)
	}
	want := []time.Duration{0, 5 * time.Second}
	for _, wait := range retries[1:] {
		want = append(want, want[len(want)-1]+wait)
	}
	if len(f.tries) != len(want) {
		t.Fatalf("tried %v, want %v", f.tries, want)
	}
	for i, at := range f.tries {
		if late := at - want[i]; late < 0 || late > want[i]/5+2*time.Minute {
			t.Errorf("try %d came after %s, want about %s", i+1, at, want[i])
		}
	}
	standing, err := f.Forwards(t.Context())
	if err != nil || standing.GivenUp != 1 || standing.Waiting != 0 ||
		standing.Said != "the shop answered HTTP 500" {
		t.Errorf("%+v (%v)", standing, err)
	}

	status = http.StatusNoContent
	if n, err := f.ForwardAgain(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d messages again, %v", n, err)
	}
	if f.works(t) != 1 {
		t.Error("it is not tried again")
	}
	if standing, err := f.Forwards(t.Context()); err != nil || standing != (ForwardsStanding{}) {
		t.Errorf("%+v (%v)", standing, err)
	}
	f.inOrder()
}

// What was put off while the clock was ahead is handed on once the clock is right.
func TestForwardAfterAClockThatWasAhead(t *testing.T) {
	status := http.StatusInternalServerError
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
	}))
	t.Cleanup(web.Close)
	f := newAForwarder(t, web.URL)
	f.wait(366 * 24 * time.Hour)
	message := identified(payment("T1", "1"))
	if _, err := f.ReceiveAndForward(t.Context(), message, "", Wire{Body: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	f.works(t)
	status = http.StatusOK
	f.wait(-366 * 24 * time.Hour)
	f.works(t)
	if standing, err := f.Forwards(t.Context()); err != nil || standing != (ForwardsStanding{}) {
		t.Errorf("%+v (%v)", standing, err)
	}
}

// The shop may ask for patience; nobody has to be patient for ever.
func TestForwardHeedsRetryAfter(t *testing.T) {
	for asked, want := range map[string]time.Duration{
		"": retries[0], "2": retries[0], "600": 10 * time.Minute, "999999999": 24 * time.Hour, "soon": retries[0],
	} {
		got := retryAfter(0, waitAsked(http.Header{"Retry-After": {asked}}))
		if got < want || got > want+want/10 {
			t.Errorf("Retry-After %q: %s, want %s", asked, got, want)
		}
	}
}

// A name is dialled only where it leads to a public address, whatever way it is written, and a
// redirect is not followed. A listener inside this machine sees nobody.
func TestForwardGuard(t *testing.T) {
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var seen atomic.Int64
	go func() {
		for {
			conn, err := inside.Accept()
			if err != nil {
				return
			}
			seen.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() { inside.Close() })
	_, port, _ := net.SplitHostPort(inside.Addr().String())
	for _, name := range []string{
		"localhost", "localhost.", "LOCALHOST", "2130706433", "0x7f000001", "0177.0.0.1", "127.1",
		"ip6-localhost", "0",
	} {
		to := &url.URL{Scheme: "http", Host: net.JoinHostPort(name, port), Path: "/"}
		f := &forwarder{url: to, client: clientFor(to)}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if _, _, err := f.post(ctx, Wire{Body: []byte("x")}); err == nil {
			t.Errorf("%s was reached", name)
		}
		cancel()
	}
	redirects := httptest.NewServer(http.RedirectHandler("http://"+inside.Addr().String(),
		http.StatusTemporaryRedirect))
	t.Cleanup(redirects.Close)
	f := &forwarder{url: mustURL(t, redirects.URL)}
	f.client = clientFor(f.url)
	if _, _, err := f.post(t.Context(), Wire{Body: []byte("x")}); err == nil ||
		!strings.Contains(err.Error(), "redirect") {
		t.Errorf("a redirect: %v", err)
	}
	if n := seen.Load(); n > 0 {
		t.Errorf("%d connections reached the inside", n)
	}

	// The control: what the operator wrote as an address is dialled.
	f.url = mustURL(t, "http://"+inside.Addr().String())
	f.client = clientFor(f.url)
	_, _, _ = f.post(t.Context(), Wire{Body: []byte("x")})
	if seen.Load() == 0 {
		t.Error("the literal address was not dialled: the test sees nothing")
	}
}

// The words for what went wrong say what to do, and hold no address, whose path may be a secret.
func TestForwardFailuresInWords(t *testing.T) {
	for _, row := range []struct{ to, want string }{
		{"http://localhost:9/SECRET", "leads to a private address"},
		{"http://127.0.0.1:9/SECRET?SECRET", "can't be reached: "},
	} {
		f := &forwarder{url: mustURL(t, row.to)}
		f.client = clientFor(f.url)
		_, _, err := f.post(t.Context(), Wire{Body: []byte("x")})
		if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", row.to, err)
		}
	}
}

// The alarm begins when messages wait too long, and is over when they are gone.
func TestForwardAlarm(t *testing.T) {
	p := newPager(t)
	p.config.Paytm.Forward = mustURL(t, "http://127.0.0.1:9/")
	if _, err := p.store.ReceiveAndForward(t.Context(), identified(payment("T1", "1")), "",
		Wire{Body: []byte("m")}); err != nil {
		t.Fatal(err)
	}
	p.looks(0)
	due, err := p.store.DueForwards(t.Context(), 1)
	if err != nil || len(due) != 1 {
		t.Fatal(due, err)
	}
	if err := p.store.ForwardFailed(t.Context(), due[0].ID, "the shop answered HTTP 502", 0); err != nil {
		t.Fatal(err)
	}
	p.looks(time.Minute, "forward: 1 message was never taken by the shop")
	if err := p.store.ForwardTaken(t.Context(), due[0].ID, "HTTP 200"); err != nil {
		t.Fatal(err)
	}
	p.looks(time.Minute, "forward: over")
}
