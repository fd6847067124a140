package paytm_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"hissa/paytm"
)

var amountPattern = regexp.MustCompile(`\A([0-9]{1,12})(\.[0-9]+)?\z`)

// amountOracle says what an amount is by other means than ParseAmount.
func amountOracle(text string) (paise int64, ok bool) {
	if !amountPattern.MatchString(text) {
		return 0, false
	}
	rupees, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, false
	}
	if rupees.Mul(rupees, big.NewRat(100, 1)); !rupees.IsInt() {
		return 0, false
	}
	return rupees.Num().Int64(), true
}

// Every text of up to five characters that an amount could be mistaken for.
func TestEveryShortAmount(t *testing.T) {
	const alphabet = "0123456789.,+-eE _"
	var text [5]byte
	tried, accepted := 0, 0
	var extend func(length int)
	extend = func(length int) {
		tried++
		got, err := paytm.ParseAmount(string(text[:length]))
		want, ok := int64(0), false
		// Building a rational for each of two million texts would take long; the pattern is
		// enough for those that ParseAmount refuses.
		if err == nil || amountPattern.Match(text[:length]) {
			want, ok = amountOracle(string(text[:length]))
		}
		if (err == nil) != ok || got != want {
			t.Fatalf("%q is %d, %v; want %d, %v", text[:length], got, err, want, ok)
		}
		if ok {
			accepted++
		}
		if length == len(text) {
			return
		}
		for _, b := range []byte(alphabet) {
			text[length] = b
			extend(length + 1)
		}
	}
	extend(0)
	if want := 1 + 18 + 18*18 + 18*18*18 + 18*18*18*18 + 18*18*18*18*18; tried != want {
		t.Errorf("tried %d texts, not %d", tried, want)
	}
	// Of n digits alone: 10+…+10^5. With a point: 1.1 1.2 1.3(0) 2.1 2.2 3.1 digits.
	want := 10 + 100 + 1000 + 10000 + 100000 + (100 + 1000 + 1000) + (1000 + 10000) + 10000
	if accepted != want {
		t.Errorf("accepted %d, want %d", accepted, want)
	}
}

func TestParseAmount(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "0.00": 0, "1": 100, "20": 2000, "5.0": 500, "1.30": 130, "500.00": 50000,
		"1499.00": 149900, "0.01": 1, "1.0000000000000000000000": 100, "007.70": 770,
		"999999999999.99": 99999999999999,
	} {
		if got, err := paytm.ParseAmount(text); got != want || err != nil {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", ".", "1.", ".5", "-1", "+1", "- 1", "1e9", "1E2", "0x10", "1_000", "1,000.00", "1 000",
		" 1", "1 ", "1\n", "1\x00", "1..0", "1.0.0", "1.005", "0.001", "NaN", "Inf", "∞", "½", "²",
		"१००", "١٠٠", "１００", "1．00", "1٫00", "₹1", "Rs 1", "INR 1.00", "null",
		"1000000000000", "9223372036854775807", "92233720368547758.07", strings.Repeat("9", 400),
		"0000000000001", "1\u200b", "\ufeff1",
	} {
		if got, err := paytm.ParseAmount(text); err == nil || got != 0 {
			t.Errorf("%q is accepted as %d", text, got)
		} else if !strings.Contains(err.Error(), `"`) || len(err.Error()) > 200 {
			t.Errorf("%q: the error does not quote it shortly: %v", text, err)
		}
	}
}

func TestFormatAmount(t *testing.T) {
	for paise, want := range map[int64]string{
		0: "0.00", 1: "0.01", 9: "0.09", 10: "0.10", 99: "0.99", 100: "1.00", 149900: "1499.00",
		-1: "-0.01", -5: "-0.05", -100: "-1.00", -149905: "-1499.05",
		math.MaxInt64: "92233720368547758.07", math.MinInt64: "-92233720368547758.08",
	} {
		if got := paytm.FormatAmount(paise); got != want {
			t.Errorf("%d is %q, want %q", paise, got, want)
		}
	}
}

func TestAmountsSurviveTheRoundTrip(t *testing.T) {
	check := func(paise int64) {
		t.Helper()
		text := paytm.FormatAmount(paise)
		if got, err := paytm.ParseAmount(text); got != paise || err != nil {
			t.Fatalf("%d became %q and then %d, %v", paise, text, got, err)
		}
		if got, err := paytm.ParseAmount(paytm.FormatAmount(-paise)); paise > 0 && err == nil {
			t.Fatalf("%d below zero came back as %d", paise, got)
		}
	}
	for paise := range int64(100_000) {
		check(paise)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		check(r.Int64N(100_000_000_000_000))
	}
}

func TestParseTime(t *testing.T) {
	const (
		day    = "2026-01-14T18:30:00Z"
		clock  = "2026-01-15T07:33:05Z"
		second = "2026-01-15T07:33:00Z"
	)
	for text, want := range map[string]string{
		"2026-01-15 13:03:05":          clock,
		"2026-01-15 13:03:05.0":        clock,
		"2026-01-15 13:03:05.000000":   clock,
		"2026-01-15 13:03:05.25":       "2026-01-15T07:33:05.25Z",
		"2026-01-15 13:03:05.123456":   "2026-01-15T07:33:05.123456Z",
		"2026-01-15T13:03:05+05:30":    clock,
		"2026-01-15T13:03:05.0+05:30":  clock,
		"2026-01-15T07:33:05Z":         clock,
		"2026-01-15T07:33:05+00:00":    clock,
		"2026-01-15T02:33:05.5-05:00":  "2026-01-15T07:33:05.5Z",
		"1/15/2026 13:03:05":           clock,
		"01/15/2026 13:03:05":          clock,
		"15/01/2026 13:03":             second,
		"15/1/2026 13:03":              second,
		"2/1/2026 00:00":               "2026-01-01T18:30:00Z",
		"1/2/2026 00:00:00":            "2026-01-01T18:30:00Z",
		"2026-01-15":                   day,
		"2026-01-01 00:00:00":          "2025-12-31T18:30:00Z",
		"2024-02-29 23:59:59.999":      "2024-02-29T18:29:59.999Z",
		"7/24/2020 15:13:02":           "2020-07-24T09:43:02Z",
		"2020-09-10 13:03:05.0":        "2020-09-10T07:33:05Z",
		"2023-02-24 15:35:33":          "2023-02-24T10:05:33Z",
		"14/09/2020 11:37":             "2020-09-14T06:07:00Z",
		"2026-01-15 13:03:05.12345678": "2026-01-15T07:33:05.12345678Z",
	} {
		got, hasClock, err := paytm.ParseTime(text)
		if err != nil || got.Format(time.RFC3339Nano) != want || got.Location() != time.UTC {
			t.Errorf("%q is %v, %v; want %s", text, got, err, want)
		}
		if hasClock != (want != day) {
			t.Errorf("%q: hasClock is %v", text, hasClock)
		}
	}
	for _, text := range []string{
		"", "null", "0", "now", "2026", "2026-01", "2026-1-5", "2026-13-01", "2026-02-29 10:00:00",
		"2026-02-30", "2026-01-15 24:00:00", "2026-01-15 13:60:05", "2026-01-15 13:03:60",
		"2026-01-15 3:03:05", "2026-01-15 13:03:5", "2026-01-15  13:03:05", " 2026-01-15 13:03:05",
		"2026-01-15 13:03:05 ", "2026-01-15 13:03:05,5", "2026-01-15 13:03:05.", "2026-01-15.5",
		"2026-01-15 13:03", "2026-01-15T13:03:05", "2026-01-15 13:03:05+05:30", "13:03:05",
		"15/01/2026 13:03:05", "01/15/2026 13:03", "15-01-2026 13:03:05", "20260115130305",
		"2026-01-15 13:03:05.0.0", "2026-01-15 1.5:03:05", "２026-01-15", "2026-01-15 13:03:05 PM",
		"1768462385", "0000-01-01 00:00:00", "1970-01-01 00:00:00", "9999-12-31T23:59:59-05:00",
		strings.Repeat("2026-01-15 ", 10000), "2026-01-15 13:03:05." + strings.Repeat("0", 99),
	} {
		if got, hasClock, err := paytm.ParseTime(text); err == nil || hasClock || !got.IsZero() {
			t.Errorf("%q is accepted as %v", text, got)
		}
	}
}

func FuzzParseAmount(f *testing.F) {
	for _, text := range []string{
		"1499.00", "5.0", "20", "1e9", "1,000.00", "-1", "१", "1.005", "999999999999.99",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := paytm.ParseAmount(text)
		want, ok := amountOracle(text)
		if (err == nil) != ok || got != want || got < 0 {
			t.Fatalf("%q is %d, %v; want %d, %v", text, got, err, want, ok)
		}
		if again, err := paytm.ParseAmount(paytm.FormatAmount(got)); again != got || err != nil {
			t.Errorf("%d does not survive the round trip: %d, %v", got, again, err)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, text := range []string{
		"2026-01-15 13:03:05.0", "2026-01-15", "2026-01-15T13:03:05+05:30", "7/24/2020 15:13:02",
		"15/07/2020 00:00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, hasClock, err := paytm.ParseTime(text)
		if err != nil {
			if hasClock || !at.IsZero() {
				t.Errorf("%q is refused and yet %v, %v", text, at, hasClock)
			}
			return
		}
		if strings.ContainsAny(text, "|,_") || at.Location() != time.UTC {
			t.Errorf("%q is accepted as %v", text, at)
		}
		again, _, err := paytm.ParseTime(at.Format("2006-01-02T15:04:05.999999999Z07:00"))
		if err != nil || !again.Equal(at) {
			t.Errorf("%q is %v, and that %v, %v", text, at, again, err)
		}
	})
}
