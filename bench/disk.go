package main

import "context"

// diskVariants are the three ways in which a server is run: by itself; under strace, which looks at
// each sync and lets it go, so that it can be seen what looking costs; and under strace that holds
// each sync back for 5 ms after it is done, as a slow disk would.
var diskVariants = []struct {
	name    string
	traced  bool
	options []string
}{
	{"bare", false, nil},
	{"traced", true, nil},
	{"5 ms", true, []string{"-e", "inject=fsync,fdatasync:delay_exit=5000"}},
}

// diskWork is how much a disk with slow syncs takes away, at most connections.
func diskWork(ctx context.Context, b *bench) error {
	const connections = 256
	return b.eachRound(ctx, "disk", keepers(), func(s *site, round int) error {
		for _, v := range diskVariants {
			t := turn{work: "disk", variant: v.name, connections: connections, round: round}
			if v.traced {
				under, err := strace("/dev/null", v.options...)
				if err != nil {
					return b.without(err)
				}
				t.under = under
			}
			run, err := b.measure(ctx, s, t)
			b.add(run, err)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
