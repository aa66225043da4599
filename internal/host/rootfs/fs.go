//go:build linux

package rootfs

import (
	"fmt"
	"io/fs"
	"strconv"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// FS implements host.FS over a directory. It may be used by many goroutines at once.
type FS struct {
	root    int  // O_PATH descriptor of the directory
	stepped bool // resolve step by step: no openat2, or automounts that a link could lead to
	auto    autofs
}

// Open takes a directory as the root of a host. The mounts below it are looked at once, here, to know the automount
// points. Close it when done.
func Open(dir string) (*FS, error) {
	root, err := retry(func() (int, error) {
		return unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open root", Path: dir, Err: err}
	}
	f := &FS{root: root, auto: readAutofs(root)}
	probe, err := f.openat2(".", unix.O_PATH)
	if err == nil {
		unix.Close(probe)
	}
	f.stepped = err != nil || f.auto.risky()
	return f, nil
}

// Close gives the directory back. Files opened from it stay open.
func (f *FS) Close() error { return unix.Close(f.root) }

// Open implements host.FS: a regular file, opened without blocking.
func (f *FS) Open(name string) (host.File, error) {
	fd, err := f.take(name, true)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &fs.PathError{Op: "open", Path: name, Err: host.ErrNotRegular}
	}
	real, err := f.reopen(fd, name, unix.O_RDONLY)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &file{fd: real, name: name}, nil
}

// Lstat implements host.FS.
func (f *FS) Lstat(name string) (deminer.Attr, error) { return f.stat(name, false) }

// Stat implements host.FS.
func (f *FS) Stat(name string) (deminer.Attr, error) { return f.stat(name, true) }

func (f *FS) stat(name string, follow bool) (deminer.Attr, error) {
	fd, err := f.take(name, follow)
	if err != nil {
		return deminer.Attr{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	defer unix.Close(fd)
	a, _, err := attrOf(fd)
	if err != nil {
		return a, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return a, nil
}

// ReadLink implements host.FS.
func (f *FS) ReadLink(name string) (string, error) {
	fd, err := f.take(name, false)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	defer unix.Close(fd)
	target, err := readlink(fd)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return target, nil
}

// readlink reads the link that an O_PATH descriptor is of. A target is at most PATH_MAX long; a file system that gives
// more is not believed.
func readlink(fd int) (string, error) {
	buf := make([]byte, unix.PathMax+1)
	n, err := unix.Readlinkat(fd, "", buf)
	if err == unix.ENOENT {
		err = unix.EINVAL // what Linux says of an empty name whose descriptor is no link
	}
	if err == nil && n > unix.PathMax {
		err = unix.ENAMETOOLONG
	}
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// reopen opens the inode of an O_PATH descriptor for reading, through /proc so that it cannot have been swapped; where
// there is no /proc, by its name, and compares the inodes.
func (f *FS) reopen(fd int, name string, flags int) (int, error) {
	flags |= unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	open := func(extra int) (int, error) {
		return retry(func() (int, error) { return unix.Open(self(fd), flags|extra, 0) })
	}
	got, err := open(unix.O_NOATIME)
	if err == unix.EPERM { // O_NOATIME is for the owner and root only
		got, err = open(0)
	}
	if err != unix.ENOENT || f.stepped {
		return got, err
	}
	got, err = f.openat2(name, flags)
	if err != nil {
		return -1, err
	}
	if err := sameInode(fd, got); err != nil {
		unix.Close(got)
		return -1, err
	}
	return got, nil
}

func self(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func sameInode(a, b int) error {
	var x, y unix.Stat_t
	if err := unix.Fstat(a, &x); err != nil {
		return err
	}
	if err := unix.Fstat(b, &y); err != nil {
		return err
	}
	if x.Dev != y.Dev || x.Ino != y.Ino {
		return fmt.Errorf("file was swapped while it was opened")
	}
	return nil
}

func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}
