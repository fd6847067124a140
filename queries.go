package main

// The queries are in schema/queries.sql; the code says which one by its name.

import (
	_ "embed"
	"strings"
)

//go:embed schema/queries.sql
var queryFile string

// queries are the statements by name.
var queries = loadQueries(queryFile)

// q returns a statement. Every use names it in full, so a test can tell that each is there.
func q(name string) string {
	statement, ok := queries[name]
	if !ok {
		panic("schema/queries.sql has no query " + name)
	}
	return statement
}

// loadQueries cuts the file at its names. A statement loses its comments and its semicolon:
// SQLite's driver keeps one prepared only when nothing follows it.
func loadQueries(text string) map[string]string {
	named := map[string]string{}
	for _, block := range strings.Split("\n"+text, "\n-- name:")[1:] {
		name, rest, _ := strings.Cut(block, "\n")
		name = strings.TrimSpace(name)
		var lines []string
		for line := range strings.Lines(rest) {
			if !strings.HasPrefix(line, "--") {
				lines = append(lines, line)
			}
		}
		statement := strings.TrimRight(strings.TrimSpace(strings.Join(lines, "")), ";")
		if name == "" || statement == "" || named[name] != "" {
			panic("schema/queries.sql: a query without a name or text, or there twice: " + name)
		}
		named[name] = statement
	}
	return named
}
