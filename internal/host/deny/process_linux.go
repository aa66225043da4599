//go:build linux

package deny

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/procfs"
	"golang.org/x/sys/unix"
)

// identify adds the start time to a pid; 0 where it has ended.
func identify(pid int) deminer.ProcID {
	id := deminer.ProcID{PID: pid}
	if pid <= 0 {
		return id
	}
	f, err := openProc(pid, "stat")
	if err != nil {
		return id
	}
	defer f.Close()
	text := make([]byte, 4096)
	n, _ := f.Read(text)
	id.Start = started(text[:n])
	return id
}

// openProc opens a file of a process below /proc/PID for reading, where nobody can cover it.
func openProc(pid int, name string) (*os.File, error) {
	root, err := procfs.Root()
	if err != nil {
		return nil, err
	}
	name = strconv.Itoa(pid) + "/" + name
	for {
		fd, err := unix.Openat(root, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_LARGEFILE, 0)
		switch err {
		case nil:
			return os.NewFile(uintptr(fd), "/proc/"+name), nil
		case unix.EINTR:
		default:
			return nil, &os.PathError{Op: "open", Path: "/proc/" + name, Err: err}
		}
	}
}

// statExe looks at the program of a process.
func statExe(pid int, st *unix.Stat_t) error {
	root, err := procfs.Root()
	if err != nil {
		return err
	}
	return unix.Fstatat(root, strconv.Itoa(pid)+"/exe", st, 0)
}

// started gives field 22 of proc_pid_stat(5); the name in brackets may hold anything, so the last bracket counts.
func started(stat []byte) uint64 {
	const field = 22 - 3 // the first after the name is field 3
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) <= field {
		return 0
	}
	n, _ := strconv.ParseUint(string(f[field]), 10, 64)
	return n
}

// send signals exactly the process that is meant: the descriptor is opened before the start time is compared, so that the pid
// cannot become another's in between.
func send(id deminer.ProcID, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err == unix.ESRCH {
		err = fs.ErrNotExist
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", id.PID, err)
	}
	defer unix.Close(fd)
	if is := identify(id.PID); is.Start == 0 {
		return fmt.Errorf("signal process %d: %w", id.PID, fs.ErrNotExist)
	} else if is != id {
		return fmt.Errorf("signal process %d: %w: the PID is another process by now", id.PID, deminer.ErrChanged)
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err == unix.ESRCH {
		return fmt.Errorf("signal process %d: %w", id.PID, fs.ErrNotExist)
	} else if err != nil {
		return fmt.Errorf("signal process %d: %w", id.PID, err)
	}
	return nil
}
