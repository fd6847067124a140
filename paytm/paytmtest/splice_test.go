package paytmtest_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

const forgedTxnID = "20261201111212800110168999999999999"

func TestForgedPaymentKeepsTheChecksum(t *testing.T) {
	p := newPaytm(5)
	bait, forged := p.Forge("VICTIM_1", forgedTxnID, 9999900, paytmtest.Reference("MALLORY"))

	genuine := parsed(t, p, bait)
	if m := genuine.Classify(); m.Status != paytm.Failed || m.Amount != 100 {
		t.Errorf("the bait reads as %+v, want a failed payment of ₹1.00", m)
	}
	if pay := p.Payments()[0]; pay.Status != paytm.Failed || pay.OrderID != bait.OrderID {
		t.Errorf("the bait is not on the books: %+v", pay)
	}

	envelope := parsed(t, p, forged)
	if envelope.Checksum != genuine.Checksum {
		t.Error("the forged message has a checksum of its own")
	}
	m := envelope.Classify()
	want := paytm.Message{
		Kind: paytm.Payment, Type: "payment", MID: p.MID(), OrderID: "VICTIM_1",
		TxnID: forgedTxnID, Status: paytm.Success, Amount: 9999900, Currency: "INR",
		PaidAt: tuesday, Mode: "UPI", Reference: "MALLORY",
	}
	m.Unknown = nil // known names, by their values suspect: how far that goes is paytm's to say
	if describe(m) != describe(want) {
		t.Errorf("forged reads as\n%s, want\n%s", describe(m), describe(want))
	}
	holdsNoSeparator(t, envelope)
	holdsKnownNamesOnly(t, envelope)
}

func TestForgedFromMandateIsAPaymentToo(t *testing.T) {
	p := newPaytm(5)
	bait, forged := p.ForgeFromMandate("VICTIM_1", forgedTxnID, 9999900)
	if m := parsed(t, p, bait).Classify(); m.Type != "subscription status" {
		t.Errorf("the bait reads as %s", m.Type)
	}
	envelope := parsed(t, p, forged)
	m := envelope.Classify()
	if m.Kind != paytm.Payment || m.Status != paytm.Success || m.Amount != 9999900 ||
		m.TxnID != forgedTxnID || m.OrderID != "VICTIM_1" || m.MID != p.MID() {
		t.Errorf("forged reads as\n%s", describe(m))
	}
	if m.Review != "" {
		t.Errorf("forged needs a review: %s", m.Review)
	}
	holdsNoSeparator(t, envelope)
	holdsKnownNamesOnly(t, envelope)
}

func TestTheAPIExposesForgedPayments(t *testing.T) {
	p := newPaytm(6)
	client := start(t, p)
	_, forged := p.Forge("VICTIM_1", forgedTxnID, 9999900)
	answer, err := client.OrderStatus(context.Background(), forged.OrderID)
	if err != nil || answer.Code != "334" || answer.Definite() {
		t.Errorf("an order that nobody paid: %+v, %v", answer, err)
	}
	real := p.Pay("VICTIM_2", 4900)
	_, forged = p.Forge("VICTIM_2", forgedTxnID, 9999900)
	answer, err = client.OrderStatus(context.Background(), forged.OrderID)
	if err != nil || answer.TxnID != real.TxnID || answer.Amount != 4900 {
		t.Errorf("an order that somebody else paid: %+v, %v", answer, err)
	}
}

func holdsNoSeparator(t *testing.T, e *paytm.Envelope) {
	t.Helper()
	for _, field := range e.Fields {
		if strings.Contains(field.Value, "|") {
			t.Errorf("%s holds a separator: %q", field.Name, field.Value)
		}
	}
}

// documented are names of Paytm's payment webhook page and of payloads seen.
var documented = strings.Fields(`ACCNUMVERSUCCESS AUTHCODE BANKNAME BANKTXNID CHECKSUMHASH CURRENCY
	CUSTID GATEWAYNAME MERC_UNQ_REF MID ORDERID PAYMENTMODE RESPCODE RESPMSG STATUS TXNAMOUNT
	TXNDATE TXNDATETIME TXNID VPA cardHash cardIndexNo cardScheme clientId comments
	emiSubventionInfo feeRateFactors maskedCardNo pccCode prepaidCard riskInfo udf_1 udf_2 udf_3
	uniqueReferenceLabel uniqueReferenceValue`)

func holdsKnownNamesOnly(t *testing.T, e *paytm.Envelope) {
	t.Helper()
	for _, field := range e.Fields {
		if !slices.Contains(documented, field.Name) {
			t.Errorf("%s is no name of a payment webhook", field.Name)
		}
	}
}

// A re-cut message has to put the genuine MID, or the genuine status, somewhere: that name shows it,
// and makes confirmation by the API mandatory even where a shop has waived it.
func TestForgeriesBetrayThemselves(t *testing.T) {
	p := paytmtest.New(paytmtest.Config{Seed: 5})
	_, forged := p.Forge("1042", "20261122111212800110168000000000042", 9999900)
	_, mandate := p.ForgeFromMandate("1042", "20261122111212800110168000000000043", 9999900)
	for name, m := range map[string]paytmtest.Message{"from a payment": forged, "from a mandate": mandate} {
		envelope, err := paytm.Parse(m.Body)
		if err != nil || !envelope.Verify(p.Key()) {
			t.Fatalf("%s: the checksum must hold, or this shows nothing (%v)", name, err)
		}
		if c := envelope.Classify(); len(c.Unknown) == 0 && c.Review == "" {
			t.Errorf("%s: nothing betrays it: %+v", name, c)
		}
	}
}
