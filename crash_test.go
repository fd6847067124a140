package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hissa/paytm/paytmtest"
)

// child is `hissa serve` in a process of its own, which can be killed.
type child struct {
	testing.TB
	dir    string
	paytm  *paytmtest.Paytm
	cmd    *exec.Cmd
	verb   string // serve when empty
	url    string
	log    *bytes.Buffer // but for what is only told
	whole  *bytes.Buffer // all of the log
	logged chan struct{} // closed when the log has ended
}

var listening = regexp.MustCompile(`msg=serving listen=(\S+)`)

func newChild(t testing.TB) *child {
	t.Helper()
	c := &child{TB: t, dir: t.TempDir(), paytm: paytmtest.New(paytmtest.Config{Seed: 21})}
	api, stop := c.paytm.Start()
	t.Cleanup(stop)
	key := filepath.Join(c.dir, "paytm.key")
	if err := os.WriteFile(key, []byte(c.paytm.MerchantKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("listen = \"127.0.0.1:0\"\npublic_url = \"http://127.0.0.1:8080\"\n"+
		"[links]\nlanding = \"https://shop.example/\"\n[paytm]\nenvironment = \"staging\"\nmid = %q\n"+
		"merchant_key = %q\napi_url = %q\n[commission]\nrate = \"10%%\"\n", c.paytm.MID(), "file:"+key, api)
	if err := os.WriteFile(c.config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := c.hissa("partner", "add", "-code", "ASHA", "-name", "Asha"); code != 0 {
		t.Fatalf("partner add: %d %s", code, out)
	}
	return c
}

func (c *child) config() string { return filepath.Join(c.dir, "hissa.toml") }

func (c *child) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		c.Fatal(err)
	}
	cmd := exec.Command(self, append(args, "-config", c.config())...)
	cmd.Env = append(os.Environ(), runsHissa,
		"AWS_ACCESS_KEY_ID=hissa", "AWS_SECRET_ACCESS_KEY=hissa-secret")
	return cmd
}

// hissa runs a command to its end and returns all it said, and its exit code.
func (c *child) hissa(args ...string) (string, int) {
	cmd := c.command(args...)
	killer := time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// start serves and waits until it listens.
func (c *child) start(flags ...string) {
	c.Helper()
	c.cmd = c.command(append([]string{cmp.Or(c.verb, "serve")}, flags...)...)
	c.log, c.whole, c.logged = &bytes.Buffer{}, &bytes.Buffer{}, make(chan struct{})
	pipe, err := c.cmd.StderrPipe()
	if err != nil {
		c.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.Fatal(err)
	}
	cmd, whole, logged := c.cmd, c.whole, c.logged
	c.Cleanup(func() {
		_ = cmd.Process.Kill()
		select {
		case <-logged: // its own children have ended too
			for _, secret := range []string{c.paytm.MerchantKey(), "hissa-secret"} {
				if bytes.Contains(whole.Bytes(), []byte(secret)) {
					c.Errorf("a secret is in the log:\n%s", whole)
				}
			}
		case <-time.After(15 * time.Second):
		}
	})
	addr := make(chan string, 1)
	go func() {
		defer close(logged)
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			fmt.Fprintln(whole, lines.Text())
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case addr <- m[1]:
				default: // a standby that was promoted
				}
			} else if !strings.Contains(lines.Text(), "level=INFO") {
				fmt.Fprintln(c.log, lines.Text())
			}
		}
	}()
	select {
	case a := <-addr:
		c.url = "http://" + a
	case <-c.logged:
		c.Fatalf("serve ended before it listened:\n%s", c.log)
	case <-time.After(30 * time.Second):
		c.Fatal("serve does not listen")
	}
}

// end waits for the process and returns its exit code, -1 when it was killed.
func (c *child) end() int {
	<-c.logged
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

// load delivers payments over 8 connections until ctx ends, and notes every one acknowledged.
type load struct {
	mu           sync.Mutex
	acknowledged map[string]bool
	results      map[string]int
}

func (l *load) run(ctx context.Context, c *child) *sync.WaitGroup {
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 5 * time.Second}
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				pay := c.paytm.Pay("O"+randomText()[:8], 100000, paytmtest.Reference("ASHA"))
				m := c.paytm.PaymentForm(pay)
				answer, err := client.Post(c.url+"/webhooks/paytm", m.ContentType, bytes.NewReader(m.Body))
				if err != nil {
					continue
				}
				text, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				l.mu.Lock()
				l.results[fmt.Sprint(answer.StatusCode)]++
				if err == nil && answer.StatusCode == 200 && bytes.Contains(text, []byte("credited")) {
					l.acknowledged[pay.TxnID] = true
				}
				l.mu.Unlock()
			}
			client.CloseIdleConnections()
		})
	}
	return &wg
}

// missing opens the database when nobody serves it, checks the books, and returns the acknowledged
// payments that are not there exactly once with the whole of their commission.
func (c *child) missing(database string, acknowledged map[string]bool) []string {
	c.Helper()
	store, err := openStore(database, StoreOptions{Environment: "staging", MID: c.paytm.MID()})
	if err != nil {
		c.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Verify(context.Background(), nil); err != nil {
		c.Fatalf("after the crash the books are not in order: %v", err)
	}
	there := map[string]int64{}
	if err := store.read(context.Background(), func(r rows) error {
		return r.each("SELECT t.txn_id, sum(e.amount) FROM transactions t JOIN entries e ON e.txn = t.id "+
			"WHERE t.commission IS NOT NULL GROUP BY t.id", nil, func(scan func(...any) error) error {
			var id string
			var earned int64
			err := scan(&id, &earned)
			there[id] += earned
			return err
		})
	}); err != nil {
		c.Fatal(err)
	}
	var lost []string
	for id := range acknowledged {
		if there[id] != 10000 {
			lost = append(lost, id)
		}
	}
	return lost
}

// kill -9 at any moment under load: whatever was acknowledged is there once.
func TestKilledUnderLoad(t *testing.T) {
	c := newChild(t)
	l := &load{acknowledged: map[string]bool{}, results: map[string]int{}}
	for range cycles(10, 50, 1000) {
		c.start()
		ctx, stop := context.WithCancel(context.Background())
		wg := l.run(ctx, c)
		time.Sleep(time.Duration(20+rand.IntN(120)) * time.Millisecond)
		if err := c.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		stop()
		wg.Wait()
		if code := c.end(); code != -1 {
			t.Fatalf("serve ended by itself, %d:\n%s", code, c.log)
		}
	}
	database := filepath.Join(c.dir, "hissa.db")
	if lost := c.missing(database, l.acknowledged); len(lost) > 0 || len(l.acknowledged) == 0 {
		t.Fatalf("of %d acknowledged payments %d are lost: %v", len(l.acknowledged), len(lost), lost)
	}
	t.Logf("%d acknowledged payments, all there", len(l.acknowledged))
	if l.results["503"] > 0 || l.results["401"] > 0 {
		t.Errorf("answers: %v", l.results)
	}

	// The control: a payment that was never stored is noticed.
	l.acknowledged["20261122111212800110168000000000404"] = true
	if lost := c.missing(database, l.acknowledged); len(lost) != 1 {
		t.Errorf("one payment was never stored, and %d are said to be lost", len(lost))
	}
}

// SIGTERM under load: everything taken is answered, and the process ends well within its time.
func TestStoppedUnderLoad(t *testing.T) {
	c := newChild(t)
	l := &load{acknowledged: map[string]bool{}, results: map[string]int{}}
	for range cycles(2, 5, 1000) {
		c.start()
		ctx, stop := context.WithCancel(context.Background())
		wg := l.run(ctx, c)
		time.Sleep(150 * time.Millisecond)
		if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		killer := time.AfterFunc(15*time.Second, func() { _ = c.cmd.Process.Kill() })
		code := c.end()
		killer.Stop()
		stop()
		wg.Wait()
		if code != 0 {
			t.Fatalf("exit code %d:\n%s", code, c.log)
		}
	}
	if lost := c.missing(filepath.Join(c.dir, "hissa.db"), l.acknowledged); len(lost) > 0 || len(l.acknowledged) == 0 {
		t.Errorf("of %d acknowledged payments %d are lost", len(l.acknowledged), len(lost))
	}
}

// A second serve on the same database ends at once and says who holds it.
func TestOneServeADatabase(t *testing.T) {
	c := newChild(t)
	c.start()
	out, code := c.hissa("serve")
	if code != exitBusy || !strings.Contains(out, fmt.Sprintf("process %d ", c.cmd.Process.Pid)) {
		t.Errorf("the second serve: %d %s", code, out)
	}
	if out, code := c.hissa("verify"); code != 0 {
		t.Errorf("verify beside it: %d %s", code, out)
	}
}
