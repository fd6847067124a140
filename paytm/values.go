package paytm

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// IST is Indian Standard Time, the zone of every time Paytm writes without an offset.
var IST = time.FixedZone("IST", 19800)

// maxRupeeDigits keeps paise far from the end of int64.
const maxRupeeDigits = 12

// ParseAmount reads rupees as Paytm writes them, "1499.00", "5.0" or "20", and returns paise.
// There is no sign, space, exponent or thousands separator, only ASCII digits, at most 12 of them
// before the point, and nothing but zeros after the second decimal.
func ParseAmount(text string) (paise int64, err error) {
	rupees, decimals, pointed := strings.Cut(text, ".")
	if !allDigits(rupees) || pointed && !allDigits(decimals) {
		return 0, fmt.Errorf("%s is not an amount in rupees such as 1499.00", quote(text))
	}
	if len(rupees) > maxRupeeDigits {
		return 0, fmt.Errorf("%s has more than %d digits of rupees", quote(text), maxRupeeDigits)
	}
	for _, digit := range []byte(rupees) {
		paise = 10*paise + int64(digit-'0')
	}
	for i := range max(2, len(decimals)) {
		digit := byte('0')
		if i < len(decimals) {
			digit = decimals[i]
		}
		switch {
		case i < 2:
			paise = 10*paise + int64(digit-'0')
		case digit != '0':
			return 0, fmt.Errorf("%s is not a whole number of paise", quote(text))
		}
	}
	return paise, nil
}

// FormatAmount writes paise as rupees with two decimals: 149900 is "1499.00", -5 is "-0.05".
func FormatAmount(paise int64) string {
	sign, magnitude := "", uint64(paise)
	if paise < 0 {
		sign, magnitude = "-", -magnitude
	}
	text := strconv.FormatUint(magnitude, 10)
	if len(text) < 3 {
		text = "000"[len(text):] + text
	}
	point := len(text) - 2
	return sign + text[:point] + "." + text[point:]
}

// timeLayouts are the ways Paytm's documentation, samples and APIs write a time. A slashed date is
// month first with seconds, as in the payment pages, and day first without, as in the
// subscription pre-debit page.
var timeLayouts = []struct {
	layout   string
	hasClock bool
}{
	{"2006-01-02 15:04:05", true},
	{"2006-01-02", false},
	{"2006-01-02T15:04:05-07:00", true},
	{"2006-01-02T15:04:05Z07:00", true},
	{"1/2/2006 15:04:05", true},
	{"01/02/2006 15:04:05", true},
	{"02/01/2006 15:04", true},
	{"2/1/2006 15:04", true},
}

// maxTimeText is longer than any layout with nine digits of a second.
const maxTimeText = 40

// ParseTime reads a time as Paytm writes it, in IST unless it states an offset, and returns it in
// UTC. With a bare date hasClock is false and t is its midnight in IST. Years before 2000, when
// there was no Paytm, are refused.
func ParseTime(text string) (t time.Time, hasClock bool, err error) {
	if len(text) <= maxTimeText {
		whole := withoutFraction(text)
		for _, known := range timeLayouts {
			t, err := time.ParseInLocation(known.layout, text, IST)
			// Writing it again refuses what the time package reads leniently.
			if err == nil && t.Format(known.layout) == whole && plausible(t.UTC()) {
				return t.UTC(), known.hasClock, nil
			}
		}
	}
	return time.Time{}, false, fmt.Errorf("%s is not a time as Paytm writes it", quote(text))
}

// plausible refuses years before Paytm's, and those that a time zone has made five digits long.
func plausible(t time.Time) bool { return 2000 <= t.Year() && t.Year() <= 9999 }

// withoutFraction drops the first point and the digits after it.
func withoutFraction(text string) string {
	before, after, _ := strings.Cut(text, ".")
	return before + strings.TrimLeft(after, "0123456789")
}

func allDigits(text string) bool {
	for _, b := range []byte(text) {
		if b < '0' || b > '9' {
			return false
		}
	}
	return text != ""
}

// quote shows a value in a message to a person: escaped, and no longer than one line bears.
func quote(value string) string {
	const most = 40
	if len(value) <= most {
		return strconv.Quote(value)
	}
	return strconv.Quote(value[:most]) + "…"
}
