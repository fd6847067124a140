package main

// The store's side of forwarding: which messages the shop is still to get. They are queued in the
// transaction that books them, so what Paytm was told is stored will also be handed on.

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// refusedAtMost is how many refused messages may wait for the shop: strangers make them.
const refusedAtMost = 1000

// forwardsKept is for how long it can be told what became of a message.
const forwardsKept = 30 * 24 * time.Hour

var errTooManyRefused = errors.New("too many refused messages wait for the shop already")

// Wire is a message as it came over the network.
type Wire struct {
	Body        []byte
	ContentType string
}

// Forward is a message to hand on now.
type Forward struct {
	ID int64
	Wire
	Tries  int
	Closed error // why it can't be handed on: no key of the configuration opens it
}

// forShop is a message as it waits for the shop, made ready before it waits for the writer.
type forShop struct {
	digest      []byte
	contentType string
	body        []byte
	key         []byte // that sealed the body, nil for none
}

func (keys bodyKeys) forShop(w Wire) forShop {
	digest := sha256.Sum256(w.Body)
	f := forShop{digest: digest[:], contentType: w.ContentType}
	f.body, f.key = keys.seal(w.Body, placeOfForward(f.digest))
	return f
}

// ForwardsStanding is how forwarding goes.
type ForwardsStanding struct {
	Waiting int64
	Since   time.Time // when the first that waits came; zero for none
	GivenUp int64
	Said    string // what came of a try that failed
}

// ReceiveAndForward is Receive, and queues the message for the shop in the same transaction.
func (s *Store) ReceiveAndForward(
	ctx context.Context, n Notification, subscription string, w Wire,
) (string, error) {
	f := s.keys.forShop(w)
	return s.receiveWith(ctx, n, subscription, w.Body, func(t *tx, n Notification) error {
		return t.queueForward(n.subject(), f)
	})
}

// ForwardRefused queues a message that was refused. It waits in the lane of clicks, so that a flood
// of them can't hold up Paytm.
func (s *Store) ForwardRefused(ctx context.Context, w Wire) error {
	f := s.keys.forShop(w)
	return s.write(ctx, s.clicks, func(t *tx) error {
		var waiting int
		if err := t.one(q("count-refused-forwards"), nil, &waiting); err != nil {
			return err
		}
		if waiting >= refusedAtMost {
			return errTooManyRefused
		}
		return t.queueForward("", f)
	})
}

func (t *tx) queueForward(subject string, f forShop) error {
	t.hands = true
	return t.exec(q("queue-forward"),
		t.now.UnixMilli(), subject, f.digest, f.contentType, f.body, blob(f.key))
}

// DueForwards returns up to limit messages to hand on now, the longest waiting first.
func (s *Store) DueForwards(ctx context.Context, limit int) (list []Forward, err error) {
	err = s.read(ctx, func(r rows) error {
		return r.each(q("due-forwards"), dueBy(s.now(), limit), func(scan func(...any) error) error {
			var f Forward
			var digest, body, key []byte
			err := scan(&f.ID, &f.ContentType, &digest, &body, &key, &f.Tries)
			f.Body, f.Closed = s.keys.open(body, key, placeOfForward(digest))
			list = append(list, f)
			return err
		})
	})
	return list, err
}

// ForwardTaken notes that the shop has taken a message, and forgets those of long ago.
func (s *Store) ForwardTaken(ctx context.Context, id int64, said string) error {
	return s.write(ctx, s.clicks, func(t *tx) error {
		old := t.now.Add(-forwardsKept).UnixMilli()
		return errors.Join(
			t.exec(q("forward-taken"), said, t.now.UnixMilli(), id),
			t.exec(q("forget-forwards"), old),
		)
	})
}

// ForwardFailed notes that the shop has not taken a message, and when to try again; never, when wait
// is not above zero.
func (s *Store) ForwardFailed(ctx context.Context, id int64, said string, wait time.Duration) error {
	return s.write(ctx, s.clicks, func(t *tx) error {
		var next any
		if wait > 0 {
			next = t.now.Add(wait).UnixMilli()
		}
		return t.exec(q("forward-failed"), said, next, t.now.UnixMilli(), id)
	})
}

// ForwardAgain puts what was given up back into the queue, and says how many messages that were.
func (s *Store) ForwardAgain(ctx context.Context) (n int64, err error) {
	err = s.write(ctx, s.clicks, func(t *tx) error {
		if err := t.exec(q("try-forwards-again"), t.now.UnixMilli()); err != nil {
			return err
		}
		t.hands = true
		return t.one(q("count-changes"), nil, &n)
	})
	return n, err
}

// Forwards says how forwarding goes.
func (s *Store) Forwards(ctx context.Context) (f ForwardsStanding, err error) {
	err = s.read(ctx, func(r rows) error {
		var since int64
		err := r.one(q("forwards-standing"), nil, &f.Waiting, &since, &f.GivenUp, &f.Said)
		if since > 0 {
			f.Since = fromMillis(&since)
		}
		return err
	})
	return f, err
}

// Handed is what became of one message about a payment.
type Handed struct {
	At    time.Time // when it came
	Tries int
	Next  time.Time // zero when nothing more is tried
	Said  string
	Ended time.Time
	Taken bool
}

func (r rows) forwardsAbout(subject string) (list []Handed, err error) {
	err = r.each(q("forwards-about"), args{subject}, func(scan func(...any) error) error {
		var h Handed
		var at int64
		var next, ended *int64
		err := scan(&at, &h.Tries, &next, &h.Said, &ended, &h.Taken)
		h.At, h.Next, h.Ended = fromMillis(&at), fromMillis(next), fromMillis(ended)
		list = append(list, h)
		return err
	})
	return list, err
}
