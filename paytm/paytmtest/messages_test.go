package paytmtest_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// tuesday is the clock of these tests: 1 Dec 2026, 10:30:15 in India.
var tuesday = time.Date(2026, 12, 1, 5, 0, 15, 0, time.UTC)

func newPaytm(seed uint64) *paytmtest.Paytm {
	return paytmtest.New(paytmtest.Config{Seed: seed, Now: func() time.Time { return tuesday }})
}

// parsed takes a message apart and insists that it is signed with the merchant key.
func parsed(t *testing.T, p *paytmtest.Paytm, m paytmtest.Message) *paytm.Envelope {
	t.Helper()
	envelope, err := paytm.Parse(m.Body)
	if err != nil {
		t.Fatalf("%s: %v\n%s", m.About, err, m.Body)
	}
	if !envelope.Verify(p.Key()) {
		t.Fatalf("%s: the signature does not verify\n%s", m.About, m.Body)
	}
	return envelope
}

func TestEveryMessageReadsAsIntended(t *testing.T) {
	type want struct {
		kind   paytm.Kind
		name   string // Message.Type
		status paytm.Status
		event  paytm.RefundEvent
	}
	payment := func(status paytm.Status) want {
		return want{kind: paytm.Payment, name: "payment", status: status}
	}
	refund := func(name string, event paytm.RefundEvent) want {
		return want{kind: paytm.Refund, name: name, event: event}
	}
	other := func(name string) want { return want{kind: paytm.Other, name: name} }

	p := newPaytm(1)
	paid := p.Pay("ORDER_1", 49900, paytmtest.Reference("ASHA"), paytmtest.Mode("CC"))
	open := p.Pay("ORDER_2", 100, paytmtest.Pending(), paytmtest.Mode("DC"))
	failed := p.Pay("ORDER_3", 100, paytmtest.Failed(), paytmtest.Mode("NB"))
	hybrid := p.Pay("ORDER_4", 1001, paytmtest.Mode("HYBRID"))
	wallet := p.Pay("ORDER_5", 2500, paytmtest.Mode("PPI"))
	r := p.Refund(paid, 10000)

	for _, c := range []struct {
		about   string
		message paytmtest.Message
		shape   paytm.Shape
		want    want
	}{
		{"credit card payment TXN_SUCCESS ₹499.00", p.PaymentForm(paid), paytm.Form, payment(paytm.Success)},
		{"debit card payment PENDING ₹1.00", p.PaymentForm(open), paytm.Form, payment(paytm.Pending)},
		{"net banking payment TXN_FAILURE ₹1.00", p.PaymentForm(failed), paytm.Form, payment(paytm.Failed)},
		{"hybrid payment TXN_SUCCESS ₹10.01", p.PaymentForm(hybrid), paytm.Form, payment(paytm.Success)},
		{"credit card payment TXN_SUCCESS ₹499.00, flat JSON", p.PaymentFlatJSON(paid), paytm.FlatJSON,
			payment(paytm.Success)},
		{"credit card payment TXN_SUCCESS ₹499.00, JSON", p.PaymentJSON(paid), paytm.HeadBody,
			payment(paytm.Success)},
		{"debit card payment PENDING ₹1.00, JSON", p.PaymentJSON(open), paytm.HeadBody,
			payment(paytm.Pending)},
		{"link, wallet payment TXN_SUCCESS ₹25.00", p.LinkPayment(wallet, "12345"), paytm.Form,
			payment(paytm.Success)},
		{"contradicting, credit card payment TXN_SUCCESS ₹999.00", p.Conflicting(paid, 99900), paytm.Form,
			payment(paytm.Success)},
		{"refund accepted ₹100.00", p.RefundAccepted(paid, r), paytm.HeadBody,
			refund("refund accepted", paytm.Accepted)},
		{"refund succeeded ₹100.00", p.RefundSucceeded(paid, r), paytm.HeadBody,
			refund("refund succeeded", paytm.Succeeded)},
		{"refund refused ₹100.00", p.RefundRefused(paid, r), paytm.HeadBody,
			refund("refund refused", paytm.Refused)},
		{"refund succeeded ₹100.00, older form", p.RefundOlderForm(paid, r), paytm.Form,
			refund("refund (older form)", paytm.Succeeded)},
		{"dispute NEW ₹20.00", p.Dispute(paid, "D1", "NEW", 2000), paytm.HeadBody,
			want{kind: paytm.Dispute, name: "dispute"}},
		{"payment ARN", p.ARN(paid), paytm.Form, other("payment ARN")},
		{"refund ARN", p.RefundARN(paid, r), paytm.Form, other("refund ARN")},
		{"subscription ACTIVE", p.SubscriptionStatus("102771", "ACTIVE"), paytm.Form,
			other("subscription status")},
		{"pre-debit notice", p.PreDebitNotice("REF_1"), paytm.Form, other("pre-debit notice")},
		{"card expiry", p.CardExpiry("102771"), paytm.Form, other("card expiry")},
		{"downtime", p.Downtime(), paytm.HeadBody, other("downtime")},
	} {
		t.Run(c.about, func(t *testing.T) {
			if c.message.About != c.about {
				t.Errorf("About = %q", c.message.About)
			}
			envelope := parsed(t, p, c.message)
			m := envelope.Classify()
			got := want{m.Kind, m.Type, m.Status, m.RefundEvent}
			if envelope.Shape != c.shape || got != c.want {
				t.Errorf("reads as %s %+v, want %s %+v", envelope.Shape, got, c.shape, c.want)
			}
			if m.Review != "" || len(m.Unknown) > 0 {
				t.Errorf("review %q, unknown names %v", m.Review, m.Unknown)
			}
			wantType := "application/json"
			if c.shape == paytm.Form {
				wantType = "application/x-www-form-urlencoded"
			}
			if c.message.ContentType != wantType {
				t.Errorf("content type %s", c.message.ContentType)
			}
			if m.TxnID != c.message.TxnID || m.Kind != paytm.Other &&
				m.OrderID != c.message.OrderID {
				t.Errorf("about %s of %s, the body says %s of %s", c.message.TxnID,
					c.message.OrderID, m.TxnID, m.OrderID)
			}
		})
	}
}

func TestPaymentSaysWhatIsOnTheBooks(t *testing.T) {
	p := newPaytm(2)
	at := time.Date(2026, 11, 30, 18, 45, 1, 999, time.UTC) // already 1 Dec in India
	pay := p.Pay("ORDER_1", 149999, paytmtest.Reference("ASHA"), paytmtest.Mode("CC"),
		paytmtest.At(at), paytmtest.Subscription("9001"), paytmtest.Customer("CUST_9"),
		paytmtest.Campaign("DIWALI"), paytmtest.Pos("COUNTER-3"),
		paytmtest.Comments("gift & <card> 100%"), paytmtest.Currency("INR"))
	if !strings.HasPrefix(pay.TxnID, "20261201") || len(pay.TxnID) != 35 {
		t.Errorf("TXNID %s, want 35 digits that begin with the day in India", pay.TxnID)
	}
	for _, m := range []paytmtest.Message{
		p.PaymentForm(pay), p.PaymentFlatJSON(pay), p.PaymentJSON(pay),
	} {
		got := parsed(t, p, m).Classify()
		want := paytm.Message{
			Kind: paytm.Payment, Type: "payment", MID: p.MID(), OrderID: "ORDER_1",
			TxnID: pay.TxnID, Status: paytm.Success, Amount: 149999, Currency: "INR",
			PaidAt: at.Truncate(time.Second), Mode: "CC", Reference: "ASHA",
			PosID: "COUNTER-3", Campaign: "DIWALI", SubscriptionID: "9001",
		}
		if describe(got) != describe(want) {
			t.Errorf("%s reads as\n%s, want\n%s", m.About, describe(got), describe(want))
		}
	}
}

func TestJSONLeavesTextAsItIs(t *testing.T) {
	p := newPaytm(2)
	m := p.PaymentJSON(p.Pay("ORDER_1", 100, paytmtest.Comments("gift & <card>")))
	if !strings.Contains(string(m.Body), `"comments":"gift & <card>"`) {
		t.Errorf("the comments are escaped: %s", m.Body)
	}
}

func TestHybridPaymentListsItsParts(t *testing.T) {
	p := newPaytm(2)
	pay := p.Pay("ORDER_1", 1000, paytmtest.Mode("HYBRID"))
	list := parsed(t, p, p.PaymentForm(pay)).Fields.Get("CHILDTXNLIST")
	var parts []struct{ TxnID, TxnAmount, PaymentMode string }
	if err := json.Unmarshal([]byte(list), &parts); err != nil || len(parts) != 2 {
		t.Fatalf("CHILDTXNLIST %q: %v", list, err)
	}
	var sum int64
	for _, part := range parts {
		paise, err := paytm.ParseAmount(part.TxnAmount)
		if err != nil || part.TxnID == pay.TxnID || part.PaymentMode == "HYBRID" {
			t.Errorf("part %+v: %v", part, err)
		}
		sum += paise
	}
	if sum != 1000 {
		t.Errorf("the parts add up to %d paise of 1000", sum)
	}
}

func TestLinkOverwritesTheReference(t *testing.T) {
	p := newPaytm(2)
	pay := p.Pay("ORDER_1", 100, paytmtest.Reference("ASHA"))
	got := parsed(t, p, p.LinkPayment(pay, "12345")).Classify()
	if got.Reference != "LI_12345" || pay.Reference != "LI_12345" {
		t.Errorf("the message says %q, the books %q", got.Reference, pay.Reference)
	}
}

func TestAdditionalNamesAreSigned(t *testing.T) {
	p := newPaytm(2)
	pay := p.Pay("ORDER_1", 100, paytmtest.With("BRAND_NEW", "1"), paytmtest.TxnID("T1"))
	for _, m := range []paytmtest.Message{p.PaymentForm(pay), p.PaymentFlatJSON(pay)} {
		got := parsed(t, p, m).Classify()
		if !slices.Equal(got.Unknown, []string{"BRAND_NEW"}) || got.TxnID != "T1" {
			t.Errorf("%s: unknown names %v, TXNID %s", m.About, got.Unknown, got.TxnID)
		}
	}
}

func TestOddMessagesAreSigned(t *testing.T) {
	p := newPaytm(2)
	form := p.SignForm(map[string]string{"TXNID": "T1", "TXNAMOUNT": "1e9", "ORDERID": "O1",
		"STATUS": "TXN_SUCCESS", "MID": p.MID(), "CHECKSUMHASH": "is replaced"})
	if got := parsed(t, p, form).Classify(); !strings.Contains(got.Review, "TXNAMOUNT") {
		t.Errorf("an amount of 1e9 reads without a complaint: %+v", got)
	}
	body := p.SignBody(`{ "unheard" : [1, {"of":null}] }`)
	if got := parsed(t, p, body).Classify(); got.Type != "unknown" {
		t.Errorf("an unheard body reads as %s", got.Type)
	}
}

func TestRefundTotalsAddUp(t *testing.T) {
	p := newPaytm(3)
	pay := p.Pay("ORDER_1", 30000)
	first, second, third := p.Refund(pay, 10000), p.Refund(pay, 5000), p.Refund(pay, 2500)
	p.RefundRefused(pay, second)
	for _, c := range []struct {
		m             paytmtest.Message
		amount, total int64
		id            string
	}{
		{p.RefundSucceeded(pay, third), 2500, 12500, third.ID}, // before the first, on the wire
		{p.RefundSucceeded(pay, first), 10000, 10000, first.ID},
		{p.RefundOlderForm(pay, third), 2500, 12500, third.ID},
		{p.RefundAccepted(pay, first), 10000, 0, first.ID},
	} {
		got := parsed(t, p, c.m).Classify()
		if got.RefundAmount != c.amount || got.RefundTotal != c.total || got.RefundID != c.id ||
			got.Amount != 30000 {
			t.Errorf("%s: %+v, want %d of %d", c.m.About, got, c.amount, c.total)
		}
	}
	if first.Event != paytm.Succeeded || second.Event != paytm.Refused {
		t.Errorf("the books say %s and %s", first.Event, second.Event)
	}
}

func TestDisputeAmountHasDecimalsOnlyWhenNeeded(t *testing.T) {
	p := newPaytm(3)
	pay := p.Pay("ORDER_1", 30000)
	for text, paise := range map[string]int64{`"20"`: 2000, `"20.50"`: 2050, `"100"`: 10000} {
		m := p.Dispute(pay, "D1", "NEW", paise)
		if !strings.Contains(string(m.Body), `"disputeAmount":`+text) {
			t.Errorf("no disputeAmount %s in %s", text, m.Body)
		}
		if got := parsed(t, p, m).Classify(); got.DisputeAmount != paise || got.DisputeID != "D1" {
			t.Errorf("reads as %+v", got)
		}
	}
}

// TestNamesFollowPaytmsSamples holds the simulator against Paytm's own samples: it sends every
// name they have, and where it says so nothing else.
func TestNamesFollowPaytmsSamples(t *testing.T) {
	p := newPaytm(4)
	pay := func(mode string, more ...paytmtest.Option) *paytmtest.Payment {
		return p.Pay("ORDER_1", 12000, append(more, paytmtest.Mode(mode))...)
	}
	card := pay("CC")
	r := p.Refund(card, 100)
	const gatewayAbsent, bankAbsent = "GATEWAYNAME", "BANKNAME"
	for _, c := range []struct {
		sample string
		m      paytmtest.Message
		exact  bool
		absent string
	}{
		{"payment_success_wallet", p.PaymentForm(pay("PPI")), false, ""},
		{"payment_success_upi", p.PaymentForm(pay("UPI")), false, bankAbsent},
		{"payment_success_netbanking_real_staging", p.PaymentForm(pay("NB")), false, ""},
		{"payment_pending_card_real_staging", p.PaymentForm(pay("DC", paytmtest.Pending())), false,
			gatewayAbsent},
		{"payment_link_webhook", p.LinkPayment(pay("PPI"), "12345"), false, ""},
		{"payment_json_head_body", p.PaymentJSON(card), true, ""},
		{"subscription_status_webhook", p.SubscriptionStatus("1", "ACTIVE"), true, ""},
		{"refund_accepted_webhook", p.RefundAccepted(card, r), true, ""},
		{"refund_rejected_webhook", p.RefundRefused(card, r), true, ""},
		{"refund_success_webhook", p.RefundSucceeded(card, r), false, ""},
		{"chargeback_webhook", p.Dispute(card, "D1", "NEW", 2000), true, ""},
		{"payment_arn_webhook", p.ARN(card), true, ""},
	} {
		want, got := sampleNames(t, c.sample), namesOf(t, c.m.Body)
		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("%s: %s is missing", c.sample, name)
			}
		}
		if c.exact && len(got) != len(want) {
			t.Errorf("%s: sends %v, the sample has %v", c.sample, got, want)
		}
		if c.absent != "" && slices.Contains(got, c.absent) {
			t.Errorf("%s: %s should be absent", c.sample, c.absent)
		}
	}
}

// TestUsualFormHasSixteenNamesAndTheChecksum pins the set, with the empty BANKTXNID and the
// reference that is there even when empty.
func TestUsualFormHasSixteenNamesAndTheChecksum(t *testing.T) {
	p := newPaytm(4)
	got := namesOf(t, p.PaymentForm(p.Pay("ORDER_1", 100, paytmtest.Mode("NB"))).Body)
	const usual = "BANKNAME BANKTXNID CHECKSUMHASH CURRENCY CUSTID GATEWAYNAME MERC_UNQ_REF MID " +
		"ORDERID PAYMENTMODE RESPCODE RESPMSG STATUS TXNAMOUNT TXNDATE TXNDATETIME TXNID"
	if strings.Join(got, " ") != usual {
		t.Errorf("sends %v", got)
	}
	open := p.Pay("ORDER_2", 100, paytmtest.Mode("NB"), paytmtest.Pending())
	fields := parsed(t, p, p.PaymentForm(open)).Fields
	if !fields.Has("BANKTXNID") || fields.Get("BANKTXNID") != "" || fields.Has("GATEWAYNAME") {
		t.Errorf("pending: %v", fields)
	}
	if got := fields.Get("TXNDATETIME"); got != "2026-12-01 10:30:15.0" {
		t.Errorf("TXNDATETIME %q", got)
	}
}

// sampleNames are the names of a published sample: of its body when it has one.
func sampleNames(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile("../../testdata/paytm_samples.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples []struct {
		Name    string
		Payload json.RawMessage
	}
	if err := json.Unmarshal(text, &samples); err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		if s.Name == name {
			return namesOf(t, s.Payload)
		}
	}
	t.Fatalf("no sample %s", name)
	return nil
}

// namesOf are the sorted names of a form or of JSON, of its body when it has one.
func namesOf(t *testing.T, text []byte) []string {
	t.Helper()
	envelope, err := paytm.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, field := range envelope.Fields {
		names = append(names, field.Name)
	}
	if envelope.Shape == paytm.HeadBody {
		var body map[string]any
		if err := json.Unmarshal(envelope.Text, &body); err != nil {
			t.Fatal(err)
		}
		names = nil
		for name := range body {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func describe(v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}
