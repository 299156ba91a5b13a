package date

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Regular expressions of the tokens (§2.6). The group's name is the letter of the value; the
// expressions are case-sensitive unless the pattern holds a token of locale names.
const (
	reWeekday = `(?P<a>mon|tue|wed|thu|fri|sat|sun)`
	reMonth   = `(?P<b>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)`
	reDayLong = `(?P<d>3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9])`
	reClock   = `(?P<H>2[0-3]|[0-1]\d|\d):(?P<M>[0-5]\d|\d):(?P<S>6[0-1]|[0-5]\d|\d)`
)

// token returns the regular expression and the display name of one token, given without its
// percent sign. The year of %ExY is restricted to 2000 … now+3, so now's year is a parameter.
func token(name string, year int) (expr, shown string, ok bool) {
	switch name {
	case "ExY":
		return `(?P<Y>` + yearExpr(year) + `)`, "ExYear", true
	case "%":
		return "%", "%", true
	}
	for _, t := range [...]struct{ name, expr, shown string }{
		{"a", reWeekday, "DAY"},
		{"A", `(?P<A>wednesday|thursday|saturday|tuesday|monday|friday|sunday)`, "DAYNAME"},
		{"b", reMonth, "MON"},
		{"B", `(?P<B>september|february|november|december|january|october|august|march|april|june|july|may)`, "MONTH"},
		{"c", reWeekday + `\s+` + reMonth + `\s+` + reDayLong + `\s+` + reClock + `\s+(?P<Y>\d\d\d\d)`, "%c"},
		{"d", `(?P<d>[1-2]\d|[0 ]?[1-9]|3[0-1])`, "Day"},
		{"f", `(?P<f>[0-9]{1,6})`, "Microseconds"},
		{"G", `(?P<G>\d\d\d\d)`, "%G"},
		{"H", `(?P<H>[0-1]?\d|2[0-3])`, "24hour"},
		{"I", `(?P<I>1[0-2]|0[1-9]|[1-9])`, "12hour"},
		{"j", `(?P<j>36[0-6]|3[0-5]\d|[1-2]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9])`, "Yearday"},
		{"k", ` ?(?P<H>[0-2]?\d)`, "%k"},
		{"l", ` ?(?P<I>1?\d)`, "%l"},
		{"m", `(?P<m>0?[1-9]|1[0-2])`, "Month"},
		{"M", `(?P<M>[0-5]?\d)`, "Minute"},
		{"p", `(?P<p>am|pm)`, "AMPM"},
		{"S", `(?P<S>[0-5]?\d|6[0-1])`, "Second"},
		{"u", `(?P<u>[1-7])`, "%u"},
		{"U", `(?P<U>5[0-3]|[0-4]\d|\d)`, "Yearweek"},
		{"V", `(?P<V>5[0-3]|0[1-9]|[1-4]\d|\d)`, "%V"},
		{"w", `(?P<w>[0-6])`, "Weekday"},
		{"W", `(?P<W>5[0-3]|[0-4]\d|\d)`, "Yearweek"},
		{"x", `(?P<m>1[0-2]|0[1-9]|[1-9])/` + reDayLong + `/(?P<y>\d\d)`, "%x"},
		{"X", reClock, "%X"},
		{"y", `(?P<y>\d\d)`, "Year2"},
		{"Y", `(?P<Y>\d{4})`, "Year"},
		{"z", `(?P<z>Z|UTC|GMT|[+-][01]\d(?::?\d{2})?)`, "Zone offset"},
		{"Z", `(?P<Z>Z|[A-Z]{3,5})`, "Zone name"},
		{"Exd", `(?P<d>[1-2]\d|0[1-9]|3[0-1])`, "ExDay"},
		{"ExH", `(?P<H>[0-1]\d|2[0-3])`, "Ex24hour"},
		{"Exk", ` ?(?P<H>[0-1]?\d|2[0-3])`, "Ex%k"},
		{"Exl", ` ?(?P<I>1[0-2]|\d)`, "%Exl"},
		{"Exm", `(?P<m>0[1-9]|1[0-2])`, "ExMonth"},
		{"ExM", `(?P<M>[0-5]\d)`, "ExMinute"},
		{"ExS", `(?P<S>[0-5]\d|6[0-1])`, "ExSecond"},
		{"Exy", `(?P<y>\d{2})`, "ExYear2"},
		{"Exz", `(?P<z>(?:[A-Z](?:[A-Z]{2,4})?)?[+-][01]\d(?::?\d{2})?|[A-Z](?:[A-Z]{2,4})?)`, "ExZone offset"},
		{"ExZ", `(?P<Z>[A-Z](?:[A-Z]{2,4})?)`, "ExZone name"},
	} {
		if t.name == name {
			return t.expr, t.shown, true
		}
	}
	return "", "", false
}

// yearExpr accepts the years 2000 to now+3 by their first three digits. The last digit is free:
// in 2026 that is 2000 to 2029.
func yearExpr(year int) string {
	last := (year + 3) / 10 % 10
	decades := make([]byte, 0, 10)
	for d := 0; d <= last; d++ {
		decades = strconv.AppendInt(decades, int64(d), 10)
	}
	return `20[` + string(decades) + `]\d`
}

// expand replaces the %-tokens of a pattern by their expressions and, in shown, by their display
// names. named reports a token of locale names, which makes the whole pattern case-insensitive.
func expand(pattern string, year int) (expr, shown string, named bool, err error) {
	var e, s strings.Builder
	for rest := pattern; rest != ""; {
		at := strings.IndexByte(rest, '%')
		if at < 0 {
			e.WriteString(rest)
			s.WriteString(rest)
			break
		}
		e.WriteString(rest[:at])
		s.WriteString(rest[:at])
		rest = rest[at+1:]
		name := tokenName(rest)
		expr, display, ok := token(name, year)
		if !ok {
			return "", "", false, fmt.Errorf("unknown token %%%s at position %d (write %%%% for a percent sign)", name, len(pattern)-len(rest)-1)
		}
		e.WriteString(expr)
		s.WriteString(display)
		named = named || strings.Contains("aAbBpc", name)
		rest = rest[len(name):]
	}
	return e.String(), s.String(), named, nil
}

// tokenName is the token's name at the start of text: one letter, or Ex and one letter.
func tokenName(text string) string {
	if strings.HasPrefix(text, "Ex") && len(text) > 2 {
		return text[:3]
	}
	if text == "" {
		return ""
	}
	return text[:1]
}

// monthNumber reads an English month name by its first three letters, any case; 0 if it is none.
func monthNumber(name string) int {
	if len(name) < 3 {
		return 0
	}
	return month(name)
}

// weekdayNumber reads an English weekday name by its first two letters, any case; -1 if none.
func weekdayNumber(name string) int {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if len(name) >= 3 && strings.EqualFold(name[:3], d.String()[:3]) {
			return int(d)
		}
	}
	return -1
}
