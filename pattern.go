package main

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled when it is first asked for. Some have to count to 256, and
// compiling all of them was a fifth of the time of a command that needs none.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
