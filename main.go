// Hissa receives Paytm's payment webhooks, proves them genuine, works out which partner brought
// the sale, and books that partner's commission exactly once per TXNID, with a reason that anybody
// can read.
//
// Start reading at webhook.go (one message, from bytes to books), then attribution.go (what the
// facts of a payment come to) and store.go (the one writer).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"hissa/paytm"
	"hissa/replica"
)

// Exit codes. 2 and 78 mean that starting again would change nothing; the service unit knows.
const (
	exitDone   = 0
	exitNo     = 1  // the answer is no: not found, already there, verify failed
	exitUsage  = 2  // the command line
	exitBusy   = 75 // another serve holds the database
	exitConfig = 78 // the configuration, or what the database is
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Config is the manual. An option without a default must be set. An option that is not here is a
// fault, and so is a value that is not understood: nothing in the file is ever silently ignored.
type Config struct {
	// Path is the file that was read, as -config named it.
	Path string `toml:"-"`

	// Listen is the host:port that the server answers on, in plain HTTP. Default "127.0.0.1:8080":
	// a proxy on the same machine speaks HTTPS to the world. Port 0 takes any free port. With an
	// empty host the server is open to the network, without encryption.
	Listen string `toml:"listen"`

	// PublicURL is where the world reaches the server: partners' links, the webhook and all other
	// URLs begin with it. It may carry a path, never a final slash. It is https, except on a
	// loopback host: Paytm calls nothing else. The click cookie is Secure when it is https.
	// Changing it breaks every link that partners have already shared.
	PublicURL *url.URL `toml:"public_url"`

	// Database is the SQLite file, absolute once loaded. Default "hissa.db", beside the
	// configuration file. It must be on a local disk: on a network share locks are not reliable.
	Database string `toml:"database"`

	// TrustedProxies are the addresses whose X-Forwarded-For is believed. Default 127.0.0.1 and
	// ::1, a proxy on the same machine. Whoever is named here can claim any visitor's address, so
	// a range that strangers can send from lets them fake clicks.
	TrustedProxies []netip.Prefix `toml:"trusted_proxies"`

	Links struct {
		// Landing is the shop's page that a partner's link leads to. It is https, except on a
		// loopback host, and may carry a query.
		Landing *url.URL `toml:"landing"`

		// AllowHosts are the hosts, lower case and without a port, that a link's ?to= may lead to, and
		// whose pages may send clicks (/hissa.js). Default: the landing page's. Every host here can be
		// reached through a link that begins with PublicURL, so name only your own.
		AllowHosts []string `toml:"allow_hosts"`

		// CookieDomain is the domain of the click cookie; PublicURL's host and the landing page's
		// must both belong to it. Default "": PublicURL's host alone, and then a shop on another
		// host does not see the cookie and must be told the click id in another way.
		CookieDomain string `toml:"cookie_domain"`
	} `toml:"links"`

	Paytm struct {
		// Environment is "production" or "staging". A database remembers which it belongs to, and
		// refuses to be opened under the other.
		Environment string `toml:"environment"`

		// MID is the merchant id, as Paytm's dashboard shows it for this environment. One process
		// serves one MID; a message about another is refused.
		MID string `toml:"mid"`

		// Keys are the merchant keys, the new one first: it signs what is sent to Paytm, and any
		// of them proves a message. The file never holds a key, only where it is: "file:PATH" or
		// "env:NAME", or a list of up to three while a key is rotated. An old key that stays in
		// the list keeps its power to forge.
		Keys []*paytm.Key `toml:"merchant_key"`

		// Confirm makes every payment wait for the Transaction Status API to agree before its
		// commission can be due. Default true. A checksum alone can be forged by whoever has seen
		// signed messages: with false, a forged message can earn a commission.
		Confirm bool `toml:"confirm"`

		// APIURL is the base URL of Paytm's API. Default: the one of Environment. It is https,
		// except on a loopback host (a simulated Paytm).
		APIURL string `toml:"api_url"`

		// Forward is where every genuine message is handed on to, byte for byte, after Paytm was
		// answered: the shop's own handler, when Hissa has taken its place in Paytm's dashboard. Nil,
		// the default, for nowhere. It is https, or http to a literal address inside this machine or
		// network. A name must lead to a public address. Redirects are not followed.
		Forward *url.URL `toml:"forward"`

		// ForwardRefused hands messages on that Hissa refused, too. Default false. The shop has to
		// check every checksum by itself in any case.
		ForwardRefused bool `toml:"forward_refused"`

		// OrderSuffix "_" also matches ORDERID 1042_20261122101500 to order 1042, as shop plugins
		// write it: the last "_" and exactly 14 digits are left out when no order has the whole
		// name. Default "": only the whole name counts.
		OrderSuffix string `toml:"order_suffix"`
	} `toml:"paytm"`

	// Attribution decides which partner a payment belongs to. A change here and in Commission
	// counts for payments from then on; those before keep the terms they were made under.
	Attribution struct {
		// Window is how long before the payment a click counts, and how long its cookie lives.
		// Default 30 days; 1 hour to 365 days.
		Window time.Duration `toml:"window"`

		// Model is "last-click", the default: a new click replaces the cookie, or "first-click": a
		// live cookie stays.
		Model string `toml:"model"`

		// Precedence is what may name a partner, the strongest first: promo, click, reference,
		// customer, campaign. What is left out takes no part. Default: all but campaign, which is
		// Paytm's own field and names a partner only by accident unless you agreed on its use.
		Precedence []string `toml:"precedence"`

		// Lifetime is for how many months a customer's later payments earn for the partner who
		// first brought them, 0 when off, the default. It needs customer in Precedence.
		Lifetime int `toml:"lifetime"`
	} `toml:"attribution"`

	// Commission is what a partner earns on a payment, unless the partner has a rate of its own.
	Commission struct {
		// RateBPS is a share of the payment in basis points: "10%" is 1000. Exactly one of RateBPS
		// and Flat is above zero.
		RateBPS int64 `toml:"rate"`

		// Flat is a fixed amount per payment in paise: "50.00" is 5000. It never exceeds the
		// payment.
		Flat int64 `toml:"flat"`

		// ExcludeTaxBPS takes the tax inside the payment out first: at "18%", 1800, a rate applies
		// to the payment ÷ 1.18. Default 0. A flat amount is not touched by it.
		ExcludeTaxBPS int64 `toml:"exclude_tax"`

		// Cap is the most in paise that one payment earns, whatever the rate; 0, the default, is no
		// limit. Refunds are taken back in proportion to what was earned.
		Cap int64 `toml:"cap"`

		// Tiers are rates by a partner's sales of the month up to the day before the payment: from
		// "100000.00 12%" on, the sales so far, confirmed and less refunds, earn 12 %. The highest
		// that is reached counts. A partner's or a promo code's own rate goes before them.
		Tiers []Tier `toml:"tiers"`

		// Payments is how many payments of one customer earn, the earliest first: 1 is the first
		// alone, 7 is the first and six renewals. Default 0, all. It counts confirmed payments by
		// customer_id or SUBS_ID, whoever brought them; a payment that names no customer earns.
		Payments int `toml:"payments"`

		// Hold is how long after the payment its commission becomes due. Default 14 days; 0 to 365
		// days. Make it longer than your refund period: what is paid out is gone.
		Hold time.Duration `toml:"hold"`
	} `toml:"commission"`

	// Abuse is what blocks a commission until a person has looked (hissa review). A change counts for
	// payments from then on.
	Abuse struct {
		// Own blocks a sale whose customer has the partner's own e-mail address, mobile number, UPI id
		// or customer id. Default true.
		Own bool `toml:"own"`

		// Codes is how many different promo codes may be tried on one order before one that counts is
		// taken to be guessed. Default 5; 0 is any number.
		Codes int `toml:"codes"`

		// Clicks is how many clicks within an hour on one partner's link may come from one browser at
		// one address; those beyond block what they earn. Default 60; 0 is any number.
		Clicks int `toml:"clicks"`
	} `toml:"abuse"`

	// Payout is about what partners are paid.
	Payout struct {
		// Minimum is the least that is paid out, in paise: "500.00" is 50000. Default 0. What is
		// less is carried forward to the next statement.
		Minimum int64 `toml:"minimum"`

		// Account is the shop's own account that payouts are made from, where the bank's file names
		// it ({from}). Default "".
		Account string `toml:"account"`

		// Columns are those of the CSV file for the bank's bulk upload, each "HEADING=text" with
		// fields in the text: {name} {account} {ifsc} {email} {amount} {date} as 31-12-2026 {date/}
		// as 31/12/2026 {note} {id} {partner} {from}. Default: ICICI Bank's layout for bulk payments
		// to vendors, by NEFT.
		Columns []payoutColumn `toml:"columns"`
	} `toml:"payout"`

	// TDS is tax deducted at source from commissions. Hissa deducts it when a statement is approved,
	// which credits the partner, and so never later than the payment. It reports by quarter (hissa
	// tds) and does nothing else: you deposit the tax, file the return and issue the certificates.
	TDS struct {
		// Deduct turns it on. Default false: individuals and Hindu undivided families below the
		// turnover of the Act need not deduct; ask your accountant.
		Deduct bool `toml:"deduct"`

		// Rates are in force from a date on, each "DATE SECTION CODE RATE THRESHOLD": section of the
		// Income-tax Act, code of the return, share, and rupees in a financial year that must be
		// exceeded first; then all of the year's commission is taxed. Default: commission under
		// section 393(1) of the Act of 2025, table row 1(ii), in force since 1 April 2026.
		Rates []TaxRate `toml:"rates"`

		// WithoutPAN is the least share for a partner whose PAN is not known, in basis points. Default
		// "20%", as section 397(2) has it (206AA of the Act of 1961).
		WithoutPAN int64 `toml:"without_pan"`
	} `toml:"tds"`

	// Join is the page on which people apply to become partners.
	Join struct {
		// Open puts it up at PublicURL/join. Default false. Nobody becomes a partner before one of the
		// shop's people has said so.
		Open bool `toml:"open"`
	} `toml:"join"`

	// Mail is the server through which Hissa sends e-mail: links with which partners sign in, and
	// invitations.
	Mail struct {
		// SMTP is that server as host:port, "" for none, the default. Port 465 speaks TLS from the
		// first byte; any other port has to take STARTTLS, with a certificate that names the host. A
		// server on a loopback host is spoken to in the clear.
		SMTP string `toml:"smtp"`

		// From is whom the mails come from: "partners@shop.in" or "Chai & Co <partners@shop.in>". It
		// must be set with SMTP, and be an address that this server may send for.
		From *mail.Address `toml:"from"`

		// User and Password are what the server asks for; "" for one that asks for nothing. The file
		// never holds the password, only where it is: "file:PATH" or "env:NAME".
		User     string `toml:"user"`
		Password string `toml:"password"`
	} `toml:"mail"`

	// Privacy is about what is personal.
	Privacy struct {
		// Keys seal raw messages in the database, the new one first: it seals what comes, and any of
		// them opens what is there. The file never holds a key, only where it is: "file:PATH" or
		// "env:NAME", or a list of up to three while a key is changed. A key is 32 random bytes in
		// base64 or hex, and belongs into no backup that holds the database. Default none: raw
		// messages are then readable by whoever has the database. With a key that is lost, raw
		// messages are lost; the books never need them.
		Keys bodyKeys `toml:"key"`

		// KeepBodies is for how long raw messages are kept: they are for a person who looks into a
		// payment, and for Paytm's support; the books don't need them. Default 180 days; 1 to 365.
		KeepBodies time.Duration `toml:"keep_bodies"`
	} `toml:"privacy"`

	// Reconcile compares the books with what Paytm lists.
	Reconcile struct {
		// Daily asks Paytm once a day for the list of the last three days. Default true.
		Daily bool `toml:"daily"`

		// The rest are the names of the columns in Paytm's report, for hissa reconcile FILE.csv.
		// Default "": the names that Paytm's reports are known to have. Case, spaces, hyphens and
		// underscores make no difference.
		TxnID    string `toml:"txn_id"`
		OrderID  string `toml:"order_id"`
		Amount   string `toml:"amount"` // in rupees
		Status   string `toml:"status"`
		Time     string `toml:"time"`
		Type     string `toml:"type"` // payment or refund
		RefundID string `toml:"refund_id"`
	} `toml:"reconcile"`

	// Replica is where the database is copied to while it is written.
	Replica struct {
		// Place is nil, the default, for no copy; else "s3://bucket/path?region=ap-south-1", with
		// &endpoint=https://… for a store that is not Amazon's, or "file:///var/backups/hissa". One
		// path belongs to one shop. The bucket's secret comes from the environment:
		// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
		Place *replica.Place `toml:"url"`

		// Ack says what is waited for before Paytm or the shop gets an answer: "local", the default,
		// for this machine's disk, and the copy follows within about a second; "replica" for the copy
		// too, which costs one or two round trips to it.
		Ack string `toml:"ack"`

		// Away says what happens under Ack "replica" when the copy can't be written within 4
		// seconds: "refuse", the default, answers 503, so that Paytm comes again; "local" answers
		// as if Ack were "local", and says so loudly in the log and the metrics.
		Away string `toml:"away"`
	} `toml:"replica"`

	// Alerts are for whoever has to act when something is wrong.
	Alerts struct {
		// URL gets a POST of one plain sentence when an alarm begins and when it is over: ntfy,
		// Slack, or anything of your own. "" for none: alarms are then in the log only.
		URL string `toml:"url"`
	} `toml:"alerts"`
}

// URLFor makes every URL that others are told: PublicURL and the parts below it, each of them one
// segment of the path, escaped. Without parts it is PublicURL.
func (c *Config) URLFor(parts ...string) string {
	var text strings.Builder
	text.WriteString(c.PublicURL.String())
	for _, part := range parts {
		text.WriteString("/" + url.PathEscape(part))
	}
	return text.String()
}

func commands() []command {
	return []command{
		demoCommand, serveCommand, checkCommand,
		partnerCommand, importCommand, programCommand, keyCommand, adminCommand,
		confirmCommand, reviewCommand, explainCommand,
		statementCommand, payoutCommand, tdsCommand,
		exportCommand, verifyCommand, forgetCommand,
		backupCommand, restoreCommand, drillCommand, standbyCommand,
		replayCommand, reconcileCommand,
		verifyStatementCommand, versionCommand, replicateCommand,
	}
}

func (c *Config) storeOptions(create bool) StoreOptions {
	return StoreOptions{
		Environment: c.Paytm.Environment, MID: c.Paytm.MID, Create: create, Keys: c.Privacy.Keys,
	}
}

// program is the terms as the configuration states them.
func (c *Config) program() Program {
	return Program{
		Rate:       Rate{BPS: c.Commission.RateBPS, Flat: c.Commission.Flat},
		ExcludeTax: c.Commission.ExcludeTaxBPS, Hold: c.Commission.Hold,
		Window: c.Attribution.Window, Model: c.Attribution.Model,
		Precedence: c.Attribution.Precedence, Lifetime: c.Attribution.Lifetime,
		Confirm: c.Paytm.Confirm, OrderSuffix: c.Paytm.OrderSuffix,
		Tiers: c.Commission.Tiers, Cap: c.Commission.Cap, Payments: c.Commission.Payments,
		Own: c.Abuse.Own, Guesses: c.Abuse.Codes, Who: whoami(),
	}
}

var serveCommand = command{
	name: "serve", config: true, usage: "[-new] [-config FILE]",
	short: "receive webhooks, clicks and orders until it is told to stop",
	long: `
Serves everything over HTTP on the configuration's listen address: Paytm's webhook, the partners'
links, the shop's orders, health. It asks Paytm's status API about every payment by itself. Put a
proxy that speaks HTTPS in front (deploy/ has samples).

It makes the database when there is none and brings an older one up to date. Where replica.url names
a copy, a missing database is brought back from it, verified, and served; -new says that there is
none yet because the shop is new. A second serve on the same database, or on the same copy, ends
at once with exit code 75. SIGTERM or SIGINT stops it: no new request is taken,
those inside are answered, within 10 seconds. The log goes to stderr.

Example:  hissa serve -config /etc/hissa/shop.toml`,
	run: func(c *call) error {
		isNew := c.flags.Bool("new", false, "")
		if err := c.exactly(0); err != nil {
			return err
		}
		config, err := c.load()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		log := slog.New(logTo(c.stderr))
		slog.SetDefault(log)
		return serve(ctx, config, *isNew, log)
	},
}

// logTo is the log's form. Of the control characters slog escapes all but DEL, and journalctl shows
// nothing of a line that has one: a stranger could hide what he did.
func logTo(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindString {
			a.Value = slog.StringValue(strings.ReplaceAll(a.Value.String(), "\x7f", `\x7f`))
		}
		return a
	}})
}

// collectLess is for work in which hardly anything outlives its request or its row: with a heap so small
// the collector would run forty times a second. It costs 12 MB, and where there is more to collect, the
// limit is looked at.
func collectLess() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(64 << 20)
	}
}

// serve runs until ctx ends.
func serve(ctx context.Context, config *Config, isNew bool, log *slog.Logger) error {
	collectLess()
	// The writer waits for the disk half the time, and should not have to queue for a processor after it.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
	lock, err := takeLock(config.Database)
	if err != nil {
		return err
	}
	defer lock.release()
	if err := removeLeftovers(config.Database, time.Now()); err != nil {
		log.Warn("what a restore or a drill left is still beside the database", "cause", err.Error())
	}
	if err := bringBack(ctx, config, isNew, log); err != nil {
		return err
	}
	store, err := openStore(config.Database, config.storeOptions(true))
	if err != nil {
		return err
	}
	if err := store.holdsKeys(ctx); err != nil {
		return errors.Join(err, store.Close())
	}
	mirror, err := startReplication(ctx, config, store, log)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	if mirror == nil {
		err = listenAndServe(ctx, config, store, nil, log)
		return errors.Join(err, store.Close())
	}
	// The child, which still holds the database open, sends what is left after the store is closed.
	defer mirror.Close()
	drilling, stopDrilling := context.WithCancel(ctx)
	defer stopDrilling()
	go drillWeekly(drilling, config, mirror, log)
	err = listenAndServe(ctx, config, store, mirror, log)
	if mirror.Why() == nil {
		last, cancel := context.WithTimeout(context.Background(), copyAtLast)
		defer cancel()
		if err := syncAtLast(last, mirror); err != nil {
			log.Warn("the copy lacks what was booked last; the next start sends it", "cause", err.Error())
		}
	}
	mirror.Rest()
	return errors.Join(err, store.Close())
}

func listenAndServe(
	ctx context.Context, config *Config, store *Store, mirror *replica.Supervisor, log *slog.Logger,
) error {
	added, err := store.AdoptProgram(ctx, config.program(), false)
	if err != nil {
		return err
	}
	if added {
		log.Info("new terms: they count for payments from now on",
			"rate", config.program().Rate.String())
	}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("can't listen on %s: %w: stop what holds it, or change listen",
			config.Listen, err)
	}
	return serveOn(ctx, listener, config, store, mirror, log)
}

// serveOn answers on a listener and asks Paytm's API, until ctx ends or the disk fails.
func serveOn(
	ctx context.Context, listener net.Listener, config *Config, store *Store,
	mirror *replica.Supervisor, log *slog.Logger,
) error {
	s := &server{config: config, store: store, mirror: mirror, log: log, bursts: newBursts(),
		hub: newHub(), settings: configurationText(config.Path), began: store.now(),
		attempts: newAttempts(), applying: newAttempts(), mailing: newAttempts(), mailer: config.mailer()}
	s.refused = newRefusedRing(store.path, config.Privacy.Keys, log)
	if config.Paytm.ForwardRefused {
		s.refused.forward = store.ForwardRefused
	}
	var lost <-chan struct{}
	if mirror != nil {
		lost = mirror.Lost()
	}
	c := &confirmer{
		store: store, api: config.api(), mid: config.Paytm.MID, log: log, counts: &s.counts,
	}
	watch := newAlarms(s)
	asking, stopAsking := context.WithCancel(context.Background())
	var background sync.WaitGroup
	background.Go(func() { c.run(asking) })
	background.Go(func() { watch.watch(asking) })
	background.Go(func() { s.refused.run(asking) })
	background.Go(func() { s.hub.run(asking, store.booked) })
	background.Go(func() { noteBanks(asking, store, log) })
	background.Go(func() { forgetDaily(asking, store, config.Privacy.KeepBodies, log) })
	if s.mailer != nil {
		for range mailsAtOnce {
			background.Go(func() { s.mailLinks(asking) })
		}
	}
	if config.Paytm.Forward != nil {
		background.Go(func() { newForwarder(s).run(asking) })
	}
	if config.Reconcile.Daily {
		r := &reconciler{config: config, store: store, api: c.api, log: log}
		background.Go(func() { r.sweepDaily(asking) })
	}
	defer func() { stopAsking(); background.Wait() }()

	web := s.httpServer()
	web.RegisterOnShutdown(s.hub.close) // their streams would never end by themselves
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	log.Info("serving", "listen", listener.Addr().String(), "public_url", config.URLFor(),
		"mid", config.Paytm.MID, "environment", config.Paytm.Environment)
	select {
	case err := <-failed:
		return err
	case <-store.broken:
		_ = web.Close()
		watch.lastWord("the disk failed while storing")
		return errors.New("the disk failed while storing: " +
			"nothing that was acknowledged is lost; start again, and look at the disk (dmesg)")
	case <-lost:
		_ = web.Close()
		word, err := lostPlace(mirror.Why(), config.Database)
		watch.lastWord(word)
		return err
	case <-ctx.Done():
	}
	log.Info("stopping: requests inside are answered first")
	drain, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := web.Shutdown(drain); err != nil {
		log.Warn("some requests were cut off after 10 seconds: their senders will try again")
		_ = web.Close()
	}
	return nil
}

// api asks Paytm's status API, by the newest key first.
func (c *Config) api() asker {
	var k keyring
	for _, key := range c.Paytm.Keys {
		k = append(k, &paytm.Client{BaseURL: c.Paytm.APIURL, MID: c.Paytm.MID, Key: key})
	}
	return k
}
