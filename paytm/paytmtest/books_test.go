package paytmtest_test

import (
	"fmt"
	"sync"
	"testing"

	"hissa/paytm/paytmtest"
)

func TestTransactionIDsAreUniqueAndFollowTheSeed(t *testing.T) {
	const payments = 20000
	ids := func(seed uint64) []string {
		p := newPaytm(seed)
		var list []string
		for i := range payments {
			pay := p.Pay(fmt.Sprintf("ORDER_%d", i), 100)
			list = append(list, pay.TxnID)
			if i%10 == 0 {
				list = append(list, p.Refund(pay, 10).ID)
			}
		}
		return list
	}
	first, again, other := ids(1), ids(1), ids(2)
	seen := map[string]bool{}
	for i, id := range first {
		if seen[id] || len(id) != 35 {
			t.Fatalf("id %d, %s, came before or is not 35 digits", i, id)
		}
		seen[id] = true
		if id != again[i] {
			t.Fatalf("id %d is %s, then %s with the same seed", i, id, again[i])
		}
	}
	if first[0] == other[0] {
		t.Error("another seed gives the same ids")
	}
}

func TestDefaults(t *testing.T) {
	p := paytmtest.New(paytmtest.Config{})
	if p.MID() != paytmtest.DefaultMID || len(p.MID()) != 20 {
		t.Errorf("MID %s", p.MID())
	}
	if p.MerchantKey() != paytmtest.DefaultMerchantKey || len(p.MerchantKey()) != 16 {
		t.Errorf("merchant key of %d bytes", len(p.MerchantKey()))
	}
	parsed(t, p, p.PaymentForm(p.Pay("ORDER_1", 100)))
}

func TestABadMerchantKeyPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a key of five bytes was taken")
		}
	}()
	paytmtest.New(paytmtest.Config{MerchantKey: "short"})
}

// TestManyAtOnce is for the race detector: the books, messages and the API at the same time.
func TestManyAtOnce(t *testing.T) {
	p := newPaytm(30)
	client := start(t, p)
	shared := p.Pay("SHARED", 1000, paytmtest.Pending())
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 20 {
				order := fmt.Sprintf("ORDER_%d_%d", i, j)
				pay := p.Pay(order, 100)
				p.Settle(shared, "success")
				p.RefundSucceeded(shared, p.Refund(shared, 1))
				p.LinkPayment(shared, order)
				for _, m := range []paytmtest.Message{p.PaymentForm(pay), p.PaymentJSON(shared)} {
					parsed(t, p, m)
				}
				a, err := client.OrderStatus(t.Context(), order)
				if err != nil || a.TxnID != pay.TxnID {
					t.Errorf("%s: %+v, %v", order, a, err)
				}
			}
		})
	}
	all.Wait()
	if got := len(p.Payments()); got != 81 {
		t.Errorf("%d payments on the books", got)
	}
	if got := len(shared.Refunds); got != 80 {
		t.Errorf("%d refunds", got)
	}
}
