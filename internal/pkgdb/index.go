package pkgdb

import (
	"cmp"
	"hash/maphash"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// index maps paths to packages by a 64-bit keyed hash, so that nobody can make paths collide on purpose.
type index struct {
	seed    maphash.Seed
	entries []entry
}

type entry struct {
	hash uint64
	pkg  uint32
}

func (x *index) len() int { return len(x.entries) }

func (x *index) hash(name string) uint64 {
	if x.seed == (maphash.Seed{}) {
		x.seed = maphash.MakeSeed()
	}
	return maphash.String(x.seed, name)
}

func (x *index) add(name string, pkg uint32) { x.entries = append(x.entries, entry{x.hash(name), pkg}) }

func (x *index) sort() {
	slices.SortFunc(x.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.pkg, b.pkg))
	})
}

// find gives at most eight packages that list the path; only directories have more.
func (x *index) find(name string) []uint32 {
	h := x.hash(name)
	i, _ := slices.BinarySearchFunc(x.entries, h, func(e entry, h uint64) int { return cmp.Compare(e.hash, h) })
	var out []uint32
	for ; i < len(x.entries) && x.entries[i].hash == h && len(out) < 8; i++ {
		out = append(out, x.entries[i].pkg)
	}
	return out
}

// has reports whether this package lists the path.
func (x *index) has(name string, pkg uint32) bool {
	_, ok := slices.BinarySearchFunc(x.entries, entry{x.hash(name), pkg}, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.pkg, b.pkg))
	})
	return ok
}

// link is a directory that is a link on this host, as the usr-merge makes them.
type link struct{ from, to string }

// readLinks finds which of the well-known directories are links, so that /bin/x and /usr/bin/x are one.
func readLinks(fsys host.FS) []link {
	var out []link
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr/sbin", "/usr/lib64",
		"/var/run", "/var/lock", "/usr/tmp", "/var/mail", "/home", "/opt", "/srv"} {
		a, err := fsys.Lstat(dir)
		if err != nil || a.Type != deminer.Symlink {
			continue
		}
		if real, err := host.Resolve(fsys, dir); err == nil && real != dir && real != "/" {
			out = append(out, link{dir, real})
		}
	}
	return out
}

// canon gives the form of a path under which it is indexed.
func (db *DB) canon(name string) string {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	name = path.Clean(name)
	for _, l := range db.links {
		if rest, ok := strings.CutPrefix(name, l.from); ok && (rest == "" || rest[0] == '/') {
			return l.to + rest
		}
	}
	return name
}
