package sense

import (
	"path"
	"slices"
	"strings"
)

// places answers whether a name is watched, and which directories must be marked so that its changes are told.
type places struct {
	files, dirs map[string]bool
	above       map[string][]string // directory -> places below it, for directories that come into being
}

func newPlaces(files, dirs []string) *places {
	p := &places{map[string]bool{}, map[string]bool{}, map[string][]string{}}
	add := func(set map[string]bool, list []string) {
		for _, name := range list {
			name = path.Clean("/" + name)
			set[name] = true
			for up := path.Dir(name); up != "/"; up = path.Dir(up) {
				p.above[up] = append(p.above[up], name)
			}
		}
	}
	add(p.files, files)
	add(p.dirs, dirs)
	return p
}

// watched reports whether what happens to the name is worth an event: the name is a place, lies directly in one, or is a
// directory that leads to one.
func (p *places) watched(name string) bool {
	return p.files[name] || p.dirs[name] || p.dirs[path.Dir(name)] || p.above[name] != nil
}

// marks gives the directories that tell of changes: each directory of places itself, and that which holds each name.
func (p *places) marks() []string {
	set := map[string]bool{}
	for name := range p.files {
		set[path.Dir(name)] = true
	}
	for name := range p.dirs {
		set[name], set[path.Dir(name)] = true, true
	}
	out := make([]string, 0, len(set))
	for name := range set {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// below gives the marks that lie at or below a directory that has come into being.
func (p *places) below(dir string) []string {
	set := map[string]bool{}
	for _, name := range p.above[dir] {
		set[path.Dir(name)] = true
		if p.dirs[name] {
			set[name] = true
		}
	}
	if p.dirs[dir] {
		set[dir] = true
	}
	var out []string
	for name := range set {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
