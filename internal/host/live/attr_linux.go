//go:build linux

package live

import (
	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/inode"
	"golang.org/x/sys/unix"
)

// statAt looks at a file without making a network file system ask its server, and without having anything mounted.
func statAt(dir int, name string, flags int) (deminer.Attr, error) {
	var st unix.Statx_t
	err := unix.Statx(dir, name, flags|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	if err != nil {
		return deminer.Attr{}, err
	}
	return inode.OfStatx(&st), nil
}
