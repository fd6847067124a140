package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

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
