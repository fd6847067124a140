package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// drafts closes the account of one partner, or of all for "", and returns what was drafted.
func (b *books) drafts(partner string) (list []*Statement) {
	b.Helper()
	drafted, err := b.DraftStatements(b.ctx(), partner, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.inOrder()
	for _, d := range drafted {
		if d.Statement != nil {
			list = append(list, d.Statement)
		}
	}
	return list
}

// judges says a person's word on a statement, which has to be taken.
func (b *books) judges(s *Statement, step string) *Statement {
	b.Helper()
	now, err := b.JudgeStatement(b.ctx(), s.ID, step, "as agreed", b.tax)
	if err != nil {
		b.Fatal(err)
	}
	b.inOrder()
	return now
}

// settles says what became of a payout, which has to be taken.
func (b *books) settles(s *Statement, step, utr string) *Statement {
	b.Helper()
	now, _, err := b.SettlePayout(b.ctx(), s.ID, Step{Step: step, UTR: utr, Reason: "the bank says so"})
	if err != nil {
		b.Fatal(err)
	}
	b.inOrder()
	return now
}

// due brings a partner the commission of a payment that is due.
func (b *books) due(partner, txn string, paise int64) {
	b.Helper()
	b.bind(Order{ID: "of-" + txn, Promo: partner + "10"})
	b.send(payment(txn, "of-"+txn, amount(paise), paid(b.clockNow().Add(-15*24*time.Hour))))
	b.answers(txn, agreeing(txn, "of-"+txn, paise))
}

// What of a balance a statement makes payable, row by row a short history after ₹100.00 that are due
// and ₹50.00 that are held.
func TestWhatAStatementPays(t *testing.T) {
	for _, story := range []struct {
		name    string
		minimum int64
		tell    func(b *books)
		want    string // opening closing held payable state: lines
	}{
		{"what is due", 0, func(b *books) {}, "0.00 150.00 50.00 100.00 draft: pays D 100.00, held H 50.00"},
		{"all of it, once the hold period is over", 0, func(b *books) { b.wait(14 * 24 * time.Hour) },
			"0.00 150.00 0.00 150.00 draft: pays D 100.00, pays H 50.00"},
		{"less than the minimum", 10001, func(b *books) {},
			"0.00 150.00 50.00 100.00 carried: pays D 100.00, held H 50.00"},
		{"just the minimum", 10000, func(b *books) {},
			"0.00 150.00 50.00 100.00 draft: pays D 100.00, held H 50.00"},
		{"less a refund", 0, func(b *books) { b.send(refund("D", "R", "succeeded", 20000)) },
			"0.00 130.00 50.00 80.00 draft: pays D 80.00, held H 50.00"},
		{"nothing of what is disputed", 0, func(b *books) { b.send(dispute("D", "X", "NEW", 100000)) },
			"0.00 150.00 150.00 0.00 carried: held D 100.00, held H 50.00"},
		{"nothing of what was refunded whole", 0, func(b *books) { b.send(refund("D", "R", "succeeded", 100000)) },
			"0.00 50.00 50.00 0.00 carried: held H 50.00"},
		{"what earlier payouts paid too much is set off", 0, func(b *books) {
			b.settles(b.judges(b.drafts("ASHA")[0], "approved"), "paid", "UTR001")
			b.send(refund("D", "R", "succeeded", 30000))
			b.due("ASHA", "E", 120000)
		}, "150.00 140.00 50.00 90.00 draft: pays E 120.00, held H 50.00"},
		{"a negative balance is carried", 0, func(b *books) {
			b.settles(b.judges(b.drafts("ASHA")[0], "approved"), "paid", "UTR001")
			b.send(refund("D", "R", "succeeded", 100000))
		}, "150.00 -50.00 50.00 0.00 carried: held H 50.00"},
		{"what failed is paid by the next", 0, func(b *books) {
			b.settles(b.sent(b.judges(b.drafts("ASHA")[0], "approved")), "failed", "")
		}, "150.00 150.00 50.00 100.00 draft: pays D 100.00, held H 50.00"},
		{"what came back is paid by the next", 0, func(b *books) {
			s := b.settles(b.judges(b.drafts("ASHA")[0], "approved"), "paid", "UTR001")
			b.settles(s, "reversed", "")
		}, "150.00 150.00 50.00 100.00 draft: pays D 100.00, held H 50.00"},
		{"the other partner's sales are not in it", 0, func(b *books) { b.due("RAVI", "E", 900000) },
			"0.00 150.00 50.00 100.00 draft: pays D 100.00, held H 50.00"},
		{"a sale of nothing is covered", 0, func(b *books) { b.due("ASHA", "Z", 4) },
			"0.00 150.00 50.00 100.00 draft: pays D 100.00, pays Z 0.00, held H 50.00"},
	} {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			b := openBooks(t, testTerms())
			b.partner("ASHA", func(p *PartnerChange) { vpa := "asha@okbank"; p.VPA = &vpa })
			b.partner("RAVI")
			b.due("ASHA", "D", 100000)
			b.bind(Order{ID: "of H", Promo: "ASHA10"})
			b.send(payment("H", "of H", amount(50000)))
			b.answers("H", agreeing("H", "of H", 50000))
			story.tell(b)
			drafted, err := b.DraftStatements(b.ctx(), "ASHA", story.minimum)
			if err != nil || len(drafted) != 1 || drafted[0].Statement == nil {
				t.Fatalf("drafted %+v, %v", drafted, err)
			}
			b.inOrder()
			if got := b.told(drafted[0].Statement.ID); got != story.want {
				t.Errorf("got  %s\nwant %s", got, story.want)
			}
		})
	}
}

// told says in one line what a statement comes to.
func (b *books) told(id int64) string {
	b.Helper()
	s, err := b.Tell(b.ctx(), id, b.tax)
	if err != nil {
		b.Fatal(err)
	}
	var lines []string
	for _, l := range s.Lines {
		lines = append(lines, l.Kind+" "+l.TxnID+" "+decimal(l.Amount))
	}
	return strings.Join([]string{decimal(s.Opening), decimal(s.Closing), decimal(s.Held), decimal(s.Payable),
		s.State()}, " ") + ": " + strings.Join(lines, ", ")
}

func (b *books) sent(s *Statement) *Statement {
	b.Helper()
	now, _, err := b.SendPayout(b.ctx(), s.ID, false)
	if err != nil {
		b.Fatal(err)
	}
	b.inOrder()
	return now
}

// Whoever can write into the chain itself, hashes and all, still can't make the papers disagree with the
// ledger, or with each other.
func TestVerifyNoticesFalsePapers(t *testing.T) {
	t.Parallel()
	open := func(t *tx, partner string, opening, closing, held, payable, follows int64) error {
		_, err := t.book("statements", t.now, 2, partner, follows, opening, closing, held, payable, 0)
		return err
	}
	step := func(t *tx, statement int64, step string) error {
		_, err := t.book("steps", t.now, statement, step, "", "UTR9", "")
		return err
	}
	pay := func(t *tx, kind, from, to string, paise int64) error {
		return t.entry(kind, from, to, paise, transaction{Currency: "INR"}, "ASHA")
	}
	tax := func(t *tx, statement, credited, base, amount int64) error {
		_, err := t.book("withholdings", t.now, statement, "393(1)", "1006", 200, 0, credited, base, amount)
		return err
	}
	const asha = "partner:ASHA"
	for _, forged := range []struct {
		name string
		book func(t *tx) error
		want string
	}{
		{"paid, and nothing in the ledger", func(t *tx) error { return step(t, 1, "paid") },
			"its entry is not in the ledger"},
		{"paid, and something else comes next", func(t *tx) error {
			return errors.Join(step(t, 1, "paid"), step(t, 1, "reversed"))
		}, "its entry is not in the ledger"},
		{"paid, another amount", func(t *tx) error {
			return errors.Join(step(t, 1, "paid"), pay(t, "pay", asha, "bank", 9999))
		}, "the payout makes it"},
		{"paid, to ourselves", func(t *tx) error {
			return errors.Join(step(t, 1, "paid"), pay(t, "pay", asha, "expense", 10000))
		}, "the payout makes it"},
		{"a payment without a payout", func(t *tx) error { return pay(t, "pay", asha, "bank", 10000) },
			"is about neither a payment nor a payout"},
		{"reversed before it was paid", func(t *tx) error { return step(t, 1, "reversed") },
			"was approved and can't become reversed"},
		{"a step of no statement", func(t *tx) error { return step(t, 7, "approved") }, "is about no statement"},
		{"a second statement beside an open one", func(t *tx) error {
			return open(t, "ASHA", 10000, 10000, 0, 10000, 1)
		}, "statement 1 of ASHA was still open"},
		{"an opening out of the blue", func(t *tx) error {
			return errors.Join(step(t, 1, "declined"), open(t, "ASHA", 5, 10000, 0, 10000, 0))
		}, "does not open where"},
		{"a closing out of the blue", func(t *tx) error { return open(t, "RAVI", 0, 700, 0, 700, 0) },
			"closes with 7.00, the ledger came to 0.00"},
		{"more payable than there is", func(t *tx) error {
			return errors.Join(step(t, 1, "declined"), open(t, "ASHA", 0, 10000, 0, 10001, 0))
		}, "what is payable is not the balance less what is held"},
		{"held without a line", func(t *tx) error {
			return errors.Join(step(t, 1, "declined"), open(t, "ASHA", 0, 10000, 100, 9900, 0))
		}, "leaves out 1.00, its lines come to 0.00"},
		{"a line without its statement", func(t *tx) error {
			_, err := t.book("statement_lines", t.now, 1, "pays", "D", 10000, t.now, "")
			return err
		}, "does not follow its statement"},
		{"a line about no payment", func(t *tx) error {
			_, err := t.book("statement_lines", t.now, 2, "pays", "NEVER", 1, t.now, "")
			return errors.Join(step(t, 1, "declined"), open(t, "ASHA", 0, 10000, 0, 10000, 0), err)
		}, "does not follow its statement"},
		{"tax with no approval before it", func(t *tx) error {
			return errors.Join(step(t, 1, "held"), tax(t, 1, 0, 10000, 200))
		}, "does not follow the approval"},
		{"too much tax", func(t *tx) error {
			return errors.Join(step(t, 1, "held"), step(t, 1, "approved"), tax(t, 1, 0, 10000, 9900))
		}, "the statements make it 2.00 on 100.00"},
		{"tax after something that never was credited", func(t *tx) error {
			return errors.Join(step(t, 1, "held"), step(t, 1, "approved"), tax(t, 1, 500, 10500, 200))
		}, "the statements make it 2.00 on 100.00 after 0.00"},
		{"tax that is nowhere in the ledger", func(t *tx) error {
			return errors.Join(step(t, 1, "held"), step(t, 1, "approved"), tax(t, 1, 0, 10000, 200))
		}, "its entry is not in the ledger"},
		{"tax in another account", func(t *tx) error {
			return errors.Join(step(t, 1, "held"), step(t, 1, "approved"), tax(t, 1, 0, 10000, 200),
				pay(t, "withhold", asha, "bank", 200))
		}, "the payout makes it"},
		{"tax that is not given back", func(t *tx) error {
			return errors.Join(step(t, 1, "held"), step(t, 1, "approved"), tax(t, 1, 0, 10000, 200),
				pay(t, "withhold", asha, "tds:393(1)", 200), step(t, 1, "held"))
		}, "its entry is not in the ledger"},
		{"a payout of more than is left after tax", func(t *tx) error {
			return errors.Join(step(t, 1, "held"), step(t, 1, "approved"), tax(t, 1, 0, 10000, 200),
				pay(t, "withhold", asha, "tds:393(1)", 200), step(t, 1, "paid"), pay(t, "pay", asha, "bank", 10000))
		}, "the payout makes it"},
		{"a number left out", func(t *tx) error {
			_, err := t.book("statements", t.now, 5, "RAVI", 0, 0, 0, 0, 0, 0)
			return err
		}, "is statement 5, the one before it was 1"},
	} {
		t.Run(forged.name, func(t *testing.T) {
			t.Parallel()
			b := openBooks(t, testTerms())
			b.partner("ASHA")
			b.partner("RAVI")
			b.due("ASHA", "D", 100000)
			b.judges(b.drafts("ASHA")[0], "approved")
			if err := b.write(b.ctx(), b.payments, forged.book); err != nil {
				t.Fatal(err)
			}
			if got := verdictOf(t, b.Store); !strings.Contains(got, forged.want) {
				t.Errorf("verify says %q, want %q", got, forged.want)
			}
		})
	}
}

// A partner's files: genuine as they were written; changed in any byte, refused; and each has to open
// where the one before it closed.
func TestSignedStatements(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.due("ASHA", "D", 100000)
	first := b.drafts("ASHA")[0]
	b.settles(b.judges(first, "approved"), "paid", "UTR001")
	b.due("ASHA", "E", 50000)
	b.send(refund("D", "R", "succeeded", 30000))
	second := b.drafts("ASHA")[0]
	text := b.signed(first.ID)
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 1
		s, err := parseStatement(changed)
		if err == nil && s.key == "" {
			t.Errorf("byte %d changed, and it is %+v", i, s)
		}
		if said, _, _ := bytes.Cut(text, []byte("\n")); err == nil && i < len(said) {
			t.Errorf("byte %d, %q, was changed and nobody noticed", i, text[i])
		}
	}
	// Signed anew by the shop's own key, but not what the ledger says.
	for _, lie := range []struct{ from, to, want string }{
		{`"closing":"100.00"`, `"closing":"900.00"`, "its entries come to"},
		{`"payable":"100.00"`, `"payable":"900.00"`, "what is payable is not"},
		{`"txn_id":"D","payout"`, `"txn_id":"X","payout"`, "do not follow each other"},
		{`"amount":"100.00","currency"`, `"amount":"100.01","currency"`, "its entries come to"},
		{`"shop"`, `"id":1,"shop"`, "is not written as Hissa writes"},
		{`"partner":"ASHA"`, `"partner":"\u001b[2J"`, "is not a signed statement"},
	} {
		said, _, _ := bytes.Cut(text, []byte("\n"))
		forged := bytes.Replace(said, []byte(lie.from), []byte(lie.to), 1)
		if bytes.Equal(forged, said) {
			t.Errorf("there is no %s in %s", lie.from, said)
		}
		if _, err := parseStatement(b.resign(forged)); err == nil || !strings.Contains(err.Error(), lie.want) {
			t.Errorf("with %s it is %v, want %q", lie.to, err, lie.want)
		}
	}
	// Of two genuine files, one of an older history.
	s1, err1 := parseStatement(text)
	s2, err2 := parseStatement(b.signed(second.ID))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := &call{stdout: &out, stderr: &out}
	if err := c.sayVerified([]*signedStatement{s1, s2}, true); err != nil {
		t.Error(err)
	}
	s1.ChainAfter = s1.ChainBefore
	if err := c.sayVerified([]*signedStatement{s1, s2}, true); err == nil {
		t.Error("a statement that opens in another history is genuine")
	}
}

// signed is a statement as a signed file.
func (b *books) signed(id int64) []byte {
	b.Helper()
	told, err := b.Tell(b.ctx(), id, b.tax)
	if err != nil {
		b.Fatal(err)
	}
	var file bytes.Buffer
	if err := told.sign(&file, "https://go.shop.in"); err != nil {
		b.Fatal(err)
	}
	return file.Bytes()
}

// resign signs any text with the shop's key.
func (b *books) resign(said []byte) []byte {
	b.Helper()
	var key ed25519.PrivateKey
	if err := b.read(b.ctx(), func(r rows) (err error) {
		key, err = r.signingKey()
		return err
	}); err != nil {
		b.Fatal(err)
	}
	proof, err := json.Marshal(signatureInFile{hex.EncodeToString(publicOf(key)),
		base64.StdEncoding.EncodeToString(ed25519.Sign(key, said))})
	if err != nil {
		b.Fatal(err)
	}
	return append(append(bytes.Clone(said), '\n'), proof...)
}

// A commission that was paid comes to another partner, because Paytm's own copy names a link of theirs:
// the first has been paid too much, the second is still owed.
func TestPaidToTheWrongPartner(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA", func(p *PartnerChange) { p.References = []string{"LI_1"} })
	b.partner("RAVI", func(p *PartnerChange) { p.References = []string{"LI_2"} })
	b.send(payment("T", "1", paid(noon.Add(-15*24*time.Hour)), func(n *Notification) { n.Reference = "LI_1" }))
	b.answers("T", agreeing("T", "1", 100000))
	approved := b.judges(b.drafts("ASHA")[0], "approved")
	b.settles(approved, "paid", "UTR001")
	if got := b.earned("T"); got != "ASHA 100.00 paid" {
		t.Errorf("before: %s", got)
	}
	named := agreeing("T", "1", 100000)
	named.Reference = "LI_2"
	b.answers("T", named)
	if got := b.earned("T"); got != "RAVI 100.00 due" {
		t.Errorf("after: %s", got)
	}
	if asha, ravi := b.balance("ASHA"), b.balance("RAVI"); asha != -10000 || ravi != 10000 {
		t.Errorf("ASHA is owed %d, RAVI %d", asha, ravi)
	}
	b.settles(b.judges(b.drafts("RAVI")[0], "approved"), "paid", "UTR002")
	if got := b.earned("T"); got != "RAVI 100.00 paid" {
		t.Errorf("after RAVI's payout: %s", got)
	}
	b.answers("T", agreeing("T", "1", 100000)) // names nobody: the messages' own LI_1 counts again
	if got := b.earned("T"); got != "ASHA 100.00 paid" {
		t.Errorf("in the end: %s", got)
	}
	b.drafts("")
}
