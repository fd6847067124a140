package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// program is one of the ways to do the work: hissa or a peer.
type program interface {
	// prepare builds it. A missingError says what it needs that is not here.
	prepare(ctx context.Context, w *workshop) error

	// open makes a folder ready for its first start.
	open(ctx context.Context, dir string) error

	// argv starts it on that folder.
	argv(dir, listen string) ([]string, error)

	// ready is the path that answers 200 once it works.
	ready() string

	// seed makes orders that a click has brought, durably.
	seed(ctx context.Context, s *server, orders []string) error

	// visited says how often its links were followed: hissa's books have a fact of each.
	visited(times int64)

	// finish stops it and says what its books then hold.
	finish(ctx context.Context, s *server) (books, error)
}

// books is how much a program says it holds.
type books struct {
	Payments    int64 `json:"payments"`
	Commissions int64 `json:"commissions"`
	Messages    int64 `json:"messages"`
}

// missingError is something that is needed and not here, and where it comes from.
type missingError struct{ what, remedy string }

func (e missingError) Error() string {
	return e.what + ": " + e.remedy + ", or go on without it with -allow-missing"
}

// The two remedies.
const (
	install = "run ./install in this folder"
	fetch   = "fetch the whole repository"
)

// contestant is a program as the tables name it.
type contestant struct {
	name  string
	about string // one line for the report
	keeps bool   // it stores what it acknowledges, which is counted afterwards
	make  func() program
}

// site is a program with a folder of its own, over all its lives.
type site struct {
	contestant
	program
	shop    *till
	dir     string
	log     string
	orders  int                // seeded so far
	acked   int64              // different payments acknowledged
	unsure  int64              // requests that were refused: they may be in the books or not
	expects map[string]float64 // the rate of the last run of a sort, for the size of the next stock
}

// newSite opens a folder for a program that was prepared.
func (b *bench) newSite(ctx context.Context, c contestant, folder string) (*site, error) {
	s := &site{contestant: c, program: c.make(), shop: newTill(), expects: map[string]float64{},
		dir: filepath.Join(b.workshop.dir, folder, c.name),
		log: filepath.Join(b.workshop.dir, folder, c.name+".log")}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, b.workshop); err != nil {
		return nil, err
	}
	if err := s.open(ctx, s.dir); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return s, nil
}

// start begins one life, under another program such as strace where one is given.
func (s *site) start(ctx context.Context, under ...string) (*server, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	argv, err := s.argv(s.dir, addr)
	if err != nil {
		return nil, err
	}
	return launch(ctx, append(under[:len(under):len(under)], argv...), addr, s.ready(), s.log)
}

// seedOrders makes orders in a life of their own, so that what they cost is not measured.
func (s *site) seedOrders(ctx context.Context, n int) (names []string, err error) {
	for range n {
		s.orders++
		names = append(names, fmt.Sprintf("ORDER_%09d", s.orders))
	}
	if !s.keeps {
		return names, nil
	}
	running, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.seed(ctx, running, names); err != nil {
		_ = running.stop()
		return nil, fmt.Errorf("%s: seeding orders: %w", s.name, err)
	}
	return names, running.stop()
}

// payments makes the signed messages of so many new payments, with as many seeded orders.
func (s *site) payments(ctx context.Context, n int) (*stock, error) {
	names, err := s.seedOrders(ctx, n)
	if err != nil {
		return nil, err
	}
	made := &stock{shots: make([]shot, n), repeats: true, endless: !s.keeps}
	for i, order := range names {
		made.shots[i].request = s.shop.webhook(order)
	}
	return made, nil
}

// wrongBooks is a program that has lost, doubled or made up something.
type wrongBooks struct{ text string }

func (e wrongBooks) Error() string { return e.text }

// check stops a life and holds its books against what it acknowledged.
func (s *site) check(ctx context.Context, running *server) error {
	have, err := s.finish(ctx, running)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if !s.keeps {
		return nil
	}
	for _, n := range []int64{have.Payments, have.Commissions, have.Messages} {
		if n < s.acked || n > s.acked+s.unsure {
			return wrongBooks{fmt.Sprintf("%s acknowledged %d different payments (%d requests were refused), "+
				"and its books hold %+v: no figure of such a program is worth anything; its folder is %s",
				s.name, s.acked, s.unsure, have, s.dir)}
		}
	}
	return nil
}
