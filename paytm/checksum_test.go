package paytm_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"hissa/paytm"
)

const testKey = "vK9@xPq#72mLzR&d"

func mustKey(t testing.TB, text string) *paytm.Key {
	t.Helper()
	key, err := paytm.NewKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// vectors are the messages of testdata/paytm_checksum.json, signed with Paytm's own libraries.
type vectors struct {
	Vectors []struct {
		ID, Kind, Description, Key, Body, Signature string
		Params                                      map[string]*string
		Want                                        *bool `json:"recommended_checksum_result"`
	}
	Wire []struct {
		ID       string
		RawBody  string `json:"raw_body"`
		Key      string
		Checksum any  `json:"expect_checksum"`
		Repaired bool `json:"expect_after_space_to_plus_repair"`
	} `json:"wire_vectors"`
}

func readVectors(t testing.TB) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("../testdata/paytm_checksum.json")
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func fieldsOf(params map[string]*string) (fields paytm.Fields) {
	for name, value := range params {
		if value == nil {
			fields = append(fields, paytm.Field{Name: name, Null: true})
		} else {
			fields = append(fields, paytm.Field{Name: name, Value: *value})
		}
	}
	return fields
}

func TestVectors(t *testing.T) {
	all := readVectors(t).Vectors
	if len(all) < 35 {
		t.Fatalf("only %d vectors", len(all))
	}
	for _, v := range all {
		t.Run(v.ID, func(t *testing.T) {
			if v.Want == nil {
				t.Fatal("the vector has no expectation")
			}
			key := mustKey(t, v.Key)
			var got bool
			switch v.Kind {
			case "params":
				got = key.Verify(fieldsOf(v.Params), v.Signature)
			case "string":
				got = key.VerifyText([]byte(v.Body), v.Signature)
			default:
				t.Fatalf("kind %q", v.Kind)
			}
			if got != *v.Want {
				t.Errorf("got %v: %s", got, v.Description)
			}
		})
	}
}

func TestSignedIsAccepted(t *testing.T) {
	for _, v := range readVectors(t).Vectors {
		key := mustKey(t, v.Key)
		if fields := fieldsOf(v.Params); !key.Verify(fields, key.Sign(fields)) {
			t.Errorf("%s: our own signature over the fields is refused", v.ID)
		}
		if text := []byte(v.Body); !key.VerifyText(text, key.SignText(text)) {
			t.Errorf("%s: our own signature over the text is refused", v.ID)
		}
	}
}

func TestChecksumHasPaytmsForm(t *testing.T) {
	key := mustKey(t, testKey)
	seen := map[string]bool{}
	for range 100 {
		checksum := key.SignText([]byte("x"))
		raw, err := base64.StdEncoding.DecodeString(checksum)
		if err != nil || len(raw) != 80 || len(checksum) != 108 {
			t.Fatalf("%q is not 108 characters for 80 bytes", checksum)
		}
		seen[checksum] = true
	}
	if len(seen) < 90 {
		t.Errorf("100 checksums of one text with only %d salts", len(seen))
	}
}

func TestKeySizes(t *testing.T) {
	for size := range 40 {
		secret := strings.Repeat("s", size)
		key, err := paytm.NewKey(secret)
		switch size {
		case 16, 24, 32:
			if err != nil || !key.VerifyText(nil, key.SignText(nil)) {
				t.Errorf("a key of %d bytes: %v", size, err)
			}
		default:
			if err == nil {
				t.Errorf("a key of %d bytes was taken", size)
			} else if !strings.Contains(err.Error(), fmt.Sprintf("has %d:", size)) ||
				size > 2 && strings.Contains(err.Error(), secret) {
				t.Errorf("a key of %d bytes: %v", size, err)
			}
		}
	}
}

func TestKeyNeverPrintsItself(t *testing.T) {
	key := mustKey(t, testKey)
	client := paytm.Client{BaseURL: "https://example.com", Key: key}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("test", "key", key, "value", *key)
	slog.New(slog.NewTextHandler(&log, nil)).Info("test", "key", key, "client", client)
	text, err := json.Marshal(struct{ Key *paytm.Key }{key})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %d %o %b %c %U") {
		printed := fmt.Sprintf(verb, key) + fmt.Sprintf(verb, *key)
		if want := "paytm.Key(redacted)paytm.Key(redacted)"; printed != want {
			t.Errorf("%s prints %q", verb, printed)
		}
		log.WriteString(fmt.Sprintf(verb, client))
	}
	// The expanded key begins with the key itself, as bytes, numbers or hexadecimal.
	for _, part := range []string{
		testKey, "vK9@", "118 75 57 64", "764b3940", "40394b76", "1077496694",
	} {
		if strings.Contains(log.String()+string(text), part) {
			t.Errorf("%q was printed", part)
		}
	}
	if key.String() != "paytm.Key(redacted)" || key.GoString() != key.String() {
		t.Error("String and GoString differ")
	}
}

func TestMalformedChecksumsAreRefused(t *testing.T) {
	key := mustKey(t, testKey)
	text := []byte("a|b")
	good := key.SignText(text)
	raw, _ := base64.StdEncoding.DecodeString(good)
	encode := base64.StdEncoding.EncodeToString
	for name, checksum := range map[string]string{
		"empty":                "",
		"spaces":               strings.Repeat(" ", 108),
		"one block too few":    encode(raw[16:]),
		"one block too many":   encode(append(raw[:80:80], raw[:16]...)),
		"one byte too few":     encode(raw[:79]),
		"one byte too many":    encode(append(raw[:80:80], 0)),
		"blocks exchanged":     encode(append(raw[16:80:80], raw[:16]...)),
		"zeros":                encode(make([]byte, 80)),
		"no padding":           strings.TrimRight(good, "="),
		"too much padding":     good + "=",
		"URL alphabet":         "-_" + good[2:],
		"twice":                good + good,
		"space in the middle":  good[:50] + " " + good[50:],
		"NUL at the end":       good + "\x00",
		"endless line breaks":  good + strings.Repeat("\n", 1000),
		"very long":            strings.Repeat("A", 1<<20),
		"for another text":     key.SignText([]byte("a|c")),
		"for another key":      mustKey(t, "0123456789abcdef").SignText(text),
		"for other boundaries": key.SignText([]byte("a||b")),
	} {
		if key.VerifyText(text, checksum) {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, checksum := range map[string]string{
		"as it is":            good,
		"one line break":      good[:76] + "\n" + good[76:],
		"two bytes line end":  good[:76] + "\r\n" + good[76:] + "\r\n",
		"line break in front": "\n" + good,
	} {
		if !key.VerifyText(text, checksum) {
			t.Errorf("%s: refused", name)
		}
	}
}

func refuseMutations(t *testing.T, key *paytm.Key, fields paytm.Fields, good string) {
	t.Helper()
	tried := 0
	for i := range len(good) {
		for _, b := range []byte("Aa0Zz9+/=-_ |\x00\n\x80") {
			if good[i] == b {
				continue
			}
			tried++
			if mutant := good[:i] + string([]byte{b}) + good[i+1:]; key.Verify(fields, mutant) {
				t.Errorf("byte %d of %q changed to %q is accepted", i, good, b)
			}
		}
	}
	if tried < 14*len(good) {
		t.Errorf("only %d mutations", tried)
	}
}

// One character more, less or other in the checksum, or in any value, and it is refused.
func TestMutationsAreRefused(t *testing.T) {
	for _, v := range readVectors(t).Vectors {
		if v.Kind != "params" || !*v.Want || v.ID[0] == 'S' {
			continue
		}
		key, fields := mustKey(t, v.Key), fieldsOf(v.Params)
		refuseMutations(t, key, fields, v.Signature)
		for i := range fields {
			if fields[i].Name == "CHECKSUMHASH" {
				continue
			}
			changed := append(paytm.Fields(nil), fields...)
			changed[i].Null = false
			changed[i].Value += "x"
			if key.Verify(changed, v.Signature) {
				t.Errorf("%s: %s made longer is accepted", v.ID, fields[i].Name)
			}
		}
	}
}

// The text "null" is signed as it stands by some of Paytm's libraries and as empty by others; any
// mixture of the two in one message is neither.
func TestNullText(t *testing.T) {
	key := mustKey(t, testKey)
	fields := paytm.Fields{
		{Name: "A", Value: "null"},
		{Name: "B", Value: "NULL"},
		{Name: "C", Value: "nullo"},
	}
	for text, want := range map[string]bool{
		"null|NULL|nullo": true,
		"||nullo":         true,
		"null||nullo":     false,
		"|NULL|nullo":     false,
		"||":              false,
	} {
		if got := key.Verify(fields, key.SignText([]byte(text))); got != want {
			t.Errorf("signed as %q: %v", text, got)
		}
	}
	empty := paytm.Fields{{Name: "A"}}
	if key.Verify(empty, key.SignText([]byte("null"))) {
		t.Error(`an empty value passes for the text "null"`)
	}
	null := paytm.Fields{{Name: "A", Null: true, Value: "ignored"}, {Name: "B", Value: "x"}}
	if key.Sign(null) == "" || !key.Verify(null, key.SignText([]byte("|x"))) {
		t.Error("a JSON null is not signed as empty")
	}
}

func TestChecksumIsNotPartOfWhatIsSigned(t *testing.T) {
	key := mustKey(t, testKey)
	fields := paytm.Fields{
		{Name: "MID", Value: "m"},
		{Name: "CHECKSUMHASH", Value: "c"},
		{Name: "A", Value: "a"},
	}
	if !key.VerifyText([]byte("a|m"), key.Sign(fields)) {
		t.Error("CHECKSUMHASH was signed")
	}
}

// Names sort by bytes: capitals, then "_", then small letters.
func TestOrderOfNames(t *testing.T) {
	key := mustKey(t, testKey)
	fields := paytm.Fields{
		{Name: "udf_1", Value: "5"}, {Name: "MERC_UNQ_REF", Value: "2"}, {Name: "_", Value: "4"},
		{Name: "MERCHANT", Value: "1"}, {Name: "Masked_customer_mobile_number", Value: "3"},
	}
	before := fmt.Sprint(fields)
	if !key.VerifyText([]byte("1|2|3|4|5"), key.Sign(fields)) {
		t.Error("not in byte order of the names")
	}
	if fmt.Sprint(fields) != before {
		t.Error("signing has changed the caller's fields")
	}
}

// One key serves all requests at once.
func TestKeyIsSafeForConcurrentUse(t *testing.T) {
	key := mustKey(t, testKey)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			fields := paytm.Fields{{Name: "A", Value: strings.Repeat("x", i)}, {Name: "B"}}
			for range 200 {
				checksum := key.Sign(fields)
				if !key.Verify(fields, checksum) || key.Verify(fields[1:], checksum) {
					t.Error("messages were mixed")
				}
			}
		})
	}
	group.Wait()
}

func FuzzVerify(f *testing.F) {
	key := mustKey(f, testKey)
	for _, v := range readVectors(f).Vectors {
		f.Add(v.Body, v.Signature)
	}
	f.Fuzz(func(t *testing.T, text, checksum string) {
		fields := paytm.Fields{{Name: "A", Value: text}, {Name: "B", Value: "x"}}
		if key.VerifyText([]byte(text), checksum) &&
			len(strings.NewReplacer("\r", "", "\n", "").Replace(checksum)) != 108 {
			t.Errorf("a checksum that is not 108 characters is accepted: %q", checksum)
		}
		if !key.VerifyText([]byte(text), key.SignText([]byte(text))) {
			t.Errorf("the text %q, signed here, is refused", text)
		}
		signed := key.Sign(fields)
		if !key.Verify(fields, signed) || key.Verify(fields[:1], signed) {
			t.Errorf("the fields %v, signed here", fields)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	key := mustKey(b, testKey)
	for _, v := range readVectors(b).Vectors {
		switch fields := fieldsOf(v.Params); v.ID {
		case "V02":
			b.Run("form of 16 fields", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					key.Verify(fields, v.Signature)
				}
			})
		case "V34":
			text := []byte(v.Body)
			b.Run("text of a refund", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					key.VerifyText(text, v.Signature)
				}
			})
		}
	}
}
