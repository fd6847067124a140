package web

// What the program words itself, in another language: the trail's verdicts, why something is held, why
// something can't be done. Such sentences are kept and exported in English, some of them in hashed rows. A page
// recognises each by a pattern, the sentence with holes, and fills the holes of the same sentence in its own
// language. What fits no pattern stays in English and is marked as English, so that it is read aloud rightly.

import (
	"cmp"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/BurntSushi/toml"
)

const (
	longestSaying = 2000 // bounds the work for a text that a stranger may have made long
	mostHoles     = 8
	mostTries     = 200 // a sentence of the program's takes two for each fault it names
)

// sayings are the sentences of one language.
type sayings struct {
	v     *vocabulary
	words map[string]map[string]string // by kind of hole, for those that hold one of a few words
	list  []saying                     // the more of it is no hole, the earlier it is tried
}

// saying is a sentence in English, and in the language.
type saying struct {
	english, other string
	literals       []string // what stands before, between and behind the holes
	holes          []string // their names: the kind, and a digit from the second of a kind on
	says           []string // what stands around the holes in the language, as HTML
	order          []int    // which hole stands behind each
	bare           bool     // it has no word beside its holes
}

var (
	holePattern = regexp.MustCompile(`\{([a-z]+)([2-9]?)\}`)

	moneyPattern  = regexp.MustCompile(`^(?:−?₹[\d,]+|[A-Z]{3} -?\d+)\.\d\d$`)
	spanPattern   = regexp.MustCompile(`^\d+ (?:second|minute|hour|day)s?$`)
	dayPattern    = regexp.MustCompile(`^\d{1,2} [A-Z][a-z]{2} \d{4}$`)
	clockPattern  = regexp.MustCompile(`^\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d:\d\d IST$`)
	quotedPattern = regexp.MustCompile(`^"(?:[^"\\]|\\.)*"…?$`)
)

// holeKinds are the holes that hold no word, and what fits each: a reason is a sentence again, a text is English
// whatever the page, the others stay as they are or are written as the language does.
var holeKinds = map[string]func(string) bool{
	"n":     func(text string) bool { return strings.Trim(text, "0123456789") == "" },
	"money": moneyPattern.MatchString, "span": spanPattern.MatchString, "day": dayPattern.MatchString,
	"clock": clockPattern.MatchString, "quoted": quotedPattern.MatchString,
	"id":   func(text string) bool { return !strings.Contains(text, " ") },
	"name": func(text string) bool { return !strings.ContainsAny(text, `;:"`) },
	"text": anything, "reason": anything,
}

func anything(string) bool { return true }

// readSayings reads the sentences of a language.
func readSayings(v *vocabulary, text string) (*sayings, error) {
	var file struct {
		Word     map[string]map[string]string
		Sentence map[string]string
	}
	if _, err := toml.Decode(text, &file); err != nil {
		return nil, fmt.Errorf("words/reasons-%s.toml: %w", v.lang, err)
	}
	s := &sayings{v: v, words: file.Word}
	for english, other := range file.Sentence {
		one := saying{english: english, other: other, literals: holePattern.Split(english, -1)}
		one.bare = !strings.ContainsFunc(strings.Join(one.literals, ""), unicode.IsLetter)
		for _, m := range holePattern.FindAllStringSubmatch(english, -1) {
			if holeKinds[m[1]] == nil && s.words[m[1]] == nil {
				return nil, fmt.Errorf("words/reasons-%s.toml: %q: no hole is a %s", v.lang, english, m[1])
			}
			one.holes = append(one.holes, m[1]+m[2])
		}
		for _, literal := range holePattern.Split(other, -1) {
			one.says = append(one.says, template.HTMLEscapeString(literal))
		}
		for _, m := range holePattern.FindAllStringSubmatch(other, -1) {
			one.order = append(one.order, slices.Index(one.holes, m[1]+m[2]))
		}
		if slices.Contains(one.order, -1) {
			return nil, fmt.Errorf("words/reasons-%s.toml: %q has a hole that %q has not", v.lang, other, english)
		}
		s.list = append(s.list, one)
	}
	slices.SortFunc(s.list, func(a, b saying) int {
		return cmp.Or(cmp.Compare(b.literal(), a.literal()), cmp.Compare(a.open(), b.open()),
			cmp.Compare(a.english, b.english))
	})
	return s, nil
}

// literal is how many bytes of a sentence are no hole.
func (s saying) literal() int { return len(strings.Join(s.literals, "")) }

// open counts the holes that take nearly anything.
func (s saying) open() (n int) {
	for _, name := range s.holes {
		if slices.Contains([]string{"id", "name", "text", "reason"}, kindOf(name)) {
			n++
		}
	}
	return n
}

func kindOf(hole string) string { return strings.TrimRight(hole, "23456789") }

// fits reports whether a text can be in a hole.
func (s *sayings) fits(hole, text string) bool {
	kind := kindOf(hole)
	if fits := holeKinds[kind]; fits != nil {
		return text != "" && fits(text)
	}
	return s.words[kind][text] != ""
}

// match finds what is in a sentence's holes from the i-th on, behind the literal before it. What can be shorter
// is.
func (s *sayings) match(one *saying, i int, text string, found []string) bool {
	if i == len(one.holes) {
		return text == ""
	}
	next := one.literals[i+1]
	if i == len(one.holes)-1 { // the rest, but for how the sentence ends
		held, ends := strings.CutSuffix(text, next)
		found[i] = held
		return ends && s.fits(one.holes[i], held)
	}
	for at := 0; ; at++ {
		further := strings.Index(text[at:], next)
		if further < 0 {
			return false
		}
		at += further
		if found[i] = text[:at]; s.fits(one.holes[i], found[i]) && s.match(one, i+1, text[at+len(next):], found) {
			return true
		}
	}
}

// telling is one text being said. A text can be taken for several sentences that end in the same reason, and this
// reason for several again: one made for it would take twice as long with every few letters. So each reason is tried
// once, and a text with too many of them is not known.
type telling struct {
	*sayings
	short bool              // ids are shortened
	said  map[string]string // what became of each that was tried; "" for one that is not known
	tries int
}

// say is a sentence in the language, as HTML; false for one that is not known.
func (s *sayings) say(text string) (html string, known bool) {
	return (&telling{sayings: s}).all(text)
}

// all says the text itself.
func (t *telling) all(text string) (html string, known bool) {
	if len(text) > longestSaying {
		return "", false
	}
	t.said = map[string]string{}
	html, known = t.say(text)
	return html, known && t.tries <= mostTries
}

// say says the text, or a reason within it.
func (t *telling) say(text string) (html string, known bool) {
	text = strings.TrimSpace(text)
	if html, tried := t.said[text]; tried || text == "" {
		return html, html != ""
	}
	t.tries++
	html, known = t.try(text)
	t.said[text] = html
	return html, known
}

func (t *telling) try(text string) (html string, known bool) {
	for i := 0; i < len(t.list) && t.tries <= mostTries; i++ {
		one := &t.list[i]
		rest, begins := strings.CutPrefix(text, one.literals[0])
		if !begins || !strings.HasSuffix(text, one.literals[len(one.literals)-1]) {
			continue
		}
		var room [mostHoles]string
		found := room[:len(one.holes)]
		if t.match(one, 0, rest, found) {
			if html, known := t.fill(one, found); known {
				return html, true
			}
		}
	}
	return "", false
}

// fill fills a sentence's holes. One without a word of its own is known only by what a hole holds.
func (t *telling) fill(one *saying, found []string) (html string, known bool) {
	reasons, told := 0, 0
	for i, name := range one.holes {
		text := template.HTMLEscapeString(found[i])
		switch kind := kindOf(name); kind {
		case "n", "money":
		case "span", "day", "clock":
			text = template.HTMLEscapeString(t.time(kind, found[i]))
		case "id", "name", "quoted":
			if t.short && kind == "id" {
				text = string(shortID(found[i]))
				break
			}
			text = `<span dir="auto" translate="no">` + text + `</span>`
		case "text":
			text = foreign(text)
		case "reason":
			reasons++
			if inner, is := t.say(found[i]); is {
				text = inner
				told++
			} else {
				text = foreign(text)
			}
		default:
			text = template.HTMLEscapeString(t.words[kind][found[i]])
		}
		found[i] = text
	}
	if one.bare && reasons > 0 && told == 0 {
		return "", false
	}
	var out strings.Builder
	out.WriteString(one.says[0])
	for i, hole := range one.order {
		out.WriteString(found[hole])
		out.WriteString(one.says[i+1])
	}
	return out.String(), true
}

// foreign marks what stays in English within a sentence.
func foreign(html string) string { return `<span lang="en" dir="auto">` + html + `</span>` }

// time writes a span or a time in the language.
func (s *sayings) time(kind, text string) string {
	if kind == "span" {
		count, unit, _ := strings.Cut(text, " ")
		n, _ := strconv.ParseInt(count, 10, 64) // the pattern took digits alone
		said, err := s.v.say("span."+strings.TrimSuffix(unit, "s")+"s", "n", n)
		if err != nil {
			return text
		}
		return string(said)
	}
	date, clock, _ := strings.Cut(text, ",")
	t, err := time.ParseInLocation("2 Jan 2006", date, IST)
	if err != nil {
		return text
	}
	if clock != "" {
		clock = "," + clock
	}
	return s.v.dayText(t) + clock
}

// inWords is a sentence of the program's in the language of the page.
func (v *vocabulary) inWords(text string) (html string, known bool) {
	if v.sayings == nil {
		return template.HTMLEscapeString(text), true
	}
	return v.sayings().say(text)
}

// reason is a sentence of the program's in the language of the page, else in English and marked so.
func (v *vocabulary) reason(text string) template.HTML {
	html, known := v.inWords(text)
	switch {
	case text == "":
		return ""
	case known:
		return template.HTML("<bdi>" + html + "</bdi>")
	}
	return template.HTML(`<bdi lang="en">` + template.HTMLEscapeString(text) + "</bdi>")
}

// because is the reason of a step: a person's own words, but where a statement gives way to another, the program's.
func (v *vocabulary) because(step, text string) template.HTML {
	if step == "replaced" {
		return v.reason(text)
	}
	return isolated(text)
}

// label is what is about no payment: an id, or a word with an id.
func (v *vocabulary) label(text string) template.HTML {
	if v.sayings != nil {
		if html, known := (&telling{sayings: v.sayings(), short: true}).all(text); known {
			return template.HTML("<bdi>" + html + "</bdi>")
		}
	}
	return shortID(text)
}

// note is what stands beside an act: a code, what was changed, or a person's own words, in any language.
func (v *vocabulary) note(act, text string) (template.HTML, error) {
	switch {
	case v.sayings == nil:
		return isolated(text), nil
	case act == "person-added" || act == "person-role":
		return v.code("role", text)
	case act == "key-added":
		return v.code("scope", text)
	case act == "payout-sent":
		return v.reason(text), nil
	case !strings.HasPrefix(act, "partner-") || act == "partner-disabled": // with nothing but why
		return isolated(text), nil
	}
	return v.changes(text), nil
}

var ratePattern = regexp.MustCompile(`^rate [\d.]+%?$`)

// changes is what was changed about a partner. It may end with a person's own words, which stay as they are: so
// nothing is said in the language from the first part on that the program has not worded.
func (v *vocabulary) changes(text string) template.HTML {
	parts, ours := strings.Split(text, ", "), true
	for i, part := range parts {
		ours = ours && (v.sayings().words["changed"][part] != "" || i == 0 && ratePattern.MatchString(part))
		html := template.HTMLEscapeString(part)
		if ours {
			html, _ = v.inWords(part)
		}
		parts[i] = html
	}
	return template.HTML("<bdi>" + strings.Join(parts, ", ") + "</bdi>")
}
