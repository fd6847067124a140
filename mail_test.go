package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/textproto"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"hissa/web"
)

// postOffice is a mail server that may be as odd as it is told to be.
type postOffice struct {
	testing.TB
	address string
	says    map[string]string // by verb, in place of what it would say
	offers  []string          // beside what it always can
	secret  *tls.Config       // for STARTTLS, or from the first byte
	first   bool

	mu    sync.Mutex // holds says and heard
	heard []string   // every line before a mail's text
	mails chan aMail
}

// aMail is one that the server took.
type aMail struct {
	to, text string
	secret   bool // it came through TLS
}

func newPostOffice(t testing.TB, change ...func(*postOffice)) *postOffice {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &postOffice{TB: t, address: listener.Addr().String(), says: map[string]string{}, mails: make(chan aMail, 1000)}
	for _, c := range change {
		c(p)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); open.Wait() })
	return p
}

// serve speaks with one client until that has enough.
func (p *postOffice) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	secret := p.first
	if secret {
		conn = tls.Server(conn, p.secret)
	}
	lines := textproto.NewConn(conn)
	say := func(text string) { _ = lines.PrintfLine("%s", text) }
	say("220 post.example ESMTP")
	var to string
	for {
		line, err := lines.ReadLine()
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		p.mu.Lock()
		p.heard = append(p.heard, line)
		answer, odd := p.says[verb]
		p.mu.Unlock()
		switch {
		case odd && answer == "":
			continue // says nothing at all
		case odd:
			say(answer)
		case verb == "EHLO":
			say("250-post.example")
			for _, can := range p.offers {
				say("250-" + can)
			}
			say("250 8BITMIME")
		case verb == "STARTTLS":
			say("220 go ahead")
			conn, secret = tls.Server(conn, p.secret), true
			lines = textproto.NewConn(conn)
		case verb == "AUTH":
			p.proof(lines, line)
		case verb == "RCPT":
			to = strings.Trim(strings.TrimPrefix(line[len("RCPT"):], " TO:"), "<>")
			say("250 ok")
		case verb == "DATA":
			say("354 go on")
			text, err := io.ReadAll(lines.DotReader())
			if err != nil {
				return
			}
			p.mails <- aMail{to, string(text), secret}
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// proof takes user and password, hissa and s3cret, in one of two ways.
func (p *postOffice) proof(lines *textproto.Conn, line string) {
	parts := strings.Fields(line)
	given := ""
	if parts[1] == "PLAIN" {
		raw, _ := base64.StdEncoding.DecodeString(parts[2])
		given = string(raw)
	} else {
		for _, what := range []string{"VXNlcm5hbWU6", "UGFzc3dvcmQ6"} {
			_ = lines.PrintfLine("334 %s", what)
			line, _ := lines.ReadLine()
			raw, _ := base64.StdEncoding.DecodeString(line)
			given += "\x00" + string(raw)
		}
	}
	if given != "\x00hissa\x00s3cret" {
		_ = lines.PrintfLine("535 5.7.8 hissa: wrong password for ravi@example.in")
		return
	}
	_ = lines.PrintfLine("235 welcome")
}

// hears is whether a client has said a verb.
func (p *postOffice) hears(verb string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.heard {
		if strings.HasPrefix(line, verb) {
			return true
		}
	}
	return false
}

// letter waits for a mail and takes it apart.
func (p *postOffice) letter() (to, subject, text string) {
	p.Helper()
	var got aMail
	select {
	case got = <-p.mails:
	case <-time.After(time.Minute):
		p.Fatal("no mail came")
	}
	m, err := mail.ReadMessage(strings.NewReader(got.text))
	if err != nil {
		p.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		p.Fatal(err)
	}
	subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if _, err2 := m.Header.Date(); err != nil || err2 != nil || m.Header.Get("To") != "<"+got.to+">" {
		p.Fatalf("%v %v: %s", err, err2, got.text)
	}
	return got.to, subject, string(body)
}

// config has a shop's mails sent through this server.
func (p *postOffice) config(c *Config) {
	c.Mail.SMTP = p.address
	c.Mail.From = &mail.Address{Name: "Chai & Co", Address: "partners@shop.example"}
}

var linkInMail = regexp.MustCompile(`https?://\S+`)

// asks has a link mailed from the sign-in page, and returns what the page answered.
func (b *browser) asks(email string) said {
	b.Helper()
	return b.want(b.post("/partner/sign-in/link", url.Values{"email": {email}}), 303, "/partner/sign-in?sent")
}

// mailedPath waits for the next mail and returns the path of its link.
func (s *liveShop) mailedPath(p *postOffice) string {
	s.Helper()
	_, _, text := p.letter()
	path, is := strings.CutPrefix(linkInMail.FindString(text), s.url)
	if !is {
		s.Fatalf("no link to the shop in %q", text)
	}
	return path
}

// A partner asks, a mail comes, its link signs in once; what looks through mails does not use it up.
func TestAPartnerSignsInByMail(t *testing.T) {
	p := newPostOffice(t)
	s := serveShop(t, p.config)
	s.portal("RAVI")
	b := s.browser()
	b.want(b.get("/partner/sign-in"), 200, "Send me a link")
	b.asks("RAVI@example.in")
	b.want(b.get("/partner/sign-in?sent"), 200, "a link is on its way")
	to, subject, text := p.letter()
	if to != "ravi@example.in" || subject != "Sign in at shop.example" || !strings.Contains(text, "15 minutes") {
		t.Errorf("%s, %s: %s", to, subject, text)
	}
	path := strings.TrimPrefix(linkInMail.FindString(text), s.url)
	for range 3 {
		scanner := s.browser()
		scanner.want(scanner.get(path), 200, "ravi@example.in")
		scanner.want(scanner.get("/partner/"), 303, "/partner/sign-in")
	}
	b.want(b.post(path, nil), 303, "/partner/")
	b.want(b.get("/partner/account"), 200, "ravi@example.in")
	other := s.browser()
	other.want(other.get(path), 410, "was used already")
	other.want(other.post(path, nil), 410, "was used already")

	// It changes nothing else: the password stands, and is what it takes to turn the money elsewhere.
	other.want(other.post("/partner/sign-in", signInAs("ravi@example.in")), 303, "/partner/")
	b.want(b.post("/partner/details", url.Values{"vpa": {"thief@okbank"}, "password": {""}}), 422, "not your password")
	owner := s.person("o@shop.example", "owner")
	owner.want(owner.get("/admin/acts"), 200, "by a link from their e-mail")
}

// Whoever asks hears the same, known or not, and only partners get mail.
func TestAskingForALinkTellsNobodyWhoThereIs(t *testing.T) {
	p := newPostOffice(t)
	s := serveShop(t, p.config)
	s.portal("RAVI")
	s.person("meera@shop.example", "owner")
	b := s.browser()
	strangers := []string{"nobody@example.in", "meera@shop.example", "asha@example.in"} // ASHA was never invited
	var answers []said
	for _, email := range append(strangers, "ravi@example.in") {
		got := b.asks(email)
		got.header.Del("Date")
		answers = append(answers, got)
	}
	for _, a := range answers[1:] {
		if fmt.Sprint(a) != fmt.Sprint(answers[0]) {
			t.Errorf("%v, for another %v", a, answers[0])
		}
	}
	if to, _, _ := p.letter(); to != "ravi@example.in" {
		t.Errorf("a mail to %s", to)
	}
	evil := url.Values{"email": {"ravi@example.in\r\nBcc: all@example.in"}}
	b.want(b.post("/partner/sign-in/link", evil), 422, "not an e-mail")
	b.want(b.post("/partner/sign-in/link", nil), 422, "not an e-mail")
	s.stop()
	if n := len(p.mails); n > 0 {
		t.Errorf("%d mails more", n)
	}
}

// A link is good for a quarter of an hour, at the partners' door, and only while its address is the partner's.
func TestAMailedLinkEnds(t *testing.T) {
	p := newPostOffice(t)
	s := serveShop(t, p.config)
	s.portal("RAVI")
	b := s.browser()
	b.asks("ravi@example.in")
	first := s.mailedPath(p)
	b.asks("ravi@example.in")
	second := s.mailedPath(p)
	b.want(b.get(first), 200, "") // mails overtake each other
	b.want(b.get(strings.Replace(first, "/partner/link/", "/partner/welcome/", 1)), 410, "")
	b.want(b.get(strings.Replace(first, "/partner/link/", "/admin/welcome/", 1)), 410, "")
	s.setClock(func() time.Time { return time.Now().Add(mailedLasts + time.Second) })
	b.want(b.get(first), 410, "quarter of an hour")
	b.want(b.post(second, nil), 410, "quarter of an hour")

	b.asks("ravi@example.in")
	third := s.mailedPath(p)
	moved := "ravi@new.example.in"
	if _, err := s.SetPartner(s.ctx(), PartnerChange{Code: "RAVI", Email: &moved}); err != nil {
		t.Fatal(err)
	}
	b.want(b.post(third, nil), 410, "")
}

// Where codes are asked, a link is no way around them. And the mail speaks the language of the page.
func TestAMailedLinkAsksForTheCode(t *testing.T) {
	p := newPostOffice(t)
	s := serveShop(t, p.config)
	s.portal("RAVI")
	secret := newTOTPSecret()
	ravi, err := s.UserByEmail(s.ctx(), "ravi@example.in", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetTOTP(s.ctx(), &Session{User: *ravi}, secret, 0); err != nil {
		t.Fatal(err)
	}
	b := s.browser()
	b.get("/partner/sign-in?lang=hi")
	b.asks("ravi@example.in")
	_, subject, text := p.letter()
	if subject != "shop.example पर साइन इन करें" || !strings.Contains(text, "15 मिनट") {
		t.Errorf("%s: %s", subject, text)
	}
	b.get("/partner/sign-in?lang=en")
	b.want(b.post(strings.TrimPrefix(linkInMail.FindString(text), s.url), nil), 200, "Six-digit code")
	b.want(b.get("/partner/"), 303, "sign-in")
	code := totpCode(secret, s.clockNow().Unix()/totpPeriod)
	b.want(b.post("/partner/sign-in", url.Values{"code": {code}}), 303, "/partner/")
	b.want(b.get("/partner/account"), 200, "ravi@example.in")
}

// Nobody's mailbox is filled, and a carrier's thousands behind one address still get their links.
func TestAskingForLinksIsBounded(t *testing.T) {
	p := newPostOffice(t)
	s := serveShop(t, p.config)
	s.portal("RAVI")
	s.portal("ASHA")
	b := s.browser()
	for range linksOfAddress + 3 {
		b.asks("ravi@example.in")
	}
	for range linksOfAddress {
		p.letter()
	}
	b.asks("asha@example.in")
	if to, _, _ := p.letter(); to != "asha@example.in" {
		t.Errorf("the next mail is to %s", to)
	}
	for i := range linksOfNetwork - linksOfAddress - 4 {
		b.asks(fmt.Sprint(i, "@example.in"))
	}
	b.want(b.post("/partner/sign-in/link", url.Values{"email": {"asha@example.in"}}), 429, "")
	s.setClock(func() time.Time { return time.Now().Add(attemptsForget) })
	b.asks("ravi@example.in")
	if to, _, _ := p.letter(); to != "ravi@example.in" {
		t.Errorf("after a while the next mail is to %s", to)
	}
}

// An invitation goes by mail where the shop says so, and is shown where no mail goes out.
func TestAnInvitationIsMailed(t *testing.T) {
	p := newPostOffice(t)
	s := serveShop(t, p.config)
	email := "ravi@example.in"
	if _, err := s.SetPartner(s.ctx(), PartnerChange{Code: "RAVI", Email: &email}); err != nil {
		t.Fatal(err)
	}
	owner := s.person("o@shop.example", "owner")
	owner.want(owner.get("/admin/partners/RAVI"), 200, "Mail it to ravi@example.in")
	owner.want(owner.get("/admin/partners/ASHA"), 200, "Make a link")
	owner.want(owner.post("/admin/partners/RAVI/invite", url.Values{"mail": {"1"}, "again_password": {aPassword}}), 303, "/admin/partners/RAVI")
	owner.want(owner.get("/admin/partners/RAVI"), 200, "was mailed")
	to, subject, text := p.letter()
	if to != email || subject != "Your partner account at shop.example" || !strings.Contains(text, "7 days") {
		t.Errorf("%s, %s: %s", to, subject, text)
	}
	b := s.browser()
	path := strings.TrimPrefix(linkInMail.FindString(text), s.url)
	b.want(b.post(path, url.Values{"password": {aPassword}, "again": {aPassword}}), 303, "/partner/")

	p.mu.Lock()
	p.says["RCPT"] = "450 4.2.0 try later"
	p.mu.Unlock()
	shown := owner.post("/admin/partners/RAVI/invite", url.Values{"mail": {"1"}, "again_password": {aPassword}})
	owner.want(shown, 200, "could not be mailed")
	owner.want(shown, 200, "/partner/welcome/")
	key, err := s.AddKey(s.ctx(), "monitor", "metrics")
	if err != nil {
		t.Fatal(err)
	}
	got := s.do("GET", "/metrics", "", nil, "Authorization", "Bearer "+key)
	for _, want := range []string{`hissa_mails_total{sent="yes"} 1`, `hissa_mails_total{sent="no"} 1`} {
		if !strings.Contains(got.body, want) {
			t.Errorf("no %s in %s", want, got.body)
		}
	}
}

// The shop's own people are let in by mail too, where an owner says so, and by command.
func TestPeopleAreInvitedByMail(t *testing.T) {
	p := newPostOffice(t)
	s := serveShop(t, p.config)
	owner := s.person("o@shop.example", "owner")
	takes := func(email string) {
		t.Helper()
		to, subject, text := p.letter()
		if to != email || subject != "Your sign-in at shop.example" || !strings.Contains(text, "7 days") {
			t.Errorf("%s, %s: %s", to, subject, text)
		}
		b := s.browser()
		path := strings.TrimPrefix(linkInMail.FindString(text), s.url)
		b.want(b.post(path, url.Values{"password": {aPassword}, "again": {aPassword}}), 303, "/admin/")
	}
	add := url.Values{"email": {"v@shop.example"}, "role": {"viewer"}, "mail": {"1"}}
	asked := owner.want(owner.post("/admin/people", add), 200, "Your password, once more")
	owner.want(asked, 200, `name="mail" value="1"`)
	add.Set("again_password", aPassword)
	owner.want(owner.post("/admin/people", add), 303, "/admin/people")
	owner.want(owner.get("/admin/people"), 200, "was mailed")
	takes("v@shop.example")
	owner.want(owner.post("/admin/people/2", url.Values{"do": {"link"}, "mail": {"1"}}), 303, "/admin/people")
	takes("v@shop.example")
	owner.want(owner.post("/admin/people/2", url.Values{"do": {"link"}}), 200, "/admin/welcome/")

	p.mu.Lock()
	p.says["RCPT"] = "450 4.2.0 try later"
	p.mu.Unlock()
	shown := owner.post("/admin/people/2", url.Values{"do": {"link"}, "mail": {"1"}})
	owner.want(shown, 200, "could not be mailed")
	owner.want(shown, 200, "/admin/welcome/")
}

// By command a link is mailed with -mail; one that can't be is printed. -revoke takes it back.
func TestCommandsMailLinks(t *testing.T) {
	p := newPostOffice(t)
	c := newChild(t)
	c.must("partner", "set", "ASHA", "-email", "asha@example.in")
	c.refused(exitNo, "[mail]", "partner", "invite", "ASHA", "-mail")
	c.refused(exitNo, "no way into the portal", "partner", "invite", "ASHA", "-revoke")
	text, err := os.ReadFile(c.config())
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Appendf(text, "[mail]\nsmtp = %q\nfrom = \"partners@shop.example\"\n", p.address)
	if err := os.WriteFile(c.config(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		to, door string
		command  []string
	}{
		{"asha@example.in", "/partner/", []string{"partner", "invite", "asha", "-mail"}},
		{"meera@shop.example", "/admin/", []string{"admin", "add", "meera@shop.example", "-mail"}},
		{"meera@shop.example", "/admin/", []string{"admin", "reset", "-mail", "meera@shop.example"}},
	} {
		if out := c.must(row.command...); !strings.Contains(out, "on its way to "+row.to) || strings.Contains(out, "welcome") {
			t.Errorf("%s: %s", row.command, out)
		}
		if to, _, text := p.letter(); to != row.to || !strings.Contains(text, "http://127.0.0.1:8080"+row.door+"welcome/") {
			t.Errorf("%s mails to %s: %s", row.command, to, text)
		}
	}
	p.mu.Lock()
	p.says["MAIL"] = "550 5.7.1 not you"
	p.mu.Unlock()
	c.refused(exitNo, "550 5.7.1", "partner", "invite", "ASHA", "-mail")
	c.refused(exitNo, "/partner/welcome/", "partner", "invite", "ASHA", "-mail")
	c.refused(exitUsage, "-revoke", "partner", "invite", "ASHA", "-mail", "-revoke")
	if out := c.must("partner", "invite", "ASHA", "-revoke"); !strings.Contains(out, "is shut out") {
		t.Errorf("revoked: %s", out)
	}
	c.refused(exitNo, "hissa partner list", "partner", "invite", "NOBODY", "-revoke")
}

// Without a mail server nothing offers mail. With one that is down, whoever asks hears what they always hear.
func TestNoMailServer(t *testing.T) {
	s := serveShop(t)
	b := s.browser()
	b.want(b.post("/partner/sign-in/link", url.Values{"email": {"ravi@example.in"}}), 404, "")
	page := b.get("/partner/sign-in?sent").body
	if strings.Contains(page, "on its way") || strings.Contains(page, "Send me") {
		t.Error("the page offers mail")
	}
	gone := newPostOffice(t, func(p *postOffice) { p.says["EHLO"], p.says["HELO"] = "421 closed", "421 closed" })
	down := serveShop(t, gone.config)
	down.portal("RAVI")
	b = down.browser()
	b.asks("ravi@example.in")
	b.want(b.get("/partner/sign-in?sent"), 200, "a link is on its way")
}

// What the log says of a mail that failed names neither the address nor the link.
func TestTheLogOfAMailNamesNobody(t *testing.T) {
	for verb, answer := range map[string]string{
		"RCPT": "550 5.1.1 <ravi@example.in>: no such user", "DATA": "554 5.7.1 ravi@example.in looks like spam",
		"MAIL": "ravi@example.in", "EHLO": "ravi@example.in",
	} {
		p := newPostOffice(t, func(p *postOffice) { p.says[verb] = answer })
		if verb == "EHLO" {
			p.says["HELO"] = answer
		}
		config := &Config{PublicURL: mustURL(t, "https://go.shop.example")}
		config.Links.Landing = mustURL(t, "https://shop.example/")
		p.config(config)
		var log bytes.Buffer
		s := &server{config: config, mailer: config.mailer(), store: openBooks(t, testTerms()).Store,
			log: slog.New(logTo(&log))}
		err := s.post(t.Context(), "ravi@example.in", "en", web.Letter{Kind: "link", Link: "https://go.shop.example/t0ken"})
		text := log.String()
		told := strings.Contains(text, "ravi") || strings.Contains(text, "t0ken")
		if err == nil || !strings.Contains(text, "a mail was not sent") || told {
			t.Errorf("%s: %v, %s", verb, err, text)
		}
		if code, _, _ := strings.Cut(answer, " <"); verb == "RCPT" && !strings.Contains(text, code) {
			t.Errorf("the code %s is not in %s", code, text)
		}
	}
}

// secretFor is a certificate for example.com, and a client's trust in it.
func secretFor(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, roots
}

// mailerTo is one that takes a post office for a server in the world.
func (p *postOffice) mailerTo(server string, roots *x509.CertPool) *mailer {
	p.Helper()
	config := &Config{PublicURL: mustURL(p, "https://go.shop.example")}
	p.config(config)
	config.Mail.SMTP, config.Mail.User, config.Mail.Password = server, "hissa", "s3cret"
	m := config.mailer()
	m.tls.RootCAs = roots
	m.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, p.address)
	}
	return m
}

// Out in the world nothing is said before TLS, with the right certificate.
func TestMailIsSentThroughTLS(t *testing.T) {
	secret, roots := secretFor(t)
	for _, c := range []struct {
		name, server string
		change       func(*postOffice)
		trouble      string // "" for a mail that goes out
	}{
		{"STARTTLS", "example.com:587", func(p *postOffice) { p.offers = []string{"STARTTLS", "AUTH LOGIN PLAIN"} }, ""},
		{"LOGIN alone", "example.com:587", func(p *postOffice) { p.offers = []string{"STARTTLS", "AUTH LOGIN XOAUTH2"} }, ""},
		{"from the first byte", "example.com:465", func(p *postOffice) {
			p.first, p.offers = true, []string{"AUTH PLAIN"}
		}, ""},
		{"in the clear", "example.com:25", func(p *postOffice) { p.offers = []string{"AUTH PLAIN"} }, "does not offer it"},
		{"STARTTLS taken out", "example.com:587", func(p *postOffice) {
			p.offers, p.says["STARTTLS"] = []string{"STARTTLS", "AUTH PLAIN"}, "454 4.7.0 not now"
		}, "454 4.7.0"},
		{"another's certificate", "mail.shop.in:587", func(p *postOffice) {
			p.offers = []string{"STARTTLS", "AUTH PLAIN"}
		}, "certificate"},
		{"no AUTH", "example.com:587", func(p *postOffice) { p.offers = []string{"STARTTLS"} }, "asks for no password"},
		{"silence", "example.com:587", func(p *postOffice) { p.says["EHLO"] = "" }, "no answer in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPostOffice(t, func(p *postOffice) { p.secret = secret; c.change(p) })
			limit := time.Minute
			if c.name == "silence" {
				limit = 100 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			const text = "One line.\n.\nThe end.\n"
			err := p.mailerTo(c.server, roots).send(ctx, time.Now(), "ravi@example.in", "नमस्ते", text)
			if c.trouble == "" {
				if err != nil {
					t.Fatal(err)
				}
				got := <-p.mails
				if !got.secret || !strings.Contains(got.text, "\n.\n") {
					t.Errorf("%+v", got)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.trouble) {
				t.Errorf("%v, want %q", err, c.trouble)
			}
			if p.hears("AUTH") || p.hears("MAIL") {
				t.Errorf("it said too much: %q", p.heard)
			}
		})
	}
}

// A password that is wrong is told by its code.
func TestMailPasswordIsWrong(t *testing.T) {
	secret, roots := secretFor(t)
	p := newPostOffice(t, func(p *postOffice) { p.secret, p.offers = secret, []string{"STARTTLS", "AUTH PLAIN"} })
	m := p.mailerTo("example.com:587", roots)
	m.password = "wrong"
	var fault mailFault
	if err := m.try(t.Context()); !errors.As(err, &fault) || fault.Error() != "signing in: the server answers 535 5.7.8" {
		t.Error(err)
	}
}

// Nothing that is sent begins a header of its own.
func TestMailHeadersAreOurs(t *testing.T) {
	m := newPostOffice(t).mailerTo("example.com:587", nil)
	const evil = "x\r\nBcc: all@example.in\r\n\r\nbuy this"
	got, err := mail.ReadMessage(bytes.NewReader(m.message(time.Now(), "ravi@example.in", evil, "text\n")))
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(got.Body); len(got.Header) != 9 || got.Header.Get("Bcc") != "" || string(body) != "text\r\n" {
		t.Errorf("%v %q", got.Header, body)
	}
	p := newPostOffice(t)
	config := &Config{PublicURL: mustURL(t, "https://go.shop.example")}
	p.config(config)
	err = config.mailer().send(t.Context(), time.Now(), "ravi@example.in>\r\nDATA", "x", "y")
	if err == nil || p.hears("DATA") {
		t.Errorf("%v %q", err, p.heard)
	}
}

// hissa check says whether the server would take a mail, and sends none.
func TestCheckAsksTheMailServer(t *testing.T) {
	for answer, want := range map[string]string{
		"":                       "takes mails from partners@shop.example",
		"550 5.7.60 not allowed": "the sender: the server answers 550 5.7.60",
	} {
		p := newPostOffice(t)
		if answer != "" {
			p.says["MAIL"] = answer
		}
		k := &checker{config: &Config{PublicURL: mustURL(t, "https://go.shop.example")}, now: time.Now}
		k.mail(t.Context())
		if len(k.lines) > 0 {
			t.Errorf("without a server: %v", k.lines)
		}
		p.config(k.config)
		k.mail(t.Context())
		if len(k.lines) != 1 || !strings.Contains(k.lines[0].text, want) || (k.lines[0].remedy == "") != (answer == "") {
			t.Errorf("%v, want %s", k.lines, want)
		}
		if p.hears("RCPT") || p.hears("DATA") {
			t.Error("it sent something")
		}
	}
}
