package main

// Guessing passwords is slowed down. Tries are counted by account and network together, so that a carrier
// that hides thousands behind one address locks nobody out; and by account alone, more generously, against
// guesses from everywhere, which does not hold where somebody has signed in before: so their enemy can't
// keep them out. It is in memory alone.

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
	attemptsAllWait = 30 * time.Second
	attemptsAtMost  = 50_000 // keys
)

type attempts struct {
	mu    sync.Mutex
	tries map[attemptKey]tries
	known map[attemptKey]bool // where somebody proved who they are
}

type attemptKey struct{ account, network string }

type tries struct {
	n    int
	last time.Time
}

func newAttempts() *attempts {
	return &attempts{tries: map[attemptKey]tries{}, known: map[attemptKey]bool{}}
}

// next counts a try, and returns how long whoever tries has to wait first; then it is none.
func (a *attempts) next(now time.Time, account, network string) (wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.tries) >= attemptsAtMost {
		a.makeRoom(now)
	}
	one, all := attemptKeys(account, network)
	mine, everybody := a.since(one, now), a.since(all, now)
	if over := mine.n - attemptsFree; over >= 0 {
		pause := min(time.Second<<min(over, 20), attemptsLongest)
		wait = mine.last.Add(pause).Sub(now)
	}
	if everybody.n >= attemptsFreeAll && !a.known[one] {
		wait = max(wait, everybody.last.Add(attemptsAllWait).Sub(now))
	}
	if wait > 0 {
		return wait
	}
	a.tries[one] = tries{mine.n + 1, now}
	a.tries[all] = tries{everybody.n + 1, now}
	return 0
}

// makeRoom drops what is over, and those who have tried but little: inventing accounts frees nobody who is
// made to wait.
func (a *attempts) makeRoom(now time.Time) {
	for k, t := range a.tries {
		if t.n < attemptsFree || now.Sub(t.last) >= attemptsForget {
			delete(a.tries, k)
		}
	}
	if len(a.tries) >= attemptsAtMost {
		clear(a.tries)
	}
}

// proved is for whoever proved who they are.
func (a *attempts) proved(account, network string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one, _ := attemptKeys(account, network)
	delete(a.tries, one)
	if len(a.known) >= attemptsAtMost {
		clear(a.known)
	}
	a.known[one] = true
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

// lets counts something that anybody may do a few times, by account or by network, "" for the other; false
// when it was often enough for now.
func (a *attempts) lets(now time.Time, account, network string, often int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.tries) >= attemptsAtMost {
		a.makeRoom(now)
	}
	k := attemptKey{strings.ToLower(account), network}
	t := a.since(k, now)
	if t.n >= often {
		return false
	}
	a.tries[k] = tries{t.n + 1, now}
	return true
}
