package main

// Who looks at a page: sessions and their cookies, who may see what, and the password again before money
// moves. Every page is a row of a table (pages.go), so that a test can knock at each door.

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hissa/web"
)

// The roles, as routes name who may come in.
var (
	shop     = []string{"owner", "finance", "viewer"}
	whoPays  = []string{"owner", "finance"}
	owners   = []string{"owner"}
	partners = []string{"partner"}
)

// route is one page, or what one form does.
type route struct {
	pattern string   // as http.ServeMux has it
	may     []string // roles; empty for anybody
	again   string   // what is about to happen, in web's words, where the password is asked again; else ""
	largest int64    // bytes of a body; 0 is 64 KiB
	handle  func(*server, *visit) error
}

func (r route) portal() bool { return slices.Contains(r.may, "partner") }

// visit is one request for a page.
type visit struct {
	*http.Request
	w       http.ResponseWriter
	s       *server
	session *Session // nil where nobody is signed in
	lang    string
	place   string // of the chain, before anything of the page was read: what comes later is told from there on
	notice  string // what the page says at its top
	fault   string
}

// problem is a page that says why there is none. detail is a code of the pages' words, or a sentence.
type problem struct {
	status int
	detail string
}

func (p problem) Error() string { return strconv.Itoa(p.status) + " " + p.detail }

var errNoPage = problem{http.StatusNotFound, ""}

const (
	langCookie  = "hissa_lang"
	flashCookie = "hissa_flash"
	pageBody    = 64 << 10
)

// pages serves the table of routes.
func (s *server) pages() http.Handler {
	mux := http.NewServeMux()
	for _, r := range pageRoutes() {
		mux.Handle(r.pattern, s.page(r))
	}
	mux.Handle("/assets/", web.Assets())
	mux.Handle("/", s.page(route{handle: func(*server, *visit) error { return errNoPage }}))
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(s.page(route{handle: func(*server, *visit) error {
		return problem{http.StatusForbidden, "elsewhere"}
	}}))
	return guard.Handler(mux)
}

// page runs one route for whoever may see it. What the handler returns becomes a page too.
func (s *server) page(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		v := s.visit(w, req)
		err := recovered(func() error { return s.admit(r, v) })
		if err == nil {
			return
		}
		if errors.Is(err, context.Canceled) {
			panic(http.ErrAbortHandler)
		}
		p := problem{http.StatusServiceUnavailable, ""}
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &p):
		case errors.Is(err, errNotFound):
			p = errNoPage
		case errors.As(err, &tooLarge):
			p = problem{http.StatusRequestEntityTooLarge, ""}
		default:
			s.log.Error("a page is not there", "page", r.pattern, "cause", err.Error())
		}
		s.counts.refused(p.status)
		v.fault, v.notice, v.place = "", "", "" // a page without blocks
		if err := recovered(func() error {
			return v.render(p.status, web.Problem{Status: p.status, Detail: p.detail})
		}); err != nil {
			s.log.Error("the page that says so is not there either", "cause", err.Error())
			http.Error(w, http.StatusText(p.status), p.status)
		}
	})
}

func (s *server) visit(w http.ResponseWriter, r *http.Request) *visit {
	h := w.Header()
	h.Set("Content-Security-Policy", web.Policy())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	v := &visit{Request: r, w: w, s: s}
	v.lang = v.language()
	return v
}

// admit asks for all that a route wants before it is handled.
func (s *server) admit(r route, v *visit) (err error) {
	most := r.largest
	if most == 0 {
		most = pageBody
	}
	v.Body = http.MaxBytesReader(v.w, v.Body, most)
	portal := r.portal() || len(r.may) == 0 && strings.HasPrefix(v.URL.Path, "/partner/")
	c, err := v.Cookie(s.sessionCookie(portal))
	if err == nil {
		if v.session, err = s.store.Session(v.Context(), c.Value); err != nil {
			return err
		}
	}
	if len(r.may) == 0 {
		return r.handle(s, v)
	}
	switch {
	case v.session == nil || v.session.Waits:
		return v.toSignIn(portal)
	case !slices.Contains(r.may, v.session.Role):
		return problem{http.StatusForbidden, ""}
	}
	if v.place, err = s.place(v.session.Partner); err != nil {
		return err
	}
	v.Request = v.WithContext(withActor(v.Context(), v.session.who(), s.network(v.Request)))
	if r.again != "" {
		if sure, err := v.askAgain(r.again); err != nil || !sure {
			return err
		}
	}
	return r.handle(s, v)
}

// toSignIn sends whoever is nobody to the door, and afterwards back, unless they came to do something.
func (v *visit) toSignIn(portal bool) error {
	door := "/admin/sign-in"
	if portal {
		door = "/partner/sign-in"
	}
	if v.Method == http.MethodGet {
		if next := v.URL.RequestURI(); localPath(next) && v.URL.Path != "/admin/" && v.URL.Path != "/partner/" {
			door += "?next=" + url.QueryEscape(next)
		}
	}
	return v.to(door)
}

// askAgain asks for the password before what a form asked for is done, unless it was given a moment ago.
// True once it was right.
func (v *visit) askAgain(act string) (sure bool, err error) {
	if v.session.sure(v.s.store.now()) {
		return true, nil
	}
	if err := v.form(); err != nil {
		return false, err
	}
	page := web.PasswordAgain{Action: v.URL.EscapedPath(), Act: act, Code: len(v.session.totp) > 0}
	for name, values := range v.PostForm {
		for _, value := range values {
			if name != "again_password" && name != "again_code" {
				page.Fields = append(page.Fields, web.Field{Name: name, Value: value})
			}
		}
	}
	slices.SortStableFunc(page.Fields, func(a, b web.Field) int { return strings.Compare(a.Name, b.Name) })
	if !v.PostForm.Has("again_password") {
		return false, v.show(page)
	}
	step, why, err := v.proves(&v.session.User, v.PostFormValue("again_password"),
		v.PostFormValue("again_code"))
	if err != nil {
		return false, err
	}
	if why != "" {
		field := "again_password"
		if why == "code" {
			field = "again_code"
		}
		page.Form.Errors = map[string]string{field: why}
		return false, v.render(http.StatusUnprocessableEntity, page)
	}
	token, err := v.s.store.Sure(v.Context(), v.session, step)
	switch {
	case errors.Is(err, errCodeTaken):
		page.Form.Errors = map[string]string{"again_code": "code"}
		return false, v.render(http.StatusUnprocessableEntity, page)
	case errors.Is(err, errNotFound): // it was ended meanwhile
		return false, v.toSignIn(v.session.Partner != "")
	case err != nil:
		return false, err
	}
	v.signIn(token, v.session.Partner != "")
	return true, nil
}

// proves asks whether somebody is who they say: by password, and by code where they have an app. The step
// of the code is still to be taken. why is a code of the pages' words, "" when they are.
func (v *visit) proves(u *User, password, code string) (step int64, why string, err error) {
	wait := v.s.attempts.next(v.s.store.now(), u.who(), v.s.network(v.Request))
	if wait > 0 {
		return 0, "often", nil
	}
	right, err := rightPassword(v.Context(), u.password, password)
	switch {
	case errors.Is(err, errBusy):
		return 0, "", problem{http.StatusTooManyRequests, ""}
	case err != nil:
		return 0, "", err
	case !right:
		return 0, "password", nil
	}
	if len(u.totp) > 0 {
		if step = totpStep(u.totp, code, v.s.store.now(), u.totpStep); step == 0 {
			return 0, "code", nil
		}
	}
	v.s.attempts.proved(u.who(), v.s.network(v.Request))
	return step, "", nil
}

// form reads what was sent, and nothing of the query.
func (v *visit) form() error {
	if v.PostForm != nil {
		return nil
	}
	read := v.ParseForm
	if kind, _, _ := mime.ParseMediaType(v.Header.Get("Content-Type")); kind == "multipart/form-data" {
		read = func() error { return v.ParseMultipartForm(1 << 20) }
	}
	err := read()
	var tooLarge *http.MaxBytesError
	if err == nil || errors.As(err, &tooLarge) {
		return err
	}
	return problem{http.StatusBadRequest, ""}
}

// frame is what every page shares.
func (v *visit) frame() web.Frame {
	f := web.Frame{
		Lang: v.lang, Base: v.s.base(), Path: v.URL.RequestURI(), Shop: v.s.config.Links.Landing.Hostname(),
		Now: v.s.store.now(), Notice: v.notice, Fault: v.fault, Block: v.URL.Query().Get("block"),
	}
	if v.session != nil && !v.session.Waits {
		f.Who, f.Role, f.Place = v.session.Email, v.session.Role, v.place
		if v.session.Partner == "" {
			f.Needs = v.s.badge.count(v.Context(), v.s)
		}
	}
	return f
}

// show writes a page.
func (v *visit) show(p web.Page) error { return v.render(http.StatusOK, p) }

func (v *visit) render(status int, p web.Page) error {
	told := status == http.StatusOK && v.told()
	var text bytes.Buffer
	if err := p.Render(&text, v.frame()); err != nil {
		return err
	}
	if told {
		http.SetCookie(v.w, v.s.pageCookie(flashCookie, "", -1))
	}
	return v.write(status, "text/html; charset=utf-8", text.Bytes())
}

// write answers with a text, packed for whoever takes that.
func (v *visit) write(status int, kind string, text []byte) error {
	h := v.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Vary", "Accept-Encoding, Accept-Language, Cookie")
	var to io.Writer = v.w
	if len(text) > 1400 && strings.Contains(v.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(v.w)
		defer packed.Close()
		to = packed
	}
	v.w.WriteHeader(status)
	_, _ = to.Write(text) // to a browser that may have left
	return nil
}

// to sends the browser on to a page.
func (v *visit) to(path string) error {
	v.w.Header().Set("Location", v.s.base()+path)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// done sends the browser on after something was done; what is said there once is a code of the pages' words,
// or a sentence.
func (v *visit) done(path, notice string) error {
	http.SetCookie(v.w, v.s.pageCookie(flashCookie, v.s.flash("notice "+notice), 60))
	return v.to(path)
}

// failed is done for what could not be done.
func (v *visit) failed(path, fault string) error {
	http.SetCookie(v.w, v.s.pageCookie(flashCookie, v.s.flash("fault "+fault), 60))
	return v.to(path)
}

// flashKey seals what is said once, so that no other host of the shop's domain can put words into a page. It
// dies with the process.
var flashKey = newTOTPSecret()

func (s *server) flash(text string) string {
	encoded := base64.RawURLEncoding.EncodeToString
	return encoded(macOf(flashKey, []byte(text))) + "." + encoded([]byte(text))
}

// told reports whether this is a page that says what the page before left to be said once, and gets it said: what
// somebody comes to by a link or an address. Of a block that the page before still fetches for itself nobody
// would read it.
func (v *visit) told() bool {
	c, err := v.Cookie(flashCookie)
	mode := v.Header.Get("Sec-Fetch-Mode") // "" from older browsers, and without https
	if err != nil || v.Method != http.MethodGet || v.URL.Query().Get("block") != "" ||
		mode != "" && mode != "navigate" {
		return false
	}
	notice, fault := v.s.readFlash(c.Value)
	v.notice, v.fault = cmp.Or(v.notice, notice), cmp.Or(v.fault, fault)
	return true
}

func (s *server) readFlash(value string) (notice, fault string) {
	seal, text, _ := strings.Cut(value, ".")
	mac, err := base64.RawURLEncoding.DecodeString(seal)
	said, err2 := base64.RawURLEncoding.DecodeString(text)
	if err != nil || err2 != nil || !hmac.Equal(mac, macOf(flashKey, said)) {
		return "", ""
	}
	kind, words, _ := strings.Cut(string(said), " ")
	if kind == "fault" {
		return "", words
	}
	return words, ""
}

// base is the path of public_url, "" mostly.
func (s *server) base() string { return strings.TrimSuffix(s.config.PublicURL.EscapedPath(), "/") }

func (s *server) isHTTPS() bool { return s.config.PublicURL.Scheme == "https" }

// sessionCookie is the name of the cookie that lets somebody in at one of the two doors. Where it can, the
// browser itself makes sure that no other host of the shop's domain has set it.
func (s *server) sessionCookie(portal bool) string {
	name := "hissa_admin"
	if portal {
		name = "hissa_partner"
	}
	if s.isHTTPS() && s.base() == "" {
		return "__Host-" + name
	}
	return name
}

// pageCookie is a cookie of the pages; below zero seconds it is taken away.
func (s *server) pageCookie(name, value string, seconds int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: s.base() + "/", MaxAge: seconds,
		HttpOnly: true, Secure: s.isHTTPS(), SameSite: http.SameSiteLaxMode}
}

// signIn gives the browser its token.
func (v *visit) signIn(token string, portal bool) {
	most := shopLasts
	if portal {
		most = partnerLasts
	}
	http.SetCookie(v.w, v.s.pageCookie(v.s.sessionCookie(portal), token, int(most/time.Second)))
}

// language is what was asked for last, else what the browser prefers.
func (v *visit) language() string {
	if lang := v.URL.Query().Get("lang"); slices.Contains(web.Languages, lang) {
		http.SetCookie(v.w, v.s.pageCookie(langCookie, lang, 365*24*3600))
		return lang
	}
	if c, err := v.Cookie(langCookie); err == nil && slices.Contains(web.Languages, c.Value) {
		return c.Value
	}
	first, _, _ := strings.Cut(v.Header.Get("Accept-Language"), ",")
	first, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(first)), "-")
	if slices.Contains(web.Languages, first) {
		return first
	}
	return web.Languages[0]
}

// localPath is a path of these pages and of no other host.
func localPath(path string) bool {
	u, err := url.Parse(path)
	return err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(path, "/") &&
		!strings.HasPrefix(path, "//") && !strings.ContainsAny(path, "\\\r\n")
}
