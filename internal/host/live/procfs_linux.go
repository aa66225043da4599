//go:build linux

package live

import (
	"errors"
	"fmt"
	"strconv"

	ownfs "github.com/deminer/deminer/internal/host/procfs"
	"golang.org/x/sys/unix"
)

// procfs is one mount of procfs, held open by its root directory.
type procfs struct {
	fd      int
	private bool // a mount of our own that nobody can put anything over
}

// openPrivate makes a procfs mount that is attached nowhere, see procfs.Mount.
func openPrivate() (*procfs, error) {
	fd, err := ownfs.Mount()
	if err != nil {
		return nil, err
	}
	return &procfs{fd: fd, private: true}, nil
}

// openShared opens the host's own /proc and makes sure it is procfs.
func openShared() (*procfs, error) {
	fd, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /proc: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("look at /proc: %w", err)
	}
	if st.Type != unix.PROC_SUPER_MAGIC {
		unix.Close(fd)
		return nil, fmt.Errorf("/proc is no procfs but a file system of type 0x%x", st.Type)
	}
	return &procfs{fd: fd}, nil
}

// read reads a file of the mount into buf, growing it up to limit bytes; a longer file is cut.
func (p *procfs) read(name string, buf []byte, limit int) ([]byte, error) {
	return readAt(p.fd, name, buf, limit)
}

// readAt reads the file name below the directory dir. The result shares buf's memory. What lies beyond limit is left.
func readAt(dir int, name string, buf []byte, limit int) ([]byte, error) {
	fd, err := openRetry(dir, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return readAll(fd, buf, limit)
}

func openRetry(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// readAll reads from fd to its end or up to limit bytes.
func readAll(fd int, buf []byte, limit int) ([]byte, error) {
	buf = buf[:0]
	for len(buf) < limit {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):min(cap(buf), limit)])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return buf, err
		}
		buf = buf[:len(buf)+n]
	}
	return buf, nil
}

// pids lists the numeric names of the directory fd, which is read from its start; at most limit of them.
func pids(fd int, buf []byte, limit int) ([]int, error) {
	if _, err := unix.Seek(fd, 0, 0); err != nil {
		return nil, err
	}
	var out []int
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return out, err
		}
		if n <= 0 {
			return out, nil
		}
		out = appendPIDs(out, buf[:n])
		if len(out) >= limit {
			return out[:limit], errTooMany
		}
	}
}

// pids lists the processes the mount shows.
func (p *procfs) pids(buf []byte) ([]int, error) { return pids(p.fd, buf, maxProcesses) }

// task is one process, held by its directory: when it ends, reads fail, even if its number is used again.
type task struct {
	fd  int
	pid int
}

var errCovered = errors.New("another file system is mounted over the process's directory")

// open opens a process's directory. On the shared mount something may cover it: errCovered.
func (p *procfs) open(pid int) (task, error) {
	name := strconv.Itoa(pid)
	if p.private {
		fd, err := openRetry(p.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
		return task{fd, pid}, err
	}
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(p.fd, name, &how)
	switch err {
	case unix.EXDEV:
		return task{}, errCovered
	case unix.ENOSYS: // before Linux 5.6
		return p.openOld(pid)
	}
	return task{fd, pid}, err
}

// openOld tells a cover by its device number.
func (p *procfs) openOld(pid int) (task, error) {
	fd, err := openRetry(p.fd, strconv.Itoa(pid), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW)
	if err != nil {
		return task{}, err
	}
	var root, dir unix.Stat_t
	if err := errors.Join(unix.Fstat(p.fd, &root), unix.Fstat(fd, &dir)); err != nil {
		unix.Close(fd)
		return task{}, err
	}
	if root.Dev != dir.Dev {
		unix.Close(fd)
		return task{}, errCovered
	}
	return task{fd, pid}, nil
}

func (t task) close() { unix.Close(t.fd) }

func (t task) read(name string, buf []byte, limit int) ([]byte, error) {
	return readAt(t.fd, name, buf, limit)
}

// link reads a symbolic link of the process.
func (t task) link(name string, buf []byte) (string, error) {
	n, err := unix.Readlinkat(t.fd, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// gone reports an error that means the process has ended.
func gone(err error) bool { return err == unix.ESRCH || err == unix.ENOENT }
