package main

// The frame of all commands: how one is found, read and answered, and what they share.

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"
)

// command is one word after hissa.
type command struct {
	name    string
	usage   string // what may follow the name
	short   string // one line
	long    string // prose, units, an example
	reading bool   // takes -json
	config  bool   // takes -config
	run     func(*call) error
}

// call is one use of a command.
type call struct {
	command command
	flags   *flag.FlagSet
	args    []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer

	configPath string
	json       bool
}

// usageError ends with exit code 2 and the command's usage.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// noError ends with exit code 1: the answer is no.
type noError struct{ text string }

func (e noError) Error() string { return e.text }

func run(arguments []string, stdin io.Reader, stdout, stderr io.Writer) int {
	words := []string{"help", "-h", "-help", "--help"}
	if len(arguments) == 0 || slices.Contains(words, arguments[0]) {
		if len(arguments) > 1 && arguments[0] == "help" {
			return run([]string{arguments[1], "-h"}, stdin, stdout, stderr)
		}
		if len(arguments) == 0 {
			overview(stderr)
			return exitUsage
		}
		overview(stdout)
		return exitDone
	}
	i := slices.IndexFunc(commands(), func(c command) bool { return c.name == arguments[0] })
	if i < 0 {
		fmt.Fprintf(stderr, "hissa: there is no command %q\nhissa: run hissa help\n", arguments[0])
		return exitUsage
	}
	c := newCall(commands()[i], stdin, stdout, stderr)
	return c.outcome(c.parseAndRun(arguments[1:]))
}

func overview(w io.Writer) {
	fmt.Fprint(w, "Hissa books a partner's commission exactly once for each Paytm payment.\n\n")
	for _, c := range commands() {
		if c.name != replicateCommand.name {
			fmt.Fprintf(w, "  hissa %-16s  %s\n", c.name, c.short)
		}
	}
	fmt.Fprint(w, "\nTry it:    hissa demo\nRead on:   hissa COMMAND -h\n")
}

func newCall(cmd command, stdin io.Reader, stdout, stderr io.Writer) *call {
	c := &call{command: cmd, stdin: stdin, stdout: stdout, stderr: stderr}
	c.flags = flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	c.flags.SetOutput(io.Discard)
	if cmd.config {
		c.flags.StringVar(&c.configPath, "config", "hissa.toml", "the configuration `FILE`")
	}
	if cmd.reading {
		c.flags.BoolVar(&c.json, "json", false, "write JSON instead of words")
	}
	return c
}

func (c *call) parseAndRun(arguments []string) error {
	c.args = arguments
	asksHelp := func(a string) bool { return a == "-h" || a == "-help" || a == "--help" }
	if slices.ContainsFunc(arguments, asksHelp) {
		c.help(c.stdout)
		return nil
	}
	return c.command.run(c)
}

// parse reads the flags, which may stand before, between or after the arguments.
func (c *call) parse() error {
	var rest []string
	arguments := c.args
	for len(arguments) > 0 {
		if err := c.flags.Parse(arguments); err != nil {
			return usageError{err.Error()}
		}
		arguments = c.flags.Args()
		if len(arguments) > 0 {
			rest = append(rest, arguments[0])
			arguments = arguments[1:]
		}
	}
	c.args = rest
	return nil
}

// exactly reads the flags and insists on n arguments.
func (c *call) exactly(n int) error {
	if err := c.parse(); err != nil {
		return err
	}
	if len(c.args) != n {
		return usageError{fmt.Sprintf("%s takes %s, not %d",
			c.command.name, plural(int64(n), "argument"), len(c.args))}
	}
	return nil
}

// verbs picks the second word of a command.
func (c *call) verbs(table map[string]func(*call) error, known string) error {
	i := firstWord(c.args)
	if i < 0 {
		return usageError{c.command.name + " needs one of " + known}
	}
	do, ok := table[c.args[i]]
	if !ok {
		return usageError{fmt.Sprintf("%s %q: it is one of %s", c.command.name, c.args[i], known)}
	}
	c.args = slices.Delete(slices.Clone(c.args), i, i+1)
	return do(c)
}

// firstWord finds the first argument that is neither a flag nor a flag's value, -1 without one.
func firstWord(arguments []string) int {
	for i := 0; i < len(arguments); i++ {
		name, isFlag := strings.CutPrefix(arguments[i], "-")
		if !isFlag {
			return i
		}
		name = strings.TrimPrefix(name, "-")
		if !slices.Contains([]string{"json", "enable", "all", "again", "apply"}, name) && !strings.Contains(name, "=") {
			i++ // its value
		}
	}
	return -1
}

func (c *call) help(w io.Writer) {
	fmt.Fprintf(w, "hissa %s %s\n\n%s\n",
		c.command.name, c.command.usage, strings.TrimSpace(c.command.long))
	if c.command.config {
		fmt.Fprint(w, "\n-config FILE names the configuration; "+
			"hissa.toml in the working directory without it.\n")
	}
	if c.command.reading {
		fmt.Fprint(w, "-json writes JSON, in the field names of hissa export, "+
			"with the same exit code.\n")
	}
}

// outcome turns an error into words on stderr and an exit code.
func (c *call) outcome(err error) int {
	say := func(text string) { fmt.Fprintf(c.stderr, "hissa: %s\n", text) }
	var faults Faults
	var usage usageError
	var no noError
	var config configError
	var rolled rolledBackError
	var busy lockedError
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE):
		return exitDone
	case errors.As(err, &faults):
		fmt.Fprintln(c.stderr, faults.Error())
		return exitConfig
	case errors.As(err, &usage):
		say(usage.text)
		say("usage: hissa " + c.command.name + " " + c.command.usage)
		return exitUsage
	case errors.As(err, &no):
		say(no.text)
		return exitNo
	case errors.As(err, &busy):
		say(busy.Error())
		return exitBusy
	case errors.As(err, &config):
		say(config.Error())
		return exitConfig
	case errors.As(err, &rolled):
		say(rolled.text)
		return exitConfig
	}
	say(err.Error())
	return exitNo
}

// asNo makes a refusal by the books the answer no.
func asNo(err error, notFound string) error {
	var taken codeTaken
	var decision decisionError
	var refused refusedStep
	switch {
	case errors.Is(err, errNotFound):
		return noError{notFound}
	case errors.As(err, &taken), errors.As(err, &decision), errors.As(err, &refused),
		errors.Is(err, errKeyExists):
		return noError{err.Error()}
	}
	return err
}

// load reads the configuration.
func (c *call) load() (*Config, error) {
	config, err := loadConfig(c.configPath)
	var faults Faults
	if err != nil && !errors.As(err, &faults) {
		return nil, configError{err}
	}
	return config, err
}

// open opens the database that the configuration names; create makes it when it is not there.
func (c *call) open(create bool) (*Config, *Store, error) {
	config, err := c.load()
	if err != nil {
		return nil, nil, err
	}
	if config.Replica.Place != nil {
		create = false // whether a new one may be made is for serve to find out
	}
	store, err := openStore(config.Database, config.storeOptions(create))
	if err != nil {
		return nil, nil, err
	}
	if create {
		if _, err := store.AdoptProgram(context.Background(), config.program(), true); err != nil {
			return nil, nil, errors.Join(err, store.Close())
		}
	}
	return config, store, nil
}

// with opens the database, runs do and closes it.
func (c *call) with(create bool, do func(context.Context, *Config, *Store) error) error {
	config, store, err := c.open(create)
	if err != nil {
		return err
	}
	err = do(withActor(context.Background(), whoami()+" (command)", ""), config, store)
	return errors.Join(err, store.Close())
}

// whoami is the name of the user on this machine, its number where it has none.
func whoami() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}

// parseSpan reads -from and -to.
func parseSpan(from, to string) (span Span, err error) {
	var err2 error
	span.From, err = parseWhen("-from", from)
	span.To, err2 = parseWhen("-to", to)
	if err := errors.Join(err, err2); err != nil {
		return span, usageError{err.Error()}
	}
	return span, nil
}

// parseWhen reads a date in IST or a time in RFC 3339; "" is an open end.
func parseWhen(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation("2006-01-02", text, ist); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%s %q: write a date like 2026-11-22 (IST) "+
			"or a time like 2026-11-22T10:00:00+05:30", name, text)
	}
	return t, nil
}

// writeJSON writes one object a line.
func (c *call) writeJSON(v any) error {
	e := json.NewEncoder(c.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// list writes records of one kind, one a line: as JSON, or as a table under headings.
func (c *call) list(headings []string, records []record) error {
	var rows [][]string
	for _, r := range records {
		if c.json {
			if err := c.writeJSON(r); err != nil {
				return err
			}
		}
		rows = append(rows, r.cells())
	}
	if c.json {
		return nil
	}
	return table(c.stdout, headings, rows)
}

// table writes rows under headings, no line with blanks at its end.
func table(w io.Writer, headings []string, rows [][]string) error {
	var text strings.Builder
	tw := tabwriter.NewWriter(&text, 0, 4, 2, ' ', 0)
	for _, row := range append([][]string{headings}, rows...) {
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	return writeTrimmed(w, text.String())
}

func writeTrimmed(w io.Writer, text string) error {
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) progress() func(done, all int64) {
	f, ok := c.stderr.(*os.File)
	if !ok || !isTerminal(f) {
		return nil
	}
	return func(done, all int64) { fmt.Fprintf(f, "\r%d of %d facts\r", done, all) }
}

// isTerminal tells a person's terminal from a file, a pipe and /dev/null.
func isTerminal(f *os.File) bool { return isatty.IsTerminal(f.Fd()) }

var versionCommand = command{
	name: "version", reading: true, usage: "[-json]",
	short: "version, commit, Go, SQLite",
	long: `
Prints the version, the commit it was built from, and the Go and SQLite inside.

Example:  hissa version`,
	run: func(c *call) error {
		if err := c.exactly(0); err != nil {
			return err
		}
		version, commit := "unknown", "unknown"
		if info, ok := debug.ReadBuildInfo(); ok {
			version = info.Main.Version
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" {
					commit = s.Value
				}
			}
		}
		if c.json {
			return c.writeJSON(record{
				{"version", version}, {"commit", commit},
				{"go", runtime.Version()}, {"sqlite", sqliteVersion()},
			})
		}
		_, err := fmt.Fprintf(c.stdout, "hissa %s, commit %s, %s, SQLite %s\n",
			version, commit, runtime.Version(), sqliteVersion())
		return err
	},
}
