package main

// Raw bodies as they lie on the disk: packed with a list of words that Paytm's messages are made of, to
// about a half, and then sealed where there is a key (seal.go). The list is part of the format; a better
// one gets a new number, and the old ones stay.

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"fmt"

	"github.com/klauspost/compress/s2"
)

//go:embed schema/bodies-1.txt
var bodyWords1 []byte

//go:embed schema/bodies-2.txt
var bodyWords2 []byte

// bodyWords are the lists, each at the number that bodies.packing has for it. The newest packs; all unpack.
var bodyWords = []*s2.Dict{notPacked: nil, 1: s2.MakeDict(bodyWords1, nil), 2: s2.MakeDict(bodyWords2, nil)}

const notPacked = 0

// packBody makes a body smaller, unless it is one that this does not help.
func packBody(body []byte) (packed []byte, packing int) {
	packing = len(bodyWords) - 1
	packed = bodyWords[packing].Encode(nil, body)
	if len(packed) >= len(body) {
		return body, notPacked
	}
	return packed, packing
}

// unpackBody gives the body back as it came.
func unpackBody(packed []byte, packing int) ([]byte, error) {
	switch {
	case packing == notPacked:
		return packed, nil
	case packing < 0 || packing >= len(bodyWords):
		return nil, fmt.Errorf("a body is packed in a way (%d) that this hissa does not know", packing)
	}
	// The length comes first, and a torn one would be believed: up to 4 GiB.
	size, err := s2.DecodedLen(packed)
	if err == nil && size > maxBody {
		err = fmt.Errorf("it says that it is %d bytes long", size)
	}
	if err != nil {
		return nil, fmt.Errorf("a packed body is torn: %w", err)
	}
	return bodyWords[packing].Decode(nil, packed)
}

// rawBody is a body as it is kept. Whoever has the writer's turn makes it, and not everybody who waits for that:
// packing takes 64 KB of stack, and a stack that has grown is kept until the collector makes it smaller.
type rawBody struct {
	salt    []byte
	mac     []byte // of the body as it came, under the salt: this is what the facts hold
	packed  []byte
	packing int
	key     []byte // the id of the one that sealed it after it was packed, nil for none
}

func (keys bodyKeys) newRawBody(body []byte) rawBody {
	r := rawBody{salt: make([]byte, 16)}
	rand.Read(r.salt)
	r.mac = macOf(r.salt, body)
	r.packed, r.packing = packBody(body)
	r.packed, r.key = keys.seal(r.packed, placeOfBody(r.mac))
	return r
}

// bodyOf gives the body back as it came. Of what was kept it needs all but the salt.
func (keys bodyKeys) bodyOf(r rawBody) ([]byte, error) {
	packed, err := keys.open(r.packed, r.key, placeOfBody(r.mac))
	if err != nil {
		return nil, err
	}
	return unpackBody(packed, r.packing)
}

func macOf(salt, body []byte) []byte {
	mac := hmac.New(sha256.New, salt)
	mac.Write(body)
	return mac.Sum(nil)
}
