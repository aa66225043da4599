package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// unit is one unit file.
type unit struct {
	name string // "x.service"
	path string // as it stands in its directory, links of the directory resolved
	real string // the file a link leads to; else path
	list []setLine
}

// unitSet is what lies in the directories of one manager: the system's, or a user's.
type unitSet struct {
	dirs    []string // links resolved, each once
	units   []unit
	dropins []unit              // name is the unit they change, "" never
	links   map[string][]string // real file -> links in wants, requires and alias links that lead to it
	byName  map[string][]string // unit name -> wants and requires links of that name
	pulled  map[string]string   // unit name -> who pulls it in: a link, a timer, a setting of another unit
}

// systemDirs of units, systemd.unit(5), table "Load path when running in system mode".
func systemUnitDirs() []string {
	return []string{"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient", "/run/systemd/generator.early",
		"/etc/systemd/system", "/etc/systemd/system.attached", "/run/systemd/system", "/run/systemd/system.attached", "/run/systemd/generator",
		"/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/generator.late"}
}

// pulls are the settings that start or bring in other units (systemd.unit(5)).
func pulls(key string) bool {
	switch key {
	case "Wants", "Requires", "Requisite", "BindsTo", "Upholds", "OnFailure", "OnSuccess", "Unit", "Sockets", "PropagatesReloadTo", "Service", "JoinsNamespaceOf":
		return true
	}
	return false
}

// loadUnits reads the unit directories. Masked units (links to /dev/null, empty files) are left out.
func (l *Lister) loadUnits(dirs []string) *unitSet {
	s := &unitSet{links: map[string][]string{}, byName: map[string][]string{}, pulled: map[string]string{}}
	for _, dir := range dirs {
		real, err := l.resolve(dir)
		if err != nil {
			l.Fail(dir, err)
		} else if !slices.Contains(s.dirs, real) {
			s.dirs = append(s.dirs, real)
		}
	}
	for _, dir := range s.dirs {
		for _, e := range l.Dir(dir) {
			s.entry(l, path.Join(dir, e.Name), e.Type)
		}
	}
	s.orphans(l)
	for _, u := range append(slices.Clone(s.units), s.dropins...) {
		for _, d := range u.list {
			if pulls(d.key) && len(s.pulled) < maxFound {
				for w := range strings.FieldsSeq(d.value) {
					s.pull(w, u.name)
				}
			}
		}
		if stem, kind := splitUnit(u.name); kind == "timer" || kind == "path" || kind == "socket" {
			s.pull(stem+".service", u.name)
			s.pull(stem+"@.service", u.name)
		}
	}
	return s
}

// pull notes what starts a unit; links, which come first, say more than aliases and settings.
func (s *unitSet) pull(name, by string) {
	if _, ok := s.pulled[name]; !ok {
		s.pulled[name] = by
	}
}

// entry takes one name of a unit directory.
func (s *unitSet) entry(l *Lister, name string, kind deminer.FileType) {
	base := path.Base(name)
	switch {
	case kind == deminer.Directory || kind == deminer.Symlink && isDir(l.Host.FS, name):
		switch ext := path.Ext(base); ext {
		case ".wants", ".requires", ".upholds":
			s.wants(l, name)
		case ".d":
			for _, f := range l.Files(name) {
				if strings.HasSuffix(f, ".conf") {
					s.dropins = append(s.dropins, unit{strings.TrimSuffix(base, ".d"), f, l.Real(f), l.unitFile(f)})
				}
			}
		}
	case !isUnitName(base):
	case kind == deminer.Symlink:
		real, err := l.resolve(name)
		if err != nil || real == "/dev/null" {
			return
		}
		if isUnitName(path.Base(real)) && slices.Contains(s.dirs, path.Dir(real)) { // an alias
			s.links[real] = append(s.links[real], name)
			s.pull(path.Base(real), "its alias "+base)
			return
		}
		s.add(l, unit{name: base, path: name, real: real})
	case kind == deminer.Regular:
		s.add(l, unit{name: base, path: name, real: name})
	}
}

func (s *unitSet) add(l *Lister, u unit) {
	if a, err := l.Host.FS.Stat(u.path); err != nil || !a.IsRegular() || a.Size == 0 {
		return
	}
	switch _, kind := splitUnit(u.name); kind {
	case "service", "socket", "path", "timer", "mount", "automount", "swap", "target":
		u.list = l.unitFile(u.path)
		s.units = append(s.units, u)
	}
}

// wants takes the links of one .wants or .requires directory.
func (s *unitSet) wants(l *Lister, dir string) {
	by := strings.TrimSuffix(path.Base(dir), path.Ext(dir))
	for _, e := range l.Dir(dir) {
		name := path.Join(dir, e.Name)
		if !isUnitName(e.Name) {
			continue
		}
		s.pulled[e.Name] = by
		s.byName[e.Name] = append(s.byName[e.Name], name)
		if real, err := l.resolve(name); err == nil && real != name {
			s.links[real] = append(s.links[real], name)
			s.pulled[path.Base(real)] = by // a template's instance
		}
	}
}

// orphans are wants links whose unit lies in none of the directories: systemd loads the file they lead to.
func (s *unitSet) orphans(l *Lister) {
	for name, links := range s.byName {
		if slices.ContainsFunc(s.units, func(u unit) bool { return u.name == name || template(name) == u.name }) {
			continue
		}
		slices.Sort(links)
		if real, err := l.resolve(links[0]); err == nil && real != "/dev/null" {
			if !slices.ContainsFunc(s.units, func(u unit) bool { return u.real == real }) {
				s.add(l, unit{name: name, path: links[0], real: real})
			}
		}
	}
	slices.SortStableFunc(s.units, func(a, b unit) int { return strings.Compare(a.name, b.name) })
}

// recipe takes a unit away: first the links that lead to it, then the file, and its drop-ins if no other file of that
// name takes its place. The file that a link in a unit directory leads to stays: it is a target, not the foothold.
func (s *unitSet) recipe(u unit) []deminer.Action {
	last := !slices.ContainsFunc(s.units, func(o unit) bool { return o.name == u.name && o.path != u.path })
	links := slices.Clone(s.links[u.path])
	if u.real != u.path && last {
		links = append(links, s.links[u.real]...)
	}
	if last {
		links = append(links, s.byName[u.name]...)
	}
	names := []string{u.name}
	slices.Sort(links)
	links = slices.DeleteFunc(slices.Compact(links), func(name string) bool { return name == u.path })
	for _, link := range links {
		names = append(names, path.Base(link))
	}
	out := append(drops(links...), drop(u.path))
	if last {
		for _, d := range s.dropins {
			if d.name == u.name {
				out = append(out, drop(d.path))
			}
		}
	}
	slices.Sort(names)
	return append(out, reload(slices.Compact(names)...))
}

// enabled says in words what starts the unit, or "".
func (s *unitSet) enabled(u unit) string {
	if by, ok := s.pulled[u.name]; ok {
		return by
	}
	for _, link := range s.links[u.real] {
		return path.Base(path.Dir(link))
	}
	return ""
}

// service finds the unit that a timer, path or socket starts.
func (s *unitSet) service(u unit) unit {
	stem, _ := splitUnit(u.name)
	want := value(u.list, "Unit")
	if want == "" {
		want = stem + ".service"
	}
	for _, o := range s.units {
		if o.name == want || o.name == template(want) || o.name == stem+"@.service" {
			return o
		}
	}
	return unit{name: want}
}

// template gives "x@.service" of "x@1.service", else the name itself.
func template(name string) string {
	stem, kind := splitUnit(name)
	if at := strings.IndexByte(stem, '@'); at >= 0 {
		return stem[:at+1] + "." + kind
	}
	return name
}

func splitUnit(name string) (stem, kind string) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return name, ""
	}
	return name[:i], name[i+1:]
}

func isUnitName(name string) bool {
	switch _, kind := splitUnit(name); kind {
	case "service", "socket", "path", "timer", "mount", "automount", "swap", "target", "device", "slice", "scope":
		return true
	}
	return false
}
