package web

import (
	"bytes"
	"testing"
)

func TestQuick(t *testing.T) {
	for _, s := range Gallery() {
		for _, lang := range Languages {
			s.Frame.Lang = lang
			var b bytes.Buffer
			if err := s.Page.Render(&b, s.Frame); err != nil {
				t.Errorf("%s %s: %v", s.Name, lang, err)
			} else if lang == "en" {
				t.Log(s.Name, b.Len())
			}
		}
	}
}
