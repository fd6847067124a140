package main

// Live pages: a stream of events that says which blocks of a page have changed, so that the browser fetches
// these alone. A COMMIT wakes whoever listens; what has changed since they last heard is then read from the
// ends of the tables. So nothing is kept for them, one who is slow misses nothing, and what another process
// books is seen too. Every event has its place of the chain as its id. Who comes back with the last one hears
// what they missed; where that can't be told, that everything may be new.

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
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
	streamLasts   = 10 * time.Minute // then the browser comes again
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

// join adds a listener, awake, because something may have come between two streams of theirs; false when there
// are as many as may be, or the hub is closed. Only the hub sends, for it also closes.
func (h *hub) join(most int) (wake chan struct{}, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.listeners) >= most {
		return nil, false
	}
	wake = make(chan struct{}, 1)
	wake <- struct{}{}
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
	Changed  []string `json:"changed"`  // some of newsTopics
	Payments int      `json:"payments"` // new ones, newsMost at most
}

var newsTopics = []string{"payments", "needs", "statements", "partners", "clicks"}

// placeKey seals the places in the ids of partners' streams: their growth would tell how much is booked for
// everybody. It dies with the process.
var placeKey = newPlaceKey()

func newPlaceKey() *bodyKey {
	secret := make([]byte, 32)
	rand.Read(secret)
	k, err := bodyKeyOf(secret)
	if err != nil {
		panic(err) // the length is right
	}
	return k
}

// placeID is a place of the chain as the id of an event.
func placeID(seq int64, partner string) string {
	if partner == "" {
		return strconv.FormatInt(seq, 10)
	}
	plain := binary.BigEndian.AppendUint64(nil, uint64(seq))
	return base64.RawURLEncoding.EncodeToString(placeKey.aead.Seal(nil, nil, plain, []byte(partner)))
}

// placeOfID is the place that an id names; false where it names none.
func placeOfID(id, partner string) (seq int64, known bool) {
	if partner == "" {
		seq, err := strconv.ParseInt(id, 10, 64)
		return seq, err == nil && seq >= 0
	}
	sealed, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return 0, false
	}
	plain, err := placeKey.aead.Open(nil, nil, sealed, []byte(partner))
	if err != nil || len(plain) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(plain)), true
}

// place is where the chain ends now, as the id of an event.
func (s *server) place(partner string) (id string, err error) {
	var seq int64
	err = s.store.readers.look(q("newest-fact"), nil, &seq)
	return placeID(seq, partner), err
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
		for i, is := range []bool{messages, messages, statements, terms, clicks} {
			if is {
				n.Changed = append(n.Changed, newsTopics[i])
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
	first, err := s.firstNews(v, partner)
	if err != nil {
		return err
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
	if !send("retry: 3000\n" + first.event(partner)) {
		return nil
	}
	return s.listen(v, wake, first.Seq, partner, send)
}

// firstNews is the event that a stream begins with: of nothing, at the place where the browser left off. One
// that brings an id which says nothing any more is told that everything may have changed. A browser that comes
// again by itself sends the id as a header, and the page's script in the address.
func (s *server) firstNews(v *visit, partner string) (n News, err error) {
	n.Changed = []string{}
	if err := s.store.readers.look(q("newest-fact"), nil, &n.Seq); err != nil {
		return n, err
	}
	last := firstText(v.Header.Get("Last-Event-ID"), v.URL.Query().Get("since"))
	if last == "" {
		return n, nil
	}
	since, known := placeOfID(last, partner)
	if !known || since > n.Seq || partner != "" && n.Seq-since > newsReach {
		n.Changed = newsTopics
		return n, nil
	}
	n.Seq = since
	return n, nil
}

// event is news as the stream has it.
func (n News) event(partner string) string {
	text, _ := json.Marshal(n) // texts and a number, which can't fail
	return fmt.Sprintf("id: %s\nevent: changed\ndata: %s\n\n", placeID(n.Seq, partner), text)
}

func write(w http.ResponseWriter, text string) error {
	_, err := w.Write([]byte(text))
	return err
}

// listen sends what is new whenever it is woken, for as long as its session lasts.
func (s *server) listen(
	v *visit, wake chan struct{}, since int64, partner string, send func(string) bool,
) error {
	ctx := v.Context()
	ping, end := time.NewTicker(pingEvery), time.NewTimer(streamLasts)
	defer ping.Stop()
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-end.C:
			return nil
		case <-ping.C:
			if !s.isIn(v) || !send(": ping\n\n") {
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
		if !s.isIn(v) || !send(news.event(partner)) {
			return nil
		}
		select {
		case <-time.After(listenPause): // a busy shop is told of once a second
		case <-ctx.Done():
			return nil
		}
	}
}

// isIn reports whether a stream is still somebody's: who was shut out, or has signed out, hears no more.
func (s *server) isIn(v *visit) bool {
	now, err := s.store.sessionOf(v.session.hash)
	if err != nil {
		s.log.Error("live pages", "cause", err.Error())
	}
	return err == nil && now != nil
}
