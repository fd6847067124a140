package main

// hissa import: what another program exported, or Hissa itself. First what each line would do, and what is
// wrong with it; then, when nothing is, booked. Partners are here, clicks and orders in import_rows.go, the
// export of everything in everything_in.go.

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

var importCommand = command{
	name: "import", config: true, reading: true,
	usage: "partners|clicks|orders|everything FILE [-apply]",
	short: "partners, clicks, orders from a file; or everything, on another machine",
	long: `
import partners FILE [-apply]
import clicks FILE [-apply]
import orders FILE [-apply]
import everything FILE [-apply]

Without -apply it only says, line by line, what would be done and what is wrong, worked out on a
copy of the database. -apply books it when nothing is wrong. It may be interrupted, and said again:
what is there already stays as it is.

The file is CSV, or JSON lines. Columns are found by their names, in any order; case, blanks,
hyphens and underscores in a name make no difference; other columns are not read. hissa export
partners, clicks and orders write such files.

partners: the lists that Rewardful, Tapfiliate and Refersion give are understood, too.
  code     code, token, affiliate code, referral code, id         (a partner's code; needed)
  name     name, or first name and last name (firstname, lastname)
  email    email, email address
  promos   promos, promo, coupon, coupons, coupon code             (several: blanks between)
  refs     refs, references
  rate     rate, commission, commission rate                       ("12%", or flat rupees "50.00")
  state    state, status     (active or approved; disabled, denied, suspended, inactive; pending is
                              left out)
  vpa, account, ifsc, pan, gstin
Old links keep working if they lead to /r/CODE, with the codes of the file.

clicks: id ("clk_" and up to 60 letters, digits, - and _), partner (who must be known), at (RFC
3339, not in the future), sub, counted ("true", or why not). Each keeps its id, so that the cookie
of who clicked is good, and its time: that of the server which wrote the file. You vouch for it, and
the verdict on a payment says so. Payments whose click was not known are decided anew.

orders: order_id, click_id, promo_code, customer_id, email, mobile, amount, at. Bound as POST
/v1/orders binds them: an order that is paid keeps its binding, another one is replaced.

everything: what hissa export everything wrote, into a new database. It ends with the same chain,
balances and states, or is refused. FILE may be - for stdin.

Example:  hissa import partners affiliates.csv`,
	run: func(c *call) error {
		return c.verbs(map[string]func(*call) error{
			"partners": importPartners, "everything": importEverything,
			"clicks": importRows(bringClicks), "orders": importRows(bringOrders),
		}, "partners, clicks, orders, everything")
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
	columns := importColumns{partnerColumns, "code", "the code (code, token, affiliate code or id)"}
	err = columns.each(bytes.NewReader(text), func(number int, cell func(string) string) error {
		lines = append(lines, partnerOf(number, cell))
		return nil
	})
	return lines, err
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
	if !codePattern().MatchString(p.Code) || strings.HasPrefix(p.Code, clickPrefix) {
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
	var records []record
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
		records = append(records, record{{"line", int64(l.line)}, {"code", l.change.Code}, {"name", name},
			{"result", what}, {"why", why}})
	}
	return c.list(strings.Fields("LINE CODE NAME RESULT WHY"), records)
}
