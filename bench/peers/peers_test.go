package peers

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hissa/bench/peers/peer"
	"hissa/paytm/paytmtest"
)

// Every peer books a payment once and refuses a forgery, and what it has answered is there when it
// starts again.
func TestPeersBookOnce(t *testing.T) {
	for _, name := range []string{"single", "postgres", "pocketbase", "node"} {
		t.Run(name, func(t *testing.T) {
			p := prepare(t, name)
			shop := paytmtest.New(paytmtest.Config{})
			genuine := message(shop, "TXN1", "ORDER_1")
			other := message(shop, "TXN2", "ORDER_2") // which nobody has brought
			forged := bytes.Replace(genuine, []byte("1499.00"), []byte("9499.00"), 1)
			failed := message(shop, "TXN3", "ORDER_1", "STATUS", "TXN_FAILURE")

			p.start(t)
			p.post(t, "/seed", []byte("ORDER_1\tclk_1\tPARTNER01\nORDER_3\tclk_3\tPARTNER01\n"), 200, "")
			p.post(t, "/webhooks/paytm", genuine, 200, "credited")
			p.post(t, "/webhooks/paytm", genuine, 200, "duplicate")
			p.post(t, "/webhooks/paytm", forged, 401, "")
			p.post(t, "/webhooks/paytm", []byte("STATUS=TXN_SUCCESS&TXNID=TXN4"), 401, "")
			p.post(t, "/webhooks/paytm", failed, 200, "ignored")
			p.count(t, 1, 1, 1)
			p.stop(t)

			p.start(t)
			p.count(t, 1, 1, 1)
			p.post(t, "/webhooks/paytm", genuine, 200, "duplicate")
			p.post(t, "/webhooks/paytm", other, 200, "unattributed")
			p.count(t, 2, 1, 2)
			p.stop(t)
		})
	}
}

// These keep nothing, so a repeat is new to them.
func TestPeersWithoutBooks(t *testing.T) {
	shop := paytmtest.New(paytmtest.Config{})
	genuine := message(shop, "TXN1", "ORDER_1")
	forged := bytes.Replace(genuine, []byte("1499.00"), []byte("9499.00"), 1)
	for _, c := range []struct {
		flags  []string
		forged int // the answer to a forgery
	}{{nil, 200}, {[]string{"-verify"}, 401}} {
		t.Run(fmt.Sprint("hello", c.flags), func(t *testing.T) {
			p := prepare(t, "hello", c.flags...)
			p.start(t)
			p.post(t, "/webhooks/paytm", genuine, 200, "credited")
			p.post(t, "/webhooks/paytm", genuine, 200, "credited")
			p.post(t, "/webhooks/paytm", forged, c.forged, "")
			p.stop(t)
		})
	}
}

// A click is a row before the visitor is sent on, and still one when the peer starts again.
func TestOneClick(t *testing.T) {
	for _, c := range []struct {
		flags []string
		kept  int64
	}{{nil, 1}, {[]string{"-store=false"}, 0}} {
		t.Run(fmt.Sprint("oneclick", c.flags), func(t *testing.T) {
			p := prepare(t, "oneclick", c.flags...)
			p.start(t)
			answer, err := http.DefaultTransport.RoundTrip(p.request(t, "GET", "/r/PARTNER01", nil))
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusFound || answer.Header.Get("Location") == "" ||
				len(answer.Cookies()) != 1 || answer.Cookies()[0].Value == "" {
				t.Errorf("status %d, headers %v", answer.StatusCode, answer.Header)
			}
			p.stop(t)

			p.start(t)
			var have struct{ Clicks int64 }
			p.get(t, "/count", &have)
			if have.Clicks != c.kept {
				t.Errorf("%d clicks, want %d", have.Clicks, c.kept)
			}
			p.stop(t)
		})
	}
}

// message is a signed payment of 1499 rupees; pairs of a name and a value change it.
func message(shop *paytmtest.Paytm, txnID, order string, change ...string) []byte {
	fields := map[string]string{
		"CURRENCY": "INR", "MID": shop.MID(), "ORDERID": order, "RESPCODE": "01", "RESPMSG": "Txn Success",
		"STATUS": "TXN_SUCCESS", "TXNAMOUNT": "1499.00", "TXNID": txnID, "udf_1": "a b+c%20d é",
	}
	for i := 0; i < len(change); i += 2 {
		fields[change[i]] = change[i+1]
	}
	return shop.SignForm(fields).Body
}

// process is a peer that can be started again and again on the same folder.
type process struct {
	argv  []string // without its address
	addr  string
	cmd   *exec.Cmd
	said  bytes.Buffer
	ended chan error
}

// prepare builds a peer. Without the tools that it needs the test is skipped, unless
// HISSA_REQUIRE_TOOLS=1.
func prepare(t *testing.T, name string, flags ...string) *process {
	t.Helper()
	if err := tools(name); err != nil {
		if os.Getenv("HISSA_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	// Not t.TempDir, which lets no other user pass: PostgreSQL does not run as root.
	folder, err := os.MkdirTemp("", "hissa-peer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	key := filepath.Join(folder, "key")
	if err := errors.Join(os.Chmod(folder, 0o755),
		os.WriteFile(key, []byte(paytmtest.DefaultMerchantKey), 0o600)); err != nil {
		t.Fatal(err)
	}
	p := &process{}
	if name == "node" {
		p.argv = []string{"node", "node/server.js"}
	} else {
		binary := filepath.Join(folder, "peer")
		build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
		build.Dir = name
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
		p.argv = []string{binary}
	}
	// Go takes two dashes for one.
	p.argv = append(p.argv, "--data", filepath.Join(folder, "data"), "--key", key)
	p.argv = append(p.argv, flags...)
	t.Cleanup(func() {
		if p.cmd != nil {
			_ = p.cmd.Process.Kill()
			<-p.ended
		}
	})
	return p
}

// tools says what a peer needs and is not here.
func tools(name string) error {
	switch name {
	case "postgres":
		_, err := exec.LookPath("initdb")
		if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(found) > 0 {
			err = nil
		}
		return missing("PostgreSQL", err)
	case "node":
		_, err := exec.LookPath("node")
		if err == nil {
			_, err = os.Stat("node/node_modules/better-sqlite3")
		}
		return missing("Node with the modules of node/", err)
	}
	return nil
}

func missing(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s is not here (%w): run ../install", what, err)
}

func (p *process) start(t *testing.T) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = free.Addr().String()
	free.Close()
	p.cmd = exec.Command(p.argv[0], append(p.argv[1:len(p.argv):len(p.argv)], "--listen", p.addr)...)
	p.said.Reset()
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan<- error) { ended <- cmd.Wait() }(p.cmd, p.ended)
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-p.ended:
			p.cmd = nil
			t.Fatalf("it ended at once: %v\n%s", err, &p.said)
		default:
		}
		if answer, err := http.Get("http://" + p.addr + "/ready"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatal("it is not ready after a minute")
}

// stop expects an end in good order.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		p.cmd = nil
		if err != nil {
			t.Fatalf("it ended badly: %v\n%s", err, &p.said)
		}
	case <-time.After(time.Minute):
		t.Fatal("it did not end within a minute of SIGTERM")
	}
}

func (p *process) request(t *testing.T, method, path string, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, "http://"+p.addr+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (p *process) post(t *testing.T, path string, body []byte, status int, result string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(p.request(t, "POST", path, body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got peer.Answer
	if result != "" {
		err = json.Unmarshal(text, &got)
	}
	if err != nil || answer.StatusCode != status || string(got.Result) != result {
		t.Errorf("POST %s: status %d, %q; want %d %s", path, answer.StatusCode,
			cmp.Or(strings.TrimSpace(string(text)), "nothing"), status, result)
	}
}

func (p *process) get(t *testing.T, path string, into any) {
	t.Helper()
	answer, err := http.DefaultClient.Do(p.request(t, "GET", path, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func (p *process) count(t *testing.T, payments, commissions, messages int64) {
	t.Helper()
	var have peer.Counts
	p.get(t, "/count", &have)
	if want := (peer.Counts{Payments: payments, Commissions: commissions, Messages: messages}); have != want {
		t.Errorf("the books hold %+v, want %+v", have, want)
	}
}
