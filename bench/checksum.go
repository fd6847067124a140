package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"hissa/paytm"
)

// Checksum is what one way to verify a message costs.
type Checksum struct {
	Who         string  `json:"who"`
	What        string  `json:"what"`
	Bytes       int     `json:"bytes"` // of the message
	Nanoseconds float64 `json:"ns"`
	Allocations float64 `json:"allocations"` // −1: not known
}

// checksumWork verifies one message over and over, in Go with hissa's package and in JavaScript with
// Paytm's own.
func checksumWork(ctx context.Context, b *bench) error {
	shop := newTill()
	_, body := shop.payment("ORDER_000000001")
	ours, err := checksumsInGo(shop.paytm.Key(), body)
	if err != nil {
		return err
	}
	b.report.Checksums = ours
	if err := nodeIsHere(); err != nil {
		return b.without(err)
	}
	theirs, err := checksumsInNode(ctx, b.workshop, body)
	b.report.Checksums = append(b.report.Checksums, theirs...)
	return err
}

func checksumsInGo(key *paytm.Key, body []byte) ([]Checksum, error) {
	envelope, err := paytm.Parse(body)
	if err != nil || !envelope.Verify(key) {
		return nil, errors.Join(err, errors.New("the message that was made does not verify"))
	}
	var list []Checksum
	add := func(what string, once func() bool) {
		result := testing.Benchmark(func(loop *testing.B) {
			loop.ReportAllocs()
			for loop.Loop() {
				if !once() {
					loop.FailNow()
				}
			}
		})
		list = append(list, Checksum{"hissa/paytm, Go", what, len(body),
			float64(result.T.Nanoseconds()) / float64(result.N), float64(result.AllocsPerOp())})
	}
	add("parse and verify", func() bool {
		e, err := paytm.Parse(body)
		return err == nil && e.Verify(key)
	})
	// As Paytm's own does, which puts the fields in order each time.
	add("verify", func() bool { return key.Verify(envelope.Fields, envelope.Checksum) })
	return list, nil
}

// checksumsInNode runs the peer's script, which prints a line for each with its rate a second.
func checksumsInNode(ctx context.Context, w *workshop, body []byte) (list []Checksum, err error) {
	file := filepath.Join(w.dir, "message")
	if err := os.WriteFile(file, body, 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "node", filepath.Join(nodeFolder, "checksum.js"), "--key", w.key, "--body", file)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("checksum.js: %w", err)
	}
	for _, found := range checksumLine.FindAllSubmatch(out, -1) {
		rate, err := strconv.ParseFloat(string(found[2]), 64)
		if err != nil || rate <= 0 {
			return nil, fmt.Errorf("checksum.js: %q", found[0])
		}
		what := map[string]string{"parse+verify": "parse and verify", "verify": "verify"}[string(found[1])]
		list = append(list, Checksum{"paytmchecksum, Node", what, len(body), 1e9 / rate, -1})
	}
	if len(list) != 2 {
		return nil, fmt.Errorf("checksum.js printed no rates of parse+verify and of verify:\n%s", out)
	}
	return list, nil
}

var checksumLine = regexp.MustCompile(`(?m)^[\s"{]*(parse\+verify|verify)\b[^0-9\n]*([0-9]+(?:\.[0-9]+)?)`)
