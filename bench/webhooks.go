package main

import (
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

// pacedWork sends half of what each server was just seen to take at most.
func pacedWork(ctx context.Context, b *bench) error {
	return b.eachRound(ctx, "webhooks", contestants, func(s *site, round int) error {
		most := b.report.saturation(s.name)
		if most == 0 {
			return fmt.Errorf("paced needs to know how much %s takes at most: -only webhooks,paced", s.name)
		}
		run, err := b.measure(ctx, s, turn{work: "paced", connections: pacedConnections, round: round,
			pace: most / 2})
		b.add(run, err)
		return err
	})
}
