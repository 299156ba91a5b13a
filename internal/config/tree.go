package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// tree is where files are read from: a directory, the embedded tree, or the first layered on
// the second (a file of the directory hides the embedded one of the same name).
type tree struct {
	dir   string // empty: embedded only
	stock fs.FS  // nil: directory only
}

// embedded marks the name of a file that is inside the binary.
const embedded = "embedded:"

// errAbsent says that a name has no file at all.
var errAbsent = errors.New("no such file")

// locate turns a name relative to the tree (or absolute) into the one to show and to read.
func (t tree) locate(name string) (shown string, ok bool) {
	if filepath.IsAbs(name) {
		return name, regular(name)
	}
	if t.dir != "" {
		if p := filepath.Join(t.dir, filepath.FromSlash(name)); regular(p) {
			return p, true
		}
	}
	if t.stock != nil && fs.ValidPath(name) {
		if st, err := fs.Stat(t.stock, name); err == nil && st.Mode().IsRegular() {
			return embedded + name, true
		}
	}
	return "", false
}

// relative is the name within the tree of what locate showed.
func (t tree) relative(shown string) (string, bool) {
	if name, ok := strings.CutPrefix(shown, embedded); ok {
		return name, true
	}
	rel, err := filepath.Rel(t.dir, shown)
	if err != nil || t.dir == "" || strings.HasPrefix(rel, "..") {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

func regular(p string) bool {
	st, err := os.Stat(p)
	return err == nil && !st.IsDir()
}

// read reads what locate named.
func (t tree) read(shown string) ([]byte, error) {
	if name, ok := strings.CutPrefix(shown, embedded); ok {
		return fs.ReadFile(t.stock, name)
	}
	return os.ReadFile(shown)
}

// list is the sorted names (relative to the tree) in folder that end in ext.
func (t tree) list(folder, ext string) []string {
	found := map[string]bool{}
	note := func(entries []fs.DirEntry, err error) {
		for _, e := range entries {
			if err == nil && !e.IsDir() && strings.HasSuffix(e.Name(), ext) && !strings.HasPrefix(e.Name(), ".") {
				found[path.Join(folder, e.Name())] = true
			}
		}
	}
	if t.dir != "" {
		note(os.ReadDir(filepath.Join(t.dir, folder)))
	}
	if t.stock != nil {
		note(fs.ReadDir(t.stock, folder))
	}
	var names []string
	for n := range found {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// readList is the names that the logical name stands for, in reading order (§1.1):
// N.conf, N.d/*.conf, N.local, N.d/*.local.
func (t tree) readList(logical string) []string {
	var names []string
	for _, ext := range []string{".conf", ".local"} {
		names = append(names, logical+ext)
		names = append(names, t.list(logical+".d", ext)...)
	}
	return slices.DeleteFunc(names, func(n string) bool { _, ok := t.locate(n); return !ok })
}

// reader reads logical names into merged documents and remembers every file's problems once.
type reader struct {
	tree     tree
	files    map[string]*file // by shown name
	problems []Problem
	onFile   func(*file) // sees each file when it is parsed; nil: none
}

func newReader(t tree) *reader { return &reader{tree: t, files: map[string]*file{}} }

func (r *reader) note(p *Problem) { r.problems = append(r.problems, *p) }

// parse reads one file once; nil when it cannot be read.
func (r *reader) parse(shown string) *file {
	if f, ok := r.files[shown]; ok {
		return f
	}
	data, err := r.tree.read(shown)
	if err != nil {
		r.note(fault(Pos{File: shown}, "ls -l "+shown, "read file: %v", err))
		r.files[shown] = nil
		return nil
	}
	f := parse(shown, data)
	if r.onFile != nil {
		r.onFile(f)
	}
	for _, p := range f.problems {
		r.note(p)
	}
	r.files[shown] = f
	return f
}

// load merges all files of a logical name; errAbsent when there is none.
func (r *reader) load(logical string) (*doc, error) {
	return r.merge(r.tree.readList(logical), logical)
}

// loadFile merges one file given by path with its includes and .local sibling.
func (r *reader) loadFile(name string) (*doc, error) {
	return r.merge([]string{name}, name)
}

func (r *reader) merge(names []string, what string) (*doc, error) {
	d := newDoc()
	listed := map[string]bool{}
	for _, n := range names {
		if shown, ok := r.tree.locate(n); ok {
			listed[shown] = true
		}
	}
	var order []string
	for _, n := range names {
		order = r.flatten(n, nil, listed, order)
	}
	for _, shown := range order {
		if f := r.parse(shown); f != nil {
			d.add(f)
		}
	}
	if len(d.files) == 0 {
		return nil, fmt.Errorf("read %s: %w", what, errAbsent)
	}
	return d, nil
}

// flatten appends name with its includes in reading order: befores, the file, its .local,
// afters. A file already on the chain of includes is left out, else two files that include
// each other would be read for ever.
func (r *reader) flatten(name string, chain []string, listed map[string]bool, out []string) []string {
	shown, ok := r.tree.locate(name)
	if !ok || slices.Contains(chain, shown) {
		return out
	}
	chain = append(slices.Clone(chain), shown)
	f := r.parse(shown)
	for _, inc := range r.includes(f, name, "before") {
		out = r.flatten(inc, chain, listed, out)
	}
	out = append(out, shown)
	local := strings.TrimSuffix(name, path.Ext(name)) + ".local"
	if at, ok := r.tree.locate(local); ok && !listed[at] && !slices.Contains(out, at) && !slices.Contains(chain, at) {
		out = r.flatten(local, chain, listed, out)
	}
	for _, inc := range r.includes(f, name, "after") {
		out = r.flatten(inc, chain, listed, out)
	}
	return out
}

// includes is the names that [INCLUDES] key of f gives, relative to the file's folder.
func (r *reader) includes(f *file, name, key string) []string {
	if f == nil {
		return nil
	}
	s := f.section("INCLUDES")
	if s == nil {
		return nil
	}
	var out []string
	for _, l := range s.keys[key].Lines {
		inc := strings.TrimSpace(l.Text)
		switch {
		case inc == "":
		case filepath.IsAbs(inc):
			out = append(out, inc)
		default:
			out = append(out, path.Join(path.Dir(name), inc))
		}
	}
	return out
}
