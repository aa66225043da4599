package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// place is a directory to be walked: how deep, and how many names at most.
type place struct {
	dir          string
	depth, limit int
}

// dropPlaces are where files of intruders lie first: world-writable directories, homes, and a few names of habit.
func dropPlaces(l *Lister) []place {
	var out []place
	for _, d := range hotDirs() {
		out = append(out, place{d, 4, 5000})
	}
	for _, d := range []string{"/opt", "/var/www", "/srv"} {
		out = append(out, place{d, 3, 5000})
	}
	out = append(out, place{"/usr/local", 3, 5000})
	for _, h := range l.Homes {
		out = append(out, place{h.Dir, 3, 2000})
	}
	return out
}

// searches reports whether trees are searched in this look; where they are not, a gap says so.
func (l *Lister) searches() bool {
	if l.NoSearch {
		l.gap(deminer.Skipped, "", "a scan of given paths searches no other directories")
	}
	return !l.NoSearch
}

// walk shows every name in these places that is no directory, each real directory once. Places that are larger or deeper
// than their limits are named together in one gap.
func (l *Lister) walk(places []place, see func(name string, e host.Entry, attr func() (deminer.Attr, error))) {
	if rec, ok := l.Host.FS.(*recorder); ok {
		rec.searching++
		defer func() { rec.searching-- }()
	}
	if !l.searches() {
		return
	}
	done := map[string]bool{}
	var cut []string
	for _, p := range places {
		dir, err := host.Resolve(l.Host.FS, p.dir)
		if err != nil || done[dir] || dir == "/" || !l.IsDir(dir) {
			continue
		}
		done[dir] = true
		full := host.WalkAttr(l.Host.FS, dir, p.depth, p.limit, func(name string, e host.Entry, attr func() (deminer.Attr, error)) bool {
			if l.ctx.Err() != nil {
				return false
			}
			if e.Type == "" {
				if a, err := attr(); err == nil {
					e.Type = a.Type
				}
			}
			if e.Type != deminer.Directory {
				see(name, e, attr)
				return false
			}
			return !done[name] && (!dull(name) || strings.HasPrefix(dir, "/usr/lib/modules"))
		}, l.Fail)
		if !full {
			cut = append(cut, p.dir)
		}
	}
	if len(cut) > 0 {
		l.gap(deminer.Partial, strings.Join(cut[:min(len(cut), 20)], ", "), "looked only a few levels deep and at a bounded number of names")
	}
	if l.ctx.Err() != nil {
		l.gap(deminer.Partial, "", "stopped: "+l.ctx.Err().Error())
	}
}

// dull are directories of very many files none of which is run by its name.
func dull(name string) bool {
	switch path.Base(name) {
	case "node_modules", "site-packages", "dist-packages", "firmware", ".cache", "__pycache__", ".git":
		return true
	}
	return strings.HasPrefix(name, "/usr/lib/modules/") || strings.HasPrefix(name, "/usr/share/")
}
