package web

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A small and strict reader of the HTML that templates make: every tag is closed in order, every attribute
// quoted. It is stricter than browsers are.

type element struct {
	name  string
	attrs map[string]string
	text  string // directly within it
}

type document struct{ elements []*element }

var (
	tagPattern = regexp.MustCompile(`^<(/?)([a-zA-Z][a-zA-Z0-9]*)` +
		`((?:\s+[a-zA-Z:_-]+(?:="[^"<>]*")?)*)\s*(/?)>`)
	attrPattern = regexp.MustCompile(`([a-zA-Z:_-]+)(?:="([^"]*)")?`)
	void        = []string{"meta", "link", "input", "br", "img"}
)

func readHTML(text string) (*document, error) {
	rest, is := strings.CutPrefix(text, "<!doctype html>")
	if !is {
		return nil, fmt.Errorf("no doctype: %.40q", text)
	}
	d := &document{}
	var open []*element
	for rest != "" {
		at := strings.IndexByte(rest, '<')
		if at < 0 {
			at = len(rest)
		}
		if len(open) > 0 && open[len(open)-1].name == "style" { // it has no entities
			open[len(open)-1].text += rest[:at]
		} else if strings.Contains(rest[:at], ">") {
			return nil, fmt.Errorf("a bare > in %.80q", rest[:at])
		} else if len(open) > 0 {
			open[len(open)-1].text += html.UnescapeString(rest[:at])
		}
		if rest = rest[at:]; rest == "" {
			break
		}
		m := tagPattern.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("no tag: %.120q", rest)
		}
		rest = rest[len(m[0]):]
		if m[1] != "" {
			if len(open) == 0 || open[len(open)-1].name != m[2] {
				return nil, fmt.Errorf("</%s> closes what is not open, before %.80q", m[2], rest)
			}
			open = open[:len(open)-1]
			continue
		}
		e := &element{name: m[2], attrs: map[string]string{}}
		for _, a := range attrPattern.FindAllStringSubmatch(m[3], -1) {
			if _, is := e.attrs[a[1]]; is {
				return nil, fmt.Errorf("<%s> has two %s", m[2], a[1])
			}
			e.attrs[a[1]] = html.UnescapeString(a[2])
		}
		d.elements = append(d.elements, e)
		if !slices.Contains(void, e.name) && m[4] == "" {
			open = append(open, e)
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("<%s> is not closed", open[len(open)-1].name)
	}
	return d, nil
}

func (d *document) check(t *testing.T) {
	t.Helper()
	ids, labels := map[string]bool{}, map[string]bool{}
	headings, inner := 0, false
	for _, e := range d.elements {
		if id, is := e.attrs["id"]; is {
			if ids[id] {
				t.Errorf("two elements have the id %q", id)
			}
			ids[id] = true
		}
		if e.name == "label" && e.attrs["for"] != "" {
			labels[e.attrs["for"]] = true
		}
		if e.name == "h1" {
			headings++
		}
		d.checkActive(t, e)
	}
	if headings != 1 {
		t.Errorf("%d main headings", headings)
	}
	for _, e := range d.elements {
		inner = inner || e.name == "label" && e.attrs["for"] == ""
		for _, list := range []string{"aria-describedby", "for"} {
			for _, id := range strings.Fields(e.attrs[list]) {
				if !ids[id] {
					t.Errorf("%s names %q, which is not there", list, id)
				}
			}
		}
		if id, within := strings.CutPrefix(e.attrs["href"], "#"); within && id != "" && !ids[id] {
			t.Errorf("href leads to %q, which is not there", id)
		}
		d.checkField(t, e, labels, inner)
		inner = inner && (e.name == "label" || e.name == "input" || e.name == "span")
	}
}

// checkField finds a field that nobody could name.
func (d *document) checkField(t *testing.T, e *element, labels map[string]bool, inner bool) {
	t.Helper()
	if e.name != "input" && e.name != "select" && e.name != "textarea" || e.attrs["type"] == "hidden" {
		return
	}
	if !labels[e.attrs["id"]] && !inner && e.attrs["aria-label"] == "" {
		t.Errorf("<%s name=%q> has no label", e.name, e.attrs["name"])
	}
	if e.name == "input" && slices.Contains([]string{"", "text", "email", "password", "tel", "search"},
		e.attrs["type"]) &&
		e.attrs["autocomplete"] == "" {
		t.Errorf("<input name=%q> doesn't say what to complete", e.attrs["name"])
	}
}

// checkActive finds what the policy forbids, and addresses that don't go where they should.
func (d *document) checkActive(t *testing.T, e *element) {
	t.Helper()
	if e.name == "style" && e.text != string(sheet()) ||
		e.name == "script" && (e.attrs["src"] == "" || strings.TrimSpace(e.text) != "") {
		t.Errorf("<%s> within the page", e.name)
	}
	for name, value := range e.attrs {
		if name == "style" || strings.HasPrefix(name, "on") {
			t.Errorf("<%s %s=%q>", e.name, name, value)
		}
	}
	for _, name := range []string{"href", "action", "src", "data-live", "data-events"} {
		value, is := e.attrs[name]
		lawful := strings.HasPrefix(value, "/shop/") || strings.HasPrefix(value,
			"#") || value == "data:," ||
			strings.HasPrefix(value, "upi://pay?") || strings.HasPrefix(value, "https://wa.me/?text=") ||
			value == "https://go.chai.example/join"
		if is && !lawful {
			t.Errorf("<%s %s=%q> leads elsewhere", e.name, name, value)
		}
	}
	if e.name == "form" && e.attrs["method"] != "get" && e.attrs["method"] != "post" {
		t.Errorf("a form to %s without a method", e.attrs["action"])
	}
}
