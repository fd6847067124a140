package main

// The configuration: one TOML file. Config says what every option means; parseConfig finds every
// fault in a file at once, each with its line and what to do about it.

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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

// quotedSign is how the decoder's messages quote a single sign. What they quote beside it is a
// piece of the file, perhaps of a key.
var quotedSign = regexp.MustCompile(`'\\?[^'\pC]'|"\\?[^"\pC]"`)

// refuseSyntax says where the text stops being TOML, and nothing of a line that may hold a key.
func (r *configReader) refuseSyntax(syntax toml.ParseError) {
	at := min(max(syntax.Position.Start, 0), len(r.text))
	line := r.text[strings.LastIndexByte(r.text[:at], '\n')+1:]
	line, _, _ = strings.Cut(line, "\n")
	why := refusal{strings.TrimSuffix(syntax.Message, "."), `write it like name = "value"`}
	unquoted := quotedSign.ReplaceAllString(syntax.Message, "")
	switch {
	case strings.HasPrefix(why.problem, "Key '"):
		why = refusal{"stands in the file twice", "keep one of them"}
	case strings.Contains(strings.ToLower(syntax.LastKey+line), "key"):
		why = refusal{"is not TOML", `write it like merchant_key = "file:/etc/hissa/paytm.key"`}
	case strings.ContainsAny(unquoted, "'\"`"), strings.ContainsFunc(unquoted, unicode.IsControl):
		why.problem = "is not TOML"
	}
	key := syntax.LastKey
	if strings.ContainsFunc(key, unicode.IsControl) {
		key = strconv.Quote(key)
	}
	r.faultAt(at, key, why)
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
