package main

// E-mail, through the server that [mail] names. A partner asks for a link to sign in with; the shop's people
// send invitations, to partners and to each other. What a stranger asks for is looked up and sent away from the
// request, so that neither the answer nor the time it takes tells who is known, and a slow server slows nobody
// down.

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"

	"hissa/web"
)

var mailRoutes = []route{
	{pattern: "POST /partner/sign-in/link", handle: (*server).handleAskLink},
	{pattern: "GET /partner/link/{token}", handle: (*server).pageLink},
	{pattern: "POST /partner/link/{token}", handle: (*server).handleLink},
}

const (
	mailTakes      = 30 * time.Second // at most, for one mail that nobody waits for
	mailTakesShort = 10 * time.Second // for one that somebody looks on
	mailsWaiting   = 200
	mailsAtOnce    = 4
	linksOfAddress = 3   // with less than a quarter of an hour between them
	linksOfNetwork = 100 // the same; a carrier hides thousands behind one
)

// mailer speaks to one mail server.
type mailer struct {
	server         string // host:port
	host           string
	hello          string // whom it is told that it speaks to
	from           *mail.Address
	user, password string
	tls            *tls.Config
	dial           func(ctx context.Context, network, address string) (net.Conn, error)
	wishes         chan wish
}

// wish is what somebody asked for who may be anybody: a link to sign in with.
type wish struct{ email, lang string }

// mailer is nil where no mail server is named.
func (c *Config) mailer() *mailer {
	if c.Mail.SMTP == "" {
		return nil
	}
	host, _, _ := net.SplitHostPort(c.Mail.SMTP) // was read as such
	return &mailer{
		server: c.Mail.SMTP, host: host, hello: c.PublicURL.Hostname(), from: c.Mail.From,
		user: c.Mail.User, password: c.Mail.Password, tls: &tls.Config{ServerName: host},
		dial: new(net.Dialer).DialContext, wishes: make(chan wish, mailsWaiting),
	}
}

// plain: the server is inside this machine, where nobody listens in and no certificate fits.
func (m *mailer) plain() bool {
	address, err := netip.ParseAddr(m.host)
	return m.host == "localhost" || err == nil && address.IsLoopback()
}

// mailFault is what went wrong with a mail: never its address, which a server's own words may hold.
type mailFault struct{ step, said string }

func (f mailFault) Error() string { return f.step + ": " + f.said }

// toReceiver is the step at which a server refuses one address, and takes others, or takes none.
const toReceiver = "the receiver"

// noSuchMailbox are the answers about an address that say nothing of the next: RFC 5321, 4.2.3, and RFC 3463, 3.2,
// which tells relaying that is denied, a quota, and the like from a mailbox that is not there.
var noSuchMailbox = pattern(`^the server answers (?:5\d\d 5\.1\.\d+|55[013])$`)

// ofAddress reports whether the server may well take the next mail.
func (f mailFault) ofAddress() bool {
	return f.step == toReceiver && noSuchMailbox().MatchString(f.said)
}

var enhancedCode = pattern(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// mailTrouble leaves of a server's words their codes alone.
func mailTrouble(step string, err error) error {
	var answer *textproto.Error
	var garbled textproto.ProtocolError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		return mailFault{step, strings.TrimSpace(fmt.Sprint("the server answers ", answer.Code, " ",
			enhancedCode().FindString(answer.Msg)))}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return mailFault{step, "no answer in time"}
	case errors.As(err, &garbled):
		return mailFault{step, "the server's answer is not SMTP"}
	}
	return mailFault{step, err.Error()}
}

// open greets the server, and proves who it is and who we are.
func (m *mailer) open(ctx context.Context) (*smtp.Client, error) {
	conn, err := m.dial(ctx, "tcp", m.server)
	if err != nil {
		return nil, mailTrouble("can't be reached", err)
	}
	if ends, is := ctx.Deadline(); is {
		_ = conn.SetDeadline(ends)
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	_, port, _ := net.SplitHostPort(m.server)
	implicit := port == "465" && !m.plain()
	if implicit {
		conn = tls.Client(conn, m.tls)
	}
	client, err := smtp.NewClient(conn, m.host)
	if err != nil {
		_ = conn.Close()
		return nil, mailTrouble("greeting", err)
	}
	if err := m.introduce(client, implicit || m.plain()); err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

// introduce says hello, turns TLS on unless the way is safe, and signs in.
func (m *mailer) introduce(client *smtp.Client, safe bool) error {
	if err := client.Hello(m.hello); err != nil {
		return mailTrouble("hello", err)
	}
	if !safe {
		if there, _ := client.Extension("STARTTLS"); !there {
			return mailFault{"STARTTLS", "the server does not offer it, and nothing is sent in the clear"}
		}
		if err := client.StartTLS(m.tls); err != nil {
			return mailTrouble("STARTTLS", err)
		}
	}
	if m.user == "" {
		return nil
	}
	there, ways := client.Extension("AUTH")
	if !there {
		return mailFault{"signing in", "the server asks for no password: leave user and password out"}
	}
	var proof smtp.Auth = smtp.PlainAuth("", m.user, m.password, m.host)
	if list := strings.Fields(ways); !slices.Contains(list, "PLAIN") && slices.Contains(list, "LOGIN") {
		proof = &loginAuth{answers: []string{m.user, m.password}}
	}
	return mailTrouble("signing in", client.Auth(proof))
}

// loginAuth answers a server that knows no better way than to ask for the name, then the password. It is
// only used where nobody listens in.
type loginAuth struct{ answers []string }

func (*loginAuth) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

func (a *loginAuth) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	if len(a.answers) == 0 {
		return nil, errors.New("the server asks too much")
	}
	answer := a.answers[0]
	a.answers = a.answers[1:]
	return []byte(answer), nil
}

// send hands one mail to the server. That it took it is all that can be known.
func (m *mailer) send(ctx context.Context, now time.Time, to, subject, text string) error {
	return m.talk(ctx, func(client *smtp.Client) error {
		return handOver(client, to, m.message(now, to, subject, text))
	})
}

// talk opens the server, says whom a mail would be from, and lets more be said.
func (m *mailer) talk(ctx context.Context, more func(*smtp.Client) error) error {
	talking, cancel := context.WithCancel(ctx)
	defer cancel()
	client, err := m.open(talking)
	if err == nil {
		defer client.Close()
		err = mailTrouble("the sender", client.Mail(m.from.Address))
	}
	if err == nil {
		err = more(client)
	}
	var fault mailFault
	if errors.As(err, &fault) && ctx.Err() != nil {
		return mailFault{fault.step, "no answer in time"}
	}
	return err
}

func handOver(client *smtp.Client, to string, message []byte) error {
	if err := client.Rcpt(to); err != nil {
		return mailTrouble(toReceiver, err)
	}
	body, err := client.Data()
	if err != nil {
		return mailTrouble("the text", err)
	}
	_, err = body.Write(message)
	if err = errors.Join(err, body.Close()); err != nil {
		return mailTrouble("the text", err)
	}
	_ = client.Quit() // it is sent already
	return nil
}

// message is a mail as it travels. No header can begin inside another: an address has no line break, and
// the subject is encoded wherever it is more than plain letters.
func (m *mailer) message(now time.Time, to, subject, text string) []byte {
	var b bytes.Buffer
	_, domain, _ := strings.Cut(m.from.Address, "@")
	for _, h := range [][2]string{
		{"From", m.from.String()}, {"To", (&mail.Address{Address: to}).String()},
		{"Subject", mime.QEncoding.Encode("utf-8", subject)}, {"Date", now.Format(time.RFC1123Z)},
		{"Message-ID", "<" + randomText() + "@" + domain + ">"}, {"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	lines := quotedprintable.NewWriter(&b)
	_, _ = lines.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n"))) // a buffer takes everything
	_ = lines.Close()
	return b.Bytes()
}

// try looks whether the server would take a mail of ours, and sends none.
func (m *mailer) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, mailTakesShort)
	defer cancel()
	return m.talk(ctx, func(client *smtp.Client) error {
		_ = client.Reset() // it has said already that it would
		_ = client.Quit()
		return nil
	})
}

// letter is a mail with the link that the parts make.
func (c *Config) letter(kind string, lasts time.Duration, parts ...string) web.Letter {
	return web.Letter{Kind: kind, Shop: c.Links.Landing.Hostname(), Link: c.URLFor(parts...), Lasts: lasts}
}

// invitation is the letter with a link that was just made for somebody.
func (c *Config) invitation(u *User, token string) web.Letter {
	if u.Partner == "" {
		return c.letter("person", linkLasts, "admin", "welcome", token)
	}
	return c.letter("invitation", linkLasts, "partner", "welcome", token)
}

// write sends a letter.
func (m *mailer) write(ctx context.Context, now time.Time, to, lang string, l web.Letter) error {
	subject, text, err := l.Write(lang)
	if err != nil {
		return err
	}
	return m.send(ctx, now, to, subject, text)
}

// post sends a letter and counts it. The log tells what failed, and not to whom.
func (s *server) post(ctx context.Context, to, lang string, l web.Letter) error {
	err := s.mailer.write(ctx, s.store.now(), to, lang, l)
	s.counts.mailing(err)
	if err != nil {
		s.log.Error("a mail was not sent: hissa check says more", "letter", l.Kind, "server", s.mailer.server,
			"cause", err.Error())
	}
	return err
}

// handleAskLink has a link mailed to whoever signs in with an address. The answer is always the same.
func (s *server) handleAskLink(v *visit) error {
	if s.mailer == nil {
		return errNoPage
	}
	if err := v.form(); err != nil {
		return err
	}
	email, err := readEmail(v.PostFormValue("email"))
	if err != nil {
		page := web.SignIn{Portal: true, Mail: true, Ask: typed(v, map[string]string{"email": "email"}, "email")}
		return v.render(http.StatusUnprocessableEntity, page)
	}
	now := s.store.now()
	if !s.mailing.lets(now, "", s.network(v.Request), linksOfNetwork) {
		return problem{http.StatusTooManyRequests, ""}
	}
	if s.mailing.lets(now, email, "", linksOfAddress) {
		select {
		case s.mailer.wishes <- wish{email, v.lang}:
		default:
			s.counts.unmailed.Add(1)
			s.log.Error("a link was not mailed: too many wait", "server", s.mailer.server)
		}
	}
	return v.to("/partner/sign-in?sent")
}

// mailLinks sends what was asked for until ctx ends.
func (s *server) mailLinks(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-s.mailer.wishes:
			if err := recovered(func() error { return s.mailLink(ctx, w) }); err != nil && ctx.Err() == nil {
				s.log.Warn("a link that was asked for is not on its way", "cause", err.Error())
			}
		}
	}
}

// mailLink mails a link to whoever signs in with an address, if anybody does. The book's own trouble is
// the error; the mail's is told where it is sent.
func (s *server) mailLink(ctx context.Context, w wish) error {
	ctx, cancel := context.WithTimeout(ctx, mailTakes)
	defer cancel()
	token, u, err := s.store.LinkToMail(ctx, w.email)
	if errors.Is(err, errNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_ = s.post(ctx, u.Email, w.lang, s.config.letter("link", mailedLasts, "partner", "link", token))
	return nil
}

// mailInvitation sends a link that was just made to whom it invites.
func (s *server) mailInvitation(v *visit, token string) error {
	ctx, cancel := context.WithTimeout(v.Context(), mailTakesShort)
	defer cancel()
	u, err := s.store.UserOfLink(ctx, token, false)
	if err != nil {
		return err
	}
	return s.post(ctx, u.Email, v.lang, s.config.invitation(u, token))
}

// pageLink asks whoever opens a mailed link to press a button: what looks through mails opens links too, and
// must not use them up.
func (s *server) pageLink(v *visit) error {
	u, err := s.store.UserOfLink(v.Context(), v.PathValue("token"), true)
	if errors.Is(err, errNotFound) {
		return v.linkIsGone()
	}
	if err != nil {
		return err
	}
	return v.show(web.Welcome{Portal: true, Mailed: true, Token: v.PathValue("token"), Email: u.Email})
}

func (v *visit) linkIsGone() error {
	return v.render(http.StatusGone, web.Welcome{Portal: true, Mailed: true, Gone: true})
}

// handleLink lets in whoever holds a mailed link; where codes are asked, the code is still to come.
func (s *server) handleLink(v *visit) error {
	ctx := v.Context()
	if u, err := s.store.UserOfLink(ctx, v.PathValue("token"), true); err == nil {
		ctx = withActor(ctx, u.who(), s.network(v.Request))
	}
	token, u, waits, err := s.store.SignInByMail(ctx, v.PathValue("token"))
	if errors.Is(err, errNotFound) {
		return v.linkIsGone()
	}
	if err != nil {
		return err
	}
	v.signIn(token, true)
	if waits {
		return v.show(web.SignIn{Portal: true, Code: true})
	}
	s.attempts.proved(v.guessed(u.Email), s.network(v.Request))
	return v.to(home(true))
}
