package main

// hissa explain: the whole story of one payment, as a person would tell it.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"hissa/paytm"
)

var explainCommand = command{
	name: "explain", config: true, reading: true, usage: "TXNID|ORDER [-json]",
	short: "the whole story of one payment",
	long: `
Tells what Paytm sent and how often, what its API answered, who could have brought
the sale and why each does or does not count, what it earns whom, what holds it, and
every ledger entry; of an order, the same of each of its payments. Times are IST.

Example:  hissa explain 20261122111212800110168000000000001`,
	run: func(c *call) error {
		if err := c.exactly(1); err != nil {
			return err
		}
		return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
			story, err := store.Story(ctx, c.args[0])
			stories := []*Story{story}
			if errors.Is(err, errNotFound) {
				stories, err = store.StoriesOfOrder(ctx, c.args[0])
			}
			if err == nil && len(stories) == 0 {
				err = errNotFound
			}
			if err != nil {
				return asNo(err, fmt.Sprintf("nothing is known of %s: "+
					"no genuine message has named it", c.args[0]))
			}
			return c.tellStories(stories, store.now())
		})
	},
}

func (c *call) tellStories(stories []*Story, now time.Time) error {
	for i, story := range stories {
		switch {
		case c.json:
			if err := c.writeJSON(story.record(now)); err != nil {
				return err
			}
			continue
		case i > 0:
			fmt.Fprintln(c.stdout)
		}
		story.tell(c.stdout, now)
	}
	return nil
}

// Story is everything known about one transaction.
type Story struct {
	Txn        *transaction
	Facts      Facts
	Candidates []Candidate
	Commission *Commission
	Names      map[string]string // partner code to name
	Deliveries map[int64]int64   // how often each message came
	Entries    []Entry
	Poll       *pollState
	Handed     []Handed
	Parts      []paytm.Part    // of a hybrid payment
	Closed     missingKeyError // why its parts are not known
	Program    int             // which of the programs, counted from 1, prices the commission
	Sales      int64           // which reached the tier that prices it; 0 where none does
	Own        string          // the promo code whose own rate prices it, "" for none
	Cap        int64           // what the program's cap leaves of it; 0 where that does not touch it
	OfPartner  bool            // the partner's own rate prices it
}

// Entry is one ledger transfer.
type Entry struct {
	Seq      int64
	At       time.Time
	Kind     string
	Debit    string
	Credit   string
	Amount   int64
	Currency string
	TxnID    string
	Partner  string
	Hash     []byte
	Payout   int64  // which payout it books; 0 for none
	UTR      string // the bank's reference of that
}

type pollState struct {
	Next  time.Time
	Error string
}

// Story reads what is known about a TXNID; errNotFound when nothing is.
func (s *Store) Story(ctx context.Context, txnID string) (*Story, error) {
	story := &Story{Names: map[string]string{}, Deliveries: map[int64]int64{}}
	err := s.read(ctx, func(r rows) error {
		if err := r.story(story, txnID); err != nil || story.Txn == nil {
			return err
		}
		return r.parts(story, s.keys)
	})
	return story, err
}

// StoriesOfOrder reads what is known about each payment of an order; if there is none, about whatever
// else Paytm said in an order's name.
func (s *Store) StoriesOfOrder(ctx context.Context, order string) ([]*Story, error) {
	var subjects []string
	err := s.read(ctx, func(r rows) (err error) {
		subjects, err = r.transactionIDs(q("subjects-of-order"), order)
		if len(subjects) == 0 && err == nil {
			subjects, err = r.transactionIDs(q("subjects-naming-order"), order)
		}
		return err
	})
	var stories []*Story
	for _, subject := range subjects {
		story, failed := s.Story(ctx, subject)
		stories, err = append(stories, story), errors.Join(err, failed)
	}
	return stories, err
}

func (r rows) story(s *Story, txnID string) error {
	known, err := r.notifications(txnID)
	if err != nil {
		return err
	}
	if len(known) == 0 {
		return errNotFound
	}
	if s.Txn, err = r.transaction(txnID); err != nil {
		return err
	}
	terms, err := r.loadTerms()
	if err != nil {
		return err
	}
	if s.Facts, err = r.factsUnder(terms, txnID, known, s.Txn); err != nil {
		return err
	}
	if err := r.deliveriesOf(s, txnID); err != nil {
		return err
	}
	if s.Handed, err = r.forwardsAbout(txnID); err != nil {
		return err
	}
	if s.Txn == nil {
		return nil
	}
	if err := r.consequences(s); err != nil || s.Commission == nil {
		return err
	}
	s.Program = 1 + slices.IndexFunc(terms.programs, func(p Program) bool {
		return p.Seq == s.Commission.Program
	})
	c, program := s.Commission, terms.program(s.Commission.Program)
	if program.Cap > 0 && c.Rate.of(s.Txn.Amount, program.ExcludeTax) > program.Cap {
		s.Cap = program.Cap
	}
	if own := terms.ownRate(s.Txn.Value, s.Txn.PaidAt); own != (Rate{}) && own == c.Rate {
		s.Own = s.Txn.Value
	} else if p := terms.partnerAt(c.Partner, s.Txn.PaidAt); p.Rate != (Rate{}) && p.Rate == c.Rate {
		s.OfPartner = true
	} else if tier := program.tier(s.Facts.Sales); tier == c.Rate && tier != (Rate{}) {
		s.Sales = s.Facts.Sales
	}
	return nil
}

// consequences reads what the facts of a known payment came to.
func (r rows) consequences(s *Story) (err error) {
	if s.Candidates, err = r.candidates(s.Txn.ID); err != nil {
		return err
	}
	if s.Commission, err = r.commission(s.Txn.ID); err != nil {
		return err
	}
	partners, err := r.partnerRows()
	if err != nil {
		return err
	}
	for _, p := range partners {
		s.Names[p.Code] = p.Name
	}
	if err := r.entries(q("entries"), args{s.Txn.ID}, func(e Entry) error {
		s.Entries = append(s.Entries, e)
		return nil
	}); err != nil {
		return err
	}
	return r.each(q("poll"), args{s.Txn.ID}, func(scan func(...any) error) error {
		var next int64
		s.Poll = &pollState{}
		err := scan(&next, &s.Poll.Error)
		s.Poll.Next = fromMillis(&next)
		return err
	})
}

// parts finds what a hybrid payment is made of. Its message was genuine when it was booked.
func (r rows) parts(s *Story, keys bodyKeys) error {
	if !slices.ContainsFunc(s.Facts.Notifications, func(n Notification) bool { return n.Mode == "HYBRID" }) {
		return nil
	}
	return r.each(q("hybrid-bodies"), args{s.Facts.TxnID}, func(scan func(...any) error) error {
		var raw rawBody
		if err := scan(&raw.packed, &raw.packing, &raw.key, &raw.mac); err != nil || s.Parts != nil {
			return err
		}
		body, err := keys.bodyOf(raw)
		if errors.As(err, &s.Closed) {
			return nil // the rest of the story is told
		}
		if err != nil {
			return err
		}
		if envelope, err := paytm.Parse(body); err == nil {
			s.Parts = envelope.Parts()
		}
		return nil
	})
}

func (r rows) deliveriesOf(s *Story, txnID string) error {
	for _, n := range s.Facts.Notifications {
		s.Deliveries[n.Seq] = 1
	}
	return r.each(q("deliveries"), args{txnID}, func(scan func(...any) error) error {
		var seq, times int64
		err := scan(&seq, &times)
		s.Deliveries[seq] = times
		return err
	})
}

// entries reads those that one of the queries of entries selects.
func (r rows) entries(query string, a args, row func(Entry) error) error {
	return r.each(query, a, func(scan func(...any) error) error {
		var e Entry
		var at int64
		err := scan(&e.Seq, &at, &e.Kind, &e.Debit, &e.Credit, &e.Amount, &e.Currency,
			&e.TxnID, &e.Partner, &e.Hash, &e.Payout, &e.UTR)
		if err != nil {
			return err
		}
		e.At = fromMillis(&at)
		return row(e)
	})
}

// tell writes the story in prose, no line with blanks at its end.
func (s *Story) tell(w io.Writer, now time.Time) {
	var text strings.Builder
	s.tellAll(&text, now)
	_ = writeTrimmed(w, text.String()) // to a terminal or a pipe: whoever left does not need it
}

func (s *Story) tellAll(w io.Writer, now time.Time) {
	if strings.Contains(s.Facts.TxnID, " ") {
		fmt.Fprintf(w, "%s\n  This is not about one payment.\n\n", s.Facts.TxnID)
		s.tellMessages(w)
		s.tellHanded(w)
		return
	}
	if s.Txn == nil {
		fmt.Fprintf(w, "%s\n  No payment with this TXNID is known; "+
			"what Paytm said about it waits for the payment.\n\n", s.Facts.TxnID)
		s.tellMessages(w)
		s.tellHanded(w)
		return
	}
	s.tellPayment(w)
	s.tellConfirmation(w, now)
	fmt.Fprintln(w)
	s.tellMessages(w)
	s.tellHanded(w)
	s.tellAnswers(w)
	s.tellCandidates(w)
	s.tellCommission(w, now)
	s.tellLedger(w)
}

func (s *Story) tellPayment(w io.Writer) {
	t := s.Txn
	verb := map[string]string{
		"success": "paid", "failed": "not paid", "pending": "still pending",
	}[t.Status]
	mode := ""
	for _, n := range s.Facts.Notifications {
		if n.Kind == "payment" && n.Mode != "" {
			mode = " " + byMode(n.Mode)
		}
	}
	order := "for order " + t.OrderID
	if t.OrderID == "" {
		order = "without an order of the shop's"
	}
	fmt.Fprintf(w, "Payment %s\n  %s %s, %s%s on %s.\n",
		t.TxnID, money(t.Amount, t.Currency), order, verb, mode, clock(t.PaidAt))
	if len(s.Parts) > 0 {
		var parts []string
		for _, part := range s.Parts {
			amount := ""
			if part.Amount >= 0 {
				amount = " " + rupees(part.Amount)
			}
			parts = append(parts, cmp.Or(modeWords(part.Mode), "?")+amount)
		}
		fmt.Fprintf(w, "  It was made up of %s; they earn as the one payment they are.\n",
			strings.Join(parts, " and "))
	} else if s.Closed.id != nil {
		fmt.Fprintf(w, "  What it was made up of can't be told, because its message can't be read: %s.\n", s.Closed)
	}
	if t.Refunded > 0 {
		fmt.Fprintf(w, "  %s of it went back to the customer.\n", money(t.Refunded, t.Currency))
	}
	if t.Conflict != "" {
		fmt.Fprintf(w, "  Conflict: %s.\n", t.Conflict)
	}
}

// byMode says how somebody paid.
func byMode(mode string) string {
	if mode == "HYBRID" {
		return "in several ways at once"
	}
	return "by " + modeWords(mode)
}

// modeWords is Paytm's PAYMENTMODE as people call it.
func modeWords(mode string) string {
	words := map[string]string{
		"CC": "credit card", "DC": "debit card", "NB": "net banking", "PPI": "wallet",
	}
	return cmp.Or(words[mode], mode)
}

func (s *Story) tellConfirmation(w io.Writer, now time.Time) {
	t := s.Txn
	person := lastDecision(s.Facts)
	switch c := t.confirmationAt(now); {
	case person != nil && c == agreed:
		fmt.Fprintf(w, "  A person agreed on %s: %s.\n", clock(person.At), person.Reason)
	case person != nil && c == denied:
		fmt.Fprintf(w, "  A person denied it on %s: %s.\n", clock(person.At), person.Reason)
	case c == agreed:
		fmt.Fprintln(w, "  Paytm's status API agrees on order, TXNID, status and amount.")
	case c == denied:
		fmt.Fprintln(w, "  Paytm's status API denies it: no money came in under this TXNID.")
	case c == off && t.Status == "success":
		fmt.Fprintln(w, "  Not confirmed with Paytm's API: the program doesn't ask for it.")
	case c == expired:
		fmt.Fprintf(w, "  Paytm's API knew nothing for 72 hours. "+
			"A person decides: hissa confirm %s -agree (or -deny) -reason …\n", t.TxnID)
	case c == waiting:
		fmt.Fprintln(w, "  Paytm's status API has not settled it yet.")
		if s.Poll != nil {
			s.tellPoll(w)
		}
	}
}

func (s *Story) tellPoll(w io.Writer) {
	fmt.Fprintf(w, "  It is asked again at %s.\n", clock(s.Poll.Next))
	if s.Poll.Error != "" {
		fmt.Fprintf(w, "  The last question brought no answer: %s.\n", s.Poll.Error)
	}
}

func (s *Story) tellMessages(w io.Writer) {
	total := int64(0)
	for _, times := range s.Deliveries {
		total += times
	}
	different := ""
	if n := len(s.Facts.Notifications); int64(n) < total {
		different = fmt.Sprintf(", %d of them different", n)
	}
	fmt.Fprintf(w, "What Paytm sent (%s%s):\n", plural(total, "message"), different)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, n := range s.Facts.Notifications {
		said := n.Unusable
		if said == "" {
			said = n.Why
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\t%s\n",
			clock(n.At), n.words(), n.Result, times(s.Deliveries[n.Seq]), said)
	}
	tw.Flush()
	fmt.Fprintln(w)
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// words is what a message says, in one phrase.
func (n Notification) words() string {
	switch n.Kind {
	case "payment":
		return fmt.Sprintf("%s %s, %s", n.Type, n.Status, money(n.Amount, n.Currency))
	case "refund":
		return fmt.Sprintf("%s %s, %s", n.Type, n.RefundID, rupees(n.Refund))
	case "dispute":
		return fmt.Sprintf("dispute %s %s, %s", n.DisputeID, n.Dispute, rupees(n.Disputed))
	}
	return n.Type
}

// tellHanded says what the shop has got of it, where messages are handed on.
func (s *Story) tellHanded(w io.Writer) {
	if len(s.Handed) == 0 {
		return
	}
	fmt.Fprintln(w, "Handed on to the shop:")
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, h := range s.Handed {
		at, what := h.Ended, "never taken"
		switch {
		case h.Taken:
			what = "taken"
		case !h.Next.IsZero():
			at, what = h.At, "waits"
		}
		tried := "not tried yet"
		if h.Tries > 0 {
			tried = "tried " + times(int64(h.Tries))
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", clock(at), what, tried, h.Said)
	}
	tw.Flush()
	fmt.Fprintln(w)
}

func (s *Story) tellAnswers(w io.Writer) {
	if len(s.Facts.Answers) == 0 {
		return
	}
	fmt.Fprintln(w, "What Paytm's API answered:")
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, a := range s.Facts.Answers {
		said := "nothing known about this TXNID"
		if a.Definite && a.Result == "success" {
			said = "success, " + rupees(a.Amount)
		} else if a.Definite {
			said = "no success"
		} else if a.Result == "pending" {
			said = "pending"
		}
		asked := a.Asked
		if !strings.HasPrefix(asked, "link ") && !strings.HasPrefix(asked, "list of ") {
			asked = "order " + asked
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", clock(a.At), asked, said, a.Text)
	}
	tw.Flush()
	fmt.Fprintln(w)
}

func (s *Story) tellCandidates(w io.Writer) {
	fmt.Fprintln(w, "Who could have brought it:")
	if len(s.Candidates) == 0 {
		fmt.Fprintf(w, "  Nobody: %s.\n\n", strings.TrimPrefix(s.Txn.Why, "no partner: "))
		return
	}
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, c := range s.Candidates {
		mark := "no"
		if c.counts {
			mark = "yes"
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", mark, c.Basis, s.name(c.Partner), c.Verdict)
	}
	tw.Flush()
	fmt.Fprintln(w)
}

// name is a partner as people know them: Asha (ASHA).
func (s *Story) name(code string) string {
	switch name := s.Names[code]; {
	case code == "":
		return "–"
	case name == "" || name == code:
		return code
	default:
		return name + " (" + code + ")"
	}
}

func (s *Story) tellCommission(w io.Writer, now time.Time) {
	c := s.Commission
	if c == nil {
		fmt.Fprintf(w, "Commission:\n  None: %s.\n", s.Txn.Why)
		return
	}
	rate := c.Rate.String() + " of the payment"
	if c.Rate.Flat > 0 {
		rate = "a flat " + rupees(c.Rate.Flat)
	}
	if s.Own != "" {
		rate += ", the rate of " + s.Own
	}
	if s.Sales > 0 {
		rate += fmt.Sprintf(", for sales of %s earlier that month", rupees(s.Sales))
	}
	if s.Cap > 0 {
		rate += fmt.Sprintf(", which is capped at %s", rupees(s.Cap))
	}
	if c.Rate == (Rate{}) {
		rate = "the customer has made as many payments before as the program pays for"
	}
	fmt.Fprintf(w, "Commission:\n  %s earns %s: %s, under program %d.\n",
		s.name(c.Partner), rupees(c.Amount), rate, s.Program)
	if c.Reversed > 0 {
		fmt.Fprintf(w, "  %s of it is taken back.\n", rupees(c.Reversed))
	}
	state, blocks := c.State(now)
	switch state {
	case "due":
		fmt.Fprintf(w, "  It is due since %s.\n", clock(c.DueAt))
	case "held":
		var why []string
		for _, b := range blocks {
			if b == "abuse" {
				why = append(why, s.Txn.Abuse+" (hissa review)")
				continue
			}
			why = append(why, blockWords(b, c.DueAt))
		}
		fmt.Fprintf(w, "  It is held: %s.\n", strings.Join(why, "; "))
	case "paid":
		fmt.Fprintf(w, "  It is paid, by payout %d.\n", c.Payout)
	case "reversed":
		fmt.Fprintln(w, "  It is reversed: nothing of it is owed.")
	}
	if r := lastReview(s.Facts, c.Partner); r != nil {
		word := map[bool]string{true: "accepted", false: "refused"}[r.Accept]
		fmt.Fprintf(w, "  A person %s it on %s: %s.\n", word, clock(r.At), r.Reason)
	}
	if s.Facts.Repriced != 0 {
		fmt.Fprintf(w, "  A person had it decided under program %d (hissa replay).\n", s.Program)
	}
	if s.Facts.Due != nil {
		fmt.Fprintf(w, "  Partner and rate were fixed on %s, when it had become due.\n",
			clock(s.Facts.Due.At))
	}
}

// blockWords says what a block means to a merchant.
func blockWords(block string, due time.Time) string {
	switch block {
	case "period":
		return "the hold period runs until " + clock(due)
	case "unconfirmed":
		return "Paytm's API has not agreed yet"
	case "conflict":
		return "what Paytm sent contradicts itself"
	case "dispute":
		return "the customer disputes the payment"
	case "abuse":
		return "something about the sale looks wrong"
	case "merchant":
		return "the amount is not the one the shop named for the order"
	}
	return block
}

func (s *Story) tellLedger(w io.Writer) {
	if len(s.Entries) == 0 {
		return
	}
	fmt.Fprintln(w, "\nLedger:")
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	for _, e := range s.Entries {
		fmt.Fprintf(tw, "  %d\t%s\t%s\tfrom %s to %s\t%s\t\n",
			e.Seq, clock(e.At), e.Kind, e.Debit, e.Credit, rupees(e.Amount))
	}
	tw.Flush()
}

// record is the story for programs, in the export's field names.
func (s *Story) record(now time.Time) record {
	var notifications, attributions, entries, answers []record
	for _, n := range s.Facts.Notifications {
		notifications = append(notifications, notificationRecord(n, s.Deliveries[n.Seq]))
	}
	for _, c := range s.Candidates {
		attributions = append(attributions, attributionRecord(s.Facts.TxnID, c))
	}
	for _, e := range s.Entries {
		entries = append(entries, entryRecord(e))
	}
	for _, a := range s.Facts.Answers {
		answers = append(answers, record{
			{"at", rfc3339(a.At)}, {"order_id", a.Asked}, {"result", a.Result},
			{"definite", a.Definite}, {"text", a.Text},
		})
	}
	var reviews []record
	for _, r := range s.Facts.Reviews {
		reviews = append(reviews, record{
			{"at", rfc3339(r.At)}, {"partner", r.Partner}, {"accepted", r.Accept}, {"reason", r.Reason},
		})
	}
	var txn, commission, why any
	if s.Txn != nil {
		deliveries := int64(0)
		for _, n := range s.Deliveries {
			deliveries += n
		}
		txn, why = transactionRecord(s.Txn, deliveries, now), s.Txn.Why
	}
	if s.Commission != nil {
		commission = commissionRecord(*s.Commission, now)
	}
	var parts []record
	for _, part := range s.Parts {
		var amount any // null when the message names none
		if part.Amount >= 0 {
			amount = decimal(part.Amount)
		}
		parts = append(parts, record{{"txn_id", part.TxnID}, {"mode", part.Mode}, {"amount", amount}})
	}
	return record{
		{"txn_id", s.Facts.TxnID}, {"transaction", txn}, {"parts", list(parts)},
		{"notifications", list(notifications)},
		{"answers", list(answers)}, {"attributions", list(attributions)},
		{"commission", commission}, {"why", why}, {"ledger", list(entries)},
		{"reviews", list(reviews)},
	}
}

// list is never null in JSON.
func list(rs []record) []record {
	if rs == nil {
		return []record{}
	}
	return slices.Clip(rs)
}
