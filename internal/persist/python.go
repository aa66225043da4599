package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listPython lists what every start of Python runs: the import lines of .pth files, sitecustomize and usercustomize
// (Python library reference, module site).
func listPython(l *Lister) {
	modules := map[string][]string{} // real path -> the names it is found under
	var order []string
	customize := func(name string) {
		real := l.Real(name)
		if modules[real] == nil {
			order = append(order, real)
		}
		modules[real] = append(modules[real], name)
	}
	for _, dir := range pythonDirs(l) {
		user := ownerOf(l, dir)
		for _, e := range l.Dir(dir) {
			name := path.Join(dir, e.Name)
			switch {
			case strings.HasSuffix(e.Name, ".pth"):
				pthLines(l, name, user)
			case isCustomize(e.Name) && e.Type != deminer.Directory:
				customize(name)
			case (e.Name == "sitecustomize" || e.Name == "usercustomize") && l.IsFile(name+"/__init__.py"):
				customize(name + "/__init__.py")
			}
		}
	}
	for _, name := range l.Glob("/etc/python*/sitecustomize.py") {
		customize(name)
	}
	for _, real := range order {
		addCustomize(l, real, modules[real])
	}
}

// pythonDirs are the directories of installed modules, the standard library too: sitecustomize may lie there.
func pythonDirs(l *Lister) []string {
	patterns := []string{"/opt/*/lib/python*/site-packages", "/opt/*/lib/python*"}
	for _, root := range []string{"/usr", "/usr/local"} {
		for _, lib := range []string{"lib", "lib64"} {
			patterns = append(patterns, root+"/"+lib+"/python*", root+"/"+lib+"/python*/site-packages", root+"/"+lib+"/python*/dist-packages")
		}
	}
	for _, h := range l.Homes {
		patterns = append(patterns, escapeGlob(h.Dir)+"/.local/lib/python*/site-packages", escapeGlob(h.Dir)+"/.config/python*")
	}
	var out []string
	for _, d := range l.firstAll(l.Glob(patterns...)) {
		if l.IsDir(d) {
			out = append(out, d)
		}
	}
	return out
}

func isCustomize(base string) bool {
	stem, _, _ := strings.Cut(base, ".")
	return (stem == "sitecustomize" || stem == "usercustomize") &&
		(strings.HasSuffix(base, ".py") || strings.HasSuffix(base, ".pyc") || strings.HasSuffix(base, ".so"))
}

// pthLines lists the lines of a .pth file that Python runs: those that begin with import and a blank.
func pthLines(l *Lister, name, user string) {
	for _, line := range l.Lines(name) {
		if !strings.HasPrefix(line.Text, "import ") && !strings.HasPrefix(line.Text, "import\t") {
			continue
		}
		l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: path.Base(name), User: user,
			Trigger: "every start of Python", Command: deminer.Raw(line.Text), Targets: []string{}, Odd: oddLine(line.Text),
			Remove: []deminer.Action{l.Cut(name, line.Text, line.No, true)}})
	}
}

// addCustomize lists one module; the links that lead to it go with it.
func addCustomize(l *Lister, real string, names []string) {
	f := deminer.Foothold{Path: deminer.Raw(real), Name: path.Base(names[0]), User: ownerOf(l, names[0]), Trigger: "every start of Python", Targets: []string{real}}
	for _, n := range names {
		if l.IsLink(n) {
			f.Remove = append(f.Remove, drop(n))
		}
	}
	f.Remove = append(f.Remove, drop(real))
	l.Add(f)
}

// ownerOf says whose programs read a directory of modules: a home's owner, else everybody.
func ownerOf(l *Lister, dir string) string {
	for _, h := range l.Homes {
		if below(dir, []string{h.Dir}) {
			return h.User
		}
	}
	return "every user"
}

// firstAll is [Lister.firstReal] without its limit on targets.
func (l *Lister) firstAll(names []string) []string {
	var out []string
	done := map[string]bool{}
	for _, n := range names {
		if real, err := l.resolve(n); err == nil && !done[real] {
			done[real] = true
			out = append(out, real)
		}
	}
	return out
}
