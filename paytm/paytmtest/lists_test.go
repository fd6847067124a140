package paytmtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// All payments of a link come, however many pages that are, in one vocabulary.
func TestPaymentsOfALink(t *testing.T) {
	p := newPaytm(5)
	client := start(t, p)
	for i := range 45 {
		p.Pay(fmt.Sprint("L", i), int64(100+i), paytmtest.Reference("LI_31309"))
	}
	p.Pay("other", 100, paytmtest.Reference("LI_3130"))
	p.Settle(p.Payments()[1], paytm.Failed)
	p.Settle(p.Payments()[2], paytm.Pending)
	rows, err := client.LinkTransactions(t.Context(), "31309")
	if err != nil || len(rows) != 45 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, want := range []string{"TXN_SUCCESS", "TXN_FAILURE", "PENDING"} {
		pay, row := p.Payments()[i], rows[i]
		if row.Result != want || row.Amount != pay.Amount || row.TxnID != pay.TxnID ||
			row.OrderID != pay.OrderID || !row.At.Equal(pay.PaidAt) || !row.Signed ||
			row.Reference != "LI_31309" || row.Refund {
			t.Errorf("%+v of %+v", row, pay)
		}
	}
	for link, wrong := range map[string]bool{"1": false, "x": true, "": true, "1234567890123456789": true} {
		rows, err := client.LinkTransactions(t.Context(), link)
		if len(rows) > 0 || (err != nil) != wrong {
			t.Errorf("link %q: %d rows, %v", link, len(rows), err)
		}
	}
}

// The order list covers any period, in pieces of 30 days, without failures, and refunds apart.
func TestOrdersOfAPeriod(t *testing.T) {
	p := newPaytm(6)
	client := start(t, p)
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for day := range 70 {
		p.Pay(fmt.Sprint(day), 100, paytmtest.At(begin.AddDate(0, 0, day)))
	}
	p.Pay("failed", 100, paytmtest.At(begin), paytmtest.Failed())
	refund := p.Refund(p.Payments()[3], 40)
	list := func(kind paytm.ListKind, from, to time.Time) (rows []paytm.Listed) {
		t.Helper()
		err := client.Orders(t.Context(), kind, from, to, func(row paytm.Listed) error {
			rows = append(rows, row)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if rows := list(paytm.ListPayments, begin, begin.AddDate(0, 0, 70)); len(rows) != 70 {
		t.Errorf("%d rows of 70 days", len(rows))
	}
	rows := list(paytm.ListPayments, begin.AddDate(0, 0, 2), begin.AddDate(0, 0, 4))
	if len(rows) != 2 || rows[0].OrderID != "2" || rows[0].Amount != 100 || rows[0].Result != "SUCCESS" &&
		rows[0].Result != "TXN_SUCCESS" {
		t.Errorf("%+v", rows)
	}
	rows = list(paytm.ListRefunds, refund.At.Add(-time.Hour), refund.At.Add(time.Hour))
	if len(rows) != 1 || !rows[0].Refund || rows[0].RefundID != refund.ID || rows[0].Amount != 40 ||
		rows[0].TxnID != p.Payments()[3].TxnID {
		t.Errorf("%+v", rows)
	}
	enough := errors.New("enough")
	seen := 0
	err := client.Orders(t.Context(), paytm.ListPayments, begin, begin.AddDate(0, 0, 9),
		func(paytm.Listed) error { seen++; return enough })
	if !errors.Is(err, enough) || seen != 1 {
		t.Errorf("%d rows after the first was enough: %v", seen, err)
	}
}

// However many payments there are in a period, each comes once, and a quiet time is not asked about minute
// by minute.
func TestOrdersOfABusyHour(t *testing.T) {
	p := newPaytm(8)
	p.SetAPI(paytmtest.APIFaults{BothEnds: true})
	client := start(t, p)
	asked := counting{}
	client.HTTP = &http.Client{Transport: &asked}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 3000 {
		p.Pay(fmt.Sprint(i), 100, paytmtest.At(begin.Add(100*time.Hour+time.Duration(i)*1200*time.Millisecond)))
	}
	for day := range 20 {
		p.Pay(fmt.Sprint("quiet ", day), 100, paytmtest.At(begin.AddDate(0, 0, day)))
	}
	times := map[string]int{}
	err := client.Orders(t.Context(), paytm.ListPayments, begin, begin.AddDate(0, 0, 20), func(row paytm.Listed) error {
		times[row.TxnID]++
		return nil
	})
	if err != nil || len(times) != 3020 {
		t.Fatalf("%d payments of 3,020, %v", len(times), err)
	}
	for txnID, n := range times {
		if n != 1 {
			t.Fatalf("%s came %d times", txnID, n)
		}
	}
	if asked.times > 400 { // 3,020 rows are 61 pages
		t.Errorf("Paytm was asked %d times", asked.times)
	}
}

// A list is read on after a pause that Paytm wants in the middle of it; where it wants one at the beginning,
// whoever asks decides.
func TestPauseWithinAList(t *testing.T) {
	now := tuesday
	var mu sync.Mutex
	p := paytmtest.New(paytmtest.Config{Seed: 9, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	client := start(t, p)
	for i := range 120 {
		p.Pay(fmt.Sprint(i), 100, paytmtest.Reference("LI_7"))
	}
	p.SetAPI(paytmtest.APIFaults{RateLimit: 2, RetryAfter: time.Second})
	go func() {
		for range 10 {
			time.Sleep(500 * time.Millisecond)
			mu.Lock()
			now = now.Add(time.Second)
			mu.Unlock()
		}
	}()
	rows, err := client.LinkTransactions(t.Context(), "7")
	if err != nil || len(rows) != 120 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	p.SetAPI(paytmtest.APIFaults{Away: true, RetryAfter: time.Second})
	if _, err := client.LinkTransactions(t.Context(), "7"); err == nil {
		t.Error("an API that is away has an answer")
	}
}

type counting struct{ times int }

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.times++
	return http.DefaultTransport.RoundTrip(r)
}

// What misleads the status API misleads the lists, and they are no more believed.
func TestTroublesOfTheLists(t *testing.T) {
	p := newPaytm(7)
	client := start(t, p)
	pay := p.Pay("1", 100, paytmtest.Reference("LI_5"))
	ask := func() ([]paytm.Listed, error) { return client.LinkTransactions(context.Background(), "5") }

	p.SetAPI(paytmtest.APIFaults{WrongSignature: true})
	if _, err := ask(); !errors.Is(err, paytm.ErrSignature) {
		t.Errorf("a wrong signature: %v", err)
	}
	p.SetAPI(paytmtest.APIFaults{Unsigned: true})
	if rows, err := ask(); err != nil || rows[0].Signed {
		t.Errorf("%+v %v", rows, err)
	}
	p.SetAPI(paytmtest.APIFaults{Away: true, RetryAfter: 7 * time.Second})
	var refused *paytm.APIError
	if _, err := ask(); !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable ||
		refused.RetryAfter != 7*time.Second || refused.API != "link API" {
		t.Errorf("%+v", refused)
	}
	p.SetAPI(paytmtest.APIFaults{Contradict: map[string]paytmtest.Contradiction{
		pay.TxnID: {Amount: 700}}})
	if rows, err := ask(); err != nil || rows[0].Amount != 700 {
		t.Errorf("%+v %v", rows, err)
	}
	other := *client
	other.MID = "ANOTHER"
	if _, err := other.LinkTransactions(t.Context(), "5"); !errors.As(err, &refused) {
		t.Errorf("another MID: %v", err)
	}
}
