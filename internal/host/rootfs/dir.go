//go:build linux

package rootfs

import (
	"encoding/binary"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

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
	got, err := f.openCached(name)
	if err != nil {
		got, err = f.openDir(name)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return &dir{fd: got, name: name}, nil
}

const resolveCached = 0x20 // RESOLVE_CACHED of openat2(2), since Linux 5.12

const openFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC

// openCached opens a directory that the kernel has in its memory, way and all. On that way nothing is mounted by itself, so
// that it needs no look before, as openDir does. What cannot be opened so may well be there: ask openDir.
func (f *FS) openCached(name string) (int, error) {
	if f.stepped || strings.IndexByte(name, 0) >= 0 || !strings.HasPrefix(name, "/") || f.auto.below(path.Clean(name)) {
		return -1, unix.EAGAIN
	}
	how := &unix.OpenHow{Flags: openFlags | unix.O_NOATIME, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | resolveCached}
	fd, err := retry(func() (int, error) { return unix.Openat2(f.root, name, how) })
	if err != nil {
		return -1, err
	}
	if err := noAutofs(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// openDir opens a directory in two steps, so that an automount is seen before it is set off.
func (f *FS) openDir(name string) (int, error) {
	fd, err := f.take(name, true)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	if err := noAutofs(fd); err != nil {
		return -1, err
	}
	open := func(extra int) (int, error) {
		return retry(func() (int, error) { return unix.Openat(fd, ".", openFlags|extra, 0) })
	}
	got, err := open(unix.O_NOATIME)
	if err == unix.EPERM { // O_NOATIME is for the owner and root only
		got, err = open(0)
	}
	return got, err
}

// noAutofs refuses directories whose names are mounted when they are asked for.
func noAutofs(fd int) error {
	var sfs unix.Statfs_t
	if unix.Fstatfs(fd, &sfs) == nil && sfs.Type == unix.AUTOFS_SUPER_MAGIC {
		return ErrAutomount
	}
	return nil
}

// dir is an open directory.
type dir struct {
	fd   int
	name string
}

// List implements host.Dir.
func (d *dir) List() ([]host.Entry, error) {
	list, err := entries(d.fd)
	d.fill(list)
	slices.SortFunc(list, func(a, b host.Entry) int { return strings.Compare(a.Name, b.Name) })
	if err != nil {
		err = &fs.PathError{Op: "readdir", Path: d.name, Err: err}
	}
	return list, err
}

// fill asks for the types that the file system does not give with its names: a walk enters only what is a directory. A name
// that cannot be asked keeps none.
func (d *dir) fill(list []host.Entry) {
	for i := range list {
		if list[i].Type == "" {
			if a, _, err := attrAt(d.fd, list[i].Name); err == nil {
				list[i].Type = a.Type
			}
		}
	}
}

// Lstat implements host.Dir. A name that is itself a path is refused.
func (d *dir) Lstat(name string) (deminer.Attr, error) {
	var a deminer.Attr
	err := error(unix.EINVAL)
	if name != "" && strings.IndexByte(name, '/') < 0 && strings.IndexByte(name, 0) < 0 {
		a, _, err = attrAt(d.fd, name)
	}
	if err != nil {
		return a, &fs.PathError{Op: "stat", Path: path.Join(d.name, name), Err: err}
	}
	return a, nil
}

// Close implements host.Dir.
func (d *dir) Close() error { return unix.Close(d.fd) }

// buffers are kept to read directories with: there are many, and most are small.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func entries(dir int) ([]host.Entry, error) {
	var out []host.Entry
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(dir, buf[:]) })
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
	out = slices.Grow(out, len(buf)/40)
	text := string(buf) // the names are parts of it
	for at := 0; len(buf)-at > head; {
		size := int(binary.NativeEndian.Uint16(buf[at+16:]))
		if size < head || size > len(buf)-at {
			return out
		}
		name := text[at+head : at+size]
		if i := strings.IndexByte(name, 0); i >= 0 {
			name = name[:i]
		}
		if name != "." && name != ".." && name != "" {
			out = append(out, host.Entry{Name: name, Type: direntType(buf[at+18])})
		}
		at += size
	}
	return out
}

func direntType(t byte) deminer.FileType {
	if t == unix.DT_UNKNOWN {
		return ""
	}
	return inode.Type(uint32(t) << 12) // DT_x is S_IFx >> 12
}
