package paytmtest

import (
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"time"

	"hissa/paytm"
)

// APIFaults is how the Transaction Status API misbehaves. The zero value answers truthfully.
type APIFaults struct {
	Away      bool          // 503 to everything
	Drop      bool          // the connection closes without an answer
	Garbled   bool          // 200 with a page for people instead of JSON
	Slow      time.Duration // before each answer
	RateLimit int           // 429 after so many requests within one second of Config.Now; 0: none

	// RetryAfter is what 503 and 429 ask for, in whole seconds, at least one.
	RetryAfter time.Duration

	Unsigned       bool // answers carry no signature
	WrongSignature bool // answers carry the signature of something else
	BothEnds       bool // a period of the order list holds its last second, too

	// Contradict changes what is answered about a payment, by its TXNID. Only the answer
	// changes; the books stay.
	Contradict map[string]Contradiction
}

// Contradiction is what an answer says instead of the truth. Zero fields stay true.
type Contradiction struct {
	Amount                              int64 // paise
	Status                              paytm.Status
	TxnID, OrderID, Currency, Reference string
	Unknown                             bool // as if the order had never been heard of
	NoTxnID                             bool
	Unsigned, WrongSignature            bool
}

// SetAPI makes the API misbehave from the next request on; SetAPI(APIFaults{}) heals it.
func (p *Paytm) SetAPI(f APIFaults) {
	f.Contradict = maps.Clone(f.Contradict)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
	p.inWindow = 0
}

// Asked returns how often the API was asked about an order, refused requests not counted.
func (p *Paytm) Asked(orderID string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[orderID]
}

// Calls returns how many requests reached the API, refused ones too.
func (p *Paytm) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// statusPath is the Transaction Status API.
const statusPath = "/v3/order/status"

// maxQuestion bounds a request; a real one has about 250 bytes.
const maxQuestion = 64 << 10

// The lists.
const (
	linkPath   = "/link/fetchTransaction"
	ordersPath = "/merchant-passbook/search/list/order/v2"
)

// Handler serves Paytm's API from the books: the status of an order, the payments of a link, and the
// list of all orders.
func (p *Paytm) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+statusPath, p.serving(p.answerStatus))
	mux.Handle("POST "+linkPath, p.serving(p.answerLink))
	mux.Handle("POST "+ordersPath, p.serving(p.answerOrders))
	return mux
}

// question is what a client asks, its signature proven.
type question struct {
	head, body map[string]json.RawMessage
	faults     APIFaults
}

// text is a member that must be a JSON string.
func (q *question) text(name string) string {
	var text string
	_ = json.Unmarshal(q.body[name], &text) // of another kind: ""
	return text
}

// number is a member that must be a JSON number.
func (q *question) number(name string) int {
	var n int
	_ = json.Unmarshal(q.body[name], &n) // of another kind: 0
	return n
}

// serving does what all APIs have in common: faults, the form of a question, its signature and MID.
func (p *Paytm) serving(answer func(*question) (object, Contradiction)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		faults, limited := p.arrive()
		if faults.Slow > 0 {
			select {
			case <-time.After(faults.Slow):
			case <-r.Context().Done():
				return
			}
		}
		if faults.intervene(w, limited) {
			return
		}
		if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != jsonType {
			http.Error(w, "Content-Type must be application/json", http.StatusUnsupportedMediaType)
			return
		}
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuestion))
		if err != nil {
			http.Error(w, "Bad Request", http.StatusBadRequest)
			return
		}
		var asked struct {
			Head map[string]json.RawMessage
			Body json.RawMessage // its bytes as they came: those are signed
		}
		q := &question{faults: faults}
		var signature string
		if json.Unmarshal(text, &asked) != nil || json.Unmarshal(asked.Body, &q.body) != nil {
			p.answer(w, result("U", "0007", "Invalid request"), false, false)
			return
		}
		q.head = asked.Head
		_ = json.Unmarshal(q.head["signature"], &signature)
		switch {
		case !p.Key().VerifyText(asked.Body, signature):
			p.answer(w, result("TXN_FAILURE", "330", "Checksum provided is invalid"), false, false)
		case q.text("mid") != p.mid:
			p.answer(w, result("TXN_FAILURE", "335", "Mid is invalid"), false, false)
		default:
			body, lie := answer(q)
			p.answer(w, body, !faults.Unsigned && !lie.Unsigned,
				faults.WrongSignature || lie.WrongSignature)
		}
	})
}

func (p *Paytm) answerStatus(q *question) (object, Contradiction) {
	return p.look(q.text("orderId"), q.faults)
}

// answerLink lists the payments of a link. As from the real one, a link id in quotes and a head
// without its tokenType are refused.
func (p *Paytm) answerLink(q *question) (object, Contradiction) {
	link := string(q.body["linkId"])
	switch _, err := strconv.ParseInt(link, 10, 64); {
	case string(q.head["tokenType"]) != `"AES"`:
		return result("FAILED", "5029", "Invalid tokenType"), Contradiction{}
	case err != nil:
		return result("FAILED", "5001", "invalid link id"), Contradiction{}
	}
	rows := p.listed(q, func(pay *Payment) bool {
		return pay.Reference == "LI_"+link || pay.Reference == "INV_"+link
	}, linkRow)
	rows = page(rows, q.number("pageNo"), q.number("pageSize"))
	if len(rows) == 0 {
		return result("FAILED", "404", "Data Not Found"), Contradiction{}
	}
	return append(result("SUCCESS", "200", "Success"), member{"orders", rows}), Contradiction{}
}

// answerOrders lists the payments, or the refunds, of a period of 30 days at most.
func (p *Paytm) answerOrders(q *question) (object, Contradiction) {
	const layout = "2006-01-02T15:04:05-07:00"
	from, err := time.Parse(layout, q.text("fromDate"))
	to, err2 := time.Parse(layout, q.text("toDate"))
	if err != nil || err2 != nil || to.Sub(from) > 30*24*time.Hour {
		return result("FAILURE", "400", "Invalid date range"), Contradiction{}
	}
	within := func(at time.Time) bool {
		return !at.Before(from) && at.Before(to) || q.faults.BothEnds && at.Equal(to)
	}
	var rows []object
	if q.text("orderSearchType") == "REFUND" {
		rows = p.refundRows(within)
	} else {
		rows = p.listed(q, func(pay *Payment) bool {
			return pay.Status == paytm.Success && within(pay.PaidAt)
		}, orderRow)
	}
	rows = page(rows, q.number("pageNumber"), q.number("pageSize"))
	return append(result("SUCCESS", "200", "Success"), member{"orders", rows}), Contradiction{}
}

// listed makes rows of the payments on the books, as the faults have them.
func (p *Paytm) listed(
	q *question, wanted func(*Payment) bool, row func(*Payment) object,
) (rows []object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pay := range p.payments {
		if lie, lies := q.faults.Contradict[pay.TxnID]; lies {
			if lie.Unknown {
				continue
			}
			told := *pay
			lie.apply(&told)
			pay = &told
		}
		if wanted(pay) {
			rows = append(rows, row(pay))
		}
	}
	return rows
}

func (p *Paytm) refundRows(within func(time.Time) bool) (rows []object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pay := range p.payments {
		for _, r := range pay.Refunds {
			if r.Event != paytm.Refused && within(r.At) {
				rows = append(rows, object{
					{"merchantOrderId", pay.OrderID}, {"txnId", pay.TxnID}, {"refundId", r.ID},
					{"refId", r.RefID}, {"amount", paytm.FormatAmount(r.Amount)},
					{"orderType", "REFUND"}, {"orderCompletedTime", second(r.At)},
					{"orderSearchStatus", "SUCCESS"},
				})
			}
		}
	}
	return rows
}

// linkRow is a row of the link API, whose amount is a number and whose status has a word of its own.
func linkRow(pay *Payment) object {
	words := map[paytm.Status]string{
		paytm.Success: "SUCCESS", paytm.Failed: "FAILED", paytm.Pending: "PENDING",
	}
	return object{
		{"txnId", pay.TxnID}, {"orderId", pay.OrderID}, {"mercUniqRef", pay.Reference},
		{"orderStatus", words[pay.Status]},
		{"txnAmount", json.Number(paytm.FormatAmount(pay.Amount))},
		{"orderCreatedTime", second(pay.PaidAt)}, {"customerId", pay.CustID},
	}
}

// orderRow is a row of the order list.
func orderRow(pay *Payment) object {
	return object{
		{"merchantOrderId", pay.OrderID}, {"txnId", pay.TxnID},
		{"amount", paytm.FormatAmount(pay.Amount)}, {"payMode", pay.Mode},
		{"orderCreatedTime", second(pay.PaidAt)}, {"orderCompletedTime", second(pay.PaidAt)},
		{"orderSearchStatus", "SUCCESS"},
	}.with("mercUnqRef", pay.Reference)
}

// page cuts one page out, of 20 rows at most, which is what Paytm's page on the list says.
func page(rows []object, number, size int) []object {
	size = min(max(size, 1), 20)
	from := min((max(number, 1)-1)*size, len(rows))
	return rows[from:min(from+size, len(rows))]
}

// arrive counts a request, and tells which faults it meets and whether it is one too many.
func (p *Paytm) arrive() (f APIFaults, limited bool) {
	second := p.now().Unix()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if p.window != second {
		p.window, p.inWindow = second, 0
	}
	p.inWindow++
	return p.faults, p.faults.RateLimit > 0 && p.inWindow > p.faults.RateLimit
}

// intervene answers in place of the API where a fault says so.
func (f APIFaults) intervene(w http.ResponseWriter, limited bool) bool {
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler) // net/http's way to close without an answer
	case f.Away:
		f.refuse(w, http.StatusServiceUnavailable)
	case limited:
		f.refuse(w, http.StatusTooManyRequests)
	case f.Garbled:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html><body>We will be back soon</body></html>")
	default:
		return false
	}
	return true
}

func (f APIFaults) refuse(w http.ResponseWriter, status int) {
	seconds := max(1, int64(f.RetryAfter/time.Second))
	w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	http.Error(w, http.StatusText(status), status)
}

// result is an answer that tells of no payment.
func result(status, code, text string) object {
	return object{{"resultInfo", object{
		{"resultStatus", status}, {"resultCode", code}, {"resultMsg", text},
	}}}
}

// look finds what the books, or the faults, say of an order: its first success, else its latest
// payment.
func (p *Paytm) look(orderID string, faults APIFaults) (object, Contradiction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[orderID]++
	var found *Payment
	for _, pay := range p.orders[orderID] {
		if found = pay; pay.Status == paytm.Success {
			break
		}
	}
	if found == nil {
		return unknownOrder(), Contradiction{}
	}
	lie := faults.Contradict[found.TxnID]
	if lie.Unknown {
		return unknownOrder(), lie
	}
	seen := *found
	lie.apply(&seen)
	return p.statusBody(&seen, !lie.NoTxnID), lie
}

func unknownOrder() object { return result("TXN_FAILURE", "334", "Invalid Order Id") }

func (c Contradiction) apply(pay *Payment) {
	replace := func(field *string, value string) {
		if value != "" {
			*field = value
		}
	}
	replace(&pay.TxnID, c.TxnID)
	replace(&pay.OrderID, c.OrderID)
	replace(&pay.Currency, c.Currency)
	replace(&pay.Reference, c.Reference)
	if c.Amount != 0 {
		pay.Amount = c.Amount
	}
	if c.Status != "" {
		pay.Status = c.Status
	}
}

// statusBody is the answer about a payment, with the names of Paytm's status page and Java SDK.
// Currency is stated only when it isn't INR: the page has no such name.
func (p *Paytm) statusBody(pay *Payment, withTxnID bool) object {
	outcome := outcomes[pay.Status]
	body := result(statusWords[pay.Status], outcome.code, outcome.text)
	if withTxnID {
		body = body.with("txnId", pay.TxnID)
	}
	body = body.with("bankTxnId", pay.bankTxnID())
	body = append(body,
		member{"orderId", pay.OrderID},
		member{"txnAmount", paytm.FormatAmount(pay.Amount)},
		member{"txnType", "SALE"})
	body = body.with("gatewayName", via[pay.Mode].gateway)
	body = body.with("bankName", via[pay.Mode].bank)
	body = append(body,
		member{"mid", p.mid},
		member{"paymentMode", pay.Mode},
		member{"refundAmt", paytm.FormatAmount(pay.refunded(nil))},
		member{"txnDate", stamp(pay.PaidAt)})
	if pay.Currency != "INR" {
		body = body.with("currency", pay.Currency)
	}
	body = body.with("subsId", pay.SubsID)
	body = body.with("posId", pay.PosID)
	return body.with("merchantUniqueReference", pay.Reference)
}

// answer sends a body under a head that is signed, unsigned, or signed for another text.
func (p *Paytm) answer(w http.ResponseWriter, body object, signed, wrongly bool) {
	text := body.text()
	head := object{
		{"responseTimestamp", strconv.FormatInt(p.now().UnixMilli(), 10)},
		{"version", "v1"},
	}
	switch {
	case wrongly:
		head = append(head, member{"signature", p.Key().SignText(append([]byte("x"), text...))})
	case signed:
		head = append(head, member{"signature", p.Key().SignText(text)})
	}
	w.Header().Set("Content-Type", jsonType)
	_, _ = w.Write(headBody(head, text)) // a client that left needs no answer
}
