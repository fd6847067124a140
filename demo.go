package main

// hissa demo: a whole program in a temporary database against a simulated Paytm, over real HTTP.
// Nothing here is special to the demo but the shop, the customers and the forger: server, writer,
// confirmation and books are those of hissa serve.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
	"hissa/web"
)

var demoCommand = command{
	name: "demo", usage: "[-listen ADDR] [-keep] [-pages]",
	short: "a whole program against a simulated Paytm, in under a minute",
	long: `
Makes a temporary database, starts the server, and lets a simulated Paytm loose on it:
clicks, promo codes, orders, payments by UPI, card, net banking and wallet, each delivered at
least twice and out of order, a refund that comes before its sale, a payment that is pending
at first, one that nobody brought, a conflict, and a forged message whose checksum is right.
It prints what happens, what each partner earned, one payment explained, and what verify
says. Then it ends, unless stdin is a terminal or -keep is given: then it keeps serving until
it is interrupted. Amounts are rupees, times IST.

-pages does none of that: it serves every page in each of its states from canned data, to be
looked at in a browser until it is interrupted.

Example:  hissa demo -listen 127.0.0.1:8080 -keep`,
	run: func(c *call) error {
		listen := c.flags.String("listen", "127.0.0.1:0", "")
		keep := c.flags.Bool("keep", false, "")
		pages := c.flags.Bool("pages", false, "")
		if err := c.exactly(0); err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		if *pages {
			return demoPages(ctx, c.stdout, *listen)
		}
		if f, ok := c.stdin.(*os.File); ok && isTerminal(f) {
			*keep = true
		}
		return demo(ctx, c.stdout, *listen, *keep)
	},
}

// demoPages serves the gallery of pages until ctx ends.
func demoPages(ctx context.Context, out io.Writer, listen string) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("can't listen on %s: %w: name another address with -listen", listen, err)
	}
	server := &http.Server{Handler: web.GalleryHandler(), ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	fmt.Fprintf(out, "Every page is at http://%s/ until you press Ctrl-C.\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// demonstration is the shop of the demo and everybody around it.
type demonstration struct {
	out    io.Writer
	paytm  *paytmtest.Paytm
	store  *Store
	url    string
	key    string // the shop's key for POST /v1/orders
	client *http.Client

	// The API is asked as soon as a message is booked, which may be before its sender has been
	// answered. What it says is kept back while messages are delivered: told in between, an answer
	// could stand before its question.
	mu         sync.Mutex // of out and of the fields below
	delivering bool
	kept       []string
}

func demo(ctx context.Context, out io.Writer, listen string, keep bool) error {
	dir, err := os.MkdirTemp("", "hissa-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demonstration{
		out: out, paytm: paytmtest.New(paytmtest.Config{Seed: 7}),
		client: &http.Client{Timeout: 10 * time.Second, CheckRedirect: stayThere},
	}
	api, stopAPI := d.paytm.Start()
	defer stopAPI()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("can't listen on %s: %w: name another address with -listen", listen, err)
	}
	defer listener.Close()
	d.url = "http://" + listener.Addr().String()
	config, err := d.configuration(dir, api)
	if err != nil {
		return err
	}
	held, err := takeLock(config.Database)
	if err != nil {
		return err
	}
	defer held.release()
	if d.store, err = openStore(config.Database, config.storeOptions(true)); err != nil {
		return err
	}
	if _, err := d.store.AdoptProgram(ctx, config.program(), false); err != nil {
		return errors.Join(err, d.store.Close())
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- serveOn(serving, listener, config, d.store, nil, slog.New(&answerLog{d})) }()
	defer d.client.CloseIdleConnections()
	err = d.program(ctx, config, keep)
	if keep && err == nil {
		<-ctx.Done()
	}
	stop()
	return errors.Join(err, <-ended, d.store.Close())
}

// configuration writes what a shop would write, so that other commands can look on.
func (d *demonstration) configuration(dir, api string) (*Config, error) {
	key := filepath.Join(dir, "paytm.key")
	if err := os.WriteFile(key, []byte(d.paytm.MerchantKey()+"\n"), 0o600); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "hissa.toml")
	text := fmt.Sprintf(`listen     = %q
public_url = %q
database   = "hissa.db"

[links]
landing = "https://shop.example/"

[paytm]
environment  = "staging"
mid          = %q
merchant_key = %q
api_url      = %q

[commission]
rate = "10%%"
hold = "14d"
`, strings.TrimPrefix(d.url, "http://"), d.url, d.paytm.MID(), "file:"+key, api)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return loadConfig(path)
}

// program tells the whole story, then sums it up.
func (d *demonstration) program(ctx context.Context, config *Config, keep bool) error {
	if err := d.partners(ctx); err != nil {
		return err
	}
	d.heading("What happens")
	if err := d.visits(ctx); err != nil {
		return err
	}
	example, err := d.payments(ctx)
	if err != nil {
		return err
	}
	if err := d.settled(ctx); err != nil {
		return err
	}
	if err := d.earnings(ctx); err != nil {
		return err
	}
	d.heading("hissa explain " + example)
	story, err := d.store.Story(ctx, example)
	if err != nil {
		return err
	}
	story.tell(d.out, d.store.now())
	d.heading("hissa verify")
	report, err := d.store.Verify(ctx, nil)
	if err != nil {
		return err
	}
	report.tell(d.out)
	d.next(config, keep, example)
	return nil
}

func (d *demonstration) heading(text string) { fmt.Fprintf(d.out, "\n— %s —\n", text) }

// row prints one event: who to whom, what, and what came of it.
func (d *demonstration) row(who, what, outcome string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintln(d.out, eventRow(who, what, outcome))
}

// aside prints an event as row does, but after what is being delivered.
func (d *demonstration) aside(who, what, outcome string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if text := eventRow(who, what, outcome); d.delivering {
		d.kept = append(d.kept, text)
	} else {
		fmt.Fprintln(d.out, text)
	}
}

func (d *demonstration) setDelivering(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.delivering = yes
	for _, text := range d.kept {
		fmt.Fprintln(d.out, text)
	}
	d.kept = nil
}

func eventRow(who, what, outcome string) string {
	return strings.TrimRight(fmt.Sprintf("%-12s %-59s %s", who, what, outcome), " ")
}

func (d *demonstration) partners(ctx context.Context) error {
	d.heading("Three partners; everybody earns 10 %, Ravi 12 %; commissions are held for 14 days")
	for _, p := range []struct{ code, name, promo, ref, rate string }{
		{"ASHA", "Asha", "ASHA10", "", "program"},
		{"RAVI", "Ravi", "RAVI12", "", "12%"},
		{"MEERA", "Meera", "MEERA5", "LI_2048", "program"},
	} {
		rate, err := parseRate(p.rate, "program")
		if err != nil {
			return err
		}
		change := PartnerChange{
			Code: p.code, Name: &p.name, Promos: []string{p.promo}, Rate: &rate,
		}
		what := "shares " + d.url + "/r/" + p.code + " and the code " + p.promo
		if p.ref != "" {
			change.References = []string{p.ref}
			what += ", and a payment link"
		}
		if _, err := d.store.AddPartner(ctx, change); err != nil {
			return err
		}
		d.row(p.name, what, "")
	}
	var err error
	d.key, err = d.store.AddKey(ctx, "shop", "orders")
	return err
}

const (
	phone = "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) " +
		"Chrome/130.0.0.0 Mobile Safari/537.36"
	preview = "WhatsApp/2.24.20.89 A"
)

// visits are clicks, and the orders that the visitors are about to pay.
func (d *demonstration) visits(ctx context.Context) error {
	if _, err := d.click(ctx, "ASHA", preview); err != nil {
		return err
	}
	clicks := map[string]string{}
	for _, code := range []string{"ASHA", "RAVI", "MEERA"} {
		id, err := d.click(ctx, code, phone)
		if err != nil {
			return err
		}
		clicks[code] = id
	}
	for _, o := range []orderRequest{
		{OrderID: "1001", ClickID: clicks["ASHA"]},
		{OrderID: "1002", PromoCode: "RAVI12"},
		{OrderID: "1003", ClickID: clicks["ASHA"], PromoCode: "MEERA5"},
		{OrderID: "1004", ClickID: clicks["RAVI"]},
		{OrderID: "1006", ClickID: clicks["MEERA"]},
		{OrderID: "1008", PromoCode: "RAVI12"},
	} {
		if err := d.bind(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func (d *demonstration) click(ctx context.Context, code, agent string) (id string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/r/"+code, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", agent)
	answer, err := d.client.Do(req)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	outcome := "sent on; not counted: a link preview"
	for _, c := range answer.Cookies() {
		if c.Name == clickCookie {
			id, outcome = c.Value, "sent on with a cookie"
		}
	}
	who := "a visitor"
	if agent == preview {
		who = "WhatsApp"
	}
	d.row(who, "follows /r/"+code, outcome)
	return id, nil
}

func (d *demonstration) bind(ctx context.Context, o orderRequest) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/v1/orders",
		bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+d.key)
	answer, err := d.client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var said struct{ Result, Error string }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		return err
	}
	with := "a click"
	if o.PromoCode != "" && o.ClickID != "" {
		with = "a click and the code " + o.PromoCode
	} else if o.PromoCode != "" {
		with = "the code " + o.PromoCode
	}
	d.row("the shop", "order "+o.OrderID+" comes with "+with, said.Result+said.Error)
	return nil
}

// payments are what the customers pay and what Paytm makes of it. Returned is the one to explain.
func (d *demonstration) payments(ctx context.Context) (example string, err error) {
	p := d.paytm
	upi := p.Pay("1001", 149900)
	card := p.Pay("1002", 1250000, paytmtest.Mode("CC"))
	bank := p.Pay("1003", 79900, paytmtest.Mode("NB"))
	wallet := p.Pay("1004", 299900, paytmtest.Mode("PPI"), paytmtest.Pending())
	nobody := p.Pay("1005", 64900)
	twice := p.Pay("1006", 500000)
	link := p.Pay("LINK-77", 120000)
	declined := p.Pay("1008", 9999900, paytmtest.Failed())
	refund := p.Refund(bank, 30000)
	linkMessage := p.LinkPayment(link, "2048")
	// The forger's own payment of ₹1.00 failed, with a text of his in it; he cuts the message anew
	// so that it says his declined payment of ₹99,999.00 went through.
	bait, forged := p.Forge("1008", declined.TxnID, 9999900)
	bait.About = "the forger's own payment of ₹1.00, failed"
	forged.About = "FORGED, checksum right: TXN_SUCCESS ₹99,999.00"

	if err := d.deliver(ctx, paytmtest.Faults{Duplicate: 1},
		p.RefundSucceeded(bank, refund), p.PaymentForm(wallet),
	); err != nil {
		return "", err
	}
	if err := d.settled(ctx); err != nil { // Paytm's API says PENDING, too
		return "", err
	}
	p.Settle(wallet, paytm.Success)
	if err := d.deliver(ctx, paytmtest.Faults{Duplicate: 1, MaxCopies: 1, Reorder: true},
		p.PaymentForm(upi), p.PaymentForm(card), p.PaymentForm(bank), p.PaymentForm(wallet),
		p.PaymentForm(nobody), p.PaymentForm(twice), p.Conflicting(twice, 50000), linkMessage,
		bait, forged,
	); err != nil {
		return "", err
	}
	return bank.TxnID, nil
}

func (d *demonstration) deliver(
	ctx context.Context, f paytmtest.Faults, messages ...paytmtest.Message,
) error {
	courier := paytmtest.NewCourier(d.paytm, d.url+"/webhooks/paytm", f)
	defer courier.Close()
	courier.OnDelivery = func(got paytmtest.Delivery) {
		what := got.Message.About
		if got.Message.OrderID != "" {
			what = "order " + got.Message.OrderID + ": " + what
		}
		d.row("Paytm", what, got.Result)
	}
	d.setDelivering(true)
	defer d.setDelivering(false)
	for _, got := range courier.Send(ctx, messages...) {
		if !got.Acknowledged() {
			return fmt.Errorf("%s was answered %d: %w",
				got.Message.About, got.Status, errors.Join(got.Err, errStorage))
		}
	}
	return nil
}

// settled waits until Paytm's API has been asked about every payment.
func (d *demonstration) settled(ctx context.Context) error {
	for range 300 {
		polls, err := d.store.DuePolls(ctx, 1)
		if err != nil || len(polls) == 0 {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("the simulated Paytm was not asked about every payment in time")
}

// earnings is what each partner has now.
func (d *demonstration) earnings(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heading("What it comes to")
	tw := tabwriter.NewWriter(d.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "ORDER\tPAID\tREFUNDED\tPARTNER\tBASIS\tCOMMISSION\tSTATE")
	err := d.store.read(ctx, func(r rows) error {
		ts, err := r.transactions(q("transactions-by-order"))
		if err != nil {
			return err
		}
		for _, t := range ts {
			c, err := r.commission(t.ID)
			if err != nil {
				return err
			}
			fmt.Fprintln(tw, strings.Join(earningsRow(t, c, d.store.now()), "\t"))
		}
		if err := tw.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(d.out)
		return r.each(q("earnings"), nil, func(scan func(...any) error) error {
			var name string
			var balance int64
			err := scan(&name, &balance)
			fmt.Fprintf(d.out, "%-15s has earned %s\n",
				strings.TrimPrefix(name, "partner:"), rupees(balance))
			return err
		})
	})
	return err
}

func earningsRow(t *transaction, c *Commission, now time.Time) []string {
	paid := money(t.Amount, t.Currency)
	if t.Status != "success" {
		paid = "not paid"
	}
	back := "–"
	if t.Refunded > 0 {
		back = rupees(t.Refunded)
	}
	if c == nil {
		return []string{t.OrderID, paid, back, "nobody", "–", "–", "–"}
	}
	state, blocks := c.State(now)
	if state == "held" {
		state += " (" + strings.Join(blocks, ", ") + ")"
	}
	earned := rupees(c.Amount - c.Reversed)
	return []string{t.OrderID, paid, back, c.Partner, c.Basis, earned, state}
}

func (d *demonstration) next(config *Config, keep bool, example string) {
	d.heading("Next")
	if keep {
		fmt.Fprintf(d.out, `Serving until you press Ctrl-C. In another terminal:
  hissa explain -config %[1]s %[2]s
  hissa export -config %[1]s ledger
  curl -si %[3]s/r/ASHA
`, config.Path, example, d.url)
		return
	}
	fmt.Fprint(d.out, `hissa demo -keep        keep it running and look around
hissa help              every command
README.md               your own shop: a VM, one file, one configuration
`)
}

// answerLog shows the answers of Paytm's API among the events, and the server's errors.
type answerLog struct{ d *demonstration }

func (l *answerLog) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (l *answerLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *answerLog) WithGroup(string) slog.Handler      { return l }

func (l *answerLog) Handle(_ context.Context, r slog.Record) error {
	said := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		said[a.Key] = a.Value.String()
		return true
	})
	switch {
	case r.Message == "Paytm's API answered":
		outcome := said["result"]
		paise, err := strconv.ParseInt(said["amount"], 10, 64)
		if err == nil && outcome == "success" {
			outcome += ", " + rupees(paise)
		}
		if outcome == "failed" {
			outcome = "failed: denied"
		}
		l.d.aside("Paytm's API", "is asked about order "+said["order"], outcome)
	case r.Level >= slog.LevelError:
		l.d.row("hissa", r.Message, said["cause"])
	}
	return nil
}
