package engine

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gaol/internal/config"
	regex "gaol/internal/pattern"
)

// getKeys are the settings of a jail that can be asked for, without bantime.X.
var getKeys = [...]string{
	"bantime", "findtime", "maxretry", "maxmatches", "maxlines", "usedns", "ignoreself", "ignorecommand", "ignorecache",
	"logtimezone", "logencoding", "prefregex", "failregex", "ignoreregex", "datepattern", "logpath", "journalmatch", "ignoreip",
	"actions", "actionproperties", "actionmethods", "action", "backend",
}

func knownGet(key string) bool {
	return slices.Contains(getKeys[:], key) || strings.HasPrefix(key, "bantime.")
}

// setting is one setting as fail2ban shows it (§5.3), for the worker's goroutine.
func (w *worker) setting(key string, args []string) (any, error) {
	c := &w.conf
	switch key {
	case "bantime":
		return seconds(c.BanTime), nil
	case "findtime":
		return seconds(c.FindTime), nil
	case "maxretry":
		return c.MaxRetry, nil
	case "maxmatches":
		return c.MaxMatches, nil
	case "maxlines":
		return max(c.Filter.MaxLines, 1), nil
	case "usedns":
		return c.UseDNS, nil
	case "ignoreself":
		return c.IgnoreSelf, nil
	case "ignorecommand":
		if _, set := c.Options[key]; !set && c.IgnoreCommand == "" {
			return false, nil
		}
		return c.IgnoreCommand, nil
	case "ignorecache":
		return ignoreCache(c.IgnoreCache), nil
	case "logtimezone":
		return orNone(c.LogTimezone), nil
	case "backend":
		name, _, _ := strings.Cut(c.Backend, "[")
		return name, nil
	case "added":
		return args[0], nil
	case "actions", "action", "actionproperties", "actionmethods":
		return w.actionSetting(key, args)
	}
	return w.filterSetting(key)
}

// filterSetting is what a jail reads, and how.
func (w *worker) filterSetting(key string) (any, error) {
	c := &w.conf
	switch key {
	case "logencoding":
		if e := strings.ToLower(c.LogEncoding); e == "" || e == "auto" {
			return "UTF-8", nil
		}
		return c.LogEncoding, nil
	case "prefregex":
		return w.program.PrefregexExpanded(), nil
	case "failregex":
		return expandedAll(c.Filter.Failregex, c.UseDNS), nil
	case "ignoreregex":
		return expandedAll(c.Filter.Ignoreregex, c.UseDNS), nil
	case "datepattern":
		return datePattern(w.dates, c.Filter.DatePattern), nil
	case "logpath":
		return w.logFiles(), nil
	case "journalmatch":
		if !w.journal() {
			return [][]string{}, nil
		}
		return matches(c.Filter.JournalMatch), nil
	case "ignoreip":
		return ignoreIPs(c.IgnoreIP), nil
	}
	return increment(key, c.Options), nil
}

// increment is one of bantime.X; fail2ban keeps them as they were written, but for these.
func increment(key string, options map[string]config.Value) any {
	v, ok := options[key]
	if !ok {
		return nil
	}
	switch text := v.Text(); key {
	case "bantime.increment":
		return truth(text)
	case "bantime.maxtime", "bantime.rndtime":
		if s, err := config.Seconds(text); err == nil {
			return int64(s)
		}
		return text
	default:
		return text
	}
}

// logFiles are the log files, in the order in which they were named.
func (w *worker) logFiles() []string {
	files := []string{}
	all, _ := w.patterns()
	for _, p := range all {
		found, err := filepath.Glob(p.glob)
		if err != nil {
			continue
		}
		for _, f := range found {
			if !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	return files
}

func expanded(expr, usedns string) string {
	return regex.Expand(expr, regex.TagOptions{UseDNS: usedns})
}

func expandedAll(rules []config.Rule, usedns string) []string {
	all := []string{}
	for _, r := range rules {
		all = append(all, expanded(r.Expr, usedns))
	}
	return all
}

// matches splits journalmatch's lines into the groups that are ORed.
func matches(lines []string) [][]string {
	all := [][]string{}
	for _, l := range lines {
		var row []string
		for _, word := range config.JournalWords(l) {
			if word != "+" {
				row = append(row, word)
				continue
			}
			all, row = append(all, row), nil
		}
		all = append(all, row)
	}
	return all
}

// ignoreIPs lists networks and names first, then single addresses, as fail2ban does.
func ignoreIPs(entries []string) []string {
	nets, single := []string{}, []string{}
	for _, e := range entries {
		for _, one := range strings.FieldsFunc(e, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' }) {
			switch to := &nets; {
			case isAddress(one):
				to = &single
				fallthrough
			default:
				if !slices.Contains(*to, one) {
					*to = append(*to, one)
				}
			}
		}
	}
	return append(nets, single...)
}

func seconds(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return int64(d / time.Second)
}

func orNone(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// truth reads fail2ban's booleans.
func truth(text string) bool {
	switch strings.ToLower(text) {
	case "1", "on", "true", "yes":
		return true
	}
	return false
}

// ignoreCache is ignorecache as fail2ban shows it: key, most entries, seconds.
func ignoreCache(text string) any {
	key, count, age := "", 100, int64(300)
	for _, part := range splitOptions(text) {
		name, value, _ := strings.Cut(part, "=")
		value = strings.Trim(value, `"'`)
		switch strings.TrimSpace(name) {
		case "key":
			key = value
		case "max-count":
			if n, err := strconv.Atoi(value); err == nil {
				count = n
			}
		case "max-time":
			if s, err := config.Seconds(value); err == nil {
				age = int64(s)
			}
		}
	}
	if key == "" {
		return nil
	}
	return []any{key, count, age}
}

// splitOptions splits at the commas outside quotes.
func splitOptions(text string) (parts []string) {
	quote, start := rune(0), 0
	for i, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case quote == 0 && r == ',':
			parts = append(parts, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	return append(parts, strings.TrimSpace(text[start:]))
}
