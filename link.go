package main

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxTo     = 2048 // bytes of ?to=
	maxPassed = 2048 // bytes of parameters passed on, so that no proxy refuses the Location
	maxSub    = 64   // bytes of one sub-id that are stored
)

// destination returns where /r/{code} sends the visitor, always as an absolute URL: landing, or
// the deep link in the to parameter. That is a path on landing's origin ("/shoes?size=7#reviews")
// or an https URL on the default port of a host in allowHosts (compared exactly, but for the case
// of letters). Anybody can write ?to= into a link that bears the shop's name, so whatever a
// browser or the shop's server might read in another way is refused: the visitor goes to landing,
// and ok is false for the caller to log. Every other parameter of rawQuery, sub-ids included, is
// appended to what the destination's own query has.
func destination(
	landing *url.URL, allowHosts []string, query url.Values, rawQuery string,
) (location string, ok bool) {
	passed, named := passedOn(rawQuery)
	to := query.Get("to")
	if to == "" {
		// A to that net/url could not decode is named, but not in query.
		return writeLocation(landing, passed), !named || query.Has("to")
	}
	if deep := deepLink(landing, allowHosts, to); deep != nil {
		return writeLocation(deep, passed), true
	}
	return writeLocation(landing, passed), false
}

// deepLink parses to, or returns nil when it is not one of the two lawful forms. The scheme and
// the host of what it returns are the operator's, never bytes of the visitor's.
func deepLink(landing *url.URL, allowHosts []string, to string) *url.URL {
	// Browsers read \ as / and drop tabs and line breaks; no shop needs either in a link.
	if len(to) > maxTo || !utf8.ValidString(to) || strings.ContainsFunc(to, unsafeRune) ||
		strings.HasPrefix(to, "//") {
		return nil
	}
	u, err := url.Parse(to)
	if err != nil || u.User != nil || !safePath(u.Path) {
		return nil
	}
	if strings.HasPrefix(to, "/") {
		u.Scheme, u.Host = landing.Scheme, landing.Host
		return u
	}
	if u.Scheme != "https" || u.Port() != "" && u.Port() != "443" {
		return nil
	}
	host := allowedHost(allowHosts, u.Hostname())
	if host == "" {
		return nil
	}
	u.Host = host
	return u
}

// allowedHost returns the lower-cased entry of allowHosts that host is, or "". Only ASCII hosts
// qualify: under Unicode's case folding other letters equal s and k. A name in another script is
// written in its xn-- form on both sides.
func allowedHost(allowHosts []string, host string) string {
	for i := range len(host) {
		c := host[i]
		if !asciiLetter(c|0x20) && !asciiDigit(c) && c != '-' && c != '.' {
			return ""
		}
	}
	for _, allowed := range allowHosts {
		if strings.EqualFold(host, allowed) {
			return strings.ToLower(allowed)
		}
	}
	return ""
}

// safePath reports whether path, with its percent-escapes undone, stays a path for everybody who
// reads it: no backslash, no control character, no bytes outside UTF-8 (overlong slashes), and
// not two slashes first once "." and ".." are resolved, because a shop that redirects to its own
// path, say to add a final slash, would then redirect to another host.
func safePath(path string) bool {
	if !utf8.ValidString(path) || strings.ContainsFunc(path, unsafeRune) {
		return false
	}
	segments := strings.Split(path, "/")
	depth := 0
	for i, segment := range segments[1:] {
		switch {
		case segment == "..":
			depth = max(0, depth-1)
		case segment == "" && depth == 0 && i+2 < len(segments):
			return false
		case segment != ".":
			depth++
		}
	}
	return true
}

func unsafeRune(r rune) bool { return r == '\\' || unicode.IsControl(r) }

// passedOn returns the parameters of rawQuery but for to, in their order and as they came, except
// that bytes which have no place in a query are escaped. Parameters that are not well escaped are
// left out, and so are those that would go beyond maxPassed. named is whether to was among them.
func passedOn(rawQuery string) (passed string, named bool) {
	var b strings.Builder
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if pair == "" || err != nil {
			continue
		}
		if name == "to" {
			named = true
			continue
		}
		_, err = url.QueryUnescape(value)
		pair = escapeStray(pair)
		if err != nil || b.Len()+1+len(pair) > maxPassed {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(pair)
	}
	return b.String(), named
}

// writeLocation puts u together with more parameters behind those that it has. Every byte of the
// result is printable ASCII.
func writeLocation(u *url.URL, passed string) string {
	query := escapeStray(u.RawQuery)
	if query != "" && passed != "" {
		query += "&"
	}
	query += passed

	var b strings.Builder
	b.WriteString((&url.URL{Scheme: u.Scheme, Host: u.Host}).String())
	if u.Path == "" {
		b.WriteByte('/') // not https://shop.in?x=1, which some clients misread
	}
	b.WriteString(u.EscapedPath())
	if query != "" {
		b.WriteString("?" + query)
	}
	if fragment := u.EscapedFragment(); fragment != "" {
		b.WriteString("#" + fragment)
	}
	return b.String()
}

// escapeStray percent-escapes what may not stand in a query as it is, a % that begins no escape
// among it, and keeps everything else.
func escapeStray(query string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(query) {
		c := query[i]
		if c == '%' && i+2 < len(query) && hexDigit(query[i+1]) && hexDigit(query[i+2]) ||
			asciiLetter(c|0x20) || asciiDigit(c) ||
			strings.IndexByte("-._~!$'()*+,:@/?=&", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

func asciiDigit(c byte) bool { return '0' <= c && c <= '9' }

func hexDigit(c byte) bool { return asciiDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// subs returns the sub-ids that a partner put into the link, sub and sub1 to sub5, for storing
// with the click: "sub=insta&sub2=reel" in that order whatever the link's, "" when there are
// none. A value keeps its first 64 bytes of printable text, readable in an export; only what
// would make it ambiguous is escaped, so that url.ParseQuery gives the values back.
func subs(query url.Values) string {
	var b strings.Builder
	for _, name := range [...]string{"sub", "sub1", "sub2", "sub3", "sub4", "sub5"} {
		value := strings.TrimSpace(printableText(query.Get(name), maxSub))
		if value == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(name + "=" + subEscaper.Replace(value))
	}
	return b.String()
}

var subEscaper = strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", ";", "%3B")

// printableText drops invalid and unprintable runes from s and keeps as many whole runes as fit
// into limit bytes.
func printableText(s string, limit int) string {
	var b strings.Builder
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			continue
		}
		if b.Len()+size > limit {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
