package faulttest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// recording is what a shop's processes did to their folder from its beginning, one after another,
// and which acknowledgements left on the way.
type recording struct {
	folder string
	steps  []Step
	acks   map[int][]string // after the step of this index: TXNIDs, and ASHA for the partner
}

// record runs a shop under strace: the partner is added, then serve is killed once, stopped once,
// and killed again, under a load that makes the WAL wrap.
func record(t *testing.T, binary string, payments int, more ...string) *recording {
	t.Helper()
	needs(t, "strace")
	s := emptyShop(t, binary, t.TempDir())
	rec := &recording{folder: s.dir, acks: map[int][]string{}}
	log := s.file("strace.log")
	if out, code := s.runs(Strace(log), "partner", "add", "-code", "ASHA", "-name", "Asha"); code != 0 {
		t.Fatalf("partner add: %d %s", code, out)
	}
	rec.append(t, log)
	rec.acks[len(rec.steps)-1] = append(rec.acks[len(rec.steps)-1], "ASHA")
	l := newLedger()
	for _, end := range []func(*serving){
		(*serving).kill, func(p *serving) { p.stop() }, (*serving).kill,
	} {
		p := s.start(Strace(log, more...)...)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { p.pay(l, payments/6) })
		}
		wg.Wait()
		end(p)
		rec.append(t, log)
	}
	if f := s.check(l); f.any() {
		t.Fatalf("before the power was cut: %s", f)
	}
	return rec
}

// append reads a log once strace has finished it.
func (rec *recording) append(t *testing.T, log string) {
	t.Helper()
	var text []byte
	var err error
	for range 200 {
		if text, err = os.ReadFile(log); err != nil {
			t.Fatal(err)
		}
		last := text[bytes.LastIndexByte(bytes.TrimSpace(text), '\n')+1:]
		if bytes.Contains(last, []byte("+++ ")) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	j, err := ReadJournal(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if j.Exit == "" {
		t.Fatal("strace has not finished its log")
	}
	rec.follow(j)
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
}

var txnIDs = regexp.MustCompile(`TXNID=(\d+)|"txnId":"(\d+)"`)

// follow adds a journal, and finds on every socket which request an answer belongs to.
func (rec *recording) follow(j *Journal) {
	asked := map[string]string{}
	for _, step := range j.Steps {
		rec.steps = append(rec.steps, step)
		switch {
		case step.Name == "read" && step.End:
			if m := txnIDs.FindSubmatch(step.Data); m != nil {
				asked[step.Path] = string(m[1]) + string(m[2])
			}
		case step.Name == "write" && !step.End && asked[step.Path] != "" &&
			bytes.HasPrefix(step.Data, []byte("HTTP/1.1 200 OK")):
			last := len(rec.steps) - 1
			rec.acks[last] = append(rec.acks[last], asked[step.Path])
			delete(asked, step.Path)
		}
	}
}

// cutPower makes up states of the disk along the recording until so many different ones were
// looked at, and returns how many there were and what was wrong with them.
func (rec *recording) cutPower(t *testing.T, want int) (states int, wrong []string) {
	t.Helper()
	c := &cutter{rec: rec, want: want, seen: map[uint64]bool{}, seed: maphash.MakeSeed()}
	jobs := make(chan powerState)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			dir := memoryDir(t)
			for state := range jobs {
				if text := state.look(dir); text != "" {
					c.mu.Lock()
					c.wrong = append(c.wrong, fmt.Sprintf("step %d: %s", state.step, text))
					c.mu.Unlock()
				}
			}
		})
	}
	for round := 0; len(c.seen) < want && round < 50; round++ {
		before := len(c.seen)
		if err := c.walk(rand.New(rand.NewPCG(uint64(round), uint64(want))), jobs); err != nil {
			t.Error(err)
			break
		}
		if len(c.seen) == before {
			break
		}
	}
	close(jobs)
	wg.Wait()
	return len(c.seen), c.wrong
}

// memoryDir is a folder in memory where there is one: a power cut is simulated, so no state has to
// reach a disk.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "hissa-faulttest-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

type cutter struct {
	rec    *recording
	want   int
	points int // at which something was pending, in the last round
	seen   map[uint64]bool
	seed   maphash.Seed
	mu     sync.Mutex
	wrong  []string
}

// powerState is the files as the power left them, and what had been acknowledged by then.
type powerState struct {
	step  int
	files map[string][]byte
	acked []string
}

// walk goes along the recording once and draws a share of the states at every step that changed
// something.
func (c *cutter) walk(r *rand.Rand, jobs chan<- powerState) error {
	disk := NewDisk(c.rec.folder)
	var acked []string
	share := 2
	if c.points > 0 {
		share = max(2, (c.want-len(c.seen))/c.points+1)
	}
	c.points = 0
	for i, step := range c.rec.steps {
		changed, err := disk.Apply(step)
		if err != nil {
			return err
		}
		acked = append(acked, c.rec.acks[i]...)
		if !changed && c.rec.acks[i] == nil {
			continue
		}
		draws := 1
		if disk.Pending() > 0 {
			draws = share
			c.points++
		}
		for range draws {
			if state := disk.Cut(r); c.isNew(state, len(acked)) {
				jobs <- powerState{i, state, slices.Clip(acked)}
			}
			if len(c.seen) >= c.want {
				return nil
			}
		}
	}
	return nil
}

func (c *cutter) isNew(state map[string][]byte, acks int) bool {
	var h maphash.Hash
	h.SetSeed(c.seed)
	for _, name := range slices.Sorted(maps.Keys(state)) {
		fmt.Fprint(&h, name, len(state[name]), acks)
		_, _ = h.Write(state[name])
	}
	sum := h.Sum64()
	if c.seen[sum] {
		return false
	}
	c.seen[sum] = true
	return true
}

// look starts from a state as serve would: "" when all that was acknowledged is there, once and
// whole, else what is wrong.
func (s powerState) look(dir string) string {
	old, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err.Error()
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err.Error()
		}
	}
	for name, content := range s.files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err.Error()
		}
	}
	if len(s.files["hissa.db"]) < sector {
		if len(s.acked) > 0 {
			return fmt.Sprintf("the database has %d bytes", len(s.files["hissa.db"]))
		}
		return "" // serve makes it, or says that it is empty
	}
	books, err := readBooks(filepath.Join(dir, "hissa.db"))
	if err != nil {
		return err.Error()
	}
	return books.missing(s.acked)
}

// bookRows is what is in a database, read without hissa.
type bookRows struct {
	partners bool
	facts    int64            // rows of the chain
	head     int64            // its end, as the database says
	txns     map[string]int64 // by TXNID: what the ledger holds, -1 when it is not whole
}

const countFacts = `SELECT (SELECT count(*) FROM programs) + (SELECT count(*) FROM partners) +
	(SELECT count(*) FROM codes) + (SELECT count(*) FROM clicks) + (SELECT count(*) FROM orders) +
	(SELECT count(*) FROM notifications) + (SELECT count(*) FROM answers) +
	(SELECT count(*) FROM decisions) + (SELECT count(*) FROM dues) +
	(SELECT count(*) FROM entries), (SELECT seq FROM head), (SELECT count(*) FROM partners)`

func readBooks(path string) (b bookRows, err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=locking_mode(EXCLUSIVE)")
	if err != nil {
		return b, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var version, partners int64
	ctx := context.Background()
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return b, err
	}
	if version == 0 {
		return b, nil // made, and not a table in it yet
	}
	if err := db.QueryRowContext(ctx, countFacts).Scan(&b.facts, &b.head, &partners); err != nil {
		return b, err
	}
	b.partners, b.txns = partners > 0, map[string]int64{}
	rows, err := db.QueryContext(ctx, `SELECT t.txn_id, coalesce(c.amount, -1),
		(SELECT sum(amount) FROM entries WHERE txn = t.id),
		(SELECT count(*) FROM notifications n WHERE n.subject = t.txn_id)
		FROM transactions t LEFT JOIN commissions c ON c.txn = t.id`)
	if err != nil {
		return b, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var due, booked, messages int64
		if err := rows.Scan(&id, &due, &booked, &messages); err != nil {
			return b, err
		}
		if _, twice := b.txns[id]; twice || due != booked || messages == 0 {
			booked = -1
		}
		b.txns[id] = booked
	}
	return b, rows.Err()
}

func (b bookRows) missing(acked []string) string {
	if b.facts != b.head {
		return fmt.Sprintf("%d facts, the head says %d", b.facts, b.head)
	}
	for id, booked := range b.txns {
		if booked != price/10 {
			return fmt.Sprintf("payment %s came to %d", id, booked)
		}
	}
	lost := 0
	for _, id := range acked {
		if _, ok := b.txns[id]; !ok && id != "ASHA" || id == "ASHA" && !b.partners {
			lost++
		}
	}
	if lost > 0 {
		return fmt.Sprintf("%d of %d acknowledged are lost", lost, len(acked))
	}
	return ""
}

// The power fails at any moment: whatever the disk then holds of what was not synced, all that was
// acknowledged is there.
func TestPowerCut(t *testing.T) {
	left, states := cycles(50000, 5000000), 0
	for left > 0 {
		rec := record(t, hissa(t), 120)
		n, wrong := rec.cutPower(t, min(left, 250000))
		if len(wrong) > 0 {
			t.Fatalf("%d of %d states are wrong:\n%s", len(wrong), n, some(wrong))
		}
		if n < min(left, 250000)/2 {
			t.Fatalf("only %d different states were found", n)
		}
		left, states = left-n, states+n
	}
	t.Logf("%d states, 0 lost", states)
}

// The controls: without the sync at every commit, and without any, the same states lose payments.
func TestPowerCutControls(t *testing.T) {
	for _, name := range []string{
		"commits are synced at checkpoints only", "nothing is ever synced",
	} {
		t.Run(name, func(t *testing.T) {
			states, wrong := record(t, binaryNamed(t, name), 60).cutPower(t, 2000)
			if len(wrong) == 0 {
				t.Errorf("%d states, and nothing is lost", states)
			}
			t.Logf("%d of %d states are wrong, such as %s", len(wrong), states, some(wrong))
		})
	}
}
