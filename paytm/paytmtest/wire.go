package paytmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"hissa/paytm"
)

// Message is one HTTP body as Paytm would POST it to the shop's webhook.
type Message struct {
	ContentType    string
	Body           []byte
	About          string // for tables: "payment TXN_SUCCESS ₹499.00"
	TxnID, OrderID string // of the payment it is about; empty when it is about none
}

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// statusWords are the payment statuses on the wire.
var statusWords = map[paytm.Status]string{
	paytm.Pending: "PENDING",
	paytm.Success: "TXN_SUCCESS",
	paytm.Failed:  "TXN_FAILURE",
}

// outcomes are RESPCODE and RESPMSG, as in Paytm's samples.
var outcomes = map[paytm.Status]struct{ code, text string }{
	paytm.Pending: {"402", "Looks like the payment is not complete. " +
		"Please wait while we confirm the status with your bank."},
	paytm.Success: {"01", "Txn Success"},
	paytm.Failed:  {"227", "Your payment has been declined by your bank."},
}

// SignForm makes a form of any names and values, signed as Paytm would. A CHECKSUMHASH among
// them is replaced.
func (p *Paytm) SignForm(values map[string]string) Message {
	var fields paytm.Fields
	for name, value := range values {
		if name != "CHECKSUMHASH" {
			fields = append(fields, paytm.Field{Name: name, Value: value})
		}
	}
	slices.SortFunc(fields, func(a, b paytm.Field) int { return strings.Compare(a.Name, b.Name) })
	return p.form("form", &Payment{TxnID: values["TXNID"], OrderID: values["ORDERID"]}, fields)
}

// SignBody makes a head/body message around any JSON text, whose exact bytes are signed.
func (p *Paytm) SignBody(body string) Message {
	head := object{{"version", "v1"}, {"signature", p.Key().SignText([]byte(body))}}
	return Message{ContentType: jsonType, Body: headBody(head, []byte(body)), About: "json"}
}

// form signs and packs the fields of a message about pay.
func (p *Paytm) form(about string, pay *Payment, fields paytm.Fields) Message {
	return Message{
		ContentType: formType,
		Body:        encodeForm(fields, p.Key().Sign(fields)),
		About:       about,
		TxnID:       pay.TxnID,
		OrderID:     pay.OrderID,
	}
}

// json signs and packs the body of a message about pay.
func (p *Paytm) json(about string, pay *Payment, body object) Message {
	m := p.SignBody(string(body.text()))
	m.About, m.TxnID, m.OrderID = about, pay.TxnID, pay.OrderID
	return m
}

func encodeForm(fields paytm.Fields, checksum string) []byte {
	var b strings.Builder
	for _, field := range fields {
		b.WriteString(url.QueryEscape(field.Name) + "=" + url.QueryEscape(field.Value) + "&")
	}
	b.WriteString("CHECKSUMHASH=" + url.QueryEscape(checksum))
	return []byte(b.String())
}

// headBody joins the two halves without touching a byte of the signed one.
func headBody(head object, body []byte) []byte {
	return fmt.Appendf(nil, `{"head":%s,"body":%s}`, head.text(), body)
}

// object is a JSON object whose names keep their order, as in Paytm's samples.
type object []member

type member struct {
	name  string
	value any
}

func (o object) text() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		writeJSON(&b, m.name)
		b.WriteByte(':')
		switch value := m.value.(type) {
		case object:
			b.Write(value.text())
		case []object:
			writeList(&b, value)
		default:
			writeJSON(&b, value)
		}
	}
	b.WriteByte('}')
	return b.Bytes()
}

func writeList(b *bytes.Buffer, list []object) {
	b.WriteByte('[')
	for i, o := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(o.text())
	}
	b.WriteByte(']')
}

// writeJSON writes a scalar without escaping &, < and >, which Paytm leaves as they are.
func writeJSON(b *bytes.Buffer, scalar any) {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(scalar); err != nil {
		panic(fmt.Sprintf("paytmtest: %v", err))
	}
	b.Truncate(b.Len() - 1) // the encoder's newline
}

// rupees is an amount for people in India: ₹1,23,456.00.
func rupees(paise int64) string {
	text := paytm.FormatAmount(paise)
	for at, step := len(text)-6, 2; at > 0 && text[at-1] != '-'; at -= step {
		text = text[:at] + "," + text[at:]
	}
	return "₹" + text
}

// stamp is a time with the fraction that most of Paytm's messages carry; second is one without.
func stamp(t time.Time) string { return second(t) + ".0" }

func second(t time.Time) string { return t.In(paytm.IST).Format(time.DateTime) }

func day(t time.Time) string { return t.In(paytm.IST).Format(time.DateOnly) }
