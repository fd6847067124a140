package main

// The merchant's pages about money that leaves: statements, payouts, the bank's file, tax.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hissa/web"
)

var moneyRoutes = []route{
	{pattern: "GET /admin/statements", may: shop, handle: (*server).pageStatements},
	{pattern: "POST /admin/statements/draft", may: whoPays, handle: (*server).handleDraft},
	{pattern: "POST /admin/statements/approve", may: whoPays, again: "approve", handle: (*server).handleApproveAll},
	{pattern: "GET /admin/statements/{id}", may: shop, handle: (*server).pageStatement},
	{pattern: "POST /admin/statements/{id}", may: whoPays, again: "approve", handle: (*server).handleStatement},
	{pattern: "GET /admin/payouts", may: shop, handle: (*server).pagePayouts},
	{pattern: "POST /admin/payouts/file", may: whoPays, again: "pay", handle: (*server).handlePayoutFile},
	{pattern: "GET /admin/payouts/files/{n}", may: whoPays, handle: (*server).handleOldPayoutFile},
	{pattern: "GET /admin/payouts/{id}", may: shop, handle: (*server).pagePayout},
	{pattern: "POST /admin/payouts/{id}", may: whoPays, again: "pay", handle: (*server).handlePayout},
	{pattern: "POST /admin/payouts/{id}/send", may: whoPays, again: "pay", handle: (*server).handleSend},
	{pattern: "GET /admin/tds", may: shop, handle: (*server).pageTDS},
}

const entriesShown = 500 // of a statement; its files have them all

// idOf is the number in the path.
func (v *visit) idOf(name string) (int64, error) {
	id, err := strconv.ParseInt(v.PathValue(name), 10, 64)
	if err != nil || id < 1 {
		return 0, errNoPage
	}
	return id, nil
}

// showOf is which of a list are asked for.
func showOf(v *visit) string {
	if v.URL.Query().Get("show") == "all" {
		return "all"
	}
	return "open"
}

func (s *server) pageStatements(v *visit) error {
	return s.showStatements(v, http.StatusOK, web.Statements{})
}

// showStatements lists statements around what a form just did.
func (s *server) showStatements(v *visit, status int, page web.Statements) error {
	query := v.URL.Query()
	before, _ := strconv.ParseInt(query.Get("before"), 10, 64) // nonsense is the first page
	page.Show, page.Partner, page.Minimum = showOf(v), query.Get("partner"), s.config.Payout.Minimum
	want := func(st *Statement) bool { return page.Show == "all" || st.isOpen() }
	terms, err := s.store.Terms(v.Context())
	if err != nil {
		return err
	}
	err = s.store.read(v.Context(), func(r rows) error {
		list, next, err := r.statementsBack(page.Partner, before, pageRows, want)
		if err != nil {
			return err
		}
		page.Paging = pagingByID(before, next)
		if page.Rows, err = r.statementRows(list); err != nil {
			return err
		}
		any, _, err := r.statementsBack("", 0, 1, func(*Statement) bool { return true })
		if err != nil {
			return err
		}
		page.Nothing = len(any) == 0
		if len(list) > 0 {
			return nil
		}
		owed, err := r.owed(terms, page.Partner, s.store.now())
		page.Due = owed.due()
		return err
	})
	if err != nil {
		return err
	}
	return v.render(status, page)
}

// pagingByID is where a list stands that goes by numbers.
func pagingByID(before, next int64) (p web.Paging) {
	if before > 0 {
		p.Before = strconv.FormatInt(before, 10)
	}
	if next > 0 {
		p.Older = strconv.FormatInt(next, 10)
	}
	return p
}

func (r rows) statementRows(list []*Statement) (found []web.StatementRow, err error) {
	for _, s := range list {
		to, err := r.contact(s.Partner)
		if err != nil {
			return nil, err
		}
		found = append(found, web.StatementRow{ID: s.ID, Partner: s.Partner, Name: to.Name, At: s.At, Closing: s.Closing,
			Held: s.Held, Payable: s.Payable, Tax: s.withheld(), State: s.State(), Reason: s.last().Reason})
	}
	return found, nil
}

func (s *server) handleDraft(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	code := ""
	if typed := v.PostFormValue("partner"); typed != "" {
		terms, err := s.store.Terms(v.Context())
		if err != nil {
			return err
		}
		p, known := terms.partner(typed)
		if !known {
			return errNoPage
		}
		code = p.Code
	}
	list, err := s.store.DraftStatements(v.Context(), code, s.config.Payout.Minimum)
	if err != nil {
		return err
	}
	drafted := slices.ContainsFunc(list, func(d Drafted) bool { return d.Statement != nil })
	switch {
	case drafted:
		return v.done("/admin/statements", "drafted")
	case len(list) == 1:
		return v.failed("/admin/statements", list[0].Partner+": "+list[0].Why)
	}
	return v.done("/admin/statements", "nothing_new")
}

// handleApproveAll approves those that were picked. One that can't be is no reason to leave the next: the page
// says of each what became of it.
func (s *server) handleApproveAll(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	ids, err := parseIDs(v.PostForm["id"])
	if err != nil {
		return problem{http.StatusBadRequest, ""}
	}
	if len(ids) == 0 {
		return v.failed("/admin/statements", "none_picked")
	}
	var page web.Statements
	for _, id := range ids {
		st, err := s.store.JudgeStatement(v.Context(), id, "approved", "", s.config.taxRules())
		if err == nil {
			page.Approved = append(page.Approved, id)
			continue
		}
		said, is := asSentence(err)
		if errors.Is(err, errNotFound) {
			said, is = "no_statement", true
		}
		if !is && len(page.Approved) == 0 {
			return err
		}
		if !is { // what was approved before must not go unsaid
			s.log.Error("a statement is not approved", "statement", id, "cause", err.Error())
			said = "trouble"
		}
		left := web.LeftOut{ID: id, Why: said}
		if st != nil {
			left.Partner = st.Partner
		}
		page.Refused = append(page.Refused, left)
	}
	if len(page.Refused) == 0 {
		return v.done("/admin/payouts", "approved")
	}
	status := http.StatusOK
	if len(page.Approved) == 0 {
		status = http.StatusUnprocessableEntity
	}
	v.URL = &url.URL{Path: "/admin/statements"} // what is shown is the list, and follows what happens to it
	return s.showStatements(v, status, page)
}

func (s *server) pageStatement(v *visit) error {
	id, err := v.idOf("id")
	if err != nil {
		return err
	}
	told, err := s.store.Tell(v.Context(), id, s.config.taxRules())
	if err != nil {
		return err
	}
	switch format := v.URL.Query().Get("format"); format {
	case "csv", "signed", "text":
		return v.statementFile(told, format)
	}
	return s.showStatement(v, http.StatusOK, told, web.Form{})
}

// statementFile writes a statement as hissa statement show -format does.
func (v *visit) statementFile(told *Told, format string) error {
	var text bytes.Buffer
	var err error
	name, kind := fmt.Sprintf("statement-%d", told.ID), "text/plain; charset=utf-8"
	switch format {
	case "csv":
		name, kind, err = name+".csv", "text/csv; charset=utf-8", told.csv(&text)
	case "signed":
		name, kind, err = fmt.Sprintf("%d.json", told.ID), "application/json", told.sign(&text, v.s.config.URLFor())
	default:
		name, err = name+".txt", told.tell(&text)
	}
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return v.write(http.StatusOK, kind, text.Bytes())
}

func (s *server) showStatement(v *visit, status int, told *Told, form web.Form) error {
	page := told.page()
	page.Form = form
	if !slices.Contains(whoPays, v.session.Role) {
		page.Allows = nil
	}
	var err error
	if page.Steps, err = s.stepsOf(v.Context(), told.Statement); err != nil {
		return err
	}
	if err := s.store.read(v.Context(), func(r rows) (err error) {
		page.Key, err = r.publicKey()
		return err
	}); err != nil {
		return err
	}
	return v.render(status, page)
}

// stepsOf are the steps of a statement with who took them.
func (s *server) stepsOf(ctx context.Context, st *Statement) (list []web.Step, err error) {
	acts, _, err := s.store.Acts(ctx, 0, "", strconv.FormatInt(st.ID, 10))
	for _, p := range st.Steps {
		list = append(list, web.Step{At: p.At, Who: whoActed(acts, p.At), Step: p.Step, Way: p.Way, UTR: p.UTR, Reason: p.Reason})
	}
	return list, err
}

// page is the statement as its page shows it.
func (t *Told) page() web.Statement {
	p := web.Statement{ID: t.ID, Partner: t.Partner, Name: t.Name, From: t.From, At: t.At, State: t.State(),
		Opening: t.Opening, Closing: t.Closing, Held: t.Held, Payable: t.Payable, Minimum: t.Minimum,
		Amount: t.Amount(), TakenBack: t.takenBack(), Follows: t.Follows, Tax: taxPage(t.Tax, t.isPayout())}
	for _, step := range []string{"approved", "held", "declined"} {
		if t.allows(step) {
			p.Allows = append(p.Allows, step)
		}
	}
	for _, e := range t.Entries[:min(len(t.Entries), entriesShown)] {
		p.Entries = append(p.Entries, web.StatementEntry{At: e.At, Kind: e.Kind, TxnID: e.TxnID, Payout: e.Payout,
			UTR: e.UTR, Amount: e.signed()})
	}
	p.More = len(t.Entries) > entriesShown
	for _, l := range t.Lines {
		line := web.StatementLine{TxnID: l.TxnID, Amount: l.Amount, DueAt: l.DueAt, Blocks: strings.Fields(l.Blocks)}
		if l.Kind == "pays" {
			p.Pays = append(p.Pays, line)
			continue
		}
		if t.At.Before(l.DueAt) {
			line.Blocks = append([]string{"period"}, line.Blocks...)
		}
		p.Holds = append(p.Holds, line)
	}
	return p
}

func taxPage(w *Withholding, deducted bool) *web.Tax {
	if w == nil {
		return nil
	}
	return &web.Tax{Amount: w.Amount, Section: w.Section, Rate: rateText(Rate{BPS: w.BPS}), Base: w.Base,
		Credited: w.Credited, Deducted: deducted}
}

func (s *server) handleStatement(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	id, err := v.idOf("id")
	if err != nil {
		return err
	}
	step, reason := v.PostFormValue("step"), strings.TrimSpace(v.PostFormValue("reason"))
	if !slices.Contains([]string{"approved", "held", "declined"}, step) {
		return problem{http.StatusBadRequest, ""}
	}
	if checkReason(reason) != nil || reason == "" && step != "approved" {
		told, err := s.store.Tell(v.Context(), id, s.config.taxRules())
		if err != nil {
			return err
		}
		return s.showStatement(v, http.StatusUnprocessableEntity, told,
			typed(v, map[string]string{"reason": "reason"}, "reason"))
	}
	_, err = s.store.JudgeStatement(v.Context(), id, step, reason, s.config.taxRules())
	here := fmt.Sprintf("/admin/statements/%d", id)
	if said, is := asSentence(err); is {
		return v.failed(here, said)
	}
	if err != nil {
		return err
	}
	if step == "approved" {
		return v.done(fmt.Sprintf("/admin/payouts/%d", id), "approved")
	}
	return v.done(here, "saved")
}

func (s *server) pagePayouts(v *visit) error {
	before, _ := strconv.ParseInt(v.URL.Query().Get("before"), 10, 64) // nonsense is the first page
	page := web.Payouts{Show: showOf(v), Tax: s.config.TDS.Deduct}
	err := s.store.read(v.Context(), func(r rows) error {
		list, next, err := r.statementsBack("", before, pageRows, func(st *Statement) bool {
			return st.isPayout() && (page.Show == "all" || st.isOpen())
		})
		if err != nil {
			return err
		}
		page.Paging = pagingByID(before, next)
		for _, st := range list {
			to, err := r.contact(st.Partner)
			if err != nil {
				return err
			}
			page.Rows = append(page.Rows, web.PayoutRow{ID: st.ID, Partner: st.Partner, Name: to.Name, Amount: st.Amount(),
				State: st.State(), Since: st.last().At, Way: st.way(), UTR: st.utr(), Reason: st.last().Reason})
		}
		if err := readyPayouts(r, &page); err != nil {
			return err
		}
		page.Files, err = r.bankFiles()
		return err
	})
	if err != nil {
		return err
	}
	return v.show(page)
}

// readyPayouts says what could go into a file for the bank. Whether something in them was taken back since is
// looked at when the file is made.
func readyPayouts(r rows, page *web.Payouts) error {
	return r.each(q("page-ready"), nil, func(scan func(...any) error) error {
		var st Statement
		var to Contact
		var amount int64
		err := scan(&st.ID, &st.Partner, &amount, &to.Name, &to.Account, &to.IFSC)
		if why := noFileFor(&st, to); why != "" {
			page.Left = append(page.Left, web.LeftOut{ID: st.ID, Partner: st.Partner, Why: why})
			return err
		}
		page.Ready++
		page.Total += amount
		return err
	})
}

const filesShown = 10

// bankFiles are the files made last, with what became of the payouts in them.
func (r rows) bankFiles() (list []web.BankFile, err error) {
	err = r.each(q("page-payout-files"), args{filesShown}, func(scan func(...any) error) error {
		var f web.BankFile
		var at int64
		err := scan(&f.Number, &at)
		f.At = fromMillis(&at)
		list = append(list, f)
		return err
	})
	for i := range list {
		f := &list[i]
		var ids []int64
		if err == nil {
			err = r.numbers(q("page-payouts-of-file"), args{fmt.Sprintf("file %d", f.Number)}, &ids)
		}
		for _, id := range ids {
			st, failed := r.statement(id)
			if failed != nil {
				return nil, failed
			}
			if f.Count++; st.State() == "sent" {
				f.Open++
			}
			f.Total += st.Amount()
		}
	}
	return list, err
}

// handlePayoutFile makes a file for the bank, which books its payouts as sent. It answers with the page where
// the file is and the payouts are no longer ready; a browser that only saved a file would stay where it was.
func (s *server) handlePayoutFile(v *visit) error {
	number, _, left, err := s.store.SendFile(v.Context(), func(at time.Time, ready []Payable) ([]byte, error) {
		return s.config.bankFile(at, ready)
	})
	if said, is := asSentence(err); is {
		return v.failed("/admin/payouts", said)
	}
	if err != nil {
		return err
	}
	if number == 0 {
		why := "no_file"
		if len(left) > 0 {
			why = fmt.Sprintf("%s: %s", left[0].Partner, left[0].Why)
		}
		return v.failed("/admin/payouts", why)
	}
	return v.done("/admin/payouts", "file_made")
}

func (v *visit) bankFile(number int64, body []byte) error {
	v.w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="payouts-%d.csv"`, number))
	return v.write(http.StatusOK, "text/csv; charset=utf-8", body)
}

// handleOldPayoutFile gives a file once more, byte for byte, unless something in it must not be paid.
func (s *server) handleOldPayoutFile(v *visit) error {
	number, err := v.idOf("n")
	if err != nil {
		return err
	}
	body, stopped, err := s.store.PayoutFile(v.Context(), number)
	if err != nil {
		return err
	}
	if len(stopped) > 0 {
		l := stopped[0]
		return v.failed(fmt.Sprintf("/admin/payouts/%d", l.ID), fmt.Sprintf("Don't pay payout %d of %s if it is not "+
			"paid yet: %s. Say failed here, then draft again; hissa payout file %d still gives the file.",
			l.ID, l.Partner, l.Why, number))
	}
	return v.bankFile(number, body)
}

func (s *server) pagePayout(v *visit) error {
	id, err := v.idOf("id")
	if err != nil {
		return err
	}
	return s.showPayout(v, http.StatusOK, id, false, web.Form{})
}

// showPayout shows one payout; shown is whether its QR is on the page, which only who has just sent it sees.
func (s *server) showPayout(v *visit, status int, id int64, shown bool, form web.Form) error {
	var st *Statement
	var to Contact
	err := s.store.read(v.Context(), func(r rows) (err error) {
		if st, err = r.statement(id); err == nil {
			to, err = r.contact(st.Partner)
		}
		return err
	})
	if err == nil && !st.isPayout() {
		err = errNoPage
	}
	if err != nil {
		return err
	}
	pays := slices.Contains(whoPays, v.session.Role)
	page := web.Payout{ID: id, Partner: st.Partner, Name: to.Name, Amount: st.Amount(), Tax: taxPage(st.Tax, true),
		State: st.State(), Payee: payeeOf(to, !pays), Note: payoutNote(s.config, st), Form: form}
	if pays {
		for _, step := range []string{"sent", "paid", "failed", "reversed"} {
			// A QR that was shown can be shown once more.
			again := step == "sent" && st.State() == "sent" && st.last().Way == "qr"
			if st.allows(step) || again {
				page.Allows = append(page.Allows, step)
			}
		}
		if shown {
			page.UPI = upiLink(to, st.Amount(), page.Note)
		}
	}
	if page.Steps, err = s.stepsOf(v.Context(), st); err != nil {
		return err
	}
	return v.render(status, page)
}

// handleSend books that a payout is sent by QR, and shows it: once, because it can be paid twice.
func (s *server) handleSend(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	id, err := v.idOf("id")
	if err != nil {
		return err
	}
	_, _, err = s.store.SendPayout(v.Context(), id, v.PostFormValue("again") == "1")
	if said, is := asSentence(err); is {
		return v.failed(fmt.Sprintf("/admin/payouts/%d", id), said)
	}
	if err != nil {
		return err
	}
	return s.showPayout(v, http.StatusOK, id, true, web.Form{})
}

// handlePayout books what a person says became of a payout.
func (s *server) handlePayout(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	id, err := v.idOf("id")
	if err != nil {
		return err
	}
	step := Step{Step: v.PostFormValue("step")}
	wrong := map[string]string{}
	switch step.Step {
	case "paid":
		step.UTR = strings.ToUpper(strings.TrimSpace(v.PostFormValue("utr")))
		if !utrPattern().MatchString(step.UTR) {
			wrong["utr"] = "utr"
		}
	case "failed", "reversed":
		step.Reason = strings.TrimSpace(v.PostFormValue("reason"))
		if step.Reason == "" || checkReason(step.Reason) != nil {
			wrong["reason"] = "reason"
		}
	default:
		return problem{http.StatusBadRequest, ""}
	}
	if len(wrong) > 0 {
		return s.showPayout(v, http.StatusUnprocessableEntity, id, false, typed(v, wrong, "utr", "reason"))
	}
	_, _, err = s.store.SettlePayout(v.Context(), id, step)
	here := fmt.Sprintf("/admin/payouts/%d", id)
	if said, is := asSentence(err); is {
		return v.failed(here, said)
	}
	if err != nil {
		return err
	}
	return v.done(here, "saved")
}
