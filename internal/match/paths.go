package match

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// pathIndex keeps globs by their first element, if that has no wildcard.
type pathIndex struct {
	plain map[string]*indicator
	globs []pathGlob            // as they were added; gone after finish
	below map[string][]pathGlob // by first element as in "/tmp/", with all of other among them in the order they were added
	other []pathGlob            // those whose first element is not plain, or that lie below a home directory
	wild  bool                  // other has some that do not lie below a home directory
	first map[string]bool       // first elements that occur in plain
	dirs  map[string]bool       // directories of plain, as in "/tmp/"
}

// pathGlob is a pattern cut into elements. dir means that everything below matches too. home patterns begin below a home directory.
type pathGlob struct {
	in   *indicator
	elem []string
	dir  bool
	home bool
	lead string // bytes every match begins with
}

func checkGlob(v string) error {
	if !strings.HasPrefix(v, "/") && !strings.HasPrefix(v, "~/") && !isWindows(v) {
		return fmt.Errorf("path %q is not absolute", v)
	}
	for _, p := range braces(v) {
		if _, err := path.Match(p, "x"); err != nil && !isWindows(v) {
			return fmt.Errorf("path %q: %w", v, err)
		}
	}
	if strings.Count(v, "**") > 2 {
		return errors.New("more than two ** in a path")
	}
	return nil
}

func isWindows(v string) bool { return len(v) > 2 && v[1] == ':' && v[2] == '\\' }

// braces expands one group {a,b}.
func braces(v string) []string {
	pre, rest, ok := strings.Cut(v, "{")
	list, post, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return []string{v}
	}
	var out []string
	for _, alt := range strings.Split(list, ",") {
		out = append(out, pre+alt+post)
	}
	return out
}

func (x *pathIndex) add(in *indicator) {
	if x.plain == nil {
		x.plain = map[string]*indicator{}
	}
	for _, v := range braces(in.value) {
		if isWindows(v) {
			v = windowsPath(v)
		}
		g := pathGlob{in: in}
		if rest, ok := strings.CutPrefix(v, "~/"); ok {
			g.home, v = true, rest
		}
		if rest, ok := strings.CutSuffix(v, "/"); ok {
			g.dir, v = true, rest
		}
		if !g.home && !g.dir && !strings.ContainsAny(v, "*?[") {
			if old := x.plain[v]; old == nil || old.family == "" {
				x.plain[v] = in
			}
			continue
		}
		g.lead = v
		if i := strings.IndexAny(v, "*?["); i >= 0 {
			g.lead = v[:i]
		}
		g.elem = strings.Split(v, "/")
		x.globs = append(x.globs, g)
	}
}

// finish sorts the globs by first element.
func (x *pathIndex) finish() {
	x.below, x.first, x.dirs = map[string][]pathGlob{}, map[string]bool{}, map[string]bool{}
	for name := range x.plain {
		x.first[firstElem(name)] = true
		x.dirs[name[:strings.LastIndexByte(name, '/')+1]] = true
	}
	for _, g := range x.globs {
		if first := firstElem(g.lead); !g.home && len(first) > 1 && strings.HasSuffix(first, "/") {
			x.below[first] = nil
		}
	}
	for _, g := range x.globs {
		if first := firstElem(g.lead); !g.home && len(first) > 1 && strings.HasSuffix(first, "/") {
			x.below[first] = append(x.below[first], g)
			continue
		}
		x.wild = x.wild || !g.home
		x.other = append(x.other, g)
		for k := range x.below {
			x.below[k] = append(x.below[k], g)
		}
	}
	x.globs = nil
}

// firstElem gives a path up to its second slash, that included; all of it where there is none.
func firstElem[T string | []byte](name T) T {
	for i := 1; i < len(name); i++ {
		if name[i] == '/' {
			return name[:i+1]
		}
	}
	return name
}

// may tells quickly that a word of a text cannot begin with a known path.
func (x *pathIndex) may(word []byte) bool {
	if word[0] != '/' || x.wild {
		return true
	}
	first := firstElem(word[:min(len(word), 64)])
	return string(first) == "/root/" || x.first[string(first)] || x.below[string(first)] != nil
}

func windowsPath(v string) string { return strings.ToLower(strings.ReplaceAll(v, `\`, "/")) }

// Path asks about a file name; one inside a container layer is asked by the name it has there. homes are the home directories of the host, for patterns that begin with ~. The name must be absolute and clean.
// A path alone is no proof: check the type and size of the file, since cleaners and rivals leave empty place-holders at such paths.
func (s *Set) Path(name string, homes []string) []Hit {
	if len(name) > 4096 {
		return nil
	}
	if inner, ok := insideLayer(name); ok {
		if hits := s.path(inner, append([]string{"/root"}, homes...)); len(hits) > 0 {
			hits[0].Excerpt = clip(name)
			return hits
		}
	}
	return s.path(name, homes)
}

func (s *Set) path(name string, homes []string) []Hit {
	if isWindows(name) {
		name = windowsPath(name)
	}
	x := &s.ioc.paths
	var out []Hit
	if in := x.plain[name]; in != nil {
		out = append(out, in.hit(-1, name))
	}
	globs := x.other
	if list := x.below[firstElem(name)]; list != nil {
		globs = list
	}
	below := belowHomes(name, homes)
	for i := range globs {
		g := &globs[i]
		if !g.home {
			if strings.HasPrefix(name, g.lead) && g.match(name) {
				out = append(out, g.in.hit(-1, name))
			}
			continue
		}
		for _, rest := range below {
			if strings.HasPrefix(rest, g.lead) && g.match(rest) {
				out = append(out, g.in.hit(-1, name))
				break
			}
		}
	}
	return strongest(out)
}

// PathsIn reports whether Path may have something to say of a name in a directory, given with a slash at its end. False is
// certain. Most directories hold no name that a rule speaks of, and need not be asked for name by name.
func (s *Set) PathsIn(dir string, homes []string) bool {
	if _, layer := insideLayer(dir); layer {
		return true
	}
	x := &s.ioc.paths
	if x.dirs[dir] {
		return true
	}
	globs := x.other
	if list := x.below[firstElem(dir)]; list != nil {
		globs = list
	}
	below := belowHomes(dir, homes)
	for i := range globs {
		g := &globs[i]
		if !g.home && g.mayIn(dir) || g.home && slices.ContainsFunc(below, g.mayIn) {
			return true
		}
	}
	return false
}

// mayIn reports whether the pattern could match a name in a directory, by what is plain in it.
func (g *pathGlob) mayIn(dir string) bool {
	return strings.HasPrefix(dir, g.lead) || strings.HasPrefix(g.lead, dir) && strings.IndexByte(g.lead[len(dir):], '/') < 0
}

// insideLayer gives the name a file of a container layer has inside the container.
func insideLayer(name string) (string, bool) {
	for _, store := range [...]string{"/var/lib/docker/", "/var/lib/containerd/", "/var/lib/containers/", "/run/containerd/"} {
		if !strings.HasPrefix(name, store) {
			continue
		}
		for _, mark := range [...]string{"/diff/", "/merged/", "/fs/", "/rootfs/"} {
			if i := strings.Index(name, mark); i >= 0 {
				return name[i+len(mark)-1:], true
			}
		}
	}
	return "", false
}

// belowHomes gives the name relative to every home it lies in.
func belowHomes(name string, homes []string) []string {
	var out []string
	for _, h := range homes {
		h = strings.TrimSuffix(h, "/")
		if h != "" && len(name) > len(h) && name[len(h)] == '/' && name[:len(h)] == h {
			out = append(out, name[len(h)+1:])
		}
	}
	return out
}

// strongest keeps one hit, since several patterns for one path are one fact.
func strongest(list []Hit) []Hit {
	if len(list) < 2 {
		return list
	}
	best := list[0]
	for _, h := range list[1:] {
		if h.Strength > best.Strength || h.Strength == best.Strength && best.Family == "" {
			best = h
		}
	}
	return []Hit{best}
}

func (g *pathGlob) match(name string) bool {
	return matchElems(g.elem, strings.Split(name, "/"), g.dir)
}

// matchElems compares element by element; ** stands for any number of them. With dir, what is left of the name is below the pattern.
func matchElems(pat, name []string, dir bool) bool {
	star, back := -1, 0
	i, k := 0, 0
	for {
		switch {
		case i == len(pat) && (k == len(name) || dir):
			return true
		case i < len(pat) && pat[i] == "**":
			star, back = i, k
			i++
			continue
		case i < len(pat) && k < len(name) && elemMatch(pat[i], name[k]):
			i++
			k++
			continue
		}
		if star < 0 || back >= len(name) {
			return false
		}
		back++
		i, k = star+1, back
	}
}

func elemMatch(pat, name string) bool {
	if !strings.ContainsAny(pat, "*?[") {
		return pat == name
	}
	if len(name) > 255 {
		return false
	}
	ok, err := path.Match(pat, name)
	return ok && err == nil
}
