package peer

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
)

// Result is how a message was booked.
type Result string

const (
	Credited     Result = "credited"
	Unattributed Result = "unattributed" // a new payment, of an order that no partner brought
	Duplicate    Result = "duplicate"
	Ignored      Result = "ignored" // not about a payment that succeeded: nothing is kept
)

// Counts are the rows of the three tables that a webhook writes.
type Counts struct {
	Payments    int64 `json:"payments"`
	Commissions int64 `json:"commissions"`
	Messages    int64 `json:"messages"`
}

// Books are where a peer keeps what it is told. When a method returns without an error, its work is
// on the disk.
type Books interface {
	Seed(context.Context, []Binding) error
	Book(context.Context, Payment) (Result, error)
	Count(context.Context) (Counts, error)
}

// Routes is the whole surface of a peer. The webhook is apart because one peer does not verify.
func Routes(books Books, webhook http.HandlerFunc) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhooks/paytm", webhook)
	mux.HandleFunc("POST /seed", Seed(books))
	mux.HandleFunc("GET /count", Count(books))
	mux.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	return mux
}

// Seed answers POST /seed.
func Seed(books Books) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		bindings, err := readBindings(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := books.Seed(r.Context(), bindings); err != nil {
			unavailable(w, err)
		}
	}
}

// Count answers GET /count.
func Count(books Books) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		counts, err := books.Count(r.Context())
		if err != nil {
			unavailable(w, err)
			return
		}
		Reply(w, counts)
	}
}

// Reply writes one JSON object.
func Reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Print(err) // whoever asked has gone
	}
}

// unavailable says that nothing was stored, and that it is worth coming back.
func unavailable(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, "storage", http.StatusServiceUnavailable)
}
