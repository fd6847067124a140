package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sources parses the files that a pattern names, tests left out.
func sources(t *testing.T, pattern string) map[string]*ast.File {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files for %s: %v", pattern, err)
	}
	files := map[string]*ast.File{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		if files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func imports(f *ast.File) []string {
	var paths []string
	for _, spec := range f.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, path)
	}
	return paths
}

// The position is pure: its files know no clock, no files, no network and no database.
func TestThePositionIsPure(t *testing.T) {
	lawful := []string{"cmp", "fmt", "maps", "math/bits", "slices", "strings", "time"}
	for _, path := range []string{"attribution.go", "commission.go", "facts.go", "terms.go"} {
		for path, f := range sources(t, path) {
			for _, imported := range imports(f) {
				if !slices.Contains(lawful, imported) {
					t.Errorf("%s imports %s", path, imported)
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.SelectorExpr); ok {
					if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "time" &&
						slices.Contains([]string{"Now", "Since", "Until"}, call.Sel.Name) {
						t.Errorf("%s reads the clock: time.%s", path, call.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// Paytm's package is a stranger's to import: the standard library and nothing of ours.
func TestPaytmNeedsTheStandardLibraryOnly(t *testing.T) {
	for path, f := range sources(t, "paytm/*.go") {
		for _, imported := range imports(f) {
			if strings.Contains(imported, ".") || strings.HasPrefix(imported, "hissa") {
				t.Errorf("%s imports %s", path, imported)
			}
		}
	}
}

// The pages know how things look: no database, no clock, nothing of ours.
func TestWebKnowsNoShop(t *testing.T) {
	others := []string{"github.com/BurntSushi/toml", "rsc.io/qr"}
	for path, f := range sources(t, "web/*.go") {
		for _, imported := range imports(f) {
			if strings.HasPrefix(imported, "hissa") || strings.Contains(imported, ".") && !slices.Contains(others, imported) ||
				imported == "database/sql" {
				t.Errorf("%s imports %s", path, imported)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "time" && call.Sel.Name == "Now" {
					t.Errorf("%s reads the clock", path)
				}
			}
			return true
		})
	}
}

// One file knows SQLite itself. The tests look at its files through the driver as well, which is not ours.
func TestOnlyTheStoreKnowsTheDriver(t *testing.T) {
	for path, f := range sources(t, "*.go") {
		for _, imported := range imports(f) {
			if strings.HasPrefix(imported, "modernc.org/") && path != "sqlite.go" {
				t.Errorf("%s imports %s", path, imported)
			}
		}
	}
}
