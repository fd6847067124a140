package main

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// lookEvery is how often a schedule is read when nothing wakes it.
const lookEvery = time.Second

// schedule works off what a table says is due: questions to Paytm's API, messages for the shop. The
// table is the memory, so a restart forgets nothing; here is only what is being done just now.
type schedule[W any] struct {
	what   string // for the log
	atOnce int
	due    func(ctx context.Context, limit int) ([]W, error) // the longest waiting first
	id     func(W) int64
	do     func(context.Context, W)
	wake   <-chan struct{}
	log    *slog.Logger
}

// run works until ctx ends, then waits for what is under way.
func (s *schedule[W]) run(ctx context.Context) {
	var mu sync.Mutex
	begun := map[int64]bool{} // by id: true while it is being done
	var wg sync.WaitGroup
	free := make(chan struct{}, s.atOnce)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	defer wg.Wait()
	for {
		// What ends while the list is read may stand in it as if it had not; what ended before can't.
		mu.Lock()
		maps.DeleteFunc(begun, func(_ int64, busy bool) bool { return !busy })
		mu.Unlock()
		list, err := s.due(ctx, 4*s.atOnce)
		if err != nil && ctx.Err() == nil {
			s.log.Error("the schedule of "+s.what+" can't be read", "cause", err.Error())
		}
		for _, work := range list {
			mu.Lock()
			_, already := begun[s.id(work)]
			mu.Unlock()
			if already {
				continue
			}
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
				return
			}
			mu.Lock()
			begun[s.id(work)] = true
			mu.Unlock()
			wg.Go(func() {
				s.do(ctx, work)
				mu.Lock()
				begun[s.id(work)] = false
				mu.Unlock()
				<-free
			})
		}
		if len(list) == 4*s.atOnce {
			continue // there may be more; starting the last of these waited for the others
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-tick.C:
		}
	}
}
