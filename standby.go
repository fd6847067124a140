package main

// A second machine that follows the copy, answers what can be read, and takes over at one command.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"hissa/replica"
)

const (
	markEvery = 2 * time.Second // how often a standby looks at the mark
	// takeOverWithin is how long a promotion waits for the other machine's hold to run out.
	takeOverWithin = 50 * time.Second
	exportWithin   = 10 * time.Minute
)

var standbyCommand = command{
	name: "standby", config: true, usage: "[-promote]",
	short: "follow the copy on a second machine, ready to take over",
	long: `
Runs on a second machine, with the same configuration as the first. Follows the copy at replica.url
and answers /healthz, /readyz and GET /v1/export/KIND (for a key of scope read). A webhook gets 503,
so that Paytm comes again.

-promote tells the standby that runs on this machine to take over: it follows to the end, works the
books out again, and serves from then on in place of the first machine. Stop the first one before;
while it still writes, the promotion is refused with exit code 75. Where there is a database, as
after a promotion, standby is serve.

Example:  hissa standby -config /etc/hissa/shop.toml
          hissa standby -promote -config /etc/hissa/shop.toml`,
	run: func(c *call) error {
		promote := c.flags.Bool("promote", false, "")
		if err := c.exactly(0); err != nil {
			return err
		}
		config, err := c.loadReplicated()
		if err != nil {
			return err
		}
		if *promote {
			return c.askToPromote(config)
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		log := slog.New(logTo(c.stderr))
		slog.SetDefault(log)
		if _, err := os.Stat(config.Database); errors.Is(err, fs.ErrNotExist) {
			promoted, err := standBy(ctx, config, log)
			if !promoted || err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		return serve(ctx, config, false, log)
	},
}

// promotion is what the command and the standby that runs say to each other, in a file beside the
// database.
type promotion struct {
	Asked time.Time `json:"asked"`
	Done  bool      `json:"done"`
	No    string    `json:"no"` // why not
}

func promotionPath(config *Config) string { return config.Database + "-promote" }

func (p promotion) write(config *Config) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	next := promotionPath(config) + ".new"
	return errors.Join(os.WriteFile(next, text, 0o600), os.Rename(next, promotionPath(config)))
}

func readPromotion(config *Config) (p promotion, asked bool) {
	text, err := os.ReadFile(promotionPath(config))
	return p, err == nil && json.Unmarshal(text, &p) == nil
}

// askToPromote asks the standby that runs, and waits for what it says.
func (c *call) askToPromote(config *Config) error {
	lock, err := takeLock(config.Database)
	if err == nil {
		lock.release()
		return noError{"no standby runs here: start hissa standby first, " +
			"or hissa serve, which brings the books back from the copy"}
	}
	if _, err := os.Stat(config.Database); err == nil {
		return noError{"what runs here serves already"}
	}
	asked := promotion{Asked: time.Now()}
	if err := asked.write(config); err != nil {
		return err
	}
	defer os.Remove(promotionPath(config))
	for deadline := time.Now().Add(2 * takeOverWithin); time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
		switch p, _ := readPromotion(config); {
		case p.Done:
			fmt.Fprintln(c.stderr, "hissa: promoted, it serves now")
			return nil
		case p.No != "":
			return lockedError{p.No}
		}
	}
	return noError{"the standby does not answer: its log says why"}
}

// standBy follows the copy until ctx ends or the standby is promoted: then the database is in its
// place.
func standBy(ctx context.Context, config *Config, log *slog.Logger) (promoted bool, err error) {
	lock, err := takeLock(config.Database)
	if err != nil {
		return false, err
	}
	defer lock.release()
	if err := os.Remove(promotionPath(config)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return false, fmt.Errorf("can't listen on %s: %w", config.Listen, err)
	}
	s := &standby{config: config, log: log}
	web := (&server{config: config, log: log}).httpServer()
	web.Handler = s.routes()
	go func() { _ = web.Serve(listener) }()
	defer web.Close()
	log.Info("serving", "listen", listener.Addr().String(), "standby_of", config.Replica.Place.String())
	return s.run(ctx)
}

// standby is the state of following.
type standby struct {
	config *Config
	log    *slog.Logger

	mu    sync.Mutex
	mark  *replica.Mark
	fault string // why the mark can't be read, or the copy not be followed
}

func (s *standby) note(mark *replica.Mark, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mark != nil {
		s.mark = mark
	}
	was := s.fault
	s.fault = ""
	if err != nil {
		s.fault = err.Error()
	}
	if err != nil && s.fault != was {
		s.log.Error("the copy can't be followed", "cause", s.fault)
	}
}

func (s *standby) state() (*replica.Mark, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mark, s.fault
}

// run follows whichever epoch the mark names.
func (s *standby) run(ctx context.Context) (promoted bool, err error) {
	place := s.config.Replica.Place
	for ctx.Err() == nil {
		mark, err := place.Mark(ctx)
		if err == nil && mark == nil {
			err = fmt.Errorf("%s holds no copy yet", place)
		}
		s.note(mark, err)
		if err != nil {
			s.pause(ctx)
			continue
		}
		if promoted, err := s.follow(ctx, mark.Epoch); promoted || err != nil {
			return promoted, err
		}
	}
	return false, nil
}

func (s *standby) pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(markEvery):
	}
	if p, asked := readPromotion(s.config); asked && !p.Done && p.No == "" {
		_, fault := s.state()
		p.No = "there is nothing to take over yet: " + fault
		_ = p.write(s.config)
	}
}

// follow keeps one epoch's file in step until the mark names another epoch, or this machine is
// promoted.
func (s *standby) follow(ctx context.Context, epoch int) (promoted bool, err error) {
	place, file := s.config.Replica.Place, replica.FollowerFile(s.config.Database, epoch)
	following, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- place.Follow(following, epoch, file, replicating) }()
	tick := time.NewTicker(markEvery / 2)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if ctx.Err() == nil {
				// A file that can't be taken further is begun anew.
				err = errors.Join(err, os.RemoveAll(filepath.Dir(file)))
				s.note(nil, err)
				s.pause(ctx)
			}
			return false, nil
		case <-tick.C:
		}
		mark, err := place.Mark(ctx)
		s.note(mark, err)
		if mark != nil && mark.Epoch != epoch {
			stop()
			<-ended
			return false, os.RemoveAll(filepath.Dir(file))
		}
		p, asked := readPromotion(s.config)
		if !asked || p.Done || p.No != "" {
			continue
		}
		why := s.mayTakeOver(ctx, epoch, file)
		if why == nil {
			stop()
			<-ended
			if why = s.takeOver(ctx, file); why == nil {
				p.Done = true
				return true, p.write(s.config)
			}
		} else if time.Since(p.Asked) < takeOverWithin {
			continue
		}
		p.No = why.Error()
		s.log.Error("not promoted", "cause", p.No)
		if err := p.write(s.config); err != nil {
			return false, err
		}
		if following.Err() != nil {
			return false, os.RemoveAll(filepath.Dir(file)) // it was opened: it is followed from the start
		}
	}
}

// mayTakeOver says what still stands in the way of a promotion: the other machine's hold, or that
// not all of the copy is here.
func (s *standby) mayTakeOver(ctx context.Context, epoch int, file string) error {
	place := s.config.Replica.Place
	mark, fault := s.state()
	switch {
	case fault != "":
		return errors.New(fault)
	case time.Now().Before(mark.Until):
		return heldElsewhere(&replica.HeldError{Place: place.String(), Mark: *mark})
	}
	caught, err := place.Caught(ctx, epoch, file)
	if err == nil && !caught {
		err = errors.New("this machine has not yet followed the copy to its end")
	}
	return err
}

// takeOver puts the followed file in the database's place, after the books in it were worked out
// again and held against the mark.
func (s *standby) takeOver(ctx context.Context, file string) error {
	mark, _ := s.state()
	report, err := inspectBooks(ctx, s.config, file, mark, true)
	if err != nil {
		return err
	}
	if err := report.lacksKeys(); err != nil {
		return err // serve would refuse, and nobody would serve
	}
	if err := putInPlace(file, s.config.Database); err != nil {
		return err
	}
	s.log.Warn("promoted: the books are in order", "facts", report.Facts, "head", report.Head)
	return os.RemoveAll(s.config.Database + "-standby")
}

func (s *standby) routes() http.Handler {
	shared := &server{config: s.config, log: s.log}
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", shared.answering(shared.handleHealth))
	mux.Handle("GET /readyz", shared.answering(s.handleReady))
	mux.Handle("GET /v1/export/{kind}", shared.answering(s.handleExport))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "5")
		_ = reply(w, http.StatusServiceUnavailable, map[string]string{"error": "standby"})
	})
	return mux
}

// reading opens the followed file for one request.
func (s *standby) reading(do func(*Store) error) error {
	mark, fault := s.state()
	if mark == nil {
		return fmt.Errorf("nothing is followed yet: %s", fault)
	}
	store := openReader(replica.FollowerFile(s.config.Database, mark.Epoch))
	return errors.Join(do(store), store.readers.Close())
}

// handleReady says how far this machine has followed.
func (s *standby) handleReady(w http.ResponseWriter, r *http.Request) error {
	var seq int64
	var needed [][]byte
	err := s.reading(func(store *Store) (err error) {
		if seq, _, err = store.Head(r.Context()); err == nil {
			needed, err = store.SealedWith(r.Context())
		}
		return err
	})
	mark, fault := s.state()
	answer := map[string]any{"status": "standby", "fact": seq}
	if mark != nil {
		answer["mark"] = mark.Seq
		answer["mark_age_seconds"] = time.Since(mark.At).Round(time.Second).Seconds()
	}
	if err != nil && fault == "" {
		fault = err.Error()
	}
	if names := s.config.Privacy.Keys.lacking(needed); len(names) > 0 && fault == "" {
		fault = lacksKeys(names)
	}
	if fault != "" {
		answer["status"], answer["reason"] = "unavailable", fault
		return reply(w, http.StatusServiceUnavailable, answer)
	}
	return reply(w, http.StatusOK, answer)
}

func (s *standby) handleExport(w http.ResponseWriter, r *http.Request) error {
	return s.reading(func(store *Store) error { return exportTo(w, r, store) })
}

// handleExport is GET /v1/export/{kind}: what hissa export writes, for a key of scope read.
func (s *server) handleExport(w http.ResponseWriter, r *http.Request) error {
	return exportTo(w, r, s.store)
}

func exportTo(w http.ResponseWriter, r *http.Request, store *Store) error {
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return errKey
	}
	works, err := store.HasKey(strings.TrimSpace(secret), "read")
	if err != nil {
		return err
	}
	if !works {
		return errKey
	}
	var span Span
	var err2 error
	span.From, err = parseWhen("from", r.FormValue("from"))
	span.To, err2 = parseWhen("to", r.FormValue("to"))
	if err := errors.Join(err, err2); err != nil {
		return httpError{http.StatusBadRequest, err.Error(), ""}
	}
	format := "jsonl"
	if r.FormValue("format") == "csv" {
		format = "csv"
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	} else {
		w.Header().Set("Content-Type", "application/jsonl")
	}
	w.Header().Set("Cache-Control", "no-store")
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(exportWithin)); err != nil {
		return err
	}
	err = store.Export(r.Context(), w, r.PathValue("kind"), format, span)
	if errors.Is(err, errNotFound) {
		return httpError{http.StatusNotFound, "there is no such kind of export", ""}
	}
	if err != nil {
		slog.Error("an export broke off", "cause", err.Error())
		panic(http.ErrAbortHandler) // half of it may be on its way: it must not look whole
	}
	return nil
}
