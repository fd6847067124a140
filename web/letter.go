package web

import (
	"html"
	"time"
)

// Letter is a mail with a link. It names nobody: its words are the shop's, whoever it is sent to.
type Letter struct {
	Kind  string // link, with which a partner signs in; invitation, of a partner; person, of the shop's
	Shop  string
	Link  string
	Lasts time.Duration // for how long the link works
}

// Write is subject and text in a language.
func (l Letter) Write(lang string) (subject, text string, err error) {
	v := vocabularies()[lang]
	lasts, err := v.span(l.Lasts)
	if err != nil {
		return "", "", err
	}
	holes := []any{"shop", l.Shop, "link", l.Link, "lasts", lasts}
	head, body := "letter.link_subject", "letter.link_text"
	switch l.Kind {
	case "invitation":
		head, body = "letter.invitation_subject", "letter.invitation_text"
	case "person":
		head, body = "letter.person_subject", "letter.person_text"
	}
	if subject, err = v.plain(head, holes...); err != nil {
		return "", "", err
	}
	text, err = v.plain(body, holes...)
	return subject, text + "\n", err
}

// plain is a sentence as it stands outside of HTML.
func (v *vocabulary) plain(key string, holes ...any) (string, error) {
	text, err := v.say(key, holes...)
	return html.UnescapeString(string(text)), err
}
