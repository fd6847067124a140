package main

// hissa payout: approved statements leave as money, by a person's hand. First as a file for the bank;
// else as a QR that a payer's app scans; and what became of each is said afterwards.

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"rsc.io/qr"
)

var payoutCommand = command{
	name: "payout", config: true, reading: true,
	usage: "list|show ID|file [N]|qr ID|paid ID|failed ID|reversed ID",
	short: "approved statements paid, and what became of it",
	long: `
payout list [-all]
payout show ID
payout file [N]
payout qr ID [-again]
payout paid ID -utr UTR
payout failed ID -reason TEXT
payout reversed ID -reason TEXT

Hissa moves no money. A payout has the id of its statement. file writes one CSV for your bank's bulk
upload, in the columns of the configuration, of every approved payout whose partner has a bank
account, and notes them as sent; file N writes file N once more, byte for byte, if it was lost. qr
shows one payout as a QR for your UPI app, with UPI id, amount and note to copy below it.

Once a payout is sent, Hissa does not know whether the money left: say paid with the reference (UTR)
that the bank shows, or failed when surely nothing left. Only paid moves the ledger. reversed is for
money that was paid and came back. After failed or reversed the commissions are owed as before and
the next statement pays them. A payout can be paid once, and one UTR pays one payout.

Example:  hissa payout file > upload.csv`,
	run: func(c *call) error {
		return c.verbs(map[string]func(*call) error{
			"list": payoutList, "show": payoutShow, "file": payoutFile, "qr": payoutQR,
			"paid": payoutPaid,
			"failed": func(c *call) error {
				return payoutEnded(c, "failed", "failed: its commissions are owed as before")
			},
			"reversed": func(c *call) error {
				return payoutEnded(c, "reversed", "reversed: its commissions are owed again")
			},
		}, "list, show, file, qr, paid, failed, reversed")
	},
}

// isPayout reports whether a statement was approved, and so has a payout.
func (s *Statement) isPayout() bool {
	return slices.Contains([]string{"approved", "sent", "paid", "failed", "reversed"}, s.State())
}

func payoutList(c *call) error {
	all := c.flags.Bool("all", false, "")
	if err := c.exactly(0); err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
		list, err := store.statementsWhere(ctx, func(s *Statement) bool {
			return s.isPayout() && (*all || s.isOpen())
		})
		if err != nil {
			return err
		}
		if c.json {
			for _, s := range list {
				if err := c.writeJSON(payoutRecord(s)); err != nil {
					return err
				}
			}
			return nil
		}
		if len(list) == 0 {
			fmt.Fprintln(c.stderr, "hissa: no payout is open: hissa statement approve makes them, "+
				"-all lists those that are done")
			return nil
		}
		var rows [][]string
		for _, s := range list {
			rows = append(rows, []string{fmt.Sprint(s.ID), s.Partner, rupees(s.Amount()), s.State(),
				clock(s.last().At), s.way(), s.utr(), s.last().Reason})
		}
		return table(c.stdout, strings.Fields("ID PARTNER AMOUNT STATE SINCE BY UTR REASON"), rows)
	})
}

// payoutRecord is a payout for programs.
func payoutRecord(s *Statement) record {
	return record{
		{"id", s.ID}, {"partner", s.Partner}, {"amount", decimal(s.Amount())}, {"currency", "INR"},
		{"state", s.State()}, {"way", s.way()}, {"utr", s.utr()}, {"reason", s.last().Reason},
		{"approved_at", rfc3339(s.step("approved").At)}, {"sent_at", rfc3339(s.step("sent").At)},
		{"paid_at", rfc3339(s.step("paid").At)}, {"changed_at", rfc3339(s.last().At)},
		{"tax", decimal(s.Payable - s.Amount())},
	}
}

// step is the last of a sort that was taken, zero when none was.
func (s *Statement) step(step string) (last Step) {
	for _, p := range s.Steps {
		if p.Step == step {
			last = p
		}
	}
	return last
}

func payoutShow(c *call) error {
	if err := c.exactly(1); err != nil {
		return err
	}
	ids, err := parseIDs(c.args)
	if err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, config *Config, store *Store) error {
		var s *Statement
		var to Contact
		err := store.read(ctx, func(r rows) (err error) {
			if s, err = r.statement(ids[0]); err == nil {
				to, err = r.contact(s.Partner)
			}
			return err
		})
		if err == nil && !s.isPayout() {
			return noError{fmt.Sprintf("statement %d is %s and has no payout: hissa payout list -all shows them",
				s.ID, s.State())}
		}
		switch {
		case err != nil:
			return asNo(err, noPayout(ids[0]))
		case c.json:
			return c.writeJSON(payoutRecord(s))
		}
		return c.tellPayout(config, s, to)
	})
}

func noPayout(id int64) string {
	return fmt.Sprintf("there is no payout %d: hissa payout list -all shows them", id)
}

// tellPayout says where a payout goes and what became of it.
func (c *call) tellPayout(config *Config, s *Statement, to Contact) error {
	var list [][]string
	for _, row := range [][]string{
		{"Payout", fmt.Sprintf("%d, by statement %d (%s)", s.ID, s.ID, s.span())},
		{"Partner", s.Partner}, {"Name", to.Name}, {"UPI id", to.VPA}, {"Account", to.Account}, {"IFSC", to.IFSC},
		{"Amount", rupees(s.Amount())}, {"Tax deducted", taxWords(s)}, {"Note", payoutNote(config, s)},
	} {
		if row[1] != "" {
			list = append(list, row)
		}
	}
	for _, p := range s.Steps {
		list = append(list, []string{strings.ToUpper(p.Step[:1]) + p.Step[1:], clock(p.At) + "  " +
			strings.TrimSpace(strings.Join([]string{p.Way, p.UTR, p.Reason}, " "))})
	}
	return table(c.stdout, list[0], list[1:])
}

// payoutNote stands on both sides' bank statements; UPI apps take 50 characters.
func payoutNote(config *Config, s *Statement) string {
	note := fmt.Sprintf("Payout %d %s", s.ID, config.PublicURL.Hostname())
	return note[:min(len(note), 50)]
}

func payoutFile(c *call) error {
	if err := c.parse(); err != nil {
		return err
	}
	numbers, err := parseIDs(c.args)
	switch {
	case err != nil:
		return err
	case len(numbers) > 1:
		return usageError{"payout file takes the number of one file, or none for a new one"}
	}
	return c.with(true, func(ctx context.Context, config *Config, store *Store) error {
		if len(numbers) == 1 {
			body, stopped, err := store.PayoutFile(ctx, numbers[0])
			if err != nil {
				return asNo(err, fmt.Sprintf("there is no file %d: hissa payout list -all shows them under BY", numbers[0]))
			}
			for _, l := range stopped {
				fmt.Fprintf(c.stderr, "hissa: don't pay payout %d of %s if it is not paid yet: %s; take its row out, "+
					"then hissa payout failed %d\n", l.ID, l.Partner, l.Why, l.ID)
			}
			fmt.Fprintln(c.stderr, "hissa: the same file once more: "+
				"if the bank has taken it already, don't upload it again")
			_, err = c.stdout.Write(body)
			return err
		}
		return c.newPayoutFile(ctx, config, store)
	})
}

func (c *call) newPayoutFile(ctx context.Context, config *Config, store *Store) error {
	var total int64
	var list []Payable
	number, body, left, err := store.SendFile(ctx, func(at time.Time, ready []Payable) ([]byte, error) {
		list = ready
		return config.bankFile(at, ready)
	})
	if err != nil {
		return asNo(err, "")
	}
	for _, l := range left {
		fmt.Fprintf(c.stderr, "hissa: payout %d of %s, %s, is left out: %s\n", l.ID, l.Partner, rupees(l.Amount()), l.Why)
	}
	if number == 0 {
		return noError{"no payout can go into a file: hissa statement approve makes payouts"}
	}
	for _, p := range list {
		total += p.Amount()
	}
	if _, err := c.stdout.Write(body); err != nil {
		return fmt.Errorf("file %d is made but not written: %w: hissa payout file %d writes it", number, err, number)
	}
	fmt.Fprintf(c.stderr, "hissa: file %d: %s, %s. Upload it once. Then: hissa payout paid ID -utr …\n",
		number, plural(int64(len(list)), "payout"), rupees(total))
	return nil
}

// payoutColumn is one column of the bank's file: its heading, and a text with {fields} in it.
type payoutColumn struct{ heading, text string }

// payoutFields are what a column can hold, each with how it looks.
var payoutFields = map[string]func(config *Config, at time.Time, p Payable) string{
	"id":      func(_ *Config, _ time.Time, p Payable) string { return fmt.Sprint(p.ID) },
	"partner": func(_ *Config, _ time.Time, p Payable) string { return p.Partner },
	"name":    func(_ *Config, _ time.Time, p Payable) string { return bankText(p.To.Name) },
	"account": func(_ *Config, _ time.Time, p Payable) string { return p.To.Account },
	"ifsc":    func(_ *Config, _ time.Time, p Payable) string { return p.To.IFSC },
	"email":   func(_ *Config, _ time.Time, p Payable) string { return p.To.Email },
	"amount":  func(_ *Config, _ time.Time, p Payable) string { return decimal(p.Amount()) },
	"date":    func(_ *Config, at time.Time, _ Payable) string { return at.In(ist).Format("02-01-2006") },
	"date/":   func(_ *Config, at time.Time, _ Payable) string { return at.In(ist).Format("02/01/2006") },
	"note":    func(c *Config, _ time.Time, p Payable) string { return bankText(payoutNote(c, p.Statement)) },
	"from":    func(c *Config, _ time.Time, _ Payable) string { return c.Payout.Account },
}

var fieldPattern = pattern(`\{[^{}]*\}`)

// bankFile writes payouts in the columns of the configuration.
func (c *Config) bankFile(at time.Time, list []Payable) ([]byte, error) {
	var text bytes.Buffer
	out := csv.NewWriter(&text)
	var headings []string
	for _, col := range c.Payout.Columns {
		if strings.Contains(col.text, "{from}") && c.Payout.Account == "" {
			return nil, refusedStep{"the bank's file names the account that is paid from: " +
				"set account under [payout] in the configuration"}
		}
		headings = append(headings, col.heading)
	}
	if err := out.Write(headings); err != nil {
		return nil, err
	}
	for _, p := range list {
		var cells []string
		for _, col := range c.Payout.Columns {
			cell := fieldPattern().ReplaceAllStringFunc(col.text, func(name string) string {
				return payoutFields[name[1:len(name)-1]](c, at, p)
			})
			cells = append(cells, strings.TrimLeft(cell, "=+-@\t\r "))
		}
		if err := out.Write(cells); err != nil {
			return nil, err
		}
	}
	out.Flush()
	return text.Bytes(), out.Error()
}

// bankText keeps of a text what banks take in a name or a note: letters, digits, blanks and points, 40
// at most. They refuse whole files for a comma.
func bankText(text string) string {
	text = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return ' '
	}, text)
	text = strings.Trim(strings.Join(strings.Fields(text), " "), " .")
	return strings.TrimSpace(text[:min(len(text), 40)])
}

func payoutQR(c *call) error {
	again := c.flags.Bool("again", false, "")
	if err := c.exactly(1); err != nil {
		return err
	}
	ids, err := parseIDs(c.args)
	if err != nil {
		return err
	}
	return c.with(true, func(ctx context.Context, config *Config, store *Store) error {
		s, to, err := store.SendPayout(ctx, ids[0], *again)
		if err != nil {
			return asNo(err, noPayout(ids[0]))
		}
		link := upiLink(to, s.Amount(), payoutNote(config, s))
		code, err := qr.Encode(link, qr.M)
		if err != nil {
			return err
		}
		if c.json {
			return c.writeJSON(append(payoutRecord(s), field{"vpa", to.VPA}, field{"upi", link}))
		}
		out, ok := c.stdout.(*os.File)
		writeQR(c.stdout, code, ok && isTerminal(out))
		fmt.Fprintf(c.stdout, "\nUPI id  %s\nAmount  %s\nNote    %s\nLink    %s\n",
			to.VPA, decimal(s.Amount()), payoutNote(config, s), link)
		fmt.Fprintf(c.stderr, "hissa: scan it with your UPI app, or copy the three lines "+
			"(apps refuse such links to private UPI ids). Pay once. Then: hissa payout paid %d -utr …\n", s.ID)
		return nil
	})
}

// upiLink is what the QR says: who, how much, and what for. Blanks are %20, because payers' apps show a
// plus as it is.
func upiLink(to Contact, paise int64, note string) string {
	escape := func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
	name := to.Name
	if bankText(name) != "" {
		name = bankText(name)
	}
	link := "upi://pay?pa=" + strings.ReplaceAll(escape(to.VPA), "%40", "@")
	if name != "" {
		link += "&pn=" + escape(name)
	}
	return link + "&am=" + decimal(paise) + "&cu=INR&tn=" + escape(note)
}

// payoutPaid books that the money has left.
func payoutPaid(c *call) error {
	utr := c.flags.String("utr", "", "")
	if err := c.exactly(1); err != nil {
		return err
	}
	if !utrPattern().MatchString(*utr) {
		return usageError{"-utr is needed: the reference that the bank or the UPI app shows, " +
			"6 to 32 letters and digits"}
	}
	return c.settlePayout(Step{Step: "paid", UTR: strings.ToUpper(*utr)}, "paid: it is in the ledger")
}

// utrPattern: 16 characters for NEFT, 22 for RTGS, 12 digits for IMPS and UPI; banks show others.
var utrPattern = pattern(`^[A-Za-z0-9/-]{6,32}$`)

func payoutEnded(c *call, step, done string) error {
	reason := c.flags.String("reason", "", "")
	if err := c.exactly(1); err != nil {
		return err
	}
	if strings.TrimSpace(*reason) == "" {
		return usageError{"-reason is needed: one line, in your words, kept for ever"}
	}
	if err := checkReason(*reason); err != nil {
		return err
	}
	return c.settlePayout(Step{Step: step, Reason: strings.TrimSpace(*reason)},
		done+", hissa statement draft makes a new statement")
}

func (c *call) settlePayout(step Step, done string) error {
	ids, err := parseIDs(c.args)
	if err != nil {
		return err
	}
	return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
		s, again, err := store.SettlePayout(ctx, ids[0], step)
		switch {
		case err != nil:
			return asNo(err, noPayout(ids[0]))
		case again:
			fmt.Fprintf(c.stderr, "hissa: payout %d of %s was that already: nothing is changed\n", s.ID, s.Partner)
		default:
			fmt.Fprintf(c.stderr, "hissa: payout %d of %s, %s, is %s\n", s.ID, s.Partner, rupees(s.Amount()), done)
		}
		return nil
	})
}
