package main

// The configuration: one TOML file. Config says what every option means; parseConfig finds every
// fault in a file at once, each with its line and what to do about it.

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"hissa/paytm"
)

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

		// AllowHosts are the hosts, lower case and without a port, that a link's ?to= may lead to.
		// Default: the landing page's. Every host here can be reached through a link that begins
		// with PublicURL, so name only your own.
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

		// Hold is how long after the payment its commission becomes due. Default 14 days; 0 to 365
		// days. Make it longer than your refund period: what is paid out is gone.
		Hold time.Duration `toml:"hold"`
	} `toml:"commission"`

	// Replica is where the database is copied to while it is written. This version does not
	// replicate yet, so URL is always "" and Ack always "local".
	Replica struct {
		// URL is "" for no replica.
		URL string `toml:"url"`

		// Ack says what is waited for before Paytm gets its answer: "local", the default, for this
		// machine's disk, "replica" for the copy too.
		Ack string `toml:"ack"`
	} `toml:"replica"`
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

// Fault is one thing wrong in the configuration: where it stands (lines and characters count from
// 1), what is wrong and what to do.
type Fault struct {
	File         string
	Line, Column int
	Key          string // such as commission.rate; "" when the text is no TOML
	Problem      string
	Remedy       string
}

// String is one line: hissa.toml:12:8: commission.rate: "ten" is not a percentage, write it …
func (f Fault) String() string {
	place := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Key != "" {
		place += f.Key + ": "
	}
	return place + refusal{f.Problem, f.Remedy}.Error()
}

// Faults is all that is wrong in one configuration, in the order of its lines.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// refusal is why a value is refused, and what to do instead.
type refusal struct{ problem, remedy string }

// Error sets the remedy off by a comma, or by a colon when it is a command or has a comma itself.
func (r refusal) Error() string {
	if strings.Contains(r.remedy, ",") || strings.HasPrefix(r.remedy, "chmod ") {
		return r.problem + ": " + r.remedy
	}
	return r.problem + ", " + r.remedy
}

func refuse(problem, remedy string) error { return refusal{problem, remedy} }

// loadConfig reads a configuration file and the merchant keys it names. The error is Faults when
// the content is wrong.
func loadConfig(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no %s here: copy config.example.toml to %s, "+
			"or name one with -config", path, path)
	case err != nil:
		return nil, fmt.Errorf("the configuration can't be read (%w): make it a file that the "+
			"user who runs hissa may read, or name another with -config", err)
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("the folder of %s is lost (%w): name its whole path", path, err)
	}
	config, faults := parseConfig(path, text, folder, true)
	if len(faults) > 0 {
		return nil, faults
	}
	return config, nil
}

// parseConfig reads a configuration. name stands in the faults, and relative paths inside are
// relative to dir. Without readSecrets no key is looked for and Paytm.Keys stays empty. With
// faults there is no Config.
func parseConfig(name string, text []byte, dir string, readSecrets bool) (*Config, Faults) {
	r := configReader{
		file: name, dir: dir, readSecrets: readSecrets,
		text:   strings.TrimPrefix(string(text), "\ufeff"),
		values: map[string]any{}, known: map[string]bool{}, tables: map[string]bool{},
	}
	config := &Config{Path: name}
	if r.decode() {
		r.read(config)
		r.refuseUnknown()
	}
	if len(r.faults) > 0 {
		slices.SortStableFunc(r.faults, func(a, b Fault) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, r.faults
	}
	return config, nil
}

// configReader takes one configuration apart. Keys are written with their table, commission.rate;
// an element of a list with its index, trusted_proxies[0].
type configReader struct {
	file        string
	dir         string
	readSecrets bool
	text        string
	keys        []toml.Key      // of every table and value, in no order
	values      map[string]any  // by key
	known       map[string]bool // the options that were asked for
	tables      map[string]bool // the tables they stand in
	places      places
	faults      Faults
}

// decode reads the text as TOML. The decoder stops at its first fault.
func (r *configReader) decode() bool {
	if !utf8.ValidString(r.text) {
		bad := strings.IndexFunc(r.text, func(c rune) bool { return c == utf8.RuneError })
		r.faultAt(bad, "", refusal{"the file is not UTF-8", "save it as UTF-8"})
		return false
	}
	root := map[string]any{}
	_, err := toml.Decode(r.text, &root)
	var syntax toml.ParseError
	switch {
	case errors.As(err, &syntax):
		r.refuseSyntax(syntax)
		return false
	case err != nil:
		r.faultAt(0, "", refusal{err.Error(), "write it as config.example.toml does"})
		return false
	}
	r.places = locate(r.text)
	r.flatten(nil, root)
	return true
}

// quotedSign is how the decoder's messages quote a single sign. Where they quote more, it is a piece
// of the file, perhaps of a key.
var quotedSign = regexp.MustCompile(`'\\?[^']'|"\\?[^"]"`)

// refuseSyntax says where the text stops being TOML, and nothing of a line that may hold a key.
func (r *configReader) refuseSyntax(syntax toml.ParseError) {
	at := min(max(syntax.Position.Start, 0), len(r.text))
	line := r.text[strings.LastIndexByte(r.text[:at], '\n')+1:]
	line, _, _ = strings.Cut(line, "\n")
	why := refusal{strings.TrimSuffix(syntax.Message, "."), `write it like name = "value"`}
	switch {
	case strings.HasPrefix(why.problem, "Key '"):
		why = refusal{"stands in the file twice", "keep one of them"}
	case strings.Contains(strings.ToLower(syntax.LastKey+line), "key"):
		why = refusal{"is not TOML", `write it like merchant_key = "file:/etc/hissa/paytm.key"`}
	case strings.ContainsAny(quotedSign.ReplaceAllString(why.problem, ""), "'\"`"):
		why.problem = "is not TOML"
	}
	r.faultAt(at, syntax.LastKey, why)
}

func (r *configReader) flatten(prefix toml.Key, table map[string]any) {
	for name, value := range table {
		key := append(slices.Clip(prefix), name)
		r.keys = append(r.keys, key)
		r.values[key.String()] = value
		if inner, ok := value.(map[string]any); ok {
			r.flatten(key, inner)
		}
	}
}

// read asks for every option there is.
func (r *configReader) read(c *Config) {
	c.Listen = option(r, "listen", "127.0.0.1:8080", parseListen)
	c.PublicURL = option(r, "public_url", "", parsePublicURL)
	c.Database = option(r, "database", "hissa.db", r.parseDatabase)
	loopback := []string{"127.0.0.1/32", "::1/128"}
	c.TrustedProxies = options(r, "trusted_proxies", loopback, parseProxy)
	r.readLinks(c)
	r.readPaytm(c)
	r.readAttribution(c)
	r.readCommission(c)
	r.readReplica(c)
}

func (r *configReader) readLinks(c *Config) {
	c.Links.Landing = option(r, "links.landing", "", parseLanding)
	c.Links.AllowHosts = options(r, "links.allow_hosts", nil, parseHost)
	if _, is := r.values["links.allow_hosts"]; !is && c.Links.Landing != nil {
		c.Links.AllowHosts = []string{c.Links.Landing.Hostname()}
	}
	c.Links.CookieDomain = option(r, "links.cookie_domain", "", parseCookieDomain)
	if c.Links.CookieDomain == "" || c.PublicURL == nil || c.Links.Landing == nil {
		return
	}
	public, shop := c.PublicURL.Hostname(), c.Links.Landing.Hostname()
	for _, host := range []string{public, shop} {
		if host != c.Links.CookieDomain && !strings.HasSuffix(host, "."+c.Links.CookieDomain) {
			r.fault("links.cookie_domain", refuse(
				host+" does not belong to "+shown(c.Links.CookieDomain)+
					" and the shop would never see the cookie",
				"write a domain that both "+public+" and "+shop+" belong to or leave it empty"))
			return
		}
	}
}

func (r *configReader) readPaytm(c *Config) {
	c.Paytm.Environment = option(r, "paytm.environment", "", choice("production", "staging"))
	c.Paytm.MID = option(r, "paytm.mid", "", parseMID)
	c.Paytm.Keys = r.merchantKeys("paytm.merchant_key")
	c.Paytm.Confirm = r.flag("paytm.confirm", true)
	c.Paytm.APIURL = option(r, "paytm.api_url", "", parseAPIURL)
	if c.Paytm.APIURL == "" {
		c.Paytm.APIURL = map[string]string{
			"production": paytm.ProductionURL, "staging": paytm.StagingURL,
		}[c.Paytm.Environment]
	}
	c.Paytm.OrderSuffix = option(r, "paytm.order_suffix", "", choice("", "_"))
}

func (r *configReader) readAttribution(c *Config) {
	a := &c.Attribution
	a.Window = option(r, "attribution.window", "30d", period(time.Hour))
	a.Model = option(r, "attribution.model", "last-click", choice("last-click", "first-click"))
	const precedence = "attribution.precedence"
	bases := []string{"promo", "click", "reference", "customer", "campaign"}
	a.Precedence = options(r, precedence, bases[:4], choice(bases...))
	if list, ok := r.values[precedence].([]any); ok && len(list) == 0 {
		r.fault(precedence, refuse("is empty", `name at least one like ["click"]`))
	}
	for i, basis := range a.Precedence {
		if basis != "" && slices.Contains(a.Precedence[:i], basis) {
			r.fault(precedence, refuse(shown(basis)+" stands in it twice", "name it once"))
		}
	}
	a.Lifetime = option(r, "attribution.lifetime", "", parseMonths)
	if a.Lifetime > 0 && len(a.Precedence) > 0 && !slices.Contains(a.Precedence, "customer") {
		r.fault("attribution.lifetime", refuse("has no effect without customer in precedence",
			`add "customer" there or leave lifetime empty`))
	}
}

func (r *configReader) readCommission(c *Config) {
	const rate, flat = "commission.rate", "commission.flat"
	c.Commission.RateBPS = option(r, rate, "", parseShare)
	c.Commission.Flat = option(r, flat, "", parseFlat)
	switch hasRate, hasFlat := r.isSet(rate), r.isSet(flat); {
	case hasRate && hasFlat:
		rateLine, _ := r.place(rate)
		flatLine, _ := r.place(flat)
		later := rate
		if flatLine > rateLine {
			later = flat
		}
		both := fmt.Sprintf("rate on line %d and flat on line %d are both set", rateLine, flatLine)
		r.fault(later, refuse(both, "keep one of them"))
	case !hasRate && !hasFlat:
		r.fault(rate, refuse("is not set and flat is not either",
			`write rate = "10%" or flat = "50.00" under [commission]`))
	}
	c.Commission.ExcludeTaxBPS = option(r, "commission.exclude_tax", "", parseTax)
	c.Commission.Hold = option(r, "commission.hold", "14d", period(0))
}

func (r *configReader) readReplica(c *Config) {
	c.Replica.URL = option(r, "replica.url", "", func(text string) (string, error) {
		if text == "" {
			return "", nil
		}
		return "", refuse("this version of Hissa does not replicate yet",
			"leave it empty, and take backups with hissa backup FILE")
	})
	c.Replica.Ack = option(r, "replica.ack", "local", choice("local", "replica"))
	if c.Replica.Ack == "replica" {
		r.fault("replica.ack", refuse(`"replica" needs a url and this version of Hissa does not `+
			"replicate yet", `write "local"`))
	}
}

// option reads one text and parses it; without it, parses what stands for it.
func option[T any](
	r *configReader, key, otherwise string, parse func(string) (T, error),
) (value T) {
	text, ok := otherwise, true
	if given, is := r.value(key); is {
		text, ok = r.asText(key, given)
	}
	if !ok {
		return value
	}
	value, err := parse(text)
	if err != nil {
		r.fault(key, err)
	}
	return value
}

// options reads a list of texts and parses each.
func options[T any](
	r *configReader, key string, otherwise []string, parse func(string) (T, error),
) (values []T) {
	list := make([]any, len(otherwise))
	for i, text := range otherwise {
		list[i] = text
	}
	if given, is := r.value(key); is {
		var ok bool
		if list, ok = given.([]any); !ok {
			r.fault(key, refuse("is "+kind(given)+" and not a list",
				`write it in brackets like ["a", "b"]`))
		}
	}
	for i, element := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		text, ok := r.asText(at, element)
		if !ok {
			continue
		}
		value, err := parse(text)
		if err != nil {
			r.fault(at, err)
			continue
		}
		values = append(values, value)
	}
	return values
}

func (r *configReader) flag(key string, otherwise bool) bool {
	given, is := r.value(key)
	if !is {
		return otherwise
	}
	value, ok := given.(bool)
	if !ok {
		r.fault(key, refuse("is "+kind(given)+" and not true or false",
			"write true or false without quotes"))
	}
	return value
}

// value looks an option up, and makes its name known.
func (r *configReader) value(key string) (value any, is bool) {
	r.known[key] = true
	if table, _ := cutLast(key); table != "" {
		r.tables[table] = true
	}
	value, is = r.values[key]
	return value, is
}

func (r *configReader) isSet(key string) bool {
	value, is := r.values[key]
	return is && value != ""
}

func (r *configReader) asText(key string, value any) (text string, ok bool) {
	text, ok = value.(string)
	switch {
	case !ok:
		r.fault(key, refuse("is "+kind(value)+" and not text", "write it in double quotes"))
	case strings.ContainsFunc(text, unicode.IsControl):
		r.fault(key, refuse("has a control character inside",
			"write it on one line without tabs and escapes"))
		ok = false
	}
	return text, ok
}

// kind names the type of a TOML value.
func kind(value any) string {
	switch value.(type) {
	case string:
		return "text"
	case int64, float64:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "a list of tables"
	}
	return "a date or time"
}

// fault notes what is wrong with a key. Below something that should be a table and is none, only
// that is said.
func (r *configReader) fault(key string, err error) {
	if table, _, below := strings.Cut(key, "."); below {
		if value, is := r.values[table]; is && kind(value) != "a table" {
			return
		}
	}
	r.faultAt(r.places.of(key), key, err)
}

func (r *configReader) faultAt(offset int, key string, err error) {
	why := refusal{err.Error(), ""}
	errors.As(err, &why)
	line, column := lineAndColumn(r.text, offset)
	r.faults = append(r.faults, Fault{r.file, line, column, key, why.problem, why.remedy})
}

func (r *configReader) place(key string) (line, column int) {
	return lineAndColumn(r.text, r.places.of(key))
}

// refuseUnknown notes every key that nobody asked for.
func (r *configReader) refuseUnknown() {
	for table := range r.tables {
		if value, is := r.values[table]; is && kind(value) != "a table" {
			r.fault(table, refuse("is "+kind(value)+" and not a table",
				"write ["+table+"] once on a line of its own"))
		}
	}
	for _, key := range r.keys {
		name, last := key.String(), len(key)-1
		table := key[:last].String()
		if r.known[name] || r.tables[name] || last > 0 && !r.tables[table] {
			continue
		}
		offset, is := r.places.keys[name]
		if !is {
			offset = r.places.of(name)
		}
		r.faultAt(offset, name, refuse("there is no such option", r.suggest(table, key[last])))
	}
}

// suggest names the option that was probably meant: the nearest of the same table, or one of the
// same name in another.
func (r *configReader) suggest(table, name string) string {
	best, least := "", 3
	spelt := strings.ReplaceAll(strings.ToLower(name), "-", "_")
	all := slices.AppendSeq(slices.Collect(maps.Keys(r.known)), maps.Keys(r.tables))
	slices.Sort(all)
	for _, known := range all {
		knownTable, knownName := cutLast(known)
		if knownTable == table {
			if d := distance(spelt, knownName); d < least && d <= max(1, len(knownName)/3) {
				best, least = "did you mean "+knownName+"?", d
			}
		} else if knownName == spelt && best == "" {
			best = "write " + knownName + " under [" + knownTable + "]"
			if knownTable == "" {
				best = "write " + knownName + " above the first [table]"
			}
		}
	}
	return cmp.Or(best, "remove it or look it up in config.example.toml")
}

func cutLast(key string) (table, name string) {
	i := strings.LastIndexByte(key, '.')
	return key[:max(i, 0)], key[i+1:]
}

// distance counts the letters to add, drop or change between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// The options' own rules. Each takes the text as written and gives a value or a refusal. A text
// that may hold a secret by mistake is not repeated.

func parseListen(text string) (string, error) {
	const remedy = `write an address and a port like "127.0.0.1:8080"`
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", refuse(shown(text)+" is not host:port", remedy)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !isHostName(host) {
		return "", refuse(shown(text)+" has no usable host", remedy)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", refuse(shown(text)+" has no port from 0 to 65535", remedy)
	}
	return text, nil
}

var basePath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)

// parseBase reads a URL that others are made from by adding to its path.
func parseBase(text, example, reason string) (*url.URL, error) {
	u, err := parseURL(text, example, reason)
	if err != nil {
		return nil, err
	}
	u.Path = strings.TrimRight(u.Path, "/")
	switch {
	case strings.ContainsAny(text, "?#"):
		return nil, refuse(shown(text)+" has a query or fragment",
			"leave out the ? or # and what follows")
	case u.RawPath != "" || !basePath.MatchString(u.Path):
		return nil, refuse(shown(text)+" has an odd path",
			"use only letters, digits and - _ . ~ between single slashes")
	}
	return u, nil
}

// parseURL reads an https URL, or http on a loopback host; reason says why http won't do.
func parseURL(text, example, reason string) (*url.URL, error) {
	if text == "" {
		return nil, refuse("is not set", `write it like "`+example+`"`)
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, refuse(shown(text)+" is not an https URL", `write it like "`+example+`"`)
	}
	host := u.Hostname()
	address, err := netip.ParseAddr(host)
	switch port := u.Port(); {
	case u.User != nil:
		return nil, refuse("has a user name or password in it",
			"leave out what stands before the @")
	case err != nil && !isHostName(host):
		return nil, refuse(shown(text)+" has no usable host",
			"write a host name in its ASCII form, like shop.in")
	case strings.HasSuffix(u.Host, ":") || port != "" && !isPort(port):
		return nil, refuse(shown(text)+" has no usable port",
			"write a port from 1 to 65535 or none")
	case u.Scheme == "http" && host != "localhost" && !address.IsLoopback():
		return nil, refuse(shown(text)+" is http but "+reason,
			"write https:// (http is for 127.0.0.1 and localhost)")
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

func parsePublicURL(text string) (*url.URL, error) {
	return parseBase(text, "https://go.shop.in", "Paytm only calls https")
}

func parseLanding(text string) (*url.URL, error) {
	return parseURL(text, "https://shop.in/", "a shop must be reached by https")
}

func parseAPIURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := parseBase(text, paytm.ProductionURL, "Paytm only answers https")
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// parseDatabase makes the path absolute. SQLite's special names are no place for books.
func (r *configReader) parseDatabase(text string) (string, error) {
	switch {
	case text == "":
		return "", refuse("is empty", `write the path of a file like "hissa.db"`)
	case strings.HasPrefix(text, ":") || strings.HasPrefix(text, "file:"):
		return "", refuse(shown(text)+" is not the path of a file",
			`write a plain path like "hissa.db"`)
	case strings.HasSuffix(text, "/"):
		return "", refuse(shown(text)+" is a folder", "add the name of a file")
	case filepath.IsAbs(text):
		return filepath.Clean(text), nil
	}
	return filepath.Join(r.dir, text), nil
}

func parseProxy(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Masked(), nil
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		return netip.Prefix{}, refuse(shown(text)+" is not an address or a range",
			`write it like "10.0.0.5" or "10.0.0.0/24"`)
	}
	address = address.Unmap()
	return netip.PrefixFrom(address, address.BitLen()), nil
}

const label = `[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?`

var hostPattern = regexp.MustCompile(`^` + label + `(\.` + label + `)*$`)

func isHostName(text string) bool { return len(text) <= 253 && hostPattern.MatchString(text) }

func parseHost(text string) (string, error) {
	if !isHostName(text) {
		return "", refuse(shown(text)+" is not a plain host name",
			`write the name alone like "shop.in"`)
	}
	return strings.ToLower(text), nil
}

// sharedSuffix are the endings under .in that many sites share: browsers take no cookie for them.
var sharedSuffix = regexp.MustCompile(`^(ac|co|edu|firm|gen|gov|ind|mil|net|nic|org|res)\.in$`)

func parseCookieDomain(text string) (string, error) {
	domain := strings.ToLower(text)
	_, err := netip.ParseAddr(domain)
	switch {
	case domain == "":
		return "", nil
	case strings.HasPrefix(domain, "."):
		return "", refuse(shown(text)+" begins with a point", "leave the point out")
	case err == nil:
		return "", refuse(shown(text)+" is an address and no cookie is shared between addresses",
			"leave it empty")
	case !isHostName(domain):
		return "", refuse(shown(text)+" is not a plain host name",
			`write the name alone like "shop.in"`)
	case !strings.Contains(domain, ".") || sharedSuffix.MatchString(domain):
		return "", refuse(shown(text)+" is shared by many sites and browsers refuse its cookies",
			`write your own like "shop.in" or leave it empty`)
	}
	return domain, nil
}

var midPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// parseMID never repeats the text: a merchant key is easily put in its place.
func parseMID(text string) (string, error) {
	switch {
	case text == "":
		return "", refuse("is not set", "copy it from Paytm's dashboard under API keys")
	case strings.TrimSpace(text) != text:
		return "", refuse("has spaces around it", "remove them")
	case !midPattern.MatchString(text):
		return "", refuse("is not 1 to 64 letters, digits, - or _",
			"copy it again from Paytm's dashboard")
	}
	return text, nil
}

// choice accepts one of some words.
func choice(words ...string) func(string) (string, error) {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = strconv.Quote(word)
	}
	remedy := "write " + strings.Join(quoted, " or ")
	return func(text string) (string, error) {
		if slices.Contains(words, text) {
			return text, nil
		}
		if text == "" {
			return "", refuse("is not set", remedy)
		}
		return "", refuse(shown(text)+" is not known", remedy)
	}
}

const longest = 365 * 24 * time.Hour

var periodPattern = regexp.MustCompile(`^([0-9]{1,6})([dhm])$`)

// period accepts a whole number of days, hours or minutes from shortest to 365 days.
func period(shortest time.Duration) func(string) (time.Duration, error) {
	units := map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour, "m": time.Minute}
	return func(text string) (time.Duration, error) {
		match := periodPattern.FindStringSubmatch(text)
		if match == nil {
			return 0, refuse(shown(text)+" is not a length of time",
				`write days, hours or minutes like "30d", "12h" or "90m"`)
		}
		n, _ := strconv.ParseInt(match[1], 10, 64)
		unit := units[match[2]]
		switch {
		case n > int64(longest/unit):
			return 0, refuse(shown(text)+" is too long", `write at most "365d"`)
		case time.Duration(n)*unit < shortest:
			return 0, refuse(shown(text)+" is too short", `write at least "1h"`)
		}
		return time.Duration(n) * unit, nil
	}
}

var monthsPattern = regexp.MustCompile(`^([0-9]{1,3})mo$`)

func parseMonths(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	if match := monthsPattern.FindStringSubmatch(text); match != nil {
		if n, _ := strconv.Atoi(match[1]); n >= 1 && n <= 120 {
			return n, nil
		}
	}
	return 0, refuse(shown(text)+" is not a number of months",
		`write 1 to 120 months like "12mo" or leave it empty`)
}

// parsePercent reads "10%" or "12.5%" as basis points. Two decimals at most, like rupees.
func parsePercent(text, example string) (bps int64, err error) {
	number, is := strings.CutSuffix(text, "%")
	bps, err = paytm.ParseAmount(number)
	if err != nil || !is {
		return 0, refuse(shown(text)+" is not a percentage", `write it like "`+example+`"`)
	}
	return bps, nil
}

func parseShare(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	bps, err := parsePercent(text, "10%")
	if err == nil && (bps < 1 || bps > 10000) {
		return 0, refuse(shown(text)+" can't be paid out of a payment",
			`write a share from "0.01%" to "100%"`)
	}
	return bps, err
}

func parseTax(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	bps, err := parsePercent(text, "18%")
	if err == nil && bps >= 10000 {
		return 0, refuse(shown(text)+" is not below 100%",
			`write the tax on top of the price like "18%"`)
	}
	return bps, err
}

func parseFlat(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	paise, err := paytm.ParseAmount(text)
	if err != nil || paise == 0 {
		return 0, refuse(shown(text)+" is not an amount", `write rupees above zero like "50.00"`)
	}
	return paise, nil
}

// shown quotes a value, unless it has the @ of a password in a URL.
func shown(text string) string {
	const most = 60
	switch {
	case strings.Contains(text, "@"):
		return "the value"
	case utf8.RuneCountInString(text) > most:
		return strconv.Quote(string([]rune(text)[:most])) + "…"
	}
	return strconv.Quote(text)
}

// Where the merchant keys are.

const maxKeys = 3

// merchantKeys reads one reference or a list of them.
func (r *configReader) merchantKeys(key string) (keys []*paytm.Key) {
	given, is := r.value(key)
	references, isList := given.([]any)
	switch {
	case !is || given == "":
		r.fault(key, refuse("is not set", `write "file:/etc/hissa/paytm.key" or "env:PAYTM_KEY"`))
		return nil
	case !isList:
		references = []any{given}
	case len(references) == 0 || len(references) > maxKeys:
		r.fault(key, refuse(fmt.Sprintf("names %d keys", len(references)),
			"name one, or two or three while it is changed, the new one first"))
		return nil
	}
	for i, reference := range references {
		at := key
		if isList {
			at = fmt.Sprintf("%s[%d]", key, i)
		}
		text, ok := r.asText(at, reference)
		if !ok {
			continue
		}
		if slices.Contains(references[:i], reference) {
			r.fault(at, refuse("stands in the list twice", "name it once"))
			continue
		}
		merchantKey, err := r.merchantKey(text)
		if err != nil {
			r.fault(at, err)
			continue
		}
		if merchantKey != nil {
			keys = append(keys, merchantKey)
		}
	}
	return keys
}

var variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// merchantKey follows one reference. A text that is none is likely the key itself: it is never
// repeated.
func (r *configReader) merchantKey(reference string) (*paytm.Key, error) {
	file, isFile := strings.CutPrefix(reference, "file:")
	variable, isVariable := strings.CutPrefix(reference, "env:")
	var secret string
	var err error
	switch {
	case isFile && file != "":
		if r.readSecrets {
			secret, err = r.readKeyFile(file)
		}
	case isVariable && variablePattern.MatchString(variable):
		if secret = os.Getenv(variable); r.readSecrets && secret == "" {
			err = refuse("the environment variable "+named(variable)+" is empty",
				"set it where the service is started or use file:PATH")
		}
	case isFile:
		return nil, refuse("names no file", `write it like "file:/etc/hissa/paytm.key"`)
	case isVariable:
		return nil, refuse("names no environment variable", `write it like "env:PAYTM_KEY"`)
	default:
		return nil, refuse("a key does not belong in this file",
			`put it in a file of mode 0600, and name that as "file:/etc/hissa/paytm.key"`)
	}
	if err != nil || !r.readSecrets {
		return nil, err
	}
	return newKey(secret)
}

// named repeats the name of a variable when it is written as one, and can't be a key by mistake.
func named(variable string) string {
	if variable == strings.ToUpper(variable) {
		return variable
	}
	return "of this name"
}

// newKey leaves one final newline out, as editors and shells add it.
func newKey(secret string) (*paytm.Key, error) {
	if before, found := strings.CutSuffix(secret, "\n"); found {
		secret = strings.TrimSuffix(before, "\r")
	}
	key, err := paytm.NewKey(secret)
	if err != nil {
		return nil, refuse(
			fmt.Sprintf("the key has %d bytes and not 16, 24 or 32", len(secret)),
			"copy it again from Paytm's dashboard without spaces around it")
	}
	return key, nil
}

// maxKeyFile is far above any key and keeps a wrong path from filling memory.
const maxKeyFile = 4096

// readKeyFile refuses a file that anybody but its owner can open. A credential that systemd hands
// over (LoadCredential=) may show rights of a group: they are those of the service's own user.
func (r *configReader) readKeyFile(path string) (string, error) {
	is := "key file of this name " // which may be a key by mistake, as long as no such file is found
	if filepath.IsAbs(path) {
		is = "key file " + path + " "
	} else {
		path = filepath.Join(r.dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", refuse(is+"can't be found",
			"put the merchant key there and let the user who runs hissa enter the folder")
	}
	is = "key file " + path + " "
	if !info.Mode().IsRegular() {
		return "", refuse(is+"is not a regular file", "name a file that holds only the key")
	}
	others := info.Mode().Perm() & 0o077
	if isCredential(path) {
		others &= 0o007
	}
	switch {
	case others&0o044 != 0:
		return "", refuse(is+"is readable by others", "chmod 600 "+path)
	case others != 0:
		return "", refuse(is+"is open to others", "chmod 600 "+path)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", refuse(is+"can't be opened", "make the user who runs hissa its owner")
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return "", refuse(is+"can't be read ("+err.Error()+")", "look at the disk")
	}
	return string(text), nil
}

// isCredential reports whether systemd keeps this file, for this service or for one beside it.
func isCredential(path string) bool {
	own := os.Getenv("CREDENTIALS_DIRECTORY")
	return own != "" && filepath.Dir(path) == filepath.Clean(own) ||
		strings.HasPrefix(path, "/run/credentials/")
}

// Where keys and values stand. The decoder tells the place of its own faults only, so this walks
// text that it has already accepted.

// places are offsets into the text.
type places struct {
	keys   map[string]int // of every key, and of every table's header
	values map[string]int // of every value, and of every element of a list
}

// of is where a fault of this key is shown: at its value, else at its name, else at the nearest
// table around it, else at the beginning.
func (p places) of(key string) int {
	if offset, is := p.values[key]; is {
		return offset
	}
	for ; key != ""; key, _ = cutLast(key) {
		if offset, is := p.keys[key]; is {
			return offset
		}
	}
	return 0
}

// lineAndColumn counts from 1, columns in characters.
func lineAndColumn(text string, offset int) (line, column int) {
	before := text[:min(max(offset, 0), len(text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

// walker is a position in text that is TOML. On other text it says nothing of use, but ends.
type walker struct {
	places
	text string
	at   int
}

func locate(text string) places {
	w := walker{places{map[string]int{}, map[string]int{}}, text, 0}
	var table toml.Key
	for w.skipBlank(""); w.at < len(text); w.skipBlank("") {
		start := w.at
		if text[start] != '[' {
			w.pair(table)
			continue
		}
		w.skip("[")
		table = w.key()
		w.noteAll(table, 0, start)
		w.skip(" \t]")
	}
	return w.places
}

// noteAll keeps the first place of a key and of the tables around it, but for the outermost ones
// that have theirs.
func (w *walker) noteAll(key toml.Key, known, offset int) {
	for i := known + 1; i <= len(key); i++ {
		if _, is := w.keys[key[:i].String()]; !is {
			w.keys[key[:i].String()] = offset
		}
	}
}

// skip passes over any of these characters.
func (w *walker) skip(chars string) {
	w.at = len(w.text) - len(strings.TrimLeft(w.text[w.at:], chars))
}

// skipBlank passes over blanks, line ends and comments, and any of also.
func (w *walker) skipBlank(also string) {
	for w.skip(" \t\r\n" + also); strings.HasPrefix(w.text[w.at:], "#"); w.skip(" \t\r\n" + also) {
		w.until("\n")
	}
}

// until moves to the next of these characters, or to the end.
func (w *walker) until(chars string) {
	if i := strings.IndexAny(w.text[w.at:], chars); i >= 0 {
		w.at += i
		return
	}
	w.at = len(w.text)
}

// key reads a name, or several with points between.
func (w *walker) key() (key toml.Key) {
	for {
		w.skip(" \t")
		start := w.at
		if w.at < len(w.text) && strings.ContainsRune(`"'`, rune(w.text[w.at])) {
			w.quoted()
			name := w.text[start:w.at]
			if unquoted, err := strconv.Unquote(name); err == nil {
				name = unquoted
			}
			key = append(key, strings.Trim(name, "'"))
		} else {
			w.until(" \t.=]\r\n#")
			key = append(key, w.text[start:w.at])
		}
		w.skip(" \t")
		if !strings.HasPrefix(w.text[w.at:], ".") {
			return key
		}
		w.at++
	}
}

// pair reads key = value; a key with points opens the tables before the last of them.
func (w *walker) pair(table toml.Key) {
	start := w.at
	name := w.key()
	key := append(slices.Clip(table), name...)
	w.noteAll(key, len(table), start)
	w.skip(" \t=")
	if _, is := w.values[key.String()]; !is {
		w.values[key.String()] = w.at
	}
	w.value(key)
}

func (w *walker) value(key toml.Key) {
	if w.at == len(w.text) {
		return
	}
	switch w.text[w.at] {
	case '"', '\'':
		w.quoted()
	case '[':
		w.at++
		w.skipBlank("")
		for i := 0; w.at < len(w.text) && w.text[w.at] != ']'; i++ {
			w.values[fmt.Sprintf("%s[%d]", key, i)] = w.at
			w.value(key)
			w.skipBlank(",")
		}
		w.at = min(w.at+1, len(w.text))
	case '{':
		w.at++
		w.skipBlank("")
		for w.at < len(w.text) && w.text[w.at] != '}' {
			w.pair(key)
			w.skipBlank(",")
		}
		w.at = min(w.at+1, len(w.text))
	default:
		w.at++
		w.until(",]}#\r\n")
	}
}

// quoted passes over a text in quotes of any of the four kinds.
func (w *walker) quoted() {
	quote := w.text[w.at : w.at+1]
	if strings.HasPrefix(w.text[w.at:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	w.at += len(quote)
	for w.at < len(w.text) && !strings.HasPrefix(w.text[w.at:], quote) {
		if w.text[w.at] == '\\' && quote[0] == '"' {
			w.at++
		}
		w.at++
	}
	w.at = min(w.at+len(quote), len(w.text))
	if len(quote) == 3 {
		w.skip(quote[:1])
	}
}
