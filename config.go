package main

// The configuration: one TOML file. Config, in main.go, says what every option means; this finds every
// fault in a file at once, each with its line and what to do about it.

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"hissa/paytm"
	"hissa/replica"
)

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

// loadConfig reads a configuration file and the keys it names. The error is Faults when
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
// relative to dir. Without readSecrets no key is looked for, and Paytm.Keys and
// Privacy.Keys stay empty. With faults there is no Config.
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
var quotedSign = pattern(`'\\?[^'\pC]'|"\\?[^"\pC]"`)

// refuseSyntax says where the text stops being TOML, and nothing of a line that may hold a key.
func (r *configReader) refuseSyntax(syntax toml.ParseError) {
	at := min(max(syntax.Position.Start, 0), len(r.text))
	line := r.text[strings.LastIndexByte(r.text[:at], '\n')+1:]
	line, _, _ = strings.Cut(line, "\n")
	why := refusal{strings.TrimSuffix(syntax.Message, "."), `write it like name = "value"`}
	unquoted := quotedSign().ReplaceAllString(syntax.Message, "")
	switch {
	case strings.HasPrefix(why.problem, "Key '"):
		why = refusal{"stands in the file twice", "keep one of them"}
	case strings.Contains(strings.ToLower(syntax.LastKey+line), "password"):
		why = refusal{"is not TOML", `write it like password = "file:/etc/hissa/mail.password"`}
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
	c.Abuse.Own = r.flag("abuse.own", true)
	c.Abuse.Codes = r.number("abuse.codes", 5, 1000)
	c.Abuse.Clicks = r.number("abuse.clicks", 60, 100_000)
	r.readPayout(c)
	r.readTDS(c)
	c.Join.Open = r.flag("join.open", false)
	r.readMail(c)
	c.Privacy.Keys = r.bodyKeys("privacy.key")
	c.Privacy.KeepBodies = option(r, "privacy.keep_bodies", "180d", period(24*time.Hour))
	r.readReconcile(c)
	r.readReplica(c)
	c.Alerts.URL = option(r, "alerts.url", "", alertURL)
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
	c.Paytm.Forward = option(r, "paytm.forward", "", parseForward)
	c.Paytm.ForwardRefused = r.flag("paytm.forward_refused", false)
	switch to := c.Paytm.Forward; {
	case to == nil && c.Paytm.ForwardRefused && !r.isSet("paytm.forward"):
		r.fault("paytm.forward_refused", refuse("has nowhere to hand messages on to",
			"set forward or leave this out"))
	case to != nil && c.PublicURL != nil && to.Host == c.PublicURL.Host:
		r.fault("paytm.forward", refuse(
			shown(to.Host)+" is public_url's host and every message would come back",
			"write the address of the shop's own handler"))
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
	c.Commission.Tiers = options(r, "commission.tiers", nil, parseTier)
	for i, tier := range c.Commission.Tiers {
		if i > 0 && tier.From <= c.Commission.Tiers[i-1].From {
			r.fault(fmt.Sprintf("commission.tiers[%d]", i), refuse("does not come after the one before it",
				"write the tiers from the lowest amount to the highest"))
		}
	}
	c.Commission.Cap = option(r, "commission.cap", "", parseFlat)
	c.Commission.Payments = r.number("commission.payments", 0, 1000)
	c.Commission.Hold = option(r, "commission.hold", "14d", period(0))
}

func (r *configReader) readPayout(c *Config) {
	c.Payout.Minimum = option(r, "payout.minimum", "", parseFlat)
	c.Payout.Account = option(r, "payout.account", "", parseAccount)
	c.Payout.Columns = options(r, "payout.columns", bankColumns, parsePayoutColumn)
	if list, ok := r.values["payout.columns"].([]any); ok && len(list) == 0 {
		r.fault("payout.columns", refuse("is empty", "name the bank's columns or leave it out"))
	}
}

func (r *configReader) readTDS(c *Config) {
	c.TDS.Deduct = r.flag("tds.deduct", false)
	c.TDS.Rates = options(r, "tds.rates", taxRates, parseTaxRate)
	for i, rate := range c.TDS.Rates {
		if i > 0 && !rate.From.After(c.TDS.Rates[i-1].From) {
			r.fault(fmt.Sprintf("tds.rates[%d]", i), refuse("does not come after the one before it",
				"write the rates in order of their dates"))
		}
	}
	c.TDS.WithoutPAN = option(r, "tds.without_pan", "20%", parseShare)
}

func (r *configReader) readMail(c *Config) {
	c.Mail.SMTP = option(r, "mail.smtp", "", parseMailServer)
	c.Mail.From = option(r, "mail.from", "", parseSender)
	c.Mail.User = option(r, "mail.user", "", parseMailUser)
	c.Mail.Password = r.password("mail.password")
	for _, needs := range [][2]string{
		{"mail.from", "mail.smtp"}, {"mail.smtp", "mail.from"},
		{"mail.user", "mail.password"}, {"mail.password", "mail.user"}, {"mail.user", "mail.smtp"},
	} {
		if r.isSet(needs[0]) && !r.isSet(needs[1]) {
			_, other := cutLast(needs[1])
			r.fault(needs[0], refuse("has no use without "+other, "write "+other+" too or leave this out"))
			return
		}
	}
}

func (r *configReader) readReconcile(c *Config) {
	c.Reconcile.Daily = r.flag("reconcile.daily", true)
	columns := c.reportColumns()
	for _, thing := range slices.Sorted(maps.Keys(columns)) {
		*columns[thing] = option(r, "reconcile."+thing, "", parseColumn)
	}
}

func (r *configReader) readReplica(c *Config) {
	c.Replica.Place = option(r, "replica.url", "", func(text string) (*replica.Place, error) {
		if text == "" {
			return nil, nil
		}
		place, err := replica.Parse(text)
		if err != nil {
			what, do, _ := strings.Cut(err.Error(), ": ")
			return nil, refuse(what, do)
		}
		return place, nil
	})
	c.Replica.Ack = option(r, "replica.ack", "local", choice("local", "replica"))
	c.Replica.Away = option(r, "replica.away", "refuse", choice("refuse", "local"))
	if _, given := r.value("replica.url"); c.Replica.Ack == "replica" && !given {
		r.fault("replica.ack", refuse(`"replica" needs a copy to wait for`, "set url, or write \"local\""))
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

// number reads a whole number from 0 to most.
func (r *configReader) number(key string, otherwise, most int) int {
	given, is := r.value(key)
	if !is {
		return otherwise
	}
	value, ok := given.(int64)
	if !ok || value < 0 || value > int64(most) {
		problem := "is " + kind(given) + " and not a whole number"
		if ok {
			problem = fmt.Sprintf("%d is out of range", value)
		}
		r.fault(key, refuse(problem, fmt.Sprintf("write a number from 0 to %d without quotes", most)))
		return otherwise
	}
	return int(value)
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
