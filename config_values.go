package main

// What the values of the configuration may be, each with what is wrong otherwise and what to do.

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"hissa/paytm"
)

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

var basePath = pattern(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)

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
	case u.RawPath != "" || !basePath().MatchString(u.Path):
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

// parseForward reads where messages are handed on to. A name is never dialled when it leads into a
// private network, so one that always does is a fault; a literal address there may be plain http.
func parseForward(text string) (*url.URL, error) {
	const example = "https://shop.in/paytm-hook"
	if text == "" {
		return nil, nil
	}
	plain := false
	if u, err := url.Parse(text); err == nil && u.Scheme == "http" {
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && (a.IsPrivate() || a.IsLoopback()) {
			plain, text = true, "https"+strings.TrimPrefix(text, "http")
		}
	}
	u, err := parseURL(text, example, "Paytm's messages name customers")
	switch {
	case err != nil:
		return nil, err
	case u.Hostname() == "localhost":
		return nil, refuse(shown("localhost")+" is a name and names are not dialled inside this machine",
			`write the address itself like "http://127.0.0.1:3000/paytm-hook"`)
	case u.Fragment != "":
		return nil, refuse(shown(text)+" has a fragment", "leave out the # and what follows")
	}
	if plain {
		u.Scheme = "http"
	}
	return u, nil
}

// alertURL is where alarms are posted.
func alertURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := parseURL(text, "https://ntfy.sh/a-topic-of-your-own", "alarms tell strangers what is weak")
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// parseMailServer reads the host and port of a mail server, "" for none.
func parseMailServer(text string) (string, error) {
	const remedy = `write a host and a port like "smtp.shop.in:587"`
	if text == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", refuse(shown(text)+" is not host:port", remedy)
	}
	if _, err := netip.ParseAddr(host); err != nil && !isHostName(host) {
		return "", refuse(shown(text)+" has no usable host", remedy)
	}
	if !isPort(port) {
		return "", refuse(shown(text)+" has no port from 1 to 65535", remedy)
	}
	return text, nil
}

// parseSender reads whom mails come from, nil for nobody.
func parseSender(text string) (*mail.Address, error) {
	if text == "" {
		return nil, nil
	}
	from, err := mail.ParseAddress(text)
	if err == nil {
		_, err = readEmail(from.Address)
	}
	if err != nil {
		return nil, refuse("is no e-mail address", `write it like "partners@shop.in" or "Chai & Co <partners@shop.in>"`)
	}
	return from, nil
}

// parseMailUser takes what a mail server knows the shop by.
func parseMailUser(text string) (string, error) {
	if len(text) > mostEmailText {
		return "", refuse("is too long", "write the name that the mail server knows you by")
	}
	return text, nil
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

var hostPattern = pattern(`^` + label + `(\.` + label + `)*$`)

func isHostName(text string) bool { return len(text) <= 253 && hostPattern().MatchString(text) }

func parseHost(text string) (string, error) {
	if !isHostName(text) {
		return "", refuse(shown(text)+" is not a plain host name",
			`write the name alone like "shop.in"`)
	}
	return strings.ToLower(text), nil
}

// sharedSuffix are the endings under .in that many sites share: browsers take no cookie for them.
var sharedSuffix = pattern(`^(ac|co|edu|firm|gen|gov|ind|mil|net|nic|org|res)\.in$`)

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
	case !strings.Contains(domain, ".") || sharedSuffix().MatchString(domain):
		return "", refuse(shown(text)+" is shared by many sites and browsers refuse its cookies",
			`write your own like "shop.in" or leave it empty`)
	}
	return domain, nil
}

var midPattern = pattern(`^[A-Za-z0-9_-]{1,64}$`)

// parseMID never repeats the text: a merchant key is easily put in its place.
func parseMID(text string) (string, error) {
	switch {
	case text == "":
		return "", refuse("is not set", "copy it from Paytm's dashboard under API keys")
	case strings.TrimSpace(text) != text:
		return "", refuse("has spaces around it", "remove them")
	case !midPattern().MatchString(text):
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

var periodPattern = pattern(`^([0-9]{1,6})([dhm])$`)

// period accepts a whole number of days, hours or minutes from shortest to 365 days.
func period(shortest time.Duration) func(string) (time.Duration, error) {
	units := map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour, "m": time.Minute}
	return func(text string) (time.Duration, error) {
		match := periodPattern().FindStringSubmatch(text)
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
			return 0, refuse(shown(text)+" is too short",
				fmt.Sprintf(`write at least "%dh"`, shortest/time.Hour))
		}
		return time.Duration(n) * unit, nil
	}
}

var monthsPattern = pattern(`^([0-9]{1,3})mo$`)

func parseMonths(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	if match := monthsPattern().FindStringSubmatch(text); match != nil {
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

// parseTier reads "100000.00 12%".
func parseTier(text string) (Tier, error) {
	const remedy = `write rupees and a rate like "100000.00 12%"`
	from, rate, is := strings.Cut(text, " ")
	paise, err := paytm.ParseAmount(from)
	if err != nil || !is || paise == 0 {
		return Tier{}, refuse(shown(text)+" is not a tier", remedy)
	}
	bps, err := parseShare(rate)
	if err != nil || bps == 0 {
		return Tier{}, refuse(shown(text)+" has no usable rate", remedy)
	}
	return Tier{From: paise, Rate: Rate{BPS: bps}}, nil
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

// parseColumn takes the name of a column as a report has it.
func parseColumn(text string) (string, error) {
	if len(text) > 100 {
		return "", refuse("is no name of a column", "copy it from the first line of the report")
	}
	return text, nil
}

// Where secret keys are.

const maxKeys = 3

// keyKind is what a fault says about one kind of secret.
type keyKind struct{ name, file, variable string }

var (
	merchantKind = keyKind{"merchant key", "/etc/hissa/paytm.key", "PAYTM_KEY"}
	bodyKind     = keyKind{"key", "/etc/hissa/bodies.key", "BODY_KEY"}
	passwordKind = keyKind{"password", "/etc/hissa/mail.password", "MAIL_PASSWORD"}
)

// noun is key or password.
func (k keyKind) noun() string { return k.name[strings.LastIndexByte(k.name, ' ')+1:] }

func (k keyKind) unset() error {
	return refuse("is not set", fmt.Sprintf(`write "file:%s" or "env:%s"`, k.file, k.variable))
}

// merchantKeys reads one reference or a list of them. There must be one.
func (r *configReader) merchantKeys(key string) []*paytm.Key {
	if given, is := r.value(key); !is || given == "" {
		r.fault(key, merchantKind.unset())
		return nil
	}
	return readKeys(r, key, merchantKind, newKey)
}

// bodyKeys reads the keys that seal raw bodies. There may be none.
func (r *configReader) bodyKeys(key string) bodyKeys {
	if given, is := r.value(key); !is || given == "" {
		return nil
	}
	keys := bodyKeys(readKeys(r, key, bodyKind, newBodyKey))
	for i, k := range keys {
		if keys[:i].with(k.id[:]) != nil {
			r.fault(key, refuse("names the key "+k.name()+" twice", "name it once"))
		}
	}
	return keys
}

// password reads where a password is, and it; "" for none.
func (r *configReader) password(key string) string {
	given, is := r.value(key)
	if !is || given == "" {
		return ""
	}
	text, ok := r.asText(key, given)
	if !ok {
		return ""
	}
	secret, err := r.secret(text, passwordKind)
	switch {
	case err != nil:
		r.fault(key, err)
	case r.readSecrets && (secret == "" || strings.ContainsFunc(secret, unicode.IsControl)):
		r.fault(key, refuse("the password is empty or has a line break inside", "write it on one line"))
	}
	return secret
}

// readKeys follows one reference or a list of them, the newest key first.
func readKeys[T any](
	r *configReader, key string, kind keyKind, parse func(secret string) (*T, error),
) (keys []*T) {
	given, _ := r.value(key)
	references, isList := given.([]any)
	switch {
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
		secret, err := r.secret(text, kind)
		if err != nil {
			r.fault(at, err)
			continue
		}
		if !r.readSecrets {
			continue
		}
		if parsed, err := parse(secret); err != nil {
			r.fault(at, err)
		} else {
			keys = append(keys, parsed)
		}
	}
	return keys
}

var variablePattern = pattern(`^[A-Za-z_][A-Za-z0-9_]*$`)

// secret follows one reference, leaving out one final newline, as editors and shells add it. A text
// that is no reference is likely the key itself: it is never repeated.
func (r *configReader) secret(reference string, kind keyKind) (secret string, err error) {
	file, isFile := strings.CutPrefix(reference, "file:")
	variable, isVariable := strings.CutPrefix(reference, "env:")
	switch {
	case isFile && file != "":
		if r.readSecrets {
			secret, err = r.readKeyFile(file, kind)
		}
	case isVariable && variablePattern().MatchString(variable):
		if secret = os.Getenv(variable); r.readSecrets && secret == "" {
			err = refuse("the environment variable "+named(variable)+" is empty",
				"set it where the service is started or use file:PATH")
		}
	case isFile:
		return "", refuse("names no file", fmt.Sprintf(`write it like "file:%s"`, kind.file))
	case isVariable:
		return "", refuse("names no environment variable", fmt.Sprintf(`write it like "env:%s"`, kind.variable))
	default:
		return "", refuse("a "+kind.noun()+" does not belong in this file",
			fmt.Sprintf(`put it in a file of mode 0600, and name that as "file:%s"`, kind.file))
	}
	if before, found := strings.CutSuffix(secret, "\n"); found {
		secret = strings.TrimSuffix(before, "\r")
	}
	return secret, err
}

// named repeats the name of a variable when it is written as one, and can't be a key by mistake.
func named(variable string) string {
	if variable == strings.ToUpper(variable) {
		return variable
	}
	return "of this name"
}

func newKey(secret string) (*paytm.Key, error) {
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
func (r *configReader) readKeyFile(path string, kind keyKind) (string, error) {
	is := kind.noun() + " file of this name " // a relative name that no file has may be a key by mistake
	if filepath.IsAbs(path) {
		path = filepath.Clean(path)
		is = kind.noun() + " file " + path + " "
	} else {
		path = filepath.Join(r.dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", refuse(is+"can't be found",
			"put the "+kind.name+" there and let the user who runs hissa enter the folder")
	}
	is = kind.noun() + " file " + path + " "
	if !info.Mode().IsRegular() {
		return "", refuse(is+"is not a regular file", "name a file that holds only the "+kind.noun())
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

// bankColumns is ICICI Bank's layout for bulk payments (PAB_VENDOR), as its template has it.
var bankColumns = []string{
	"PYMT_PROD_TYPE_CODE=PAB_VENDOR", "PYMT_MODE=NEFT", "DEBIT_ACC_NO={from}", "BNF_NAME={name}",
	"BENE_ACC_NO={account}", "BENE_IFSC={ifsc}", "AMOUNT={amount}", "DEBIT_NARR={note}",
	"CREDIT_NARR={note}", "MOBILE_NUM=", "EMAIL_ID={email}", "REMARK={note}", "PYMT_DATE={date}",
	"REF_NO={id}", "ADDL_INFO1=", "ADDL_INFO2=", "ADDL_INFO3=", "ADDL_INFO4=", "ADDL_INFO5=",
}

// parsePayoutColumn reads a column of the bank's file, HEADING=text.
func parsePayoutColumn(text string) (payoutColumn, error) {
	heading, cell, ok := strings.Cut(text, "=")
	heading = strings.TrimSpace(heading)
	if !ok || heading == "" {
		return payoutColumn{}, refuse(shown(text)+" has no heading", `write it like "AMOUNT={amount}"`)
	}
	if strings.ContainsAny(heading[:1], "+-@") {
		return payoutColumn{}, refuse(shown(heading)+" looks like a formula", "begin it with a letter")
	}
	for _, name := range fieldPattern().FindAllString(cell, -1) {
		if payoutFields[name[1:len(name)-1]] == nil {
			known := strings.Join(slices.Sorted(maps.Keys(payoutFields)), "} {")
			return payoutColumn{}, refuse(shown(name)+" is no field", "write one of {"+known+"}")
		}
	}
	return payoutColumn{heading, strings.TrimSpace(cell)}, nil
}

var accountPattern = pattern(`^[0-9]{6,20}$`)

// parseAccount reads the number of a bank account.
func parseAccount(text string) (string, error) {
	if text != "" && !accountPattern().MatchString(text) {
		return "", refuse(shown(text)+" is not an account number", "write 6 to 20 digits without blanks")
	}
	return text, nil
}

// taxRates is what the Act says of commission today.
var taxRates = []string{"2026-04-01 393(1) 1006 2% 20000.00"}

var sectionPattern = pattern(`^[0-9A-Za-z()]{1,16}$`)

// parseTaxRate reads "DATE SECTION CODE RATE THRESHOLD".
func parseTaxRate(text string) (rate TaxRate, err error) {
	example := `write it like "` + taxRates[0] + `"`
	parts := strings.Fields(text)
	if len(parts) != 5 {
		return rate, refuse(shown(text)+" has not five parts", example)
	}
	if rate.From, err = time.ParseInLocation(time.DateOnly, parts[0], ist); err != nil {
		return rate, refuse(shown(parts[0])+" is not a date", example)
	}
	rate.Section, rate.Code = parts[1], parts[2]
	if !sectionPattern().MatchString(rate.Section) || !sectionPattern().MatchString(rate.Code) {
		return rate, refuse(shown(text)+" has no usable section or code", example)
	}
	if rate.BPS, err = parseShare(parts[3]); err != nil {
		return rate, err
	}
	if rate.Threshold, err = paytm.ParseAmount(parts[4]); err != nil {
		return rate, refuse(shown(parts[4])+" is not an amount", example)
	}
	return rate, nil
}
