package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hissa/paytm/paytmtest"
	"hissa/replica"
)

// objectStore is a real S3 server on this machine, which can be taken away and brought back.
type objectStore struct {
	testing.TB
	folder, addr string
	cmd          *exec.Cmd
}

func newObjectStore(t testing.TB) *objectStore {
	t.Helper()
	tool, err := exec.LookPath("versitygw")
	if err != nil {
		const remedy = "go install github.com/versity/versitygw/cmd/versitygw@v1.8.0"
		if os.Getenv("HISSA_REQUIRE_TOOLS") == "1" {
			t.Fatal("versitygw is missing: " + remedy)
		}
		t.Skip("versitygw is missing: " + remedy)
	}
	s := &objectStore{TB: t, folder: t.TempDir(), addr: freeAddress(t)}
	s.cmd = &exec.Cmd{Path: tool}
	if err := os.Mkdir(filepath.Join(s.folder, "bucket"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.away)
	s.back()
	return s
}

// back starts the server and waits until it answers.
func (s *objectStore) back() {
	s.Helper()
	s.cmd = exec.Command(s.cmd.Path, "--port", s.addr, "--quiet", "posix", s.folder)
	s.cmd.Env = append(os.Environ(),
		"ROOT_ACCESS_KEY=hissa", "ROOT_SECRET_KEY=hissa-secret", "VGW_REGION=ap-south-1")
	if err := s.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.Fatal("the object store does not listen")
		}
	}
}

// away stops the server.
func (s *objectStore) away() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *objectStore) url() string {
	return "s3://bucket/shop?region=ap-south-1&endpoint=http://" + s.addr
}

// placesOf runs a test against a folder and against a bucket.
func placesOf(t *testing.T, test func(t *testing.T, url string)) {
	t.Parallel()
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		test(t, "file://"+filepath.Join(t.TempDir(), "copy"))
	})
	t.Run("bucket", func(t *testing.T) {
		t.Parallel()
		test(t, newObjectStore(t).url())
	})
}

// freeAddress is an address on this machine at which nothing listens.
func freeAddress(t testing.TB) string { return fmt.Sprintf("127.0.0.1:%d", freePort(t)) }

// givenPorts are those that freePort gave out.
var givenPorts sync.Map

// freePort is one at which nothing listens, which nobody else was given, and below those that a system gives out
// by itself to whoever connects meanwhile (Linux: from 32768 on).
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		if _, given := givenPorts.LoadOrStore(port, true); given {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("of 100 ports from 20000 on none is free")
	return 0
}

// listens changes where a child listens.
func (c *child) listens(address string) {
	c.Helper()
	text, err := os.ReadFile(c.config())
	if err != nil {
		c.Fatal(err)
	}
	text = bytes.Replace(text, []byte("127.0.0.1:0"), []byte(address), 1)
	if err := os.WriteFile(c.config(), text, 0o600); err != nil {
		c.Fatal(err)
	}
}

// copies adds a copy to a child's configuration.
func (c *child) copies(url string, more ...string) {
	c.Helper()
	text, err := os.ReadFile(c.config())
	if err != nil {
		c.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "[replica]\n")
	before += "[replica]\nurl = \"" + url + "\"\n" + strings.Join(more, "\n") + "\n"
	if err := os.WriteFile(c.config(), []byte(before), 0o600); err != nil {
		c.Fatal(err)
	}
}

func (c *child) database() string { return filepath.Join(c.dir, "hissa.db") }

// must runs a command that has to succeed.
func (c *child) must(args ...string) string {
	c.Helper()
	out, code := c.hissa(args...)
	if code != 0 {
		c.Fatalf("hissa %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// refused runs a command that has to end with an exit code and these words.
func (c *child) refused(code int, words string, args ...string) {
	c.Helper()
	out, got := c.hissa(args...)
	if got != code || !strings.Contains(out, words) {
		c.Errorf("hissa %s: exit code %d, want %d with %q\n%s",
			strings.Join(args, " "), got, code, words, out)
	}
}

// sale delivers one payment and returns the status of the answer, and the TXNID.
func (c *child) sale() (int, string) {
	c.Helper()
	pay := c.paytm.Pay("O"+randomText()[:8], 100000, paytmtest.Reference("ASHA"))
	m := c.paytm.PaymentForm(pay)
	answer, err := http.Post(c.url+"/webhooks/paytm", m.ContentType, bytes.NewReader(m.Body))
	if err != nil {
		c.Fatalf("%v\n%s", err, c.log)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, pay.TxnID
}

func (c *child) sales(n int) {
	c.Helper()
	for range n {
		if status, _ := c.sale(); status != 200 {
			c.Fatalf("a sale was answered %d\n%s", status, c.log)
		}
	}
}

// stop ends serve by SIGTERM.
func (c *child) stop() {
	c.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.Fatal(err)
	}
	killer := time.AfterFunc(30*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer killer.Stop()
	if code := c.end(); code != 0 {
		c.Fatalf("exit code %d\n%s", code, c.log)
	}
}

// dies kills serve and its replication at the same moment, as a power cut would.
func (c *child) dies() {
	c.Helper()
	for _, pid := range c.replications() {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // so that it can't send what is left
	}
	_ = c.cmd.Process.Kill()
	for _, pid := range c.replications() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	c.end()
}

// replications are the process ids of what copies this child's database.
func (c *child) replications() (pids []int) {
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		c.Fatal(err)
	}
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte("\x00replicate\x00")) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(file, "/proc/%d/cmdline", &pid); err != nil {
			c.Fatal(err)
		}
		open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range open {
			if to, err := os.Readlink(fd); err == nil && to == c.database()+"-replica.lock" {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// loses takes the database away, with all that lies beside it.
func (c *child) loses() {
	c.Helper()
	beside, err := filepath.Glob(c.database() + "*")
	if err != nil {
		c.Fatal(err)
	}
	for _, file := range beside {
		if err := os.RemoveAll(file); err != nil {
			c.Fatal(err)
		}
	}
}

// outgrows sells, puts the books as they are aside, and sells more. Then serve has stopped.
func (c *child) outgrows() (old string) {
	c.Helper()
	c.sales(2)
	c.stop()
	old = filepath.Join(c.dir, "old.db")
	c.must("backup", old)
	c.start()
	c.sales(2)
	c.stop()
	return old
}

// becomes puts another database in place of this one, and leaves what lies beside it.
func (c *child) becomes(other string) {
	c.Helper()
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Remove(c.database() + end); err != nil && !os.IsNotExist(err) {
			c.Fatal(err)
		}
	}
	if err := os.Rename(other, c.database()); err != nil {
		c.Fatal(err)
	}
}

// ready asks /readyz.
func (c *child) ready() (status int, replica struct {
	InStep bool    `json:"in_step"`
	Fact   int64   `json:"fact"`
	Lag    float64 `json:"lag_seconds"`
	Error  string  `json:"error"`
}) {
	c.Helper()
	answer, err := http.Get(c.url + "/readyz")
	if err != nil {
		c.Fatal(err)
	}
	defer answer.Body.Close()
	var said struct{ Replica any }
	said.Replica = &replica
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		c.Fatal(err)
	}
	return answer.StatusCode, replica
}

// inStep waits until the copy holds all that is booked.
func (c *child) inStep() {
	c.Helper()
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		began := time.Now()
		_, replica := c.ready()
		if replica.InStep && replica.Lag < 2 && replica.Fact == c.facts() {
			return
		}
		if began.After(deadline) {
			c.Fatalf("the copy is not in step: %+v, %d facts\n%s", replica, c.facts(), c.log)
		}
	}
}

// facts is how many facts are booked.
func (c *child) facts() int64 {
	c.Helper()
	var report struct{ Facts int64 }
	if err := json.Unmarshal([]byte(c.only("verify", "-json")), &report); err != nil {
		c.Fatal(err)
	}
	return report.Facts
}

// only runs a command and returns what it wrote to stdout.
func (c *child) only(args ...string) string {
	c.Helper()
	out, err := c.command(args...).Output()
	if err != nil {
		c.Fatalf("hissa %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// mark changes the mark beside a copy in a folder.
func (c *child) mark(url string, change func(*replica.Mark)) {
	c.Helper()
	path := filepath.Join(strings.TrimPrefix(url, "file://"), "hissa.json")
	text, err := os.ReadFile(path)
	if err != nil {
		c.Fatal(err)
	}
	var m replica.Mark
	if err := json.Unmarshal(text, &m); err != nil {
		c.Fatal(err)
	}
	change(&m)
	if text, err = json.Marshal(m); err != nil {
		c.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		c.Fatal(err)
	}
}

// A shop's machine is lost after a clean stop. On an empty one, serve brings the books back by
// itself and goes on, and can be lost once more.
func TestTheBooksComeBack(t *testing.T) {
	placesOf(t, func(t *testing.T, url string) {
		c := newChild(t)
		c.copies(url)
		for round := range 3 {
			c.start()
			c.sales(5)
			c.inStepOnce()
			c.stop()
			before, log := c.only("export", "ledger"), c.log.String()
			if strings.Contains(log, "the copy lacks") {
				t.Fatal(log)
			}
			c.loses()
			if round == 1 { // by hand
				c.must("restore")
			} else {
				c.start()
				c.stop()
			}
			if after := c.only("export", "ledger"); after != before || strings.Count(after, "\n") != 5*(round+1) {
				t.Fatalf("in round %d the ledger was\n%sand is\n%s\n%s", round, before, after, log)
			}
			c.must("verify")
		}
	})
}

// With ack = "replica", what was acknowledged before a machine died is in the copy. With "local" the
// copy is up to a second behind: the control, which shows that the test can see a loss.
func TestAcknowledgedIsCopied(t *testing.T) {
	placesOf(t, func(t *testing.T, url string) {
		c := newChild(t)
		l := &load{acknowledged: map[string]bool{}, results: map[string]int{}}
		lose := func(rounds int) (lost int) {
			for round := range rounds {
				c.start()
				c.inStepOnce()
				ctx, stop := context.WithCancel(context.Background())
				wg := l.run(ctx, c)
				time.Sleep(time.Duration(300+rand.IntN(300)) * time.Millisecond)
				c.dies()
				stop()
				wg.Wait()
				file := filepath.Join(c.dir, fmt.Sprint(randomText()[:8], round, ".db"))
				c.must("restore", "-to", file)
				lost += len(c.missing(file, l.acknowledged))
			}
			return lost
		}
		c.copies(url, `ack = "replica"`)
		if lost := lose(cycles(1, 3, 100)); lost > 0 || len(l.acknowledged) < 10 {
			t.Errorf("of %d acknowledged payments %d are not in the copy", len(l.acknowledged), lost)
		}
		t.Logf("%d acknowledged payments, all in the copy", len(l.acknowledged))
		c.copies(url)
		if lost := lose(2); lost == 0 {
			t.Error(`with ack = "local" nothing was lost: this test sees nothing`)
		}
	})
}

// inStepOnce waits for the first sync.
func (c *child) inStepOnce() {
	c.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, replica := c.ready(); replica.InStep {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("no first sync\n%s", c.log)
		}
	}
}

// Nothing starts empty beside a copy, or beside a place where one should be.
func TestStartBesideACopy(t *testing.T) {
	t.Parallel()
	url := "file://" + filepath.Join(t.TempDir(), "copy")
	c := newChild(t)
	c.copies(url)
	c.loses()
	c.refused(exitConfig, "if this shop is new, start once with hissa serve -new", "serve")
	c.refused(exitConfig, "no database at", "partner", "add", "-code", "ASHA", "-name", "Asha")
	c.copies("s3://bucket/shop?region=ap-south-1&endpoint=http://127.0.0.1:9")
	c.refused(exitNo, "hissa does not start empty", "serve")

	// Files, and no mark: nothing is begun among them.
	used := filepath.Join(t.TempDir(), "used")
	if err := os.MkdirAll(filepath.Join(used, "0001"), 0o700); err != nil {
		t.Fatal(err)
	}
	c.copies("file://" + used)
	c.refused(exitNo, "holds files but no hissa.json", "serve", "-new")

	// A machine that was lost before the first state was copied: nothing can come back.
	begun := filepath.Join(t.TempDir(), "begun")
	c.copies("file://" + begun)
	c.start("-new")
	c.stop()
	if err := os.RemoveAll(filepath.Join(begun, "0001")); err != nil {
		t.Fatal(err)
	}
	mark := `{"epoch":1,"writer":"LOST","host":"vm","until":"2026-11-23T00:00:00Z","at":"2026-11-23T00:00:00Z","seq":0}`
	if err := os.WriteFile(filepath.Join(begun, "hissa.json"), []byte(mark), 0o600); err != nil {
		t.Fatal(err)
	}
	c.loses()
	c.refused(exitConfig, "never came to hold one: if this shop is new, start once with hissa serve -new", "serve")
	c.start("-new")
	c.stop()
	c.loses()

	c.copies(url)
	c.start("-new")
	c.must("partner", "add", "-code", "ASHA", "-name", "Asha")
	old := c.outgrows()
	c.must("verify")

	// The machine is rolled back to an older state, what it remembers of its copy included.
	c.becomes(old)
	c.refused(exitConfig, "hissa restore -to FILE", "serve")
	if err := os.Remove(headPath(c.database())); err != nil {
		t.Fatal(err)
	}
	c.refused(exitConfig, "hissa restore -to FILE", "serve")
	c.refused(exitNo, "older than the copy, or were changed", "verify")
	c.loses()
	c.refused(exitConfig, "leave -new out", "serve", "-new")
	c.start()
	c.stop()
	c.must("verify")
	if got := strings.Count(c.only("export", "ledger"), "\n"); got != 4 {
		t.Errorf("%d entries came back, want 4", got)
	}
}

// A machine is rolled back by a few seconds, in which the copy was brought up to date more than once. What was
// acknowledged in these is in the copy, and the mark beside it does not know of it yet.
func TestOlderThanACopyBySeconds(t *testing.T) {
	placesOf(t, func(t *testing.T, url string) {
		c := newChild(t)
		c.copies(url, `ack = "replica"`)
		c.start("-new")
		c.sales(2)
		before := map[string][]byte{}
		for _, end := range []string{"", "-wal", "-head", "-replica"} {
			text, err := os.ReadFile(c.database() + end)
			if err != nil {
				t.Fatal(err)
			}
			before[c.database()+end] = text
		}
		c.sales(5)
		c.dies()
		if err := os.RemoveAll(c.database() + "-shm"); err != nil {
			t.Fatal(err)
		}
		for file, text := range before {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c.refused(exitConfig, "to go on from the copy, move", "serve")
		c.refused(exitNo, "is not the one that was copied", "verify")
		if !strings.HasPrefix(url, "file:") {
			return
		}
		c.mark(url, func(m *replica.Mark) { m.Until = m.At }) // as if the writer had been killed a while ago
		c.loses()
		c.start()
		c.stop()
		if got := strings.Count(c.only("export", "ledger"), "\n"); got != 7 {
			t.Errorf("%d entries came back, want 7", got)
		}
	})
}

// The end of the books is read from the page that SQLite writes it to.
func TestHeadIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "head.db")
	writeFile(t, path, "", 0o600)
	c, err := connect(t.Context(), opening{path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	script := func(text string) {
		if err := c.script(text); err != nil {
			t.Fatal(err)
		}
	}
	first, err := schemaFiles.ReadFile("schema/001.sql")
	if err != nil {
		t.Fatal(err)
	}
	script(string(first))
	for _, seq := range []int64{0, 1, 2, 127, 128, 40_000, 1 << 23, 1 << 31, 1 << 40, 1 << 60} {
		want := bytes.Repeat([]byte{byte(seq%251) + 1}, 32)
		script(fmt.Sprintf("UPDATE head SET seq = %d, hash = x'%x', terms = %d", seq, want, seq/2))
		var page int64
		if err := c.one(q("head-page"), nil, []any{&page}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, hash, ok := (*Store)(nil).HeadIn(text[(page-1)*4096 : page*4096])
		if !ok || got != seq || !bytes.Equal(hash, want) {
			t.Errorf("%d is read as %d %x %v", seq, got, hash, ok)
		}
		if _, _, ok := (*Store)(nil).HeadIn(text[page*4096 : (page+1)*4096]); ok {
			t.Error("another table's page is taken for it")
		}
	}
}

// Books that were rolled back are served as long as their copy can't be looked at, and no longer.
func TestOlderThanACopyThatWasAway(t *testing.T) {
	t.Parallel()
	store := newObjectStore(t)
	c := newChild(t)
	c.copies(store.url())
	c.start()
	old := c.outgrows()
	c.becomes(old)
	if err := os.Remove(headPath(c.database())); err != nil {
		t.Fatal(err)
	}
	store.away()
	c.start()
	store.back()
	killer := time.AfterFunc(2*time.Minute, func() { _ = c.cmd.Process.Kill() })
	defer killer.Stop()
	if code := c.end(); code != exitConfig || !strings.Contains(c.log.String(), "to go on from the copy, move") {
		t.Errorf("it ended with %d\n%s", code, c.log)
	}
}

// Two machines, one place: the second is refused while the first writes, and when the second has
// taken over, the first, come back from a long sleep, ends.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	url := "file://" + filepath.Join(t.TempDir(), "copy")
	first, second := newChild(t), newChild(t)
	first.copies(url)
	first.start()
	first.sales(3)
	first.inStep()

	text, err := os.ReadFile(first.config())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(second.config(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	second.paytm = first.paytm
	second.refused(exitBusy, "stop that one first", "serve") // with a database of its own
	second.loses()
	second.refused(exitBusy, "stop that one first", "serve") // without

	sleep := func(signal syscall.Signal) {
		for _, pid := range append(first.replications(), first.cmd.Process.Pid) {
			if err := syscall.Kill(pid, signal); err != nil {
				t.Fatal(err)
			}
		}
	}
	sleep(syscall.SIGSTOP)
	first.mark(url, func(m *replica.Mark) { m.Until = m.At })
	second.start()
	second.sales(2)
	second.inStep()
	sleep(syscall.SIGCONT)
	if code := first.end(); code != exitBusy {
		t.Errorf("the first ended with %d\n%s", code, first.log)
	}
	second.sales(1)
	second.stop()
	if got := strings.Count(second.only("export", "ledger"), "\n"); got != 6 {
		t.Errorf("%d entries, want 6", got)
	}
	second.must("drill")
}

// A bucket: two machines can't both take it, although the clock of one is hours behind.
func TestTwoWritersInABucket(t *testing.T) {
	t.Parallel()
	store := newObjectStore(t)
	url := store.url()
	first, second := newChild(t), newChild(t)
	first.copies(url)
	second.copies(url)
	first.start()
	first.sales(1)
	first.inStep()
	second.refused(exitBusy, "stop that one first", "serve")
	first.dies()
	path := filepath.Join(store.folder, "bucket", "shop", "hissa.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m replica.Mark
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	m.At, m.Until = m.At.Add(-5*time.Hour), m.Until.Add(-5*time.Hour)
	if text, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	second.refused(exitBusy, "stop that one first", "serve")
	first.start()
	first.stop()
	// Given free, it still belongs to other books.
	second.refused(exitConfig, "is not the one that was copied", "serve")
}

// What happens to the replication, or to the place of the copy, harms no webhook; the copy follows
// as soon as it can.
func TestReplicationAway(t *testing.T) {
	t.Parallel()
	store := newObjectStore(t)
	c := newChild(t)
	c.copies(store.url())
	store.away()
	c.start() // with the place away from the start
	c.sales(3)
	store.back()
	c.inStep()

	for _, pid := range c.replications() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	c.sales(3)
	c.inStep()

	store.away()
	c.sales(3)
	store.back()
	c.inStep()
	c.stop()
	before := c.only("export", "ledger")
	c.loses()
	c.start()
	c.stop()
	if after := c.only("export", "ledger"); after != before || strings.Count(after, "\n") != 9 {
		t.Errorf("the ledger was\n%sand is\n%s", before, after)
	}
}

// A store that is slow, that refuses everything, or that says it has stored what it has not: webhooks
// are unharmed, and the copy is whole in the end.
func TestReplicationMistreated(t *testing.T) {
	t.Parallel()
	store := newObjectStore(t)
	var mood atomic.Value
	mood.Store("")
	behind := &url.URL{Scheme: "http", Host: store.addr}
	honest := httputil.NewSingleHostReverseProxy(behind)
	honest.ErrorLog = log.New(io.Discard, "", 0)
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch mood.Load() {
		case "slow":
			time.Sleep(time.Second)
		case "refuses":
			http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
			return
		case "lies":
			if r.Method == "PUT" && strings.HasSuffix(r.URL.Path, ".ltx") {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("ETag", `"d41d8cd98f00b204e9800998ecf8427e"`)
				return
			}
		}
		honest.ServeHTTP(w, r)
	}))
	defer between.Close()
	c := newChild(t)
	c.copies("s3://bucket/shop?region=ap-south-1&endpoint=" + between.URL)
	c.start()
	c.sales(2)
	c.inStep()
	for _, m := range []string{"slow", "refuses", "lies"} {
		mood.Store(m)
		for range 4 {
			began := time.Now()
			c.sales(1)
			if took := time.Since(began); took > time.Second {
				t.Errorf("while the store %s, a webhook took %v", m, took)
			}
			time.Sleep(time.Second)
		}
		mood.Store("")
		if m != "lies" {
			c.inStep()
			c.must("drill")
		}
	}
	c.refused(exitNo, "the copy would not bring the books back", "drill")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		if _, code := c.hissa("drill"); code == exitDone {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the copy was not begun anew\n%s", c.log)
		}
	}
	c.inStep()
	c.must("drill")
}

// Only after a stop in which serve has closed the database first may the next one go on where the
// copying ended. After anything else the copy begins with the whole database.
func TestOnlyAStopIsInOrder(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "copy")
	c := newChild(t)
	c.copies("file://" + folder)
	epochs := func() int {
		list, err := filepath.Glob(filepath.Join(folder, "0*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for i, how := range []struct {
		end    func()
		epochs int
	}{{c.stop, 1}, {c.stop, 1}, {func() {
		_ = c.cmd.Process.Kill() // the replication lives on for a moment, and sends what is left
		c.end()
	}, 1}, {c.stop, 2}, {c.dies, 2}, {c.stop, 3}} {
		c.start()
		c.sales(1)
		c.inStep()
		how.end()
		if got := epochs(); got != how.epochs {
			t.Errorf("after start %d there are %d epochs, want %d", i+1, got, how.epochs)
		}
	}
	if err := os.Remove(filepath.Join(folder, "hissa.lock")); err != nil {
		t.Fatal(err)
	}
	c.must("drill")
}

// With ack = "replica" and the place away: 503, so that Paytm comes again, or by the operator's
// choice an answer with a loud word.
func TestNoCopyNoAnswer(t *testing.T) {
	t.Parallel()
	store := newObjectStore(t)
	c := newChild(t)
	c.copies(store.url(), `ack = "replica"`)
	c.start()
	c.inStepOnce()
	c.sales(2)
	store.away()
	if status, _ := c.sale(); status != 503 {
		t.Errorf("without the copy a sale was answered %d", status)
	}
	if status, _ := c.ready(); status != 503 {
		t.Errorf("/readyz says %d", status)
	}
	store.back()
	c.inStep()
	c.sales(1)
	c.stop()

	c.copies(store.url(), `ack = "replica"`, `away = "local"`)
	c.start()
	c.inStepOnce()
	store.away()
	c.sales(1)
	if status, _ := c.ready(); status != 200 {
		t.Errorf("/readyz says %d", status)
	}
	store.back()
	c.inStep()
	c.stop()
	if !strings.Contains(c.log.String(), "ANSWERED WITHOUT A COPY") {
		t.Errorf("no loud word in\n%s", c.log)
	}
}

// Debian's sqlite3 opens and closes the database while it is replicated, with the place there and
// away: when serve is killed after that, nothing acknowledged is lost.
func TestSQLiteFromOutside(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("HISSA_REQUIRE_TOOLS") == "1" {
			t.Fatal("sqlite3 is missing: apt-get install sqlite3")
		}
		t.Skip("sqlite3 is missing: apt-get install sqlite3")
	}
	store := newObjectStore(t)
	c := newChild(t)
	c.copies(store.url())
	acknowledged := map[string]bool{}
	for _, away := range []bool{false, true} {
		if away {
			store.away()
		}
		c.start()
		for range 3 {
			for range 3 {
				status, id := c.sale()
				acknowledged[id] = status == 200
			}
			if out, err := exec.Command(tool, c.database(), "SELECT count(*) FROM entries").
				CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		c.dies()
	}
	if lost := c.missing(c.database(), acknowledged); len(lost) > 0 || len(acknowledged) != 18 {
		t.Errorf("%d of %d are lost", len(lost), len(acknowledged))
	}
}

// A drill comes once a week, the first an hour after the start, and so does the next after one that a clock
// dated a year ahead.
func TestWhenADrillIsDue(t *testing.T) {
	began := noon
	for _, row := range []struct {
		last, now time.Duration // after the start
		want      bool
	}{
		{0, 7*24*time.Hour - 1, false}, {0, 7 * 24 * time.Hour, true},
		{366 * 24 * time.Hour, time.Hour - 1, false}, {366 * 24 * time.Hour, time.Hour, true},
	} {
		if got := drillIsDue(&Drill{At: began.Add(row.last)}, began, began.Add(row.now)); got != row.want {
			t.Errorf("the last was %s after the start: another is due %s after it: %v", row.last, row.now, got)
		}
	}
	if drillIsDue(nil, began, began.Add(time.Hour-1)) || !drillIsDue(nil, began, began.Add(time.Hour)) {
		t.Error("the first is not due an hour after the start")
	}
}

// A drill that does not even come to a result is not run again at once.
func TestADrillThatDies(t *testing.T) {
	name, value, _ := strings.Cut(runsHissa, "=")
	t.Setenv(name, value) // so that this program is hissa when it is started anew
	dir := t.TempDir()
	config := &Config{Path: filepath.Join(dir, "missing.toml"), Database: filepath.Join(dir, "hissa.db")}
	if err := (Drill{At: time.Now().Add(-2 * drillEvery), OK: true}).keep(config.Database); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer // drillWeekly alone writes to it
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	drillWeekly(ctx, config, nil, slog.New(slog.NewTextHandler(&log, nil)))
	if n := strings.Count(log.String(), "the weekly drill failed"); n != 1 {
		t.Errorf("%d drills in three seconds:\n%s", n, log.String())
	}
}

// A drill that would fill the disk is not begun, and says so: it is no word on the copy.
func TestADrillNeedsRoom(t *testing.T) {
	database := filepath.Join(t.TempDir(), "hissa.db")
	writeFile(t, database, "", 0o600)
	if err := roomFor(database); err != nil {
		t.Errorf("there is no room for nothing: %v", err)
	}
	if err := os.Truncate(database, 1<<43); err != nil { // it takes none itself
		t.Fatal(err)
	}
	err := roomFor(database)
	if err == nil || !strings.Contains(err.Error(), "make room") {
		t.Fatalf("there is room for 13 TB: %v", err)
	}
	if says := (Drill{What: err.Error()}).says(); !strings.HasPrefix(says, "the drill came to no result: ") {
		t.Error(says)
	}
}

// What a killed drill left beside the database goes with a later start, and what may still be in use stays.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	database := filepath.Join(dir, "hissa.db")
	now := time.Now()
	for name, age := range map[string]time.Duration{
		"hissa.db.drill-1": 25 * time.Hour, "hissa.db.drill-2": time.Hour, "hissa.db.restore-3": 25 * time.Hour,
		"hissa.db-litestream": 25 * time.Hour, "other.db.drill-4": 25 * time.Hour,
	} {
		folder := filepath.Join(dir, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(folder, "hissa.db"), "", 0o600)
		if err := os.Chtimes(folder, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeLeftovers(database, now); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, " "); err != nil || got != "hissa.db-litestream hissa.db.drill-2 other.db.drill-4" {
		t.Errorf("left are %s (%v)", got, err)
	}
}

// A copy brings back earlier states, and drills tell a copy that works from one that doesn't.
func TestRestoreAndDrill(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "copy")
	c := newChild(t)
	c.copies("file://" + folder)
	c.refused(exitNo, "there is no copy", "restore", "-to", filepath.Join(c.dir, "x.db"))
	c.listens(freeAddress(t))
	c.start()
	c.sales(2)
	c.inStep()
	time.Sleep(1100 * time.Millisecond)
	between := time.Now()
	time.Sleep(1100 * time.Millisecond)
	c.sales(3)
	c.inStep()
	if out := c.must("drill"); !strings.Contains(out, "The copy brought back fact") {
		t.Errorf("drill says %s", out)
	}
	if out := c.must("check"); !strings.Contains(out, "in step: fact ") {
		t.Errorf("check says %s", out)
	}
	earlier := filepath.Join(c.dir, "earlier.db")
	c.must("restore", "-at", between.Format(time.RFC3339), "-to", earlier)
	c.refused(exitConfig, "is in the way", "restore", "-to", earlier)
	c.refused(exitBusy, "another serve", "restore")
	c.stop()
	var entries int
	past, err := openStore(earlier, StoreOptions{Environment: "staging", MID: c.paytm.MID()})
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	if err := past.read(context.Background(), func(r rows) error {
		return r.one("SELECT count(*) FROM entries", nil, &entries)
	}); err != nil || entries != 2 {
		t.Errorf("%d entries at that time, want 2; %v", entries, err)
	}

	if out := c.must("check"); !strings.Contains(out, "brought the books back in") {
		t.Errorf("check says %s", out)
	}
	// The files of the copy go, its mark stays.
	if err := os.RemoveAll(filepath.Join(folder, "0001")); err != nil {
		t.Fatal(err)
	}
	c.refused(exitNo, "the copy would not bring the books back", "drill")
	c.refused(exitNo, "the copy would not bring the books back", "check")
}

// A second machine follows, answers what can be read, and takes over at one command, but not while
// the first still writes. The first is refused when it comes back.
func TestStandby(t *testing.T) {
	placesOf(t, func(t *testing.T, url string) {
		first, second := newChild(t), newChild(t)
		first.copies(url)
		text, err := os.ReadFile(first.config())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(second.config(), text, 0o600); err != nil {
			t.Fatal(err)
		}
		second.listens(freeAddress(t))
		second.paytm = first.paytm
		second.loses()
		second.refused(exitNo, "no standby runs here", "standby", "-promote")

		first.start()
		key := strings.TrimSpace(first.only("key", "add", "books", "-scope", "read"))
		second.serveAs("standby")
		first.sales(5)
		first.inStep()
		second.follows(first)
		for _, c := range []*child{first, second} {
			if got := c.exported(key); got != first.only("export", "ledger") {
				t.Errorf("over HTTP the ledger is\n%s", got)
			}
		}
		if status, _ := second.sale(); status != 503 {
			t.Errorf("the standby answered a webhook with %d", status)
		}

		// The first machine starts anew, under another epoch, which the standby follows.
		first.dies()
		first.start()
		first.sales(5)
		first.inStep()
		second.follows(first)
		if testing.Short() {
			return
		}
		first.dies() // and its hold has to run out
		second.must("standby", "-promote")
		second.served()
		second.sales(2)
		second.inStep()
		second.must("verify")
		if got := strings.Count(second.only("export", "ledger"), "\n"); got != 12 {
			t.Errorf("%d entries, want 12", got)
		}
		first.refused(exitBusy, "stop that one first", "serve")
		second.stop()
		second.serveAs("standby") // which is serve by now
		second.sales(1)
		second.stop()
		first.refused(exitConfig, "is not the one that was copied", "serve")
	})
}

// A promotion is refused while the first machine writes.
func TestNoPromotionBesideAWriter(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for as long as the operator would have to")
	}
	t.Parallel()
	url := "file://" + filepath.Join(t.TempDir(), "copy")
	first, second := newChild(t), newChild(t)
	first.copies(url)
	first.start()
	first.sales(1)
	first.inStep()
	text, err := os.ReadFile(first.config())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(second.config(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	second.loses()
	second.serveAs("standby")
	second.follows(first)
	cmd := second.command("standby", "-promote")
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitBusy ||
		!strings.Contains(string(out), "stop that one first") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	first.sales(1)
	first.inStep()
	second.follows(first)
}

// serveAs starts serve, or what stands for it.
func (c *child) serveAs(command string) {
	c.Helper()
	c.verb = command
	c.start()
}

// served waits until what runs answers as serve does.
func (c *child) served() {
	c.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		answer, err := http.Get(c.url + "/readyz")
		if err == nil {
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if bytes.Contains(text, []byte(`"ready"`)) {
				return
			}
		}
		if time.Now().After(deadline) {
			c.Fatalf("it does not serve\n%s", c.log)
		}
	}
}

// follows waits until a standby holds what another machine has booked.
func (c *child) follows(other *child) {
	c.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		var said struct{ Fact int64 }
		answer, err := http.Get(c.url + "/readyz")
		if err != nil {
			c.Fatal(err)
		}
		err = json.NewDecoder(answer.Body).Decode(&said)
		answer.Body.Close()
		if err == nil && answer.StatusCode == 200 && said.Fact == other.facts() {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("it follows to fact %d of %d, %v\n%s", said.Fact, other.facts(), err, c.log)
		}
	}
}

// exported reads the ledger over HTTP.
func (c *child) exported(key string) string {
	c.Helper()
	request, err := http.NewRequest("GET", c.url+"/v1/export/ledger", nil)
	if err != nil {
		c.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		c.Errorf("%d, %v", answer.StatusCode, err)
	}
	return string(text)
}
