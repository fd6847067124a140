package paytmtest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// shop is a webhook receiver that remembers what reached it whole.
type shop struct {
	*httptest.Server
	mu             sync.Mutex
	bodies         [][]byte
	broken         int               // requests whose body ended early
	status         func(nth int) int // the answer to the nth whole request, from 0
	arrived, leave chan struct{}     // when set, each request reports and waits
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{status: func(int) int { return 200 }}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	if err != nil {
		s.broken++
		s.mu.Unlock()
		return
	}
	status := s.status(len(s.bodies))
	s.bodies = append(s.bodies, body)
	s.mu.Unlock()
	if s.arrived != nil {
		s.arrived <- struct{}{}
		<-s.leave
	}
	w.Header().Set("Location", "/elsewhere") // nobody should follow it
	w.WriteHeader(status)
	if status == 200 {
		fmt.Fprint(w, `{"result":"credited"}`)
	} else {
		fmt.Fprint(w, `{"error":"storage"}`)
	}
}

// identities are the contents that reached the shop, in order, without salts.
func (s *shop) identities(t *testing.T) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, body := range s.bodies {
		envelope, err := paytm.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%x\n", envelope.Identity())
	}
	return b.String()
}

// twelve are messages about twelve payments, in all three shapes.
func twelve(p *paytmtest.Paytm) []paytmtest.Message {
	var list []paytmtest.Message
	for i := range 4 {
		pay := p.Pay(fmt.Sprintf("ORDER_%d", i), int64(10000+i))
		list = append(list, p.PaymentForm(pay), p.PaymentJSON(pay),
			p.RefundAccepted(pay, p.Refund(pay, 100)))
	}
	return list
}

var everything = paytmtest.Faults{Duplicate: 0.5, MaxCopies: 3, Reorder: true, LoseAnswer: 0.3,
	Cut: 0.2, Delay: time.Millisecond}

func TestSameSeedSendsTheSame(t *testing.T) {
	run := func(seed uint64) (reached string, log string) {
		s, p := newShop(t), newPaytm(seed)
		c := paytmtest.NewCourier(p, s.URL, everything)
		defer c.Close()
		c.Pause = 0
		var b strings.Builder
		c.OnDelivery = func(d paytmtest.Delivery) {
			fmt.Fprintln(&b, d.Message.About, d.Message.TxnID, d.Copy, d.Attempt, d.Status,
				d.Result, d.Lost, d.Err != nil)
		}
		c.Send(context.Background(), twelve(p)...)
		return s.identities(t), b.String()
	}
	reached, log := run(42)
	again, logAgain := run(42)
	if reached != again || log != logAgain {
		t.Errorf("seed 42 sent\n%s\nand then\n%s", log, logAgain)
	}
	if other, _ := run(43); other == reached {
		t.Error("seed 43 sends what seed 42 sends")
	}
}

func TestACourierWithoutFaultsSendsEachOnceInOrder(t *testing.T) {
	s, p := newShop(t), newPaytm(20)
	messages := twelve(p)
	c := paytmtest.NewCourier(p, s.URL, paytmtest.Faults{})
	defer c.Close()
	deliveries := c.Send(context.Background(), messages...)
	if len(deliveries) != len(messages) {
		t.Fatalf("%d deliveries of %d messages", len(deliveries), len(messages))
	}
	for i, d := range deliveries {
		if string(s.bodies[i]) != string(messages[i].Body) {
			t.Errorf("body %d reached the shop changed or out of order", i)
		}
		if d.Attempt != 1 || d.Copy != 0 || d.Status != 200 || d.Result != "credited" || d.Lost ||
			!d.Acknowledged() || d.Message.About != messages[i].About {
			t.Errorf("delivery %d: %+v", i, d)
		}
	}
}

func TestFaultsHappenAndEverythingArrives(t *testing.T) {
	s, p := newShop(t), newPaytm(21)
	messages := twelve(p)
	c := paytmtest.NewCourier(p, s.URL, everything)
	defer c.Close()
	c.Pause = 0
	var copies, lost, cut int
	arrived := map[string]int{}
	for _, d := range c.Send(context.Background(), messages...) {
		if d.Copy > 3 {
			t.Errorf("copy %d of a message", d.Copy)
		}
		if d.Copy > 0 && d.Attempt == 1 {
			copies++
		}
		if d.Lost {
			lost++
		}
		if d.Err != nil {
			cut++
		}
		if d.Acknowledged() && !d.Lost {
			arrived[string(d.Message.Body)]++
		}
	}
	if len(arrived) != len(messages) {
		t.Errorf("%d of %d messages arrived", len(arrived), len(messages))
	}
	if copies == 0 || lost == 0 || cut == 0 {
		t.Errorf("%d copies, %d lost answers, %d cut: a fault never happened", copies, lost, cut)
	}
	s.Close() // waits for the broken requests
	if s.broken != cut {
		t.Errorf("the shop saw %d broken bodies, the courier cut %d", s.broken, cut)
	}
}

func TestReorderIsAShuffle(t *testing.T) {
	s, p := newShop(t), newPaytm(21)
	messages := twelve(p)
	c := paytmtest.NewCourier(p, s.URL, paytmtest.Faults{Reorder: true})
	defer c.Close()
	c.Send(context.Background(), messages...)
	moved, arrived := 0, map[string]bool{}
	for i, body := range s.bodies {
		arrived[string(body)] = true
		if string(body) != string(messages[i].Body) {
			moved++
		}
	}
	if len(s.bodies) != 12 || len(arrived) != 12 || moved < 6 {
		t.Errorf("of %d bodies %d differ and %d moved", len(s.bodies), len(arrived), moved)
	}
}

func TestCertainDuplicatesStopAtMaxCopies(t *testing.T) {
	s, p := newShop(t), newPaytm(22)
	m := p.PaymentForm(p.Pay("ORDER_1", 100))
	for most, want := range map[int]int{0: 2, 1: 2, 4: 5} {
		c := paytmtest.NewCourier(p, s.URL, paytmtest.Faults{Duplicate: 1, MaxCopies: most})
		if got := len(c.Send(context.Background(), m)); got != want {
			t.Errorf("MaxCopies %d: %d deliveries, want %d", most, got, want)
		}
		c.Close()
	}
}

func TestTroubleIsTriedAgainAndGivenUp(t *testing.T) {
	s, p := newShop(t), newPaytm(23)
	m := p.PaymentForm(p.Pay("ORDER_1", 100))
	c := paytmtest.NewCourier(p, s.URL, paytmtest.Faults{})
	defer c.Close()
	c.Attempts, c.Pause = 3, time.Microsecond

	s.status = func(nth int) int { return []int{503, 302, 200}[nth] }
	got := c.Send(context.Background(), m)
	if len(got) != 3 || len(s.bodies) != 3 || got[0].Status != 503 || got[0].Result != "storage" ||
		got[1].Status != 302 || got[2].Result != "credited" {
		t.Errorf("503, 302, 200: %+v", got)
	}
	s.status = func(int) int { return 401 }
	if got = c.Send(context.Background(), m); len(got) != 3 || got[2].Acknowledged() {
		t.Errorf("refused for ever: %+v", got)
	}
	s.Close()
	got = c.Send(context.Background(), m)
	if len(got) != 3 || got[2].Err == nil || got[2].Acknowledged() || got[2].Attempt != 3 {
		t.Errorf("nobody there: %+v", got)
	}
}

func TestTheLastAttemptHasNoBadLuck(t *testing.T) {
	s, p := newShop(t), newPaytm(24)
	c := paytmtest.NewCourier(p, s.URL, paytmtest.Faults{LoseAnswer: 1})
	defer c.Close()
	c.Pause = 0
	got := c.Send(context.Background(), p.PaymentForm(p.Pay("ORDER_1", 100)))
	if len(got) != 5 || !got[3].Lost || !got[3].Acknowledged() || got[4].Lost {
		t.Errorf("every answer lost: %+v", got)
	}
}

func TestWorkersDeliverAtTheSameTime(t *testing.T) {
	s, p := newShop(t), newPaytm(25)
	s.arrived, s.leave = make(chan struct{}), make(chan struct{})
	c := paytmtest.NewCourier(p, s.URL, paytmtest.Faults{})
	defer c.Close()
	c.Workers = 4
	done := make(chan []paytmtest.Delivery)
	go func() { done <- c.Send(context.Background(), twelve(p)...) }()
	for range 3 {
		for range 4 {
			<-s.arrived // would wait for ever with fewer than four at once
		}
		for range 4 {
			s.leave <- struct{}{}
		}
	}
	if got := <-done; len(got) != 12 {
		t.Errorf("%d deliveries", len(got))
	}
}

func TestCancelledContextEndsTheRound(t *testing.T) {
	s, p := newShop(t), newPaytm(26)
	ctx, cancel := context.WithCancel(context.Background())
	c := paytmtest.NewCourier(p, s.URL, paytmtest.Faults{})
	defer c.Close()
	c.OnDelivery = func(paytmtest.Delivery) { cancel() }
	if got := c.Send(ctx, twelve(p)...); len(got) != 1 {
		t.Errorf("%d deliveries after the first ended the context", len(got))
	}
}
