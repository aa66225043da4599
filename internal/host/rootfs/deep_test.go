//go:build linux

package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

func TestDeepFlags(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/f", []byte("x"), 0o600))
	h, err := os.Open(dir + "/f")
	must(t, err)
	defer h.Close()
	const both = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND
	v, err := unix.IoctlGetUint32(int(h.Fd()), unix.FS_IOC_GETFLAGS)
	must(t, err)
	set := func(flags uint32) error {
		return unix.IoctlSetPointerInt(int(h.Fd()), unix.FS_IOC_SETFLAGS, int(v|flags))
	}
	defer set(0)
	if err := set(both); err != nil {
		t.Skipf("setting chattr +i needs root and a file system that has it: %v", err)
	}
	f, err := Open(dir)
	must(t, err)
	defer f.Close()
	a, err := f.Deep("/f")
	if err != nil || !a.Deep || a.Flags != deminer.Immutable|deminer.AppendOnly {
		t.Errorf("Deep = %+v, %v; want flags ia", a, err)
	}
	must(t, set(0))
	if a, err = f.Deep("/f"); err != nil || a.Flags != 0 {
		t.Errorf("Deep after clearing = %+v, %v", a, err)
	}
}

func TestDeepXattrs(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/f", []byte("x"), 0o600))
	must(t, os.Symlink("f", dir+"/l"))
	must(t, unix.Setxattr(dir+"/f", "user.note", []byte("a\x00b"), 0))
	// An ACL: version 2, then user::rw-, user:33:rw-, group::---, mask::rw-, other::--- (linux/posix_acl_xattr.h).
	acl := []byte{2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 6, 0, 33, 0, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255,
		16, 0, 6, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255}
	must(t, unix.Setxattr(dir+"/f", "system.posix_acl_access", acl, 0))
	f, err := Open(dir)
	must(t, err)
	defer f.Close()
	a, err := f.Deep("/f")
	must(t, err)
	if string(a.Xattrs["user.note"]) != "a\x00b" || string(a.Xattrs["system.posix_acl_access"]) != string(acl) {
		t.Errorf("Xattrs = %q", a.Xattrs)
	}
	if a, err := f.Deep("/l"); err != nil || a.Type != deminer.Symlink || len(a.Xattrs) != 0 {
		t.Errorf("Deep of a link = %+v, %v; want the link's own", a, err)
	}
	if _, err := f.Deep("/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Deep of nothing: %v", err)
	}
}

func TestParseAutofs(t *testing.T) {
	const text = `22 1 0:21 / /proc rw - proc proc rw
30 22 0:28 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
31 1 0:29 / /net\040x rw - autofs auto.net rw
32 31 0:30 / /net\040x/srv rw - nfs srv:/ rw
33 1 0:31 / /home rw - autofs auto.home rw
broken line
`
	a := parseAutofs([]byte(text), "/")
	for name, want := range map[string]bool{
		"/proc/sys/fs/binfmt_misc": false, "/proc/sys/fs/binfmt_misc/x": true, "/net x/srv/a": false, "/net x/srv": false,
		"/net x/other": true, "/home/u/.bashrc": true, "/homes/u": false, "/etc": false,
	} {
		if got := a.below(name); got != want {
			t.Errorf("below(%q) = %v, want %v", name, got, want)
		}
	}
	if !a.risky() {
		t.Error("automounted homes are not seen as risky")
	}
	b := parseAutofs([]byte(text), "/proc")
	if b.risky() != true || !b.below("/sys/fs/binfmt_misc/x") || b.below("/home/u") {
		t.Errorf("relative to /proc: %+v", b)
	}
}

func FuzzParseDirents(f *testing.F) {
	f.Add([]byte("01234567012345678\x18\x00\x08name\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) { parseDirents(nil, b) })
}

func FuzzParseAutofs(f *testing.F) {
	f.Add("33 1 0:31 / /ho\\040me rw - autofs auto.home rw\n", "/home/x")
	f.Fuzz(func(t *testing.T, text, name string) { parseAutofs([]byte(text), "/").below(name) })
}
