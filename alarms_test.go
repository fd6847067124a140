package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// pager takes what is posted, unless it is out of order.
type pager struct {
	*alarms
	testing.TB
	broken bool
	heard  []string
	clock  time.Time
}

func newPager(t testing.TB) *pager {
	t.Helper()
	b := openBooks(t, testTerms())
	p := &pager{TB: t, clock: time.Now()}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil || p.broken {
			http.Error(w, "later", http.StatusBadGateway)
			return
		}
		p.heard = append(p.heard, r.Header.Get("Content-Type")+" "+string(text))
	}))
	t.Cleanup(web.Close)
	config := &Config{Database: filepath.Join(t.TempDir(), "hissa.db")}
	config.Paytm.MID, config.Alerts.URL = "SHOP0001", web.URL
	s := &server{config: config, store: b.Store, log: slog.New(slog.DiscardHandler)}
	p.alarms = newAlarms(s)
	p.now = func() time.Time { return p.clock }
	return p
}

// looks lets time pass, looks once, and wants to hear exactly this.
func (p *pager) looks(after time.Duration, want ...string) {
	p.Helper()
	p.clock = p.clock.Add(after)
	p.heard = nil
	p.look(context.Background())
	if len(p.heard) != len(want) {
		p.Fatalf("heard %q, want %q", p.heard, want)
	}
	for i, text := range want {
		if !regexp.MustCompile(text).MatchString(p.heard[i]) {
			p.Errorf("heard %q, want %q", p.heard[i], text)
		}
	}
}

func (p *pager) refuses(n int) {
	for range n {
		p.counts.refused(http.StatusUnauthorized)
	}
}

// A wrong merchant key: messages come, none is genuine. It is told once, also after a restart, and
// once when it is over.
func TestAnAlarmIsToldOnce(t *testing.T) {
	p := newPager(t)
	p.looks(0)
	p.refuses(4)
	p.looks(time.Minute)
	p.refuses(1)
	p.looks(time.Minute, `^text/plain; charset=utf-8 hissa SHOP0001: signature: 5 messages were refused .* hissa check$`)
	p.refuses(100)
	p.looks(time.Hour)

	again := newAlarms(p.server) // a restart
	if !again.raised["signature"].Told {
		t.Error("after a restart it would be told again")
	}
	p.counts.result(resultCredited)
	p.looks(time.Minute, `^\S+ \S+ hissa SHOP0001: signature: over, after 1 hour$`)
	p.looks(time.Minute)
}

// Refusals among genuine messages, or few in a long time, are strangers and no alarm.
func TestStrangersAreNoAlarm(t *testing.T) {
	p := newPager(t)
	for range 20 {
		p.refuses(3)
		p.counts.result(resultDuplicate)
		p.looks(time.Minute)
	}
	for range 20 {
		p.refuses(2)
		p.looks(2 * refusedWithin)
	}
}

// What could not be posted is posted when it can be; what is over by then is not told at all.
func TestAlarmsWaitForThePager(t *testing.T) {
	p := newPager(t)
	p.broken = true
	p.refuses(5)
	p.looks(time.Minute)
	p.broken = false
	p.looks(time.Minute, `signature: 5 messages`)
	p.broken = true
	p.counts.result(resultCredited)
	p.looks(time.Minute)
	p.broken = false
	p.looks(time.Minute, `signature: over`)

	p.broken = true
	p.refuses(5)
	p.looks(time.Minute)
	p.counts.result(resultCredited)
	p.looks(time.Minute)
	p.broken = false
	p.looks(time.Minute)
}

// A drill that failed, and one that is old, are alarms where there is a copy.
func TestDrillAlarm(t *testing.T) {
	t.Parallel()
	c := newChild(t)
	c.copies("file://" + filepath.Join(t.TempDir(), "copy"))
	web := make(chan string, 10)
	pager := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		web <- string(text)
	}))
	defer pager.Close()
	text, err := os.ReadFile(c.config())
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "[alerts]\nurl = \""+pager.URL+"\"\n"...)
	if err := os.WriteFile(c.config(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Drill{At: time.Now(), What: "page 7 is torn", Wanting: true}).keep(c.database()); err != nil {
		t.Fatal(err)
	}
	c.start()
	select {
	case heard := <-web:
		if !strings.HasSuffix(heard, "drill: the copy would not bring the books back: page 7 is torn") {
			t.Errorf("heard %q", heard)
		}
	case <-time.After(time.Minute):
		t.Error("nothing was heard")
	}
	if testing.Short() {
		return
	}
	c.inStep()
	c.must("drill")
	select {
	case heard := <-web:
		if !strings.Contains(heard, "drill: over, after") {
			t.Errorf("heard %q", heard)
		}
	case <-time.After(time.Minute):
		t.Error("its end was not heard")
	}
}

// A question that Paytm's API has not answered for an hour.
func TestPaytmAlarm(t *testing.T) {
	b := openBooks(t, testTerms())
	b.partner("ASHA")
	b.send(payment("T1", "1"))
	a := newAlarms(&server{config: &Config{Database: filepath.Join(t.TempDir(), "x.db")}, store: b.Store,
		log: slog.New(slog.DiscardHandler)})
	if got := a.noAnswers(b.ctx()); got != "" {
		t.Errorf("at once: %s", got)
	}
	b.wait(61 * time.Minute)
	if got := a.noAnswers(b.ctx()); !strings.Contains(got, "no answer for an hour, and 1 payment wait") {
		t.Errorf("after an hour: %q", got)
	}
}

// A full disk.
func TestDiskAlarm(t *testing.T) {
	a := newAlarms(&server{config: &Config{Database: "/proc/hissa.db"}, log: slog.New(slog.DiscardHandler)})
	if got := a.diskFull(t.Context()); !strings.Contains(got, "nearly full: 0 MB") {
		t.Errorf("on /proc, where nothing is free: %q", got)
	}
}

// That no mail goes out is an alarm; that one address is refused is none. The next mail ends it.
func TestMailAlarm(t *testing.T) {
	p := newPager(t)
	for range 5 {
		p.counts.mailing(mailFault{toReceiver, "the server answers 550"})
	}
	p.counts.mailing(mailFault{"greeting", "no answer in time"})
	p.looks(0)
	p.counts.mailing(nil)
	p.counts.mailing(mailFault{"greeting", "no answer in time"})
	p.looks(0)
	p.counts.mailing(mailFault{toReceiver, "the server answers 550 5.7.1"}) // it relays for nobody
	p.looks(0, `mail: .* hissa check`)
	p.counts.mailing(mailFault{toReceiver, "the server answers 550"})
	p.looks(0)
	p.counts.mailing(nil)
	p.looks(time.Minute, `mail: over, after 1 minute$`)
}

// Every alarm has its chapter, and there is none for what is no alarm.
func TestEveryAlarmHasItsChapter(t *testing.T) {
	text, err := os.ReadFile("docs/incidents.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range regexp.MustCompile("(?m)^## `([a-z]+)`").FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1])
	}
	for _, a := range (&alarms{}).all() {
		want = append(want, a.name)
	}
	want = append(want, "stopped")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("docs/incidents.md has %v, the alarms are %v", got, want)
	}
}

// The address, which may be a secret, is in no log.
func TestAlarmAddressIsNotLogged(t *testing.T) {
	var log strings.Builder
	config := &Config{Database: filepath.Join(t.TempDir(), "x.db")}
	config.Alerts.URL = "http://127.0.0.1:9/SECRET"
	a := newAlarms(&server{config: config, log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := a.post(t.Context(), "x"); err == nil || errors.Is(err, context.Canceled) {
		t.Fatal("nothing listens there")
	}
	if strings.Contains(log.String(), "SECRET") || !strings.Contains(log.String(), "could not be posted") {
		t.Errorf("the log says %s", log.String())
	}
}
