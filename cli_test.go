package main

// What stories can't say well about the command line: that it holds for every command and flag.

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

// helpOf is what hissa COMMAND -h prints.
func helpOf(t *testing.T, command string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run([]string{command, "-h"}, strings.NewReader(""), &stdout, &stderr)
	if code != exitDone || stderr.Len() > 0 {
		t.Fatalf("hissa %s -h ended with %d and said %s", command, code, &stderr)
	}
	return stdout.String()
}

// flagsOf are the flags that a command takes behind these words: it is stopped at one that it can't
// know, when all others are declared and nothing has been done yet.
func flagsOf(t *testing.T, cmd command, words ...string) (names []string) {
	t.Helper()
	c := newCall(cmd, strings.NewReader(""), io.Discard, io.Discard)
	err := c.parseAndRun(append(words, "-no-such-flag"))
	var usage usageError
	if !errors.As(err, &usage) || !strings.Contains(usage.text, "no-such-flag") {
		t.Fatalf("hissa %s %v took -no-such-flag: %v", cmd.name, words, err)
	}
	c.flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

// secondWords are those that a command needs, [""] if it needs none.
func secondWords(cmd command) []string {
	c := newCall(cmd, strings.NewReader(""), io.Discard, io.Discard)
	var usage usageError
	if err := c.parseAndRun([]string{"no-such-word", "-no-such-flag"}); errors.As(err, &usage) {
		if _, list, is := strings.Cut(usage.text, "it is one of "); is {
			return strings.Split(list, ", ")
		}
	}
	return []string{""}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	var overview bytes.Buffer
	run([]string{"help"}, strings.NewReader(""), &overview, io.Discard)
	for _, cmd := range commands() {
		help := helpOf(t, cmd.name)
		if !strings.HasPrefix(help, "hissa "+cmd.name+" ") {
			t.Errorf("%s: the help does not begin with its usage: %s", cmd.name, help)
		}
		if hidden := cmd.name == replicateCommand.name; hidden {
			if strings.Contains(overview.String(), cmd.name) {
				t.Errorf("hissa help names %s, which is not for people", cmd.name)
			}
			continue
		}
		if !strings.Contains(help, "\nExample:  hissa "+cmd.name) {
			t.Errorf("%s: the help has no example of it", cmd.name)
		}
		if !strings.Contains(overview.String(), "  hissa "+cmd.name+" ") {
			t.Errorf("%s: hissa help does not name it", cmd.name)
		}
		for line := range strings.Lines(help) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 100 {
				t.Errorf("%s: a line too long for a terminal: %s", cmd.name, line)
			}
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	seen := 0
	for _, cmd := range commands() {
		help := helpOf(t, cmd.name)
		for _, word := range secondWords(cmd) {
			var words []string
			if word != "" {
				words = []string{word}
				if !strings.Contains(help, cmd.name+" "+word) {
					t.Errorf("%s: the help does not name %s", cmd.name, word)
				}
			}
			for _, name := range flagsOf(t, cmd, words...) {
				seen++
				named := regexp.MustCompile(`(^|[^a-z-])-` + regexp.QuoteMeta(name) + `([^a-z-]|$)`)
				if !named.MatchString(help) {
					t.Errorf("%s %s: the help does not name -%s", cmd.name, word, name)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d flags were found at all", seen)
	}
}

func TestReadingCommandsTakeJSON(t *testing.T) {
	for _, name := range []string{"check", "explain", "export", "verify", "version"} {
		i := slices.IndexFunc(commands(), func(c command) bool { return c.name == name })
		if i < 0 || !slices.Contains(flagsOf(t, commands()[i]), "json") {
			t.Errorf("hissa %s takes no -json", name)
		}
	}
	for _, cmd := range commands() {
		if (cmd.name == "partner" || cmd.name == "key") &&
			!slices.Contains(flagsOf(t, cmd, "list"), "json") {
			t.Errorf("hissa %s list takes no -json", cmd.name)
		}
	}
}

func TestExitCodes(t *testing.T) {
	fault := Faults{{File: "hissa.toml", Line: 2, Column: 1, Key: "listen", Problem: "is wrong",
		Remedy: "mend it"}}
	for _, row := range []struct {
		what   string
		err    error
		code   int
		stderr string
	}{
		{"done", nil, 0, ""},
		{"nobody reads on", fmt.Errorf("write |1: %w", syscall.EPIPE), 0, ""},
		{"the answer is no", noError{"not found"}, 1, "hissa: not found\n"},
		{"anything else", errors.New("the disk is full"), 1, "hissa: the disk is full\n"},
		{"usage", usageError{"what?"}, 2, "hissa: what?\nhissa: usage: hissa verify [-json]\n"},
		{"another serve", lockedError{"busy"}, 75, "hissa: busy\n"},
		{"the configuration", fault, 78, "hissa.toml:2:1: listen: is wrong, mend it\n"},
		{"the database", configError{errors.New("too new")}, 78, "hissa: too new\n"},
		{"one of them deep inside", fmt.Errorf("opening: %w", lockedError{"busy"}), 75,
			"hissa: busy\n"},
	} {
		var stdout, stderr bytes.Buffer
		c := newCall(verifyCommand, strings.NewReader(""), &stdout, &stderr)
		if code := c.outcome(row.err); code != row.code || stderr.String() != row.stderr {
			t.Errorf("%s: exit code %d and %q, want %d and %q", row.what, code, &stderr, row.code,
				row.stderr)
		}
		if stdout.Len() > 0 {
			t.Errorf("%s: %q on stdout", row.what, &stdout)
		}
	}
}

// hissaIn is hissa in a process of its own, in this folder.
func hissaIn(dir string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], arguments...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), runsHissa, "TMPDIR="+dir)
	return cmd
}

// hissa export ledger | head -1 must not end in words about a broken pipe.
func TestOutputStopsSilentlyOnAClosedPipe(t *testing.T) {
	dir := t.TempDir()
	config := strings.NewReplacer("$URL", "https://go.shop.example", "$MID", "SHOP0001",
		"$API", "https://paytm.example").Replace(shopConfig)
	for name, text := range map[string]string{"hissa.toml": config,
		"paytm.key": "demo_Key%0000&#1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if said, err := hissaIn(dir, "partner", "add", "-code", "ASHA").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, arguments := range [][]string{
		{"export", "partners"}, {"partner", "list"}, {"partner", "list", "-json"}, {"verify"},
		{"verify", "-json"}, {"version"}, {"help"}, {"export", "-h"},
	} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		read.Close()
		var stderr bytes.Buffer
		cmd := hissaIn(dir, arguments...)
		cmd.Stdout, cmd.Stderr = write, &stderr
		err = cmd.Run()
		write.Close()
		status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
		ended := err == nil || status.Signaled() && status.Signal() == syscall.SIGPIPE
		if !ended || stderr.Len() > 0 {
			t.Errorf("hissa %v: %v and %q", arguments, err, &stderr)
		}
	}
}

// Where SIGPIPE is ignored, as under some supervisors, a write fails instead.
func TestOutputStopsSilentlyWithoutSIGPIPE(t *testing.T) {
	for _, arguments := range [][]string{{"version"}, {"version", "-json"}, {"help"}} {
		var stderr bytes.Buffer
		code := run(arguments, strings.NewReader(""), closedPipe{}, &stderr)
		if code != exitDone || stderr.Len() > 0 {
			t.Errorf("hissa %v: %d and %q", arguments, code, &stderr)
		}
	}
}

// demo -pages needs no shop: it says where the pages are, serves them, and ends when it is interrupted.
func TestDemoPages(t *testing.T) {
	cmd := hissaIn(t.TempDir(), "demo", "-pages")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // in vain if all went well
	line, err := bufio.NewReader(out).ReadString('\n')
	at := strings.Index(line, "http://")
	if err != nil || at < 0 {
		t.Fatalf("%q, %v", line, err)
	}
	address, _, _ := strings.Cut(line[at:], " ")
	answer, err := http.Get(address + "gallery/overview/full?lang=hi")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || !strings.Contains(string(page), "बिक्री") || answer.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("%v, %v: %.200s", err, answer.Header, page)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// With -keep the demo goes on serving, and what it says to try works.
func TestDemoKeepsServing(t *testing.T) {
	dir := t.TempDir()
	var stderr bytes.Buffer
	cmd := hissaIn(dir, "demo", "-keep")
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // in vain if all went well
	var tries []string
	lines := bufio.NewScanner(out)
	for lines.Scan() && len(tries) < 3 {
		if try, is := strings.CutPrefix(lines.Text(), "  hissa "); is {
			tries = append(tries, try)
		} else if try, is := strings.CutPrefix(lines.Text(), "  curl -si "); is {
			tries = append(tries, try)
			break
		}
	}
	if len(tries) != 3 {
		t.Fatalf("the demo proposed %q\n%s", tries, &stderr)
	}
	for _, try := range tries[:2] {
		said, err := hissaIn(dir, strings.Fields(try)...).CombinedOutput()
		if err != nil || len(said) == 0 {
			t.Errorf("hissa %s: %v\n%s", try, err, said)
		}
	}
	answer, err := http.DefaultTransport.RoundTrip(getRequest(t, tries[2]))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusFound {
		t.Errorf("curl -si %s: %s", tries[2], answer.Status)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("interrupted, the demo ended with %v and %q", err, &stderr)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("the demo left %v behind (%v)", left, err)
	}
}

func getRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}
