package main

// hissa export: the facts and what follows from them, one row a line, for other programs. The
// field names are a promise; fields may be added at the end.

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

var exportCommand = command{
	name: "export", config: true, reading: true,
	usage: "KIND|everything [-format jsonl|csv] [-from WHEN] [-to WHEN]",
	short: "the books, one row a line",
	long: `
KIND is partners, clicks, orders, notifications, transactions, refunds, attributions, commissions,
ledger, days, statements or payouts. Amounts are rupees with two decimals, rates like "10%", times
RFC 3339 in UTC. -from and -to take a date in IST (2026-11-22) or RFC 3339; -from is included, -to
is not. They go by payment time; for ledger by entry time, for clicks, orders and notifications by
their own, for statements and payouts by when they were drafted.

days are totals, a row for each day in India and partner ("" for payments that nobody brought):
clicks of that day that count, and the payments made on it, with what became of them since.

KIND everything is for another machine (hissa import everything): all facts and entries with their
chain, customers' ids, partners' contacts and accounts, the bank's files, the salt by which
customers are known again. So keep the file as safe as the database. Not in it: the keys of shop and
monitor, the key that signs statements, raw messages, what still waits for the shop. hissa backup
has these.

Example:  hissa export commissions -format csv -from 2026-11-01 -to 2026-12-01 > november.csv`,
	run: func(c *call) error {
		format := c.flags.String("format", "jsonl", "")
		from := c.flags.String("from", "", "")
		to := c.flags.String("to", "", "")
		if err := c.exactly(1); err != nil {
			return err
		}
		span, err := parseSpan(*from, *to)
		if err != nil {
			return err
		}
		if *format != "jsonl" && *format != "csv" {
			return usageError{fmt.Sprintf("-format %q: it is jsonl or csv", *format)}
		}
		if c.args[0] == "everything" && (*format != "jsonl" || span != Span{}) {
			return usageError{"everything is JSON lines, from the first day to the last"}
		}
		return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
			if c.args[0] == "everything" {
				return c.exportEverything(ctx, store)
			}
			err := store.Export(ctx, c.stdout, c.args[0], *format, span)
			if errors.Is(err, errNotFound) {
				return usageError{fmt.Sprintf("there is nothing called %q to export", c.args[0])}
			}
			return err
		})
	},
}

// record is one row with its fields in order.
type record []field

type field struct {
	name  string
	value any
}

// MarshalJSON keeps the order of the fields.
func (r record) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", f.name)
		if err := appendJSON(&b, f.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// appendJSON leaves <, > and & as they are: this is for files, not for pages.
func appendJSON(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
}

// cells is the record for CSV: lists joined by spaces.
func (r record) cells() []string {
	var cells []string
	for _, f := range r {
		switch v := f.value.(type) {
		case string:
			cells = append(cells, v)
		case []string:
			cells = append(cells, strings.Join(v, " "))
		case int64:
			cells = append(cells, strconv.FormatInt(v, 10))
		case bool:
			cells = append(cells, strconv.FormatBool(v))
		default:
			cells = append(cells, fmt.Sprint(v))
		}
	}
	return cells
}

func (r record) names() []string {
	var names []string
	for _, f := range r {
		names = append(names, f.name)
	}
	return names
}

// Span is a half-open stretch of time; a zero end is open.
type Span struct{ From, To time.Time }

func (s Span) millis() (from, to int64) {
	from, to = 0, 1<<62
	if !s.From.IsZero() {
		from = s.From.UnixMilli()
	}
	if !s.To.IsZero() {
		to = s.To.UnixMilli()
	}
	return from, to
}

// exportKind is one thing that can be exported. empty is a row of it without values, for the names
// of its fields; rows writes those within a stretch of time.
type exportKind struct {
	name  string
	empty record
	rows  func(rows, Span, time.Time, func(record) error) error
}

var exports = []exportKind{
	{"partners", partnerRecord(PartnerRow{}), exportPartners},
	{"clicks", clickRecord(Click{}), exportClicks},
	{"orders", orderRecord(Order{}, ""), exportOrders},
	{"notifications", notificationRecord(Notification{}, 0), exportNotifications},
	{"transactions", transactionRecord(&transaction{}, 0, time.Time{}), exportTransactions},
	{"refunds", refundRecord(Refund{}), exportRefunds},
	{"attributions", attributionRecord("", Candidate{}), exportAttributions},
	{"commissions", commissionRecord(Commission{}, time.Time{}), exportCommissions},
	{"ledger", entryRecord(Entry{}), exportLedger},
	{"days", dayRecord(dayKey{}, Totals{}), exportDays},
	{"statements", statementRecord(&Statement{}), exportStatements},
	{"payouts", payoutRecord(&Statement{}), exportPayouts},
}

// Export writes the rows of one kind as JSON lines or CSV; errNotFound for an unknown kind.
func (s *Store) Export(ctx context.Context, w io.Writer, kind, format string, span Span) error {
	i := slices.IndexFunc(exports, func(e exportKind) bool { return e.name == kind })
	if i < 0 {
		return errNotFound
	}
	out := bufio.NewWriter(w)
	write := func(r record) error {
		text, err := r.MarshalJSON()
		if err != nil {
			return err
		}
		_, err = out.Write(append(text, '\n'))
		return err
	}
	table := csv.NewWriter(out)
	if format == "csv" {
		// Cells stay byte for byte what they are: a spreadsheet that takes "=…" for a formula is
		// not what this is for.
		write = func(r record) error { return table.Write(r.cells()) }
		if err := table.Write(exports[i].empty.names()); err != nil {
			return err
		}
	}
	if err := s.read(ctx, func(r rows) error {
		return exports[i].rows(r, span, s.now(), write)
	}); err != nil {
		return err
	}
	table.Flush()
	return errors.Join(table.Error(), out.Flush())
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

func partnerRecord(p PartnerRow) record {
	rate := ""
	if p.Rate != (Rate{}) {
		rate = p.Rate.String()
	}
	return record{
		{"code", p.Code}, {"name", p.Name}, {"rate", rate}, {"promos", p.Promos},
		{"refs", p.References}, {"state", p.State}, {"promo_rates", p.PromoRates},
	}
}

func exportPartners(r rows, _ Span, _ time.Time, write func(record) error) error {
	list, err := r.partnerRows()
	if err != nil {
		return err
	}
	for _, p := range list {
		if err := write(partnerRecord(p)); err != nil {
			return err
		}
	}
	return nil
}

func clickRecord(c Click) record {
	counted := c.Counted
	if counted == "" {
		counted = "true"
	}
	return record{
		{"id", c.ID}, {"partner", c.Partner}, {"at", rfc3339(c.At)}, {"sub", c.Sub},
		{"counted", counted},
	}
}

func exportClicks(r rows, s Span, _ time.Time, write func(record) error) error {
	from, to := s.millis()
	return r.each(q("export-clicks"), args{from, to}, func(scan func(...any) error) error {
		var c Click
		var at int64
		if err := scan(&c.ID, &c.Partner, &at, &c.Sub, &c.Counted); err != nil {
			return err
		}
		c.At = fromMillis(&at)
		return write(clickRecord(c))
	})
}

func orderRecord(o Order, customer string) record {
	amount := ""
	if o.Amount > 0 {
		amount = decimal(o.Amount)
	}
	return record{
		{"order_id", o.ID}, {"click_id", o.ClickID}, {"promo_code", o.Promo},
		{"customer_id", customer}, {"at", rfc3339(o.At)}, {"amount", amount},
	}
}

// exportOrders writes the binding in force of each order; a customer that was forgotten is "".
func exportOrders(r rows, s Span, _ time.Time, write func(record) error) error {
	from, to := s.millis()
	return r.each(q("export-orders"), args{from, to}, func(scan func(...any) error) error {
		var o Order
		var customer string
		var at int64
		if err := scan(&o.ID, &o.ClickID, &o.Promo, &customer, &at, &o.Amount); err != nil {
			return err
		}
		o.At = fromMillis(&at)
		return write(orderRecord(o, customer))
	})
}

func notificationRecord(n Notification, deliveries int64) record {
	why := n.Unusable
	if why == "" {
		why = n.Why
	}
	amount := n.Amount
	switch n.Kind {
	case "refund":
		amount = n.Refund
	case "dispute":
		amount = n.Disputed
	}
	return record{
		{"id", n.Seq}, {"gateway", n.Gateway}, {"received_at", rfc3339(n.At)},
		{"kind", n.Kind}, {"result", n.Result}, {"txn_id", n.TxnID},
		{"deliveries", deliveries}, {"type", n.Type}, {"order_id", n.OrderID},
		{"status", n.Status}, {"amount", decimal(amount)}, {"why", why},
	}
}

func exportNotifications(r rows, s Span, _ time.Time, write func(record) error) error {
	from, to := s.millis()
	return r.each(q("export-notifications"), args{from, to}, func(scan func(...any) error) error {
		var deliveries int64
		n, err := scanNotification(func(into ...any) error {
			return scan(append(into, &deliveries)...)
		})
		if err != nil {
			return err
		}
		return write(notificationRecord(n, deliveries))
	})
}

func transactionRecord(t *transaction, deliveries int64, now time.Time) record {
	return record{
		{"gateway", t.Gateway}, {"mid", t.MID}, {"txn_id", t.TxnID}, {"order_id", t.OrderID},
		{"status", t.Status}, {"amount", decimal(t.Amount)}, {"currency", t.Currency},
		{"paid_at", rfc3339(t.PaidAt)}, {"refunded", decimal(t.Refunded)},
		{"partner", t.Partner}, {"basis", t.Basis},
		{"confirmation", t.confirmationAt(now)}, {"conflict", t.Conflict},
		{"deliveries", deliveries}, {"why", t.Why}, {"abuse", t.Abuse},
	}
}

func exportTransactions(r rows, s Span, now time.Time, write func(record) error) error {
	from, to := s.millis()
	return r.each(q("export-transactions"), args{from, to}, func(scan func(...any) error) error {
		var deliveries int64
		t, err := scanTransaction(func(into ...any) error {
			return scan(append(into, &deliveries)...)
		})
		if err != nil {
			return err
		}
		return write(transactionRecord(t, deliveries, now))
	})
}

// Refund is all that was said about one refund, read together.
type Refund struct {
	ID      string
	Gateway string
	TxnID   string
	OrderID string
	Amount  int64
	Matched bool // its payment is known
	State   string
}

func refundRecord(r Refund) record {
	return record{
		{"gateway", r.Gateway}, {"refund_id", r.ID}, {"txn_id", r.TxnID},
		{"order_id", r.OrderID}, {"amount", decimal(r.Amount)}, {"currency", "INR"},
		{"matched", r.Matched}, {"state", r.State},
	}
}

func exportRefunds(r rows, s Span, _ time.Time, write func(record) error) error {
	from, to := s.millis()
	return r.each(q("export-refunds"), args{from, to}, func(scan func(...any) error) error {
		var f Refund
		var succeeded, refused bool
		err := scan(&f.Gateway, &f.ID, &f.TxnID, &f.OrderID, &f.Amount, &f.Matched,
			&succeeded, &refused)
		if err != nil {
			return err
		}
		f.State = "accepted"
		switch {
		case succeeded && refused:
			f.State = "conflict"
		case succeeded:
			f.State = "succeeded"
		case refused:
			f.State = "refused"
		}
		return write(refundRecord(f))
	})
}

func attributionRecord(txnID string, c Candidate) record {
	return record{
		{"txn_id", txnID}, {"basis", c.Basis}, {"value", c.Value}, {"partner", c.Partner},
		{"verdict", c.Verdict}, {"counts", c.counts},
	}
}

func exportAttributions(r rows, s Span, _ time.Time, write func(record) error) error {
	from, to := s.millis()
	return r.each(q("export-attributions"), args{from, to}, func(scan func(...any) error) error {
		var txnID string
		var c Candidate
		err := scan(&txnID, &c.Basis, &c.Value, &c.Partner, &c.Verdict, &c.counts)
		if err != nil {
			return err
		}
		return write(attributionRecord(txnID, c))
	})
}

func commissionRecord(c Commission, now time.Time) record {
	state, blocks := c.State(now)
	return record{
		{"txn_id", c.TxnID}, {"partner", c.Partner}, {"amount", decimal(c.Amount)},
		{"reversed", decimal(c.Reversed)}, {"currency", c.Currency}, {"state", state},
		{"blocks", blocks}, {"basis", c.Basis}, {"rate", c.Rate.String()},
		{"program", c.Program}, {"paid_at", rfc3339(c.PaidAt)}, {"due_at", rfc3339(c.DueAt)},
		{"payout", c.Payout},
	}
}

func exportCommissions(r rows, s Span, now time.Time, write func(record) error) error {
	from, to := s.millis()
	return r.commissions(q("export-commissions"), args{from, to}, func(c Commission) error {
		return write(commissionRecord(c, now))
	})
}

func entryRecord(e Entry) record {
	return record{
		{"seq", e.Seq}, {"at", rfc3339(e.At)}, {"kind", e.Kind},
		{"debit", e.Debit}, {"credit", e.Credit}, {"amount", decimal(e.Amount)},
		{"currency", e.Currency}, {"txn_id", e.TxnID}, {"hash", hex.EncodeToString(e.Hash)},
		{"payout", e.Payout}, {"utr", e.UTR},
	}
}

func exportLedger(r rows, s Span, _ time.Time, write func(record) error) error {
	from, to := s.millis()
	return r.entries(q("export-ledger"), args{from, to}, func(e Entry) error {
		return write(entryRecord(e))
	})
}

func dayRecord(k dayKey, t Totals) record {
	return record{
		{"day", startOf(k.day).In(ist).Format(time.DateOnly)}, {"partner", k.partner}, {"clicks", t.Clicks},
		{"payments", t.Payments}, {"sales", decimal(t.Sales)}, {"refunds", decimal(t.Refunds)},
		{"commission", decimal(t.Commission)}, {"reversed", decimal(t.Reversed)},
	}
}

func exportDays(r rows, s Span, _ time.Time, write func(record) error) error {
	return r.days(s, func(k dayKey, t Totals) error {
		if t == (Totals{}) { // its only payment turned out to be another partner's
			return nil
		}
		return write(dayRecord(k, t))
	})
}

func exportStatements(r rows, s Span, _ time.Time, write func(record) error) error {
	return r.eachStatement(s, func(s *Statement) error { return write(statementRecord(s)) })
}

func exportPayouts(r rows, s Span, _ time.Time, write func(record) error) error {
	return r.eachStatement(s, func(s *Statement) error {
		if !s.isPayout() {
			return nil
		}
		return write(payoutRecord(s))
	})
}

func (r rows) eachStatement(s Span, do func(*Statement) error) error {
	list, err := r.statements(s)
	for _, statement := range list {
		err = cmp.Or(err, do(statement))
	}
	return err
}
