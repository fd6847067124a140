package paytmtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// start serves p and returns a client for it; every request has a connection of its own.
func start(t *testing.T, p *paytmtest.Paytm) *paytm.Client {
	t.Helper()
	url, stop := p.Start()
	t.Cleanup(stop)
	return &paytm.Client{BaseURL: url, MID: p.MID(), Key: p.Key(), HTTP: &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true},
	}}
}

func TestStatusOfEveryPayment(t *testing.T) {
	p := newPaytm(7)
	client := start(t, p)
	paid := p.Pay("ORDER_1", 49900, paytmtest.Reference("ASHA"), paytmtest.Pos("COUNTER-3"))
	p.Pay("ORDER_2", 100, paytmtest.Pending(), paytmtest.Mode("CC"))
	p.Pay("ORDER_3", 100, paytmtest.Failed())
	for _, c := range []struct {
		order, result, code string
		definite            bool
	}{
		{"ORDER_1", "TXN_SUCCESS", "01", true},
		{"ORDER_2", "PENDING", "402", false},
		{"ORDER_3", "TXN_FAILURE", "227", true},
		{"NOBODY", "TXN_FAILURE", "334", false},
	} {
		a, err := client.OrderStatus(context.Background(), c.order)
		if err != nil {
			t.Fatal(err)
		}
		if a.Result != c.result || a.Code != c.code || a.Definite() != c.definite || !a.Signed {
			t.Errorf("%s: %s %s, definite %v, signed %v", c.order, a.Result, a.Code, a.Definite(),
				a.Signed)
		}
		if c.code == "334" && a.TxnID != "" {
			t.Errorf("%s: an unknown order has TXNID %s", c.order, a.TxnID)
		}
	}
	a, err := client.OrderStatus(context.Background(), "ORDER_1")
	if err != nil {
		t.Fatal(err)
	}
	if a.TxnID != paid.TxnID || a.Amount != 49900 || a.OrderID != "ORDER_1" || a.MID != p.MID() ||
		a.Reference != "ASHA" || a.PosID != "COUNTER-3" || !a.PaidAt.Equal(tuesday) {
		t.Errorf("ORDER_1: %+v", a)
	}
	if asked, calls := p.Asked("ORDER_1"), p.Calls(); asked != 2 || calls != 5 {
		t.Errorf("ORDER_1 asked %d times of %d, want 2 of 5", asked, calls)
	}
}

func TestStatusFollowsTheBooks(t *testing.T) {
	p := newPaytm(8)
	client := start(t, p)
	ask := func() *paytm.Answer {
		t.Helper()
		a, err := client.OrderStatus(context.Background(), "ORDER_1")
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	pay := p.Pay("ORDER_1", 30000, paytmtest.Pending())
	if a := ask(); a.Result != "PENDING" {
		t.Errorf("open: %s", a.Result)
	}
	p.Settle(pay, paytm.Success)
	if a := ask(); a.Result != "TXN_SUCCESS" || a.TxnID != pay.TxnID {
		t.Errorf("settled: %s %s", a.Result, a.TxnID)
	}
	p.Pay("ORDER_1", 30000, paytmtest.Failed())
	if a := ask(); a.TxnID != pay.TxnID {
		t.Errorf("a later failure hides the success: %s", a.TxnID)
	}
	kept, refused := p.Refund(pay, 10000), p.Refund(pay, 700)
	p.RefundSucceeded(pay, kept)
	p.RefundRefused(pay, refused)
	if a := ask(); !strings.Contains(string(a.Body), `"refundAmt":"100.00"`) {
		t.Errorf("no refundAmt 100.00 in %s", a.Body)
	}
}

func TestContradictingAnswers(t *testing.T) {
	p := newPaytm(9)
	client := start(t, p)
	pay := p.Pay("ORDER_1", 30000)
	type lie = paytmtest.Contradiction
	type answer = *paytm.Answer
	for name, c := range map[string]struct {
		lie   lie
		holds func(answer) bool
	}{
		"amount": {lie{Amount: 1}, func(a answer) bool { return a.Amount == 1 }},
		"status": {lie{Status: paytm.Failed}, func(a answer) bool {
			return a.Result == "TXN_FAILURE" && a.Definite()
		}},
		"TXNID":     {lie{TxnID: "T9"}, func(a answer) bool { return a.TxnID == "T9" }},
		"order":     {lie{OrderID: "O9"}, func(a answer) bool { return a.OrderID == "O9" }},
		"currency":  {lie{Currency: "USD"}, func(a answer) bool { return a.Currency == "USD" }},
		"reference": {lie{Reference: "X"}, func(a answer) bool { return a.Reference == "X" }},
		"unknown": {lie{Unknown: true}, func(a answer) bool {
			return a.Code == "334" && a.TxnID == ""
		}},
		"no TXNID": {lie{NoTxnID: true}, func(a answer) bool {
			return a.TxnID == "" && a.Result == "TXN_SUCCESS"
		}},
		"unsigned": {lie{Unsigned: true}, func(a answer) bool {
			return !a.Signed && a.TxnID == pay.TxnID
		}},
	} {
		p.SetAPI(paytmtest.APIFaults{
			Contradict: map[string]paytmtest.Contradiction{pay.TxnID: c.lie},
		})
		a, err := client.OrderStatus(context.Background(), "ORDER_1")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !c.holds(a) {
			t.Errorf("%s: the answer is not changed: %+v", name, a)
		}
		p.SetAPI(paytmtest.APIFaults{})
		a, err = client.OrderStatus(context.Background(), "ORDER_1")
		if err != nil || c.holds(a) || a.Amount != 30000 || !a.Definite() {
			t.Errorf("%s: healed, but answers %+v, %v", name, a, err)
		}
	}
}

func TestWrongSignatures(t *testing.T) {
	p := newPaytm(10)
	client := start(t, p)
	pay := p.Pay("ORDER_1", 30000)
	for name, f := range map[string]paytmtest.APIFaults{
		"all answers": {WrongSignature: true},
		"one answer": {Contradict: map[string]paytmtest.Contradiction{
			pay.TxnID: {WrongSignature: true}}},
	} {
		p.SetAPI(f)
		a, err := client.OrderStatus(context.Background(), "ORDER_1")
		if !errors.Is(err, paytm.ErrSignature) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	p.SetAPI(paytmtest.APIFaults{Unsigned: true})
	if a, err := client.OrderStatus(context.Background(), "NOBODY"); err != nil || a.Signed {
		t.Errorf("unsigned: %+v, %v", a, err)
	}
}

func TestAPITroubles(t *testing.T) {
	p := newPaytm(11)
	client := start(t, p)
	p.Pay("ORDER_1", 30000)
	status := func() (int, time.Duration, error) {
		_, err := client.OrderStatus(context.Background(), "ORDER_1")
		var failure *paytm.APIError
		if errors.As(err, &failure) {
			return failure.Status, failure.RetryAfter, err
		}
		return 0, 0, err
	}

	p.SetAPI(paytmtest.APIFaults{Away: true, RetryAfter: 90 * time.Second})
	if code, wait, err := status(); code != 503 || wait != 90*time.Second {
		t.Errorf("away: %d, %s, %v", code, wait, err)
	}
	p.SetAPI(paytmtest.APIFaults{Drop: true})
	if code, _, err := status(); err == nil || code != 0 {
		t.Errorf("dropped: %d, %v", code, err)
	}
	p.SetAPI(paytmtest.APIFaults{Garbled: true})
	if code, _, err := status(); code != 200 || err == nil {
		t.Errorf("garbled: %d, %v", code, err)
	}
	p.SetAPI(paytmtest.APIFaults{RateLimit: 2})
	var codes []int
	for range 3 {
		code, _, _ := status()
		codes = append(codes, code)
	}
	if !slices.Equal(codes, []int{0, 0, 429}) {
		t.Errorf("with a limit of 2: %v", codes)
	}
	if asked, calls := p.Asked("ORDER_1"), p.Calls(); asked != 2 || calls != 6 {
		t.Errorf("%d questions answered of %d calls, want 2 of 6", asked, calls)
	}
}

func TestRateLimitEndsWithTheSecond(t *testing.T) {
	var mu sync.Mutex
	now := tuesday
	p := paytmtest.New(paytmtest.Config{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	client := start(t, p)
	p.SetAPI(paytmtest.APIFaults{RateLimit: 1})
	_, first := client.OrderStatus(context.Background(), "ORDER_1")
	_, second := client.OrderStatus(context.Background(), "ORDER_1")
	mu.Lock()
	now = now.Add(time.Second)
	mu.Unlock()
	_, third := client.OrderStatus(context.Background(), "ORDER_1")
	if first != nil || second == nil || third != nil {
		t.Errorf("first %v, second %v, a second later %v", first, second, third)
	}
}

func TestSlowAPIOutlastsAnImpatientClient(t *testing.T) {
	p := newPaytm(12)
	client := start(t, p)
	p.SetAPI(paytmtest.APIFaults{Slow: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for p.Calls() == 0 { // until the question has arrived
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := client.OrderStatus(ctx, "ORDER_1"); !errors.Is(err, context.Canceled) {
		t.Errorf("slow: %v", err)
	}
	if p.Asked("ORDER_1") != 0 {
		t.Error("the question was answered in spite of an hour's wait")
	}
}

func TestRequestsThatPaytmRefuses(t *testing.T) {
	p := newPaytm(13)
	url, stop := p.Start()
	defer stop()
	p.Pay("ORDER_1", 30000)
	mine, foreign := fmt.Sprintf(`{"mid":"%s","orderId":"ORDER_1"}`, p.MID()),
		`{"mid":"OTHERSHOP00000000001","orderId":"ORDER_1"}`
	question := func(body, signature string) string {
		return fmt.Sprintf(`{"head":{"signature":"%s"},"body":%s}`, signature, body)
	}
	sign := func(body string) string { return p.Key().SignText([]byte(body)) }
	for _, c := range []struct{ name, contentType, text, want string }{
		{"genuine", "application/json; charset=utf-8", question(mine, sign(mine)), `"01"`},
		{"no signature", "application/json", question(mine, ""), `"330"`},
		{"signed before a space was added", "application/json",
			question(mine[:1]+" "+mine[1:], sign(mine)), `"330"`},
		{"another shop's MID", "application/json", question(foreign, sign(foreign)), `"335"`},
		{"not JSON", "application/json", "mid=1", `"0007"`},
		{"not announced as JSON", "text/plain", question(mine, sign(mine)), "application/json"},
	} {
		text := strings.NewReader(c.text)
		response, err := http.Post(url+"/v3/order/status", c.contentType, text)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(answer), c.want) {
			t.Errorf("%s: %s, %v, want %s", c.name, answer, err, c.want)
		}
		if c.name != "genuine" && strings.Contains(string(answer), "txnId") {
			t.Errorf("%s: tells of a payment: %s", c.name, answer)
		}
	}
	response, err := http.Get(url + "/v3/order/status")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", response.Status)
	}
}

func TestRotatedKey(t *testing.T) {
	p := newPaytm(14)
	old := p.Key()
	pay := p.Pay("ORDER_1", 100)
	before := p.PaymentForm(pay)
	p.Rotate("another_key_0002")
	after := parsed(t, p, p.PaymentForm(pay))
	if after.Verify(old) || p.MerchantKey() != "another_key_0002" {
		t.Error("messages are still signed with the old key")
	}
	if e, err := paytm.Parse(before.Body); err != nil || e.Verify(p.Key()) || !e.Verify(old) {
		t.Error("the new key verifies what the old one signed")
	}
}

func TestStopEndsTheServer(t *testing.T) {
	p := newPaytm(15)
	url, stop := p.Start()
	stop()
	stop()
	if response, err := http.Get(url); err == nil {
		response.Body.Close()
		t.Error("it still answers after stop")
	}
}
