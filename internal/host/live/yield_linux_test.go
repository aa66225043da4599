//go:build linux

package live

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestYield: every thread of the process, also one made later, has the lower priority.
func TestYield(t *testing.T) {
	before, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil || before != 20 || os.Getuid() != 0 {
		t.Skipf("needs root, to put the ordinary priority back (nice %d, %v)", 20-before, err)
	}
	threads := func() []int {
		p, err := openShared()
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(p.fd)
		dir, err := openRetry(p.fd, "self/task", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(dir)
		list, err := pids(dir, make([]byte, 16<<10), maxThreads)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	defer func() {
		for _, tid := range threads() {
			_ = unix.Setpriority(unix.PRIO_PROCESS, tid, 0)
		}
	}()
	if err := Yield(); err != nil {
		t.Fatal(err)
	}
	for _, tid := range threads() {
		if got, err := unix.Getpriority(unix.PRIO_PROCESS, tid); err == nil && 20-got != yieldNice {
			t.Errorf("thread %d has nice %d, want %d", tid, 20-got, yieldNice)
		}
	}
}
