//go:build linux

package rootfs

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// maxEntries bounds one directory; a larger one gives this many names and ErrTooLarge. At about 50 bytes a name it is
// 10 MiB.
const maxEntries = 200_000

// ReadDir implements host.FS. Names are the bytes of the file system. A directory with more than 200,000 names gives
// those it read first and host.ErrTooLarge.
func (f *FS) ReadDir(name string) ([]host.Entry, error) {
	fail := func(err error) ([]host.Entry, error) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	fd, err := f.take(name, true)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fail(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fail(unix.ENOTDIR)
	}
	var sfs unix.Statfs_t
	if unix.Fstatfs(fd, &sfs) == nil && sfs.Type == unix.AUTOFS_SUPER_MAGIC {
		return fail(ErrAutomount)
	}
	dir, err := f.reopen(fd, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(dir)
	list, err := entries(dir)
	slices.SortFunc(list, func(a, b host.Entry) int { return strings.Compare(a.Name, b.Name) })
	if err != nil {
		err = &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return list, err
}

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
	return typeOf(uint32(t) << 12) // DT_x is S_IFx >> 12
}
