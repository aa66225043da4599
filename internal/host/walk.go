package host

import (
	"path"
	"sync"

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
	return WalkDirs(fsys, root, depth, limit, 1, func(f Folder) (enter []string) {
		var base string
		attr := func() (deminer.Attr, error) { return f.Dir.Lstat(base) }
		for _, e := range f.List {
			base = e.Name
			if name := f.Prefix + e.Name; see(name, e, attr) && e.Type == deminer.Directory {
				enter = append(enter, name)
			}
		}
		return enter
	}, fail)
}

// Folder is one directory of a walk.
type Folder struct {
	Prefix string  // what makes a name in it a path: ends with a slash
	List   []Entry // the names in it, those beyond the limit left out
	Dir    Dir     // to look at them; good only until see returns
}

// WalkDirs is Walk directory by directory: see gives the paths of those in it to be entered. With several workers see and
// fail are called by as many goroutines at a time, and in no order; with one, in the order of Walk.
func WalkDirs(fsys FS, root string, depth, limit, workers int, see func(f Folder) (enter []string), fail func(name string, err error)) (full bool) {
	w := walk{fs: fsys, depth: depth, left: limit, see: see, fail: fail, todo: []place{{root, 0}}}
	w.more.L = &w.mu
	var wait sync.WaitGroup
	for range workers - 1 {
		wait.Go(w.work)
	}
	w.work()
	wait.Wait()
	return !w.cut
}

type walk struct {
	fs    FS
	depth int
	see   func(Folder) []string
	fail  func(string, error)

	mu   sync.Mutex
	more sync.Cond // todo or busy changed
	todo []place
	busy int  // workers that may add to todo
	wait int  // workers that wait for more
	left int  // names that may still be seen; below 0 there were more
	cut  bool // something was left out
}

type place struct {
	name string
	deep int
}

// work goes through directories until there is none left.
func (w *walk) work() {
	for {
		p, ok := w.next()
		if !ok {
			return
		}
		enter, err := w.dir(p)
		if err != nil {
			w.fail(p.name, err)
		}
		w.done(p, enter, err != nil)
	}
}

// next takes the directory that was found last, so that few wait at a time.
func (w *walk) next() (place, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.todo) == 0 && w.busy > 0 && w.left >= 0 {
		w.wait++
		w.more.Wait()
		w.wait--
	}
	if len(w.todo) == 0 || w.left < 0 {
		return place{}, false
	}
	p := w.todo[len(w.todo)-1]
	w.todo = w.todo[:len(w.todo)-1]
	w.busy++
	return p, true
}

// done notes the directories found in one.
func (w *walk) done(p place, enter []string, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	w.cut = w.cut || failed || len(enter) > 0 && p.deep+1 >= w.depth
	if p.deep+1 < w.depth {
		for _, name := range enter {
			w.todo = append(w.todo, place{name, p.deep + 1})
		}
	}
	if w.wait > 0 && (len(w.todo) > 1 || w.busy == 0 || w.left < 0) { // one is for this worker
		w.more.Broadcast()
	}
}

// room takes n names off what may still be seen, and gives how many of them may be.
func (w *walk) room(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	may := min(n, max(0, w.left))
	if w.left -= n; w.left < 0 {
		w.cut = true
	}
	return may
}

// dir goes through one directory.
func (w *walk) dir(p place) (enter []string, err error) {
	d, err := OpenDir(w.fs, p.name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	f := Folder{Prefix: p.name, Dir: d}
	if p.name != "/" {
		f.Prefix += "/"
	}
	f.List, err = d.List() // of a directory that is too large, the names that were read
	f.List = f.List[:w.room(len(f.List))]
	return w.see(f), err
}
