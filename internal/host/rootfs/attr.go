//go:build linux

package rootfs

import (
	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/inode"
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
	return inode.OfStatx(&sx), deminer.Flags(sx.Attributes) & (deminer.Immutable | deminer.AppendOnly), nil
}

func oldAttr(fd int, name string) (deminer.Attr, deminer.Flags, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(fd, name, &st, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT); err != nil {
		return deminer.Attr{}, 0, err
	}
	return inode.Of(&st), 0, nil
}
