package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hissa/web"
)

const aPassword = "a long enough password"

// browser is somebody at the pages: it keeps cookies and does not follow.
type browser struct {
	*liveShop
	client *http.Client
}

func (s *liveShop) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	return &browser{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

// at knocks with a form (nil for none) and what else a browser sends.
func (b *browser) at(method, path string, form url.Values, headers ...string) said {
	b.Helper()
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.Fatal(err)
	}
	return said{answer.StatusCode, answer.Header, string(body)}
}

func (b *browser) get(path string) said { b.Helper(); return b.at(http.MethodGet, path, nil) }
func (b *browser) post(path string, form url.Values) said {
	b.Helper()
	return b.at(http.MethodPost, path, form)
}

// place is up to where a page says that it shows what happened.
func (a said) place() string {
	_, rest, _ := strings.Cut(a.body, ` data-place="`)
	place, _, _ := strings.Cut(rest, `"`)
	return place
}

// want fails unless the answer has a status and leads to, or holds, a text.
func (b *browser) want(got said, status int, text string) said {
	b.Helper()
	if got.status != status || !strings.Contains(got.header.Get("Location")+got.body, text) {
		b.Fatalf("answered %d %s %.2000s, want %d and %q", got.status, got.header.Get("Location"), got.body, status, text)
	}
	return got
}

// person is somebody of the shop's who has chosen a password and is signed in.
func (s *liveShop) person(email, role string) *browser {
	s.Helper()
	token, err := s.AddUser(s.ctx(), email, "", role)
	if err != nil {
		s.Fatal(err)
	}
	b := s.browser()
	b.want(b.post("/admin/welcome/"+token, url.Values{"password": {aPassword}, "again": {aPassword}}),
		http.StatusSeeOther, "/admin/")
	return b
}

// portal is a partner who is signed in.
func (s *liveShop) portal(code string) *browser {
	s.Helper()
	email := strings.ToLower(code) + "@example.in"
	if _, err := s.SetPartner(s.ctx(), PartnerChange{Code: code, Email: &email}); err != nil {
		s.Fatal(err)
	}
	token, err := s.InvitePartner(s.ctx(), code)
	if err != nil {
		s.Fatal(err)
	}
	b := s.browser()
	b.want(b.post("/partner/welcome/"+token, url.Values{"password": {aPassword}, "again": {aPassword}}),
		http.StatusSeeOther, "/partner/")
	return b
}

func signInAs(email string) url.Values { return url.Values{"email": {email}, "password": {aPassword}} }

// A link lets its person in once; then it is address and password.
func TestAnInvitedPersonSignsIn(t *testing.T) {
	s := serveShop(t)
	token, err := s.AddUser(s.ctx(), "meera@shop.example", "", "owner")
	if err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	b.want(b.get("/admin/welcome/"+token), 200, "meera@shop.example")
	for password, why := range map[string]string{
		"short": "At least 10", "aaaaaaaaaaaa": "easy to guess", "meera-meera-1": "easy to guess",
		strings.Repeat("x1", 200): "256",
	} {
		b.want(b.post("/admin/welcome/"+token, url.Values{"password": {password}, "again": {password}}), 422, why)
	}
	b.want(b.post("/admin/welcome/"+token, url.Values{"password": {aPassword}, "again": {aPassword + "!"}}), 422, "not the same")
	b.want(b.post("/admin/welcome/"+token, url.Values{"password": {aPassword}, "again": {aPassword}}), 303, "/admin/")
	b.want(b.get("/admin/people"), 200, "meera@shop.example")

	other := s.browser()
	other.want(other.get("/admin/welcome/"+token), 410, "")
	other.want(other.post("/admin/welcome/"+token, url.Values{"password": {aPassword}, "again": {aPassword}}), 410, "")
	other.want(other.get("/admin/people?x=1"), 303, "/admin/sign-in?next=%2Fadmin%2Fpeople%3Fx%3D1")
	other.want(other.post("/admin/sign-in", url.Values{
		"email": {"MEERA@shop.example"}, "password": {aPassword}, "next": {"/admin/people?x=1"}}), 303, "/admin/people?x=1")
	other.want(other.get("/admin/people"), 200, "meera@shop.example")
	for _, next := range []string{"//evil.example/", "https://evil.example/", "/partner/", `/\evil.example`} {
		fresh := s.browser()
		form := signInAs("meera@shop.example")
		form.Set("next", next)
		if to := fresh.want(fresh.post("/admin/sign-in", form), 303, "").header.Get("Location"); to != "/admin/" {
			t.Errorf("next %q leads to %s", next, to)
		}
	}
	other.want(other.post("/admin/sign-out", nil), 303, "/admin/sign-in")
	other.want(other.get("/admin/people"), 303, "/admin/sign-in")
}

// Nobody learns from the answer who signs in here, and the work behind it is the same.
func TestSignInTellsNobodyWhoThereIs(t *testing.T) {
	s := serveShop(t)
	s.person("meera@shop.example", "owner")
	var bodies []string
	for _, email := range []string{"meera@shop.example", "nobody@shop.example"} {
		b := s.browser()
		got := b.want(b.post("/admin/sign-in", url.Values{"email": {email}, "password": {"wrong password"}}), 422, "not right")
		bodies = append(bodies, strings.ReplaceAll(got.body, email, "EMAIL"))
	}
	if bodies[0] != bodies[1] {
		t.Errorf("the answers differ:\n%s\n%s", bodies[0], bodies[1])
	}
	b := s.browser()
	b.want(b.post("/admin/sign-in", url.Values{"email": {strings.Repeat("x", 60_000)}, "password": {"x"}}), 422, "not an e-mail")
	for _, kept := range []string{"", nobodysPassword} {
		if right, err := rightPassword(t.Context(), kept, ""); right || err != nil {
			t.Errorf("nobody's password %q is right (%v)", kept, err)
		}
	}
}

// Whoever guesses waits; a neighbour behind the same address does not.
func TestGuessingIsSlow(t *testing.T) {
	a, now := newAttempts(), noon
	for i := range attemptsFree {
		if wait := a.next(now, "meera", "203.0.113.0/24"); wait > 0 {
			t.Fatalf("try %d has to wait %s", i+1, wait)
		}
	}
	if a.next(now, "MEERA", "203.0.113.0/24") == 0 {
		t.Error("the sixth try in a row need not wait")
	}
	if wait := a.next(now, "anil", "203.0.113.0/24"); wait > 0 {
		t.Errorf("a neighbour waits %s", wait)
	}
	for i := range 3 * attemptsFreeAll { // an enemy with many addresses
		a.next(now, "anil", fmt.Sprint("198.51.", i, ".0/24"))
	}
	if a.next(now, "anil", "192.0.2.0/24") == 0 {
		t.Error("guesses from everywhere are not slowed down")
	}
	a.proved("anil", "203.0.113.0/24")
	if wait := a.next(now, "anil", "203.0.113.0/24"); wait > 0 {
		t.Errorf("whoever signed in here before is kept out for %s", wait)
	}
	if wait := a.next(now, "meera", "198.51.100.0/24"); wait > 0 {
		t.Errorf("the same person elsewhere waits %s", wait)
	}
	waited := time.Duration(0)
	for range 20 {
		for a.next(now, "meera", "203.0.113.0/24") > 0 {
			now, waited = now.Add(time.Second), waited+time.Second
		}
	}
	if waited < 20*time.Minute {
		t.Errorf("20 more guesses take %s", waited)
	}
	if a.proved("meera", "203.0.113.0/24"); a.next(now, "meera", "203.0.113.0/24") > 0 {
		t.Error("whoever proved who they are still waits")
	}
	for i := range 3 * attemptsAtMost / 2 {
		a.next(now, string(rune('a'+i%26))+strings.Repeat("x", i%1000), "203.0.113.0/24")
	}
	if len(a.tries) > attemptsAtMost {
		t.Errorf("%d keys are kept", len(a.tries))
	}
}

// A partner may say that the owner's address is theirs. Signing in with it at the partners' door gives no
// further guesses at the owner's password.
func TestTheDoorsCountGuessesApart(t *testing.T) {
	s := serveShop(t)
	s.holdClock() // however long a password takes to check here
	s.person("meera@shop.example", "owner")
	thief := s.portal("ASHA")
	thief.want(thief.post("/partner/details", url.Values{"email": {"meera@shop.example"}, "password": {aPassword}}), 303, "")
	guess := url.Values{"email": {"meera@shop.example"}, "password": {"is it this one?"}}
	for range attemptsFree {
		thief.want(thief.post("/admin/sign-in", guess), 422, "not right")
		thief.want(thief.post("/partner/account", url.Values{"what": {"totp-off"}, "off_password": {aPassword}}), 303, "")
		thief.want(thief.post("/partner/sign-out", nil), 303, "")
		thief.want(thief.post("/partner/sign-in", signInAs("meera@shop.example")), 303, "/partner/")
	}
	thief.want(thief.post("/admin/sign-in", guess), 429, "")
}

// A link that was sent to a wrong address is worth nothing once the address is put right.
func TestALinkEndsWithItsAddress(t *testing.T) {
	s := serveShop(t)
	wrong, right := "ahsa@example.in", "asha@example.in"
	if _, err := s.SetPartner(s.ctx(), PartnerChange{Code: "ASHA", Email: &wrong}); err != nil {
		t.Fatal(err)
	}
	token, err := s.InvitePartner(s.ctx(), "ASHA")
	if err != nil {
		t.Fatal(err)
	}
	stranger := s.browser()
	stranger.want(stranger.get("/partner/welcome/"+token), 200, wrong)
	if _, err := s.SetPartner(s.ctx(), PartnerChange{Code: "ASHA", Email: &right}); err != nil {
		t.Fatal(err)
	}
	stranger.want(stranger.get("/partner/welcome/"+token), 410, "")
}

// A thousand who sign in at once are worked off two by two, and those for whom there is no room are told.
func TestManySignInAtOnce(t *testing.T) {
	var inside, most, told, right atomic.Int64
	var all sync.WaitGroup
	kept := phc(64, 1, 1, make([]byte, 16), make([]byte, 32)) // cheap: the queue is looked at
	watch, stop := context.WithCancel(t.Context())
	go func() {
		for watch.Err() == nil {
			most.Store(max(most.Load(), int64(len(argonTurn))))
		}
	}()
	for range 1000 {
		all.Go(func() {
			inside.Add(1)
			ok, err := rightPassword(t.Context(), kept, "x")
			if errors.Is(err, errBusy) {
				told.Add(1)
			} else if err != nil || ok {
				right.Add(1)
			}
		})
	}
	all.Wait()
	stop()
	if most.Load() > argonAtOnce || right.Load() > 0 {
		t.Errorf("%d at once, %d wrong answers, %d told to come again", most.Load(), right.Load(), told.Load())
	}
	if cap(argonQueue) != argonWaiting || cap(argonTurn) != argonAtOnce {
		t.Error("the bounds are not what they say")
	}
}

// The published codes of RFC 6238, appendix B, cut to six digits.
func TestCodes(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, code := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037",
		20000000000: "353130",
	} {
		if got := totpCode(secret, at/totpPeriod); got != code {
			t.Errorf("at %d: %s, want %s", at, got, code)
		}
		now := time.Unix(at, 0)
		for _, off := range []int64{-totpPeriod, 0, totpPeriod} {
			if totpStep(secret, code, now.Add(time.Duration(off)*time.Second), 0) != at/totpPeriod {
				t.Errorf("a phone that is off by %d seconds is refused", off)
			}
		}
		if totpStep(secret, code, now, at/totpPeriod) != 0 || totpStep(secret, code, now.Add(2*time.Minute), 0) != 0 {
			t.Error("a code is taken twice, or too late")
		}
	}
	if totpStep(secret, "", time.Unix(59, 0), 0) != 0 {
		t.Error("no code is a code")
	}
}

// With an app, the password alone opens nothing, and a code opens once.
func TestSignInWithACode(t *testing.T) {
	s := serveShop(t)
	b := s.person("meera@shop.example", "owner")
	b.want(b.post("/admin/account", url.Values{"what": {"totp-new"}}), 200, `value="totp-new"`)
	page := b.want(b.post("/admin/account", url.Values{"what": {"totp-new"}, "again_password": {aPassword}}), 200, "<svg")
	text := regexp.MustCompile(`name="secret" value="([A-Z2-7]+)"`).FindStringSubmatch(page.body)[1]
	secret, err := totpText.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	now := func() int64 { return time.Now().Unix() / totpPeriod }
	b.want(b.post("/admin/account", url.Values{"what": {"totp-on"}, "secret": {text}, "code": {"000000"}}), 422, "not right")
	b.want(b.post("/admin/account", url.Values{"what": {"totp-on"}, "secret": {text}, "code": {totpCode(secret, now()-1)}}), 303, "/admin/account")

	other := s.browser()
	other.want(other.post("/admin/sign-in", signInAs("meera@shop.example")), 200, `name="code"`)
	other.want(other.get("/admin/people"), 303, "/admin/sign-in")
	other.want(other.post("/admin/sign-in", url.Values{"code": {"000000"}}), 422, "not right")
	code := totpCode(secret, now())
	other.want(other.post("/admin/sign-in", url.Values{"code": {code}}), 303, "/admin/")
	other.want(other.get("/admin/people"), 200, "meera@shop.example")

	thief := s.browser()
	thief.want(thief.post("/admin/sign-in", signInAs("meera@shop.example")), 200, `name="code"`)
	thief.want(thief.post("/admin/sign-in", url.Values{"code": {code}}), 422, "not right")
	stranger := s.browser()
	stranger.want(stranger.post("/admin/sign-in", url.Values{"code": {totpCode(secret, now()+1)}}), 422, "too long")

	off := func(password, code string) said {
		return other.post("/admin/account", url.Values{"what": {"totp-off"}, "off_password": {password}, "off_code": {code}})
	}
	other.want(off("not it at all", totpCode(secret, now()+1)), 422, "not your password")
	other.want(off(aPassword, ""), 422, "code is not right")
	page = other.want(off(aPassword, code), 422, "code is not right") // it let somebody in already
	if !strings.Contains(plainText(page.body), "hissa admin reset meera@shop.example") || !strings.Contains(page.body, "<details class=\"more\" open>") {
		t.Error("the page hides what is wrong, or does not say what helps without the phone")
	}
	other.want(off(aPassword, totpCode(secret, now()+1)), 303, "/admin/account")
	thief.want(thief.post("/admin/sign-in", signInAs("meera@shop.example")), 303, "/admin/")
}

// Who has somebody's session and password has no more guesses at their code than at the door.
func TestCodesAreNotGuessedOff(t *testing.T) {
	s := serveShop(t)
	s.holdClock()
	b := s.person("meera@shop.example", "owner")
	u, err := s.UserByEmail(s.ctx(), "meera@shop.example", false)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := url.Parse(s.url)
	own, err := s.Session(s.ctx(), b.client.Jar.Cookies(at)[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	secret := newTOTPSecret()
	if err := s.SetTOTP(s.ctx(), own, secret, 0); err != nil {
		t.Fatal(err)
	}
	off := func(code string) said {
		return b.post("/admin/account", url.Values{"what": {"totp-off"}, "off_password": {aPassword}, "off_code": {code}})
	}
	for range attemptsFree {
		b.want(off("no code"), 422, "code is not right")
	}
	b.want(off(totpCode(secret, s.clockNow().Unix()/totpPeriod)), 422, "Too many tries")
	if u, err = s.UserByID(s.ctx(), u.ID); err != nil || len(u.totp) == 0 {
		t.Errorf("codes are off (%v)", err)
	}
}

// Who is signed in gets a new token at each step up, and the old one is worth nothing.
func TestTokensChangeAndEnd(t *testing.T) {
	s := serveShop(t)
	b := s.person("meera@shop.example", "owner")
	at, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	first := b.client.Jar.Cookies(at)[0]
	form := url.Values{"email": {"anil@shop.example"}, "role": {"viewer"}, "name": {"Anil"}}
	again := b.want(b.post("/admin/people", form), 200, `type="password"`)
	for _, field := range []string{`name="email" value="anil@shop.example"`, `name="role" value="viewer"`} {
		if !strings.Contains(again.body, field) {
			t.Errorf("the page that asks again has lost %s", field)
		}
	}
	form.Set("again_password", "wrong wrong wrong")
	b.want(b.post("/admin/people", form), 422, "not your password")
	if u, err := s.UserByEmail(t.Context(), "anil@shop.example", false); u != nil || err != nil {
		t.Fatalf("somebody was added without the password: %v %v", u, err)
	}
	form.Set("again_password", aPassword)
	b.want(b.post("/admin/people", form), 200, "/admin/welcome/")
	second := b.client.Jar.Cookies(at)[0]
	if first.Value == second.Value {
		t.Error("the token stayed the same when the password was given again")
	}
	if old, err := s.Session(t.Context(), first.Value); old != nil || err != nil {
		t.Errorf("the old token still opens: %v %v", old, err)
	}
	// For a while it is not asked again.
	b.want(b.post("/admin/people", url.Values{"email": {"ravi@shop.example"}, "role": {"viewer"}}), 200, "/admin/welcome/")

	planted := s.browser()
	planted.client.Jar.SetCookies(at, []*http.Cookie{{Name: second.Name, Value: "planted", Path: "/"}})
	planted.want(planted.post("/admin/sign-in", signInAs("meera@shop.example")), 303, "/admin/")
	if planted.client.Jar.Cookies(at)[0].Value == "planted" {
		t.Error("a token that was there before the sign-in is good after it")
	}
	// A changed password signs out everywhere else.
	b.want(b.post("/admin/account", url.Values{"what": {"password"}, "now": {aPassword},
		"password": {aPassword + " 2"}, "again": {aPassword + " 2"}}), 303, "/admin/account")
	planted.want(planted.get("/admin/people"), 303, "/admin/sign-in")
	b.want(b.get("/admin/people"), 200, "")
}

func (b *books) whoIs(id int64) *User {
	u, err := b.UserByID(b.ctx(), id)
	if err != nil || u == nil {
		b.Fatalf("nobody is number %d (%v)", id, err)
	}
	return u
}

// A session that was ended while somebody typed can't be turned into another.
func TestAnEndedSessionStaysEnded(t *testing.T) {
	b := openBooks(t, testTerms())
	link, err := b.AddUser(b.ctx(), "meera@shop.example", "", "owner")
	if err != nil {
		t.Fatal(err)
	}
	first, err := b.AcceptLink(b.ctx(), link, "kept")
	if err != nil {
		t.Fatal(err)
	}
	known := b.whoIs(1)
	second, err := b.SignIn(b.ctx(), known, false)
	if err != nil {
		t.Fatal(err)
	}
	own, err := b.Session(b.ctx(), first)
	if err != nil {
		t.Fatal(err)
	}
	other, err := b.Session(b.ctx(), second)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.SetPassword(b.ctx(), own, "another"); err != nil {
		t.Fatal(err)
	}
	if token, err := b.Sure(b.ctx(), other, 0); !errors.Is(err, errNotFound) {
		t.Errorf("the password again: %q %v", token, err)
	}
	if token, err := b.CodeRight(b.ctx(), other, 1); !errors.Is(err, errNotFound) {
		t.Errorf("the code: %q %v", token, err)
	}
	if token, err := b.SignIn(b.ctx(), known, false); !errors.Is(err, errNotFound) {
		t.Errorf("the password of before: %q %v", token, err)
	}
}

// Sessions end by themselves, and with their person.
func TestSessionsEnd(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA", func(p *PartnerChange) { email := "asha@example.in"; p.Email = &email })
	link, err := b.AddUser(b.ctx(), "meera@shop.example", "", "owner")
	if err != nil {
		t.Fatal(err)
	}
	late, err := b.AddUser(b.ctx(), "late@shop.example", "", "owner")
	if err != nil {
		t.Fatal(err)
	}
	portal, err := b.InvitePartner(b.ctx(), "asha")
	if err != nil {
		t.Fatal(err)
	}
	accept := func(link string) string {
		token, err := b.AcceptLink(b.ctx(), link, "kept")
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	meera, asha := accept(link), accept(portal)
	holds := func(what, token string, want bool) {
		t.Helper()
		if s, err := b.Session(b.ctx(), token); err != nil || (s != nil) != want {
			t.Errorf("%s: signed in %t (%v), want %t", what, s != nil, err, want)
		}
	}
	for range 6 {
		b.wait(11 * time.Hour)
		holds("seen every 11 hours", meera, true)
	}
	b.wait(shopIdles)
	holds("idle", meera, false)
	holds("a partner who was idle for a day", asha, true)
	meera2, err := b.SignIn(b.ctx(), b.whoIs(1), false)
	if err != nil {
		t.Fatal(err)
	}
	for range 16 {
		b.wait(11 * time.Hour)
		holds("seen", asha, true)
		if _, err := b.Session(b.ctx(), meera2); err != nil {
			t.Fatal(err)
		}
	}
	holds("after a week, however busy", meera2, false)
	if _, err := b.AcceptLink(b.ctx(), late, "kept"); !errors.Is(err, errNotFound) {
		t.Errorf("a link that is older than a week: %v", err)
	}
	for _, hostile := range []string{"", "x", strings.Repeat("x", 10_000), "'; DROP TABLE sessions; --", "\x00"} {
		holds("hostile", hostile, false)
	}
	if err := b.ChangeUser(b.ctx(), 3, "", true); err != nil {
		t.Fatal(err)
	}
	holds("disabled", asha, false)
	if err := b.ChangeUser(b.ctx(), 1, "", true); err != nil {
		t.Fatal(err)
	}
	if err := b.ChangeUser(b.ctx(), 2, "viewer", false); err == nil {
		t.Error("there is no owner any more")
	}
	b.inOrder()
}

// Books that were put back know who signs in, and nobody is signed in.
func TestABackupSignsNobodyIn(t *testing.T) {
	b := openBooks(t, testTerms())
	link, err := b.AddUser(b.ctx(), "meera@shop.example", "", "owner")
	if err != nil {
		t.Fatal(err)
	}
	token, err := b.AcceptLink(b.ctx(), link, "kept")
	if err != nil {
		t.Fatal(err)
	}
	unused, err := b.AddUser(b.ctx(), "anil@shop.example", "", "viewer")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "backup.db")
	if err := b.Backup(b.ctx(), path); err != nil {
		t.Fatal(err)
	}
	for i := range 2 { // put back, and started again
		back, err := openStore(path, StoreOptions{Environment: "production", MID: "SHOP0001", Clock: b.clockNow})
		if err != nil {
			t.Fatal(err)
		}
		if s, err := back.Session(b.ctx(), token); s != nil || err != nil {
			t.Errorf("the backup signs in whoever was signed in: %v %v", s, err)
		}
		if _, err := back.UserOfLink(b.ctx(), unused, false); i == 0 && !errors.Is(err, errNotFound) {
			t.Errorf("the backup's links are good: %v", err)
		}
		if i == 0 {
			token, err = back.SignIn(b.ctx(), b.whoIs(1), false)
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := back.Close(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			again, err := openStore(path, StoreOptions{Environment: "production", MID: "SHOP0001", Clock: b.clockNow})
			if err != nil {
				t.Fatal(err)
			}
			if s, err := again.Session(b.ctx(), token); s == nil || err != nil {
				t.Errorf("a restart signs out: %v", err)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if s, err := b.Session(b.ctx(), token); s != nil || err != nil {
		t.Errorf("a token of the backup opens the books: %v %v", s, err)
	}
}

// example fills the holes of a route's path with something.
var hole = regexp.MustCompile(`\{[a-z]+(\.\.\.)?\}`)

func example(pattern string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.TrimSuffix(hole.ReplaceAllString(path, "1"), "{$}")
}

// Every door is tried by everybody.
func TestEveryRouteAsksWhoComes(t *testing.T) {
	s := serveShop(t)
	people := map[string]*browser{
		"owner": s.person("o@shop.example", "owner"), "finance": s.person("f@shop.example", "finance"),
		"viewer": s.person("v@shop.example", "viewer"), "partner": s.portal("ASHA"), "": s.browser(),
	}
	for _, r := range pageRoutes() {
		method, path := example(r.pattern)
		if len(r.may) == 0 {
			continue
		}
		for role, b := range people {
			if slices.Contains(r.may, role) || method == http.MethodPost && strings.HasSuffix(path, "sign-out") {
				continue
			}
			got := b.at(method, path, url.Values{})
			door := got.status == http.StatusSeeOther && strings.Contains(got.header.Get("Location"), "/sign-in")
			if !door && got.status != http.StatusForbidden {
				t.Errorf("%s as %q: %d %.100q", r.pattern, role, got.status, got.body)
			}
		}
		if method != http.MethodGet && len(r.may) == 0 {
			t.Errorf("%s: anybody may do this", r.pattern)
		}
	}
}

// No other site can send a form, whoever is signed in.
func TestNoOtherSiteSendsAForm(t *testing.T) {
	s := serveShop(t)
	owner, partner := s.person("o@shop.example", "owner"), s.portal("ASHA")
	for _, r := range pageRoutes() {
		method, path := example(r.pattern)
		if method == http.MethodGet {
			continue
		}
		b := owner
		if strings.HasPrefix(path, "/partner/") {
			b = partner
		}
		for _, from := range [][]string{
			{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
			{"Sec-Fetch-Site", "same-site", "Origin", "https://blog.shop.example"},
			{"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
			{"Sec-Fetch-Site", "", "Origin", "null"},
		} {
			got := b.at(method, path, url.Values{"do": {"disable"}}, from...)
			if got.status != http.StatusForbidden || !strings.Contains(got.body, "another site") {
				t.Errorf("%s from %v: %d %.100q", r.pattern, from, got.status, got.body)
			}
		}
	}
	owner.want(owner.get("/admin/people"), 200, "")
	partner.want(partner.get("/partner/account"), 200, "")
}

// Each page keeps to its policy, and none is kept by a browser or a proxy.
func TestPagesHaveTheirHeaders(t *testing.T) {
	s := serveShop(t, func(c *Config) { c.PublicURL = mustURL(t, "https://go.shop.example") })
	b := s.browser()
	for _, path := range []string{"/admin/sign-in", "/admin/nothing", "/admin/welcome/x", "/partner/sign-in"} {
		h := b.get(path).header
		if h.Get("Content-Security-Policy") != web.Policy() || h.Get("Cache-Control") != "no-store" ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, h)
		}
	}
	token, err := s.AddUser(s.ctx(), "m@shop.example", "", "owner")
	if err != nil {
		t.Fatal(err)
	}
	got := b.post("/admin/welcome/"+token, url.Values{"password": {aPassword}, "again": {aPassword}})
	for _, part := range []string{"__Host-hissa_admin=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/;"} {
		if cookie := got.header.Get("Set-Cookie"); !strings.Contains(cookie+";", part) {
			t.Errorf("the cookie %q lacks %s", cookie, part)
		}
	}
}

// Below a path every address begins with it, the cookie's too.
func TestPagesBelowAPath(t *testing.T) {
	s := serveShop(t, func(c *Config) { c.PublicURL = mustURL(t, c.PublicURL.String()+"/hissa") })
	b := s.browser()
	b.want(b.get("/hissa/admin/people"), 303, "/hissa/admin/sign-in?next=%2Fadmin%2Fpeople")
	page := b.want(b.get("/hissa/admin/sign-in"), 200, `action="/hissa/admin/sign-in"`)
	script := regexp.MustCompile(`src="(/hissa/assets/[^"]+\.js)"`).FindStringSubmatch(page.body)
	if script == nil {
		t.Fatalf("no script in %s", page.body)
	}
	b.want(b.get(script[1]), 200, "")
	token, err := s.AddUser(s.ctx(), "m@shop.example", "", "owner")
	if err != nil {
		t.Fatal(err)
	}
	got := b.want(b.post("/hissa/admin/welcome/"+token,
		url.Values{"password": {aPassword}, "again": {aPassword}}), 303, "/hissa/admin/")
	if cookie := got.header.Get("Set-Cookie"); !strings.Contains(cookie, "Path=/hissa/;") {
		t.Errorf("the cookie is %q", cookie)
	}
	b.want(b.get("/hissa/admin/people"), 200, "m@shop.example")
}

// What a person does is noted once, in the transaction that does it, with who did it and how.
func TestActs(t *testing.T) {
	b := openBooks(t, testTerms())
	ctx := withActor(b.ctx(), "meera@shop.example", "203.0.113.0/24")
	email, vpa := "asha@example.in", "asha@upi"
	pay := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		b.inOrder()
	}
	only := func(act, about, note string) {
		t.Helper()
		list, _, err := b.Acts(b.ctx(), 0, "", "")
		if err != nil || len(list) == 0 {
			t.Fatalf("%s: nothing is noted (%v)", act, err)
		}
		got := list[0]
		if got.Act != act || got.About != about || got.Note != note || got.Who != "meera@shop.example" ||
			got.Network != "203.0.113.0/24" || !got.At.Equal(b.now()) {
			t.Errorf("noted %+v, want %s %s %s", got, act, about, note)
		}
		if more := len(list); more != int(got.ID) {
			t.Errorf("%d acts, the newest is number %d", more, got.ID)
		}
	}
	count := int64(0)
	step := func(act, about, note string, err error) {
		t.Helper()
		pay(err)
		only(act, about, note)
		list, _, _ := b.Acts(b.ctx(), 0, "", "")
		if count++; list[0].ID != count {
			t.Fatalf("%s is noted as %d acts", act, list[0].ID-count+1)
		}
	}
	_, err := b.AddPartner(ctx, PartnerChange{Code: "ASHA", Email: &email, VPA: &vpa})
	step("partner-added", "ASHA", "e-mail, UPI id", err)
	_, err = b.SetPartner(ctx, PartnerChange{Code: "ASHA", Rate: &Rate{BPS: 1200}, Promos: []string{"ASHA10"}})
	step("partner-changed", "ASHA", "rate 12%, ASHA10", err)
	_, err = b.SetPartner(ctx, PartnerChange{Code: "ASHA", State: "disabled"})
	step("partner-disabled", "ASHA", "", err)
	_, err = b.SetPartner(ctx, PartnerChange{Code: "ASHA", State: "active"})
	step("partner-enabled", "ASHA", "", err)
	_, err = b.InvitePartner(ctx, "ASHA")
	step("partner-invited", "ASHA", "", err)
	step("partner-shut-out", "ASHA", "", b.ShutPartnerOut(ctx, "asha"))
	if err := b.ShutPartnerOut(ctx, "ASHA"); err == nil {
		t.Error("who is shut out is shut out once more")
	}
	_, err = b.AddKey(ctx, "shop", "orders")
	step("key-added", "shop", "orders", err)
	step("key-revoked", "shop", "", b.RevokeKey(ctx, "shop"))
	_, err = b.AddUser(ctx, "anil@shop.example", "", "viewer")
	step("person-added", "anil@shop.example", "viewer", err)
	step("person-role", "anil@shop.example", "finance", b.ChangeUser(ctx, 2, "finance", false))
	step("person-disabled", "anil@shop.example", "", b.ChangeUser(ctx, 2, "", true))
	step("person-enabled", "anil@shop.example", "", b.ChangeUser(ctx, 2, "", false))
	_, err = b.InviteAgain(ctx, 2)
	step("person-invited", "anil@shop.example", "", err)

	// What fails leaves no act.
	if _, err := b.AddKey(ctx, "shop", "orders"); err == nil {
		t.Error("a key's name is taken twice")
	}
	list, _, err := b.Acts(b.ctx(), 0, "", "")
	if err != nil || int64(len(list)) != count {
		t.Errorf("%d acts after a failure, want %d (%v)", len(list), count, err)
	}
	for _, forged := range []string{"UPDATE acts SET who = 'x'", "DELETE FROM acts"} {
		if err := b.write(b.ctx(), b.payments, func(t *tx) error { return t.exec(forged) }); err == nil {
			t.Errorf("%s is let through", forged)
		}
	}
	// Pages of the list follow each other without a gap.
	for i := range 2*actsAtOnce + 3 {
		_, err := b.SetPartner(ctx, PartnerChange{Code: "ASHA", Rate: &Rate{BPS: int64(100 + i)}})
		pay(err)
	}
	seen := map[int64]bool{}
	for behind, more := int64(0), true; more; {
		var page []Act
		if page, more, err = b.Acts(b.ctx(), behind, "", "ASHA"); err != nil {
			t.Fatal(err)
		}
		for _, a := range page {
			seen[a.ID] = true
			behind = a.ID
		}
	}
	if want := 2*actsAtOnce + 3 + 6; len(seen) != want {
		t.Errorf("%d acts about ASHA, want %d", len(seen), want)
	}
}

// No token and no password is ever in a log or a page.
func TestSecretsOfSignInStayOut(t *testing.T) {
	var log bytes.Buffer
	s := serveShop(t)
	b := s.person("meera@shop.example", "owner")
	at, _ := url.Parse(s.url)
	token := b.client.Jar.Cookies(at)[0].Value
	page := b.get("/admin/people").body + b.get("/admin/account").body + log.String()
	if strings.Contains(page, token) || strings.Contains(page, aPassword) {
		t.Error("a token or a password is on a page")
	}
}
