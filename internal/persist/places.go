package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Glob lists the paths that match a pattern: each element is a literal or a [path.Match] pattern, never "**". Links in
// the directories are followed inside the root; the names given are as matched. Sorted, without duplicates.
func (l *Lister) Glob(patterns ...string) []string {
	var out []string
	for _, p := range patterns {
		out = append(out, l.glob(p)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (l *Lister) glob(pattern string) []string {
	at := []string{"/"}
	for elem := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		var next []string
		for _, dir := range at {
			if !strings.ContainsAny(elem, `*?[\`) {
				next = append(next, path.Join(dir, elem))
				continue
			}
			if !isDir(l.Host.FS, dir) {
				continue
			}
			for _, e := range l.Dir(dir) {
				if ok, err := path.Match(elem, e.Name); ok && err == nil {
					next = append(next, path.Join(dir, e.Name))
				}
			}
		}
		at = next
	}
	return slices.DeleteFunc(at, func(name string) bool { return !l.Exists(name) })
}

// InHomes gives each of these names in each home directory where it exists, with the user.
func (l *Lister) InHomes(see func(h Home, name string), names ...string) {
	for _, h := range l.Homes {
		for _, n := range names {
			for _, name := range l.Glob(escapeGlob(h.Dir) + "/" + n) {
				see(h, name)
			}
		}
	}
}

// escaped writes what means something in a pattern as itself.
var escaped = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// escapeGlob makes a directory name literal in a pattern.
func escapeGlob(name string) string {
	return escaped.Replace(name)
}

// IsDir reports whether the name leads to a directory.
func (l *Lister) IsDir(name string) bool { return isDir(l.Host.FS, name) }

// IsFile reports whether the name leads to a regular file.
func (l *Lister) IsFile(name string) bool {
	a, err := l.Host.FS.Stat(name)
	return err == nil && a.IsRegular()
}

// Owned reports whether a package lists the path; known is false where that cannot be told.
func (l *Lister) Owned(name string) (owned, known bool) {
	if l.Host.Packages == nil {
		return false, false
	}
	switch l.Host.Packages.Owner(name).State {
	case deminer.Unowned:
		return false, true
	case deminer.Owned, deminer.Intact, deminer.Modified:
		return true, true
	}
	return false, false
}

// Real gives the path with links resolved inside the root, or the path itself where that fails.
func (l *Lister) Real(name string) string {
	if real, err := host.Resolve(l.Host.FS, name); err == nil {
		return real
	}
	return path.Clean(name)
}

// hotDirs are the directories any user may write to, where dropped programs lie first.
func hotDirs() []string {
	return []string{"/tmp", "/var/tmp", "/dev/shm", "/run/shm", "/var/lock", "/run/lock"}
}

// binDirs are the directories of programs, in the order of the usual PATH of root.
func binDirs() []string {
	return []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
}

// below reports whether the path is one of the directories or lies in one.
func below(name string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return name == d || strings.HasPrefix(name, d+"/") })
}

// hidden reports whether an element of the path begins with a dot.
func hidden(name string) bool { return strings.Contains(name, "/.") }

// oddPlace says in words why a path is no usual place for a program or library; "" where it is.
func oddPlace(name string) string {
	switch {
	case below(path.Clean(name), hotDirs()):
		return "in a directory that everybody may write to"
	case hidden(name):
		return "in a hidden place"
	case !strings.HasPrefix(name, "/"):
		return "relative path"
	}
	return ""
}

// noRecipe marks a foothold that no verb can take away; deminer must not fall back to dropping its file.
func noRecipe() []deminer.Action { return []deminer.Action{} }

// oddText is [oddLine] for a statement of several lines.
func oddText(s string) []string { return oddLine(strings.ReplaceAll(s, "\n", " ")) }

// maxShared bounds the footholds of one line: each keeps a copy of it.
const maxShared = 256

// share gives how many of the n entries of a line are listed; what it leaves out is a gap.
func (l *Lister) share(name, line string, n int) int {
	switch {
	case len(line) > maxCommand:
		l.gap(deminer.Partial, name, "a line is too long for its entries to be listed")
		return 0
	case n > maxShared:
		l.gap(deminer.Partial, name, "a line has too many entries for all to be listed")
		return maxShared
	}
	return n
}
