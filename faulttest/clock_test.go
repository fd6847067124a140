package faulttest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// turnedClock is no weakness: hissa with a clock that a test can turn while it runs. The real one
// reads the clock without a system call, so that nothing outside the process can turn it, short of
// the machine's own clock.
const turnedClock = "the clock can be turned"

// instants at which days, months, years and a leap day begin and end, by India's clock and by UTC.
func instants() (list []time.Time) {
	for _, zone := range []*time.Location{paytm.IST, time.UTC} {
		for _, day := range []time.Time{
			time.Date(2026, 11, 23, 0, 0, 0, 0, zone), time.Date(2026, 12, 1, 0, 0, 0, 0, zone),
			time.Date(2027, 1, 1, 0, 0, 0, 0, zone), time.Date(2028, 2, 29, 0, 0, 0, 0, zone),
			time.Date(2028, 3, 1, 0, 0, 0, 0, zone), time.Date(2100, 3, 1, 0, 0, 0, 0, zone),
		} {
			list = append(list, day.Add(-time.Second), day)
		}
	}
	return list
}

// payAt sells one thing at every instant, to the serve that serves then.
func payAt(t *testing.T, s *shop, l *ledger, serves func(i int) *serving) {
	t.Helper()
	client := newClient(1)
	defer client.CloseIdleConnections()
	for i, at := range instants() {
		p := serves(i)
		pay := s.paytm.Pay(fmt.Sprintf("ORDER_%02d", i), price, paytmtest.Reference("ASHA"),
			paytmtest.At(at))
		for range 2 { // the second is a duplicate
			if status := p.send(client, l, s.paytm.PaymentForm(pay)); status != http.StatusOK {
				t.Fatalf("status %d\n%s", status, p.log())
			}
		}
	}
}

// stated is what the books say of every order, without what depends on today.
func stated(s *shop) (list []string) {
	s.Helper()
	transactions, code := s.hissa("export", "transactions")
	if code != 0 {
		s.Fatal(transactions)
	}
	commissions, code := s.hissa("export", "commissions")
	if code != 0 {
		s.Fatal(commissions)
	}
	due := byTxnID(s, commissions)
	for id, rows := range byTxnID(s, transactions) {
		for _, row := range rows {
			for _, c := range due[id] {
				list = append(list, fmt.Sprint(row["order_id"], " ", row["paid_at"], " ",
					row["partner"], " ", row["deliveries"], " ", c["amount"], " ", c["due_at"]))
			}
		}
	}
	slices.Sort(list)
	return list
}

// expected is the same by the calendar.
func expected() (list []string) {
	for i, at := range instants() {
		list = append(list, fmt.Sprint(fmt.Sprintf("ORDER_%02d ", i), at.UTC().Format(time.RFC3339),
			" ASHA 2 ", commission, " ", at.UTC().AddDate(0, 0, 14).Format(time.RFC3339)))
	}
	return list
}

// Payments at the edges of days, months and years, by both calendars, in machines of any zone.
func TestEdgesOfTheCalendar(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"UTC", "Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"} {
		if got := soldAtTheEdges(t, hissa(t), zone); !slices.Equal(got, expected()) {
			t.Errorf("TZ=%s: the books say\n%s\nthe calendar says\n%s", zone,
				strings.Join(got, "\n"), strings.Join(expected(), "\n"))
		}
	}
	for _, name := range []string{
		"Paytm's times are taken for UTC", "the time of payment is that of receipt",
	} {
		if slices.Equal(soldAtTheEdges(t, binaryNamed(t, name), "UTC"), expected()) {
			t.Errorf("the control is not seen: %s", name)
		}
	}
}

func soldAtTheEdges(t *testing.T, binary, zone string) []string {
	t.Helper()
	s, l := newShop(t, binary), newLedger()
	s.env = []string{"TZ=" + zone}
	p := s.start()
	payAt(t, s, l, func(int) *serving { return p })
	p.stop()
	return stated(s)
}

// The clock jumps back and forth by days while payments come in, and over restarts: the same books,
// nothing twice, the chain in order.
func TestClockTurned(t *testing.T) {
	t.Parallel()
	s, l := newShop(t, binaryNamed(t, turnedClock)), newLedger()
	p := s.start()
	turns := []string{"0s", "-48h", "72h", "-8760h", "17520h", "-1ms", "1h"}
	payAt(t, s, l, func(i int) *serving {
		s.write("hissa.db.clock", turns[i%len(turns)])
		if i%9 == 8 {
			p.kill()
			p = s.start()
		}
		return p
	})
	p.stop()
	if f := s.check(l); f.any() {
		t.Error(f)
	}
	if got := stated(s); !slices.Equal(got, expected()) {
		t.Errorf("the books say\n%s", strings.Join(got, "\n"))
	}
	// The control: the clock was turned indeed.
	said, _ := s.hissa("export", "notifications")
	years := map[string]bool{}
	for _, rows := range byTxnID(s, said) {
		for _, row := range rows {
			years[fmt.Sprint(row["received_at"])[:4]] = true
		}
	}
	if len(years) < 3 {
		t.Errorf("all messages were received in %v", years)
	}
}
