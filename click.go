package main

// Before the payment: a visit through a partner's link, and the shop's word on which order that
// visitor is about to pay. Paytm's webhook carries no cookie, so these two are how a click ever
// reaches a payment.

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hissa/paytm"
)

// clickPrefix tells a click id from a code wherever one may stand for the other.
const clickPrefix = "clk_"

const clickCookie = "hissa_click"

// handleClick is GET /r/{code}: store the visit, then send the visitor on. A visitor is always
// sent on, even when nothing could be stored: the shop's sale comes first.
func (s *server) handleClick(w http.ResponseWriter, r *http.Request) error {
	links := s.config.Links
	to, ok := destination(links.Landing, links.AllowHosts, r.URL.Query(), r.URL.RawQuery)
	if !ok {
		s.log.Warn("a link asks for a page that is not allowed: the landing page instead",
			"to", r.URL.Query().Get("to"))
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer-when-downgrade")
	click, err := s.recordClick(r, clickRequest{
		code: r.PathValue("code"), fields: r.URL.Query(), uncounted: notAPerson(r),
	})
	if err == nil && click.result == "counted" {
		http.SetCookie(w, s.cookie(click.id))
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
	return nil
}

// clickRequest is what a request says of a partner's link that was followed.
type clickRequest struct {
	code      string
	fields    url.Values // the sub-ids
	uncounted string     // why it is no person, "" for one
	known     string     // a click that the visitor has, beside the one in the cookie
}

// clickResult is what became of it: "counted", id is the new click's; "kept", id is that of a live click
// that the visitor has, and the first one counts; "uncounted"; "unknown", the code names no partner.
type clickResult struct{ result, id string }

// recordClick stores the visit. Where it fails, that is logged and counted already.
func (s *server) recordClick(r *http.Request, q clickRequest) (clickResult, error) {
	click, terms, err := s.bookClick(r, q)
	if err != nil {
		s.log.Error("a click was lost", "code", q.code, "cause", err.Error())
		s.counts.clicksLost.Add(1)
		return clickResult{}, err
	}
	if click.ID == "" {
		s.log.Info("a link names no partner", "code", q.code)
		return clickResult{result: "unknown"}, nil
	}
	s.counts.click(click.Counted == "")
	program := terms.latest()
	inBurst := strings.HasPrefix(click.Counted, burst) // earns, and is blocked
	if click.Counted != "" && !inBurst {
		return clickResult{result: "uncounted"}, nil
	}
	if program.Model == "first-click" {
		if id := s.liveClick(r, q.known, program.Window); id != "" {
			return clickResult{"kept", id}, nil
		}
	}
	return clickResult{"counted", click.ID}, nil
}

// bookClick judges a visit and books it, and says under which terms: those last read here, or where they have
// moved or know no such partner, those of now. Of an unknown partner nothing is booked, and it has no id.
func (s *server) bookClick(r *http.Request, q clickRequest) (click Click, _ *Terms, err error) {
	terms, err := s.store.lastTerms(r.Context())
	if err != nil {
		return click, nil, err
	}
	partner, known := terms.partner(q.code)
	if !known {
		if terms, err = s.store.newestTerms(r.Context()); err != nil {
			return click, nil, err
		}
		if partner, known = terms.partner(q.code); !known {
			return click, terms.Terms, nil
		}
	}
	var burst string
	if q.uncounted == "" {
		burst = s.bursts.next(s.store.now(), s.config.Abuse.Clicks, partner.Code,
			s.address(r).String(), r.UserAgent())
	}
	click = Click{
		ID: clickID(s.store.now()), Partner: partner.Code, Sub: subs(q.fields),
		Counted: uncounted(q, partner, burst), under: terms.from,
	}
	err = s.store.RecordClick(r.Context(), click)
	if errors.Is(err, errTermsMoved) {
		if terms, err = s.store.newestTerms(r.Context()); err != nil {
			return click, nil, err
		}
		partner, _ = terms.partner(q.code) // a code stays with its partner
		click.Counted, click.under = uncounted(q, partner, burst), 0
		err = s.store.RecordClick(r.Context(), click)
	}
	return click, terms.Terms, err
}

// clickID is a new click's id: when it was, in milliseconds to the base of 32, and 85 random bits that nobody
// guesses. Ids of one hour stand side by side in their index, so that a batch of clicks, and the payments that
// they bring, touch a few pages of it and not one each.
func clickID(now time.Time) string {
	return clickPrefix + strconv.FormatInt(now.UnixMilli(), 32) + randomText()[:17]
}

// uncounted is why a visit does not count: the first of the reasons that there are.
func uncounted(q clickRequest, partner Partner, burst string) string {
	switch {
	case q.uncounted != "":
		return q.uncounted
	case partner.State == "disabled":
		return "the partner was disabled"
	}
	return burst
}

// liveClick returns the visitor's click that still counts, by the cookie or else by what the visitor
// says; "" when there is none.
func (s *server) liveClick(r *http.Request, known string, window time.Duration) string {
	if c, err := r.Cookie(clickCookie); err == nil {
		known = c.Value
	}
	if !strings.HasPrefix(known, clickPrefix) {
		return ""
	}
	live := false
	err := s.store.read(r.Context(), func(rows rows) error {
		click, err := rows.click(known)
		live = click != nil && click.Counted == "" && s.store.now().Before(click.At.Add(window))
		return err
	})
	if err != nil || !live {
		return ""
	}
	return known
}

func (s *server) cookie(id string) *http.Cookie {
	return &http.Cookie{
		Name: clickCookie, Value: id, Path: "/", Domain: s.config.Links.CookieDomain,
		MaxAge: int(s.config.Attribution.Window / time.Second), HttpOnly: true,
		Secure: s.config.PublicURL.Scheme == "https", SameSite: http.SameSiteLaxMode,
	}
}

// orderRequest is what the shop says; absent and empty are the same.
type orderRequest struct {
	OrderID    string `json:"order_id"`
	ClickID    string `json:"click_id"`
	PromoCode  string `json:"promo_code"`
	CustomerID string `json:"customer_id"`
	Email      string `json:"email"`
	Mobile     string `json:"mobile"`
	Amount     string `json:"amount"`
}

// handleOrder is POST /v1/orders.
func (s *server) handleOrder(w http.ResponseWriter, r *http.Request) error {
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return errKey
	}
	works, err := s.store.HasKey(strings.TrimSpace(secret), "orders")
	if err != nil {
		return err
	}
	if !works {
		return errKey
	}
	req, err := readOrder(w, r)
	if err != nil {
		return err
	}
	order, err := req.order()
	if err != nil {
		return err
	}
	result, err := s.store.BindOrder(r.Context(), order,
		Person{Customer: req.CustomerID, Email: req.Email, Mobile: req.Mobile})
	switch {
	case errors.Is(err, errOrderTaken):
		return httpError{http.StatusConflict,
			"a payment of this order is stored: its binding stays as it is", ""}
	case err != nil:
		return err
	}
	if err := s.copied(r.Context()); err != nil {
		return err
	}
	status := http.StatusOK
	if result == "bound" {
		status = http.StatusCreated
	}
	s.log.Info("order", "order", order.ID, "result", result)
	return reply(w, status, map[string]string{"order_id": order.ID, "result": result})
}

// readOrder reads one JSON object with known fields; amount may be a string or a number.
func readOrder(w http.ResponseWriter, r *http.Request) (req orderRequest, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<10))
	if err != nil || !utf8.Valid(body) {
		return req, errJSON
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		return req, errJSON
	}
	into := map[string]*string{
		"order_id": &req.OrderID, "click_id": &req.ClickID, "promo_code": &req.PromoCode,
		"customer_id": &req.CustomerID, "amount": &req.Amount,
		"email": &req.Email, "mobile": &req.Mobile,
	}
	for name, raw := range fields {
		target, known := into[name]
		if !known {
			return req, unusable(name, name+" is not a field of an order: "+
				"order_id, click_id, promo_code, customer_id, email, mobile and amount are")
		}
		if string(raw) == "null" {
			continue
		}
		if json.Unmarshal(raw, target) == nil {
			continue
		}
		var number json.Number
		if name == "order_id" || name == "amount" || name == "customer_id" || name == "mobile" {
			if json.Unmarshal(raw, &number) == nil {
				*target = number.String()
				continue
			}
		}
		return req, unusable(name, name+" must be text")
	}
	return req, nil
}

func unusable(field, text string) httpError {
	return httpError{http.StatusUnprocessableEntity, text, field}
}

var (
	orderPattern = pattern(`^[A-Za-z0-9@=_.-]{1,64}$`)
	plainPattern = pattern(`^[^\x00-\x1f\x7f]{0,128}$`)
)

// order checks what the shop said. A click or code that nobody knows is no fault: it is bound, and
// loses with its reason.
func (q orderRequest) order() (Order, error) {
	if !orderPattern().MatchString(q.OrderID) {
		return Order{}, unusable("order_id", "order_id must be the ORDERID sent to Paytm: "+
			"1 to 64 letters, digits and @ - _ . =")
	}
	o := Order{
		ID:      q.OrderID,
		ClickID: strings.TrimSpace(q.ClickID),
		Promo:   strings.TrimSpace(q.PromoCode),
	}
	for _, field := range []struct{ name, value string }{
		{"click_id", o.ClickID}, {"promo_code", o.Promo}, {"customer_id", q.CustomerID},
		{"email", q.Email}, {"mobile", q.Mobile},
	} {
		if !plainPattern().MatchString(field.value) {
			return Order{}, unusable(field.name, field.name+
				" must be at most 128 characters, none of them a control character")
		}
	}
	if q.Amount != "" {
		amount, err := paytm.ParseAmount(q.Amount)
		if err != nil || amount == 0 {
			return Order{}, unusable("amount", `amount must be rupees above zero, like "1499.00"`)
		}
		o.Amount = amount
	}
	return o, nil
}
