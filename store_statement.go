package main

// The store's acts on statements. Money leaves in four steps, each of them one transaction: a draft closes
// the partner's account, a person approves it, the payout is sent (a file for the bank, a QR on the
// screen), and a person says what became of it; the last two are in store_payout.go. Whatever happens in
// between, the newest step says what may have left and what can't have.

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Statement is a partner's account closed at one place of the chain, and how its payout stands. Amounts
// are paise.
type Statement struct {
	Seq     int64
	At      time.Time
	ID      int64 // of the statement and of its payout
	Partner string
	Follows int64 // the partner's statement before it, 0 for the first
	Opening int64
	Closing int64
	Held    int64 // what of the closing balance can't be paid yet
	Payable int64
	Minimum int64 // less than this is carried forward
	Steps   []Step
	Tax     *Withholding // deducted when it was approved last; nil for none
	From    time.Time    // when the one before was drafted; zero for the first
	FromSeq int64        // its place in the chain
}

// Step is what a person did with a statement or its payout, or said about it.
type Step struct {
	Seq       int64
	At        time.Time
	Statement int64
	Step      string // approved, held, declined, replaced, sent, paid, failed, reversed
	Way       string // how it was sent: file 3, qr
	UTR       string // the bank's reference of a payment
	Reason    string
}

// Line is a commission that a statement pays, or leaves out because it is held.
type Line struct {
	Kind   string // pays, held
	TxnID  string
	Amount int64 // what of the commission is not taken back
	DueAt  time.Time
	Blocks string
}

// State is the newest step, or what a statement begins as: a draft, or carried when there is too little
// to pay.
func (s *Statement) State() string {
	switch {
	case len(s.Steps) > 0:
		return s.Steps[len(s.Steps)-1].Step
	case s.Payable == 0 || s.Payable < s.Minimum:
		return "carried"
	}
	return "draft"
}

// lawful says from which states a step can be taken. A payout that was thought to have failed may turn
// out to be paid.
var lawful = map[string][]string{
	"approved": {"draft", "held"},
	"held":     {"draft", "approved"},
	"declined": {"draft", "held", "approved"},
	"replaced": {"draft", "approved"},
	"sent":     {"approved"},
	"paid":     {"approved", "sent", "failed"},
	"failed":   {"sent"},
	"reversed": {"paid"},
}

func (s *Statement) allows(step string) bool { return slices.Contains(lawful[step], s.State()) }

// isOpen reports whether somebody has still to do something about it.
func (s *Statement) isOpen() bool {
	return slices.Contains([]string{"draft", "approved", "held", "sent"}, s.State())
}

// Amount is what the payout pays: what is payable less the tax deducted.
func (s *Statement) Amount() int64 {
	if s.Tax == nil {
		return s.Payable
	}
	return s.Payable - s.Tax.Amount
}

// credited reports whether the payable amount counts as credited to the partner.
func (s *Statement) credited() bool {
	return slices.Contains([]string{"approved", "sent", "paid"}, s.State())
}

// withheld is the tax that stands in the ledger.
func (s *Statement) withheld() int64 {
	if s.Tax == nil || !s.credited() {
		return 0
	}
	return s.Tax.Amount
}

func (s *Statement) last() Step {
	if len(s.Steps) == 0 {
		return Step{}
	}
	return s.Steps[len(s.Steps)-1]
}

// accountOf is a partner's account in the ledger.
func accountOf(partner string) string { return "partner:" + partner }

// refusedStep says why a statement or a payout can't become what was asked.
type refusedStep struct{ text string }

func (e refusedStep) Error() string { return e.text }

// Drafted is what drafting came to for one partner: the statement, or why there is none.
type Drafted struct {
	Partner   string
	Statement *Statement
	Why       string
}

// DraftStatements closes the accounts of one partner, or of all for "", each in a transaction of its
// own. Payable amounts below minimum are carried forward. Partners about whom there is nothing new are
// left out.
func (s *Store) DraftStatements(ctx context.Context, partner string, minimum int64) ([]Drafted, error) {
	// The commissions are found on a snapshot, because finding them reads every payment. Each is looked
	// at again in the transaction that closes the account, and what was booked since the snapshot too.
	unpaid := map[string][]int64{}
	var since int64
	if err := s.read(ctx, func(r rows) error {
		var end head
		if err := r.one(q("head"), nil, &since, &end.hash, &end.terms); err != nil {
			return err
		}
		terms, err := r.loadTerms()
		if err != nil {
			return err
		}
		for code := range terms.partners {
			if partner == "" || partner == code {
				unpaid[code] = nil
			}
		}
		return r.each(q("unpaid-commissions"), args{partner}, func(scan func(...any) error) error {
			var id int64
			var code string
			err := scan(&id, &code)
			unpaid[code] = append(unpaid[code], id)
			return err
		})
	}); err != nil {
		return nil, err
	}
	if _, ok := unpaid[partner]; partner != "" && !ok {
		return nil, errNotFound
	}
	var list []Drafted
	for _, code := range slices.Sorted(maps.Keys(unpaid)) {
		var d Drafted
		if err := s.write(ctx, s.payments, func(t *tx) (err error) {
			d, err = t.draft(code, unpaid[code], since, minimum)
			return err
		}); err != nil {
			return list, err
		}
		if d.Statement != nil || d.Why != "" {
			list = append(list, d)
		}
	}
	return list, nil
}

// draft closes one partner's account. unpaid are the payments with commissions of the partner that were
// unpaid at a place of the chain; more may be since.
func (t *tx) draft(partner string, unpaid []int64, since, minimum int64) (Drafted, error) {
	d := Drafted{Partner: partner}
	before, err := t.statementInForce(partner)
	if err != nil {
		return d, err
	}
	lines, err := t.linesOf(partner, unpaid, since)
	if err != nil {
		return d, err
	}
	now := &Statement{At: t.now, Partner: partner, Minimum: minimum}
	if err := t.close(now, lines); err != nil {
		return d, err
	}
	var withdrawn *Statement
	if before != nil && before.isOpen() {
		if d.Why, err = t.makeWay(before, now, lines); err != nil || d.Why != "" {
			return d, err
		}
		withdrawn = before
		// The tax of one that was approved was given back.
		if err := t.close(now, lines); err != nil {
			return d, err
		}
		if before, err = t.statementInForce(partner); err != nil {
			return d, err
		}
	}
	if before != nil {
		now.Follows, now.Opening, now.From, now.FromSeq = before.ID, before.Closing, before.At, before.Seq
	}
	if now.Closing == now.Opening && now.State() == "carried" {
		if withdrawn != nil {
			d.Why = fmt.Sprintf("statement %d is withdrawn and nothing is payable now", withdrawn.ID)
		}
		return d, nil
	}
	d.Statement = now
	if err := t.bookStatement(now, lines); err != nil {
		return d, err
	}
	return d, t.act("statement-drafted", strconv.FormatInt(now.ID, 10), partner)
}

// close fills in what a statement closes with.
func (t *tx) close(s *Statement, lines []Line) (err error) {
	s.Held = 0
	for _, l := range lines {
		if l.Kind == "held" {
			s.Held += l.Amount
		}
	}
	s.Closing, err = t.balance(accountOf(s.Partner))
	s.Payable = max(0, s.Closing-s.Held)
	return err
}

// makeWay ends an open statement so that a new one can follow. It says why not when the open one still
// stands.
func (t *tx) makeWay(open, now *Statement, lines []Line) (why string, err error) {
	switch open.State() {
	case "held":
		return fmt.Sprintf("statement %d is on hold: approve or decline it first", open.ID), nil
	case "sent":
		return fmt.Sprintf("payout %d is on its way: say hissa payout paid or failed first", open.ID), nil
	}
	stopped, err := t.stopped(open)
	if err != nil {
		return "", err
	}
	if open.State() == "approved" && stopped == "" {
		return fmt.Sprintf("payout %d is approved and waits to be paid", open.ID), nil
	}
	old, err := t.lines(open.ID)
	if err != nil {
		return "", err
	}
	if stopped == "" && slices.Equal(old, lines) && open.Closing == now.Closing && open.Minimum == now.Minimum {
		return fmt.Sprintf("statement %d says the same already", open.ID), nil
	}
	return "", t.step(open, Step{Step: "replaced", Reason: stopped})
}

// linesOf lists what of a partner's unpaid commissions is due and what is held, by time of payment.
func (t *tx) linesOf(partner string, unpaid []int64, since int64) ([]Line, error) {
	commissions, err := t.unpaidOf(partner, unpaid, since)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(commissions, func(a, b Commission) int {
		return cmp.Or(a.PaidAt.Compare(b.PaidAt), cmp.Compare(a.TxnID, b.TxnID))
	})
	var lines []Line
	for _, c := range commissions {
		l := Line{TxnID: c.TxnID, Amount: c.net(), DueAt: c.DueAt, Blocks: strings.Join(c.Blocks, " ")}
		switch state, _ := c.State(t.now); {
		case state == "due":
			l.Kind = "pays"
		case state == "held" && l.Amount > 0:
			l.Kind = "held"
		default:
			continue
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// unpaidOf reads a partner's unpaid commissions: those of the payments named, and of those that the ledger
// was told something of since a place of the chain.
func (t *tx) unpaidOf(partner string, ids []int64, since int64) (list []Commission, err error) {
	ids = slices.Clone(ids)
	err = t.each(q("transactions-booked-since"), args{since, partner}, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		c, err := t.commission(id)
		if err != nil {
			return nil, err
		}
		if c != nil && c.Partner == partner && c.Payout == 0 {
			list = append(list, *c)
		}
	}
	return list, nil
}

func (t *tx) bookStatement(s *Statement, lines []Line) (err error) {
	if err := t.needSigningKey(); err != nil {
		return err
	}
	if err := t.one(q("newest-statement"), nil, &s.ID); err != nil {
		return err
	}
	s.ID++
	s.Seq, err = t.book("statements",
		t.now, s.ID, s.Partner, s.Follows, s.Opening, s.Closing, s.Held, s.Payable, s.Minimum)
	if err != nil {
		return err
	}
	for _, l := range lines {
		_, err := t.book("statement_lines", t.now, s.ID, l.Kind, l.TxnID, l.Amount, l.DueAt, l.Blocks)
		if err != nil {
			return err
		}
	}
	return nil
}

// stopped says why a payout must not be sent any more: something it covers was blocked, taken back or
// paid since it was drafted, or more of earlier payouts was taken back. "" when nothing was.
func (t *tx) stopped(s *Statement) (string, error) {
	lines, err := t.lines(s.ID)
	if err != nil {
		return "", err
	}
	ids, before := []int64{}, s.Closing // what was to be set off: the balance beside unpaid commissions
	for _, l := range lines {
		before -= l.Amount
		txn, err := t.transaction(l.TxnID)
		if err != nil {
			return "", err
		}
		ids = append(ids, txn.ID)
		if l.Kind != "pays" {
			continue
		}
		if why, err := t.changed(s, txn.ID, l); err != nil || why != "" {
			return why, err
		}
	}
	before -= s.withheld()
	now, err := t.setOff(s.Partner, ids, s.Seq)
	if err == nil && now < before {
		return rupees(before-now) + " of earlier payouts was taken back since", nil
	}
	return "", err
}

// changed says how a commission differs from what a statement is to pay of it.
func (t *tx) changed(s *Statement, id int64, l Line) (string, error) {
	c, err := t.commission(id)
	switch {
	case err != nil:
		return "", err
	case c == nil:
		return "the commission of " + l.TxnID + " is gone", nil
	case c.Partner != s.Partner:
		return "the commission of " + l.TxnID + " is another partner's by now", nil
	}
	switch state, blocks := c.State(t.now); {
	case state == "held":
		return fmt.Sprintf("the commission of %s is held again (%s)", l.TxnID, strings.Join(blocks, " ")), nil
	case state != "due":
		return fmt.Sprintf("the commission of %s is %s by now", l.TxnID, state), nil
	case c.net() != l.Amount:
		return fmt.Sprintf("the commission of %s is %s by now, it was %s",
			l.TxnID, rupees(c.net()), rupees(l.Amount)), nil
	}
	return "", nil
}

// setOff is a partner's balance beside unpaid commissions: what earlier payouts paid too little, or, below
// nothing, too much. Unpaid commissions are looked for in ids and in what was booked since.
func (t *tx) setOff(partner string, ids []int64, since int64) (int64, error) {
	commissions, err := t.unpaidOf(partner, ids, since)
	if err != nil {
		return 0, err
	}
	left, err := t.balance(accountOf(partner))
	for _, c := range commissions {
		left -= c.net()
	}
	return left, err
}

// actOn notes who moved a statement or its payout on. That one is replaced follows from the next one.
func (t *tx) actOn(s *Statement, step Step) error {
	kind := "statement-"
	switch step.Step {
	case "replaced":
		return nil
	case "sent", "paid", "failed", "reversed":
		kind = "payout-"
	}
	return t.act(kind+step.Step, strconv.FormatInt(s.ID, 10), cmp.Or(step.Reason, step.UTR, step.Way))
}

// step books what became of a statement, if it may become that, and what the ledger has to say of it.
func (t *tx) step(s *Statement, step Step) error {
	if !s.allows(step.Step) {
		return refusedStep{cannotBecome(s, step.Step)}
	}
	before := s.withheld()
	step.Statement, step.At = s.ID, t.now
	seq, err := t.book("steps", t.now, s.ID, step.Step, step.Way, step.UTR, step.Reason)
	if err != nil {
		return err
	}
	step.Seq = seq
	s.Steps = append(s.Steps, step)
	if err := t.actOn(s, step); err != nil {
		return err
	}
	if step.Step == "paid" && before == 0 && s.withheld() > 0 {
		// It was thought to have failed, and its tax was given back.
		if err := t.withhold(s, *s.Tax); err != nil {
			return err
		}
	}
	partner, about := accountOf(s.Partner), transaction{Currency: "INR"}
	switch step.Step {
	case "paid":
		err = t.entry("pay", partner, "bank", s.Amount(), about, s.Partner)
	case "reversed":
		err = t.entry("reverse", "bank", partner, s.Amount(), about, s.Partner)
	}
	if err == nil && before > 0 && s.withheld() == 0 {
		err = t.entry("adjust", s.Tax.account(), partner, before, about, s.Partner)
	}
	if err != nil || step.Step != "paid" && step.Step != "reversed" {
		return err
	}
	return t.exec(q("write-payouts"), s.ID)
}

// withhold books the tax of a statement.
func (t *tx) withhold(s *Statement, w Withholding) error {
	_, err := t.book("withholdings", t.now, s.ID, w.Section, w.Code, w.BPS, w.Threshold, w.Credited, w.Base, w.Amount)
	if err != nil || w.Amount == 0 {
		return err
	}
	return t.entry("withhold", accountOf(s.Partner), w.account(), w.Amount, transaction{Currency: "INR"}, s.Partner)
}

// cannotBecome says in words why a step can't be taken, and what can.
func cannotBecome(s *Statement, step string) string {
	state := s.State()
	what := map[bool]string{true: "payout", false: "statement"}[slices.Contains(
		[]string{"sent", "paid", "failed", "reversed"}, state)]
	text := fmt.Sprintf("%s %d of %s is %s", what, s.ID, s.Partner, state)
	if last := s.last(); last.UTR != "" {
		text += ", UTR " + last.UTR
	}
	remedy := map[string]string{
		"draft":    fmt.Sprintf("hissa statement approve %d comes first", s.ID),
		"approved": fmt.Sprintf("hissa payout file, or hissa payout qr %d, comes first", s.ID),
		"held":     fmt.Sprintf("hissa statement approve %d lets it go on", s.ID),
		"carried":  "there is too little to pay, its balance opens the next",
		"declined": "hissa statement draft makes a new one",
		"replaced": "hissa statement list shows the one in its place",
		"sent":     fmt.Sprintf("hissa payout paid %d -utr …, or failed, says what became of it", s.ID),
		"paid":     fmt.Sprintf("hissa payout reversed %d, if the money came back", s.ID),
		"failed":   "hissa statement draft makes a new one",
		"reversed": "hissa statement draft makes a new one",
	}[state]
	return text + " and can't become " + step + ": " + remedy
}

// JudgeStatement books a person's word on a statement: approved, held or declined; errNotFound for an
// unknown one, refusedStep when it can't become that. To approve credits the partner with what is
// payable, and so deducts tax under the rules.
func (s *Store) JudgeStatement(
	ctx context.Context, id int64, step, reason string, rules TaxRules,
) (st *Statement, err error) {
	err = s.write(ctx, s.payments, func(t *tx) (err error) {
		if st, err = t.statement(id); err != nil {
			return err
		}
		if step == "approved" && st.allows(step) {
			if err := t.refuseStopped(st); err != nil {
				return err
			}
		}
		if step == "approved" {
			st.Tax = nil // an earlier approval's was given back
		}
		if err := t.step(st, Step{Step: step, Reason: reason}); err != nil || step != "approved" {
			return err
		}
		if st.Tax, err = t.taxOn(st, t.now, rules); err != nil || st.Tax == nil {
			return err
		}
		return t.withhold(st, *st.Tax)
	})
	return st, err
}

func (t *tx) refuseStopped(s *Statement) error {
	why, err := t.stopped(s)
	if err == nil && why != "" {
		remedy := fmt.Sprintf("hissa statement draft -partner %s makes a new one", s.Partner)
		if s.State() == "sent" {
			remedy = fmt.Sprintf("if it was not paid, hissa payout failed %d, then %s", s.ID, remedy)
		}
		err = refusedStep{fmt.Sprintf("statement %d must not be paid any more: %s. %s", s.ID, why, remedy)}
	}
	return err
}

// statement reads one with its steps; errNotFound for an unknown id.
func (r rows) statement(id int64) (*Statement, error) {
	return r.oneStatement(q("statement"), id)
}

// statementInForce is the newest of a partner that counts, nil without one.
func (r rows) statementInForce(partner string) (*Statement, error) {
	s, err := r.oneStatement(q("statement-in-force"), partner)
	if errors.Is(err, errNotFound) {
		return nil, nil
	}
	return s, err
}

func (r rows) oneStatement(query string, which any) (*Statement, error) {
	list, err := r.statementsOf(query, args{which})
	if err == nil && len(list) == 0 {
		err = errNotFound
	}
	if err != nil {
		return nil, err
	}
	s := list[0]
	if s.Follows == 0 {
		return s, nil
	}
	before, err := r.statementsOf(q("statement"), args{s.Follows})
	if err == nil && len(before) > 0 {
		s.From, s.FromSeq = before[0].At, before[0].Seq
	}
	return s, err
}

// statements lists those drafted in a stretch of time, with their steps, by id.
func (r rows) statements(span Span) ([]*Statement, error) {
	from, to := span.millis()
	return r.statementsOf(q("statements"), args{from, to})
}

func (r rows) statementsOf(query string, a args) (list []*Statement, err error) {
	err = r.each(query, a, func(scan func(...any) error) error {
		var s Statement
		var at int64
		err := scan(&s.Seq, &at, &s.ID, &s.Partner, &s.Follows, &s.Opening, &s.Closing, &s.Held,
			&s.Payable, &s.Minimum)
		s.At = fromMillis(&at)
		list = append(list, &s)
		return err
	})
	for _, s := range list {
		err = cmp.Or(err, r.each(q("steps"), args{s.ID}, func(scan func(...any) error) error {
			var p Step
			var at int64
			err := scan(&p.Seq, &at, &p.Statement, &p.Step, &p.Way, &p.UTR, &p.Reason)
			p.At = fromMillis(&at)
			s.Steps = append(s.Steps, p)
			return err
		}), r.withholding(s))
	}
	return list, err
}

func (r rows) lines(statement int64) (list []Line, err error) {
	err = r.each(q("statement-lines"), args{statement}, func(scan func(...any) error) error {
		var l Line
		var due int64
		err := scan(&l.Kind, &l.TxnID, &l.Amount, &due, &l.Blocks)
		l.DueAt = fromMillis(&due)
		list = append(list, l)
		return err
	})
	return list, err
}

// signingKeyName is the setting that holds the seed of the key that signs statements.
const signingKeyName = "statement_key"

// needSigningKey makes the key that signs statements when there is none yet.
func (t *tx) needSigningKey() error {
	var have string
	err := t.one(q("setting"), args{signingKeyName}, &have)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return err
	}
	return t.exec(q("insert-setting"), signingKeyName, hex.EncodeToString(seed))
}

// signingKey is the key that signs statements; errNotFound before the first was drafted.
func (r rows) signingKey() (ed25519.PrivateKey, error) {
	var text string
	err := r.one(q("setting"), args{signingKeyName}, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, err
	}
	seed, err := hex.DecodeString(text)
	if err == nil && len(seed) != ed25519.SeedSize {
		err = errors.New("the key that signs statements is damaged in the database")
	}
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
