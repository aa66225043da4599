//go:build linux

package hands

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// files is host.Files and host.Writer over one root directory.
type files struct{ root int }

// Able says why the kernel does not let deminer change what is below root safely; nil where it does. Names are resolved inside
// the root by openat2 alone: what the kernel does not guard, an intruder's link could lead elsewhere.
func Able(root string) error {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open root %q: %w", root, err)
	}
	defer unix.Close(fd)
	return able(fd)
}

func able(root int) error {
	fd, err := beneath(root, ".", unix.O_PATH|unix.O_DIRECTORY)
	switch {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: this kernel has no openat2, or a filter forbids it (it came with Linux 5.6); deminer looks here and changes nothing, as a link of the intruder's could lead changes elsewhere. "+
			"Boot a newer kernel, or clean this disk from one: deminer --root DIR: %w", host.ErrUnsupported, err)
	case err != nil:
		return fmt.Errorf("open the root: %w", err)
	}
	return unix.Close(fd)
}

// Open gives hands on the host whose root directory is root. With live false there are hands for files only.
func Open(root string, live bool) (*host.Hands, error) {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root %q: %w", root, err)
	}
	if err := able(fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := &files{root: fd}
	h := &host.Hands{Files: f, Writer: f}
	if live {
		p, err := newProcs()
		if err != nil {
			unix.Close(fd)
			return nil, err
		}
		h.Procs, h.Net, h.Units = p, &traffic{groups: groups{tops: cgroups(), keep: p.keep}}, &units{}
		h.Kernel, h.Containers = &kernel{proc: "/proc"}, newContainers()
	}
	return h, nil
}

// State opens the state directory dir beneath root, made with mode 0700 where it is missing. It must be a directory of
// ours alone: one that others own or may write to is refused, as journal and vault could be forged there.
func State(root, dir string) (*os.Root, error) {
	top, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root %q: %w", root, err)
	}
	defer unix.Close(top)
	if err := able(top); err != nil {
		return nil, fmt.Errorf("open state directory %q: %w", dir, err)
	}
	fd, made := -1, ""
	for part := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		made += "/" + part
		if fd >= 0 {
			unix.Close(fd)
		}
		if fd, err = stateDir(top, made); err != nil {
			return nil, fmt.Errorf("open state directory %q: %w", dir, err)
		}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("open state directory %q: %w", dir, err)
	}
	if int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return nil, fmt.Errorf("open state directory %q: %w: owner %d, mode %o; others could forge the journal", dir, deminer.ErrProtected, st.Uid, st.Mode&0o7777)
	}
	return os.OpenRoot(self(fd))
}

func stateDir(top int, name string) (int, error) {
	fd, err := beneath(top, name, unix.O_PATH|unix.O_DIRECTORY)
	if !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	i := strings.LastIndexByte(name, '/')
	up, err := beneath(top, name[:i+1], unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, err
	}
	defer unix.Close(up)
	mode := uint32(0o755)
	if strings.HasSuffix(name, "deminer") {
		mode = 0o700
	}
	if err := unix.Mkdirat(up, name[i+1:], mode); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	return beneath(top, name, unix.O_PATH|unix.O_DIRECTORY)
}

// journalReserve is left free in the state directory whatever goes to the vault: without room the journal cannot be
// written, and then nothing may be changed or taken back.
const journalReserve = 4 << 20

// StateRoom gives a check of the room in the state directory, see remedy.Tools.
func StateRoom(state *os.Root) func(size int64) error {
	return func(size int64) error {
		d, err := state.Open(".")
		if err != nil {
			return fmt.Errorf("ask for room in the state directory: %w", err)
		}
		defer d.Close()
		var st unix.Statfs_t
		if err := unix.Fstatfs(int(d.Fd()), &st); err != nil {
			return fmt.Errorf("ask for room in the state directory: %w", err)
		}
		if free := int64(st.Bavail) * st.Bsize; free < size+journalReserve {
			return fmt.Errorf("%w in the state directory: %d bytes needed, %d free; nothing was changed", unix.ENOSPC, size+journalReserve, free)
		}
		return nil
	}
}

// Lock takes the exclusive lock of an open file without waiting; deminer.ErrBusy if somebody holds it. Closing the file gives it back.
func Lock(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("lock %q: %w", f.Name(), err)
	}
	var locked error
	if err := raw.Control(func(fd uintptr) { locked = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) }); err != nil {
		return fmt.Errorf("lock %q: %w", f.Name(), err)
	}
	if errors.Is(locked, unix.EWOULDBLOCK) {
		return deminer.ErrBusy
	}
	if locked != nil {
		return fmt.Errorf("lock %q: %w", f.Name(), locked)
	}
	return nil
}
