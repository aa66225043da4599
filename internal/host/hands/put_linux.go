//go:build linux

package hands

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/inode"
	"golang.org/x/sys/unix"
)

// Put implements host.Writer.
func (f *files) Put(name string, n host.Node, content io.Reader, was deminer.Attr) error {
	p, err := f.at(name)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.room(n.Attr.Size); err != nil {
		return err
	}
	if err := errors.Join(p.within(n.Dir), p.check(was)); err != nil {
		return p.fail("put", err)
	}
	if err := p.open(func() error { return p.put(n, content, was) }); err != nil {
		return p.fail("put", err)
	}
	return nil
}

// check compares what holds the name now with what was meant; the zero Attr means nothing may.
func (p place) check(was deminer.Attr) error {
	a, err := p.now()
	if errors.Is(err, unix.ENOENT) {
		if was.Ino == 0 {
			return nil
		}
		return fmt.Errorf("%w: it is gone", deminer.ErrChanged)
	}
	if err != nil {
		return err
	}
	if was.Ino == 0 {
		return fmt.Errorf("%w: something has that name by now", deminer.ErrChanged)
	}
	return same(a, was)
}

func (p place) now() (deminer.Attr, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(p.dir, p.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return deminer.Attr{}, err
	}
	return deminer.Attr{Type: inode.Type(st.Mode), Dev: uint64(st.Dev), Ino: st.Ino}, nil
}

// open runs change with +i and +a of the directory cleared, and puts them back.
func (p place) open(change func() error) (err error) {
	was, err := flags(p.dir, deminer.Directory)
	if err != nil {
		return err
	}
	if was != 0 {
		if err := setFlags(p.dir, deminer.Directory, 0); err != nil {
			return fmt.Errorf("clear flags %q of the directory: %w", was, err)
		}
		defer func() {
			if back := setFlags(p.dir, deminer.Directory, was); back != nil {
				err = errors.Join(err, fmt.Errorf("put flags %q of the directory back: %w", was, back))
			}
		}()
	}
	return change()
}

// put makes the new thing beside the name, gives it the name, and then its inode flags. All but its content goes through a
// descriptor of the very thing that was made: whoever may write to the directory could put another under its name.
func (p place) put(n host.Node, content io.Reader, was deminer.Attr) error {
	tmp := temp(p.name)
	if err := p.clear(tmp); err != nil {
		return err
	}
	fd, err := p.make(tmp, n, content)
	if err != nil {
		// The name is as it was; only our own half-made thing goes.
		return errors.Join(err, p.clear(tmp))
	}
	defer unix.Close(fd)
	if err := p.swap(tmp, was); err != nil {
		return errors.Join(err, p.clear(tmp))
	}
	mine, err1 := attrOf(fd)
	now, err2 := p.now()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if now.Ino != mine.Ino || now.Dev != mine.Dev {
		return fmt.Errorf("%w: somebody puts other things in its place", deminer.ErrChanged)
	}
	if n.Attr.Flags != 0 {
		if err := setFlags(fd, mine.Type, n.Attr.Flags); err != nil {
			return err
		}
	}
	return syncDir(p.dir)
}

// within checks that the directory is the one that was meant; the zero Attr means any.
func (p place) within(dir deminer.Attr) error {
	if dir.Ino == 0 {
		return nil
	}
	now, err := attrOf(p.dir)
	if err == nil && (now.Ino != dir.Ino || now.Dev != dir.Dev) {
		err = fmt.Errorf("%w: another directory has that name", deminer.ErrChanged)
	}
	return err
}

// make creates the thing under a temporary name, with everything but its inode flags, and gives an O_PATH descriptor of it.
func (p place) make(tmp string, n host.Node, content io.Reader) (_ int, err error) {
	switch n.Attr.Type {
	case deminer.Regular:
		return p.write(tmp, n.Attr, content)
	case deminer.Symlink:
		err = unix.Symlinkat(string(n.Link), p.dir, tmp)
	case deminer.Directory:
		err = unix.Mkdirat(p.dir, tmp, 0o700)
	case deminer.Pipe:
		err = unix.Mknodat(p.dir, tmp, unix.S_IFIFO|0o600, 0)
	case deminer.UnixSock:
		err = unix.Mknodat(p.dir, tmp, unix.S_IFSOCK|0o600, 0)
	default:
		err = fmt.Errorf("%w: a %s cannot be made again", deminer.ErrProtected, n.Attr.Type)
	}
	if err != nil {
		return -1, err
	}
	fd, err := unix.Openat(p.dir, tmp, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	a, err := attrOf(fd)
	if err == nil && (a.Type != n.Attr.Type || int(a.UID) != os.Geteuid() || a.Links > 1 && a.Type != deminer.Directory) {
		err = fmt.Errorf("%w: somebody puts other things in its place", deminer.ErrChanged)
	}
	if err == nil {
		err = p.dress(fd, tmp, n.Attr)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// write creates a regular file and has its content on disk before it returns.
func (p place) write(tmp string, a deminer.Attr, content io.Reader) (_ int, err error) {
	fd, err := unix.Openat(p.dir, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return -1, err
	}
	f := os.NewFile(uintptr(fd), tmp)
	defer func() { err = errors.Join(err, f.Close()) }()
	if content != nil {
		if _, err := io.Copy(f, content); err != nil {
			return -1, err
		}
	}
	if err := f.Sync(); err != nil {
		return -1, err
	}
	if err := p.dress(fd, tmp, a); err != nil {
		return -1, err
	}
	return unix.Open(self(fd), unix.O_PATH|unix.O_CLOEXEC, 0)
}

// dress gives owner, mode, extended attributes and times to what is open. The order matters: chown drops set-id bits and
// capabilities, so it goes first; times go last. Only a link's own attributes and times go by its name, which then is not followed.
func (p place) dress(fd int, name string, a deminer.Attr) error {
	if err := unix.Fchownat(fd, "", int(a.UID), int(a.GID), unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	link := a.Type == deminer.Symlink
	if !link {
		if err := unix.Chmod(self(fd), a.Mode); err != nil {
			return err
		}
	}
	if a.Deep {
		way := self(fd)
		if link {
			way = self(p.dir) + "/" + name
		}
		if err := setXattrs(way, a.Xattrs); err != nil {
			return fmt.Errorf("set extended attributes: %w", err)
		}
	}
	if link {
		return times(p.dir, name, a)
	}
	if a.Atime.IsZero() && a.Mtime.IsZero() {
		return nil
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, self(fd), []unix.Timespec{stamp(a.Atime), stamp(a.Mtime)}, 0)
}

// swap gives the temporary thing the name. It exchanges the two and looks at what came back, so that nothing but what was
// meant is ever replaced; file systems that cannot exchange get a plain rename right after the check.
func (p place) swap(tmp string, was deminer.Attr) error {
	if was.Ino == 0 {
		err := unix.Renameat2(p.dir, tmp, p.dir, p.name, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			err = unix.Renameat(p.dir, tmp, p.dir, p.name)
		}
		return err
	}
	fd, err := unix.Openat(p.dir, p.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	old, err := attrOf(fd)
	if err != nil {
		return err
	}
	if err := same(old, was); err != nil {
		return err
	}
	if err := setFlags(fd, old.Type, 0); err != nil {
		return fmt.Errorf("clear its flags: %w", err)
	}
	err = unix.Renameat2(p.dir, tmp, p.dir, p.name, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return unix.Renameat(p.dir, tmp, p.dir, p.name)
	}
	if err != nil {
		return errors.Join(err, setFlags(fd, old.Type, was.Flags))
	}
	came := place{dir: p.dir, name: tmp}
	if a, err := came.now(); err != nil || same(a, was) != nil {
		return errors.Join(deminer.ErrChanged, err, unix.Renameat2(p.dir, tmp, p.dir, p.name, unix.RENAME_EXCHANGE))
	}
	return p.clear(tmp)
}

// clear removes one of our own temporary names, if it is there.
func (p place) clear(tmp string) error {
	err := unix.Unlinkat(p.dir, tmp, 0)
	if errors.Is(err, unix.EISDIR) {
		err = unix.Unlinkat(p.dir, tmp, unix.AT_REMOVEDIR)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func syncDir(dir int) error {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Fsync(fd); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
