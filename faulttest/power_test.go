package faulttest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// recording is what a shop's processes did to their folder from its beginning, one after another,
// and which acknowledgements left on the way.
type recording struct {
	shop  *shop
	sent  *ledger
	log   string // strace's, of the process at work
	first int    // the power is not cut before this step
	steps []Step
	acks  map[int][]string // after the step of this index: TXNIDs, and ASHA for the partner
	asked map[string]int   // the step at which the message about a TXNID was read
}

// life is one run of serve: so many payments over two connections, then how it ends.
type life struct {
	payments int
	end      func(*serving)
}

func killed(p *serving)  { p.kill() }
func stopped(p *serving) { p.stop() }

// lives of a shop: starts after kills and after stops, and a run that makes the WAL wrap.
var lives = []life{{4, killed}, {4, stopped}, {40, killed}, {2, stopped}, {4, killed}, {4, stopped}}

// record runs a shop under strace, from the first start, which makes the database, on.
func record(t *testing.T, binary string, lives []life) *recording {
	t.Helper()
	rec := newRecording(t, binary)
	for _, life := range lives {
		p := rec.shop.start(Strace(rec.log)...)
		p.payAtOnce(rec.sent, life.payments)
		life.end(p)
		rec.append(t)
	}
	if f := rec.shop.check(rec.sent); f.any() {
		t.Fatalf("before the power was cut: %s", f)
	}
	return rec
}

// newRecording begins with the partner, whose adding makes the database.
func newRecording(t *testing.T, binary string) *recording {
	t.Helper()
	needs(t, "strace")
	s := emptyShop(t, binary, t.TempDir())
	rec := &recording{shop: s, sent: newLedger(), log: s.file("strace.log"), acks: map[int][]string{},
		asked: map[string]int{}}
	out, code := s.runs(Strace(rec.log), "partner", "add", "-code", "ASHA", "-name", "Asha")
	if code != 0 {
		t.Fatalf("partner add: %d %s", code, out)
	}
	rec.append(t)
	rec.acks[len(rec.steps)-1] = append(rec.acks[len(rec.steps)-1], "ASHA")
	return rec
}

// payAtOnce sends so many new payments over two connections.
func (p *serving) payAtOnce(l *ledger, payments int) {
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { p.pay(l, payments/2) })
	}
	wg.Wait()
}

// append reads a log once strace has finished it.
func (rec *recording) append(t *testing.T) {
	t.Helper()
	t.Helper()
	var text []byte
	var err error
	for range 200 {
		if text, err = os.ReadFile(rec.log); err != nil {
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
	if err := os.Remove(rec.log); err != nil {
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
		case step.Name == "read" && step.End && !bytes.HasPrefix(step.Data, []byte("HTTP/1.1 ")): // Paytm's API answers so
			if m := txnIDs.FindSubmatch(step.Data); m != nil {
				asked[step.Path] = string(m[1]) + string(m[2])
				rec.asked[asked[step.Path]] = len(rec.steps) - 1
			}
		case step.Name == "write" && !step.End && asked[step.Path] != "" &&
			bytes.HasPrefix(step.Data, []byte("HTTP/1.1 200 OK")):
			last := len(rec.steps) - 1
			rec.acks[last] = append(rec.acks[last], asked[step.Path])
			delete(asked, step.Path)
		}
	}
	rec.steps = append(rec.steps, Step{&Call{Name: exited}, true})
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
			dir, looked := memoryDir(t), 0
			ask := rec.shop.elsewhere(dir)
			for state := range jobs {
				text := state.look(dir)
				if looked++; text == "" && looked%500 == 0 && len(state.acked) > 0 {
					text = ask()
				}
				if text != "" {
					c.mu.Lock()
					c.wrong = append(c.wrong, fmt.Sprintf("step %d: %s", state.step, text))
					c.mu.Unlock()
				}
			}
		})
	}
	piece, _ := longLane()
	for round := 0; len(c.seen) < want && round < 50; round++ {
		before := len(c.seen)
		if err := c.walk(rand.New(rand.NewPCG(uint64(round), uint64(want+piece))), jobs); err != nil {
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

// elsewhere returns a question to hissa itself: are the books in this folder in order?
func (s *shop) elsewhere(dir string) func() string {
	config, err := os.ReadFile(s.file("hissa.toml"))
	if err != nil {
		s.Fatal(err)
	}
	name := fmt.Sprintf("%s.toml", filepath.Base(dir))
	s.write(name, fmt.Sprintf("database = %q\n%s", filepath.Join(dir, "hissa.db"), config))
	return func() string {
		out, err := exec.Command(s.binary, "verify", "-config", s.file(name)).CombinedOutput()
		if err != nil {
			return fmt.Sprintf("verify: %v %s", err, out)
		}
		return ""
	}
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
	disk := NewDisk(c.rec.shop.dir)
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
		if i < c.rec.first || !changed && c.rec.acks[i] == nil {
			continue
		}
		draws := 1
		if disk.Pending() > 0 {
			draws = share
			c.points++
			if disk.Size() > 1<<20 {
				draws = share/10 + 1 // dear to look at, and much the same
			}
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
		if name == headFile {
			continue // it has as many states again, and nothing depends on them
		}
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
	if err := s.lay(dir); err != nil {
		return err.Error()
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
	if wrong := books.missing(s.acked); wrong != "" {
		return wrong
	}
	return books.refused(s.files[headFile])
}

// headFile is where hissa remembers, beside the database, how far the books had come.
const headFile = "hissa.db-head"

// refused says whether hissa would take these books for older ones: what the file beside them
// remembers is never ahead of what was on the disk. A torn file says nothing.
func (b bookRows) refused(remembered []byte) string {
	line, _, _ := strings.Cut(string(remembered), "\n")
	i := strings.LastIndexByte(line, ' ')
	var seq int64
	if i < 0 || fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(line[:i]))) != line[i+1:] {
		return ""
	}
	if _, err := fmt.Sscanf(line, "fact %d", &seq); err == nil && seq > b.head {
		return fmt.Sprintf("the books end at fact %d, and fact %d is remembered", b.head, seq)
	}
	return ""
}

// lay makes a folder hold the files of a state. It writes over those of the state before, which
// is quicker than to remove them.
func (s powerState) lay(dir string) error {
	old, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range old {
		if _, ok := s.files[entry.Name()]; !ok {
			if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	for name, content := range s.files {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		if err := errors.Join(err, f.Truncate(int64(len(content))), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// bookRows is what is in a database, read without hissa.
type bookRows struct {
	partners bool
	facts    int64            // rows of the chain
	head     int64            // its end, as the database says
	txns     map[string]int64 // by TXNID: what the ledger holds, -1 when it is not whole
}

// factTables lists the tables whose rows can't be deleted: what the chain goes through.
func factTables(db *sql.DB) (tables []string, err error) {
	rows, err := db.QueryContext(context.Background(), `SELECT tbl_name FROM sqlite_schema
		WHERE type = 'trigger' AND name = tbl_name || '_remain' ORDER BY rowid`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, rows.Err()
}

func readBooks(path string) (b bookRows, err error) {
	mode := "?mode=ro" // which spares the checkpoint at the end
	if _, err := os.Stat(path + "-journal"); err == nil {
		mode = "" // a rollback has to write
	}
	db, err := sql.Open("sqlite", "file:"+path+mode)
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
	tables, err := factTables(db)
	if err != nil {
		return b, err
	}
	count := "SELECT (SELECT count(*) FROM " + strings.Join(tables, ") + (SELECT count(*) FROM ") + "), " +
		"(SELECT seq FROM head), (SELECT count(*) FROM partners)"
	if err := db.QueryRowContext(ctx, count).Scan(&b.facts, &b.head, &partners); err != nil {
		return b, err
	}
	b.partners, b.txns = partners > 0, map[string]int64{}
	rows, err := db.QueryContext(ctx, `SELECT t.txn_id, coalesce(t.commission, -1),
		(SELECT sum(amount) FROM entries WHERE txn = t.id),
		(SELECT count(*) FROM notifications n WHERE n.subject = t.txn_id)
		FROM transactions t`)
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
		rec := record(t, hissa(t), lives)
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
			states, wrong := record(t, binaryNamed(t, name), lives[:3]).cutPower(t, 2000)
			if len(wrong) == 0 {
				t.Errorf("%d states, and nothing is lost", states)
			}
			t.Logf("%d of %d states are wrong, such as %s", len(wrong), states, some(wrong))
		})
	}
}
