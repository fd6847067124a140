package main

// The pages: which there are, and who may see each: the people of the shop, and the partners as they are let in.

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"hissa/web"
)

// pageRoutes is every page and every form. Those under /admin/ are the shop's own people's, those under
// /partner/ the partners', who see nothing but what is theirs.
func pageRoutes() []route {
	return slices.Concat(signInRoutes, mailRoutes, peopleRoutes, merchantRoutes, partnerRoutes, moneyRoutes,
		settingsRoutes, eventRoutes, portalRoutes, joinRoutes)
}

var peopleRoutes = []route{
	{pattern: "GET /admin/people", may: owners, handle: (*server).pagePeople},
	{pattern: "POST /admin/people", may: owners, again: "people", handle: (*server).handleAddPerson},
	{pattern: "POST /admin/people/{id}", may: owners, again: "people", handle: (*server).handlePerson},
	{pattern: "GET /admin/acts", may: shop, handle: (*server).pageActs},
}

func (s *server) pagePeople(v *visit) error { return s.showPeople(v, http.StatusOK, web.People{}) }

// showPeople lists the shop's people around what a form just did.
func (s *server) showPeople(v *visit, status int, page web.People) error {
	list, err := s.store.Users(v.Context())
	if err != nil {
		return err
	}
	page.Mail = s.mailer != nil
	for _, u := range list {
		page.Rows = append(page.Rows, web.Person{
			ID: u.ID, Name: firstText(u.Name, u.Email), Email: u.Email, Role: u.Role, State: u.State(),
			TOTP: len(u.totp) > 0, Seen: u.Seen, Self: u.ID == v.session.ID,
		})
	}
	return v.render(status, page)
}

// handLink mails a link that was just made, or shows it, once. One that could not be mailed is shown too.
func (s *server) handLink(v *visit, token, whose string) error {
	if s.mailer != nil && v.PostFormValue("mail") != "" {
		if s.mailInvitation(v, token) == nil {
			return v.done("/admin/people", "mailed")
		}
		v.fault = "unmailed"
	}
	return s.showPeople(v, http.StatusOK, web.People{
		Link: s.config.URLFor("admin", "welcome", token), For: whose, Until: s.store.now().Add(linkLasts),
	})
}

func (s *server) handleAddPerson(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	page := web.People{Form: web.Form{Errors: map[string]string{}, Values: map[string]string{
		"name": v.PostFormValue("name"), "email": v.PostFormValue("email"), "role": v.PostFormValue("role")}}}
	email, err := readEmail(v.PostFormValue("email"))
	if err != nil {
		page.Form.Errors["email"] = "email"
	}
	name := strings.TrimSpace(v.PostFormValue("name"))
	if len(name) > 100 || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' }) {
		page.Form.Errors["name"] = "needed"
	}
	role := v.PostFormValue("role")
	if !slices.Contains(shop, role) {
		page.Form.Errors["role"] = "needed"
	}
	if len(page.Form.Errors) > 0 {
		return s.showPeople(v, http.StatusUnprocessableEntity, page)
	}
	token, err := s.store.AddUser(v.Context(), email, name, role)
	if said, is := asSentence(err); is {
		page.Form.Errors["email"] = said
		return s.showPeople(v, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	return s.handLink(v, token, email)
}

// asSentence is what a person is told about something that can't be done; false for trouble.
func asSentence(err error) (string, bool) {
	if err == nil {
		return "", false
	}
	if no, is := asNo(err, "").(noError); is {
		return no.text, no.text != ""
	}
	if wrong, is := err.(usageError); is {
		return wrong.text, true
	}
	return "", false
}

func (s *server) handlePerson(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	id, err := strconv.ParseInt(v.PathValue("id"), 10, 64)
	if err != nil {
		return errNoPage
	}
	u, err := s.store.UserByID(v.Context(), id)
	if err != nil || u == nil || u.Partner != "" {
		return firstError(err, errNoPage)
	}
	switch role := v.PostFormValue("role"); v.PostFormValue("do") {
	case "link":
		token, err := s.store.InviteAgain(v.Context(), id)
		if err == nil {
			return s.handLink(v, token, u.Email)
		}
		return s.personSaid(v, err)
	case "role":
		if !slices.Contains(shop, role) {
			return problem{http.StatusBadRequest, ""}
		}
		return s.personSaid(v, s.store.ChangeUser(v.Context(), id, role, !u.Disabled.IsZero()))
	case "disable":
		return s.personSaid(v, s.store.ChangeUser(v.Context(), id, "", true))
	case "enable":
		return s.personSaid(v, s.store.ChangeUser(v.Context(), id, "", false))
	}
	return problem{http.StatusBadRequest, ""}
}

func (s *server) personSaid(v *visit, err error) error {
	if said, is := asSentence(err); is {
		return v.failed("/admin/people", said)
	}
	if err != nil {
		return err
	}
	return v.done("/admin/people", "saved")
}

func (s *server) pageActs(v *visit) error {
	query := v.URL.Query()
	behind, _ := strconv.ParseInt(query.Get("before"), 10, 64) // nonsense is the first page
	who, about := query.Get("who"), query.Get("about")
	list, more, err := s.store.Acts(v.Context(), max(behind, 0), who, about)
	if err != nil {
		return err
	}
	page := web.Acts{Who: who, About: about}
	for _, a := range list {
		page.Rows = append(page.Rows, web.Act{
			At: a.At, Who: a.Who, Did: a.Act, About: a.About, Link: actLink(a), Note: a.Note, From: a.Network,
		})
	}
	if behind > 0 {
		page.Paging.Before = strconv.FormatInt(behind, 10)
	}
	if more {
		page.Paging.Older = strconv.FormatInt(list[len(list)-1].ID, 10)
	}
	return v.show(page)
}

// actLink is the page of what an act is about, "" where there is none.
func actLink(a Act) string {
	kind, _, _ := strings.Cut(a.Act, "-")
	at := map[string]string{
		"payment": "/admin/payments/", "review": "/admin/payments/", "partner": "/admin/partners/",
		"statement": "/admin/statements/", "payout": "/admin/statements/",
	}[kind]
	if at == "" || a.About == "" || strings.ContainsAny(a.About, "/ ") {
		return ""
	}
	return at + a.About
}

// access is whether a partner can look at the portal.
func (s *server) access(ctx context.Context, code string) (a web.Access, err error) {
	a.State = "none"
	err = s.store.read(ctx, func(r rows) error {
		u, err := r.user(q("person-of-partner"), code)
		if u == nil || err != nil {
			return err
		}
		if a.State, a.At = u.State(), u.Seen; a.At.IsZero() {
			a.At = u.Created
		}
		if a.State == "disabled" {
			a.State, a.At = "shut", u.Disabled
		}
		return nil
	})
	return a, err
}

// handleInvite makes a link and shows it, or mails it. One that could not be mailed is shown too.
func (s *server) handleInvite(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	_, p, err := s.partnerOf(v)
	if err != nil {
		return err
	}
	now, err := s.access(v.Context(), p.Code)
	if err != nil {
		return err
	}
	if now.State == "shut" && v.session.Role != "owner" { // it was an owner's decision
		return v.failed("/admin/partners/"+pathSegment(p.Code), "shut")
	}
	token, err := s.store.InvitePartner(v.Context(), p.Code)
	if said, is := asSentence(err); is {
		return v.failed("/admin/partners/"+pathSegment(p.Code), said)
	}
	if err != nil {
		return err
	}
	if s.mailer != nil && v.PostFormValue("mail") != "" {
		if s.mailInvitation(v, token) == nil {
			return v.done("/admin/partners/"+pathSegment(p.Code), "mailed")
		}
		v.fault = "unmailed"
	}
	made := s.store.now()
	return s.showPartner(v, http.StatusOK, web.Access{State: "invited", At: made,
		Link: s.config.URLFor("partner", "welcome", token), Until: made.Add(linkLasts)}, web.Form{})
}

// handleShutOut takes a partner's way into the portal.
func (s *server) handleShutOut(v *visit) error {
	_, p, err := s.partnerOf(v)
	if err != nil {
		return err
	}
	here := "/admin/partners/" + pathSegment(p.Code)
	err = s.store.ShutPartnerOut(v.Context(), p.Code)
	if said, is := asSentence(err); is {
		return v.failed(here, said)
	}
	if err != nil {
		return err
	}
	return v.done(here, "shut_out")
}
