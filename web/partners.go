package web

import (
	"io"
	"time"
)

// Partners is the list of partners, for the last 30 days. Its query: q (code, name, promo code), state.
type Partners struct {
	Text         string
	State        string // active, disabled; "" for all
	Rows         []PartnerRow
	Paging       Paging
	Nothing      bool // there is no partner at all
	Applications int
	Join         bool // the application page is on
}

// PartnerRow is a partner in the list. Days are the commissions of the last 30 days, the oldest first.
type PartnerRow struct {
	Code       string
	Name       string
	State      string // active, disabled
	Clicks     int64
	Payments   int64
	Sales      int64
	Commission int64
	Held       int64
	Due        int64
	Days       []int64
}

// Render writes the page.
func (p Partners) Render(w io.Writer, f Frame) error { return render(w, f, "partners", p) }

// PartnerForm adds a partner or changes one: code (new ones), name, promo (codes, a blank between), ref, rate
// (12% or 50.00), email, vpa; to /admin/new-partner or /admin/partners/{code}/edit.
type PartnerForm struct {
	Code string // of the partner who is changed, "" for a new one
	Rate string // the program's, which holds without one
	Form Form
}

// Render writes the page.
func (p PartnerForm) Render(w io.Writer, f Frame) error { return render(w, f, "partner_form", p) }

// Import takes partners from a file: first a dry run, then the same again for good. Multipart to
// /admin/import: file; or text (what the dry run read, carried along) with apply=1.
type Import struct {
	Rows    []ImportRow
	Dry     bool // Rows say what would happen; else what did
	Text    string
	New     int
	Changed int
	Bad     int
	Form    Form
}

// ImportRow is one line of the file, and what comes of it.
type ImportRow struct {
	Line int
	Code string
	Name string
	Said string // new, changed, same, fault
	Note string
}

// Render writes the page.
func (p Import) Render(w io.Writer, f Frame) error { return render(w, f, "import", p) }

// Applications are those of people who want to become partners: /admin/applications. One is taken
// or turned down by POST …/applications/{id}: say (accept, refuse), code, reason.
type Applications struct {
	Rows   []Application
	Paging Paging
	Join   string // the page's URL, "" while it is off
	Form   Form
	Open   int64 // the application whose form comes back
}

// Application is what somebody said about themselves.
type Application struct {
	ID     int64
	At     time.Time
	Name   string
	Email  string
	Mobile string
	Where  string // where they would share links
	Note   string
	Code   string // proposed
	State  string // open, accepted, refused
}

// Render writes the page.
func (p Applications) Render(w io.Writer, f Frame) error { return render(w, f, "applications", p) }
