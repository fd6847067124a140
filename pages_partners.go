package main

// The merchant's pages about partners: the list, one partner, adding and changing one, taking many from a file.

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hissa/web"
)

// partnerRoutes has forms beside /admin/partners/, not below: any word there may be a partner's code.
var partnerRoutes = []route{
	{pattern: "GET /admin/partners", may: shop, handle: (*server).pagePartners},
	{pattern: "GET /admin/new-partner", may: whoPays, handle: (*server).pageNewPartner},
	{pattern: "POST /admin/new-partner", may: whoPays, handle: (*server).handleNewPartner},
	{pattern: "GET /admin/import", may: whoPays, handle: (*server).pageImport},
	{pattern: "POST /admin/import", may: whoPays, largest: importBody, handle: (*server).handleImport},
	{pattern: "GET /admin/partners/{code}", may: shop, handle: (*server).pagePartner},
	{pattern: "GET /admin/partners/{code}/edit", may: whoPays, handle: (*server).pageEditPartner},
	{pattern: "POST /admin/partners/{code}/edit", may: whoPays, handle: (*server).handleEditPartner},
	{pattern: "POST /admin/partners/{code}/state", may: whoPays, handle: (*server).handlePartnerState},
	{pattern: "POST /admin/partners/{code}/invite", may: whoPays, again: "people", handle: (*server).handleInvite},
	{pattern: "POST /admin/partners/{code}/shut-out", may: owners, again: "people", handle: (*server).handleShutOut},
	{pattern: "GET /admin/partners/{code}/qr.svg", may: shop, handle: (*server).partnerQR},
	{pattern: "GET /admin/partners/{code}/qr.png", may: shop, handle: (*server).partnerQR},
}

const (
	importBody    = 6 << 20 // of a form with a file; larger files are for hissa import
	partnersShown = 25
	sparkDays     = 30
	sampleSize    = 200 // of a partner's newest payments, for who was brought and by which sub-id
	customersMost = 20
)

func (s *server) pagePartners(v *visit) error {
	query := v.URL.Query()
	page := web.Partners{Text: strings.TrimSpace(query.Get("q")), State: query.Get("state"), Join: s.config.Join.Open}
	if page.State != "active" && page.State != "disabled" {
		page.State = ""
	}
	behind := query.Get("before")
	page.Paging.Before = behind
	terms, err := s.store.Terms(v.Context())
	if err != nil {
		return err
	}
	page.Nothing = len(terms.partners) == 0
	err = s.store.read(v.Context(), func(r rows) error {
		codes, err := r.partnersLike(terms, page.Text, page.State, behind)
		if err != nil {
			return err
		}
		if len(codes) > partnersShown {
			codes = codes[:partnersShown]
			page.Paging.Older = codes[partnersShown-1]
		}
		if page.Applications, err = r.countApplications(); err != nil {
			return err
		}
		page.Rows, err = r.partnerLines(terms, codes, s.store.now())
		return err
	})
	if err != nil {
		return err
	}
	return v.show(page)
}

// partnersLike are the codes of the partners behind one whose code, promo code or name contains a text, one
// more than a page shows at most.
func (r rows) partnersLike(t *Terms, text, state, behind string) (codes []string, err error) {
	text = strings.ToLower(text)
	named := map[string]bool{}
	for name, c := range t.codes {
		if text != "" && strings.Contains(name, text) {
			named[c.Partner] = true
		}
	}
	for _, code := range sortedKeys(t.partners) {
		versions := t.partners[code]
		if code <= behind || state != "" && versions[len(versions)-1].State != state {
			continue
		}
		if text != "" && !named[code] {
			to, err := r.contact(code)
			if err != nil {
				return nil, err
			}
			if !strings.Contains(strings.ToLower(to.Name), text) {
				continue
			}
		}
		if codes = append(codes, code); len(codes) > partnersShown {
			break
		}
	}
	return codes, nil
}

// partnerLines are partners as the list shows them.
func (r rows) partnerLines(t *Terms, codes []string, now time.Time) (list []web.PartnerRow, err error) {
	held, err := r.held(t, "", now)
	if err != nil {
		return nil, err
	}
	today := dayOf(now)
	for _, code := range codes {
		versions := t.partners[code]
		row := web.PartnerRow{Code: code, State: versions[len(versions)-1].State, Held: held[code], Days: make([]int64, sparkDays)}
		to, err := r.contact(code)
		if err != nil {
			return nil, err
		}
		row.Name = to.Name
		days, err := r.daysOf(code, today+1-sparkDays, today+1)
		if err != nil {
			return nil, err
		}
		for _, d := range days {
			row.Days[d.day-today-1+sparkDays] = d.Commission - d.Reversed
		}
		sum := totalOf(days)
		row.Clicks, row.Payments, row.Sales, row.Commission = sum.Clicks, sum.Payments, sum.Sales, sum.Commission-sum.Reversed
		var balance int64
		if err := r.one(q("account-balance"), args{accountOf(code)}, &balance); err != nil {
			return nil, err
		}
		row.Due = Owed{Balance: balance, Held: row.Held}.due()
		list = append(list, row)
	}
	return list, nil
}

// partnerOf is the partner in the path, in the spelling of the books.
func (s *server) partnerOf(v *visit) (*Terms, Partner, error) {
	terms, err := s.store.Terms(v.Context())
	if err != nil {
		return nil, Partner{}, err
	}
	p, known := terms.partner(v.PathValue("code"))
	if !known {
		return nil, p, errNoPage
	}
	return terms, p, nil
}

func (s *server) pagePartner(v *visit) error {
	return s.showPartner(v, http.StatusOK, web.Access{}, web.Form{})
}

// showPartner shows a partner around what a form just did.
func (s *server) showPartner(v *visit, status int, made web.Access, form web.Form) error {
	terms, p, err := s.partnerOf(v)
	if err != nil {
		return err
	}
	now := s.store.now()
	page := web.Partner{Code: p.Code, State: p.State, Range: rangeOf(v, now, "30d"), Form: form,
		Since: terms.codes[lower(p.Code)].At, Links: []web.Link{{URL: s.config.URLFor("r", p.Code)}}}
	page.Promos, page.Refs = terms.codesOf(p.Code)
	page.Rates = terms.ratesOf(p.Code)
	before, from, to := daysOfRange(page.Range)
	err = s.store.read(v.Context(), func(r rows) error {
		contact, err := r.contact(p.Code)
		if err != nil {
			return err
		}
		page.Name, page.Mobile, page.Payee = contact.Name, contact.Mobile, payeeOf(contact, true)
		owed, err := r.owed(terms, p.Code, now)
		if err != nil {
			return err
		}
		page.Held, page.HeldUntil, page.Due = owed.Held, owed.Next, owed.due()
		if page.Paid, err = r.paidTo(p.Code); err != nil {
			return err
		}
		days, err := r.daysOf(p.Code, from, to)
		if err != nil {
			return err
		}
		earlier, err := r.daysOf(p.Code, before, from)
		if err != nil {
			return err
		}
		page.Days = chartDays(days, from, to, dayOf(now))
		sum, sumBefore := totalOf(days), totalOf(earlier)
		page.Sums = sumsOf(sum, sum.Payments, 1)
		page.Before = sumsOf(sumBefore, sumBefore.Payments, 1)
		return s.partnerPayments(r, terms, &page, now)
	})
	if err != nil {
		return err
	}
	if page.Access = made; made.Link == "" {
		if page.Access, err = s.access(v.Context(), p.Code); err != nil {
			return err
		}
	}
	if s.mailer != nil {
		page.Access.Mail = page.Payee.Email
	}
	return v.render(status, page)
}

// partnerPayments fills in what the partner's newest payments tell: the last of them, who was brought, what
// came by which sub-id.
func (s *server) partnerPayments(r rows, t *Terms, page *web.Partner, now time.Time) error {
	sample, err := r.payments(paymentFilter{Partner: page.Code, Amount: -1}, newest, sampleSize, now)
	if err != nil {
		return err
	}
	latest := sample.Lines[:min(len(sample.Lines), latestShown)]
	if page.Latest, err = r.paymentRows(latest, now); err != nil {
		return err
	}
	if page.Customers.On = t.anyLifetime(); page.Customers.On {
		page.Customers.Rows = customersOf(sample.Lines, t.latest().Lifetime)
		page.Customers.Count = int64(len(page.Customers.Rows))
		page.Customers.Rows = page.Customers.Rows[:min(len(page.Customers.Rows), customersMost)]
	}
	page.Subs, page.MoreSubs, err = r.subsOf(page.Code, sample)
	return err
}

// customersOf are those whom a partner brought, as far as payments tell, the newest first. They are known by
// a keyed hash; its beginning tells them apart.
func customersOf(lines []paymentLine, months int) (list []web.Customer) {
	at := map[string]int{}
	for _, l := range lines {
		if l.Customer == "" || l.Commission == nil {
			continue
		}
		i, known := at[l.Customer]
		if !known {
			i, at[l.Customer] = len(list), len(list)
			list = append(list, web.Customer{ID: masked + l.Customer[:min(6, len(l.Customer))]})
		}
		c := &list[i]
		c.Since = l.PaidAt // the last that is looked at is the earliest
		c.Payments, c.Commission = c.Payments+1, c.Commission+l.Commission.net()
		if months > 0 {
			c.Until = c.Since.In(ist).AddDate(0, months, 0)
		}
	}
	return list
}

// subsOf are a partner's clicks by sub-id, and what the newest payments brought by them.
func (r rows) subsOf(code string, sample paymentList) (list []web.Sub, more bool, err error) {
	clicks, err := r.clicksBySub(code)
	if err != nil {
		return nil, false, err
	}
	brought := map[string]web.Sub{}
	for _, l := range sample.Lines {
		if l.Basis != "click" && l.Basis != "reference" || l.Commission == nil {
			continue
		}
		c, err := r.click(l.Value)
		if err != nil {
			return nil, false, err
		}
		if c != nil && c.Sub != "" {
			b := brought[c.Sub]
			brought[c.Sub] = web.Sub{Payments: b.Payments + 1, Commission: b.Commission + l.Commission.net()}
		}
	}
	for _, c := range clicks {
		sub := brought[c.Sub]
		sub.Sub, sub.Clicks = subText(c.Sub), c.Clicks
		list = append(list, sub)
	}
	more = len(list) > subsShown
	return list[:min(len(list), subsShown)], more, nil
}

// subText writes the sub-ids of a link, sub=a&sub1=b, as people read them: a, or a · sub1 b.
func subText(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return query
	}
	var parts []string
	for _, name := range sortedKeys(values) {
		text := values.Get(name)
		if name != "sub" {
			text = name + " " + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " · ")
}

// codesOf are a partner's promo codes and references, with the rates of their own.
func (t *Terms) codesOf(partner string) (promos, refs []web.Code) {
	for _, name := range sortedKeys(t.codes) {
		c := t.codes[name]
		if c.Partner != partner || c.Kind == "partner" {
			continue
		}
		w := web.Code{Code: c.Code, Since: c.At}
		if versions := t.rates[name]; len(versions) > 0 {
			w.Rate = rateText(versions[len(versions)-1].Rate)
		}
		if c.Kind == "promo" {
			promos = append(promos, w)
		} else {
			refs = append(refs, w)
		}
	}
	return promos, refs
}

// ratesOf are a partner's rates and states since when, and those of the promo codes, the newest first.
func (t *Terms) ratesOf(partner string) (list []web.RateChange) {
	before := Partner{State: "active"}
	for i, p := range t.partners[partner] {
		c := web.RateChange{At: p.At, Rate: rateText(p.Rate)}
		if i == 0 {
			c.At = time.Time{} // the first covers all time before it
		} else if p.State != before.State && p.State == "disabled" {
			c.State = p.State
		}
		if i == 0 || p.Rate != before.Rate || p.State != before.State {
			list = append(list, c)
		}
		before = p
	}
	for _, name := range sortedKeys(t.rates) {
		if code := t.codes[name]; code.Partner == partner {
			for _, v := range t.rates[name] {
				list = append(list, web.RateChange{At: v.At, Rate: rateText(v.Rate), Of: code.Code})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b web.RateChange) int { return b.At.Compare(a.At) })
	return list
}

// payeeOf is where a partner's money goes. Masked, a bank account shows its last digits.
func payeeOf(c Contact, hide bool) web.Payee {
	p := web.Payee{Name: c.Name, VPA: c.VPA, Account: c.Account, IFSC: c.IFSC, PAN: c.PAN, Email: c.Email, GSTIN: c.GSTIN}
	if hide {
		p.Account, p.PAN = lastDigits(c.Account), lastDigits(c.PAN)
	}
	return p
}

// lastDigits hides all but the last four.
func lastDigits(text string) string {
	if len(text) <= 4 {
		return text
	}
	return masked + text[len(text)-4:]
}

func (s *server) handlePartnerState(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	_, p, err := s.partnerOf(v)
	if err != nil {
		return err
	}
	state := v.PostFormValue("state")
	if state != "active" && state != "disabled" {
		return problem{http.StatusBadRequest, ""}
	}
	reason, err := oneReason(v.PostFormValue("reason"))
	if err != nil {
		wrong := map[string]string{"reason": "reason"}
		return s.showPartner(v, http.StatusUnprocessableEntity, web.Access{}, typed(v, wrong, "reason"))
	}
	if _, err := s.store.SetPartner(v.Context(), PartnerChange{Code: p.Code, State: state, Reason: reason}); err != nil {
		return err
	}
	return v.done("/admin/partners/"+pathSegment(p.Code), "saved")
}

// partnerQR is a partner's link as a picture.
func (s *server) partnerQR(v *visit) error {
	_, p, err := s.partnerOf(v)
	if err != nil {
		return err
	}
	link := s.config.URLFor("r", p.Code)
	if sub := v.URL.Query().Get("sub"); sub != "" {
		link += "?sub=" + url.QueryEscape(sub)
	}
	return v.picture(link)
}

// programRate is the rate that holds for partners without their own.
func (s *server) programRate() string { return rateText(s.config.program().Rate) }

func (s *server) pageNewPartner(v *visit) error {
	return v.show(web.PartnerForm{Rate: s.programRate()})
}

var partnerFields = []string{"code", "name", "email", "rate", "promo", "ref", "vpa"}

// partnerWas are the fields whose values a form that changes a partner brings along as it showed them first. What
// nobody has touched stays as it is by now: the partner may have changed it meanwhile.
var partnerWas = []string{"was_name", "was_email", "was_rate", "was_vpa"}

// partnerTyped reads the form that adds a partner or changes one, who then has these values. A field that was
// emptied takes away what was there.
func partnerTyped(v *visit, values map[string]string) (c PartnerChange, wrong map[string]string) {
	text := func(name string) string { return strings.TrimSpace(v.PostFormValue(name)) }
	wrong = map[string]string{}
	set := func(name string) *string {
		before := values[name]
		if v.PostForm.Has("was_" + name) {
			before = v.PostFormValue("was_" + name)
		}
		if value := text(name); value != before {
			return &value
		}
		return nil
	}
	c.Name, c.Email, c.VPA = set("name"), set("email"), set("vpa")
	c.Promos, c.References = strings.Fields(text("promo")), strings.Fields(text("ref"))
	rate, err := parseRate(firstText(text("rate"), "program"), "program")
	if err != nil {
		wrong["rate"] = "rate"
	} else if set("rate") != nil {
		c.Rate = &rate
	}
	if text("name") == "" {
		wrong["name"] = "needed"
	}
	if err := c.ratePromos(); err != nil {
		wrong["promo"] = "rate"
	}
	for field, part := range map[string]PartnerChange{
		"name": {Name: c.Name}, "email": {Email: c.Email}, "vpa": {VPA: c.VPA},
		"promo": {Promos: c.Promos}, "ref": {References: c.References},
	} {
		if err := checkPartner(part); err != nil && wrong[field] == "" {
			wrong[field] = map[string]string{"email": "email", "vpa": "vpa", "promo": "codeform", "ref": "codeform"}[field]
			if wrong[field] == "" {
				wrong[field] = strings.TrimPrefix(err.Error(), "-")
			}
		}
	}
	return c, wrong
}

func (s *server) handleNewPartner(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	c, wrong := partnerTyped(v, nil)
	c.Code = strings.TrimSpace(v.PostFormValue("code"))
	if !codePattern().MatchString(c.Code) || strings.HasPrefix(c.Code, clickPrefix) {
		wrong["code"] = "codeform"
	}
	page := web.PartnerForm{Rate: s.programRate(), Form: typed(v, wrong, partnerFields...)}
	if len(wrong) > 0 {
		return v.render(http.StatusUnprocessableEntity, page)
	}
	_, err := s.store.AddPartner(v.Context(), c)
	return s.partnerSaid(v, page, c.Code, err)
}

// partnerSaid goes on to the partner, or back to the form where a code or an address is taken.
func (s *server) partnerSaid(v *visit, page web.PartnerForm, code string, err error) error {
	var taken codeTaken
	if errors.As(err, &taken) {
		field := "promo"
		switch {
		case lower(taken.Code.Code) == lower(v.PostFormValue("code")):
			field = "code"
		case slices.ContainsFunc(strings.Fields(v.PostFormValue("ref")), func(ref string) bool {
			return lower(ref) == lower(taken.Code.Code)
		}):
			field = "ref"
		}
		page.Form.Errors[field] = taken.Error()
		return v.render(http.StatusUnprocessableEntity, page)
	}
	if said, is := asSentence(err); is { // another partner signs in with that address
		page.Form.Errors["email"] = said
		return v.render(http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	return v.done("/admin/partners/"+pathSegment(code), "saved")
}

// partnerRow is one partner with codes and contact.
func (s *server) partnerRow(v *visit) (row PartnerRow, err error) {
	terms, p, err := s.partnerOf(v)
	if err != nil {
		return row, err
	}
	row.Partner = p
	promos, refs := terms.codesOf(p.Code)
	for _, c := range promos {
		row.Promos = append(row.Promos, c.Code)
	}
	for _, c := range refs {
		row.References = append(row.References, c.Code)
	}
	err = s.store.read(v.Context(), func(r rows) error {
		row.Contact, err = r.contact(p.Code)
		return err
	})
	return row, err
}

func (s *server) pageEditPartner(v *visit) error {
	row, err := s.partnerRow(v)
	if err != nil {
		return err
	}
	values := row.values()
	for _, was := range partnerWas {
		values[was] = values[strings.TrimPrefix(was, "was_")]
	}
	return v.show(web.PartnerForm{Code: row.Code, Rate: s.programRate(), Form: web.Form{Values: values}})
}

// values are a partner's as the form has them.
func (p PartnerRow) values() map[string]string {
	rate := ""
	if p.Rate != (Rate{}) {
		rate = p.Rate.String()
	}
	return map[string]string{
		"name": p.Name, "email": p.Email, "vpa": p.VPA, "rate": rate,
		"promo": strings.Join(p.Promos, " "), "ref": strings.Join(p.References, " "),
	}
}

func (s *server) handleEditPartner(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	row, err := s.partnerRow(v)
	if err != nil {
		return err
	}
	c, wrong := partnerTyped(v, row.values())
	c.Code = row.Code
	// A code never leaves its partner, so those that are not named again stay.
	known := func(list []string) func(string) bool {
		return func(code string) bool {
			return slices.ContainsFunc(list, func(one string) bool { return lower(one) == lower(code) })
		}
	}
	c.Promos = slices.DeleteFunc(c.Promos, func(code string) bool {
		_, rated := c.PromoRates[code]
		return known(row.Promos)(code) && !rated
	})
	c.References = slices.DeleteFunc(c.References, known(row.References))
	page := web.PartnerForm{Code: row.Code, Rate: s.programRate(),
		Form: typed(v, wrong, append(slices.Clone(partnerWas), partnerFields...)...)}
	if len(wrong) > 0 {
		return v.render(http.StatusUnprocessableEntity, page)
	}
	// Whoever has the address is sent the link that lets them change where the money goes.
	if c.VPA != nil || c.Email != nil {
		if sure, err := v.askAgain("partner"); err != nil || !sure {
			return err
		}
	}
	_, err = s.store.SetPartner(v.Context(), c)
	return s.partnerSaid(v, page, c.Code, err)
}

func (s *server) pageImport(v *visit) error { return v.show(web.Import{}) }

// handleImport judges a file, and books it when it was judged before and nothing is wrong.
func (s *server) handleImport(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	text, apply := v.PostFormValue("text"), v.PostFormValue("apply") == "1"
	if !apply {
		file, _, err := v.FormFile("file")
		if err != nil {
			return s.importFault(v, "file")
		}
		defer file.Close()
		read, err := io.ReadAll(io.LimitReader(file, importAtMost+1))
		if err != nil {
			return err
		}
		text = string(read)
	}
	lines, err := readPartners(strings.NewReader(text))
	if err != nil {
		return s.importFault(v, "file")
	}
	if err := s.store.judgeImport(v.Context(), lines); err != nil {
		return err
	}
	page := importPage(lines)
	page.Dry, page.Text = true, text
	if page.Bad > 0 {
		return v.render(http.StatusUnprocessableEntity, page)
	}
	if !apply {
		return v.show(page)
	}
	for _, l := range lines {
		if err := s.store.importPartner(v.Context(), l); err != nil {
			if said, is := asSentence(err); is { // another person was faster
				return v.failed("/admin/import", said)
			}
			return err
		}
	}
	return v.done("/admin/partners", "saved")
}

func (s *server) importFault(v *visit, fault string) error {
	return v.render(http.StatusUnprocessableEntity, web.Import{Form: web.Form{Errors: map[string]string{"file": fault}}})
}

// importPage says what would become of each line.
func importPage(lines []partnerLine) (page web.Import) {
	for _, l := range lines {
		row := web.ImportRow{Line: l.line, Code: l.change.Code, Said: "new", Note: l.left + l.wrong}
		if l.change.Name != nil {
			row.Name = *l.change.Name
		}
		switch {
		case l.wrong != "":
			row.Said = "fault"
			page.Bad++
		case l.left != "":
			row.Said = "same"
		default:
			page.New++
			if l.change.State == "disabled" {
				row.Note = fmt.Sprint("disabled ", row.Note)
			}
		}
		page.Rows = append(page.Rows, row)
	}
	return page
}
