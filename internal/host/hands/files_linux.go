//go:build linux

package hands

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// reserve is what a change asks for beyond its own size, so that deminer never is what fills a file system. Taking a
// change back asks for no more than it needs.
const reserve = 1 << 20

// Look implements host.Files.
func (f *files) Look(name string) (host.Node, error) {
	n, err := patient(filePatience, func() (host.Node, error) {
		p, err := f.at(name)
		if err != nil {
			return host.Node{}, err
		}
		defer p.close()
		if err := f.served(p.dir); err != nil {
			return host.Node{}, p.fail("look at", err)
		}
		return p.look()
	})
	if errors.Is(err, errSilent) {
		err = &fs.PathError{Op: "look at", Path: name, Err: err}
	}
	return n, err
}

func (p place) look() (n host.Node, err error) {
	if n.Dir, err = attrOf(p.dir); err != nil {
		return n, p.fail("look at", err)
	}
	if n.Dir.Flags, err = flags(p.dir, deminer.Directory); err != nil {
		return n, p.fail("look at the directory of", err)
	}
	fd, err := unix.Openat(p.dir, p.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return n, p.fail("look at", err)
	}
	defer unix.Close(fd)
	here, there := mountOf(p.dir), mountOf(fd)
	n.Mounted = here != there
	if n.Attr, err = attrOf(fd); err == nil {
		n.Attr, err = deep(fd, n.Attr)
	}
	if err == nil && n.Attr.Type == deminer.Symlink {
		var link string
		link, err = readlink(fd)
		n.Link = deminer.Raw(link)
		if err == nil {
			n.Attr.Xattrs, err = xattrs(self(p.dir) + "/" + p.name)
		}
	}
	if err != nil {
		return n, p.fail("look at", err)
	}
	return n, nil
}

// mountOf gives the id of the mount that a descriptor lies in, from fdinfo (proc(5)); "" where it cannot be read.
func mountOf(fd int) string {
	text, err := slurp("/proc/self/fdinfo/"+strconv.Itoa(fd), 4096)
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(text, "mnt_id:")
	id, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(id)
}

func readlink(fd int) (string, error) {
	buf := make([]byte, unix.PathMax+1)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// file is an open regular file.
type file struct{ *os.File }

// Attr implements host.File.
func (f file) Attr() (deminer.Attr, error) { return attrOf(int(f.Fd())) }

// Open implements host.Files.
func (f *files) Open(name string) (host.File, error) {
	p, err := f.at(name)
	if err != nil {
		return nil, err
	}
	defer p.close()
	fd, err := unix.Openat(p.dir, p.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, p.fail("open", err)
	}
	defer unix.Close(fd)
	if a, err := attrOf(fd); err != nil || a.Type != deminer.Regular {
		return nil, p.fail("open", errors.Join(host.ErrNotRegular, err))
	}
	real, err := reopen(fd, unix.O_RDONLY)
	if err != nil {
		return nil, p.fail("open", err)
	}
	return file{os.NewFile(uintptr(real), name)}, nil
}

// List implements host.Files.
func (f *files) List(name string, limit int) ([]string, error) {
	p, err := f.at(name)
	if err != nil {
		return nil, err
	}
	defer p.close()
	fd, err := unix.Openat(p.dir, p.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NOATIME|unix.O_CLOEXEC, 0)
	if err == unix.EPERM {
		fd, err = unix.Openat(p.dir, p.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, p.fail("list", err)
	}
	d := os.NewFile(uintptr(fd), name)
	defer d.Close()
	list, err := d.Readdirnames(limit + 1)
	if len(list) > limit {
		return nil, p.fail("list", fmt.Errorf("more than %d names", limit))
	}
	// Readdirnames answers io.EOF for an empty directory only.
	if err != nil && len(list) > 0 {
		return nil, p.fail("list", err)
	}
	slices.Sort(list)
	return list, nil
}

// Room implements host.Files.
func (f *files) Room(name string, size int64) error {
	p, err := f.at(name)
	if err != nil {
		return err
	}
	defer p.close()
	if size > 0 {
		size += reserve
	}
	return p.room(size)
}

func (p place) room(size int64) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(p.dir, &st); err != nil {
		return p.fail("ask for room at", err)
	}
	if st.Flags&unix.ST_RDONLY != 0 {
		return p.fail("change", unix.EROFS)
	}
	free := int64(st.Bavail) * st.Bsize
	if size > 0 && free < size {
		return p.fail("change", fmt.Errorf("%w: %d bytes needed, %d free; nothing was changed", unix.ENOSPC, size, free))
	}
	return nil
}
