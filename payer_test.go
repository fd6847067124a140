package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// payer is a person who pays partners with Hissa's help, on a machine that is switched off in the middle
// of every other command. All they go by is what Hissa shows, and what they themselves did at the bank.
type payer struct {
	*child
	luck     *rand.Rand
	killed   int
	money    map[int64]int  // how often money left for each payout
	refused  map[int64]bool // the bank said no
	uploaded map[string]bool
	scanned  map[int64]bool
}

// try runs a command that may be killed at any moment. It returns what was printed, if it came to its end.
func (p *payer) try(arguments ...string) (string, bool) {
	p.Helper()
	cmd := p.command(arguments...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		p.Fatal(err)
	}
	if p.luck.IntN(2) == 0 {
		killer := time.AfterFunc(time.Duration(p.luck.IntN(60_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		defer killer.Stop()
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code == -1 {
		p.killed++
		return "", false
	}
	return out.String(), cmd.ProcessState.ExitCode() == exitDone
}

// seenPayout is a row of hissa payout list -json.
type seenPayout struct {
	ID                          int64
	State, Way, Partner, Amount string
}

// payouts is what the person sees; looking changes nothing, so it is not killed.
func (p *payer) payouts(all ...string) (list []seenPayout) {
	p.Helper()
	out := p.must(append([]string{"payout", "list", "-json"}, all...)...)
	lines := json.NewDecoder(strings.NewReader(out))
	for lines.More() {
		var one seenPayout
		if err := lines.Decode(&one); err != nil {
			p.Fatalf("%v in %s", err, out)
		}
		list = append(list, one)
	}
	return list
}

// upload gives the bank a file, once.
func (p *payer) upload(file, text string) {
	p.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) < 2 || p.uploaded[file] {
		p.Fatalf("%s, uploaded before: %t: %v\n%s", file, p.uploaded[file], err, text)
	}
	p.uploaded[file] = true
	reference := slices.Index(rows[0], "REF_NO")
	for _, row := range rows[1:] {
		id, err := strconv.ParseInt(row[reference], 10, 64)
		if err != nil {
			p.Fatal(err)
		}
		p.atTheBank(id)
	}
}

// atTheBank is where money leaves, or the bank says no.
func (p *payer) atTheBank(id int64) {
	if p.luck.IntN(2) == 0 {
		p.refused[id] = true
		return
	}
	p.money[id]++
}

// act does the next thing about one payout.
func (p *payer) act(seen seenPayout) {
	id, state, way := seen.ID, seen.State, seen.Way
	number := fmt.Sprint(id)
	file, byFile := strings.CutPrefix(way, "file ")
	switch {
	case state == "approved" && seen.Partner == "RAVI":
		p.try("payout", "qr", number)
	case state == "approved":
		p.try("payout", "file")
	case state != "sent":
	case byFile && !p.uploaded[file]:
		if text, ok := p.try("payout", "file", file); ok {
			p.upload(file, text)
		}
	case way == "qr" && !p.scanned[id]:
		if _, ok := p.try("payout", "qr", number, "-again"); ok {
			p.scanned[id] = true
			p.atTheBank(id)
		}
	case p.refused[id]:
		p.try("payout", "failed", number, "-reason", "the bank said no")
	default:
		p.try("payout", "paid", number, "-utr", "UTR000"+number)
	}
}

// A month is paid by somebody whose machine dies between any two steps, and within them. Money leaves
// once for each payout that the books call paid, and never for another; in the end everybody has all they
// are owed, and the ledger's bank account is what left the bank.
func TestAMonthPaidByCrashes(t *testing.T) {
	t.Parallel()
	c := newChild(t)
	text, err := os.ReadFile(c.config())
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "[payout]\naccount = \"50100012345678\"\n"...)
	if err := os.WriteFile(c.config(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	owed := monthOfSales(t, c)
	p := &payer{child: c, luck: luckOf(6), money: map[int64]int{}, refused: map[int64]bool{},
		uploaded: map[string]bool{}, scanned: map[int64]bool{}}
	rounds := cycles(60, 150, 3000)
	for round := 0; ; round++ {
		open := p.payouts()
		if len(open) == 0 && round >= rounds && !strings.Contains(p.must("statement", "list", "-json"), "{") {
			out, _ := c.hissa("statement", "draft")
			if strings.Contains(out, "nothing has happened") {
				break
			}
		}
		if round > 10*rounds {
			t.Fatal("it never comes to an end")
		}
		if len(open) == 0 || p.luck.IntN(6) == 0 {
			p.try("statement", "draft")
			p.try("statement", "approve", "-all")
			continue
		}
		p.act(open[p.luck.IntN(len(open))])
	}
	c.must("verify")
	var out int64
	for _, one := range p.payouts("-all") {
		times := map[string]int{"paid": 1, "failed": 0}
		if want, ok := times[one.State]; !ok || p.money[one.ID] != want {
			t.Errorf("payout %d is %s, and money left %d times", one.ID, one.State, p.money[one.ID])
		}
		if one.State == "paid" {
			out += rupeesOf(t, one.Amount)
		}
	}
	if out != owed {
		t.Errorf("%s was paid, %s was owed", rupees(out), rupees(owed))
	}
	if p.killed == 0 {
		t.Error("no command was killed: nothing is shown")
	}
	t.Logf("%d commands were killed; %d payouts, %d refused by the bank", p.killed, len(p.money)+len(p.refused), len(p.refused))
}

func rupeesOf(t testing.TB, text string) int64 {
	t.Helper()
	paise := amounts{}
	n := paise.read(text)
	if paise.bad {
		t.Fatalf("%q is no amount", text)
	}
	return n
}

// monthOfSales books sales of four partners that are due, and returns what they come to in commissions.
func monthOfSales(t testing.TB, c *child) (owed int64) {
	t.Helper()
	store, err := openStore(filepath.Join(c.dir, "hissa.db"), StoreOptions{Environment: "staging", MID: c.paytm.MID()})
	if err != nil {
		t.Fatal(err)
	}
	b := &books{TB: t, Store: store}
	b.setClock(time.Now)
	change := func(code string) PartnerChange {
		p := PartnerChange{Code: code, Promos: []string{code + "10"}}
		payee(&p)
		if code == "RAVI" { // is paid by UPI
			p.Account, p.IFSC = nil, nil
		}
		return p
	}
	if _, err := store.SetPartner(b.ctx(), change("ASHA")); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"RAVI", "MEERA", "KIRAN"} {
		if _, err := store.AddPartner(b.ctx(), change(code)); err != nil {
			t.Fatal(err)
		}
	}
	for i, code := range []string{"ASHA", "RAVI", "MEERA", "KIRAN", "ASHA", "RAVI", "MEERA"} {
		paise := int64(10_000 * (i + 1))
		b.due(code, fmt.Sprint("T", i), paise)
		owed += paise / 10
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return owed
}
