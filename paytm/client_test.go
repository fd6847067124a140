package paytm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hissa/paytm"
)

const (
	testMID     = "AFFDEM00000000000001"
	successBody = `{"resultInfo":{"resultStatus":"TXN_SUCCESS","resultCode":"01",` +
		`"resultMsg":"Txn Success"},"txnId":"20260115111212800110168000000000001",` +
		`"bankTxnId":"601512345678","orderId":"ORD_1001","txnAmount":"1499.00",` +
		`"txnType":"SALE","gatewayName":"PPBLC","mid":"AFFDEM00000000000001",` +
		`"paymentMode":"UPI","refundAmt":"0.00","txnDate":"2026-01-15 13:03:05.0",` +
		`"merchantUniqueReference":"clk_8f3a2b","childTransaction":[]}`
)

// server answers every question in the same way.
func server(t *testing.T, answer http.HandlerFunc) *paytm.Client {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return &paytm.Client{BaseURL: s.URL, MID: testMID, Key: mustKey(t, testKey)}
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

// signed wraps a body as Paytm does.
func signed(t *testing.T, key, body string) string {
	return `{"head":{"responseTimestamp":"1768462385","version":"v1","signature":"` +
		mustKey(t, key).SignText([]byte(body)) + `"},"body":` + body + `}`
}

func TestOrderStatus(t *testing.T) {
	var asked []byte
	date := time.Date(2026, 1, 15, 8, 0, 0, 0, time.UTC)
	client := server(t, func(w http.ResponseWriter, r *http.Request) {
		asked, _ = io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.String() != "/v3/order/status" ||
			r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("asked %s %s %s", r.Method, r.URL, r.Header)
		}
		w.Header().Set("Date", date.Format(http.TimeFormat))
		io.WriteString(w, signed(t, testKey, successBody))
	})
	client.BaseURL += "/"
	answer, err := client.OrderStatus(context.Background(), "ORD_1001")
	if err != nil {
		t.Fatal(err)
	}
	want := paytm.Answer{
		Result: "TXN_SUCCESS", Code: "01", Text: "Txn Success", MID: testMID, OrderID: "ORD_1001",
		TxnID: "20260115111212800110168000000000001", Reference: "clk_8f3a2b", Amount: 149900,
		PaidAt: time.Date(2026, 1, 15, 7, 33, 5, 0, time.UTC), Signed: true, Date: date,
	}
	got := *answer
	got.Body = nil
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) || string(answer.Body) != successBody {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !answer.Definite() {
		t.Error("not definite")
	}

	var question struct {
		Head map[string]string
		Body json.RawMessage
	}
	if err := json.Unmarshal(asked, &question); err != nil {
		t.Fatal(err)
	}
	if string(question.Body) != `{"mid":"AFFDEM00000000000001","orderId":"ORD_1001"}` ||
		len(question.Head) != 1 ||
		!client.Key.VerifyText(question.Body, question.Head["signature"]) {
		t.Errorf("asked %s", asked)
	}
}

func TestQuestionIsJSONWhateverTheOrder(t *testing.T) {
	for _, order := range []string{"", `"}`, "a&b<c>", "₹", "\n\x00"} {
		client := server(t, func(w http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			var question struct{ Body json.RawMessage }
			var body struct{ OrderID string }
			if json.Unmarshal(text, &question) != nil ||
				json.Unmarshal(question.Body, &body) != nil ||
				body.OrderID != order {
				t.Errorf("order %q: asked %s", order, text)
			}
			io.WriteString(w, signed(t, testKey, successBody))
		})
		if _, err := client.OrderStatus(context.Background(), order); err != nil {
			t.Errorf("order %q: %v", order, err)
		}
	}
}

// Only a signed answer that names the transaction and its end settles anything.
func TestDefiniteAnswers(t *testing.T) {
	const (
		txn    = `"txnId":"20260115111212800110168000000000001",`
		amount = `"txnAmount":"1499.00",`
		result = `"resultStatus":"TXN_SUCCESS",`
		failed = `"resultStatus":"TXN_FAILURE",`
	)
	changed := func(pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(successBody, pairs[i]) {
				t.Fatalf("there is no %s to replace", pairs[i])
			}
		}
		return signed(t, testKey, strings.NewReplacer(pairs...).Replace(successBody))
	}
	for _, test := range []struct {
		name             string
		text             string
		definite, signed bool
		amount           int64
	}{
		{"success", changed(), true, true, 149900},
		{"failure", changed(result, failed), true, true, 149900},
		{"failure without amount", changed(result, failed, amount, ""), true, true, -1},
		{"success without amount", changed(amount, ""), false, true, -1},
		{"an odd amount", changed("1499.00", "1e9"), false, true, -1},
		{"an amount of null", changed(`"1499.00"`, "null"), false, true, -1},
		{"pending", changed("TXN_SUCCESS", "PENDING"), false, true, 149900},
		{"another word", changed("TXN_SUCCESS", "S"), false, true, 149900},
		{"no result", changed(result, ""), false, true, 149900},
		{"no TXNID", changed(txn, ""), false, true, 149900},
		{"empty TXNID", changed(txn, `"txnId":"",`), false, true, 149900},
		{"odd TXNID", changed(txn, `"txnId":"a|b",`), false, true, 149900},
		{"unsigned", `{"head":{},"body":` + successBody + `}`, false, false, 149900},
		{"signature null", `{"head":{"signature":null},"body":` + successBody + `}`,
			false, false, 149900},
		{"no head", `{"body":` + successBody + `}`, false, false, 149900},
		{"unknown order", signed(t, testKey, `{"resultInfo":{"resultStatus":"TXN_FAILURE",`+
			`"resultCode":"334","resultMsg":"Invalid Order Id."}}`), false, true, -1},
		{"result is no object", signed(t, testKey, `{"resultInfo":"TXN_SUCCESS",`+
			`"txnId":"1","txnAmount":"1"}`), false, true, 100},
		{"empty body", signed(t, testKey, `{}`), false, true, -1},
	} {
		answer, err := server(t, says(test.text)).OrderStatus(context.Background(), "ORD_1001")
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if answer.Definite() != test.definite || answer.Signed != test.signed ||
			answer.Amount != test.amount {
			t.Errorf("%s: definite %v, %+v", test.name, answer.Definite(), answer)
		}
	}
}

func TestWrongSignature(t *testing.T) {
	good := signed(t, testKey, successBody)
	for name, text := range map[string]string{
		"another key":         signed(t, "0123456789abcdef", successBody),
		"another amount":      strings.Replace(good, "1499.00", "9499.00", 1),
		"another white space": strings.Replace(good, `"orderId":`, `"orderId": `, 1),
		"nonsense":            `{"head":{"signature":"x"},"body":{}}`,
	} {
		answer, err := server(t, says(text)).OrderStatus(context.Background(), "ORD_1001")
		if !errors.Is(err, paytm.ErrSignature) || answer != nil {
			t.Errorf("%s: %+v, %v", name, answer, err)
		}
	}
}

func TestRefusedQuestions(t *testing.T) {
	now := time.Date(2026, 1, 15, 8, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		status int
		header string // name=value
		want   time.Duration
		says   string
	}{
		{"500", 500, "", 0, "ask again later"},
		{"503 with seconds", 503, "Retry-After=120", 2 * time.Minute,
			"ask again later (asked to wait 2m0s)"},
		{"429 with seconds", 429, "Retry-After=7", 7 * time.Second, "more slowly"},
		{"429 with a date", 429, "Retry-After=Thu, 15 Jan 2026 08:01:00 GMT", time.Minute,
			"more slowly"},
		{"429 with a past date", 429, "Retry-After=Thu, 15 Jan 2026 07:00:00 GMT", 0,
			"more slowly"},
		{"429 with nonsense", 429, "Retry-After=-1", 0, "more slowly"},
		{"401", 401, "", 0, "check MID, merchant key"},
		{"403", 403, "", 0, "check MID, merchant key"},
		{"404", 404, "", 0, "check api_url"},
		{"400", 400, "", 0, "check MID"},
		{"redirect", 302, "Location=/elsewhere", 0, "not followed"},
		{"redirect that keeps the body", 307, "Location=/elsewhere", 0, "not followed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := 0
			client := server(t, func(w http.ResponseWriter, r *http.Request) {
				asked++
				w.Header().Set("Date", now.Format(http.TimeFormat))
				if name, value, found := strings.Cut(test.header, "="); found {
					w.Header().Set(name, value)
				}
				w.WriteHeader(test.status)
				io.WriteString(w, signed(t, testKey, successBody))
			})
			answer, err := client.OrderStatus(context.Background(), "ORD_1001")
			var refused *paytm.APIError
			if !errors.As(err, &refused) || answer != nil {
				t.Fatalf("%+v, %v", answer, err)
			}
			if refused.Status != test.status || refused.RetryAfter != test.want ||
				!strings.Contains(err.Error(), test.says) {
				t.Errorf("%d, %v, %v", refused.Status, refused.RetryAfter, err)
			}
			if asked != 1 || strings.Contains(err.Error(), testKey) {
				t.Errorf("asked %d times: %v", asked, err)
			}
		})
	}
}

func TestUnreadableAnswers(t *testing.T) {
	good := signed(t, testKey, successBody)
	for name, text := range map[string]string{
		"nothing":            "",
		"a page":             "<html>busy</html>",
		"half":               good[:len(good)/2],
		"no body":            `{"head":{}}`,
		"a flat answer":      `{"STATUS":"TXN_SUCCESS","TXNID":"1"}`,
		"body is a text":     `{"head":{},"body":"` + "x" + `"}`,
		"a repeated name":    strings.Replace(good, `"orderId"`, `"txnId":"2","orderId"`, 1),
		"two bodies":         strings.Replace(good, `"body":`, `"body":{},"body":`, 1),
		"something after it": good + good,
		"a giant":            `{"head":{},"body":{"x":"` + strings.Repeat("x", 256<<10) + `"}}`,
	} {
		answer, err := server(t, says(text)).OrderStatus(context.Background(), "ORD_1001")
		var refused *paytm.APIError
		if !errors.As(err, &refused) || refused.Status != 200 || answer != nil {
			t.Errorf("%s: %+v, %v", name, answer, err)
		}
	}
	padding := strings.Repeat(" ", 256<<10-len(good))
	padded := strings.Replace(good, `"version"`, padding+`"version"`, 1)
	_, err := server(t, says(padded)).OrderStatus(context.Background(), "ORD_1001")
	if err != nil || len(padded) != 256<<10 {
		t.Errorf("an answer of exactly %d bytes: %v", len(padded), err)
	}
	_, err = server(t, says(padded+" ")).OrderStatus(context.Background(), "ORD_1001")
	if err == nil || !strings.Contains(err.Error(), "more than 256 KiB") {
		t.Errorf("an answer of one byte more: %v", err)
	}
}

// A giant that never ends is given up, not swallowed.
func TestEndlessAnswer(t *testing.T) {
	client := server(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	var refused *paytm.APIError
	if _, err := client.OrderStatus(context.Background(), "ORD_1001"); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

func TestAnswerThatBreaksOff(t *testing.T) {
	client := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, `{"head"`)
	})
	if _, err := client.OrderStatus(context.Background(), "ORD_1001"); !errors.Is(
		err,
		io.ErrUnexpectedEOF,
	) {
		t.Errorf("got %v", err)
	}
}

func TestCancelledQuestion(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	release := make(chan struct{})
	client := server(t, func(http.ResponseWriter, *http.Request) {
		cancel()
		<-release
	})
	_, err := client.OrderStatus(ctx, "ORD_1001")
	close(release)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestUnreachableServer(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	client := &paytm.Client{BaseURL: s.URL, MID: testMID, Key: mustKey(t, testKey)}
	if _, err := client.OrderStatus(context.Background(), "ORD_1001"); err == nil ||
		!strings.Contains(err.Error(), "check network") {
		t.Errorf("got %v", err)
	}
	client.BaseURL = "http://bad host"
	if _, err := client.OrderStatus(context.Background(), "ORD_1001"); err == nil ||
		!strings.Contains(err.Error(), "cannot ask") {
		t.Errorf("got %v", err)
	}
}

// The caller's client is used, and left as it was.
func TestOwnHTTPClient(t *testing.T) {
	client := server(t, says(signed(t, testKey, successBody)))
	used := 0
	client.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		used++
		return http.DefaultTransport.RoundTrip(r)
	})}
	if _, err := client.OrderStatus(context.Background(), "ORD_1001"); err != nil || used != 1 {
		t.Errorf("used %d times, %v", used, err)
	}
	if client.HTTP.CheckRedirect != nil {
		t.Error("the caller's client was changed")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
