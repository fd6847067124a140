package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"
)

// What ends while the table is read is not done a second time because it still stands in what was read.
func TestScheduleDoesEachOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var done atomic.Int32
	started, finish, ended := make(chan bool, 1), make(chan bool), make(chan bool, 1)
	wake := make(chan struct{}, 1)
	reads := 0
	work := schedule[int64]{
		what: "work", atOnce: 2, wake: wake, log: slog.New(slog.DiscardHandler),
		id: func(id int64) int64 { return id },
		due: func(context.Context, int) ([]int64, error) {
			switch reads++; reads {
			case 1:
				return []int64{1}, nil
			case 2: // read while it is being done, and at hand only after it has ended
				<-started
				close(finish)
				<-ended
				time.Sleep(20 * time.Millisecond) // for the schedule to notice
				wake <- struct{}{}
				return []int64{1}, nil
			default:
				cancel()
				return nil, nil
			}
		},
		do: func(context.Context, int64) {
			if done.Add(1) == 1 {
				started <- true
				<-finish
				ended <- true
			}
		},
	}
	work.run(ctx)
	if n := done.Load(); n != 1 {
		t.Errorf("it was done %d times", n)
	}
}
