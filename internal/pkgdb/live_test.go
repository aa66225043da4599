//go:build linux

package pkgdb

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/rootfs"
)

func thisMachine(t testing.TB) *DB {
	t.Helper()
	f, err := rootfs.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	p, err := Open(f)
	if err != nil {
		t.Skipf("needs a package database (Debian: dpkg): %v", err)
	}
	return p.(*DB)
}

// TestAgainstDpkg compares verdicts with those of dpkg -V for a sample of packages of this machine.
func TestAgainstDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("needs a Debian host: its packages are read by dpkg")
	}
	db := thisMachine(t)
	sample := map[string]bool{}
	args := []string{"-V"}
	for _, name := range []string{"coreutils", "bash", "adduser", "libc6", "util-linux", "tzdata", "passwd", "systemd", "dpkg"} {
		if exec.Command("dpkg", "-s", name).Run() == nil {
			sample[name] = true
			args = append(args, name)
		}
	}
	out, _ := exec.Command("dpkg", args...).Output() // its exit status tells of differences
	want := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if w := strings.Fields(line); len(w) >= 2 && (strings.Contains(w[0], "5") || w[0] == "missing") {
			want[w[len(w)-1]] = true
		}
	}
	got, checked := map[string]bool{}, 0
	db.Each(func(name, pkg string) bool {
		if !sample[pkg] {
			return true
		}
		checked++
		p := db.Check(context.Background(), name)
		if p.State != deminer.Intact {
			got[name] = true
			if !want[name] && !want[strings.TrimPrefix(name, "/usr")] {
				t.Errorf("%s: %+v, but dpkg finds no fault", name, p)
			}
		}
		return true
	})
	for name := range want {
		if !got[name] && !got["/usr"+name] {
			t.Errorf("%s: dpkg finds it changed or missing, deminer does not", name)
		}
	}
	if checked < 100 {
		t.Errorf("only %d files compared", checked)
	}
	t.Logf("%d files of %d packages compared, %d differ", checked, len(sample), len(got))
}

// TestCost bounds the memory of the database of this machine.
func TestCost(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	db := thisMachine(t)
	runtime.GC()
	runtime.ReadMemStats(&after)
	kept := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d packages, %d paths: %d KiB kept", len(db.pkgs), db.index.len(), kept>>10)
	if per := kept / int64(max(db.index.len(), 10_000)); per > 64 {
		t.Errorf("%d bytes kept for each path, want at most 64", per)
	}
	runtime.KeepAlive(db)
}
