package main

// Reconciliation: what Paytm's own list says against what the books have. A webhook that never came, a
// payment or refund that Paytm knows otherwise, is found and healed through the same door as any
// message: the row of the list is booked as one, and Paytm's status API is asked as ever.

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"hissa/paytm"
)

const (
	sweepBack  = 3 * 24 * time.Hour
	sweepFresh = 15 * time.Minute // what is younger may still be on its way as a webhook
	sweepEvery = 24 * time.Hour
	sweepAgain = 6 * time.Hour   // after one that failed
	sweepFirst = 5 * time.Minute // after the start
	sweepLook  = time.Hour
)

// The kinds of a finding.
const (
	findMissing    = "missing"    // Paytm has a payment that the books lack
	findMismatched = "mismatched" // both have it, and differ
	findUnrefunded = "unrefunded" // Paytm has given money back that the books do not know of
	findUnlisted   = "unlisted"   // the books have a payment that Paytm's list lacks
	findUnreadable = "unreadable" // a row of the list names no TXNID or amount
)

// Finding is one difference between Paytm's list and the books.
type Finding struct {
	Kind    string
	TxnID   string
	OrderID string
	Amount  int64 // as the list has it; as the books have it when that lacks the payment
	At      time.Time
	Text    string
	Healed  string // what booking the row came to; "" when a person has to look
}

// Reconciliation is what one comparison came to.
type Reconciliation struct {
	At         time.Time
	From, To   time.Time
	Source     string // Paytm's API, or a file
	Listed     int64  // payments and refunds in the list
	Missing    int64
	Mismatched int64
	Unrefunded int64
	Unlisted   int64
	Error      string // why it did not come to its end
}

// Completeness is how much of what Paytm lists the books had already, in percent; 100 of nothing.
func (r Reconciliation) Completeness() float64 {
	if r.Listed == 0 {
		return 100
	}
	return 100 * float64(r.Listed-r.Missing-r.Mismatched-r.Unrefunded) / float64(r.Listed)
}

// The sources of a list.
const (
	sourceAPI    = "Paytm's list"
	sourceReport = "the report"
)

// reconciler compares on behalf of a shop.
type reconciler struct {
	config *Config
	store  *Store
	api    asker
	log    *slog.Logger
}

// lister hands over every row of a half-open period, payments before refunds; a zero end is open.
type lister func(ctx context.Context, from, to time.Time, each func(paytm.Listed) error) error

// listFromAPI asks Paytm.
func (r *reconciler) listFromAPI(
	ctx context.Context, from, to time.Time, each func(paytm.Listed) error,
) error {
	if err := r.api.Orders(ctx, paytm.ListPayments, from, to, each); err != nil {
		return err
	}
	return r.api.Orders(ctx, paytm.ListRefunds, from, to, func(row paytm.Listed) error {
		row.Refund = true
		return each(row)
	})
}

// compare goes through a list and heals what it can. What it came to is kept, also when
// it fails.
func (r *reconciler) compare(
	ctx context.Context, source string, from, to time.Time, list lister, found func(Finding) error,
) (Reconciliation, error) {
	result := Reconciliation{At: r.store.now(), From: from, To: to, Source: source}
	seen := seenPayments{}
	refunds := map[string][]paytm.Listed{} // by TXNID
	tell := func(f Finding) error {
		result.count(f)
		return found(f)
	}
	err := list(ctx, from, to, func(row paytm.Listed) error {
		if row.Result != "" && row.Result != "TXN_SUCCESS" {
			return nil // no money moved
		}
		result.Listed++
		result.reach(row.At)
		if row.TxnID == "" || row.Amount < 0 {
			return tell(Finding{Kind: findUnreadable, OrderID: row.OrderID, At: row.At,
				Text: "a row without a usable TXNID or amount: look for its order and time in Paytm's dashboard"})
		}
		if row.Refund {
			refunds[row.TxnID] = append(refunds[row.TxnID], row)
			return nil
		}
		seen[keyOf(row.TxnID)] = struct{}{}
		f, err := r.judge(ctx, row)
		if err != nil || f == nil {
			return err
		}
		return tell(*f)
	})
	if err == nil {
		err = r.refunds(ctx, refunds, tell)
	}
	if err == nil && source == sourceAPI {
		err = r.unlisted(ctx, from, to, seen, tell)
	}
	if ctx.Err() != nil {
		return result, ctx.Err() // stopping: the next start does it anew
	}
	if err != nil {
		result.Error = err.Error()
	}
	return result, errors.Join(err, r.store.RecordReconciliation(ctx, result))
}

// seenPayments are TXNIDs, of each so much that no two are alike: days of a large shop fit into memory.
type seenPayments map[[16]byte]struct{}

func keyOf(txnID string) [16]byte {
	sum := sha256.Sum256([]byte(txnID))
	return [16]byte(sum[:16])
}

// reach widens a period whose ends nobody gave to a row of it.
func (r *Reconciliation) reach(at time.Time) {
	if at.IsZero() || r.Source == sourceAPI {
		return
	}
	if r.From.IsZero() || at.Before(r.From) {
		r.From = at
	}
	if at.After(r.To) {
		r.To = at
	}
}

func (r *Reconciliation) count(f Finding) {
	switch f.Kind {
	case findMissing:
		r.Missing++
	case findMismatched, findUnreadable:
		r.Mismatched++
	case findUnrefunded:
		r.Unrefunded++
	case findUnlisted:
		r.Unlisted++
	}
}

// judge compares a payment, and heals it; nil when the books say the same.
func (r *reconciler) judge(ctx context.Context, row paytm.Listed) (*Finding, error) {
	t, facts, poll, err := r.store.standing(ctx, row.TxnID)
	if err != nil {
		return nil, err
	}
	f := findingAbout(row)
	if f.Kind, f.Text = differs(t, facts, row); f.Text == "" {
		return nil, r.settle(ctx, t, poll, row)
	}
	return f, r.heal(ctx, f, row)
}

func findingAbout(row paytm.Listed) *Finding {
	return &Finding{TxnID: row.TxnID, OrderID: row.OrderID, Amount: row.Amount, At: row.At}
}

// heal books a row.
func (r *reconciler) heal(ctx context.Context, f *Finding, row paytm.Listed) (err error) {
	if f.Healed, err = r.store.Receive(ctx, r.notification(row), "", row.Body); f.Healed == resultDuplicate {
		f.Healed = "" // it was booked before, and Paytm's lists differ from what Paytm's API says
	}
	return err
}

// refunds compares the refunds of each payment, and heals them.
func (r *reconciler) refunds(
	ctx context.Context, byTxn map[string][]paytm.Listed, tell func(Finding) error,
) error {
	for _, txnID := range slices.Sorted(maps.Keys(byTxn)) {
		_, facts, _, err := r.store.standing(ctx, txnID)
		if err != nil {
			return err
		}
		for _, row := range lacking(facts, byTxn[txnID]) {
			f := findingAbout(row)
			f.Kind, f.Text = findUnrefunded, "a refund of "+rupees(row.Amount)+" is not in the books"
			if row.RefundID == "" {
				f.Text += ", and Paytm's list names no refund id"
			} else if err := r.heal(ctx, f, row); err != nil {
				return err
			}
			if err := tell(*f); err != nil {
				return err
			}
		}
	}
	return nil
}

// toldEarly is by how much a message about a refund may seem to come before it: two clocks.
const toldEarly = 10 * time.Minute

// lacking returns those of a payment's listed refunds that the books lack. One is known by its id; or by
// its amount, if the books have such a refund under an id that the list does not name: to take a
// commission back twice would be worse than to leave a difference for a person. But what was told before the
// listed refund was made is about another one.
func lacking(facts Facts, rows []paytm.Listed) []paytm.Listed {
	known := refundsOf(facts)
	rows = slices.DeleteFunc(slices.Clone(rows), func(row paytm.Listed) bool {
		k, is := known[row.RefundID]
		if is {
			delete(known, row.RefundID)
		}
		return is && k.amount == row.Amount
	})
	return slices.DeleteFunc(rows, func(row paytm.Listed) bool {
		for id, k := range known {
			if k.amount == row.Amount && !k.told.Before(row.At.Add(-toldEarly)) {
				delete(known, id)
				return true
			}
		}
		return false
	})
}

// toldRefund is what the messages say of one refund.
type toldRefund struct {
	amount             int64
	told               time.Time // first
	succeeded, refused bool
}

// refundsOf are the refunds that count in the books, by their ids: one that was only accepted, and then refused,
// does not.
func refundsOf(facts Facts) map[string]toldRefund {
	known := map[string]toldRefund{}
	for _, n := range facts.Notifications {
		if n.Kind != "refund" || n.Unusable != "" {
			continue
		}
		r, is := known[n.RefundID]
		if !is || n.At.Before(r.told) {
			r.told = n.At
		}
		switch n.Event {
		case "refused":
			r.refused = true
		case "succeeded":
			r.succeeded = true
		}
		if n.Event != "refused" {
			r.amount = n.Refund
		}
		known[n.RefundID] = r
	}
	maps.DeleteFunc(known, func(_ string, r toldRefund) bool { return r.refused && !r.succeeded })
	return known
}

// settle takes a signed row for the answer to a question that the status API has not answered: for the
// second payment of an order, which it never names, or after a time without its signature.
func (r *reconciler) settle(ctx context.Context, t *transaction, poll Poll, row paytm.Listed) error {
	if !row.Signed || t.Confirmation != waiting {
		return nil
	}
	return r.store.RecordAnswers(ctx, poll, []Answer{fromList(listOf(row.At), row)})
}

// differs says how a payment of the list differs from the books, "" when it does not. What a person
// has decided is not up to a list.
func differs(t *transaction, facts Facts, row paytm.Listed) (kind, text string) {
	switch {
	case t == nil:
		return findMissing, "no webhook about it is in the books"
	case lastDecision(facts) != nil:
		return "", ""
	case t.Confirmation == denied:
		return findMismatched, "Paytm's status API denied it, Paytm's list has it as a success"
	case t.Status != "success":
		return findMismatched, "the books have it as " + t.Status + ", Paytm as a success"
	case t.Amount != row.Amount:
		return findMismatched, fmt.Sprintf("the books have %s, Paytm %s", rupees(t.Amount), rupees(row.Amount))
	case t.OrderID != row.OrderID && t.OrderID != "" && row.OrderID != "":
		return findMismatched, fmt.Sprintf("the books have order %s, Paytm %s", t.OrderID, row.OrderID)
	}
	return "", ""
}

// notification makes a message of a row.
func (r *reconciler) notification(row paytm.Listed) Notification {
	identity := sha256.Sum256(append([]byte("listed\x00"), row.Body...))
	n := Notification{
		Gateway: "paytm", Identity: identity[:], MID: r.config.Paytm.MID,
		TxnID: row.TxnID, OrderID: row.OrderID, Currency: "INR", Mode: row.Mode,
	}
	if row.Refund {
		n.Kind, n.Type = "refund", "refund in Paytm's list"
		n.RefundID, n.Event, n.Refund = row.RefundID, "succeeded", row.Amount
		return n
	}
	n.Kind, n.Type, n.Status = "payment", "payment in Paytm's list", "success"
	n.Amount, n.PaidAt, n.Reference = row.Amount, row.At, row.Reference
	n.Unknown = unsigned
	return n
}

// unlisted finds payments of the books that Paytm's list lacks. What was paid near either end of the
// time may lie outside of it by Paytm's clock.
func (r *reconciler) unlisted(
	ctx context.Context, from, to time.Time, seen seenPayments, tell func(Finding) error,
) error {
	var list []*transaction
	err := r.store.PaidBetween(ctx, from.Add(time.Hour), to.Add(-time.Hour), func(t *transaction) {
		if _, is := seen[keyOf(t.TxnID)]; !is && t.Status == "success" && t.Confirmation != denied {
			list = append(list, t)
		}
	})
	if err != nil {
		return err
	}
	for _, t := range list {
		if err := tell(Finding{Kind: findUnlisted, TxnID: t.TxnID, OrderID: t.OrderID, Amount: t.Amount,
			At: t.PaidAt, Text: "Paytm's list does not have it"}); err != nil {
			return err
		}
	}
	return nil
}

// sweepDaily compares the last three days with Paytm's list once a day, until ctx ends; more days when
// none of the latest comparisons came to its end.
func (r *reconciler) sweepDaily(ctx context.Context) {
	look := time.NewTimer(sweepFirst)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		look.Reset(sweepLook)
		if err := r.sweepWhenDue(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("Paytm's list could not be compared with the books", "cause", err.Error())
		}
	}
}

func (r *reconciler) sweepWhenDue(ctx context.Context) error {
	last, err := r.store.LastReconciliation(ctx)
	if err != nil {
		return err
	}
	pause := sweepEvery
	if last != nil && last.Error != "" {
		pause = sweepAgain
	}
	if last != nil && r.store.now().Sub(last.At) < pause {
		return nil
	}
	to := r.store.now().Add(-sweepFresh)
	from, most := to.Add(-sweepBack), to.Add(-paytm.ListedBack)
	until, err := r.store.SweptUntil(ctx, sweepBack)
	if err != nil {
		return err
	}
	if !until.IsZero() && until.Add(-sweepBack).Before(from) { // we were down, or Paytm's API was
		if from = until.Add(-sweepBack); from.Before(most) {
			from = most
		}
	}
	result, err := r.compare(ctx, sourceAPI, from, to, r.listFromAPI, func(f Finding) error {
		r.log.Warn("Paytm's list and the books differ", "what", f.Kind, "txn", f.TxnID, "order", f.OrderID,
			"how", f.Text, "healed", f.Healed)
		return nil
	})
	if err == nil {
		r.log.Info("Paytm's list was compared with the books", "listed", result.Listed,
			"complete", fmt.Sprintf("%.2f%%", result.Completeness()))
	}
	return err
}

var reconcileCommand = command{
	name: "reconcile", config: true, reading: true,
	usage: "[-from TIME] [-to TIME] [-json] [FILE.csv]",
	short: "what Paytm says against what the books have; heals what is missing",
	long: `
Asks Paytm for its list of successful payments and refunds, of the last three days unless -from
and -to say otherwise, and compares it with the books. A payment or refund that Paytm has and the
books lack is booked, through the same door as a webhook and only once; its commission waits for
Paytm's status API as ever. A difference is booked too, as a conflict that the API settles. What a
person has to look at is said. serve does this once a day by itself.

With FILE.csv the list is a report downloaded from Paytm's dashboard instead; the names of its
columns are in the configuration, under [reconcile].

Times are dates in IST, or RFC 3339; -to is not included. What is younger than a quarter of an
hour is left out unless -to includes it. Paytm's list goes back 18 months. Exit code 1: something
is left for a person to look at.

Example:  hissa reconcile -from 2026-11-01 -to 2026-12-01`,
	run: func(c *call) error {
		from := c.flags.String("from", "", "")
		to := c.flags.String("to", "", "")
		if err := c.parse(); err != nil {
			return err
		}
		if len(c.args) > 1 {
			return usageError{"reconcile takes one file at most"}
		}
		return c.with(false, func(ctx context.Context, config *Config, store *Store) error {
			r := &reconciler{config, store, config.api(), slog.New(slog.DiscardHandler)}
			return c.reconcile(ctx, r, *from, *to)
		})
	},
}

// span is the period that the command line asks for: of Paytm's list the last three days unless it says
// otherwise, of a report all of it.
func (c *call) span(from, to string, now time.Time) (s Span, err error) {
	if len(c.args) == 0 {
		s.To = now.Add(-sweepFresh)
		s.From = s.To.Add(-sweepBack)
	}
	given, err := parseWhen("-from", from)
	until, err2 := parseWhen("-to", to)
	if err = errors.Join(err, err2); err != nil {
		return s, usageError{err.Error()}
	}
	if !given.IsZero() {
		s.From = given
	}
	if !until.IsZero() {
		s.To = until
	}
	if last := now.Add(time.Second); s.To.After(last) { // Paytm counts in seconds
		s.To = last
	}
	switch {
	case !s.To.IsZero() && !s.From.Before(s.To):
		return s, usageError{"-from must be before -to"}
	case len(c.args) == 0 && s.From.Before(now.Add(-paytm.ListedBack)):
		return s, usageError{"Paytm's list goes back 18 months: give a later -from, or a report of that time"}
	}
	return s, nil
}

func (c *call) reconcile(ctx context.Context, r *reconciler, from, to string) error {
	span, err := c.span(from, to, r.store.now())
	if err != nil {
		return err
	}
	source, list := sourceAPI, lister(r.listFromAPI)
	if len(c.args) == 1 {
		if list, err = openReport(c.args[0], r.config); err != nil {
			return err
		}
		source = sourceReport
	}
	left := int64(0)
	result, err := r.compare(ctx, source, span.From, span.To, list, func(f Finding) error {
		if f.Healed == "" {
			left++
		}
		return c.tellFinding(f)
	})
	if err != nil {
		return err
	}
	if err := c.tellReconciliation(result); err != nil || left == 0 {
		return err
	}
	return noError{fmt.Sprintf("%s left for a person to look at", plural(left, "difference"))}
}

func (c *call) tellFinding(f Finding) error {
	if c.json {
		return c.writeJSON(record{
			{"finding", f.Kind}, {"txn_id", f.TxnID}, {"order_id", f.OrderID}, {"amount", decimal(f.Amount)},
			{"at", rfc3339(f.At)}, {"text", f.Text}, {"healed", f.Healed},
		})
	}
	healed := "look at it"
	if f.Healed != "" {
		healed = "booked: " + f.Healed
	}
	_, err := fmt.Fprintf(c.stdout, "%-10s  %s  order %s  %s  %s (%s)\n",
		f.Kind, f.TxnID, f.OrderID, rupees(f.Amount), f.Text, healed)
	return err
}

func (c *call) tellReconciliation(r Reconciliation) error {
	if c.json {
		return c.writeJSON(record{
			{"source", r.Source}, {"from", rfc3339(r.From)}, {"to", rfc3339(r.To)}, {"listed", r.Listed},
			{"missing", r.Missing}, {"mismatched", r.Mismatched}, {"unrefunded", r.Unrefunded},
			{"unlisted", r.Unlisted}, {"completeness_percent", math.Round(100*r.Completeness()) / 100},
		})
	}
	when := ""
	if !r.From.IsZero() {
		when = " from " + clock(r.From) + " to " + clock(r.To)
	}
	_, err := fmt.Fprintf(c.stdout, "By %s%s %s.\n", r.Source, when, r.told())
	return err
}

// told is what a comparison came to, in a line.
func (r Reconciliation) told() string {
	return fmt.Sprintf("the books had %d of %d payments and refunds (%.2f%%): %d missing, %d mismatched, "+
		"%d unrefunded; %d unlisted", r.Listed-r.Missing-r.Mismatched-r.Unrefunded, r.Listed, r.Completeness(),
		r.Missing, r.Mismatched, r.Unrefunded, r.Unlisted)
}
