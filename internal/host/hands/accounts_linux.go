//go:build linux

package hands

import (
	"errors"
	"fmt"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// accountPatience is how long lckpwdf(3) waits for the lock before it gives up.
const accountPatience = 15 * time.Second

// LockAccounts takes the lock that passwd, useradd and the like take (lckpwdf(3)): a write lock on /etc/.pwd.lock below
// root. It waits at most 15 seconds and then answers deminer.ErrBusy.
func LockAccounts(root string) (func(), error) {
	top, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root %q: %w", root, err)
	}
	defer unix.Close(top)
	etc, err := beneath(top, "/etc", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("lock accounts: %w", err)
	}
	defer unix.Close(etc)
	fd, err := unix.Openat(etc, ".pwd.lock", unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENOENT) {
		// Where the file never was, nobody ever locked; making it would leave a trace that undo does not take away.
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock accounts: %w", err)
	}
	for until := time.Now().Add(accountPatience); ; time.Sleep(50 * time.Millisecond) {
		err := unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		if err == nil {
			return func() { unix.Close(fd) }, nil
		}
		if time.Now().After(until) || !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			unix.Close(fd)
			return nil, fmt.Errorf("lock accounts: %w: %w", deminer.ErrBusy, err)
		}
	}
}
