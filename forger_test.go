package main

// The forger's bench. Paytm's checksum signs values, in order of their names and joined by "|", but
// neither the names nor where a value ends. So one genuine message with a stranger's text in it can
// be cut anew into many others that pass. Here a forger does it wholesale, against a real server on
// a real database, beside a Paytm whose API knows the genuine payments only. Whatever he sends:
//
//	nothing that Paytm does not know becomes due, and what Paytm denies is taken back whole
//	a payment whose id he used first ends as in books that never saw him
//	no answer is 5xx, and all refusals that depend on key or MID are one and the same
//	the books stay in order
//
// 10,000 that pass the checksum usually, 1,000,000 in the long lane (HISSA_LONG=1).

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// forgery is one message of the forger's. Status is what it must be answered, 0 where either
// answer is lawful.
type forgery struct {
	kind, query string
	status      int
	paytmtest.Message
}

// forger makes forgeries, the same for the same seed but for the salts of the checksums.
type forger struct {
	luck     *rand.Rand
	paytm    *paytmtest.Paytm
	stranger *paytmtest.Paytm     // has another key
	victims  []*paytmtest.Payment // paid, and their messages still on the way
	serial   int
}

func newForger(p *paytmtest.Paytm, victims []*paytmtest.Payment, seed uint64) *forger {
	return &forger{
		luck: luckOf(seed), paytm: p, victims: victims,
		stranger: paytmtest.New(paytmtest.Config{MID: p.MID(), MerchantKey: "another_key_0000"}),
	}
}

// pick is one of the list.
func pick[T any](f *forger, list ...T) T { return list[f.luck.IntN(len(list))] }

// wanted is what the forger wants believed this time: fields in byte order of their names.
func (f *forger) wanted() paytm.Fields {
	f.serial++
	victim := pick(f, f.victims...)
	own := f.paytm.Pay(fmt.Sprint("OWN", f.serial), 100, paytmtest.Failed())
	payment := func(txn, order, amount, status string) paytm.Fields {
		return paytm.Fields{
			{Name: "MERC_UNQ_REF", Value: pick(f, "RAVI", "ASHA", "RAVI10", "")},
			{Name: "MID", Value: f.paytm.MID()}, {Name: "ORDERID", Value: order},
			{Name: "STATUS", Value: status}, {Name: "TXNAMOUNT", Value: amount},
			{Name: "TXNDATETIME", Value: pick(f, "2026-11-20 10:00:00.0", "2025-01-01 00:00:00.0", "x")},
			{Name: "TXNID", Value: txn},
		}
	}
	const all, success = "99999.00", "TXN_SUCCESS"
	stated := paytm.FormatAmount(victim.Amount)
	switch f.luck.IntN(9) {
	case 0: // a payment that never was
		return payment(fmt.Sprint("FORGED", f.serial), own.OrderID, all, success)
	case 1: // on an order that somebody else brought
		return payment(fmt.Sprint("FORGED", f.serial), victim.OrderID, stated, success)
	case 2: // his own failure, as a success
		return payment(own.TxnID, own.OrderID, all, success)
	case 3:
		return payment(victim.TxnID, victim.OrderID, pick(f, all, "0.01"), success)
	case 4:
		return payment(victim.TxnID, pick(f, "0-SQUATTED", "~SQUATTED", own.OrderID), stated, success)
	case 5: // the truth, but for who brought it
		return payment(victim.TxnID, victim.OrderID, stated, success)
	case 6:
		return payment(victim.TxnID, victim.OrderID, stated, pick(f, "TXN_FAILURE", "PENDING"))
	case 7:
		return paytm.Fields{{Name: "REFUNDAMOUNT", Value: stated}, {Name: "REFUNDID", Value: "RX1"},
			{Name: "STATUS", Value: success}, {Name: "TXNID", Value: victim.TxnID}}
	}
	return paytm.Fields{{Name: "DISPUTEAMOUNT", Value: stated}, {Name: "DISPUTEID", Value: "DX1"},
		{Name: "DISPUTESTATUS", Value: "LOST"}, {Name: "TRANSACTIONID", Value: victim.TxnID}}
}

// bait is a genuine message with the forger's text in one value.
type bait struct {
	message  paytmtest.Message
	fields   paytm.Fields // in byte order of their names; none of signed JSON
	mine     int          // which of them holds the forger's text
	text     string       // what is signed
	checksum string
	at       int // where in the pieces of the text the wanted values begin
}

// pieces are the signed text cut at every "|".
func (b bait) pieces() []string { return strings.Split(b.text, "|") }

// bait has Paytm, or the shop itself, sign a message with a text of the forger's in it.
func (f *forger) bait(wanted paytm.Fields) bait {
	text := "x|" + strings.Repeat("p|", f.luck.IntN(3)) + joined(wanted) + strings.Repeat("|q", 1+f.luck.IntN(3))
	pay := f.paytm.Pay(fmt.Sprint("BAIT", f.serial), 100, paytmtest.Failed(), paytmtest.Comments("STRANGER"))
	paid := f.paytm.Pay(fmt.Sprint("PAID", f.serial), 100, paytmtest.Comments("STRANGER"))
	refund := f.paytm.Refund(paid, 50)
	var b bait
	switch f.luck.IntN(9) {
	case 0, 1:
		b = f.signedForm(f.paytm.PaymentForm(pick(f, pay, paid)), text,
			"BANKTXNID", "CUSTID", "MERC_UNQ_REF", "RESPMSG", "comments", "udf_1")
	case 2:
		b = f.signedForm(f.paytm.PaymentFlatJSON(pick(f, pay, paid)), text,
			"BANKTXNID", "CUSTID", "MERC_UNQ_REF", "RESPMSG", "comments", "udf_1")
	case 3:
		b = f.signedForm(f.paytm.LinkPayment(pay, "77"), text, "LINKNOTES", "PAYMENTEMAILID", "LINKDESCRIPTION")
	case 4:
		b = f.signedForm(f.paytm.SubscriptionStatus(fmt.Sprint(f.serial), "ACTIVE"), text, "CUSTEMAILID", "MERCHANTNAME")
	case 5:
		b = f.signedForm(f.paytm.RefundOlderForm(paid, refund), text, "REFID", "RESPMSG")
	case 6:
		b = f.signedForm(f.paytm.ARN(paid), text, "comments", "udf_1")
	case 7: // what the shop signs to begin a payment, seen in the customer's browser
		b = f.signedForm(f.paytm.SignForm(map[string]string{"MID": f.paytm.MID(), "ORDER_ID": pay.OrderID,
			"CUST_ID": "me", "TXN_AMOUNT": "1.00", "CHANNEL_ID": "WEB", "WEBSITE": "DEFAULT", "EMAIL": "a@b.in",
			"INDUSTRY_TYPE_ID": "Retail", "CALLBACK_URL": "https://shop.in/paid"}), text, "CUST_ID", "EMAIL")
	default:
		b = f.signedJSON(pick(f, f.paytm.PaymentJSON(pay), f.paytm.RefundAccepted(paid, refund),
			f.paytm.RefundSucceeded(paid, refund)), text)
	}
	b.at = found(b.pieces(), values(wanted))
	return b
}

// signedForm puts the text into one of the names of a form or flat JSON, and signs that.
func (f *forger) signedForm(m paytmtest.Message, text string, names ...string) bait {
	e, err := paytm.Parse(m.Body)
	if err != nil {
		panic(err)
	}
	mine := pick(f, names...)
	fields := slices.DeleteFunc(e.Fields, func(g paytm.Field) bool {
		return g.Name == "CHECKSUMHASH" || g.Name == mine
	})
	fields = inOrderOfNames(append(fields, paytm.Field{Name: mine, Value: text}))
	b := bait{fields: fields, text: joined(fields), checksum: f.paytm.Key().Sign(fields)}
	b.mine = slices.IndexFunc(fields, func(g paytm.Field) bool { return g.Name == mine })
	b.message = formOf(fields, b.checksum)
	if e.Shape == paytm.FlatJSON {
		b.message = flatOf(fields, b.checksum)
	}
	return b
}

// signedJSON puts the text into the body of a message with head and body, and signs that.
func (f *forger) signedJSON(m paytmtest.Message, text string) bait {
	e, err := paytm.Parse(m.Body)
	if err != nil {
		panic(err)
	}
	body := strings.Replace(string(e.Text), "STRANGER", text, 1)
	body = strings.Replace(body, "Customer returned the goods", text, 1)
	if body == string(e.Text) { // the message has no text of a stranger's
		body = strings.TrimSuffix(body, "}") + `,"comments":"` + text + `"}`
	}
	m = f.paytm.SignBody(body)
	if e, err = paytm.Parse(m.Body); err != nil {
		panic(err)
	}
	return bait{message: m, text: body, checksum: e.Checksum}
}

// round is all that the forger makes of one wish.
func (f *forger) round() (list []forgery) {
	wanted := f.wanted()
	b := f.bait(wanted)
	add := func(kind string, status int, messages ...paytmtest.Message) {
		for _, m := range messages {
			list = append(list, forgery{kind: kind, status: status, Message: m})
		}
	}
	cut := f.inPlace(b, wanted)
	add("bait", 200, b.message)
	add("put in place", 0, formOf(cut, b.checksum), formOf(f.inPlace(b, wanted), b.checksum),
		formOf(f.inPlace(b, wanted), b.checksum), flatOf(cut, b.checksum))
	add("boundary shifted", 0, f.shifted(b)...)
	add("renamed", 0, f.renamed(b)...)
	add("null", 0, f.nulls(b)...)
	add("empty dropped or added", 401, f.empties(b, cut)...)
	add("JSON for a form", 401, f.exchanged(b, cut)...)
	add("two checksums", 400, twice(formOf(cut, b.checksum), "CHECKSUMHASH", f.paytm.Key().Sign(cut)))
	add("a name twice", 400, twice(formOf(cut, b.checksum), "STATUS", "TXN_SUCCESS"),
		twice(formOf(cut, b.checksum), "TXNID", "FORGED"))
	list = append(list, forgery{"query", pick(f, "?STATUS=TXN_SUCCESS", "?", "?TXNAMOUNT=99999.00&TXNID=FORGED"),
		400, b.message})
	add("another key", 401, formOf(cut, f.stranger.Key().Sign(cut)), f.stranger.SignBody(`{"txnId":"FORGED"}`))
	other := put(cut, "MID", pick(f, "OTHERSHOP", "shop0001", "SHOP0001 "))
	add("another MID", 401, formOf(other, f.paytm.Key().Sign(other)),
		f.paytm.SignBody(`{"mid":"OTHERSHOP","txnId":"FORGED","orderId":"1","txnAmount":"1.00","status":"TXN_SUCCESS"}`))
	add("an older rule", 401, f.older(cut)...)
	add("a checksum that is none", 401, f.damaged(cut, b.checksum)...)
	if slices.ContainsFunc(wanted, func(g paytm.Field) bool { return g.Name == "MID" }) {
		add("a text that was signed", 200, f.signedText(wanted))
	}
	return list
}

// documented are names that a payment's form may have, in byte order.
var documented = strings.Fields(`ACCNUMVERSUCCESS AUTHCODE BANKNAME BANKTXNID CHILDTXNLIST CURRENCY CUSTID
	FUNDSOURCEVERIFICATION GATEWAYNAME LOYALTYPOINTS MERC_UNQ_REF MID Masked_customer_mobile_number ORDERID
	PAYMENTMODE POS_ID PRN PROMO_CAMP_ID PROMO_RESPCODE PROMO_STATUS REFUNDAMT RESPCODE RESPMSG RRN STATUS
	SUBS_ID TXNAMOUNT TXNDATE TXNDATETIME TXNID TXNTYPE VPA cardHash cardIndexNo cardScheme clientId comments
	emiSubventionInfo feeRateFactors maskedCardNo pccCode prepaidCard riskInfo udf_1 udf_2 udf_3
	uniqueReferenceLabel uniqueReferenceValue`)

// inPlace names the pieces so that the wanted values stand under their names. What stands before and
// after them gets documented names at random where there are enough, else invented ones.
func (f *forger) inPlace(b bait, wanted paytm.Fields) paytm.Fields {
	pieces := b.pieces()
	between := func(low, high, invented string, n int) (names []string) {
		for _, name := range documented {
			if low < name && name < high {
				names = append(names, name)
			}
		}
		if len(names) >= n {
			for len(names) > n {
				at := f.luck.IntN(len(names))
				names = slices.Delete(names, at, at+1)
			}
			return names
		}
		names = nil
		for i := range n {
			names = append(names, fmt.Sprintf("%s%03d", invented, i))
		}
		return names
	}
	names := between("", wanted[0].Name, "A", b.at)
	for _, g := range wanted {
		names = append(names, g.Name)
	}
	names = append(names, between(wanted[len(wanted)-1].Name, "~", "z", len(pieces)-len(names))...)
	var cut paytm.Fields
	for i, name := range names {
		cut = append(cut, paytm.Field{Name: name, Value: pieces[i]})
	}
	return cut
}

// shifted moves the end of the forger's value to every "|" in it: what follows goes to the next
// value, to the value before, or to a name of its own.
func (f *forger) shifted(b bait) (list []paytmtest.Message) {
	if b.fields == nil {
		return nil
	}
	text := b.fields[b.mine].Value
	for at := range text {
		if text[at] != '|' {
			continue
		}
		cut, before, after := slices.Clone(b.fields), text[:at], text[at+1:]
		switch way := f.luck.IntN(3); {
		case way == 0 && b.mine+1 < len(cut):
			cut[b.mine].Value, cut[b.mine+1].Value = before, after+"|"+cut[b.mine+1].Value
		case way == 1 && b.mine > 0:
			cut[b.mine-1].Value, cut[b.mine].Value = cut[b.mine-1].Value+"|"+before, after
		default:
			cut[b.mine].Value = before
			cut = append(cut, paytm.Field{Name: cut[b.mine].Name + "\x20", Value: after})
		}
		list = append(list, formOf(cut, b.checksum))
	}
	return list
}

// renamed gives a value another name where the order allows it: a failure is not STATUS any more, a
// request's names are a webhook's.
func (f *forger) renamed(b bait) (list []paytmtest.Message) {
	if b.fields == nil {
		return nil
	}
	for range 4 {
		cut, at := slices.Clone(b.fields), f.luck.IntN(len(b.fields))
		fits := slices.DeleteFunc(slices.Clone(documented), func(name string) bool {
			return at > 0 && name <= cut[at-1].Name || at+1 < len(cut) && name >= cut[at+1].Name
		})
		cut[at].Name = pick(f, append(fits, cut[at].Name+" ")...)
		list = append(list, formOf(cut, b.checksum))
	}
	whole := paytm.Fields{}
	for i, value := range values(b.fields) {
		if i < len(documented) {
			whole = append(whole, paytm.Field{Name: documented[i], Value: value})
		}
	}
	return append(list, formOf(whole, b.checksum))
}

// nulls plays with Paytm's libraries' disagreement on the text "null".
func (f *forger) nulls(b bait) (list []paytmtest.Message) {
	for i, g := range b.fields {
		cut := slices.Clone(b.fields)
		switch {
		case g.Value == "":
			cut[i].Value = pick(f, "null", "NULL", "nuLL")
			list = append(list, formOf(cut, b.checksum), flatOf(cut, b.checksum))
			cut[i] = paytm.Field{Name: g.Name, Null: true}
			list = append(list, flatOf(cut, b.checksum))
		case g.Name == "STATUS" || g.Name == "MID":
			cut[i].Value = "null"
			list = append(list, formOf(cut, b.checksum))
			signed := put(cut, "zz", "")
			list = append(list, formOf(put(signed, "zz", "null"), f.paytm.Key().Sign(signed)))
		}
	}
	return list
}

// empties changes the signed text by an empty value more or less.
func (f *forger) empties(b bait, cut paytm.Fields) (list []paytmtest.Message) {
	list = append(list, formOf(put(cut, "zzz", ""), b.checksum), formOf(put(cut, "A", ""), b.checksum))
	for i, g := range b.fields {
		if g.Value == "" {
			list = append(list, formOf(slices.Delete(slices.Clone(b.fields), i, i+1), b.checksum))
		}
	}
	return list
}

// exchanged uses the checksum of one shape for another.
func (f *forger) exchanged(b bait, cut paytm.Fields) []paytmtest.Message {
	flat := objectOf(cut)
	signature := f.paytm.Key().SignText([]byte(flat))
	inner := strings.TrimSuffix(flat, "}")
	return []paytmtest.Message{
		jsonOf(fmt.Sprintf(`{"head":{"signature":%q},"body":%s}`, b.checksum, flat)),
		jsonOf(fmt.Sprintf(`%s,"CHECKSUMHASH":%q}`, inner, signature)),
		jsonOf(fmt.Sprintf(`{"head":{"signature":"x"},"body":%s,"CHECKSUMHASH":%q}`, flat, b.checksum)),
		jsonOf(fmt.Sprintf(`{"head":{"signature":%q},"body":%q}`, signature, flat)),
		jsonOf(fmt.Sprintf(`{"head":{"CHECKSUMHASH":%q},"body":%s}`, signature, flat)),
		jsonOf(fmt.Sprintf(`{"head":{"signature":%q},"body": %s }`, signature, inner+" }")),
	}
}

// older are checksums by rules that are not Paytm's, or not any more.
func (f *forger) older(cut paytm.Fields) (list []paytmtest.Message) {
	var pairs []string
	for _, g := range cut {
		pairs = append(pairs, g.Name+"="+g.Value)
	}
	all := values(cut)
	backwards, few := slices.Clone(all), slices.Clone(all)
	slices.Reverse(backwards)
	few = slices.DeleteFunc(few, func(v string) bool { return v == "" || v == f.paytm.MID() })
	folded := slices.Clone(cut)
	slices.SortStableFunc(folded, func(a, b paytm.Field) int {
		return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	for _, text := range []string{
		strings.Join(all, ""), strings.Join(all, ","), joined(cut) + "|", "|" + joined(cut),
		strings.Join(pairs, "|"), strings.Join(pairs, "&"), strings.Join(backwards, "|"), strings.Join(few, "|"),
		strings.Join(values(folded), "|"), objectOf(cut), strings.ToUpper(joined(cut)), "",
	} {
		if text != joined(cut) && f.luck.IntN(4) == 0 {
			list = append(list, formOf(cut, f.paytm.Key().SignText([]byte(text))))
		}
	}
	plain := sha256.Sum256([]byte(joined(cut) + "|salt"))
	return append(list, formOf(cut, fmt.Sprintf("%x", plain)))
}

// damaged are checksums with something of the right one about them.
func (f *forger) damaged(cut paytm.Fields, checksum string) (list []paytmtest.Message) {
	at := f.luck.IntN(100)
	other := byte('A')
	if checksum[at] == other {
		other = 'B'
	}
	for _, bad := range []string{
		"", checksum[:107], checksum + checksum, checksum + "A", strings.ToLower(checksum),
		checksum[:at] + string(other) + checksum[at+1:], strings.Repeat("A", 108), "null",
	} {
		list = append(list, formOf(cut, bad))
	}
	return append(list, jsonOf(objectOf(cut)))
}

// signedText is for the forger who has the shop sign any text he likes: no message is cut, and
// nothing in it looks odd. The claim is new each time.
func (f *forger) signedText(wanted paytm.Fields) paytmtest.Message {
	fields := slices.Clone(wanted)
	if f.luck.IntN(2) == 0 {
		fields = put(put(fields, "TXNID", fmt.Sprint("SIGNED", f.serial)), "CURRENCY", "INR")
	}
	return formOf(fields, f.paytm.Key().SignText([]byte(joined(fields))))
}

// How messages are put together.

func values(fields paytm.Fields) (list []string) {
	for _, g := range fields {
		list = append(list, g.Value)
	}
	return list
}

func joined(fields paytm.Fields) string { return strings.Join(values(inOrderOfNames(fields)), "|") }

func inOrderOfNames(fields paytm.Fields) paytm.Fields {
	return slices.SortedFunc(slices.Values(fields), func(a, b paytm.Field) int {
		return strings.Compare(a.Name, b.Name)
	})
}

// put replaces a field, or adds it.
func put(fields paytm.Fields, name, value string) paytm.Fields {
	fields = slices.DeleteFunc(slices.Clone(fields), func(g paytm.Field) bool { return g.Name == name })
	return inOrderOfNames(append(fields, paytm.Field{Name: name, Value: value}))
}

// found is where in the pieces the list stands.
func found(pieces, list []string) int {
	for at := range pieces {
		if len(pieces)-at >= len(list) && slices.Equal(pieces[at:at+len(list)], list) {
			return at
		}
	}
	panic("the bait does not hold what was wanted")
}

func formOf(fields paytm.Fields, checksum string) paytmtest.Message {
	var b strings.Builder
	for _, g := range fields {
		b.WriteString(url.QueryEscape(g.Name) + "=" + url.QueryEscape(g.Value) + "&")
	}
	b.WriteString("CHECKSUMHASH=" + url.QueryEscape(checksum))
	return paytmtest.Message{ContentType: "application/x-www-form-urlencoded", Body: []byte(b.String())}
}

func objectOf(fields paytm.Fields) string {
	var members []string
	for _, g := range fields {
		value := `null`
		if !g.Null {
			value = quoted(g.Value)
		}
		members = append(members, quoted(g.Name)+":"+value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

func quoted(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(out)
}

func flatOf(fields paytm.Fields, checksum string) paytmtest.Message {
	return jsonOf(objectOf(append(slices.Clip(fields), paytm.Field{Name: "CHECKSUMHASH", Value: checksum})))
}

func jsonOf(text string) paytmtest.Message {
	return paytmtest.Message{ContentType: "application/json", Body: []byte(text)}
}

// twice gives a form two more fields of a name.
func twice(m paytmtest.Message, name, value string) paytmtest.Message {
	more := name + "=" + url.QueryEscape(value)
	m.Body = []byte(more + "&" + string(m.Body) + "&" + more)
	return m
}

// The bench.

// bench is a shop under attack, and what was seen of it.
type bench struct {
	*liveShop
	*forger
	agreeing bool // the control: Paytm's API is made to agree to whatever is claimed

	passed   atomic.Int64 // forgeries whose checksum fits
	mu       sync.Mutex
	answers  map[string]map[string]int // by kind: how often which answer
	refusals map[string]int            // whole answers of 401, but for their date
	used     map[string]bool           // TXNIDs that forgeries named and passed
	lies     map[string]bool           // TXNIDs that the API was made to know
}

// attackedShop has victims whose payments Paytm knows and whose messages have not come yet. Beside it
// is its twin, which the forger will not find.
func attackedShop(t *testing.T, victims int) (*bench, *liveShop) {
	s := serveShop(t, func(c *Config) { c.Commission.Hold = 0 })
	s.client.Transport = &http.Transport{MaxIdleConnsPerHost: 40}
	twin := serveShop(t, func(c *Config) {
		c.Commission.Hold, c.Paytm.APIURL = 0, s.config.Paytm.APIURL
	})
	bindVictims(s, victims)
	bindVictims(twin, victims)
	var paid []*paytmtest.Payment
	for i := range victims {
		options := []paytmtest.Option{paytmtest.Customer(fmt.Sprint("C", i))}
		switch i % 5 {
		case 2:
			options = append(options, paytmtest.Reference("ASHA"))
		case 4:
			options = append(options, paytmtest.Failed())
		}
		paid = append(paid, s.paytm.Pay(fmt.Sprint("V", i), int64(10000+100*i), options...))
	}
	return &bench{liveShop: s, forger: newForger(s.paytm, paid, 1), answers: map[string]map[string]int{},
		refusals: map[string]int{}, used: map[string]bool{}, lies: map[string]bool{}}, twin
}

// bindVictims is what the shop knows before: a promo code, a click, or nothing.
func bindVictims(s *liveShop, victims int) {
	s.Helper()
	for i := range victims {
		order := Order{ID: fmt.Sprint("V", i)}
		switch i % 5 {
		case 0, 4:
			order.Promo = "ASHA10"
		case 1:
			order.ClickID = fmt.Sprint(clickPrefix, i)
			s.click(order.ClickID, "ASHA")
		default:
			continue
		}
		if _, err := s.BindOrder(s.ctx(), order, Person{}); err != nil {
			s.Fatal(err)
		}
	}
}

// attack sends forgeries over 32 connections until so many have passed, then waits for the API.
func (b *bench) attack(passing int) (sent int) {
	b.Helper()
	work := make(chan forgery)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for f := range work {
				b.deliver(f)
			}
		})
	}
	for b.passed.Load() < int64(passing) {
		list := b.round()
		b.luck.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, f := range list {
			work <- f
		}
		sent += len(list)
	}
	close(work)
	wg.Wait()
	settled(b.liveShop)
	return sent
}

func (b *bench) deliver(f forgery) {
	m, passes := b.claim(f)
	if b.agreeing && passes && m.Status == paytm.Success {
		b.agree(m)
	}
	a := b.do("POST", "/webhooks/paytm"+f.query, f.ContentType, bytes.NewReader(f.Body))
	if a.status >= 500 || f.status != 0 && a.status != f.status {
		b.Errorf("%s is answered %d %s, want %d\n%.500s", f.kind, a.status, a.body, f.status, f.Body)
	}
	var said struct{ Result, Error string }
	_ = json.Unmarshal([]byte(a.body), &said) // what is no JSON is counted as it is
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.answers[f.kind] == nil {
		b.answers[f.kind] = map[string]int{}
	}
	if a.status == http.StatusOK && f.kind != "bait" {
		b.passed.Add(1)
		b.used[m.TxnID] = true
	}
	b.answers[f.kind][fmt.Sprint(a.status, " ", said.Result, said.Error)]++
	if a.status == http.StatusUnauthorized {
		a.header.Del("Date")
		b.refusals[fmt.Sprint(a.status, a.header, a.body)]++
	}
}

// agree makes Paytm's API say what the message says.
func (b *bench) agree(m paytm.Message) {
	b.liveShop.paytm.Pay(m.OrderID, m.Amount, paytmtest.TxnID(m.TxnID))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lies[m.TxnID] = true
}

// claim is what a forgery says, and whether its checksum fits and a program could believe it.
func (b *bench) claim(f forgery) (m paytm.Message, passes bool) {
	e, err := paytm.Parse(f.Body)
	if err != nil {
		return m, false
	}
	m = e.Classify()
	return m, f.kind != "bait" && m.Kind == paytm.Payment && m.Review == "" && e.Verify(b.liveShop.paytm.Key())
}

// settled waits until Paytm's API was asked about everything.
func settled(s *liveShop) {
	s.Helper()
	for until := time.Now().Add(time.Hour); ; time.Sleep(20 * time.Millisecond) {
		due, err := s.DuePolls(s.ctx(), 1)
		if err != nil || time.Now().After(until) {
			s.Fatalf("%d questions to Paytm are left: %v", len(due), err)
		}
		if len(due) == 0 {
			return
		}
	}
}

// genuinely delivers the victims' own messages, in all shapes, and the refund of every seventh.
func (b *bench) genuinely(to *liveShop) {
	b.Helper()
	p := b.liveShop.paytm
	for i, v := range b.victims {
		shape := []func(*paytmtest.Payment) paytmtest.Message{p.PaymentForm, p.PaymentFlatJSON, p.PaymentJSON}[i%3]
		messages := []paytmtest.Message{shape(v)}
		if i%7 == 0 && v.Status == paytm.Success {
			if len(v.Refunds) == 0 {
				p.Refund(v, v.Amount/2)
			}
			messages = append(messages, p.RefundSucceeded(v, v.Refunds[0]))
		}
		for _, m := range messages {
			if status, said := to.hook(m); status != http.StatusOK || said == "review" {
				b.Errorf("%s of %s is answered %d %s", m.About, v.TxnID, status, said)
			}
		}
	}
	settled(to)
}

// later asks again on the ladder until Paytm has answered about the order that was paid.
func (b *bench) later() {
	b.Helper()
	waits := func(v *paytmtest.Payment) bool {
		return v.Status == paytm.Success && b.story(v.TxnID).Txn.Confirmation == waiting
	}
	for _, step := range ladder[:3] {
		if !slices.ContainsFunc(b.victims, waits) {
			return
		}
		b.setClock(func() time.Time { return time.Now().Add(step + time.Second) })
		settled(b.liveShop)
	}
}

// standing are the payments that Paytm's API never said were paid, and what the books hold of them:
// how many there are, how many it denied, and those that are wrong.
func (b *bench) standing() (forged, denials int, wrong []string) {
	b.Helper()
	known := map[string]bool{}
	for _, pay := range b.liveShop.paytm.Payments() {
		known[pay.TxnID] = pay.Status == paytm.Success && !b.lies[pay.TxnID] || known[pay.TxnID]
	}
	for _, v := range b.victims {
		known[v.TxnID] = v.Status == paytm.Success
	}
	const query = `
		SELECT t.txn_id, t.confirmation, t.commission IS NOT NULL AND t.void = 0, t.blocks, coalesce(e.sum, 0)
		  FROM transactions t
		  LEFT JOIN (SELECT txn, sum(CASE kind WHEN 'earn' THEN amount ELSE -amount END) AS sum
		               FROM entries GROUP BY txn) e ON e.txn = t.id`
	if err := b.read(b.ctx(), func(r rows) error {
		return r.each(query, nil, func(scan func(...any) error) error {
			var txn, confirmation, blocks string
			var live bool
			var sum int64
			if err := scan(&txn, &confirmation, &live, &blocks, &sum); err != nil || known[txn] {
				return err
			}
			forged++
			if confirmation == denied {
				denials++
			}
			due := live && blocks == ""
			if due || sum != 0 && (!live || confirmation == denied) || confirmation == agreed {
				wrong = append(wrong, fmt.Sprintf("%s is due: %v, %s, blocked by %q, %d paise stand",
					txn, due, confirmation, blocks, sum))
			}
			return nil
		})
	}); err != nil {
		b.Fatal(err)
	}
	return forged, denials, wrong
}

// came is what a payment came to in these books.
func came(s *liveShop, txn string) string {
	s.Helper()
	story, err := s.Story(s.ctx(), txn)
	if err != nil {
		s.Fatal(err)
	}
	if story.Commission == nil {
		return "nobody"
	}
	state, blocks := story.Commission.State(time.Now().Add(time.Hour))
	return fmt.Sprintf("%+v, %s %v", *story.Commission, state, blocks)
}

func TestTheForgersBench(t *testing.T) {
	t.Parallel()
	forgeries := cycles(1_000, 10_000, 1_000_000)
	b, twin := attackedShop(t, forgeries/100)
	began := time.Now()
	sent := b.attack(forgeries)
	t.Logf("%d messages, of which %d passed, in %s, and %d answers of Paytm's",
		sent, b.passed.Load(), time.Since(began), b.liveShop.paytm.Calls())
	b.genuinely(b.liveShop)
	b.later()
	b.genuinely(twin)
	b.setClock(func() time.Time { return time.Now().Add(expiry + time.Hour) }) // Paytm is asked one last time
	settled(b.liveShop)

	forged, denials, wrong := b.standing()
	for _, text := range wrong {
		t.Errorf("not a payment of Paytm's: %s", text)
	}
	squatted := b.compare(twin)
	if len(b.refusals) != 1 {
		t.Errorf("a stranger can tell %d refusals apart: %v", len(b.refusals), b.refusals)
	}
	for _, kind := range slices.Sorted(maps.Keys(b.answers)) {
		t.Logf("%-24s %v", kind, b.answers[kind])
	}
	t.Logf("%d payments that never were, %d of them denied; %d victims whose ids came first", forged, denials, squatted)
	if squatted < len(b.victims)*3/4 || denials < forgeries/500 || forged < forgeries/100 {
		t.Error("the forger was not busy enough to show anything")
	}
}

// compare holds every victim's payment against the books that never saw the forger. A payment that
// failed earns nothing in either; where the forger called it a success, that was taken back.
func (b *bench) compare(twin *liveShop) (squatted int) {
	b.Helper()
	for _, v := range b.victims {
		if b.used[v.TxnID] {
			squatted++
		}
		got, want := came(b.liveShop, v.TxnID), came(twin, v.TxnID)
		if got != want && v.Status == paytm.Success {
			b.Errorf("%s came to\n\t%s\nand without the forger to\n\t%s", v.OrderID, got, want)
		}
	}
	return squatted
}

// The control: where Paytm's API agrees to everything, the forger is paid, and the bench sees it.
func TestTheForgersBenchSeesForgeries(t *testing.T) {
	b, _ := attackedShop(t, 20)
	b.agreeing = true
	b.attack(1_000)
	_, _, wrong := b.standing()
	due := slices.DeleteFunc(wrong, func(text string) bool { return !strings.Contains(text, "is due: true, agreed") })
	if len(due) < 10 {
		t.Errorf("only %d forged commissions are due where everything is confirmed: %q", len(due), due)
	}
}
