package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hissa/paytm/paytmtest"
)

// partners is how many bring the orders, in turn.
const partners = 20

func partnerCode(i int) string { return fmt.Sprintf("PARTNER%02d", i%partners) }

// hissa is the program that this is about, used through its own surface alone.
type hissa struct {
	binary string
	config string
	secret string // lets the shop bind orders
	facts  int64  // rows of its chain that are neither a message nor an entry of the ledger
}

func (h *hissa) prepare(ctx context.Context, w *workshop) (err error) {
	h.binary, err = w.compile(ctx, "..", "hissa", "CGO_ENABLED=0") // as it is released
	return err
}

// Asking Paytm's API about every payment is off, and so is the daily reconciliation: a run makes
// no outbound request, and what the API's answers cost later is not measured. Should hissa ask all
// the same, nobody listens there.
const hissaConfig = `listen = %q
public_url = "http://127.0.0.1:8080"
database = "hissa.db"
[links]
landing = "https://shop.example/"
[paytm]
environment = "staging"
mid = %q
merchant_key = "file:paytm.key"
confirm = false
api_url = "http://127.0.0.1:1"
[commission]
rate = "10%%"
hold = "14d"
[reconcile]
daily = false
`

func (h *hissa) open(ctx context.Context, dir string) error {
	h.config = filepath.Join(dir, "hissa.toml")
	key := filepath.Join(dir, "paytm.key")
	if err := os.WriteFile(key, []byte(paytmtest.DefaultMerchantKey), 0o600); err != nil {
		return err
	}
	if _, err := h.argv(dir, "127.0.0.1:0"); err != nil {
		return err
	}
	h.facts = 2 // the terms, and who brought them
	for i := range partners {
		if _, err := h.run(ctx, "partner", "add", "-code", partnerCode(i)); err != nil {
			return err
		}
		h.facts += 2 // the partner and the code
	}
	secret, err := h.run(ctx, "key", "add", "bench")
	h.secret = strings.TrimSpace(secret)
	return err
}

// run is one command to its end, and what it wrote.
func (h *hissa) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, h.binary, append(args, "-config", h.config)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("hissa %s: %w\n%s%s", strings.Join(args, " "), err, out, &said)
	}
	return string(out), nil
}

// argv writes the address into the configuration, where hissa wants it.
func (h *hissa) argv(_, listen string) ([]string, error) {
	text := fmt.Sprintf(hissaConfig, listen, paytmtest.DefaultMID)
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return []string{h.binary, "serve", "-new", "-config", h.config}, nil
}

func (h *hissa) ready() string       { return "/readyz" }
func (h *hissa) visited(times int64) { h.facts += times }

// seedConnections are enough that hissa's batches are full while it is seeded.
const seedConnections = 128

// seed brings each order as the world would: a visitor follows a partner's link, and the shop says
// which order came of the click in the cookie.
func (h *hissa) seed(ctx context.Context, s *server, orders []string) error {
	client := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: seedConnections},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       answerWithin,
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var taken atomic.Int64
	var all sync.WaitGroup
	for range seedConnections {
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(taken.Add(1) - 1)
				if i >= len(orders) {
					return
				}
				if err := h.bring(ctx, client, s, orders[i], i); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	h.facts += 2 * int64(len(orders)) // each a click and an order
	return context.Cause(ctx)
}

// bring is the i-th visit and the order that came of it.
func (h *hissa) bring(ctx context.Context, client *http.Client, s *server, order string, i int) error {
	partner := partnerCode(i)
	visit, err := http.NewRequestWithContext(ctx, "GET", s.url("/r/"+partner), nil)
	if err != nil {
		return err
	}
	visit.Header.Set("User-Agent", browser)
	visit.Header.Set("X-Forwarded-For", visitorAddress(i))
	sent, err := client.Do(visit)
	if err != nil {
		return err
	}
	drain(sent)
	var click string
	for _, c := range sent.Cookies() {
		if c.Name == "hissa_click" {
			click = c.Value
		}
	}
	if click == "" {
		return fmt.Errorf("GET /r/%s: status %d and no cookie", partner, sent.StatusCode)
	}
	body, err := json.Marshal(map[string]string{"order_id": order, "click_id": click})
	if err != nil {
		return err
	}
	bind, err := http.NewRequestWithContext(ctx, "POST", s.url("/v1/orders"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	bind.Header.Set("Authorization", "Bearer "+h.secret)
	bound, err := client.Do(bind)
	if err != nil {
		return err
	}
	drain(bound)
	if bound.StatusCode != http.StatusCreated {
		return fmt.Errorf("POST /v1/orders: status %d", bound.StatusCode)
	}
	return nil
}

// drain reads an answer to its end, so that its connection can be used again.
func drain(answer *http.Response) {
	_, _ = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
}

// verified is what hissa verify says when the books are in order.
type verified struct{ Facts, Entries, Transactions int64 }

func (h *hissa) verify(ctx context.Context) (v verified, took time.Duration, err error) {
	start := time.Now()
	out, err := h.run(ctx, "verify", "-json")
	if err != nil {
		return v, 0, err
	}
	return v, time.Since(start), json.Unmarshal([]byte(out), &v)
}

// finish has hissa recompute its books. The messages are what is left of the facts when everything
// else is taken away.
func (h *hissa) finish(ctx context.Context, s *server) (books, error) {
	if err := s.stop(); err != nil {
		return books{}, err
	}
	v, _, err := h.verify(ctx)
	return books{Payments: v.Transactions, Commissions: v.Entries, Messages: v.Facts - v.Entries - h.facts}, err
}
