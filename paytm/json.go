package paytm

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may nest; Paytm's messages have four levels.
const maxDepth = 16

// kind is the type of a JSON value.
type kind byte

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindText
	kindArray
	kindObject
)

// node is one JSON value and where it stands. The standard decoder is not used because it keeps
// the last of two equal names, matches names in any case and mends broken UTF-8, and because the
// exact bytes of one value are needed.
type node struct {
	kind       kind
	start, end int      // its bytes are [start, end) of the document
	text       string   // a decoded string; for every other kind the text as it stands
	members    []member // of an object, in order
}

type member struct {
	name string
	node node
}

// member returns the value of a name in an object, nil when there is none. A nil node has no
// members.
func (n *node) member(name string) *node {
	if n == nil {
		return nil
	}
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i].node
		}
	}
	return nil
}

func (n *node) isNested() bool { return n.kind == kindObject || n.kind == kindArray }

// readDocument reads exactly one JSON value in valid UTF-8, with white space around it at most.
func readDocument(document []byte) (*node, error) {
	r := &jsonReader{text: string(document)}
	r.skipSpace()
	root, err := r.value(1)
	if err == nil {
		r.skipSpace()
		if r.at < len(r.text) {
			err = errors.New("there is something after the end")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("bad JSON at byte %d: %w", r.at, err)
	}
	return &root, nil
}

type jsonReader struct {
	text string
	at   int
}

// peek returns the next byte, 0 at the end; NUL bytes were refused before.
func (r *jsonReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *jsonReader) skipSpace() {
	for {
		switch r.peek() {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// accept steps over the next byte if it is b.
func (r *jsonReader) accept(b byte) bool {
	if r.peek() != b {
		return false
	}
	r.at++
	return true
}

func (r *jsonReader) value(depth int) (n node, err error) {
	n.start = r.at
	switch b := r.peek(); {
	case depth > maxDepth:
		err = fmt.Errorf("values nest deeper than %d", maxDepth)
	case b == '{':
		n.kind = kindObject
		n.members, err = r.object(depth)
	case b == '[':
		n.kind = kindArray
		err = r.array(depth)
	case b == '"':
		n.kind = kindText
		n.text, err = r.string()
	case b == '-' || '0' <= b && b <= '9':
		n.kind = kindNumber
		err = r.number()
	default:
		n.kind, err = r.word()
	}
	if err != nil {
		return n, err
	}
	n.end = r.at
	if n.kind != kindText {
		n.text = r.text[n.start:n.end]
	}
	return n, nil
}

func (r *jsonReader) object(depth int) (members []member, err error) {
	r.at++
	r.skipSpace()
	if r.accept('}') {
		return nil, nil
	}
	for {
		m, err := r.member(depth)
		if err != nil {
			return nil, err
		}
		for i := range members {
			if members[i].name == m.name {
				return nil, fmt.Errorf("the name %s comes twice", quote(m.name))
			}
		}
		if members = append(members, m); len(members) > maxNames {
			return nil, fmt.Errorf("an object has more than %d names", maxNames)
		}
		r.skipSpace()
		if r.accept('}') {
			return members, nil
		}
		if !r.accept(',') {
			return nil, errors.New("expected a comma or the end of the object")
		}
		r.skipSpace()
	}
}

func (r *jsonReader) member(depth int) (m member, err error) {
	if m.name, err = r.string(); err != nil {
		return m, err
	}
	if m.name == "" {
		return m, errors.New("a name is empty")
	}
	r.skipSpace()
	if !r.accept(':') {
		return m, errors.New("expected a colon")
	}
	r.skipSpace()
	m.node, err = r.value(depth + 1)
	return m, err
}

func (r *jsonReader) array(depth int) error {
	r.at++
	r.skipSpace()
	if r.accept(']') {
		return nil
	}
	for {
		if _, err := r.value(depth + 1); err != nil {
			return err
		}
		r.skipSpace()
		if r.accept(']') {
			return nil
		}
		if !r.accept(',') {
			return errors.New("expected a comma or the end of the array")
		}
		r.skipSpace()
	}
}

// elements reads the values of an array that was read before. Readers of a message need none of
// them, so an array's node keeps only where it stands.
func elements(array []byte) (list []node, err error) {
	r := &jsonReader{text: string(array), at: 1}
	for r.skipSpace(); !r.accept(']'); r.skipSpace() {
		n, err := r.value(1)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		r.skipSpace()
		r.accept(',')
	}
	return list, nil
}

func (r *jsonReader) word() (kind, error) {
	for _, known := range []struct {
		word string
		kind kind
	}{{"null", kindNull}, {"true", kindBool}, {"false", kindBool}} {
		if len(r.text)-r.at >= len(known.word) && r.text[r.at:r.at+len(known.word)] == known.word {
			r.at += len(known.word)
			return known.kind, nil
		}
	}
	return kindNull, errors.New("expected a value")
}

// number steps over -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (r *jsonReader) number() error {
	r.accept('-')
	if !r.accept('0') && !r.digits() {
		return errors.New("bad number")
	}
	if r.accept('.') && !r.digits() {
		return errors.New("bad number")
	}
	if r.accept('e') || r.accept('E') {
		if !r.accept('+') {
			r.accept('-')
		}
		if !r.digits() {
			return errors.New("bad number")
		}
	}
	return nil
}

// digits steps over digits and reports whether there was one.
func (r *jsonReader) digits() bool {
	start := r.at
	for '0' <= r.peek() && r.peek() <= '9' {
		r.at++
	}
	return r.at > start
}

// string reads a quoted string and decodes it.
func (r *jsonReader) string() (string, error) {
	if !r.accept('"') {
		return "", errors.New("expected a string")
	}
	start := r.at
	for {
		switch b := r.peek(); {
		case b == '"':
			r.at++
			return r.text[start : r.at-1], nil
		case b == '\\':
			return r.escaped([]byte(r.text[start:r.at]))
		case b < ' ':
			return "", errors.New("a string does not end, or has a control character")
		}
		r.at++
	}
}

// escaped reads the rest of a string from its first backslash on.
func (r *jsonReader) escaped(decoded []byte) (string, error) {
	for {
		b := r.peek()
		switch {
		case b == '"':
			r.at++
			return string(decoded), nil
		case b < ' ':
			return "", errors.New("a string does not end, or has a control character")
		case b != '\\':
			decoded = append(decoded, b)
			r.at++
			continue
		}
		r.at++
		char, err := r.escape()
		if err != nil {
			return "", err
		}
		decoded = utf8.AppendRune(decoded, char)
	}
}

// escape reads what follows a backslash. Half of a surrogate pair stands for no character and NUL for
// none that can be kept: both read as U+FFFD, which no field relied on may hold, so that a strange
// comment costs nobody a sale. JavaScript, and so Paytm's Node kit, signs half a pair as that too.
func (r *jsonReader) escape() (rune, error) {
	b := r.peek()
	if b != 0 {
		r.at++
	}
	switch b {
	case '"', '\\', '/':
		return rune(b), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		char, ok := r.unit()
		if ok && utf16.IsSurrogate(char) {
			char = r.secondHalf(char)
		}
		if ok && char == 0 {
			char = utf8.RuneError
		}
		if ok {
			return char, nil
		}
	}
	return 0, errors.New("bad escape in a string")
}

// secondHalf joins half of a surrogate pair with the other, where that is what comes next.
func (r *jsonReader) secondHalf(high rune) rune {
	at := r.at
	if r.accept('\\') && r.accept('u') {
		if low, ok := r.unit(); ok {
			if char := utf16.DecodeRune(high, low); char != utf8.RuneError {
				return char
			}
		}
	}
	r.at = at // what comes next stands for itself
	return utf8.RuneError
}

// unit reads the four hexadecimal digits of a \u escape.
func (r *jsonReader) unit() (rune, bool) {
	if len(r.text)-r.at < 4 {
		return 0, false
	}
	value, err := strconv.ParseUint(r.text[r.at:r.at+4], 16, 16)
	r.at += 4
	return rune(value), err == nil
}
