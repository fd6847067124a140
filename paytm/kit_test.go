package paytm_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hissa/paytm"
)

// kitVersions are the two releases of Paytm's npm library that disagree about the text "null".
var kitVersions = []string{"1.5.0", "1.5.1"}

// kit is Paytm's own npm library in a process of its own.
type kit struct {
	t       *testing.T
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

type question struct {
	Kit      string `json:"kit"`
	Do       string `json:"do"`
	Key      string `json:"key"`
	Input    any    `json:"input"`
	Checksum string `json:"checksum,omitempty"`
}

type reply struct {
	Checksum string
	Valid    bool
	Error    string
}

// startKit skips the test where Node or the library is missing, unless HISSA_REQUIRE_TOOLS=1.
func startKit(t *testing.T) *kit {
	t.Helper()
	const dir = "testdata/kit"
	_, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "node_modules", "paytmchecksum-151"))
	}
	if err != nil {
		const hint = "Paytm's library is not here (%v): install Node, then run " +
			"npm ci --prefix paytm/testdata/kit"
		if os.Getenv("HISSA_REQUIRE_TOOLS") == "1" {
			t.Fatalf(hint, err)
		}
		t.Skipf(hint, err)
	}
	k := &kit{t: t, process: exec.Command("node", "kit.js")}
	k.process.Dir = dir
	k.process.Stderr = os.Stderr
	in, err1 := k.process.StdinPipe()
	out, err2 := k.process.StdoutPipe()
	if err := errors.Join(err1, err2, k.process.Start()); err != nil {
		t.Fatal(err)
	}
	k.in, k.out = in, bufio.NewReaderSize(out, 1<<20)
	t.Cleanup(func() {
		k.in.Close()
		if err := k.process.Wait(); err != nil {
			t.Errorf("kit.js: %v", err)
		}
	})
	return k
}

// ask sends all questions while it reads the answers, in their order.
func (k *kit) ask(questions ...question) []reply {
	k.t.Helper()
	sent := make(chan error, 1)
	go func() {
		lines := json.NewEncoder(k.in)
		for _, q := range questions {
			if err := lines.Encode(q); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	replies := make([]reply, len(questions))
	for i := range replies {
		line, err := k.out.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &replies[i])
		}
		if err != nil {
			k.t.Fatalf("answer %d of kit.js: %v", i, err)
		}
	}
	if err := <-sent; err != nil {
		k.t.Fatal(err)
	}
	return replies
}

func (k *kit) accepts(version, key string, fields paytm.Fields, checksum string) bool {
	k.t.Helper()
	answer := k.ask(question{version, "verify", key, object(fields), checksum})[0]
	if answer.Error != "" {
		k.t.Fatalf("the library threw %q", answer.Error)
	}
	return answer.Valid
}

// object is the map the library takes.
func object(fields paytm.Fields) map[string]any {
	m := make(map[string]any, len(fields))
	for _, field := range fields {
		m[field.Name] = field.Value
		if field.Null {
			m[field.Name] = nil
		}
	}
	return m
}

// randomValue is built of pieces on which implementations differ.
func randomValue(r *rand.Rand) string {
	pieces := append(strings.Fields(`a Z9 | || null NULL Null nUlL % %20 %zz & &amp; + = / " \ '
		<b> ₹ नमस्ते é 😀 REFUND TXN_SUCCESS 1499.00 CHECKSUMHASH {} __proto__`),
		"", "", " ", "\n", "\r\n", "\t", "e\u0301", "\u2028", "\ufeff",
		strings.Repeat("long ", 300))
	var value strings.Builder
	for range r.IntN(4) {
		value.WriteString(pieces[r.IntN(len(pieces))])
	}
	return value.String()
}

// randomFields never has a name like a number, which JavaScript sorts by value (vector V23), or
// __proto__, which its objects cannot hold.
func randomFields(r *rand.Rand) paytm.Fields {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	const more = letters + "_0123456789"
	var fields paytm.Fields
	for range 1 + r.IntN(20) {
		name := string(letters[r.IntN(len(letters))])
		for range r.IntN(4) {
			name += string(more[r.IntN(len(more))])
		}
		if !fields.Has(name) {
			null := r.IntN(12) == 0
			field := paytm.Field{Name: name, Null: null}
			if !null {
				field.Value = randomValue(r)
			}
			fields = append(fields, field)
		}
	}
	return fields
}

func randomKey(r *rand.Rand) string {
	key := make([]byte, 16)
	for i := range key {
		key[i] = byte('!' + r.IntN('~'-'!'+1))
	}
	return string(key)
}

func hasNullText(fields paytm.Fields) bool {
	for _, field := range fields {
		if strings.EqualFold(field.Value, "null") {
			return true
		}
	}
	return false
}

// Paytm's library and this package accept what the other signs. The one exception is the library's
// own: 1.5.0 signs the text "null" as empty, 1.5.1 as it stands. Both are accepted here, and what
// is signed here is as 1.5.1 has it.
func TestAgreesWithPaytmsLibrary(t *testing.T) {
	k := startKit(t)
	const maps = 2000
	for _, version := range kitVersions {
		t.Run(version, func(t *testing.T) {
			r := rand.New(rand.NewPCG(151, 150))
			var signed, verified []question
			var sets []paytm.Fields
			nulls := 0
			for range maps {
				key, fields := randomKey(r), randomFields(r)
				sets = append(sets, fields)
				checksum := mustKey(t, key).Sign(fields)
				signed = append(signed, question{version, "sign", key, object(fields), ""})
				q := question{version, "verify", key, object(fields), checksum}
				verified = append(verified, q)
				if hasNullText(fields) {
					nulls++
				}
			}
			if nulls < 100 {
				t.Fatalf(`only %d of %d maps have a value "null"`, nulls, maps)
			}
			for i, answer := range k.ask(signed...) {
				if !mustKey(t, signed[i].Key).Verify(sets[i], answer.Checksum) {
					t.Fatalf("refused what the library signed: %q, %+v", signed[i], answer)
				}
			}
			for i, answer := range k.ask(verified...) {
				want := version == "1.5.1" || !hasNullText(sets[i])
				if answer.Error != "" || answer.Valid != want {
					t.Fatalf("the library says %+v, want %v: %q", answer, want, verified[i])
				}
			}
		})
	}
}

func TestAgreesWithPaytmsLibraryOnText(t *testing.T) {
	k := startKit(t)
	for _, version := range kitVersions {
		r := rand.New(rand.NewPCG(7, 11))
		var signed, verified []question
		for range 500 {
			key, text := randomKey(r), randomValue(r)+randomValue(r)
			checksum := mustKey(t, key).SignText([]byte(text))
			signed = append(signed, question{version, "sign", key, text, ""})
			verified = append(verified, question{version, "verify", key, text, checksum})
		}
		for i, answer := range k.ask(signed...) {
			text := []byte(signed[i].Input.(string))
			if !mustKey(t, signed[i].Key).VerifyText(text, answer.Checksum) {
				t.Fatalf("refused what the library signed: %q, %+v", signed[i], answer)
			}
		}
		for i, answer := range k.ask(verified...) {
			if !answer.Valid {
				t.Fatalf("the library refuses %q: %+v", verified[i], answer)
			}
		}
	}
}

// No character of a good checksum of the library can be changed.
func TestRefusesEveryMutationOfALibraryChecksum(t *testing.T) {
	k := startKit(t)
	r := rand.New(rand.NewPCG(3, 5))
	for range 5 {
		key, fields := randomKey(r), randomFields(r)
		good := k.ask(question{"1.5.1", "sign", key, object(fields), ""})[0].Checksum
		if !mustKey(t, key).Verify(fields, good) {
			t.Fatalf("refused what the library signed: %q, %+v", key, fields)
		}
		refuseMutations(t, mustKey(t, key), fields, good)
	}
}
