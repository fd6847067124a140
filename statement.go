package main

// hissa statement: what a partner is told. Its words, its rows for programs, and the commands of who
// decides about it.

import (
	"context"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

var statementCommand = command{
	name: "statement", config: true, reading: true,
	usage: "draft|list|show ID|approve ID…|hold ID|decline ID|key",
	short: "what partners are owed: drafted, looked at, approved",
	long: `
statement draft [-partner CODE]
statement list [-all]
statement show ID [-format text|csv|signed]
statement approve ID… | -all [-reason TEXT]
statement hold ID -reason TEXT
statement decline ID -reason TEXT
statement key

A draft closes a partner's account as it is now. It has the balance it opens with, every entry of
the ledger since the statement before, the balance it closes with, what of that is still held and
until when, and the commissions that its payout covers: those due and not yet paid. What comes later
falls into the next statement. A balance below [payout] minimum, or below nothing, is carried
forward. Drafting again replaces drafts that have changed.

Nobody is paid before you approve; then see hissa payout. A statement on hold waits until you
approve or decline it; one that was declined closes nothing. An approved payout of which something
is blocked or taken back can't be paid any more: draft again.

-format csv is for a spreadsheet; signed is a file that your partner checks without you: hissa
verify-statement. statement key prints the key that it is signed with. Dates are IST.

Example:  hissa statement draft && hissa statement list`,
	run: func(c *call) error {
		judge := func(step, done string, several bool) func(*call) error {
			return func(c *call) error { return statementJudge(c, step, done, several) }
		}
		return c.verbs(map[string]func(*call) error{
			"draft": statementDraft, "list": statementList, "show": statementShow, "key": statementKey,
			"approve": judge("approved", "approved: hissa payout list shows what is to pay", true),
			"hold":    judge("held", "on hold until you approve or decline it", false),
			"decline": judge("declined", "declined: hissa statement draft makes a new one", false),
		}, "draft, list, show, approve, hold, decline, key")
	},
}

func statementDraft(c *call) error {
	partner := c.flags.String("partner", "", "")
	if err := c.exactly(0); err != nil {
		return err
	}
	return c.with(true, func(ctx context.Context, config *Config, store *Store) error {
		code := *partner
		if code != "" {
			var err error
			if code, err = store.spelling(ctx, code); err != nil {
				return err
			}
		}
		list, err := store.DraftStatements(ctx, code, config.Payout.Minimum)
		if err != nil {
			return asNo(err, fmt.Sprintf("there is no partner %s: hissa partner list shows them", code))
		}
		return c.sayDrafted(list, code)
	})
}

func (c *call) sayDrafted(list []Drafted, asked string) error {
	var drafted []*Statement
	for _, d := range list {
		if d.Statement != nil {
			drafted = append(drafted, d.Statement)
		} else if asked == "" {
			fmt.Fprintf(c.stderr, "hissa: %s: %s\n", d.Partner, d.Why)
		}
	}
	if len(drafted) > 0 {
		return c.statementTable(drafted)
	}
	switch {
	case asked != "" && len(list) > 0:
		return noError{asked + ": " + list[0].Why}
	case asked != "":
		return noError{asked + ": nothing has happened since the last statement"}
	case len(list) == 0:
		fmt.Fprintln(c.stderr, "hissa: nothing has happened since the last statements")
	}
	return nil
}

func statementList(c *call) error {
	all := c.flags.Bool("all", false, "")
	if err := c.exactly(0); err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
		list, err := store.statementsWhere(ctx, func(s *Statement) bool { return *all || s.isOpen() })
		if err != nil {
			return err
		}
		if len(list) == 0 && !c.json {
			fmt.Fprintln(c.stderr, "hissa: no statement is open: hissa statement draft makes them, "+
				"-all lists those that are done")
			return nil
		}
		return c.statementTable(list)
	})
}

// statementsWhere lists statements, by id.
func (s *Store) statementsWhere(ctx context.Context, want func(*Statement) bool) (list []*Statement, err error) {
	err = s.read(ctx, func(r rows) error {
		all, err := r.statements(Span{})
		list = slices.DeleteFunc(all, func(s *Statement) bool { return !want(s) })
		return err
	})
	return list, err
}

func (c *call) statementTable(list []*Statement) error {
	if c.json {
		for _, s := range list {
			if err := c.writeJSON(statementRecord(s)); err != nil {
				return err
			}
		}
		return nil
	}
	var rows [][]string
	for _, s := range list {
		rows = append(rows, []string{fmt.Sprint(s.ID), s.Partner, day(s.At), rupees(s.Opening), rupees(s.Closing),
			rupees(s.Held), rupees(s.Payable), s.State(), s.last().Reason})
	}
	return table(c.stdout, strings.Fields("ID PARTNER DRAFTED OPENING CLOSING HELD PAYABLE STATE REASON"), rows)
}

// statementRecord is a statement for programs.
func statementRecord(s *Statement) record {
	return record{
		{"id", s.ID}, {"partner", s.Partner}, {"drafted_at", rfc3339(s.At)}, {"follows", s.Follows},
		{"opening", decimal(s.Opening)}, {"closing", decimal(s.Closing)}, {"held", decimal(s.Held)},
		{"payable", decimal(s.Payable)}, {"minimum", decimal(s.Minimum)}, {"state", s.State()},
		{"way", s.way()}, {"utr", s.utr()}, {"reason", s.last().Reason}, {"changed_at", rfc3339(s.last().At)},
		{"tax", decimal(s.withheld())},
	}
}

// way is how the payout was sent, "" when it was not, or not through Hissa.
func (s *Statement) way() string {
	for _, p := range s.Steps {
		if p.Way != "" {
			return p.Way
		}
	}
	return ""
}

// utr is the bank's reference of the payment.
func (s *Statement) utr() string {
	for _, p := range s.Steps {
		if p.UTR != "" {
			return p.UTR
		}
	}
	return ""
}

func statementJudge(c *call, step, done string, several bool) error {
	all := new(bool)
	if several {
		all = c.flags.Bool("all", false, "")
	}
	reason := c.flags.String("reason", "", "")
	if err := c.parse(); err != nil {
		return err
	}
	if !several && strings.TrimSpace(*reason) == "" {
		return usageError{"-reason is needed: one line, in your words, kept for ever"}
	}
	if err := checkReason(*reason); err != nil {
		return err
	}
	if *all != (len(c.args) == 0) || !several && len(c.args) != 1 {
		return usageError{"name the statement's id: hissa statement list shows it"}
	}
	ids, err := parseIDs(c.args)
	if err != nil {
		return err
	}
	return c.with(true, func(ctx context.Context, config *Config, store *Store) error {
		if *all {
			drafts, err := store.statementsWhere(ctx, func(s *Statement) bool { return s.State() == "draft" })
			if err != nil {
				return err
			}
			for _, s := range drafts {
				ids = append(ids, s.ID)
			}
			if len(ids) == 0 {
				return noError{"there is no draft to approve: hissa statement draft makes them"}
			}
		}
		refused := 0
		for _, id := range ids {
			s, err := store.JudgeStatement(ctx, id, step, strings.TrimSpace(*reason), config.taxRules())
			err = asNo(err, fmt.Sprintf("there is no statement %d: hissa statement list -all shows them", id))
			var no noError
			switch {
			case err == nil:
				fmt.Fprintf(c.stderr, "hissa: statement %d of %s, %s, is %s\n", id, s.Partner, rupees(s.Amount()), done)
			case !errors.As(err, &no) || len(ids) == 1:
				return err
			default:
				fmt.Fprintf(c.stderr, "hissa: %v\n", err)
				refused++
			}
		}
		if refused > 0 {
			return noError{fmt.Sprintf("%d of %s stay as they were", refused, plural(int64(len(ids)), "statement"))}
		}
		return nil
	})
}

// checkReason refuses what is not one line.
func checkReason(reason string) error {
	if strings.ContainsAny(reason, "\x00\r\n") || len(reason) > 500 {
		return usageError{"-reason is one line, in your words, kept for ever"}
	}
	return nil
}

// parseIDs reads ids of statements and payouts.
func parseIDs(texts []string) (ids []int64, err error) {
	for _, text := range texts {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return nil, usageError{fmt.Sprintf("%q is not an id: it is a number like 17", text)}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func statementShow(c *call) error {
	format := c.flags.String("format", "text", "")
	if err := c.exactly(1); err != nil {
		return err
	}
	if *format != "text" && *format != "csv" && *format != "signed" {
		return usageError{fmt.Sprintf("-format %q: it is text, csv or signed", *format)}
	}
	ids, err := parseIDs(c.args)
	if err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, config *Config, store *Store) error {
		told, err := store.Tell(ctx, ids[0], config.taxRules())
		if err != nil {
			return asNo(err, fmt.Sprintf("there is no statement %d: hissa statement list -all shows them", ids[0]))
		}
		switch {
		case *format == "signed":
			return told.sign(c.stdout, config.URLFor())
		case c.json:
			return c.writeJSON(told.record(config.URLFor()))
		case *format == "csv":
			return told.csv(c.stdout)
		}
		return told.tell(c.stdout)
	})
}

func statementKey(c *call) error {
	if err := c.exactly(0); err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
		return store.read(ctx, func(r rows) error {
			key, err := r.signingKey()
			if err != nil {
				return asNo(err, "no statement was drafted yet, and the first makes the key: hissa statement draft")
			}
			text := hex.EncodeToString(publicOf(key))
			if c.json {
				return c.writeJSON(record{{"key", text}})
			}
			fmt.Fprintln(c.stdout, text)
			return nil
		})
	})
}

// Told is a statement with all that it is about.
type Told struct {
	*Statement
	Name    string // the partner's
	Entries []signedEntry
	Lines   []Line
	signer  signer
}

// Tell reads a statement with its entries and lines; errNotFound for an unknown id. Of one that is not
// approved yet it says which tax approving it now would deduct under the rules.
func (s *Store) Tell(ctx context.Context, id int64, rules TaxRules) (told *Told, err error) {
	err = s.read(ctx, func(r rows) error {
		told = &Told{}
		if told.Statement, err = r.statement(id); err != nil {
			return err
		}
		contact, err := r.contact(told.Partner)
		if err != nil {
			return err
		}
		told.Name = contact.Name
		switch told.State() {
		case "draft", "held":
			if told.Tax, err = r.taxOn(told.Statement, s.now(), rules); err != nil {
				return err
			}
		case "declined", "replaced":
			told.Tax = nil // was given back
		}
		if told.Lines, err = r.lines(id); err != nil {
			return err
		}
		return r.signedEntries(told)
	})
	return told, err
}

// span is the statement's period in words: the first covers all time before.
func (s *Statement) span() string {
	if s.From.IsZero() {
		return "until " + day(s.At)
	}
	return day(s.From) + " to " + day(s.At)
}

// tell writes the statement for a person, no line with blanks at its end.
func (t *Told) tell(w io.Writer) error {
	var text strings.Builder
	t.tellAll(&text)
	return writeTrimmed(w, text.String())
}

func (t *Told) tellAll(w io.Writer) {
	who := t.Partner
	if t.Name != "" && t.Name != t.Partner {
		who = t.Name + " (" + t.Partner + ")"
	}
	fmt.Fprintf(w, "Statement %d for %s, %s\nDrafted %s; %s\n\n", t.ID, who, t.span(), clock(t.At), t.stateWords())
	rows := []sum{{"Opening balance", t.Opening}}
	for _, e := range t.Entries {
		rows = append(rows, sum{fmt.Sprintf("  %-11s  %-8s  %s", day(e.At), e.Kind, e.about()), e.signed()})
	}
	rows = append(rows, sum{"Closing balance", t.Closing}, sum{"Still held", -t.Held}, sum{"Payable", t.Payable})
	if t.Tax != nil {
		rows = append(rows, sum{t.Tax.words(t.isPayout()), -t.Tax.Amount}, sum{"Payout", t.Amount()})
	}
	tellSums(w, rows)
	if t.Payable < t.Minimum && t.Payable > 0 {
		fmt.Fprintf(w, "\nLess than %s is carried forward to the next statement.\n", rupees(t.Minimum))
	}
	t.tellLines(w, "pays", "The payout covers:")
	t.tellLines(w, "held", "Still held:")
	if back := t.takenBack(); back != 0 {
		fmt.Fprintf(w, "\nOf earlier payouts, %s was taken back and is set off.\n", rupees(back))
	}
}

// sum is a line of a statement.
type sum struct {
	label string
	paise int64
}

// tellSums writes labels to the left and amounts below each other.
func tellSums(w io.Writer, rows []sum) {
	var labels, amounts int
	for _, r := range rows {
		labels = max(labels, utf8.RuneCountInString(r.label))
		amounts = max(amounts, utf8.RuneCountInString(rupees(r.paise)))
	}
	for _, r := range rows {
		fmt.Fprintf(w, "%-*s  %*s\n", labels, r.label, amounts, rupees(r.paise))
	}
}

// takenBack is by how much the payable amount differs from the commissions that it covers: what earlier
// payouts paid too much.
func (t *Told) takenBack() int64 {
	sum := t.Held - t.Closing
	for _, l := range t.Lines {
		if l.Kind == "pays" {
			sum += l.Amount
		}
	}
	return sum
}

func (t *Told) tellLines(w io.Writer, kind, title string) {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, l := range t.Lines {
		if l.Kind != kind {
			continue
		}
		if title != "" {
			fmt.Fprintf(w, "\n%s\n", title)
			title = ""
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\n", l.TxnID, rupees(l.Amount), l.why(t.At))
	}
	tw.Flush()
}

// why says what held a commission when the statement was drafted.
func (l Line) why(at time.Time) string {
	var why []string
	if l.Kind == "held" && at.Before(l.DueAt) {
		why = append(why, blockWords("period", l.DueAt))
	}
	for _, b := range strings.Fields(l.Blocks) {
		why = append(why, blockWords(b, l.DueAt))
	}
	return strings.Join(why, "; ")
}

// stateWords is the state with what is known of it.
func (s *Statement) stateWords() string {
	words := s.State()
	last := s.last()
	if !last.At.IsZero() {
		words += " on " + clock(last.At)
	}
	for _, more := range []struct{ label, text string }{
		{"by ", last.Way}, {"UTR ", last.UTR}, {"", last.Reason},
	} {
		if more.text != "" {
			words += ", " + more.label + more.text
		}
	}
	return words
}

// csv writes the statement for a spreadsheet: a row for each balance, entry and commission.
func (t *Told) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	row := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = notFormula(cell)
		}
		_ = out.Write(cells) // Error has it
	}
	row("date", "row", "about", "amount", "until", "why")
	balance := func(what string, paise int64) { row(isoDay(t.At), what, "", decimal(paise), "", "") }
	opened := t.From
	if opened.IsZero() {
		opened = t.At
	}
	row(isoDay(opened), "opening", "", decimal(t.Opening), "", "")
	for _, e := range t.Entries {
		row(isoDay(e.At), e.Kind, e.about(), decimal(e.signed()), "", "")
	}
	balance("closing", t.Closing)
	for _, l := range t.Lines {
		until := ""
		if l.Kind == "held" {
			until = isoDay(l.DueAt)
		}
		row(isoDay(t.At), l.Kind, l.TxnID, decimal(l.Amount), until, l.Blocks)
	}
	balance("payable", t.Payable)
	if t.Tax != nil {
		balance("tax", -t.Tax.Amount)
		balance("payout", t.Amount())
	}
	out.Flush()
	return out.Error()
}

// isoDay is a date in India as spreadsheets sort it.
func isoDay(at time.Time) string { return at.In(ist).Format(time.DateOnly) }

// notFormula keeps a spreadsheet from taking a text for a formula. A number stays one.
func notFormula(cell string) string {
	if cell == "" || !strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return cell
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return cell
	}
	return "'" + cell
}
