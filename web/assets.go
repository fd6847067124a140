package web

// The two files that a page loads. Their names carry a hash of what is in them, so browsers keep them for
// ever and a new version is a new name.

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed hissa.css
var stylesheet []byte

//go:embed hissa-live.js
var liveScript []byte

type asset struct {
	path, kind   string
	body, packed []byte
}

var assets = sync.OnceValue(func() map[string]asset {
	all := map[string]asset{}
	for name, body := range map[string][]byte{"hissa.css": stylesheet, "hissa-live.js": liveScript} {
		sum := sha256.Sum256(body)
		ext := path.Ext(name)
		a := asset{body: body, packed: packed(body), kind: "text/css; charset=utf-8"}
		if ext == ".js" {
			a.kind = "text/javascript; charset=utf-8"
		}
		a.path = "/assets/" + strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:6]) + ext
		all[name] = a
	}
	return all
})

func packed(body []byte) []byte {
	var text bytes.Buffer
	w, _ := gzip.NewWriterLevel(&text, gzip.BestCompression) // a level that there is
	_, _ = w.Write(body)                                     // into memory
	_ = w.Close()
	return text.Bytes()
}

func assetPath(name string) string { return assets()[name].path }

// Assets serves the stylesheet and the script below /assets/.
func Assets() http.Handler {
	mux := http.NewServeMux()
	for _, a := range assets() {
		mux.HandleFunc("GET "+a.path, a.serve)
	}
	return mux
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	body := a.body
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = a.packed
	}
	_, _ = w.Write(body) // to a browser that may have left
}
