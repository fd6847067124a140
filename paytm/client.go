package paytm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The addresses of Paytm's API.
const (
	ProductionURL = "https://secure.paytmpayments.com"
	StagingURL    = "https://securestage.paytmpayments.com"
)

// api is one of Paytm's APIs.
type api struct {
	name  string // in errors
	path  string
	token string // head.tokenType; "" for none
	most  int    // bytes of an answer
}

// With a tokenType or a timestamp in head some merchants get error 227 from the status API.
var statusAPI = api{"status API", "/v3/order/status", "", 256 << 10}

const answerTimeout = 15 * time.Second

// Client asks Paytm's API about one merchant's orders.
type Client struct {
	BaseURL string // ProductionURL or StagingURL
	MID     string
	Key     *Key
	HTTP    *http.Client // nil: one that gives up after 15 seconds; redirects are never followed
}

// Answer is what the Transaction Status API says about an order: its latest payment.
type Answer struct {
	Result     string // resultStatus as written: TXN_SUCCESS, TXN_FAILURE, PENDING, …
	Code, Text string // resultCode, resultMsg

	MID, OrderID, TxnID, Currency, Reference, PosID string

	Amount int64     // paise; -1 when the answer has none, or one that is unusable
	PaidAt time.Time // UTC; zero when the answer has no time
	Signed bool      // head.signature was there and proves Body
	Body   []byte    // the exact bytes of body
	Date   time.Time // the Date header, zero when there is none
}

// Definite reports whether the answer settles how a transaction ended: it is signed, names the
// transaction, and says failure, or success with an amount. Anything else is nothing known; an
// order that Paytm has never heard of comes as TXN_FAILURE without a transaction.
func (a *Answer) Definite() bool {
	if !a.Signed || a.TxnID == "" {
		return false
	}
	return a.Result == "TXN_FAILURE" || a.Result == "TXN_SUCCESS" && a.Amount >= 0
}

// ErrSignature is returned when an answer carries a signature that the merchant key did not make.
var ErrSignature = errors.New("the signature of Paytm's answer does not fit the merchant key: " +
	"check that merchant key, MID and environment belong together, then that nothing between " +
	"here and Paytm rewrites answers")

// APIError is an answer of Paytm's API that tells nothing about an order.
type APIError struct {
	API        string        // which, such as "status API"
	Status     int           // of HTTP
	RetryAfter time.Duration // how long Paytm asks to wait; 0 when it does not say
	Problem    string        // what is wrong and what to do

	reply []byte
}

func (e *APIError) Error() string {
	text := fmt.Sprintf("Paytm's %s answered HTTP %d: %s", cmp.Or(e.API, "API"), e.Status, e.Problem)
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" (asked to wait %s)", e.RetryAfter)
	}
	return text
}

// OrderStatus asks how the payment of an order stands. The error is an *APIError when Paytm gave
// no readable answer, ErrSignature when the answer's signature is wrong, and else one of the
// network or the context. An answer without a signature is returned with Signed false.
func (c *Client) OrderStatus(ctx context.Context, orderID string) (*Answer, error) {
	envelope, date, err := c.ask(ctx, statusAPI, struct {
		MID     string `json:"mid"`
		OrderID string `json:"orderId"`
	}{c.MID, orderID})
	if err != nil {
		return nil, err
	}
	answer := envelope.answer()
	answer.Signed = envelope.Checksum != ""
	answer.Date = date
	return answer, nil
}

// ask puts a signed question and returns the answer, proven if it is signed, and its Date header.
func (c *Client) ask(ctx context.Context, to api, question any) (*Envelope, time.Time, error) {
	var never time.Time
	request, err := c.request(ctx, to, question)
	if err != nil {
		return nil, never, fmt.Errorf("cannot ask Paytm's %s: %w", to.name, err)
	}
	response, err := c.withoutRedirects().Do(request)
	if err != nil {
		return nil, never, fmt.Errorf("cannot reach Paytm's %s, check network and DNS: %w", to.name, err)
	}
	defer response.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(response.Body, int64(to.most)+1))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, never, refusal(to, response, reply)
	}
	if err != nil {
		return nil, never, fmt.Errorf("the answer of Paytm's %s broke off, ask again: %w", to.name, err)
	}
	envelope, err := c.read(to, reply)
	if err != nil {
		if !errors.Is(err, ErrSignature) {
			err = &APIError{API: to.name, Status: response.StatusCode, Problem: "the answer is not " +
				"readable, check that api_url is Paytm's and not a proxy's: " + err.Error()}
		}
		return nil, never, err
	}
	date, _ := http.ParseTime(response.Header.Get("Date"))
	return envelope, date, nil
}

// request signs the exact text of body. Head holds the signature, and what kind it is where the API
// asks for that.
func (c *Client) request(ctx context.Context, to api, question any) (*http.Request, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	token := ""
	if to.token != "" {
		token = fmt.Sprintf(`"tokenType":"%s",`, to.token)
	}
	text := fmt.Appendf(nil, `{"head":{%s"signature":"%s"},"body":%s}`, token, c.Key.SignText(body), body)
	url := strings.TrimRight(c.BaseURL, "/") + to.path
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err == nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, err
}

// withoutRedirects is the client to use: a redirect would carry a signed request to a host nobody
// has chosen.
func (c *Client) withoutRedirects() *http.Client {
	client := http.Client{Timeout: answerTimeout}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	return &client
}

// read takes an answer apart and proves it, if it is signed.
func (c *Client) read(from api, reply []byte) (*Envelope, error) {
	if len(reply) > from.most {
		return nil, fmt.Errorf("it has more than %d KiB", from.most>>10)
	}
	envelope, err := Parse(reply)
	if err != nil {
		return nil, err
	}
	if envelope.Shape != HeadBody {
		return nil, errors.New("it has no body object")
	}
	if envelope.Checksum != "" && !envelope.Verify(c.Key) {
		return nil, ErrSignature
	}
	return envelope, nil
}

// answer reads the fields of an answer. Like in a message, what is unusable counts as absent.
func (e *Envelope) answer() *Answer {
	r := &reading{envelope: e}
	r.identify(optional, optional, nameTxn, optional)
	r.circumstances()
	a := &Answer{
		MID: r.message.MID, OrderID: r.message.OrderID, TxnID: r.message.TxnID,
		Currency: r.message.Currency, Reference: r.message.Reference, PosID: r.message.PosID,
		PaidAt: r.message.PaidAt, Body: e.Text, Amount: -1,
	}
	if paise, err := ParseAmount(nameAmount.value(e)); err == nil {
		a.Amount = paise
	}
	a.Result, a.Code, a.Text = e.resultInfo()
	return a
}

// resultInfo is the outcome that every answer of Paytm's states; the link API calls its words
// resultMessage.
func (e *Envelope) resultInfo() (status, code, text string) {
	info := e.content.member("resultInfo")
	if info == nil {
		return "", "", ""
	}
	fields := info.fields(false)
	text = fields.Get("resultMsg")
	return fields.Get("resultStatus"), fields.Get("resultCode"), cmp.Or(text, fields.Get("resultMessage"))
}

// refusal says what an answer outside 2xx means for the operator.
func refusal(from api, response *http.Response, reply []byte) *APIError {
	failure := &APIError{API: from.name, Status: response.StatusCode,
		RetryAfter: retryAfter(response.Header), reply: reply}
	switch code := response.StatusCode; {
	case code >= 300 && code <= 399:
		failure.Problem = "a redirect, which is not followed: check api_url"
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		failure.Problem = "access refused: check MID, merchant key and environment, " +
			"then whether Paytm limits the API to certain IP addresses"
	case code == http.StatusNotFound:
		failure.Problem = "no such address: check api_url"
	case code == http.StatusTooManyRequests:
		failure.Problem = "too many questions: ask more slowly"
	case code >= 500:
		failure.Problem = "Paytm has a fault: ask again later"
	default:
		failure.Problem = "the question was refused: check MID and environment"
	}
	return failure
}

// retryAfter reads the header in both of its forms, seconds and a date.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, until.Sub(now))
}
