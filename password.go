package main

// Passwords and codes: what somebody proves who they are with.

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // RFC 6238, as every authenticator app has it
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// The cost of one password: OWASP's smaller preset for argon2id. Each takes 19 MB while it is worked out,
// so two at once are all that a machine of 512 MB is asked for.
const (
	argonMemory  = 19_456 // KiB
	argonTime    = 2
	argonLanes   = 1
	argonKey     = 32
	argonAtOnce  = 2
	argonWaiting = 64 // more than these are told to come again
)

var (
	argonTurn  = make(chan struct{}, argonAtOnce)
	argonQueue = make(chan struct{}, argonWaiting)
)

// errTooManySigningIn says that so many passwords wait to be worked out that one more would wait too long.
var errTooManySigningIn = fmt.Errorf("%w: too many people sign in at once", errBusy)

// argon works one password out, when it is its turn.
func argon(ctx context.Context, password string, salt []byte, memory, times uint32, lanes uint8, size uint32) ([]byte, error) {
	select {
	case argonQueue <- struct{}{}:
		defer func() { <-argonQueue }()
	default:
		return nil, errTooManySigningIn
	}
	select {
	case argonTurn <- struct{}{}:
		defer func() { <-argonTurn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, times, memory, lanes, size), nil
}

// hashPassword is how a password is kept, in PHC's form: with its salt, and what it cost.
func hashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	key, err := argon(ctx, password, salt, argonMemory, argonTime, argonLanes, argonKey)
	return phc(argonMemory, argonTime, argonLanes, salt, key), err
}

func phc(memory, times uint32, lanes uint8, salt, key []byte) string {
	text := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, memory, times, lanes, text(salt), text(key))
}

// nobodysPassword is compared with where there is nobody: it takes as long, and nothing fits it.
var nobodysPassword = phc(argonMemory, argonTime, argonLanes, make([]byte, 16), make([]byte, argonKey))

// rightPassword reports whether a password is the one that is kept. It takes as long where none is kept.
func rightPassword(ctx context.Context, kept, password string) (bool, error) {
	if kept == "" {
		kept = nobodysPassword
	}
	var version int
	var memory, times uint32
	var lanes uint8
	parts := strings.Split(kept, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return false, fmt.Errorf("a password is kept in a form that this hissa does not know")
	}
	_, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &times, &lanes)
	salt, err2 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err3 := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || err2 != nil || err3 != nil || version != argon2.Version ||
		memory > 1<<20 || times == 0 || times > 100 || lanes == 0 || len(want) < 16 {
		return false, fmt.Errorf("a password is kept in a form that this hissa does not know")
	}
	got, err := argon(ctx, password, salt, memory, times, lanes, uint32(len(want)))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && kept != nobodysPassword, nil
}

// weakPassword is why a new password won't do, as a code of the pages' words; "" when it will.
func weakPassword(password, email string) string {
	name, _, _ := strings.Cut(strings.ToLower(email), "@")
	plain := strings.ToLower(password)
	switch {
	case len([]rune(password)) < 10:
		return "short"
	case len(password) > 256:
		return "long"
	case len(name) > 3 && strings.Contains(plain, name),
		strings.Trim(plain, plain[:1]) == "",
		strings.Contains("01234567890123456789 abcdefghijklmnopqrstuvwxyz qwertyuiopasdfghjklzxcvbnm", plain),
		strings.HasPrefix(plain, "password"):
		return "common"
	}
	return ""
}

// Codes of an authenticator app: RFC 6238 with SHA-1, six digits, a new one every 30 seconds.
const (
	totpPeriod = 30
	totpSecret = 20 // bytes
)

var totpText = base32.StdEncoding.WithPadding(base32.NoPadding)

func newTOTPSecret() []byte {
	secret := make([]byte, totpSecret)
	rand.Read(secret)
	return secret
}

// totpCode is the code of one step.
func totpCode(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

// totpStep finds the step that a code belongs to: now, or the one before or after, for phones whose clock
// is off. Zero when the code is wrong; one that was taken before, or an older one, is wrong too.
func totpStep(secret []byte, code string, now time.Time, taken int64) (found int64) {
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	step := now.Unix() / totpPeriod
	for s := step - 1; s <= step+1; s++ {
		right := subtle.ConstantTimeCompare([]byte(totpCode(secret, s)), []byte(code)) == 1
		if right && s > taken && found == 0 {
			found = s
		}
	}
	return found
}

// totpURI is what an app reads from the QR.
func totpURI(shop, email string, secret []byte) string {
	escaped := func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
	return "otpauth://totp/" + escaped("Hissa "+shop) + ":" + escaped(email) +
		"?secret=" + totpText.EncodeToString(secret) + "&issuer=" + escaped("Hissa "+shop)
}
