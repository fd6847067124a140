package web

// What templates can call.

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"
)

// functions are bound to the words of a language and to where the pages live.
func functions(v *vocabulary, base string) template.FuncMap {
	at := func(pattern string, parts ...any) (string, error) { return address(base, pattern, parts...) }
	return template.FuncMap{
		"t": v.say, "code": v.code, "reason": v.reason, "because": v.because, "label": v.label,
		"note":   v.note,
		"rupees": Rupees, "money": Money, "short": v.short, "decimal": Decimal, "change": v.change,
		"ratio": ratio, "count": func(n any) string { return grouped(whole(n)) },
		"day": v.day, "at": v.at, "clock": v.clock, "when": v.when, "age": v.age, "span": v.span,
		"isoday": func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return t.In(IST).Format(time.DateOnly)
		},
		"id": shortID, "bdi": isolated, "nothing": func() Form { return Form{} },
		"ask": ask, "local": func(path string) string { return base + oneSlash(path) }, "upi": upiLink,
		"url": at, "query": query, "args": args, "inLanguage": func(path, lang string) string {
			return base + inLanguage(path, lang)
		},
		"sheet": sheet,
		"script": func() string {
			path, _ := script()
			return base + path
		},
		"bars": v.bars, "spark": spark, "share": share,
		"part": func(name, path string) string { return base + part(name, path) }, "before": before,
		"filter": filter,
		"qr":     drawQR,
		"neg":    func(n int64) int64 { return -n }, "minus": func(a, b int64) int64 { return a - b },

		"has":     slices.Contains[[]string],
		"section": within,
		"langs":   func() []string { return Languages },
		"list":    func(texts ...string) []string { return texts },
	}
}

// address makes every address on a page: "/admin/payments/{}" with the parts that are its holes, and at the
// end, if need be, the query.
func address(base, pattern string, parts ...any) (string, error) {
	var values url.Values
	for _, part := range parts {
		if q, ok := part.(url.Values); ok {
			values = q
			continue
		}
		if !strings.Contains(pattern, "{}") {
			return "", fmt.Errorf("address %s: no hole for %v", pattern, part)
		}
		pattern = strings.Replace(pattern, "{}", segment(fmt.Sprint(part)), 1)
	}
	if strings.Contains(pattern, "{}") {
		return "", fmt.Errorf("address %s: a hole is left", pattern)
	}
	if len(values) > 0 {
		pattern += "?" + values.Encode()
	}
	return base + pattern, nil
}

// segment escapes a part of a path. Browsers would climb up at one that is two points, however escaped, so
// no route ends in one.
func segment(text string) string {
	return strings.ReplaceAll(url.PathEscape(text), "{", "%7B")
}

// query makes a query of names and values; what is empty is left out.
func query(pairs ...any) (url.Values, error) {
	values := url.Values{}
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("a query of %d parts", len(pairs))
	}
	for i := 0; i < len(pairs); i += 2 {
		if text := fmt.Sprint(pairs[i+1]); text != "" {
			values.Set(fmt.Sprint(pairs[i]), text)
		}
	}
	return values, nil
}

// args hands several values to a partial by their names.
func args(pairs ...any) (map[string]any, error) {
	named := map[string]any{}
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("%d arguments", len(pairs))
	}
	for i := 0; i < len(pairs); i += 2 {
		named[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return named, nil
}

// inLanguage is the same page in another language.
func inLanguage(path, lang string) string {
	path, text, _ := strings.Cut(oneSlash(path), "?")
	values, _ := url.ParseQuery(text) // what it can't read asks for nothing
	values.Set("lang", lang)
	return path + "?" + values.Encode()
}

// belongs are pages that are not below the one that they belong to.
var belongs = map[string][]string{
	"/admin/": {"/admin/needs/"}, "/admin/payouts": {"/admin/tds"},
	// Below /admin/partners is a code, and there may be a partner new.
	"/admin/partners": {"/admin/new-partner", "/admin/import"},
}

// within reports whether a path is a page, below it, or belongs to it.
func within(path, page string) bool {
	path, _, _ = strings.Cut(path, "?")
	for _, other := range belongs[page] {
		if strings.HasPrefix(path, other) {
			return true
		}
	}
	return path == page || strings.HasPrefix(path, strings.TrimSuffix(page,
		"/")+"/") && page != "/admin/" &&
		page != "/partner/"
}

// part is the address of one block of a page.
func part(name, path string) string {
	path, text, _ := strings.Cut(oneSlash(path), "?")
	values, _ := url.ParseQuery(text) // what it can't read asks for nothing
	values.Set("block", name)
	return path + "?" + values.Encode()
}

// oneSlash keeps a path from naming a host.
func oneSlash(path string) string { return "/" + strings.TrimLeft(path, "/\\") }

// before is a list's query with the key to go on behind.
func before(q url.Values, key string) url.Values {
	values := url.Values{"before": {key}}
	for name, texts := range q {
		values[name] = texts
	}
	return values
}

// filter is the query of a list of payments, with one part of it changed.
func filter(q PaymentQuery, name, value string) url.Values {
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.In(IST).Format(time.DateOnly)
	}
	values := url.Values{}
	for _, f := range []Field{{"q", q.Text}, {"state", q.State}, {"partner", q.Partner},
		{"from", day(q.From)}, {"to", day(q.To)}} {
		if f.Name == name {
			f.Value = value
		}
		if f.Value != "" {
			values.Set(f.Name, f.Value)
		}
	}
	return values
}

// isolated keeps a text's direction and signs to itself.
func isolated(text string) template.HTML {
	return template.HTML("<bdi>" + template.HTMLEscapeString(text) + "</bdi>")
}

// ask adds a query to an address.
func ask(address string, q url.Values) string {
	if len(q) == 0 {
		return address
	}
	return address + "?" + q.Encode()
}

// upiLink lets a UPI link, and nothing else of its sort, stand as an address.
func upiLink(link string) template.URL {
	if !strings.HasPrefix(link, "upi://pay?") {
		return "#"
	}
	return template.URL(link)
}
