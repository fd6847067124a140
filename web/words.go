package web

// The words of the pages, one file a language: whole sentences with holes that have names, because word
// order differs between languages. What the program words itself is in reasons.go.

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
)

//go:embed words/*.toml
var wordFiles embed.FS

// phrase is a sentence, or two of them where the hole n decides between one and several.
type phrase struct{ one, other string }

// vocabulary is what one language has for each key.
type vocabulary struct {
	lang    string
	phrases map[string]phrase
	sayings func() *sayings // what the program words; nil in English, which it is worded in
}

// vocabularies are all of them by language.
var vocabularies = sync.OnceValue(func() map[string]*vocabulary {
	all := map[string]*vocabulary{}
	for _, lang := range Languages {
		text, err := wordFiles.ReadFile("words/" + lang + ".toml")
		if err != nil {
			panic(err) // is in the binary
		}
		if all[lang], err = readVocabulary(lang, string(text)); err != nil {
			panic(err) // a test reads them all
		}
		if lang != Languages[0] {
			all[lang].sayings = sync.OnceValue(func() *sayings { return sayingsOf(all[lang]) })
		}
	}
	return all
})

// sayingsOf reads what the program words in a language, when a page first needs it.
func sayingsOf(v *vocabulary) *sayings {
	text, err := wordFiles.ReadFile("words/reasons-" + v.lang + ".toml")
	if err != nil {
		panic(err) // is in the binary
	}
	s, err := readSayings(v, string(text))
	if err != nil {
		panic(err) // a test reads them all
	}
	return s
}

func readVocabulary(lang, text string) (*vocabulary, error) {
	var tables map[string]map[string]any
	if _, err := toml.Decode(text, &tables); err != nil {
		return nil, fmt.Errorf("words/%s.toml: %w", lang, err)
	}
	v := &vocabulary{lang: lang, phrases: map[string]phrase{}}
	for table, entries := range tables {
		for key, value := range entries {
			name := table + "." + key
			switch value := value.(type) {
			case string:
				v.phrases[name] = phrase{other: value}
			case map[string]any:
				one, _ := value["one"].(string)
				other, _ := value["other"].(string)
				if one == "" || other == "" || len(value) != 2 {
					return nil, fmt.Errorf("words/%s.toml: %s: needs one and other", lang, name)
				}
				v.phrases[name] = phrase{one, other}
			default:
				return nil, fmt.Errorf("words/%s.toml: %s: neither a sentence nor two", lang, name)
			}
		}
	}
	return v, nil
}

// say fills the holes of a sentence: name, value, name, value. What comes from outside is escaped.
func (v *vocabulary) say(key string, holes ...any) (template.HTML, error) {
	p, ok := v.phrases[key]
	if !ok {
		return "", fmt.Errorf("words/%s.toml has no %s", v.lang, key)
	}
	if len(holes)%2 != 0 {
		return "", fmt.Errorf("%s: a hole without a value", key)
	}
	text := p.other
	var pairs []string
	for i := 0; i < len(holes); i += 2 {
		name, value := holes[i].(string), holes[i+1]
		if name == "n" && p.one != "" && v.single(value) {
			text = p.one
		}
		pairs = append(pairs, "{"+name+"}", v.fill(value))
	}
	// The sentence's own signs are escaped first: only holes may hold what is HTML already.
	return template.HTML(strings.NewReplacer(pairs...).Replace(template.HTMLEscapeString(text))), nil
}

// fill is a value as it stands in a sentence. Counts are grouped as in India.
func (v *vocabulary) fill(value any) string {
	switch value := value.(type) {
	case template.HTML:
		return string(value)
	case int, int64:
		return grouped(whole(value))
	}
	return template.HTMLEscapeString(fmt.Sprint(value))
}

// single reports whether a count takes the first of two sentences: one; in Hindi, none too.
func (v *vocabulary) single(n any) bool {
	switch whole(n) {
	case 1:
		return true
	case 0:
		return v.lang == "hi"
	}
	return false
}

// code is a word for a code such as held, from one table of the words. A text that is no code of it stands for
// itself; what was done or could not be done may be a sentence of the program's.
func (v *vocabulary) code(table, code string, holes ...any) (template.HTML, error) {
	if _, ok := v.phrases[table+"."+code]; ok {
		return v.say(table+"."+code, holes...)
	}
	if table == "fault" || table == "notice" {
		return v.reason(code), nil
	}
	return template.HTML(template.HTMLEscapeString(code)), nil
}

func whole(n any) int64 {
	switch n := n.(type) {
	case int:
		return int64(n)
	case int64:
		return n
	}
	return -1
}
