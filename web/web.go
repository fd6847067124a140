// Package web is what the pages look like: a typed struct for each page, its template, the words in English
// and Hindi, and one stylesheet. Whoever has a struct filled can have it rendered; nothing here knows a
// database, a clock or a session.
package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"sync"
	"time"
)

// Page is one page, filled. Render writes all of it or nothing.
type Page interface {
	Render(w io.Writer, f Frame) error
}

// Frame is what every page shares.
type Frame struct {
	Lang   string    // en or hi
	Base   string    // the path of public_url, mostly ""; every address on a page begins with it
	Path   string    // path and query of this page as it was asked for, without Base
	Shop   string    // whose pages these are, as people know it
	Who    string    // who is signed in, "" for nobody
	Role   string    // owner, finance, viewer, partner; "" for nobody
	Now    time.Time // when the page was made
	Place  string    // up to where the page shows what happened; its script asks for what came later
	Notice string    // what was just done: a code of the words' [notice], or a sentence
	Fault  string    // what could not be done: a code of the words' [fault], or a sentence
	Needs  int       // how much waits for a person, shown beside the navigation
	Block  string    // only this block of the page, for whoever swaps it in place; "" for the whole page
}

// Languages are those that there are words for.
var Languages = []string{"en", "hi"}

//go:embed *.html
var pages embed.FS

// view is what a template sees: the frame's fields, and the page.
type view struct {
	Frame
	Page any
}

// render writes a page, or one block of it. Nothing is written when a template fails.
func render(w io.Writer, f Frame, name string, page any) error {
	if vocabularies()[f.Lang] == nil {
		f.Lang = Languages[0]
	}
	set, err := compiled(setKey{f.Lang, f.Base, name})
	if err != nil {
		return err
	}
	part := "layout"
	if block := "block-" + f.Block; f.Block != "" && set.Lookup(block) != nil {
		part = block
	}
	var text bytes.Buffer
	if err := set.ExecuteTemplate(&text, part, view{f, page}); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	_, err = w.Write(text.Bytes())
	return err
}

// setKey names a compiled template: its functions are bound to a language and to where the pages live.
type setKey struct{ lang, base, page string }

var (
	compiling sync.Mutex
	templates = map[setKey]*template.Template{}
)

func compiled(k setKey) (*template.Template, error) {
	compiling.Lock()
	defer compiling.Unlock()
	if set := templates[k]; set != nil {
		return set, nil
	}
	set := template.New(k.page).Funcs(functions(vocabularies()[k.lang], k.base)).Option("missingkey=zero")
	set, err := set.ParseFS(pages, "layout.html", "partials.html", k.page+".html")
	if err != nil {
		return nil, fmt.Errorf("page %s: %w", k.page, err)
	}
	templates[k] = set
	return set, nil
}
