package host

import (
	"io"
	"path"
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
// goroutines.
type Recent struct {
	FS
	mu    sync.Mutex
	dirs  []held
	asked uint64 // counts the questions
	last  struct {
		name string
		attr deminer.Attr
		when time.Time
	}
}

// held is a directory that was asked for. It is opened when it is asked for again; dir is nil where it could not be.
type held struct {
	name  string
	dir   Dir
	since time.Time // when that was tried; zero: not yet
	used  uint64    // by Recent.asked
}

// NewRecent begins to hold directories of an FS. Forget gives them back.
func NewRecent(fsys FS) *Recent { return &Recent{FS: fsys} }

// Forget closes what is held.
func (r *Recent) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.dirs {
		r.dirs[i].close()
	}
	r.dirs = nil
}

// Close is Forget, and closes the FS where that can be closed. Nobody may ask it then.
func (r *Recent) Close() error {
	r.Forget()
	if c, ok := r.FS.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (h *held) close() {
	if h.dir != nil {
		_ = h.dir.Close()
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
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.last.name == name && now.Sub(r.last.when) < lastFor {
		return r.last.attr, nil, true
	}
	d := r.hold(dir, now)
	if d == nil {
		return a, nil, false
	}
	if a, err = d.Lstat(base); err == nil {
		r.last.name, r.last.attr, r.last.when = name, a, now
	}
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

// hold gives a directory that was asked for before; nil where it was not, or cannot be held.
func (r *Recent) hold(name string, now time.Time) Dir {
	r.asked++
	last := 0 // the one not used for the longest time
	for i := range r.dirs {
		h := &r.dirs[i]
		if h.name == name {
			h.used = r.asked
			h.renew(r.FS, now)
			return h.dir
		}
		if h.used < r.dirs[last].used {
			last = i
		}
	}
	fresh := held{name: name, used: r.asked}
	if len(r.dirs) < heldDirs {
		r.dirs = append(r.dirs, fresh)
		return nil
	}
	r.dirs[last].close()
	r.dirs[last] = fresh
	return nil
}

// renew opens the directory if that was not tried within the last second.
func (h *held) renew(fsys FS, now time.Time) {
	if !h.since.IsZero() && now.Sub(h.since) < heldFor {
		return
	}
	h.close()
	h.since, h.dir = now, nil
	if d, err := OpenDir(fsys, h.name); err == nil {
		h.dir = d
	}
}
