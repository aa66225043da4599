//go:build linux

package live

import (
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// statAt looks at a file without making a network file system ask its server, and without having anything mounted.
func statAt(dir int, name string, flags int) (deminer.Attr, error) {
	var st unix.Statx_t
	err := unix.Statx(dir, name, flags|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	if err != nil {
		return deminer.Attr{}, err
	}
	return attrOf(&st), nil
}

func attrOf(st *unix.Statx_t) deminer.Attr {
	a := deminer.Attr{
		Type: fileType(st.Mode), Mode: uint32(st.Mode & 0o7777), UID: st.Uid, GID: st.Gid,
		Size: int64(st.Size), Blocks: int64(st.Blocks), Dev: unix.Mkdev(st.Dev_major, st.Dev_minor),
		Ino: st.Ino, Links: uint64(st.Nlink),
		Atime: moment(st.Atime), Mtime: moment(st.Mtime), Ctime: moment(st.Ctime),
	}
	if st.Mask&unix.STATX_BTIME != 0 && st.Btime.Sec > 0 {
		a.Btime = moment(st.Btime)
	}
	return a
}

func moment(t unix.StatxTimestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

func fileType(mode uint16) deminer.FileType {
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
