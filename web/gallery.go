package web

// The gallery: every page in each of its states, from data that nobody earned. Designers look at it, and
// tests render all of it in every language.

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Sample is a page with its data.
type Sample struct {
	Name  string // overview/empty
	Page  Page
	Frame Frame
}

// The day of the gallery, and the shop's.
var galleryNow = time.Date(2026, 11, 22, 14, 5, 12, 0, IST)

func ago(d time.Duration) time.Time { return galleryNow.Add(-d) }

const hour = time.Hour

// hostile are texts that somebody might want to be more than texts.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`,
	"\u202egnirts desrever\u202c", "' onmouseover='alert(1)", "{{.Shop}} {n} {amount}",
	"../../admin/payouts",
	strings.Repeat("Ünendlich ", 1024),
}

// nasty is one of them.
func nasty(i int) string { return hostile[i%len(hostile)] }

// Gallery is every page in each state.
func Gallery() []Sample {
	var list []Sample
	add := func(role, path string, samples ...Sample) {
		for _, s := range samples {
			s.Frame.Lang, s.Frame.Path, s.Frame.Role = "en", path, role
			name, _, _ := strings.Cut(s.Name, "/")
			if at, is := galleryPaths[name]; is {
				s.Frame.Path = strings.TrimSuffix(at, "{$}")
			}
			s.Frame.Shop, s.Frame.Now = "Chai & Co", galleryNow
			if role == "partner" {
				s.Frame.Who = "Asha Verma"
			} else if role != "" {
				s.Frame.Who, s.Frame.Needs = "Meera Iyer", 9
			}
			list = append(list, s)
		}
	}
	add("", "/admin/sign-in", doorSamples()...)
	add("owner", "/admin/account", accountSamples()...)
	add("owner", "/admin/", overviewSamples()...)
	add("owner", "/admin/payments", paymentsSamples()...)
	add("owner", "/admin/payments/1", paymentSamples()...)
	add("finance", "/admin/needs/abuse", needsSamples()...)
	add("owner", "/admin/partners", partnersSamples()...)
	add("owner", "/admin/partners/ASHA", partnerSamples()...)
	add("finance", "/admin/statements", statementsSamples()...)
	add("owner", "/admin/payouts", payoutsSamples()...)
	add("owner", "/admin/tds", tdsSamples()...)
	add("owner", "/admin/settings", settingsSamples()...)
	add("viewer", "/admin/statements", Sample{Name: "viewer/statement", Page: galleryStatement()},
		Sample{Name: "viewer/partner", Page: partnerSamples()[0].Page}, Sample{Name: "viewer/people",
			Page: People{}})
	add("partner", "/partner/", portalSamples()...)
	add("", "/join", joinSamples()...)
	return list
}

// GalleryHandler shows the gallery: a list at /, each page below /gallery/, ?lang=hi for Hindi. Where a page
// of a shop would be is the first of its samples, so that one can click around.
func GalleryHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", Assets())
	for _, stream := range []string{"GET /admin/events", "GET /partner/events"} { // 204: there is no news, ever
		mux.HandleFunc(stream, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
		})
	}
	samples := Gallery()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		showSample(w, r, Sample{Page: galleryIndex{samples}, Frame: Frame{Shop: "Hissa", Now: galleryNow}})
	})
	placed := map[string]bool{}
	for _, s := range samples {
		show := func(w http.ResponseWriter, r *http.Request) { showSample(w, r, s) }
		mux.HandleFunc("GET /gallery/"+s.Name, show)
		name, _, _ := strings.Cut(s.Name, "/")
		if path, is := galleryPaths[name]; is && !placed[name] {
			placed[name] = true
			mux.HandleFunc("GET "+path, show)
		}
	}
	return mux
}

func showSample(w http.ResponseWriter, r *http.Request, s Sample) {
	s.Frame.Lang, s.Frame.Block = r.FormValue("lang"), r.FormValue("block")
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", Policy())
	h.Set("Cache-Control", "no-store")
	if path := r.URL.RequestURI(); s.Frame.Path == "" || !strings.HasPrefix(path, "/gallery/") {
		s.Frame.Path = path
	}
	if err := s.Page.Render(w, s.Frame); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func doorSamples() []Sample {
	wrong := Form{Values: map[string]string{"email": "meera@shop.in"},
		Errors: map[string]string{"password": "wrong"}}
	list := []Sample{
		{Name: "sign-in/staff", Page: SignIn{Next: "/admin/payments?state=held"}},
		{Name: "sign-in/wrong", Page: SignIn{Form: wrong}},
		{Name: "sign-in/code", Page: SignIn{Code: true}},
		{Name: "sign-in/partner", Page: SignIn{Portal: true}},
		{Name: "sign-in/partner-mail", Page: SignIn{Portal: true, Mail: true, Sent: true}},
		{Name: "sign-in/partner-asks", Page: SignIn{Portal: true, Mail: true, Ask: Form{
			Values: map[string]string{"email": nasty(0)}, Errors: map[string]string{"email": "email"}}}},
		{Name: "welcome/mailed", Page: Welcome{Portal: true, Mailed: true, Token: "T0KEN", Email: nasty(0)}},
		{Name: "welcome/gone-mailed", Page: Welcome{Portal: true, Mailed: true, Gone: true}},
		{Name: "welcome/new", Page: Welcome{Token: "T0KEN", Email: "meera@shop.in"}},
		{Name: "welcome/wrong", Page: Welcome{Token: nasty(6), Email: nasty(0), Portal: true, Reset: true,
			Form: Form{Errors: map[string]string{"password": "short", "again": "differ"}}}},
		{Name: "welcome/gone", Page: Welcome{Gone: true}},
		{Name: "welcome/gone-partner", Page: Welcome{Gone: true, Portal: true}},
		{Name: "again/approve", Page: PasswordAgain{Action: "/admin/statements/17", Act: "approve",
			Code:   true,
			Fields: []Field{{"step", "approved"}, {"reason", nasty(1)}}}},
		{Name: "again/wrong", Page: PasswordAgain{Action: "/admin/keys", Act: "key",
			Form: Form{Errors: map[string]string{"password": "wrong"}}}},
	}
	for _, status := range []int{400, 403, 404, 405, 409, 413, 429, 500, 503} {
		list = append(list, Sample{Name: fmt.Sprintf("problem/%d", status), Page: Problem{Status: status}})
	}
	return append(list, Sample{Name: "problem/detail", Page: Problem{Status: 409, Detail: nasty(0)}})
}

func accountSamples() []Sample {
	uri := "otpauth://totp/Chai%20%26%20Co:meera@shop.in?secret=JBSWY3DPEHPK3PXP&issuer=Chai%20%26%20Co"
	return []Sample{
		{Name: "account/plain", Page: Account{Email: "meera@shop.in", Sessions: 2},
			Frame: Frame{Notice: "saved"}},
		{Name: "account/totp", Page: Account{Email: "meera@shop.in", Secret: "JBSWY3DPEHPK3PXP",
			URI: uri, Sessions: 1,
			Form: Form{Errors: map[string]string{"code": "code"}}}},
		{Name: "account/on", Page: Account{Email: nasty(1), TOTP: true, Sessions: 12}},
		{Name: "account/off-wrong", Page: Account{Email: "meera@shop.in", TOTP: true, Sessions: 1,
			Form: Form{Errors: map[string]string{"off_code": "code"}}}},
	}
}

var galleryNames = []struct{ code, name string }{
	{"ASHA", "Asha Verma"}, {"RAVI", "Ravi Kumar"}, {"MEERA", "मीरा शर्मा"}, {"KANPURFOODIE",
		"Kanpur Foodie"},
	{"TECHGURU", "Tech Guru Hindi"}, {"", ""},
}

func galleryTxn(i int) string { return fmt.Sprintf("202611221112128001101680%011d", 40017+i*7919) }

func galleryRows(n int) []PaymentRow {
	states := []string{"held", "due", "paid", "held", "reversed", "nobody", "held", "pending", "failed",
		"due"}
	var rows []PaymentRow
	for i := range n {
		who := galleryNames[i%len(galleryNames)]
		r := PaymentRow{TxnID: galleryTxn(i), Order: fmt.Sprint(4812 - i),
			At:     ago(time.Duration(i*i+3*i) * 7 * time.Minute),
			Amount: int64(49900 + i*i*37100%1900000), Partner: who.code, Name: who.name,
			State: states[i%len(states)]}
		r.Commission = r.Amount / 10
		if r.State == "nobody" || who.code == "" {
			r.State, r.Partner, r.Name, r.Commission = "nobody", "", "", 0
		}
		rows = append(rows, r)
	}
	return rows
}

// galleryRowsOf are n payments that a partner brought.
func galleryRowsOf(partner string, n int) (rows []PaymentRow) {
	for _, row := range galleryRows(100) {
		if row.Partner == partner && len(rows) < n {
			rows = append(rows, row)
		}
	}
	return rows
}

func galleryDays(n int) []Day {
	var days []Day
	first := time.Date(2026, 11, 22, 0, 0, 0, 0, IST).AddDate(0, 0, 1-n)
	for i := range n {
		d := Day{Date: first.AddDate(0, 0, i), Sales: int64(1800000 + (i*7919)%29*140000 + i%7*310000)}
		d.Commission = d.Sales / 11
		if i%6 == 4 {
			d.Refunds = int64(250000 + i*30000)
		}
		if i%11 == 7 {
			d.Commission = -90000
		}
		if i == n-1 {
			d.Partial, d.Sales, d.Commission = true, 1842500, 165000
		}
		days = append(days, d)
	}
	return days
}

func galleryRange(name string, days int) Range {
	to := time.Date(2026, 11, 23, 0, 0, 0, 0, IST)
	return Range{Name: name, From: to.AddDate(0, 0, -days), To: to}
}

func galleryNeeds() []Need {
	return []Need{
		{Kind: "conflict", Count: 1, Oldest: ago(26 * hour)}, {Kind: "expired", Count: 2,
			Oldest: ago(80 * hour)},
		{Kind: "unattributed", Count: 99, More: true, Oldest: ago(200 * hour)}, {Kind: "refunds",
			Count: 0},
		{Kind: "abuse", Count: 3, Oldest: ago(40 * time.Minute)}, {Kind: "merchant"}, {Kind: "denied",
			Count: 1, Oldest: ago(3 * hour)},
		{Kind: "dispute", Count: 1, Oldest: ago(90 * hour)},
		{Kind: "review"}, {Kind: "refused"}, {Kind: "forward", Count: 12, Oldest: ago(3 * time.Minute)},
	}
}

func overviewSamples() []Sample {
	webhook := "https://go.chai.example/webhooks/paytm"
	full := Overview{
		Range: galleryRange("30d", 30),
		Sums: Sums{Sales: 184250000, Refunds: 1240000, Commission: 16532175, Payments: 1342,
			Attributed: 948,
			Clicks:     18931, Partners: 14},
		Before: Sums{Sales: 161000000, Commission: 17010000},
		Held:   9_21_300_00, NextRelease: ago(-30 * hour), Due: 4_81_300_50, Days: galleryDays(30),
		Drafts:   3,
		Complete: Completeness{Known: true, Upto: ago(5 * hour), Paytm: 1342, Here: 1342, Healed: 2},
		Replica:  Replica{State: "ok", Lag: 2 * time.Second}, Needs: galleryNeeds(), Checked: ago(0),
		Latest: galleryRows(10), Webhook: webhook, HasPartner: true, Applications: 2,
	}
	for i, n := range galleryNames[:5] {
		full.Partners = append(full.Partners, PartnerBar{Code: n.code, Name: n.name,
			Commission: int64(5400000 / (i + 1))})
	}
	one := full
	one.Range, one.Days, one.Latest, one.Partners = galleryRange("today", 1), galleryDays(1),
		galleryRows(1), full.Partners[:1]
	one.Sums, one.Before = Sums{Sales: 149900, Commission: 14990, Payments: 1, Attributed: 1, Clicks: 9,
		Partners: 1}, Sums{}
	one.Needs, one.Held, one.Due, one.Drafts, one.Applications = nil, 14990, 0, 0, 0
	bad := full
	bad.Range, bad.Days = Range{"custom", ago(400 * 24 * hour), galleryNow}, galleryDays(400)
	bad.Sums.Sales, bad.Sums.Commission = 4_12_00_00_000_00, -5
	bad.Complete = Completeness{Known: true, Upto: ago(50 * hour), Trouble: nasty(0)}
	bad.Replica = Replica{State: "failed", Trouble: nasty(1)}
	bad.Partners = []PartnerBar{{Code: nasty(6), Name: nasty(7), Commission: 12}, {Code: nasty(2),
		Name: nasty(3)}}
	bad.Latest = []PaymentRow{{TxnID: nasty(6), Order: nasty(7), Partner: nasty(0), Name: nasty(7),
		State: nasty(4), At: galleryNow}}
	part := full
	part.Complete.Here = 1339
	part.Replica = Replica{State: "behind", Lag: 3 * hour}
	part.Range, part.Days = galleryRange("7d", 7), galleryDays(7)
	quiet := full
	quiet.Range, quiet.Days, quiet.Latest, quiet.Partners = galleryRange("7d", 7), make([]Day, 7), nil, nil
	for i := range quiet.Days {
		quiet.Days[i].Date = galleryRange("7d", 7).From.AddDate(0, 0, i)
	}
	quiet.Sums, quiet.Held, quiet.NextRelease, quiet.Complete = Sums{}, 0, time.Time{}, Completeness{}
	quiet.Replica = Replica{State: "off"}
	return []Sample{
		{Name: "overview/full", Page: full},
		{Name: "overview/nothing", Page: Overview{Nothing: true, Webhook: webhook,
			Replica: Replica{State: "off"}}},
		{Name: "overview/partner", Page: Overview{Nothing: true, HasPartner: true, Webhook: webhook,
			Replica: Replica{State: "ok"}}},
		{Name: "overview/one", Page: one}, {Name: "overview/part", Page: part}, {Name: "overview/quiet",
			Page: quiet},
		{Name: "overview/trouble", Page: bad, Frame: Frame{Fault: nasty(0)}},
	}
}

func paymentsSamples() []Sample {
	hostileRows := galleryRows(3)
	for i := range hostileRows {
		r := &hostileRows[i]
		r.TxnID, r.Order, r.Partner, r.Name, r.Currency = nasty(i), nasty(i+1), nasty(i+2), nasty(7), "USD"
	}
	return []Sample{
		{Name: "payments/full", Page: Payments{Rows: galleryRows(50), Paging: Paging{Older: "1763-40017"}}},
		{Name: "payments/second", Page: Payments{Rows: galleryRows(50),
			Paging: Paging{Before: "1763-40017", Older: "1762-9"},
			Query:  PaymentQuery{State: "held", Partner: "ASHA", From: ago(900 * hour), To: galleryNow}}},
		{Name: "payments/one", Page: Payments{Rows: galleryRows(1), Query: PaymentQuery{Text: "4812"}}},
		{Name: "payments/nothing", Page: Payments{Nothing: true,
			Webhook: "https://go.chai.example/webhooks/paytm"}},
		{Name: "payments/no-match", Page: Payments{Query: PaymentQuery{Text: "ASHA", State: "due", From: ago(7 * 24 * hour)}}},
		{Name: "payments/hostile", Page: Payments{Rows: hostileRows, Query: PaymentQuery{Text: nasty(1),
			Partner: nasty(0),
			State:   nasty(4), Faults: map[string]string{"from": "date"}},
			Paging: Paging{Before: nasty(1), Older: nasty(4)}}},
	}
}

// galleryPaths are where pages live in a shop.
var galleryPaths = map[string]string{
	"overview": "/admin/{$}", "payments": "/admin/payments", "payment": "/admin/payments/{txn}",
	"needs": "/admin/needs/{what}", "partners": "/admin/partners", "partner-form": "/admin/new-partner",
	"partner": "/admin/partners/{code}", "import": "/admin/import",
	"applications": "/admin/applications", "statements": "/admin/statements",
	"statement": "/admin/statements/{id}", "payouts": "/admin/payouts", "payout": "/admin/payouts/{id}",
	"tds":      "/admin/tds",
	"settings": "/admin/settings", "keys": "/admin/keys", "people": "/admin/people", "acts": "/admin/acts",
	"account": "/admin/account", "sign-in": "/admin/sign-in", "join": "/join", "earnings": "/partner/{$}",
	"sales": "/partner/sales", "links": "/partner/links", "partner-statements": "/partner/statements",
	"details": "/partner/details",
}

// galleryIndex is the list of samples.
type galleryIndex struct{ samples []Sample }

type galleryGroup struct {
	Name  string
	Pages []string
}

func (p galleryIndex) Render(w io.Writer, f Frame) error { return render(w, f, "gallery", p) }

// Groups are the samples by page.
func (p galleryIndex) Groups() (list []galleryGroup) {
	for _, s := range p.samples {
		name, _, _ := strings.Cut(s.Name, "/")
		if len(list) == 0 || list[len(list)-1].Name != name {
			list = append(list, galleryGroup{Name: name})
		}
		g := &list[len(list)-1]
		g.Pages = append(g.Pages, s.Name)
	}
	return list
}
