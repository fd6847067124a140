package web

// How money, counts and times are written: rupees in Indian grouping, times in IST with UTC behind them.

import (
	"fmt"
	"html/template"
	"strconv"
	"time"
)

// IST is India's time.
var IST = time.FixedZone("IST", 19800)

const (
	lakh  = 1_00_000_00 // paise
	crore = 100 * lakh
)

// grouped writes a count as in India: 1,23,456.
func grouped(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "−", -n
	}
	return sign + groupDigits(strconv.FormatInt(n, 10))
}

func groupDigits(whole string) string {
	if len(whole) <= 3 {
		return whole
	}
	head, tail := whole[:len(whole)-3], whole[len(whole)-3:]
	for len(head) > 2 {
		head, tail = head[:len(head)-2], head[len(head)-2:]+","+tail
	}
	return head + "," + tail
}

// Decimal writes paise as rupees with two decimals and no grouping, for files, for APIs, and to be copied: 1499.00.
func Decimal(paise int64) string {
	sign := ""
	if paise < 0 {
		sign, paise = "-", -paise
	}
	return fmt.Sprintf("%s%d.%02d", sign, paise/100, paise%100)
}

// Rupees writes paise for people in India: ₹1,23,456.00, less than nothing as −₹0.05.
func Rupees(paise int64) string {
	sign := ""
	if paise < 0 {
		sign, paise = "−", -paise
	}
	return fmt.Sprintf("%s₹%s.%02d", sign, groupDigits(strconv.FormatInt(paise/100, 10)), paise%100)
}

// Money writes an amount with its currency: rupees for INR or none, else "USD 12.00".
func Money(amount int64, currency string) string {
	if currency == "" || currency == "INR" {
		return Rupees(amount)
	}
	return currency + " " + Decimal(amount)
}

// short writes an amount for a card: from a lakh on in lakhs or crores, with the whole of it behind.
func (v *vocabulary) short(paise int64) (template.HTML, error) {
	full := Rupees(paise)
	size, unit := int64(lakh), "unit.lakh"
	if max(paise, -paise) < lakh {
		return template.HTML(full), nil
	} else if max(paise, -paise) >= crore {
		size, unit = crore, "unit.crore"
	}
	sign, rest := "", paise
	if paise < 0 {
		sign, rest = "−", -paise
	}
	hundredths := (rest*10 + size/20) / (size / 10) // of the unit, rounded once
	text, err := v.say(unit, "amount", template.HTML(fmt.Sprintf("%s₹%s.%02d", sign,
		groupDigits(strconv.FormatInt(hundredths/100, 10)), hundredths%100)))
	return template.HTML(`<span title="` + full + `"><span aria-hidden="true">` + string(text) +
		`</span><span class="vh">` + full + `</span></span>`), err
}

// change says how an amount compares with the one of the period before: +12.5 %, or new.
func (v *vocabulary) change(now, before int64) (template.HTML, error) {
	switch {
	case now == before:
		return v.say("change.same")
	case before == 0:
		return v.say("change.new")
	}
	tenths := (now - before) * 1000 / max(before, -before)
	sign := "+"
	if tenths < 0 {
		sign, tenths = "−", -tenths
	}
	text := fmt.Sprintf("%s%d.%d %%", sign, tenths/10, tenths%10)
	if tenths >= 1000 {
		text = fmt.Sprintf("%s%s %%", sign, groupDigits(strconv.FormatInt(tenths/10, 10)))
	}
	return v.say("change.by", "percent", text)
}

// ratio is part of whole as a percentage, – when there is no whole.
func ratio(part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	tenths := (part*2000/whole + 1) / 2
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}

// stamp is a time for people, and for machines and the curious behind it in UTC.
func stamp(t time.Time, text string) template.HTML {
	if t.IsZero() {
		return "–"
	}
	utc := t.UTC()
	return template.HTML(`<time datetime="` + utc.Format(time.RFC3339) + `" title="` +
		utc.Format("2006-01-02 15:04:05 UTC") + `">` + template.HTMLEscapeString(text) + `</time>`)
}

// dayText is a date in India: 22 Nov 2026.
func (v *vocabulary) dayText(t time.Time) string { return v.dayMonth(t) + t.In(IST).Format(" 2006") }

func (v *vocabulary) dayMonth(t time.Time) string {
	t = t.In(IST)
	return strconv.Itoa(t.Day()) + " " + v.phrases["month."+strconv.Itoa(int(t.Month()))].other
}

func (v *vocabulary) day(t time.Time) template.HTML { return stamp(t, v.dayText(t)) }

// at is a date with its time of day.
func (v *vocabulary) at(t time.Time) template.HTML {
	return stamp(t, v.dayText(t)+", "+t.In(IST).Format("15:04 IST"))
}

// clock is the same to the second.
func (v *vocabulary) clock(t time.Time) template.HTML {
	return stamp(t, v.dayText(t)+", "+t.In(IST).Format("15:04:05 IST"))
}

// when leaves out of a time what goes without saying now.
func (v *vocabulary) when(t, now time.Time) template.HTML {
	a, b := t.In(IST), now.In(IST)
	switch {
	case a.Year() == b.Year() && a.YearDay() == b.YearDay():
		return stamp(t, a.Format("15:04"))
	case a.Year() == b.Year():
		return stamp(t, v.dayMonth(t)+", "+a.Format("15:04"))
	}
	return stamp(t, v.dayText(t))
}

// age is how long ago something was, in its largest whole unit.
func (v *vocabulary) age(t, now time.Time) (template.HTML, error) { return v.span(now.Sub(t)) }

func (v *vocabulary) span(d time.Duration) (template.HTML, error) {
	for _, u := range []struct {
		key  string
		unit time.Duration
	}{{"span.days", 24 * time.Hour}, {"span.hours", time.Hour}, {"span.minutes", time.Minute}} {
		if d >= u.unit {
			return v.say(u.key, "n", int64(d/u.unit))
		}
	}
	return v.say("span.seconds", "n", int64(max(d, 0)/time.Second))
}

// shortID leaves the middle of a long id out; the whole is behind it.
func shortID(id string) template.HTML {
	shown := []rune(id)
	if len(shown) > 16 {
		shown = append(append(shown[:6:6], '…'), shown[len(shown)-7:]...)
	}
	return template.HTML(`<bdi class="id" translate="no" title="` + template.HTMLEscapeString(id) + `">` +
		template.HTMLEscapeString(string(shown)) + `</bdi>`)
}
