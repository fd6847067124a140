package replica

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/benbjohnson/litestream"
)

const (
	snapshotEvery = 24 * time.Hour     // how often a whole copy is made
	keepSnapshots = 7 * 24 * time.Hour // how far back a restore can go
	keepEpochs    = 8                  // how many epochs before this one are kept at most
	aliveEvery    = 3 * time.Second    // how often the child says that it lives
	lastSync      = 5 * time.Second    // how long a stopping child tries to send what is left
)

// order is one line from the parent to the child.
type order struct {
	Start  *start  `json:"start,omitempty"`  // the first line, or
	Follow *follow `json:"follow,omitempty"` // the only one
	Sync   int64   `json:"sync,omitempty"`   // number of a request for a sync
	Seq    int64   `json:"seq,omitempty"`    // of the newest fact that the sync is to carry, at least
	Hash   string  `json:"hash,omitempty"`   // of that fact, in hex
	Last   bool    `json:"last,omitempty"`   // nobody writes to the database any more
}

// start tells a child what to copy and on top of which mark.
type start struct {
	URL      string `json:"url"`
	Database string `json:"database"`
	Over     *Mark  `json:"over"`  // the mark that was found, nil when there was none
	Epoch    int    `json:"epoch"` // under which to write
}

// report is one line from the child to the parent.
type report struct {
	Ready  bool   `json:"ready,omitempty"`
	Synced int64  `json:"synced,omitempty"` // the request that this answers
	Error  string `json:"error,omitempty"`  // why not
	Moved  bool   `json:"moved,omitempty"`  // somebody else writes to the place: the child ends
}

// Run is the child: it copies one database to one place until in ends, and then sends what is
// left; or it follows a copy. Orders and reports are lines of JSON. It ignores SIGTERM and SIGINT,
// which a service manager sends to the parent and the child alike: the parent's end is the end of
// in.
func Run(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	var first order
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &first) != nil ||
		first.Start == nil && first.Follow == nil {
		return errors.New("this command is for hissa serve itself: run hissa help")
	}
	signal.Ignore(syscall.SIGTERM, os.Interrupt)
	if first.Follow != nil {
		ctx, stop := context.WithCancel(context.Background())
		go func() {
			lines.Scan()
			stop()
		}()
		return first.Follow.run(ctx)
	}
	c := &child{start: *first.Start, out: json.NewEncoder(out)}
	err := c.run(lines)
	if errors.Is(err, errMoved) {
		c.say(report{Moved: true})
		return nil
	}
	if err != nil {
		c.say(report{Error: err.Error()})
	}
	return err
}

type child struct {
	start  start
	place  *Place
	own    own
	db     *litestream.DB
	store  *litestream.Store
	steady bool // Litestream's own reader keeps the journal from starting anew unseen

	writing sync.Mutex // of out
	out     *json.Encoder

	marking sync.Mutex // of what follows
	mark    Mark
	marked  time.Time // when mark was written, by a clock that nobody turns
	version string
	seq     int64 // what the next mark will say
	hash    string
	synced  bool // the epoch holds a copy
}

func (c *child) say(r report) {
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.out.Encode(r) // a parent that has gone is noticed by the end of in
}

func (c *child) run(lines *bufio.Scanner) error {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	defer func() { close(stop); wg.Wait() }()
	wg.Go(func() { c.live(stop) })

	alone, err := onlyOne(c.start.Database)
	if err != nil {
		return err
	}
	defer alone.Close()
	if c.place, err = Parse(c.start.URL); err != nil {
		return err
	}
	if err := c.take(); err != nil {
		return err
	}
	if err := c.open(); err != nil {
		return err
	}
	moved := make(chan error, 1)
	ended := make(chan struct{})
	var keeping sync.WaitGroup
	keeping.Go(func() { c.keep(ended, moved) })
	c.say(report{Ready: true})

	inOrder := false // else the parent may live, and write on without us
	orders := make(chan order)
	go read(lines, orders)
	for err == nil {
		var o order
		more := false
		select {
		case err = <-moved:
			continue
		case o, more = <-orders:
		}
		if inOrder = o.Last; inOrder || !more {
			break
		}
		c.say(c.sync(o))
	}
	close(ended)
	keeping.Wait()
	return c.close(inOrder, err)
}

func read(lines *bufio.Scanner, orders chan<- order) {
	defer close(orders)
	for lines.Scan() {
		var o order
		if json.Unmarshal(lines.Bytes(), &o) != nil {
			return
		}
		orders <- o
	}
}

// onlyOne keeps the child of a parent that was killed and the child of the next apart: two on one
// database would spoil each other's work.
func onlyOne(database string) (*os.File, error) {
	f, err := os.OpenFile(database+"-replica.lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(2 * lastSync); ; time.Sleep(50 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(errors.New("the replication of an earlier hissa has not ended yet"),
				f.Close())
		}
	}
}

// own is what the database remembers about its place, in a file beside it: who it was when it last
// wrote there, and whether that ended in order. Before is the one before that, in case the mark
// could not be written.
type own struct {
	Writer  string `json:"writer"`
	Before  string `json:"before"`
	InOrder bool   `json:"in_order"`
}

func ownPath(database string) string { return database + "-replica" }

func readOwn(database string) (own, error) {
	var o own
	text, err := os.ReadFile(ownPath(database))
	if errors.Is(err, os.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return o, err
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return own{}, nil // torn or foreign: as if it were somebody else's place
	}
	return o, nil
}

func (o own) write(database string) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return writeFile(ownPath(database), append(text, '\n'))
}

// endedInOrder reports, once, whether the replication before sent everything and knew it.
func endedInOrder(database string) bool {
	o, err := readOwn(database)
	if err != nil || !o.InOrder {
		return false
	}
	o.InOrder = false
	return o.write(database) == nil
}

// take makes the place ours: the mark that the parent judged is replaced by one in our name.
func (c *child) take() error {
	before, err := readOwn(c.start.Database)
	if err != nil {
		return err
	}
	// Since the parent has judged the mark, an earlier child of ours may have written it.
	found, version, err := c.place.mark(context.Background())
	if err != nil {
		return err
	}
	if now := writerOf(found); now != writerOf(c.start.Over) {
		if now == "" || now != before.Writer && now != before.Before {
			return errMoved
		}
		// It had only just begun, and may have put a part of its copy there.
		c.start.Epoch = found.Epoch + 1
	}
	host, _ := os.Hostname()
	c.mark, c.version = Mark{Epoch: c.start.Epoch, Writer: rand.Text(), Host: host}, version
	if found != nil {
		c.seq, c.hash, c.mark.Past = found.Seq, found.Hash, found.Past
		if found.Epoch != c.mark.Epoch {
			c.mark.Past = append(c.mark.Past, Past{found.Epoch, found.At})
		}
		if found.Writer != before.Writer {
			before.Writer = before.Before
		}
	}
	c.own = own{Writer: c.mark.Writer, Before: before.Writer}
	if err := c.own.write(c.start.Database); err != nil {
		return err
	}
	return errors.Join(c.renew(lease), c.provesConditions())
}

func writerOf(m *Mark) string {
	if m == nil {
		return ""
	}
	return m.Writer
}

// provesConditions makes sure that the place refuses a write over a mark it doesn't have: one that
// ignores the condition could not keep two writers apart.
func (c *child) provesConditions() error {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	_, err := c.place.shelf.put(ctx, c.mark.text(), "")
	if errors.Is(err, errMoved) {
		return nil
	}
	if err == nil {
		err = errors.New("it ignores conditional writes")
	}
	return fmt.Errorf("%s can't keep two writers apart: %w: use another object store", c.place, err)
}

// renew writes the mark anew: it is ours for so long, and how far the copy has come.
func (c *child) renew(lasts time.Duration) error {
	c.marking.Lock()
	defer c.marking.Unlock()
	now := time.Now()
	next := c.mark
	next.At, next.Until = now.UTC(), now.Add(lasts).UTC()
	next.Seq, next.Hash = c.seq, c.hash
	version, err := c.place.writeMark(context.Background(), next, c.version)
	if errors.Is(err, errMoved) {
		// An answer may have been lost on the way: then the mark there is the one we sent.
		found, at, readErr := c.place.mark(context.Background())
		switch {
		case readErr != nil:
			return readErr // not known to be somebody else's
		case found == nil || found.Writer != c.mark.Writer:
			return err
		}
		version, err = at, nil
	}
	if err == nil {
		next.Until = now.Add(lasts) // keeps the monotonic clock
		c.mark, c.marked, c.version = next, now, version
	}
	return err
}

// keep renews the mark before it runs out, and tells when it has become somebody else's.
func (c *child) keep(stop <-chan struct{}, moved chan<- error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		c.marking.Lock()
		old := time.Since(c.marked) >= renewAfter
		c.marking.Unlock()
		if !old {
			continue
		}
		err := c.renew(lease)
		if errors.Is(err, errMoved) {
			moved <- errMoved
			return
		}
		if err == nil {
			err = c.prune()
		}
		if err != nil {
			slog.Warn("the mark beside the copy can't be renewed", "cause", err.Error())
		}
	}
}

// prune removes the oldest epoch before this one when nobody can want it any more.
func (c *child) prune() error {
	c.marking.Lock()
	past, synced := c.mark.Past, c.synced
	c.marking.Unlock()
	if !synced || len(past) == 0 {
		return nil
	}
	if time.Since(past[0].Ended) < keepSnapshots && len(past) <= keepEpochs {
		return nil
	}
	client, err := c.place.client(past[0].Epoch)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lease/2)
	defer cancel()
	if err := errors.Join(client.Init(ctx), client.DeleteAll(ctx)); err != nil {
		return fmt.Errorf("an old copy can't be removed: %w", err)
	}
	c.marking.Lock()
	defer c.marking.Unlock()
	c.mark.Past = past[1:]
	return nil
}

// live tells the parent that this process still runs, however long a sync takes.
func (c *child) live(stop <-chan struct{}) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		c.say(report{})
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

func (c *child) open() error {
	client, err := c.place.client(c.start.Epoch)
	if err != nil {
		return err
	}
	c.db = litestream.NewDB(c.start.Database)
	meta := filepath.Join(c.start.Database+"-litestream", folderOf(c.start.Epoch))
	if err := removeOthers(meta); err != nil {
		return err
	}
	c.db.SetMetaPath(meta)
	c.db.MonitorInterval = 0 // the parent says when
	c.db.Replica = litestream.NewReplicaWithClient(c.db, client)
	c.db.Replica.MonitorEnabled = false
	c.store = litestream.NewStore([]*litestream.DB{c.db}, litestream.DefaultCompactionLevels)
	c.store.SnapshotInterval, c.store.SnapshotRetention = snapshotEvery, keepSnapshots
	c.store.SetShutdownSyncTimeout(lastSync)
	return c.store.Open(context.Background())
}

// removeOthers removes what Litestream remembered of other epochs.
func removeOthers(keep string) error {
	found, err := filepath.Glob(filepath.Join(filepath.Dir(keep), "*"))
	for _, other := range found {
		if other != keep {
			err = errors.Join(err, os.RemoveAll(other))
		}
	}
	return err
}

// sync brings everything that was committed before the order to the place. It never gives up in
// the middle: Litestream, interrupted at a checkpoint, would lose its hold on the journal.
func (c *child) sync(o order) report {
	err := c.send(context.Background())
	if err != nil {
		return report{Synced: o.Sync, Error: err.Error()}
	}
	c.marking.Lock()
	defer c.marking.Unlock()
	c.synced = true
	if o.Seq > c.seq {
		c.seq, c.hash = o.Seq, o.Hash
	}
	if time.Now().After(c.mark.Until) {
		return report{Synced: o.Sync, Error: "the copy is up to date, but its mark could not be " +
			"renewed, so that another hissa may have taken the place"}
	}
	return report{Synced: o.Sync}
}

// send is one sync. The first is guarded, and so is the one after any that failed, which may have left
// the journal between a checkpoint and the frame after it.
func (c *child) send(ctx context.Context) error {
	if c.steady {
		err := c.db.SyncAndWait(ctx)
		c.steady = err == nil
		return err
	}
	g, err := guardJournal(ctx, c.start.Database)
	if err != nil {
		return err
	}
	err = c.db.SyncAndWait(ctx)
	err = errors.Join(err, g.release(ctx))
	c.steady = err == nil
	return err
}

// close sends what is left and gives the place free, unless it is no longer ours.
func (c *child) close(inOrder bool, cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), lastSync)
	defer cancel()
	if cause != nil {
		c.store.SetShutdownSyncTimeout(0)
		return errors.Join(cause, c.store.Close(ctx))
	}
	if err := errors.Join(c.store.Close(ctx), c.renew(0)); err != nil || !inOrder {
		return err
	}
	c.own.InOrder = true
	return c.own.write(c.start.Database)
}
