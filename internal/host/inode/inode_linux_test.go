//go:build linux

package inode

import (
	"os"
	"testing"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// TestBothAnswersAgree asks both ways about the same inodes.
func TestBothAnswersAgree(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(dir+"/f", []byte("hello"), 0o640))
	must(os.Chmod(dir+"/f", 0o640|os.ModeSetuid))
	must(os.Symlink("f", dir+"/l"))
	must(unix.Mkfifo(dir+"/p", 0o600))
	for name, want := range map[string]deminer.FileType{dir: deminer.Directory, dir + "/f": deminer.Regular, dir + "/l": deminer.Symlink, dir + "/p": deminer.Pipe, "/dev/null": deminer.Device} {
		var st unix.Stat_t
		var sx unix.Statx_t
		must(unix.Lstat(name, &st))
		must(unix.Statx(unix.AT_FDCWD, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &sx))
		a, b := Of(&st), OfStatx(&sx)
		if a.Type != want {
			t.Errorf("%s is a %s, want %s", name, a.Type, want)
		}
		if name == dir+"/f" && (a.Mode != 0o4640 || a.Size != 5 || a.Mtime.IsZero()) {
			t.Errorf("%+v", a)
		}
		b.Btime = a.Btime
		if a.Type != b.Type || a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || a.Size != b.Size || a.Blocks != b.Blocks || a.Dev != b.Dev || a.Ino != b.Ino ||
			a.Links != b.Links || !a.Mtime.Equal(b.Mtime) || !a.Ctime.Equal(b.Ctime) || a.Mtime.Location() != b.Mtime.Location() {
			t.Errorf("%s:\nstat  %+v\nstatx %+v", name, a, b)
		}
	}
}
