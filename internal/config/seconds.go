package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// unit is a suffix of the time grammar and its seconds; a month is 1/12 and a year 365.25 days.
type unit struct {
	names   string
	seconds float64
}

func units() []unit {
	return []unit{
		{"s ss se sec second seconds", 1},
		{"m mm mi min minute minutes", 60},
		{"h hh ho hou hour hours", 3600},
		{"d dd da day days", 86400},
		{"w ww we wee week weeks", 604800},
		{"mo mon month months", 2629800},
		{"y yy ye yea year years", 31557600},
	}
}

var errTime = errors.New("expected seconds or numbers with units such as 600, 10m, 1h30m, 2d, -1")

// Seconds reads fail2ban's time grammar (§3): sums of numbers with unit suffixes, juxtaposition
// adds, + - * / and parentheses work, case does not matter. -1 means for ever to who reads it.
func Seconds(text string) (float64, error) {
	p := &timeParser{tokens: timeToken.FindAllString(strings.ToLower(text), -1)}
	if rest := timeToken.ReplaceAllString(strings.ToLower(text), ""); strings.TrimSpace(rest) != "" || len(p.tokens) == 0 {
		return 0, fmt.Errorf("read time %q: %w", text, errTime)
	}
	v, err := p.sum()
	if err == nil && p.i < len(p.tokens) {
		err = errTime
	}
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, fmt.Errorf("read time %q: %w", text, errTime)
	}
	return v, nil
}

// timeToken is a number with its unit (a blank may stand between) or an operator.
var timeToken = regexp.MustCompile(`(?:\d+\.\d*|\.\d+|\d+)\s*[a-z]*|[-+*/()]`)

type timeParser struct {
	tokens []string
	i      int
}

func (p *timeParser) peek() string {
	if p.i < len(p.tokens) {
		return p.tokens[p.i]
	}
	return ""
}

func (p *timeParser) sum() (float64, error) {
	v, err := p.product()
	for err == nil {
		sign := 1.0
		switch t := p.peek(); {
		case t == "+":
			p.i++
		case t == "-":
			p.i++
			sign = -1
		case t == "" || strings.ContainsAny(t, "*/)"):
			return v, nil
		}
		var next float64
		next, err = p.product()
		v += sign * next
	}
	return 0, err
}

func (p *timeParser) product() (float64, error) {
	v, err := p.factor()
	for err == nil && (p.peek() == "*" || p.peek() == "/") {
		op := p.peek()
		p.i++
		var next float64
		next, err = p.factor()
		switch {
		case op == "*":
			v *= next
		case next == 0:
			return 0, errTime
		default:
			v /= next
		}
	}
	return v, err
}

func (p *timeParser) factor() (float64, error) {
	t := p.peek()
	p.i++
	switch t {
	case "":
		return 0, errTime
	case "-":
		v, err := p.factor()
		return -v, err
	case "+":
		return p.factor()
	case "(":
		v, err := p.sum()
		if err == nil && p.peek() != ")" {
			err = errTime
		}
		p.i++
		return v, err
	case "*", "/", ")":
		return 0, errTime
	}
	return timeNumber(t)
}

func timeNumber(t string) (float64, error) {
	digits := strings.TrimRight(t, "abcdefghijklmnopqrstuvwxyz \t\n")
	name := strings.TrimSpace(t[len(digits):])
	if len(digits) > 1 && digits[0] == '0' && !strings.Contains(digits, ".") && strings.Trim(digits, "0") != "" {
		return 0, errTime // Python takes 010 for a botched octal
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || name == "" {
		return v, err
	}
	for _, u := range units() {
		for n := range strings.FieldsSeq(u.names) {
			if n == name {
				return v * u.seconds, nil
			}
		}
	}
	return 0, errTime
}

// duration is Seconds as a Duration; every negative time means for ever and becomes -1s.
func duration(text string) (time.Duration, error) {
	s, err := Seconds(text)
	switch {
	case err != nil:
		return 0, err
	case s < 0:
		return -time.Second, nil
	case s > float64(math.MaxInt64)/float64(time.Second):
		return time.Duration(math.MaxInt64), nil
	}
	return time.Duration(s * float64(time.Second)), nil
}
