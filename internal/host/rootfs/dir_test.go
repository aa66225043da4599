//go:build linux

package rootfs

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestOpenDir(t *testing.T) {
	root := t.TempDir()
	must(t, os.MkdirAll(root+"/d/sub", 0o700))
	must(t, os.WriteFile(root+"/d/f", []byte("text"), 0o640))
	must(t, os.Symlink("f", root+"/d/l"))
	must(t, unix.Mkfifo(root+"/d/p", 0o600))
	f, err := Open(root)
	must(t, err)
	defer f.Close()
	d, err := f.OpenDir("/d")
	must(t, err)
	defer d.Close()
	list, err := d.List()
	must(t, err)
	want := []host.Entry{{Name: "f", Type: deminer.Regular}, {Name: "l", Type: deminer.Symlink}, {Name: "p", Type: deminer.Pipe}, {Name: "sub", Type: deminer.Directory}}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
	for _, e := range list {
		got, err := d.Lstat(e.Name)
		must(t, err)
		want, err := f.Lstat("/d/" + e.Name)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", e.Name, diff)
		}
	}
	for _, bad := range []string{"", "../d", "/etc/passwd", "sub/x", "a\x00b", "none"} {
		if a, err := d.Lstat(bad); err == nil {
			t.Errorf("Lstat(%q) = %+v, want an error", bad, a)
		}
	}
	if _, err := f.OpenDir("/d/f"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("OpenDir of a file: %v, want ENOTDIR", err)
	}
	if _, err := f.OpenDir("/d/p"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("OpenDir of a pipe: %v, want ENOTDIR", err)
	}
}

// TestWalkAttr: the walk over open directories sees what the walk by path sees.
func TestWalkAttr(t *testing.T) {
	root := t.TempDir()
	must(t, os.MkdirAll(root+"/a/b/c", 0o700))
	must(t, os.WriteFile(root+"/a/b/x", []byte("12345"), 0o600))
	must(t, os.WriteFile(root+"/a/y", []byte("1"), 0o600))
	must(t, os.Symlink("/", root+"/a/loop"))
	f, err := Open(root)
	must(t, err)
	defer f.Close()
	type seen struct {
		Name string
		Size int64
	}
	walk := func(fsys host.FS) (out []seen) {
		full := host.WalkAttr(fsys, "/", 8, 100, func(name string, e host.Entry, attr func() (deminer.Attr, error)) bool {
			a, err := attr()
			must(t, err)
			if e.Type != deminer.Regular {
				a.Size = 0
			}
			out = append(out, seen{name, a.Size})
			return true
		}, func(name string, err error) { t.Errorf("%s: %v", name, err) })
		if !full {
			t.Error("the walk says that it left something out")
		}
		return out
	}
	byPath := walk(struct{ host.FS }{f})
	if diff := cmp.Diff(byPath, walk(f)); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(byPath, seen{"/a/b/x", 5}) || len(byPath) != 6 {
		t.Errorf("seen: %v", byPath)
	}
}

func BenchmarkWalk(b *testing.B) {
	f, err := Open("/usr")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	names := 0
	for b.Loop() {
		names = 0
		host.WalkAttr(f, "/share", 64, 100_000, func(_ string, _ host.Entry, attr func() (deminer.Attr, error)) bool {
			names++
			_, err := attr()
			return err == nil
		}, func(string, error) {})
	}
	b.ReportMetric(float64(names), "names")
}

// TestTypesAreAskedFor: not every file system gives the types with the names (ext4 without filetype, XFS before version 5).
func TestTypesAreAskedFor(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(root+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("sub", root+"/link"); err != nil {
		t.Fatal(err)
	}
	f, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.OpenDir("/")
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	list := []host.Entry{{Name: "sub"}, {Name: "link"}, {Name: "gone"}}
	got.(*dir).fill(list)
	want := []host.Entry{{Name: "sub", Type: deminer.Directory}, {Name: "link", Type: deminer.Symlink}, {Name: "gone"}}
	if !slices.Equal(list, want) {
		t.Errorf("%v, want %v", list, want)
	}
}
