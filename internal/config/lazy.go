package config

import (
	"regexp"
	"sync"
)

// lazyRegexp compiles an expression when it is used for the first time: compiling all of them in
// front of main cost each command half a millisecond.
func lazyRegexp(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
