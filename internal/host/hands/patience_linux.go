//go:build linux

package hands

import (
	"errors"
	"fmt"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// filePatience is how long a file system may take to say what a name is. One that a program serves (FUSE) may never
// answer, most of all when a freeze step has stopped that very program.
const filePatience = 20 * time.Second

// errSilent: the file system does not answer.
var errSilent = errors.New("the file system does not answer")

// patient runs do and gives up on it after a time; it then goes on by itself, and what it opens is lost.
func patient[T any](most time.Duration, do func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := do()
		done <- answer{v, err}
	}()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.v, a.err
	case <-timer.C:
		var none T
		return none, fmt.Errorf("%w for %s", errSilent, most)
	}
}

// served refuses what a program serves as a file system (FUSE), unless the whole root is such: a read of it may never end.
func (f *files) served(fd int) error {
	var st, root unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.FUSE_SUPER_MAGIC {
		return err
	}
	if err := unix.Fstatfs(f.root, &root); err != nil || root.Type == unix.FUSE_SUPER_MAGIC {
		return err
	}
	return fmt.Errorf("%w: a program serves the file system that it lies on (FUSE); unmount that first", deminer.ErrProtected)
}
