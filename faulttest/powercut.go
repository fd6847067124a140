package faulttest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
)

// The disk promises little. What was written and not yet synced may be there or not, sector by
// sector, in any order; a name that was made or removed counts only once its folder was synced;
// and what was being synced when the sync failed is lost, whatever later syncs say, unless its
// page is written again (that is how Linux treats it). Disk follows a journal and makes up every
// state in which a power cut may leave the files.

const (
	sector = 512  // what a disk writes whole
	page   = 4096 // what the kernel writes back
)

// exited is the name of a step that stands for the end of a process.
const exited = "exited"

// Disk is the files of one folder as a power cut may leave them.
type Disk struct {
	folder string
	names  map[string]*inode // as programs see them
	kept   map[string]*inode // as the folder's last sync left them
	moves  []move            // changes of names since
	syncs  map[*Call]mark    // syncs under way, and what they cover
	within map[*Call]bool    // writes under way: a sync that begins now need not cover them
}

// inode is a file, whatever it is called.
type inode struct {
	kept  []byte // as its last sync left it
	size  int64  // as programs see it
	edits []edited
}

// edited is a piece of a write, within one page, or a new size.
type edited struct {
	call   *Call
	offset int64
	data   []byte
	size   int64 // of a ftruncate, else -1
	doomed bool  // a sync of it failed: only a new write to its page brings it back
}

// move makes a name mean another file; nil when it was removed.
type move struct {
	call *Call
	name string
	file *inode
}

// mark says which calls had returned when a sync began.
type mark struct {
	edits, moves []*Call
}

// NewDisk begins with an empty folder.
func NewDisk(folder string) *Disk {
	return &Disk{folder: folder, names: map[string]*inode{}, kept: map[string]*inode{},
		syncs: map[*Call]mark{}, within: map[*Call]bool{}}
}

// counts reports whether a file matters: the rest is made anew at every start.
func (d *Disk) counts(path string) bool {
	name, ok := strings.CutPrefix(path, d.folder+"/")
	return ok && !strings.Contains(name, "/") && strings.Contains(filepath.Base(name), ".db") &&
		!strings.HasSuffix(name, "-shm") && !strings.HasSuffix(name, ".lock")
}

// Apply follows one step, and reports whether what a power cut may leave has changed.
func (d *Disk) Apply(s Step) (changed bool, err error) {
	switch s.Name {
	case "fsync", "fdatasync":
		if s.Gone || s.Path != d.folder && !d.counts(s.Path) {
			return false, nil
		}
		return d.sync(s), nil
	case exited:
		clear(d.within) // what a process was doing when it was killed is done, or never will be
		clear(d.syncs)
		return false, nil
	}
	if !d.counts(s.Path) || s.Gone {
		return false, nil
	}
	switch s.Name {
	case "read", "pread64":
		return false, nil
	case "open", "openat", "creat":
		return s.End && d.open(s.Call), nil
	case "unlink", "unlinkat":
		if !s.End || s.Result < 0 {
			return false, nil
		}
		delete(d.names, s.Path)
		d.moves = append(d.moves, move{s.Call, s.Path, nil})
		return true, nil
	case "rename", "renameat", "renameat2":
		if !s.End || s.Result < 0 {
			return false, nil
		}
		file := d.names[s.Path]
		delete(d.names, s.Path)
		d.names[s.To] = file
		d.moves = append(d.moves, move{s.Call, s.To, file}, move{s.Call, s.Path, nil})
		return true, nil
	case "link", "linkat":
		if !s.End || s.Result < 0 {
			return false, nil
		}
		d.names[s.To] = d.names[s.Path]
		d.moves = append(d.moves, move{s.Call, s.To, d.names[s.Path]})
		return true, nil
	case "pwrite64", "ftruncate":
		if s.End {
			delete(d.within, s.Call)
			return false, nil
		}
		d.within[s.Call] = true
		return d.edit(s.Call), nil
	}
	return false, fmt.Errorf("%s on %s is not modelled", s.Name, s.Path)
}

func (d *Disk) open(c *Call) bool {
	if c.Result < 0 || d.names[c.Path] != nil || !strings.Contains(c.Flags, "O_CREAT") {
		return false
	}
	file := &inode{}
	d.names[c.Path] = file
	d.moves = append(d.moves, move{c, c.Path, file})
	return true
}

// edit takes a write when it begins, for from then on it may reach the disk. A call that was
// killed before it returned counts as made.
func (d *Disk) edit(c *Call) bool {
	file := d.names[c.Path]
	if file == nil || c.Err != "" {
		return false
	}
	if c.Name == "ftruncate" {
		file.edits = append(file.edits, edited{call: c, size: c.Number})
		file.size = c.Number
		return true
	}
	data := c.Data
	if c.Result >= 0 {
		data = data[:c.Result]
	}
	for offset := c.Number; len(data) > 0; {
		n := min(int64(len(data)), page-offset%page)
		file.edits = append(file.edits, edited{call: c, offset: offset, data: data[:n], size: -1})
		data, offset = data[n:], offset+n
	}
	file.size = max(file.size, c.Number+int64(len(c.Data)))
	return true
}

// sync notes, when it begins, which calls have returned; when it ends well these are on the disk.
func (d *Disk) sync(s Step) bool {
	file := d.names[s.Path]
	if s.Path != d.folder && file == nil {
		return false
	}
	if !s.End {
		m := mark{}
		for _, move := range d.moves {
			m.moves = append(m.moves, move.call)
		}
		if file != nil {
			for _, e := range file.edits {
				if !d.within[e.call] {
					m.edits = append(m.edits, e.call)
				}
			}
		}
		d.syncs[s.Call] = m
		return false
	}
	m := d.syncs[s.Call]
	delete(d.syncs, s.Call)
	switch {
	case s.Path != d.folder:
		file.synced(m.edits, s.Err == "")
	case s.Err == "":
		d.syncedNames(m.moves)
	}
	return true
}

func (d *Disk) syncedNames(covered []*Call) {
	var left []move
	for _, m := range d.moves {
		if !slices.Contains(covered, m.call) {
			left = append(left, m)
			continue
		}
		m.make(d.kept)
	}
	d.moves = left
}

func (m move) make(names map[string]*inode) {
	if m.file == nil {
		delete(names, m.name)
		return
	}
	names[m.name] = m.file
}

// synced ends a sync of the calls covered: they are kept, with the whole of the pages they
// touched, or, when it failed, doomed.
func (f *inode) synced(covered []*Call, well bool) {
	in := map[*Call]bool{}
	for _, c := range covered {
		in[c] = true
	}
	if !well {
		for i := range f.edits {
			f.edits[i].doomed = f.edits[i].doomed || in[f.edits[i].call]
		}
		return
	}
	written := map[int64]int{} // the last edit of each page that is kept, and all before it with it
	for i, e := range f.edits {
		if in[e.call] && !e.doomed && e.size < 0 {
			written[e.offset/page] = i + 1
		}
	}
	var left []edited
	for i, e := range f.edits {
		if in[e.call] && !e.doomed || e.size < 0 && i < written[e.offset/page] {
			f.kept = e.make(f.kept, func(int64) bool { return true })
			continue
		}
		left = append(left, e)
	}
	f.edits = left
}

// make changes the sectors of a file that are wanted.
func (e edited) make(file []byte, wanted func(sector int64) bool) []byte {
	if e.size >= 0 {
		return sized(file, e.size)
	}
	for from := int64(0); from < int64(len(e.data)); {
		at := e.offset + from
		n := min(int64(len(e.data))-from, sector-at%sector)
		if wanted(at / sector) {
			if end := at + n; end > int64(len(file)) {
				file = sized(file, end)
			}
			copy(file[at:], e.data[from:from+n])
		}
		from += n
	}
	return file
}

func sized(file []byte, size int64) []byte {
	if size <= int64(len(file)) {
		return file[:size]
	}
	return append(file, make([]byte, size-int64(len(file)))...)
}

// Pending is how many pieces of writes, and changes of names, a power cut may still undo.
func (d *Disk) Pending() int {
	n := len(d.moves)
	for _, file := range d.files() {
		n += len(file.edits)
	}
	return n
}

// Size is how many bytes the files may hold.
func (d *Disk) Size() (size int64) {
	for _, file := range d.files() {
		size += max(file.size, int64(len(file.kept)))
	}
	return size
}

// files are all that a power cut may leave under some name.
func (d *Disk) files() map[*inode]*inode {
	all := map[*inode]*inode{}
	for _, file := range d.kept {
		all[file] = file
	}
	for _, m := range d.moves {
		if m.file != nil {
			all[m.file] = m.file
		}
	}
	return all
}

// Cut makes up one state in which a power cut may leave the folder now: content by name.
func (d *Disk) Cut(r *rand.Rand) map[string][]byte {
	names := maps.Clone(d.kept)
	whim := r.IntN(4)
	for _, m := range d.moves {
		if whim == 0 || whim > 1 && r.IntN(2) == 0 {
			m.make(names)
		}
	}
	state := map[string][]byte{}
	for name, file := range names {
		state[filepath.Base(name)] = file.cut(r)
	}
	return state
}

// cut makes up one content. Each sector holds what it held after some of the writes to it: how
// many is drawn at one of five grains, from "all or nothing" to sector by sector.
func (f *inode) cut(r *rand.Rand) []byte {
	content := append(make([]byte, 0, max(int64(len(f.kept)), f.size)+page), f.kept...)
	if len(f.edits) == 0 {
		return content
	}
	reach := f.reach(r)
	for i, e := range f.edits {
		if e.size >= 0 && reach(e.offset/sector) <= i {
			continue // the new size did not get to the disk
		}
		content = e.make(content, func(s int64) bool { return i < reach(s) })
	}
	if f.size > int64(len(content)) && r.IntN(4) == 0 {
		content = f.grown(content, r)
	}
	return content
}

// reach draws, for every sector, how many of the edits it has seen.
func (f *inode) reach(r *rand.Rand) func(int64) int {
	all := len(f.edits)
	grain := int64(1)
	switch r.IntN(5) {
	case 0:
		return func(int64) int { return all }
	case 1:
		return func(int64) int { return 0 }
	case 2:
		first := r.IntN(all + 1)
		return func(int64) int { return first }
	case 3:
		grain = page / sector
	}
	chance := []float64{0.02, 0.5, 0.98}[r.IntN(3)]
	drawn := map[int64]int{}
	return func(s int64) int {
		n, ok := drawn[s/grain]
		if !ok {
			switch {
			case r.Float64() < chance:
				n = all
			case r.IntN(4) == 0:
				n = r.IntN(all + 1)
			}
			drawn[s/grain] = n
		}
		return n
	}
}

// grown gives the file its new size although not all of its new content came: zeros, or junk.
func (f *inode) grown(content []byte, r *rand.Rand) []byte {
	from := len(content)
	content = sized(content, f.size)
	if r.IntN(2) == 0 {
		for i := from; i < len(content); i++ {
			content[i] = byte(r.Uint32())
		}
	}
	return content
}
