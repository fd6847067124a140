package paytm

import (
	"encoding/json"
	"strings"
)

// Part is one of the payments that a hybrid payment is made of: a wallet and a card, say. Its TXNID is
// Paytm's own for that part; what was paid is the whole, under the TXNID of the message.
type Part struct {
	TxnID, Mode string
	Amount      int64 // paise; -1 when it has none, or one that is unusable
}

const maxParts = 16

var nameParts = names{"CHILDTXNLIST", "childTxnList", "childTransaction"}

// Parts returns what a hybrid payment is made of, nil when the message does not say. Paytm documents
// CHILDTXNLIST as a JSON array written into one text; its Java SDK has the fields.
func (e *Envelope) Parts() []Part {
	text := nameParts.value(e)
	if e.content != nil {
		for _, name := range nameParts {
			if n := e.content.member(name); n != nil && n.kind == kindArray {
				text = string(e.Text[n.start-e.content.start : n.end-e.content.start])
			}
		}
	}
	var list []struct {
		TxnID       string          `json:"txnId"` // in letters of either case
		PaymentMode string          `json:"paymentMode"`
		TxnAmount   json.RawMessage `json:"txnAmount"` // a text, or a number
	}
	if json.Unmarshal([]byte(text), &list) != nil {
		return nil
	}
	var parts []Part
	for _, one := range list[:min(len(list), maxParts)] {
		part := Part{TxnID: word(one.TxnID), Mode: word(one.PaymentMode), Amount: -1}
		if paise, err := ParseAmount(strings.Trim(string(one.TxnAmount), `"`)); err == nil {
			part.Amount = paise
		}
		parts = append(parts, part)
	}
	return parts
}

// word is a text that is fit to be shown as it is, else "".
func word(text string) string {
	odd := func(c rune) bool { return c >= 0x80 || c <= ' ' || c == 0x7f }
	if len(text) > 64 || strings.ContainsFunc(text, odd) {
		return ""
	}
	return text
}

var nameBank = names{"BANKTXNID", "bankTxnId", "RRN", "rrn"}

// BankReference is by what the bank knows the payment, and the customer finds it in their own app: for UPI
// the RRN. "" when the message has none, or none that could be one.
func (e *Envelope) BankReference() string { return word(nameBank.value(e)) }
