package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// comparing is a shop with three orders of Asha's, and what compares it with Paytm's list.
func comparing(t *testing.T, change ...func(*Config)) (*liveShop, *reconciler) {
	t.Helper()
	s := serveShop(t, change...)
	for _, order := range []string{"1", "2", "3"} {
		s.bind(Order{ID: order, Promo: "ASHA10"})
	}
	return s, &reconciler{s.config, s.Store, s.config.api(), slog.New(slog.DiscardHandler)}
}

// compared compares the last hour, and returns what was found as "kind TXNID healed".
func compared(t *testing.T, r *reconciler) (Reconciliation, []string) {
	t.Helper()
	var found []string
	now := r.store.now()
	result, err := r.compare(t.Context(), sourceAPI, now.Add(-time.Hour), now.Add(time.Second), r.listFromAPI,
		func(f Finding) error {
			found = append(found, strings.TrimSpace(f.Kind+" "+f.TxnID+" "+f.Healed))
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.store.Verify(t.Context(), nil); err != nil {
		t.Fatalf("the books are not in order: %v", err)
	}
	return result, found
}

// eventually waits until what a story says has come about.
func (s *liveShop) eventually(t *testing.T, txn string, is func(*Story) bool) {
	t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		story, err := s.Story(t.Context(), txn)
		if err == nil && is(story) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%s has not come to what was waited for: %+v, %v", txn, story.Txn, err)
		}
	}
}

// What Paytm never told is found, booked once with its partner, and confirmed like any payment; its
// webhook, when it comes after all, is a repeat.
func TestReconcileMissing(t *testing.T) {
	s, r := comparing(t)
	told, lost := s.paytm.Pay("1", 49900), s.paytm.Pay("2", 100000)
	s.paytm.Pay("3", 5000, paytmtest.Failed())
	s.wants("a payment", s.paytm.PaymentForm(told), 200, "credited")
	result, found := compared(t, r)
	if want := []string{"missing " + lost.TxnID + " credited"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
	if result.Listed != 2 || result.Missing != 1 || result.Completeness() != 50 {
		t.Errorf("%+v", result)
	}
	s.eventually(t, lost.TxnID, func(story *Story) bool { return story.Txn.Confirmation == agreed })
	s.wants("after all", s.paytm.PaymentForm(lost), 200, "duplicate")
	if result, found = compared(t, r); len(found) != 0 || result.Completeness() != 100 {
		t.Errorf("found again: %q, %+v", found, result)
	}
	story, err := s.Story(t.Context(), lost.TxnID)
	if err != nil || story.Commission == nil || story.Commission.Partner != "ASHA" ||
		story.Commission.Amount != 10000 || story.Txn.Conflict != "" {
		t.Errorf("%+v %+v %v", story.Txn, story.Commission, err)
	}
}

// The list does not say at which counter somebody paid. The webhook that comes after all still does.
func TestReconciledBeforeItsWebhook(t *testing.T) {
	s, r := comparing(t)
	if _, err := s.SetPartner(t.Context(), PartnerChange{Code: "ASHA", References: []string{"POS_7"}}); err != nil {
		t.Fatal(err)
	}
	pay := s.paytm.Pay("", 49900, paytmtest.Pos("POS_7"))
	if _, found := compared(t, r); !slices.Equal(found, []string{"missing " + pay.TxnID + " unattributed"}) {
		t.Errorf("found %q", found)
	}
	s.wants("the webhook", s.paytm.PaymentForm(pay), 200, "duplicate")
	s.eventually(t, pay.TxnID, func(story *Story) bool { return story.Txn.Confirmation == agreed })
	if c := s.story(pay.TxnID).Commission; c == nil || c.Partner != "ASHA" || c.Amount != 4990 {
		t.Errorf("%+v", c)
	}
}

// A list is no message with a checksum: nothing is due for it without the status API, not even under a
// program that asks for no confirmation.
func TestReconciledIsNeverDueUnconfirmed(t *testing.T) {
	s, r := comparing(t, func(c *Config) { c.Paytm.Confirm = false })
	lost := s.paytm.Pay("1", 49900)
	_, found := compared(t, r)
	if len(found) != 1 {
		t.Fatalf("found %q", found)
	}
	story, err := s.Story(t.Context(), lost.TxnID)
	if err != nil || story.Txn.Confirmation == off {
		t.Errorf("%+v, %v", story.Txn, err)
	}
}

// What both have otherwise becomes a conflict that the status API settles; found a second time it is
// for a person to look at.
func TestReconcileMismatched(t *testing.T) {
	s, r := comparing(t)
	pay := s.paytm.Pay("1", 49900)
	genuine := s.paytm.PaymentForm(pay)
	pending := s.paytm.Pay("2", 20000, paytmtest.Pending())
	s.wants("a payment", s.paytm.PaymentForm(pending), 200, "recorded")
	s.eventually(t, pending.TxnID, func(story *Story) bool { return len(story.Facts.Answers) > 0 })
	s.paytm.Settle(pending, paytm.Success)
	s.wants("a payment", genuine, 200, "credited")
	s.eventually(t, pay.TxnID, func(story *Story) bool { return story.Txn.Confirmation == agreed })
	pay.Amount = 90000 // Paytm's books change under us

	_, found := compared(t, r)
	want := []string{"mismatched " + pay.TxnID + " conflict", "mismatched " + pending.TxnID + " credited"}
	if !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
	s.eventually(t, pay.TxnID, func(story *Story) bool { return story.Txn.Amount == 90000 })

	r.api = lying{r.api}
	if _, found = compared(t, r); !slices.Equal(found, []string{"mismatched " + pay.TxnID + " conflict"}) {
		t.Errorf("found %q", found)
	}
	if _, found = compared(t, r); !slices.Equal(found, []string{"mismatched " + pay.TxnID}) {
		t.Errorf("found %q", found)
	}
}

// lying lists every payment of ₹900 as one of ₹901, whatever the status API says.
type lying struct{ asker }

func (l lying) Orders(
	ctx context.Context, kind paytm.ListKind, from, to time.Time, each func(paytm.Listed) error,
) error {
	return l.asker.Orders(ctx, kind, from, to, func(row paytm.Listed) error {
		if row.Amount == 90000 {
			row.Amount, row.Body = 90100, append([]byte("lie "), row.Body...)
		}
		return each(row)
	})
}

// Of two payments of one order the status API names the first alone: the list settles the second.
func TestReconcileSettlesTheSecondOfAnOrder(t *testing.T) {
	s, r := comparing(t)
	for range 2 {
		s.wants("a payment", s.paytm.PaymentForm(s.paytm.Pay("1", 49900)), 200, "credited")
	}
	second := s.paytm.Payments()[1].TxnID
	s.eventually(t, second, func(story *Story) bool { return len(story.Facts.Answers) > 0 })
	if story := s.story(second); story.Txn.Confirmation != waiting {
		t.Errorf("%+v", story.Txn)
	}
	if _, found := compared(t, r); len(found) != 0 {
		t.Errorf("found %q", found)
	}
	if story := s.story(second); story.Txn.Confirmation != agreed || story.Poll != nil {
		t.Errorf("%+v, %+v", story.Txn, story.Poll)
	}
}

// A refund that nobody told us of takes its part of the commission back, once.
func TestReconcileUnrefunded(t *testing.T) {
	s, r := comparing(t)
	pay := s.paytm.Pay("1", 100000)
	s.wants("a payment", s.paytm.PaymentForm(pay), 200, "credited")
	told, lost := s.paytm.Refund(pay, 10000), s.paytm.Refund(pay, 30000)
	s.wants("a refund", s.paytm.RefundSucceeded(pay, told), 200, "recorded")
	result, found := compared(t, r)
	if len(found) != 1 || !strings.HasPrefix(found[0], "unrefunded "+pay.TxnID+" ") || result.Unrefunded != 1 {
		t.Errorf("found %q, %+v", found, result)
	}
	if _, found = compared(t, r); len(found) != 0 {
		t.Errorf("found again: %q", found)
	}
	story, err := s.Story(t.Context(), pay.TxnID)
	if err != nil || story.Txn.Refunded != 40000 || story.Commission.Reversed != 4000 {
		t.Errorf("%+v %+v %v", story.Txn, story.Commission, err)
	}
	s.wants("the other after all", s.paytm.RefundSucceeded(pay, lost), 200, "duplicate")
}

// A refund that the books have under another id is not taken back a second time; two of one amount are
// two.
func TestRefundsOfTheListByAmount(t *testing.T) {
	facts := Facts{Notifications: []Notification{
		refund("T1", "R1", "accepted", 100), refund("T1", "R1", "succeeded", 100),
		refund("T1", "R2", "refused", 300), refund("T1", "R3", "succeeded", 500),
		refund("T1", "R4", "accepted", 700), refund("T1", "R4", "refused", 700),
		refund("T1", "R5", "refused", 900), refund("T1", "R5", "succeeded", 900),
	}}
	for i := range facts.Notifications {
		facts.Notifications[i].At = noon
	}
	for _, row := range []struct{ listed, lacking string }{
		{"R1=100 R3=500", ""},
		{"X1=100 X3=500", ""},
		{"=100", ""},
		{"=100 =100", " 100"},
		{"R1=100 X1=100", "X1 100"},
		{"X1=100 R1=100", "X1 100"},
		{"R2=300", "R2 300"},
		{"R3=700", "R3 700"},
		{"X4=200 R3=500", "X4 200"},
		{"R4=700", "R4 700"}, // accepted, then refused: the books have it undone
		{"R5=900", ""},
		{"X1=100@-1h", ""}, // made an hour before the books were told of one
		{"X1=100@5m", ""},  // by two clocks
		{"X1=100@240h", "X1 100"},
		{"R1=100@240h", ""},
	} {
		var listed []paytm.Listed
		for _, text := range strings.Fields(row.listed) {
			text, after, later := strings.Cut(text, "@")
			id, amount, _ := strings.Cut(text, "=")
			paise, err := strconv.ParseInt(amount, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			var at time.Time
			if later {
				d, err := time.ParseDuration(after)
				if err != nil {
					t.Fatal(err)
				}
				at = noon.Add(d)
			}
			listed = append(listed, paytm.Listed{TxnID: "T1", Refund: true, RefundID: id, Amount: paise, At: at})
		}
		var got []string
		for _, l := range lacking(facts, listed) {
			got = append(got, fmt.Sprint(l.RefundID, " ", l.Amount))
		}
		if strings.Join(got, ",") != row.lacking {
			t.Errorf("%s: lacking %q, want %q", row.listed, got, row.lacking)
		}
	}
}

// A payment that Paytm's list lacks is named; nothing is booked for it.
func TestReconcileUnlisted(t *testing.T) {
	s, r := comparing(t)
	now := time.Now()
	pay := s.paytm.Pay("1", 49900, paytmtest.At(now.Add(-2*time.Hour)))
	s.wants("a payment", s.paytm.PaymentForm(pay), 200, "credited")
	s.eventually(t, pay.TxnID, func(story *Story) bool { return story.Txn.Confirmation == agreed })
	s.paytm.SetAPI(paytmtest.APIFaults{Contradict: map[string]paytmtest.Contradiction{
		pay.TxnID: {Unknown: true},
	}})
	var found []string
	result, err := r.compare(t.Context(), sourceAPI, now.Add(-72*time.Hour), now, r.listFromAPI,
		func(f Finding) error { found = append(found, f.Kind+" "+f.TxnID+f.Healed); return nil })
	if want := []string{"unlisted " + pay.TxnID}; err != nil || !slices.Equal(found, want) || result.Unlisted != 1 {
		t.Errorf("found %q, want %q, %v", found, want, err)
	}
}

// Ten weeks are asked for in pieces that Paytm answers, page by page.
func TestReconcileManyPages(t *testing.T) {
	s, r := comparing(t)
	now := time.Now()
	for i := range 130 {
		s.paytm.Pay(fmt.Sprint("many", i), 100, paytmtest.At(now.Add(-time.Duration(i)*12*time.Hour)))
	}
	var found []string
	result, err := r.compare(t.Context(), sourceAPI, now.Add(-70*24*time.Hour), now.Add(time.Second),
		r.listFromAPI, func(f Finding) error { found = append(found, f.TxnID); return nil })
	slices.Sort(found)
	if len(slices.Compact(found)) != 130 || result.Missing != 130 || err != nil {
		t.Errorf("found %d, %+v, %v", len(found), result, err)
	}
}

// The sweep comes once a day, after one that failed sooner; what it came to is kept.
func TestSweepOnceADay(t *testing.T) {
	s, r := comparing(t)
	clock := time.Now()
	turn := func(d time.Duration) { // the service asks for the time meanwhile
		clock = clock.Add(d)
		now := clock
		s.setClock(func() time.Time { return now })
	}
	turn(0)
	last := func() *Reconciliation {
		t.Helper()
		l, err := s.LastReconciliation(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if last() != nil {
		t.Fatal("compared already")
	}
	s.paytm.SetAPI(paytmtest.APIFaults{Away: true})
	if err := r.sweepWhenDue(t.Context()); err == nil {
		t.Error("the API was away and nobody said so")
	}
	if l := last(); l == nil || l.Error == "" || !l.At.Equal(clock.UTC().Truncate(time.Millisecond)) {
		t.Errorf("%+v", l)
	}
	key, err := s.AddKey(t.Context(), "monitor", "metrics")
	if err != nil {
		t.Fatal(err)
	}
	measured := func(want string) {
		t.Helper()
		got := s.do("GET", "/metrics", "", nil, "Authorization", "Bearer "+key)
		if !strings.Contains(got.body, "\n"+want+"\n") {
			t.Errorf("want %s in\n%s", want, got.body)
		}
	}
	watch := newAlarms(&server{config: s.config, store: s.Store})
	alarmed := func() bool { return watch.neverCame(t.Context()) != "" }
	measured("hissa_reconciled_ok 0")
	s.paytm.Pay("1", 49900, paytmtest.At(clock.Add(-time.Hour)))
	s.paytm.SetAPI(paytmtest.APIFaults{})
	for _, row := range []struct {
		after time.Duration
		due   bool
	}{
		{sweepAgain - time.Minute, false}, {time.Minute, true}, {sweepEvery - time.Minute, false}, {time.Minute, true},
	} {
		turn(row.after)
		if err := r.sweepWhenDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l := last(); (l.Error == "" && l.At.Equal(clock.UTC().Truncate(time.Millisecond))) != row.due {
			t.Errorf("after %v: %+v", row.after, l)
		}
		if l := last(); l.Missing == 1 {
			measured("hissa_completeness_percent 0")
			if !alarmed() {
				t.Error("what came is not a hundredth of Paytm's list, and nobody says so")
			}
		}
	}
	if alarmed() {
		t.Error("everything came, and an alarm stands")
	}
	measured("hissa_reconciled_ok 1")
	measured("hissa_completeness_percent 100")
	measured("hissa_reconciled_age_seconds 0")
}

// A comparison under a clock that was a year ahead says that it reached a year further. Once the clock is right
// the next is due as ever, and goes back to where the last one before it ended.
func TestSweepAfterAClockThatWasAhead(t *testing.T) {
	s, r := comparing(t)
	now := time.Now()
	at := func(clock time.Time, away bool) {
		t.Helper()
		s.paytm.SetAPI(paytmtest.APIFaults{Away: away})
		s.setClock(func() time.Time { return clock })
		if err := r.sweepWhenDue(t.Context()); (err == nil) == away {
			t.Fatalf("at %s: %v", clock, err)
		}
		if last, err := s.LastReconciliation(t.Context()); err != nil || !last.At.Equal(s.now()) {
			t.Fatalf("at %s nothing was compared: %+v (%v)", clock, last, err)
		}
	}
	at(now.Add(-21*24*time.Hour), false)
	at(now.AddDate(1, 0, -20), false)
	missed := s.paytm.Pay("1", 49900, paytmtest.At(now.Add(-19*24*time.Hour)))
	at(now.Add(-18*24*time.Hour), true)
	at(now, false)
	if story, err := s.Story(t.Context(), missed.TxnID); err != nil || story.Txn == nil {
		t.Errorf("a payment from when the clock was wrong was not found (%v)", err)
	}
}

const aReport = "\ufeffMerchant Name,My Shop\n" +
	"Transaction_ID,Order ID,Transaction_Date,Amount,Status,Transaction_Type,MID,Refund_ID,Customer\n" +
	"'T1',1,'22-11-2026 12:00:00',\"1,000.00\",SUCCESS,ACQUIRING,SHOP0001,,Devi\n" +
	"T2,2,22/11/2026 12:00:00,20.00,Success,SALE,SHOP0001,,\n" +
	"T3,3,22-11-2026 12:00:00,30.00,FAILURE,SALE,SHOP0001,,\n" +
	"T1,1,23-11-2026 12:00:00,-100.00,SUCCESS,REFUND,SHOP0001,R1,\n" +
	"T4,4,22-11-2026 12:00:00,40.00,SUCCESS,SALE,OTHER,,\n" +
	"T5,5,22-11-2026 12:00:00,50.00,SUCCESS,CHARGEBACK,SHOP0001,,\n" +
	"T6,6,odd,6x,SUCCESS,SALE,SHOP0001,,\n" +
	",,,,,,,,\n"

// Paytm's report is read by the names of its columns, wherever they stand.
func TestReport(t *testing.T) {
	config := &Config{}
	config.Paytm.MID = "SHOP0001"
	read := func(text string, from, to time.Time) (rows []string, err error) {
		list, err := readReport(strings.NewReader(text), "report.csv", config)
		if err != nil {
			return nil, err
		}
		return rows, list(t.Context(), from, to, func(row paytm.Listed) error {
			at := "?"
			if !row.At.IsZero() {
				at = row.At.In(ist).Format("02.15:04")
			}
			rows = append(rows, fmt.Sprint(row.TxnID, " ", row.OrderID, " ", row.Amount, " ", at, " ", row.RefundID))
			if strings.Contains(string(row.Body), "Devi") {
				t.Errorf("a customer's name is kept: %s", row.Body)
			}
			return nil
		})
	}
	rows, err := read(aReport, time.Time{}, time.Time{})
	want := []string{"T1 1 100000 22.12:00 ", "T2 2 2000 22.12:00 ", "T6 6 -1 ? ", "T1 1 10000 23.12:00 R1"}
	if err != nil || !slices.Equal(rows, want) {
		t.Errorf("read\n%q\nwant\n%q\n%v", rows, want, err)
	}
	second := time.Date(2026, 11, 23, 0, 0, 0, 0, ist)
	if rows, err = read(aReport, second, second.AddDate(0, 0, 1)); err != nil || len(rows) != 2 {
		t.Errorf("of one day: %q, %v", rows, err)
	}

	untyped := "Transaction_ID,Amount,Status,Refund_ID\n" +
		"T1,100.00,Successful,\nT2,5.00,UNSUCCESSFUL,\nT3,5.00,not successful,\nT4,5.00,TXN_SUCCESS,\n" +
		"T1,-100.00,Success,R1\n"
	rows, err = read(untyped, time.Time{}, time.Time{})
	if want := []string{"T1  10000 ? ", "T4  500 ? ", "T1  10000 ? R1"}; err != nil || !slices.Equal(rows, want) {
		t.Errorf("without a type read %q, want %q, %v", rows, want, err)
	}
	negative := "Transaction_ID,Amount,Transaction_Type\nT1,-100.00,SALE\n"
	if rows, err = read(negative, time.Time{}, time.Time{}); err != nil || !slices.Equal(rows, []string{"T1  -1 ? "}) {
		t.Errorf("a sale of less than nothing: read %q, %v", rows, err)
	}

	other := "id;Rupees\nT1;10\n"
	for text, says := range map[string]string{
		other: "layout that is not known", "": "is empty", "a,\"b\nc": "layout that is not known",
	} {
		var no noError
		if _, err := read(text, time.Time{}, time.Time{}); !errors.As(err, &no) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %s", text, err, says)
		}
	}
	config.Reconcile.TxnID, config.Reconcile.Amount = "id", "rupees"
	if rows, err = read(other, time.Time{}, time.Time{}); err != nil || !slices.Equal(rows, []string{"T1  1000 ? "}) {
		t.Errorf("read %q, %v", rows, err)
	}
	config.Reconcile.Type = "Kind"
	if _, err = read(other, time.Time{}, time.Time{}); err == nil || !strings.Contains(err.Error(), `no column "Kind"`) {
		t.Errorf("%v", err)
	}
}
