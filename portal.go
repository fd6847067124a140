package main

// The partners' pages. Whoever looks is the partner of the session: no page takes a code from anywhere else,
// and what belongs to another partner is not there.

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hissa/web"
)

var portalRoutes = []route{
	{pattern: "GET /partner/{$}", may: partners, handle: (*server).pageEarnings},
	{pattern: "GET /partner/sales", may: partners, handle: (*server).pageSales},
	{pattern: "GET /partner/links", may: partners, handle: (*server).pageLinks},
	{pattern: "GET /partner/qr.svg", may: partners, handle: (*server).ownQR},
	{pattern: "GET /partner/qr.png", may: partners, handle: (*server).ownQR},
	{pattern: "GET /partner/statements", may: partners, handle: (*server).pageOwnStatements},
	{pattern: "GET /partner/statements/{id}", may: partners, handle: (*server).pageOwnStatement},
	{pattern: "GET /partner/details", may: partners, handle: (*server).pageDetails},
	{pattern: "POST /partner/details", may: partners, handle: (*server).handleDetails},
	{pattern: "GET /partner/events", may: partners, handle: (*server).ownEvents},
}

const (
	releasesLook  = 500 // of a partner's payments that wait, for the days on which they are released
	releasesShown = 8
	clicksShown   = 20
	clicksLook    = 20_000 // of all facts, for a partner's newest clicks
)

func (s *server) ownEvents(v *visit) error { return s.stream(v, v.session.Partner) }

func (s *server) pageEarnings(v *visit) error {
	now, code := s.store.now(), v.session.Partner
	terms, err := s.store.Terms(v.Context())
	if err != nil {
		return err
	}
	program := terms.latest()
	page := web.Earnings{Code: code, Range: rangeOf(v, now, "30d"), Hold: program.Hold,
		Minimum: s.config.Payout.Minimum, Link: web.Link{URL: s.config.URLFor("r", code)}}
	if p, known := terms.partner(code); known && p.Rate != (Rate{}) {
		page.Rate = rateText(p.Rate)
	} else {
		page.Rate = rateText(program.Rate)
	}
	before, from, to := daysOfRange(page.Range)
	err = s.store.read(v.Context(), func(r rows) error {
		contact, err := r.contact(code)
		if err != nil {
			return err
		}
		page.Name, page.Details = contact.Name, contact.VPA != "" || contact.Account != ""
		days, err := r.daysOf(code, from, to)
		if err != nil {
			return err
		}
		earlier, err := r.daysOf(code, before, from)
		if err != nil {
			return err
		}
		sum, sumBefore := totalOf(days), totalOf(earlier)
		page.Sums, page.Before = sumsOf(sum, sum.Payments, 1), sumsOf(sumBefore, sumBefore.Payments, 1)
		page.Days = chartDays(days, from, to, dayOf(now))
		return r.earned(terms, &page, now)
	})
	if err != nil {
		return err
	}
	return v.show(page)
}

// earned fills in how what a partner earned stands, and the last of it.
func (r rows) earned(t *Terms, page *web.Earnings, now time.Time) error {
	owed, err := r.owed(t, page.Code, now)
	if err != nil {
		return err
	}
	page.Held, page.Due = owed.Held, owed.due()
	if page.Paid, err = r.paidTo(page.Code); err != nil {
		return err
	}
	waiting, err := r.payments(paymentFilter{Partner: page.Code, State: "held", Amount: -1}, newest, releasesLook, now)
	if err != nil {
		return err
	}
	page.Releases = releases(waiting.Lines, now)
	latest, err := r.payments(paymentFilter{Partner: page.Code, Amount: -1}, newest, latestShown, now)
	if err != nil {
		return err
	}
	if page.Latest, err = r.sales(latest.Lines, now); err != nil {
		return err
	}
	_, clicked, err := r.dayBefore(page.Code, dayOf(now), 0)
	page.Nothing = !clicked && len(page.Latest) == 0
	return err
}

// releases are the days in India on which commissions become due that only wait for that, the next first.
func releases(lines []paymentLine, now time.Time) (list []web.Release) {
	byDay := map[int64]*web.Release{}
	for _, l := range lines {
		if len(l.Commission.Blocks) > 0 || !l.Commission.DueAt.After(now) {
			continue
		}
		day := dayOf(l.Commission.DueAt)
		if byDay[day] == nil {
			byDay[day] = &web.Release{At: startOf(day)}
		}
		byDay[day].Amount += l.Commission.net()
		byDay[day].Count++
	}
	for _, day := range sortedDays(byDay) {
		list = append(list, *byDay[day])
	}
	return list[:min(len(list), releasesShown)]
}

func sortedDays[V any](m map[int64]V) []int64 {
	var days []int64
	for day := range m {
		days = append(days, day)
	}
	slices.Sort(days)
	return days
}

// sales are payments as their partner sees them: what was paid, and nothing of who paid.
func (r rows) sales(lines []paymentLine, now time.Time) (list []web.Sale, err error) {
	for _, l := range lines {
		if l.Commission == nil {
			continue
		}
		sale := web.Sale{TxnID: l.TxnID, At: l.PaidAt, Amount: l.Amount, Refunded: l.Refunded,
			Commission: l.Commission.net(), DueAt: l.Commission.DueAt, Basis: l.Basis}
		sale.State, sale.Blocks = l.Commission.State(now)
		switch l.Basis {
		case "promo":
			sale.Via = l.Value
		case "click":
			click, err := r.click(l.Value)
			if err != nil {
				return nil, err
			}
			if click != nil && click.Partner == l.Partner {
				sale.Via = subText(click.Sub)
			}
		}
		list = append(list, sale)
	}
	return list, nil
}

func (s *server) pageSales(v *visit) error {
	now, code, query := s.store.now(), v.session.Partner, v.URL.Query()
	page := web.Sales{State: query.Get("state"), Link: web.Link{URL: s.config.URLFor("r", code)}}
	if !slices.Contains([]string{"held", "due", "paid", "reversed"}, page.State) {
		page.State = ""
	}
	from := parsePlace(query.Get("before"))
	err := s.store.read(v.Context(), func(r rows) error {
		found, err := r.payments(paymentFilter{Partner: code, State: page.State, Amount: -1}, from, pageRows, now)
		if err != nil {
			return err
		}
		page.Paging = pagingOf(from, found.Next)
		if page.Rows, err = r.sales(found.Lines, now); err != nil {
			return err
		}
		page.Nothing = len(page.Rows) == 0 && page.State == "" && from == newest
		return r.each(q("page-clicks-of"), args{code, clicksLook, clicksShown}, func(scan func(...any) error) error {
			var at int64
			var sub string
			var c web.Click
			err := scan(&at, &sub, &c.Why)
			c.At, c.Sub, c.Counted = fromMillis(&at), subText(sub), c.Why == ""
			page.Clicks = append(page.Clicks, c)
			return err
		})
	})
	if err != nil {
		return err
	}
	return v.show(page)
}

// ownLink is the partner's link with the sub-id that is asked for.
func (s *server) ownLink(v *visit) web.Link {
	link := web.Link{URL: s.config.URLFor("r", v.session.Partner)}
	link.Sub = strings.TrimSpace(printableText(v.URL.Query().Get("sub"), maxSub))
	if link.Sub != "" {
		link.URL += "?sub=" + url.QueryEscape(link.Sub)
	}
	return link
}

func (s *server) pageLinks(v *visit) error {
	code := v.session.Partner
	terms, err := s.store.Terms(v.Context())
	if err != nil {
		return err
	}
	page := web.Links{Link: s.ownLink(v)}
	page.Share = page.Link.URL
	page.Promos, page.Refs = terms.codesOf(code)
	err = s.store.read(v.Context(), func(r rows) error {
		sample, err := r.payments(paymentFilter{Partner: code, Amount: -1}, newest, sampleSize, s.store.now())
		if err != nil {
			return err
		}
		page.Subs, page.More, err = r.subsOf(code, sample)
		return err
	})
	if err != nil {
		return err
	}
	return v.show(page)
}

func (s *server) ownQR(v *visit) error { return v.picture(s.ownLink(v).URL) }

// partnersSee are the states in which a statement is the partner's to see: what nobody has approved yet may still
// change, and what was declined or replaced never counted.
var partnersSee = []string{"carried", "approved", "sent", "paid", "failed", "reversed"}

func (s *server) pageOwnStatements(v *visit) error {
	before, _ := strconv.ParseInt(v.URL.Query().Get("before"), 10, 64) // nonsense is the first page
	var page web.PartnerStatements
	err := s.store.read(v.Context(), func(r rows) error {
		list, next, err := r.statementsBack(v.session.Partner, before, pageRows, func(st *Statement) bool {
			return slices.Contains(partnersSee, st.State())
		})
		if err != nil {
			return err
		}
		page.Paging = pagingByID(before, next)
		if page.Rows, err = r.statementRows(list); err != nil {
			return err
		}
		for i := range page.Rows {
			page.Rows[i].Reason = "" // the merchant's own word
		}
		page.Key, err = r.publicKey()
		return err
	})
	if err != nil {
		return err
	}
	return v.show(page)
}

// publicKey is what signed statements are checked with, "" before there is any.
func (r rows) publicKey() (string, error) {
	key, err := r.signingKey()
	if errors.Is(err, errNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(publicOf(key)), nil
}

func (s *server) pageOwnStatement(v *visit) error {
	id, err := v.idOf("id")
	if err != nil {
		return err
	}
	told, err := s.store.Tell(v.Context(), id, s.config.taxRules())
	if err == nil && (told.Partner != v.session.Partner || !slices.Contains(partnersSee, told.State())) {
		err = errNoPage
	}
	if err != nil {
		return err
	}
	for i := range told.Steps {
		told.Steps[i].Reason = "" // the merchant's own word
	}
	switch format := v.URL.Query().Get("format"); format {
	case "csv", "signed", "text":
		return v.statementFile(told, format)
	}
	page := told.page()
	page.Allows = nil
	for _, step := range told.Steps {
		if slices.Contains(partnersSee, step.Step) {
			page.Steps = append(page.Steps, web.Step{At: step.At, Step: step.Step, UTR: step.UTR})
		}
	}
	if err := s.store.read(v.Context(), func(r rows) (err error) {
		page.Key, err = r.publicKey()
		return err
	}); err != nil {
		return err
	}
	return v.show(page)
}

func (s *server) pageDetails(v *visit) error { return s.showDetails(v, http.StatusOK, web.Form{}) }

func (s *server) showDetails(v *visit, status int, form web.Form) error {
	page := web.Details{Tax: s.config.TDS.Deduct, Form: form}
	if err := s.store.read(v.Context(), func(r rows) error {
		contact, err := r.contact(v.session.Partner)
		page.Payee = payeeOf(contact, true)
		return err
	}); err != nil {
		return err
	}
	return v.render(status, page)
}

// handleDetails changes where the partner's money goes: a field that is left empty stays as it is.
func (s *server) handleDetails(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	wrong := map[string]string{}
	change := PartnerChange{Code: v.session.Partner}
	for _, field := range []struct {
		name  string
		into  **string
		upper bool
	}{{"vpa", &change.VPA, false}, {"account", &change.Account, false}, {"ifsc", &change.IFSC, true},
		{"pan", &change.PAN, true}, {"gstin", &change.GSTIN, true}, {"email", &change.Email, false}} {
		text := strings.TrimSpace(v.PostFormValue(field.name))
		if field.upper {
			text = strings.ToUpper(text)
		}
		if text == "" || field.name == "pan" && !s.config.TDS.Deduct {
			continue
		}
		*field.into = &text
		alone := PartnerChange{VPA: change.VPA, Account: change.Account, IFSC: change.IFSC, PAN: change.PAN,
			GSTIN: change.GSTIN, Email: change.Email}
		if err := checkPartner(alone); err != nil {
			wrong[field.name], *field.into = field.name, nil
		}
	}
	_, why, err := v.proves(v.session.withoutCode(),
		v.PostFormValue("password"), "")
	if err != nil {
		return err
	}
	if why != "" {
		wrong["password"] = why
	}
	fields := []string{"vpa", "account", "ifsc", "pan", "gstin", "email"}
	if len(wrong) > 0 {
		return s.showDetails(v, http.StatusUnprocessableEntity, typed(v, wrong, fields...))
	}
	_, err = s.store.SetPartner(v.Context(), change)
	if _, is := asSentence(err); is { // another partner signs in with that address, which is nobody else's business
		wrong["email"] = "taken"
		return s.showDetails(v, http.StatusUnprocessableEntity, typed(v, wrong, fields...))
	}
	if err != nil {
		return err
	}
	return v.done("/partner/details", "saved")
}

// picture draws a link as a QR, as an image of the kind that the path ends with.
func (v *visit) picture(link string) error {
	draw, kind := web.QRSVG, "image/svg+xml"
	if strings.HasSuffix(v.URL.Path, ".png") {
		draw, kind = web.QRPNG, "image/png"
	}
	image, err := draw(link)
	if err != nil { // too long for a QR
		return problem{http.StatusBadRequest, ""}
	}
	name := fmt.Sprintf("qr%s", v.URL.Path[strings.LastIndex(v.URL.Path, "."):])
	v.w.Header().Set("Content-Disposition", `inline; filename="`+name+`"`)
	return v.write(http.StatusOK, kind, image)
}
