package main

// Live pages: a stream of events that says which blocks of a page have changed, so that the browser fetches
// these alone. A COMMIT wakes whoever listens; what has changed since they last heard is then read from the
// ends of the tables. So nothing is kept for them, one who is slow misses nothing, and what another process
// books is seen too.

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

var eventRoutes = []route{{pattern: "GET /admin/events", may: shop, handle: (*server).events}}

const (
	listenersMost = 64               // streams at once
	partnersMost  = 48               // of them, those of partners
	listenEvery   = 2 * time.Second  // how often what other processes booked is looked for
	listenPause   = time.Second      // between two events of one stream
	pingEvery     = 20 * time.Second // so that no proxy takes the stream for dead
	streamLasts   = 10 * time.Minute // then the browser comes again, and who it is is looked at again
	slowest       = 10 * time.Second // who can't take an event for so long is dropped
	newsMost      = 99
	newsReach     = 10_000 // facts that are looked at for a partner's
)

// hub wakes those who listen.
type hub struct {
	mu        sync.Mutex
	listeners map[chan struct{}]bool
	closed    bool
}

func newHub() *hub { return &hub{listeners: map[chan struct{}]bool{}} }

// join adds a listener; false when there are as many as may be, or the hub is closed.
func (h *hub) join(most int) (wake chan struct{}, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.listeners) >= most {
		return nil, false
	}
	wake = make(chan struct{}, 1)
	h.listeners[wake] = true
	return wake, true
}

func (h *hub) leave(wake chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners[wake] {
		delete(h.listeners, wake)
		close(wake)
	}
}

// wakeAll wakes every listener, and waits for none.
func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for wake := range h.listeners {
		tell(wake, true)
	}
}

// close ends every stream.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for wake := range h.listeners {
		delete(h.listeners, wake)
		close(wake)
	}
}

// run passes on that something was committed, until ctx ends.
func (h *hub) run(ctx context.Context, committed <-chan struct{}) {
	tick := time.NewTicker(listenEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-committed:
		case <-tick.C:
		}
		h.wakeAll()
	}
}

// News is what was booked since a place of the chain.
type News struct {
	Seq      int64    `json:"-"`
	Changed  []string `json:"changed"`  // payments, needs, statements, partners, clicks
	Payments int      `json:"payments"` // new ones, newsMost at most
}

// News reads what was booked since a place of the chain; of one partner, or of all for "".
func (s *Store) News(ctx context.Context, since int64, partner string) (n News, err error) {
	n.Changed = []string{}
	if err := s.readers.look(q("newest-fact"), nil, &n.Seq); err != nil || n.Seq <= since {
		return n, err
	}
	err = s.read(ctx, func(r rows) error {
		var messages, statements, terms, clicks bool
		query, a := q("page-news"), args{since, newsMost}
		if partner != "" {
			query, a = q("page-news-of"), args{max(since, n.Seq-newsReach), partner, newsMost}
		}
		if err := r.one(query, a,
			&n.Seq, &n.Payments, &messages, &statements, &terms, &clicks); err != nil {
			return err
		}
		for _, c := range []struct {
			name string
			is   bool
		}{{"payments", messages}, {"needs", messages}, {"statements", statements}, {"partners", terms}, {"clicks", clicks}} {
			if c.is {
				n.Changed = append(n.Changed, c.name)
			}
		}
		return nil
	})
	return n, err
}

func (s *server) events(v *visit) error { return s.stream(v, "") }

// stream sends events until the browser leaves, the service stops, or it has lasted long enough.
func (s *server) stream(v *visit, partner string) error {
	most := listenersMost
	if partner != "" {
		most = partnersMost
	}
	wake, ok := s.hub.join(most)
	if !ok {
		v.w.Header().Set("Retry-After", "60")
		return problem{http.StatusServiceUnavailable, ""}
	}
	defer s.hub.leave(wake)
	since, err := strconv.ParseInt(v.Header.Get("Last-Event-ID"), 10, 64)
	if err != nil || since < 0 {
		if err := s.store.readers.look(q("newest-fact"), nil, &since); err != nil {
			return err
		}
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would collect events before it passes them on
	control := http.NewResponseController(v.w)
	if err := control.SetReadDeadline(time.Time{}); err != nil { // else the wait for the next request ends it
		return err
	}
	send := func(text string) bool {
		return control.SetWriteDeadline(time.Now().Add(slowest)) == nil &&
			write(v.w, text) == nil && control.Flush() == nil
	}
	if !send("retry: 3000\n\n") {
		return nil
	}
	return s.listen(v.Context(), wake, since, partner, send)
}

func write(w http.ResponseWriter, text string) error {
	_, err := w.Write([]byte(text))
	return err
}

// listen sends what is new whenever it is woken.
func (s *server) listen(
	ctx context.Context, wake chan struct{}, since int64, partner string, send func(string) bool,
) error {
	ping, end := time.NewTicker(pingEvery), time.NewTimer(streamLasts)
	defer ping.Stop()
	defer end.Stop()
	tell(wake, true) // what came between two streams
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-end.C:
			return nil
		case <-ping.C:
			if !send(": ping\n\n") {
				return nil
			}
			continue
		case _, open := <-wake:
			if !open {
				return nil
			}
		}
		news, err := s.store.News(ctx, since, partner)
		if err != nil {
			s.log.Error("live pages", "cause", err.Error())
			return nil // the browser comes again
		}
		since = max(since, news.Seq)
		if len(news.Changed) == 0 {
			continue
		}
		text, err := json.Marshal(news)
		if err != nil {
			return nil
		}
		place := fmt.Sprintf("id: %d\n", news.Seq)
		if partner != "" {
			place = "" // it would tell how much is booked for everybody
		}
		if !send(fmt.Sprintf("%sevent: changed\ndata: %s\n\n", place, text)) {
			return nil
		}
		select {
		case <-time.After(listenPause): // a busy shop is told of once a second
		case <-ctx.Done():
			return nil
		}
	}
}
