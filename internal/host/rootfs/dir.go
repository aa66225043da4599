//go:build linux

package rootfs

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/inode"
	"golang.org/x/sys/unix"
)

// maxEntries bounds one directory; a larger one gives this many names and ErrTooLarge. At about 50 bytes a name it is
// 10 MiB.
const maxEntries = 200_000

// ReadDir implements host.FS. Names are the bytes of the file system. A directory with more than 200,000 names gives
// those it read first and host.ErrTooLarge.
func (f *FS) ReadDir(name string) ([]host.Entry, error) {
	d, err := f.OpenDir(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.List()
}

// OpenDir implements host.DirOpener. The names are those of the directory that was opened, whatever is renamed meanwhile.
func (f *FS) OpenDir(name string) (host.Dir, error) {
	fail := func(err error) (host.Dir, error) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	fd, err := f.take(name, true)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(fd)
	var sfs unix.Statfs_t
	if unix.Fstatfs(fd, &sfs) == nil && sfs.Type == unix.AUTOFS_SUPER_MAGIC {
		return fail(ErrAutomount)
	}
	const how = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	open := func(extra int) (int, error) {
		return retry(func() (int, error) { return unix.Openat(fd, ".", how|extra, 0) })
	}
	got, err := open(unix.O_NOATIME)
	if err == unix.EPERM { // O_NOATIME is for the owner and root only
		got, err = open(0)
	}
	if err != nil {
		return fail(err)
	}
	return &dir{fd: got, name: name}, nil
}

// dir is an open directory.
type dir struct {
	fd   int
	name string
}

// List implements host.Dir.
func (d *dir) List() ([]host.Entry, error) {
	list, err := entries(d.fd)
	slices.SortFunc(list, func(a, b host.Entry) int { return strings.Compare(a.Name, b.Name) })
	if err != nil {
		err = &fs.PathError{Op: "readdir", Path: d.name, Err: err}
	}
	return list, err
}

// Lstat implements host.Dir. A name that is itself a path is refused.
func (d *dir) Lstat(name string) (deminer.Attr, error) {
	var a deminer.Attr
	err := error(unix.EINVAL)
	if name != "" && !strings.ContainsAny(name, "/\x00") {
		a, _, err = attrAt(d.fd, name)
	}
	if err != nil {
		return a, &fs.PathError{Op: "stat", Path: path.Join(d.name, name), Err: err}
	}
	return a, nil
}

// Close implements host.Dir.
func (d *dir) Close() error { return unix.Close(d.fd) }

func entries(dir int) ([]host.Entry, error) {
	var out []host.Entry
	buf := make([]byte, 32<<10)
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(dir, buf) })
		if err != nil || n <= 0 {
			return out, err
		}
		out = parseDirents(out, buf[:n])
		if len(out) > maxEntries {
			return out[:maxEntries], host.ErrTooLarge
		}
	}
}

// parseDirents reads struct linux_dirent64 (getdents64(2)): inode 8 bytes, offset 8, record length 2, type 1, name.
func parseDirents(out []host.Entry, buf []byte) []host.Entry {
	const head = 19
	for len(buf) > head {
		size := int(binary.NativeEndian.Uint16(buf[16:]))
		if size < head || size > len(buf) {
			return out
		}
		name := buf[head:size]
		if i := bytes.IndexByte(name, 0); i >= 0 {
			name = name[:i]
		}
		if s := string(name); s != "." && s != ".." && s != "" {
			out = append(out, host.Entry{Name: s, Type: direntType(buf[18])})
		}
		buf = buf[size:]
	}
	return out
}

func direntType(t byte) deminer.FileType {
	if t == unix.DT_UNKNOWN {
		return ""
	}
	return inode.Type(uint32(t) << 12) // DT_x is S_IFx >> 12
}
