package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gaol/internal/config"
	"gaol/internal/replay"
)

// mostVariants bounds --sweep: each variant keeps counts and bans of its own.
const mostVariants = 100

// parseSweep reads --sweep's "KEY=VALUES" into the rules to try: each combination.
func parseSweep(texts []string) ([]replay.Change, error) {
	all := []replay.Change{{}}
	for _, text := range texts {
		key, list, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("--sweep %q: expected KEY=VALUES", text)
		}
		set, err := setting(strings.TrimSpace(key))
		if err != nil {
			return nil, fmt.Errorf("--sweep %q: %w", text, err)
		}
		values, err := sweepValues(list)
		if err != nil {
			return nil, fmt.Errorf("--sweep %q: %w", text, err)
		}
		var next []replay.Change
		for _, c := range all {
			for _, v := range values {
				with := c
				if err := set(&with, v); err != nil {
					return nil, fmt.Errorf("--sweep %q: %w", text, err)
				}
				next = append(next, with)
			}
		}
		if len(next) > mostVariants {
			return nil, fmt.Errorf("--sweep gives %d combinations, %d are the most at a time", len(next), mostVariants)
		}
		all = next
	}
	if len(texts) == 0 {
		return nil, nil
	}
	return all, nil
}

// sweepValues are the values of a list "a,b,c" and of a range of numbers "2..8".
func sweepValues(list string) ([]string, error) {
	var all []string
	for _, one := range strings.Split(list, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(one), "..")
		if !isRange {
			all = append(all, from)
			continue
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || last < first || last-first >= mostVariants {
			return nil, fmt.Errorf("%q is no range of numbers; list times one by one: 10m,1h", one)
		}
		for n := first; n <= last; n++ {
			all = append(all, strconv.Itoa(n))
		}
	}
	return all, nil
}

// setting is how a value of a key changes the rules.
func setting(key string) (func(c *replay.Change, value string) error, error) {
	switch key {
	case "maxretry":
		return func(c *replay.Change, value string) (err error) {
			if c.MaxRetry, err = strconv.Atoi(value); err != nil || c.MaxRetry < 1 {
				return fmt.Errorf("maxretry is a count from 1 on, not %q", value)
			}
			return nil
		}, nil
	case "findtime":
		return func(c *replay.Change, value string) (err error) {
			if c.FindTime, err = span(value); err != nil || c.FindTime <= 0 {
				return fmt.Errorf("findtime is a time such as 10m, not %q", value)
			}
			return nil
		}, nil
	case "bantime":
		return func(c *replay.Change, value string) (err error) {
			if c.BanTime, err = span(value); err != nil || c.BanTime == 0 {
				return fmt.Errorf("bantime is a time such as 1h, or -1 for ever, not %q", value)
			}
			return nil
		}, nil
	}
	return nil, fmt.Errorf("maxretry, findtime and bantime can be swept, not %q", key)
}

func span(text string) (time.Duration, error) {
	seconds, err := config.Seconds(text)
	return time.Duration(seconds * float64(time.Second)), err
}
