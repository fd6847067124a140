package faulttest

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// inNamespace names the environment variable under which a test runs once more inside a mount
// namespace of its own, where it may mount a small disk; its value is the binary under test.
const inNamespace = "HISSA_FAULTTEST_BINARY"

// again runs a test of this package in a namespace, and returns what it said and whether it passed.
func again(t *testing.T, test, binary string) (string, bool) {
	t.Helper()
	needs(t, "unshare")
	if out, err := exec.Command("unshare", "-rm", "true").CombinedOutput(); err != nil {
		text := "no namespaces here: " + string(out)
		if os.Getenv("HISSA_REQUIRE_TOOLS") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	cmd := exec.Command("unshare", "-rm", os.Args[0], "-test.run=^"+test+"$", "-test.v",
		"-test.timeout=2m")
	cmd.Env = append(os.Environ(), inNamespace+"="+binary)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// A disk that is full: 503 to everybody, reading works, nothing acknowledged is lost, and when
// there is space again it goes on by itself.
func TestDiskFull(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		if out, ok := again(t, "TestDiskFull", hissa(t)); !ok {
			t.Error(out)
		}
		return
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	s, l := emptyShop(t, hissa(t), dir), newLedger()
	if out, code := s.hissa("partner", "add", "-code", "ASHA", "-name", "Asha"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	s.write("ballast", strings.Repeat("x", 2<<20))
	p := s.start()
	p.payUntilFull(t, l)
	p.fullButReadable(t)

	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	p.paysAgain(t, l, "after a file was removed")
	p.payUntilFull(t, l)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	p.paysAgain(t, l, "after the disk grew")
	p.kill()
	if f := s.check(l); f.any() {
		t.Errorf("of %d acknowledged: %s", l.count(), f)
	}
	t.Logf("answers %v, %d acknowledged, all there", l.answers, l.count())
}

// payUntilFull pays until twenty payments in a row were refused, each with 503.
func (p *serving) payUntilFull(t *testing.T, l *ledger) {
	t.Helper()
	client := newClient(1)
	defer client.CloseIdleConnections()
	refused := 0
	for range 500 {
		switch status := p.send(client, l, p.shop.next(l)); status {
		case http.StatusOK:
			refused = 0
		case http.StatusServiceUnavailable:
			if refused++; refused == 20 {
				return
			}
		default:
			t.Fatalf("status %d\n%s", status, p.log())
		}
	}
	t.Error("the disk never filled")
}

// fullButReadable asks for what a person would look at.
func (p *serving) fullButReadable(t *testing.T) {
	t.Helper()
	for path, want := range map[string]int{
		"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable,
	} {
		answer, err := http.Get(p.url + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s on a full disk: %s, want %d", path, answer.Status, want)
		}
	}
	for _, args := range [][]string{{"verify"}, {"export", "commissions"}, {"partner", "list"}} {
		if out, code := p.shop.hissa(args...); code != 0 {
			t.Errorf("%v beside it: %d %s", args, code, out)
		}
	}
}

// paysAgain insists that payments are taken now, by the same process.
func (p *serving) paysAgain(t *testing.T, l *ledger, when string) {
	t.Helper()
	client := newClient(1)
	defer client.CloseIdleConnections()
	for range 10 {
		if status := p.send(client, l, p.shop.next(l)); status != http.StatusOK {
			t.Errorf("%s: status %d\n%s", when, status, p.log())
			return
		}
	}
}

// The control: a hissa that does not look at what became of its commit.
func TestDiskFullControl(t *testing.T) {
	out, ok := again(t, "TestDiskFull", binaryNamed(t, "the outcome of a commit is not looked at"))
	if ok || !loses(out) {
		t.Errorf("it passed, or failed for another reason: %s", out)
	}
}
