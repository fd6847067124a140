package main

// Health and metrics, for an operator's monitor.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"hissa/replica"
)

// counters count since the start of the process.
type counters struct {
	results    [7]atomic.Int64 // in the order of resultNames
	clicks     atomic.Int64
	uncounted  atomic.Int64
	clicksLost atomic.Int64
	answered   atomic.Int64
	unanswered atomic.Int64
	uncopied   atomic.Int64
	handedOn   atomic.Int64
	notTaken   atomic.Int64
	mailed     atomic.Int64
	unmailed   atomic.Int64
	mailless   atomic.Int64    // mails in a row that the server did not take, though the address was good
	refusals   [6]atomic.Int64 // in the order of refusalStatuses
}

var (
	resultNames = []string{
		resultIgnored, resultReview, resultDuplicate, resultConflict,
		resultCredited, resultUnattributed, resultRecorded,
	}
	refusalStatuses = []int{400, 401, 413, 415, 422, 503}
)

// mailing counts a mail by what became of it.
func (c *counters) mailing(err error) {
	var fault mailFault
	switch {
	case err == nil:
		c.mailed.Add(1)
		c.mailless.Store(0)
	case errors.As(err, &fault) && fault.ofAddress():
		c.unmailed.Add(1)
	default:
		c.unmailed.Add(1)
		c.mailless.Add(1)
	}
}

func (c *counters) result(result string) {
	for i, name := range resultNames {
		if name == result {
			c.results[i].Add(1)
		}
	}
}

func (c *counters) refused(status int) {
	for i, s := range refusalStatuses {
		if s == status {
			c.refusals[i].Add(1)
		}
	}
}

// genuine is how many messages were genuine, whatever came of them.
func (c *counters) genuine() (n int64) {
	for i := range c.results {
		n += c.results[i].Load()
	}
	return n
}

func (c *counters) refusedWith(status int) int64 {
	for i, s := range refusalStatuses {
		if s == status {
			return c.refusals[i].Load()
		}
	}
	return 0
}

func (c *counters) click(counted bool) {
	if counted {
		c.clicks.Add(1)
		return
	}
	c.uncounted.Add(1)
}

// handleHealth says that the process serves.
func (s *server) handleHealth(w http.ResponseWriter, r *http.Request) error {
	return reply(w, http.StatusOK, map[string]string{"status": "ok"})
}

// handleReady says whether a webhook would be answered with success now, by asking the writer for
// an empty act, and how the copy stands.
func (s *server) handleReady(w http.ResponseWriter, r *http.Request) error {
	answer := map[string]any{"status": "ready"}
	status := http.StatusOK
	if s.mirror != nil {
		copied := s.mirror.Status()
		answer["replica"] = s.standing(copied)
		waits := s.config.Replica.Ack == "replica" && s.config.Replica.Away == "refuse"
		if waits && !copied.InStep {
			status = http.StatusServiceUnavailable
			answer["status"], answer["reason"] = "unavailable", "the copy can't be written"
		}
	}
	// A full disk takes an empty act all the same.
	if free, _, err := diskOf(s.config.Database); err == nil && free < diskNone {
		status = http.StatusServiceUnavailable
		answer["status"], answer["reason"] = "unavailable", "the disk is full"
	}
	err := s.store.write(r.Context(), s.store.clicks, func(*tx) error { return nil })
	if err != nil {
		s.log.Error("not ready", "cause", err.Error())
		status = http.StatusServiceUnavailable
		answer["status"] = "unavailable"
		answer["reason"] = "the database can't be written: the log says why"
	}
	return reply(w, status, answer)
}

// standing is how the copy stands, for /readyz.
func (s *server) standing(c replica.Status) map[string]any {
	m := map[string]any{"in_step": c.InStep, "fact": c.Seq}
	if c.Error != "" {
		m["error"] = c.Error
	}
	if !c.SyncedAt.IsZero() {
		m["lag_seconds"] = s.lag(c)
	}
	return m
}

// lag is for how long the copy may lack what was booked, in seconds.
func (s *server) lag(c replica.Status) float64 {
	return max(0, time.Since(c.SyncedAt).Round(time.Millisecond).Seconds())
}

// handleMetrics writes the counters in Prometheus's text format, for a key of scope metrics.
func (s *server) handleMetrics(w http.ResponseWriter, r *http.Request) error {
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return errKey
	}
	works, err := s.store.HasKey(secret, "metrics")
	if err != nil {
		return err
	}
	if !works {
		return errKey
	}
	var b strings.Builder
	s.counts.write(&b)
	if err := s.writeQuestions(r.Context(), &b); err != nil {
		return err
	}
	if err := s.writeForwards(r.Context(), &b); err != nil {
		return err
	}
	if err := s.writeReconciliation(r.Context(), &b); err != nil {
		return err
	}
	s.writeMails(&b)
	s.writeReplica(&b)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	_, _ = w.Write([]byte(b.String()))
	return nil
}

// metric begins a metric in Prometheus's text format.
func metric(b *strings.Builder, name, kind, help string) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (c *counters) write(b *strings.Builder) {
	metric(b, "hissa_webhooks_total", "counter",
		"Genuine messages by the result they were answered with.")
	for i, name := range resultNames {
		fmt.Fprintf(b, "hissa_webhooks_total{result=%q} %d\n", name, c.results[i].Load())
	}
	metric(b, "hissa_refused_total", "counter", "Requests refused, by status.")
	for i, status := range refusalStatuses {
		fmt.Fprintf(b, "hissa_refused_total{status=\"%d\"} %d\n", status, c.refusals[i].Load())
	}
	metric(b, "hissa_clicks_total", "counter",
		"Visits through partners' links, by whether they count.")
	fmt.Fprintf(b, "hissa_clicks_total{counted=\"yes\"} %d\n", c.clicks.Load())
	fmt.Fprintf(b, "hissa_clicks_total{counted=\"no\"} %d\n", c.uncounted.Load())
	metric(b, "hissa_clicks_lost_total", "counter", "Visits that could not be stored.")
	fmt.Fprintf(b, "hissa_clicks_lost_total %d\n", c.clicksLost.Load())
	metric(b, "hissa_questions_total", "counter",
		"Questions to Paytm's API, by whether an answer came.")
	fmt.Fprintf(b, "hissa_questions_total{answered=\"yes\"} %d\n", c.answered.Load())
	fmt.Fprintf(b, "hissa_questions_total{answered=\"no\"} %d\n", c.unanswered.Load())
}

// writeQuestions tells how many payments wait for the API's word, and how late the oldest
// question is.
func (s *server) writeQuestions(ctx context.Context, b *strings.Builder) error {
	var waits, oldest int64
	if err := s.store.read(ctx, func(r rows) error {
		return r.one(q("overdue-polls"), nil, &waits, &oldest)
	}); err != nil {
		return err
	}
	metric(b, "hissa_unconfirmed", "gauge", "Payments that wait for the API's word.")
	fmt.Fprintf(b, "hissa_unconfirmed %d\n", waits)
	metric(b, "hissa_question_overdue_seconds", "gauge",
		"How late the oldest question to the API is.")
	overdue := 0.0
	if oldest > 0 {
		overdue = max(0, s.store.now().Sub(time.UnixMilli(oldest)).Seconds())
	}
	fmt.Fprintf(b, "hissa_question_overdue_seconds %g\n", overdue)
	return nil
}

// writeForwards tells how handing messages on to the shop goes, where it is done.
func (s *server) writeForwards(ctx context.Context, b *strings.Builder) error {
	if s.config.Paytm.Forward == nil {
		return nil
	}
	f, err := s.store.Forwards(ctx)
	if err != nil {
		return err
	}
	metric(b, "hissa_forwards_total", "counter", "Tries to hand a message on, by whether the shop took it.")
	fmt.Fprintf(b, "hissa_forwards_total{taken=\"yes\"} %d\n", s.counts.handedOn.Load())
	fmt.Fprintf(b, "hissa_forwards_total{taken=\"no\"} %d\n", s.counts.notTaken.Load())
	metric(b, "hissa_forwards_waiting", "gauge", "Messages that the shop is still to get.")
	fmt.Fprintf(b, "hissa_forwards_waiting %d\n", f.Waiting)
	metric(b, "hissa_forwards_oldest_seconds", "gauge", "Since when the oldest of them waits.")
	oldest := 0.0
	if !f.Since.IsZero() {
		oldest = max(0, s.store.now().Sub(f.Since).Seconds())
	}
	fmt.Fprintf(b, "hissa_forwards_oldest_seconds %g\n", oldest)
	metric(b, "hissa_forwards_given_up", "gauge", "Messages that the shop never took.")
	fmt.Fprintf(b, "hissa_forwards_given_up %d\n", f.GivenUp)
	return nil
}

// writeMails tells how many mails were sent, where any are.
func (s *server) writeMails(b *strings.Builder) {
	if s.mailer == nil {
		return
	}
	metric(b, "hissa_mails_total", "counter", "Mails, by whether the mail server took them.")
	fmt.Fprintf(b, "hissa_mails_total{sent=\"yes\"} %d\n", s.counts.mailed.Load())
	fmt.Fprintf(b, "hissa_mails_total{sent=\"no\"} %d\n", s.counts.unmailed.Load())
}

// writeReconciliation tells how much of Paytm's list the books had when the two were last compared.
func (s *server) writeReconciliation(ctx context.Context, b *strings.Builder) error {
	last, err := s.store.LastReconciliation(ctx)
	if err != nil || last == nil {
		return err
	}
	if last.Error == "" {
		metric(b, "hissa_completeness_percent", "gauge",
			"How much of what Paytm lists the books had as it says.")
		fmt.Fprintf(b, "hissa_completeness_percent %g\n", last.Completeness())
		metric(b, "hissa_unlisted", "gauge", "Payments of the books that Paytm's list lacks.")
		fmt.Fprintf(b, "hissa_unlisted %d\n", last.Unlisted)
	}
	metric(b, "hissa_reconciled_ok", "gauge", "1 when the last comparison with Paytm's list came to its end.")
	fmt.Fprintf(b, "hissa_reconciled_ok %g\n", oneIf(last.Error == ""))
	metric(b, "hissa_reconciled_age_seconds", "gauge", "How long ago that was.")
	fmt.Fprintf(b, "hissa_reconciled_age_seconds %g\n", max(0, s.store.now().Sub(last.At).Seconds()))
	return nil
}

// writeReplica tells how the copy stands, where there is one, and what the last drill found.
func (s *server) writeReplica(b *strings.Builder) {
	if s.mirror == nil {
		return
	}
	c := s.mirror.Status()
	gauge := func(name, help string, value float64) {
		metric(b, name, "gauge", help)
		fmt.Fprintf(b, "%s %g\n", name, value)
	}
	gauge("hissa_replica_in_step", "1 when the last sync of the copy succeeded.", oneIf(c.InStep))
	if !c.SyncedAt.IsZero() {
		gauge("hissa_replica_lag_seconds", "Since when the copy may lack what was booked.", s.lag(c))
	}
	gauge("hissa_replica_fact", "The newest fact that is known to be in the copy.", float64(c.Seq))
	metric(b, "hissa_replica_starts_total", "counter", "How often replication was started.")
	fmt.Fprintf(b, "hissa_replica_starts_total %d\n", c.Starts)
	metric(b, "hissa_uncopied_total", "counter", "Answers given without the copy they should wait for.")
	fmt.Fprintf(b, "hissa_uncopied_total %d\n", s.counts.uncopied.Load())
	if d := lastDrill(s.config.Database); d != nil {
		gauge("hissa_drill_ok", "1 when the last drill brought the books back.", oneIf(d.OK))
		gauge("hissa_drill_age_seconds", "How long ago that was.", time.Since(d.At).Seconds())
		gauge("hissa_drill_seconds", "How long it took.", d.Seconds)
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
