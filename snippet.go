package main

// A partner may share the shop's own page, https://shop.in/?ref=ASHA, in place of a link of ours. Then
// nothing passes through /r/, and the page has to say so: the script that the shop includes sends the
// code, and the answer sets the same cookie that /r/ sets. The script is deploy/shop/hissa.js.
//
// go.shop.in and shop.in are one site, so the cookie is the shop's own and no browser takes it for a
// stranger's. Where the shop is on another site, browsers refuse it, and the page has the click's id
// from the answer, to give to its checkout.

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

//go:embed deploy/shop/hissa.js
var scriptSource string

// script is what is served: the source without its comments and its indentation, plain and packed.
var script = sync.OnceValue(func() asset { return newAsset(aside().ReplaceAllString(scriptSource, "")) })

// aside matches a line that is a comment, and what a line is indented by.
var aside = pattern(`(?m)^ *//.*\n|^ +`)

// asset is a text that is served the same to everybody.
type asset struct {
	plain, packed []byte
	tag           string // what the ETag begins with
}

func newAsset(text string) asset {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // of a buffer and a constant: there is none
	}
	sum := sha256.Sum256([]byte(text))
	return asset{[]byte(text), packed.Bytes(), hex.EncodeToString(sum[:8])}
}

// handleScript is GET /hissa.js. Shops include it under one name for ever, so a browser asks again after
// an hour, and is told that nothing has changed.
func (s *server) handleScript(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("Vary", "Accept-Encoding")
	// Pages that isolate themselves, or pin the file by its hash, may load it too: it is the same for all.
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	script := script()
	text, tag := script.plain, script.tag
	if takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		text, tag = script.packed, script.tag+"-gzip"
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	return nil
}

// takesGzip reports whether a browser takes gzip; one that weighs encodings against each other is no
// browser, and gets the text as it is.
func takesGzip(r *http.Request) bool {
	for _, name := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		if strings.TrimSpace(name) == "gzip" {
			return true
		}
	}
	return false
}

const maxPageClick = 4 << 10 // bytes of a form: a code, six sub-ids and a click

// handlePageClick is POST /v1/clicks: a page of the shop says that a partner's link led to it, or that the
// visitor wants the cookie gone. Only the shop's own pages may: any other could put a partner's cookie
// on every visitor of its own.
func (s *server) handlePageClick(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !s.config.isShop(origin) {
		s.log.Warn("a page that is not the shop's sends clicks: if it is, name its host in links.allow_hosts",
			"origin", printableText(origin, 256))
		return errOrigin
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Allow-Credentials", "true")
	form, err := readPageClick(w, r)
	if err != nil {
		return err
	}
	if form.Has("forget") {
		gone := s.cookie("")
		gone.MaxAge = -1
		http.SetCookie(w, gone)
		return reply(w, http.StatusOK, map[string]string{"click_id": "", "result": "forgotten"})
	}
	click, err := s.recordClick(r, clickRequest{
		code: form.Get("code"), fields: form, uncounted: notAPage(r), known: form.Get("click"),
	})
	if err != nil {
		return err
	}
	if click.result == "counted" {
		http.SetCookie(w, s.cookie(click.id))
	}
	return reply(w, http.StatusOK, map[string]string{"click_id": click.id, "result": click.result})
}

// readPageClick reads a small form. A form is what a page can send without asking first.
func readPageClick(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errMalformed
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxPageClick)
	if r.ParseForm() != nil {
		return nil, errMalformed
	}
	return r.PostForm, nil
}

// isShop reports whether origin, as a browser writes it, is of the shop's pages: the landing page's, or
// a host of allow_hosts over https. While everything runs on this machine, every page on it may.
func (c *Config) isShop(origin string) bool {
	if origin == originOf(c.Links.Landing) {
		return true
	}
	for _, host := range c.Links.AllowHosts {
		if origin == "https://"+strings.ToLower(host) {
			return true
		}
	}
	if u, err := url.Parse(origin); err == nil && onLoopback(c.PublicURL) {
		return onLoopback(u) && origin == u.Scheme+"://"+u.Host
	}
	return false
}

// originOf is what a browser calls the origin of u: a scheme's own port is left out.
func originOf(u *url.URL) string {
	usual := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return u.Scheme + "://" + strings.ToLower(strings.TrimSuffix(u.Host, usual))
}

func onLoopback(u *url.URL) bool {
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}
