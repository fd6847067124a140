package main

// The webhook: from Paytm's bytes to a booked commission.
//
// Paytm POSTs a form, or JSON, at least once, in any order, and gives up after some days. What is
// true of a payment is decided by Paytm, in two steps: the message, which proves by its checksum
// that somebody with the merchant key made it, and Paytm's status API, which says whether it is
// so. The checksum signs neither the field names nor where one value ends and the next begins, so
// a stranger can cut a genuine message up into another that still verifies; Paytm's own libraries
// accept the result. Here the message books, and only the API's agreement makes anything due.
//
// One request goes like this:
//
//	bound      64 KiB, ten seconds, no query string (a query is never signed), no compression
//	parse      strictly: a name twice, a broken escape, anything after the JSON is malformed
//	verify     seal the message again with the merchant key and compare, in constant time
//	classify   what sort of message this is, and whether the fields relied on can be used
//	receive    facts, position, ledger, in one transaction with whatever else has queued; and the
//	           message itself, where the shop is to have it too (forward.go)
//	copied     with ack = "replica": that transaction is in the copy too
//	answer     200 once that transaction is on the disk
//
// Until the signature holds, the answer is 400, 401, 413 or 415, and one and the same 401 for all
// that depends on key or MID. After it, the answer is always 200 with a result, or 503 when
// nothing could be stored and Paytm should come back: a genuine message never gets a 4xx.

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"hissa/paytm"
	"hissa/replica"
)

const (
	maxBody   = 64 << 10
	usualBody = 2 << 10 // room for a message of 1.5 KB: bytes.Buffer wants 512 bytes more to see its end
)

// server is what the handlers share.
type server struct {
	config *Config
	store  *Store
	mirror *replica.Supervisor // nil when there is none
	log    *slog.Logger
	counts counters

	bursts   *bursts   // of clicks
	attempts *attempts // to sign in
	applying *attempts // to become a partner
	mailing  *attempts // to have a link mailed

	mailer   *mailer   // nil where no mail server is named
	hub      *hub      // of those who look on
	badge    badge     // beside their navigation
	settings string    // what the configuration's file said when the service began
	began    time.Time // when that was

	refused *refusedRing // nil: nothing that was refused is kept
}

// httpError is an answer other than success: a status and a fixed body that tells a
// stranger nothing.
type httpError struct {
	status int
	text   string
	field  string // 422: which field
}

func (e httpError) Error() string { return e.text }

var (
	errQuery     = httpError{http.StatusBadRequest, "query", ""}
	errMalformed = httpError{http.StatusBadRequest, "malformed", ""}
	errSignature = httpError{http.StatusUnauthorized, "signature", ""}
	errTooLarge  = httpError{http.StatusRequestEntityTooLarge, "too large", ""}
	errEncoding  = httpError{http.StatusUnsupportedMediaType, "content encoding", ""}
	errKey       = httpError{http.StatusUnauthorized, "key", ""}
	errJSON      = httpError{http.StatusBadRequest, "json", ""}
	errOrigin    = httpError{http.StatusForbidden, "origin", ""}
)

// handlePaytm is POST /webhooks/paytm.
func (s *server) handlePaytm(w http.ResponseWriter, r *http.Request) error {
	body, err := readWebhook(w, r)
	if err != nil {
		return err
	}
	wire := Wire{body, r.Header.Get("Content-Type")}
	envelope, err := paytm.Parse(body)
	if err != nil {
		return s.refuse(r, wire, errMalformed)
	}
	if !s.config.genuine(envelope) {
		return s.refuse(r, wire, errSignature)
	}
	m, result, err := s.config.receive(r.Context(), s.store, envelope, wire)
	if err != nil {
		return err
	}
	if err := s.copied(r.Context()); err != nil {
		return err
	}
	s.counts.result(result)
	s.log.Info("webhook", "result", result, "type", m.Type, "txn", m.TxnID, "order", m.OrderID)
	return reply(w, http.StatusOK, receipt{result})
}

// receipt is the answer to a webhook that is booked.
type receipt struct {
	Result string `json:"result"`
}

// readWebhook reads the exact bytes of the body within its bounds.
func readWebhook(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	switch e := r.Header.Get("Content-Encoding"); {
	case r.URL.RawQuery != "" || r.URL.ForceQuery:
		return nil, errQuery
	case e != "" && !strings.EqualFold(e, "identity"):
		return nil, errEncoding
	case r.ContentLength > maxBody:
		return nil, errTooLarge
	}
	var body bytes.Buffer
	body.Grow(usualBody)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errTooLarge
	case err != nil:
		return nil, errMalformed
	}
	return body.Bytes(), nil
}

// refuse keeps a message that is refused, and gives its one answer.
func (s *server) refuse(r *http.Request, w Wire, answer httpError) error {
	if s.refused != nil {
		s.refused.keep(Refused{At: s.store.now(), From: s.network(r), Status: answer.status,
			ContentType: w.ContentType, Body: w.Body})
	}
	return answer
}

// receive is the one door into the books: what a genuine message says is booked, and the message is
// queued for the shop if that is to have it.
func (c *Config) receive(
	ctx context.Context, store *Store, e *paytm.Envelope, w Wire,
) (m paytm.Message, result string, err error) {
	m = e.Classify()
	identity := e.Identity()
	n := notification(m, identity[:])
	if c.Paytm.Forward != nil {
		result, err = store.ReceiveAndForward(ctx, n, m.SubscriptionID, w)
	} else {
		result, err = store.Receive(ctx, n, m.SubscriptionID, w.Body)
	}
	return m, result, err
}

// genuine reports whether one of the merchant keys sealed the message and it names no other shop.
// Paytm's accept-refund message names no MID at all.
func (c *Config) genuine(e *paytm.Envelope) bool {
	mid, ours := []byte(e.MID()), []byte(c.Paytm.MID)
	if len(mid) > 0 && subtle.ConstantTimeCompare(mid, ours) != 1 {
		return false
	}
	for _, key := range c.Paytm.Keys {
		if e.Verify(key) {
			return true
		}
	}
	return false
}

// notification translates Paytm's words into the shop's.
func notification(m paytm.Message, identity []byte) Notification {
	return Notification{
		Gateway: "paytm", Identity: identity, Kind: string(m.Kind), Type: m.Type,
		Why: m.Why, Unusable: m.Review,
		MID: m.MID, TxnID: m.TxnID, OrderID: m.OrderID, Status: string(m.Status),
		Amount: m.Amount, Currency: m.Currency, PaidAt: m.PaidAt,
		Reference: m.Reference, POS: m.PosID, Campaign: m.Campaign, Mode: m.Mode,
		Payer:    Person{Email: m.Payer.Email, Mobile: m.Payer.Mobile, VPA: m.Payer.VPA},
		Unknown:  strings.Join(m.Unknown, " "),
		RefundID: m.RefundID, Event: string(m.RefundEvent),
		Refund: m.RefundAmount, RefundsSum: m.RefundTotal,
		DisputeID: m.DisputeID, Dispute: m.DisputeStatus, Disputed: m.DisputeAmount,
	}
}

// routes is the whole surface over HTTP.
func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/paytm", s.answering(s.handlePaytm))
	mux.Handle("GET /r/{code}", s.answering(s.handleClick))
	mux.Handle("GET /hissa.js", s.answering(s.handleScript))
	mux.Handle("POST /v1/clicks", s.answering(s.handlePageClick))
	mux.Handle("POST /v1/orders", s.answering(s.handleOrder))
	mux.Handle("GET /healthz", s.answering(s.handleHealth))
	mux.Handle("GET /readyz", s.answering(s.handleReady))
	mux.Handle("GET /v1/export/{kind}", s.answering(s.handleExport))
	mux.Handle("GET /metrics", s.answering(s.handleMetrics))
	pages := s.pages()
	for _, below := range []string{"/admin/", "/partner/", "/assets/", "/join"} {
		mux.Handle(below, pages)
	}
	if path := strings.TrimSuffix(s.config.PublicURL.Path, "/"); path != "" {
		outer := http.NewServeMux() // a proxy may strip the path of public_url, or pass it on
		outer.Handle(path+"/", http.StripPrefix(path, mux))
		outer.Handle("/", mux)
		return outer
	}
	return mux
}

// answering turns a handler's error into its one answer: the sender gets a fixed sentence, the
// operator's log gets the cause.
func (s *server) answering(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		err := recovered(func() error { return handle(w, r) })
		if err == nil {
			return
		}
		var refusal httpError
		if errors.As(err, &refusal) {
			s.counts.refused(refusal.status)
			s.log.Warn("refused", "path", r.URL.Path,
				"status", refusal.status, "why", refusal.text, "from", s.network(r))
			body := map[string]string{"error": refusal.text}
			if refusal.field != "" {
				body["field"] = refusal.field
			}
			_ = reply(w, refusal.status, body)
			return
		}
		if errors.Is(err, context.Canceled) {
			panic(http.ErrAbortHandler) // no word at all: a return here would be an empty 200
		}
		s.counts.refused(http.StatusServiceUnavailable)
		s.log.Error("unavailable", "path", r.URL.Path, "cause", err.Error())
		w.Header().Set("Retry-After", "5")
		_ = reply(w, http.StatusServiceUnavailable, map[string]string{"error": "storage"})
	})
}

// address is where a request came from: the rightmost address that is not a trusted proxy's.
func (s *server) address(r *http.Request) netip.Addr {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	trusted := func(p netip.Prefix) bool { return p.Contains(addr) }
	for slices.ContainsFunc(s.config.TrustedProxies, trusted) && len(forwarded) > 0 {
		last := strings.TrimSpace(forwarded[len(forwarded)-1])
		forwarded = forwarded[:len(forwarded)-1]
		next, err := netip.ParseAddr(last)
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	return addr
}

// network is where a request came from, for the log: cut so that it names a sender and not a person.
func (s *server) network(r *http.Request) string {
	addr := s.address(r)
	if !addr.IsValid() {
		return "unknown"
	}
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	return netip.PrefixFrom(addr, bits).Masked().String()
}

// reply writes one JSON object. That the sender has gone is not an error anybody can act on.
func reply(w http.ResponseWriter, status int, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
	return nil
}

// httpServer bounds every request in size and time.
func (s *server) httpServer() *http.Server {
	return &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}
