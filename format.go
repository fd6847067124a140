package main

// How money and time are written for people: rupees in Indian grouping, times in IST.

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var ist = time.FixedZone("IST", 19800)

// decimal writes paise as rupees with two decimals and no grouping: 1499.00. For files and APIs.
func decimal(paise int64) string {
	sign := ""
	if paise < 0 {
		sign, paise = "-", -paise
	}
	return fmt.Sprintf("%s%d.%02d", sign, paise/100, paise%100)
}

// rupees writes paise for people in India: ₹1,23,456.00.
func rupees(paise int64) string {
	sign := ""
	if paise < 0 {
		sign, paise = "−", -paise
	}
	whole := strconv.FormatInt(paise/100, 10)
	if len(whole) > 3 {
		head, tail := whole[:len(whole)-3], whole[len(whole)-3:]
		var groups []string
		for len(head) > 2 {
			groups = append([]string{head[len(head)-2:]}, groups...)
			head = head[:len(head)-2]
		}
		whole = strings.Join(append([]string{head}, groups...), ",") + "," + tail
	}
	return fmt.Sprintf("%s₹%s.%02d", sign, whole, paise%100)
}

// money writes an amount with its currency: rupees for INR or none, else "USD 12.00".
func money(amount int64, currency string) string {
	if currency == "" || currency == "INR" {
		return rupees(amount)
	}
	return currency + " " + decimal(amount)
}

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
