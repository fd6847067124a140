package paytm_test

import (
	"encoding/json"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"hissa/paytm"
)

// form writes fields as Paytm sends them.
func form(fields paytm.Fields) string {
	var pieces []string
	for _, field := range fields {
		pieces = append(pieces, url.QueryEscape(field.Name)+"="+url.QueryEscape(field.Value))
	}
	return strings.Join(pieces, "&")
}

// with returns a copy of fields in which pairs of name and value are set; a name with "-" in front
// is removed.
func with(fields paytm.Fields, pairs ...string) paytm.Fields {
	fields = slices.Clone(fields)
	for i := 0; i < len(pairs); i++ {
		name, remove := strings.CutPrefix(pairs[i], "-")
		at := slices.IndexFunc(fields, func(f paytm.Field) bool { return f.Name == name })
		switch {
		case remove && at >= 0:
			fields = slices.Delete(fields, at, at+1)
		case remove:
		case at >= 0:
			i++
			fields[at].Value = pairs[i]
		default:
			i++
			fields = append(fields, paytm.Field{Name: name, Value: pairs[i]})
		}
	}
	return fields
}

// body writes fields as the body of JSON with a head, or as flat JSON.
func body(fields paytm.Fields, wrapped bool) string {
	text, err := json.Marshal(object(fields))
	if err != nil {
		panic(err)
	}
	if wrapped {
		return `{"head":{"signature":"x"},"body":` + string(text) + `}`
	}
	return string(text)
}

// payment is the message most of these tests begin with.
var payment = paytm.Fields{
	{Name: "ORDERID", Value: "ORD_1001"}, {Name: "MID", Value: "AFFDEM00000000000001"},
	{Name: "TXNID", Value: "20260115111212800110168000000000001"}, {Name: "TXNAMOUNT", Value: "1499.00"},
	{Name: "PAYMENTMODE", Value: "UPI"}, {Name: "CURRENCY", Value: "INR"}, {Name: "TXNDATE", Value: "2026-01-15"},
	{Name: "TXNDATETIME", Value: "2026-01-15 13:03:05.0"}, {Name: "STATUS", Value: "TXN_SUCCESS"},
	{Name: "RESPCODE", Value: "01"}, {Name: "RESPMSG", Value: "Txn Success"}, {Name: "GATEWAYNAME", Value: "PPBLC"},
	{Name: "BANKTXNID", Value: "601512345678"}, {Name: "BANKNAME"}, {Name: "CUSTID", Value: "CUST_001"},
	{Name: "MERC_UNQ_REF", Value: "clk_8f3a2b"}, {Name: "CHECKSUMHASH", Value: "x"},
}

func paid() paytm.Message {
	return paytm.Message{
		Kind: paytm.Payment, Type: "payment", MID: "AFFDEM00000000000001", OrderID: "ORD_1001",
		TxnID: "20260115111212800110168000000000001", Status: paytm.Success, Amount: 149900, Currency: "INR",
		PaidAt: time.Date(2026, 1, 15, 7, 33, 5, 0, time.UTC), Reference: "clk_8f3a2b", Mode: "UPI",
	}
}

func TestPayment(t *testing.T) {
	if got := parse(t, form(payment)).Classify(); !reflect.DeepEqual(got, paid()) {
		t.Errorf("got  %+v\nwant %+v", got, paid())
	}
	if got := parse(t, body(payment, false)).Classify(); !reflect.DeepEqual(got, paid()) {
		t.Errorf("flat JSON: got %+v", got)
	}
}

// Each of Paytm's published messages, and what it is.
func TestSamples(t *testing.T) {
	const (
		txn   = "202005081112128XXXXXX68470101509706"
		order = "ORDERID_98765"
		mid   = "INTEGR7769XXXXXX9383"
		ref   = "20200903XXXXXX801300168821700215705"
	)
	at := func(text string) time.Time {
		at, hasClock, err := paytm.ParseTime(text)
		if err != nil || !hasClock {
			t.Fatal(text, err)
		}
		return at
	}
	refund := paytm.Message{Kind: paytm.Refund, OrderID: order, TxnID: txn, Amount: 100, RefundID: ref,
		RefundAmount: 100, PaidAt: at("2020-09-03 16:51:41.0")}
	accepted, refused, succeeded := refund, refund, refund
	accepted.Type, accepted.RefundEvent = "refund accepted", paytm.Accepted
	refused.Type, refused.RefundEvent, refused.OrderID = "refund refused", paytm.Refused, mid
	succeeded.Type, succeeded.RefundEvent = "refund succeeded", paytm.Succeeded
	succeeded.RefundTotal, succeeded.MID = 100, mid
	want := map[string]paytm.Message{
		"payment_success_wallet": {Kind: paytm.Payment, Type: "payment", MID: mid, OrderID: order, TxnID: txn,
			Status: paytm.Success, Amount: 100, Currency: "INR", Mode: "PPI", PaidAt: at("2020-07-24 15:13:02")},
		"payment_failure_227": {Kind: paytm.Payment, Type: "payment", MID: mid, OrderID: order, TxnID: txn,
			Status: paytm.Failed, Amount: 100, Currency: "INR", Mode: "PPI", PaidAt: at("2020-07-24 15:13:02")},
		"payment_success_upi": {Kind: paytm.Payment, Type: "payment", MID: mid, OrderID: order, TxnID: txn,
			Status: paytm.Success, Amount: 100, Currency: "INR", Mode: "UPI", PaidAt: at("2020-07-28 10:14:55")},
		"payment_pending_card_real_staging": {Kind: paytm.Payment, Type: "payment", MID: "LXxaBlXXXXXXXXXX5143",
			OrderID: "ORDERID_23", TxnID: "20210825111212800110168052602937319", Status: paytm.Pending,
			Amount: 100, Currency: "INR", Mode: "DC", PaidAt: at("2021-08-25 14:48:27")},
		"payment_success_netbanking_real_staging": {Kind: paytm.Payment, Type: "payment",
			MID: "LXxaBlXXXXXXXXXX5143", OrderID: "ORDERID_48254", TxnID: "20210825111212800110168694102910398",
			Status: paytm.Success, Amount: 100, Currency: "INR", Mode: "NB", PaidAt: at("2021-08-25 11:02:41")},
		"payment_success_without_checksum_real_staging": {Kind: paytm.Payment, Type: "payment",
			MID: "xxxxxxxxxxxxx", OrderID: "QjioBl", TxnID: "20200116111212800110168918801195321",
			Status: paytm.Success, Amount: 500, Currency: "INR", Mode: "NB", Reference: "4",
			PaidAt: at("2020-01-16 13:21:08")},
		"payment_link_webhook": {Kind: paytm.Payment, Type: "payment", MID: mid, OrderID: order, TxnID: txn,
			Status: paytm.Success, Amount: 100, Mode: "PPI", Reference: "LI_12345", PaidAt: at("2020-09-10 13:03:05")},
		"subscription_status_webhook": {Kind: paytm.Other, Type: "subscription status", MID: mid, OrderID: order,
			SubscriptionID: "102771"},
		"refund_accepted_webhook": accepted,
		"refund_rejected_webhook": refused,
		"refund_success_webhook":  succeeded,
		"chargeback_webhook": {Kind: paytm.Dispute, Type: "dispute", MID: "ethicsXXXXXXXXXX3187", OrderID: order,
			TxnID: "20210223111212800110168465500805616", DisputeID: "20210224111221000100168007200508215",
			DisputeStatus: "NEW", DisputeAmount: 2000, Amount: 120000, PaidAt: at("2021-02-23 15:12:51")},
		"payment_arn_webhook": {Kind: paytm.Other, Type: "payment ARN", MID: mid, OrderID: "OREDRID_98765", TxnID: txn},
		"payment_json_head_body": {Kind: paytm.Payment, Type: "payment", MID: "YOUR_MID", OrderID: "ORD_ABC123",
			TxnID: "20240511112233800110168524301234567", Status: paytm.Success, Amount: 10000, Currency: "INR",
			Mode: "UPI", PaidAt: at("2024-05-11 15:30:12")},
		"legacy_status_api_open": {Kind: paytm.Payment, Type: "payment", MID: "klbGlVXXXXXXXXXX8753",
			OrderID: "ORDER48886809916", TxnID: "414709", Status: paytm.Pending, Amount: 100, Mode: "CC",
			PaidAt: at("2015-11-02 11:40:46")},
	}
	for _, sample := range readSamples(t) {
		t.Run(sample.Name, func(t *testing.T) {
			got := parse(t, sample.body()).Classify()
			if (got.Why != "") != (got.Kind == paytm.Other) {
				t.Errorf("why: %q", got.Why)
			}
			got.Why = ""
			if !reflect.DeepEqual(got, want[sample.Name]) {
				t.Errorf("got  %+v\nwant %+v", got, want[sample.Name])
			}
			delete(want, sample.Name)
		})
	}
	for name := range want {
		t.Errorf("there is no sample %s", name)
	}
}

type sample struct {
	Name    string
	Format  string `json:"wire_format"`
	Payload json.RawMessage
}

// body writes the sample as its format says.
func (s sample) body() string {
	if strings.HasPrefix(s.Format, "application/json") {
		return string(s.Payload)
	}
	var values map[string]string
	if err := json.Unmarshal(s.Payload, &values); err != nil {
		panic(err)
	}
	var fields paytm.Fields
	for name, value := range values {
		fields = append(fields, paytm.Field{Name: name, Value: value})
	}
	return form(fields)
}

func readSamples(t testing.TB) (samples []sample) {
	t.Helper()
	text, err := os.ReadFile("../testdata/paytm_samples.json")
	if err == nil {
		err = json.Unmarshal(text, &samples)
	}
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// What distinguishes the rows of the table, beyond the published samples.
func TestTypes(t *testing.T) {
	const (
		ids    = "MID=m&ORDERID=o&TXNID=t&TXNAMOUNT=1.00"
		refund = `"orderId":"o","txnId":"t","refundId":"r","refId":"f","refundAmount":"1.00"`
	)
	wrap := func(members string) string { return `{"head":{},"body":{` + members + `}}` }
	for body, want := range map[string]string{
		ids + "&STATUS=TXN_SUCCESS":                                                                "payment",
		ids + "&STATUS=TXN_SUCCESS&TXNTYPE=":                                                       "payment",
		ids + "&STATUS=TXN_SUCCESS&TXNTYPE=SALE":                                                   "payment",
		ids + "&STATUS=TXN_SUCCESS&TXNTYPE=SUBSCRIPTION_DEBIT":                                     "payment",
		ids + "&STATUS=TXN_SUCCESS&TXNTYPE=QR_PAYMENT":                                             "payment",
		ids + "&STATUS=TXN_SUCCESS&REFUNDAMT=0.00":                                                 "payment",
		ids + "&STATUS=TXN_SUCCESS&REFUNDAMT=1.00":                                                 "payment",
		ids + "&STATUS=TXN_SUCCESS&SUBS_ID=7":                                                      "payment",
		ids + "&STATUS=TXN_SUCCESS&SUBS_ID=7&ARN=1":                                                "payment",
		ids + "&STATUS=TXN_SUCCESS&REFUNDID=&REFUNDAMOUNT=null":                                    "payment",
		ids + "&STATUS=TXN_SUCCESS&ENC_DATA=zzz":                                                   "payment",
		ids + "&STATUS=TXN_SUCCESS&TXNTYPE=SUBSCRIPTION_INIT":                                      "payment",
		ids + "&STATUS=WHATEVER":                                                                   "payment",
		ids:                                                                                        "payment",
		"MID=m&ORDERID=o&TXNAMOUNT=1.00&STATUS=TXN_SUCCESS":                                        "payment",
		"MID=m&ORDERID=o&STATUS=TXN_SUCCESS":                                                       "payment",
		`{"mid":"m","txnId":"t","status":"TXN_SUCCESS"}`:                                           "payment",
		ids + "&STATUS=TXN_SUCCESS&REFUNDID=r&REFUNDAMOUNT=1.00":                                   "refund (older form)",
		ids + "&STATUS=TXN_FAILURE&REFUNDID=r":                                                     "refund (older form)",
		ids + "&STATUS=PENDING&REFUNDAMOUNT=1.00":                                                  "refund (older form)",
		ids + "&STATUS=TXN_SUCCESS&TXNTYPE=REFUND":                                                 "refund (older form)",
		ids + "&STATUS=TXN_SUCCESS&TOTALREFUNDAMT=1.00":                                            "refund (older form)",
		ids + "&REFUNDID=r":                                                                        "refund (older form)",
		ids + "&REFUNDID=r&ARN=1":                                                                  "refund ARN",
		ids + "&REFUNDAMOUNT=1.00&ARN=1":                                                           "refund ARN",
		ids + "&ARN=1":                                                                             "payment ARN",
		ids + "&ARN=1&STATUS=":                                                                     "payment ARN",
		ids + "&ARN=1&STATUS=TXN_SUCCESS&REFUNDID=r":                                               "refund (older form)",
		wrap(refund + `,"status":"SUCCESS"`):                                                       "refund accepted",
		wrap(refund + `,"txnType":"REFUND","status":"PENDING"`):                                    "refund accepted",
		wrap(refund + `,"status":"FAILED"`):                                                        "refund refused",
		wrap(refund + `,"status":"TXN_FAILURE"`):                                                   "refund refused",
		wrap(refund):                                                                               "refund succeeded",
		wrap(refund + `,"status":null`):                                                            "refund succeeded",
		wrap(refund + `,"txnType":"REFUND","status":"TXN_SUCCESS"`):                                "refund succeeded",
		wrap(`"txnId":"t","refundDetailInfoList":[]`):                                              "refund succeeded",
		wrap(`"txnId":"t","txnType":"REFUND","status":"TXN_SUCCESS"`):                              "refund succeeded",
		wrap(refund + `,"status":"REVERSED"`):                                                      "refund",
		"SUBS_ID=7&MID=m&ORDERID=o&STATUS=ACTIVE":                                                  "subscription status",
		"SUBS_ID=7&STATUS=TXN_SUCCESS":                                                             "subscription status",
		wrap(`"subscriptionId":"7","status":"EXPIRED"`):                                            "subscription status",
		wrap(`"txnType":"SUBSCRIPTION_CANCEL","status":"TXN_SUCCESS"`):                             "subscription status",
		ids + "&TXNAMOUNT2=&STATUS=ACTIVE":                                                         "payment",
		"ORDERID=o&TXNID=t&TXNAMOUNT=0.00&STATUS=TXN_SUCCESS&TXNTYPE=SUBSCRIPTION_INIT":            "subscription status",
		"TXNDATE=14/09/2020 00:00&NOTIFICATIONDATE=14/09/2020 11:37&REFERENCEID=R&TXNMESSAGE=test": "pre-debit notice",
		"NOTIFICATIONSTATUS=SUCCESS&SUBS_ID=7":                                                     "pre-debit notice",
		"CARDEXPIRYDATE=122025&SUBS_ID=65253&MID=m&MAXAMOUNT=1.0":                                  "card expiry",
		wrap(`"downtimeId":34031,"subject":"s"`):                                                   "downtime",
		wrap(`"disputeId":"d","transactionId":"t"`):                                                "dispute",
		"MID=m&ENC_DATA=zzz&ORDERID=o":                                                             "encrypted",
		"MID=m&ENC_DATA=zzz&TXNID=t":                                                               "encrypted",
		"MID=m&ENC_DATA=zzz&SUBS_ID=7&ORDERID=o":                                                   "encrypted",
		"MID=m&ENC_DATA=zzz":                                                                       "encrypted",
		"MID=m&ORDER_ID=o&CUST_ID=c&TXN_AMOUNT=1.00&WEBSITE=w":                                     "unknown",
		"ORDERID=o&STATUS=TXN_FAILURE&RESPCODE=330":                                                "unknown",
		"CHECKSUMHASH=x":                                                                           "unknown",
		"txnid=t&txnamount=1.00":                                                                   "unknown",
		wrap(``):                                                                                   "unknown",
		"{}":                                                                                       "unknown",
	} {
		got := parse(t, body).Classify()
		if got.Type != want {
			t.Errorf("%s is %q (%s), want %q", body, got.Type, got.Review, want)
		}
		kind := paytm.Other
		switch {
		case want == "payment", want == "encrypted" && strings.Contains(body, "&TXNID"),
			want == "encrypted" && strings.Contains(body, "&ORDERID"):
			kind = paytm.Payment
		case strings.HasPrefix(want, "refund") && want != "refund ARN":
			kind = paytm.Refund
		case want == "dispute":
			kind = paytm.Dispute
		}
		if got.Kind != kind || (got.Why != "") != (kind == paytm.Other) || kind == paytm.Other && got.Review != "" {
			t.Errorf("%s: %+v", body, got)
		}
	}
}

func TestEncryptedPaymentIsForAPerson(t *testing.T) {
	got := parse(t, "MID=m&ENC_DATA=zzz&ORDERID=o").Classify()
	if got.Kind != paytm.Payment || !strings.Contains(got.Review, "ENC_DATA") || got.Status != "" || got.OrderID != "o" {
		t.Errorf("%+v", got)
	}
	got = parse(t, form(with(payment, "ENC_DATA", "zzz"))).Classify()
	if got.Review != "" || !slices.Equal(got.Unknown, []string{"ENC_DATA"}) {
		t.Errorf("with readable fields beside: %+v", got)
	}
}

func TestOlderRefund(t *testing.T) {
	fields := with(payment, "REFUNDID", "R1", "REFUNDAMOUNT", "500.00", "TOTALREFUNDAMT", "700.0", "TXNSTATUS", "TXN_SUCCESS",
		"REFUNDDATE", "2026-01-16", "REFID", "REF_1", "GATEWAY", "PPBLC", "REFUNDTYPE", "TO_SOURCE", "RRN", "6016",
		"CLIENTID", "C11", "-CUSTID", "-MERC_UNQ_REF")
	want := paid()
	want.Kind, want.Type, want.Status, want.Reference = paytm.Refund, "refund (older form)", "", ""
	want.RefundID, want.RefundAmount, want.RefundTotal, want.RefundEvent = "R1", 50000, 70000, paytm.Succeeded
	if got := parse(t, form(fields)).Classify(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for status, event := range map[string]paytm.RefundEvent{"PENDING": paytm.Accepted, "TXN_FAILURE": paytm.Refused, "SUCCESS": "", "": ""} {
		got := parse(t, form(with(fields, "STATUS", status))).Classify()
		if got.RefundEvent != event || (got.Review == "") != (event != "") {
			t.Errorf("STATUS %q: %+v", status, got)
		}
	}
}

// A payment whose fields relied on are unusable is for a person, and says why.
func TestReview(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"MID", "", "MID is missing"},
		{"MID", "a b", `MID "a b" is not usable as an id`},
		{"MID", "shop.in", "not usable"},
		{"ORDERID", "", "ORDERID is missing"},
		{"ORDERID", "null", "ORDERID is missing"},
		{"ORDERID", strings.Repeat("9", 65), "not usable"},
		{"ORDERID", "a\u200bb", "not usable"},
		{"ORDERID", "<b>", "not usable"},
		{"ORDERID", "a|b", `ORDERID "a|b" holds a "|"`},
		{"TXNID", "", "TXNID is missing"},
		{"TXNID", "१", "not usable"},
		{"TXNID", "1|2", `holds a "|"`},
		{"TXNAMOUNT", "", "TXNAMOUNT is missing"},
		{"TXNAMOUNT", "1e9", `TXNAMOUNT "1e9" is not an amount in rupees`},
		{"TXNAMOUNT", "1,499.00", "not an amount"},
		{"TXNAMOUNT", "-1", "not an amount"},
		{"TXNAMOUNT", "1.005", "not a whole number of paise"},
		{"TXNAMOUNT", "1.00|2.00", `holds a "|"`},
		{"TXNAMOUNT", "0.00", "positive TXNAMOUNT"},
		{"STATUS", "", "STATUS is missing"},
		{"STATUS", "SUCCESS", `STATUS "SUCCESS" is not a payment's status`},
		{"STATUS", "txn_success", "not a payment's status"},
		{"STATUS", "TXN_SUCCESS ", "not a payment's status"},
		{"STATUS", "TXN_SUCCESS|", `holds a "|"`},
		{"CURRENCY", "RUPEE", "not a currency"},
		{"CURRENCY", "₹", "not a currency"},
		{"CURRENCY", "1NR", "not a currency"},
		{"CURRENCY", "I|R", `holds a "|"`},
		{"TXNDATETIME", "2026-01-15 13:03:05|", `TXNDATETIME "2026-01-15 13:03:05|" holds a "|"`},
		{"MERC_UNQ_REF", "clk|x", `MERC_UNQ_REF "clk|x" holds a "|"`},
		{"POS_ID", "|", `holds a "|"`},
		{"PROMO_CAMP_ID", "A|B", `holds a "|"`},
		{"SUBS_ID", "7|8", `holds a "|"`},
		{"PAYMENTMODE", "UPI|CC", `holds a "|"`},
		{"TXNTYPE", "REFUND|", `holds a "|"`},
		{"TXNTYPE", "RELEASE", "pays none"},
		{"TXNTYPE", "PREAUTH", "pays none"},
		{"REFUNDAMT", "some", "REFUNDAMT"},
		{"txnId", "another", "TXNID and txnId differ"},
		{"orderId", "another", "ORDERID and orderId differ"},
		{"status", "TXN_FAILURE", "STATUS and status differ"},
	} {
		got := parse(t, form(with(payment, test.name, test.value))).Classify()
		if got.Kind != paytm.Payment || !strings.Contains(got.Review, test.want) || strings.Contains(got.Review, "; ") {
			t.Errorf("%s %q: %s %q, want %q", test.name, test.value, got.Type, got.Review, test.want)
		}
	}
	got := parse(t, form(with(payment, "TXNDATETIME", "", "TXNDATE", "2026|01"))).Classify()
	if !strings.Contains(got.Review, "TXNDATE") {
		t.Errorf("a cut TXNDATE: %q", got.Review)
	}
	got = parse(t, form(with(payment, "TXNAMOUNT", "x", "STATUS", "y", "-MID"))).Classify()
	if got.Review != `MID is missing; STATUS "y" is not a payment's status; TXNAMOUNT "x" is not an amount in rupees such as 1499.00` {
		t.Errorf("three faults at once: %q", got.Review)
	}
	if got.Amount != 0 || got.Status != "" || got.TxnID == "" {
		t.Errorf("what is unusable is not empty, or what is usable is: %+v", got)
	}
}

// What is not relied on never makes a payment doubtful.
func TestStrangeValuesThatHarmNobody(t *testing.T) {
	for _, test := range []struct {
		name, value string
		change      func(*paytm.Message)
	}{
		{"comments", "\x01₹ <script> ' \u202e", nil},
		{"RESPMSG", strings.Repeat("long ", 5000), nil},
		{"CUSTID", "a b\tc", nil},
		{"BANKNAME", "null", nil},
		{"CHILDTXNLIST", `[{"TXNID":"1","TXNAMOUNT":"x"}]`, nil},
		{"TXNDATETIME", "yesterday", func(m *paytm.Message) { m.PaidAt = time.Time{} }},
		{"TXNDATETIME", "2026-01-15", func(m *paytm.Message) { m.PaidAt = time.Time{} }},
		{"TXNDATE", "yesterday", nil},
		{"CURRENCY", "usd", func(m *paytm.Message) { m.Currency = "USD" }},
		{"CURRENCY", "", func(m *paytm.Message) { m.Currency = "" }},
		{"MERC_UNQ_REF", strings.Repeat("r", 129), func(m *paytm.Message) { m.Reference = "" }},
		{"MERC_UNQ_REF", strings.Repeat("r", 128), func(m *paytm.Message) { m.Reference = strings.Repeat("r", 128) }},
		{"MERC_UNQ_REF", "a\nb", func(m *paytm.Message) { m.Reference = "" }},
		{"MERC_UNQ_REF", "a\u202eb", func(m *paytm.Message) { m.Reference = "" }},
		{"MERC_UNQ_REF", "Asha's ₹ 10%", func(m *paytm.Message) { m.Reference = "Asha's ₹ 10%" }},
		{"MERC_UNQ_REF", "NULL", func(m *paytm.Message) { m.Reference = "" }},
		{"POS_ID", "till 4", func(m *paytm.Message) { m.PosID = "till 4" }},
		{"PROMO_CAMP_ID", "DIWALI", func(m *paytm.Message) { m.Campaign = "DIWALI" }},
		{"SUBS_ID", "102771", func(m *paytm.Message) { m.SubscriptionID = "102771" }},
		{"REFUNDAMT", "5.0", func(m *paytm.Message) { m.RefundTotal = 500 }},
		{"TXNAMOUNT", "1499.0", nil},
		{"TXNAMOUNT", "1499", nil},
		{"ORDERID", "a-b_c.d@e=f", func(m *paytm.Message) { m.OrderID = "a-b_c.d@e=f" }},
		{"STATUS", "TXN_FAILURE", func(m *paytm.Message) { m.Status = paytm.Failed }},
		{"STATUS", "PENDING", func(m *paytm.Message) { m.Status = paytm.Pending }},
		{"STATUS", "OPEN", func(m *paytm.Message) { m.Status = paytm.Pending }},
	} {
		want := paid()
		if test.change != nil {
			test.change(&want)
		}
		got := parse(t, form(with(payment, test.name, test.value))).Classify()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s %.50q\ngot  %+v\nwant %+v", test.name, test.value, got, want)
		}
	}
}

func TestTimeOfPayment(t *testing.T) {
	clock := paid().PaidAt
	for _, test := range []struct {
		dateTime, date string
		want           time.Time
	}{
		{"2026-01-15 13:03:05.0", "2026-01-15", clock},
		{"", "2026-01-15 13:03:05.0", clock},
		{"", "1/15/2026 13:03:05", clock},
		{"null", "2026-01-15 13:03:05", clock},
		{"2026-01-15", "2026-01-15 13:03:05", clock},
		{"", "2026-01-15", time.Time{}},
		{"", "", time.Time{}},
	} {
		got := parse(t, form(with(payment, "TXNDATETIME", test.dateTime, "TXNDATE", test.date))).Classify()
		if !got.PaidAt.Equal(test.want) || got.Review != "" {
			t.Errorf("%q and %q: %v, %q", test.dateTime, test.date, got.PaidAt, got.Review)
		}
	}
}

// Payment links over JSON say SUCCESS where forms say TXN_SUCCESS.
func TestStatusOfPaymentsInJSON(t *testing.T) {
	for status, want := range map[string]paytm.Status{
		"SUCCESS": paytm.Success, "TXN_SUCCESS": paytm.Success, "FAILED": paytm.Failed, "FAILURE": paytm.Failed,
		"TXN_FAILURE": paytm.Failed, "PENDING": paytm.Pending, "OPEN": paytm.Pending, "Success": "", "S": "",
	} {
		fields := paytm.Fields{{Name: "mid", Value: "m"}, {Name: "orderId", Value: "o"}, {Name: "txnId", Value: "t"},
			{Name: "txnAmount", Value: "1.00"}, {Name: "mercUnqRef", Value: "LI_1"}, {Name: "status", Value: status}}
		for _, wrapped := range []bool{true, false} {
			got := parse(t, body(fields, wrapped)).Classify()
			if got.Status != want || (got.Review == "") != (want != "") || got.Reference != "LI_1" {
				t.Errorf("%s, wrapped %v: %+v", status, wrapped, got)
			}
		}
	}
}

func TestUnknownNames(t *testing.T) {
	list := func(names ...string) []string { return names }
	for _, test := range []struct {
		name string
		body string
		want []string
	}{
		{"none", form(payment), nil},
		{"two", form(with(payment, "zeta", "1", "ALPHA", "")), list("ALPHA", "zeta")},
		{"other case", form(with(payment, "txnamount", "1", "Udf_1", "")), list("Udf_1", "txnamount")},
		{"renamed amount", form(with(payment, "-TXNAMOUNT", "TXNAMOUNS", "1499.00")), list("TXNAMOUNS")},
		{"names of a request", form(with(payment, "WEBSITE", "w", "CALLBACK_URL", "c")), list("CALLBACK_URL", "WEBSITE")},
		{"documented ones", form(with(payment, "udf_1", "", "comments", "x", "PRN", "", "VPA", "a@b", "pccCode", "",
			"Masked_customer_mobile_number", "xx99", "POS_ID", "", "TXNTYPE", "SALE", "REFUNDAMT", "")), nil},
		{"a link's", form(with(payment, "MERC_UNQ_REF", "LI_1", "LINKNOTES", "n", "PAYMENTEMAILID", "e")), nil},
		{"an invoice's", form(with(payment, "MERC_UNQ_REF", "INV_1", "LINKDESCRIPTION", "", "PAYMENTFORM", "[]")), nil},
		{"a link's without link", form(with(payment, "LINKNOTES", "n")), list("LINKNOTES")},
		{"a separator in a comment", form(with(payment, "comments", "a|b")), list("comments")},
		{"a status in a comment", form(with(payment, "comments", "TXN_FAILURE", "udf_1", "PENDING")), list("comments", "udf_1")},
		{"a refund's", form(with(payment, "REFUNDID", "R", "REFUNDAMOUNT", "1", "-CUSTID", "-MERC_UNQ_REF", "odd", "")), list("odd")},
		{"JSON", body(paytm.Fields{{Name: "mid", Value: "m"}, {Name: "txnId", Value: "t"}, {Name: "status", Value: "TXN_SUCCESS"},
			{Name: "comments", Value: "a|b"}, {Name: "MID", Value: "m"}}, true), list("MID")},
		{"nested JSON", `{"body":{"txnId":"t","status":"TXN_SUCCESS","txnAmount":{"value":"1"},"childTransaction":[],"odd":[]}}`,
			list("odd")},
		{"nested refund", `{"body":{"txnId":"t","refundId":"r","agentInfo":{},"refundDetailInfoList":[{"odd":1}]}}`, nil},
		{"beginning of JSON", form(with(payment, "AUTHCODE", `{"mid":"m","comments":"`)), list("AUTHCODE")},
		{"JSON not at the beginning", form(with(payment, "comments", `{"a":1}`)), nil},
	} {
		if got := parse(t, test.body).Classify().Unknown; !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestReviewOfRefundsAndDisputes(t *testing.T) {
	refund := paytm.Fields{{Name: "orderId", Value: "o"}, {Name: "txnId", Value: "t"}, {Name: "refundId", Value: "r"},
		{Name: "refundAmount", Value: "1.00"}, {Name: "totalRefundAmount", Value: "1.00"}, {Name: "status", Value: "SUCCESS"}}
	dispute := paytm.Fields{{Name: "orderId", Value: "o"}, {Name: "transactionId", Value: "t"}, {Name: "disputeId", Value: "d"},
		{Name: "disputeAmount", Value: "20"}, {Name: "disputeStatus", Value: "won"}}
	for _, fields := range []paytm.Fields{refund, dispute} {
		if got := parse(t, body(fields, true)).Classify(); got.Review != "" {
			t.Errorf("the good one: %q", got.Review)
		}
	}
	if got := parse(t, body(dispute, true)).Classify(); got.DisputeStatus != "WON" || got.DisputeAmount != 2000 {
		t.Errorf("%+v", got)
	}
	for _, test := range []struct {
		fields            paytm.Fields
		name, value, want string
	}{
		{refund, "txnId", "", "txnId is missing"},
		{refund, "txnId", "a b", "txnId"},
		{refund, "refundId", "", "refundId is missing"},
		{refund, "refundId", "r|s", `holds a "|"`},
		{refund, "refundAmount", "", "refundAmount is missing"},
		{refund, "refundAmount", "0.00", "positive refundAmount"},
		{refund, "refundAmount", "1e2", "not an amount"},
		{refund, "totalRefundAmount", "all", "not an amount"},
		{refund, "status", "GONE", "not a refund's status"},
		{refund, "orderId", "o;", "orderId"},
		{refund, "mid", "m|n", "mid"},
		{dispute, "transactionId", "", "transactionId is missing"},
		{dispute, "txnId", "u", "transactionId and txnId differ"},
		{dispute, "disputeAmount", "20,000", "not an amount"},
		{dispute, "disputeAmount", "", "disputeAmount is missing"},
		{dispute, "disputeStatus", "?", "disputeStatus"},
	} {
		got := parse(t, body(with(test.fields, test.name, test.value), true)).Classify()
		if !strings.Contains(got.Review, test.want) || strings.Contains(got.Review, "; ") {
			t.Errorf("%s %q: %q, want %q", test.name, test.value, got.Review, test.want)
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, sample := range readSamples(f) {
		f.Add([]byte(sample.body()))
	}
	for _, v := range readVectors(f).Wire {
		f.Add([]byte(v.RawBody))
	}
	f.Add([]byte(form(with(payment, "ENC_DATA", "x", "SUBS_ID", "7", "REFUNDAMT", "1"))))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := paytm.Parse(text)
		if err != nil {
			return
		}
		m := e.Classify()
		for _, paise := range []int64{m.Amount, m.RefundAmount, m.RefundTotal, m.DisputeAmount} {
			if paise < 0 {
				t.Errorf("%q has a negative amount: %+v", text, m)
			}
		}
		if (m.Kind == paytm.Other) != (m.Why != "") || m.Type == "" || m.Kind == paytm.Other && m.Review != "" {
			t.Errorf("%q: %+v", text, m)
		}
		if m.Review == "" && m.Kind != paytm.Other && m.TxnID == "" {
			t.Errorf("%q needs no review and has no TXNID: %+v", text, m)
		}
		if m.Review == "" && m.Kind == paytm.Payment && (m.Status == "" || m.MID == "" || m.OrderID == "" ||
			m.Status == paytm.Success && m.Amount == 0) {
			t.Errorf("%q: %+v", text, m)
		}
		for _, value := range []string{m.MID, m.OrderID, m.TxnID, m.RefundID, m.DisputeID, m.Reference, m.PosID, m.Campaign, m.Mode} {
			if strings.ContainsAny(value, "|\n\x00") || len(value) > 128 {
				t.Errorf("%q has %q: %+v", text, value, m)
			}
		}
		if e.Shape == paytm.HeadBody {
			return
		}
		turned := *e
		turned.Fields = slices.Clone(e.Fields)
		slices.Reverse(turned.Fields)
		if turned.Identity() != e.Identity() || !reflect.DeepEqual(turned.Classify(), m) {
			t.Errorf("%q is another message with its fields turned around: %+v", text, turned.Classify())
		}
		turned.Fields = append(turned.Fields, paytm.Field{Name: "CHECKSUMHASH", Value: "other"})
		if !e.Fields.Has("CHECKSUMHASH") && turned.Identity() != e.Identity() {
			t.Errorf("%q: the checksum is part of the identity", text)
		}
	})
}
