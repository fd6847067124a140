package web

import "io"

// SignIn asks who somebody is. It is sent to /admin/sign-in or /partner/sign-in: email, password, next.
// Where Code is set, the password was right and only code (six digits) and next are asked.
type SignIn struct {
	Portal bool // the partner's door
	Mail   bool // a partner can have a link sent: POST /partner/sign-in/link, email
	Sent   bool // it was sent, if the address is known
	Ask    Form // that asks for it
	Code   bool
	Next   string // where to go afterwards
	Form   Form
}

// Render writes the page.
func (p SignIn) Render(w io.Writer, f Frame) error { return render(w, f, "signin", p) }

// Welcome is where a link that invites leads: a password is chosen. It is sent to the page's own address:
// password, again. One that is Mailed sends nothing, to /partner/link/{token}.
type Welcome struct {
	Portal bool
	Token  string
	Email  string // as what one signs in later
	Reset  bool   // the password is chosen anew
	Gone   bool   // the link was used, or is too old
	Mailed bool   // a partner asked for the link by e-mail: it signs in, and no password is chosen
	Form   Form
}

// Render writes the page.
func (p Welcome) Render(w io.Writer, f Frame) error { return render(w, f, "welcome", p) }

// PasswordAgain stands before acts that move money or make keys. What was asked for is sent on to Action
// with all its Fields as soon as again_password is right; again_code as well, for whoever has one.
type PasswordAgain struct {
	Action string // a path without Base
	Fields []Field
	Act    string // approve, pay, key, people: what is about to happen
	Code   bool
	Form   Form
}

// Render writes the page.
func (p PasswordAgain) Render(w io.Writer, f Frame) error { return render(w, f, "again", p) }

// Account is one's own: sent to /admin/account or /partner/account with what: password (now, password,
// again), totp-on (secret, code), totp-off (off_password, off_code), out-everywhere.
type Account struct {
	Email    string
	TOTP     bool   // is asked at sign-in
	Secret   string // a new one to scan, where it is not on
	URI      string // the same as otpauth://
	Sessions int
	Form     Form
}

// Render writes the page.
func (p Account) Render(w io.Writer, f Frame) error { return render(w, f, "account", p) }

// Problem is what is shown in place of a page.
type Problem struct {
	Status int    // 403, 404, 405, 429, 500, 503
	Detail string // a sentence of its own, "" for none
}

// Render writes the page.
func (p Problem) Render(w io.Writer, f Frame) error { return render(w, f, "problem", p) }
