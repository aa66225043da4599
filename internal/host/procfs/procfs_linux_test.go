package procfs

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNobodyCoversIt: what is mounted over an entry of /proc hides nothing here.
func TestNobodyCoversIt(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount")
	}
	entry := "/proc/" + strconv.Itoa(os.Getppid())
	if err := unix.Mount("procfs-test", entry, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(entry, 0); err != nil {
			t.Error(err)
		}
	}()
	fd, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Access(entry+"/stat", unix.R_OK); err != unix.ENOENT {
		t.Errorf("it is not covered: %v", err)
	}
	if err := unix.Faccessat(fd, strconv.Itoa(os.Getppid())+"/stat", unix.R_OK, 0); err != nil {
		t.Errorf("covered here, too: %v", err)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(fd, "self/exe", &st, 0); err != nil || st.Size == 0 {
		t.Errorf("the own program: %v", err)
	}
}
