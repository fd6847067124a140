package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hissa/paytm/paytmtest"
)

// bodyKeyNamed makes the same key of the same name each time.
func bodyKeyNamed(t testing.TB, name string) *bodyKey {
	t.Helper()
	secret := sha256.Sum256([]byte(name))
	key, err := newBodyKey(base64.StdEncoding.EncodeToString(secret[:]))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A sealed body opens for its own row and under its own key, whole, and for nothing else.
func TestSealedBodies(t *testing.T) {
	first, second := bodyKeyNamed(t, "first"), bodyKeyNamed(t, "second")
	body := []byte("ORDERID=1&VPA=asha%40okbank&STATUS=TXN_SUCCESS")
	before, after := bodyKeys{first}, bodyKeys{second, first}
	raw, other := before.newRawBody(body), before.newRawBody(body)
	if bytes.Contains(raw.packed, []byte("asha")) || bytes.Equal(raw.packed, other.packed) {
		t.Errorf("%q is sealed as %q and as %q", body, raw.packed, other.packed)
	}
	newer := after.newRawBody(body)
	if !bytes.Equal(raw.key, first.id[:]) || !bytes.Equal(newer.key, second.id[:]) {
		t.Errorf("sealed with %x and then %x", raw.key, newer.key)
	}
	moved, changed := raw, raw
	moved.mac = other.mac
	changed.packed = bytes.Clone(raw.packed)
	changed.packed[20] ^= 1
	for _, c := range []struct {
		what string
		keys bodyKeys
		raw  rawBody
		want string // of the error, "" for none
	}{
		{"its own key", before, raw, ""},
		{"after the key was changed", after, raw, ""},
		{"the new key's", after, newer, ""},
		{"never sealed", after, bodyKeys(nil).newRawBody(body), ""},
		{"no key", nil, raw, "sealed with the key " + first.name()},
		{"another key", bodyKeys{second}, raw, "sealed with the key " + first.name()},
		{"another row", after, moved, "was changed, or belongs elsewhere"},
		{"a changed bit", after, changed, "was changed, or belongs elsewhere"},
		{"cut short", after, rawBody{packed: raw.packed[:10], key: raw.key, mac: raw.mac}, "was changed"},
	} {
		got, err := c.keys.bodyOf(c.raw)
		if c.want == "" && (err != nil || !bytes.Equal(got, body)) {
			t.Errorf("%s: %q %v", c.what, got, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %q %v, want %s", c.what, got, err, c.want)
		}
	}
}

// The three places of sealed texts have no text in common: none opens in another's place.
func TestSealedForOnePlace(t *testing.T) {
	keys := bodyKeys{bodyKeyNamed(t, "k")}
	at := time.Now()
	digest := sha256.Sum256([]byte("x"))
	places := [][]byte{placeOfBody(digest[:]), placeOfForward(digest[:]), placeOfRefused(at),
		placeOfRefused(at.Add(time.Nanosecond)), nil}
	for i, place := range places {
		sealed, id := keys.seal([]byte("x"), place)
		for k, other := range places {
			if _, err := keys.open(sealed, id, other); (err == nil) != (i == k) {
				t.Errorf("sealed for %q, opened for %q: %v", place, other, err)
			}
		}
	}
}

func TestBodyKeyTexts(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb, 0x01}, 16) // its base64 has a + or /
	want, _ := bodyKeyOf(key)
	text := base64.StdEncoding.EncodeToString(key)
	for _, text := range []string{text, strings.TrimRight(text, "="), hex.EncodeToString(key),
		strings.ToUpper(hex.EncodeToString(key))} {
		if got, err := newBodyKey(text); err != nil || got.id != want.id {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"", "x", text[:40], text + "AAAA", " " + text, hex.EncodeToString(key[:16]),
		hex.EncodeToString(key) + "00", strings.Repeat("z", 64)} {
		if _, err := newBodyKey(text); err == nil || !strings.Contains(err.Error(), "openssl rand -base64 32") {
			t.Errorf("%q is taken: %v", text, err)
		}
	}
}

// Books whose messages are sealed forget and drop like any other, and verify notices a sealed body that
// stands in another's place.
func TestSealedBooks(t *testing.T) {
	t.Parallel()
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.keys = bodyKeys{bodyKeyNamed(t, "first")}
	b.bind(Order{ID: "1", Promo: "ASHA10", Customer: "77"})
	for _, id := range []string{"1", "2"} {
		n := identified(payment("T"+id, id))
		if _, err := b.ReceiveAndForward(b.ctx(), n, "", Wire{Body: []byte("canary-body-" + id)}); err != nil {
			t.Fatal(err)
		}
	}
	b.inOrder()
	due, err := b.DueForwards(b.ctx(), 10)
	if err != nil || len(due) != 2 || string(due[0].Body) != "canary-body-1" || due[0].Closed != nil {
		t.Errorf("for the shop: %+v %v", due, err)
	}
	if got := b.needed(); got != b.keys[0].name() {
		t.Errorf("needed: %s", got)
	}
	b.leavesNoTrace("canary-body")

	first := b.keys
	b.keys = bodyKeys{bodyKeyNamed(t, "second")}
	if report, err := b.Verify(b.ctx(), nil); err != nil || report.Closed != 2 || report.lacksKeys() == nil {
		t.Errorf("without the key: %+v %v", report, err)
	}
	due, err = b.DueForwards(b.ctx(), 10)
	var missing missingKeyError
	if err != nil || len(due) != 2 || !errors.As(due[0].Closed, &missing) || due[0].Body != nil {
		t.Errorf("for the shop, without the key: %+v %v", due, err)
	}
	var config configError
	if err := b.holdsKeys(b.ctx()); !errors.As(err, &config) || !strings.Contains(err.Error(), first[0].name()) {
		t.Errorf("without the key: %v", err)
	}

	b.keys = append(b.keys, first...)
	if err := b.holdsKeys(b.ctx()); err != nil {
		t.Error(err)
	}
	b.wait(48 * time.Hour)
	b.send(payment("T3", "3"))
	if f, err := b.Forget(b.ctx(), "77"); err != nil || f.Bodies != 1 {
		t.Errorf("forgotten: %+v %v", f, err)
	}
	both := []string{b.keys[0].name(), b.keys[1].name()}
	slices.Sort(both)
	if got := b.needed(); got != strings.Join(both, " ") {
		t.Errorf("needed after a change: %s", got)
	}
	for _, f := range due {
		if err := b.ForwardTaken(b.ctx(), f.ID, "HTTP 200"); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := b.DropBodies(b.ctx(), b.clockNow().Add(-24*time.Hour)); err != nil || n != 1 {
		t.Errorf("%d dropped (%v)", n, err)
	}
	if got := b.needed(); got != b.keys[0].name() {
		t.Errorf("needed when the old messages are gone: %s", got)
	}
	b.inOrder()
}

// needed are the keys that the database needs.
func (b *books) needed() string {
	b.Helper()
	ids, err := b.SealedWith(b.ctx())
	if err != nil {
		b.Fatal(err)
	}
	return strings.Join(bodyKeys(nil).lacking(ids), " ")
}

// leavesNoTrace looks for a text in the database and its journal.
func (b *books) leavesNoTrace(trace string) {
	b.Helper()
	for _, file := range []string{b.path, b.path + "-wal"} {
		if text, err := os.ReadFile(file); err != nil || bytes.Contains(text, []byte(trace)) {
			b.Errorf("%s is in %s (%v)", trace, file, err)
		}
	}
}

// A sealed body in another's row, and one that lost its key's id, are noticed.
func TestVerifyNoticesAMovedBody(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]string{
		"exchanged": "UPDATE bodies SET body = " +
			"(SELECT o.body FROM bodies o WHERE o.notification <> bodies.notification)",
		"another's salt as well": "UPDATE bodies SET (salt, body) = " +
			"(SELECT o.salt, o.body FROM bodies o WHERE o.notification <> bodies.notification)",
		"no key": "UPDATE bodies SET key = NULL",
		"torn":   "UPDATE bodies SET body = substr(body, 1, 5)",
	} {
		t.Run(what, func(t *testing.T) {
			b := openBooks(t, testTerms())
			b.keys = bodyKeys{bodyKeyNamed(t, "first")}
			b.send(payment("T1", "1"))
			b.send(payment("T2", "2"))
			b.inOrder()
			db := raw(t, b.path)
			if _, err := db.Exec(spoil); err != nil {
				t.Fatal(err)
			}
			var bad badRow
			if _, err := b.Verify(b.ctx(), nil); !errors.As(err, &bad) || !strings.HasPrefix(bad.where, "body of") {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

// What is handed on to the shop reaches it as it came, and lies sealed until then.
func TestForwardedFromSealed(t *testing.T) {
	s, handler := forwarding(t, func(c *Config) {
		c.Privacy.Keys = bodyKeys{bodyKeyNamed(t, "first")}
		c.Paytm.ForwardRefused = true
	})
	handler.mu.Lock()
	handler.down = true
	handler.mu.Unlock()
	good := s.paytm.PaymentForm(s.paytm.Pay("1", 100, paytmtest.Comments("canary-comment")))
	for m, want := range map[*paytmtest.Message]int{
		&good: http.StatusOK,
		{ContentType: good.ContentType, Body: []byte("x=canary-refused")}: http.StatusUnauthorized,
	} {
		if status, _ := post(t, s.client, s.url+"/webhooks/paytm", *m); status != want {
			t.Errorf("%s: %d", m.About, status)
		}
	}
	for s.standing().Waiting < 2 {
		time.Sleep(5 * time.Millisecond)
	}
	s.leavesNoTrace("canary")
	handler.mu.Lock()
	handler.down = false
	handler.mu.Unlock()
	for s.standing().Waiting > 0 { // the first try may be on its way still
		if _, err := s.ForwardAgain(s.ctx()); err != nil {
			t.Fatal(err)
		}
		s.setClock(func() time.Time { return time.Now().Add(time.Hour) })
		time.Sleep(20 * time.Millisecond)
	}
	taken := handler.has(t, 2)
	if both := string(taken[0].Body) + string(taken[1].Body); !strings.Contains(both, "canary-refused") ||
		!strings.Contains(both, string(good.Body)) {
		t.Errorf("the shop has %s", both)
	}
}

func (b *books) standing() ForwardsStanding {
	b.Helper()
	standing, err := b.Forwards(b.ctx())
	if err != nil {
		b.Fatal(err)
	}
	return standing
}

// Refused messages lie sealed, a repeat is known after a restart, and a changed key opens the old ones.
func TestRefusedIsSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hissa.db")
	first := bodyKeys{bodyKeyNamed(t, "first")}
	both := bodyKeys{bodyKeyNamed(t, "second"), first[0]}
	var last *refusedRing
	for _, c := range []struct {
		keys bodyKeys
		body string
	}{{nil, "open"}, {first, "canary-one"}, {both, "canary-one"}, {both, "canary-two"}} {
		last = newRefusedRing(path, c.keys, slog.New(slog.DiscardHandler))
		if err := last.write(refusedFrom("n", []byte(c.body))); err != nil {
			t.Fatal(err)
		}
		last.close()
	}
	if kept := strings.Join(last.kept(t), " "); kept != "open canary-one canary-two" {
		t.Errorf("kept: %s", kept)
	}
	text, err := os.ReadFile(last.path)
	if err != nil || bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString([]byte("canary"))[:6])) {
		t.Errorf("it is readable in %s (%v)", text, err)
	}
	closed := 0
	if err := eachRefused(path, time.Now(), func(m Refused) error {
		if m.opened(both[:1]).Key != "" {
			closed++
		}
		return nil
	}); err != nil || closed != 1 {
		t.Errorf("%d need the old key (%v)", closed, err)
	}
}

// BenchmarkRawBody is what a message costs before it waits for the writer, without a key and with one.
func BenchmarkRawBody(b *testing.B) {
	p := paytmtest.New(paytmtest.Config{})
	body := p.PaymentForm(p.Pay("1042", 149900)).Body
	for name, keys := range map[string]bodyKeys{"open": nil, "sealed": {bodyKeyNamed(b, "k")}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				keys.newRawBody(body)
			}
		})
	}
}

// On a new machine without the key the books come back from the copy, and serve names what is missing; a
// standby says so before it is needed, and is not promoted.
func TestAnotherMachineWithoutTheKey(t *testing.T) {
	t.Parallel()
	first, second := newChild(t), newChild(t)
	text, err := os.ReadFile(first.config())
	if err != nil {
		t.Fatal(err)
	}
	key := bodyKeyNamed(t, "first")
	secret := sha256.Sum256([]byte("first"))
	writeFile(t, filepath.Join(first.dir, "bodies.key"), hex.EncodeToString(secret[:])+"\n", 0o600)
	option := "[privacy]\nkey = \"file:" + filepath.Join(first.dir, "bodies.key") + "\"\n"
	writeFile(t, first.config(), string(text)+option, 0o600)
	writeFile(t, second.config(), string(text), 0o600)
	for _, c := range []*child{first, second} {
		c.copies("file://" + filepath.Join(first.dir, "copy"))
	}
	second.paytm = first.paytm
	second.loses()
	first.start()
	first.sales(2)
	first.inStep()

	second.listens(freeAddress(t))
	second.serveAs("standby")
	for until := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		answer, err := http.Get(second.url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(said), "the key "+key.name()) {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the standby says %d %s", answer.StatusCode, said)
		}
	}
	first.stop()
	second.refused(exitBusy, "sealed with the key "+key.name(), "standby", "-promote")
	second.stop()

	for range 2 { // it brings them back, and then finds them there
		second.refused(exitConfig, "sealed with the key "+key.name(), "serve")
	}
	second.refused(exitConfig, "2 raw messages not compared", "verify")
	restored := filepath.Join(second.dir, "restored.db")
	if out := second.must("restore", "-to", restored); !strings.Contains(out, "sealed with the key "+key.name()) ||
		!strings.Contains(out, "The books are in order") {
		t.Errorf("restored: %s", out)
	}
	now, err := os.ReadFile(second.config())
	if err != nil {
		t.Fatal(err)
	}
	fixed := strings.Replace(string(now), "[replica]\n", option+"[replica]\n", 1)
	writeFile(t, second.config(), fixed, 0o600)
	second.serveAs("serve")
	second.sales(1)
	second.must("verify")
}
