package peer

import (
	"context"
	"errors"
	"io"
	"net/http"

	"hissa/paytm"
)

const maxBody = 64 << 10

// Payment is what a genuine message says of an order that was paid.
type Payment struct {
	TxnID, OrderID string
	Amount         int64  // paise
	Commission     int64  // paise: 10 % of Amount, half a paisa rounded up
	Body           []byte // the message as it came
}

// Webhook answers POST /webhooks/paytm: it reads and verifies the message, and books it once.
func Webhook(key *paytm.Key, books Books) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := ReadBody(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		envelope, err := paytm.Parse(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if !envelope.Verify(key) {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		payment, err := readPayment(envelope.Fields, body)
		if err != nil {
			Reply(w, Answer{Ignored})
			return
		}
		// Paid is paid: a sender that hangs up stops no booking that has begun.
		result, err := books.Book(context.WithoutCancel(r.Context()), payment)
		if err != nil {
			unavailable(w, err)
			return
		}
		Reply(w, Answer{result})
	}
}

// Answer is what a genuine message is answered with.
type Answer struct {
	Result Result `json:"result"`
}

// ReadBody reads a message's exact bytes.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
}

var errNoPayment = errors.New("the message is not about a payment that succeeded")

func readPayment(fields paytm.Fields, body []byte) (Payment, error) {
	p := Payment{TxnID: fields.Get("TXNID"), OrderID: fields.Get("ORDERID"), Body: body}
	if fields.Get("STATUS") != "TXN_SUCCESS" || p.TxnID == "" {
		return p, errNoPayment
	}
	var err error
	p.Amount, err = paytm.ParseAmount(fields.Get("TXNAMOUNT"))
	p.Commission = (p.Amount + 5) / 10
	return p, err
}
