package main

// hissa forget, and the daily deletion of raw messages that have been kept for long enough.

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

var forgetCommand = command{
	name: "forget", config: true, usage: "CUSTOMER|-lost",
	short: "delete what is personal about a customer",
	long: `
forget CUSTOMER
forget -lost

Deletes what the books have of a customer, by the id that the shop gave (customer_id of an order) or
by the id of a subscription at Paytm: the id itself, the raw messages about the payments, and the
copies of messages for the shop. It is overwritten in the file, not only unlinked.

What stays is what the books need: amounts, times, order ids, TXNIDs, who brought the sale, and a
keyed hash in place of the id. Backups and the copy that were made before still have the rest: a
copy keeps seven days of the past. The last refused messages are kept apart for 30 days, whoever
they are about. If the shop names the customer again, the books know them again.

-lost deletes the raw messages, of whomever, that were sealed with a key which privacy.key does not
name and which is lost for good. Nothing opens them any more, and the books don't need them.

Example:  hissa forget 77`,
	run: func(c *call) error {
		lost := c.flags.Bool("lost", false, "")
		if err := c.parse(); err != nil {
			return err
		}
		if *lost {
			return c.forgetLost()
		}
		if err := c.exactly(1); err != nil {
			return err
		}
		return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
			f, err := store.Forget(ctx, c.args[0])
			if err != nil {
				return asNo(err, "nothing personal is known of this customer: "+
					"the id is the one that the shop gave with an order")
			}
			fmt.Fprintf(c.stderr, "hissa: forgotten: the id, %s, %s for the shop\n",
				plural(f.Bodies, "raw message"), plural(f.Forwards, "message"))
			return nil
		})
	},
}

// forgetLost deletes what no key opens.
func (c *call) forgetLost() error {
	if err := c.exactly(0); err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
		f, err := store.ForgetLost(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "hissa: forgotten: %s, %s for the shop that no key opens\n",
			plural(f.Bodies, "raw message"), plural(f.Forwards, "message"))
		return nil
	})
}

// forgetDaily deletes raw messages older than keep, and applications that were turned down long ago, once a day,
// until ctx ends.
func forgetDaily(ctx context.Context, store *Store, keep time.Duration, log *slog.Logger) {
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		n, err := store.DropBodies(ctx, store.now().Add(-keep))
		switch {
		case err != nil && ctx.Err() == nil:
			log.Error("old raw messages are not deleted", "cause", err.Error())
		case n > 0:
			log.Info("old raw messages are deleted", "messages", n)
		}
		n, err = store.DropApplications(ctx, store.now().Add(-applicationsKept))
		switch {
		case err != nil && ctx.Err() == nil:
			log.Error("old applications are not deleted", "cause", err.Error())
		case n > 0:
			log.Info("old applications that were turned down are deleted", "applications", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
