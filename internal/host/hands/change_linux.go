//go:build linux

package hands

import (
	"errors"
	"fmt"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// Remove implements host.Writer.
func (f *files) Remove(name string, was host.Node) error {
	p, err := f.at(name)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.room(0); err != nil {
		return err
	}
	if err := p.within(was.Dir); err != nil {
		return p.fail("remove", err)
	}
	if err := p.open(func() error { return p.remove(was.Attr) }); err != nil {
		return p.fail("remove", err)
	}
	return nil
}

func (p place) remove(was deminer.Attr) (failed error) {
	fd, a, err := p.hold(was)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if a.Links > 1 && a.Type != deminer.Directory {
		// The inode lives on under another name, which keeps its flags.
		keep, err := flags(fd, a.Type)
		if err != nil {
			return err
		}
		defer func() { failed = errors.Join(failed, setFlags(fd, a.Type, keep)) }()
	}
	if err := setFlags(fd, a.Type, 0); err != nil {
		return fmt.Errorf("clear its flags: %w", err)
	}
	if a.Type == deminer.Directory {
		err = unix.Unlinkat(p.dir, p.name, unix.AT_REMOVEDIR)
	} else {
		err = p.unlink(was)
	}
	if errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("%w: something new is in it", deminer.ErrChanged)
	}
	if err != nil {
		return err
	}
	return syncDir(p.dir)
}

// unlink moves the name aside first and looks again, so that what took the name at the last instant is put back and not lost.
func (p place) unlink(was deminer.Attr) error {
	tmp := temp(p.name)
	if err := p.clear(tmp); err != nil {
		return err
	}
	err := unix.Renameat2(p.dir, p.name, p.dir, tmp, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return unix.Unlinkat(p.dir, p.name, 0)
	}
	if err != nil {
		return err
	}
	aside := place{dir: p.dir, name: tmp}
	if a, err := aside.now(); err != nil || same(a, was) != nil {
		return errors.Join(deminer.ErrChanged, err, unix.Renameat2(p.dir, tmp, p.dir, p.name, unix.RENAME_NOREPLACE))
	}
	return unix.Unlinkat(p.dir, tmp, 0)
}

// hold opens what stands under the name, if it is what was meant.
func (p place) hold(was deminer.Attr) (int, deminer.Attr, error) {
	fd, err := unix.Openat(p.dir, p.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, deminer.Attr{}, err
	}
	a, err := attrOf(fd)
	if err == nil {
		err = same(a, was)
	}
	if err != nil {
		unix.Close(fd)
		return -1, a, err
	}
	return fd, a, nil
}

// Set implements host.Writer.
func (f *files) Set(name string, was, to deminer.Attr) error {
	p, err := f.at(name)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.room(0); err != nil {
		return err
	}
	if err := p.set(was, to); err != nil {
		return p.fail("set attributes of", err)
	}
	return nil
}

// set works on the inode itself, through /proc/self/fd, so the name cannot be swapped under it.
func (p place) set(was, to deminer.Attr) error {
	fd, a, err := p.hold(was)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := setFlags(fd, a.Type, 0); err != nil {
		return fmt.Errorf("clear its flags: %w", err)
	}
	if err := dressInode(fd, p, a, to); err != nil {
		return err
	}
	return setFlags(fd, a.Type, to.Flags)
}

func dressInode(fd int, p place, a, to deminer.Attr) error {
	if a.UID != to.UID || a.GID != to.GID {
		if err := unix.Fchownat(fd, "", int(to.UID), int(to.GID), unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if a.Type == deminer.Symlink {
		return times(p.dir, p.name, to)
	}
	if err := unix.Chmod(self(fd), to.Mode); err != nil {
		return err
	}
	if to.Deep {
		if err := setXattrs(self(fd), to.Xattrs); err != nil {
			return fmt.Errorf("set extended attributes: %w", err)
		}
	}
	if to.Atime.IsZero() && to.Mtime.IsZero() {
		return nil
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, self(fd), []unix.Timespec{stamp(to.Atime), stamp(to.Mtime)}, 0)
}

// Rename implements host.Writer.
func (f *files) Rename(from string, was deminer.Attr, to string) error {
	a, err := f.at(from)
	if err != nil {
		return err
	}
	defer a.close()
	b, err := f.at(to)
	if err != nil {
		return err
	}
	defer b.close()
	if err := a.room(0); err != nil {
		return err
	}
	move := func() error { return a.rename(was, b) }
	if err := a.open(func() error { return b.open(move) }); err != nil {
		return a.fail("rename", err)
	}
	return nil
}

func (p place) rename(was deminer.Attr, to place) error {
	fd, a, err := p.hold(was)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	keep, err := flags(fd, a.Type)
	if err != nil {
		return err
	}
	if err := setFlags(fd, a.Type, 0); err != nil {
		return fmt.Errorf("clear its flags: %w", err)
	}
	err = unix.Renameat2(p.dir, p.name, to.dir, to.name, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		err = fmt.Errorf("%w: %q exists", deminer.ErrChanged, to.path)
	}
	return errors.Join(err, setFlags(fd, a.Type, keep), syncDir(p.dir), syncDir(to.dir))
}

// Settle implements host.Writer.
func (f *files) Settle(name string, dir deminer.Attr, when bool) error {
	p, err := f.at(name)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.close()
	now, err := attrOf(p.dir)
	if err != nil {
		return err
	}
	if now.Dev != dir.Dev || now.Ino != dir.Ino {
		// Made anew since, most likely by undo: its flags are not ours to say.
		if dir.Flags, err = flags(p.dir, deminer.Directory); err != nil {
			return err
		}
	}
	if err := p.settle(dir, when); err != nil {
		return p.fail("settle the directory of", err)
	}
	return nil
}

func (p place) settle(dir deminer.Attr, when bool) error {
	tmp := place{dir: p.dir, name: temp(p.name)}
	_, left := tmp.now()
	has, err := flags(p.dir, deminer.Directory)
	if err != nil {
		return err
	}
	if left != nil && has == dir.Flags && !when {
		return nil
	}
	if has != 0 {
		if err := setFlags(p.dir, deminer.Directory, 0); err != nil {
			return err
		}
	}
	err = p.clear(tmp.name)
	if when {
		err = errors.Join(err, unix.UtimesNanoAt(unix.AT_FDCWD, self(p.dir), []unix.Timespec{stamp(dir.Atime), stamp(dir.Mtime)}, 0))
	}
	return errors.Join(err, setFlags(p.dir, deminer.Directory, dir.Flags))
}
