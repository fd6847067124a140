package main

// Forwarding: Paytm knows one webhook URL for each MID. Where the shop has a handler of its own,
// Hissa takes that URL and hands every message on, byte for byte, after it has answered Paytm. What
// is to be handed on is in the database (store_forward.go), and is tried until the shop takes it.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"code.dny.dev/ssrf"
)

const (
	forwarders     = 4                // messages on their way to the shop at once
	forwardTimeout = 20 * time.Second // for one
)

// retries is how long to wait after each try that failed. They are Standard Webhooks' own, about
// three days in all; after the last a message is given up.
var retries = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// forwarder hands messages on to the shop.
type forwarder struct {
	store  *Store
	url    *url.URL
	client *http.Client
	log    *slog.Logger
	counts *counters
}

func newForwarder(s *server) *forwarder {
	to := s.config.Paytm.Forward
	return &forwarder{store: s.store, url: to, client: clientFor(to), log: s.log, counts: &s.counts}
}

// clientFor is a client for one address. Redirects are not followed: they would lead where nobody has
// chosen.
func clientFor(to *url.URL) *http.Client {
	dialer := dialerFor(to)
	return &http.Client{
		Timeout:       forwardTimeout,
		CheckRedirect: stayThere,
		Transport: &http.Transport{ // and no proxy from the environment
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: forwarders, IdleConnTimeout: time.Minute,
			ResponseHeaderTimeout: forwardTimeout, MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// dialerFor dials a literal address as the operator wrote it. Of a name it dials public addresses
// only, and looks at the last moment, so that whoever controls the name can't reach into this network.
func dialerFor(to *url.URL) *net.Dialer {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if _, err := netip.ParseAddr(to.Hostname()); err != nil {
		dialer.Control = ssrf.New(ssrf.WithAnyPort()).Safe
	}
	return dialer
}

// run hands on until ctx ends.
func (f *forwarder) run(ctx context.Context) {
	messages := schedule[Forward]{
		what: "messages for the shop", atOnce: forwarders, wake: f.store.handOn, log: f.log,
		due: f.store.DueForwards,
		id:  func(m Forward) int64 { return m.ID },
		do:  f.forward,
	}
	messages.run(ctx)
}

// forward tries once and notes what came of it.
func (f *forwarder) forward(ctx context.Context, m Forward) {
	trying, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	said, after, err := "", time.Duration(0), m.Closed
	if err == nil {
		said, after, err = f.post(trying, m.Wire)
	}
	if ctx.Err() != nil {
		return // stopping: the message stays in the queue
	}
	if err == nil {
		f.counts.handedOn.Add(1)
		err = f.store.ForwardTaken(ctx, m.ID, said)
	} else {
		f.counts.notTaken.Add(1)
		wait := retryAfter(m.Tries, after)
		f.log.Warn("the shop has not taken a message", "try", m.Tries+1, "again_in", wait.String(),
			"cause", err.Error())
		err = f.store.ForwardFailed(ctx, m.ID, err.Error(), wait)
	}
	if err != nil && ctx.Err() == nil {
		f.log.Error("forwarding", "cause", err.Error())
		time.Sleep(time.Second) // it is still due: not again at once
	}
}

// retryAfter is when to try again, spread by a tenth so that messages don't come in waves; not before
// the shop asked for, and 0 after the last try.
func retryAfter(tries int, asked time.Duration) time.Duration {
	if tries >= len(retries) {
		return 0
	}
	wait := retries[tries]
	wait += time.Duration(rand.Int64N(int64(wait)/10 + 1))
	return max(wait, min(asked, 24*time.Hour))
}

// post sends the bytes as they came. Only 2xx means that the shop has taken them. The error's words
// name no address, whose path may be a secret.
func (f *forwarder) post(ctx context.Context, w Wire) (said string, after time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url.String(),
		bytes.NewReader(w.Body))
	if err != nil {
		return "", 0, err
	}
	if w.ContentType != "" {
		request.Header.Set("Content-Type", w.ContentType)
	}
	request.Header.Set("User-Agent", "hissa")
	answer, err := f.client.Do(request)
	if err != nil {
		return "", 0, unreachable(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	said = fmt.Sprintf("HTTP %d", answer.StatusCode)
	switch code := answer.StatusCode; {
	case code >= 200 && code <= 299:
		return said, 0, nil
	case code >= 300 && code <= 399:
		return "", 0, errors.New("the shop answered " + said + ", a redirect, which is not followed: " +
			"set paytm.forward to the address it leads to")
	}
	return "", waitAsked(answer.Header), errors.New("the shop answered " + said)
}

// unreachable says why the shop could not be reached.
func unreachable(err error) error {
	switch {
	case errors.Is(err, ssrf.ErrProhibitedIP):
		return errors.New("the name in paytm.forward leads to a private address, which is never " +
			"dialled by name: if that is meant, write the address itself")
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the shop gave no answer within %s", forwardTimeout)
	}
	return errors.New("the shop can't be reached: " + withoutURL(err))
}

// waitAsked is what a Retry-After in seconds asks for.
func waitAsked(header http.Header) time.Duration {
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
