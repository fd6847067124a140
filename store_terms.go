package main

// The store's acts on terms: the program, partners and their codes, and the keys of the API.

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// loadTerms reads every version of the terms.
func (r rows) loadTerms() (*Terms, error) {
	t := &Terms{
		partners: map[string][]Partner{}, codes: map[string]Code{}, rates: map[string][]codeRate{},
		marks: map[string][]markOf{},
	}
	err := r.each(q("programs"), nil, func(scan func(...any) error) error {
		var p Program
		var at, hold, window int64
		var precedence, tiers string
		err := scan(&p.Seq, &at, &p.Rate.BPS, &p.Rate.Flat, &p.ExcludeTax, &hold, &window,
			&p.Model, &precedence, &p.Lifetime, &p.Confirm, &p.OrderSuffix,
			&p.Cap, &p.Payments, &tiers, &p.Own, &p.Guesses, &p.Who)
		p.At, p.Precedence = fromMillis(&at), strings.Fields(precedence)
		p.Hold, p.Window = time.Duration(hold)*time.Second, time.Duration(window)*time.Second
		t.programs = append(t.programs, p)
		if err != nil || tiers == "" {
			return err
		}
		last := &t.programs[len(t.programs)-1]
		for text := range strings.SplitSeq(tiers, ", ") {
			tier, err := parseTier(text)
			if err != nil {
				return fmt.Errorf("program %d: tiers: %w", p.Seq, err)
			}
			last.Tiers = append(last.Tiers, tier)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = r.each(q("partners"), nil, func(scan func(...any) error) error {
		var p Partner
		var at int64
		err := scan(&p.Seq, &at, &p.Code, &p.Rate.BPS, &p.Rate.Flat, &p.State)
		p.At = fromMillis(&at)
		t.partners[p.Code] = append(t.partners[p.Code], p)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = r.each(q("codes"), nil, func(scan func(...any) error) error {
		var c Code
		var at int64
		err := scan(&c.Seq, &at, &c.Code, &c.Kind, &c.Partner)
		c.At = fromMillis(&at)
		t.codes[lower(c.Code)] = c
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := r.each(q("partner-marks"), nil, func(scan func(...any) error) error {
		var hash string
		var m markOf
		err := scan(&m.partner, &m.kind, &hash)
		t.marks[hash] = append(t.marks[hash], m)
		return err
	}); err != nil {
		return nil, err
	}
	return t, r.each(q("code-rates"), nil, func(scan func(...any) error) error {
		var code string
		var at int64
		var v codeRate
		err := scan(&code, &at, &v.Rate.BPS, &v.Rate.Flat)
		v.At = fromMillis(&at)
		t.addCodeRate(code, v)
		return err
	})
}

// anyLifetime and anySuffix: some version of the program asks for it.
func (t *Terms) anyLifetime() bool {
	return slices.ContainsFunc(t.programs, func(p Program) bool { return p.Lifetime > 0 })
}

// mostPayments is the largest number of a customer's payments that some version pays for.
func (t *Terms) mostPayments() (most int) {
	for _, p := range t.programs {
		most = max(most, p.Payments)
	}
	return most
}

func (t *Terms) anyTiers() bool {
	return slices.ContainsFunc(t.programs, func(p Program) bool { return len(p.Tiers) > 0 })
}

func (t *Terms) anySuffix() bool {
	return slices.ContainsFunc(t.programs, func(p Program) bool { return p.OrderSuffix != "" })
}

// termsChanged makes a change to the terms visible to the rest of the batch and to other
// processes, and works out again the payments it concerns: those paid from its second on, which
// exist when a payment's stated time lies ahead of our clock, and those named in also.
func (t *tx) termsChanged(also []string) error {
	t.head.terms = t.head.seq
	if err := t.reloadTerms(); err != nil {
		return err
	}
	since := t.now.Truncate(time.Second).UnixMilli()
	ids, err := t.transactionIDs(q("txnids-paid-since"), since)
	if err != nil {
		return err
	}
	for _, id := range also {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return t.redecideAll(ids)
}

// AdoptProgram makes the terms of the configuration the version in force, if they
// say anything new; onlyFirst leaves a database alone that has terms already. It
// reports whether a version was added.
func (s *Store) AdoptProgram(
	ctx context.Context, p Program, onlyFirst bool,
) (added bool, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		added = false
		if err := t.markPartners(); err != nil {
			return err
		}
		if len(t.terms.programs) > 0 && (onlyFirst || t.terms.latest().same(p)) {
			return nil
		}
		added = true
		program, err := t.book("programs",
			t.now, p.Rate.BPS, p.Rate.Flat, p.ExcludeTax, p.Hold, p.Window, p.Model,
			strings.Join(p.Precedence, " "), p.Lifetime, p.Confirm, p.OrderSuffix)
		if err != nil {
			return err
		}
		if _, err := t.book("program_limits", t.now, program, p.Who, p.Cap, p.Payments,
			strings.Join(tierTexts(p.Tiers), ", "), p.Own, p.Guesses); err != nil {
			return err
		}
		return t.termsChanged(nil)
	})
	return added, err
}

// markPartners books the marks that a database from before there were any lacks.
func (t *tx) markPartners() error {
	list, err := t.partnerRows()
	if err != nil {
		return err
	}
	before := t.head.seq
	var alike []string
	for _, p := range list {
		found, err := t.markPartner(p.Code, PartnerChange{Email: &p.Email, Mobile: &p.Mobile, VPA: &p.VPA})
		if err != nil {
			return err
		}
		alike = append(alike, found...)
	}
	if t.head.seq == before {
		return nil
	}
	return t.termsChanged(alike)
}

// PartnerChange is what a merchant says about a partner. Nil pointers leave things as they are.
type PartnerChange struct {
	Code       string
	Name       *string
	Email      *string
	VPA        *string
	Mobile     *string
	Customer   *string // the id under which the partner buys in the shop; kept as a mark only
	Account    *string // at a bank
	IFSC       *string
	PAN        *string
	GSTIN      *string
	Rate       *Rate
	State      string // "" leaves it
	Reason     string // for the log of acts
	Promos     []string
	References []string
	PromoRates map[string]Rate // of promo codes with a rate of their own; zero takes it away
}

var (
	codePattern      = pattern(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`)
	referencePattern = pattern(`^[A-Za-z0-9][A-Za-z0-9_@.=-]{0,63}$`)
)

// codeTaken says who holds a code already.
type codeTaken struct{ Code Code }

func (e codeTaken) Error() string {
	return fmt.Sprintf("%s is taken: it is a %s of partner %s, and codes never move",
		e.Code.Code, e.Code.Kind, e.Code.Partner)
}

// AddPartner makes a partner. It returns how many earlier payments carried one of the partner's
// codes and are credited now.
func (s *Store) AddPartner(ctx context.Context, c PartnerChange) (healed int, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		healed, err = t.changePartner(c, Partner{Code: c.Code, State: "active"}, true)
		return err
	})
	return healed, err
}

// SetPartner changes a partner from now on; errNotFound for an unknown one.
func (s *Store) SetPartner(ctx context.Context, c PartnerChange) (healed int, err error) {
	err = s.write(ctx, s.payments, func(t *tx) error {
		p, ok := t.terms.partner(c.Code)
		if !ok {
			return errNotFound
		}
		healed, err = t.changePartner(c, p, false)
		return err
	})
	return healed, err
}

func (t *tx) changePartner(c PartnerChange, p Partner, isNew bool) (healed int, err error) {
	before := p
	if c.Rate != nil {
		p.Rate = *c.Rate
	}
	p.State = cmp.Or(c.State, p.State)
	if isNew || p != before {
		if isNew {
			if err := t.bookCode(c.Code, "partner", p.Code); err != nil {
				return 0, err
			}
		}
		_, err := t.book("partners", t.now, p.Code, p.Rate.BPS, p.Rate.Flat, p.State)
		if err != nil {
			return 0, err
		}
	}
	for _, kind := range []struct {
		name  string
		codes []string
	}{{"promo", c.Promos}, {"reference", c.References}} {
		for _, code := range kind.codes {
			if err := t.bookCode(code, kind.name, p.Code); err != nil {
				return 0, err
			}
		}
	}
	for _, code := range slices.Sorted(maps.Keys(c.PromoRates)) {
		if err := t.rateCode(code, c.PromoRates[code]); err != nil {
			return 0, err
		}
	}
	if err := t.exec(q("write-contact"), p.Code, c.Name, c.Email, c.VPA, c.Account, c.IFSC, c.PAN,
		c.GSTIN, c.Mobile); err != nil {
		return 0, err
	}
	if err := t.moveSignIn(p.Code, c.Email); err != nil {
		return 0, err
	}
	if err := t.actOnPartner(c, p, before.State, isNew); err != nil {
		return 0, err
	}
	carried, err := t.carrying(append(append([]string{c.Code}, c.Promos...), c.References...))
	if err != nil {
		return 0, err
	}
	alike, err := t.markPartner(p.Code, c)
	if err != nil {
		return 0, err
	}
	if err := t.termsChanged(slices.Concat(carried, alike)); err != nil {
		return 0, err
	}
	for _, id := range carried {
		if txn, err := t.transaction(id); err == nil && txn.Partner == p.Code {
			healed++
		}
	}
	return healed, nil
}

// actOnPartner notes who changed what about a partner, and of what is personal only that it was changed.
func (t *tx) actOnPartner(c PartnerChange, p Partner, state string, isNew bool) error {
	var what []string
	if c.Rate != nil {
		what = append(what, "rate "+c.Rate.String())
	}
	what = append(what, c.Promos...)
	what = append(what, c.References...)
	for _, code := range slices.Sorted(maps.Keys(c.PromoRates)) {
		what = append(what, code+" "+c.PromoRates[code].String())
	}
	for _, personal := range []struct {
		name  string
		value *string
	}{{"name", c.Name}, {"e-mail", c.Email}, {"mobile", c.Mobile}, {"customer", c.Customer}, {"UPI id", c.VPA},
		{"account", c.Account}, {"IFSC", c.IFSC}, {"PAN", c.PAN}, {"GSTIN", c.GSTIN}} {
		if personal.value != nil {
			what = append(what, personal.name)
		}
	}
	if c.Reason != "" {
		what = append(what, c.Reason)
	}
	act := "partner-changed"
	switch {
	case isNew:
		act = "partner-added"
	case p.State != state:
		act = map[string]string{"active": "partner-enabled", "disabled": "partner-disabled"}[p.State]
	}
	return t.act(act, p.Code, strings.Join(what, ", "))
}

func (t *tx) bookCode(code, kind, partner string) error {
	if held, ok := t.terms.codes[lower(code)]; ok {
		if held.Kind == kind && held.Partner == partner && kind != "partner" {
			return nil
		}
		return codeTaken{held}
	}
	if _, err := t.book("codes", t.now, code, kind, partner); err != nil {
		return err
	}
	t.head.terms = t.head.seq
	return t.reloadTerms()
}

// markPartner books the marks of a partner that are new, and returns the payments that have them too.
func (t *tx) markPartner(code string, c PartnerChange) (alike []string, err error) {
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	marks, err := t.marksOf(Person{text(c.Customer), text(c.Email), text(c.Mobile), text(c.VPA)})
	if err != nil {
		return nil, err
	}
	for _, m := range marks {
		if slices.Contains(t.terms.marks[m.Hash], markOf{code, m.Kind}) {
			continue
		}
		if _, err := t.book("marks", t.now, code, 0, "", m.Kind, m.Hash); err != nil {
			return nil, err
		}
		found, err := t.transactionIDs(q("txnids-of-mark"), m.Hash)
		if err != nil {
			return nil, err
		}
		orders, err := t.transactionIDs(q("orders-of-mark"), m.Hash)
		if err != nil {
			return nil, err
		}
		for _, order := range orders {
			txns, err := t.transactionsOfOrder(order)
			if err != nil {
				return nil, err
			}
			for _, txn := range txns {
				found = append(found, txn.TxnID)
			}
		}
		alike = append(alike, found...)
	}
	slices.Sort(alike)
	return slices.Compact(alike), nil
}

// marksOf are the marks of a person in this database.
func (r rows) marksOf(p Person) ([]Mark, error) {
	if p == (Person{}) {
		return nil, nil
	}
	var salt string
	err := r.one(q("setting"), args{"customer_salt"}, &salt)
	return p.marks(salt), err
}

// rateCode gives a promo code a rate, if it hasn't that already.
func (t *tx) rateCode(code string, rate Rate) error {
	versions := t.terms.rates[lower(code)]
	if len(versions) == 0 && rate == (Rate{}) ||
		len(versions) > 0 && versions[len(versions)-1].Rate == rate {
		return nil
	}
	_, err := t.book("code_rates", t.now, t.terms.codes[lower(code)].Code, rate.BPS, rate.Flat)
	return err
}

// carrying finds the payments that named one of these codes when nobody held it.
func (r rows) carrying(codes []string) ([]string, error) {
	var ids []string
	for _, code := range codes {
		found, err := r.transactionIDs(q("txnids-naming-code"), code)
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// PartnerRow is a partner as lists show it.
type PartnerRow struct {
	Partner
	Contact
	Promos, References []string
	PromoRates         []string // CODE=RATE of promo codes with a rate of their own
}

// Contact is how to reach and pay a partner; "" is what is not known.
type Contact struct{ Name, Email, VPA, Account, IFSC, PAN, GSTIN, Mobile string }

func (r rows) contact(partner string) (c Contact, err error) {
	err = r.one(q("contact"), args{partner}, &c.Name, &c.Email, &c.VPA, &c.Account, &c.IFSC,
		&c.PAN, &c.GSTIN, &c.Mobile)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return c, err
}

// partnerRows lists every partner's latest version, by code.
func (r rows) partnerRows() ([]PartnerRow, error) {
	t, err := r.loadTerms()
	if err != nil {
		return nil, err
	}
	var list []PartnerRow
	for _, versions := range t.partners {
		row := PartnerRow{
			Partner: versions[len(versions)-1],
			Promos:  []string{}, References: []string{}, PromoRates: []string{},
		}
		if row.Contact, err = r.contact(row.Code); err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	slices.SortFunc(list, func(a, b PartnerRow) int { return cmp.Compare(a.Code, b.Code) })
	for i := range list {
		for _, c := range t.codes {
			switch {
			case c.Partner != list[i].Code:
			case c.Kind == "promo":
				list[i].Promos = append(list[i].Promos, c.Code)
				if versions := t.rates[lower(c.Code)]; len(versions) > 0 {
					if now := versions[len(versions)-1].Rate; now != (Rate{}) {
						list[i].PromoRates = append(list[i].PromoRates, c.Code+"="+now.String())
					}
				}
			case c.Kind == "reference":
				list[i].References = append(list[i].References, c.Code)
			}
		}
		slices.Sort(list[i].Promos)
		slices.Sort(list[i].References)
		slices.Sort(list[i].PromoRates)
	}
	return list, nil
}

// Key is a key of the API as lists show it; the key itself is nowhere.
type Key struct {
	Name    string
	Scope   string // orders, read, metrics
	Created time.Time
	Revoked time.Time // zero while it works
}

var errKeyExists = errors.New("a key of this name exists")

// AddKey makes a key and returns it, the only time it is ever seen.
func (s *Store) AddKey(ctx context.Context, name, scope string) (string, error) {
	secret := "hissa_" + scope + "_" + randomText()
	hash := sha256.Sum256([]byte(secret))
	return secret, s.write(ctx, s.payments, func(t *tx) error {
		var taken int
		if err := t.one(q("count-keys"), args{name}, &taken); err != nil {
			return err
		}
		if taken > 0 {
			return errKeyExists
		}
		return errors.Join(t.exec(q("insert-key"), name, scope, hash[:], t.now.UnixMilli()),
			t.act("key-added", name, scope))
	})
}

// RevokeKey ends a key; errNotFound when no working key has this name.
func (s *Store) RevokeKey(ctx context.Context, name string) error {
	return s.write(ctx, s.payments, func(t *tx) error {
		var working int
		if err := t.one(q("count-working-keys"), args{name}, &working); err != nil {
			return err
		}
		if working == 0 {
			return errNotFound
		}
		return errors.Join(t.exec(q("revoke-key"), t.now.UnixMilli(), name), t.act("key-revoked", name, ""))
	})
}

// keys lists the keys by name.
func (r rows) keys() ([]Key, error) {
	list := []Key{}
	err := r.each(q("keys"), nil, func(scan func(...any) error) error {
		var k Key
		var created int64
		var revoked *int64
		err := scan(&k.Name, &k.Scope, &created, &revoked)
		k.Created, k.Revoked = fromMillis(&created), fromMillis(revoked)
		list = append(list, k)
		return err
	})
	return list, err
}

// HasKey reports whether this key works and has the scope. The look-up is by hash,
// so its time says nothing about the key.
func (s *Store) HasKey(secret, scope string) (bool, error) {
	hash := sha256.Sum256([]byte(secret))
	var found int
	err := s.readers.look(q("match-key"), args{hash[:], scope}, &found)
	return found > 0, err
}

// randomText is 130 random bits in lower-case letters and digits.
func randomText() string { return strings.ToLower(rand.Text()) }
