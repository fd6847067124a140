package main

import (
	"sync/atomic"
)

// shot is one request, whole and signed, and whether the server has said that it is done.
type shot struct {
	request []byte
	acked   atomic.Bool
}

// repeatEvery is how often a message comes that has come before: 5 % of all, about what a gateway
// causes that asks again when an answer was slow.
const repeatEvery = 20

// stock is what there is to send, made before the clock starts. Every connection takes from it.
type stock struct {
	shots   []shot
	repeats bool // every 20th is one of the last 200 once more
	endless bool // after the last comes the first again: for servers that keep nothing
	taken   atomic.Int64
}

// next is the next shot, nil when all are used.
func (s *stock) next() *shot {
	i := int(s.taken.Add(1) - 1)
	if s.repeats {
		fresh := i - i/repeatEvery // how many new ones were taken before this
		if i%repeatEvery == repeatEvery-1 {
			fresh -= 1 + i*7919%min(fresh, 200)
		}
		i = fresh
	}
	if s.endless {
		i %= len(s.shots)
	}
	if i >= len(s.shots) {
		return nil
	}
	return &s.shots[i]
}

// acknowledged counts the different messages that were answered with success.
func (s *stock) acknowledged() (n int64) {
	for i := range s.shots {
		if s.shots[i].acked.Load() {
			n++
		}
	}
	return n
}
