package main

// /join: a page on which people apply to become partners, where the merchant has opened it. Nobody becomes one
// before a person has said so.

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hissa/web"
)

var joinRoutes = []route{
	{pattern: "GET /join", handle: (*server).pageJoin},
	{pattern: "POST /join", handle: (*server).handleJoin},
	{pattern: "GET /admin/applications", may: shop, handle: (*server).pageApplications},
	{pattern: "POST /admin/applications/{id}", may: whoPays, handle: (*server).handleApplication},
}

const (
	openApplications  = 500 // that wait; one more is told to come again
	applicationsOften = 20  // from one network with less than a quarter of an hour between
	applicationsShown = 25
	applicationsKept  = 180 * 24 * time.Hour // those that were turned down
)

// Application is what somebody said about themselves.
type Application struct {
	ID     int64
	At     time.Time
	Name   string
	Email  string
	Mobile string
	Places string // where they would share links
	Note   string
	Code   string // proposed, then given
	State  string // open, accepted, refused
}

var errTooManyApply = errors.New("too many applications wait")

// Apply keeps an application. A second one from the same address takes the place of the first while that
// waits; errTooManyApply when too many wait.
func (s *Store) Apply(ctx context.Context, a Application) error {
	return s.write(ctx, s.payments, func(t *tx) error {
		if err := t.exec(q("withdraw-application"), a.Email); err != nil {
			return err
		}
		var open int
		if err := t.one(q("count-applications"), args{openApplications}, &open); err != nil {
			return err
		}
		if open >= openApplications {
			return errTooManyApply
		}
		return t.exec(q("insert-application"), t.now.UnixMilli(), a.Name, a.Email, a.Mobile, a.Places, a.Note, a.Code)
	})
}

// Applications lists them from an id down, the newest first; more tells that there are others behind.
func (s *Store) Applications(ctx context.Context, before int64) (list []Application, more bool, err error) {
	if before <= 0 {
		before = farAway
	}
	err = s.read(ctx, func(r rows) error {
		return r.each(q("applications"), args{before, applicationsShown + 1}, func(scan func(...any) error) error {
			var a Application
			var at int64
			err := scan(&a.ID, &at, &a.Name, &a.Email, &a.Mobile, &a.Places, &a.Note, &a.Code, &a.State)
			a.At = fromMillis(&at)
			list = append(list, a)
			return err
		})
	})
	if more = len(list) > applicationsShown; more {
		list = list[:applicationsShown]
	}
	return list, more, err
}

// countApplications is how many wait, up to a bound.
func (r rows) countApplications() (n int, err error) {
	return n, r.one(q("count-applications"), args{countAtMost}, &n)
}

// AcceptApplication makes a partner of whoever applied, under a code, and returns the token of the link that
// lets them in. errNotFound unless it waits.
func (s *Store) AcceptApplication(ctx context.Context, id int64, code string) (token string, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		a, err := t.openApplication(id)
		if err != nil {
			return err
		}
		change := PartnerChange{Code: code, Name: &a.Name, Email: &a.Email, Mobile: &a.Mobile}
		if _, err := t.changePartner(change, Partner{Code: code, State: "active"}, true); err != nil {
			return err
		}
		u, err := t.portalUser(code, Contact{Name: a.Name, Email: a.Email})
		if err != nil {
			return err
		}
		if token, err = t.invite(u); err != nil {
			return err
		}
		return errors.Join(t.exec(q("settle-application"), "accepted", code, id),
			t.act("application-accepted", code, ""))
	})
	return token, err
}

// RefuseApplication turns somebody down. errNotFound unless it waits.
func (s *Store) RefuseApplication(ctx context.Context, id int64, reason string) error {
	return s.write(ctx, s.payments, func(t *tx) error {
		a, err := t.openApplication(id)
		if err != nil {
			return err
		}
		return errors.Join(t.exec(q("settle-application"), "refused", a.Code, id),
			t.act("application-refused", strconv.FormatInt(id, 10), reason))
	})
}

func (t *tx) openApplication(id int64) (a Application, err error) {
	err = t.each(q("open-application"), args{id}, func(scan func(...any) error) error {
		a.ID = id
		return scan(&a.Name, &a.Email, &a.Mobile, &a.Code)
	})
	if err == nil && a.ID == 0 {
		err = errNotFound
	}
	return a, err
}

func (s *server) joinPage() web.Join {
	program := s.config.program()
	return web.Join{Rate: rateText(program.Rate), Hold: program.Hold, Minimum: s.config.Payout.Minimum}
}

func (s *server) pageJoin(v *visit) error {
	if !s.config.Join.Open {
		return errNoPage
	}
	page := s.joinPage()
	page.Done = v.URL.Query().Has("done")
	return v.show(page)
}

var joinFields = []string{"name", "email", "mobile", "where", "note", "code"}

// handleJoin keeps an application. What it answers does not tell whether the address is known.
func (s *server) handleJoin(v *visit) error {
	if !s.config.Join.Open {
		return errNoPage
	}
	if err := v.form(); err != nil {
		return err
	}
	a, wrong := readApplication(v)
	page := s.joinPage()
	if len(wrong) > 0 {
		page.Form = typed(v, wrong, joinFields...)
		return v.render(http.StatusUnprocessableEntity, page)
	}
	if v.PostFormValue("website") != "" { // no person sees that field
		return v.to("/join?done")
	}
	if !s.applying.lets(s.store.now(), "", s.network(v.Request), applicationsOften) {
		return problem{http.StatusTooManyRequests, ""}
	}
	err := s.store.Apply(v.Context(), a)
	if errors.Is(err, errTooManyApply) {
		return problem{http.StatusTooManyRequests, ""}
	}
	if err != nil {
		return err
	}
	return v.to("/join?done")
}

var textPattern = pattern(`^[^\x00-\x09\x0b\x0c\x0e-\x1f\x7f]*$`)

// readApplication reads the form; wrong is by field.
func readApplication(v *visit) (a Application, wrong map[string]string) {
	wrong = map[string]string{}
	text := func(name string, most int) string {
		value := strings.TrimSpace(v.PostFormValue(name))
		if len(value) > most || !textPattern().MatchString(value) {
			wrong[name] = "needed"
		}
		return value
	}
	a = Application{Name: text("name", 128), Mobile: text("mobile", 20), Places: text("where", 500),
		Note: text("note", 1000), Code: text("code", 32)}
	if !plainPattern().MatchString(a.Name) || a.Name == "" {
		wrong["name"] = "needed"
	}
	if a.Places == "" {
		wrong["where"] = "needed"
	}
	email, err := readEmail(v.PostFormValue("email"))
	if err != nil || checkPartner(PartnerChange{Email: &email}) != nil {
		wrong["email"] = "email"
	}
	a.Email = email
	if a.Mobile != "" && plainMobile(a.Mobile) == "" {
		wrong["mobile"] = "mobile"
	}
	if a.Code != "" && (!codePattern().MatchString(a.Code) || strings.HasPrefix(a.Code, clickPrefix)) {
		wrong["code"] = "codeform"
	}
	return a, wrong
}

func (s *server) pageApplications(v *visit) error {
	return s.showApplications(v, http.StatusOK, 0, web.Form{})
}

// showApplications lists them; open is the one whose form comes back.
func (s *server) showApplications(v *visit, status int, open int64, form web.Form) error {
	before, _ := strconv.ParseInt(v.URL.Query().Get("before"), 10, 64) // nonsense is the first page
	list, more, err := s.store.Applications(v.Context(), before)
	if err != nil {
		return err
	}
	page := web.Applications{Open: open, Form: form}
	if s.config.Join.Open {
		page.Join = s.config.URLFor("join")
	}
	var last int64
	for _, a := range list {
		last = a.ID
		page.Rows = append(page.Rows, web.Application{ID: a.ID, At: a.At, Name: a.Name, Email: a.Email, Mobile: a.Mobile,
			Where: a.Places, Note: a.Note, Code: a.Code, State: a.State})
	}
	if page.Paging = pagingByID(before, 0); more {
		page.Paging = pagingByID(before, last)
	}
	return v.render(status, page)
}

// handleApplication takes somebody on, under a code, or turns them down.
func (s *server) handleApplication(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	id, err := v.idOf("id")
	if err != nil {
		return err
	}
	here := "/admin/applications"
	if v.PostFormValue("say") == "refuse" {
		reason := strings.TrimSpace(v.PostFormValue("reason"))
		if checkReason(reason) != nil {
			return s.showApplications(v, http.StatusUnprocessableEntity, id, typed(v, map[string]string{"reason": "reason"}, "code", "reason"))
		}
		if err := s.store.RefuseApplication(v.Context(), id, reason); err != nil {
			return err
		}
		return v.done(here, "saved")
	}
	code := strings.TrimSpace(v.PostFormValue("code"))
	if v.PostFormValue("say") != "accept" {
		return problem{http.StatusBadRequest, ""}
	}
	wrong := map[string]string{"code": "codeform"}
	if !codePattern().MatchString(code) || strings.HasPrefix(code, clickPrefix) {
		return s.showApplications(v, http.StatusUnprocessableEntity, id, typed(v, wrong, "code", "reason"))
	}
	token, err := s.store.AcceptApplication(v.Context(), id, code)
	if said, is := asSentence(err); is && !errors.Is(err, errNotFound) {
		wrong["code"] = said
		return s.showApplications(v, http.StatusUnprocessableEntity, id, typed(v, wrong, "code", "reason"))
	}
	if err != nil {
		return err
	}
	v.SetPathValue("code", code)
	now := s.store.now()
	return s.showPartner(v, http.StatusOK, web.Access{State: "invited", At: now,
		Link: s.config.URLFor("partner", "welcome", token), Until: now.Add(linkLasts)}, web.Form{})
}
