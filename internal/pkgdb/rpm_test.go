package pkgdb

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hosttest"
)

func rpmHost(t *testing.T, files map[string][]byte) *DB {
	t.Helper()
	h, err := hosttest.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		h.FS.Put("/var/lib/rpm/"+name, data)
	}
	p, err := Open(h.FS)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*DB)
}

func count(db *DB) (pkgs, paths, digests int) {
	db.Installed(func(string, string) bool { pkgs++; return true })
	db.Each(func(string, string) bool { digests++; return true })
	return pkgs, db.index.len(), digests
}

func TestStores(t *testing.T) {
	for _, c := range []struct {
		name                 string
		files                map[string][]byte
		pkgs, paths, digests int
		owned, pkg, version  string
	}{
		{"sqlite", map[string][]byte{"rpmdb.sqlite": unzip(t, "rpmdb.sqlite")}, 5, 22, 14, "/usr/bin/zstd", "zstd", "1.5.0-1.cm2"},
		{"sqlite and log", map[string][]byte{"rpmdb.sqlite": unzip(t, "rpmdb.sqlite"), "rpmdb.sqlite-wal": unzip(t, "rpmdb.sqlite-wal")},
			7, 106, 75, "/usr/bin/chattr", "e2fsprogs", "1.46.4-1.cm2"},
		{"ndb", map[string][]byte{"Packages.db": unzip(t, "Packages.db")}, 4, 35, 26, "/usr/lib64/libcap.so.2.26", "libcap2", "2.26-4.6.1"},
		{"Berkeley DB", map[string][]byte{"Packages": unzip(t, "Packages")}, 1, 7, 3, "/usr/lib64/libuuid.so.1.3.0", "libuuid", "2.32.1-42.el8_8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := rpmHost(t, c.files)
			pkgs, paths, digests := count(db)
			if pkgs != c.pkgs || paths != c.paths || digests != c.digests {
				t.Errorf("%d packages, %d paths, %d digests; want %d, %d, %d", pkgs, paths, digests, c.pkgs, c.paths, c.digests)
			}
			if got := db.Owner(c.owned); got.Package != c.pkg || got.Version != c.version {
				t.Errorf("Owner(%s) = %+v", c.owned, got)
			}
			if got := db.CheckContent(c.owned, strings.NewReader("replaced")); got.State != deminer.Modified {
				t.Errorf("CheckContent = %+v, want modified", got)
			}
			if db.Age(c.pkg).Year() < 2020 {
				t.Errorf("Age = %v", db.Age(c.pkg))
			}
			if gaps := db.Gaps(); len(gaps) != 0 {
				t.Errorf("gaps: %v", gaps)
			}
		})
	}
}

// TestDigest knows the digest of one file, taken from the fixture with another reader of SQLite.
func TestDigest(t *testing.T) {
	db := rpmHost(t, map[string][]byte{"rpmdb.sqlite": unzip(t, "rpmdb.sqlite")})
	var got string
	for i := range func() int { n, _, _ := count(db); return n }() {
		_ = db.dbs[0].items(&db.pkgs[i], func(it item) bool {
			if it.path == "/usr/share/licenses/sed/COPYING" {
				got = fmt.Sprintf("%d %x", it.algo, it.sum)
			}
			return true
		})
	}
	const want = "8 e79e9c8a0c85d735ff98185918ec94ed7d175efc377012787aebcf3b80f0d90b"
	if got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

// TestStoresCut cuts each store at many places: no panic, and what is missing is told.
func TestStoresCut(t *testing.T) {
	for _, name := range []string{"rpmdb.sqlite", "Packages.db", "Packages"} {
		whole := unzip(t, name)
		for i := 1; i < 40; i++ {
			db := rpmHost(t, map[string][]byte{name: whole[:len(whole)*i/40]})
			if got := db.Owner("/usr/bin/miner"); got.State == deminer.Unowned && len(db.Gaps()) == 0 && name != "Packages" {
				t.Errorf("%s cut at %d/40: a file is called unowned", name, i)
			}
		}
		db := rpmHost(t, map[string][]byte{name: whole[:len(whole)/2+100]})
		if len(db.Gaps()) == 0 {
			t.Errorf("%s cut in half: no gap", name)
		}
	}
}

// edit changes bytes of a real database: each edit is three bytes of place and one of value. Whole databases as inputs
// keep the fuzzer busy with their size.
func edit(base, edits []byte) []byte {
	data := bytes.Clone(base)
	for ; len(edits) >= 4; edits = edits[4:] {
		data[(int(edits[0])<<16|int(edits[1])<<8|int(edits[2]))%len(data)] = edits[3]
	}
	return data
}

func FuzzStore(f *testing.F) {
	bases := [][]byte{unzip(f, "rpmdb.sqlite"), unzip(f, "Packages.db"), unzip(f, "Packages")}
	f.Add(0, []byte{0, 0, 17, 2})
	f.Add(1, []byte{0, 0, 12, 9, 0, 0, 44, 3})
	f.Add(2, []byte{0, 0, 21, 4, 0, 16, 20, 200})
	f.Fuzz(func(t *testing.T, which int, edits []byte) {
		db := rpmHost(t, map[string][]byte{"Packages": edit(bases[uint(which)%3], edits)})
		db.Owner("/x")
		db.CheckContent("/usr/bin/zstd", strings.NewReader(""))
	})
}

func FuzzWAL(f *testing.F) {
	base, wal := unzip(f, "rpmdb.sqlite"), unzip(f, "rpmdb.sqlite-wal")
	f.Add([]byte{0, 0, 36, 1})
	f.Fuzz(func(t *testing.T, edits []byte) {
		rpmHost(t, map[string][]byte{"rpmdb.sqlite": base, "rpmdb.sqlite-wal": edit(wal, edits)}).Owner("/x")
	})
}

func FuzzHeader(f *testing.F) {
	s := &bdb{}
	raw := unzip(f, "Packages")
	s.r, s.size = bytes.NewReader(raw), int64(len(raw))
	if err := s.open(raw[:100]); err != nil {
		f.Fatal(err)
	}
	var base []byte
	if err := s.each(func(_ uint64, blob []byte) bool { base = blob; return true }); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0, 0, 3, 255})
	f.Fuzz(func(t *testing.T, edits []byte) {
		blob := edit(base, edits)
		if h, err := parseHeader(blob); err == nil {
			h.files(func(item) bool { return true })
			h.version()
			h.installed()
		}
	})
}
