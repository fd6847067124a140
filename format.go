package main

// How money and time are written for people: rupees in Indian grouping, times in IST.

import (
	"strconv"
	"time"

	"hissa/web"
)

var ist = web.IST

// The commands write amounts as the pages do.
func rupees(paise int64) string                  { return web.Rupees(paise) }
func decimal(paise int64) string                 { return web.Decimal(paise) }
func money(amount int64, currency string) string { return web.Money(amount, currency) }

// day and clock write a time for people in India.
func day(t time.Time) string   { return t.In(ist).Format("2 Jan 2006") }
func clock(t time.Time) string { return t.In(ist).Format("2 Jan 2006, 15:04:05 IST") }

// span writes a duration in its largest whole unit: 41 days, 3 hours, 20 seconds.
func span(d time.Duration) string {
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if d >= u.unit {
			return plural(int64(d/u.unit), u.name)
		}
	}
	return plural(int64(d/time.Second), "second")
}

func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.FormatInt(n, 10) + " " + word + "s"
}
