package faulttest

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// failing is one life of serve in which fsync fails: every one from the nth of a thread on ("3+"),
// or only the nth ("3"). It returns the exit code, and whether serve had to be told to stop.
func (rec *recording) failing(t *testing.T, when string) (code int, told bool) {
	t.Helper()
	p := rec.shop.launch(Strace(rec.log, "-e", "inject=fsync,fdatasync:error=EIO:when="+when)...)
	if p.ready() {
		p.payAtOnce(rec.sent, 30)
		select {
		case <-p.logged:
		case <-time.After(time.Second):
			told = true
			p.stop()
		}
	}
	code = p.end()
	rec.append(t)
	return code, told
}

// failures counts the syncs of files that failed, and the messages that were acknowledged although
// they had come only after the first of these. (One that had come before may have been durable by
// then, and its answer on its way.)
func (rec *recording) failures() (failed, acks int) {
	first := len(rec.steps)
	for i, step := range rec.steps {
		if step.End && step.Err == "EIO" && step.Path != rec.shop.dir {
			failed++
			first = min(first, i)
		}
		for _, id := range rec.acks[i] {
			if rec.asked[id] > first {
				acks++
			}
		}
	}
	return failed, acks
}

// failAndRestart has syncs fail, starts again, and cuts the power: "" when nothing is wrong.
func failAndRestart(t *testing.T, binary, when string) string {
	t.Helper()
	rec := newRecording(t, binary)
	code, told := rec.failing(t, when)
	failed, acks := rec.failures()
	switch {
	case acks > 0:
		return fmt.Sprintf("%d payments were acknowledged after the sync had failed", acks)
	case failed > 0 && !told && code != 1 || code != 0 && code != 1:
		return fmt.Sprintf("%d syncs failed, exit code %d", failed, code)
	}
	rec.first = len(rec.steps)
	p := rec.shop.start(Strace(rec.log)...)
	p.payAtOnce(rec.sent, 4)
	p.kill()
	rec.append(t)
	if f := rec.shop.check(rec.sent); f.any() {
		return f.String()
	}
	states, wrong := rec.cutPower(t, max(200, cycles(200, 4000)))
	if len(wrong) > 0 {
		return fmt.Sprintf("%d of %d states are wrong, such as %s", len(wrong), states, wrong[0])
	}
	return ""
}

// After a sync that failed nobody knows what the disk holds: nothing more is acknowledged, serve
// ends with an error, and a new start has all that was acknowledged. What the failed sync covered
// is then lost to any power cut, however well later syncs went and whatever the kernel shows until
// then; and even so nothing that was acknowledged, before or after, is lost.
func TestFailedSync(t *testing.T) {
	for n := 1; n <= cycles(6, 60); n++ {
		for _, when := range []string{fmt.Sprint(n), fmt.Sprintf("%d+", n)} {
			if wrong := failAndRestart(t, hissa(t), when); wrong != "" {
				t.Errorf("fsync %s fails: %s", when, wrong)
			}
		}
	}
}

// The controls: a hissa that goes on after the failure, and one whose restart builds on a journal
// that only the kernel has.
func TestFailedSyncControls(t *testing.T) {
	for name, sees := range map[string]string{
		"a failed sync is tried again":               "acknowledged after the sync had failed",
		"the journal found at the start is believed": "states are wrong",
	} {
		t.Run(name, func(t *testing.T) {
			for n := range 60 {
				when := fmt.Sprint(n%8+4) + []string{"", "+"}[n/8%2]
				wrong := failAndRestart(t, binaryNamed(t, name), when)
				if strings.Contains(wrong, sees) {
					t.Log(wrong)
					return
				}
			}
			t.Error("nothing was found")
		})
	}
}

// openWithoutJournal serves books that have just come back from a copy, which is not yet a database with a journal,
// and has the nth sync of one of its files fail: "" when serve ends, or acknowledges only what is in the journal.
func openWithoutJournal(t *testing.T, binary, file string, n int) string {
	t.Helper()
	s, l := books(t, binary, 4, stopped)
	if said, code := s.hissa("backup", s.file("copy.db")); code != 0 {
		t.Fatalf("backup: %d %s", code, said)
	}
	if err := os.Rename(s.file("copy.db"), s.database()); err != nil {
		t.Fatal(err)
	}
	p := s.launch("strace", "-D", "-f", "-o", s.file("strace.log"), "-P", s.file(file),
		"-e", "trace=fsync,fdatasync", "-e", fmt.Sprint("inject=fsync,fdatasync:error=EIO:when=", n))
	before := len(l.acked)
	if p.ready() {
		p.payAtOnce(l, 4)
	}
	p.kill()
	head := make([]byte, 20)
	f, err := os.Open(s.database())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadFull(f, head); err != nil {
		t.Fatal(err)
	}
	// Bytes 18 and 19 are 2 with a journal of the sort that the books need (sqlite.org/fileformat.html).
	if acks := len(l.acked) - before; acks > 0 && (head[18] != 2 || head[19] != 2) {
		return fmt.Sprintf("%d payments were acknowledged without a journal", acks)
	}
	again := s.start()
	again.payAtOnce(l, 2)
	again.stop()
	if f := s.check(l); f.any() {
		return f.String()
	}
	return ""
}

func TestFailedSyncWithoutAJournal(t *testing.T) {
	needs(t, "strace")
	for _, file := range []string{"hissa.db", "hissa.db-journal", "hissa.db-wal"} {
		for n := range cycles(2, 20) {
			if wrong := openWithoutJournal(t, hissa(t), file, n+1); wrong != "" {
				t.Errorf("fsync %d of %s fails: %s", n+1, file, wrong)
			}
		}
	}
}

// The control: a hissa that does not ask how a statement ended.
func TestFailedSyncWithoutAJournalControl(t *testing.T) {
	needs(t, "strace")
	for range 40 { // which sync is a thread's first is a matter of chance
		wrong := openWithoutJournal(t, binaryNamed(t, "nobody asks how a statement ended"), "hissa.db", 1)
		if strings.Contains(wrong, "without a journal") {
			t.Log(wrong)
			return
		}
	}
	t.Error("nothing was found")
}
