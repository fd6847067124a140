package main

// Alarms: what an operator has to hear of without looking. Each is told once when it begins and once
// when it is over, in the log and to alerts.url.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	alarmEvery    = 15 * time.Second // how often everything is looked at
	replicaBehind = 5 * time.Minute
	drillOld      = drillEvery + 2*24*time.Hour
	questionLate  = time.Hour
	forwardLate   = 15 * time.Minute
	refusedMany   = 5 // messages refused for their signature, and none genuine,
	refusedWithin = 10 * time.Minute
	unmailedMany  = 2         // mails in a row
	diskLeast     = 200 << 20 // free bytes beside the database, always
	diskShare     = 10        // one part in so many has to be free too, unless that much is:
	diskPlenty    = 5 << 30
	diskNone      = 256 << 10 // too little for the next batch
)

// alarm looks at one thing; its problem is "" when that is in order.
type alarm struct {
	name    string
	problem func(context.Context) string
}

// raised is an alarm that has begun, as it is kept in a file beside the database, so that a restart
// does not tell it again.
type raised struct {
	Since time.Time `json:"since"`
	Text  string    `json:"text"`
	Told  bool      `json:"told"`
	Over  bool      `json:"over"` // and that is still to be told
}

// alarms watches on behalf of a server.
type alarms struct {
	*server
	url    string
	client *http.Client
	now    func() time.Time
	began  time.Time
	raised map[string]raised

	quiet   time.Time // since when no genuine message has come
	genuine int64     // how many had by then
	refused int64     // how many had been refused by then
}

func newAlarms(s *server) *alarms {
	a := &alarms{
		server: s, url: s.config.Alerts.URL, now: time.Now, began: time.Now(), quiet: time.Now(),
		client: &http.Client{Timeout: 10 * time.Second, CheckRedirect: stayThere},
		raised: map[string]raised{},
	}
	if text, err := os.ReadFile(a.path()); err == nil {
		_ = json.Unmarshal(text, &a.raised) // a torn file only tells an alarm twice
	}
	return a
}

func (a *alarms) path() string { return a.config.Database + "-alarms" }

// watch looks until ctx ends.
func (a *alarms) watch(ctx context.Context) {
	tick := time.NewTicker(alarmEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.look(ctx)
		}
	}
}

// all lists what is looked at. docs/incidents.md has a chapter for each.
func (a *alarms) all() []alarm {
	return []alarm{
		{"replica", a.replicaBehind}, {"drill", a.drillFailed}, {"disk", a.diskFull},
		{"paytm", a.noAnswers}, {"signature", a.allRefused}, {"forward", a.notTaken},
		{"missing", a.neverCame}, {"mail", a.notMailed},
	}
}

// look tells what has begun and what is over.
func (a *alarms) look(ctx context.Context) {
	before := maps.Clone(a.raised)
	for _, alarm := range a.all() {
		text := alarm.problem(ctx)
		r, was := a.raised[alarm.name]
		switch {
		case text != "" && !was:
			a.raised[alarm.name] = raised{Since: a.now().UTC(), Text: text}
			a.log.Error("ALARM", "name", alarm.name, "problem", text)
		case text == "" && was && !r.Over:
			r.Over = true
			a.raised[alarm.name] = r
			a.log.Info("alarm over", "name", alarm.name)
		case text != "" && r.Over: // it came back before its end was told
			r.Over = false
			a.raised[alarm.name] = r
		}
	}
	a.tell(ctx)
	if !maps.Equal(before, a.raised) {
		if err := a.keep(); err != nil {
			a.log.Warn("what was told of alarms can't be kept: a restart may tell it again",
				"cause", err.Error())
		}
	}
}

func (a *alarms) keep() error {
	text, err := json.Marshal(a.raised)
	if err != nil {
		return err
	}
	next := a.path() + ".new"
	return errors.Join(os.WriteFile(next, append(text, '\n'), 0o600), os.Rename(next, a.path()))
}

// tell posts what has not been told yet; what can't be posted is tried again the next time.
func (a *alarms) tell(ctx context.Context) {
	for _, name := range slices.Sorted(maps.Keys(a.raised)) {
		r := a.raised[name]
		if !r.Told && !r.Over {
			r.Told = a.post(ctx, name+": "+r.Text) == nil
			a.raised[name] = r
		}
		if !r.Over {
			continue
		}
		lasted := span(a.now().Sub(r.Since))
		if !r.Told || a.post(ctx, name+": over, after "+lasted) == nil {
			delete(a.raised, name)
		}
	}
}

// post sends one sentence as plain text; Slack's own address wants it wrapped.
func (a *alarms) post(ctx context.Context, text string) error {
	if a.url == "" {
		return nil
	}
	text = "hissa " + a.config.Paytm.MID + ": " + text
	kind, body := "text/plain; charset=utf-8", []byte(text)
	if strings.HasPrefix(a.url, "https://hooks.slack.com/") {
		var err error
		if body, err = json.Marshal(map[string]string{"text": text}); err != nil {
			return err
		}
		kind = "application/json"
	}
	err := a.send(ctx, kind, body)
	if err != nil {
		a.log.Error("an alarm could not be posted to alerts.url", "cause", withoutURL(err))
	}
	return err
}

func (a *alarms) send(ctx context.Context, kind string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", kind)
	answer, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("answered HTTP %d", answer.StatusCode)
	}
	return nil
}

// withoutURL keeps an address whose path may be a secret out of the log.
func withoutURL(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return err.Error()
}

func (a *alarms) replicaBehind(context.Context) string {
	if a.mirror == nil {
		return ""
	}
	s := a.mirror.Status()
	since := s.SyncedAt
	if since.Before(a.began) {
		since = a.began
	}
	if s.InStep || a.now().Sub(since) < replicaBehind {
		return ""
	}
	return "the copy of the database has been behind since " + clock(since) + ": " + s.Error
}

func (a *alarms) drillFailed(context.Context) string {
	if a.mirror == nil {
		return ""
	}
	switch d := lastDrill(a.config.Database); {
	case d == nil:
		return ""
	case !d.OK:
		return d.says()
	case a.now().Sub(d.At) > drillOld:
		return "whether the copy brings the books back was last tried on " + day(d.At)
	}
	return ""
}

func (a *alarms) diskFull(context.Context) string {
	free, whole, err := diskOf(a.config.Database)
	if err != nil || free >= diskPlenty || free >= diskLeast && free >= whole/diskShare {
		return ""
	}
	return fmt.Sprintf("the disk of the database is nearly full: %d MB are free", free>>20)
}

// diskOf says how many bytes are free on the disk of a file, and how many there are.
func diskOf(path string) (free, whole uint64, err error) {
	var fs syscall.Statfs_t
	err = syscall.Statfs(filepath.Dir(path), &fs)
	return fs.Bavail * uint64(fs.Bsize), fs.Blocks * uint64(fs.Bsize), err
}

func (a *alarms) noAnswers(ctx context.Context) string {
	var waits, oldest int64
	err := a.store.read(ctx, func(r rows) error {
		return r.one(q("overdue-polls"), nil, &waits, &oldest)
	})
	if err != nil || oldest == 0 || a.store.now().Sub(time.UnixMilli(oldest)) < questionLate {
		return ""
	}
	return fmt.Sprintf("Paytm's API has given no answer for an hour, and %s for its word",
		plural(waits, "payment")+" wait")
}

// notTaken notices that the shop does not take the messages that are handed on to it.
func (a *alarms) notTaken(ctx context.Context) string {
	if a.config.Paytm.Forward == nil {
		return ""
	}
	switch f, err := a.store.Forwards(ctx); {
	case err != nil:
		return ""
	case !f.Since.IsZero() && a.store.now().Sub(f.Since) >= forwardLate:
		return fmt.Sprintf("%s for the shop since %s: %s",
			plural(f.Waiting, "message")+" wait", clock(f.Since), f.Said)
	case f.GivenUp > 0:
		return fmt.Sprintf("%s never taken by the shop: hissa replay -forwards tries again",
			plural(f.GivenUp, "message")+" was")
	}
	return ""
}

// allRefused notices a wrong merchant key, under which sales would be lost in silence: messages
// come, and not one of them is genuine.
func (a *alarms) allRefused(context.Context) string {
	genuine, refused := a.counts.genuine(), a.counts.refusedWith(http.StatusUnauthorized)
	if genuine != a.genuine || a.now().Sub(a.quiet) > refusedWithin && refused-a.refused < refusedMany {
		a.quiet, a.genuine, a.refused = a.now(), genuine, refused
		return ""
	}
	if refused-a.refused < refusedMany {
		return ""
	}
	return fmt.Sprintf("%d messages were refused for their signature since %s, and none was genuine: "+
		"is the merchant key still right? hissa check", refused-a.refused, clock(a.quiet))
}

// lastWord posts what this process can't look at again, because it ends.
func (a *alarms) lastWord(text string) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	a.log.Error("ALARM", "name", "stopped", "problem", text)
	_ = a.post(ctx, "stopped: "+text)
}

// neverCame is when the last comparison found that too much of what Paytm lists had not come.
func (a *alarms) neverCame(ctx context.Context) string {
	last, err := a.store.LastReconciliation(ctx)
	if err != nil || last == nil || last.Error != "" || last.Completeness() >= complete {
		return ""
	}
	return "by Paytm's list, " + last.told() + ": messages get lost on their way here; " +
		"what was missing is booked"
}

// notMailed notices that no mail goes out, so that partners who ask for a link wait in vain. A server that
// refuses one address is in order.
func (a *alarms) notMailed(context.Context) string {
	n := a.counts.mailless.Load()
	if n < unmailedMany {
		return ""
	}
	return "the last mails could not be sent: hissa check says why"
}
