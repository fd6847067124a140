package main

// A signed statement: a file of two lines that a partner checks without the shop. The first line is the
// statement with every ledger entry that it covers, complete enough to work the partner's own chain of
// hashes out again. The second is a signature of exactly the bytes of the first.

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"hissa/paytm"
)

// signedEntry is a ledger entry with all that its hash covers.
type signedEntry struct {
	Seq      int64
	At       time.Time
	Kind     string
	Debit    string
	Credit   string
	Amount   int64
	Currency string
	Txn      int64 // 0 when it is about no payment
	TxnID    string
	Partner  string
	Payout   int64 // not covered by the hash
	UTR      string
}

// signed is what the entry gives its partner, or takes.
func (e signedEntry) signed() int64 {
	if e.Credit == accountOf(e.Partner) {
		return e.Amount
	}
	return -e.Amount
}

// about names the payment or the payout.
func (e signedEntry) about() string {
	if e.TxnID != "" {
		return e.TxnID
	}
	text := fmt.Sprintf("payout %d", e.Payout)
	if e.UTR != "" {
		text += ", UTR " + e.UTR
	}
	return text
}

// digest is the entry's place in the chain of hashes, as the ledger has it.
func (e signedEntry) digest() [sha256.Size]byte {
	var txn any
	if e.Txn != 0 {
		txn = e.Txn
	}
	_, digest := digestOf("entries", e.Seq, []any{
		e.At, e.Kind, e.Debit, e.Credit, e.Amount, e.Currency, txn, e.TxnID, e.Partner})
	return digest
}

// signer is what signing needs of the database.
type signer struct {
	key           ed25519.PrivateKey
	before, after []byte // the partner's chain, around the entries
}

// signedEntries reads the entries of a statement, and the partner's chain around them.
func (r rows) signedEntries(t *Told) (err error) {
	if t.signer.before, err = r.partnerChainAt(t.Partner, t.FromSeq); err != nil {
		return err
	}
	if t.signer.key, err = r.signingKey(); err != nil {
		return err
	}
	err = r.each(q("entries-of-partner"), args{t.Partner, t.FromSeq, t.Seq}, func(scan func(...any) error) error {
		var e signedEntry
		var at int64
		err := scan(&e.Seq, &at, &e.Kind, &e.Debit, &e.Credit, &e.Amount, &e.Currency, &e.Txn, &e.TxnID,
			&e.Partner, &e.Payout, &e.UTR)
		e.At = fromMillis(&at)
		t.Entries = append(t.Entries, e)
		return err
	})
	t.signer.after = chainAfter(t.signer.before, t.Entries)
	return err
}

// partnerChainAt is where a partner's chain ended before a place of the whole chain.
func (r rows) partnerChainAt(partner string, seq int64) ([]byte, error) {
	end := make([]byte, sha256.Size)
	if seq == 0 {
		return end, nil
	}
	err := r.each(q("partner-chain-at"), args{partner, seq}, func(scan func(...any) error) error {
		return scan(&end)
	})
	return end, err
}

func chainAfter(before []byte, entries []signedEntry) []byte {
	end := before
	for _, e := range entries {
		end = link(end, e.digest())
	}
	return end
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// The form of the file. Amounts are rupees with two decimals, times RFC 3339 in UTC, hashes hexadecimal.
type statementFile struct {
	Statement   int64         `json:"hissa_statement"` // 1, the version of this form
	Shop        string        `json:"shop"`
	ID          int64         `json:"id"`
	Partner     string        `json:"partner"`
	DraftedAt   string        `json:"drafted_at"`
	From        string        `json:"from"` // when the one before was drafted, "" for the first
	Follows     int64         `json:"follows"`
	Opening     string        `json:"opening"`
	Entries     []entryInFile `json:"entries"`
	Closing     string        `json:"closing"`
	Commissions []lineInFile  `json:"commissions"`
	Held        string        `json:"held"`
	Payable     string        `json:"payable"`
	Minimum     string        `json:"minimum"`
	Tax         string        `json:"tax"` // deducted from it by now
	Payout      string        `json:"payout"`
	ChainBefore string        `json:"chain_before"` // of the partner's entries
	ChainAfter  string        `json:"chain_after"`
}

type entryInFile struct {
	Seq      int64  `json:"seq"`
	At       string `json:"at"`
	Kind     string `json:"kind"`
	Debit    string `json:"debit"`
	Credit   string `json:"credit"`
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
	Txn      int64  `json:"txn"`
	TxnID    string `json:"txn_id"`
	Payout   int64  `json:"payout"`
	UTR      string `json:"utr"`
}

type lineInFile struct {
	Kind   string `json:"kind"` // pays, held
	TxnID  string `json:"txn_id"`
	Amount string `json:"amount"`
	DueAt  string `json:"due_at"`
	Blocks string `json:"blocks"`
}

type signatureInFile struct {
	Key       string `json:"ed25519_key"`
	Signature string `json:"signature"`
}

// record is the statement in the form of the file.
func (t *Told) record(shop string) statementFile {
	f := statementFile{
		Statement: 1, Shop: shop, ID: t.ID, Partner: t.Partner, DraftedAt: rfc3339(t.At),
		From: rfc3339(t.From), Follows: t.Follows, Opening: decimal(t.Opening), Entries: []entryInFile{},
		Closing: decimal(t.Closing), Commissions: []lineInFile{}, Held: decimal(t.Held),
		Payable: decimal(t.Payable), Minimum: decimal(t.Minimum),
		Tax: decimal(t.withheld()), Payout: decimal(t.Payable - t.withheld()),
		ChainBefore: hex.EncodeToString(t.signer.before), ChainAfter: hex.EncodeToString(t.signer.after),
	}
	for _, e := range t.Entries {
		f.Entries = append(f.Entries, entryInFile{e.Seq, rfc3339(e.At), e.Kind, e.Debit, e.Credit,
			decimal(e.Amount), e.Currency, e.Txn, e.TxnID, e.Payout, e.UTR})
	}
	for _, l := range t.Lines {
		f.Commissions = append(f.Commissions, lineInFile{l.Kind, l.TxnID, decimal(l.Amount), rfc3339(l.DueAt), l.Blocks})
	}
	return f
}

// sign writes the file.
func (t *Told) sign(w io.Writer, shop string) error {
	var text bytes.Buffer
	if err := appendJSON(&text, t.record(shop)); err != nil {
		return err
	}
	proof, err := json.Marshal(signatureInFile{
		hex.EncodeToString(publicOf(t.signer.key)),
		base64.StdEncoding.EncodeToString(ed25519.Sign(t.signer.key, text.Bytes())),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n%s\n", text.Bytes(), proof)
	return err
}

var verifyStatementCommand = command{
	name: "verify-statement", reading: true, usage: "FILE… [-key KEY]",
	short: "for partners: is this signed statement genuine",
	long: `
Checks signed statements (hissa statement show ID -format signed) without the shop, its database or
any configuration: the signature, that the entries follow each other in the partner's own chain of
hashes and come to the closing balance, that what is payable is that less what is held, and, of
several files of one partner, that each opens where the one before it closed.

-key is the key that the shop gave you (hissa statement key); without it, compare the one printed.

Example:  hissa verify-statement asha-1.statement asha-2.statement`,
	run: func(c *call) error {
		key := c.flags.String("key", "", "")
		if err := c.parse(); err != nil {
			return err
		}
		if len(c.args) == 0 {
			return usageError{"name the files to check"}
		}
		var list []*signedStatement
		for _, path := range c.args {
			s, err := readStatement(path)
			if err != nil {
				return err
			}
			if *key != "" && !strings.EqualFold(*key, s.key) {
				return noError{path + ": is signed with another key, " + s.key}
			}
			list = append(list, s)
		}
		slices.SortStableFunc(list, func(a, b *signedStatement) int { return int(a.ID - b.ID) })
		return c.sayVerified(list, *key != "")
	},
}

// signedStatement is a file whose signature and sums are right.
type signedStatement struct {
	statementFile
	path string
	key  string
}

func readStatement(path string) (*signedStatement, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, noError{err.Error()}
	}
	s, err := parseStatement(text)
	if err != nil {
		return nil, noError{fmt.Sprintf("%s: %v", path, err)}
	}
	s.path = path
	return s, nil
}

// errNotAStatement is about files of another sort, or cut short.
var errNotAStatement = errors.New("is not a signed statement: " +
	"ask for the file that hissa statement show ID -format signed writes")

func parseStatement(text []byte) (*signedStatement, error) {
	said, rest, _ := bytes.Cut(text, []byte("\n"))
	var s signedStatement
	var proof signatureInFile
	if json.Unmarshal(said, &s.statementFile) != nil || json.Unmarshal(rest, &proof) != nil || s.Statement != 1 {
		return nil, errNotAStatement
	}
	key, err := hex.DecodeString(proof.Key)
	signature, err2 := base64.StdEncoding.DecodeString(proof.Signature)
	if err != nil || err2 != nil || len(key) != ed25519.PublicKeySize {
		return nil, errNotAStatement
	}
	if !ed25519.Verify(key, said, signature) {
		return nil, errors.New("was changed after it was signed")
	}
	if strings.ContainsFunc(s.Shop+s.Partner, unicode.IsControl) {
		return nil, errNotAStatement // whoever signs it may want to play with a terminal
	}
	s.key = hex.EncodeToString(key)
	// A name that stands twice, or in other letters, would be read in two ways.
	var again bytes.Buffer
	if err := appendJSON(&again, s.statementFile); err != nil || !bytes.Equal(again.Bytes(), said) {
		return nil, errors.New("is not written as Hissa writes statements")
	}
	return &s, s.addUp()
}

// addUp works the sums and the chain of hashes out again.
func (f statementFile) addUp() error {
	before, err := hex.DecodeString(f.ChainBefore)
	if err != nil {
		return errNotAStatement
	}
	var entries []signedEntry
	p := amounts{}
	sum := p.read(f.Opening)
	for _, e := range f.Entries {
		at, err := time.Parse(time.RFC3339, e.At)
		if err != nil {
			return errNotAStatement
		}
		entry := signedEntry{e.Seq, at, e.Kind, e.Debit, e.Credit, p.read(e.Amount), e.Currency, e.Txn, e.TxnID,
			f.Partner, e.Payout, e.UTR}
		entries = append(entries, entry)
		sum += entry.signed()
	}
	held := int64(0)
	for _, l := range f.Commissions {
		if l.Kind == "held" {
			held += p.read(l.Amount)
		}
	}
	closing := p.read(f.Closing)
	switch {
	case p.bad:
		return errNotAStatement
	case sum != closing:
		return fmt.Errorf("its entries come to %s, it says %s", rupees(sum), rupees(closing))
	case held != p.read(f.Held) || p.read(f.Payable) != max(0, closing-held):
		return errors.New("what is payable is not the balance less what is held")
	case p.read(f.Payout) != p.read(f.Payable)-p.read(f.Tax):
		return errors.New("the payout is not what is payable less the tax")
	case hex.EncodeToString(chainAfter(before, entries)) != f.ChainAfter:
		return errors.New("its entries do not follow each other in the partner's chain")
	}
	return nil
}

// amounts reads rupees until one is none.
type amounts struct{ bad bool }

func (a *amounts) read(text string) int64 {
	digits, negative := strings.CutPrefix(text, "-")
	paise, err := paytm.ParseAmount(digits)
	a.bad = a.bad || err != nil
	if negative {
		return -paise
	}
	return paise
}

// sayVerified tells of statements, in order of their ids, that are right in themselves, and compares
// each with the one that it follows.
func (c *call) sayVerified(list []*signedStatement, keyGiven bool) error {
	known := map[string]*signedStatement{}
	place := func(s *signedStatement, id int64) string { return fmt.Sprint(s.key, s.Shop, s.Partner, id) }
	var p amounts
	for _, s := range list {
		if before := known[place(s, s.Follows)]; before != nil &&
			(before.Closing != s.Opening || before.ChainAfter != s.ChainBefore) {
			return noError{fmt.Sprintf("%s does not open where %s closed", s.path, before.path)}
		}
		known[place(s, s.ID)] = s
	}
	for _, s := range list {
		at, _ := time.Parse(time.RFC3339, s.DraftedAt)
		if c.json {
			if err := c.writeJSON(record{
				{"ok", true}, {"file", s.path}, {"id", s.ID}, {"partner", s.Partner}, {"shop", s.Shop},
				{"drafted_at", s.DraftedAt}, {"closing", s.Closing}, {"payable", s.Payable}, {"key", s.key},
			}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(c.stdout, "%s is genuine: statement %d of %s for %s, %s, closing balance %s, payable %s\n",
			s.path, s.ID, s.Shop, s.Partner, day(at), rupees(p.read(s.Closing)), rupees(p.read(s.Payable)))
		if s.Follows != 0 && known[place(s, s.Follows)] == nil {
			fmt.Fprintf(c.stderr, "hissa: not compared with statement %d, which it follows: name that file too\n", s.Follows)
		}
	}
	if !keyGiven {
		fmt.Fprintf(c.stderr, "hissa: signed with %s: is it the key that the shop gave you?\n", list[0].key)
	}
	return nil
}
