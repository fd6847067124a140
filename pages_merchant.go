package main

// The merchant's pages about payments: the overview, the list, one payment, and what waits for a person.

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"hissa/paytm"
	"hissa/web"
)

var merchantRoutes = []route{
	{pattern: "GET /admin/{$}", may: shop, handle: (*server).pageOverview},
	{pattern: "GET /admin/payments", may: shop, handle: (*server).pagePayments},
	{pattern: "GET /admin/payments/{txn}", may: shop, handle: (*server).pagePayment},
	{pattern: "POST /admin/payments/{txn}/confirm", may: whoPays, handle: (*server).handleConfirm},
	{pattern: "POST /admin/payments/{txn}/review", may: whoPays, handle: (*server).handleReview},
	{pattern: "GET /admin/needs/{what}", may: shop, handle: (*server).pageNeeds},
}

const (
	latestShown = 10
	longestDays = 366 // of a range, so that its sums are there at once
)

// rangeOf is the days that a page is asked about, in India: range=today, 7d, 30d, or from and to. What is no
// date, or too long, is the default.
func rangeOf(v *visit, now time.Time, usual string) web.Range {
	today := dayOf(now)
	query := v.URL.Query()
	from, err := time.ParseInLocation(time.DateOnly, query.Get("from"), ist)
	to, err2 := time.ParseInLocation(time.DateOnly, query.Get("to"), ist)
	if first, last := dayOf(from), dayOf(to); err == nil && err2 == nil && first >= 0 && first <= last {
		return web.Range{Name: "custom", From: startOf(max(first, last-longestDays+1)), To: startOf(last + 1)}
	}
	days := map[string]int64{"today": 1, "7d": 7, "30d": 30}
	name := query.Get("range")
	if days[name] == 0 {
		name = usual
	}
	return web.Range{Name: name, From: startOf(today + 1 - days[name]), To: startOf(today + 1)}
}

// daysOfRange are a range's days, the last left out, and where the period before begins, which is as long.
func daysOfRange(r web.Range) (before, from, to int64) {
	from, to = dayOf(r.From), dayOf(r.To)
	return 2*from - to, from, to
}

// sumsOf are totals as pages show them; attributed is what of the payments some partner brought.
func sumsOf(t Totals, attributed, partners int64) web.Sums {
	return web.Sums{Sales: t.Sales, Refunds: t.Refunds, Commission: t.Commission - t.Reversed,
		Payments: t.Payments, Attributed: attributed, Clicks: t.Clicks, Partners: partners}
}

// shopSums adds up what each partner brought, and nobody.
func shopSums(each map[string]Totals) web.Sums {
	var sum Totals
	var attributed, bringers int64
	for code, t := range each {
		sum = sum.plus(t, 1)
		if code != "" {
			attributed += t.Payments
			if t.Payments > 0 {
				bringers++
			}
		}
	}
	return sumsOf(sum, attributed, bringers)
}

// chartDays are all days of a range, those without anything too.
func chartDays(list []dayTotal, from, to, today int64) []web.Day {
	days := make([]web.Day, 0, max(0, to-from))
	for day := from; day < to; day++ {
		d := web.Day{Date: startOf(day), Partial: day == today}
		if len(list) > 0 && list[0].day == day {
			d.Sales, d.Refunds = list[0].Sales, list[0].Refunds
			d.Commission = list[0].Commission - list[0].Reversed
			list = list[1:]
		}
		days = append(days, d)
	}
	return days
}

func (s *server) pageOverview(v *visit) error {
	now := s.store.now()
	page := web.Overview{Range: rangeOf(v, now, "today"), Checked: now, Webhook: s.config.URLFor("webhooks", "paytm")}
	terms, err := s.store.Terms(v.Context())
	if err != nil {
		return err
	}
	page.HasPartner = len(terms.partners) > 0
	before, from, to := daysOfRange(page.Range)
	err = s.store.read(v.Context(), func(r rows) error {
		each, err := r.byPartner(from, to)
		if err != nil {
			return err
		}
		page.Sums = shopSums(each)
		earlier, err := r.byPartner(before, from)
		if err != nil {
			return err
		}
		page.Before = shopSums(earlier)
		// A single day has no shape: the chart then shows the week before it.
		first := min(from, to-7)
		days, err := r.byDay(first, to)
		if err != nil {
			return err
		}
		page.Days = chartDays(days, first, to, dayOf(now))
		owed, err := r.owed(terms, "", now)
		if err != nil {
			return err
		}
		page.Held, page.NextRelease, page.Due = owed.Held, owed.Next, owed.due()
		if err := r.one(q("page-drafts"), nil, &page.Drafts); err != nil {
			return err
		}
		if page.Applications, err = r.countApplications(); err != nil {
			return err
		}
		if page.Partners, err = r.bestPartners(each); err != nil {
			return err
		}
		latest, err := r.payments(paymentFilter{Amount: -1}, newest, latestShown, now)
		if err != nil {
			return err
		}
		page.Nothing = len(latest.Lines) == 0
		page.Latest, err = r.paymentRows(latest.Lines, now)
		return err
	})
	if err != nil {
		return err
	}
	if page.Needs, err = s.needs(v.Context()); err != nil {
		return err
	}
	page.Complete, err = s.completeness(v.Context())
	page.Replica = s.replicaState()
	if err != nil {
		return err
	}
	return v.show(page)
}

// bestPartners are those who earned most.
func (r rows) bestPartners(each map[string]Totals) (list []web.PartnerBar, err error) {
	for code, t := range each {
		if earned := t.Commission - t.Reversed; code != "" && earned > 0 {
			list = append(list, web.PartnerBar{Code: code, Commission: earned, Sales: t.Sales, Payments: t.Payments})
		}
	}
	slices.SortFunc(list, func(a, b web.PartnerBar) int {
		if a.Commission != b.Commission {
			return int(max(-1, min(1, b.Commission-a.Commission)))
		}
		return strings.Compare(a.Code, b.Code)
	})
	list = list[:min(len(list), latestShown)]
	for i := range list {
		to, err := r.contact(list[i].Code)
		if err != nil {
			return nil, err
		}
		list[i].Name = to.Name
	}
	return list, nil
}

// completeness is what the last comparison with Paytm's list came to.
func (s *server) completeness(ctx context.Context) (web.Completeness, error) {
	last, err := s.store.LastReconciliation(ctx)
	if err != nil || last == nil {
		return web.Completeness{}, err
	}
	healed := last.Missing + last.Unrefunded
	return web.Completeness{
		Known: last.Error == "", Upto: last.To, Trouble: last.Error, Healed: healed,
		Paytm: last.Listed, Here: last.Listed - last.Mismatched,
	}, nil
}

// replicaState is how the copy stands.
func (s *server) replicaState() web.Replica {
	if s.mirror == nil {
		return web.Replica{State: "off"}
	}
	copied := s.mirror.Status()
	r := web.Replica{State: "ok", Trouble: copied.Error}
	switch {
	case copied.SyncedAt.IsZero() && copied.Error != "":
		r.State = "failed"
	case !copied.InStep:
		r.State = "behind"
	}
	if !copied.SyncedAt.IsZero() {
		r.Lag = time.Duration(s.lag(copied) * float64(time.Second))
	}
	return r
}

// needs counts what waits for a person, what was refused at the door too.
func (s *server) needs(ctx context.Context) (list []web.Need, err error) {
	counted, err := s.store.Needs(ctx)
	if err != nil {
		return nil, err
	}
	refused, err := lastRefused(s.store.path, s.store.now(), countAtMost+1)
	if err != nil {
		return nil, err
	}
	need := Need{Kind: "refused", Count: int64(len(refused))}
	if len(refused) > 0 {
		need.Oldest = refused[len(refused)-1].At
	}
	for _, n := range append(counted, need.atMost(countAtMost)) {
		list = append(list, web.Need{Kind: n.Kind, Count: n.Count, More: n.More, Oldest: n.Oldest})
	}
	return list, nil
}

// badge is how much waits for a person, as every page shows it; counted anew when it is some seconds old.
type badge struct {
	mu sync.Mutex
	at time.Time
	n  int
}

const badgeLasts = 10 * time.Second

// count leaves out what is there in a shop where nothing is wrong. Trouble with it stops no page.
func (b *badge) count(ctx context.Context, s *server) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.at) < badgeLasts {
		return b.n
	}
	list, err := s.store.Needs(ctx)
	if err != nil {
		s.log.Error("what needs a person is not counted", "cause", err.Error())
		return b.n
	}
	b.at, b.n = time.Now(), 0
	for _, n := range list {
		if n.Kind != "unattributed" {
			b.n += int(n.Count)
		}
	}
	return b.n
}

// paymentRows are payments as lists show them.
func (r rows) paymentRows(lines []paymentLine, now time.Time) ([]web.PaymentRow, error) {
	names, err := r.namesOf(lines)
	var list []web.PaymentRow
	for _, l := range lines {
		row := web.PaymentRow{TxnID: l.TxnID, Order: l.OrderID, At: l.PaidAt, Amount: l.Amount, Currency: l.Currency,
			Refunded: l.Refunded, Partner: l.Partner, Name: names[l.Partner]}
		row.State, row.Blocks = l.state(now)
		if l.Commission != nil {
			row.Commission = l.Commission.net()
		}
		list = append(list, row)
	}
	return list, err
}

// namesOf are the names of the partners in a list.
func (r rows) namesOf(lines []paymentLine) (map[string]string, error) {
	names := map[string]string{"": ""}
	for _, l := range lines {
		if _, known := names[l.Partner]; known {
			continue
		}
		to, err := r.contact(l.Partner)
		if err != nil {
			return nil, err
		}
		names[l.Partner] = to.Name
	}
	return names, nil
}

// pagingOf is where a page of a list stands.
func pagingOf(from place, next *place) (p web.Paging) {
	if from != newest {
		p.Before = from.String()
	}
	if next != nil {
		p.Older = next.String()
	}
	return p
}

// amountPattern is what a person types for an amount in rupees and for nothing else.
var amountPattern = pattern(`^₹? ?([0-9][0-9,]*)(\.[0-9]{1,2})?$`)

// asAmount reads an amount; sure is whether it can be nothing else: it has a ₹, a comma or paise.
func asAmount(text string) (paise int64, sure bool) {
	if !amountPattern().MatchString(text) {
		return -1, false
	}
	plain := strings.NewReplacer("₹", "", " ", "", ",", "").Replace(text)
	paise, err := paytm.ParseAmount(plain)
	if err != nil {
		return -1, false
	}
	return paise, plain != text || strings.Contains(plain, ".")
}

// paymentQuery reads what the list is narrowed down to.
func paymentQuery(v *visit) (web.PaymentQuery, paymentFilter) {
	query := v.URL.Query()
	q := web.PaymentQuery{Text: strings.TrimSpace(query.Get("q")), State: query.Get("state"),
		Partner: query.Get("partner"), Faults: map[string]string{}}
	states := []string{"", "due", "held", "paid", "reversed", "nobody", "pending", "failed", "refunded"}
	if !slices.Contains(states, q.State) {
		q.State = ""
	}
	f := paymentFilter{Partner: q.Partner, State: q.State, Amount: -1}
	for name, at := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		text := query.Get(name)
		day, err := time.ParseInLocation(time.DateOnly, text, ist)
		if text != "" && err != nil {
			q.Faults[name] = "date"
		} else if text != "" {
			*at = day
		}
	}
	f.Span.From = q.From
	if !q.To.IsZero() {
		f.Span.To = q.To.AddDate(0, 0, 1)
	}
	return q, f
}

func (s *server) pagePayments(v *visit) error {
	q, f := paymentQuery(v)
	from := parsePlace(v.URL.Query().Get("before"))
	page := web.Payments{Query: q, Webhook: s.config.URLFor("webhooks", "paytm")}
	amount, sure := asAmount(q.Text)
	if sure {
		f.Amount = amount
	} else if q.Text != "" {
		found, more, err := s.store.PaymentsNamed(v.Context(), q.Text, pageRows)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			if more {
				v.notice = "more_found"
			}
			return s.showPayments(v, page, paymentList{Lines: found}, newest)
		}
		terms, err := s.store.Terms(v.Context())
		if err != nil {
			return err
		}
		// No id begins so: it may be a partner's code, or an amount.
		code, is := terms.codes[lower(q.Text)]
		switch {
		case is:
			f.Partner = code.Partner
		case amount >= 0:
			f.Amount = amount
		default:
			return s.showPayments(v, page, paymentList{}, newest)
		}
	}
	found, err := s.store.Payments(v.Context(), f, from, pageRows)
	if err != nil {
		return err
	}
	if !found.Upto.IsZero() {
		v.notice = "looked_back"
	}
	return s.showPayments(v, page, found, from)
}

func (s *server) showPayments(v *visit, page web.Payments, found paymentList, from place) error {
	page.Paging = pagingOf(from, found.Next)
	page.Nothing = len(found.Lines) == 0 && found.Next == nil && from == newest && !page.Query.Any()
	err := s.store.read(v.Context(), func(r rows) (err error) {
		page.Rows, err = r.paymentRows(found.Lines, s.store.now())
		return err
	})
	if err != nil {
		return err
	}
	return v.show(page)
}

// paymentPage is the page of the payment in the path.
func (v *visit) paymentPage() string { return "/admin/payments/" + pathSegment(v.PathValue("txn")) }

func (s *server) handleConfirm(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	say, d := v.PostFormValue("say"), Decision{Agree: v.PostFormValue("say") == "agree"}
	if say != "agree" && say != "deny" {
		return problem{http.StatusBadRequest, ""}
	}
	wrong := map[string]string{}
	var err error
	if d.Reason, err = oneReason(v.PostFormValue("reason")); err != nil {
		wrong["reason"] = "reason"
	}
	if text := strings.TrimSpace(v.PostFormValue("amount")); text != "" && d.Agree {
		if d.Amount, _ = asAmount(text); d.Amount <= 0 {
			wrong["amount"] = "amount"
		}
	}
	if len(wrong) > 0 {
		return s.showPayment(v, http.StatusUnprocessableEntity, typed(v, wrong, "reason", "amount"))
	}
	return s.paymentSaid(v, s.store.Decide(v.Context(), v.PathValue("txn"), d))
}

func (s *server) handleReview(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	say := v.PostFormValue("say")
	if say != "accept" && say != "refuse" {
		return problem{http.StatusBadRequest, ""}
	}
	reason, err := oneReason(v.PostFormValue("reason"))
	if err != nil {
		wrong := map[string]string{"reason": "reason"}
		return s.showPayment(v, http.StatusUnprocessableEntity, typed(v, wrong, "reason"))
	}
	return s.paymentSaid(v, s.store.Review(v.Context(), v.PathValue("txn"), say == "accept", reason))
}

func (s *server) paymentSaid(v *visit, err error) error {
	if said, is := asSentence(err); is {
		return v.failed(v.paymentPage(), said)
	}
	if err != nil {
		return err
	}
	return v.done(v.paymentPage(), "saved")
}

// typed is a form that comes back with what was typed into some of its fields.
func typed(v *visit, wrong map[string]string, fields ...string) web.Form {
	f := web.Form{Values: map[string]string{}, Errors: wrong}
	for _, name := range fields {
		f.Values[name] = v.PostFormValue(name)
	}
	return f
}

func (s *server) pageNeeds(v *visit) error {
	what, from := v.PathValue("what"), parsePlace(v.URL.Query().Get("before"))
	page := web.Needs{What: what}
	var next *place
	var err error
	switch what {
	case "review", "refunds":
		page.Rows, next, err = s.needMessages(v.Context(), what, from)
	case "forward":
		page.Rows, next, err = s.needForwards(v.Context(), from)
	case "refused":
		page.Rows, err = s.needRefused()
	default:
		page.Rows, next, err = s.needPayments(v.Context(), what, from)
	}
	if err != nil {
		return err
	}
	page.Paging = pagingOf(from, next)
	if page.All, err = s.needs(v.Context()); err != nil {
		return err
	}
	return v.show(page)
}

func (s *server) needPayments(ctx context.Context, what string, from place) (list []web.NeedRow, next *place, err error) {
	found, err := s.store.NeedPayments(ctx, what, from, pageRows)
	if err != nil {
		return nil, nil, err
	}
	now := s.store.now()
	err = s.store.read(ctx, func(r rows) error {
		names, err := r.namesOf(found.Lines)
		for _, l := range found.Lines {
			row := web.NeedRow{TxnID: l.TxnID, At: l.PaidAt, Amount: l.Amount, Partner: l.Partner, Name: names[l.Partner], Why: l.Why}
			if l.Commission != nil {
				row.Held, row.Why = l.Commission.net(), whyBlocked(l.Commission.Blocks, l.Abuse, l.Conflict)
			} else if l.Conflict != "" {
				row.Why = l.Conflict
			}
			switch what {
			case "expired":
				row.Why = "Paytm's API has known nothing since " + day(l.FirstAt)
			case "denied":
				row.Held, row.Why = l.Commission.Amount, "a message said success, Paytm's API says that it failed"
			}
			if l.confirmationAt(now) == waiting && row.Why == "" {
				row.Why = blockWords("unconfirmed", now)
			}
			list = append(list, row)
		}
		return err
	})
	return list, found.Next, err
}

func (s *server) needMessages(ctx context.Context, what string, from place) (list []web.NeedRow, next *place, err error) {
	found, next, err := s.store.NeedMessages(ctx, what, from, pageRows)
	for _, n := range found {
		row := web.NeedRow{TxnID: n.TxnID, At: n.At, Amount: n.Amount, Why: n.Type + ": " + n.Unusable}
		if what == "refunds" {
			row.Amount, row.Label = n.Refund, n.RefundID
			row.Why = n.Type + " of a payment that is not known"
		} else if n.TxnID == "" {
			row.Label = n.subject()
		}
		list = append(list, row)
	}
	return list, next, err
}

func (s *server) needForwards(ctx context.Context, from place) (list []web.NeedRow, next *place, err error) {
	found, next, err := s.store.Untaken(ctx, from, pageRows)
	for _, u := range found {
		row := web.NeedRow{At: u.At, Why: u.Said, Label: u.Subject}
		if u.Subject == "" {
			row.Label = fmt.Sprint("message ", u.ID)
		} else if !strings.Contains(u.Subject, " ") {
			row.TxnID, row.Label = u.Subject, ""
		}
		list = append(list, row)
	}
	return list, next, err
}

// needRefused lists what was refused last: nothing in it is proved, so only the sender's network is shown.
func (s *server) needRefused() (list []web.NeedRow, err error) {
	found, err := lastRefused(s.store.path, s.store.now(), pageRows)
	words := map[int]string{http.StatusUnauthorized: "its signature does not fit the merchant key, or it names another shop",
		http.StatusBadRequest: "nobody can read it"}
	for _, m := range found {
		list = append(list, web.NeedRow{Label: m.From, At: m.At, Why: words[m.Status]})
	}
	return list, err
}

// sortedKeys are the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
