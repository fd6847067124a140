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
var payment = with(nil,
	"ORDERID", "ORD_1001", "MID", "AFFDEM00000000000001",
	"TXNID", "20260115111212800110168000000000001", "TXNAMOUNT", "1499.00", "PAYMENTMODE", "UPI",
	"CURRENCY", "INR", "TXNDATE", "2026-01-15", "TXNDATETIME", "2026-01-15 13:03:05.0",
	"STATUS", "TXN_SUCCESS", "RESPCODE", "01", "RESPMSG", "Txn Success", "GATEWAYNAME", "PPBLC",
	"BANKTXNID", "601512345678", "BANKNAME", "", "CUSTID", "CUST_001",
	"MERC_UNQ_REF", "clk_8f3a2b", "CHECKSUMHASH", "x")

// paid is what it says.
func paid() paytm.Message {
	return paytm.Message{
		Kind: paytm.Payment, Type: "payment", Status: paytm.Success,
		MID: "AFFDEM00000000000001", OrderID: "ORD_1001",
		TxnID: "20260115111212800110168000000000001", Amount: 149900, Currency: "INR",
		PaidAt:    time.Date(2026, 1, 15, 7, 33, 5, 0, time.UTC),
		Reference: "clk_8f3a2b", Mode: "UPI",
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
	refund := paytm.Message{
		Kind: paytm.Refund, OrderID: order, TxnID: txn, Amount: 100,
		RefundID: ref, RefundAmount: 100, PaidAt: at("2020-09-03 16:51:41.0"),
	}
	accepted, refused, succeeded := refund, refund, refund
	accepted.Type, accepted.RefundEvent = "refund accepted", paytm.Accepted
	refused.Type, refused.RefundEvent, refused.OrderID = "refund refused", paytm.Refused, mid
	succeeded.Type, succeeded.RefundEvent = "refund succeeded", paytm.Succeeded
	succeeded.RefundTotal, succeeded.MID = 100, mid
	pay := func(
		mid, order, txn string, s paytm.Status, paise int64, mode, time string,
	) paytm.Message {
		return paytm.Message{
			Kind: paytm.Payment, Type: "payment", MID: mid, OrderID: order, TxnID: txn, Status: s,
			Amount: paise, Currency: "INR", Mode: mode, PaidAt: at(time),
		}
	}
	const staging = "LXxaBlXXXXXXXXXX5143"
	link := pay(mid, order, txn, paytm.Success, 100, "PPI", "2020-09-10 13:03:05")
	link.Currency, link.Reference = "", "LI_12345"
	link.Payer.Email, link.Payer.Mobile = "user@example.com", "7777777777"
	open := pay("klbGlVXXXXXXXXXX8753", "ORDER48886809916", "414709", paytm.Pending, 100, "CC",
		"2015-11-02 11:40:46")
	open.Currency = ""
	unsigned := pay("xxxxxxxxxxxxx", "QjioBl", "20200116111212800110168918801195321",
		paytm.Success, 500, "NB", "2020-01-16 13:21:08")
	unsigned.Reference = "4"
	want := map[string]paytm.Message{
		"payment_success_wallet": pay(mid, order, txn, paytm.Success, 100, "PPI",
			"2020-07-24 15:13:02"),
		"payment_failure_227": pay(mid, order, txn, paytm.Failed, 100, "PPI",
			"2020-07-24 15:13:02"),
		"payment_success_upi": pay(mid, order, txn, paytm.Success, 100, "UPI",
			"2020-07-28 10:14:55"),
		"payment_pending_card_real_staging": pay(staging, "ORDERID_23",
			"20210825111212800110168052602937319", paytm.Pending, 100, "DC",
			"2021-08-25 14:48:27"),
		"payment_success_netbanking_real_staging": pay(staging, "ORDERID_48254",
			"20210825111212800110168694102910398", paytm.Success, 100, "NB",
			"2021-08-25 11:02:41"),
		"payment_json_head_body": pay("YOUR_MID", "ORD_ABC123",
			"20240511112233800110168524301234567", paytm.Success, 10000, "UPI",
			"2024-05-11 15:30:12"),
		"payment_success_without_checksum_real_staging": unsigned,
		"payment_link_webhook":                          link,
		"legacy_status_api_open":                        open,
		"refund_accepted_webhook":                       accepted,
		"refund_rejected_webhook":                       refused,
		"refund_success_webhook":                        succeeded,
		"subscription_status_webhook": {
			Kind: paytm.Other, Type: "subscription status", MID: mid, OrderID: order,
			SubscriptionID: "102771",
		},
		"payment_arn_webhook": {
			Kind: paytm.Other, Type: "payment ARN", MID: mid, OrderID: "OREDRID_98765", TxnID: txn,
		},
		"chargeback_webhook": {
			Kind: paytm.Dispute, Type: "dispute", MID: "ethicsXXXXXXXXXX3187", OrderID: order,
			TxnID: "20210223111212800110168465500805616", Amount: 120000,
			PaidAt:    at("2021-02-23 15:12:51"),
			DisputeID: "20210224111221000100168007200508215", DisputeStatus: "NEW",
			DisputeAmount: 2000,
		},
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
		paid   = ids + "&STATUS=TXN_SUCCESS"
		refund = `"orderId":"o","txnId":"t","refundId":"r","refId":"f","refundAmount":"1.00"`
	)
	wrap := func(members string) string { return `{"head":{},"body":{` + members + `}}` }
	for _, row := range []struct {
		kind   paytm.Kind
		want   string
		bodies []string
	}{
		{paytm.Payment, "payment", []string{
			paid, paid + "&TXNTYPE=", paid + "&TXNTYPE=SALE", paid + "&TXNTYPE=QR_PAYMENT",
			paid + "&TXNTYPE=SUBSCRIPTION_DEBIT", paid + "&TXNTYPE=SUBSCRIPTION_INIT",
			paid + "&REFUNDAMT=0.00", paid + "&REFUNDAMT=1.00", paid + "&SUBS_ID=7",
			paid + "&SUBS_ID=7&ARN=1", paid + "&REFUNDID=&REFUNDAMOUNT=null", paid + "&ENC_DATA=z",
			ids, ids + "&STATUS=WHATEVER", ids + "&STATUS=ACTIVE",
			"MID=m&ORDERID=o&TXNAMOUNT=1.00&STATUS=TXN_SUCCESS",
			"MID=m&ORDERID=o&STATUS=TXN_SUCCESS", "SUBS_ID=7&TXNAMOUNT=1.00&STATUS=TXN_SUCCESS",
			`{"mid":"m","txnId":"t","status":"TXN_SUCCESS"}`,
		}},
		{paytm.Refund, "refund (older form)", []string{
			paid + "&REFUNDID=r&REFUNDAMOUNT=1.00", ids + "&STATUS=TXN_FAILURE&REFUNDID=r",
			ids + "&STATUS=PENDING&REFUNDAMOUNT=1.00", paid + "&TXNTYPE=REFUND",
			paid + "&TOTALREFUNDAMT=1.00", ids + "&REFUNDID=r", paid + "&REFUNDID=r&ARN=1",
		}},
		{paytm.Refund, "refund accepted", []string{
			wrap(refund + `,"status":"SUCCESS"`),
			wrap(refund + `,"txnType":"REFUND","status":"PENDING"`),
		}},
		{paytm.Refund, "refund refused", []string{
			wrap(refund + `,"status":"FAILED"`), wrap(refund + `,"status":"TXN_FAILURE"`),
		}},
		{paytm.Refund, "refund succeeded", []string{
			wrap(refund), wrap(refund + `,"status":null`),
			wrap(refund + `,"txnType":"REFUND","status":"TXN_SUCCESS"`),
			wrap(`"txnId":"t","refundDetailInfoList":[]`),
			wrap(`"txnId":"t","txnType":"REFUND","status":"TXN_SUCCESS"`),
			wrap(refund + `,"arn":"7405"`),
		}},
		{paytm.Refund, "refund", []string{wrap(refund + `,"status":"REVERSED"`)}},
		{paytm.Dispute, "dispute", []string{wrap(`"disputeId":"d","transactionId":"t"`)}},
		{paytm.Payment, "encrypted", []string{
			"MID=m&ENC_DATA=zzz&ORDERID=o", "MID=m&ENC_DATA=zzz&TXNID=t",
			"MID=m&ENC_DATA=zzz&SUBS_ID=7&ORDERID=o",
		}},
		{paytm.Other, "encrypted", []string{"MID=m&ENC_DATA=zzz", "ENC_DATA=zzz&SUBS_ID=7"}},
		{paytm.Other, "refund ARN", []string{
			ids + "&REFUNDID=r&ARN=1", ids + "&REFUNDAMOUNT=1.00&ARN=1",
		}},
		{paytm.Other, "payment ARN", []string{ids + "&ARN=1", ids + "&ARN=1&STATUS="}},
		{paytm.Other, "subscription status", []string{
			"SUBS_ID=7&MID=m&ORDERID=o&STATUS=ACTIVE", "SUBS_ID=7&STATUS=TXN_SUCCESS",
			wrap(`"subscriptionId":"7","status":"EXPIRED"`),
			wrap(`"txnType":"SUBSCRIPTION_CANCEL","status":"TXN_SUCCESS"`),
			"TXNID=t&TXNAMOUNT=0.00&STATUS=TXN_SUCCESS&TXNTYPE=SUBSCRIPTION_INIT",
		}},
		{paytm.Other, "pre-debit notice", []string{
			"TXNDATE=14/09/2020 00:00&NOTIFICATIONDATE=14/09/2020 11:37&REFERENCEID=R",
			"NOTIFICATIONSTATUS=SUCCESS&SUBS_ID=7",
		}},
		{paytm.Other, "card expiry", []string{
			"CARDEXPIRYDATE=122025&SUBS_ID=65253&MID=m&MAXAMOUNT=1000.0",
		}},
		{paytm.Other, "downtime", []string{wrap(`"downtimeId":34031,"subject":"s"`)}},
		{paytm.Other, "unknown", []string{
			"MID=m&ORDER_ID=o&CUST_ID=c&TXN_AMOUNT=1.00&WEBSITE=w",
			"ORDERID=o&STATUS=TXN_FAILURE&RESPCODE=330", "CHECKSUMHASH=x",
			"txnid=t&txnamount=1.00", wrap(``), "{}",
		}},
	} {
		for _, body := range row.bodies {
			got := parse(t, body).Classify()
			if got.Type != row.want || got.Kind != row.kind {
				t.Errorf("%s is %s, %q (%s), want %s, %q", body, got.Kind, got.Type, got.Review,
					row.kind, row.want)
			}
			other := row.kind == paytm.Other
			if (got.Why != "") != other || other && got.Review != "" {
				t.Errorf("%s: %+v", body, got)
			}
		}
	}
}

func TestEncryptedPaymentIsForAPerson(t *testing.T) {
	got := parse(t, "MID=m&ENC_DATA=zzz&ORDERID=o").Classify()
	if !strings.Contains(got.Review, "ENC_DATA") || got.Status != "" || got.OrderID != "o" {
		t.Errorf("%+v", got)
	}
	got = parse(t, form(with(payment, "ENC_DATA", "zzz"))).Classify()
	if got.Review != "" || !slices.Equal(got.Unknown, []string{"ENC_DATA"}) {
		t.Errorf("with readable fields beside: %+v", got)
	}
}

func TestOlderRefund(t *testing.T) {
	fields := with(payment, "-CUSTID", "-MERC_UNQ_REF", "REFUNDID", "R1", "REFUNDAMOUNT", "500.00",
		"TOTALREFUNDAMT", "700.0", "TXNSTATUS", "TXN_SUCCESS", "REFUNDDATE", "2026-01-16",
		"REFID", "REF_1", "GATEWAY", "PPBLC", "REFUNDTYPE", "TO_SOURCE", "RRN", "6016",
		"CLIENTID", "C11")
	want := paid()
	want.Kind, want.Type, want.Status, want.Reference = paytm.Refund, "refund (older form)", "", ""
	want.RefundID, want.RefundEvent = "R1", paytm.Succeeded
	want.RefundAmount, want.RefundTotal = 50000, 70000
	if got := parse(t, form(fields)).Classify(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for status, event := range map[string]paytm.RefundEvent{
		"PENDING": paytm.Accepted, "TXN_FAILURE": paytm.Refused, "SUCCESS": "", "": "",
	} {
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
		if got.Kind != paytm.Payment || !strings.Contains(got.Review, test.want) ||
			strings.Contains(got.Review, "; ") {
			t.Errorf("%s %q: %q, want %q", test.name, test.value, got.Review, test.want)
		}
	}
	// A static QR code has no order of the shop's.
	for _, none := range []string{"", "null"} {
		if got := parse(t, form(with(payment, "ORDERID", none))).Classify(); got.Review != "" || got.OrderID != "" {
			t.Errorf("ORDERID %q: %+v", none, got)
		}
	}
	got := parse(t, form(with(payment, "TXNDATETIME", "", "TXNDATE", "2026|01"))).Classify()
	if !strings.Contains(got.Review, "TXNDATE") {
		t.Errorf("a cut TXNDATE: %q", got.Review)
	}
	got = parse(t, form(with(payment, "TXNAMOUNT", "x", "STATUS", "y", "-MID"))).Classify()
	if want := `MID is missing; STATUS "y" is not a payment's status; ` +
		`TXNAMOUNT "x" is not an amount in rupees such as 1499.00`; got.Review != want {
		t.Errorf("three faults at once: %q", got.Review)
	}
	if got.Amount != 0 || got.Status != "" || got.TxnID == "" {
		t.Errorf("what is unusable is not empty, or what is usable is: %+v", got)
	}
}

// What is not relied on never makes a payment doubtful.
func TestStrangeValuesThatHarmNobody(t *testing.T) {
	const longest = 128
	m := paid()
	for _, test := range []struct {
		name, value string
		field       any // the field of m that differs then, nil for none
		want        any
	}{
		{"comments", "\x01₹ <script> ' \u202e", nil, nil},
		{"RESPMSG", strings.Repeat("long ", 5000), nil, nil},
		{"CUSTID", "a b\tc", nil, nil},
		{"BANKNAME", "null", nil, nil},
		{"CHILDTXNLIST", `[{"TXNID":"1","TXNAMOUNT":"x"}]`, nil, nil},
		{"TXNDATE", "yesterday", nil, nil},
		{"TXNDATETIME", "yesterday", &m.PaidAt, time.Time{}},
		{"TXNDATETIME", "2026-01-15", &m.PaidAt, time.Time{}},
		{"TXNAMOUNT", "1499.0", nil, nil},
		{"TXNAMOUNT", "1499", nil, nil},
		{"CURRENCY", "usd", &m.Currency, "USD"},
		{"CURRENCY", "", &m.Currency, ""},
		{"MERC_UNQ_REF", strings.Repeat("r", longest), &m.Reference, strings.Repeat("r", longest)},
		{"MERC_UNQ_REF", strings.Repeat("r", longest+1), &m.Reference, ""},
		{"MERC_UNQ_REF", "a\nb", &m.Reference, ""},
		{"MERC_UNQ_REF", "a\u202eb", &m.Reference, ""},
		{"MERC_UNQ_REF", "NULL", &m.Reference, ""},
		{"MERC_UNQ_REF", "Asha's ₹ 10%", &m.Reference, "Asha's ₹ 10%"},
		{"POS_ID", "till 4", &m.PosID, "till 4"},
		{"PROMO_CAMP_ID", "DIWALI", &m.Campaign, "DIWALI"},
		{"SUBS_ID", "102771", &m.SubscriptionID, "102771"},
		{"REFUNDAMT", "5.0", &m.RefundTotal, int64(500)},
		{"ORDERID", "a-b_c.d@e=f", &m.OrderID, "a-b_c.d@e=f"},
		{"STATUS", "TXN_FAILURE", &m.Status, paytm.Failed},
		{"STATUS", "PENDING", &m.Status, paytm.Pending},
		{"STATUS", "OPEN", &m.Status, paytm.Pending},
	} {
		m = paid()
		if test.field != nil {
			reflect.ValueOf(test.field).Elem().Set(reflect.ValueOf(test.want))
		}
		got := parse(t, form(with(payment, test.name, test.value))).Classify()
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%s %.50q\ngot  %+v\nwant %+v", test.name, test.value, got, m)
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
		got := parse(
			t,
			form(with(payment, "TXNDATETIME", test.dateTime, "TXNDATE", test.date)),
		).Classify()
		if !got.PaidAt.Equal(test.want) || got.Review != "" {
			t.Errorf("%q and %q: %v, %q", test.dateTime, test.date, got.PaidAt, got.Review)
		}
	}
}

// Payment links over JSON say SUCCESS where forms say TXN_SUCCESS.
func TestStatusOfPaymentsInJSON(t *testing.T) {
	for want, statuses := range map[paytm.Status][]string{
		paytm.Success: {"SUCCESS", "TXN_SUCCESS"},
		paytm.Failed:  {"FAILED", "FAILURE", "TXN_FAILURE"},
		paytm.Pending: {"PENDING", "OPEN"},
		"":            {"Success", "S", "ACTIVE"},
	} {
		for _, status := range statuses {
			fields := with(nil, "mid", "m", "orderId", "o", "txnId", "t", "txnAmount", "1.00",
				"mercUnqRef", "LI_1", "status", status)
			for _, wrapped := range []bool{true, false} {
				got := parse(t, body(fields, wrapped)).Classify()
				if got.Status != want || (got.Review == "") != (want != "") ||
					got.Reference != "LI_1" {
					t.Errorf("%s, wrapped %v: %+v", status, wrapped, got)
				}
			}
		}
	}
}

func TestUnknownNames(t *testing.T) {
	changed := func(pairs ...string) string { return form(with(payment, pairs...)) }
	for _, test := range []struct{ name, body, want string }{
		{"none", form(payment), ""},
		{"two", changed("zeta", "1", "ALPHA", ""), "ALPHA zeta"},
		{"other case", changed("txnamount", "1", "Udf_1", ""), "Udf_1 txnamount"},
		{"renamed amount", changed("-TXNAMOUNT", "TXNAMOUNS", "1499.00"), "TXNAMOUNS"},
		{"a request's", changed("WEBSITE", "w", "CALLBACK_URL", "c"), "CALLBACK_URL WEBSITE"},
		{"documented ones", changed("udf_1", "", "comments", "x", "PRN", "", "VPA", "a@b",
			"pccCode", "", "Masked_customer_mobile_number", "xx99", "POS_ID", "",
			"TXNTYPE", "SALE", "REFUNDAMT", ""), ""},
		{"a link's", changed("MERC_UNQ_REF", "LI_1", "LINKNOTES", "n", "PAYMENTEMAILID", "e"), ""},
		{"an invoice's", changed("MERC_UNQ_REF", "INV_1", "LINKDESCRIPTION", "",
			"PAYMENTFORM", "[]"), ""},
		{"a link's without link", changed("LINKNOTES", "n"), "LINKNOTES"},
		{"a separator in a comment", changed("comments", "a|b"), "comments"},
		{"statuses elsewhere", changed("comments", "TXN_FAILURE", "udf_1", "PENDING"),
			"comments udf_1"},
		{"a refund's", changed("REFUNDID", "R", "-CUSTID", "-MERC_UNQ_REF", "odd", ""), "odd"},
		{"JSON", body(with(nil, "mid", "m", "txnId", "t", "comments", "a|b", "MID", "m"), true),
			"MID"},
		{"nested JSON", `{"body":{"txnId":"t","txnAmount":{"value":"1"},"childTransaction":[],` +
			`"odd":[]}}`, "odd"},
		{"nested refund", `{"body":{"txnId":"t","refundId":"r","agentInfo":{},` +
			`"refundDetailInfoList":[{"odd":1}]}}`, ""},
		{"beginning of JSON", changed("AUTHCODE", `{"mid":"m","comments":"`), "AUTHCODE"},
		{"JSON not at the beginning", changed("comments", `{"a":1}`), ""},
	} {
		got := strings.Join(parse(t, test.body).Classify().Unknown, " ")
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestReviewOfRefundsAndDisputes(t *testing.T) {
	refund := with(nil, "orderId", "o", "txnId", "t", "refundId", "r", "refundAmount", "1.00",
		"totalRefundAmount", "1.00", "status", "SUCCESS")
	dispute := with(nil, "orderId", "o", "transactionId", "t", "disputeId", "d",
		"disputeAmount", "20", "disputeStatus", "won")
	for _, fields := range []paytm.Fields{refund, dispute} {
		if got := parse(t, body(fields, true)).Classify(); got.Review != "" {
			t.Errorf("the good one: %q", got.Review)
		}
	}
	got := parse(t, body(dispute, true)).Classify()
	if got.DisputeStatus != "WON" || got.DisputeAmount != 2000 {
		t.Errorf("%+v", got)
	}
	got = parse(t, body(with(dispute, "-disputeStatus"), true)).Classify()
	if got.DisputeStatus != "NEW" || got.Review != "" {
		t.Errorf("without status: %+v", got)
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
		if (m.Kind == paytm.Other) != (m.Why != "") || m.Type == "" ||
			m.Kind == paytm.Other && m.Review != "" {
			t.Errorf("%q: %+v", text, m)
		}
		if m.Review == "" && m.Kind != paytm.Other && m.TxnID == "" {
			t.Errorf("%q needs no review and has no TXNID: %+v", text, m)
		}
		if m.Review == "" && m.Kind == paytm.Payment &&
			(m.Status == "" || m.MID == "" || m.Status == paytm.Success && m.Amount == 0) {
			t.Errorf("%q: %+v", text, m)
		}
		for _, value := range []string{
			m.MID, m.OrderID, m.TxnID, m.RefundID, m.DisputeID, m.Reference, m.PosID, m.Campaign,
			m.Mode, m.SubscriptionID, m.DisputeStatus, m.Currency,
		} {
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
			t.Errorf("%q is another message turned around: %+v", text, turned.Classify())
		}
		turned.Fields = append(turned.Fields, paytm.Field{Name: "CHECKSUMHASH", Value: "other"})
		if !e.Fields.Has("CHECKSUMHASH") && turned.Identity() != e.Identity() {
			t.Errorf("%q: the checksum is part of the identity", text)
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	text := []byte(form(payment))
	b.ReportAllocs()
	for b.Loop() {
		e, err := paytm.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		e.Classify()
		e.Identity()
	}
}

// Who paid is read where it is plain, and left aside where it is odd: no payment is lost over it.
func TestPayer(t *testing.T) {
	for vpa, want := range map[string]string{
		"asha@okbank": "asha@okbank", "asha|TXN_SUCCESS": "", "asha\n": "", strings.Repeat("a", 129): "", "": "",
	} {
		fields := url.Values{
			"MID": {"SHOP"}, "ORDERID": {"1"}, "TXNID": {"T1"}, "TXNAMOUNT": {"10.00"}, "STATUS": {"TXN_SUCCESS"},
			"CURRENCY": {"INR"}, "VPA": {vpa}, "CHECKSUMHASH": {"x"},
		}
		envelope, err := paytm.Parse([]byte(fields.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		m := envelope.Classify()
		if m.Payer.VPA != want || m.Review != "" || m.Status != paytm.Success {
			t.Errorf("the UPI id %q is read as %q, in a message that is %q (%s)", vpa, m.Payer.VPA, m.Status, m.Review)
		}
	}
}
