package main

// A calendar by plain arithmetic, in ms since 1970, for those who must not ask the code under test what day it is.

import "fmt"

const (
	second = 1000 // ms
	hour   = 3600 * second
	aDay   = 24 * hour
	india  = 5*hour + hour/2 // by which India is ahead of UTC
)

// almanac is the calendar of a zone.
type almanac struct{ ahead int64 } // of UTC, in ms

// day is the day of a time, counted from 1970-01-01.
func (a almanac) day(at int64) int64 { return floor(at+a.ahead, aDay) }

// start is when a day begins.
func (a almanac) start(day int64) int64 { return day*aDay - a.ahead }

// floor is a ÷ b, cut downwards.
func floor(a, b int64) int64 { return (a - ((a%b)+b)%b) / b }

var monthDays = [13]int64{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func monthLength(y, m int64) int64 {
	if m == 2 && y%4 == 0 && (y%100 != 0 || y%400 == 0) {
		return 29
	}
	return monthDays[m]
}

func yearLength(y int64) int64 { return 337 + monthLength(y, 2) }

// civil is the date of a day.
func civil(day int64) (y, m, d int64) {
	for y = 1970; day >= yearLength(y); y++ {
		day -= yearLength(y)
	}
	for m = 1; day >= monthLength(y, m); m++ {
		day -= monthLength(y, m)
	}
	return y, m, day + 1
}

// dayOn is the day of a date.
func dayOn(year, month, d int64) (day int64) {
	for y := int64(1970); y < year; y++ {
		day += yearLength(y)
	}
	for m := int64(1); m < month; m++ {
		day += monthLength(year, m)
	}
	return day + d - 1
}

func date(day int64) string {
	y, m, d := civil(day)
	return fmt.Sprintf("%04d-%02d-%02d", y, m, d)
}

// stamp is how Paytm writes a time.
func (a almanac) stamp(at int64) string {
	day := a.day(at)
	s := floor(at-a.start(day), second)
	return fmt.Sprintf("%s %02d:%02d:%02d", date(day), s/3600, s/60%60, s%60)
}

// month is the first day of a time's month.
func (a almanac) month(at int64) int64 {
	day := a.day(at)
	_, _, d := civil(day)
	return day - d + 1
}

// financialYear is the year in which the financial year of a time begins, in April.
func (a almanac) financialYear(at int64) int64 {
	y, m, _ := civil(a.day(at))
	if m < 4 {
		y--
	}
	return y
}

// quarter is the quarter of the financial year in which a time lies, and when it begins and ends.
func (a almanac) quarter(at int64) (quarter, from, to int64) {
	y, m, _ := civil(a.day(at))
	first := m - (m-1)%3
	from, to = a.start(dayOn(y, first, 1)), a.start(dayOn(y+first/10, 1+(first+2)%12, 1))
	return 1 + (first+8)%12/3, from, to
}
