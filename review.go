package main

// hissa review and hissa confirm: what a person has to look at, and their word on it.

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hissa/paytm"
)

var reviewCommand = command{
	name: "review", config: true, reading: true, usage: "list|accept TXNID|refuse TXNID -reason TEXT",
	short: "commissions that wait for a person, and your word on them",
	long: `
review list
review accept TXNID -reason TEXT
review refuse TXNID -reason TEXT

Lists the commissions that do not become due by themselves: signs of abuse, an amount that is not
the one the shop named, a contradiction or a dispute, nothing known at Paytm's API for 72 hours.

accept lifts a block of abuse or of the shop's amount; refuse takes the whole commission back, of
any payment, at any time. The reason is kept for ever and shown by explain. Each word outranks the
one before. Contradictions, disputes and what the API does not know are settled by hissa confirm.

Example:  hissa review accept 20261122111212800110168000000000001 -reason "a gift, says Asha"`,
	run: func(c *call) error {
		return c.verbs(map[string]func(*call) error{
			"list":   reviewList,
			"accept": func(c *call) error { return c.review(true) },
			"refuse": func(c *call) error { return c.review(false) },
		}, "list, accept, refuse")
	},
}

var confirmCommand = command{
	name: "confirm", config: true, usage: "TXNID -agree [-amount RUPEES]|-deny -reason TEXT",
	short: "a person's word on a payment where Paytm's API has none",
	long: `
Says what became of a payment that Paytm's API does not settle: unknown for 72 hours, or two
messages that contradict each other. -agree lets the commission stand, -deny takes it back; the
reason is kept for ever and shown by explain. Where different amounts were stated, -amount says
which one is right, in rupees. Your word outranks the API's until you speak again.

Example:  hissa confirm 20261122111212800110168000000000001 -agree \
              -reason "seen on the bank statement"`,
	run: func(c *call) error {
		agree := c.flags.Bool("agree", false, "")
		deny := c.flags.Bool("deny", false, "")
		amount := c.flags.String("amount", "", "")
		reason := c.flags.String("reason", "", "")
		if err := c.exactly(1); err != nil {
			return err
		}
		if *agree == *deny {
			return usageError{"say either -agree or -deny"}
		}
		said, err := oneReason(*reason)
		d := Decision{Agree: *agree, Reason: said}
		switch {
		case err != nil:
			return err
		case *amount != "" && *deny:
			return usageError{"-amount goes with -agree"}
		}
		if *amount != "" {
			var err error
			if d.Amount, err = paytm.ParseAmount(*amount); err != nil || d.Amount == 0 {
				return usageError{fmt.Sprintf("-amount %q: write rupees like 1499.00", *amount)}
			}
		}
		return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
			if err := store.Decide(ctx, c.args[0], d); err != nil {
				return asNo(err, fmt.Sprintf("no payment %s is known: "+
					"hissa export transactions lists them", c.args[0]))
			}
			fmt.Fprintf(c.stderr, "hissa: your word is booked; "+
				"hissa explain %s shows what follows from it\n", c.args[0])
			return nil
		})
	},
}

// Review is what a person said about what one partner earns on a payment.
type Review struct {
	Seq     int64
	At      time.Time
	Partner string
	Accept  bool
	Reason  string
}

// lastReview is the last word on what a partner earns, nil when nobody spoke.
func lastReview(f Facts, partner string) (last *Review) {
	for i, r := range f.Reviews {
		if r.Partner == partner && (last == nil || r.Seq > last.Seq) {
			last = &f.Reviews[i]
		}
	}
	return last
}

func (c *call) review(accept bool) error {
	reason := c.flags.String("reason", "", "")
	if err := c.exactly(1); err != nil {
		return err
	}
	said, err := oneReason(*reason)
	if err != nil {
		return err
	}
	return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
		if err := store.Review(ctx, c.args[0], accept, said); err != nil {
			return asNo(err, fmt.Sprintf("no payment %s is known: hissa review list shows what waits", c.args[0]))
		}
		fmt.Fprintf(c.stderr, "hissa: your word is booked; hissa explain %s shows what follows from it\n", c.args[0])
		return nil
	})
}

// oneReason is a person's reason: one line.
func oneReason(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsAny(text, "\x00\r\n") || len(text) > 500 {
		return "", usageError{"-reason is needed: one line, in your words, kept for ever"}
	}
	return text, nil
}

// Review books a person's word on what the partner of a payment earns. errNotFound for an unknown
// payment; a decisionError where there is nothing to say it about.
func (s *Store) Review(ctx context.Context, txnID string, accept bool, reason string) error {
	return s.write(ctx, s.payments, func(t *tx) error {
		txn, err := t.transaction(txnID)
		if err != nil {
			return err
		}
		if txn == nil {
			return errNotFound
		}
		c, err := t.commission(txn.ID)
		if err != nil {
			return err
		}
		if c == nil {
			return decisionError{"nobody earns on this payment: " + txn.Why}
		}
		refused, err := t.wasRefused(txn)
		if err != nil {
			return err
		}
		liftable := slices.Contains(c.Blocks, "abuse") || slices.Contains(c.Blocks, "merchant")
		switch {
		case accept && !refused && !liftable:
			return decisionError{"there is nothing to accept: neither abuse nor the shop's amount blocks it " +
				"(hissa confirm settles contradictions and disputes)"}
		case !accept && refused:
			return decisionError{"it is refused already"}
		}
		if err := t.fixIfDue(txn); err != nil {
			return err
		}
		if _, err := t.book("reviews", t.now, txnID, txn.Partner, accept, reason); err != nil {
			return err
		}
		act := "review-refused"
		if accept {
			act = "review-accepted"
		}
		if err := t.act(act, txnID, reason); err != nil {
			return err
		}
		_, err = t.redecide(txn)
		return err
	})
}

// wasRefused: the last word on what the partner of a payment earns was a refusal.
func (t *tx) wasRefused(txn *transaction) (bool, error) {
	f := Facts{TxnID: txn.TxnID}
	err := t.reviews(&f)
	last := lastReview(f, txn.Partner)
	return last != nil && !last.Accept, err
}

func (r rows) reviews(f *Facts) error {
	return r.each(q("reviews"), args{f.TxnID}, func(scan func(...any) error) error {
		v, err := scanReview(scan)
		f.Reviews = append(f.Reviews, v)
		return err
	})
}

func scanReview(scan func(...any) error) (v Review, err error) {
	var at int64
	err = scan(&v.Seq, &at, &v.Partner, &v.Accept, &v.Reason)
	v.At = fromMillis(&at)
	return v, err
}

func reviewList(c *call) error {
	if err := c.exactly(0); err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
		var lines [][]string
		headings := strings.Fields("TXNID PAID PARTNER COMMISSION BLOCKS WHY")
		err := store.read(ctx, func(r rows) error {
			long := store.now().Add(-expiry).UnixMilli()
			return r.each(q("review-list"), args{long}, func(scan func(...any) error) error {
				var txnID, partner, blocks, abuse, conflict string
				var paid, net int64
				if err := scan(&txnID, &partner, &paid, &net, &blocks, &abuse, &conflict); err != nil {
					return err
				}
				at, why := fromMillis(&paid), whyBlocked(strings.Fields(blocks), abuse, conflict)
				if c.json {
					return c.writeJSON(record{
						{"txn_id", txnID}, {"partner", partner}, {"paid_at", rfc3339(at)}, {"commission", decimal(net)},
						{"blocks", strings.Fields(blocks)}, {"why", why},
					})
				}
				lines = append(lines, []string{txnID, day(at), partner, rupees(net), blocks, why})
				return nil
			})
		})
		if err != nil || c.json {
			return err
		}
		if len(lines) == 0 {
			fmt.Fprintln(c.stderr, "hissa: nothing waits for a person")
			return nil
		}
		return table(c.stdout, headings, lines)
	})
}

// whyBlocked says in a line what a person has to look at.
func whyBlocked(blocks []string, abuse, conflict string) string {
	var why []string
	for _, b := range blocks {
		switch b {
		case "abuse":
			why = append(why, abuse)
		case "conflict":
			why = append(why, conflict)
		default:
			why = append(why, blockWords(b, time.Time{}))
		}
	}
	return strings.Join(why, "; ")
}
