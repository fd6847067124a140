package paytm_test

import (
	"slices"
	"testing"

	"hissa/paytm"
)

// What a hybrid payment is made of, in the ways in which it may be written. What can't be read is left
// out: nothing is earned on it.
func TestParts(t *testing.T) {
	two := []paytm.Part{{"T1", "PPI", 333}, {"T2", "UPI", 667}}
	for _, row := range []struct {
		body string
		want []paytm.Part
	}{
		{form(with(payment, "CHILDTXNLIST", `[{"txnId":"T1","paymentMode":"PPI","txnAmount":"3.33"},`+
			`{"TXNID":"T2","PAYMENTMODE":"UPI","TXNAMOUNT":6.67}]`)), two},
		{`{"head":{"signature":"x"},"body":{"txnId":"T","childTransaction":[` +
			`{"txnId":"T1","paymentMode":"PPI","txnAmount":"3.33"},{"txnId":"T2","paymentMode":"UPI","txnAmount":"6.67"}]}}`, two},
		{`{"head":{"signature":"x"},"body":{"txnId":"T","childTxnList":"[{\"txnId\":\"T1\"}]"}}`, []paytm.Part{{"T1", "", -1}}},
		{form(with(payment, "CHILDTXNLIST", `[{"txnId":"\u001b[2J","paymentMode":"a b","txnAmount":"1e3"}]`)), []paytm.Part{{"", "", -1}}},
		{form(with(payment, "CHILDTXNLIST", `{"txnId":"T1"}`)), nil},
		{form(with(payment, "CHILDTXNLIST", `T1`)), nil},
		{form(with(payment, "COMMENTS", `T1`)), nil},
	} {
		if got := parse(t, row.body).Parts(); !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, want %v", row.body, got, row.want)
		}
	}
}
