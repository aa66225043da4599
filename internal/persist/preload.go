package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// preloadFile is the list of libraries that ld.so loads into every dynamically linked program (ld.so(8), FILES).
const preloadFile = "/etc/ld.so.preload"

// listPreload lists each library of /etc/ld.so.preload, and of the file that a patched loader reads in its place.
// The line is removed before the library: a library that is listed but missing makes every program print an error.
func listPreload(l *Lister) {
	for _, name := range append([]string{preloadFile}, patchedPreloads(l)...) {
		unlisted := l.Exists(name) && !listed(l, name)
		for _, line := range l.Lines(name) {
			libs := preloadLibs(line.Text)
			for _, lib := range libs[:l.share(name, line.Text, len(libs))] {
				f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: lib,
					User: "every user", Trigger: "start of every program", Targets: l.libraries(lib), Odd: oddLine(line.Text)}
				if len(f.Targets) == 0 || !l.Exists(f.Targets[0]) {
					f.Disabled = true
					f.Odd = append(f.Odd, "the library is missing")
				}
				if unlisted {
					f.Odd = append(f.Odd, "a listing of its directory does not show the file")
				}
				if name != preloadFile {
					f.Odd = append(f.Odd, "the loader reads this file in place of "+preloadFile)
				}
				f.Remove = []deminer.Action{l.Cut(name, line.Text, line.No, true)}
				if len(libs) > 1 {
					f.Part = lib
					f.Remove = []deminer.Action{l.Edit(name, line.Text, dropWord(line.Text, lib), line.No)}
				}
				l.Add(f)
			}
		}
	}
}

// listed reports whether the directory listing shows the name: a rootkit may hide it there and forget the look-up.
func listed(l *Lister, name string) bool {
	for _, e := range l.Dir(path.Dir(name)) {
		if e.Name == path.Base(name) {
			return true
		}
	}
	return false
}

// preloadLibs splits a line as ld.so does: blanks and colons separate, # begins a comment.
func preloadLibs(line string) []string {
	text, _, _ := strings.Cut(line, "#")
	var out []string
	for _, w := range strings.FieldsFunc(text, isPreloadBlank) {
		if len(out) < maxTarget {
			out = append(out, w)
		}
	}
	return out
}

func isPreloadBlank(r rune) bool { return r == ':' || r == ' ' || r == '\t' || r == '\r' }

// dropWord takes one library out of a line that lists several.
func dropWord(line, word string) string {
	text, comment, has := strings.Cut(line, "#")
	var keep []string
	for _, w := range strings.FieldsFunc(text, isPreloadBlank) {
		if w != word {
			keep = append(keep, w)
		}
	}
	if has {
		keep = append(keep, "#"+comment)
	}
	return strings.Join(keep, " ")
}

// libDirs are the directories the loader searches without being told, Debian's and others'.
func (l *Lister) libDirs() []string {
	return l.Glob("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/lib/*-linux-gnu*", "/usr/lib/*-linux-gnu*", "/usr/local/lib")
}

// libraries gives the files a library name of the loader stands for: $LIB is expanded, a bare name is looked up.
func (l *Lister) libraries(lib string) []string {
	if !strings.Contains(lib, "/") {
		var names []string
		for _, d := range l.libDirs() {
			names = append(names, escapeGlob(path.Join(d, lib)))
		}
		return l.firstReal(l.Glob(names...))
	}
	if !strings.Contains(lib, "$") {
		return []string{path.Clean(lib)}
	}
	var names []string
	for _, dir := range []string{"lib", "lib64", "lib/*-linux-gnu*"} {
		names = append(names, strings.NewReplacer("${LIB}", dir, "$LIB", dir, "${PLATFORM}", "*", "$PLATFORM", "*").Replace(lib))
	}
	return l.firstReal(l.Glob(names...))
}

// firstReal keeps each file once, with links resolved.
func (l *Lister) firstReal(names []string) []string {
	out := []string{}
	done := map[string]bool{}
	for _, n := range names {
		if real := l.Real(n); !done[real] && len(out) < maxTarget {
			done[real] = true
			out = append(out, real)
		}
	}
	return out
}
