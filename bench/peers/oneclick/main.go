// Command oneclick sends a visitor of a partner's link on to the shop, with a cookie, and stores a
// row for each click before it does: what a developer writes first. With -store=false it stores
// nothing, which leaves what HTTP costs.
package main

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"flag"
	"log"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"hissa/bench/peers/peer"
	"hissa/bench/peers/sqlite"
)

const landing = "https://shop.example/"

const schema = `CREATE TABLE IF NOT EXISTS clicks (
	id   TEXT NOT NULL,
	code TEXT NOT NULL,
	at   INTEGER NOT NULL, -- seconds of Unix time
	PRIMARY KEY (id)
) STRICT, WITHOUT ROWID`

func main() {
	store := flag.Bool("store", true, "store each click before the visitor is sent on")
	peer.Main(func(o peer.Options) (peer.Service, error) {
		s := &service{mux: http.NewServeMux()}
		s.mux.HandleFunc("GET /r/{code}", s.click)
		s.mux.HandleFunc("GET /count", s.count)
		s.mux.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
		if !*store {
			return s, nil
		}
		return s, s.open(filepath.Join(o.Data, "clicks.db"))
	})
}

// service has a nil db when nothing is stored.
type service struct {
	mux     *http.ServeMux
	writing sync.Mutex // held for each insert
	db      *sql.DB
	insert  *sql.Stmt
	served  atomic.Int64
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *service) open(path string) (err error) {
	if s.db, err = sqlite.Open(path, schema); err != nil {
		return err
	}
	if s.insert, err = s.db.Prepare(`INSERT INTO clicks (id, code, at) VALUES (?, ?, ?)`); err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

func (s *service) Close() error {
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}

// click stores the visit, if that is wanted, and sends the visitor on.
func (s *service) click(w http.ResponseWriter, r *http.Request) {
	id := rand.Text()
	if s.db != nil {
		if err := s.keep(id, r.PathValue("code")); err != nil {
			log.Print(err)
			http.Error(w, "storage", http.StatusServiceUnavailable)
			return
		}
	}
	s.served.Add(1)
	http.SetCookie(w, &http.Cookie{Name: "click", Value: id, Path: "/", HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: 30 * 24 * 60 * 60})
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", landing)
	w.WriteHeader(http.StatusFound)
}

// keep takes no context: a visitor who is gone still clicked.
func (s *service) keep(id, code string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.insert.Exec(id, code, time.Now().Unix())
	return err
}

// count answers with the rows there are; where none are stored, with the clicks served.
func (s *service) count(w http.ResponseWriter, r *http.Request) {
	n := s.served.Load()
	if s.db != nil {
		row := s.db.QueryRowContext(r.Context(), `SELECT count(*) FROM clicks`)
		if err := row.Scan(&n); err != nil {
			log.Print(err)
			http.Error(w, "storage", http.StatusServiceUnavailable)
			return
		}
	}
	peer.Reply(w, map[string]int64{"clicks": n})
}
