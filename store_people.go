package main

// Who signs in, where they are signed in, and what they did.

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// User is somebody who signs in: one of the shop's own people, or a partner.
type User struct {
	ID       int64
	Email    string
	Name     string
	Partner  string // whose portal it is; "" for the shop's own people
	Role     string // owner, finance, viewer, partner
	Created  time.Time
	Seen     time.Time // last signed in, zero for never
	Disabled time.Time // zero for somebody who may sign in

	password string
	totp     []byte
	totpStep int64
}

// State is invited, active or disabled.
func (u User) State() string {
	switch {
	case !u.Disabled.IsZero():
		return "disabled"
	case u.password == "":
		return "invited"
	}
	return "active"
}

// who is how the log of acts names somebody.
func (u User) who() string {
	if u.Partner != "" {
		return u.Partner
	}
	return u.Email
}

const (
	linkLasts     = 7 * 24 * time.Hour
	mailedLasts   = 15 * time.Minute // a link that a partner asked for by e-mail
	codeLasts     = 5 * time.Minute  // from the password to the code
	againLasts    = 10 * time.Minute
	seenEvery     = 5 * time.Minute
	shopLasts     = 7 * 24 * time.Hour
	shopIdles     = 12 * time.Hour
	partnerLasts  = 90 * 24 * time.Hour
	partnerIdles  = 30 * 24 * time.Hour
	actsAtOnce    = 50
	farAway       = 1 << 62
	mostEmailText = 254
)

// lasts is for how long somebody stays signed in, and for how long without a word.
func (u User) lasts() (most, idle time.Duration) {
	if u.Partner != "" {
		return partnerLasts, partnerIdles
	}
	return shopLasts, shopIdles
}

// Session is where somebody is signed in.
type Session struct {
	User
	At    time.Time
	Again time.Time // when the password was given again, zero for never
	Waits bool      // the code is still to come

	seen time.Time
	ends time.Time
	hash []byte
}

// withoutCode is who it is, to be proved by the password alone.
func (s *Session) withoutCode() *User {
	u := s.User
	u.totp = nil
	return &u
}

// sure: the password was given a moment ago.
func (s *Session) sure(now time.Time) bool { return !s.Again.IsZero() && now.Sub(s.Again) < againLasts }

var (
	errPersonExists = decisionError{"somebody signs in with this address already"}
	errLastOwner    = decisionError{"nobody else is an owner, and somebody has to be: make another one first"}
)

func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// user reads who one of the queries of people selects, nil for nobody.
func (r rows) user(query string, a ...any) (*User, error) {
	var found *User
	err := r.each(query, a, func(scan func(...any) error) (err error) {
		found, err = scanUser(scan)
		return err
	})
	return found, err
}

func scanUser(scan func(...any) error) (*User, error) {
	var u User
	var created int64
	var seen, disabled *int64
	err := scan(&u.ID, &u.Email, &u.Name, &u.Partner, &u.Role, &u.password, &u.totp, &u.totpStep,
		&created, &seen, &disabled)
	u.Created, u.Seen, u.Disabled = fromMillis(&created), fromMillis(seen), fromMillis(disabled)
	return &u, err
}

// UserByEmail finds who signs in with an address, at the shop's door or the partners'; nil for nobody.
func (s *Store) UserByEmail(ctx context.Context, email string, portal bool) (u *User, err error) {
	query := q("person-of-shop")
	if portal {
		query = q("person-of-portal")
	}
	err = s.read(ctx, func(r rows) error { u, err = r.user(query, email); return err })
	return u, err
}

// UserByID finds somebody, nil for nobody.
func (s *Store) UserByID(ctx context.Context, id int64) (u *User, err error) {
	err = s.read(ctx, func(r rows) error { u, err = r.user(q("person"), id); return err })
	return u, err
}

// Users lists the shop's own people.
func (s *Store) Users(ctx context.Context) (list []User, err error) {
	err = s.read(ctx, func(r rows) error {
		return r.each(q("people"), nil, func(scan func(...any) error) error {
			u, err := scanUser(scan)
			list = append(list, *u)
			return err
		})
	})
	return list, err
}

// AddUser lets one more of the shop's people in, and returns the token of the link that invites them.
func (s *Store) AddUser(ctx context.Context, email, name, role string) (token string, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		if there, err := t.user(q("person-of-shop"), email); err != nil || there != nil {
			return firstError(err, errPersonExists)
		}
		if err := t.exec(q("insert-person"), email, name, "", role, t.now.UnixMilli()); err != nil {
			return err
		}
		u, err := t.user(q("person-of-shop"), email)
		if err != nil {
			return err
		}
		if token, err = t.invite(u); err != nil {
			return err
		}
		return t.act("person-added", email, role)
	})
	return token, err
}

func firstError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// InviteAgain makes a new link for somebody, with which they choose a new password; the code of an app is
// not asked any more. Links from before end. errNotFound for nobody.
func (s *Store) InviteAgain(ctx context.Context, id int64) (token string, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		u, err := t.user(q("person"), id)
		if err != nil || u == nil {
			return firstError(err, errNotFound)
		}
		if !u.Disabled.IsZero() {
			return decisionError{u.Email + " is disabled: enable them first"}
		}
		if token, err = t.invite(u); err != nil {
			return err
		}
		return t.act("person-invited", u.who(), "")
	})
	return token, err
}

// InvitePartner makes a link with which a partner chooses a password for the portal, and signs in with it
// and the e-mail address that is known of them. errNotFound for an unknown partner.
func (s *Store) InvitePartner(ctx context.Context, code string) (token string, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		p, ok := t.terms.partner(code)
		if !ok {
			return errNotFound
		}
		contact, err := t.contact(p.Code)
		if err != nil {
			return err
		}
		if contact.Email == "" {
			return decisionError{p.Code + " signs in with an e-mail address, and none is known: " +
				"hissa partner set " + p.Code + " -email …"}
		}
		u, err := t.portalUser(p.Code, contact)
		if err != nil {
			return err
		}
		if !u.Disabled.IsZero() {
			if err := t.exec(q("set-disabled"), nil, u.ID); err != nil {
				return err
			}
		}
		if token, err = t.invite(u); err != nil {
			return err
		}
		return t.act("partner-invited", p.Code, "")
	})
	return token, err
}

// ShutPartnerOut takes a partner's way into the portal: sessions end, password and links are worth nothing, and no
// link is mailed to them, until they are invited anew. errNotFound for an unknown partner.
func (s *Store) ShutPartnerOut(ctx context.Context, code string) error {
	return s.write(ctx, s.payments, func(t *tx) error {
		p, ok := t.terms.partner(code)
		if !ok {
			return errNotFound
		}
		u, err := t.user(q("person-of-partner"), p.Code)
		if err != nil {
			return err
		}
		if u == nil || !u.Disabled.IsZero() {
			return decisionError{p.Code + " has no way into the portal as it is"}
		}
		// Without the old password a new link is the only way back in.
		return errors.Join(t.exec(q("set-password"), "", u.ID), t.exec(q("set-disabled"), t.now.UnixMilli(), u.ID),
			t.exec(q("end-sessions"), u.ID, []byte{}), t.exec(q("end-links"), u.ID),
			t.act("partner-shut-out", p.Code, ""))
	})
}

// portalUser is who signs in for a partner, by the address that is known now.
func (t *tx) portalUser(code string, c Contact) (*User, error) {
	other, err := t.user(q("person-of-portal"), c.Email)
	if err != nil {
		return nil, err
	}
	if other != nil && other.Partner != code {
		return nil, decisionError{other.Partner + " signs in with " + c.Email + " already: " +
			"each partner needs an address of their own"}
	}
	u, err := t.user(q("person-of-partner"), code)
	switch {
	case err != nil:
		return nil, err
	case u == nil:
		err = t.exec(q("insert-person"), c.Email, c.Name, code, "partner", t.now.UnixMilli())
	case !strings.EqualFold(u.Email, c.Email):
		// A link that went to the old address may be in a stranger's hands.
		err = errors.Join(t.exec(q("set-person"), c.Email, u.Role, u.ID), t.exec(q("end-links"), u.ID))
	}
	if err != nil {
		return nil, err
	}
	return t.user(q("person-of-partner"), code)
}

// moveSignIn lets a partner who signs in do so with their new address.
func (t *tx) moveSignIn(code string, email *string) error {
	if email == nil || *email == "" {
		return nil
	}
	u, err := t.user(q("person-of-partner"), code)
	if err != nil || u == nil {
		return err
	}
	_, err = t.portalUser(code, Contact{Email: *email})
	return err
}

// invite makes a link and ends those that were made before.
func (t *tx) invite(u *User) (token string, err error) {
	if err := t.exec(q("end-links"), u.ID); err != nil {
		return "", err
	}
	return t.addLink(u, linkLasts, false)
}

func (t *tx) addLink(u *User, lasts time.Duration, mailed bool) (token string, err error) {
	token = randomText()
	return token, t.exec(q("insert-link"), tokenHash(token), u.ID, t.now.UnixMilli(),
		t.now.Add(lasts).UnixMilli(), mailed)
}

// UserOfLink is whom a link invites or, one that was mailed on request, signs in; errNotFound once it was
// used, or is too old.
func (s *Store) UserOfLink(ctx context.Context, token string, mailed bool) (u *User, err error) {
	err = s.read(ctx, func(r rows) error {
		u, err = r.user(q("person-of-link"), tokenHash(token), s.now().UnixMilli(), mailed)
		return err
	})
	if err == nil && u == nil {
		err = errNotFound
	}
	return u, err
}

// LinkToMail makes a link that signs a partner in, to be mailed to them. Others that are on their way stay
// good: mails overtake each other. errNotFound for an address with which no partner signs in.
func (s *Store) LinkToMail(ctx context.Context, email string) (token string, u *User, err error) {
	if u, err = s.UserByEmail(ctx, email, true); err != nil || u == nil { // a stranger makes nobody write
		return "", nil, firstError(err, errNotFound)
	}
	err = s.write(ctx, s.payments, func(t *tx) error {
		u, err = t.user(q("person-of-portal"), email)
		if err != nil || u == nil || !u.Disabled.IsZero() {
			return firstError(err, errNotFound)
		}
		if err := t.exec(q("end-mailed-links"), 0, t.now.UnixMilli()); err != nil {
			return err
		}
		token, err = t.addLink(u, mailedLasts, true)
		return err
	})
	return token, u, err
}

// SignInByMail uses a link that was mailed, and ends the others. waits: their code is still to come.
// errNotFound once it was used, or is too old.
func (s *Store) SignInByMail(ctx context.Context, token string) (session string, u *User, waits bool, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		u, err = t.user(q("person-of-link"), tokenHash(token), t.now.UnixMilli(), true)
		if err != nil || u == nil {
			return firstError(err, errNotFound)
		}
		waits = len(u.totp) > 0
		if err := errors.Join(t.exec(q("end-mailed-links"), u.ID, t.now.UnixMilli()),
			t.exec(q("end-old-sessions"), t.now.UnixMilli())); err != nil {
			return err
		}
		if session, err = t.startSession(u, waits, false); err != nil || waits {
			return err
		}
		return t.act("signed-in-by-mail", u.who(), "")
	})
	return session, u, waits, err
}

// AcceptLink uses a link: the password is set, whoever was signed in under this name no longer is, and
// the token of a session comes back. errNotFound once the link was used, or is too old.
func (s *Store) AcceptLink(ctx context.Context, token, password string) (session string, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		hash := tokenHash(token)
		u, err := t.user(q("person-of-link"), hash, t.now.UnixMilli(), false)
		if err != nil || u == nil {
			return firstError(err, errNotFound)
		}
		if err := errors.Join(
			t.exec(q("use-link"), t.now.UnixMilli(), hash), t.exec(q("set-password"), password, u.ID),
			t.exec(q("set-totp"), []byte{}, 0, u.ID), t.exec(q("end-sessions"), u.ID, []byte{}),
		); err != nil {
			return err
		}
		if session, err = t.startSession(u, false, false); err != nil {
			return err
		}
		return t.act("password-chosen", u.who(), "")
	})
	return session, err
}

// ChangeUser gives one of the shop's people another role, or disables or enables them; role "" leaves it.
func (s *Store) ChangeUser(ctx context.Context, id int64, role string, disabled bool) error {
	return s.write(ctx, s.payments, func(t *tx) error {
		u, err := t.user(q("person"), id)
		if err != nil || u == nil {
			return firstError(err, errNotFound)
		}
		if u.Partner != "" {
			role = ""
		}
		var others int
		if err := t.one(q("count-other-owners"), args{id}, &others); err != nil {
			return err
		}
		stays := !disabled && (role == "" || role == "owner")
		if u.Role == "owner" && !stays && others == 0 {
			return errLastOwner
		}
		return t.changeUser(u, role, disabled)
	})
}

func (t *tx) changeUser(u *User, role string, disabled bool) error {
	if role != "" && role != u.Role {
		if err := errors.Join(t.exec(q("set-person"), u.Email, role, u.ID),
			t.act("person-role", u.who(), role)); err != nil {
			return err
		}
	}
	if disabled == !u.Disabled.IsZero() {
		return nil
	}
	if !disabled {
		return errors.Join(t.exec(q("set-disabled"), nil, u.ID), t.act("person-enabled", u.who(), ""))
	}
	return errors.Join(
		t.exec(q("set-disabled"), t.now.UnixMilli(), u.ID), t.exec(q("end-sessions"), u.ID, []byte{}),
		t.exec(q("end-links"), u.ID), t.act("person-disabled", u.who(), ""),
	)
}

// SignIn starts a session for somebody whose password was right; waits: their code is still to come.
// errNotFound when they were disabled, or the password changed, meanwhile.
func (s *Store) SignIn(ctx context.Context, known *User, waits bool) (token string, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		u, err := t.user(q("person"), known.ID)
		if err != nil || u == nil || !u.Disabled.IsZero() || u.password != known.password {
			return firstError(err, errNotFound)
		}
		if err := t.exec(q("end-old-sessions"), t.now.UnixMilli()); err != nil {
			return err
		}
		if token, err = t.startSession(u, waits, false); err != nil || waits {
			return err
		}
		return t.act("signed-in", u.who(), "")
	})
	return token, err
}

func (t *tx) startSession(u *User, waits, sure bool) (token string, err error) {
	token = randomText()
	most, _ := u.lasts()
	if waits {
		most = codeLasts
	}
	var again any
	if sure {
		again = t.now.UnixMilli()
	}
	now := t.now.UnixMilli()
	if err := t.exec(q("insert-session"), tokenHash(token), u.ID, now, now, t.now.Add(most).UnixMilli(),
		again, waits); err != nil || waits {
		return token, err
	}
	return token, t.exec(q("signed-in"), now, u.ID)
}

// errCodeTaken says that a code was used before.
var errCodeTaken = decisionError{"this code was used already"}

// useCode takes a code's step, once.
func (t *tx) useCode(u *User, step int64) error {
	if err := t.exec(q("use-totp"), u.ID, step); err != nil {
		return err
	}
	var n int
	if err := t.one(q("count-changes"), nil, &n); err != nil || n == 0 {
		return firstError(err, errCodeTaken)
	}
	return nil
}

// endSession ends a session in favour of another; errNotFound when it was ended meanwhile.
func (t *tx) endSession(old *Session) error {
	if err := t.exec(q("end-session"), old.hash); err != nil {
		return err
	}
	var n int
	if err := t.one(q("count-changes"), nil, &n); err != nil || n == 0 {
		return firstError(err, errNotFound)
	}
	return nil
}

// CodeRight turns a session that waits for a code into one, under a new token. errNotFound when it was ended
// meanwhile.
func (s *Store) CodeRight(ctx context.Context, old *Session, step int64) (token string, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		if err := t.endSession(old); err != nil {
			return err
		}
		if err := t.useCode(&old.User, step); err != nil {
			return err
		}
		if token, err = t.startSession(&old.User, false, false); err != nil {
			return err
		}
		return t.act("signed-in", old.who(), "")
	})
	return token, err
}

// Sure notes that the password was given again, and the code (step 0: none is asked), under a new token.
// The session ends when it would have. errNotFound when it was ended meanwhile.
func (s *Store) Sure(ctx context.Context, old *Session, step int64) (token string, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		if err := t.endSession(old); err != nil {
			return err
		}
		if step > 0 {
			if err := t.useCode(&old.User, step); err != nil {
				return err
			}
		}
		token = randomText()
		now := t.now.UnixMilli()
		return t.exec(q("insert-session"), tokenHash(token), old.ID, old.At.UnixMilli(), now,
			old.ends.UnixMilli(), now, false)
	})
	return token, err
}

// Session finds who a token lets in, nil for nobody. That they were seen is written every five minutes.
func (s *Store) Session(ctx context.Context, token string) (*Session, error) {
	if token == "" || len(token) > 64 {
		return nil, nil
	}
	found, err := s.sessionOf(tokenHash(token))
	if err != nil || found == nil || s.now().Sub(found.seen) < seenEvery {
		return found, err
	}
	if err := s.write(ctx, s.clicks, func(t *tx) error {
		return t.exec(q("see-session"), t.now.UnixMilli(), found.hash)
	}); err != nil { // a full disk must not take the pages away just then
		slog.Warn("that somebody was seen is not noted", "cause", err.Error())
	}
	return found, nil
}

// sessionOf is the session of a token's hash, nil for one that is over. It does not count as having been seen.
func (s *Store) sessionOf(hash []byte) (*Session, error) {
	found := &Session{hash: hash}
	var at, seen, ends, created int64
	var again, last, disabled *int64
	u := &found.User
	err := s.readers.look(q("session"), args{found.hash}, &at, &seen, &ends, &again, &found.Waits,
		&u.ID, &u.Email, &u.Name, &u.Partner, &u.Role, &u.password, &u.totp, &u.totpStep,
		&created, &last, &disabled)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found.At, found.seen, found.ends, found.Again = fromMillis(&at), fromMillis(&seen), fromMillis(&ends), fromMillis(again)
	u.Created, u.Seen, u.Disabled = fromMillis(&created), fromMillis(last), fromMillis(disabled)
	now := s.now()
	_, idle := u.lasts()
	if !u.Disabled.IsZero() || !now.Before(found.ends) || now.Sub(found.seen) >= idle {
		return nil, nil
	}
	return found, nil
}

// SignOut ends a session.
func (s *Store) SignOut(ctx context.Context, old *Session) error {
	return s.write(ctx, s.payments, func(t *tx) error { return t.exec(q("end-session"), old.hash) })
}

// SignOutElsewhere ends all sessions of somebody but one.
func (s *Store) SignOutElsewhere(ctx context.Context, but *Session) error {
	return s.write(ctx, s.payments, func(t *tx) error {
		return errors.Join(t.exec(q("end-sessions"), but.ID, but.hash),
			t.act("signed-out-elsewhere", but.who(), ""))
	})
}

// SetPassword changes somebody's own password, and ends their other sessions.
func (s *Store) SetPassword(ctx context.Context, own *Session, password string) error {
	return s.write(ctx, s.payments, func(t *tx) error {
		return errors.Join(t.exec(q("set-password"), password, own.ID),
			t.exec(q("end-sessions"), own.ID, own.hash), t.exec(q("end-links"), own.ID),
			t.act("password-changed", own.who(), ""))
	})
}

// SetTOTP makes sign-in ask for codes of a secret, of which one with this step was shown; or, with an empty
// secret, ask for none.
func (s *Store) SetTOTP(ctx context.Context, own *Session, secret []byte, step int64) error {
	act := "codes-on"
	if len(secret) == 0 {
		secret, act = []byte{}, "codes-off"
	}
	return s.write(ctx, s.payments, func(t *tx) error {
		return errors.Join(t.exec(q("set-totp"), secret, step, own.ID),
			t.exec(q("end-sessions"), own.ID, own.hash), t.act(act, own.who(), ""))
	})
}

// CountSessions is in how many places somebody is signed in.
func (s *Store) CountSessions(ctx context.Context, id int64) (n int, err error) {
	err = s.read(ctx, func(r rows) error { return r.one(q("count-sessions"), args{id, s.now().UnixMilli()}, &n) })
	return n, err
}

// voidSessions signs everybody out of books that were put back: they may know people and passwords of
// before, but nobody is signed in.
func (w *writer) voidSessions() error {
	return errors.Join(w.exec(q("void-sessions")), w.exec(q("void-links")))
}

// actor is who acts, and from where.
type actor struct{ who, network string }

type actorKey struct{}

// withActor says who acts, for the log of acts.
func withActor(ctx context.Context, who, network string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor{who, network})
}

// act books what somebody did, in the transaction that does it. Nothing is booked for what the program does
// by itself.
func (t *tx) act(act, about, note string) error {
	if t.by.who == "" {
		return nil
	}
	return t.exec(q("insert-act"), t.now.UnixMilli(), t.by.who, act, about, note, t.by.network)
}

// Act is one thing that somebody did.
type Act struct {
	ID      int64
	At      time.Time
	Who     string
	Act     string
	About   string
	Note    string
	Network string
}

// Acts lists what was done, the newest first, behind the act with this id (0 for the newest); who and about
// are "" for all. One more than a page holds tells that there is another.
func (s *Store) Acts(ctx context.Context, behind int64, who, about string) (list []Act, more bool, err error) {
	if behind == 0 {
		behind = farAway
	}
	err = s.read(ctx, func(r rows) error {
		query := q("acts")
		if about != "" {
			query = q("acts-about")
		}
		return r.each(query, args{behind, who, about, actsAtOnce + 1}, func(scan func(...any) error) error {
			var a Act
			var at int64
			err := scan(&a.ID, &at, &a.Who, &a.Act, &a.About, &a.Note, &a.Network)
			a.At = fromMillis(&at)
			list = append(list, a)
			return err
		})
	})
	if more = len(list) > actsAtOnce; more {
		list = list[:actsAtOnce]
	}
	return list, more, err
}

// readEmail is an address that somebody can sign in with.
func readEmail(text string) (string, error) {
	text = strings.TrimSpace(text)
	name, host, is := strings.Cut(text, "@")
	odd := func(c rune) bool { return c <= ' ' || c == 0x7f || strings.ContainsRune("<>\"(),;:\\[]", c) }
	if !is || name == "" || !strings.Contains(host, ".") || strings.Contains(host, "@") ||
		len(text) > mostEmailText || strings.ContainsFunc(text, odd) {
		return "", fmt.Errorf("%q is not an e-mail address", text)
	}
	return text, nil
}
