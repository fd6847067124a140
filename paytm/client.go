package paytm

import (
	"bytes"
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

const (
	statusPath    = "/v3/order/status"
	maxAnswer     = 256 << 10
	answerTimeout = 15 * time.Second
)

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
	Status     int           // of HTTP
	RetryAfter time.Duration // how long Paytm asks to wait; 0 when it does not say
	Problem    string        // what is wrong and what to do
}

func (e *APIError) Error() string {
	text := fmt.Sprintf("Paytm's status API answered HTTP %d: %s", e.Status, e.Problem)
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" (asked to wait %s)", e.RetryAfter)
	}
	return text
}

// OrderStatus asks how the payment of an order stands. The error is an *APIError when Paytm gave
// no readable answer, ErrSignature when the answer's signature is wrong, and else one of the
// network or the context. An answer without a signature is returned with Signed false.
func (c *Client) OrderStatus(ctx context.Context, orderID string) (*Answer, error) {
	request, err := c.statusRequest(ctx, orderID)
	if err != nil {
		return nil, fmt.Errorf("cannot ask Paytm's status API: %w", err)
	}
	response, err := c.withoutRedirects().Do(request)
	if err != nil {
		return nil, fmt.Errorf("cannot reach Paytm's status API, check network and DNS: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, refusal(response)
	}
	reply, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("the answer of Paytm's status API broke off, ask again: %w", err)
	}
	answer, err := c.read(reply)
	if err != nil {
		if !errors.Is(err, ErrSignature) {
			err = &APIError{Status: response.StatusCode, Problem: "the answer is not readable, " +
				"check that api_url is Paytm's and not a proxy's: " + err.Error()}
		}
		return nil, err
	}
	answer.Date, _ = http.ParseTime(response.Header.Get("Date"))
	return answer, nil
}

// statusRequest signs the exact text of body. Head holds the signature alone: with a tokenType or
// a timestamp some merchants get error 227.
func (c *Client) statusRequest(ctx context.Context, orderID string) (*http.Request, error) {
	body, err := json.Marshal(struct {
		MID     string `json:"mid"`
		OrderID string `json:"orderId"`
	}{c.MID, orderID})
	if err != nil {
		return nil, err
	}
	text := fmt.Appendf(nil, `{"head":{"signature":"%s"},"body":%s}`, c.Key.SignText(body), body)
	url := strings.TrimRight(c.BaseURL, "/") + statusPath
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
func (c *Client) read(reply []byte) (*Answer, error) {
	if len(reply) > maxAnswer {
		return nil, fmt.Errorf("it has more than %d KiB", maxAnswer>>10)
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
	answer := envelope.answer()
	answer.Signed = envelope.Checksum != ""
	return answer, nil
}

// answer reads the fields of an answer. Like in a message, what is unusable counts as absent.
func (e *Envelope) answer() *Answer {
	r := &reading{envelope: e}
	r.identify(optional, nameTxn, optional)
	r.circumstances()
	a := &Answer{
		MID: r.message.MID, OrderID: r.message.OrderID, TxnID: r.message.TxnID,
		Currency: r.message.Currency, Reference: r.message.Reference, PosID: r.message.PosID,
		PaidAt: r.message.PaidAt, Body: e.Text, Amount: -1,
	}
	if paise, err := ParseAmount(nameAmount.value(e)); err == nil {
		a.Amount = paise
	}
	if info := e.content.member("resultInfo"); info != nil {
		result := info.fields(false)
		a.Result = result.Get("resultStatus")
		a.Code = result.Get("resultCode")
		a.Text = result.Get("resultMsg")
	}
	return a
}

// refusal says what an answer outside 2xx means for the operator.
func refusal(response *http.Response) *APIError {
	failure := &APIError{Status: response.StatusCode, RetryAfter: retryAfter(response.Header)}
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
