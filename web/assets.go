package web

// The stylesheet stands in every page: asking for it would keep a new visitor on a slow phone waiting for once
// more to the server and back, and packed it is smaller than many a picture. The script can wait. Its name
// carries a hash of what is in it, so browsers keep it for ever and a new version is a new name.

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

//go:embed hissa.css
var stylesheet string

// sheet is the stylesheet without comments and indentation.
var sheet = sync.OnceValue(func() template.CSS {
	return template.CSS(regexp.MustCompile(`(\s*/\*[^*]*\*/)?\n\s*`).ReplaceAllString(stylesheet, "\n"))
})

// Policy is the Content-Security-Policy that every page keeps to: nothing from elsewhere, and nothing inline but
// this one stylesheet, by its hash.
var Policy = sync.OnceValue(func() string {
	return "default-src 'none'; style-src '" + hashOf(sheet()) + "'; script-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
})

func hashOf(sheet template.CSS) string {
	sum := sha256.Sum256([]byte(sheet))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

//go:embed hissa-live.js
var liveScript []byte

// script is where the script is, and the same packed.
var script = sync.OnceValues(func() (path string, packed []byte) {
	sum := sha256.Sum256(liveScript)
	var text bytes.Buffer
	w, _ := gzip.NewWriterLevel(&text, gzip.BestCompression) // a level that there is
	_, _ = w.Write(liveScript)                               // into memory
	_ = w.Close()
	return "/assets/hissa-live-" + hex.EncodeToString(sum[:6]) + ".js", text.Bytes()
})

// Assets serves the script below /assets/.
func Assets() http.Handler {
	mux := http.NewServeMux()
	path, packed := script()
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Vary", "Accept-Encoding")
		body := liveScript
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = packed
		}
		_, _ = w.Write(body) // to a browser that may have left
	})
	return mux
}
