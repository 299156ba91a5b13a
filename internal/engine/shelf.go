package engine

import (
	"strconv"
	"strings"
	"sync"
	"weak"

	"gaol/internal/date"
	"gaol/internal/filter"
)

// shelf holds what was compiled for as long as a jail uses it, so that jails with the same
// filter or the same datepattern share one: fifty sshd jails took fifty times the time and
// memory. What lies on it is immutable. A nil shelf keeps nothing.
type shelf struct {
	mu       sync.Mutex
	programs map[string]weak.Pointer[filter.Program]
	dates    map[string]weak.Pointer[date.Templates]
}

// program compiles a filter, or gives the one that was compiled of the same words.
func (s *shelf) program(spec filter.Spec) (*filter.Program, error) {
	if s == nil {
		return filter.Compile(spec)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return take(&s.programs, wordsOf(spec), func() (*filter.Program, error) { return filter.Compile(spec) })
}

// templates reads a datepattern. zone is logtimezone as it is written, which o.Zone was made of.
func (s *shelf) templates(pattern, zone string, o date.Options) (*date.Templates, error) {
	if s == nil {
		return date.Parse(pattern, o)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.Join([]string{pattern, zone, strconv.Itoa(o.Year)}, "\x00")
	return take(&s.dates, key, func() (*date.Templates, error) { return date.Parse(pattern, o) })
}

// take gives what lies there under the key and is still used, or makes it.
func take[T any](on *map[string]weak.Pointer[T], key string, fresh func() (*T, error)) (*T, error) {
	if p := (*on)[key].Value(); p != nil {
		return p, nil
	}
	p, err := fresh()
	if err != nil {
		return nil, err
	}
	if *on == nil {
		*on = map[string]weak.Pointer[T]{}
	}
	for k, gone := range *on {
		if gone.Value() == nil {
			delete(*on, k)
		}
	}
	(*on)[key] = weak.Make(p)
	return p, nil
}

// wordsOf is all that a program is made of, places included: they are told with its failures.
func wordsOf(s filter.Spec) string {
	var b strings.Builder
	add := func(words ...string) {
		for _, w := range words {
			b.WriteString(strconv.Itoa(len(w)))
			b.WriteByte(' ')
			b.WriteString(w)
		}
	}
	rules := func(rs []filter.Rule) {
		add(strconv.Itoa(len(rs)))
		for _, r := range rs {
			add(r.Expr, r.Where)
		}
	}
	add(s.Name, s.UseDNS, strconv.Itoa(s.MaxLines), s.Prefregex.Expr, s.Prefregex.Where)
	rules(s.Failregex)
	rules(s.Ignoreregex)
	return b.String()
}
