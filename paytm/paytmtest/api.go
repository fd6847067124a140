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

// Handler serves the Transaction Status API, POST /v3/order/status, from the books.
func (p *Paytm) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+statusPath, p.serveStatus)
	return mux
}

func (p *Paytm) serveStatus(w http.ResponseWriter, r *http.Request) {
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
	var question struct {
		Head struct{ Signature string }
		Body json.RawMessage // its bytes as they came: those are signed
	}
	var asked struct{ MID, OrderID string }
	if json.Unmarshal(text, &question) != nil || json.Unmarshal(question.Body, &asked) != nil {
		p.answer(w, result("U", "0007", "Invalid request"), false, false)
		return
	}
	switch {
	case !p.Key().VerifyText(question.Body, question.Head.Signature):
		p.answer(w, result("TXN_FAILURE", "330", "Checksum provided is invalid"), false, false)
	case asked.MID != p.mid:
		p.answer(w, result("TXN_FAILURE", "335", "Mid is invalid"), false, false)
	default:
		body, lie := p.look(asked.OrderID, faults)
		p.answer(w, body, !faults.Unsigned && !lie.Unsigned,
			faults.WrongSignature || lie.WrongSignature)
	}
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
