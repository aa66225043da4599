//go:build linux

package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var _ host.FS = (*FS)(nil)

// both runs a test with the kernel's resolver and with the step-wise one.
func both(t *testing.T, dir string, test func(t *testing.T, f *FS)) {
	t.Helper()
	for _, stepped := range []bool{false, true} {
		f, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		f.stepped = f.stepped || stepped
		name := "openat2"
		if stepped {
			name = "stepped"
		}
		t.Run(name, func(t *testing.T) { test(t, f) })
		f.Close()
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func tree(t *testing.T) string {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/etc/deep/er", 0o755))
	must(t, os.WriteFile(dir+"/etc/passwd", []byte("inside\n"), 0o640))
	for name, target := range map[string]string{
		"abs": "/etc/passwd", "up": "../../../../../../etc/passwd", "etc/deep/er/rel": "../../passwd", "loop": "loop",
		"a": "b", "b": "a", "dangling": "/nowhere", "dirlink": "/etc", "etc/root": "/", "proclink": "/proc/1/root",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	return dir
}

func TestLinksStayInside(t *testing.T) {
	both(t, tree(t), func(t *testing.T, f *FS) {
		for _, name := range []string{"/etc/passwd", "/abs", "/up", "/etc/deep/er/rel", "/dirlink/passwd",
			"/etc/root/etc/root/abs", "/../../etc/passwd", "//etc/./deep/../passwd", "/dirlink/../etc/passwd"} {
			got, err := host.ReadFile(f, name, 100)
			if err != nil || string(got) != "inside\n" {
				t.Errorf("ReadFile(%q) = %q, %v; want the file inside", name, got, err)
			}
		}
		for name, want := range map[string]error{
			"/loop": host.ErrLoop, "/a": host.ErrLoop, "/dangling": fs.ErrNotExist, "/etc/passwd/": unix.ENOTDIR,
			"/etc/passwd/x": unix.ENOTDIR, "/nothing": fs.ErrNotExist, "relative": unix.EINVAL, "/nul\x00": unix.EINVAL,
			"/etc": host.ErrNotRegular, "/": host.ErrNotRegular, "/proclink/etc/passwd": fs.ErrNotExist,
		} {
			if _, err := f.Open(name); !errors.Is(err, want) {
				t.Errorf("Open(%q): got %v, want %v", name, err, want)
			}
		}
	})
}

func TestStat(t *testing.T) {
	both(t, tree(t), func(t *testing.T, f *FS) {
		a, err := f.Stat("/abs")
		must(t, err)
		if a.Type != deminer.Regular || a.Mode != 0o640 || a.Size != 7 || a.Ino == 0 || a.Mtime.IsZero() || a.Links != 1 {
			t.Errorf("Stat = %+v", a)
		}
		a, err = f.Lstat("/abs")
		must(t, err)
		if a.Type != deminer.Symlink {
			t.Errorf("Lstat type = %q, want a link", a.Type)
		}
		if got, err := f.ReadLink("/up"); err != nil || got != "../../../../../../etc/passwd" {
			t.Errorf("ReadLink = %q, %v", got, err)
		}
		if _, err := f.ReadLink("/etc/passwd"); !errors.Is(err, unix.EINVAL) {
			t.Errorf("ReadLink of a file: got %v, want EINVAL", err)
		}
		if a, err := f.Stat("/"); err != nil || !a.IsDir() {
			t.Errorf("Stat(/) = %+v, %v", a, err)
		}
	})
}

func TestNothingBlocks(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	l, err := net.Listen("unix", dir+"/socket")
	must(t, err)
	defer l.Close()
	want := []host.Entry{{Name: "fifo", Type: deminer.Pipe}, {Name: "socket", Type: deminer.UnixSock}}
	if err := unix.Mknod(dir+"/zero", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))); err == nil {
		want = append(want, host.Entry{Name: "zero", Type: deminer.Device})
	}
	both(t, dir, func(t *testing.T, f *FS) {
		got, err := f.ReadDir("/")
		must(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		for _, e := range want {
			if _, err := f.Open("/" + e.Name); !errors.Is(err, host.ErrNotRegular) {
				t.Errorf("Open(%s): got %v, want ErrNotRegular", e.Name, err)
			}
			if a, err := f.Deep("/" + e.Name); err != nil || a.Type != e.Type {
				t.Errorf("Deep(%s) = %+v, %v", e.Name, a, err)
			}
		}
	})
}

func TestStrangeNames(t *testing.T) {
	dir := t.TempDir()
	names := []string{"\x01\x1b[2J", " ", "...", "a\nb", "bad\xff\xfe\x80utf", strings.Repeat("x", 255)}
	for _, n := range names {
		must(t, os.WriteFile(dir+"/"+n, []byte(n), 0o600))
	}
	both(t, dir, func(t *testing.T, f *FS) {
		list, err := f.ReadDir("/")
		must(t, err)
		var got []string
		for _, e := range list {
			got = append(got, e.Name)
			if b, err := host.ReadFile(f, "/"+e.Name, 1000); err != nil || string(b) != e.Name {
				t.Errorf("ReadFile(%q) = %q, %v", e.Name, b, err)
			}
		}
		if d := cmp.Diff(names, got); d != "" {
			t.Error(d)
		}
		if _, err := f.ReadDir("/" + names[1]); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("ReadDir of a file: got %v", err)
		}
	})
}

func TestLargeSparseFile(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/big", []byte("head"), 0o600))
	must(t, os.Truncate(dir+"/big", 10<<30))
	f, err := Open(dir)
	must(t, err)
	defer f.Close()
	b, err := host.ReadFile(f, "/big", 1<<20)
	if !errors.Is(err, host.ErrTooLarge) || len(b) != 1<<20 {
		t.Errorf("ReadFile of 10 GiB: %d bytes, %v; want 1 MiB and ErrTooLarge", len(b), err)
	}
	a, err := f.Lstat("/big")
	if err != nil || a.Size != 10<<30 || a.Blocks > 100 {
		t.Errorf("Lstat = %+v, %v", a, err)
	}
	r, err := f.Open("/big")
	must(t, err)
	defer r.Close()
	buf := make([]byte, 8)
	if n, err := r.ReadAt(buf, 10<<30-4); n != 4 || err != io.EOF {
		t.Errorf("ReadAt at the end = %d, %v; want 4, EOF", n, err)
	}
	if n, err := r.ReadAt(buf[:4], 0); n != 4 || err != nil || string(buf[:4]) != "head" {
		t.Errorf("ReadAt = %d %q, %v", n, buf, err)
	}
}

func TestNoAccessTimeLeft(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/f", []byte("x"), 0o600))
	old := unix.NsecToTimespec(1e18)
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/f", []unix.Timespec{old, old}, 0))
	f, err := Open(dir)
	must(t, err)
	defer f.Close()
	_, err = host.ReadFile(f, "/f", 10)
	must(t, err)
	if a, _ := f.Lstat("/f"); a.Atime.UnixNano() != 1e18 {
		t.Errorf("access time moved to %v", a.Atime)
	}
}

// TestVeryDeepPath reaches a file whose path is longer than PATH_MAX.
func TestVeryDeepPath(t *testing.T) {
	dir := t.TempDir()
	old, err := os.Getwd()
	must(t, err)
	defer os.Chdir(old)
	must(t, os.Chdir(dir))
	elem, name := strings.Repeat("d", 200), ""
	for range 30 {
		must(t, os.Mkdir(elem, 0o700))
		must(t, os.Chdir(elem))
		name += "/" + elem
	}
	must(t, os.WriteFile("f", []byte("found"), 0o600))
	must(t, os.Chdir(old))
	f, err := Open(dir)
	must(t, err)
	defer f.Close()
	if b, err := host.ReadFile(f, name+"/f", 10); err != nil || string(b) != "found" {
		t.Errorf("ReadFile = %q, %v", b, err)
	}
}

func TestOpenRefusesFile(t *testing.T) {
	dir := tree(t)
	if _, err := Open(dir + "/etc/passwd"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("got %v, want ENOTDIR", err)
	}
}

func TestLiveRoot(t *testing.T) {
	both(t, "/", func(t *testing.T, f *FS) {
		b, err := host.ReadFile(f, "/proc/self/status", 1<<16)
		if err != nil || !strings.HasPrefix(string(b), "Name:") {
			t.Errorf("ReadFile(/proc/self/status) = %q, %v", b, err)
		}
		if _, err := f.Open("/proc/self/exe"); !errors.Is(err, host.ErrLoop) {
			t.Errorf("magic link followed: %v", err)
		}
		if _, err := f.Stat("/proc/self/root/etc"); !errors.Is(err, host.ErrLoop) {
			t.Errorf("magic link followed: %v", err)
		}
	})
}
