package paytm_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"hissa/paytm"
)

// A splice is a genuine message cut anew. Paytm signs the values in order of their names, joined
// by "|", so that the same characters can be other fields under other names. The forger needs one
// signed message and one value in it that he controls; the browser's copy of his own failed
// payment of one rupee will do.

// failed is that payment.
var failed = with(nil,
	"BANKTXNID", "601500000001", "CURRENCY", "INR", "CUSTID", "CUST_666", "GATEWAYNAME", "PPBLC",
	"MERC_UNQ_REF", "clk_1", "MID", "AFFDEM00000000000001", "ORDERID", "ORD_666",
	"PAYMENTMODE", "UPI", "RESPCODE", "227", "RESPMSG", "Declined by the bank",
	"STATUS", "TXN_FAILURE", "TXNAMOUNT", "1.00", "TXNDATE", "2026-01-15",
	"TXNDATETIME", "2026-01-15 13:03:05.0", "TXNID", "20260115111212800110168000000000666",
	"comments", "thanks", "udf_1", "blue")

// forged are the values the forger wants, in order of their names.
var (
	forgedNames = []string{"MID", "ORDERID", "STATUS", "TXNAMOUNT", "TXNID"}
	forged      = []string{"AFFDEM00000000000001", "ORD_667", "TXN_SUCCESS", "99999.00",
		"20260115111212800110168000000000667"}
)

// texts are the values of fields in order of their names.
func texts(fields paytm.Fields) (values []string) {
	fields = slices.Clone(fields)
	slices.SortFunc(fields, func(a, b paytm.Field) int { return strings.Compare(a.Name, b.Name) })
	for _, field := range fields {
		values = append(values, field.Value)
	}
	return values
}

// named gives values the names.
func named(names []string, values []string) (fields paytm.Fields) {
	for i, name := range names {
		fields = append(fields, paytm.Field{Name: name, Value: values[i]})
	}
	return fields
}

// message is the form of fields with a checksum, taken apart again.
func message(t testing.TB, fields paytm.Fields, checksum string) *paytm.Envelope {
	t.Helper()
	return parse(t, form(with(fields, "CHECKSUMHASH", checksum)))
}

// The golden splice: a failure of ₹1.00 becomes a success of ₹99,999.00 through MERC_UNQ_REF.
// Names, patterns and separators are all in order. The checksum fits, here and in Paytm's own
// library; what gives it away is the genuine STATUS, which had to go somewhere.
func TestSplice(t *testing.T) {
	key := mustKey(t, testKey)
	evil := "clk_1|" + strings.Join(forged, "|") + "|x"
	genuine := with(failed, "MERC_UNQ_REF", evil, "-comments", "-udf_1")
	checksum := key.Sign(genuine)
	got := message(t, genuine, checksum).Classify()
	if got.Status != paytm.Failed || !strings.Contains(got.Review, "MERC_UNQ_REF") {
		t.Errorf("the genuine message: %+v", got)
	}

	names := strings.Fields(`BANKTXNID CURRENCY CUSTID GATEWAYNAME MERC_UNQ_REF
		MID ORDERID STATUS TXNAMOUNT TXNID
		TXNTYPE VPA cardIndexNo clientId comments maskedCardNo pccCode udf_1 udf_2 udf_3
		uniqueReferenceValue`)
	splice := named(names, strings.Split(strings.Join(texts(genuine), "|"), "|"))
	e := message(t, splice, checksum)
	if !e.Verify(key) {
		t.Fatal("the splice does not pass the checksum, so the test shows nothing")
	}
	got = e.Classify()
	if got.Type != "payment" || got.Status != paytm.Success || got.Amount != 9999900 ||
		got.Review != "" {
		t.Fatalf("the splice is no clean success, so the test shows nothing: %+v", got)
	}
	if !slices.Equal(got.Unknown, []string{"VPA", "pccCode"}) {
		t.Errorf("Unknown is %q, want the fields that hold the MID and TXN_FAILURE", got.Unknown)
	}

	t.Run("in Paytm's library", func(t *testing.T) {
		if !startKit(t).accepts("1.5.1", testKey, splice, checksum) {
			t.Error("refused")
		}
	})
}

// A splice through comments has more genuine values to hide than there are known names before MID.
// Cut with invented names, or with several values in one, it shows.
func TestCarelessSplices(t *testing.T) {
	key := mustKey(t, testKey)
	genuine := with(failed, "comments", strings.Join(forged, "|"))
	checksum := key.Sign(genuine)
	all := strings.Split(strings.Join(texts(genuine), "|"), "|")
	prefix := slices.Index(all, "ORD_667") - 1
	merged := append([]string{strings.Join(all[:prefix], "|")}, all[prefix:]...)
	rest := append(slices.Clone(forgedNames), "udf_1")
	invented := strings.Split("A B C D E F G H I J K L LA LB LC", " ")
	for _, test := range []struct {
		name, unknown, review string
		fields                paytm.Fields
	}{
		{"all in one value", "BANKNAME", "",
			named(append([]string{"BANKNAME"}, rest...), merged)},
		{"all in the reference", "MERC_UNQ_REF", "MERC_UNQ_REF",
			named(append([]string{"MERC_UNQ_REF"}, rest...), merged)},
		{"invented names", "LC", "",
			named(append(invented, rest...), all)},
	} {
		e := message(t, test.fields, checksum)
		got := e.Classify()
		if !e.Verify(key) || got.Status != paytm.Success || got.Amount != 9999900 {
			t.Fatalf("%s: not a splice: %v, %+v", test.name, e.Verify(key), got)
		}
		if !slices.Contains(got.Unknown, test.unknown) ||
			!strings.Contains(got.Review, test.review) ||
			(got.Review == "") != (test.review == "") {
			t.Errorf("%s: Unknown %q, Review %q", test.name, got.Unknown, got.Review)
		}
	}
}

// Whatever value of a payment a stranger controls, and wherever he cuts: no splice of it is a
// success without Review and Unknown.
func TestNoSpliceOfAPaymentLooksClean(t *testing.T) {
	key := mustKey(t, testKey)
	known := strings.Fields(`ACCNUMVERSUCCESS AUTHCODE BANKNAME BANKTXNID CHILDTXNLIST CURRENCY
		CUSTID ENC_DATA FUNDSOURCEVERIFICATION GATEWAYNAME LOYALTYPOINTS MERC_UNQ_REF MID
		Masked_customer_mobile_number ORDERID PAYMENTMODE POS_ID PRN PROMO_CAMP_ID PROMO_RESPCODE
		PROMO_STATUS REFUNDAMT RESPCODE RESPMSG RRN STATUS SUBS_ID TXNAMOUNT TXNDATE TXNDATETIME
		TXNID TXNTYPE VPA cardIndexNo clientId comments maskedCardNo pccCode udf_1 udf_2 udf_3
		uniqueReferenceLabel uniqueReferenceValue`)
	if !slices.IsSorted(known) {
		t.Fatal("the names are not in order")
	}
	controllable := strings.Fields("BANKTXNID CUSTID MERC_UNQ_REF RESPMSG comments udf_1")
	r := rand.New(rand.NewPCG(17, 4))
	spliced := 0
	for range 20_000 {
		paid := failed
		if r.IntN(2) == 0 {
			paid = with(failed, "STATUS", "TXN_SUCCESS")
		}
		controlled := controllable[r.IntN(len(controllable))]
		evil := strings.Repeat("p|", r.IntN(3)) + strings.Join(forged, "|") +
			strings.Repeat("|q", r.IntN(3))
		genuine := with(paid, controlled, evil)
		values := strings.Split(strings.Join(texts(genuine), "|"), "|")
		at := slices.Index(values, "ORD_667") - 1

		// The forged values get their names, those before and after them known names at random.
		before, after := known[:slices.Index(known, "MID")], known[slices.Index(known, "TXNID")+1:]
		names := slices.Concat(
			pick(r, before, at),
			forgedNames,
			pick(r, after, len(values)-at-len(forged)),
		)
		if len(names) != len(values) {
			continue // more values than there are known names to hide them under
		}
		spliced++
		e := message(t, named(names, values), key.Sign(genuine))
		got := e.Classify()
		if !e.Verify(key) || got.TxnID != forged[4] {
			t.Fatalf("not a splice: %v, %+v", e.Verify(key), got)
		}
		if got.Review == "" && len(got.Unknown) == 0 {
			t.Fatalf("this splice of %+v looks clean: %+v", genuine, e.Fields)
		}
	}
	if spliced < 1000 {
		t.Errorf("only %d splices", spliced)
	}
}

// pick returns count of the names, in order; nil if there are too few.
func pick(r *rand.Rand, names []string, count int) (picked []string) {
	if count > len(names) {
		return nil
	}
	chosen := r.Perm(len(names))[:count]
	slices.Sort(chosen)
	for _, i := range chosen {
		picked = append(picked, names[i])
	}
	return picked
}

// A signed body of JSON can be cut into a form as well: its head and its tail are values then.
func TestSpliceOfSignedJSON(t *testing.T) {
	key := mustKey(t, testKey)
	text := `{"mid":"AFFDEM00000000000001","txnId":"1","status":"TXN_FAILURE","comments":"|` +
		strings.Join(forged, "|") + `|"}`
	names := []string{"BANKNAME", "MID", "ORDERID", "STATUS", "TXNAMOUNT", "TXNID", "comments"}
	e := message(t, named(names, strings.Split(text, "|")), key.SignText([]byte(text)))
	got := e.Classify()
	if !e.Verify(key) || got.Status != paytm.Success || got.Review != "" {
		t.Fatalf("not a splice: %v, %+v", e.Verify(key), got)
	}
	if !slices.Equal(got.Unknown, []string{"BANKNAME"}) {
		t.Errorf("Unknown is %q, want the field that begins the JSON", got.Unknown)
	}
}

// What a merchant signs himself, the request for a payment, has no STATUS that could give it away;
// his own MID, which has to stand somewhere, does.
func TestSpliceOfTheMerchantsOwnRequest(t *testing.T) {
	key := mustKey(t, testKey)
	request := paytm.Fields{
		{Name: "CALLBACK_URL", Value: "https://shop.in/paid"}, {Name: "CHANNEL_ID", Value: "WEB"},
		{
			Name:  "CUST_ID",
			Value: "me|" + strings.Join(forged, "|") + "|SALE",
		}, {Name: "INDUSTRY_TYPE_ID", Value: "Retail"},
		{Name: "MID", Value: "AFFDEM00000000000001"}, {Name: "ORDER_ID", Value: "ORD_666"},
		{Name: "TXN_AMOUNT", Value: "1.00"}, {Name: "WEBSITE", Value: "DEFAULT"},
	}
	names := []string{
		"BANKNAME",
		"BANKTXNID",
		"CUSTID",
		"MID",
		"ORDERID",
		"STATUS",
		"TXNAMOUNT",
		"TXNID",
		"TXNTYPE",
		"cardIndexNo",
		"clientId",
		"comments",
		"pccCode",
		"udf_1",
	}
	e := message(
		t,
		named(names, strings.Split(strings.Join(texts(request), "|"), "|")),
		key.Sign(request),
	)
	got := e.Classify()
	if !e.Verify(key) || got.Status != paytm.Success || got.Amount != 9999900 ||
		got.Review != "" ||
		!slices.Equal(got.Unknown, []string{"clientId"}) {
		t.Errorf("verified %v, %+v", e.Verify(key), got)
	}
}
