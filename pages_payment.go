package main

// The page of one payment: hissa explain, drawn, and the message with what is personal masked.

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hissa/paytm"
	"hissa/web"
)

// pathSegment is one part of a page's path.
func pathSegment(text string) string { return url.PathEscape(text) }

func (s *server) pagePayment(v *visit) error { return s.showPayment(v, http.StatusOK, web.Form{}) }

func (s *server) showPayment(v *visit, status int, form web.Form) error {
	story, err := s.store.Story(v.Context(), v.PathValue("txn"))
	if err != nil {
		return err
	}
	page := story.page(s.store.now())
	page.Form = form
	if page.Message, page.RRN, err = s.newestMessage(v.Context(), story.Facts); err != nil {
		return err
	}
	acts, _, err := s.store.Acts(v.Context(), 0, "", page.TxnID)
	if err != nil {
		return err
	}
	for i := range page.Words {
		page.Words[i].Who = whoActed(acts, page.Words[i].At)
	}
	if !slices.Contains(whoPays, v.session.Role) {
		page.CanConfirm, page.CanAccept, page.CanRefuse = false, false, false
	}
	return v.render(status, page)
}

// whoActed is who did what was booked at a time: an act and its fact are of one transaction.
func whoActed(acts []Act, at time.Time) string {
	i := slices.IndexFunc(acts, func(a Act) bool { return a.At.Equal(at) })
	if i < 0 {
		return ""
	}
	return acts[i].Who
}

// page is the story as its page shows it.
func (s *Story) page(now time.Time) web.Payment {
	p := web.Payment{TxnID: s.Facts.TxnID}
	s.pageMessages(&p)
	for _, d := range s.Facts.Decisions {
		say := map[bool]string{true: "agree", false: "deny"}[d.Agree]
		p.Words = append(p.Words, web.Word{At: d.At, Say: say, Reason: d.Reason})
	}
	for _, r := range s.Facts.Reviews {
		say := map[bool]string{true: "accept", false: "refuse"}[r.Accept]
		p.Words = append(p.Words, web.Word{At: r.At, Say: say, Reason: r.Reason})
	}
	slices.SortStableFunc(p.Words, func(a, b web.Word) int { return a.At.Compare(b.At) })
	t := s.Txn
	if t == nil {
		return p
	}
	p.Known, p.Order, p.Status, p.Amount, p.Currency = true, t.OrderID, t.Status, t.Amount, t.Currency
	p.Refunded, p.PaidAt, p.Conflict, p.Why = t.Refunded, t.PaidAt, t.Conflict, t.Why
	p.Partner, p.Name, p.Basis = t.Partner, s.Names[t.Partner], t.Basis
	for _, n := range s.Facts.Notifications {
		if n.Kind == "payment" && n.Mode != "" {
			p.Mode = n.Mode
		}
	}
	for _, part := range s.Parts {
		p.Parts = append(p.Parts, web.Part{Mode: part.Mode, Amount: part.Amount})
	}
	p.Confirmation = s.pageConfirmation(now)
	for _, c := range s.Candidates {
		won := c.counts && c.Partner == t.Partner && c.Basis == t.Basis && c.Value == t.Value
		p.Candidates = append(p.Candidates, web.Candidate{Counts: c.counts, Won: won, Basis: c.Basis,
			Partner: c.Partner, Name: s.Names[c.Partner], Verdict: c.Verdict})
	}
	for _, e := range s.Entries {
		p.Entries = append(p.Entries, web.Entry{Seq: e.Seq, At: e.At, Kind: e.Kind, Debit: e.Debit, Credit: e.Credit,
			Amount: e.Amount, TxnID: e.TxnID, Payout: e.Payout, UTR: e.UTR, Hash: hex.EncodeToString(e.Hash)})
	}
	s.pageVerdicts(&p, now)
	return p
}

// pageVerdicts says what the commission is, and what a person can say to it.
func (s *Story) pageVerdicts(p *web.Payment, now time.Time) {
	settled := s.Txn.confirmationAt(now)
	p.CanConfirm = settled == waiting || settled == expired || p.Conflict != "" || len(s.Facts.Decisions) > 0
	amounts := map[int64]bool{}
	for _, n := range s.Facts.payments() {
		amounts[n.Amount] = true
	}
	p.AskAmount = len(amounts) > 1
	c := s.Commission
	if c == nil {
		return
	}
	last := lastReview(s.Facts, c.Partner)
	refused := last != nil && !last.Accept
	p.CanRefuse = !refused
	p.CanAccept = refused || slices.Contains(c.Blocks, "abuse") || slices.Contains(c.Blocks, "merchant")
	p.Commission = s.pageCommission(now)
}

func (s *Story) pageCommission(now time.Time) *web.Commission {
	c := s.Commission
	state, blocks := c.State(now)
	w := &web.Commission{Amount: c.Amount, Reversed: c.Reversed, State: state, Rate: rateText(c.Rate), By: s.rateBy(),
		Code: s.Own, Sales: s.Sales, Cap: s.Cap, Program: s.Program, DueAt: c.DueAt, Payout: c.Payout}
	for _, b := range blocks {
		text := map[string]string{"abuse": s.Txn.Abuse, "conflict": s.Txn.Conflict}[b]
		w.Blocks = append(w.Blocks, web.Block{Code: b, Text: text})
	}
	if s.Facts.Due != nil {
		w.FixedAt = s.Facts.Due.At
	}
	return w
}

// rateBy says whose rate prices the commission.
func (s *Story) rateBy() string {
	switch {
	case s.Commission.Rate == (Rate{}):
		return "exhausted"
	case s.Own != "":
		return "code"
	case s.Sales > 0:
		return "tier"
	case s.OfPartner:
		return "partner"
	}
	return "program"
}

// rateText writes a rate for people.
func rateText(r Rate) string {
	switch {
	case r.Flat > 0:
		return rupees(r.Flat)
	case r.BPS > 0:
		return strings.Replace(r.String(), "%", " %", 1)
	}
	return ""
}

func (s *Story) pageConfirmation(now time.Time) web.Confirmation {
	c := web.Confirmation{State: s.Txn.confirmationAt(now)}
	if d := lastDecision(s.Facts); d != nil && (c.State == agreed || c.State == denied) {
		c.Person, c.At, c.Reason = true, d.At, d.Reason
	} else if a := lastAnswer(s.Facts); a != nil {
		c.At = a.At
	}
	if s.Poll != nil && c.State == waiting {
		c.Next, c.Trouble = s.Poll.Next, s.Poll.Error
	}
	return c
}

// pageMessages says what came, what was answered, and what was handed on.
func (s *Story) pageMessages(p *web.Payment) {
	for _, n := range s.Facts.Notifications {
		p.Messages = append(p.Messages, web.Message{At: n.At, What: n.words(), Result: n.Result,
			Times: s.Deliveries[n.Seq], Note: cmp.Or(n.Unusable, n.Why)})
	}
	for _, a := range s.Facts.Answers {
		w := web.Answer{At: a.At, Asked: a.Asked, Said: "nothing", Text: a.Text}
		switch {
		case a.Definite && a.Result == "success":
			w.Said, w.Paise = "success", a.Amount
		case a.Definite:
			w.Said = "failed"
		case a.Result == "pending":
			w.Said = "pending"
		}
		p.Answers = append(p.Answers, w)
	}
	for _, h := range s.Handed {
		w := web.Handed{At: h.Ended, State: "never", Tries: h.Tries, Note: h.Said}
		switch {
		case h.Taken:
			w.State = "taken"
		case !h.Next.IsZero():
			w.At, w.State = h.At, "waits"
		}
		p.Handed = append(p.Handed, w)
	}
}

// newestMessage reads what came last about a payment, as far as it is still kept, and the bank's reference.
func (s *server) newestMessage(ctx context.Context, facts Facts) (fields []web.Field, rrn string, err error) {
	for i, n := range slices.Backward(facts.Notifications) {
		if len(facts.Notifications)-i > 8 || fields != nil && rrn != "" {
			break
		}
		body, err := s.store.RawBody(ctx, n.Seq)
		if errors.Is(err, errNotFound) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		envelope, err := paytm.Parse(body)
		if err != nil {
			continue // it was refused when it came, or booked from a list
		}
		if fields == nil {
			fields = maskedFields(envelope)
		}
		if n.Kind == "payment" {
			rrn = cmp.Or(rrn, envelope.BankReference())
		}
	}
	return fields, rrn, nil
}

// shownFields are the fields of messages that are shown as they are, by their names in lower case and without
// signs. All others are masked: what nobody knows may be personal.
var shownFields = strings.Fields(`mid orderid txnid txnamount currency status respcode respmsg txntype paymentmode
	gatewayname bankname banktxnid rrn txndate txndatetime subsid subscriptionid mercunqref merchantuniquereference
	posid promocampid promorespcode promostatus refundamt refundid refid refundamount totalrefundamt
	totalrefundamount refunddate refunddatetime refundtype gateway txnstatus txntimestamp clientid resultcode
	payableamount prepaidcard cardscheme feeratefactors prn authcode pcccode loyaltypoints disputeid disputeamount
	disputestatus disputetype disputeduedate transactionid transactionamount transactiondatetime
	merchantrefundrequesttimestamp acceptrefundtimestamp usercreditinitiatetimestamp rejectrefundreasoncode
	rejectrefundreasonmessage refundreason source arn fundsourceverification uniquereferencelabel linkid`)

// partlyShown are those of which a part tells a person whether it is the one they have in hand.
var partlyShown = map[string]func(string) string{
	"vpa": maskBeforeAt, "paymentemailid": maskBeforeAt, "paymentmobilenumber": maskButTail,
	"maskedcustomermobilenumber": maskButTail, "custid": maskButTail, "maskedcardno": maskButTail,
	"checksumhash": maskButTail,
}

const masked = "•••"

// maskedFields are the fields of a message, what is personal in it masked.
func maskedFields(e *paytm.Envelope) (list []web.Field) {
	for _, f := range e.Fields {
		name := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(f.Name))
		value := f.Value
		if part := partlyShown[name]; part != nil && value != "" {
			value = part(value)
		} else if value != "" && !slices.Contains(shownFields, name) {
			value = masked
		}
		list = append(list, web.Field{Name: f.Name, Value: value})
	}
	return list
}

// maskButTail leaves the last two characters of what is long enough.
func maskButTail(text string) string {
	letters := []rune(text)
	if len(letters) < 6 {
		return masked
	}
	return masked + string(letters[len(letters)-2:])
}

// maskBeforeAt leaves the host of an address.
func maskBeforeAt(text string) string {
	_, host, is := strings.Cut(text, "@")
	if !is {
		return masked
	}
	return masked + "@" + host
}
