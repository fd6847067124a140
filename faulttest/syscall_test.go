package faulttest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// refusal is one sort of system call that fails on the database's files: the nth of a thread, or
// every one from the nth on.
type refusal struct {
	call, err string
	n         int
	forEver   bool
}

func (r refusal) String() string {
	plus := ""
	if r.forEver {
		plus = "+"
	}
	return fmt.Sprintf("%s:error=%s:when=%d%s", r.call, r.err, r.n, plus)
}

// refusing is strace looking only at the database's own files and folder, so that the nth call is
// the nth that matters; or at all calls: a database is made under a name of chance.
func (s *shop) refusing(log string, anywhere bool, refusals []refusal) []string {
	var calls []string
	line := []string{"strace", "-D", "-f", "-o", log}
	if !anywhere {
		for _, name := range []string{"", "-wal", "-journal", "-shm"} {
			line = append(line, "-P", s.database()+name)
		}
		line = append(line, "-P", s.dir)
	}
	for _, r := range refusals {
		calls = append(calls, r.call)
		line = append(line, "-e", "inject="+r.String())
	}
	return append(line, "-e", "trace="+strings.Join(calls, ","))
}

// scene is what goes on while system calls fail: it returns the exit code and what was said.
type scene struct {
	play     func(s *shop, l *ledger, under []string) (code int, said string)
	calls    string // that can fail without the Go runtime itself breaking down
	anywhere bool   // not only calls on the database's own files
}

var scenes = map[string]scene{
	"making":       {making, "pwrite64 fsync,fdatasync open,openat ftruncate unlink pread64", true},
	"after a kill": {afterKill, "pwrite64 fsync,fdatasync open,openat ftruncate unlink pread64 fcntl", false},
}

// making is the first command of all, which makes the database.
func making(s *shop, _ *ledger, under []string) (int, string) {
	said, code := s.runs(under, "partner", "add", "-code", "ASHA", "-name", "Asha")
	return code, said
}

// serving payments, after a kill that left a journal to be recovered.
func afterKill(s *shop, l *ledger, under []string) (int, string) {
	if said, code := s.hissa("partner", "add", "-code", "ASHA", "-name", "Asha"); code != 0 {
		s.Fatalf("partner add: %d %s", code, said)
	}
	before := s.start()
	before.payAtOnce(l, 4)
	before.kill()
	p := s.launch(under...)
	if p.ready() {
		p.payAtOnce(l, 6)
		select {
		case <-p.logged: // it gave up
		case <-time.After(50 * time.Millisecond):
			p.stop()
		}
	}
	return p.end(), p.log()
}

// refuse plays a scene in which system calls fail, then starts on a sound system: "" when nothing
// is wrong. failed says whether any call was made that could fail.
func refuse(
	t *testing.T, binary string, scene scene, refusals ...refusal,
) (wrong string, failed bool) {
	t.Helper()
	s, l := emptyShop(t, binary, t.TempDir()), newLedger()
	log := s.file("strace.log")
	code, said := scene.play(s, l, s.refusing(log, scene.anywhere, refusals))
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	failed = bytes.Contains(text, []byte("(INJECTED)"))
	switch {
	case code < 0 || code == 2:
		return fmt.Sprintf("it broke down, %d: %s", code, said), failed
	case code != 0 && !strings.Contains(said, "hissa: ") && !strings.Contains(said, "hissa.toml:"): // its fault, by line
		return fmt.Sprintf("it ended with %d and no word of why: %s", code, said), failed
	}
	if wrong := s.partnerAgain(code); wrong != "" {
		return wrong, failed
	}
	next := s.launch()
	if !next.ready() {
		return fmt.Sprintf("then it does not start: %d %s", next.end(), next.log()), failed
	}
	next.payAtOnce(l, 2)
	next.kill()
	if f := s.check(l); f.any() {
		return f.String(), failed
	}
	return "", failed
}

// partnerAgain adds the partner where the first attempt failed. Nothing half-made may be in the way.
func (s *shop) partnerAgain(code int) string {
	s.Helper()
	said, again := s.hissa("partner", "add", "-code", "ASHA", "-name", "Asha")
	if again == 0 && code != 0 || again == 1 && strings.Contains(said, "ASHA") {
		return ""
	}
	return fmt.Sprintf("after exit code %d the partner is not there: %d %s", code, again, said)
}

var refusable = []struct{ call, errs string }{
	{"pwrite64", "EIO ENOSPC EROFS"}, {"fsync,fdatasync", "EIO ENOSPC EROFS"}, {"open,openat", "EIO EROFS"},
	{"ftruncate", "EIO"}, {"unlink", "EIO EROFS"}, {"pread64", "EIO"}, {"fcntl", "ENOLCK"},
}

// Every system call on the database's files fails, once or for ever, while the database is made
// and while payments come in after a kill: what was acknowledged is there, and a start on a sound
// system goes well. The nth call fails, n = 1, 2, … until a run has no nth; CI takes a sample.
func TestRefusedSystemCalls(t *testing.T) {
	t.Parallel()
	needs(t, "strace")
	var runs, faults atomic.Int64
	t.Run("each", func(t *testing.T) {
		for name, scene := range scenes {
			for _, c := range refusable {
				if !slices.Contains(strings.Fields(scene.calls), c.call) ||
					c.call == "fcntl" && cycles(0, 1) == 0 {
					continue // a lock that is refused is waited for: the long lane has the time
				}
				t.Run(name+" "+c.call, func(t *testing.T) {
					t.Parallel()
					for _, err := range strings.Fields(c.errs) {
						for _, forEver := range []bool{false, true} {
							n, f := sweep(t, scene, refusal{c.call, err, 1, forEver})
							runs.Add(n)
							faults.Add(f)
						}
					}
				})
			}
		}
	})
	t.Logf("%d runs, %d with a fault, 0 lost", runs.Load(), faults.Load())
}

// sweep has the first such call fail, then a later one, until a run has none so late.
func sweep(t *testing.T, scene scene, r refusal) (runs, faults int64) {
	t.Helper()
	for ; ; r.n = next(r.n) {
		wrong, failed := refuse(t, hissa(t), scene, r)
		if wrong != "" {
			t.Errorf("%s: %s", r, wrong)
		}
		if runs++; !failed {
			return runs, faults
		}
		faults++
	}
}

// next is the next n: all of them in the long lane, in CI ever wider apart.
func next(n int) int {
	if cycles(0, 1) == 1 {
		return n + 1
	}
	return n*5 + rand.IntN(3*n)
}

// Two faults in one run, also while the first is being recovered from.
func TestRefusedTwice(t *testing.T) {
	t.Parallel()
	needs(t, "strace")
	for range cycles(20, 2000) {
		var two []refusal
		for range 2 {
			c := refusable[rand.IntN(2)]
			two = append(two, refusal{c.call, "EIO", 1 + rand.IntN(30), rand.IntN(2) == 0})
		}
		if two[0].call == two[1].call {
			two = two[:1]
		}
		if wrong, _ := refuse(t, hissa(t), scenes["after a kill"], two...); wrong != "" {
			t.Errorf("%v: %s", two, wrong)
		}
	}
}

// The control: a hissa that does not look at what became of its commit.
func TestRefusedSystemCallsControl(t *testing.T) {
	t.Parallel()
	needs(t, "strace")
	weak := binaryNamed(t, "the outcome of a commit is not looked at")
	for n := range 100 {
		r := refusal{"pwrite64", "ENOSPC", 20 + 3*n, true}
		if wrong, _ := refuse(t, weak, scenes["after a kill"], r); loses(wrong) {
			return
		}
	}
	t.Error("nothing was found")
}
