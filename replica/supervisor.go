package replica

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

const (
	hangs      = 30 * time.Second // a child that is silent for so long is killed
	late       = 4 * time.Second  // after so long without a sync the copy is not in step
	syncEvery  = time.Second      // how often the copy follows when nobody waits for it
	shortPause = time.Second      // before a child is started again, doubling up to
	longPause  = time.Minute
)

// Books is what replication needs to know about the database.
type Books interface {
	// Head is the newest fact and the end of the chain there.
	Head(context.Context) (seq int64, hash []byte, err error)
	// Holds reports whether the chain had this end at that fact; always so for fact 0.
	Holds(ctx context.Context, seq int64, hash []byte) (bool, error)
	// HeadPage is the page of the file in which the newest fact and the end of the chain are.
	HeadPage(context.Context) (uint32, error)
	// HeadIn reads them from such a page; not ok when it is another one.
	HeadIn(page []byte) (seq int64, hash []byte, ok bool)
}

// Options say what a Supervisor replicates.
type Options struct {
	Place    *Place
	Database string
	Books    Books
	Command  func() *exec.Cmd // makes the child, which calls Run
	Log      *slog.Logger
}

// Status is how replication stands.
type Status struct {
	InStep   bool      // the last sync succeeded, and is not long ago
	SyncedAt time.Time // when the newest successful sync began; zero before the first
	Seq      int64     // the newest fact that is known to be in the copy
	Error    string    // why it is not in step
	Starts   int       // of the child
}

// Supervisor runs the child, starts it again when it ends or hangs, and asks it for syncs.
// Nothing that happens to the child or to the network harms the process that it runs in.
type Supervisor struct {
	o      Options
	tidy   bool            // the replication before ended in order, and nothing was written since
	asks   chan chan error // those who wait for a sync
	stop   chan struct{}
	done   chan struct{}
	lost   chan struct{}
	afresh chan struct{}
	rests  atomic.Bool // the books are closed: no sync is asked for any more
	mu     sync.Mutex
	status Status
	why    error // that lost was closed
}

// Start begins to replicate. It is called before anything is written to the database.
func Start(o Options) *Supervisor {
	s := &Supervisor{
		o: o, tidy: endedInOrder(o.Database),
		asks: make(chan chan error), stop: make(chan struct{}), done: make(chan struct{}),
		lost: make(chan struct{}), afresh: make(chan struct{}, 1),
		status: Status{Error: "the first sync has not been made yet"},
	}
	go s.run()
	return s
}

// Lost is closed when this process must not book on: somebody else has taken the place over, or the copy
// turns out to be newer than the database.
func (s *Supervisor) Lost() <-chan struct{} { return s.lost }

// Why is the reason for which Lost was closed: an *OlderError, or that of another writer.
func (s *Supervisor) Why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// lose closes lost for a reason, once.
func (s *Supervisor) lose(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == nil {
		s.why = why
		close(s.lost)
	}
}

// Status returns how replication stands.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.status
	if old := time.Since(now.SyncedAt); now.InStep && old > late {
		now.InStep = false
		now.Error = fmt.Sprintf("a sync takes long: %s already", old.Round(time.Second))
	}
	return now
}

// Sync waits until everything that was committed before the call is in the copy. Calls that come
// while a sync is under way share the next one.
func (s *Supervisor) Sync(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.asks <- answer:
	case <-s.done:
		return errors.New("replication has stopped")
	case <-ctx.Done():
		return fmt.Errorf("the copy is away: %s", s.Status().Error)
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the copy is slow: %w", ctx.Err())
	}
}

// Afresh begins the copy anew, under another epoch, with all of the database: what is there was found
// wanting.
func (s *Supervisor) Afresh() {
	select {
	case s.afresh <- struct{}{}:
	default:
	}
}

// Rest says that nothing will be written any more, and that the books can't be read: no sync is asked
// for until Close.
func (s *Supervisor) Rest() { s.rests.Store(true) }

// Close sends what is left, as long as that takes few seconds, and ends the child.
func (s *Supervisor) Close() {
	close(s.stop)
	<-s.done
}

// OlderError refuses a database that lacks what its copy holds.
type OlderError struct {
	Place string
	Have  int64
	Mark  Mark
}

func (e *OlderError) Error() string {
	return fmt.Sprintf("the database ends at fact %d and is not the one that was copied to %s, "+
		"which holds fact %d with the chain %s (%s)", e.Have, e.Place, e.Mark.Seq,
		short(e.Mark.Hash), e.Mark.At.Format(time.RFC3339))
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

// HeldError says that another writer holds the place.
type HeldError struct {
	Place string
	Mark  Mark
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("another hissa (on %s) writes to %s until at least %s",
		e.Mark.Host, e.Place, e.Mark.Until.UTC().Format(time.RFC3339))
}

// Judge says on top of which mark a database may be copied to a place. The error is a *HeldError, an
// *OlderError, or one of the network.
func Judge(ctx context.Context, place *Place, database string, books Books) (*Claim, error) {
	mark, err := place.Mark(ctx)
	if err != nil {
		return nil, err
	}
	claim := &Claim{Mark: mark}
	if mark == nil {
		return claim, nil
	}
	mine, err := readOwn(database)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	claim.ours = mark.Writer == mine.Writer || mark.Writer == mine.Before
	// A clone of this machine thinks itself the writer, but seldom under the same name.
	if (!claim.ours || mark.Host != host) && time.Now().Before(mark.Until) {
		return nil, &HeldError{place.String(), *mark}
	}
	hash, err := hex.DecodeString(mark.Hash)
	if err != nil {
		return nil, fmt.Errorf("the mark in %s is damaged: %w", place, err)
	}
	holds, err := books.Holds(ctx, mark.Seq, hash)
	if err != nil {
		return nil, err
	}
	if !holds {
		have, _, err := books.Head(ctx)
		return nil, errors.Join(err, &OlderError{place.String(), have, *mark})
	}
	return claim, place.NotOlder(ctx, mark, books)
}

// Claim is what a child may write over.
type Claim struct {
	Mark *Mark // that was found, nil when the place is empty
	ours bool  // this database wrote it
}

// epoch is the one to write under.
func (c *Claim) epoch(tidy bool) int {
	switch {
	case c.Mark == nil:
		return 1
	case c.ours && tidy:
		return c.Mark.Epoch
	}
	return c.Mark.Epoch + 1
}

func (s *Supervisor) run() {
	defer close(s.done)
	pause := shortPause
	for {
		began := time.Now()
		err := s.live()
		if err == nil {
			return
		}
		var held *HeldError
		var older *OlderError
		if errors.As(err, &held) || errors.As(err, &older) || errors.Is(err, errMoved) {
			s.lose(err)
			<-s.stop
			return
		}
		s.failed(err)
		if time.Since(began) > 2*longPause {
			pause = shortPause
		}
		if !s.refuseFor(pause, err) {
			return
		}
		pause = min(2*pause, longPause)
	}
}

func (s *Supervisor) failed(err error) {
	s.mu.Lock()
	was := s.status
	s.status.InStep, s.status.Error = false, err.Error()
	s.mu.Unlock()
	if was.InStep || was.Error != err.Error() {
		s.o.Log.Error("the copy of the database is behind; webhooks are booked on",
			"replica", s.o.Place.String(), "cause", err.Error())
	}
}

// refuseFor turns away who asks for a sync while there is no child; false when it is time to stop.
func (s *Supervisor) refuseFor(pause time.Duration, err error) bool {
	over := time.After(pause)
	for {
		select {
		case <-over:
			return true
		case <-s.stop:
			return false
		case answer := <-s.asks:
			answer <- err
		}
	}
}

// live is the life of one child; nil when it ended because it was told to.
func (s *Supervisor) live() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	claim, err := Judge(ctx, s.o.Place, s.o.Database, s.o.Books)
	if err != nil {
		return err
	}
	cmd := s.o.Command()
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { s.tidy = false }()
	s.mu.Lock()
	s.status.Starts++
	s.mu.Unlock()
	reports := make(chan report)
	go listen(ctx, out, reports)
	c := &conversation{Supervisor: s, in: json.NewEncoder(in), reports: reports}
	err = c.begin(claim)
	if err == nil {
		err = c.serve()
	}
	if err == nil && s.rests.Load() {
		_ = c.in.Encode(order{Last: true})
	}
	c.waiting = append(c.waiting, c.queue...)
	c.release(cmp.Or(err, errors.New("replication has stopped")))
	_ = in.Close() // tells the child to send what is left and to end
	ended := make(chan error, 1)
	go func() {
		for range reports { // so that the child never waits for us
		}
		ended <- cmd.Wait()
	}()
	select {
	case exit := <-ended:
		if err == nil && exit != nil {
			s.o.Log.Warn("the copy lacks what was booked last; the next start sends it",
				"cause", exit.Error())
		}
	case <-time.After(2*lastSync + time.Second):
		_ = cmd.Process.Kill()
		<-ended
	}
	return err
}

func listen(ctx context.Context, out io.Reader, reports chan<- report) {
	defer close(reports)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r report
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue
		}
		select {
		case reports <- r:
		case <-ctx.Done():
			return
		}
	}
}

// conversation is the parent's side of one child.
type conversation struct {
	*Supervisor
	in      *json.Encoder
	reports <-chan report
	silent  *time.Timer

	number  int64 // of the newest request for a sync
	flying  bool  // which the child has not answered yet
	began   time.Time
	seq     int64        // the newest fact when it was made
	waiting []chan error // who shares it
	queue   []chan error // who waits for the next
}

// hear judges one report of the child; an error ends the conversation.
func (c *conversation) hear(r report, alive bool) error {
	c.silent.Reset(hangs)
	switch {
	case !alive:
		return errors.New("the replication process ended")
	case r.Moved:
		return fmt.Errorf("%s: %w", c.o.Place, errMoved)
	case r.Error != "" && r.Synced == 0:
		return errors.New(r.Error)
	case r.Synced != 0:
		c.landed(r)
	}
	return nil
}

func (c *conversation) begin(claim *Claim) error {
	c.silent = time.NewTimer(hangs)
	err := c.in.Encode(order{Start: &start{
		URL: c.o.Place.String(), Database: c.o.Database,
		Over: claim.Mark, Epoch: claim.epoch(c.tidy),
	}})
	if err != nil {
		return errors.New("the replication process could not be started")
	}
	for {
		select {
		case <-c.stop:
			return errors.New("stopped before the first sync")
		case <-c.silent.C:
			return errHangs
		case answer := <-c.asks:
			c.queue = append(c.queue, answer)
		case r, alive := <-c.reports:
			if err := c.hear(r, alive); err != nil || r.Ready {
				return err
			}
		}
	}
}

var errHangs = errors.New("the replication process hangs")

// serve asks for a sync whenever somebody waits for one, every second, and once more at the end.
func (c *conversation) serve() error {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	stop, due := c.stop, true
	var giveUp <-chan time.Time
	for {
		if !c.flying && !c.rests.Load() && (due || len(c.queue) > 0) {
			if err := c.fly(); err != nil {
				return err
			}
			due = false
		}
		if !c.flying && stop == nil {
			return nil
		}
		select {
		case answer := <-c.asks:
			c.queue = append(c.queue, answer)
		case <-tick.C:
			due = true
		case r, alive := <-c.reports:
			if err := c.hear(r, alive); err != nil {
				return err
			}
		case <-c.silent.C:
			return errHangs
		case <-c.afresh:
			return errors.New("the copy is begun anew")
		case <-stop:
			stop, giveUp = nil, time.After(lastSync)
		case <-giveUp:
			return nil // the child goes on for a moment, and then the next start does
		}
	}
}

// fly asks the child for a sync on behalf of all who wait.
func (c *conversation) fly() error {
	c.waiting, c.queue = append(c.waiting, c.queue...), nil
	seq, hash, err := c.o.Books.Head(context.Background())
	if err != nil {
		return err
	}
	c.number++
	c.flying, c.began, c.seq = true, time.Now(), seq
	err = c.in.Encode(order{Sync: c.number, Seq: seq, Hash: hex.EncodeToString(hash)})
	if err != nil {
		return errors.New("the replication process ended")
	}
	return nil
}

// landed tells those who wait how their sync went.
func (c *conversation) landed(r report) {
	c.flying = false
	var err error
	if r.Error != "" {
		err = errors.New(r.Error)
		c.failed(err)
	} else {
		c.succeeded()
	}
	c.release(err)
}

func (c *conversation) succeeded() {
	c.mu.Lock()
	was := c.status
	c.status.InStep, c.status.Error = true, ""
	c.status.SyncedAt, c.status.Seq = c.began, c.seq
	c.mu.Unlock()
	if !was.InStep {
		c.o.Log.Info("the copy of the database is in step", "replica", c.o.Place.String())
	}
}

func (c *conversation) release(err error) {
	for _, answer := range c.waiting {
		answer <- err
	}
	c.waiting = nil
}
