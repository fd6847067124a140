package main

// Raw messages are sealed, where the configuration names a key for it: encrypted and authenticated with
// AES-256-GCM, in the database, in the queue for the shop and among the refused ones. The key is outside
// the database, so whoever has a backup or the copy alone has no message. What the books need is in the
// facts; a lost key costs messages, never money.

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// bodyKey is one key. GCM draws a nonce of 96 random bits for each message, which is safe for 2³² messages
// under one key (NIST SP 800-38D, 8.3): at ten messages a second, day and night, that is 13 years.
type bodyKey struct {
	id   [4]byte // begins the SHA-256 of the key: what it sealed names it
	aead cipher.AEAD
}

// name is the id as people read it.
func (k *bodyKey) name() string { return keyName(k.id[:]) }

func (k *bodyKey) is(id []byte) bool { return bytes.Equal(k.id[:], id) }

func keyName(id []byte) string { return hex.EncodeToString(id) }

// newBodyKey reads 32 bytes in base64 or hex.
func newBodyKey(secret string) (*bodyKey, error) {
	text := strings.TrimRight(secret, "=")
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.RawStdEncoding.DecodeString,
	} {
		if key, err := decode(text); err == nil && len(key) == 32 {
			return bodyKeyOf(key)
		}
	}
	return nil, refuse(
		fmt.Sprintf("the key has %d characters and is not 32 bytes in base64 or hex", len(secret)),
		"make one with openssl rand -base64 32")
}

func bodyKeyOf(key []byte) (*bodyKey, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	k := &bodyKey{}
	digest := sha256.Sum256(key)
	copy(k.id[:], digest[:])
	k.aead, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

// bodyKeys are the keys of the configuration: the first seals, each opens.
type bodyKeys []*bodyKey

// with finds a key by its id.
func (keys bodyKeys) with(id []byte) *bodyKey {
	for _, k := range keys {
		if k.is(id) {
			return k
		}
	}
	return nil
}

// seal encrypts a text and says which key did; without keys it leaves it as it is, and id is nil. Only who
// names the same place opens it: a sealed text that was moved to another row does not open there.
func (keys bodyKeys) seal(text, place []byte) (sealed, id []byte) {
	if len(keys) == 0 {
		return text, nil
	}
	return keys[0].aead.Seal(nil, nil, text, place), keys[0].id[:]
}

// missingKeyError is about a text that no key of the configuration opens.
type missingKeyError struct{ id []byte }

func (e missingKeyError) Error() string {
	return "it is sealed with the key " + keyName(e.id) + ", which privacy.key does not name"
}

// open gives a text back as it was before seal; id is nil for one that was never sealed.
func (keys bodyKeys) open(sealed, id, place []byte) ([]byte, error) {
	if id == nil {
		return sealed, nil
	}
	k := keys.with(id)
	if k == nil {
		return nil, missingKeyError{id}
	}
	text, err := k.aead.Open(nil, nil, sealed, place)
	if err != nil {
		return nil, errors.New("a sealed message was changed, or belongs elsewhere")
	}
	return text, nil
}

// Where a sealed text belongs.

func placeOfBody(mac []byte) []byte       { return append([]byte("body "), mac...) }
func placeOfForward(digest []byte) []byte { return append([]byte("forward "), digest...) }

func placeOfRefused(at time.Time) []byte { return fmt.Appendf(nil, "refused %d", at.UnixNano()) }

// blob is an id as a column holds it: NULL for none.
func blob(id []byte) any {
	if id == nil {
		return nil
	}
	return id
}

// SealedWith are the ids of the keys without which some raw message in the database can't be read. One that an
// older Hissa writes to, as a standby may follow it, has nothing sealed.
func (s *Store) SealedWith(ctx context.Context) (ids [][]byte, err error) {
	err = s.read(ctx, func(r rows) error {
		var seals bool
		if err := r.one(q("knows-seals"), nil, &seals); err != nil || !seals {
			return err
		}
		return r.each(q("sealed-with"), nil, func(scan func(...any) error) error {
			var id []byte
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	return ids, err
}

// lacking are those of the ids that have no key here, as people read them.
func (keys bodyKeys) lacking(ids [][]byte) (names []string) {
	for _, id := range ids {
		if keys.with(id) == nil {
			names = append(names, keyName(id))
		}
	}
	return names
}

// holdsKeys refuses a database with raw messages that no key of the configuration opens: a new machine
// that lacks the key would go unnoticed until somebody needs a message.
func (s *Store) holdsKeys(ctx context.Context) error {
	ids, err := s.SealedWith(ctx)
	if err != nil {
		return err
	}
	if names := s.keys.lacking(ids); len(names) > 0 {
		return configError{errors.New(lacksKeys(names) + ": " + findKeys)}
	}
	return nil
}

func lacksKeys(names []string) string {
	if len(names) == 1 {
		return "the database has raw messages that are sealed with the key " + names[0] +
			", and privacy.key does not name it"
	}
	return "the database has raw messages that are sealed with the keys " + strings.Join(names, " and ") +
		", and privacy.key does not name them"
}

const findKeys = "bring the key's file from the machine where they were sealed, or from where you keep it, " +
	"and name it in privacy.key, behind the key of today; hissa forget -lost deletes the messages if the " +
	"key is lost for good (the books don't need them)"

// ForgetLost deletes the raw messages that no key of the configuration opens, also those that wait for the
// shop, and returns how many.
func (s *Store) ForgetLost(ctx context.Context) (f Forgotten, err error) {
	ids, err := s.SealedWith(ctx)
	if err != nil {
		return f, err
	}
	for _, id := range ids {
		if s.keys.with(id) != nil {
			continue
		}
		if err := s.erase(ctx, &f.Forwards, func(t *tx, count func(string, ...any) error) error {
			return count(q("delete-forwards-sealed-with"), id)
		}); err != nil {
			return f, err
		}
		for before := int64(-1); before != f.Bodies; {
			before = f.Bodies
			if err := s.erase(ctx, &f.Bodies, func(t *tx, count func(string, ...any) error) error {
				return count(q("delete-bodies-sealed-with"), id, forgetChunk)
			}); err != nil {
				return f, err
			}
		}
	}
	return f, nil
}
