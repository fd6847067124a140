package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// brings imports a file, and says of each line what became of it.
func (b *books) brings(what bringing, file string) (became []string) {
	b.Helper()
	var lines []*importLine
	if err := what.columns.each(strings.NewReader(file), func(number int, cell func(string) string) error {
		l := &importLine{number: number}
		what.read(l, cell, b.now())
		lines = append(lines, l)
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	if err := b.Store.bring(b.ctx(), what, lines); err != nil {
		b.Fatal(err)
	}
	b.inOrder()
	for _, l := range lines {
		became = append(became, strings.TrimSpace(l.result+" "+l.why))
	}
	return became
}

// Every line that can't be imported says why, and the others are judged all the same.
func TestLinesThatCantBeImported(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.bind(Order{ID: "9", Promo: "ASHA10"})
	b.send(payment("T9", "9"))
	long := strings.Repeat("x", 129)
	for _, c := range []struct {
		what      bringing
		row, want string
	}{
		{bringClicks, "clk_1,ASHA,2026-11-20T10:00:00Z,,", "new"},
		{bringClicks, "clk_1,asha,2026-11-20T15:30:00+05:30,,true", "same is there already"},
		{bringClicks, "clk_1,ASHA,2026-11-20T10:00:00Z,,a link preview", "wrong is there already, otherwise"},
		{bringClicks, "clk_1,ASHA,2026-11-20T10:00:00Z,sub=a,", "wrong is there already, otherwise"},
		{bringClicks, "clk_2,ASHA,2026-11-22T06:30:00.001Z,,", "wrong at 2026-11-22T06:30:00.001Z is in the future"},
		{bringClicks, "clk_2,ASHA,2026-11-22T06:30:00Z,,", "new"},
		{bringClicks, "clk_3,ASHA,,,", "wrong at is missing"},
		{bringClicks, "clk_3,ASHA,2026-11-20,,", "wrong at \"2026-11-20\": write a time like"},
		{bringClicks, "clk_3,ASHA,1999-12-31T23:59:59Z,,", "wrong at 1999-12-31T23:59:59Z is before"},
		{bringClicks, "clk_3,,2026-11-20T10:00:00Z,,", "wrong there is no partner \"\""},
		{bringClicks, "clk_3,ASHA10,2026-11-20T10:00:00Z,,", "wrong there is no partner \"ASHA10\""},
		{bringClicks, "CLK_3,ASHA,2026-11-20T10:00:00Z,,", "wrong id \"CLK_3\": it is"},
		{bringClicks, "clk_,ASHA,2026-11-20T10:00:00Z,,", "wrong id \"clk_\": it is"},
		{bringClicks, "clk_" + long + ",ASHA,2026-11-20T10:00:00Z,,", "wrong id"},
		{bringClicks, "clk_3,ASHA,2026-11-20T10:00:00Z,sub=%zz,", "wrong sub can't be read"},
		{bringClicks, "clk_3,ASHA,2026-11-20T10:00:00Z,sub=a;b,", "wrong sub can't be read"},
		{bringClicks, "clk_3,ASHA,2026-11-20T10:00:00Z,," + long, "wrong counted is true"},
		{bringClicks, "clk_3,ASHA,2026-11-20T10:00:00Z,,\xff", "wrong counted is true"},
		{bringClicks, "clk_3", "wrong at is missing"},
		{bringOrders, "1,clk_1,,,,,,", "bound"},
		{bringOrders, "1,clk_1,,,,,,2026-11-20T10:00:00Z", "same is there already"},
		{bringOrders, "1,clk_9,,,,,,", "replaced was bound to click clk_1; no such click is known"},
		{bringOrders, "2,,DIWALI,,,,,", "bound nobody holds the code DIWALI"},
		{bringOrders, "2,,,,,,,", "replaced was bound to code DIWALI"},
		{bringOrders, "9,,ASHA10,c1,,,,", "wrong a payment of this order is stored: it stays bound to code ASHA10"},
		{bringOrders, "9,,asha10,,,,,", "wrong a payment of this order is stored"},
		{bringOrders, "9,,ASHA10,,,,,", "same is there already"},
		{bringOrders, ",,ASHA10,,,,,", "wrong order_id must be"},
		{bringOrders, "3," + long + ",,,,,,", "wrong click_id must be at most 128"},
		{bringOrders, "3,,,\xff,,,,", "wrong is not UTF-8"},
		{bringOrders, "3,,,,,,0.00,", "wrong amount must be rupees above zero"},
		{bringOrders, "3,,,,,,1.005,", "wrong amount must be"},
		{bringOrders, "3,,,,,,,2027-01-01T00:00:00Z", "wrong at 2027-01-01T00:00:00Z is in the future"},
		{bringOrders, "3,clk_1,ASHA10,c1,c1@shop.example,9876543210,10.00,2026-11-20T10:00:00Z", "bound"},
		{bringOrders, "3,clk_1,ASHA10,c1,c1@shop.example,+91 98765 43210,10,2026-11-20T10:00:00Z", "same is there already"},
		{bringOrders, "3,clk_1,ASHA10,c1,,,10.00,", "replaced was bound to code ASHA10 and click clk_1"},
	} {
		header := "id,partner,at,sub,counted\n"
		if c.what.what == "order" {
			header = "order_id,click_id,promo_code,customer_id,email,mobile,amount,at\n"
		}
		if got := b.brings(c.what, header+c.row+"\n")[0]; !strings.HasPrefix(got, c.want) ||
			strings.HasPrefix(c.want, "same") && got != c.want {
			t.Errorf("%s: %s, want %s", c.row, got, c.want)
		}
	}
	b.comesBack(t)
}

// A click that a file brings counts by the time in the file, for payments that named it before it was known
// too; but what is due, it no longer moves. A click of our own is not taken for an imported one.
func TestImportedClicks(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.partner("RAVI")
	b.click("clk_own", "ASHA")
	b.bind(Order{ID: "1", ClickID: "clk_old"})
	b.bind(Order{ID: "2", ClickID: "clk_late"})
	b.bind(Order{ID: "3", ClickID: "clk_own"})
	b.bind(Order{ID: "4", ClickID: "clk_old", Promo: "RAVI10"})
	b.bind(Order{ID: "5", ClickID: "clk_preview"})
	for i := 1; i <= 5; i++ {
		b.send(payment(fmt.Sprint("T", i), fmt.Sprint(i), paid(noon)))
		b.answers(fmt.Sprint("T", i), agreeing(fmt.Sprint("T", i), fmt.Sprint(i), 100000))
	}
	b.send(payment("T6", "6", paid(noon), func(n *Notification) { n.Reference = "clk_old" }))
	b.wait(20 * 24 * time.Hour) // T4 is due
	b.brings(bringClicks, "id,partner,at,counted\nclk_old,ASHA,2026-11-21T06:30:00Z,true\n"+
		"clk_late,ASHA,2026-11-22T06:30:01Z,true\nclk_preview,ASHA,2026-11-22T06:30:00Z,a link preview\n")
	b.click("clk_after", "ASHA")
	b.bind(Order{ID: "7", ClickID: "clk_after"})
	b.send(payment("T7", "7", paid(b.clockNow())))
	for _, c := range []struct{ txn, earned, verdict string }{
		{"T1", "ASHA 100.00 due", "clicked 1 day before payment, within the window of 30 days, as an imported file says"},
		{"T2", "nobody", "clicked 1 second after the payment, as an imported file says"},
		{"T3", "ASHA 100.00 due", "clicked 0 seconds before payment, within the window of 30 days"},
		{"T4", "RAVI 100.00 due", "RAVI10 is on the order"},
		{"T5", "nobody", "not a click: a link preview, as an imported file says"},
		{"T6", "ASHA 100.00 held unconfirmed",
			"clicked 1 day before payment, within the window of 30 days, as an imported file says"},
		{"T7", "ASHA 100.00 held period unconfirmed", "clicked 0 seconds before payment, within the window of 30 days"},
	} {
		story := b.story(c.txn)
		if got := b.earned(c.txn); got != c.earned || story.Candidates[0].Verdict != c.verdict {
			t.Errorf("%s: %s, %q; want %s, %q", c.txn, got, story.Candidates[0].Verdict, c.earned, c.verdict)
		}
	}
	var days []string
	if err := b.read(b.ctx(), func(r rows) error {
		return r.days(Span{}, func(k dayKey, sum Totals) error {
			days = append(days, fmt.Sprintf("%s %d clicks", k, sum.Clicks))
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
	if want := `totals of "ASHA" on 2026-11-21 1 clicks`; len(days) == 0 || days[0] != want {
		t.Errorf("the days begin with %q, want %q", days, want)
	}
	b.comesBack(t)
}

// A file of thousands of lines is booked in many transactions, and said again it changes nothing.
func TestImportOfThousands(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	var file strings.Builder
	file.WriteString("\ufeffid\tpartner\tat\n")
	const many = 3*bringChunk + 7
	for i := range many {
		fmt.Fprintf(&file, "clk_%d\tASHA\t2026-11-2%dT10:00:00Z\n", i, i%2)
	}
	for round, want := range []string{"new", "same is there already"} {
		for i, got := range b.brings(bringClicks, file.String()) {
			if got != want {
				t.Fatalf("round %d, line %d: %s, want %s", round, i, got, want)
			}
		}
	}
	if facts := b.inOrder().Facts; facts < many || facts > many+20 {
		t.Errorf("%d facts for %d clicks", facts, many)
	}
	b.comesBack(t)
}

// Whatever a file holds, it is read or refused, and what is read can be judged.
func FuzzImportRows(f *testing.F) {
	for _, file := range []string{
		"id,partner,at,sub,counted\nclk_1,ASHA,2026-11-20T10:00:00Z,sub=a%26b,true\n",
		"{\"id\": \"clk_1\", \"partner\": \"ASHA\", \"at\": \"2026-11-20T10:00:00Z\"}\n{\"id\":1e9}\n",
		"\ufefforder_id;click_id;amount\n\"1;2\";clk_1;10.00\n3\n", "{}\n", "id\n\"", "",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, what := range []bringing{bringClicks, bringOrders} {
			last := 0
			_ = what.columns.each(strings.NewReader(string(file)), func(number int, cell func(string) string) error {
				l := &importLine{number: number}
				if what.read(l, cell, noon); number <= last {
					t.Fatalf("line %d comes after line %d", number, last)
				}
				last = number
				if l.result == "wrong" {
					return nil
				}
				if what.what == "click" && (!clickPattern().MatchString(l.click.ID) || l.click.At.After(noon)) {
					t.Fatalf("taken: %+v", l.click)
				}
				if what.what == "order" && !orderPattern().MatchString(l.order.ID) {
					t.Fatalf("taken: %+v", l.order)
				}
				return nil
			})
		}
	})
}
