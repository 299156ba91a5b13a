package engine

import (
	"regexp"
	"strconv"
	"strings"

	"gaol/internal/action"
	"gaol/internal/config"
	"gaol/internal/host"
)

// Verify plans every sound jail without starting it, and returns what a start would stumble
// over: expressions, date patterns, ports, addresses.
func Verify(c *config.Config) []config.Problem {
	var found []config.Problem
	resolver := host.NewResolver()
	for _, j := range c.Jails {
		if j.Broken {
			continue
		}
		// 2026 is as good as any: the year only bounds which stamps are taken for years.
		p, err := makePlan(j, resolver, 2026)
		if err == nil {
			_, _, err = newActors(p, &deps{}, action.Options{}, nil)
		}
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				found = append(found, problemOf(j, line))
			}
		}
	}
	return found
}

var placed = regexp.MustCompile(`^(.+?):(\d+): (.*)$`)

// problemOf takes the place out of an error that begins with file:line.
func problemOf(j config.Jail, text string) config.Problem {
	p := config.Problem{Pos: j.Pos, Jail: j.Name, Msg: text}
	if m := placed.FindStringSubmatch(text); m != nil {
		p.Pos.File, p.Msg = m[1], m[3]
		p.Pos.Line, _ = strconv.Atoi(m[2])
	}
	return p
}
