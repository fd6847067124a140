package main

// hissa partner: who earns, through what, and at which rate.

import (
	"context"
	"flag"
	"fmt"
	"net/mail"
	"reflect"
	"slices"
	"strings"

	"hissa/paytm"
)

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
partner invite CODE [-mail|-revoke]

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
address that you gave. Another link ends the one before; one that is used sets a new password. With
-mail the link is mailed to that address, through the server that [mail] names. -revoke shuts the
partner out of the portal: they are signed out, and password and links work no more until you invite
them anew.

Example:  hissa partner add -code ASHA -name "Asha" -promo ASHA10 -rate 12%`,
	run: func(c *call) error {
		return c.verbs(map[string]func(*call) error{
			"add": partnerAdd, "list": partnerList, "set": partnerSet, "disable": partnerDisable,
			"invite": partnerInvite,
		}, "add, list, set, disable, invite")
	},
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
	if p.Code = code; !codePattern().MatchString(code) || strings.HasPrefix(code, clickPrefix) {
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

func (c *call) sayHealed(healed int) {
	if healed > 0 {
		fmt.Fprintf(c.stderr, "hissa: %s that carried one of these codes before: credited now\n",
			plural(int64(healed), "payment"))
	}
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

var vpaPattern = pattern(`^[A-Za-z0-9._-]{2,256}@[A-Za-z0-9]{2,64}$`)

// ifscPattern is the form that the Reserve Bank gives every branch's code.
var ifscPattern = pattern(`^[A-Z]{4}0[A-Z0-9]{6}$`)

func checkPartner(p PartnerChange) error {
	for _, promo := range p.Promos {
		if !codePattern().MatchString(promo) {
			return usageError{fmt.Sprintf("-promo %q: a promo code is "+
				"1 to 32 letters, digits, - and _, a letter or digit first", promo)}
		}
	}
	for _, ref := range p.References {
		if !referencePattern().MatchString(ref) {
			return usageError{fmt.Sprintf("-ref %q: a reference is "+
				"1 to 64 letters, digits and _ @ . = -, a letter or digit first", ref)}
		}
	}
	for _, code := range append(append([]string{p.Code}, p.Promos...), p.References...) {
		if strings.HasPrefix(code, clickPrefix) {
			return usageError{fmt.Sprintf("%q looks like a click id: choose another", code)}
		}
	}
	if p.Name != nil && !plainPattern().MatchString(*p.Name) {
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
	if p.Customer != nil && !plainPattern().MatchString(*p.Customer) {
		return usageError{"-customer is one line of at most 128 characters"}
	}
	if p.VPA != nil && *p.VPA != "" && !vpaPattern().MatchString(*p.VPA) {
		return usageError{"-vpa is not a UPI id like asha@okbank"}
	}
	if p.Account != nil && *p.Account != "" && !accountPattern().MatchString(*p.Account) {
		return usageError{"-account is a bank account's number, 6 to 20 digits"}
	}
	if p.IFSC != nil && *p.IFSC != "" && !ifscPattern().MatchString(*p.IFSC) {
		return usageError{"-ifsc is the branch's code like HDFC0001234: " +
			"four letters, a zero, six letters or digits"}
	}
	return checkTaxNumbers(p)
}
