//go:build linux

package rootfs

import (
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// attrOf gives what the file system says of an open or O_PATH descriptor, and its inode flags as far as statx tells
// them. Kernels without statx (before 4.11, or filtered) give no birth time and no flags.
func attrOf(fd int) (deminer.Attr, deminer.Flags, error) { return attrAt(fd, "") }

// attrAt is the same of a name in an open directory, a link not followed; without a name, of the descriptor itself.
func attrAt(fd int, name string) (deminer.Attr, deminer.Flags, error) {
	var sx unix.Statx_t
	const how = unix.AT_EMPTY_PATH | unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	if err := unix.Statx(fd, name, how, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &sx); err != nil {
		return oldAttr(fd, name)
	}
	a := deminer.Attr{
		Type: typeOf(uint32(sx.Mode)), Mode: uint32(sx.Mode) & 0o7777, UID: sx.Uid, GID: sx.Gid,
		Size: int64(sx.Size), Blocks: int64(sx.Blocks), Dev: unix.Mkdev(sx.Dev_major, sx.Dev_minor), Ino: sx.Ino,
		Links: uint64(sx.Nlink), Atime: stamp(sx.Atime), Mtime: stamp(sx.Mtime), Ctime: stamp(sx.Ctime),
	}
	if sx.Mask&unix.STATX_BTIME != 0 {
		a.Btime = stamp(sx.Btime)
	}
	return a, deminer.Flags(sx.Attributes) & (deminer.Immutable | deminer.AppendOnly), nil
}

func oldAttr(fd int, name string) (deminer.Attr, deminer.Flags, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(fd, name, &st, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT); err != nil {
		return deminer.Attr{}, 0, err
	}
	return deminer.Attr{
		Type: typeOf(st.Mode), Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid, Size: st.Size, Blocks: st.Blocks,
		Dev: uint64(st.Dev), Ino: st.Ino, Links: uint64(st.Nlink), Atime: time.Unix(st.Atim.Unix()).UTC(),
		Mtime: time.Unix(st.Mtim.Unix()).UTC(), Ctime: time.Unix(st.Ctim.Unix()).UTC(),
	}, 0, nil
}

func stamp(t unix.StatxTimestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)).UTC() }

func typeOf(mode uint32) deminer.FileType {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return deminer.Regular
	case unix.S_IFDIR:
		return deminer.Directory
	case unix.S_IFLNK:
		return deminer.Symlink
	case unix.S_IFIFO:
		return deminer.Pipe
	case unix.S_IFSOCK:
		return deminer.UnixSock
	}
	return deminer.Device
}
