package host

import (
	"io"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// Limits of what a Recent holds: few enough for any limit of descriptors, and so briefly that a directory that was put in
// another's place is seen.
const (
	heldDirs = 16
	heldFor  = time.Second
	// lastFor is how long the last answer stands: one part resolves a name, and the next asks for it again.
	lastFor = 10 * time.Millisecond
)

// Recent is an FS that holds the directories whose names were looked at last open, each for a second at most: those who look
// at a host ask for many names in few directories, and would go to each from the root anew. It may be used by many
// goroutines: who asks in a directory that does not answer, such as one of a file server that is gone, keeps no other one waiting.
type Recent struct {
	FS
	mu    sync.Mutex // not held while the FS is asked
	dirs  []*held
	asked uint64 // counts the questions
	last  struct {
		name string
		attr deminer.Attr
		when time.Time
	}
}

// held is a directory that was asked for. It is opened when it is asked for again; dir is nil where it could not be, or where somebody
// opens it now.
type held struct {
	name    string
	dir     *shared
	since   time.Time // when that was tried; zero: not yet
	used    uint64    // by Recent.asked
	opening bool
}

// shared is an open directory with those who ask in it; the last one closes it. Recent.mu guards its count.
type shared struct {
	Dir
	users int
}

// NewRecent begins to hold directories of an FS. Forget gives them back.
func NewRecent(fsys FS) *Recent { return &Recent{FS: fsys} }

// Forget closes what is held; what is asked now is closed by who asks.
func (r *Recent) Forget() {
	r.mu.Lock()
	list := r.dirs
	r.dirs = nil
	var ends []*shared
	for _, h := range list {
		ends = append(ends, r.end(h.dir))
		h.dir = nil
	}
	r.mu.Unlock()
	for _, d := range ends {
		d.close()
	}
}

// Close is Forget, and closes the FS where that can be closed. Nobody may ask it then.
func (r *Recent) Close() error {
	r.Forget()
	if c, ok := r.FS.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// end gives up one use of a directory, and gives what is to be closed then, when r.mu is not held any more.
func (r *Recent) end(d *shared) *shared {
	if d == nil {
		return nil
	}
	if d.users--; d.users > 0 {
		return nil
	}
	return d
}

func (d *shared) close() {
	if d != nil {
		_ = d.Dir.Close()
	}
}

// Lstat implements FS.
func (r *Recent) Lstat(name string) (deminer.Attr, error) {
	if name == "/" || path.Clean(name) != name {
		return r.FS.Lstat(name)
	}
	dir, base := path.Split(name)
	if len(dir) > 1 {
		dir = dir[:len(dir)-1]
	}
	if a, err, ok := r.lstat(name, dir, base); ok {
		return a, err
	}
	return r.FS.Lstat(name)
}

// lstat looks at a name in a directory that is held; false where it is not.
func (r *Recent) lstat(name, dir, base string) (a deminer.Attr, err error, ok bool) {
	now := time.Now()
	r.mu.Lock()
	if r.last.name == name && now.Sub(r.last.when) < lastFor {
		a = r.last.attr
		r.mu.Unlock()
		return a, nil, true
	}
	r.mu.Unlock()
	d := r.hold(dir, now)
	if d == nil {
		return a, nil, false
	}
	a, err = d.Lstat(base)
	r.mu.Lock()
	if err == nil {
		r.last.name, r.last.attr, r.last.when = name, a, now
	}
	d = r.end(d)
	r.mu.Unlock()
	d.close()
	return a, err, true
}

// Stat implements FS. Most names are no links.
func (r *Recent) Stat(name string) (deminer.Attr, error) {
	a, err := r.Lstat(name)
	if err == nil && a.Type == deminer.Symlink {
		return r.FS.Stat(name)
	}
	return a, err
}

// OpenDir implements DirOpener.
func (r *Recent) OpenDir(name string) (Dir, error) { return OpenDir(r.FS, name) }

// hold gives a directory that was asked for before, with one more use of it; nil where it was not, or cannot be held now.
func (r *Recent) hold(name string, now time.Time) *shared {
	r.mu.Lock()
	h, gone := r.find(name)
	due := h != nil && !h.opening && (h.since.IsZero() || now.Sub(h.since) >= heldFor)
	if due {
		h.opening, h.since = true, now
		gone, h.dir = r.end(h.dir), nil
	}
	var d *shared
	if h != nil && h.dir != nil {
		d = h.dir
		d.users++
	}
	r.mu.Unlock()
	gone.close()
	if !due {
		return d
	}
	return r.open(h)
}

// find gives what is held under a name, or makes room for it and gives nil, and what is to be closed for that. r.mu is held.
func (r *Recent) find(name string) (h *held, gone *shared) {
	r.asked++
	last := 0 // the one not used for the longest time
	for i, h := range r.dirs {
		if h.name == name {
			h.used = r.asked
			return h, nil
		}
		if h.used < r.dirs[last].used {
			last = i
		}
	}
	fresh := &held{name: name, used: r.asked}
	if len(r.dirs) < heldDirs {
		r.dirs = append(r.dirs, fresh)
		return nil, nil
	}
	gone = r.end(r.dirs[last].dir)
	r.dirs[last].dir = nil
	r.dirs[last] = fresh
	return nil, gone
}

// open opens a directory that is to be held, and gives it with one use; nil where it cannot be. One that made way meanwhile is not
// held.
func (r *Recent) open(h *held) *shared {
	dir, err := OpenDir(r.FS, h.name)
	r.mu.Lock()
	defer r.mu.Unlock()
	h.opening = false
	if err != nil {
		return nil
	}
	d := &shared{dir, 1}
	if slices.Contains(r.dirs, h) {
		h.dir = d
		d.users++
	}
	return d
}
