package web

import (
	"io"
	"time"
)

// Settings is what the configuration says. It is changed in its file only.
type Settings struct {
	File     string
	Sections []SettingsSection
	Facts    []Field // version, SQLite, database …
	Changed  bool    // the file has changed since the service read it
}

// SettingsSection is a table of the file; the name of the first is "".
type SettingsSection struct {
	Name string
	Rows []Setting
}

// Setting is one option.
type Setting struct {
	Key    string // without the section
	Value  string // as it stands in the file; never a secret
	Line   int    // where it stands, 0 when the default holds
	Doc    string // what it means
	Column int
}

// Render writes the page.
func (p Settings) Render(w io.Writer, f Frame) error { return render(w, f, "settings", p) }

// Keys are those for programs. Forms: POST /admin/keys: name, scope (orders, read, metrics); POST
// /admin/keys/{name}/revoke.
type Keys struct {
	Rows []Key
	Name string // of the key that was just made
	New  string // the key itself, shown once
	Form Form
}

// Key is one key.
type Key struct {
	Name    string
	Scope   string
	At      time.Time
	Revoked time.Time // zero for never
}

// Render writes the page.
func (p Keys) Render(w io.Writer, f Frame) error { return render(w, f, "keys", p) }
