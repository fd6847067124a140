package main

// hissa check: everything that can be wrong before the first sale, each with what to do about it.

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"hissa/paytm"
)

var checkCommand = command{
	name: "check", config: true, reading: true, usage: "[-live] [-json]",
	short: "is everything ready for the first sale",
	long: `
Changes nothing. Looks at the configuration (every fault at once, as file:line:column), the
key files' rights, the database, the keys that raw messages need, SQLite, the clock, the mail
server if one is named (no mail is sent), and asks Paytm's status API about an order that can't
exist: its answer says whether it knows the MID and the key. -live goes further: it resolves
public_url, checks its certificate, and sends a signed message that means nothing through it, so
that name, certificate, proxy, webhook, MID and key are all proven before money depends on them
(the message is stored as ignored). Exit code 78: the configuration or the database; 1: something
else is not ready.

Example:  hissa check -live`,
	run: func(c *call) error {
		live := c.flags.Bool("live", false, "")
		if err := c.exactly(0); err != nil {
			return err
		}
		config, err := c.load()
		if err != nil {
			return c.checkedFaults(err)
		}
		k := &checker{config: config, now: time.Now}
		k.ok("configuration",
			c.configPath+" has no fault, and nobody else can read its keys")
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		k.database()
		k.privacy(ctx)
		k.replica(ctx)
		k.api(ctx)
		k.forward(ctx)
		k.mail(ctx)
		k.reconciliation(ctx)
		if *live {
			k.live(ctx)
		}
		return k.report(c)
	},
}

// checkedFaults writes the faults of a configuration as JSON when asked to.
func (c *call) checkedFaults(err error) error {
	var faults Faults
	if c.json && errors.As(err, &faults) {
		for _, f := range faults {
			if err := c.writeJSON(record{
				{"check", "configuration"}, {"ok", false},
				{"file", f.File}, {"line", f.Line}, {"column", f.Column}, {"key", f.Key},
				{"text", f.Problem}, {"remedy", f.Remedy},
			}); err != nil {
				return err
			}
		}
	}
	return err
}

// checker collects what it finds; nothing it does changes the books of a shop that is not live.
type checker struct {
	config *Config
	now    func() time.Time
	lines  []finding
	broken bool // the configuration or the database: exit code 78
}

type finding struct {
	check, text, remedy string // no remedy: it is in order
}

func (k *checker) ok(check, text string) { k.lines = append(k.lines, finding{check, text, ""}) }

func (k *checker) fault(check, text, remedy string) {
	k.lines = append(k.lines, finding{check, text, remedy})
}

func (k *checker) report(c *call) error {
	faults := 0
	for _, f := range k.lines {
		word := "ok"
		if f.remedy != "" {
			word, faults = "FAULT", faults+1
		}
		if c.json {
			if err := c.writeJSON(record{
				{"check", f.check}, {"ok", f.remedy == ""},
				{"text", f.text}, {"remedy", f.remedy},
			}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(c.stdout, "%-6s %-14s %s\n", word, f.check, f.text)
		if f.remedy != "" {
			fmt.Fprintf(c.stdout, "%-6s %-14s → %s\n", "", "", f.remedy)
		}
	}
	switch {
	case k.broken:
		return configError{fmt.Errorf("%s to mend, see above", plural(int64(faults), "fault"))}
	case faults > 0:
		return noError{plural(int64(faults), "fault") + " to mend, see above"}
	}
	return nil
}

// database looks at the file without bringing it up to date.
func (k *checker) database() {
	version := sqliteVersion()
	if sqliteNumber(version) < oldestSQLite {
		k.broken = true
		k.fault("SQLite", "version "+version+" is inside, 3.51.3 or newer is needed",
			"build hissa with the go.mod it came with")
	} else {
		k.ok("SQLite", version)
	}
	path := k.config.Database
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		k.ok("database", path+" is not there yet: hissa serve makes it")
		return
	}
	summary, err := inspectDatabase(path, k.config.storeOptions(false))
	if err != nil {
		k.broken = true
		k.fault("database", err.Error(),
			"see the sentence above; hissa changes nothing until it is mended")
		return
	}
	k.ok("database", path+": "+summary)
}

// privacy tells how raw messages are kept, and which keys they need.
func (k *checker) privacy(ctx context.Context) {
	const what = "raw messages"
	keys, kept := k.config.Privacy.Keys, span(k.config.Privacy.KeepBodies)
	if k.broken {
		return // it would only follow from the database's fault
	}
	needed, refused, err := k.neededKeys(ctx)
	if err != nil {
		k.fault(what, "which keys they need can't be read: "+err.Error(), "hissa verify says more")
		return
	}
	if names := keys.lacking(needed); len(names) > 0 {
		k.broken = true
		k.fault(what, lacksKeys(names), findKeys)
		return
	}
	if len(keys) == 0 {
		k.ok(what, "are kept for "+kept+" and are not encrypted: privacy.key does that")
	} else {
		k.ok(what, "are kept for "+kept+", sealed with the key "+keys[0].name())
	}
	if names := keys.lacking(refused); len(names) > 0 {
		k.ok(what, "some that were refused are sealed with "+strings.Join(names, " and ")+
			", which privacy.key does not name: hissa replay -rejected leaves them out")
	}
	for i := 1; i < len(keys); i++ {
		if slices.ContainsFunc(append(needed, refused...), keys[i].is) {
			k.ok(what, "the key "+keys[i].name()+" still opens older ones: leave it in privacy.key")
		} else {
			k.ok(what, "none needs the key "+keys[i].name()+" any more: take it out of privacy.key, restart, "+
				"and delete its file; messages in backups from before can then never be read again")
		}
	}
}

// neededKeys are the keys without which something in the database, or among the refused messages, can't
// be opened.
func (k *checker) neededKeys(ctx context.Context) (needed, refused [][]byte, err error) {
	if _, err := os.Stat(k.config.Database); err == nil {
		if needed, err = readStanding(k.config, func(s *Store) ([][]byte, error) { return s.SealedWith(ctx) }); err != nil {
			return nil, nil, err
		}
	}
	err = eachRefused(k.config.Database, k.now(), func(m Refused) error {
		id, err := hex.DecodeString(m.Key)
		known := func(other []byte) bool { return bytes.Equal(id, other) }
		if err == nil && m.Key != "" && !slices.ContainsFunc(refused, known) {
			refused = append(refused, id)
		}
		return nil
	})
	return needed, refused, err
}

// replica looks at the copy without writing to it.
func (k *checker) replica(ctx context.Context) {
	place := k.config.Replica.Place
	if place == nil {
		return
	}
	mark, err := place.Mark(ctx)
	switch {
	case err != nil:
		k.fault("replica", err.Error(), "mend replica.url or what stands in its way; "+
			"until then the copy falls behind")
		return
	case mark == nil:
		k.ok("replica", place.String()+" can be read and holds no copy yet: hissa serve -new makes the "+
			"first, with a database that is there hissa serve does")
		return
	}
	text := fmt.Sprintf("%s holds fact %d, its mark is of %s", place, mark.Seq, clock(mark.At))
	if k.now().After(mark.Until.Add(time.Minute)) {
		text += "; no serve writes to it now"
	}
	k.ok("replica", text)
	k.standing(ctx)
	switch d := lastDrill(k.config.Database); {
	case d == nil:
		k.ok("drill", "none yet: hissa drill, or serve within an hour")
	case !d.OK:
		k.fault("drill", "on "+day(d.At)+": "+d.says(), "hissa drill")
	case k.now().Sub(d.At) > drillEvery+24*time.Hour:
		k.fault("drill", "the last was on "+day(d.At), "hissa drill")
	default:
		k.ok("drill", fmt.Sprintf("on %s the copy brought the books back in %.1f seconds", day(d.At), d.Seconds))
	}
}

// forward looks at where messages are handed on to: the name, and what waits.
func (k *checker) forward(ctx context.Context) {
	to := k.config.Paytm.Forward
	if to == nil {
		return
	}
	dialing, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	port := cmp.Or(to.Port(), map[string]string{"http": "80", "https": "443"}[to.Scheme])
	conn, err := dialerFor(to).DialContext(dialing, "tcp", net.JoinHostPort(to.Hostname(), port))
	if err != nil {
		k.fault("forward", unreachable(err).Error(), "mend paytm.forward or start the shop's handler; "+
			"until then messages wait, for three days each")
		return
	}
	_ = conn.Close()
	standing, err := readForwards(ctx, k.config)
	switch {
	case err != nil || standing == ForwardsStanding{}:
		k.ok("forward", to.Host+" can be reached; no message waits")
	case standing.GivenUp > 0:
		k.fault("forward", fmt.Sprintf("%s was never taken by the shop: %s",
			plural(standing.GivenUp, "message"), standing.Said), "hissa replay -forwards tries again")
	case k.now().Sub(standing.Since) > forwardLate:
		k.fault("forward", fmt.Sprintf("%s wait for the shop, the first since %s: %s",
			plural(standing.Waiting, "message"), clock(standing.Since), standing.Said),
			"see the log of the shop's handler")
	default:
		k.ok("forward", fmt.Sprintf("%s can be reached; %s on the way",
			to.Host, plural(standing.Waiting, "message")))
	}
}

// mail asks the mail server whether it would take a mail, and sends none.
func (k *checker) mail(ctx context.Context) {
	m := k.config.mailer()
	if m == nil {
		return
	}
	if err := m.try(ctx); err != nil {
		k.fault("mail", m.server+" takes no mail of ours: "+err.Error(), "mend [mail] in the configuration, or "+
			"set smtp = \"\": links are then shown, to be sent by hand")
		return
	}
	k.ok("mail", m.server+" takes mails from "+m.from.Address)
}

// complete is how much of Paytm's list the books should have had, in percent.
const complete = 99

// reconciliation tells what the last comparison with Paytm's list came to.
func (k *checker) reconciliation(ctx context.Context) {
	if !k.config.Reconcile.Daily {
		return
	}
	const what = "Paytm's list"
	last, err := readStanding(k.config, func(s *Store) (*Reconciliation, error) {
		return s.LastReconciliation(ctx)
	})
	if err != nil || last == nil {
		k.ok(what, "was not compared with the books yet: serve does it daily")
		return
	}
	told := "on " + day(last.At) + " " + last.told()
	switch {
	case last.Error != "":
		k.fault(what, "could not be read on "+day(last.At)+": "+last.Error, "hissa reconcile tries again; if "+
			"Paytm has not opened its order list to the MID, ask it to, or set reconcile.daily = false and "+
			"give hissa reconcile Paytm's report now and then")
	case k.now().Sub(last.At) > 2*sweepEvery:
		k.fault(what, "was last compared with the books on "+day(last.At), "start hissa serve, which "+
			"does it daily, or hissa reconcile -from "+last.At.In(ist).Format(time.DateOnly))
	case last.Completeness() < complete:
		k.fault(what, told, "messages get lost on their way here: hissa check -live tries the way, "+
			"Paytm's dashboard shows the webhook URL; what was missing is booked")
	case last.Unlisted > 0:
		k.fault(what, told, "hissa reconcile names the payments that Paytm does not list")
	default:
		k.ok(what, told)
	}
}

// readForwards looks at the queue.
func readForwards(ctx context.Context, config *Config) (ForwardsStanding, error) {
	return readStanding(config, func(s *Store) (ForwardsStanding, error) { return s.Forwards(ctx) })
}

// readStanding reads the database without bringing it up to date.
func readStanding[T any](config *Config, read func(*Store) (T, error)) (standing T, err error) {
	store := openReader(config.Database)
	defer store.readers.Close()
	return read(store)
}

// standing asks the serve that runs on this machine, if one does, how its copying goes.
func (k *checker) standing(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(k.config.Listen)
	if err != nil {
		return
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ready := "http://" + net.JoinHostPort(host, port) + "/readyz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, ready, nil)
	if err != nil {
		return
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return // none runs
	}
	defer answer.Body.Close()
	var said struct {
		Replica *struct {
			InStep bool    `json:"in_step"`
			Fact   int64   `json:"fact"`
			Lag    float64 `json:"lag_seconds"`
			Error  string  `json:"error"`
		} `json:"replica"`
	}
	if json.NewDecoder(answer.Body).Decode(&said) != nil || said.Replica == nil {
		return // a standby, or somebody else
	}
	if r := said.Replica; !r.InStep {
		k.fault("replication", "serve says that the copy is behind: "+r.Error,
			"docs/incidents.md, replica")
	} else {
		k.ok("replication", fmt.Sprintf("in step: fact %d, %.1f seconds ago", r.Fact, r.Lag))
	}
}

// api asks about an order that can't exist: Paytm's answer judges MID and key, and
// its Date our clock.
func (k *checker) api(ctx context.Context) {
	a, err := k.config.api().OrderStatus(ctx, "HISSA_CHECK_"+randomText())
	switch {
	case errors.Is(err, paytm.ErrSignature):
		k.fault("Paytm's API", "answered, but its signature is not by our key",
			"the merchant key is another MID's, or of the other environment: "+
				"copy it again from Paytm's dashboard")
		return
	case err != nil:
		k.fault("Paytm's API", "gave no answer: "+err.Error(),
			"let this machine reach "+k.config.Paytm.APIURL+" over HTTPS, "+
				"or wait until Paytm answers again")
		return
	}
	said := strings.TrimSpace(a.Code + " " + a.Text)
	switch low := strings.ToLower(said); {
	case strings.HasPrefix(said, "330") || strings.Contains(low, "checksum"):
		k.fault("Paytm's API", "refuses our key: "+said,
			"copy the merchant key of this MID again from Paytm's dashboard")
	case strings.HasPrefix(said, "335") || strings.Contains(low, "invalid mid"):
		k.fault("Paytm's API", "doesn't know the MID: "+said,
			"check mid and environment in the configuration")
	case !a.Signed:
		k.fault("Paytm's API", "answered without a signature: "+said,
			"check mid and environment; if both are right, "+
				"ask Paytm why its answers are not signed: unsigned ones are never believed")
	default:
		k.ok("Paytm's API", "knows the MID and the key (it said: "+said+")")
	}
	k.clock(a.Date)
}

func (k *checker) clock(theirs time.Time) {
	if theirs.IsZero() {
		return
	}
	off := k.now().Sub(theirs)
	if off.Abs() > time.Minute {
		k.fault("clock", fmt.Sprintf("is %s off Paytm's", span(off.Abs())),
			"timedatectl set-ntp true")
		return
	}
	k.ok("clock", "agrees with Paytm's")
}

// live goes the way that Paytm's webhook will go.
func (k *checker) live(ctx context.Context) {
	u := k.config.PublicURL
	ips, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil {
		k.fault("name", u.Hostname()+" can't be resolved: "+err.Error(),
			"add a DNS A record for it that points to this machine")
		return
	}
	k.ok("name", u.Hostname()+" is "+strings.Join(ips, ", "))
	client := &http.Client{Timeout: 15 * time.Second, CheckRedirect: stayThere}
	if !k.certificate(ctx, client, u) {
		return
	}
	k.webhook(ctx, client)
}

// stayThere keeps a client from following redirects: the first answer is the one to look at.
func stayThere(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// certificate asks for /healthz through the proxy.
func (k *checker) certificate(ctx context.Context, client *http.Client, u *url.URL) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.config.URLFor("healthz"), nil)
	if err != nil {
		k.fault("proxy", err.Error(), "mend public_url")
		return false
	}
	answer, err := client.Do(req)
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		k.fault("certificate", untrusted.Err.Error(),
			"let the proxy fetch one from a public authority: Paytm refuses self-signed ones")
		return false
	case err != nil:
		k.fault("proxy", err.Error(),
			"start the proxy and open its port to the world; deploy/ has samples")
		return false
	}
	defer answer.Body.Close()
	if answer.TLS != nil {
		until := answer.TLS.PeerCertificates[0].NotAfter
		k.ok("certificate", "is valid until "+day(until))
	} else if u.Scheme == "http" {
		k.ok("certificate", "none: public_url is http, good for trying out on this machine only")
	}
	if answer.StatusCode != http.StatusOK {
		k.fault("proxy",
			fmt.Sprintf("answers %d for %s", answer.StatusCode, k.config.URLFor("healthz")),
			"start hissa serve, and point the proxy at its listen address ("+k.config.Listen+")")
		return false
	}
	k.ok("proxy", "reaches hissa")
	return true
}

// webhook sends a signed message that means nothing.
func (k *checker) webhook(ctx context.Context, client *http.Client) {
	fields := paytm.Fields{
		{Name: "MID", Value: k.config.Paytm.MID},
		{Name: "ORDERID", Value: "HISSA_CHECK_" + randomText()},
	}
	form := url.Values{"CHECKSUMHASH": {k.config.Paytm.Keys[0].Sign(fields)}}
	for _, f := range fields {
		form.Set(f.Name, f.Value)
	}
	address := k.config.URLFor("webhooks", "paytm")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address,
		strings.NewReader(form.Encode()))
	if err != nil {
		k.fault("webhook", err.Error(), "mend public_url")
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := client.Do(req)
	if err != nil {
		k.fault("webhook", err.Error(), "look at the proxy's log: it cut the request off")
		return
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
	var said struct{ Result, Error string }
	_ = json.Unmarshal(bytes.TrimSpace(body), &said)
	switch {
	case answer.StatusCode == http.StatusOK && said.Result == resultIgnored:
		k.ok("webhook", address+" takes a message signed with our key: give Paytm this URL")
	case answer.StatusCode == http.StatusUnauthorized:
		k.fault("webhook", "the running hissa serve refuses our signature",
			"restart it: it runs with another MID or key")
	default:
		k.fault("webhook",
			fmt.Sprintf("answered %d %s", answer.StatusCode, strings.TrimSpace(string(body))),
			"the log of hissa serve, or of the proxy, says why")
	}
}
