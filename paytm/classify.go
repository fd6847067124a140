package paytm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Kind is what a message is about, in the widest sense.
type Kind string

const (
	Payment Kind = "payment"
	Refund  Kind = "refund"
	Dispute Kind = "dispute"
	Other   Kind = "other" // genuine, but not about money
)

// Status is how a payment stands.
type Status string

const (
	Pending Status = "pending"
	Success Status = "success"
	Failed  Status = "failed"
)

// RefundEvent is what happened to a refund. Accepted: the amount left the merchant's balance.
// Succeeded: it was sent to the customer's bank. Refused: neither.
type RefundEvent string

const (
	Accepted  RefundEvent = "accepted"
	Succeeded RefundEvent = "succeeded"
	Refused   RefundEvent = "refused"
)

// Message is what one of Paytm's messages says, in one vocabulary for all its shapes. Amounts are
// paise, times UTC. A field that is absent or unusable has its zero value.
type Message struct {
	Kind Kind
	Type string // row of the classification table, such as "refund succeeded"
	Why  string // Kind Other: why it is not about money

	// Review, when not empty, names every field relied on that is unusable, and how. Such a
	// message is for a person to read and must earn nothing.
	Review string

	MID, OrderID, TxnID string

	Status   Status    // of a payment
	Amount   int64     // of the payment, in messages about refunds and disputes too
	Currency string    // as stated, in capitals; "" when the message has none
	PaidAt   time.Time // TXNDATETIME, else a TXNDATE that has a time
	Mode     string    // PAYMENTMODE

	Reference      string // MERC_UNQ_REF
	PosID          string // POS_ID
	Campaign       string // PROMO_CAMP_ID
	SubscriptionID string // SUBS_ID

	// Payer is who paid, as far as the message says: a UPI id, and what the form of a payment link
	// asks for. It is personal.
	Payer struct{ VPA, Email, Mobile string }

	// Unknown lists, sorted, the names that messages of this type are not known to have, and those
	// whose value shows that the message may be another one cut anew. Unless it is empty, only
	// Paytm's API can tell.
	Unknown []string

	RefundID     string
	RefundEvent  RefundEvent
	RefundAmount int64 // of this refund
	RefundTotal  int64 // of all refunds of the payment so far; 0 when not stated

	DisputeID, DisputeStatus string // DisputeStatus in capitals, NEW when not stated
	DisputeAmount            int64
}

// names are the names one thing has in Paytm's messages: the one of forms first, then those of
// JSON.
type names []string

var (
	nameMID       = names{"MID", "mid"}
	nameOrder     = names{"ORDERID", "orderId"}
	nameTxn       = names{"TXNID", "txnId"}
	nameAmount    = names{"TXNAMOUNT", "txnAmount"}
	nameStatus    = names{"STATUS", "status"}
	nameCurrency  = names{"CURRENCY", "currency"}
	nameType      = names{"TXNTYPE", "txnType"}
	nameMode      = names{"PAYMENTMODE", "paymentMode"}
	nameDateTime  = names{"TXNDATETIME", "txnDateTime", "txnTimestamp", "transactionDateTime"}
	nameDate      = names{"TXNDATE", "txnDate"}
	nameReference = names{"MERC_UNQ_REF", "mercUnqRef", "merchantUniqueReference"}
	namePos       = names{"POS_ID", "posId"}
	nameCampaign  = names{"PROMO_CAMP_ID", "promoCampId"}
	nameSubs      = names{"SUBS_ID", "subsId", "subscriptionId"}
	nameEncrypted = names{"ENC_DATA", "encData"}
	nameARN       = names{"ARN"}

	nameRefund       = names{"REFUNDID", "refundId"}
	nameRefundAmount = names{"REFUNDAMOUNT", "refundAmount"}
	nameRefundTotal  = names{"TOTALREFUNDAMT", "totalRefundAmount"}
	nameRefunded     = names{"REFUNDAMT", "refundAmt"} // in a payment: refunded so far

	nameDispute       = names{"DISPUTEID", "disputeId"}
	nameDisputeAmount = names{"DISPUTEAMOUNT", "disputeAmount"}
	nameDisputeStatus = names{"DISPUTESTATUS", "disputeStatus"}
	nameDisputedTxn   = names{"TRANSACTIONID", "transactionId", "TXNID", "txnId"}
	nameDisputedSum   = names{"TRANSACTIONAMOUNT", "transactionAmount"}
)

// row is one line of the classification table.
type row struct {
	name  string
	when  condition
	kind  Kind
	event RefundEvent
	why   string
	read  func(*reading)
	known vocabulary
}

// table says what each of Paytm's messages is. The first row whose condition holds decides.
var table = []row{
	{name: "dispute", when: has(nameDispute),
		kind: Dispute, read: readDispute, known: disputeNames},

	{name: "downtime", when: all(has(names{"downtimeId"}), lacks(nameTxn)),
		kind: Other, why: "It tells of a disturbance at a bank or a way to pay."},

	// The two ARN notices come days after a card payment or refund, with the TXNID of the payment
	// and without a STATUS.
	{name: "refund ARN", when: all(has(nameARN), lacks(nameStatus), aRefund),
		kind: Other, why: "It gives the bank's number of a refund that is already known."},
	{name: "payment ARN", when: all(has(nameARN), lacks(nameStatus)),
		kind: Other, why: "It gives the bank's number of a payment that is already known."},

	// STATUS=TXN_SUCCESS with a TXNID can be a refund, so these stand above the payments.
	{name: "refund (older form)", when: anOlderRefund,
		kind: Refund, read: readOlderRefund, known: refundNames},
	{name: "refund accepted",
		when: all(aRefund, is(nameStatus, "SUCCESS", "PENDING")),
		kind: Refund, event: Accepted, read: readRefund, known: refundNames},
	{name: "refund refused",
		when: all(aRefund, is(nameStatus, "FAILED", "FAILURE", "TXN_FAILURE")),
		kind: Refund, event: Refused, read: readRefund, known: refundNames},
	{name: "refund succeeded", // its message has no status at all
		when: all(aRefund, is(nameStatus, "", "TXN_SUCCESS")),
		kind: Refund, event: Succeeded, read: readRefund, known: refundNames},
	{name: "refund", when: aRefund, // with a status that is not documented
		kind: Refund, read: readRefund, known: refundNames},

	{name: "encrypted", when: all(has(nameEncrypted), hidden, has(nameTxn, nameOrder)),
		kind: Payment, read: readEncrypted, known: paymentNames},
	{name: "encrypted", when: all(has(nameEncrypted), hidden),
		kind: Other, why: "It is encrypted, and names neither an order nor a transaction."},

	{name: "pre-debit notice",
		when: all(has(names{"NOTIFICATIONDATE"}, names{"NOTIFICATIONSTATUS"}), lacks(nameTxn)),
		kind: Other, why: "It tells that a customer was told of a debit to come."},
	{name: "card expiry",
		when: all(has(names{"CARDEXPIRYDATE"}), lacks(nameTxn)),
		kind: Other, why: "It tells that the card of a subscription expires."},
	{name: "subscription status", when: aMandate,
		kind: Other, why: "It tells how a subscription stands; payments have their own messages."},

	{name: "payment", when: all(aPayment, fromLink),
		kind: Payment, read: readPayment, known: linkNames},
	{name: "payment", when: aPayment,
		kind: Payment, read: readPayment, known: paymentNames},

	{name: "unknown", when: always,
		kind: Other, why: "It is none of Paytm's documented messages, and names no payment."},
}

var (
	// The names in capitals are those of a form; both kinds of refund may lack all marks but one.
	anOlderRefund = either(
		has(names{"REFUNDID"}, names{"REFUNDAMOUNT"}, names{"TOTALREFUNDAMT"}),
		is(names{"TXNTYPE"}, "REFUND"))
	aRefund = either(
		has(nameRefund, nameRefundAmount, nameRefundTotal, names{"refundDetailInfoList"}),
		is(nameType, "REFUND"))
	// A mandate moves no money: there is no transaction, or one of zero at its beginning or end.
	aMandate = either(
		all(has(nameSubs), lacks(nameTxn), lacks(nameAmount)),
		all(is(nameType, "SUBSCRIPTION_INIT", "SUBSCRIPTION_CANCEL"), withoutMoney))
	// Whatever may be money is a payment; what it lacks is a matter of Review.
	aPayment = either(has(nameTxn, nameAmount), is(nameStatus, "TXN_SUCCESS"))
	// The fields of a payment are hidden when not all of them can be read beside ENC_DATA.
	hidden = either(lacks(nameTxn), lacks(nameStatus), lacks(nameAmount))
)

// Classify says what the message is about. It takes the envelope as genuine: Verify comes first.
func (e *Envelope) Classify() Message {
	r := &reading{envelope: e}
	for i := range table {
		if row := &table[i]; row.when(e) {
			r.row = row
			break
		}
	}
	r.message = Message{Kind: r.row.kind, Type: r.row.name, Why: r.row.why}
	if r.row.read == nil {
		r.identify(optional, optional, nameTxn, optional)
		return r.message
	}
	r.row.read(r)
	r.message.Review = strings.Join(r.problems, "; ")
	r.message.Unknown = e.unknown(r.row.known)
	if r.message.Kind != Payment && len(r.message.Unknown) > 0 && e.Shape != HeadBody {
		r.message.Review = strings.Trim(r.message.Review+"; it has names that such messages don't "+
			"have, so it may be another one cut up: "+strings.Join(r.message.Unknown, ", "), "; ")
	}
	return r.message
}

// unknown lists the names outside a vocabulary, and of a form also those whose values show how a
// forger has cut the signed text: a value that still holds a "|", the genuine message's STATUS or
// MID under another name, or the beginning of signed JSON in the first value of all.
func (e *Envelope) unknown(known vocabulary) []string {
	if e.Shape == HeadBody {
		return e.outside(known.body)
	}
	list := e.outside(known.form)
	first, mid := "", e.MID()
	for _, field := range e.Fields {
		if field.Name != checksumName && (first == "" || field.Name < first) {
			first = field.Name
		}
	}
	for _, field := range e.Fields {
		_, status := paymentStatus(field.Value)
		cut := strings.Contains(field.Value, "|") ||
			field.Value == mid && mid != "" && !slices.Contains(nameMID, field.Name) ||
			status && !slices.Contains(nameStatus, field.Name) && field.Name != "TXNSTATUS" ||
			field.Name == first && strings.HasPrefix(field.Value, "{")
		if cut && !slices.Contains(list, field.Name) {
			list = append(list, field.Name)
		}
	}
	slices.Sort(list)
	return list
}

// outside lists the names that are not in a closed list, sorted.
func (e *Envelope) outside(closed map[string]bool) (list []string) {
	for _, field := range e.Fields {
		if !closed[field.Name] {
			list = append(list, field.Name)
		}
	}
	for _, name := range e.nested() {
		if !closed[name] {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// condition recognises a message.
type condition func(*Envelope) bool

// value returns the first value under these names that is not empty.
func (n names) value(e *Envelope) string {
	for _, name := range n {
		if value := e.get(name); value != "" {
			return value
		}
	}
	return ""
}

// has holds when one of these things is stated, nested values included.
func has(things ...names) condition {
	return func(e *Envelope) bool {
		return slices.ContainsFunc(things, func(n names) bool {
			return n.value(e) != "" || slices.ContainsFunc(n, func(name string) bool {
				value := e.content.member(name)
				return value != nil && value.isNested()
			})
		})
	}
}

func lacks(thing names) condition {
	stated := has(thing)
	return func(e *Envelope) bool { return !stated(e) }
}

// is holds when a thing is one of these values, "" being the absent one.
func is(thing names, values ...string) condition {
	return func(e *Envelope) bool { return slices.Contains(values, thing.value(e)) }
}

func all(conditions ...condition) condition {
	return func(e *Envelope) bool {
		for _, holds := range conditions {
			if !holds(e) {
				return false
			}
		}
		return true
	}
}

func either(conditions ...condition) condition {
	return func(e *Envelope) bool {
		for _, holds := range conditions {
			if holds(e) {
				return true
			}
		}
		return false
	}
}

func always(*Envelope) bool { return true }

// fromLink holds for a payment link or invoice, whose MERC_UNQ_REF Paytm writes itself.
func fromLink(e *Envelope) bool {
	reference := nameReference.value(e)
	return strings.HasPrefix(reference, "LI_") || strings.HasPrefix(reference, "INV_")
}

func withoutMoney(e *Envelope) bool {
	amount := nameAmount.value(e)
	paise, err := ParseAmount(amount)
	return amount == "" || err == nil && paise == 0
}

// reading is one message on its way from fields to Message.
type reading struct {
	envelope *Envelope
	row      *row
	message  Message
	problems []string
}

func (r *reading) complain(format string, arguments ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, arguments...))
}

// demand is whether a field may be absent.
type demand bool

const (
	required demand = true
	optional demand = false
)

// take returns a field that is relied on, and the name it goes by. It complains, and returns
// false, when the field is required and absent, holds a "|" or contradicts itself.
func (r *reading) take(n names, d demand) (name, value string, usable bool) {
	for _, candidate := range n {
		switch other := r.envelope.get(candidate); {
		case other == "" || other == value:
		case value == "":
			name, value = candidate, other
		default:
			r.complain("%s and %s differ", name, candidate)
			return name, "", false
		}
	}
	switch {
	case strings.Contains(value, "|"):
		r.complain(`%s %s holds a "|", so its end is not signed`, name, quote(value))
		return name, "", false
	case value == "" && d == required:
		r.complain("%s is missing", r.usualName(n))
		return name, "", false
	}
	return name, value, true
}

func (r *reading) usualName(n names) string {
	if r.envelope.Shape == HeadBody && len(n) > 1 {
		return n[1]
	}
	return n[0]
}

// id takes an identifier of at most 64 of the characters Paytm allows in an order id, and of
// letters, digits and punctuation that no parser or page takes for anything else.
func (r *reading) id(n names, d demand, punctuation string) string {
	name, value, usable := r.take(n, d)
	if !usable || value == "" {
		return ""
	}
	ok := len(value) <= 64
	for _, b := range []byte(value) {
		letter := 'a' <= b|0x20 && b|0x20 <= 'z'
		digit := '0' <= b && b <= '9'
		ok = ok && (letter || digit || strings.IndexByte(punctuation, b) >= 0)
	}
	if !ok {
		r.complain("%s %s is not usable as an id", name, quote(value))
		return ""
	}
	return value
}

func (r *reading) amount(n names, d demand) (paise int64, usable bool) {
	name, value, usable := r.take(n, d)
	if !usable || value == "" {
		return 0, usable
	}
	paise, err := ParseAmount(value)
	if err != nil {
		r.complain("%s %s", name, err)
	}
	return paise, err == nil
}

// positive takes an amount that must be there and more than zero.
func (r *reading) positive(n names) int64 {
	paise, usable := r.amount(n, required)
	if usable && paise == 0 {
		r.complain("a positive %s is needed", r.usualName(n))
	}
	return paise
}

// label takes a text that names somebody or something. One that cannot be a name, because it is
// long or not printable, counts as absent.
func (r *reading) label(n names) string {
	const most = 128
	_, value, _ := r.take(n, optional)
	unprintable := func(char rune) bool { return !unicode.IsPrint(char) }
	if len(value) > most || strings.ContainsFunc(value, unprintable) {
		return ""
	}
	return value
}

// identify reads which payment the message belongs to, and what names the transaction.
func (r *reading) identify(mid, order demand, txn names, d demand) {
	r.message.MID = r.id(nameMID, mid, "_-")
	r.message.OrderID = r.id(nameOrder, order, "_-@.=")
	r.message.TxnID = r.id(txn, d, "_-@.=")
	r.message.SubscriptionID = r.id(nameSubs, optional, "_-@.=")
}

// circumstances reads what a message may say about the payment beside its identity.
func (r *reading) circumstances() {
	m := &r.message
	m.PaidAt = r.paidAt()
	m.Mode = r.label(nameMode)
	m.Reference = r.label(nameReference)
	m.PosID = r.label(namePos)
	m.Campaign = r.label(nameCampaign)
	m.Payer.VPA = cmp.Or(r.aside("VPA"), r.aside("vpa"))
	m.Payer.Email, m.Payer.Mobile = r.aside("PAYMENTEMAILID"), r.aside("PAYMENTMOBILENUMBER")
	name, currency, usable := r.take(nameCurrency, optional)
	switch {
	case !usable || currency == "":
	case !isCurrency(currency):
		r.complain("%s %s is not a currency", name, quote(currency))
	default:
		m.Currency = strings.ToUpper(currency)
	}
}

// aside takes a text that nothing about the payment relies on. An odd one counts as absent.
func (r *reading) aside(name string) string {
	const most = 128
	value := r.envelope.get(name)
	odd := func(char rune) bool { return char == '|' || !unicode.IsPrint(char) }
	if len(value) > most || strings.ContainsFunc(value, odd) {
		return ""
	}
	return value
}

func isCurrency(text string) bool {
	letter := func(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }
	return len(text) == 3 && letter(text[0]) && letter(text[1]) && letter(text[2])
}

func (r *reading) paidAt() time.Time {
	for _, n := range []names{nameDateTime, nameDate} {
		_, value, _ := r.take(n, optional)
		if at, hasClock, err := ParseTime(value); err == nil && hasClock {
			return at
		}
	}
	return time.Time{}
}

// readPayment reads a payment. One at a static QR code has no order of the shop's.
func readPayment(r *reading) {
	r.identify(required, optional, nameTxn, required)
	r.circumstances()
	name, txnType, _ := r.take(nameType, optional)
	if txnType == "PREAUTH" || txnType == "RELEASE" {
		r.complain("%s %s blocks or frees money and pays none", name, quote(txnType))
	}
	m := &r.message
	m.Status = r.status()
	if m.Status == Success {
		m.Amount = r.positive(nameAmount)
	} else {
		m.Amount, _ = r.amount(nameAmount, required)
	}
	m.RefundTotal, _ = r.amount(nameRefunded, optional)
}

// paymentStatus reads the status of a payment. OPEN is the old status API's word for pending.
func paymentStatus(word string) (status Status, known bool) {
	switch word {
	case "TXN_SUCCESS":
		return Success, true
	case "TXN_FAILURE":
		return Failed, true
	case "PENDING", "OPEN":
		return Pending, true
	}
	return "", false
}

// linkStatus are further ones that some merchants get from the JSON interface of payment links.
var linkStatus = map[string]Status{"SUCCESS": Success, "FAILED": Failed, "FAILURE": Failed}

func (r *reading) status() Status {
	name, value, usable := r.take(nameStatus, required)
	status, known := paymentStatus(value)
	if !known && r.envelope.Shape != Form {
		status, known = linkStatus[value]
	}
	if usable && !known {
		r.complain("%s %s is not a payment's status", name, quote(value))
	}
	return status
}

func readEncrypted(r *reading) {
	r.identify(optional, optional, nameTxn, optional)
	r.complain("the payment is encrypted (ENC_DATA), and Paytm does not publish how: " +
		"ask Paytm to switch the encryption of webhooks off")
}

func readRefund(r *reading) {
	r.refund()
	r.message.RefundEvent = r.row.event
	name, status, usable := r.take(nameStatus, optional)
	if usable && r.row.event == "" {
		r.complain("%s %s is not a refund's status", name, quote(status))
	}
}

// olderEvents are the statuses of the refund message in capitals, whose STATUS is the refund's and
// whose TXNSTATUS is the payment's.
var olderEvents = map[string]RefundEvent{
	"TXN_SUCCESS": Succeeded, "PENDING": Accepted, "TXN_FAILURE": Refused,
}

func readOlderRefund(r *reading) {
	r.refund()
	name, status, usable := r.take(nameStatus, required)
	event, known := olderEvents[status]
	r.message.RefundEvent = event
	if usable && !known {
		r.complain("%s %s is not a refund's status", name, quote(status))
	}
}

// refund reads all of a refund but its event. The webhook for an accepted one states no MID.
func (r *reading) refund() {
	m := &r.message
	r.identify(optional, optional, nameTxn, required)
	m.RefundID = r.id(nameRefund, required, "_-@.=")
	m.RefundAmount = r.positive(nameRefundAmount)
	m.RefundTotal, _ = r.amount(nameRefundTotal, optional)
	m.Amount, _ = r.amount(nameAmount, optional)
	r.circumstances()
}

func readDispute(r *reading) {
	m := &r.message
	r.identify(optional, optional, nameDisputedTxn, required)
	m.DisputeID = r.id(nameDispute, required, "_-@.=")
	m.DisputeAmount = r.positive(nameDisputeAmount)
	m.Amount, _ = r.amount(nameDisputedSum, optional)
	m.DisputeStatus = strings.ToUpper(r.id(nameDisputeStatus, optional, "_- "))
	if m.DisputeStatus == "" {
		m.DisputeStatus = "NEW"
	}
	r.circumstances()
}
