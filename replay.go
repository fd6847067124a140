package main

// hissa replay: what was refused, or never taken by the shop, once more.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hissa/paytm"
)

var replayCommand = command{
	name: "replay", config: true, reading: true, usage: "-rejected|-forwards [-json]",
	short: "take refused messages again after a key was mended",
	long: `
-rejected takes the messages that were refused within the last 30 days (the last two to four
thousand of them are kept, outside the books) and tries each again under the merchant keys and the
MID of the configuration. Those that are genuine now are booked as if they had just come; those that
are not stay refused. Do it after a wrong key was mended; doing it twice changes nothing.

-forwards puts the messages that the shop's handler (paytm.forward) never took back into the queue.

Exit code 1: messages stay refused.

Example:  hissa replay -rejected`,
	run: func(c *call) error {
		rejected := c.flags.Bool("rejected", false, "")
		forwards := c.flags.Bool("forwards", false, "")
		if err := c.exactly(0); err != nil {
			return err
		}
		if *rejected == *forwards {
			return usageError{"say either -rejected or -forwards"}
		}
		return c.with(false, func(ctx context.Context, config *Config, store *Store) error {
			if *forwards {
				return c.replayForwards(ctx, store)
			}
			return c.replayRefused(ctx, config, store)
		})
	},
}

func (c *call) replayForwards(ctx context.Context, store *Store) error {
	n, err := store.ForwardAgain(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return c.writeJSON(record{{"queued", n}})
	}
	fmt.Fprintf(c.stdout, "%s for the shop put back into the queue.\n", plural(n, "message"))
	return nil
}

// replayed counts what became of refused messages.
type replayed struct {
	results map[string]int64
	known   int64 // they are in the books: they came again by themselves, or were taken before
	refused int64 // still
}

func (c *call) replayRefused(ctx context.Context, config *Config, store *Store) error {
	r := replayed{results: map[string]int64{}}
	err := eachRefused(store.path, store.now(), func(m Refused) error {
		return r.take(ctx, config, store, m)
	})
	if err != nil {
		return err
	}
	if err := c.tellReplayed(r); err != nil {
		return err
	}
	if r.refused > 0 {
		return noError{fmt.Sprintf("%s stay refused: no merchant key of the configuration made the "+
			"signature, or the MID is another's", plural(r.refused, "message"))}
	}
	return nil
}

// take tries one message. A queue that is full just now is waited for.
func (r *replayed) take(ctx context.Context, config *Config, store *Store, m Refused) error {
	envelope, err := paytm.Parse(m.Body)
	if err != nil || !config.genuine(envelope) {
		r.refused++
		return nil
	}
	identity := envelope.Identity()
	known, err := store.Knows(ctx, notification(envelope.Classify(), identity[:]))
	if err != nil || known {
		r.known++
		return err
	}
	for {
		_, result, err := config.receive(ctx, store, envelope, Wire{m.Body, m.ContentType})
		if errors.Is(err, errBusy) {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		r.results[result]++
		return err
	}
}

func (c *call) tellReplayed(r replayed) error {
	var taken int64
	for _, n := range r.results {
		taken += n
	}
	if c.json {
		line := record{{"taken", taken}, {"known", r.known}, {"refused", r.refused}}
		for _, result := range resultNames {
			line = append(line, field{result, r.results[result]})
		}
		return c.writeJSON(line)
	}
	if taken+r.known+r.refused == 0 {
		fmt.Fprintln(c.stdout, "No message was refused within the last 30 days.")
		return nil
	}
	fmt.Fprintf(c.stdout, "%s booked", plural(taken, "message"))
	separator := ": "
	for _, result := range resultNames {
		if n := r.results[result]; n > 0 {
			fmt.Fprintf(c.stdout, "%s%d %s", separator, n, result)
			separator = ", "
		}
	}
	fmt.Fprintf(c.stdout, ". %d known already. %d still refused.\n", r.known, r.refused)
	return nil
}
