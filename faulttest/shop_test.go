package faulttest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hissa/paytm/paytmtest"
)

// Every payment is ₹1,000.00 and names ASHA, who gets a tenth.
const (
	price      = 100000
	commission = "100.00"
)

// shop is a merchant with a configuration, a database and one partner, and a simulated Paytm whose
// API agrees with what was paid.
type shop struct {
	testing.TB
	binary string
	dir    string
	env    []string // beside the test's own
	paytm  *paytmtest.Paytm
	api    string
	orders atomic.Int64
}

var seeds atomic.Uint64

// newShop opens a shop in a folder of its own, with ASHA as its partner.
func newShop(t testing.TB, binary string) *shop {
	t.Helper()
	s := emptyShop(t, binary, t.TempDir())
	if out, code := s.hissa("partner", "add", "-code", "ASHA", "-name", "Asha"); code != 0 {
		t.Fatalf("partner add: %d %s", code, out)
	}
	return s
}

// emptyShop has a configuration and no database yet.
func emptyShop(t testing.TB, binary, dir string) *shop {
	t.Helper()
	s := &shop{TB: t, binary: binary, dir: dir}
	s.paytm = paytmtest.New(paytmtest.Config{Seed: seeds.Add(1)})
	api, stop := s.paytm.Start()
	t.Cleanup(stop)
	s.api = api
	s.write("paytm.key", s.paytm.MerchantKey())
	s.write("hissa.toml", fmt.Sprintf(`listen = "127.0.0.1:0"
public_url = "http://127.0.0.1:8080"
[links]
landing = "https://shop.example/"
[paytm]
environment = "staging"
mid = %q
merchant_key = "file:paytm.key"
api_url = %q
[commission]
rate = "10%%"
`, s.paytm.MID(), api))
	return s
}

func (s *shop) file(name string) string { return filepath.Join(s.dir, name) }
func (s *shop) database() string        { return s.file("hissa.db") }

func (s *shop) write(name, text string) {
	s.Helper()
	if err := os.WriteFile(s.file(name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *shop) arguments(args ...string) []string {
	return append(args, "-config", s.file("hissa.toml"))
}

// hissa runs a command to its end and returns all it said, and its exit code.
func (s *shop) hissa(args ...string) (string, int) {
	s.Helper()
	return s.runs(nil, args...)
}

// runs is hissa under another program, such as strace with its options.
func (s *shop) runs(under []string, args ...string) (string, int) {
	s.Helper()
	line := append(append(slices.Clone(under), s.binary), s.arguments(args...)...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(os.Environ(), s.env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.Fatalf("%s: %v", line[0], err)
	}
	if ctx.Err() != nil {
		s.Fatalf("hissa %v does not end:\n%s", args, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// serving is one life of `hissa serve`.
type serving struct {
	shop   *shop
	cmd    *exec.Cmd
	url    string
	mu     sync.Mutex
	said   bytes.Buffer  // stderr, but for its progress
	logged chan struct{} // closed when stderr has ended: the process is gone, and strace too
	addr   chan string
}

var listening = regexp.MustCompile(`msg=serving listen=(\S+)`)

// launch starts serve, under another program where one is given, and does not wait for it.
func (s *shop) launch(under ...string) *serving {
	s.Helper()
	line := append(append(slices.Clone(under), s.binary), s.arguments("serve")...)
	p := &serving{shop: s, logged: make(chan struct{}), addr: make(chan string, 1)}
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Env = append(os.Environ(), s.env...)
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = p.cmd.Process.Kill() })
	go p.listen(pipe)
	return p
}

func (p *serving) listen(pipe io.Reader) {
	defer close(p.logged)
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			p.addr <- "http://" + m[1]
		} else if !strings.Contains(lines.Text(), "level=INFO") {
			p.mu.Lock()
			fmt.Fprintln(&p.said, lines.Text())
			p.mu.Unlock()
		}
	}
}

// ready waits until the process listens; false when it ended before it did.
func (p *serving) ready() bool {
	p.shop.Helper()
	select {
	case p.url = <-p.addr:
		return true
	case <-p.logged:
		select {
		case p.url = <-p.addr: // it listened, and was gone at once
			return true
		default:
			return false
		}
	case <-time.After(time.Minute):
		p.shop.Fatalf("serve does not listen:\n%s", p.log())
		return false
	}
}

// start serves and insists that it listens.
func (s *shop) start(under ...string) *serving {
	s.Helper()
	p := s.launch(under...)
	if !p.ready() {
		_ = p.cmd.Wait()
		s.Fatalf("serve ended before it listened, %v:\n%s", p.cmd.ProcessState, p.log())
	}
	return p
}

func (p *serving) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// end waits for the process and returns its exit code, -1 when a signal ended it.
func (p *serving) end() int {
	p.shop.Helper()
	select {
	case <-p.logged:
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		p.shop.Fatalf("serve does not end:\n%s", p.log())
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// kill is kill -9.
func (p *serving) kill() {
	p.shop.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.shop.Fatal(err)
	}
	p.end()
}

// stop is SIGTERM; it returns the exit code.
func (p *serving) stop() int {
	p.shop.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.shop.Fatal(err)
	}
	return p.end()
}

// ledger is what a test knows of the payments it sent.
type ledger struct {
	mu       sync.Mutex
	acked    map[string]bool              // TXNIDs that were answered with 200
	open     map[string]paytmtest.Message // sent, and not answered: Paytm will send them again
	refunded map[string]bool              // TXNIDs: whether the refund was answered with 200
	answers  map[int]int                  // by status, 0 for none
	attempts int
}

func newLedger() *ledger {
	return &ledger{acked: map[string]bool{}, open: map[string]paytmtest.Message{},
		refunded: map[string]bool{}, answers: map[int]int{}}
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// answered is how many messages had an answer, whatever it was.
func (l *ledger) answered() (messages int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for status, times := range l.answers {
		if status != 0 {
			messages += times
		}
	}
	return messages
}

// next is a message to send: one that was never answered, as Paytm does, else that of a new
// payment. What comes again comes as JSON, which is another message about the same payment.
func (s *shop) next(l *ledger) paytmtest.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts++
	if l.attempts%4 == 0 {
		for id, m := range l.open {
			delete(l.open, id)
			return m
		}
	}
	order := fmt.Sprintf("ORDER_%d", s.orders.Add(1))
	return s.paytm.PaymentForm(s.paytm.Pay(order, price, paytmtest.Reference("ASHA")))
}

// send delivers a message and notes what became of it; the status, 0 without an answer.
func (p *serving) send(client *http.Client, l *ledger, m paytmtest.Message) int {
	status := 0
	answer, err := client.Post(p.url+"/webhooks/paytm", m.ContentType, bytes.NewReader(m.Body))
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	if err == nil {
		status = answer.StatusCode
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[status]++
	if status == http.StatusOK {
		l.acked[m.TxnID] = true
		return status
	}
	l.open[m.TxnID] = p.shop.again(m.TxnID)
	return status
}

// again is the other message that Paytm may send about a payment.
func (s *shop) again(txnID string) paytmtest.Message {
	for _, pay := range slices.Backward(s.paytm.Payments()) {
		if pay.TxnID == txnID {
			return s.paytm.PaymentJSON(pay)
		}
	}
	s.Fatalf("nobody paid %s", txnID)
	return paytmtest.Message{}
}

func newClient(connections int) *http.Client {
	return &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 5 * time.Second,
	}
}

// load sends payments over several connections until ctx ends.
func (p *serving) load(ctx context.Context, l *ledger, connections int) *sync.WaitGroup {
	var wg sync.WaitGroup
	client := newClient(connections)
	for range connections {
		wg.Go(func() {
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				if p.send(client, l, p.shop.next(l)) != http.StatusOK {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	return &wg
}

// pay sends so many new payments, one after the other.
func (p *serving) pay(l *ledger, payments int) {
	client := newClient(1)
	defer client.CloseIdleConnections()
	for range payments {
		p.send(client, l, p.shop.next(l))
	}
}

// findings is what is wrong with the books.
type findings struct {
	lost, doubled, half []string
	disorder            string // what verify, or an export, said
}

func (f findings) any() bool {
	return len(f.lost)+len(f.doubled)+len(f.half) > 0 || f.disorder != ""
}

func (f findings) String() string {
	return fmt.Sprintf("%d lost %v, %d doubled %v, %d half-written %v, %s", len(f.lost),
		some(f.lost), len(f.doubled), some(f.doubled), len(f.half), some(f.half), f.disorder)
}

// loses reports whether what was said of findings names a payment that is lost.
func loses(said string) bool {
	return strings.Contains(said, " lost [2") // as every TXNID begins
}

func some(ids []string) []string { return ids[:min(3, len(ids))] }

// check reads the books by the commands that everybody has, when nobody serves them: every
// payment acknowledged is there, none twice, each with the whole of its commission and one entry.
func (s *shop) check(l *ledger) (f findings) {
	s.Helper()
	if out, code := s.hissa("verify", "-json"); code != 0 {
		f.disorder = fmt.Sprintf("verify: %d %s", code, out)
	}
	rows := map[string]map[string][]map[string]any{}
	for kind := range map[string]bool{"transactions": true, "commissions": true, "ledger": true} {
		out, code := s.hissa("export", kind, "-format", "jsonl")
		if code != 0 {
			f.disorder += fmt.Sprintf(" export %s: %d %s", kind, code, out)
			continue
		}
		rows[kind] = byTxnID(s, out)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.acked {
		if len(rows["transactions"][id]) == 0 {
			f.lost = append(f.lost, id)
		}
	}
	for id, same := range rows["transactions"] {
		least, most := l.entries(id)
		entries := len(rows["ledger"][id])
		if entries < least {
			f.lost = append(f.lost, id)
		}
		if len(same) > 1 || len(rows["commissions"][id]) > 1 || entries > most {
			f.doubled = append(f.doubled, id)
		}
		if !whole(rows["commissions"][id]) || !whole(rows["ledger"][id]) {
			f.half = append(f.half, id)
		}
	}
	return f
}

// entries is how many entries a payment has in the ledger: one, and one more once it is refunded.
func (l *ledger) entries(txnID string) (least, most int) {
	acked, sent := l.refunded[txnID]
	switch {
	case acked && l.acked[txnID]:
		return 2, 2
	case sent:
		return 0, 2
	}
	return 0, 1
}

// whole reports whether every row is about the whole commission, and there is one.
func whole(rows []map[string]any) bool {
	return len(rows) > 0 && !slices.ContainsFunc(rows, func(row map[string]any) bool {
		return row["amount"] != commission
	})
}

func byTxnID(t testing.TB, jsonl string) map[string][]map[string]any {
	t.Helper()
	rows := map[string][]map[string]any{}
	for line := range strings.Lines(jsonl) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		id, _ := row["txn_id"].(string)
		rows[id] = append(rows[id], row)
	}
	return rows
}

// size is the database's in bytes, 0 when there is none.
func (s *shop) size() int64 {
	info, err := os.Stat(s.database())
	if err != nil {
		return 0
	}
	return info.Size()
}
