package main

// What people tell the pages, and what the pages tell people, in the life of the canaries.

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// reader is somebody at the pages, who keeps cookies and goes wherever a page leads.
type reader struct {
	*canaryLife
	place   string // where what they see is noted
	cookies map[string]string
}

func (l *canaryLife) reader(place string) *reader {
	return &reader{l, place, map[string]string{}}
}

// takes asks for a page, or sends a form, and returns what the answer says; nothing is noted.
func (r *reader) takes(method, path string, form url.Values) (status int, kind, body string) {
	r.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range r.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.Fatal(err)
	}
	for _, c := range answer.Cookies() {
		r.cookies[c.Name] = c.Value
	}
	return answer.StatusCode, answer.Header.Get("Content-Type"), answer.Header.Get("Location") + "\n" + string(text)
}

// sees asks for a page and notes it.
func (r *reader) sees(path string) string {
	r.Helper()
	status, kind, body := r.takes(http.MethodGet, path, nil)
	if status != http.StatusOK && status != http.StatusSeeOther {
		r.Fatalf("GET %s: %d %.300s", path, status, plainText(body))
	}
	place := r.place
	if !strings.HasPrefix(kind, "text/html") {
		place += ": downloads"
	}
	r.note(place, []byte(body))
	return body
}

// sends sends a form and notes what is said of it.
func (r *reader) sends(path string, status int, pairs ...string) string {
	r.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	got, _, body := r.takes(http.MethodPost, path, form)
	if got != status {
		r.Fatalf("POST %s: %d, want %d: %.600s", path, got, status, plainText(body))
	}
	r.note(r.place, []byte(body))
	return body
}

var onPage = regexp.MustCompile(`(?:href|src)="([^"]+)"`)

// looksAround goes wherever the pages behind a door lead, but into what has no end.
func (r *reader) looksAround(door string) {
	r.Helper()
	seen := map[string]bool{}
	for next := []string{door}; len(next) > 0; next = next[1:] {
		if path := next[0]; !seen[path] {
			seen[path] = true
			for _, found := range onPage.FindAllStringSubmatch(r.sees(path), -1) {
				link, _, _ := strings.Cut(html.UnescapeString(found[1]), "#")
				if strings.HasPrefix(link, "?") {
					at, _, _ := strings.Cut(path, "?")
					link = at + link
				}
				if strings.HasPrefix(link, door) && !strings.Contains(link, "lang=") {
					next = append(next, link)
				}
			}
		}
	}
	if len(seen) < 8 {
		r.Errorf("%s leads to %d pages: %v", door, len(seen), seen)
	}
}

// Where each of the pages' readers sees something.
const (
	shopPages    = "the shop's pages"
	ownPages     = "the portal"
	strangePages = "another's portal"
	openPages    = "open pages"
	shopFiles    = shopPages + ": downloads"
)

// signIn is everybody who signs in: an owner with a password and codes, somebody who never did, two partners.
func (l *canaryLife) signIn() {
	l.Helper()
	owner := l.reader(shopPages)
	email := l.has("an owner's e-mail address", "qanaryowner", alsoIn(shopPages, openPages, "people", "everything")...) +
		"@shop.example"
	link := l.invited("the link that an owner used", "admin", "add", email,
		"-name", l.has("an owner's name", "Qanaryownername", alsoIn(shopPages, "people")...))
	password := l.has("an owner's password", "qanarypasswordone")
	owner.sends(link, http.StatusSeeOther, "password", password, "again", password)
	l.invited("a link that nobody used", "admin", "add", "-role", "viewer", l.has("an address that was invited",
		"qanaryinvited", alsoIn(shopPages, openPages, "people", "everything")...)+"@shop.example")

	_, _, page := owner.takes(http.MethodPost, "/admin/account",
		url.Values{"what": {"totp-new"}, "again_password": {password}})
	found := regexp.MustCompile(`name="secret" value="(\w+)"`).FindStringSubmatch(page)
	if found == nil {
		l.Fatalf("no secret is shown: %s", page)
	}
	secret, err := totpText.DecodeString(l.has("the secret of an owner's codes, as text", found[1]))
	if err != nil {
		l.Fatal(err)
	}
	l.has("the secret of an owner's codes", string(secret), inDatabase...)
	code := func(ago int64) string { return totpCode(secret, time.Now().Unix()/totpPeriod-ago) }
	owner.sends("/admin/account", http.StatusSeeOther, "what", "totp-on", "secret", found[1], "code", code(1))
	changed := l.has("the password after that", "qanarypasswordtwo")
	owner.sends("/admin/account", http.StatusSeeOther, "what", "password", "now", password,
		"password", changed, "again", changed)

	l.session("an owner's first session", owner)
	owner.sends("/admin/sign-out", http.StatusSeeOther)
	owner.sends("/admin/sign-in", http.StatusUnprocessableEntity, "email", email,
		"password", l.has("a password that is wrong", "qanarywrongpassword"))
	l.reader(openPages).sends("/admin/sign-in", http.StatusUnprocessableEntity, "password", "qanarywrongpassword",
		"email", l.has("an address that nobody has", "qanarynobody", openPages)+"@shop.example")
	owner.sends("/admin/sign-in", http.StatusOK, "email", email, "password", changed)
	owner.sends("/admin/sign-in", http.StatusSeeOther, "code", code(0))
	l.session("an owner's second session", owner)
	l.owner = owner

	l.meera, l.ravi = l.reader(ownPages), l.reader(strangePages)
	for code, r := range map[string]*reader{"MEERA": l.meera, "RAVI": l.ravi} {
		password := l.has(code+"'s password", "qanaryportal"+strings.ToLower(code))
		r.sends(l.invited("the link of "+code, "partner", "invite", code), http.StatusSeeOther,
			"password", password, "again", password)
		l.session(code+"'s session", r)
	}
	l.reader(openPages).sends("/partner/sign-in/link", http.StatusSeeOther, // no server takes the mail
		"email", "qanarypartnermail@example.in")
}

// invited runs a command that prints a link, plants its token, and returns its path.
func (l *canaryLife) invited(what string, args ...string) (path string) {
	l.Helper()
	link, err := url.Parse(strings.TrimSpace(l.only(args...)))
	if err != nil || link.Path == "" {
		l.Fatalf("no link: %v", err)
	}
	l.has(what, link.Path[strings.LastIndexByte(link.Path, '/')+1:], openPages) // where its form leads
	l.reader(openPages).sees(link.Path)
	return link.Path
}

// session plants the token that somebody's browser holds.
func (l *canaryLife) session(whose string, r *reader) {
	l.Helper()
	for name, value := range r.cookies {
		if strings.Contains(name, "hissa_") && len(value) > 20 {
			l.has(whose, value)
			return
		}
	}
	l.Fatalf("%s: there is none in %v", whose, r.cookies)
}

// apply is two who would like to become partners: one is taken, one is turned down.
func (l *canaryLife) apply() {
	l.Helper()
	visitor := l.reader(openPages)
	visitor.sees("/join")
	for n, end := range []string{"one", "two"} {
		become := []string{shopPages}
		if n == 0 { // a partner, whose name, address and number are a partner's
			become = append(become, "everything")
		}
		listed := become
		if n == 0 {
			listed = append(listed, "export", "partners")
		}
		visitor.sends("/join", http.StatusSeeOther,
			"name", l.has("the name of an applicant "+end, "Qanaryapplicant"+end, alsoIn(listed...)...),
			"email", l.has("an applicant's address "+end, "qanaryapplies"+end, alsoIn(become...)...)+"@example.in",
			"mobile", l.has("an applicant's number "+end, fmt.Sprintf("914736258%d", n), alsoIn(become...)...),
			"where", l.has("where an applicant shares links "+end, "qanarychannel"+end, alsoIn(shopPages)...),
			"note", l.has("an applicant's note "+end, "qanaryapplynote"+end, alsoIn(shopPages)...),
			"code", "QANARY"+strings.ToUpper(end))
	}
	visitor.sends("/join", http.StatusUnprocessableEntity, "name", "", "email", "x", "where",
		l.has("an application with faults", "qanaryfaulty", openPages))
	l.owner.sends("/admin/applications/1", http.StatusOK, "say", "accept", "code", "QANARYONE")
	l.owner.sends("/admin/applications/2", http.StatusSeeOther, "say", "refuse", "reason",
		l.has("why somebody was turned down", "qanaryturneddown", alsoIn(shopPages, "everything")...))
}

// read is everybody looking at every page that is theirs.
func (l *canaryLife) read() {
	l.Helper()
	l.owner.looksAround("/admin/")
	for _, look := range []string{"qanarypartnername", "qanarycustomer", "500000.00"} {
		l.owner.sees("/admin/payments?q=" + look)
		l.owner.sees("/admin/partners?q=" + look)
	}
	l.meera.looksAround("/partner/")
	l.ravi.looksAround("/partner/")
	l.does("people", "admin", "list")
	l.does("people", "admin", "list", "-json")
	l.does("everything", "export", "everything")
}
