//go:build linux

package rootfs

import (
	"io/fs"
	"strings"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// Limits of extended attributes: the kernel's own XATTR_LIST_MAX and XATTR_SIZE_MAX, and a number of names that no
// honest file comes near, so that a file made to be heavy costs at most 4 MiB.
const (
	maxXattrList  = 64 << 10
	maxXattrValue = 64 << 10
	maxXattrs     = 64
)

// Deep implements host.FS. Where the file system keeps no flags or attributes there are none; where they exist but may
// not be read, Deep stays false in the answer. At most 64 extended attributes are read.
func (f *FS) Deep(name string) (deminer.Attr, error) {
	fd, err := f.take(name, false)
	if err != nil {
		return deminer.Attr{}, &fs.PathError{Op: "look deep", Path: name, Err: err}
	}
	defer unix.Close(fd)
	a, flags, err := attrOf(fd)
	if err != nil {
		return a, &fs.PathError{Op: "look deep", Path: name, Err: err}
	}
	a.Deep = true
	if a.Type == deminer.Regular || a.Type == deminer.Directory {
		more, err := f.flags(fd, name)
		flags |= more
		a.Deep = a.Deep && (err == nil || unsupported(err))
	}
	a.Flags = flags
	a.Xattrs, err = xattrs(self(fd))
	a.Deep = a.Deep && (err == nil || unsupported(err))
	return a, nil
}

func (f *FS) flags(fd int, name string) (deminer.Flags, error) {
	real, err := f.reopen(fd, name, unix.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer unix.Close(real)
	v, err := unix.IoctlGetUint32(real, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return 0, err
	}
	return deminer.Flags(v) & (deminer.Immutable | deminer.AppendOnly), nil
}

// unsupported tells "this file system has no such thing" from "it could not be read".
func unsupported(err error) bool {
	return err == unix.ENOTTY || err == unix.EOPNOTSUPP || err == unix.ENOSYS || err == unix.EINVAL || err == unix.ENODATA
}

// xattrs reads the attributes of the inode behind a /proc/self/fd name. ACLs are the attributes
// system.posix_acl_access and system.posix_acl_default.
func xattrs(name string) (map[string][]byte, error) {
	buf := make([]byte, maxXattrList)
	n, err := unix.Listxattr(name, buf)
	if err != nil || n == 0 {
		return nil, err
	}
	out := map[string][]byte{}
	var failed error
	for key := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if len(out) == maxXattrs {
			break
		}
		size, err := unix.Getxattr(name, key, nil)
		if err == nil && size <= maxXattrValue {
			value := make([]byte, size)
			size, err = unix.Getxattr(name, key, value)
			if err == nil {
				out[key] = value[:size]
				continue
			}
		}
		if err != nil && err != unix.ENODATA {
			failed = err
		}
	}
	return out, failed
}
