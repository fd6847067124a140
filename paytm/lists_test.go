package paytm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hissa/paytm"
)

// onePage answers the first page with these rows and every other with none.
func onePage(t *testing.T, rows string) *paytm.Client {
	return server(t, func(w http.ResponseWriter, r *http.Request) {
		asked, _ := io.ReadAll(r.Body)
		if !bytes.Contains(asked, []byte(`"pageNo":1,`)) && !bytes.Contains(asked, []byte(`"pageNumber":1,`)) {
			rows = ""
		}
		io.WriteString(w, signed(t, testKey, `{"resultInfo":{"resultStatus":"SUCCESS","resultCode":"200",`+
			`"resultMessage":"Success"},"orders":[`+rows+`]}`))
	})
}

// What a row may look like in Paytm's pages, samples and programs.
func TestRowsOfTheLists(t *testing.T) {
	for row, want := range map[string]string{
		`{"txnId":"T1","orderId":"O","orderStatus":"SUCCESS","txnAmount":499.00}`:       "T1 O TXN_SUCCESS 49900",
		`{"txnId":"T1","orderId":"O","orderStatus":"TXN_SUCCESS","txnAmount":"499.00"}`: "T1 O TXN_SUCCESS 49900",
		`{"txnId":"T1","orderId":"O","orderStatus":"FAILURE","txnAmount":499}`:          "T1 O TXN_FAILURE 49900",
		`{"txnId":"T1","orderId":"O","orderStatus":"PENDING","txnAmount":499.5}`:        "T1 O PENDING 49950",
		`{"txnId":"T1","merchantOrderId":"O","orderSearchStatus":"SUCCESS","amount":"1.30"}`: "T1 O " +
			"TXN_SUCCESS 130",
		`{"txnId":"T1","orderId":"O","orderStatus":"SUCCESS","txnAmount":1e3}`:            "T1 O TXN_SUCCESS -1",
		`{"txnId":"T1","orderId":"O","orderStatus":"SUCCESS","txnAmount":-5}`:             "T1 O TXN_SUCCESS -1",
		`{"txnId":"T1","orderId":"O","orderStatus":"SUCCESS"}`:                            "T1 O TXN_SUCCESS -1",
		`{"txnId":"T|1","orderId":"O","orderStatus":"SUCCESS","txnAmount":1}`:             " O TXN_SUCCESS 100",
		`{"txnId":"T1","orderId":"O","orderStatus":"odd","txnAmount":1,"other":[1,{}]}`:   "T1 O odd 100",
		`{"txnId":"T1","orderId":"A","merchantOrderId":"B","orderStatus":"X","amount":1}`: "T1  X 100",
	} {
		rows, err := onePage(t, row).LinkTransactions(t.Context(), "1")
		if err != nil || len(rows) != 1 {
			t.Errorf("%s: %d rows, %v", row, len(rows), err)
			continue
		}
		got := fmt.Sprintf("%s %s %s %d", rows[0].TxnID, rows[0].OrderID, rows[0].Result, rows[0].Amount)
		if got != want || string(rows[0].Body) != row {
			t.Errorf("%s is read as %q, want %q; its bytes as %s", row, got, want, rows[0].Body)
		}
	}
	rows, err := onePage(t, `{"txnId":"T1"} , 5 ,null, {"txnId":"T2"}`).LinkTransactions(t.Context(), "1")
	if err != nil || len(rows) != 2 || rows[1].TxnID != "T2" || string(rows[1].Body) != `{"txnId":"T2"}` {
		t.Errorf("%+v, %v", rows, err)
	}
}

// Nothing is nothing, whichever way it is said; an API that is not opened is an error that says so.
func TestNothingAndRefused(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		body   string
		says   string // "" for no error
	}{
		"404 inside":    {200, `{"resultInfo":{"resultStatus":"FAILED","resultCode":"404"}}`, ""},
		"404 outside":   {404, `{"resultInfo":{"resultStatus":"FAILED","resultCode":"404"}}`, ""},
		"no list":       {200, `{"resultInfo":{"resultStatus":"SUCCESS","resultCode":"200"}}`, ""},
		"an empty list": {200, `{"resultInfo":{"resultStatus":"SUCCESS"},"orders":[]}`, ""},
		"refused": {200, `{"resultInfo":{"resultStatus":"FAILED","resultCode":"5028","resultMessage":` +
			`"Checksum invalid"}}`, `5028 "Checksum invalid": check MID and merchant key`},
		"an odd list":        {200, `{"resultInfo":{"resultStatus":"FAILED"},"orders":{}}`, "check MID"},
		"another 404":        {404, `{"resultInfo":{"resultCode":"1"}}`, "check api_url"},
		"an answer too big ": {200, `{"x":"` + strings.Repeat("x", 4<<20) + `"}`, "more than 4096 KiB"},
	} {
		client := server(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(row.status)
			io.WriteString(w, signed(t, testKey, row.body))
		})
		rows, err := client.LinkTransactions(t.Context(), "1")
		if len(rows) > 0 || (row.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
		}
	}
}

// An API that gives the same page for ever is asked no further.
func TestTheSamePageAgain(t *testing.T) {
	asked := 0
	client := server(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		io.WriteString(w, signed(t, testKey, `{"resultInfo":{"resultStatus":"SUCCESS"},"orders":[{"txnId":"T"}]}`))
	})
	rows, err := client.LinkTransactions(t.Context(), "1")
	if err != nil || len(rows) != 1 || asked != 2 {
		t.Errorf("%d rows, asked %d times, %v", len(rows), asked, err)
	}
}

// The questions are as Paytm's pages have them: what is in head, a link's id as a number, times with
// their offset.
func TestQuestionsToTheLists(t *testing.T) {
	var asked []byte
	var path string
	client := server(t, func(w http.ResponseWriter, r *http.Request) {
		asked, _ = io.ReadAll(r.Body)
		path = r.URL.Path
		io.WriteString(w, signed(t, testKey, `{"resultInfo":{"resultStatus":"SUCCESS"}}`))
	})
	if _, err := client.LinkTransactions(t.Context(), "31309"); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(asked, []byte(`{"head":{"tokenType":"AES","signature":"`)) || path != "/link/fetchTransaction" ||
		!bytes.HasSuffix(asked, []byte(`"body":{"mid":"`+testMID+`","linkId":31309,"pageNo":1,"pageSize":50,"fetchAllTxns":true}}`)) {
		t.Errorf("%s is asked %s", path, asked)
	}
	from := time.Date(2026, 1, 31, 18, 30, 0, 0, time.UTC)
	if err := client.Orders(t.Context(), paytm.ListPayments, from, from.Add(time.Hour), nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(asked, []byte(`{"head":{"tokenType":"CHECKSUM","signature":"`)) ||
		!bytes.HasSuffix(asked, []byte(`"body":{"mid":"`+testMID+`","fromDate":"2026-02-01T00:00:00+05:30",`+
			`"toDate":"2026-02-01T01:00:00+05:30","orderSearchType":"TRANSACTION","orderSearchStatus":"SUCCESS",`+
			`"pageNumber":1,"pageSize":50,"isSort":true}}`)) {
		t.Errorf("%s is asked %s", path, asked)
	}
	if !signedQuestion(t, asked) {
		t.Error("the signature is not over the exact body")
	}
}

func signedQuestion(t *testing.T, text []byte) bool {
	t.Helper()
	e, err := paytm.Parse(text)
	return err == nil && e.Verify(mustKey(t, testKey))
}

// However odd a list is, reading it ends in rows or in an error.
func FuzzLists(f *testing.F) {
	f.Add(`{"txnId":"T1","orderId":"O","orderStatus":"SUCCESS","txnAmount":499.00}`)
	f.Add(`[],[[1]],{"a":{}}`)
	f.Fuzz(func(t *testing.T, rows string) {
		list, err := onePage(t, rows).LinkTransactions(t.Context(), "1")
		var refused *paytm.APIError
		if err != nil && !errors.As(err, &refused) && !errors.Is(err, paytm.ErrSignature) {
			t.Error(err)
		}
		for _, row := range list {
			if row.Amount < -1 || !bytes.Contains([]byte(rows), row.Body) {
				t.Errorf("%+v of %s", row, rows)
			}
		}
	})
}
