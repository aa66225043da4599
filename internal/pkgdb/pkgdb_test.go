package pkgdb

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hosttest"
)

var _ host.Packages = (*DB)(nil)

func open(t *testing.T, text string) (*DB, *hosttest.FS) {
	t.Helper()
	h, err := hosttest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(h.FS)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*DB), h.FS
}

func sum(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }

// debian is a small dpkg database: a merged /bin, a diverted file, a configuration file, a multi-arch package.
var debian = `
-- /var/lib/dpkg/status --
Package: coreutils
Status: install ok installed
Architecture: amd64
Version: 9.1-1
Description: tools
 more text

Package: conf
Status: install ok installed
Architecture: all
Version: 2
Conffiles:
 /etc/conf.ini ` + sum("original\n") + `
 /etc/changed.ini ` + sum("original\n") + ` obsolete

Package: libz
Status: install ok installed
Architecture: i386
Multi-Arch: same
Version: 1.3

Package: diverter
Status: install ok installed
Architecture: all
Version: 4

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 5

-- /var/lib/dpkg/info/coreutils.list --
/.
/bin
/bin/ls
/usr/bin/tool
/usr/bin/link
/usr/bin/absent
-- /var/lib/dpkg/info/coreutils.md5sums --
` + sum("ls\n") + `  bin/ls
` + sum("the real tool\n") + `  usr/bin/tool
` + sum("x") + `  usr/bin/absent
-- /var/lib/dpkg/info/conf.list --
/etc/conf.ini
/etc/changed.ini
-- /var/lib/dpkg/info/libz:i386.list --
/usr/lib/libz.so
-- /var/lib/dpkg/info/libz:i386.md5sums --
` + sum("libz\n") + `  usr/lib/libz.so
-- /var/lib/dpkg/info/diverter.list --
/usr/bin/tool
-- /var/lib/dpkg/info/diverter.md5sums --
` + sum("diverted\n") + `  usr/bin/tool
-- /var/lib/dpkg/info/gone.list --
/etc/gone.conf
-- /var/lib/dpkg/diversions --
/usr/bin/tool
/usr/bin/tool.real
diverter
-- /usr/bin/ls --
ls
-- /usr/bin/tool --
diverted
-- /usr/bin/tool.real --
the real tool
-- /usr/bin/miner --
x
-- /usr/lib/libz.so --
something else
-- /etc/conf.ini --
original
-- /etc/changed.ini --
mine
-- @attr --
/bin link=usr/bin
/usr/bin/link link=ls
/alias link=/usr/bin
`

func TestDpkg(t *testing.T) {
	db, _ := open(t, debian)
	for _, c := range []struct {
		path, pkg string
		state     deminer.ProvState
		note      string
	}{
		{"/bin/ls", "coreutils", deminer.Intact, ""},
		{"/usr/bin/ls", "coreutils", deminer.Intact, ""},
		{"/alias/ls", "coreutils", deminer.Intact, ""},
		{"/usr/bin/link", "coreutils", deminer.Owned, ""},
		{"/usr/bin/absent", "coreutils", deminer.Owned, "the file is missing"},
		{"/usr/bin/tool", "diverter", deminer.Intact, ""},
		{"/usr/bin/tool.real", "coreutils", deminer.Intact, ""},
		{"/usr/lib/libz.so", "libz", deminer.Modified, ""},
		{"/etc/conf.ini", "conf", deminer.Intact, ""},
		{"/etc/changed.ini", "conf", deminer.Owned, "configuration file, changed since it was installed"},
		{"/etc/gone.conf", "gone", deminer.Owned, ""},
		{"/usr/bin/miner", "", deminer.Unowned, ""},
		{"/nowhere/at/all", "", deminer.Unowned, ""},
	} {
		got := db.Check(context.Background(), c.path)
		if got.State != c.state || got.Package != c.pkg || got.Note != c.note {
			t.Errorf("Check(%s) = %+v, want %s of %q %s", c.path, got, c.state, c.pkg, c.note)
		}
		want := c.state
		if want == deminer.Intact || want == deminer.Modified {
			want = deminer.Owned
		}
		if got := db.Owner(c.path); got.State != want || got.Package != c.pkg {
			t.Errorf("Owner(%s) = %+v, want %s of %q", c.path, got, want, c.pkg)
		}
	}
	if gaps := db.Gaps(); len(gaps) != 0 {
		t.Errorf("gaps: %v", gaps)
	}
	if odd := db.Oddities(); len(odd) != 0 {
		t.Errorf("oddities: %v", odd)
	}
	if got := db.CheckContent("/usr/lib/libz.so", strings.NewReader("libz\n")); got.State != deminer.Intact {
		t.Errorf("CheckContent = %+v", got)
	}
	if got := db.Age("coreutils"); !got.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("Age = %v", got)
	}
	var names, files []string
	db.Installed(func(n, v string) bool { names = append(names, n+" "+v); return true })
	db.Each(func(p, _ string) bool { files = append(files, p); return true })
	if got := strings.Join(names, ","); got != "coreutils 9.1-1,conf 2,libz 1.3,diverter 4,gone 5" {
		t.Errorf("Installed: %s", got)
	}
	if !slices.Contains(files, "/usr/bin/tool.real") || !slices.Contains(files, "/etc/conf.ini") || len(files) != 7 {
		t.Errorf("Each: %q", files)
	}
}

func TestCanceledCheck(t *testing.T) {
	db, _ := open(t, debian)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got := db.Check(ctx, "/bin/ls"); got.State != deminer.Owned || !strings.Contains(got.Note, "canceled") {
		t.Errorf("Check = %+v, want Owned with a note", got)
	}
}

// TestDpkgCut cuts the status file: what is not found is no longer "unowned".
func TestDpkgCut(t *testing.T) {
	db, fs := open(t, debian)
	text, _ := host.ReadFile(fs, dpkgStatus, 1<<20)
	fs.Put(dpkgStatus, text[:200])
	if got := db.Owner("/usr/bin/miner"); got.State != deminer.Unknown {
		t.Errorf("Owner = %+v, want unknown", got)
	}
	if gaps := db.Gaps(); len(gaps) == 0 || gaps[0].What != dpkgStatus || gaps[0].State != deminer.Partial {
		t.Errorf("gaps: %v", gaps)
	}
}

func TestDpkgOddities(t *testing.T) {
	db, _ := open(t, debian+`/var/lib/dpkg/info/conf.list mtime=2026-02-01T00:00:00Z
/var/lib/dpkg/info/coreutils.md5sums mtime=2026-03-01T00:00:00Z
-- /var/lib/dpkg/info/evil.list --
/usr/bin/miner
-- /var/lib/dpkg/info/diverter.md5sums --
`+sum("diverted\n")+`  usr/bin/tool
`+sum("x\n")+`  usr/bin/miner
`)
	if got := db.Owner("/usr/bin/miner"); got.State != deminer.Unowned {
		t.Errorf("a list that status does not name vouches for a file: %+v", got)
	}
	odd := db.Oddities()
	for _, want := range []string{"evil.list lists files of a package", "conf.list was changed on 2026-02-01",
		"coreutils.md5sums was changed on 2026-03-01", "diverter.md5sums has a digest of /usr/bin/miner"} {
		if !slices.ContainsFunc(odd, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no oddity %q in %q", want, odd)
		}
	}
}

func TestAPK(t *testing.T) {
	db, _ := open(t, `
-- /lib/apk/db/installed --
C:Q1abc=
P:busybox
V:1.36-r0
F:bin
R:busybox
a:0:0:755
Z:Q10fHUncRM1a23Y6xx2/O0uVBz+Qk=
R:sh
a:0:0:777
Z:Q1pcfTfDNEbNKQc2s1tia7da05M8Q=
F:etc
R:busybox.conf
Z:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=

P:other
V:2

-- /bin/busybox --
busybox
-- /bin/evil --
x
-- /etc/busybox.conf --
changed
-- @attr --
/bin/sh link=/bin/busybox
`)
	for path, want := range map[string]deminer.ProvState{
		"/bin/busybox": deminer.Intact, "/bin/sh": deminer.Intact, "/bin/evil": deminer.Unowned, "/bin": deminer.Owned,
		"/etc/busybox.conf": deminer.Owned,
	} {
		if got := db.Check(context.Background(), path); got.State != want {
			t.Errorf("Check(%s) = %+v, want %s", path, got, want)
		}
	}
	if gaps := db.Gaps(); len(gaps) > 0 {
		t.Errorf("gaps: %v", gaps)
	}
}

func TestNone(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /etc/hostname --\nx\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := Open(h.FS); !errors.Is(err, ErrNone) || p != nil {
		t.Errorf("Open = %v, %v; want ErrNone", p, err)
	}
}

func unzip(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
