package paytmtest

import (
	"fmt"
	"strings"

	"hissa/paytm"
)

// via is who carries the payments of a mode: GATEWAYNAME and BANKNAME. UPI names no bank.
var via = map[string]struct{ gateway, bank string }{
	"UPI":    {"ICICI", ""},
	"CC":     {"HDFC", "HDFC Bank"},
	"DC":     {"HDFC", "Axis Bank"},
	"NB":     {"ICICI", "ICICI Bank"},
	"PPI":    {"WALLET", "WALLET"},
	"HYBRID": {"WALLET", "WALLET"},
}

// view copies a payment under the lock, so that a message can be made while others work.
func (p *Paytm) view(pay *Payment) *Payment {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := *pay
	return &seen
}

// bankTxnID is the bank's own number; while a payment is pending Paytm sends the name empty.
func (pay *Payment) bankTxnID() string {
	if pay.Status == paytm.Pending {
		return ""
	}
	return pay.TxnID[max(0, len(pay.TxnID)-12):]
}

// list collects the fields of a form.
type list paytm.Fields

func (l *list) add(name, value string) { *l = append(*l, paytm.Field{Name: name, Value: value}) }

func (l *list) addIfSet(name, value string) {
	if value != "" {
		l.add(name, value)
	}
}

// paymentFields are the names Paytm usually sends of a payment, in its order. GATEWAYNAME is
// absent while pending, BANKNAME with UPI; MERC_UNQ_REF is there even when empty.
func (p *Paytm) paymentFields(pay *Payment) paytm.Fields {
	var l list
	l.add("CURRENCY", pay.Currency)
	if pay.Status != paytm.Pending {
		l.addIfSet("GATEWAYNAME", via[pay.Mode].gateway)
	}
	l.add("RESPMSG", outcomes[pay.Status].text)
	l.addIfSet("BANKNAME", via[pay.Mode].bank)
	l.add("PAYMENTMODE", pay.Mode)
	l.add("CUSTID", pay.CustID)
	l.add("MID", p.mid)
	l.add("MERC_UNQ_REF", pay.Reference)
	l.add("RESPCODE", outcomes[pay.Status].code)
	l.add("TXNID", pay.TxnID)
	l.add("TXNAMOUNT", paytm.FormatAmount(pay.Amount))
	l.add("ORDERID", pay.OrderID)
	l.add("STATUS", statusWords[pay.Status])
	l.add("BANKTXNID", pay.bankTxnID())
	l.add("TXNDATETIME", stamp(pay.PaidAt))
	l.add("TXNDATE", day(pay.PaidAt))
	l.addIfSet("SUBS_ID", pay.SubsID)
	l.addIfSet("POS_ID", pay.PosID)
	l.addIfSet("PROMO_CAMP_ID", pay.Campaign)
	l.addIfSet("comments", pay.Comments)
	if pay.Mode == "HYBRID" {
		l.add("CHILDTXNLIST", pay.children())
	}
	return append(paytm.Fields(l), pay.Extra...)
}

// children is the JSON text in CHILDTXNLIST: the parts of a payment made in two ways at once.
func (pay *Payment) children() string {
	part := func(n, mode string, amount int64) object {
		return object{
			{"txnId", pay.TxnID + n}, {"paymentMode", mode},
			{"txnAmount", paytm.FormatAmount(amount)}, {"gateway", via[mode].gateway},
			{"bankTxnId", pay.bankTxnID() + n}, {"status", statusWords[pay.Status]},
		}
	}
	wallet := pay.Amount / 3
	first, second := part("1", "PPI", wallet), part("2", "UPI", pay.Amount-wallet)
	return fmt.Sprintf("[%s,%s]", first.text(), second.text())
}

func (pay *Payment) about() string {
	return modeWords[pay.Mode] + " payment " + statusWords[pay.Status] + " " + rupees(pay.Amount)
}

// modeWords are the payment modes as people call them.
var modeWords = map[string]string{
	"UPI": "UPI", "CC": "credit card", "DC": "debit card", "NB": "net banking", "PPI": "wallet",
	"HYBRID": "hybrid",
}

// PaymentForm is the payment webhook as Paytm documents it: a form, with the status the payment
// has now.
func (p *Paytm) PaymentForm(pay *Payment) Message {
	pay = p.view(pay)
	return p.form(pay.about(), pay, p.paymentFields(pay))
}

// PaymentFlatJSON is the same names as one JSON object, as some third parties describe it.
func (p *Paytm) PaymentFlatJSON(pay *Payment) Message {
	pay = p.view(pay)
	fields := p.paymentFields(pay)
	var flat object
	for _, field := range fields {
		flat = append(flat, member{field.Name, field.Value})
	}
	flat = append(flat, member{"CHECKSUMHASH", p.Key().Sign(fields)})
	return Message{
		ContentType: jsonType,
		Body:        flat.text(),
		About:       pay.about() + ", flat JSON",
		TxnID:       pay.TxnID,
		OrderID:     pay.OrderID,
	}
}

// PaymentJSON is the payment webhook as Paytm's agent skills show it: signed JSON with head and
// body.
func (p *Paytm) PaymentJSON(pay *Payment) Message {
	pay = p.view(pay)
	body := object{
		{"mid", p.mid},
		{"orderId", pay.OrderID},
		{"txnId", pay.TxnID},
		{"txnAmount", paytm.FormatAmount(pay.Amount)},
		{"currency", pay.Currency},
		{"status", statusWords[pay.Status]},
		{"respCode", outcomes[pay.Status].code},
		{"respMsg", outcomes[pay.Status].text},
		{"txnType", "SALE"},
		{"paymentMode", pay.Mode},
		{"bankTxnId", pay.bankTxnID()},
		{"txnDate", stamp(pay.PaidAt)},
	}
	body = body.with("bankName", via[pay.Mode].bank)
	body = body.with("merchantUniqueReference", pay.Reference)
	body = body.with("subsId", pay.SubsID)
	body = body.with("posId", pay.PosID)
	body = body.with("promoCampId", pay.Campaign)
	body = body.with("comments", pay.Comments)
	return p.json(pay.about()+", JSON", pay, body)
}

// with appends a member unless its value is empty.
func (o object) with(name, value string) object {
	if value == "" {
		return o
	}
	return append(o, member{name, value})
}

// LinkPayment is the message of a payment link. Paytm writes the reference itself, LI_ and the
// link's id, and so does this, on the books too.
func (p *Paytm) LinkPayment(pay *Payment, linkID string) Message {
	p.mu.Lock()
	pay.Reference = "LI_" + linkID
	p.mu.Unlock()
	pay = p.view(pay)
	l := list(p.paymentFields(pay))
	l.add("PAYMENTEMAILID", "customer@example.com")
	l.add("PAYMENTMOBILENUMBER", "7777777777")
	l.add("LINKDESCRIPTION", "Workshop seat")
	l.add("LINKNOTES", "Sent by mail")
	return p.form("link, "+pay.about(), pay, paytm.Fields(l))
}

// Conflicting is a genuinely signed message about the same TXNID that states another amount.
// The books keep the first.
func (p *Paytm) Conflicting(pay *Payment, amount int64) Message {
	pay = p.view(pay)
	pay.Amount = amount
	return p.form("contradicting, "+pay.about(), pay, p.paymentFields(pay))
}

// ARN is the notice of a bank's settlement number, days after a card payment: a form with the
// payment's TXNID and amount, and no STATUS.
func (p *Paytm) ARN(pay *Payment) Message {
	pay = p.view(pay)
	var l list
	l.add("ORDERID", pay.OrderID)
	l.add("MID", p.mid)
	l.add("TXNID", pay.TxnID)
	l.add("TXNAMOUNT", paytm.FormatAmount(pay.Amount))
	l.add("CURRENCY", pay.Currency)
	l.add("TXNDATETIME", second(pay.PaidAt))
	l.add("PAYMENTMODE", pay.Mode)
	l.add("GATEWAYNAME", via[pay.Mode].gateway)
	l.add("BANKNAME", via[pay.Mode].bank)
	l.add("ARN", "74056633031"+pay.bankTxnID())
	l.add("BANKTXNID", pay.bankTxnID())
	return p.form("payment ARN", pay, paytm.Fields(l))
}

// RefundARN is the same notice for a refund.
func (p *Paytm) RefundARN(pay *Payment, r *Refund) Message {
	pay = p.view(pay)
	var l list
	l.add("ORDERID", pay.OrderID)
	l.add("REFID", r.RefID)
	l.add("MID", p.mid)
	l.add("TXNID", pay.TxnID)
	l.add("REFUNDID", r.ID)
	l.add("TXNAMOUNT", paytm.FormatAmount(pay.Amount))
	l.add("REFUNDAMOUNT", paytm.FormatAmount(r.Amount))
	l.add("TXNDATETIME", second(pay.PaidAt))
	l.add("REFUNDDATETIME", second(r.At))
	l.add("PAYMENTMODE", pay.Mode)
	l.add("GATEWAYNAME", via[pay.Mode].gateway)
	l.add("BANKNAME", via[pay.Mode].bank)
	l.add("ARN", "73256633124"+pay.bankTxnID())
	l.add("RRN", pay.bankTxnID())
	return p.form("refund ARN", pay, paytm.Fields(l))
}

// refundEvent notes on the books what Paytm is about to tell, and returns the payment as it then
// stands with the sum of refunds up to and with r.
func (p *Paytm) refundEvent(pay *Payment, r *Refund, e paytm.RefundEvent) (*Payment, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.Event = e
	seen := *pay
	return &seen, pay.refunded(r)
}

// refundBody is what the two JSON messages about a refund have in common.
func refundBody(pay *Payment, r *Refund) object {
	return object{
		{"txnTimestamp", stamp(pay.PaidAt)},
		{"orderId", pay.OrderID},
		{"refundAmount", paytm.FormatAmount(r.Amount)},
		{"refundId", r.ID},
		{"txnAmount", paytm.FormatAmount(pay.Amount)},
		{"txnId", pay.TxnID},
		{"merchantRefundRequestTimestamp", stamp(r.At)},
		{"acceptRefundTimestamp", stamp(r.At)},
		{"refId", r.RefID},
		{"refundReason", "Customer returned the goods"},
		{"agentInfo", object{{"employeeId", "Emp-001"}, {"name", "Agent"}}},
	}
}

// RefundAccepted is the accept-refund webhook: the amount has left the merchant's balance. It
// carries no MID.
func (p *Paytm) RefundAccepted(pay *Payment, r *Refund) Message {
	pay = p.view(pay)
	body := append(refundBody(pay, r), member{"status", "SUCCESS"})
	return p.json("refund accepted "+rupees(r.Amount), pay, body)
}

// RefundSucceeded is the success-refund webhook: the money was sent to the customer's bank. It
// carries no status, but the total of the payment's refunds up to this one.
func (p *Paytm) RefundSucceeded(pay *Payment, r *Refund) Message {
	pay, total := p.refundEvent(pay, r, paytm.Succeeded)
	body := append(object{{"source", "MERCHANT"}, {"mid", p.mid}}, refundBody(pay, r)...)
	body = append(body,
		member{"totalRefundAmount", paytm.FormatAmount(total)},
		member{"userCreditInitiateTimestamp", stamp(r.At)},
		member{"refundDetailInfoList", []object{{
			{"refundType", "TO_SOURCE"},
			{"payMethod", pay.Mode},
			{"refundAmount", paytm.FormatAmount(r.Amount)},
			{"rrn", pay.bankTxnID()},
			{"userCreditExpectedDate", day(r.At.AddDate(0, 0, 7))},
		}}})
	return p.json("refund succeeded "+rupees(r.Amount), pay, body)
}

// RefundRefused is the accept-refund webhook with a refusal: the amount stays with the merchant.
func (p *Paytm) RefundRefused(pay *Payment, r *Refund) Message {
	pay, _ = p.refundEvent(pay, r, paytm.Refused)
	body := append(refundBody(pay, r),
		member{"status", "FAILED"},
		member{"rejectRefundReasonCode", "1"},
		member{"rejectRefundReasonMessage", "Insufficient balance in your settlement account"})
	return p.json("refund refused "+rupees(r.Amount), pay, body)
}

// RefundOlderForm is the refund message of Paytm's Java SDK: a form with a TXNID and
// STATUS=TXN_SUCCESS, which only its REFUND… names tell from a payment.
func (p *Paytm) RefundOlderForm(pay *Payment, r *Refund) Message {
	pay, total := p.refundEvent(pay, r, paytm.Succeeded)
	var l list
	l.add("TXNID", pay.TxnID)
	l.add("ORDERID", pay.OrderID)
	l.add("TXNAMOUNT", paytm.FormatAmount(pay.Amount))
	l.add("TXNSTATUS", statusWords[pay.Status])
	l.add("STATUS", "TXN_SUCCESS")
	l.add("RESPCODE", "10")
	l.add("RESPMSG", "Refund Successful.")
	l.add("MID", p.mid)
	l.add("REFUNDAMOUNT", paytm.FormatAmount(r.Amount))
	l.add("TXNDATE", stamp(pay.PaidAt))
	l.add("TOTALREFUNDAMT", paytm.FormatAmount(total))
	l.add("REFUNDDATE", stamp(r.At))
	l.add("REFID", r.RefID)
	l.add("GATEWAY", via[pay.Mode].gateway)
	l.add("PAYMENTMODE", pay.Mode)
	l.add("REFUNDID", r.ID)
	l.add("REFUNDTYPE", "TO_SOURCE")
	l.add("RRN", pay.bankTxnID())
	return p.form("refund succeeded "+rupees(r.Amount)+", older form", pay, paytm.Fields(l))
}

// Dispute is the chargeback webhook. Paytm documents the status NEW only. Its amount has no
// decimals when it is whole rupees.
func (p *Paytm) Dispute(pay *Payment, id, status string, amount int64) Message {
	pay = p.view(pay)
	return p.json("dispute "+status+" "+rupees(amount), pay, object{
		{"transactionId", pay.TxnID},
		{"orderId", pay.OrderID},
		{"disputeAmount", strings.TrimSuffix(paytm.FormatAmount(amount), ".00")},
		{"disputeDueDate", second(pay.PaidAt.AddDate(0, 1, 0))},
		{"bankReferenceNo", pay.bankTxnID()},
		{"disputeType", "Goods not received"},
		{"message", "Chargeback dispute has been filed"},
		{"extSerialNo", "90210223" + pay.bankTxnID()},
		{"mid", p.mid},
		{"merchantName", "Demo Shop"},
		{"custId", pay.CustID},
		{"transactionDateTime", second(pay.PaidAt)},
		{"transactionAmount", paytm.FormatAmount(pay.Amount)},
		{"disputeId", id},
		{"disputeStatus", status},
	})
}

// SubscriptionStatus tells that a mandate is ACTIVE, EXPIRED, SUSPENDED or REJECT. It has an
// ORDERID and a STATUS but no TXNID: no money moved.
func (p *Paytm) SubscriptionStatus(subsID, state string) Message {
	now := p.now()
	pay := &Payment{OrderID: "SUB_" + subsID}
	var l list
	l.add("PPITYPE", "Y")
	l.add("BANKNAME", "WALLET")
	l.add("PAYMENTMODE", "PPI")
	l.add("CUSTID", "CUST_001")
	l.add("MID", p.mid)
	l.add("EXPIRYDATE", second(now.AddDate(1, 0, 0)))
	l.add("UPDATEDDATE", second(now))
	l.add("CUSTMOBILE", "7777777777")
	l.add("FREQUENCYUNIT", "MONTH")
	l.add("MAXAMOUNT", "1000.0")
	l.add("ORDERID", pay.OrderID)
	l.add("CREATEDDATE", second(now))
	l.add("UPFRONTTXNAMOUNT", "0.00")
	l.add("STATUS", state)
	l.add("AMOUNTTYPE", "VARIABLE")
	l.add("MERCHANTNAME", "Demo Shop")
	l.add("SUBS_ID", subsID)
	l.add("CUSTEMAILID", "customer@example.com")
	return p.form("subscription "+state, pay, paytm.Fields(l))
}

// PreDebitNotice tells that a customer was told of a debit to come; it carries no MID.
func (p *Paytm) PreDebitNotice(reference string) Message {
	const layout = "02/01/2006 15:04"
	now := p.now().In(paytm.IST)
	var l list
	l.add("NOTIFICATIONSTATUS", "SUCCESS")
	l.add("NOTIFICATIONSTATUSCODE", "0")
	l.add("TXNDATE", now.AddDate(0, 0, 1).Format(layout))
	l.add("NOTIFICATIONDATE", now.Format(layout))
	l.add("REFERENCEID", reference)
	l.add("TXNMESSAGE", "Monthly plan")
	return p.form("pre-debit notice", &Payment{}, paytm.Fields(l))
}

// CardExpiry tells that the card of a subscription expires.
func (p *Paytm) CardExpiry(subsID string) Message {
	now := p.now()
	var l list
	l.add("CUSTID", "CUST_001")
	l.add("PAYMENTMODE", "CC")
	l.add("MID", p.mid)
	l.add("MASKEDCARDNUMBER", "5126********2205")
	l.add("FREQUENCYUNIT", "MONTH")
	l.add("MAXAMOUNT", "1000.0")
	l.add("CARDEXPIRYDATE", now.In(paytm.IST).Format("012006"))
	l.add("CREATEDDATE", second(now.AddDate(-1, 0, 0)))
	l.add("FREQUENCY", "1")
	l.add("AMOUNTTYPE", "VARIABLE")
	l.add("CUSTNAME", "Customer")
	l.add("CUSTEMAILID", "customer@example.com")
	l.add("CUSTMOBILE", "7777777777")
	l.add("SUBS_ID", subsID)
	return p.form("card expiry", &Payment{}, paytm.Fields(l))
}

// Downtime tells of a disturbance at a bank.
func (p *Paytm) Downtime() Message {
	return p.json("downtime", &Payment{}, object{
		{"downtimeId", 34031},
		{"subject", "Degradation observed in processing - Credit & Debit Card"},
		{"message", "Payment Mode : Credit & Debit Card\nType of degradation : Severe"},
	})
}
