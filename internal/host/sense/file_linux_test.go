//go:build linux

package sense

import (
	"slices"
	"testing"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// TestProgramIsNamed: an exec names the file as whoever opens it finds it, where it lies on a file system of which that can be said,
// and no file in memory.
func TestProgramIsNamed(t *testing.T) {
	w := watch(t, Options{Want: []deminer.EventKind{deminer.EventExec}})
	if w.facet(deminer.EventExec).Sensor != deminer.SensorBPF {
		t.Skip("needs root and a kernel with BTF (CONFIG_DEBUG_INFO_BTF) that takes the eBPF programs")
	}
	var fs unix.Statfs_t
	var st unix.Statx_t
	if err := unix.Statfs("/bin/true", &fs); err != nil {
		t.Fatal(err)
	}
	if err := unix.Statx(unix.AT_FDCWD, "/bin/true", 0, unix.STATX_BASIC_STATS, &st); err != nil {
		t.Fatal(err)
	}
	can := slices.Contains([]int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.TMPFS_MAGIC}, int64(fs.Type))
	pid, _ := run(t, "exec", "")
	e, ok := w.wait(t, "a program", func(e *deminer.Event) bool { return e.Proc.PID == pid && e.Comm == "true" })
	if f := e.File; ok && (can != (f != deminer.FileID{}) || can && (f.Ino != st.Ino || f.Size != int64(st.Size) || f.Changed != st.Ctime.Sec*1e9+int64(st.Ctime.Nsec))) {
		t.Errorf("%+v, want %+v", f, st)
	}
}
