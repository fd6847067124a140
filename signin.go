package main

// The doors: signing in and out, the link that invites, and what everybody can change about themselves.

import (
	"errors"
	"net/http"
	"strings"

	"hissa/web"
)

var signInRoutes = []route{
	{pattern: "GET /admin/sign-in", handle: (*server).pageSignIn},
	{pattern: "POST /admin/sign-in", handle: (*server).handleSignIn},
	{pattern: "GET /partner/sign-in", handle: (*server).pageSignIn},
	{pattern: "POST /partner/sign-in", handle: (*server).handleSignIn},
	{pattern: "GET /admin/welcome/{token}", handle: (*server).pageWelcome},
	{pattern: "POST /admin/welcome/{token}", handle: (*server).handleWelcome},
	{pattern: "GET /partner/welcome/{token}", handle: (*server).pageWelcome},
	{pattern: "POST /partner/welcome/{token}", handle: (*server).handleWelcome},
	{pattern: "POST /admin/sign-out", may: shop, handle: (*server).handleSignOut},
	{pattern: "POST /partner/sign-out", may: partners, handle: (*server).handleSignOut},
	{pattern: "GET /admin/account", may: shop, handle: (*server).pageAccount},
	{pattern: "POST /admin/account", may: shop, handle: (*server).handleAccount},
	{pattern: "GET /partner/account", may: partners, handle: (*server).pageAccount},
	{pattern: "POST /partner/account", may: partners, handle: (*server).handleAccount},
}

// inPortal tells the partners' door from the shop's.
func (v *visit) inPortal() bool { return strings.HasPrefix(v.URL.Path, "/partner/") }

// guessed is under which name guesses at the password of an address are counted. Each door counts for itself:
// a partner may give any address as theirs, and who knew the password at one door has proved nothing at the other.
func (v *visit) guessed(email string) string {
	if v.inPortal() {
		return "partner " + email
	}
	return email
}

// home is where somebody begins.
func home(portal bool) string {
	if portal {
		return "/partner/"
	}
	return "/admin/"
}

func (s *server) pageSignIn(v *visit) error {
	if v.session != nil && !v.session.Waits {
		return v.to(home(v.inPortal()))
	}
	query, portal := v.URL.Query(), v.inPortal()
	mails := portal && s.mailer != nil
	return v.show(web.SignIn{Portal: portal, Next: nextPage(query.Get("next"), portal), Mail: mails,
		Sent: mails && query.Has("sent")})
}

// nextPage is where to go after signing in: "" for anything but a page behind the same door.
func nextPage(next string, portal bool) string {
	if !localPath(next) || !strings.HasPrefix(next, home(portal)) {
		return ""
	}
	return next
}

// handleSignIn takes e-mail address and password, or the code that was asked for after them. What it says
// does not tell whether there is somebody with that address.
func (s *server) handleSignIn(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	portal := v.inPortal()
	page := web.SignIn{Portal: portal, Next: nextPage(v.PostFormValue("next"), portal), Mail: portal && s.mailer != nil}
	if v.PostForm.Has("code") {
		return s.takeCode(v, page)
	}
	email := strings.TrimSpace(v.PostFormValue("email"))
	page.Form = web.Form{Values: map[string]string{"email": email}, Errors: map[string]string{}}
	if len(email) > mostEmailText {
		page.Form.Values["email"], page.Form.Errors["email"] = "", "email"
		return v.render(http.StatusUnprocessableEntity, page)
	}
	if wait := s.attempts.next(s.store.now(), v.guessed(email), s.network(v.Request)); wait > 0 {
		page.Form.Errors["password"] = "often"
		return v.render(http.StatusTooManyRequests, page)
	}
	u, err := s.store.UserByEmail(v.Context(), email, portal)
	if err != nil {
		return err
	}
	known := u
	if known == nil {
		known = &User{}
	}
	right, err := rightPassword(v.Context(), known.password, v.PostFormValue("password"))
	switch {
	case errors.Is(err, errBusy):
		return problem{http.StatusTooManyRequests, ""}
	case err != nil:
		return err
	case !right || u == nil || !u.Disabled.IsZero():
		s.log.Warn("a sign-in was refused", "portal", portal, "from", s.network(v.Request))
		page.Form.Errors["password"] = "wrong"
		return v.render(http.StatusUnprocessableEntity, page)
	}
	return s.letIn(v, u, page)
}

// letIn starts a session for whoever knew the password.
func (s *server) letIn(v *visit, u *User, page web.SignIn) error {
	waits := len(u.totp) > 0
	token, err := s.store.SignIn(withActor(v.Context(), u.who(), s.network(v.Request)), u, waits)
	if errors.Is(err, errNotFound) { // the password was changed meanwhile
		page.Form.Errors["password"] = "wrong"
		return v.render(http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	v.signIn(token, page.Portal)
	if waits {
		page.Code = true
		page.Form = web.Form{}
		return v.show(page)
	}
	s.attempts.proved(v.guessed(u.Email), s.network(v.Request))
	return v.to(firstText(page.Next, home(page.Portal)))
}

func firstText(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// takeCode is the second step, for whoever has an app that makes codes.
func (s *server) takeCode(v *visit, page web.SignIn) error {
	old := v.session
	if old == nil || !old.Waits {
		page.Form.Errors = map[string]string{"password": "late"}
		return v.render(http.StatusUnprocessableEntity, page)
	}
	page.Code = true
	if wait := s.attempts.next(s.store.now(), old.who()+" code", s.network(v.Request)); wait > 0 {
		page.Form.Errors = map[string]string{"code": "often"}
		return v.render(http.StatusTooManyRequests, page)
	}
	step := totpStep(old.totp, v.PostFormValue("code"), s.store.now(), old.totpStep)
	if step == 0 {
		page.Form.Errors = map[string]string{"code": "code"}
		return v.render(http.StatusUnprocessableEntity, page)
	}
	token, err := s.store.CodeRight(withActor(v.Context(), old.who(), s.network(v.Request)), old, step)
	switch {
	case errors.Is(err, errCodeTaken):
		page.Form.Errors = map[string]string{"code": "code"}
		return v.render(http.StatusUnprocessableEntity, page)
	case errors.Is(err, errNotFound):
		return v.toSignIn(page.Portal)
	case err != nil:
		return err
	}
	s.attempts.proved(v.guessed(old.Email), s.network(v.Request))
	s.attempts.proved(old.who()+" code", s.network(v.Request))
	v.signIn(token, page.Portal)
	return v.to(firstText(page.Next, home(page.Portal)))
}

// invited is whom the link in the path invites at this door, nil when it is no longer good.
func (s *server) invited(v *visit) (*User, error) {
	u, err := s.store.UserOfLink(v.Context(), v.PathValue("token"), false)
	if errors.Is(err, errNotFound) || err == nil && (u.Partner != "") != v.inPortal() {
		return nil, nil
	}
	return u, err
}

func (s *server) pageWelcome(v *visit) error {
	u, err := s.invited(v)
	if err != nil {
		return err
	}
	if u == nil {
		return v.render(http.StatusGone, web.Welcome{Portal: v.inPortal(), Gone: true})
	}
	return v.show(welcome(v, u))
}

func welcome(v *visit, u *User) web.Welcome {
	return web.Welcome{Portal: v.inPortal(), Token: v.PathValue("token"), Email: u.Email, Reset: u.password != ""}
}

// handleWelcome takes the password that the invited choose, and lets them in.
func (s *server) handleWelcome(v *visit) error {
	u, err := s.invited(v)
	if err != nil {
		return err
	}
	if err := v.form(); err != nil {
		return err
	}
	if u == nil {
		return v.render(http.StatusGone, web.Welcome{Portal: v.inPortal(), Gone: true})
	}
	password := v.PostFormValue("password")
	if wrong := newPasswordFaults(password, v.PostFormValue("again"), u.Email); wrong != nil {
		page := welcome(v, u)
		page.Form.Errors = wrong
		return v.render(http.StatusUnprocessableEntity, page)
	}
	kept, err := hashPassword(v.Context(), password)
	if err != nil {
		return asTooMany(err)
	}
	ctx := withActor(v.Context(), u.who(), s.network(v.Request))
	token, err := s.store.AcceptLink(ctx, v.PathValue("token"), kept)
	if errors.Is(err, errNotFound) { // somebody was faster
		return v.render(http.StatusGone, web.Welcome{Portal: v.inPortal(), Gone: true})
	}
	if err != nil {
		return err
	}
	v.signIn(token, v.inPortal())
	return v.to(home(v.inPortal()))
}

func asTooMany(err error) error {
	if errors.Is(err, errBusy) {
		return problem{http.StatusTooManyRequests, ""}
	}
	return err
}

// newPasswordFaults is what is wrong with a password that somebody chose, by field; nil for nothing.
func newPasswordFaults(password, again, email string) map[string]string {
	if why := weakPassword(password, email); why != "" {
		return map[string]string{"password": why}
	}
	if password != again {
		return map[string]string{"again": "differ"}
	}
	return nil
}

func (s *server) handleSignOut(v *visit) error {
	if err := s.store.SignOut(v.Context(), v.session); err != nil {
		return err
	}
	portal := v.inPortal()
	http.SetCookie(v.w, s.pageCookie(s.sessionCookie(portal), "", -1))
	return v.done(home(portal)+"sign-in", "signed_out")
}

func (s *server) pageAccount(v *visit) error { return s.showAccount(v, http.StatusOK, "", web.Form{}) }

// showAccount shows what somebody can change about themselves. secret is one that was shown before and is
// still to be proved.
func (s *server) showAccount(v *visit, status int, secret string, form web.Form) error {
	n, err := s.store.CountSessions(v.Context(), v.session.ID)
	if err != nil {
		return err
	}
	page := web.Account{Email: v.session.Email, TOTP: len(v.session.totp) > 0, Sessions: n, Form: form}
	if raw, err := totpText.DecodeString(secret); err == nil && len(raw) == totpSecret {
		page.Secret, page.URI = secret, totpURI(s.config.Links.Landing.Hostname(), v.session.Email, raw)
	}
	return v.render(status, page)
}

func (s *server) handleAccount(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	here := home(v.inPortal()) + "account"
	switch v.PostFormValue("what") {
	case "password":
		return s.changePassword(v, here)
	case "totp-new":
		if sure, err := v.askAgain("codes"); err != nil || !sure {
			return err
		}
		return s.showAccount(v, http.StatusOK, totpText.EncodeToString(newTOTPSecret()), web.Form{})
	case "totp-on":
		return s.turnCodesOn(v, here)
	case "totp-off":
		return s.turnCodesOff(v, here)
	case "out-everywhere":
		if err := s.store.SignOutElsewhere(v.Context(), v.session); err != nil {
			return err
		}
		return v.done(here, "saved")
	}
	return problem{http.StatusBadRequest, ""}
}

func (s *server) changePassword(v *visit, here string) error {
	_, why, err := v.proves(v.session.withoutCode(), v.PostFormValue("now"), "")
	if err != nil {
		return err
	}
	wrong := newPasswordFaults(v.PostFormValue("password"), v.PostFormValue("again"), v.session.Email)
	if why != "" {
		wrong = map[string]string{"now": why}
	}
	if wrong != nil {
		return s.showAccount(v, http.StatusUnprocessableEntity, "", web.Form{Errors: wrong})
	}
	kept, err := hashPassword(v.Context(), v.PostFormValue("password"))
	if err != nil {
		return asTooMany(err)
	}
	if err := s.store.SetPassword(v.Context(), v.session, kept); err != nil {
		return err
	}
	return v.done(here, "saved")
}

func (s *server) turnCodesOn(v *visit, here string) error {
	text := v.PostFormValue("secret")
	secret, err := totpText.DecodeString(text)
	if err != nil || len(secret) != totpSecret || len(v.session.totp) > 0 {
		return problem{http.StatusBadRequest, ""}
	}
	if !v.session.sure(s.store.now()) {
		return v.failed(here, "late")
	}
	step := totpStep(secret, v.PostFormValue("code"), s.store.now(), 0)
	if step == 0 {
		return s.showAccount(v, http.StatusUnprocessableEntity, text, web.Form{Errors: map[string]string{"code": "code"}})
	}
	if err := s.store.SetTOTP(v.Context(), v.session, secret, step); err != nil {
		return err
	}
	return v.done(here, "saved")
}

// turnCodesOff asks for a code too: whoever has a session that was stolen, and a password that was seen, must not
// get rid of the codes.
func (s *server) turnCodesOff(v *visit, here string) error {
	_, why, err := v.proves(&v.session.User, v.PostFormValue("off_password"), v.PostFormValue("off_code"))
	if err != nil {
		return err
	}
	if why != "" {
		field := "off_password"
		if why == "code" {
			field = "off_code"
		}
		return s.showAccount(v, http.StatusUnprocessableEntity, "", web.Form{Errors: map[string]string{field: why}})
	}
	if err := s.store.SetTOTP(v.Context(), v.session, nil, 0); err != nil {
		return err
	}
	return v.done(here, "saved")
}
