package web

import (
	"io"
	"time"
)

// People are those who sign in here. Forms, for the owner: POST /admin/people: name, email, role; POST
// /admin/people/{id} with do (role: role; disable; enable; link). With mail=1 the link is mailed.
type People struct {
	Rows  []Person
	Mail  bool   // a link can be mailed
	Link  string // one that was just made, to be sent; shown once
	For   string // whose it is
	Until time.Time
	Form  Form
}

// Person is one of them.
type Person struct {
	ID    int64
	Name  string
	Email string
	Role  string // owner, finance, viewer
	State string // invited, active, disabled
	TOTP  bool
	Seen  time.Time // last signed in, zero for never
	Self  bool
}

// Render writes the page.
func (p People) Render(w io.Writer, f Frame) error { return render(w, f, "people", p) }

// Acts is who did what. Its query: who, about.
type Acts struct {
	Who    string
	About  string
	Rows   []Act
	Paging Paging
}

// Act is one thing that somebody did.
type Act struct {
	At    time.Time
	Who   string
	Did   string // a code of the words' [act], or a sentence
	About string // a TXNID, a code, a number
	Link  string // the page of that, a path without Base; "" for none
	Note  string // the reason
	From  string // the network
}

// Render writes the page.
func (p Acts) Render(w io.Writer, f Frame) error { return render(w, f, "acts", p) }
