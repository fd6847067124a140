package paytm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"hissa/paytm"
)

func parse(t testing.TB, body string) *paytm.Envelope {
	t.Helper()
	envelope, err := paytm.Parse([]byte(body))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return envelope
}

func TestWireVectors(t *testing.T) {
	all := readVectors(t).Wire
	if len(all) < 7 {
		t.Fatalf("only %d wire vectors", len(all))
	}
	for _, v := range all {
		t.Run(v.ID, func(t *testing.T) {
			envelope, err := paytm.Parse([]byte(v.RawBody))
			want, definite := v.Checksum.(bool)
			if !definite { // two readings of one body: a repeated name
				if err == nil || !strings.Contains(err.Error(), "TXNAMOUNT") {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := envelope.Verify(mustKey(t, v.Key)); got != (want || v.Repaired) {
				t.Errorf("got %v", got)
			}
			if envelope.Verify(mustKey(t, "0123456789abcdef")) {
				t.Error("accepted with another key")
			}
			if mid := envelope.MID(); mid != "AFFDEM00000000000001" {
				t.Errorf("MID %q", mid)
			}
		})
	}
}

func TestParseForm(t *testing.T) {
	for body, want := range map[string]paytm.Fields{
		"A=":                      {{Name: "A"}},
		"A=1&B=2":                 {{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
		"B=2&A=1":                 {{Name: "B", Value: "2"}, {Name: "A", Value: "1"}},
		"A=x%3Dy%26z=1":           {{Name: "A", Value: "x=y&z=1"}},
		"A=1=2==":                 {{Name: "A", Value: "1=2=="}},
		"A=a+b%20c%2Bd":           {{Name: "A", Value: "a b c+d"}},
		"A+B=1&%41=2":             {{Name: "A B", Value: "1"}, {Name: "A", Value: "2"}},
		"A=%E2%82%B9&B=₹":         {{Name: "A", Value: "₹"}, {Name: "B", Value: "₹"}},
		"A=%0a%0D%3b%22%7C":       {{Name: "A", Value: "\n\r;\"|"}},
		" A=1\n":                  {{Name: " A", Value: "1\n"}},
		"a=1&A=2":                 {{Name: "a", Value: "1"}, {Name: "A", Value: "2"}},
		"A=null":                  {{Name: "A", Value: "null"}},
		`[{"A":"="}]`:             {{Name: `[{"A":"`, Value: `"}]`}},
		"\ufeff{\"A\":\"=\"}":     {{Name: "\ufeff{\"A\":\"", Value: "\"}"}},
		"A=%25&B=%2525":           {{Name: "A", Value: "%"}, {Name: "B", Value: "%25"}},
		"CHECKSUMHASH=a b+c%2b/=": {{Name: "CHECKSUMHASH", Value: "a b c+/="}},
		"A=1&":                    {{Name: "A", Value: "1"}},
		"A=1;B=2":                 {{Name: "A", Value: "1;B=2"}},
		"A=1;&B=;2&":              {{Name: "A", Value: "1;"}, {Name: "B", Value: ";2"}},
	} {
		e := parse(t, body)
		if e.Shape != paytm.Form || !slices.Equal(e.Fields, want) || e.Text != nil {
			t.Errorf("%q is %s %+v, want %+v", body, e.Shape, e.Fields, want)
		}
	}
	if got := parse(t, "CHECKSUMHASH=a b+c%2b/=").Checksum; got != "a+b+c+/=" {
		t.Errorf("the spaces of the checksum are not plus signs again: %q", got)
	}
}

func TestMalformedForms(t *testing.T) {
	for name, body := range map[string]string{
		"empty":                  "",
		"white space":            " \r\n\t",
		"no equals sign":         "A",
		"semicolon in a name":    "A=1&B;C=2",
		"piece without value":    "A=1&B",
		"empty piece":            "A=1&&B=2",
		"ampersand in front":     "&A=1",
		"empty name":             "=1",
		"empty second name":      "A=1&=2",
		"repeated":               "A=1&A=1",
		"repeated, escaped":      "TXNID=1&%54XNID=2",
		"repeated, far apart":    "A=1&B=2&C=3&A=4",
		"half an escape":         "A=%4",
		"bare percent":           "A=100%",
		"percent and junk":       "A=%zz",
		"percent and sign":       "A=%+1",
		"bad escape in a name":   "%zz=1",
		"escaped NUL":            "A=%00",
		"escaped NUL in name":    "A%00=1",
		"raw NUL":                "A=1\x00",
		"raw byte 0xFF":          "A=\xff",
		"escaped byte 0xFF":      "A=%FF",
		"overlong slash":         "A=%C0%AF",
		"half a rune, escaped":   "A=%E2%82",
		"encoded surrogate":      "A=%ED%A0%80",
		"201 names":              manyNames(201),
		"a hundred thousand":     manyNames(100_000),
		"ampersands without end": strings.Repeat("&", 1<<20),
	} {
		if e, err := paytm.Parse([]byte(body)); err == nil {
			t.Errorf("%s: accepted as %.200v", name, e.Fields)
		} else if len(err.Error()) > 200 {
			t.Errorf("%s: the error is long: %v", name, err)
		}
	}
	if e := parse(t, manyNames(200)); len(e.Fields) != 200 {
		t.Errorf("of 200 names %d are left", len(e.Fields))
	}
}

func manyNames(count int) string {
	pieces := make([]string, count)
	for i := range pieces {
		pieces[i] = fmt.Sprintf("N%d=%d", i, i)
	}
	return strings.Join(pieces, "&")
}

// What a lenient parser would make of a body never differs from what is read here.
func TestFormAgreesWithTheStandardParser(t *testing.T) {
	for _, v := range readVectors(t).Wire {
		if strings.HasPrefix(v.RawBody, "{") || v.ID == "W03" {
			continue
		}
		standard, err := url.ParseQuery(v.RawBody)
		if err != nil {
			t.Fatal(err)
		}
		e := parse(t, v.RawBody)
		for _, field := range e.Fields {
			if values := standard[field.Name]; len(values) != 1 || values[0] != field.Value {
				t.Errorf(
					"%s: %s is %q, and %q in the standard library",
					v.ID,
					field.Name,
					field.Value,
					values,
				)
			}
		}
		if len(e.Fields) != len(standard) || len(standard) < 10 {
			t.Errorf(
				"%s: %d fields, %d in the standard library",
				v.ID,
				len(e.Fields),
				len(standard),
			)
		}
	}
}

func TestParseFlatJSON(t *testing.T) {
	e := parse(
		t,
		` {"MID":"m","TXNAMOUNT":"1.00", "N":1.50,"T":true,"X":null,"L":[ {"a":1} ],`+
			`"CHECKSUMHASH":"a b"}`+"\r\n",
	)
	want := paytm.Fields{
		{Name: "MID", Value: "m"}, {Name: "TXNAMOUNT", Value: "1.00"}, {Name: "N", Value: "1.50"},
		{Name: "T", Value: "true"}, {Name: "X", Null: true}, {Name: "L", Value: `[ {"a":1} ]`},
		{Name: "CHECKSUMHASH", Value: "a b"},
	}
	if e.Shape != paytm.FlatJSON || !slices.Equal(e.Fields, want) || e.Text != nil ||
		e.Checksum != "a b" {
		t.Errorf("got %s %+v, checksum %q", e.Shape, e.Fields, e.Checksum)
	}
	if e.MID() != "m" || e.Fields.Get("X") != "" || !e.Fields.Has("X") || e.Fields.Has("Y") {
		t.Error("Get, Has or MID are wrong")
	}
}

func TestFlatJSONIsVerifiedLikeAForm(t *testing.T) {
	key := mustKey(t, testKey)
	fields := paytm.Fields{
		{Name: "ORDERID", Value: "O₹\n"},
		{Name: "MID", Value: "m"},
		{Name: "X", Null: true},
	}
	values := object(fields)
	values["CHECKSUMHASH"] = key.Sign(fields)
	body, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	if !parse(t, string(body)).Verify(key) {
		t.Error("refused")
	}
	if parse(t, strings.Replace(string(body), `"m"`, `"n"`, 1)).Verify(key) {
		t.Error("accepted with another MID")
	}
}

// The signature of head and body covers the exact bytes of the value of body, wherever it stands.
func TestHeadBodySignsExactBytes(t *testing.T) {
	key := mustKey(t, testKey)
	const text = `{ "mid" : "m\u0021",` + "\r\n\t" +
		`"n":1.0, "list":[1,{"a":null}], "null":null, "ok":false }`
	signature := key.SignText([]byte(text))
	signed := `"signature":"` + signature + `"`
	slashes := strings.ReplaceAll(signed, "/", `\/`)
	for name, body := range map[string]string{
		"head first":        `{"head":{` + signed + `},"body":` + text + `}`,
		"body first":        `{"body":` + text + `,"head":{"version":"v1",` + signed + `}}`,
		"spaces around":     ` { "body" : ` + text + "\r\n\t, " + `"head":{ ` + signed + " } }\n",
		"other members":     `{"x":{"body":{}},"head":{` + signed + `},"body":` + text + `,"y":1}`,
		"escaped names":     `{"h\u0065ad":{` + signed + `},"b\u006fdy":` + text + `}`,
		"escaped signature": `{"head":{` + slashes + `},"body":` + text + `}`,
	} {
		e := parse(t, body)
		if e.Shape != paytm.HeadBody || string(e.Text) != text || !e.Verify(key) {
			t.Errorf("%s: %s %q, verified %v", name, e.Shape, e.Text, e.Verify(key))
		}
		want := paytm.Fields{
			{Name: "mid", Value: "m!"},
			{Name: "n", Value: "1.0"},
			{Name: "null", Null: true},
			{Name: "ok", Value: "false"},
		}
		if !slices.Equal(e.Fields, want) || e.MID() != "m!" {
			t.Errorf("%s: %+v", name, e.Fields)
		}
		for _, change := range [][2]string{
			{"\r\n", "\n"}, {`\u0021`, "!"}, {"1.0", "1.00"}, {" }", "}"},
		} {
			other := strings.Replace(text, change[0], change[1], 1)
			changed := strings.Replace(body, text, other, 1)
			if changed == body || parse(t, changed).Verify(key) {
				t.Errorf("%s: accepted with %q instead of %q", name, change[1], change[0])
			}
		}
	}
}

// What is no character reads as U+FFFD. A message is not lost for it, and no field that money depends
// on can be made of it.
func TestHalfCharacters(t *testing.T) {
	key := mustKey(t, testKey)
	for escape, want := range map[string]string{
		`\ud83d`: "\ufffd", `\ude00`: "\ufffd", `\ud83dx`: "\ufffdx", `\ud83d\n`: "\ufffd\n",
		`\ude00\ud83d`: "\ufffd\ufffd", `\ud83d\ud83d\ude00`: "\ufffd😀", `\u0000`: "\ufffd",
	} {
		text := `{"mid":"m","acquirementId":"T1","comments":"` + escape + `"}`
		e := parse(t, `{"head":{"signature":"`+key.SignText([]byte(text))+`"},"body":`+text+`}`)
		if got := e.Fields.Get("comments"); got != want || !e.Verify(key) {
			t.Errorf("%s: %q, verified %v", escape, got, e.Verify(key))
		}
	}
	var form strings.Builder
	for name, value := range map[string]string{
		"MID": "m", "ORDERID": "1;STATUS=TXN_SUCCESS", "TXNID": "T1", "TXNAMOUNT": "1.00",
		"STATUS": "TXN_FAILURE", "CURRENCY": "INR",
	} {
		form.WriteString(name + "=" + value + "&")
	}
	m := parse(t, form.String()).Classify()
	if m.Status == paytm.Success || m.Review == "" {
		t.Errorf("an order with a semicolon reads as %+v", m)
	}
}

func TestMissingChecksumIsNeverVerified(t *testing.T) {
	key := mustKey(t, testKey)
	signature := key.SignText([]byte("{}"))
	for _, body := range []string{
		"MID=m", "MID=m&CHECKSUMHASH=", "MID=m&CHECKSUMHASH=null",
		`{"MID":"m"}`, `{"MID":"m","CHECKSUMHASH":null}`,
		`{"body":{"mid":"m"}}`, `{"head":{},"body":{}}`, `{"head":"x","body":{}}`,
		`{"head":[],"body":{}}`, `{"head":{"signature":""},"body":{}}`,
		`{"head":{"signature":null},"body":{}}`, `{"head":{"signature":1},"body":{}}`,
		`{"head":{"signature":["` + signature + `"]},"body":{}}`,
		`{"signature":"` + signature + `","body":{}}`,
		`{"CHECKSUMHASH":"` + signature + `","body":{}}`,
	} {
		if e := parse(t, body); e.Checksum != "" || e.Verify(key) {
			t.Errorf("%s has checksum %q", body, e.Checksum)
		}
	}
}

func TestMalformedJSON(t *testing.T) {
	deep := func(levels int) string {
		return strings.Repeat(`{"a":`, levels-1) + "[]" + strings.Repeat("}", levels-1)
	}
	var names []string
	for i := range 201 {
		names = append(names, fmt.Sprintf(`"N%d":%d`, i, i))
	}
	for name, body := range map[string]string{
		"open object":             `{`,
		"open string":             `{"a":"b`,
		"open escape":             `{"a":"\`,
		"trailing comma":          `{"a":1,}`,
		"leading comma":           `{,"a":1}`,
		"no colon":                `{"a" 1}`,
		"no value":                `{"a":}`,
		"unquoted name":           `{a:1}`,
		"single quotes":           `{'a':1}`,
		"comment":                 `{"a":1/**/}`,
		"empty name":              `{"":1}`,
		"second document":         `{"a":1}{"a":2}`,
		"text after it":           `{"a":1} x`,
		"form after it":           `{"a":1}&TXNID=1`,
		"repeated":                `{"a":1,"a":1}`,
		"repeated, escaped":       `{"TXNID":1,"\u0054XNID":2}`,
		"two bodies":              `{"head":{},"body":{"a":1},"body":{"a":2}}`,
		"repeated in body":        `{"head":{},"body":{"a":1,"a":2}}`,
		"repeated in head":        `{"head":{"signature":"a","signature":"b"},"body":{}}`,
		"repeated below a list":   `{"body":{"list":[{"a":1,"b":[{"c":1,"c":2}]}]}}`,
		"number 01":               `{"a":01}`,
		"number 1.":               `{"a":1.}`,
		"number .5":               `{"a":.5}`,
		"number +1":               `{"a":+1}`,
		"number -":                `{"a":-}`,
		"number 1e":               `{"a":1e}`,
		"number 0x1":              `{"a":0x1}`,
		"NaN":                     `{"a":NaN}`,
		"True":                    `{"a":True}`,
		"nul":                     `{"a":nul}`,
		"nulll":                   `{"a":nulll}`,
		"open array":              `{"a":[1,2`,
		"array with comma":        `{"a":[1,]}`,
		"control character":       "{\"a\":\"\n\"}",
		"tab in a name":           "{\"a\t\":1}",
		"bad escape":              `{"a":"\x41"}`,
		"short unicode escape":    `{"a":"\u12"}`,
		"unicode escape and sign": `{"a":"\u+123"}`,
		"raw NUL":                 "{\"a\":\"\x00\"}",
		"not UTF-8":               "{\"a\":\"\xff\"}",
		"UTF-16":                  "{\x00\"\x00a\x00\"\x00}\x00",
		"form feed":               "{\f\"a\":1}",
		"17 levels":               deep(17),
		"a million levels":        strings.Repeat(`{"a":`, 1_000_000),
		"201 names":               "{" + strings.Join(names, ",") + "}",
	} {
		if e, err := paytm.Parse([]byte(body)); err == nil {
			t.Errorf("%s: accepted as %.200v", name, e.Fields)
		} else if len(err.Error()) > 200 {
			t.Errorf("%s: the error is long: %v", name, err)
		}
	}
	for name, body := range map[string]string{
		"16 levels": deep(16),
		"200 names": "{" + strings.Join(names[:200], ",") + "}",
		"empty":     "{}",
		"escapes":   `{"a":"\"\\\/\b\f\n\r\t\u20b9\ud83d\ude00"}`,
	} {
		if !json.Valid([]byte(body)) {
			t.Fatalf("%s: the test is wrong", name)
		}
		parse(t, body)
	}
	e := parse(t, `{"a":"\"\\\/\b\f\n\r\t\u20b9\ud83d\ude00é"}`)
	if got := e.Fields.Get("a"); got != "\"\\/\b\f\n\r\t₹😀é" {
		t.Errorf("escapes are %q", got)
	}
}

func TestGetReadsNullAsEmpty(t *testing.T) {
	fields := paytm.Fields{
		{Name: "A", Value: "null"},
		{Name: "B", Value: "NuLL"},
		{Name: "C", Null: true},
		{Name: "D", Value: "nul"},
		{Name: "E", Value: " null"},
	}
	for name, want := range map[string]string{
		"A": "", "B": "", "C": "", "D": "nul", "E": " null", "F": "",
	} {
		if got := fields.Get(name); got != want || fields.Has(name) != (name != "F") {
			t.Errorf("%s is %q", name, got)
		}
	}
}

func TestMIDOfEveryShape(t *testing.T) {
	for body, want := range map[string]string{
		"MID=m&mid=n": "m", "mid=n": "n", "ORDERID=o": "", "MID=": "", "MID=null&mid=n": "n",
		`{"MID":"m"}`: "m", `{"body":{"mid":"m"}}`: "m",
		`{"body":{"orderId":"o"}}`: "", `{"body":{"mid":{}}}`: "",
		`{"mid":"outside","body":{}}`: "",
	} {
		if got := parse(t, body).MID(); got != want {
			t.Errorf("%s: %q", body, got)
		}
	}
}

func TestIdentity(t *testing.T) {
	same := [][]string{
		{"A=1&B=2", "B=2&A=1", "A=1&B=2&CHECKSUMHASH=x", "CHECKSUMHASH=y&A=%31&B=2"},
		{`{"A":"1","B":"2"}`, ` {"B":"2", "A":"\u0031","CHECKSUMHASH":"x"}`},
		{
			`{"body":{"A":"1"}}`,
			`{"head":{"signature":"x"},"body":{"A":"1"}}`,
			`{"body": {"A":"1"} }`,
		},
		{`{"body":{"A":"1" }}`},
		{`{"body":{"A":"\u0031"}}`},
		{"A=12&B="}, {"A=1&B=2&C="}, {"A=2&B=1"}, {"A=1&C=2"}, {"A=1"}, {"A=1%7C2"}, {"AB=12"},
		{"A=" + url.QueryEscape("1\x01B")}, {"CHECKSUMHASH=x"}, {"A=", "A=null", "A=NULL"},
		{`{"A":""}`, `{"A":null}`, `{"A":"Null"}`}, {`{"body":{"A":""}}`}, {`{"body":{"A":null}}`},
	}
	seen := map[[32]byte]string{}
	for _, group := range same {
		first := parse(t, group[0]).Identity()
		if other, found := seen[first]; found {
			t.Errorf("%q and %q have one identity", group[0], other)
		}
		seen[first] = group[0]
		for _, body := range group[1:] {
			if parse(t, body).Identity() != first {
				t.Errorf("%q and %q have different identities", group[0], body)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range readVectors(f).Wire {
		f.Add([]byte(v.RawBody))
	}
	for _, body := range []string{
		"A=%4&B", `{"a":[1,{"b":null}],"c":"\ud83d\ude00"}`, `{"body":{},"head":{}}`, "=", "{",
	} {
		f.Add([]byte(body))
	}
	key := mustKey(f, testKey)
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		e, err := paytm.Parse(body)
		if !bytes.Equal(body, before) {
			t.Fatal("Parse has changed its argument")
		}
		if err != nil {
			return
		}
		names := map[string]bool{}
		for _, field := range e.Fields {
			if names[field.Name] || field.Name == "" ||
				strings.Contains(field.Name+field.Value, "\x00") {
				t.Errorf("field %+v in %q", field, body)
			}
			names[field.Name] = true
		}
		switch e.Shape {
		case paytm.Form:
			// Which takes a semicolon for a fault, where browsers take it for itself.
			standard, err := url.ParseQuery(strings.ReplaceAll(string(body), ";", "%3B"))
			if err != nil || len(standard) != len(e.Fields) {
				t.Errorf("%q: the standard library reads %v, %v", body, standard, err)
			}
			for _, field := range e.Fields {
				if standard.Get(field.Name) != field.Value {
					t.Errorf("%q: %+v is %q", body, field, standard.Get(field.Name))
				}
			}
		default:
			if !json.Valid(body) ||
				e.Shape == paytm.HeadBody &&
					(!json.Valid(e.Text) || !bytes.Contains(body, e.Text)) {
				t.Errorf("%q is accepted, with body %q", body, e.Text)
			}
		}
		resigned := *e
		resigned.Checksum = key.Sign(e.Fields)
		if e.Shape == paytm.HeadBody {
			resigned.Checksum = key.SignText(e.Text)
		}
		if !resigned.Verify(key) || resigned.Identity() != e.Identity() {
			t.Errorf("%q: signed anew it is refused, or another message", body)
		}
	})
}
