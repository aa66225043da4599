package host

import (
	"path"

	"github.com/deminer/deminer"
)

// Dir is one directory held open.
type Dir interface {
	// List gives the names in it as FS.ReadDir does.
	List() ([]Entry, error)
	// Lstat looks at one name in it, without following a link.
	Lstat(name string) (deminer.Attr, error)
	Close() error
}

// DirOpener is an FS that can hold a directory open, so that many names in it are looked at without going to each from
// the root anew: on a large tree that is a third of the system calls.
type DirOpener interface {
	// OpenDir opens a directory, following links, under the rules of FS.ReadDir.
	OpenDir(path string) (Dir, error)
}

// OpenDir holds a directory of any FS; of one that is no DirOpener it only remembers the path.
func OpenDir(fsys FS, name string) (Dir, error) {
	if o, ok := fsys.(DirOpener); ok {
		return o.OpenDir(name)
	}
	return byPath{fsys, name}, nil
}

// byPath is a directory of an FS that knows paths only.
type byPath struct {
	fs   FS
	name string
}

func (d byPath) List() ([]Entry, error)                  { return d.fs.ReadDir(d.name) }
func (d byPath) Lstat(name string) (deminer.Attr, error) { return d.fs.Lstat(path.Join(d.name, name)) }
func (d byPath) Close() error                            { return nil }

// Walk calls see for every name below root (links are not followed, mount points are not told apart) until see returns
// false for a directory, which is then not entered. It stops at the given depth and after limit names; full reports
// whether nothing was left out. Directories that cannot be read are given to fail.
func Walk(fsys FS, root string, depth, limit int, see func(name string, e Entry) bool, fail func(name string, err error)) (full bool) {
	return WalkAttr(fsys, root, depth, limit, func(name string, e Entry, _ func() (deminer.Attr, error)) bool { return see(name, e) }, fail)
}

// WalkAttr is Walk for those who want to know more of some names: attr is Lstat of the name, cheaper, and good only
// until see returns.
func WalkAttr(fsys FS, root string, depth, limit int, see func(name string, e Entry, attr func() (deminer.Attr, error)) bool, fail func(name string, err error)) (full bool) {
	w := walk{fs: fsys, depth: depth, left: limit, see: see, todo: []place{{root, 0}}}
	full = true
	for len(w.todo) > 0 && w.left >= 0 {
		p := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if err := w.dir(p); err != nil {
			fail(p.name, err)
			full = false
		}
	}
	return full && w.left >= 0 && !w.cut
}

type walk struct {
	fs    FS
	depth int
	left  int // names that may still be seen
	see   func(string, Entry, func() (deminer.Attr, error)) bool
	todo  []place
	cut   bool // a directory lay too deep
}

type place struct {
	name string
	deep int
}

// dir goes through one directory and notes those in it.
func (w *walk) dir(p place) error {
	d, err := OpenDir(w.fs, p.name)
	if err != nil {
		return err
	}
	defer d.Close()
	list, err := d.List() // of a directory that is too large, the names that were read
	prefix := p.name
	if prefix != "/" {
		prefix += "/"
	}
	var base string
	attr := func() (deminer.Attr, error) { return d.Lstat(base) }
	for _, e := range list {
		if w.left--; w.left < 0 {
			return err
		}
		base = e.Name
		name := prefix + e.Name
		if enter := w.see(name, e, attr); e.Type != deminer.Directory || !enter {
			continue
		}
		if p.deep+1 >= w.depth {
			w.cut = true
			continue
		}
		w.todo = append(w.todo, place{name, p.deep + 1})
	}
	return err
}
