//go:build linux

package procfs

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Mount makes a procfs mount that is attached nowhere, so the host does not see it, and gives its root directory; with that it ends. It
// shows the processes of the caller's PID namespace. It needs CAP_SYS_ADMIN and Linux 5.2.
func Mount() (fd int, err error) {
	ctx, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open a private procfs: %w", err)
	}
	defer unix.Close(ctx)
	if err := unix.FsconfigCreate(ctx); err != nil {
		return -1, fmt.Errorf("create a private procfs: %w", err)
	}
	attrs := unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	mount, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, attrs)
	if err != nil {
		return -1, fmt.Errorf("mount a private procfs: %w", err)
	}
	defer unix.Close(mount)
	// The descriptor of a mount only names it; to list the directory it is opened through it.
	if fd, err = openDir(mount, "."); err != nil {
		return -1, fmt.Errorf("open the root of a private procfs: %w", err)
	}
	return fd, nil
}

// Root is the root directory of a mount that all of this process share, or of /proc where there can be none of our own. It must not be
// closed.
func Root() (fd int, err error) { return root() }

var root = sync.OnceValues(func() (int, error) {
	fd, err := Mount()
	if err == nil {
		return fd, nil
	}
	if fd, err = openDir(unix.AT_FDCWD, "/proc"); err != nil {
		return -1, fmt.Errorf("open /proc: %w", err)
	}
	return fd, nil
})

func openDir(dir int, name string) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
