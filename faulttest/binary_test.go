package faulttest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// built holds the binaries of this run: hissa as it is, and those weakened on purpose.
var built struct {
	dir   string
	mu    sync.Mutex
	paths map[string]string
}

// TestMain builds hissa once, as it is released: one static binary.
func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	built.paths = map[string]string{}
	if built.dir, err = os.MkdirTemp("", "hissa-faulttest-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(built.dir)
	if os.Getenv(inNamespace) != "" { // see disk_test.go: the binary comes from outside
		built.paths = nil
		return m.Run(), nil
	}
	if built.paths[""], err = compile("hissa"); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// compile builds the root module, which the go command finds in the folder above.
func compile(name string, flags ...string) (string, error) {
	path := filepath.Join(built.dir, name)
	args := append([]string{"build", "-buildvcs=false", "-o", path}, flags...)
	build := exec.Command("go", append(args, ".")...)
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// hissa is the binary under test.
func hissa(t testing.TB) string {
	t.Helper()
	return binaryNamed(t, "")
}

func binaryNamed(t testing.TB, name string) string {
	t.Helper()
	if built.paths == nil {
		return os.Getenv(inNamespace)
	}
	built.mu.Lock()
	defer built.mu.Unlock()
	if path := built.paths[name]; path != "" {
		return path
	}
	path, err := compileWeakened(t, name)
	if err != nil {
		t.Fatal(err)
	}
	built.paths[name] = path
	return path
}

// edit is one piece of a source that a weakened binary has otherwise.
type edit struct{ file, old, new string }

// weaknesses are the promises that hissa keeps, each taken away. A control runs a test against one
// of them and demands that the test fails. The sources on the disk stay as they are: the go
// command reads the changed ones from an overlay.
var weaknesses = map[string][]edit{
	"commits are synced at checkpoints only": {
		{"store_open.go", `"synchronous = FULL"`, `"synchronous = NORMAL"`},
		{"store_open.go", `sync != 2`, `sync != 1`},
	},
	"nothing is ever synced": {
		{"store_open.go", `"synchronous = FULL"`, `"synchronous = OFF"`},
		{"store_open.go", `sync != 2`, `sync != 0`},
	},
	"the answer goes out before the commit": {
		{"store.go", `	if err := w.exec("COMMIT"); err != nil {
`, `	for _, j := range batch {
		j.done <- j.err
		j.done = make(chan error, 1)
	}
	if err := w.exec("COMMIT"); err != nil {
`},
	},
	"a payment may have two rows": {
		{"schema/001.sql", "  why          TEXT NOT NULL,     -- nobody earned: why\n" +
			"  UNIQUE (gateway, mid, txn_id)\n",
			"  why          TEXT NOT NULL      -- nobody earned: why\n"},
		{"store_payment.go", "	known := txn != nil\n", "	known := txn != nil && txn.ID < 0\n"},
	},
	"a failed sync is tried again": {
		{"store.go", "			closeOnce(w.store.broken)\n", ""},
	},
	"the journal found at the start is believed": {
		{"store.go", `"BEGIN IMMEDIATE"); err != nil || w.sound {`,
			`"BEGIN IMMEDIATE"); err != nil || !w.sound {`},
	},
	"nobody asks how a statement ended": {
		{"sqlite.go", "	code := sqlite3.Xsqlite3_reset(s.tls, s.handle)\n",
			"	sqlite3.Xsqlite3_reset(s.tls, s.handle)\n	code := int32(sqlite3.SQLITE_OK)\n"},
	},
	"an empty file is taken for a new database": {
		{"store_open.go", "info.Size() < 512:", "info.Size() < 0:"},
	},
	"nobody takes the lock": {
		{"lock.go", "syscall.LOCK_EX|syscall.LOCK_NB", "syscall.LOCK_SH|syscall.LOCK_NB"},
	},
	"a newer schema is taken for ours": {
		{"store_open.go", "case have > newest:", "case have > 100000:"},
		{"store_open.go", "if have == len(files) {", "if have >= len(files) {"},
	},
	"a database is made in its own place": {
		{"store_open.go", "	if err := makeDatabase(path, o); err != nil {", `	if f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err == nil {
		return f.Close()
	}
	if err := makeDatabase(path, o); err != nil {`},
	},
	"the database is opened and closed beside SQLite": {
		{"store.go", `	"log/slog"`, "	\"log/slog\"\n	\"os\""},
		{"store.go", "	var halfway bool\n", `	var halfway bool
	if f, err := os.Open(w.store.path); err == nil {
		f.Close()
	}
`},
	},
	"it stops at once, and answers before the commit": {
		{"main.go", `	log.Info("stopping: requests inside are answered first")`, `	os.Exit(0)`},
		{"store.go", `	if err := w.exec("COMMIT"); err != nil {
`, `	for _, j := range batch {
		j.done <- j.err
		j.done = make(chan error, 1)
	}
	time.Sleep(20 * time.Millisecond)
	if err := w.exec("COMMIT"); err != nil {
`},
	},
	"Paytm's times are taken for UTC": {
		{"paytm/values.go", `time.FixedZone("IST", 19800)`, `time.FixedZone("IST", 0)`},
	},
	"the time of payment is that of receipt": {
		{"webhook.go", "PaidAt: m.PaidAt,", "PaidAt: time.Now(),"},
		{"attribution.go", "p.PaidAt = a.PaidAt", "p.PaidAt = p.FirstAt"}, // the API says it, too
	},
	turnedClock: {
		{"store.go", `	"log/slog"`, "	\"log/slog\"\n	\"os\""},
		{"store.go", "		o.Clock = time.Now\n", `		o.Clock = func() time.Time {
			text, _ := os.ReadFile(path + ".clock")
			ahead, _ := time.ParseDuration(string(text))
			return time.Now().Add(ahead)
		}
`},
	},
	"every batch leaks a descriptor": {
		{"lock.go", "// release leaves",
			"func leak() { _, _ = syscall.Open(os.DevNull, 0, 0) }\n\n// release leaves"},
		{"store.go", "	var halfway bool\n", "	var halfway bool\n	leak()\n"},
	},
	"the outcome of a commit is not looked at": {
		{"store.go", `	if err := w.exec("COMMIT"); err != nil {
		return err
	}
`, `	_ = w.exec("COMMIT")
`},
	},
	"a message for the shop is queued after the answer": {
		{"store_payment.go", "		return more(t, n)\n", `		go func() {
			time.Sleep(20 * time.Millisecond)
			_ = s.write(context.Background(), s.clicks, func(t *tx) error { return more(t, n) })
		}()
		return nil
`},
	},
	"a migration is not one transaction": {
		{"store_open.go", `	if err := w.direct.script(string(text) + mark); err != nil {`,
			`	if i > 0 {
			for _, s := range []string{"COMMIT; BEGIN IMMEDIATE;" + mark + "COMMIT", string(text), "BEGIN"} {
				if err := w.direct.script(s); err != nil {
					return err
				}
			}
			continue
		}
		if err := w.direct.script(string(text) + mark); err != nil {`},
	},
	"a message is committed before its commission": {
		{"store_payment.go", `	now, err := t.settle(n.TxnID, txn, position)
`, `	for _, s := range []string{"COMMIT", "BEGIN IMMEDIATE"} {
		if err := t.exec(s); err != nil {
			return "", err
		}
	}
	now, err := t.settle(n.TxnID, txn, position)
`},
	},
}

func compileWeakened(t testing.TB, name string) (string, error) {
	t.Helper()
	edits, ok := weaknesses[name]
	if !ok {
		t.Fatalf("no weakness is called %q", name)
	}
	dir, err := os.MkdirTemp(built.dir, "weak-")
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, e := range edits {
		original, err := filepath.Abs(filepath.Join("..", e.file))
		if err != nil {
			return "", err
		}
		from, ok := replace[original]
		if !ok {
			from = original
			replace[original] = filepath.Join(dir, fmt.Sprint(i, filepath.Ext(e.file)))
		}
		if err := e.apply(from, replace[original]); err != nil {
			return "", fmt.Errorf("the control %q has to be written anew: %w", name, err)
		}
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return "", err
	}
	return compile(filepath.Join(filepath.Base(dir), "hissa"), "-overlay", overlay)
}

// apply makes the edit; text that is not there exactly once is an error, for the control would
// then be hissa itself.
func (e edit) apply(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), e.old); n != 1 {
		return fmt.Errorf("%s has %d times\n%s", e.file, n, e.old)
	}
	return os.WriteFile(to, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600)
}

// cycles is how often a test repeats: in CI, and in the long lane or a piece of it.
func cycles(ci, long int) int {
	if _, pieces := longLane(); pieces > 0 {
		return (long + pieces - 1) / pieces
	}
	if testing.Short() && ci > 0 {
		return max(1, ci/10)
	}
	return ci
}

// longLane reads HISSA_LONG: 1 is the whole long lane, 3/20 the third of twenty pieces of it, which make up
// other random things each. Without it there are no pieces.
func longLane() (piece, pieces int) {
	switch text := os.Getenv("HISSA_LONG"); text {
	case "":
		return 0, 0
	case "1":
		return 1, 1
	default:
		_, err := fmt.Sscanf(text, "%d/%d", &piece, &pieces)
		if err != nil || piece < 1 || piece > pieces || fmt.Sprintf("%d/%d", piece, pieces) != text {
			panic("HISSA_LONG=" + text + ": it is 1, or a piece such as 3/20")
		}
		return piece, pieces
	}
}

// needs skips a test where a tool is missing, or fails it with HISSA_REQUIRE_TOOLS=1.
func needs(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		text := fmt.Sprintf("%s is missing: apt-get install %s", tool, tool)
		if os.Getenv("HISSA_REQUIRE_TOOLS") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
}
