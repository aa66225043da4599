package scan

import (
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// unpacking is how long the unpacking of a whole system may take.
const unpacking = time.Hour

// births is a view without birth times that tell nothing: those of the hour in which the system's own directories were
// made. In a tree that was installed, unpacked or restored then, every file is as old as that, whatever it is.
type births struct {
	host.FS
	made []time.Time
}

func knownBirths(fsys host.FS) births {
	b := births{FS: fsys}
	for _, dir := range []string{"/etc", "/usr", "/var"} {
		if a, err := fsys.Lstat(dir); err == nil && !a.Btime.IsZero() {
			b.made = append(b.made, a.Btime)
		}
	}
	return b
}

func (b births) known(a deminer.Attr, err error) (deminer.Attr, error) {
	for _, t := range b.made {
		if a.Btime.Sub(t).Abs() <= unpacking {
			a.Btime = time.Time{}
		}
	}
	return a, err
}

// Lstat, Stat and Deep implement host.FS.
func (b births) Lstat(name string) (deminer.Attr, error) { return b.known(b.FS.Lstat(name)) }

// Stat implements host.FS.
func (b births) Stat(name string) (deminer.Attr, error) { return b.known(b.FS.Stat(name)) }

// Deep implements host.FS.
func (b births) Deep(name string) (deminer.Attr, error) { return b.known(b.FS.Deep(name)) }

// OpenDir implements host.DirOpener.
func (b births) OpenDir(name string) (host.Dir, error) {
	d, err := host.OpenDir(b.FS, name)
	if err != nil {
		return nil, err
	}
	return birthDir{d, b}, nil
}

// birthDir is an open directory of the same view.
type birthDir struct {
	host.Dir
	view births
}

// Lstat implements host.Dir.
func (d birthDir) Lstat(name string) (deminer.Attr, error) { return d.view.known(d.Dir.Lstat(name)) }
