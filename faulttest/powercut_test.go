package faulttest

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// deed is a step on /d/x.db in short: "create", "unlink", "write 0 a" (a sector of a's), "cut 0",
// "sync", "failed sync", "sync folder", and "begin …" for a call that was killed.
func (d *Disk) deed(t *testing.T, text string) {
	t.Helper()
	words := strings.Fields(text)
	begun := words[0] == "begin"
	if begun {
		words = words[1:]
	}
	c := &Call{Path: "/d/x.db", Name: map[string]string{"create": "open", "write": "pwrite64",
		"cut": "ftruncate", "sync": "fsync", "failed": "fsync"}[words[0]]}
	switch words[0] {
	case "create":
		c.Flags = "O_CREAT"
	case "unlink", exited:
		c.Name = words[0]
	case "write":
		c.Data = []byte(strings.Repeat(words[2], sector))
		c.Number, c.Result = int64(words[1][0]-'0')*sector, sector
	case "failed":
		c.Err, c.Result = "EIO", -1
	}
	if words[len(words)-1] == "folder" {
		c.Path = "/d"
	}
	for _, end := range []bool{false, true} {
		if begun && end {
			continue
		}
		if _, err := d.Apply(Step{c, end}); err != nil {
			t.Fatal(err)
		}
	}
}

// What a power cut may leave: each state as one letter a sector, "." for zeros, "?" for junk, "-"
// where there is no file.
func TestCutsAllowed(t *testing.T) {
	for _, row := range []struct{ deeds, states string }{
		{"create; write 0 a; sync; sync folder", "a"},
		{"create; write 0 a; sync", "- a"},
		{"create; sync folder; write 0 a", "empty . ? a"},
		{"create; sync folder; write 0 a; sync; write 0 b", "a b"},
		{"create; sync folder; write 0 a; write 1 b; sync; write 0 c; write 1 d", "ab ad cb cd"},
		{"create; sync folder; write 0 a; sync; cut 0", "a empty"},
		{"create; sync folder; write 0 a; sync; cut 0; sync", "empty"},
		{"create; write 0 a; sync; sync folder; unlink", "- a"},
		{"create; write 0 a; sync; sync folder; unlink; sync folder", "-"},
		{"create; write 0 a; sync; sync folder; unlink; create; sync folder", "empty"},
		// A failed sync dooms what it covered, until its page is written again.
		{"create; write 0 a; sync; sync folder; write 0 b; failed sync; sync", "a b"},
		{"create; write 0 a; sync; sync folder; write 0 b; failed sync; write 1 c; sync", "bc"},
		{"create; write 0 a; sync; sync folder; write 0 b; failed sync; write 0 b; sync", "b"},
		// What a killed process was writing is older than what comes after, and synced with it.
		{"create; write 0 a; sync; sync folder; begin write 0 b; sync", "a b"},
		{"create; write 0 a; sync; sync folder; begin write 0 b; exited; sync", "b"},
		{"create; write 0 a; sync; sync folder; begin write 0 b; write 0 c; sync", "c"},
	} {
		d := NewDisk("/d")
		for _, deed := range strings.Split(row.deeds, "; ") {
			d.deed(t, deed)
		}
		seen := map[string]bool{}
		for seed := range uint64(2000) {
			seen[picture(d.Cut(rand.New(rand.NewPCG(seed, 0))))] = true
		}
		got := strings.Join(slices.Sorted(maps.Keys(seen)), " ")
		want := strings.Fields(row.states)
		slices.Sort(want)
		if got != strings.Join(want, " ") {
			t.Errorf("%s: %s, want %s", row.deeds, got, strings.Join(want, " "))
		}
	}
}

func picture(state map[string][]byte) string {
	content, ok := state["x.db"]
	switch {
	case !ok:
		return "-"
	case len(content) == 0:
		return "empty"
	}
	var b strings.Builder
	for s := range slices.Chunk(content, sector) {
		letter := s[0]
		switch {
		case strings.Trim(string(s), string(letter)) != "":
			letter = '?'
		case letter == 0:
			letter = '.'
		}
		b.WriteByte(letter)
	}
	return b.String()
}
