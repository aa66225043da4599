package pkgdb

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// algo is a digest algorithm, by the numbers of RFC 4880 that rpm uses.
type algo uint8

const (
	algoMD5    algo = 1
	algoSHA1   algo = 2
	algoSHA256 algo = 8
	algoSHA384 algo = 9
	algoSHA512 algo = 10
	algoSHA224 algo = 11
)

// new gives a hash, or nil for an algorithm that is not known here.
func (a algo) new() hash.Hash {
	switch a {
	case algoMD5:
		return md5.New() // what dpkg keeps; good enough to see that a file was replaced by one not made to collide
	case algoSHA1:
		return sha1.New()
	case algoSHA224:
		return sha256.New224()
	case algoSHA256:
		return sha256.New()
	case algoSHA384:
		return sha512.New384()
	case algoSHA512:
		return sha512.New()
	}
	return nil
}

// sums is the digests of one package, kept because files of a package are asked for one after the other.
type sums struct {
	pkg   uint32
	items map[uint64]item // by hash of the path; their own path is dropped
}

// maxCache is how many packages' digests are kept: those of a few are asked for at a time.
const maxCache = 12

// item finds the digest of a path in a package; the caller holds mu.
func (db *DB) item(id uint32, known string) (item, error) {
	h := db.index.hash(known)
	for _, c := range db.cache {
		if c.pkg == id {
			return c.items[h], nil
		}
	}
	got, _, err := db.read(id, false)
	return got[h], err
}

// names gives the files of a package that have a digest, in the package's order; the caller holds mu. A record that cannot be
// read now could not be read in load either, or vanished since.
func (db *DB) names(id uint32) []string {
	_, names, _ := db.read(id, true)
	return names
}

// read takes the digests of a package, and with list the paths they are of, and keeps the digests if all could be read; the
// caller holds mu.
func (db *DB) read(id uint32, list bool) (got map[uint64]item, names []string, err error) {
	p := &db.pkgs[id]
	got = map[uint64]item{}
	err = db.dbs[p.db].items(p, func(it item) bool {
		name := db.canon(it.path)
		if list {
			names = append(names, name)
		}
		it.path = ""
		got[db.index.hash(name)] = it
		return len(got) < maxFiles && len(names) < maxFiles
	})
	if err != nil || slices.ContainsFunc(db.cache, func(c sums) bool { return c.pkg == id }) {
		return got, names, err
	}
	if len(db.cache) == maxCache {
		db.cache = slices.Delete(db.cache, 0, 1)
	}
	db.cache = append(db.cache, sums{id, got})
	return got, names, nil
}

// expected gives what the packages that list a path keep of it, and the provenance without a look at the content.
func (db *DB) expected(name string) ([]item, deminer.Provenance) {
	db.mu.Lock()
	defer db.mu.Unlock()
	owners, known := db.owners(name)
	prov := db.provenance(owners)
	var out []item
	for _, id := range owners {
		it, err := db.item(id, known)
		if err != nil {
			prov.Note = "its digests could not be read: " + err.Error()
		}
		if it.sum == nil || it.algo.new() == nil {
			continue
		}
		if len(out) == 0 {
			prov.Package, prov.Version = db.pkgs[id].name, db.pkgs[id].version
		}
		out = append(out, it)
	}
	return out, prov
}

// Check implements host.Packages. A configuration file that differs is Owned, with a note: people change those. So is a
// file that could not be read or is larger than 2 GiB.
func (db *DB) Check(ctx context.Context, name string) deminer.Provenance {
	want, prov := db.expected(name)
	if len(want) == 0 {
		return prov
	}
	before, err := db.fs.Lstat(name)
	if err == nil && before.Type == deminer.Symlink {
		if target, err := db.fs.ReadLink(name); err == nil && want[0].matches(target) {
			prov.State = deminer.Intact // apk keeps the digest of a link's target
			return prov
		}
	}
	var key [32]byte
	remember := db.memory != nil && err == nil && before.IsRegular()
	if remember {
		if key = comparison(before, want); db.memory.Same(key) {
			prov.State = deminer.Intact
			return prov
		}
	}
	f, err := db.fs.Open(name)
	if err != nil {
		prov.Note = "could not be opened: " + err.Error()
		if missing(err) {
			prov.Note = "the file is missing"
		}
		return prov
	}
	defer f.Close()
	prov = db.judge(prov, want, ctxReader{ctx, f})
	if remember && prov.State == deminer.Intact && time.Since(before.Ctime) > settled {
		if after, err := f.Attr(); err == nil && same(before, after) {
			db.memory.Keep(key)
		}
	}
	return prov
}

// CheckContent implements host.Packages, with the same rules as Check.
func (db *DB) CheckContent(name string, r io.Reader) deminer.Provenance {
	want, prov := db.expected(name)
	if len(want) == 0 {
		return prov
	}
	return db.judge(prov, want, r)
}

func (db *DB) judge(prov deminer.Provenance, want []item, r io.Reader) deminer.Provenance {
	hashes := map[algo]hash.Hash{}
	var all []io.Writer
	for _, w := range want {
		if hashes[w.algo] == nil {
			hashes[w.algo] = w.algo.new()
			all = append(all, hashes[w.algo])
		}
	}
	buf, _ := db.bufs.Get().(*[]byte)
	if buf == nil {
		buf = new(make([]byte, 128<<10))
	}
	defer db.bufs.Put(buf)
	n, err := io.CopyBuffer(io.MultiWriter(all...), io.LimitReader(r, maxHash+1), *buf)
	if err == nil && n > maxHash {
		err = errors.New("larger than 2 GiB")
	}
	if err != nil {
		prov.Note = fmt.Sprintf("content not compared: %v", err)
		return prov
	}
	config := false
	for _, w := range want {
		if bytes.Equal(hashes[w.algo].Sum(nil), w.sum) {
			prov.State = deminer.Intact
			return prov
		}
		config = config || w.config
	}
	if config {
		prov.Note = "configuration file, changed since it was installed"
		return prov
	}
	prov.State = deminer.Modified
	return prov
}

// matches reports whether the digest is of this short text.
func (it item) matches(text string) bool {
	h := it.algo.new()
	io.WriteString(h, text)
	return bytes.Equal(h.Sum(nil), it.sum)
}

// ctxReader stops reading when the context ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
