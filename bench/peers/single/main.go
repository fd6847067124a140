// Command single keeps its books in SQLite with a transaction a request: what a careful developer
// writes first.
package main

import (
	"path/filepath"

	"hissa/bench/peers/peer"
)

func main() {
	peer.Main(func(o peer.Options) (peer.Service, error) {
		key, err := o.Key()
		if err != nil {
			return nil, err
		}
		books, err := openBooks(filepath.Join(o.Data, "books.db"))
		if err != nil {
			return nil, err
		}
		books.Handler = peer.Routes(books, peer.Webhook(key, books))
		return books, nil
	})
}
