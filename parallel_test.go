package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"hissa/paytm/paytmtest"
)

// 64 connections deliver 10,000 payments, each three to five times, while visitors click: exactly
// one commission a payment and one `credited` each; every other answer is `duplicate`.
func TestParallelDuplicates(t *testing.T) {
	payments := 10_000
	if testing.Short() {
		payments = 1_000
	}
	s := serveShop(t)
	s.client.Transport = &http.Transport{MaxIdleConnsPerHost: 80}
	luck := rand.New(rand.NewPCG(1, 2))
	var queue []paytmtest.Message
	for i := range payments {
		pay := s.paytm.Pay(fmt.Sprintf("O%d", i), 100000, paytmtest.Reference("ASHA"))
		for range 3 + luck.IntN(3) {
			queue = append(queue, s.paytm.PaymentForm(pay))
		}
	}
	luck.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })

	var mu sync.Mutex
	credited := map[string]int{}
	answers := map[string]int{}
	var wg sync.WaitGroup
	work := make(chan paytmtest.Message)
	for range 64 {
		wg.Go(func() {
			for m := range work {
				status, result := s.hook(m)
				mu.Lock()
				answers[fmt.Sprint(status, " ", result)]++
				if result == "credited" {
					credited[m.TxnID]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for range 200 {
			s.do("GET", "/r/RAVI", "", bytes.NewReader(nil), "User-Agent", phone)
		}
	})
	for _, m := range queue {
		work <- m
	}
	close(work)
	wg.Wait()

	if len(credited) != payments || len(answers) != 2 ||
		answers["200 credited"] != payments || answers["200 duplicate"] != len(queue)-payments {
		t.Errorf("%d payments credited, answers %v", len(credited), answers)
	}
	for id, times := range credited {
		if times != 1 {
			t.Errorf("%s was credited %d times", id, times)
		}
	}
	var commissions, clicks int
	if err := s.read(s.ctx(), func(r rows) error {
		if err := r.one("SELECT count(commission) FROM transactions", nil, &commissions); err != nil {
			return err
		}
		return r.one("SELECT count(*) FROM clicks WHERE counted = ''", nil, &clicks)
	}); err != nil {
		t.Fatal(err)
	}
	if commissions != payments || clicks != 200 {
		t.Errorf("%d commissions and %d clicks are stored", commissions, clicks)
	}
	if got, want := s.balance("ASHA"), int64(payments)*10000; got != want {
		t.Errorf("Asha is owed %d, want %d", got, want)
	}
}
