package faulttest

import (
	"reflect"
	"strings"
	"testing"
)

// hexed writes text as strace -xx does.
func hexed(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		const digits = "0123456789abcdef"
		b.WriteString(`\x` + digits[c>>4:c>>4+1] + digits[c&15:c&15+1])
	}
	return b.String()
}

func TestReadJournal(t *testing.T) {
	wal, db := hexed("/d/hissa.db-wal"), hexed("/d/hissa.db")
	log := strings.Join([]string{
		`71  open("` + wal + `", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 8<` + wal + `>`,
		`71  pwrite64(8<` + wal + `>, "\x41\x2c\x29", 3, 56 <unfinished ...>`,
		`72  fsync(5<` + db + `>)            = -1 EIO (Input/output error) (INJECTED)`,
		`71  <... pwrite64 resumed>)         = 3`,
		`72  ftruncate(5<` + db + `>, 180224) = 0`,
		`72  read(9<` + hexed("socket:[7]") + `>,  <unfinished ...>`,
		`72  <... read resumed>"` + hexed("TXNID=1") + `", 4096) = 7`,
		`72  unlink("` + wal + `") = 0`,
		`72  pwrite64(8<` + wal + `>(deleted), "\x41", 1, 0) = 1`,
		`72  renameat(AT_FDCWD<` + hexed("/d") + `>, "` + db + `", AT_FDCWD<` + hexed("/d") +
			`>, "` + wal + `") = 0`,
		`72  --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER} ---`,
		`72  fsync(5<` + db + `>) = ?`,
		`71  fsync(5<` + db + `> <unfinished ...>`,
		`71  <... fsync resumed> <unfinished ...>) = ?`,
		`73  read(9<` + hexed("socket:[7]") + `>, "\x50\x00"..., 1) = 19703248369745920`,
		`73  read(9<` + hexed("socket:[7]") + `>, "\x00\xc0"..., 1) = 18446744073709551615`,
		`73  write(9<` + hexed("socket:[7]") + `>, "\x50", 1 <unfinished ...>`,
		`73  <... write resumed>)              = 18446744073709551615`,
		`73  fsync(5<` + db + `>) = 140736414613808`,
		`71  +++ killed by SIGKILL +++`, ``,
	}, "\n")
	j, err := ReadJournal(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		end  bool
		call Call
	}
	opened := Call{Thread: "71", Name: "open", Path: "/d/hissa.db-wal", Result: 8, Number: 0o600,
		Flags: "O_RDWR|O_CREAT|O_CLOEXEC"}
	wrote := Call{Thread: "71", Name: "pwrite64", Path: "/d/hissa.db-wal", Data: []byte("A,)"),
		Number: 56, Result: 3}
	failed := Call{Thread: "72", Name: "fsync", Path: "/d/hissa.db", Result: -1, Err: "EIO"}
	cut := Call{Thread: "72", Name: "ftruncate", Path: "/d/hissa.db", Number: 180224}
	got := Call{Thread: "72", Name: "read", Path: "socket:[7]", Data: []byte("TXNID=1"),
		Number: 4096, Result: 7}
	gone := Call{Thread: "72", Name: "unlink", Path: "/d/hissa.db-wal"}
	late := Call{Thread: "72", Name: "pwrite64", Path: "/d/hissa.db-wal", Gone: true,
		Data: []byte("A"), Result: 1}
	moved := Call{Thread: "72", Name: "renameat", Path: "/d/hissa.db", To: "/d/hissa.db-wal"}
	last := Call{Thread: "72", Name: "fsync", Path: "/d/hissa.db", Result: -1}
	killed := last
	killed.Thread = "71"
	within := Call{Thread: "73", Name: "read", Path: "socket:[7]", Number: 1, Result: -1}
	answer := Call{Thread: "73", Name: "write", Path: "socket:[7]", Data: []byte("P"), Number: 1,
		Result: -1}
	synced := last
	synced.Thread = "73"
	want := []row{{false, opened}, {true, opened}, {false, wrote}, {false, failed}, {true, failed},
		{true, wrote}, {false, cut}, {true, cut},
		{false, got}, {true, got}, {false, gone},
		{true, gone}, {false, late}, {true, late}, {false, moved}, {true, moved},
		{false, last}, {false, killed}, {false, within}, {false, within},
		{false, answer}, {false, synced}}
	for i, step := range j.Steps {
		if i >= len(want) || step.End != want[i].end || !reflect.DeepEqual(*step.Call, want[i].call) {
			t.Fatalf("step %d is %v %+v", i, step.End, *step.Call)
		}
	}
	if len(j.Steps) != len(want) || j.Exit != "SIGKILL" {
		t.Errorf("%d steps, want %d; exit %s", len(j.Steps), len(want), j.Exit)
	}
}

func TestJournalsThatCannotBeRead(t *testing.T) {
	for _, log := range []string{
		`71`,
		`71  fsync`,
		`71  <... fsync resumed>) = 0`,
		`71  pwrite64(8, "\x41"..., 3, 56) = 3`,
		`71  read(8, "\x41"..., 3) = 3`,
		`71  pwrite64(8, "\x4`,
		`71  pwrite64(8<\x41, 3`,
		`71  fsync(8<\x41>) = so`,
		`71  write(8, "\x41"..., 3) = 1`,
	} {
		if _, err := ReadJournal(strings.NewReader(log + "\n")); err == nil {
			t.Errorf("%s was read", log)
		}
	}
}
