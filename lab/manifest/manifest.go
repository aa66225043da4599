//go:build linux

// Package manifest writes down a file tree so exactly that two manifests tell
// whether anything at all changed: type, mode, owner, size, content, link target,
// modification time, extended attributes (ACLs and capabilities are among them)
// and inode flags.
package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// Entry is what is known of one name.
type Entry struct {
	Type   string            `json:"type"` // "file", "dir", "link", "fifo", "socket", "char", "block"
	Mode   uint32            `json:"mode"` // permission bits with setuid, setgid, sticky
	UID    uint32            `json:"uid"`
	GID    uint32            `json:"gid"`
	Size   int64             `json:"size,omitempty"`   // files only
	SHA256 string            `json:"sha256,omitempty"` // files only
	Link   string            `json:"link,omitempty"`   // links only
	Dev    uint64            `json:"dev,omitempty"`    // devices only
	Mtime  int64             `json:"mtime"`            // nanoseconds since 1970
	Xattr  map[string]string `json:"xattr,omitempty"`  // hex values
	Flags  int               `json:"flags,omitempty"`  // FS_*_FL that a user can set

	ino   uint64
	ctime int64
}

// Tree maps absolute names (as seen inside the tree) to entries.
type Tree map[string]Entry

// userFlags are the inode flags that a program may set and that stay (linux/fs.h:
// s u c S i a d A j t D T C P), without those the file system sets by itself.
const userFlags = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x4000 | 0x8000 | 0x10000 | 0x20000 | 0x800000 | 0x20000000

// Ignore says which names a manifest leaves out.
type Ignore []string

// volatile is what a running Debian host changes by itself. A name ends in "/" for
// a directory whose content is left out (the directory's own time too), or may
// hold * as path/filepath.Match has it.
var volatile = [...]string{
	"/proc/", "/sys/", "/dev/", // kernel
	"/run/",                       // until the next boot
	"/var/log/",                   // written by every service
	"/var/lib/systemd/",           // random-seed, timers, coredump
	"/var/lib/postgresql/15/",     // a live cluster; rows are compared by dump
	"/var/lib/redis/",             // a live store; keys are compared by dump
	"/var/lib/nginx/",             // request bodies
	"/var/lib/logrotate/",         // when logs were last rotated
	"/var/lib/apt/",               // time stamps
	"/var/cache/",                 // may be thrown away
	"/var/tmp/systemd-private-*/", // one for each boot
	"/tmp/systemd-private-*/",     //
	"/tmp/.X11-unix/", "/tmp/.ICE-unix/", "/tmp/.XIM-unix/", "/tmp/.font-unix/",
	"/var/spool/cron/atspool/", "/var/spool/cron/atjobs/.SEQ",
	"/var/lib/private/", "/etc/machine-id", "/etc/resolv.conf", "/etc/.pwd.lock",
	"/root/deminer", "/var/lib/deminer/", "/lost+found/",
}

// Volatile returns the list of names that Take should leave out on a booted lab host.
func Volatile() Ignore { return append(Ignore(nil), volatile[:]...) }

// match reports whether name is left out, and whether everything below it is.
func (ig Ignore) match(name string) bool {
	for _, p := range ig {
		dir := strings.TrimSuffix(p, "/")
		if ok, _ := filepath.Match(dir, name); ok {
			return true
		}
	}
	return false
}

// Take reads the tree under root. Contents of files whose inode, size and change
// time are as in before are taken from there; before may be nil.
func Take(root string, ignore Ignore, before Tree) (Tree, error) {
	t := Tree{}
	root = strings.TrimSuffix(root, "/")
	err := filepath.WalkDir(root+"/", func(path string, d fs.DirEntry, err error) error {
		name := "/" + strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone while we walked
		}
		if err != nil {
			return fmt.Errorf("walk %q: %w", name, err)
		}
		if name != "/" && ignore.match(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		e, err := look(path, before[name])
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look at %q: %w", name, err)
		}
		t[name] = e
		return nil
	})
	return t, err
}

func look(path string, old Entry) (Entry, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return Entry{}, err
	}
	e := Entry{
		Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid,
		Mtime: st.Mtim.Nano(), ino: st.Ino, ctime: st.Ctim.Nano(),
	}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.Type, e.Size = "file", st.Size
		if old.ino == e.ino && old.ctime == e.ctime && old.Size == e.Size && old.SHA256 != "" {
			e.SHA256, e.Flags = old.SHA256, old.Flags
		} else if e.SHA256, e.Flags, err = content(path); err != nil {
			return e, err
		}
	case unix.S_IFDIR:
		e.Type, e.Flags = "dir", dirFlags(path)
	case unix.S_IFLNK:
		e.Type = "link"
		if e.Link, err = os.Readlink(path); err != nil {
			return e, err
		}
	case unix.S_IFIFO:
		e.Type = "fifo"
	case unix.S_IFSOCK:
		e.Type = "socket"
	case unix.S_IFCHR:
		e.Type, e.Dev = "char", st.Rdev
	case unix.S_IFBLK:
		e.Type, e.Dev = "block", st.Rdev
	}
	e.Xattr, err = xattrs(path)
	return e, err
}

func content(path string) (sum string, flags int, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOATIME, 0)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", 0, err
	}
	flags, _ = unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS) // tmpfs of old kernels has none
	return hex.EncodeToString(h.Sum(nil)), flags & userFlags, nil
}

func dirFlags(path string) int {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if err != nil {
		return 0
	}
	defer f.Close()
	flags, _ := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	return flags & userFlags
}

func xattrs(path string) (map[string]string, error) {
	names := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, names)
	if err == unix.ENOTSUP || n == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list xattrs: %w", err)
	}
	m := map[string]string{}
	val := make([]byte, 64<<10)
	for _, name := range strings.Split(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		k, err := unix.Lgetxattr(path, name, val)
		if err != nil {
			return nil, fmt.Errorf("read xattr %s: %w", name, err)
		}
		m[name] = hex.EncodeToString(val[:k])
	}
	return m, nil
}

// Names returns the names of t in order.
func (t Tree) Names() []string {
	names := make([]string, 0, len(t))
	for n := range t {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
