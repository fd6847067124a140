package main

import (
	"context"
	"fmt"
	"net/http"
)

// clickWork follows partners' links: stored before the visitor is sent on, by hissa in batches and by
// a peer one at a time, and not stored at all.
func clickWork(ctx context.Context, b *bench) error {
	for _, connections := range b.connections {
		err := b.eachRound(ctx, "clicks", clickers, func(s *site, round int) error {
			links := &stock{shots: make([]shot, visitors), endless: true}
			for i := range links.shots {
				links.shots[i].request = get("/r/"+partnerCode(i), visitorAddress(i))
			}
			t := turn{work: "clicks", connections: connections, round: round}
			run, err := b.underLoad(ctx, s, t, links, http.StatusFound)
			if err != nil {
				return fmt.Errorf("%s at %d connections: %w", s.name, connections, err)
			}
			b.add(run, nil)
			b.progress(run)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
