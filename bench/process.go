package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// server is one life of a program that is measured.
type server struct {
	cmd   *exec.Cmd
	addr  string // host:port
	log   string // the file that takes what it says
	start time.Time
	first time.Duration // from the start to the first answer
	gone  chan struct{} // closed when it has ended
}

func (s *server) pid() int               { return s.cmd.Process.Pid }
func (s *server) url(path string) string { return "http://" + s.addr + path }

// freeAddress is a port of 127.0.0.1 that nobody holds now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// launch starts a program and waits until it answers 200 on the path that says it is ready.
func launch(ctx context.Context, argv []string, addr, ready, log string) (*server, error) {
	said, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer said.Close()
	s := &server{addr: addr, log: log, gone: make(chan struct{}), start: time.Now()}
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = said, said
	// A group of its own, so that Ctrl-C comes here alone and each is stopped in its order. Should
	// this program be killed, they end too.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.gone)
	}()
	if err := s.awaitReady(ctx, ready); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.first = time.Since(s.start)
	return s, nil
}

func (s *server) awaitReady(ctx context.Context, path string) error {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if answer, err := client.Get(s.url(path)); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.gone:
			return fmt.Errorf("%s ended at once, %v: it said\n%s", s.cmd.Path, s.cmd.ProcessState, s.lastWords())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return fmt.Errorf("%s is not ready after a minute (GET %s): it said\n%s",
		s.cmd.Path, path, s.lastWords())
}

// stop is SIGTERM, and an error when the program does not end by itself within a minute.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	select {
	case <-s.gone:
		return nil
	case <-time.After(time.Minute):
	}
	err := fmt.Errorf("%s did not end within a minute of SIGTERM and was killed: it said\n%s",
		s.cmd.Path, s.lastWords())
	if pids, listed := descendants(s.pid()); listed == nil {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	<-s.gone
	return err
}

// lastWords is the end of what the program said, without the lines of each request.
func (s *server) lastWords() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "level=INFO") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-20):], "")
}
