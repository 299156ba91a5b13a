package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"gaol/internal/action"
	"gaol/internal/config"
	"gaol/internal/event"
)

// resolved is what follows from the addresses of a host name: each of them failed.
func (w *worker) resolved(ctx context.Context, addrs []netip.Addr, err error) answer {
	return func(f event.Failure, now time.Time) (ds []event.Decision) {
		if err != nil {
			w.log.Debug(fmt.Sprintf("[%s] cannot resolve %s", w.conf.Name, named(f.ID, 100)), "logger", "filter", "error", err)
			return nil
		}
		if w.conf.UseDNS == "warn" {
			w.log.Warn(fmt.Sprintf("[%s] resolved host name %s", w.conf.Name, named(f.ID, 100)), "logger", "filter")
		}
		for _, a := range addrs {
			one := f
			one.ID, one.IP, one.Kind = a.String(), a.String(), event.Address
			ds = append(ds, w.except(ctx, one, now)...)
		}
		return ds
	}
}

// except asks ignorecommand whether a failure counts, unless the jail spares the id anyway.
func (w *worker) except(ctx context.Context, f event.Failure, now time.Time) []event.Decision {
	command := w.conf.IgnoreCommand
	if command == "" {
		return w.found(f, now)
	}
	if _, spared := w.spares(w.deps.floor)(f.ID, f.Kind); spared {
		return w.found(f, now)
	}
	b := event.Ban{Jail: w.conf.Name, ID: f.ID, Kind: f.Kind, IP: f.IP, Start: f.Time, Count: 1,
		Matches: f.Matches, Fields: f.Fields, Regex: f.Regex, Source: f.Source}
	key := action.Fill(ctx, command, b)       // the same command has the same answer
	if w.ignores.text != w.conf.IgnoreCache { // new, or changed while the jail runs
		w.ignores, _ = parseIgnoreCache(w.conf.IgnoreCache) // its errors broke the plan
	}
	if w.ignores.key != "" {
		key = action.Fill(ctx, w.ignores.key, b)
		if ignored, known := w.ignores.recall(key, now); known {
			return w.judged(ignored)(f, now)
		}
	}
	w.ask(ctx, "command "+key, f, func(within context.Context) answer {
		status, out, err := w.deps.askIgnore(within, command, b)
		return func(f event.Failure, now time.Time) []event.Decision {
			if err != nil || status > 1 {
				w.log.Error(fmt.Sprintf("[%s] ignorecommand failed; %s is not ignored", w.conf.Name, named(f.ID, 100)), "logger", "filter",
					"status", status, "output", clip(out, 400), "error", fmt.Sprint(err))
			}
			ignored := err == nil && status == 0
			w.ignores.remember(key, ignored, now)
			return w.judged(ignored)(f, now)
		}
	})
	return nil
}

// judged is what follows from ignorecommand's answer.
func (w *worker) judged(ignored bool) answer {
	if !ignored {
		return w.found
	}
	return func(f event.Failure, _ time.Time) []event.Decision {
		w.log.Info(fmt.Sprintf("[%s] Ignore %s by command", w.conf.Name, named(f.ID, 200)), "logger", "filter")
		return nil
	}
}

// exceptions remembers ignorecommand's answers (ignorecache, §3). Without a key it remembers
// nothing.
type exceptions struct {
	text    string
	key     string // with tags
	most    int
	lasts   time.Duration
	answers map[string]ignoreAnswer
}

type ignoreAnswer struct {
	ignored bool
	at      time.Time
}

// parseIgnoreCache reads `key="<tags>", max-count=100, max-time=5m`.
func parseIgnoreCache(text string) (exceptions, error) {
	c := exceptions{text: text, most: 100, lasts: 5 * time.Minute, answers: map[string]ignoreAnswer{}}
	for rest := strings.Trim(text, ", \t\n"); rest != ""; {
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			return c, fmt.Errorf("ignorecache: %q has no value", rest)
		}
		if quote := strings.IndexAny(value, `"'`); quote == 0 {
			if value, rest, ok = strings.Cut(value[1:], value[:1]); !ok {
				return c, fmt.Errorf("ignorecache: a quotation mark is missing in %q", text)
			}
		} else if end := strings.IndexAny(value, ", \t\n"); end >= 0 {
			value, rest = value[:end], value[end:]
		} else {
			rest = ""
		}
		if err := c.set(strings.TrimSpace(name), value); err != nil {
			return c, err
		}
		rest = strings.Trim(rest, ", \t\n")
	}
	if text != "" && c.key == "" {
		return c, errors.New(`ignorecache: write which failures share an answer, for instance key="<ip>"`)
	}
	return c, nil
}

func (c *exceptions) set(name, value string) error {
	switch name {
	case "key":
		c.key = value
	case "max-count":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return fmt.Errorf("ignorecache: max-count %q is no count", value)
		}
		c.most = n
	case "max-time":
		seconds, err := config.Seconds(value)
		if err != nil {
			return fmt.Errorf("ignorecache: max-time: %w", err)
		}
		c.lasts = time.Duration(seconds * float64(time.Second))
	default:
		return fmt.Errorf("ignorecache has key, max-count and max-time, not %q", name)
	}
	return nil
}

func (c *exceptions) recall(key string, now time.Time) (ignored, known bool) {
	a, ok := c.answers[key]
	age := now.Sub(a.at)
	return a.ignored, ok && age >= 0 && age < c.lasts
}

// remember keeps an answer; where the cache is full the oldest leaves.
func (c *exceptions) remember(key string, ignored bool, now time.Time) {
	if c.key == "" {
		return
	}
	if _, known := c.answers[key]; !known && len(c.answers) >= c.most {
		oldest, first := "", true
		for k, a := range c.answers {
			if first || a.at.Before(c.answers[oldest].at) {
				oldest, first = k, false
			}
		}
		delete(c.answers, oldest)
	}
	c.answers[key] = ignoreAnswer{ignored, now}
}
