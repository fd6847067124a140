package main

import (
	"cmp"
	"context"
	"fmt"
)

// webhookWork sends payments as fast as each server takes them, over ever more connections.
func webhookWork(ctx context.Context, b *bench) error {
	for _, connections := range b.connections {
		err := b.eachRound(ctx, "webhooks", contestants, func(s *site, round int) error {
			run, err := b.measure(ctx, s, turn{work: "webhooks", connections: connections, round: round})
			b.add(run, err)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pacedWork sends as many as -rate says, or half of what each server was just seen to take at most.
func pacedWork(ctx context.Context, b *bench) error {
	return b.eachRound(ctx, "webhooks", contestants, func(s *site, round int) error {
		pace := cmp.Or(b.rate, b.report.saturation(s.name)/2)
		if pace == 0 {
			return fmt.Errorf("paced needs -rate, or to know how much %s takes at most: -only webhooks,paced", s.name)
		}
		run, err := b.measure(ctx, s, turn{work: "paced", connections: pacedConnections, round: round, pace: pace})
		b.add(run, err)
		return err
	})
}
