package main

// Drills: does the copy really bring the books back? It is restored beside the live books, worked out again and
// compared, once a week and whenever somebody asks.

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"hissa/replica"
)

const (
	drillEvery    = 7 * 24 * time.Hour
	drillPatience = 5 * time.Second  // what a copy that lags is given to catch up
	drillLook     = 10 * time.Second // how often a running serve looks at the last drill
	drillAgain    = time.Hour        // after one that did not even come to a result
	drillStops    = 10 * time.Second // how long one that is told to end may tidy up

	// leftFor is for how long what a command that was killed left beside the database may still be in use.
	leftFor = 24 * time.Hour
)

// Drill is what a drill found: the books were brought back from their copy, beside the live ones.
type Drill struct {
	At      time.Time `json:"at"`
	OK      bool      `json:"ok"`
	What    string    `json:"what"`    // why not
	Wanting bool      `json:"wanting"` // the copy itself is wrong, and not the way to it or the room for it
	Facts   int64     `json:"facts"`   // in the restored books
	Live    int64     `json:"live"`    // in the live books when the drill began
	Seconds float64   `json:"seconds"` // from the first question to verified books
}

// says is why the copy is not known to bring the books back, "" when it is.
func (d Drill) says() string {
	switch {
	case d.OK:
		return ""
	case d.Wanting:
		return "the copy would not bring the books back: " + d.What
	}
	return "the drill came to no result: " + d.What
}

func drillPath(database string) string { return database + "-drill" }

// lastDrill reads the result of the last drill, nil when there was none.
func lastDrill(database string) *Drill {
	var d Drill
	text, err := os.ReadFile(drillPath(database))
	if err != nil || json.Unmarshal(text, &d) != nil {
		return nil
	}
	return &d
}

// drillIsDue reports whether there should be another after the last, nil for none: the first comes an hour after
// the first start. One of a clock that was ahead counts for none, or there would be no other until it is as late.
func drillIsDue(last *Drill, began, now time.Time) bool {
	if last == nil || last.At.After(now) {
		return now.Sub(began) >= time.Hour
	}
	return now.Sub(last.At) >= drillEvery
}

func (d Drill) keep(database string) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return os.WriteFile(drillPath(database), append(text, '\n'), 0o600)
}

func (d Drill) record() record {
	return record{
		{"ok", d.OK}, {"at", rfc3339(d.At)}, {"facts", d.Facts}, {"live", d.Live},
		{"seconds", d.Seconds}, {"what", d.What},
	}
}

var drillCommand = command{
	name: "drill", config: true, reading: true, usage: "[-json]",
	short: "does the copy really bring the books back",
	long: `
Restores the copy to a temporary place, recomputes its chain, positions and balances as verify does,
and compares it with the live books. It changes neither. A running serve does this once a week by
itself; the result is in hissa check and in the metrics. It needs half as much again as the database
takes, free beside it. Exit code 1: the copy is not known to bring the books back.

Example:  hissa drill`,
	run: func(c *call) error {
		if err := c.exactly(0); err != nil {
			return err
		}
		config, err := c.loadReplicated()
		if err != nil {
			return err
		}
		return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt) // it tidies up first
			defer stop()
			d, err := drill(ctx, config, store)
			if err != nil {
				return err
			}
			if err := d.keep(config.Database); err != nil {
				return err
			}
			if c.json {
				if err := c.writeJSON(d.record()); err != nil {
					return err
				}
			}
			if !d.OK {
				return noError{d.says()}
			}
			if !c.json {
				fmt.Fprintf(c.stdout, "The copy brought back fact %d of %d, in order, in %.1f seconds.\n",
					d.Facts, d.Live, d.Seconds)
			}
			return nil
		})
	},
}

// drill restores the copy beside the live books and compares.
func drill(ctx context.Context, config *Config, store *Store) (d Drill, err error) {
	began := time.Now()
	d.At = began.UTC()
	if d.Live, _, err = store.Head(ctx); err != nil {
		return d, err
	}
	if err := roomFor(config.Database); err != nil {
		d.What = err.Error()
		return d, nil
	}
	report, err := restoreBeside(ctx, config)
	if err == nil && report.Facts < d.Live {
		// The copy follows within a second or so, unless something is wrong with it.
		time.Sleep(drillPatience)
		report, err = restoreBeside(ctx, config)
	}
	d.Facts, d.Seconds = report.Facts, time.Since(began).Seconds()
	switch {
	case err != nil:
		d.What, d.Wanting = err.Error(), replica.Wanting(err)
		return d, ctx.Err()
	case report.Facts < d.Live:
		d.Wanting = true
		d.What = fmt.Sprintf("it ends at fact %d, and %d were booked when the drill began",
			report.Facts, d.Live)
		return d, nil
	}
	head, err := hex.DecodeString(report.Head)
	if err != nil {
		return d, err
	}
	if d.OK, err = store.Holds(ctx, report.Facts, head); err != nil {
		return d, err
	}
	if d.Wanting = !d.OK; d.Wanting {
		d.What = fmt.Sprintf("its chain at fact %d is not that of the live books", report.Facts)
	}
	return d, nil
}

// roomFor makes sure that a copy of the database fits beside it, and that webhooks still have room then.
func roomFor(database string) error {
	info, err := os.Stat(database)
	if err != nil {
		return err
	}
	free, _, err := diskOf(database)
	if need := uint64(info.Size()) * 3 / 2; err == nil && free < need {
		return fmt.Errorf("%d MB are free beside the database, and it takes up to %d: make room, and run hissa drill",
			free>>20, need>>20)
	}
	return err
}

// removeLeftovers removes what a restore or a drill that was killed left beside the database.
func removeLeftovers(database string, now time.Time) error {
	var errs []error
	for _, kind := range []string{".drill-*", ".restore-*"} {
		found, err := filepath.Glob(database + kind)
		errs = append(errs, err)
		for _, folder := range found {
			if info, err := os.Stat(folder); err == nil && info.IsDir() && now.Sub(info.ModTime()) > leftFor {
				errs = append(errs, os.RemoveAll(folder))
			}
		}
	}
	return errors.Join(errs...)
}

// restoreBeside restores the copy to a temporary place beside the database.
func restoreBeside(ctx context.Context, config *Config) (Report, error) {
	folder, err := os.MkdirTemp(filepath.Dir(config.Database),
		filepath.Base(config.Database)+".drill-*")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(folder)
	return restoreBooks(ctx, config, time.Time{}, filepath.Join(folder, "hissa.db"))
}

// drillWeekly runs a drill in a process of its own whenever the last is a week old, until ctx ends.
// After one that found the copy itself wanting, be it run by hand, the copy is begun anew, as soon as it is in step.
func drillWeekly(ctx context.Context, config *Config, mirror *replica.Supervisor, log *slog.Logger) {
	began := time.Now()
	tick := time.NewTicker(drillLook)
	defer tick.Stop()
	var acted, tried time.Time
	for {
		d := lastDrill(config.Database)
		if d != nil && d.Wanting && d.At.After(began) && d.At.After(acted) && mirror.Status().InStep {
			acted = d.At
			log.Error("a drill found the copy wanting: it is begun anew", "cause", d.What)
			mirror.Afresh()
		}
		if now := time.Now(); drillIsDue(d, began, now) && now.Sub(tried) >= drillAgain {
			tried = now
			cmd := exec.CommandContext(ctx, "/proc/self/exe", drillCommand.name, "-config", config.Path)
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			cmd.WaitDelay = drillStops
			out, err := cmd.CombinedOutput()
			if err == nil {
				log.Info("the weekly drill went well", "said", string(out))
			} else if ctx.Err() == nil {
				log.Error("the weekly drill failed", "cause", string(out))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
