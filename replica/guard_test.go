package replica

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/litestream"
)

const runsAs = "HISSA_TEST_RUNS_AS"

// TestMain is also the child process: of ours, or one that runs Litestream as it is.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(runsAs) {
	case "":
		os.Exit(m.Run())
	case "child":
		err = Run(os.Stdin, os.Stdout)
	case "litestream":
		err = litestreamAlone(os.Args[1], os.Args[2])
	}
	if err != nil {
		os.Exit(1)
	}
}

func litestreamAlone(database, folder string) error {
	place, err := Parse("file://" + folder)
	if err != nil {
		return err
	}
	client, err := place.client(1)
	if err != nil {
		return err
	}
	db := litestream.NewDB(database)
	db.SetMetaPath(filepath.Join(database+"-litestream", folderOf(1)))
	db.MonitorInterval = 0
	db.Replica = litestream.NewReplicaWithClient(db, client)
	db.Replica.MonitorEnabled = false
	ctx := context.Background()
	if err := db.Open(); err != nil {
		return err
	}
	return db.SyncAndWait(ctx) // and ends as if it were killed
}

// shop is a database whose journal is long and wholly in the database file, as it is after a start that
// found the journal of a killed process: the next writer starts it anew.
type shop struct {
	*testing.T
	path string
	db   *sql.DB
}

const shopRows = 4000

func newShop(t *testing.T) *shop {
	s := &shop{T: t, path: filepath.Join(t.TempDir(), "shop.db")}
	var err error
	s.db, err = sql.Open("sqlite", "file:"+s.path+"?_pragma=busy_timeout(5000)"+
		"&_pragma=journal_mode(wal)&_pragma=synchronous(off)&_pragma=wal_autocheckpoint(0)")
	if err != nil {
		t.Fatal(err)
	}
	s.db.SetMaxOpenConns(1)
	t.Cleanup(func() { s.db.Close() })
	s.exec("CREATE TABLE sales (id INTEGER PRIMARY KEY, round INTEGER, text BLOB)")
	// Litestream's own tables, which an earlier start has left.
	s.exec("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
	s.exec("CREATE TABLE _litestream_lock (id INTEGER)")
	s.exec("CREATE INDEX sales_of_round ON sales (round, id)")
	s.exec(`WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO sales SELECT i, 0, randomblob(3000) FROM n`, shopRows)
	var busy, frames, inFile int
	// The pages that are read last stand first in the journal, where a writer begins.
	s.exec("PRAGMA wal_checkpoint(TRUNCATE)")
	s.exec("UPDATE sales SET text = randomblob(3000) WHERE id > ?", shopRows/2)
	s.exec("UPDATE sales SET text = randomblob(3000) WHERE id <= ?", shopRows/2)
	if err := s.db.QueryRow("PRAGMA wal_checkpoint").Scan(&busy, &frames, &inFile); err != nil ||
		frames < shopRows || inFile != frames {
		t.Fatal(busy, frames, inFile, err)
	}
	return s
}

func (s *shop) exec(query string, values ...any) {
	s.Helper()
	if _, err := s.db.Exec(query, values...); err != nil {
		s.Fatal(err)
	}
}

// sells writes from the moment at which Litestream has looked which frames the journal holds, and begins
// to read them, until stop.
func (s *shop) sells(stop <-chan struct{}) {
	looked := filepath.Join(s.path+"-litestream", folderOf(1), "ltx", "0", "*.ltx*")
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if found, _ := filepath.Glob(looked); len(found) > 0 {
			break
		}
		time.Sleep(100 * time.Microsecond)
	}
	for id := 1; ; id = id%shopRows + 1 {
		if id > 300 { // the frames that matter are written over
			time.Sleep(time.Millisecond)
		}
		select {
		case <-stop:
			return
		default:
		}
		if _, err := s.db.Exec("UPDATE sales SET round = round + 1, text = randomblob(3000) WHERE id = ?",
			id); err != nil {
			s.Error(err)
			return
		}
	}
}

// selling sells beside the test, until it calls what is returned or ends.
func (s *shop) selling() (ends func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { s.sells(stop); close(done) }()
	ends = sync.OnceFunc(func() { close(stop); <-done })
	s.Cleanup(ends)
	return ends
}

// sum is what the rows come to.
func (s *shop) sum(db *sql.DB) (sum int64) {
	s.Helper()
	if err := db.QueryRow("SELECT sum(id * (round + 1)) FROM sales").Scan(&sum); err != nil {
		s.Fatal(err)
	}
	return sum
}

// restored is what the first epoch in a folder comes to, or why it can't be restored.
func (s *shop) restored(folder string) (int64, error) {
	s.Helper()
	place, err := Parse("file://" + folder)
	if err != nil {
		s.Fatal(err)
	}
	file := filepath.Join(s.TempDir(), "back.db")
	if err := place.restore(context.Background(), 1, time.Time{}, file); err != nil {
		return 0, err
	}
	back, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		s.Fatal(err)
	}
	defer back.Close()
	return s.sum(back), nil
}

// A sale that comes while the first state is copied does not spoil it. The control is Litestream as it
// is: should it pass one day, guard.go may go.
func TestTheFirstStateIsWhole(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	t.Run("ours", func(t *testing.T) {
		s, folder := newShop(t), filepath.Join(t.TempDir(), "copy")
		cmd := exec.CommandContext(ctx, self)
		cmd.Env = append(os.Environ(), runsAs+"=child")
		in, out := pipes(t, cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		orders, reports := json.NewEncoder(in), json.NewDecoder(out)
		tell := func(o order) (r report) {
			if err := orders.Encode(o); err != nil {
				t.Fatal(err)
			}
			for !r.Ready && r.Synced == 0 {
				if err := reports.Decode(&r); err != nil || r.Error != "" {
					t.Fatal(r.Error, err)
				}
			}
			return r
		}
		tell(order{Start: &start{URL: "file://" + folder, Database: s.path, Epoch: 1}})
		ends := s.selling()
		for number := range int64(3) {
			tell(order{Sync: number + 1})
		}
		ends()
		tell(order{Sync: 4})
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		sum, err := s.restored(folder)
		if want := s.sum(s.db); err != nil || sum != want {
			t.Errorf("the copy comes to %d (%v), the database to %d", sum, err, want)
		}
	})
	t.Run("control", func(t *testing.T) {
		if testing.Short() {
			t.Skip("it may take several tries")
		}
		for range 8 { // mostly once: the writer must come while the frames are read
			s, folder := newShop(t), filepath.Join(t.TempDir(), "copy")
			cmd := exec.CommandContext(ctx, self, s.path, folder)
			cmd.Env = append(os.Environ(), runsAs+"=litestream")
			ends := s.selling()
			out, err := cmd.CombinedOutput()
			ends()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			_, err = s.restored(folder)
			if err != nil && strings.Contains(err.Error(), "integrity") {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Error("Litestream alone made a whole copy each time: this test sees nothing")
	})
}

func pipes(t *testing.T, cmd *exec.Cmd) (io.Writer, io.Reader) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	return in, out
}
