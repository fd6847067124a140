package browsertest

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hissa/paytm/paytmtest"
)

// payload tries all at once in a field: to end the attribute or the tag that it stands in, to run as a script
// and as a handler, to be worked out by a template, and to turn round what is read after it.
func payload(field string) string {
	call := "hacked('" + field + "')"
	return `'"><script>` + call + `</script><img src=x onerror=` + call + `>{{7*7}}` + "\u202e"
}

// planted are the fields that hold a payload and are shown to somebody, each by the page's role. Those that
// are kept as a keyed hash, masked, or shown to nobody are not among them.
var planted = map[string][]string{
	"owner": {
		"partner", "sub", "promo", "reference", "pos", "bankname", "respmsg", "gateway", "mode", "order",
		"txn", "currency", "refund", "dispute", "applicant", "where", "note", "turned-down", "person",
		"held", "declined", "failed", "disabled", "agreed", "accepted", "imported", "import-code",
		"q", "p", "who", "about", "typed",
	},
	"partner": {"partner", "sub", "linked", "typed"},
}

// strangers write into every field that a page shows, by every way that leads there.
func (s *shop) strangers() {
	s.Helper()
	s.hissa("partner", "set", "ASHA", "-name", payload("partner"), "-vpa", "asha@okbank",
		"-email", "{{7*7}}'onfocus=hacked'@example.in", "-customer", payload("customer"))
	s.hissa("admin", "add", "'onfocus=hacked'@shop.in", "-name", payload("person"))
	s.strangeVisitors()
	s.strangeMessages()
	s.brings("ASHA", 111100)
	s.hissa("statement", "draft")
	s.hissa("statement", "hold", "1", "-reason", payload("held"))
	s.hissa("statement", "decline", "1", "-reason", payload("declined"))
	s.hissa("statement", "draft")
	s.hissa("statement", "approve", "2")
	s.hissa("payout", "qr", "2")
	s.hissa("payout", "failed", "2", "-reason", payload("failed"))
	s.hissa("statement", "draft")
	s.hissa("statement", "approve", "3")
	s.hissa("payout", "qr", "3")
	s.hissa("payout", "paid", "3", "-utr", "UTRASHA3")
}

// strangeVisitors follow links, and apply.
func (s *shop) strangeVisitors() {
	s.Helper()
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	query := url.Values{"sub": {"<img src=x onerror=hacked('sub')>"}, "sub1": {"javascript:hacked('sub1')\u202e"}}
	r, err := http.NewRequest("GET", s.url+"/r/ASHA?"+query.Encode(), nil)
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("User-Agent", agent+" "+payload("agent"))
	answer, err := stay.Do(r)
	if err != nil || len(answer.Cookies()) == 0 {
		s.Fatalf("the link answers without a cookie: %v %v", answer, err)
	}
	answer.Body.Close()
	s.binds(map[string]string{"order_id": "clicked", "click_id": answer.Cookies()[0].Value, "amount": "5.00",
		"customer_id": payload("customer"), "email": payload("email"), "mobile": payload("mobile")})
	for i, who := range []string{"applicant", "turned"} {
		answer, err := stay.PostForm(s.url+"/join", url.Values{
			"name": {payload(who)}, "email": {fmt.Sprintf("{{7*7}}'onfocus=hacked%d'@example.in", i)},
			"where": {"javascript:hacked('where')//" + payload("where")}, "note": {payload("note") + "\n" + payload("note")},
		})
		if err != nil || answer.StatusCode != http.StatusSeeOther {
			s.Fatalf("an application is answered %v %v", answer, err)
		}
		answer.Body.Close()
	}
}

// strangeMessages are genuine ones of Paytm with texts in them that a payer, a shop or a forger chose.
func (s *shop) strangeMessages() {
	s.Helper()
	s.takes("clicked", 149900, paytmtest.TxnID("HOSTILE1"))
	s.binds(map[string]string{"order_id": "bound", "click_id": payload("click"), "promo_code": payload("promo")})
	pay := s.paytm.Pay("bound", 250000, paytmtest.At(time.Now()), paytmtest.TxnID("HOSTILE2"),
		paytmtest.Reference(payload("reference")), paytmtest.Customer(payload("custid")),
		paytmtest.Pos(payload("pos")), paytmtest.Campaign(payload("campaign")),
		paytmtest.Comments(payload("comments")),
		paytmtest.With("unheard_"+payload("name"), payload("unheard")))
	s.hears(s.paytm.PaymentForm(pay))
	s.hears(s.paytm.PaymentJSON(pay))
	s.hears(s.paytm.Dispute(pay, payload("dispute"), "NEW", 250000))
	s.hears(s.paytm.Conflicting(pay, 260000))
	s.hissa("confirm", "HOSTILE2", "-agree", "-amount", "2500.00", "-reason", payload("agreed"))

	odd := func(changes ...string) map[string]string {
		values := map[string]string{"MID": s.paytm.MID(), "TXNID": "HOSTILE3", "ORDERID": "odd", "TXNAMOUNT": "1499.00",
			"STATUS": "TXN_SUCCESS", "CURRENCY": "INR", "RESPCODE": "01", "RESPMSG": payload("respmsg"),
			"BANKNAME": payload("bankname"), "GATEWAYNAME": payload("gateway"), "PAYMENTMODE": payload("mode"),
			"BANKTXNID": payload("rrn"), "MERC_UNQ_REF": "ASHA", "TXNDATETIME": payload("time")}
		for i := 0; i < len(changes); i += 2 {
			values[changes[i]] = changes[i+1]
		}
		return values
	}
	s.paytm.SetAPI(paytmtest.APIFaults{Contradict: map[string]paytmtest.Contradiction{
		"HOSTILE3": {Reference: payload("api"), OrderID: payload("api")}}})
	s.paytm.Pay("odd", 149900, paytmtest.TxnID("HOSTILE3"))
	s.hears(s.paytm.SignForm(odd()))
	s.hissa("review", "accept", "HOSTILE1", "-reason", payload("accepted"))
	for field, name := range map[string]string{
		"ORDERID": "order", "TXNID": "txn", "STATUS": "status", "CURRENCY": "currency", "TXNAMOUNT": "amount",
	} {
		values := odd("TXNID", "HOSTILE-"+field, "ORDERID", "odd-"+name)
		values[field] = payload(name)
		s.hears(s.paytm.SignForm(values))
	}
	nobodys := s.paytm.Pay("nobodys", 90000, paytmtest.TxnID("HOSTILE4"))
	refund := s.paytm.Refund(nobodys, 10000, paytmtest.RefundID(payload("refund")))
	s.hears(s.paytm.RefundSucceeded(nobodys, refund))
	answer, err := http.Post(s.url+"/webhooks/paytm", "text/"+url.PathEscape(payload("kind")),
		strings.NewReader(payload("refused")))
	if err != nil {
		s.Fatal(err)
	}
	answer.Body.Close()
}

// harmless wants no page to have become what a stranger wrote, and returns what there is to read in it.
func (p *tab) harmless() string {
	p.Helper()
	at := eval[string](p, `location.pathname + location.search`)
	for _, wrong := range p.foreign() {
		p.Errorf("%s: %s", at, wrong)
	}
	if said := p.complaints(); len(said) > 0 {
		p.Errorf("%s complains:\n\t%s", at, strings.Join(said, "\n\t"))
	}
	return eval[string](p, `document.documentElement.textContent + '\n' +
		[...document.querySelectorAll('input, textarea')].map((e) => e.value).join('\n')`)
}

// foreign is what the page's own templates never write: elements that they have not, handlers, addresses that
// are scripts, and texts that could turn round what stands beside them.
func (p *tab) foreign() []string {
	p.Helper()
	return eval[[]string](p, `(() => {
		const found = [], short = (e) => e.outerHTML.slice(0, 200);
		for (const e of document.querySelectorAll('*')) {
			if (e.matches('img, iframe, object, embed, base, meta[http-equiv], script:not([src*="/assets/"])'))
				found.push('a foreign element: ' + short(e));
			for (const a of e.attributes) {
				if (/^on/i.test(a.name)) found.push('a handler: ' + short(e));
				if (/^(href|src|action|formaction|xlink:href)$/i.test(a.name) &&
					/^\s*(javascript|data:text)/i.test(a.value))
					found.push('an address that is a script: ' + short(e));
			}
		}
		const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		for (let n; n = texts.nextNode();) {
			const inside = n.parentElement;
			if (/[\u202a-\u202e\u2066-\u2069]/.test(n.data) && !inside.closest('bdi, textarea, [dir], .vh'))
				found.push('a text that turns round its neighbours: ' + short(inside));
			if (n.data.includes('{49}') || n.data.trim() === '49')
				found.push('a text that was worked out: ' + short(inside));
		}
		return found;
	})()`)
}

// crawls comes to pages and to all that they lead to below a path, once to each kind of list, and returns all
// that is to be read there.
func (p *tab) crawls(below string, first ...string) string {
	p.Helper()
	var all strings.Builder
	queue, known := first, map[string]bool{}
	values := regexp.MustCompile(`=[^&]+`)
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		p.anew()
		p.goTo(house + path)
		if sent := p.made(func(r request) bool { return r.Status >= 400 }); len(sent) > 0 {
			p.Errorf("%s is answered %d", path, sent[0].Status)
		}
		all.WriteString(p.harmless())
		for _, link := range eval[[]string](p, `[...document.querySelectorAll('a[href]:not([download])')]
			.filter((a) => a.origin === location.origin).map((a) => a.pathname + a.search)`) {
			kind := values.ReplaceAllString(link, "")
			if strings.HasPrefix(link, below) && !known[kind] && !strings.Contains(link, "lang=") {
				known[kind] = true
				queue = append(queue, link)
			}
		}
	}
	if len(known) < 10 {
		p.Errorf("from %q there lead %d links", first, len(known))
	}
	return all.String()
}

// wantsAll wants every planted field to have been read somewhere.
func wantsAll(t *testing.T, role, read string) {
	t.Helper()
	for _, field := range planted[role] {
		if !strings.Contains(read, "hacked('"+field+"')") {
			t.Errorf("the %s reads the payload in the field %q nowhere", role, field)
		}
	}
}

// Whatever strangers write, into whatever field a page shows, stays a text: to the shop's people and to
// partners, in lists, on pages of one thing, in forms that come back.
func TestStrangersTextsStayTexts(t *testing.T) {
	s := newShop(t, `lifetime = "12mo"`+"\n"+`precedence = ["promo", "click", "reference", "customer", "campaign"]`,
		`hold = "0d"`, "[join]", "open = true")
	s.strangers()
	v := view{width: 360}
	p := s.merchant(v)
	var read strings.Builder
	read.WriteString(p.strangeForms())
	q := url.QueryEscape
	read.WriteString(p.crawls("/admin/", "/admin/", "/admin/?lang=hi", "/admin/payments?q="+q(payload("q")),
		"/admin/payments?partner="+q(payload("p")), "/admin/partners?q="+q(payload("q"))+"&state="+q(payload("state")),
		"/admin/statements?show=all", "/admin/statements?partner="+q(payload("p")), "/admin/payouts?show=all",
		"/admin/acts?who="+q(payload("who")), "/admin/acts?about="+q(payload("about")),
		"/admin/?range="+q(payload("range"))+"&from="+q(payload("from")),
		"/admin/payments?from="+q(payload("from"))+"&lang="+q(payload("lang"))+"&block="+q(payload("block")),
		"/admin/needs/refused", "/admin/needs/review", "/admin/needs/refunds",
		"/admin/payments/HOSTILE1", "/admin/payments/HOSTILE2", "/admin/payments/HOSTILE3"))
	for _, path := range []string{"/admin/payments/", "/admin/partners/", "/admin/needs/", "/partner/"} {
		p.goTo(house + path + url.PathEscape(payload("path")))
		p.expects(http.StatusNotFound)
		read.WriteString(p.harmless())
	}
	wantsAll(t, "owner", read.String())
	p.close()

	partner := open(t, v)
	partner.welcomed(strings.TrimSpace(s.hissa("partner", "invite", "ASHA")))
	read.Reset()
	partner.goTo(house + "/partner/details")
	partner.fills("vpa", payload("typed"), "password", password)
	partner.leaves("main form button")
	partner.expects(422)
	read.WriteString(partner.harmless())
	read.WriteString(partner.crawls("/partner/", "/partner/", "/partner/links?sub="+q("hacked('linked')\"><i>"),
		"/partner/sales?state="+q(payload("state")), "/partner/?range="+q(payload("range"))))
	wantsAll(t, "partner", read.String())
}

// strangeForms sends forms with payloads, as one of the shop's people who copies them in, and returns what the
// pages that come say.
func (p *tab) strangeForms() string {
	p.Helper()
	var read strings.Builder
	sends := func(selector string, status int) {
		p.Helper()
		p.leaves(selector)
		if status != http.StatusOK {
			p.expects(status)
		}
		read.WriteString(p.harmless())
	}
	cell := func(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }
	p.comes("/admin/import")
	p.picks("#file", "bad.csv", "code,name\nOK1,"+cell(payload("imported"))+"\n"+cell(payload("import-code"))+",x\n")
	sends("main form:last-of-type button", 422)
	p.picks("#file", "good.csv", "code,name\nOK1,"+cell(payload("imported"))+"\n")
	sends("main form:last-of-type button", 200)
	sends("input[name=apply] ~ p button", 200)

	p.goTo(house + "/admin/new-partner")
	for _, field := range []string{"name", "code", "rate", "promo", "ref", "vpa"} {
		p.fills(field, payload("typed"))
	}
	sends("main form button", 422)
	p.goTo(house + "/admin/partners/OK1")
	p.opens("main section:last-of-type summary")
	p.fills("reason", payload("disabled"))
	sends("button[value=disabled]", 200)
	p.goTo(house + "/admin/applications")
	p.types(`form[action$="/2"] input[name=reason]`, payload("turned-down"))
	sends(`form[action$="/2"] button[value=refuse]`, 200)
	p.types(`form[action$="/1"] input[name=code]`, "FRIEND")
	sends(`form[action$="/1"] button[value=accept]`, 200)
	return read.String()
}

// A page that becomes what a stranger wrote is noticed: where the script runs, where only the policy stops it,
// where a dialog opens, where nothing has happened yet.
func TestAHackedPageIsNoticed(t *testing.T) {
	policy := ""
	body := payload("control") + `<a href=" javascript:hacked('link')">x</a><i onclick="hacked('later')">y</i>
<p>49</p><script>alert('hello')</script>`
	lives(t, "evil.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		if policy != "" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		fmt.Fprint(w, `<!doctype html><html lang="en"><meta charset="utf-8"><title>Evil</title>
<link rel="icon" href="data:,">`+body)
	}))
	for _, c := range []struct {
		policy string
		says   []string
	}{
		{"", []string{"a stranger's script ran: control", "a dialog opens: hello"}},
		{"default-src 'none'", []string{"against the policy: script-src-elem inline", "against the policy: img-src"}},
	} {
		policy = c.policy
		p := open(t, view{})
		p.goTo("https://evil.example/")
		foreign := strings.Join(p.foreign(), "\n")
		for _, want := range []string{"<img", "<script>", "an address that is a script: <a", "a handler: <i",
			"turns round", "worked out"} {
			if !strings.Contains(foreign, want) {
				t.Errorf("nothing is found of %s:\n%s", want, foreign)
			}
		}
		for _, want := range c.says {
			p.complainsOf(want)
		}
		p.complaints()
		p.close()
	}
}
