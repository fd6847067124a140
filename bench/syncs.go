package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// strace runs a server with only its syncs looked at: everything else it asks of the kernel goes
// its way untouched (--seccomp-bpf). The server stays this program's own child (-D).
func strace(log string, options ...string) ([]string, error) {
	path, err := exec.LookPath("strace")
	if err != nil {
		return nil, missingError{"strace is not installed", install}
	}
	under := []string{path, "-D", "-f", "--seccomp-bpf", "-ttt", "-o", log,
		"-e", "trace=fsync,fdatasync"}
	return append(under, options...), nil
}

// syncsBetween counts the syncs that began in a stretch of time. A line of the log is
// "PID SECONDS.MICROSECONDS fdatasync(7) = 0"; a call that another interrupts has two lines.
func syncsBetween(log string, from, to time.Time) (n float64, err error) {
	f, err := os.Open(log)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || !strings.HasPrefix(fields[2], "fsync(") && !strings.HasPrefix(fields[2], "fdatasync(") {
			continue // the end of an interrupted call, a signal, an exit
		}
		seconds, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %q: %w", log, lines.Text(), err)
		}
		at := time.UnixMicro(int64(seconds * 1e6))
		if at.After(from) && at.Before(to) {
			n++
		}
	}
	return n, lines.Err()
}

// fsyncWork counts the syncs of each server against what it acknowledged. The clock is strace's and
// says nothing about speed.
func fsyncWork(ctx context.Context, b *bench) error {
	const connections = 16
	log := filepath.Join(b.workshop.dir, "syncs")
	under, err := strace(log)
	if err != nil {
		return b.without(err)
	}
	return b.eachRound(ctx, "fsync", keepers(), func(s *site, round int) error {
		if err := os.RemoveAll(log); err != nil {
			return err
		}
		run, err := b.measure(ctx, s, turn{work: "fsync", connections: connections, round: round,
			under: under, trace: log})
		b.add(run, err)
		return err
	})
}
