package main

// hissa import partners: the list of partners that another program exported, or Hissa itself. First what
// each line would do, and what is wrong with it; then, when nothing is, booked.

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

var importCommand = command{
	name: "import", config: true, reading: true, usage: "partners FILE.csv [-apply]",
	short: "partners from another program's export",
	long: `
Reads partners from a CSV file: that of hissa export partners -format csv, or the lists of partners
that Rewardful, Tapfiliate and Refersion give. Columns are found by their names, in any order; case,
blanks, hyphens and underscores in a name make no difference:

  code     code, token, affiliate code, referral code, id         (a partner's code; needed)
  name     name, or first name and last name (firstname, lastname)
  email    email, email address
  promos   promos, promo, coupon, coupons, coupon code             (several: blanks between)
  refs     refs, references
  rate     rate, commission, commission rate                       ("12%", or flat rupees "50.00")
  state    state, status     (active or approved; disabled, denied, suspended, inactive; pending is
                              left out)
  vpa, account, ifsc, pan, gstin

Without -apply it only says, line by line, what would be done and what is wrong. -apply books it
when nothing is wrong. Partners that are there already stay as they are, so it can be said again.
Old links keep working if they lead to /r/CODE, with the codes of the file.

Example:  hissa import partners affiliates.csv`,
	run: func(c *call) error {
		return c.verbs(map[string]func(*call) error{"partners": importPartners}, "partners")
	},
}

func importPartners(c *call) error {
	apply := c.flags.Bool("apply", false, "")
	if err := c.exactly(1); err != nil {
		return err
	}
	file, err := os.Open(c.args[0])
	if err != nil {
		return noError{err.Error()}
	}
	defer file.Close()
	lines, err := readPartners(file)
	if err != nil {
		return noError{fmt.Sprintf("%s: %v", c.args[0], err)}
	}
	return c.with(*apply, func(ctx context.Context, _ *Config, store *Store) error {
		if err := store.judgeImport(ctx, lines); err != nil {
			return err
		}
		if err := c.tellImport(lines); err != nil {
			return err
		}
		wrong := len(slices.DeleteFunc(slices.Clone(lines), func(l partnerLine) bool { return l.wrong == "" }))
		added := len(slices.DeleteFunc(slices.Clone(lines), func(l partnerLine) bool { return !l.isNew() }))
		switch {
		case wrong > 0:
			return noError{fmt.Sprintf("%s can't be imported; nothing is booked", plural(int64(wrong), "line"))}
		case !*apply:
			fmt.Fprintf(c.stderr, "hissa: %s would be added with -apply\n", plural(int64(added), "partner"))
			return nil
		}
		for _, l := range lines {
			if err := store.importPartner(ctx, l); err != nil {
				return asNo(err, "")
			}
		}
		fmt.Fprintf(c.stderr, "hissa: %s added; hissa partner list shows their links\n", plural(int64(added), "partner"))
		return nil
	})
}

// partnerLine is a line of the file and what is to become of it.
type partnerLine struct {
	line   int
	change PartnerChange
	left   string // why it is left out, though nothing is wrong
	wrong  string
}

func (l partnerLine) isNew() bool { return l.left == "" && l.wrong == "" }

// partnerColumns are the names under which exports have what an import can use.
var partnerColumns = map[string][]string{
	"code": {"code", "token", "affiliate code", "referral code", "id"}, "name": {"name"},
	"first": {"first name"}, "last": {"last name"}, "email": {"email", "email address"},
	"promos": {"promos", "promo", "coupon", "coupons", "coupon code"}, "refs": {"refs", "references"},
	"promo_rates": {"promo_rates"},
	"rate":        {"rate", "commission", "commission rate"}, "state": {"state", "status"},
	"vpa": {"vpa"}, "account": {"account"}, "ifsc": {"ifsc"}, "pan": {"pan"}, "gstin": {"gstin"},
}

const importAtMost = 16 << 20 // bytes

// readPartners reads the file; a fault of one line is in that line.
func readPartners(file io.Reader) (lines []partnerLine, err error) {
	text, err := io.ReadAll(io.LimitReader(file, importAtMost+1))
	if err == nil && len(text) > importAtMost {
		err = fmt.Errorf("is larger than %d MB", importAtMost>>20)
	}
	if err != nil {
		return nil, err
	}
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	in.FieldsPerRecord, in.Comma = -1, separator(text)
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("is no CSV file: %w", err)
	}
	columns := map[string]int{}
	for what, names := range partnerColumns {
		columns[what] = -1
		for _, name := range names {
			at := slices.IndexFunc(header, func(cell string) bool { return plain(cell) == plain(name) })
			if at >= 0 {
				columns[what] = at
				break
			}
		}
	}
	if columns["code"] < 0 {
		return nil, fmt.Errorf("has no column for the code (code, token, affiliate code or id); its columns are: %s",
			strings.Join(header, ", "))
	}
	for {
		row, err := in.Read()
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return nil, fmt.Errorf("is no CSV file: %w", err)
		}
		cell := func(what string) string {
			if at := columns[what]; at >= 0 && at < len(row) {
				return strings.TrimSpace(row[at])
			}
			return ""
		}
		number, _ := in.FieldPos(0)
		lines = append(lines, partnerOf(number, cell))
	}
}

// partnerOf makes a partner of the cells of a line.
func partnerOf(number int, cell func(string) string) partnerLine {
	l := partnerLine{line: number}
	p := &l.change
	text := func(value string) *string {
		if value == "" {
			return nil
		}
		return &value
	}
	name := cell("name")
	if name == "" {
		name = strings.TrimSpace(cell("first") + " " + cell("last"))
	}
	p.Code, p.Name, p.Email = cell("code"), text(name), text(cell("email"))
	p.VPA, p.Account, p.IFSC = text(cell("vpa")), text(cell("account")), text(strings.ToUpper(cell("ifsc")))
	p.PAN, p.GSTIN = text(strings.ToUpper(cell("pan"))), text(strings.ToUpper(cell("gstin")))
	p.Promos, p.References = withRates(strings.Fields(cell("promos")), strings.Fields(cell("promo_rates"))), strings.Fields(cell("refs"))
	switch state := strings.ToLower(cell("state")); state {
	case "", "active", "approved", "enabled":
	case "disabled", "denied", "suspended", "inactive", "rejected":
		p.State = "disabled"
	case "pending":
		l.left = "is pending there"
		return l
	default:
		l.wrong = fmt.Sprintf("state %q is not known", state)
		return l
	}
	if rate := cell("rate"); rate != "" {
		parsed, err := parseRate(rate, "program")
		if err != nil {
			l.wrong = "rate " + err.Error()
			return l
		}
		p.Rate = &parsed
	}
	if err := p.ratePromos(); err != nil {
		l.wrong = strings.TrimPrefix(err.Error(), "-")
		return l
	}
	if !codePattern.MatchString(p.Code) || strings.HasPrefix(p.Code, clickPrefix) {
		l.wrong = fmt.Sprintf("code %q: it is 1 to 32 letters, digits, - and _, a letter or digit first", p.Code)
	} else if err := checkPartner(*p); err != nil {
		l.wrong = strings.TrimPrefix(err.Error(), "-")
	}
	return l
}

// withRates gives the promo codes the rates that stand in a column of their own, as CODE=RATE.
func withRates(promos, rates []string) []string {
	for _, rate := range rates {
		code, _, _ := strings.Cut(rate, "=")
		if i := slices.Index(promos, code); i >= 0 {
			promos[i] = rate
		} else {
			promos = append(promos, rate)
		}
	}
	return promos
}

// judgeImport compares lines with the partners there are, and with each other.
func (s *Store) judgeImport(ctx context.Context, lines []partnerLine) error {
	terms, err := s.Terms(ctx)
	if err != nil {
		return err
	}
	taken := map[string]string{} // names in the file, and by whom
	for i := range lines {
		l := &lines[i]
		if !l.isNew() {
			continue
		}
		if _, known := terms.partner(l.change.Code); known {
			l.left = "is there already"
			continue
		}
		for _, code := range slices.Concat([]string{l.change.Code}, l.change.Promos, l.change.References) {
			holder, inFile := taken[lower(code)]
			if held, known := terms.codes[lower(code)]; known {
				l.wrong = codeTaken{held}.Error()
			} else if inFile {
				l.wrong = fmt.Sprintf("%s stands in the file before, with %s", code, holder)
			}
			taken[lower(code)] = l.change.Code
		}
	}
	return nil
}

// importPartner books a line.
func (s *Store) importPartner(ctx context.Context, l partnerLine) error {
	if !l.isNew() {
		return nil
	}
	_, err := s.AddPartner(ctx, l.change)
	return err
}

func (c *call) tellImport(lines []partnerLine) error {
	var rows [][]string
	for _, l := range lines {
		what, why := "new", l.left+l.wrong
		switch {
		case l.wrong != "":
			what = "wrong"
		case l.left != "":
			what = "left out"
		case l.change.State == "disabled":
			what = "new, disabled"
		}
		name := ""
		if l.change.Name != nil {
			name = *l.change.Name
		}
		r := record{{"line", int64(l.line)}, {"code", l.change.Code}, {"name", name}, {"result", what}, {"why", why}}
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
	return table(c.stdout, strings.Fields("LINE CODE NAME RESULT WHY"), rows)
}
