package main

// Guessing passwords is slowed down. Tries are counted by account and network together, so that a carrier
// that hides thousands behind one address locks nobody out, and nobody's enemy locks their account; and by
// account alone, more generously, against guesses from everywhere. It is in memory alone.

import (
	"strings"
	"sync"
	"time"
)

const (
	attemptsFree    = 5  // in a row, by account and network, before there is any waiting
	attemptsFreeAll = 50 // by account alone
	attemptsForget  = 15 * time.Minute
	attemptsLongest = 5 * time.Minute
	attemptsAllWait = 2 * time.Second
	attemptsAtMost  = 50_000 // keys; past it, all is forgotten and counted from the start
)

type attempts struct {
	mu    sync.Mutex
	tries map[attemptKey]tries
}

type attemptKey struct{ account, network string }

type tries struct {
	n    int
	last time.Time
}

func newAttempts() *attempts { return &attempts{tries: map[attemptKey]tries{}} }

// next counts a try, and returns how long whoever tries has to wait first; then it is none.
func (a *attempts) next(now time.Time, account, network string) (wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.tries) >= attemptsAtMost {
		clear(a.tries)
	}
	one, all := attemptKeys(account, network)
	mine, everybody := a.since(one, now), a.since(all, now)
	if over := mine.n - attemptsFree; over >= 0 {
		pause := min(time.Second<<min(over, 20), attemptsLongest)
		wait = mine.last.Add(pause).Sub(now)
	}
	if everybody.n >= attemptsFreeAll {
		wait = max(wait, everybody.last.Add(attemptsAllWait).Sub(now))
	}
	if wait > 0 {
		return wait
	}
	a.tries[one] = tries{mine.n + 1, now}
	a.tries[all] = tries{everybody.n + 1, now}
	return 0
}

// forget is for whoever proved who they are.
func (a *attempts) forget(account, network string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one, _ := attemptKeys(account, network)
	delete(a.tries, one)
}

func (a *attempts) since(k attemptKey, now time.Time) tries {
	t := a.tries[k]
	if now.Sub(t.last) >= attemptsForget || now.Before(t.last) {
		return tries{}
	}
	return t
}

func attemptKeys(account, network string) (one, all attemptKey) {
	account = strings.ToLower(account)
	return attemptKey{account, network}, attemptKey{account, ""}
}
