package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
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
	low, _, _ := strings.Cut(strings.ToLower(text), "#") // fail2ban has Python evaluate it, comment and all
	p := &timeParser{tokens: timeToken().FindAllString(low, -1)}
	rest := strings.TrimSpace(timeToken().ReplaceAllString(low, ""))
	if rest != "" || len(p.tokens) == 0 || p.pointAmiss() {
		return 0, fmt.Errorf("read time %q: %w", text, errTime)
	}
	v, err := p.sum()
	if err == nil && p.i < len(p.tokens) {
		err = errTime
	}
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, fmt.Errorf("read time %q: %w", text, errTime)
	}
	return v + 0, nil // never -0
}

// timeToken is a number with its unit (a blank may stand between) or an operator.
var timeToken = lazyRegexp(`(?:\d+\.\d+|\.\d+)\s*[a-z]*|\d+\.|\d+\s*[a-z]*|[-+*/()]`)

type timeParser struct {
	tokens []string
	i      int
}

// pointAmiss finds .5 right behind another number, which fail2ban reads in ways nobody means
// (10d.5 is 864005 to it).
func (p *timeParser) pointAmiss() bool {
	for i, t := range p.tokens {
		if i > 0 && t[0] == '.' && !strings.ContainsAny(p.tokens[i-1], "-+*/()") {
			return true
		}
	}
	return false
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

// product applies a unit as one more factor, so that 1d/2h is 1d / 2 * 1h, as in fail2ban.
func (p *timeParser) product() (float64, error) {
	v, unit, err := p.factor()
	v *= unit
	for err == nil && (p.peek() == "*" || p.peek() == "/") {
		op := p.peek()
		p.i++
		var next float64
		next, unit, err = p.factor()
		switch {
		case op == "*":
			v *= next * unit
		case next == 0:
			return 0, errTime
		default:
			v = v / next * unit
		}
	}
	return v, err
}

// factor is a number and its unit in seconds.
func (p *timeParser) factor() (v, unit float64, err error) {
	t := p.peek()
	p.i++
	switch t {
	case "", "*", "/", ")":
		return 0, 1, errTime
	case "-":
		v, unit, err = p.factor()
		return -v, unit, err
	case "+":
		return p.factor()
	case "(":
		v, err = p.sum()
		if err == nil && p.peek() != ")" {
			err = errTime
		}
		p.i++
		return v, 1, err
	}
	return timeNumber(t)
}

func timeNumber(t string) (v, unit float64, err error) {
	t = strings.TrimSuffix(t, ".")
	digits := strings.TrimRight(t, "abcdefghijklmnopqrstuvwxyz \t\n")
	name := strings.TrimSpace(t[len(digits):])
	if len(digits) > 1 && digits[0] == '0' && !strings.Contains(digits, ".") && strings.Trim(digits, "0") != "" {
		return 0, 1, errTime // Python takes 010 for a botched octal
	}
	v, err = strconv.ParseFloat(digits, 64)
	if err != nil || name == "" {
		return v, 1, err
	}
	for _, u := range units() {
		if slices.Contains(strings.Fields(u.names), name) {
			return v, u.seconds, nil
		}
	}
	return 0, 1, errTime
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
