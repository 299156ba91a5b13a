package date

import (
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// seeded is the source of random numbers of a test. GAOL_SEED, which is printed, runs it again.
func seeded(t *testing.T, stream uint64) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("GAOL_SEED"), 10, 64)
	if err != nil {
		seed = 11
	}
	t.Logf("GAOL_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, stream))
}

// rounds is how many logs a test makes: more under make fuzz.
func rounds(n int) int {
	if os.Getenv("GAOL_FULL") != "" {
		return 10 * n
	}
	return n
}

// unlike is whether a line is read otherwise on purpose (0040) by some template: it holds a zone
// in front of a month, with a year to guess, or TAI64N beyond the calendar.
func unlike(example string) bool {
	return strings.HasPrefix(example, "@") || strings.HasPrefix(example, "UTC")
}

// A stamp with a zone and no year that must be last year's is read otherwise on purpose (0040).
func inTheYear(line string) string {
	zoned := regexp.MustCompile(`(?i)([a-z]{3,5}|[+-]\d\d(:?\d\d)?) +([a-z]{3} )?(nov|dec) `)
	if zoned.MatchString(line) {
		return regexp.MustCompile(`(?i)(nov|dec)`).ReplaceAllString(line, "Oct")
	}
	return line
}

// mixedLog is a log of lines of a few forms, which come and go: now many of one form, now of any.
func mixedLog(r *rand.Rand, forms, lines int, of []string) oracleCase {
	before, after := texts()
	pick := func(of []string) string { return of[r.IntN(len(of))] }
	var all [][3]string
	for range forms {
		all = append(all, [3]string{pick(before), pick(of), pick(after)})
	}
	var c oracleCase
	arrival := int64(0)
	f := all[0]
	for range lines {
		if r.IntN(3) > 0 {
			f = all[r.IntN(len(all))]
		}
		b, a := f[0], f[2]
		switch r.IntN(12) {
		case 0:
			b += " "
		case 1:
			a = pick(after)
		case 2:
			b = strings.Replace(b, "c", []string{"\u00e9", "c\u2028"}[r.IntN(2)], 1)
		}
		c.Lines = append(c.Lines, inTheYear(b+mutated(r, f[1])+a))
		if r.IntN(20) == 0 {
			arrival += []int64{1, 200, 299, 300, 301}[r.IntN(5)]
		}
		c.Times = append(c.Times, arrival)
	}
	return c
}

// Logs whose lines are of many templates, so that they change places and forget each other.
func TestMixedLogsAsFail2ban(t *testing.T) {
	r := seeded(t, 13)
	all := slices.DeleteFunc(examples(), unlike)
	var cases []oracleCase
	for range rounds(40) {
		cases = append(cases, mixedLog(r, 200, 200, all))
		for range 4 {
			cases = append(cases, mixedLog(r, 2+r.IntN(8), 50, all))
		}
	}
	check(t, "UTC", moment(), cases)
}

// custom is lines of datepatterns: sets, marks at both ends, groups, pieces of a date.
func custom() []string {
	return []string{
		"{^LN-BEG}", "{DATE}", "^{DATE}", "{^LN-BEG}{DATE}", `^\[({DATE})`, `\[{DATE}\]`, "{UNB}{DATE}", "{NONE}",
		"EPOCH", "^EPOCH", "{^LN-BEG}EPOCH", "LEPOCH", "^LEPOCH", "a {EPOCH}", "tai64n",
		"%Y-%m-%d %H:%M:%S", "^%Y-%m-%d %H:%M:%S", "{^LN-BEG}%Y-%m-%d", "%Y-%m-%d$", `%Y\s`, "**%Y-%m**", "{UNB}%H:%M", "%H:%M:%S", "(%H:%M:%S)",
		"%b %d %H:%M:%S", "(?:%a )?%b %d", "%a %b %d", "{^LN-BEG}(?:%a )?%b %d", "^(?:<%S>)?%b %d", "%d/%b/%Y", "(?:%d/)?%b/%Y", "%d/%m/%Y",
		"(?:^|x)%Y", "(^%Y)", "(%Y)[-/.]", "abc (%Y|%b)", `\[(%d)`, `(\d+)/%b`, "%I:%M:%S %p", "(?:%Z )?(?:%a )?%b %d", "%Exz %b %d", "^%b-%d", "<%m/%d", "no date",
	}
}

// The same with datepatterns of a few lines, where groups, sets and marks decide.
func TestMixedPatternsAsFail2ban(t *testing.T) {
	r := seeded(t, 14)
	all, lines := slices.DeleteFunc(examples(), func(e string) bool { return e == "" || unlike(e) }), custom() // {NONE} and an empty line are an error in fail2ban's reader
	var cases []oracleCase
	for range rounds(250) {
		c := mixedLog(r, 1+r.IntN(12), 20+r.IntN(60), all)
		for range 1 + r.IntN(5) {
			c.Patterns = append(c.Patterns, lines[r.IntN(len(lines))])
		}
		cases = append(cases, c)
	}
	// In a process that has used the set {^LN-BEG} once, its weights count in {^LN-BEG}{DATE} too.
	set := func(c oracleCase) bool { return slices.Contains(c.Patterns, "{^LN-BEG}") }
	cases = slices.Concat(slices.DeleteFunc(slices.Clone(cases), set), slices.DeleteFunc(cases, func(c oracleCase) bool { return !set(c) }))
	check(t, "UTC", moment(), cases)
}
