package main

// hissa replay: payments decided anew under another program; and what was refused, or never taken by the
// shop, once more.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"hissa/paytm"
)

var replayCommand = command{
	name: "replay", config: true, reading: true,
	usage: "[-from WHEN] [-to WHEN] [-program N] [-apply]|-rejected|-forwards",
	short: "decide payments anew under other terms; take refused messages again",
	long: `
replay [-from WHEN] [-to WHEN] [-program N] [-apply]
replay -rejected
replay -forwards

Decides the payments made from -from up to -to anew, under the program of today, or under version N
(hissa program lists them), in place of the one that was in force when they were made. It prints the
difference per partner in rupees. Nothing is booked without -apply: the difference is worked out on
a copy of the database, made beside it and removed afterwards. Commissions that have become due
never move, nor do a partner's own rates. Doing it twice changes nothing; -apply may be interrupted,
and said again.

-rejected takes the messages that were refused within the last 30 days (the last two to four
thousand of them are kept, outside the books) and tries each again under the merchant keys and the
MID of the configuration. Those that are genuine now are booked as if they had just come; those that
are not stay refused. Do it after a wrong key was mended; doing it twice changes nothing.

-forwards puts the messages that the shop's handler (paytm.forward) never took back into the queue.

Exit code 1: messages stay refused.

Example:  hissa replay -from 2026-11-01 -apply`,
	run: func(c *call) error {
		rejected := c.flags.Bool("rejected", false, "")
		forwards := c.flags.Bool("forwards", false, "")
		apply := c.flags.Bool("apply", false, "")
		program := c.flags.Int("program", 0, "")
		from := c.flags.String("from", "", "")
		to := c.flags.String("to", "", "")
		if err := c.exactly(0); err != nil {
			return err
		}
		terms := *apply || *program != 0 || *from != "" || *to != ""
		if *rejected && *forwards || terms && (*rejected || *forwards) {
			return usageError{"say -rejected, or -forwards, or neither"}
		}
		span, err := parseSpan(*from, *to)
		if err != nil {
			return err
		}
		return c.with(*apply, func(ctx context.Context, config *Config, store *Store) error {
			switch {
			case *forwards:
				return c.replayForwards(ctx, store)
			case *rejected:
				return c.replayRefused(ctx, config, store)
			}
			return c.replayTerms(ctx, store, span, *program, *apply)
		})
	},
}

// replayTerms decides payments anew, on a copy unless it is to be booked.
func (c *call) replayTerms(ctx context.Context, store *Store, span Span, version int, apply bool) (err error) {
	terms, err := store.Terms(ctx)
	if err != nil {
		return err
	}
	if version == 0 {
		version = len(terms.programs)
	}
	if version < 1 || version > len(terms.programs) {
		return noError{fmt.Sprintf("there is no program %d: hissa program lists them", version)}
	}
	on := store
	if !apply {
		remove := func() error { return nil }
		if on, remove, err = store.copied(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, remove()) }()
	}
	before, err := on.earnings(ctx)
	if err != nil {
		return err
	}
	changed, err := on.Reprice(ctx, span, terms.programs[version-1].Seq, c.replayProgress())
	if err != nil {
		return err
	}
	after, err := on.earnings(ctx)
	if err != nil {
		return err
	}
	return c.tellDifference(before, after, changed, version, apply)
}

// copied opens a copy of the store beside it; remove closes it and takes it away.
func (s *Store) copied(ctx context.Context) (copied *Store, remove func() error, err error) {
	folder, err := os.MkdirTemp(filepath.Dir(s.path), filepath.Base(s.path)+".copy-*")
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(folder, "hissa.db")
	var environment string
	if err = s.Backup(ctx, path); err == nil {
		err = s.read(ctx, func(r rows) error { return r.one(q("setting"), args{"environment"}, &environment) })
	}
	if err == nil {
		copied, err = openStore(path, StoreOptions{Environment: environment, MID: s.mid, Clock: s.clock})
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(folder))
	}
	return copied, func() error { return errors.Join(copied.Close(), os.RemoveAll(folder)) }, nil
}

// earnings is what the ledger owes each partner.
func (s *Store) earnings(ctx context.Context) (map[string]int64, error) {
	list := map[string]int64{}
	err := s.read(ctx, func(r rows) error {
		return r.each(q("earnings"), nil, func(scan func(...any) error) error {
			var name string
			var balance int64
			err := scan(&name, &balance)
			list[strings.TrimPrefix(name, "partner:")] = balance
			return err
		})
	})
	return list, err
}

// Reprice decides the payments of a stretch of time anew under a program, in order of payment, in small
// transactions. Those that are due, or were, stay. It returns how many it changed.
func (s *Store) Reprice(
	ctx context.Context, span Span, program int64, progress func(done, all int),
) (changed int, err error) {
	var ids []string
	from, to := span.millis()
	if err := s.read(ctx, func(r rows) (err error) {
		ids, err = r.transactionIDs(q("txnids-paid-between"), from, to)
		return err
	}); err != nil {
		return 0, err
	}
	const chunk = 200
	for done := 0; done < len(ids); done += chunk {
		progress(done, len(ids))
		var n int
		if err := s.write(ctx, s.payments, func(t *tx) error {
			n = 0
			for _, id := range ids[done:min(done+chunk, len(ids))] {
				moved, err := t.reprice(id, program)
				if err != nil {
					return err
				}
				if moved {
					n++
				}
			}
			return nil
		}); err != nil {
			return changed, err
		}
		changed += n
	}
	return changed, nil
}

// reprice decides one payment under a program, and books that when it makes a difference.
func (t *tx) reprice(txnID string, program int64) (moved bool, err error) {
	txn, err := t.transaction(txnID)
	if err != nil {
		return false, err
	}
	if err := t.fixIfDue(txn); err != nil {
		return false, err
	}
	known, err := t.notifications(txnID)
	if err != nil {
		return false, err
	}
	f, err := t.facts(txnID, known, txn)
	if err != nil || f.Due != nil {
		return false, err
	}
	before := decide(f, t.terms)
	f.Repriced = program
	after := decide(f, t.terms)
	if after.Program = before.Program; reflect.DeepEqual(before, after) {
		return false, nil
	}
	if _, err := t.book("repricings", t.now, txnID, program); err != nil {
		return false, err
	}
	_, err = t.redecide(txn)
	return true, err
}

func (c *call) replayProgress() func(done, all int) {
	if f, ok := c.stderr.(*os.File); ok && isTerminal(f) {
		return func(done, all int) { fmt.Fprintf(f, "\r%d of %d payments\r", done, all) }
	}
	return func(int, int) {}
}

func (c *call) tellDifference(before, after map[string]int64, changed, version int, apply bool) error {
	var lines [][]string
	for _, partner := range slices.Sorted(maps.Keys(after)) {
		difference := after[partner] - before[partner]
		if difference == 0 {
			continue
		}
		if c.json {
			if err := c.writeJSON(record{
				{"partner", partner}, {"before", decimal(before[partner])}, {"after", decimal(after[partner])},
				{"difference", decimal(difference)}, {"applied", apply},
			}); err != nil {
				return err
			}
		}
		lines = append(lines, []string{partner, rupees(before[partner]), rupees(after[partner]), rupees(difference)})
	}
	if !c.json && len(lines) > 0 {
		if err := table(c.stdout, strings.Fields("PARTNER BEFORE AFTER DIFFERENCE"), lines); err != nil {
			return err
		}
	}
	done := "is booked"
	if !apply {
		done = "would be booked with -apply"
	}
	fmt.Fprintf(c.stderr, "hissa: program %d decides %s otherwise: that %s\n",
		version, plural(int64(changed), "payment"), done)
	return nil
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
	closed  int64 // no key of the configuration opens them
}

func (c *call) replayRefused(ctx context.Context, config *Config, store *Store) error {
	r := replayed{results: map[string]int64{}}
	err := eachRefused(store.path, store.now(), func(m Refused) error {
		return r.take(ctx, config, store, m.opened(config.Privacy.Keys))
	})
	if err != nil {
		return err
	}
	if err := c.tellReplayed(r); err != nil {
		return err
	}
	if r.closed > 0 {
		return noError{fmt.Sprintf("%s can't be opened: the key that sealed them is not in privacy.key; "+
			"hissa check names it", plural(r.closed, "message"))}
	}
	if r.refused > 0 {
		return noError{fmt.Sprintf("%s stay refused: no merchant key of the configuration made the "+
			"signature, or the MID is another's", plural(r.refused, "message"))}
	}
	return nil
}

// take tries one message. A queue that is full just now is waited for.
func (r *replayed) take(ctx context.Context, config *Config, store *Store, m Refused) error {
	if m.Key != "" {
		r.closed++
		return nil
	}
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
		line := record{{"taken", taken}, {"known", r.known}, {"refused", r.refused}, {"unopened", r.closed}}
		for _, result := range resultNames {
			line = append(line, field{result, r.results[result]})
		}
		return c.writeJSON(line)
	}
	if taken+r.known+r.refused+r.closed == 0 {
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
