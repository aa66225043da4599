package pkgdb

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// rpmFiles are the places of rpm databases, newest format first.
var rpmFiles = []string{
	"/usr/lib/sysimage/rpm/rpmdb.sqlite", "/var/lib/rpm/rpmdb.sqlite", "/usr/share/rpm/rpmdb.sqlite",
	"/usr/lib/sysimage/rpm/Packages.db", "/var/lib/rpm/Packages.db",
	"/usr/lib/sysimage/rpm/Packages", "/var/lib/rpm/Packages", "/usr/share/rpm/Packages",
}

// maxStore bounds an rpm database; a large server's is about 300 MiB.
const maxStore = 4 << 30

// errDamaged is wrapped by what the readers of rpm databases say of bytes that make no sense.
var errDamaged = errors.New("damaged database")

// rpm is the database of Red Hat, SUSE and their relatives: one header for each package in one of three stores.
type rpm struct {
	fs   host.FS
	name string
}

// store holds the headers of packages.
type store interface {
	// each gives every header with a reference to it until see returns false.
	each(see func(ref uint64, blob []byte) bool) error
	get(ref uint64) ([]byte, error)
}

// with opens the store for the time of a call.
func (r *rpm) with(use func(store) error) error {
	f, err := r.fs.Open(r.name)
	if err != nil {
		return err
	}
	defer f.Close()
	a, err := f.Attr()
	if err != nil {
		return err
	}
	if a.Size > maxStore {
		return fmt.Errorf("%q is larger than 4 GiB", r.name)
	}
	head := make([]byte, 100)
	if _, err := f.ReadAt(head, 0); err != nil {
		return fmt.Errorf("read %q: %w", r.name, err)
	}
	switch {
	case string(head[:16]) == sqliteMagic:
		s := &sqlite{r: f, size: a.Size}
		if wal, err := r.fs.Open(r.name + "-wal"); err == nil {
			defer wal.Close()
			s.wal = wal
		}
		if err := s.open(head); err != nil {
			return err
		}
		return use(s)
	case string(head[:4]) == ndbMagic:
		return use(&ndb{r: f, head: head, size: a.Size})
	}
	b := &bdb{r: f, size: a.Size}
	if err := b.open(head); err != nil {
		return err
	}
	return use(b)
}

func (r *rpm) load(l *loader) {
	bad := 0
	var first error
	err := r.with(func(s store) error {
		return s.each(func(ref uint64, blob []byte) bool {
			h, err := parseHeader(blob)
			if err != nil {
				if bad++; first == nil {
					first = err
				}
				return true
			}
			if !l.pkg(pkg{name: h.text(tagName), version: h.version(), ref: ref, age: h.installed()}) {
				return false
			}
			h.files(func(it item) bool { l.path(it.path); return true })
			return true
		})
	})
	if err != nil {
		l.gap(deminer.Partial, r.name, err.Error())
	}
	if bad > 0 {
		l.gap(deminer.Partial, r.name, fmt.Sprintf("%d packages could not be read: %v", bad, first))
	}
}

func (r *rpm) items(p *pkg, see func(item) bool) error {
	return r.with(func(s store) error {
		blob, err := s.get(p.ref)
		if err != nil {
			return err
		}
		h, err := parseHeader(blob)
		if err != nil {
			return err
		}
		if h.text(tagName) != p.name {
			return fmt.Errorf("%q changed while it was read", r.name)
		}
		h.files(func(it item) bool { return it.sum == nil || see(it) })
		return nil
	})
}

func (r *rpm) age(p *pkg) time.Time { return p.age }

// oddities implements database. Headers of rpm are signed by the maker of the package, but checking that takes his key.
func (r *rpm) oddities(*DB) []string { return nil }

// sumOf decodes the hex digest of one file; "" is kept for links, directories and ghosts.
func sumOf(s string, a algo) []byte {
	h := a.new()
	if s == "" || h == nil {
		return nil
	}
	sum, err := hex.DecodeString(s)
	if err != nil || len(sum) != h.Size() {
		return nil
	}
	return sum
}

// readAt fills buf or says why not; a short read is damage.
func readAt(r io.ReaderAt, buf []byte, off int64) error {
	n, err := r.ReadAt(buf, off)
	if n == len(buf) {
		return nil
	}
	if err == nil || err == io.EOF {
		return fmt.Errorf("%w: it ends at a place that is still referred to (byte %d)", errDamaged, off)
	}
	return err
}
