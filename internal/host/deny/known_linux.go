//go:build linux

package deny

import (
	"sync"

	"golang.org/x/sys/unix"
)

// maxKnown bounds the marks of files that are known; before Linux 5.19 a mark keeps its inode in memory.
const maxKnown = 65_536

// known keeps the files that are not asked about: the kernel skips them by itself. A write to such a file ends that in the kernel,
// at once. A change through a shared mapping is no write there: for that the mark also tells when somebody who could write
// closes the file, and then it is taken away here.
type known struct {
	fd     int // of the group
	mu     sync.Mutex
	n      int
	pinned bool // this kernel has no evictable marks
}

func (k *known) add(fd int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.n++; k.n > maxKnown {
		k.n = 1
		_ = unix.FanotifyMark(k.fd, unix.FAN_MARK_FLUSH, 0, unix.AT_FDCWD, "/") // all marks of files, none of file systems
	}
	err := k.mark(unix.FAN_MARK_ADD, fd)
	if err == unix.EINVAL && !k.pinned {
		k.pinned = true
		err = k.mark(unix.FAN_MARK_ADD, fd)
	}
	if err != nil {
		_ = k.mark(unix.FAN_MARK_REMOVE, fd)
	}
}

func (k *known) forget(fd int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.mark(unix.FAN_MARK_REMOVE, fd)
}

// mark adds both halves, the one that watches first, or takes both away, the one that skips first.
func (k *known) mark(how uint, fd int) error {
	if how == unix.FAN_MARK_REMOVE {
		err := unix.FanotifyMark(k.fd, how|unix.FAN_MARK_IGNORED_MASK, unix.FAN_OPEN_EXEC_PERM, fd, "")
		_ = unix.FanotifyMark(k.fd, how, unix.FAN_CLOSE_WRITE, fd, "")
		return err
	}
	if !k.pinned {
		how |= unix.FAN_MARK_EVICTABLE
	}
	if err := unix.FanotifyMark(k.fd, how, unix.FAN_CLOSE_WRITE, fd, ""); err != nil {
		return err
	}
	return unix.FanotifyMark(k.fd, how|unix.FAN_MARK_IGNORED_MASK, unix.FAN_OPEN_EXEC_PERM, fd, "")
}
