// Package pkgdb answers, from a host's own package databases, which package a file came with and whether it still is
// what the package holds. It reads dpkg, rpm (sqlite, Berkeley DB and ndb) and apk databases with readers of its own,
// within limits, and runs nothing.
//
// The databases lie on the host and a root intruder can change them. A file they vouch for is only as good as that;
// [DB.Oddities] tells signs of tampering. What is kept in memory is 16 bytes for each listed path and a few words for
// each package; digests are read again when they are asked for.
package pkgdb

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// part is the name of this part in gaps.
const part = "packages"

// Limits. Debian's archive has about 65,000 packages; a full desktop lists less than a million paths.
const (
	maxPackages = 100_000
	maxPaths    = 2_000_000
	maxFiles    = 500_000  // in one package
	maxHash     = 2 << 30  // bytes of a file to hash
	maxRecord   = 64 << 20 // bytes of one package's record
)

// ErrNone: the host has no package database that is known here.
var ErrNone = errors.New("no package database found")

// DB is the package databases of one host. It implements host.Packages and may be used by many goroutines.
type DB struct {
	fs    host.FS
	dbs   []database
	links []link

	mu     sync.Mutex
	loaded bool
	pkgs   []pkg
	index  index
	broken bool // something is missing: a path not found may still be owned
	gaps   []deminer.Gap
	odd    []string
	cache  []sums
	memory Memory
	bufs   sync.Pool // of *[]byte to read with
}

// pkg is one installed package.
type pkg struct {
	name, version string
	db            int       // index in DB.dbs
	ref           uint64    // where the database keeps its record
	file          string    // dpkg: base name of its info files
	age           time.Time // rpm: time of installation
}

// item is one file a package lists. Sum is nil where no digest is kept.
type item struct {
	path   string
	algo   algo
	sum    []byte
	config bool // a configuration file, which people may change
}

// database is one kind of package database.
type database interface {
	// load gives every package and every path it lists.
	load(l *loader)
	// items gives the files of one package that have a digest, until see returns false.
	items(p *pkg, see func(item) bool) error
	age(p *pkg) time.Time
	// oddities looks for signs of tampering.
	oddities(db *DB) []string
}

// Open finds the package databases of a host; several at once are possible. ErrNone where there is none. The value is
// a *DB. Databases are read at the first question.
func Open(fsys host.FS) (host.Packages, error) {
	db := &DB{fs: fsys, links: readLinks(fsys)}
	if d := openDpkg(fsys); d != nil {
		db.dbs = append(db.dbs, d)
	}
	for _, name := range rpmFiles {
		if a, err := fsys.Stat(name); err == nil && a.IsRegular() && a.Size > 0 {
			db.dbs = append(db.dbs, &rpm{fs: fsys, name: name})
			break
		}
	}
	for _, name := range apkFiles {
		if a, err := fsys.Stat(name); err == nil && a.IsRegular() {
			db.dbs = append(db.dbs, &apk{fs: fsys, name: name})
			break
		}
	}
	if len(db.dbs) == 0 {
		return nil, ErrNone
	}
	return db, nil
}

// loader collects what databases list.
type loader struct {
	db   *DB
	id   int // of the database that loads
	full bool
}

// pkg adds a package; false when there are too many.
func (l *loader) pkg(p pkg) bool {
	if len(l.db.pkgs) >= maxPackages {
		l.gap(deminer.Partial, "", fmt.Sprintf("more than %d packages", maxPackages))
		return false
	}
	p.db = l.id
	l.db.pkgs = append(l.db.pkgs, p)
	return true
}

// path adds a path that the last added package lists.
func (l *loader) path(name string) {
	if l.full || len(l.db.pkgs) == 0 {
		return
	}
	if l.db.index.len() >= maxPaths {
		l.full = true
		l.gap(deminer.Partial, "", fmt.Sprintf("more than %d packaged paths", maxPaths))
		return
	}
	l.db.index.add(l.db.canon(name), uint32(len(l.db.pkgs)-1))
}

// gap records that something of the database is missing.
func (l *loader) gap(state deminer.GapState, what, why string) {
	l.db.broken = true
	if len(l.db.gaps) < 100 {
		l.db.gaps = append(l.db.gaps, deminer.Gap{Part: part, State: state, What: what, Why: why})
	}
}

// load reads the databases once; the caller holds mu.
func (db *DB) load() {
	if db.loaded {
		return
	}
	db.loaded = true
	for i, d := range db.dbs {
		d.load(&loader{db: db, id: i})
	}
	db.index.sort()
}

// owners gives the packages that list the path, and the path as the databases know it; the caller holds mu.
func (db *DB) owners(name string) ([]uint32, string) {
	db.load()
	known := db.canon(name)
	if got := db.index.find(known); len(got) > 0 {
		return got, known
	}
	dir, err := host.Resolve(db.fs, path.Dir(known))
	if err != nil {
		return nil, known
	}
	if real := db.canon(path.Join(dir, path.Base(known))); real != known {
		return db.index.find(real), real
	}
	return nil, known
}

// Owner implements host.Packages.
func (db *DB) Owner(name string) deminer.Provenance {
	db.mu.Lock()
	defer db.mu.Unlock()
	got, _ := db.owners(name)
	return db.provenance(got)
}

func (db *DB) provenance(owners []uint32) deminer.Provenance {
	switch {
	case len(owners) > 0:
		p := db.pkgs[owners[0]]
		return deminer.Provenance{State: deminer.Owned, Package: p.name, Version: p.version}
	case db.broken:
		return deminer.Provenance{State: deminer.Unknown, Note: "the package database could not be read in full"}
	}
	return deminer.Provenance{State: deminer.Unowned}
}

// Each implements host.Packages. Paths are as the databases know them, links of the usr-merge resolved.
func (db *DB) Each(see func(path, pkg string) bool) {
	db.mu.Lock()
	db.load()
	pkgs := db.pkgs
	db.mu.Unlock()
	for i := range pkgs {
		p := &pkgs[i]
		// Its digests are kept: who goes through all files is likely to have each of them checked.
		db.mu.Lock()
		names := db.names(uint32(i))
		db.mu.Unlock()
		for _, name := range names {
			if !see(name, p.name) {
				return
			}
		}
	}
}

// Installed implements host.Packages.
func (db *DB) Installed(see func(name, version string) bool) {
	db.mu.Lock()
	db.load()
	pkgs := db.pkgs
	db.mu.Unlock()
	for _, p := range pkgs {
		if !see(p.name, p.version) {
			return
		}
	}
}

// Age implements host.Packages: the newest where the package is installed for several architectures.
func (db *DB) Age(name string) time.Time {
	db.mu.Lock()
	db.load()
	pkgs := db.pkgs
	db.mu.Unlock()
	var newest time.Time
	for i := range pkgs {
		if pkgs[i].name != name {
			continue
		}
		if t := db.dbs[pkgs[i].db].age(&pkgs[i]); t.After(newest) {
			newest = t
		}
	}
	return newest
}

// Gaps gives what of the databases could not be read. It reads them if that was not done yet.
func (db *DB) Gaps() []deminer.Gap {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.load()
	return append([]deminer.Gap(nil), db.gaps...)
}

// Oddities gives signs, in words, that somebody changed the databases by hand. It reads every digest list, about 100
// MiB on a large host: ask only in a deep scan.
func (db *DB) Oddities() []string {
	db.mu.Lock()
	db.load()
	out := append([]string(nil), db.odd...)
	db.mu.Unlock()
	for _, d := range db.dbs {
		out = append(out, d.oddities(db)...)
	}
	return out
}

// missing reports whether an error only says that a file is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
