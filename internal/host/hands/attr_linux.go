//go:build linux

package hands

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/inode"
	"golang.org/x/sys/unix"
)

// letters are the inode flags that deminer knows and handles.
const letters = deminer.Immutable | deminer.AppendOnly

// attrOf describes an open descriptor.
func attrOf(fd int) (deminer.Attr, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return deminer.Attr{}, err
	}
	return inode.Of(&st), nil
}

// deep adds flags and extended attributes of the inode behind an O_PATH descriptor.
func deep(fd int, a deminer.Attr) (deminer.Attr, error) {
	var err error
	if a.Flags, err = flags(fd, a.Type); err != nil {
		return a, err
	}
	// An O_PATH descriptor of a link has no name that gets at the link's own attributes; see linkXattrs.
	if a.Type != deminer.Symlink {
		a.Xattrs, err = xattrs(self(fd))
	}
	a.Deep = err == nil
	return a, err
}

// unsupported tells "this file system has no such thing" from a failure.
func unsupported(err error) bool {
	return errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL)
}

// reopen opens the very inode behind an O_PATH descriptor, without touching its access time.
func reopen(fd, how int) (int, error) {
	got, err := unix.Open(self(fd), how|unix.O_NOATIME|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.EPERM {
		return unix.Open(self(fd), how|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	}
	return got, err
}

func rawFlags(fd int, t deminer.FileType) (uint32, error) {
	if t != deminer.Regular && t != deminer.Directory {
		return 0, nil
	}
	real, err := reopen(fd, unix.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer unix.Close(real)
	v, err := unix.IoctlGetUint32(real, unix.FS_IOC_GETFLAGS)
	if err != nil && unsupported(err) {
		return 0, nil
	}
	return v, err
}

func flags(fd int, t deminer.FileType) (deminer.Flags, error) {
	v, err := rawFlags(fd, t)
	return deminer.Flags(v) & letters, err
}

// setFlags makes +i and +a of the inode behind an O_PATH descriptor what want says; other flags stay.
func setFlags(fd int, t deminer.FileType, want deminer.Flags) error {
	now, err := rawFlags(fd, t)
	if err != nil || deminer.Flags(now)&letters == want&letters {
		return err
	}
	real, err := reopen(fd, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(real)
	return unix.IoctlSetPointerInt(real, unix.FS_IOC_SETFLAGS, int(now&^uint32(letters)|uint32(want&letters)))
}

// Limits of extended attributes: the kernel's own (XATTR_LIST_MAX, XATTR_SIZE_MAX).
const (
	maxXattrList  = 64 << 10
	maxXattrValue = 64 << 10
)

func xattrs(name string) (map[string][]byte, error) {
	buf := make([]byte, maxXattrList)
	n, err := unix.Llistxattr(name, buf)
	if strings.HasPrefix(name, "/proc/self/fd/") && !strings.Contains(name[len("/proc/self/fd/"):], "/") {
		n, err = unix.Listxattr(name, buf)
	}
	if err != nil && unsupported(err) || n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for key := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value, err := xattr(name, key)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[key] = value
	}
	return out, nil
}

func xattr(name, key string) ([]byte, error) {
	get := unix.Lgetxattr
	if strings.Count(name, "/") == 4 {
		get = unix.Getxattr
	}
	value := make([]byte, maxXattrValue)
	n, err := get(name, key, value)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(value[:n]), nil
}

// setXattrs makes the extended attributes of the named file exactly want. name is /proc/self/fd/N (the inode itself) or
// /proc/self/fd/N/NAME (a name in an open directory, not followed).
func setXattrs(name string, want map[string][]byte) error {
	set, remove := unix.Lsetxattr, unix.Lremovexattr
	if strings.Count(name, "/") == 4 {
		set, remove = unix.Setxattr, unix.Removexattr
	}
	have, err := xattrs(name)
	if err != nil {
		return err
	}
	for key := range have {
		if _, keep := want[key]; keep {
			continue
		}
		if err := remove(name, key); err != nil && !unsupported(err) && !errors.Is(err, unix.ENODATA) {
			return err
		}
	}
	for key, value := range want {
		if now, ok := have[key]; ok && bytes.Equal(now, value) {
			continue
		}
		if err := set(name, key, value, 0); err != nil {
			return err
		}
	}
	return nil
}

// times gives the name in dir these times, zero ones being kept.
func times(dir int, name string, a deminer.Attr) error {
	if a.Atime.IsZero() && a.Mtime.IsZero() {
		return nil
	}
	ts := []unix.Timespec{stamp(a.Atime), stamp(a.Mtime)}
	return unix.UtimesNanoAt(dir, name, ts, unix.AT_SYMLINK_NOFOLLOW)
}

func stamp(t time.Time) unix.Timespec {
	if t.IsZero() {
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	}
	return unix.NsecToTimespec(t.UnixNano())
}
