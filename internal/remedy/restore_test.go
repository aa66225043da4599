//go:build linux

package remedy_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
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
