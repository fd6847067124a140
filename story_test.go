package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be hissa itself: for a story by its name, for another test with
// HISSA_TEST_AS_COMMAND=1.
func TestMain(m *testing.M) {
	if os.Getenv("HISSA_TEST_AS_COMMAND") == "1" {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){"hissa": main})
}
