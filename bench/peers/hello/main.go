// Command hello keeps nothing: it is what net/http alone can do with the same requests and answers,
// and with -verify, what is left of that when every checksum is verified.
package main

import (
	"context"
	"flag"
	"net/http"
	"sync/atomic"

	"hissa/bench/peers/peer"
)

func main() {
	verify := flag.Bool("verify", false, "parse each message and verify its checksum")
	peer.Main(func(o peer.Options) (peer.Service, error) {
		b := &books{}
		if !*verify {
			return service{peer.Routes(b, b.believe)}, nil
		}
		key, err := o.Key()
		if err != nil {
			return nil, err
		}
		return service{peer.Routes(b, peer.Webhook(key, b))}, nil
	})
}

type service struct{ http.Handler }

func (service) Close() error { return nil }

// books count, and forget the rest. So every message is new.
type books struct{ credited atomic.Int64 }

// believe reads the message and looks no further.
func (b *books) believe(w http.ResponseWriter, r *http.Request) {
	body, err := peer.ReadBody(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result, _ := b.Book(r.Context(), peer.Payment{Body: body})
	peer.Reply(w, peer.Answer{Result: result})
}

func (b *books) Book(context.Context, peer.Payment) (peer.Result, error) {
	b.credited.Add(1)
	return peer.Credited, nil
}

func (b *books) Seed(context.Context, []peer.Binding) error { return nil }

func (b *books) Count(context.Context) (peer.Counts, error) {
	n := b.credited.Load()
	return peer.Counts{Payments: n, Commissions: n, Messages: n}, nil
}
