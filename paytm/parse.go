package paytm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxNames is more than four times what Paytm's longest message has, for a form and for any one
// object of JSON.
const maxNames = 200

// Field is one name and value of a message.
type Field struct {
	Name, Value string
	Null        bool // a JSON null; Value is empty
}

// read is the value as every reader takes it.
func (f *Field) read() string {
	if f.Null || isNullText(f.Value) {
		return ""
	}
	return f.Value
}

// Fields are the fields of one message in the order of their arrival; no name comes twice.
type Fields []Field

// Get returns the value of a field, "" when it is absent. JSON's null, and the text "null" in any
// case, read as "": Paytm's libraries sign those two and the empty text alike.
func (f Fields) Get(name string) string {
	for i := range f {
		if f[i].Name == name {
			return f[i].read()
		}
	}
	return ""
}

// Has reports whether a field came at all, be it empty.
func (f Fields) Has(name string) bool {
	return slices.ContainsFunc(f, func(field Field) bool { return field.Name == name })
}

// Shape is one of the three ways in which Paytm packs a message.
type Shape string

const (
	Form     Shape = "form"      // a form with a CHECKSUMHASH: payments, links, subscriptions
	FlatJSON Shape = "json"      // the same fields as one object of JSON
	HeadBody Shape = "head/body" // {"head":{"signature":…},"body":{…}}: refunds, disputes
)

// Envelope is one message, taken apart but neither verified nor understood.
type Envelope struct {
	Shape Shape

	// Fields are every field of a form or of flat JSON, CHECKSUMHASH included; a nested value of
	// flat JSON is its exact text. With HeadBody they are the scalars at the top of body: strings
	// decoded, numbers and booleans as written. Nested values there are not fields.
	Fields Fields

	// Text is the exact text of the value of body, which is what HeadBody signs. It shares memory
	// with the argument of Parse.
	Text []byte

	// Checksum is CHECKSUMHASH or head.signature, "" when missing. A form's spaces are "+" again:
	// base64 has none, and some senders forget to escape the plus.
	Checksum string

	content *node // HeadBody: the value of body, with what is nested in it

	sorted []*Field   // Fields in byte order of their names, in which they are signed
	at     [256]uint8 // where the first field with each mark is, from 1 on: see get
}

// sort notes the order of the names and where they are, and returns one that comes twice.
func (e *Envelope) sort() (twice string, found bool) {
	e.sorted = inOrder(nil, e.Fields)
	for i := range e.Fields {
		if at := &e.at[markOf(e.Fields[i].Name)]; *at == 0 {
			*at = uint8(i + 1) // maxNames is below 256
		}
	}
	for i := 1; i < len(e.sorted); i++ {
		if e.sorted[i].Name == e.sorted[i-1].Name {
			return e.sorted[i].Name, true
		}
	}
	return "", false
}

// markOf is one of 256 marks, which few names share.
func markOf(name string) (mark uint8) {
	if name != "" {
		mark = uint8(len(name))*29 + name[0]*5 + name[len(name)-1]
	}
	return mark
}

// get is Fields.Get for messages of many fields. Nearly every name has its mark for itself, and most of what is
// looked up did not come.
func (e *Envelope) get(name string) string {
	at := e.at[markOf(name)]
	if at == 0 {
		return ""
	}
	if first := &e.Fields[at-1]; first.Name == name {
		return first.read()
	}
	i, found := slices.BinarySearchFunc(e.sorted, name,
		func(f *Field, name string) int { return strings.Compare(f.Name, name) })
	if !found {
		return ""
	}
	return e.sorted[i].read()
}

// Parse takes a message apart: JSON if its first byte that is not white space is "{", else a form.
// It is strict. An error means that the message is malformed or has two readings, such as a
// repeated name; it never depends on a key.
func Parse(body []byte) (*Envelope, error) {
	start := bytes.TrimLeft(body, " \t\r\n")
	switch {
	case len(start) == 0:
		return nil, errors.New("the body is empty")
	case bytes.IndexByte(body, 0) >= 0:
		return nil, errors.New("the body has a NUL byte")
	case !utf8.Valid(body):
		return nil, errors.New("the body is not UTF-8")
	case start[0] == '{':
		return parseJSON(body)
	}
	return parseForm(string(body))
}

func parseJSON(body []byte) (*Envelope, error) {
	document, err := readDocument(body)
	if err != nil {
		return nil, err
	}
	content := document.member("body")
	if content == nil || content.kind != kindObject {
		e := &Envelope{Shape: FlatJSON, Fields: document.fields(true)}
		e.sort()
		e.Checksum = e.get(checksumName)
		return e, nil
	}
	e := &Envelope{Shape: HeadBody, Fields: content.fields(false), content: content}
	e.sort()
	e.Text = body[content.start:content.end]
	signature := document.member("head").member("signature")
	if signature != nil && signature.kind == kindText {
		e.Checksum = signature.text
	}
	return e, nil
}

// fields lists the members of an object; an object or array among them only with nested.
func (n *node) fields(nested bool) Fields {
	fields := make(Fields, 0, len(n.members))
	for i := range n.members {
		name, value := n.members[i].name, &n.members[i].node
		switch {
		case value.kind == kindNull:
			fields = append(fields, Field{Name: name, Null: true})
		case nested || !value.isNested():
			fields = append(fields, Field{Name: name, Value: value.text})
		}
	}
	return fields
}

// nested lists the names in the body of HeadBody whose values are objects or arrays.
func (e *Envelope) nested() []string {
	var list []string
	if e.content != nil {
		for i := range e.content.members {
			if e.content.members[i].node.isNested() {
				list = append(list, e.content.members[i].name)
			}
		}
	}
	return list
}

// parseForm reads application/x-www-form-urlencoded. It is written by hand because the parsers at
// hand forgive: they keep the first of two values, drop a piece they cannot read, or go on.
func parseForm(body string) (*Envelope, error) {
	body = strings.TrimSuffix(body, "&") // some senders end every field with one
	count := 1 + strings.Count(body, "&")
	if count > maxNames {
		return nil, fmt.Errorf("the form has %d fields, more than %d", count, maxNames)
	}
	e := &Envelope{Shape: Form, Fields: make(Fields, 0, count)}
	var decoded strings.Builder // what was escaped: one memory for all of it
	decoded.Grow(len(body))
	for more := true; more; {
		var piece string
		piece, body, more = strings.Cut(body, "&")
		name, value, found := strings.Cut(piece, "=")
		// A semicolon in a value is itself, as browsers have it. Some programs take it for an
		// ampersand; then it would stand in a name too.
		if !found || name == "" || strings.Contains(name, ";") {
			return nil, fmt.Errorf("field %d of the form is not name=value", len(e.Fields)+1)
		}
		name, okName := unescape(name, &decoded)
		value, okValue := unescape(value, &decoded)
		if !okName || !okValue {
			return nil, fmt.Errorf("field %d of the form has a bad escape, a NUL byte or text "+
				"that is not UTF-8", len(e.Fields)+1)
		}
		e.Fields = append(e.Fields, Field{Name: name, Value: value})
	}
	if name, twice := e.sort(); twice {
		return nil, fmt.Errorf("the form has two fields named %s", quote(name))
	}
	e.Checksum = strings.ReplaceAll(e.get(checksumName), " ", "+")
	return e, nil
}

// unescape decodes "+" and "%XX". It refuses anything else after a percent sign, and a result that
// is not UTF-8 or has a NUL byte.
func unescape(text string, into *strings.Builder) (string, bool) {
	if strings.IndexByte(text, '%') < 0 && strings.IndexByte(text, '+') < 0 {
		return text, true
	}
	start := into.Len()
	for i := 0; i < len(text); i++ {
		switch b := text[i]; b {
		case '+':
			into.WriteByte(' ')
		case '%':
			if i+2 >= len(text) {
				return "", false
			}
			high, low := hexValue(text[i+1]), hexValue(text[i+2])
			if high < 0 || low < 0 || high|low == 0 {
				return "", false
			}
			into.WriteByte(byte(high<<4 | low))
			i += 2
		default:
			into.WriteByte(b)
		}
	}
	decoded := into.String()[start:]
	return decoded, utf8.ValidString(decoded)
}

// hexValue is the value of one hexadecimal digit, -1 for any other byte.
func hexValue(digit byte) int {
	switch {
	case '0' <= digit && digit <= '9':
		return int(digit - '0')
	case 'a' <= digit && digit <= 'f':
		return int(digit-'a') + 10
	case 'A' <= digit && digit <= 'F':
		return int(digit-'A') + 10
	}
	return -1
}

// Verify reports whether the message carries a checksum that this key made. One without a
// checksum is never genuine.
func (e *Envelope) Verify(k *Key) bool {
	if e.Shape == HeadBody {
		return k.VerifyText(e.Text, e.Checksum)
	}
	w := takeWorkspace()
	defer w.release()
	return k.verifyFields(w, e.sorted, e.Checksum)
}

// MID returns the merchant id the message carries, "" when it has none: the webhook for an
// accepted refund has none.
func (e *Envelope) MID() string {
	if mid := e.get("MID"); mid != "" {
		return mid
	}
	return e.get("mid")
}

// Identity tells a repeat from a new message: it is the same for the same content, whatever the
// order of the fields and the text of the checksum, which one content can have many of. Where the
// checksum does not tell an empty value from the text "null", neither does this.
func (e *Envelope) Identity() [32]byte {
	size := 64 + len(e.Text)
	for _, field := range e.sorted {
		size += 16 + len(field.Name) + len(field.Value)
	}
	content := appendCounted(make([]byte, 0, size), string(e.Shape))
	if e.Shape == HeadBody {
		return sha256.Sum256(append(content, e.Text...))
	}
	for _, field := range e.sorted {
		if field.Name != checksumName {
			content = appendCounted(appendCounted(content, field.Name), field.read())
		}
	}
	return sha256.Sum256(content)
}

// appendCounted appends a text with its length in front, so that no two lists look alike.
func appendCounted(content []byte, text string) []byte {
	content = binary.BigEndian.AppendUint64(content, uint64(len(text)))
	return append(content, text...)
}
