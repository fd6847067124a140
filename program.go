package main

// hissa program: the terms and when they changed.

import (
	"context"
	"fmt"
	"strings"
)

var programCommand = command{
	name: "program", config: true, reading: true, usage: "[-json]",
	short: "the terms and when they changed",
	long: `
Lists every version of the terms, numbered from 1: [attribution], [commission] and [abuse] of the
configuration with paytm.confirm and paytm.order_suffix; and who brought it, the user on this
machine.
serve adds one whenever the configuration says something new when it starts. A payment is decided
under the version that was in force when it was made, unless hissa replay had it decided under
another.

Example:  hissa program`,
	run: func(c *call) error {
		if err := c.exactly(0); err != nil {
			return err
		}
		return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
			terms, err := store.Terms(ctx)
			if err != nil {
				return err
			}
			var records []record
			for i, p := range terms.programs {
				records = append(records, programRecord(i+1, p))
			}
			names := programRecord(0, Program{}).names()
			return c.list(strings.Fields(strings.ToUpper(strings.Join(names, " "))), records)
		})
	},
}

func programRecord(number int, p Program) record {
	limit := "" // none
	if p.Cap > 0 {
		limit = decimal(p.Cap)
	}
	lifetime := ""
	if p.Lifetime > 0 {
		lifetime = fmt.Sprintf("%dmo", p.Lifetime)
	}
	return record{
		{"number", int64(number)}, {"since", rfc3339(p.At)}, {"rate", p.Rate.String()},
		{"exclude_tax", Rate{BPS: p.ExcludeTax}.String()}, {"hold", span(p.Hold)}, {"window", span(p.Window)},
		{"model", p.Model}, {"precedence", p.Precedence}, {"lifetime", lifetime}, {"confirm", p.Confirm},
		{"order_suffix", p.OrderSuffix}, {"cap", limit}, {"payments", int64(p.Payments)},
		{"tiers", tierTexts(p.Tiers)},
		{"own", p.Own}, {"codes", int64(p.Guesses)}, {"by", p.Who},
	}
}
