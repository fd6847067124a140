package paytm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// A checksum is base64 of AES-CBC under the merchant key, with an IV that never changes, of
//
//	hex(SHA-256(text + "|" + salt)) + salt + padding
//	64 bytes                          4      12 × 0x0C
const (
	checksumName = "CHECKSUMHASH"
	vector       = "@@@@&&&&####$$$$"
	saltSize     = 4
	hashSize     = 2 * sha256.Size
	sealSize     = 5 * aes.BlockSize
	padByte      = sealSize - hashSize - saltSize

	// maxChecksumText bounds what is decoded at all: 108 characters and some line breaks.
	maxChecksumText = 256
)

const saltAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Key is one merchant key, ready for use. It never prints itself.
type Key struct {
	block cipher.Block
}

// NewKey takes a merchant key as the dashboard shows it: 16, 24 or 32 bytes, which choose
// AES-128, AES-192 or AES-256. The error says how many bytes there are, never which.
func NewKey(text string) (*Key, error) {
	block, err := aes.NewCipher([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("a merchant key has 16, 24 or 32 bytes, this one has %d: "+
			"copy it again from Paytm's dashboard, without spaces around it and with its "+
			"punctuation (an unquoted # ends a line in many files)", len(text))
	}
	return &Key{block: block}, nil
}

const redacted = "paytm.Key(redacted)"

// String hides the key.
func (Key) String() string { return redacted }

// GoString hides the key from %#v.
func (Key) GoString() string { return redacted }

// LogValue hides the key from structured logs.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format hides the key from every other verb, which would print the fields.
func (Key) Format(state fmt.State, _ rune) { io.WriteString(state, redacted) }

// Sign makes the checksum of a form: the values in byte order of their names, joined by "|".
// CHECKSUMHASH itself is left out, a JSON null counts as empty.
func (k *Key) Sign(fields Fields) string {
	w := takeWorkspace()
	defer w.release()
	w.sorted = inOrder(w.sorted[:0], fields)
	w.join(w.sorted, false)
	return k.sign(w, w.text)
}

// SignText makes the checksum of a text as it stands, the form Paytm uses for the body of JSON.
func (k *Key) SignText(text []byte) string {
	w := takeWorkspace()
	defer w.release()
	return k.sign(w, text)
}

// Verify reports whether checksum was made from these fields with this key. Paytm's libraries
// disagree on a value that is the text "null", in any case: some sign it as it stands, some as
// empty. Both are accepted, and Fields.Get reads such a value as empty.
func (k *Key) Verify(fields Fields, checksum string) bool {
	w := takeWorkspace()
	defer w.release()
	w.sorted = inOrder(w.sorted[:0], fields)
	return k.verifyFields(w, w.sorted, checksum)
}

// verifyFields is Verify for fields that are in order already.
func (k *Key) verifyFields(w *workspace, fields []*Field, checksum string) bool {
	if !w.decode(checksum) {
		return false
	}
	blanks := w.join(fields, false)
	if k.verify(w, w.text) {
		return true
	}
	if !blanks {
		return false
	}
	w.join(fields, true)
	return k.verify(w, w.text)
}

// inOrder appends the fields in byte order of their names.
func inOrder(list []*Field, fields Fields) []*Field {
	list = slices.Grow(list, len(fields))
	for i := range fields {
		list = append(list, &fields[i])
	}
	slices.SortFunc(list, func(a, b *Field) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// VerifyText reports whether checksum was made from exactly this text with this key.
func (k *Key) VerifyText(text []byte, checksum string) bool {
	w := takeWorkspace()
	defer w.release()
	return w.decode(checksum) && k.verify(w, text)
}

func (k *Key) sign(w *workspace, text []byte) string {
	randomSalt(w.salt[:])
	k.seal(w, text)
	return base64.StdEncoding.EncodeToString(w.seal[:])
}

// verify learns the salt from the last block of w.given, seals the text with it anew and compares
// all 80 bytes. Nothing is unpadded, so there is no padding error to tell apart from others.
func (k *Key) verify(w *workspace, text []byte) bool {
	const last = sealSize - aes.BlockSize
	k.block.Decrypt(w.plain[:aes.BlockSize], w.given[last:])
	subtle.XORBytes(w.salt[:], w.plain[:saltSize], w.given[last-aes.BlockSize:])
	k.seal(w, text)
	return subtle.ConstantTimeCompare(w.seal[:], w.given[:]) == 1
}

// seal leaves in w.seal the 80 bytes that text and w.salt make.
func (k *Key) seal(w *workspace, text []byte) {
	w.hash.Reset()
	w.hash.Write(text)
	w.hash.Write(separator)
	w.hash.Write(w.salt[:])
	hex.Encode(w.plain[:], w.hash.Sum(w.sum[:0]))
	copy(w.plain[hashSize:], w.salt[:])
	for i := hashSize + saltSize; i < sealSize; i++ {
		w.plain[i] = padByte
	}
	previous := initial
	for at := 0; at < sealSize; at += aes.BlockSize {
		block := w.seal[at : at+aes.BlockSize]
		subtle.XORBytes(block, w.plain[at:at+aes.BlockSize], previous)
		k.block.Encrypt(block, block)
		previous = block
	}
}

var (
	separator = []byte("|")
	initial   = []byte(vector)
)

// workspace is the memory one checksum needs. It is pooled because everything that passes
// through hash.Hash and cipher.Block would otherwise be allocated for each message.
type workspace struct {
	hash   hash.Hash
	sum    [sha256.Size]byte
	salt   [saltSize]byte
	plain  [sealSize]byte
	seal   [sealSize]byte
	given  [sealSize]byte
	coded  [maxChecksumText]byte
	sorted []*Field
	text   []byte
}

var workspaces = sync.Pool{New: func() any { return &workspace{hash: sha256.New()} }}

func takeWorkspace() *workspace { return workspaces.Get().(*workspace) }

// release lets go of the message, and of the memory if the message was unusually long.
func (w *workspace) release() {
	const most = 64 << 10
	clear(w.sorted)
	if cap(w.text) > most {
		w.text = nil
	}
	workspaces.Put(w)
}

// join leaves in w.text what Paytm signs of fields in order, and reports whether a value is the text "null"; with
// blank such values are left empty.
func (w *workspace) join(fields []*Field, blank bool) (sawNull bool) {
	w.text = w.text[:0]
	first := true
	for _, field := range fields {
		if field.Name == checksumName {
			continue
		}
		if !first {
			w.text = append(w.text, '|')
		}
		first = false
		switch {
		case field.Null:
		case isNullText(field.Value):
			sawNull = true
			if !blank {
				w.text = append(w.text, field.Value...)
			}
		default:
			w.text = append(w.text, field.Value...)
		}
	}
	return sawNull
}

func isNullText(value string) bool { return len(value) == 4 && strings.EqualFold(value, "null") }

var encoding = base64.StdEncoding.Strict()

// decode reads a checksum into w.given. Only one text stands for given bytes, line breaks aside,
// which some senders insert after 76 characters.
func (w *workspace) decode(checksum string) bool {
	if len(checksum) > len(w.coded) {
		return false
	}
	var raw [maxChecksumText * 3 / 4]byte
	n, err := encoding.Decode(raw[:], w.coded[:copy(w.coded[:], checksum)])
	return err == nil && n == sealSize && copy(w.given[:], raw[:n]) == sealSize
}

// randomSalt fills salt with letters and digits, each as likely as any other.
func randomSalt(salt []byte) {
	const even = 256 - 256%len(saltAlphabet)
	var pool [16]byte
	for filled := 0; filled < len(salt); {
		rand.Read(pool[:])
		for _, b := range pool {
			if int(b) < even && filled < len(salt) {
				salt[filled] = saltAlphabet[int(b)%len(saltAlphabet)]
				filled++
			}
		}
	}
}
