package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exportOf is the whole of an export, of every kind.
func exportOf(t testing.TB, s *Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, kind := range exports {
		var out bytes.Buffer
		if err := s.Export(context.Background(), &out, kind.name, "jsonl", Span{}); err != nil {
			t.Fatal(err)
		}
		all[kind.name] = out.String()
	}
	return all
}

func everythingOf(t testing.TB, s *Store) string {
	t.Helper()
	var out strings.Builder
	if _, err := s.ExportEverything(context.Background(), &out, nil); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func quiet(string, int64, int64) {}

// anew makes books of a file.
func anew(t testing.TB, b *books, file string) (*Store, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hissa.db")
	o := StoreOptions{Environment: "production", MID: "SHOP0001", Clock: b.clockNow}
	if _, err := makeAnew(context.Background(), path, o, strings.NewReader(file), true, quiet); err != nil {
		return nil, err
	}
	return openStore(path, o)
}

// comesBack exports everything, imports it, and holds one against the other.
func (b *books) comesBack(t testing.TB) {
	t.Helper()
	before := b.inOrder()
	file := everythingOf(t, b.Store)
	s, err := anew(t, b, file)
	if err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	defer s.Close()
	after, err := s.Verify(b.ctx(), nil)
	if err != nil || after != before {
		t.Fatalf("%+v (%v), was %+v", after, err, before)
	}
	was, is := exportOf(t, b.Store), exportOf(t, s)
	for kind := range was {
		if was[kind] != is[kind] {
			t.Errorf("%s were\n%sand are\n%s", kind, was[kind], is[kind])
		}
	}
	if again := everythingOf(t, s); again != file {
		t.Errorf("everything of what was imported is\n%sand was\n%s", again, file)
	}
}

func TestEverythingComesBack(t *testing.T) {
	t.Parallel()
	b := aYear(t)
	b.comesBack(t)
}

var _ = fmt.Sprint
var _ = slices.Sort[[]int]
