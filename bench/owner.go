package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// owner is somebody of the shop who looks at hissa's pages.
type owner struct {
	client *http.Client
	server *server
}

// signIn makes an owner and opens the link with which they choose a password and are signed in.
func (h *hissa) signIn(ctx context.Context, s *server, email string) (*owner, error) {
	said, err := h.run(ctx, "admin", "add", email)
	if err != nil {
		return nil, err
	}
	link, err := url.Parse(strings.TrimSpace(said))
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	o := &owner{server: s, client: &http.Client{Jar: jar, Timeout: answerWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	const password = "a long enough password"
	form := url.Values{"password": {password}, "again": {password}}
	r, err := http.NewRequestWithContext(ctx, "POST", s.url(link.Path), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := o.client.Do(r)
	if err != nil {
		return nil, err
	}
	drain(answer)
	if answer.StatusCode != http.StatusSeeOther {
		return nil, fmt.Errorf("an owner could not sign in: %s", answer.Status)
	}
	return o, nil
}

// waits is how long a page takes, in microseconds. It has to say something that only the right page says.
func (o *owner) waits(ctx context.Context, path, says string) (took float64, err error) {
	r, err := http.NewRequestWithContext(ctx, "GET", o.server.url(path), nil)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	answer, err := o.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	took = microseconds(time.Since(start))
	if answer.StatusCode != http.StatusOK || !strings.Contains(string(page), says) {
		return 0, fmt.Errorf("GET %s: %s, and it does not say %s", path, answer.Status, says)
	}
	return took, nil
}
