//go:build linux

package inode

import (
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// Of describes the answer of fstat(2) and its kind. There is no birth time in it.
func Of(st *unix.Stat_t) deminer.Attr {
	return deminer.Attr{
		Type: Type(st.Mode), Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid, Size: st.Size, Blocks: st.Blocks,
		Dev: uint64(st.Dev), Ino: st.Ino, Links: uint64(st.Nlink), Atime: time.Unix(st.Atim.Unix()).UTC(),
		Mtime: time.Unix(st.Mtim.Unix()).UTC(), Ctime: time.Unix(st.Ctim.Unix()).UTC(),
	}
}

// OfStatx describes the answer of statx(2), asked for STATX_BASIC_STATS and STATX_BTIME. The birth time is zero where the
// file system keeps none.
func OfStatx(st *unix.Statx_t) deminer.Attr {
	a := deminer.Attr{
		Type: Type(uint32(st.Mode)), Mode: uint32(st.Mode) & 0o7777, UID: st.Uid, GID: st.Gid, Size: int64(st.Size), Blocks: int64(st.Blocks),
		Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino, Links: uint64(st.Nlink), Atime: moment(st.Atime), Mtime: moment(st.Mtime), Ctime: moment(st.Ctime),
	}
	if st.Mask&unix.STATX_BTIME != 0 && st.Btime.Sec > 0 {
		a.Btime = moment(st.Btime)
	}
	return a
}

func moment(t unix.StatxTimestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)).UTC() }

// Type reads the kind of a mode as stat(2) gives it.
func Type(mode uint32) deminer.FileType {
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
