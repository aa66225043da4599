//go:build linux

package remedy_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// db is a package database that knows one content of one path.
type db struct {
	path string
	sum  [32]byte
}

func (d db) Owner(string) deminer.Provenance                  { return deminer.Provenance{State: deminer.Owned} }
func (d db) Check(context.Context, string) deminer.Provenance { return deminer.Provenance{} }
func (d db) Each(func(path, pkg string) bool)                 {}
func (d db) Installed(func(name, version string) bool)        {}
func (d db) Age(string) time.Time                             { return time.Time{} }
func (d db) CheckContent(p string, r io.Reader) deminer.Provenance {
	b, err := io.ReadAll(r)
	if err == nil && p == d.path && sha256.Sum256(b) == d.sum {
		return deminer.Provenance{State: deminer.Intact}
	}
	return deminer.Provenance{State: deminer.Modified}
}

// buildDeb makes a package that holds /usr/bin/ls with the content.
func buildDeb(t *testing.T, packed, content, to string) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/DEBIAN", 0o755))
	must(t, os.MkdirAll(dir+"/usr/bin", 0o755))
	must(t, os.WriteFile(dir+"/DEBIAN/control", []byte("Package: coreutils\nVersion: 1:9.1-1\nArchitecture: amd64\nMaintainer: x <x@example.org>\nDescription: x\n"), 0o644))
	must(t, os.WriteFile(dir+"/usr/bin/ls", []byte(content), 0o755))
	out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Z"+packed, "-b", dir, to).CombinedOutput()
	if err != nil {
		t.Fatalf("dpkg-deb: %v: %s", err, out)
	}
}

func TestRestorePackaged(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb, which makes the test's package, is not here")
	}
	good := strings.Repeat("the real ls\n", 2000)
	for _, packed := range []string{"xz", "gzip", "zstd", "none"} {
		t.Run(packed, func(t *testing.T) {
			w := newWorld(t, false)
			w.runner.Tools.Packages = db{"/bin/ls", sha256.Sum256([]byte(good))}
			w.write(t, "/bin/ls", "a wrapper that hides", 0o755)
			w.write(t, "/var/cache/apt/archives/lock", "", 0o640)
			w.write(t, "/pkgs/coreutils_1%3a9.1-1_amd64.deb", "not a package", 0o644)
			step := do(deminer.VerbRestore, file("/bin/ls"), "package", "coreutils", "version", "1:9.1-1")
			if err := w.run(planOf("none", step)); err == nil || !strings.Contains(err.Error(), "reinstall") {
				t.Errorf("without a package file: %v, want advice", err)
			}
			// A package of the right name with other content is not believed.
			buildDeb(t, packed, "another wrapper", w.root+"/var/cache/apt/archives/coreutils_1%3a9.1-1_amd64.deb")
			if err := w.run(planOf("bad", step)); err == nil || !strings.Contains(err.Error(), "package database") {
				t.Errorf("with a forged package: %v", err)
			}
			holds("/bin/ls", "a wrapper that hides")(t, w)
			buildDeb(t, packed, good, w.root+"/var/cache/apt/archives/coreutils_1%3a9.1-1+b2_amd64.deb")
			w.age(t)
			before := tree(t, w.root)
			w.mustRun(t, planOf("p", step))
			holds("/bin/ls", good)(t, w)
			w.mustUndo(t, "p")
			same(t, before, tree(t, w.root))
			// A file that is gone comes back as packaged.
			must(t, os.Remove(w.root+"/bin/ls"))
			before = tree(t, w.root)
			w.mustRun(t, planOf("q", step))
			if d, _ := describe(w.root + "/bin/ls"); !strings.HasPrefix(d, "100755 0:0 ") {
				t.Errorf("restored as %.40s", d)
			}
			w.mustUndo(t, "q")
			same(t, before, tree(t, w.root))
		})
	}
}

// knows is a database that knows one content of one path.
func knows(path, content string) db { return db{path, sha256.Sum256([]byte(content))} }

// TestRestoreTriesAFew: a cache full of packages that may be meant is not unpacked as a whole, and of packages of Debian the
// whole name is known.
func TestRestoreTriesAFew(t *testing.T) {
	w := newWorld(t, false)
	w.runner.Tools.Packages = knows("/bin/ls", "good")
	w.write(t, "/bin/ls", "bad", 0o755)
	w.write(t, "/var/cache/apt/archives/coreutils-doc_9.1_all.deb", "x", 0o644)
	for i := range 99 {
		w.write(t, fmt.Sprintf("/var/cache/dnf/base/coreutils-%d-8.0.rpm", i), "x", 0o644)
	}
	w.write(t, "/var/cache/dnf/base/coreutils-9.1.rpm", "x", 0o644)
	err := w.run(planOf("p", do(deminer.VerbRestore, file("/bin/ls"), "package", "coreutils", "version", "9.1")))
	if err == nil {
		t.Fatal("no package, and no error")
	}
	if n := strings.Count(err.Error(), "8.0.rpm"); n == 0 || n > 40 || !strings.Contains(err.Error(), "coreutils-9.1.rpm") || !strings.Contains(err.Error(), "100 package files") || strings.Contains(err.Error(), "doc") {
		t.Errorf("tried %d: %.500v", n, err)
	}
}
