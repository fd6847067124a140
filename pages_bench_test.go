package main

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"
)

// filling is a shop's past, put in past the store: ?1 payments from number ?2 on, ?4 milliseconds apart from
// ?3 on, of two hundred partners. One in twenty failed, and of the others one in three nobody brought.
const filling = `
WITH RECURSIVE n (i) AS (SELECT ?2 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2 + ?1)
INSERT INTO transactions (id, gateway, mid, txn_id, order_id, status, amount, currency, paid_at, first_at,
       refunded, confirmation, conflict, customer, partner, basis, value, why, commission, due_at, blocks)
SELECT 1000000 + i, 'paytm', 'SHOP0001', printf('2025%016d', i), 'O' || i, iif(i % 20, 'success', 'failed'),
       10000 + i % 977 * 100, 'INR', ?3 + i * ?4, ?3 + i * ?4, 0, 'agreed', '', 'c' || i % 99991,
       iif(i % 3 AND i % 20, printf('P%03d', (i / 7) % 199), ''), 'click', '', '',
       iif(i % 3 AND i % 20, 14990, NULL), ?3 + i * ?4 + 1209600000, ''
  FROM n`

const countedDays = `
SELECT (paid_at + 19800000) / 86400000, partner, 9, count(*), sum(amount), 0, sum(coalesce(commission, 0)), 0, 0
  FROM transactions
 WHERE id >= 1000000 AND status = 'success'
 GROUP BY 1, 2`

// fill puts a year of payments into the books, up to yesterday.
func (s *liveShop) fill(payments int) {
	s.Helper()
	s.filled = true
	const year = 365 * 24 * time.Hour
	from, step := s.clockNow().Add(-year-24*time.Hour).UnixMilli(), year.Milliseconds()/int64(payments)
	const many = 100_000 // in one transaction, so that the log of the database stays small
	for first := 0; first < payments; first += many {
		if err := s.write(s.ctx(), s.payments, func(t *tx) error {
			return t.exec(filling, min(many, payments-first), first, from, step)
		}); err != nil {
			s.Fatal(err)
		}
	}
	if err := s.write(s.ctx(), s.payments, func(t *tx) error {
		return t.totals(countedDays, nil, func(k dayKey, sum Totals) error {
			t.days.add(k, sum, 1)
			return nil
		})
	}); err != nil {
		s.Fatal(err)
	}
}

// How long the service takes for a page, asked for by HTTP, with a year of a busy shop in the books:
//
//	HISSA_PAYMENTS=10000000 go test -run '^$' -bench PagesAsTheShopGrows -benchtime 20x -timeout 2h .
func BenchmarkPagesAsTheShopGrows(b *testing.B) {
	payments, err := strconv.Atoi(cmp.Or(os.Getenv("HISSA_PAYMENTS"), "100000"))
	if err != nil {
		b.Fatal(err)
	}
	s := serveShop(b)
	for i := range 200 {
		s.books.partner(fmt.Sprintf("P%03d", i))
	}
	s.bind(Order{ID: "1", Promo: "ASHA10"})
	sale := s.paytm.Pay("1", 100000)
	s.wants("a payment", s.paytm.PaymentForm(sale), 200, "credited")
	owner, partner := s.person("owner@shop.example", "owner"), s.portal("P007")
	s.fill(payments)
	type page struct {
		who        *browser
		name, path string
	}
	pages := []page{
		{owner, "overview", "/admin/"},
		{owner, "overview of a year", "/admin/?range=other&from=2025-12-01&to=2026-11-20"},
		{owner, "payments", "/admin/payments"},
		{owner, "payments further down", fmt.Sprintf("/admin/payments?before=%d-%d",
			s.clockNow().AddDate(0, -6, 0).UnixMilli(), payments/2)},
		{owner, "payments of a partner", "/admin/payments?partner=P007"},
		{owner, "payments of a partner who has none", "/admin/payments?partner=P199"},
		{owner, "payments of an amount", "/admin/payments?q=123.00"},
		{owner, "payments of an amount that nobody paid", "/admin/payments?q=7.77"},
		{owner, "payments of a day last year", "/admin/payments?from=2026-01-05&to=2026-01-05"},
		{owner, "a TXNID", "/admin/payments?q=" + fmt.Sprintf("2025%016d", payments/3)},
		{owner, "a reference that nobody has", "/admin/payments?q=912837465012"},
		{owner, "a payment", "/admin/payments/" + sale.TxnID},
		{owner, "partners", "/admin/partners"},
		{owner, "a partner", "/admin/partners/P007"},
		{owner, "statements", "/admin/statements"},
		{owner, "payouts", "/admin/payouts"},
		{owner, "tax", "/admin/tds"},
		{partner, "the portal", "/partner/"},
		{partner, "a partner's sales", "/partner/sales"},
		{partner, "a partner's links", "/partner/links"},
		{partner, "a partner's statements", "/partner/statements"},
	}
	for _, state := range []string{"due", "held", "paid", "reversed", "nobody", "pending", "failed", "refunded"} {
		pages = append(pages, page{owner, "payments " + state, "/admin/payments?state=" + state})
	}
	for _, page := range pages {
		b.Run(page.name, func(b *testing.B) {
			for b.Loop() {
				if a := page.who.get(page.path); a.status != http.StatusOK {
					b.Fatalf("%s: %d %.300s", page.path, a.status, plainText(a.body))
				}
			}
		})
	}
}
