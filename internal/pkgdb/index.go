package pkgdb

import (
	"hash/maphash"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// index maps paths to packages by a keyed hash, so that nobody can make paths collide on purpose. An entry is 47 bits of the hash and the
// number of the package: of two million paths one in 60 million others is taken for one of them.
type index struct {
	seed    maphash.Seed
	entries []uint64
}

// pkgBits hold the number of a package, which is below maxPackages.
const pkgBits = 17

func (x *index) len() int { return len(x.entries) }

func (x *index) hash(name string) uint64 {
	if x.seed == (maphash.Seed{}) {
		x.seed = maphash.MakeSeed()
	}
	return maphash.String(x.seed, name)
}

func (x *index) entry(name string, pkg uint32) uint64 {
	return x.hash(name)>>pkgBits<<pkgBits | uint64(pkg)
}

func (x *index) add(name string, pkg uint32) { x.entries = append(x.entries, x.entry(name, pkg)) }

// sort ends the adding. The room that grew with it is given back.
func (x *index) sort() {
	slices.Sort(x.entries)
	x.entries = append(make([]uint64, 0, len(x.entries)), x.entries...)
}

// find gives at most eight packages that list the path; only directories have more.
func (x *index) find(name string) []uint32 {
	first := x.entry(name, 0)
	i, _ := slices.BinarySearch(x.entries, first)
	var out []uint32
	for ; i < len(x.entries) && x.entries[i]>>pkgBits == first>>pkgBits && len(out) < 8; i++ {
		out = append(out, uint32(x.entries[i]&(1<<pkgBits-1)))
	}
	return out
}

// has reports whether this package lists the path.
func (x *index) has(name string, pkg uint32) bool {
	_, ok := slices.BinarySearch(x.entries, x.entry(name, pkg))
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
