package main

// The commands that change or read the books beside a running serve.

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"

	"hissa/paytm"
)

// verbs picks the second word of a command.
func (c *call) verbs(table map[string]func(*call) error, known string) error {
	i := firstWord(c.args)
	if i < 0 {
		return usageError{c.command.name + " needs one of " + known}
	}
	do, ok := table[c.args[i]]
	if !ok {
		return usageError{fmt.Sprintf("%s %q: it is one of %s", c.command.name, c.args[i], known)}
	}
	c.args = slices.Delete(slices.Clone(c.args), i, i+1)
	return do(c)
}

// firstWord finds the first argument that is neither a flag nor a flag's value, -1 without one.
func firstWord(arguments []string) int {
	for i := 0; i < len(arguments); i++ {
		name, isFlag := strings.CutPrefix(arguments[i], "-")
		if !isFlag {
			return i
		}
		name = strings.TrimPrefix(name, "-")
		if !slices.Contains([]string{"json", "enable", "all", "again", "apply"}, name) && !strings.Contains(name, "=") {
			i++ // its value
		}
	}
	return -1
}

// writeJSON writes one object a line.
func (c *call) writeJSON(v any) error {
	e := json.NewEncoder(c.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table writes rows under headings, no line with blanks at its end.
func table(w io.Writer, headings []string, rows [][]string) error {
	var text strings.Builder
	tw := tabwriter.NewWriter(&text, 0, 4, 2, ' ', 0)
	for _, row := range append([][]string{headings}, rows...) {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	return writeTrimmed(w, text.String())
}

func writeTrimmed(w io.Writer, text string) error {
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// with opens the database, runs do and closes it.
func (c *call) with(create bool, do func(context.Context, *Config, *Store) error) error {
	config, store, err := c.open(create)
	if err != nil {
		return err
	}
	err = do(withActor(context.Background(), whoami()+" (command)", ""), config, store)
	return errors.Join(err, store.Close())
}

var partnerCommand = command{
	name: "partner", config: true, reading: true, usage: "add|list|set CODE|disable CODE|invite CODE",
	short: "who earns: partners, their codes and rates",
	long: `
partner add -code ASHA -name "Asha" [-promo ASHA10]… [-ref LI_123]… [-rate 12%]
            [-email …] [-mobile …] [-customer …] [-vpa …] [-account … -ifsc …]
            [-pan …] [-gstin …]
partner list
partner set CODE [-name …] [-promo …]… [-ref …]… [-rate 12%|-rate program]
            [-email …] [-mobile …] [-customer …] [-vpa …] [-account …] [-ifsc …]
            [-pan …] [-gstin …] [-enable]
partner disable CODE
partner invite CODE

A partner earns through a link (/r/ASHA), through promo codes, and through references: payment
link, invoice or POS ids that Paytm sends back. Codes, promo codes and references share one
namespace, in which case does not matter; a name never moves to another partner. A rate is a
percentage of the payment ("12%"), or flat rupees a payment ("50.00"); without one the program's
counts. A promo code can have a rate of its own: -promo ASHA10=15%, and -promo ASHA10=partner ends
that. Payouts go to the bank account or the UPI id (-vpa), so -name is the name of its holder.
Who buys with a partner's own e-mail address, mobile number, UPI id or -customer (the id under which
the partner shops with you) is taken to be the partner: hissa review shows such sales.
Changes count for payments from the second they are made. Earlier payments that already
carried a code which nobody held are credited when it is added.

invite prints a link, alone on stdout, to send to the partner. It is good once, for seven days: with
it the partner chooses a password, and from then on signs in at /partner/ with it and the e-mail
address that you gave. Another link ends the one before; one that is used sets a new password.

Example:  hissa partner add -code ASHA -name "Asha" -promo ASHA10 -rate 12%`,
	run: func(c *call) error {
		return c.verbs(map[string]func(*call) error{
			"add": partnerAdd, "list": partnerList, "set": partnerSet, "disable": partnerDisable,
			"invite": partnerInvite,
		}, "add, list, set, disable, invite")
	},
}

// texts collects a flag that may be given several times.
type texts []string

func (t *texts) String() string { return strings.Join(*t, " ") }

func (t *texts) Set(v string) error {
	*t = append(*t, v)
	return nil
}

// partnerFlags reads what add and set have in common.
func partnerFlags(c *call) (change func() (PartnerChange, error)) {
	var p PartnerChange
	var name, email, mobile, customer, vpa, account, ifsc, pan, gstin, rate string
	c.flags.StringVar(&name, "name", "", "")
	c.flags.StringVar(&email, "email", "", "")
	c.flags.StringVar(&mobile, "mobile", "", "")
	c.flags.StringVar(&customer, "customer", "", "")
	c.flags.StringVar(&vpa, "vpa", "", "")
	c.flags.StringVar(&account, "account", "", "")
	c.flags.StringVar(&ifsc, "ifsc", "", "")
	c.flags.StringVar(&pan, "pan", "", "")
	c.flags.StringVar(&gstin, "gstin", "", "")
	c.flags.StringVar(&rate, "rate", "", "")
	c.flags.Var((*texts)(&p.Promos), "promo", "")
	c.flags.Var((*texts)(&p.References), "ref", "")
	return func() (PartnerChange, error) {
		if err := p.ratePromos(); err != nil {
			return p, err
		}
		given := map[string]*string{}
		ifsc, pan, gstin = strings.ToUpper(ifsc), strings.ToUpper(pan), strings.ToUpper(gstin)
		values := map[string]*string{
			"name": &name, "email": &email, "vpa": &vpa, "account": &account, "ifsc": &ifsc,
			"pan": &pan, "gstin": &gstin, "mobile": &mobile, "customer": &customer,
		}
		c.flags.Visit(func(f *flag.Flag) { given[f.Name] = values[f.Name] })
		p.Name, p.Email, p.VPA = given["name"], given["email"], given["vpa"]
		p.Mobile, p.Customer = given["mobile"], given["customer"]
		p.Account, p.IFSC, p.PAN, p.GSTIN = given["account"], given["ifsc"], given["pan"], given["gstin"]
		if rate != "" {
			parsed, err := parseRate(rate, "program")
			if err != nil {
				return p, usageError{"-rate " + err.Error()}
			}
			p.Rate = &parsed
		}
		return p, checkPartner(p)
	}
}

// ratePromos takes the rates off promo codes that are written with one, ASHA10=15%.
func (p *PartnerChange) ratePromos() error {
	for i, promo := range p.Promos {
		code, text, has := strings.Cut(promo, "=")
		if !has {
			continue
		}
		rate, err := parseRate(text, "partner")
		if err != nil {
			return usageError{"-promo " + code + "= " + err.Error()}
		}
		if p.PromoRates == nil {
			p.PromoRates = map[string]Rate{}
		}
		p.Promos[i], p.PromoRates[code] = code, rate
	}
	return nil
}

// parseRate reads "12%", "50.00", or the word for no rate of its own.
func parseRate(text, none string) (Rate, error) {
	if text == none {
		return Rate{}, nil
	}
	percent, isPercent := strings.CutSuffix(text, "%")
	n, err := paytm.ParseAmount(percent) // two decimals at most, like rupees
	switch {
	case err != nil || n == 0 || isPercent && n > 10000:
		return Rate{}, fmt.Errorf("%q: write a percentage up to 100%% like 12.5%%, "+
			"flat rupees like 50.00, or %s", text, none)
	case isPercent:
		return Rate{BPS: n}, nil
	}
	return Rate{Flat: n}, nil
}

var vpaPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{2,256}@[A-Za-z0-9]{2,64}$`)

// ifscPattern is the form that the Reserve Bank gives every branch's code.
var ifscPattern = regexp.MustCompile(`^[A-Z]{4}0[A-Z0-9]{6}$`)

func checkPartner(p PartnerChange) error {
	for _, promo := range p.Promos {
		if !codePattern.MatchString(promo) {
			return usageError{fmt.Sprintf("-promo %q: a promo code is "+
				"1 to 32 letters, digits, - and _, a letter or digit first", promo)}
		}
	}
	for _, ref := range p.References {
		if !referencePattern.MatchString(ref) {
			return usageError{fmt.Sprintf("-ref %q: a reference is "+
				"1 to 64 letters, digits and _ @ . = -, a letter or digit first", ref)}
		}
	}
	for _, code := range append(append([]string{p.Code}, p.Promos...), p.References...) {
		if strings.HasPrefix(code, clickPrefix) {
			return usageError{fmt.Sprintf("%q looks like a click id: choose another", code)}
		}
	}
	if p.Name != nil && !plainPattern.MatchString(*p.Name) {
		return usageError{"-name is one line of at most 128 characters"}
	}
	if p.Email != nil && *p.Email != "" {
		if a, err := mail.ParseAddress(*p.Email); err != nil || a.Address != *p.Email {
			return usageError{"-email is not an address like asha@example.in"}
		}
	}
	if p.Mobile != nil && *p.Mobile != "" && plainMobile(*p.Mobile) == "" {
		return usageError{"-mobile is not a mobile number of India like 9876543210"}
	}
	if p.Customer != nil && !plainPattern.MatchString(*p.Customer) {
		return usageError{"-customer is one line of at most 128 characters"}
	}
	if p.VPA != nil && *p.VPA != "" && !vpaPattern.MatchString(*p.VPA) {
		return usageError{"-vpa is not a UPI id like asha@okbank"}
	}
	if p.Account != nil && *p.Account != "" && !accountPattern.MatchString(*p.Account) {
		return usageError{"-account is a bank account's number, 6 to 20 digits"}
	}
	if p.IFSC != nil && *p.IFSC != "" && !ifscPattern.MatchString(*p.IFSC) {
		return usageError{"-ifsc is the branch's code like HDFC0001234: " +
			"four letters, a zero, six letters or digits"}
	}
	return checkTaxNumbers(p)
}

func partnerAdd(c *call) error {
	var code string
	c.flags.StringVar(&code, "code", "", "")
	change := partnerFlags(c)
	if err := c.exactly(0); err != nil {
		return err
	}
	p, err := change()
	if err != nil {
		return err
	}
	if p.Code = code; !codePattern.MatchString(code) || strings.HasPrefix(code, clickPrefix) {
		return usageError{"-code is needed: " +
			"1 to 32 letters, digits, - and _, a letter or digit first"}
	}
	return c.with(true, func(ctx context.Context, config *Config, store *Store) error {
		healed, err := store.AddPartner(ctx, p)
		if err != nil {
			return asNo(err, "")
		}
		fmt.Fprintln(c.stdout, config.URLFor("r", code))
		fmt.Fprintf(c.stderr, "hissa: %s is a partner; the link is above\n", code)
		c.sayHealed(healed)
		return nil
	})
}

func (c *call) sayHealed(healed int) {
	if healed > 0 {
		fmt.Fprintf(c.stderr, "hissa: %s that carried one of these codes before: credited now\n",
			plural(int64(healed), "payment"))
	}
}

// asNo makes a refusal by the books the answer no.
func asNo(err error, notFound string) error {
	var taken codeTaken
	var decision decisionError
	var refused refusedStep
	switch {
	case errors.Is(err, errNotFound):
		return noError{notFound}
	case errors.As(err, &taken), errors.As(err, &decision), errors.As(err, &refused),
		errors.Is(err, errKeyExists):
		return noError{err.Error()}
	}
	return err
}

func partnerSet(c *call) error {
	enable := c.flags.Bool("enable", false, "")
	change := partnerFlags(c)
	if err := c.exactly(1); err != nil {
		return err
	}
	p, err := change()
	if err != nil {
		return err
	}
	if *enable {
		p.State = "active"
	}
	if reflect.ValueOf(p).IsZero() {
		return usageError{"nothing to change is named: " +
			"-name, -promo, -ref, -rate, -email, -mobile, -customer, -vpa, -account, -ifsc, -pan, -gstin or -enable"}
	}
	p.Code = c.args[0]
	return c.changePartner(p, "changed, for payments from now on")
}

func partnerDisable(c *call) error {
	if err := c.exactly(1); err != nil {
		return err
	}
	return c.changePartner(PartnerChange{Code: c.args[0], State: "disabled"},
		"disabled: payments from now on earn nothing, what was earned stays")
}

func (c *call) changePartner(p PartnerChange, done string) error {
	return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
		healed, err := store.SetPartner(ctx, p)
		if err != nil {
			return asNo(err,
				fmt.Sprintf("there is no partner %s: hissa partner list shows them", p.Code))
		}
		code, err := store.spelling(ctx, p.Code)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "hissa: %s is %s\n", code, done)
		c.sayHealed(healed)
		return nil
	})
}

// spelling is a partner's code as it was registered: in commands its case does not matter.
func (s *Store) spelling(ctx context.Context, typed string) (string, error) {
	code := typed
	err := s.read(ctx, func(r rows) error {
		list, err := r.partnerRows()
		for _, p := range list {
			if lower(p.Code) == lower(typed) {
				code = p.Code
			}
		}
		return err
	})
	return code, err
}

func partnerList(c *call) error {
	if err := c.exactly(0); err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, config *Config, store *Store) error {
		var list []PartnerRow
		if err := store.read(ctx, func(r rows) (err error) {
			list, err = r.partnerRows()
			return err
		}); err != nil {
			return err
		}
		if c.json {
			for _, p := range list {
				if err := c.writeJSON(partnerRecord(p)); err != nil {
					return err
				}
			}
			return nil
		}
		if len(list) == 0 {
			fmt.Fprintln(c.stderr,
				`hissa: no partners yet: hissa partner add -code ASHA -name "Asha"`)
			return nil
		}
		return c.partnerTable(config, list)
	})
}

func (c *call) partnerTable(config *Config, list []PartnerRow) error {
	var rows [][]string
	for _, p := range list {
		rate := "program"
		if p.Rate != (Rate{}) {
			rate = p.Rate.String()
		}
		rows = append(rows, []string{p.Code, p.Name, rate, p.State, config.URLFor("r", p.Code),
			strings.Join(p.promosWithRates(), " "), strings.Join(p.References, " ")})
	}
	return table(c.stdout, []string{"CODE", "NAME", "RATE", "STATE", "LINK", "PROMO CODES", "REFERENCES"}, rows)
}

// promosWithRates lists the promo codes, each with its rate if it has its own.
func (p PartnerRow) promosWithRates() []string {
	list := slices.Clone(p.Promos)
	for i, code := range list {
		for _, with := range p.PromoRates {
			if strings.HasPrefix(with, code+"=") {
				list[i] = with
			}
		}
	}
	return list
}

var programCommand = command{
	name: "program", config: true, reading: true, usage: "[-json]",
	short: "the terms and when they changed",
	long: `
Lists every version of the terms, numbered from 1: [attribution], [commission] and [abuse] of the
configuration with paytm.confirm and paytm.order_suffix; and who brought it, the user on this
machine.
serve adds one whenever the configuration says something new when it starts. A payment is decided
under the version that was in force when it was made, unless hissa replay had it decided under
another.

Example:  hissa program`,
	run: func(c *call) error {
		if err := c.exactly(0); err != nil {
			return err
		}
		return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
			terms, err := store.Terms(ctx)
			if err != nil {
				return err
			}
			var rows [][]string
			for i, p := range terms.programs {
				r := programRecord(i+1, p)
				if c.json {
					if err := c.writeJSON(r); err != nil {
						return err
					}
				}
				rows = append(rows, r.cells())
			}
			if c.json {
				return nil
			}
			names := programRecord(0, Program{}).names()
			return table(c.stdout, strings.Fields(strings.ToUpper(strings.Join(names, " "))), rows)
		})
	},
}

func programRecord(number int, p Program) record {
	limit := "" // none
	if p.Cap > 0 {
		limit = decimal(p.Cap)
	}
	lifetime := ""
	if p.Lifetime > 0 {
		lifetime = fmt.Sprintf("%dmo", p.Lifetime)
	}
	return record{
		{"number", int64(number)}, {"since", rfc3339(p.At)}, {"rate", p.Rate.String()},
		{"exclude_tax", Rate{BPS: p.ExcludeTax}.String()}, {"hold", span(p.Hold)}, {"window", span(p.Window)},
		{"model", p.Model}, {"precedence", p.Precedence}, {"lifetime", lifetime}, {"confirm", p.Confirm},
		{"order_suffix", p.OrderSuffix}, {"cap", limit}, {"payments", int64(p.Payments)},
		{"tiers", tierTexts(p.Tiers)},
		{"own", p.Own}, {"codes", int64(p.Guesses)}, {"by", p.Who},
	}
}

var keyCommand = command{
	name: "key", config: true, reading: true,
	usage: "add NAME [-scope orders|read|metrics]|list|revoke NAME",
	short: "keys for the shop and the monitor",
	long: `
key add NAME [-scope orders]
key list
key revoke NAME

A key lets a program in: scope orders binds orders (POST /v1/orders), metrics reads /metrics,
read is for what reads the books. The key is printed once, alone on stdout, and kept only as a
hash. Send it as "Authorization: Bearer KEY".

Example:  hissa key add shop > shop.key`,
	run: func(c *call) error {
		return c.verbs(map[string]func(*call) error{
			"add": keyAdd, "list": keyList, "revoke": keyRevoke,
		}, "add, list, revoke")
	},
}

func keyAdd(c *call) error {
	scope := c.flags.String("scope", "orders", "")
	if err := c.exactly(1); err != nil {
		return err
	}
	if *scope != "orders" && *scope != "read" && *scope != "metrics" {
		return usageError{fmt.Sprintf("-scope %q: it is orders, read or metrics", *scope)}
	}
	if !codePattern.MatchString(c.args[0]) {
		return usageError{"a key's name is 1 to 32 letters, digits, - and _"}
	}
	return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
		secret, err := store.AddKey(ctx, c.args[0], *scope)
		if err != nil {
			return asNo(err, "")
		}
		fmt.Fprintln(c.stdout, secret)
		fmt.Fprintln(c.stderr, "hissa: this is the only time the key is shown")
		return nil
	})
}

func keyRevoke(c *call) error {
	if err := c.exactly(1); err != nil {
		return err
	}
	return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
		if err := store.RevokeKey(ctx, c.args[0]); err != nil {
			return asNo(err,
				fmt.Sprintf("no working key is called %s: hissa key list shows them", c.args[0]))
		}
		fmt.Fprintf(c.stderr, "hissa: key %s is revoked\n", c.args[0])
		return nil
	})
}

func keyList(c *call) error {
	if err := c.exactly(0); err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
		var list []Key
		if err := store.read(ctx, func(r rows) (err error) {
			list, err = r.keys()
			return err
		}); err != nil {
			return err
		}
		tw := tabwriter.NewWriter(c.stdout, 0, 4, 2, ' ', 0)
		if !c.json {
			fmt.Fprintln(tw, "NAME\tSCOPE\tCREATED\tSTATE")
		}
		for _, k := range list {
			state := "works"
			if !k.Revoked.IsZero() {
				state = "revoked " + clock(k.Revoked)
			}
			if c.json {
				if err := c.writeJSON(record{
					{"name", k.Name}, {"scope", k.Scope},
					{"created_at", rfc3339(k.Created)}, {"revoked_at", rfc3339(k.Revoked)},
				}); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", k.Name, k.Scope, clock(k.Created), state)
		}
		return tw.Flush()
	})
}

var confirmCommand = command{
	name: "confirm", config: true, usage: "TXNID -agree [-amount RUPEES]|-deny -reason TEXT",
	short: "a person's word on a payment where Paytm's API has none",
	long: `
Says what became of a payment that Paytm's API does not settle: unknown for 72 hours, or two
messages that contradict each other. -agree lets the commission stand, -deny takes it back; the
reason is kept for ever and shown by explain. Where different amounts were stated, -amount says
which one is right, in rupees. Your word outranks the API's until you speak again.

Example:  hissa confirm 20261122111212800110168000000000001 -agree \
              -reason "seen on the bank statement"`,
	run: func(c *call) error {
		agree := c.flags.Bool("agree", false, "")
		deny := c.flags.Bool("deny", false, "")
		amount := c.flags.String("amount", "", "")
		reason := c.flags.String("reason", "", "")
		if err := c.exactly(1); err != nil {
			return err
		}
		if *agree == *deny {
			return usageError{"say either -agree or -deny"}
		}
		said, err := oneReason(*reason)
		d := Decision{Agree: *agree, Reason: said}
		switch {
		case err != nil:
			return err
		case *amount != "" && *deny:
			return usageError{"-amount goes with -agree"}
		}
		if *amount != "" {
			var err error
			if d.Amount, err = paytm.ParseAmount(*amount); err != nil || d.Amount == 0 {
				return usageError{fmt.Sprintf("-amount %q: write rupees like 1499.00", *amount)}
			}
		}
		return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
			if err := store.Decide(ctx, c.args[0], d); err != nil {
				return asNo(err, fmt.Sprintf("no payment %s is known: "+
					"hissa export transactions lists them", c.args[0]))
			}
			fmt.Fprintf(c.stderr, "hissa: your word is booked; "+
				"hissa explain %s shows what follows from it\n", c.args[0])
			return nil
		})
	},
}

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

var exportCommand = command{
	name: "export", config: true, reading: true,
	usage: "KIND [-format jsonl|csv] [-from WHEN] [-to WHEN]",
	short: "the books, one row a line",
	long: `
KIND is partners, clicks, orders, notifications, transactions, refunds, attributions, commissions,
ledger, days, statements or payouts. Amounts are rupees with two decimals, rates like "10%", times
RFC 3339 in UTC. -from and -to take a date in IST (2026-11-22) or RFC 3339; -from is included, -to
is not. They go by payment time; for ledger by entry time, for clicks, orders and notifications by
their own, for statements and payouts by when they were drafted.

days are totals, a row for each day in India and partner ("" for payments that nobody brought):
clicks of that day that count, and the payments made on it, with what became of them since.

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
		return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
			err := store.Export(ctx, c.stdout, c.args[0], *format, span)
			if errors.Is(err, errNotFound) {
				return usageError{fmt.Sprintf("there is nothing called %q to export", c.args[0])}
			}
			return err
		})
	},
}

// parseSpan reads -from and -to.
func parseSpan(from, to string) (span Span, err error) {
	var err2 error
	span.From, err = parseWhen("-from", from)
	span.To, err2 = parseWhen("-to", to)
	if err := errors.Join(err, err2); err != nil {
		return span, usageError{err.Error()}
	}
	return span, nil
}

// parseWhen reads a date in IST or a time in RFC 3339; "" is an open end.
func parseWhen(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation("2006-01-02", text, ist); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%s %q: write a date like 2026-11-22 (IST) "+
			"or a time like 2026-11-22T10:00:00+05:30", name, text)
	}
	return t, nil
}

func (c *call) progress() func(done, all int64) {
	f, ok := c.stderr.(*os.File)
	if !ok || !isTerminal(f) {
		return nil
	}
	return func(done, all int64) { fmt.Fprintf(f, "\r%d of %d facts\r", done, all) }
}

// isTerminal tells a person's terminal from a file, a pipe and /dev/null.
func isTerminal(f *os.File) bool { return isatty.IsTerminal(f.Fd()) }

var backupCommand = command{
	name: "backup", config: true, usage: "FILE",
	short: "a copy of the database while it is in use",
	long: `
Writes a whole, consistent copy of the database to FILE, which must not exist, beside a running
serve. Never copy a live database with cp: what was committed last may be in its -wal file only.

Example:  hissa backup /var/backups/hissa/2026-11-22.db`,
	run: func(c *call) error {
		if err := c.exactly(1); err != nil {
			return err
		}
		target, err := filepath.Abs(c.args[0])
		if err != nil {
			return err
		}
		if _, err := os.Stat(target); err == nil {
			return noError{target + " exists: name a new file"}
		}
		return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
			if err := store.Backup(ctx, target); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "hissa: copied to %s\n", target)
			return nil
		})
	},
}

var versionCommand = command{
	name: "version", reading: true, usage: "[-json]",
	short: "version, commit, Go, SQLite",
	long: `
Prints the version, the commit it was built from, and the Go and SQLite inside.

Example:  hissa version`,
	run: func(c *call) error {
		if err := c.exactly(0); err != nil {
			return err
		}
		version, commit := "unknown", "unknown"
		if info, ok := debug.ReadBuildInfo(); ok {
			version = info.Main.Version
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" {
					commit = s.Value
				}
			}
		}
		sqlite, err := sqliteVersion()
		if err != nil {
			return err
		}
		if c.json {
			return c.writeJSON(record{
				{"version", version}, {"commit", commit},
				{"go", runtime.Version()}, {"sqlite", sqlite},
			})
		}
		_, err = fmt.Fprintf(c.stdout, "hissa %s, commit %s, %s, SQLite %s\n",
			version, commit, runtime.Version(), sqlite)
		return err
	},
}
