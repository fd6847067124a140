package faulttest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// TracedCalls are the system calls that a journal needs: all that change files or make them
// durable, and the sockets on which acknowledgements leave.
const TracedCalls = "trace=read,write,open,openat,creat,pwrite64,pwritev,pwritev2,writev," +
	"ftruncate,fallocate,fsync,fdatasync,sync_file_range,unlink,unlinkat," +
	"rename,renameat,renameat2,link,linkat"

// Strace is how a program is run so that ReadJournal understands its log: -D leaves the program
// our own child, -y names the file behind every descriptor, -xx writes every byte as hex.
func Strace(log string, more ...string) []string {
	return append([]string{"strace", "-D", "-f", "-y", "-xx", "-s", "1000000", "-o", log,
		"-e", TracedCalls}, more...)
}

// Call is one system call of the traced program.
type Call struct {
	Thread string
	Name   string
	Path   string // of the descriptor, else the first name that was passed
	To     string // the second name, of a rename
	Gone   bool   // the file behind the descriptor had been unlinked
	Data   []byte // read or written
	Number int64  // the offset of a pwrite64, the size of a ftruncate
	Flags  string // of an open
	Result int64  // -1 for an error, and for a call that never returned
	Err    string // EIO, ENOENT, …; "" for success
}

// Step is where a call began or ended: two per call, those of other threads between them.
type Step struct {
	*Call
	End bool
}

// Journal is what a program did to files and sockets, in order.
type Journal struct {
	Steps []Step
	Exit  string // "0", "1", … or the signal that killed it
}

// ReadJournal reads a log that strace wrote with the options of Strace.
func ReadJournal(r io.Reader) (*Journal, error) {
	j := &Journal{}
	unfinished := map[string]*begun{}
	lines := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return j, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if err := j.line(strings.TrimSuffix(line, "\n"), unfinished); err != nil {
			return nil, fmt.Errorf("%w in the line %.200s … %s", err, line, line[max(0, len(line)-100):])
		}
	}
}

// begun is the first half of a call that another thread's line interrupted.
type begun struct {
	text string
	call *Call
}

func (j *Journal) line(line string, unfinished map[string]*begun) error {
	thread, text, ok := strings.Cut(line, " ")
	if !ok {
		return errors.New("no thread")
	}
	text = strings.TrimLeft(text, " ")
	text = strings.Replace(text, " <unfinished ...>) = ?", ") = ?", 1) // killed within
	switch {
	case strings.HasPrefix(text, "+++ exited with "):
		j.Exit = strings.Fields(text)[3]
		return nil
	case strings.HasPrefix(text, "+++ killed by "):
		j.Exit = strings.Fields(text)[3]
		return nil
	case strings.HasPrefix(text, "---"):
		return nil
	case strings.HasPrefix(text, "<... "):
		_, rest, _ := strings.Cut(text, " resumed>")
		first := unfinished[thread]
		if first == nil {
			return errors.New("the end of a call that never began")
		}
		delete(unfinished, thread)
		whole, err := parseCall(thread, first.text+rest)
		if err != nil {
			return err
		}
		*first.call = *whole
		if first.call.returned() {
			j.Steps = append(j.Steps, Step{first.call, true})
		}
		return nil
	}
	if first, ok := strings.CutSuffix(text, " <unfinished ...>"); ok {
		call, err := parseCall(thread, first)
		if err != nil {
			return err
		}
		unfinished[thread] = &begun{first, call}
		j.Steps = append(j.Steps, Step{call, false})
		return nil
	}
	call, err := parseCall(thread, text)
	if err != nil {
		return err
	}
	j.Steps = append(j.Steps, Step{call, false})
	if call.returned() {
		j.Steps = append(j.Steps, Step{call, true})
	}
	return nil
}

// parseCall reads name(argument, …) = result; the end may be missing.
func parseCall(thread, text string) (*Call, error) {
	name, rest, ok := strings.Cut(text, "(")
	if !ok {
		return nil, errors.New("no call")
	}
	c := &Call{Thread: thread, Name: name, Result: -1}
	arguments, rest, err := parseArguments(rest)
	if err != nil {
		return nil, err
	}
	c.take(arguments)
	_, result, ok := strings.Cut(rest, "= ")
	if !ok {
		return c, nil // unfinished
	}
	number, rest, _ := strings.Cut(result, " ")
	number, _, _ = strings.Cut(number, "<")
	if number == "?" {
		return c, nil
	}
	c.Result, err = strconv.ParseInt(number, 0, 64) // what is too large becomes as large as can be
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, fmt.Errorf("the result %q", number)
	}
	// Of a thread that was killed in a call, strace may take whatever stands in the register of the
	// result for one, and print that much of the memory for what was read.
	never := c.Result > c.most()
	if never && c.Name == "read" {
		c.Data, c.Result = nil, -1
		return c, nil
	}
	if slices.ContainsFunc(arguments, func(a argument) bool { return a.cut }) {
		return nil, errors.New("a string that was cut off")
	}
	if never {
		c.Result = -1
		return c, nil
	}
	if c.Result < 0 {
		c.Err, _, _ = strings.Cut(rest, " ")
	}
	return c, nil
}

// most is the largest result that the call can have.
func (c *Call) most() int64 {
	switch {
	case c.Name == "read":
		return c.Number
	case c.moves():
		return int64(len(c.Data))
	}
	return math.MaxInt32 // a descriptor, or 0
}

// returned reports whether the program got to see the call's result.
func (c *Call) returned() bool { return c.Result >= 0 || c.Err != "" }

// argument is text as it stands, with the bytes of a string or the path of a descriptor.
type argument struct {
	text   string
	bytes  []byte
	quoted bool
	cut    bool // the string goes on
	path   string
	gone   bool
}

// parseArguments reads up to the closing bracket, and returns what follows it. Every string and
// every path is hex, so that commas and brackets are always the call's own.
func parseArguments(text string) (found []argument, rest string, err error) {
	var now argument
	flush := func() {
		now.text = strings.TrimSpace(now.text)
		if now.text != "" || now.quoted {
			found = append(found, now)
		}
		now = argument{}
	}
	for text != "" {
		switch text[0] {
		case ')':
			flush()
			return found, text[1:], nil
		case ',':
			flush()
			text = text[1:]
		case '"':
			quoted, after, ok := strings.Cut(text[1:], `"`)
			if !ok {
				return nil, "", errors.New("a string without an end")
			}
			if now.bytes, err = unhex(quoted); err != nil {
				return nil, "", err
			}
			now.quoted = true
			text, now.cut = strings.CutPrefix(after, "...")
		case '<':
			path, after, ok := strings.Cut(text[1:], ">")
			if !ok {
				return nil, "", errors.New("a path without an end")
			}
			name, err := unhex(path)
			if err != nil {
				return nil, "", err
			}
			now.path = string(name)
			text, now.gone = strings.CutPrefix(after, "(deleted)")
		case '{', '[':
			end := strings.IndexAny(text, "}]")
			if end < 0 {
				return nil, "", errors.New("a bracket without an end")
			}
			text = text[end+1:]
		default:
			now.text += text[:1]
			text = text[1:]
		}
	}
	flush()
	return found, "", nil
}

func unhex(text string) ([]byte, error) {
	return hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
}

// take sorts the arguments into the call.
func (c *Call) take(arguments []argument) {
	names := 0
	for _, a := range arguments {
		number, err := strconv.ParseInt(a.text, 0, 64)
		switch {
		case a.path != "" && !strings.HasPrefix(a.text, "AT_FDCWD"):
			c.Path, c.Gone = a.path, a.gone
		case a.quoted && c.moves():
			c.Data = a.bytes
		case a.quoted && names == 0:
			c.Path, names = string(bytes.TrimRight(a.bytes, "\x00")), 1
		case a.quoted:
			c.To = string(a.bytes)
		case strings.HasPrefix(a.text, "O_"):
			c.Flags = a.text
		case err == nil:
			c.Number = number
		}
	}
}

// moves reports whether the call's string is content, and no name.
func (c *Call) moves() bool {
	switch c.Name {
	case "read", "write", "pwrite64", "pwritev", "pwritev2", "writev":
		return true
	}
	return false
}
