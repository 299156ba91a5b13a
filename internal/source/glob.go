package source

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// component is one name in a path. One that comes from a link's target is no pattern and not
// part of the name under which the file is known.
type component struct {
	text string
	link bool
}

// maxLinks is where Linux gives up on a path too (path_resolution(7)).
const maxLinks = 40

// finder expands a pattern and tells look each place on the way: a directory without links in
// its path, and the name or pattern of the entry that matters in it. When such an entry
// appears, goes or changes its kind, the expansion may have changed, and only then. That also
// covers directories that do not exist yet and every link on the way to the file.
type finder struct {
	tree  tree
	look  func(dir, name string)
	found []string
	real  []string // the same without links
}

func (f *finder) expand(pattern string) {
	var rest []component
	for _, c := range split(pattern) {
		rest = append(rest, component{text: c})
	}
	f.walk("/", "/", rest, 0)
}

// walk goes on in dir; shown is the path so far as the pattern names it.
func (f *finder) walk(dir, shown string, rest []component, links int) {
	if len(rest) == 0 {
		f.found, f.real = append(f.found, shown), append(f.real, dir)
		return
	}
	c := rest[0]
	if c.text == ".." {
		if !c.link {
			shown = filepath.Join(shown, c.text)
		}
		f.walk(filepath.Dir(dir), shown, rest[1:], links)
		return
	}
	f.look(dir, c.text)
	for _, name := range f.entries(dir, c) {
		full, as := filepath.Join(dir, name), shown
		if !c.link {
			as = filepath.Join(shown, name)
		}
		fi, err := f.tree.stat(full, false)
		switch {
		case err != nil:
		case fi.Mode()&fs.ModeSymlink == 0:
			f.walk(full, as, rest[1:], links)
		case links < maxLinks:
			f.follow(full, as, rest[1:], links+1)
		}
	}
}

func (f *finder) follow(link, shown string, rest []component, links int) {
	target, err := f.tree.readlink(link)
	if err != nil {
		return
	}
	from := filepath.Dir(link)
	if filepath.IsAbs(target) {
		from = "/"
	}
	var whole []component
	for _, c := range split(target) {
		whole = append(whole, component{text: c, link: true})
	}
	f.walk(from, shown, append(whole, rest...), links)
}

// entries are the names in dir that the component stands for. As in Python's glob, which
// fail2ban uses, a wildcard does not match a leading dot. A wildcard also leaves out
// compressed files: they hold no lines.
func (f *finder) entries(dir string, c component) []string {
	if c.link || !hasMeta(c.text) {
		return []string{c.text}
	}
	names, err := f.tree.list(dir)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(names, func(name string) bool { return !matches(c.text, name) || compressed(name) })
}

func matches(pattern, name string) bool {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, ".") {
		return false
	}
	ok, err := path.Match(translate(pattern), name)
	return err == nil && ok
}

func hasMeta(s string) bool { return strings.ContainsAny(s, "*?[") }

func split(p string) []string {
	return slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" || s == "." })
}

// translate turns a Python glob (fnmatch) into one for path.Match: there a set is negated by
// '!' and not by '^', a backslash is a backslash, and a '[' that nothing closes is itself.
func translate(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == '\\':
			b.WriteString(`\\`)
		case p[i] != '[':
			b.WriteByte(p[i])
		default:
			body, ok := set(p[i+1:])
			if !ok {
				b.WriteString(`\[`)
				continue
			}
			i += len(body) + 1
			b.WriteByte('[')
			if strings.HasPrefix(body, "!") {
				b.WriteByte('^')
				body = body[1:]
			}
			b.WriteString(strings.NewReplacer(`\`, `\\`, `]`, `\]`, `^`, `\^`).Replace(body))
			b.WriteByte(']')
		}
	}
	return b.String()
}

// set is what stands in p in front of the bracket that closes it. A bracket at the very
// beginning belongs to the set.
func set(p string) (string, bool) {
	from := 0
	if strings.HasPrefix(p, "!") {
		from = 1
	}
	if strings.HasPrefix(p[from:], "]") {
		from++
	}
	i := strings.IndexByte(p[from:], ']')
	if i < 0 {
		return "", false
	}
	return p[:from+i], true
}

func compressed(name string) bool {
	return slices.Contains([]string{".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".Z", ".zip"}, filepath.Ext(name))
}

// gone says that a path is not there, as opposed to not readable.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}
