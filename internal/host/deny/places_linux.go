//go:build linux

package deny

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/deminer/deminer/internal/host/bpf"
	"github.com/deminer/deminer/internal/host/mountinfo"
	"github.com/deminer/deminer/internal/host/procfs"
	"golang.org/x/sys/unix"
)

// local are the file systems that answer by themselves: no server, no program stands behind them. What is not here is not asked
// about, for a question about it might wait for something that waits for us.
var local = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext", 0x58465342: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.F2FS_SUPER_MAGIC: "f2fs", 0x2fc12fc1: "zfs", unix.BCACHEFS_SUPER_MAGIC: "bcachefs",
	unix.EROFS_SUPER_MAGIC_V1: "erofs", unix.SQUASHFS_MAGIC: "squashfs", unix.MSDOS_SUPER_MAGIC: "vfat", unix.EXFAT_SUPER_MAGIC: "exfat",
	unix.ISOFS_SUPER_MAGIC: "iso9660", unix.REISERFS_SUPER_MAGIC: "reiserfs", 0x3153464a: "jfs", unix.NILFS_SUPER_MAGIC: "nilfs2", unix.UDF_SUPER_MAGIC: "udf",
}

// Cover has the programs of the file system that path lies on asked about, through whatever mount or namespace they are reached.
// A path like /proc/PID/root/ names what another mount namespace sees. ErrPlace: it is none that may be waited for.
func (e *execs) Cover(path string) error { return e.coverAt(unix.AT_FDCWD, path) }

// coverOf is Cover for a path below /proc/PID, where nobody can cover that.
func (e *execs) coverOf(pid int, path string) error {
	root, err := procfs.Root()
	if err != nil {
		return err
	}
	return e.coverAt(root, strconv.Itoa(pid)+"/"+path)
}

func (e *execs) coverAt(dir int, path string) error {
	fd, err := unix.Openat(dir, path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "cover", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	var st unix.Stat_t
	if err := errors.Join(unix.Fstatfs(fd, &fs), unix.Fstat(fd, &st)); err != nil {
		return &os.PathError{Op: "cover", Path: path, Err: err}
	}
	if local[int64(uint32(fs.Type))] == "" {
		return fmt.Errorf("cover %q: %w", path, ErrPlace)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Load() {
		return fmt.Errorf("cover %q: %w", path, ErrOff)
	}
	// Marked again and again: a device number may have become another file system's.
	if err := unix.FanotifyMark(int(e.known.fd), unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, unix.FAN_OPEN_EXEC_PERM, unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd)); err != nil {
		return &os.PathError{Op: "cover", Path: path, Err: err}
	}
	e.remember(st.Dev, fd)
	return nil
}

// covered is a file system that is asked about: since when, and the watch that tells of its end.
type covered struct {
	since time.Time
	watch int
}

// unsure is the beginning of a file system whose end nobody tells of: programs there are judged as they begin, too, for ever.
const unsure = 100 * 365 * 24 * time.Hour

// remember notes a file system that was marked. Once it is gone its number may become another's: the kernel is asked to tell of its end.
// e.mu is held.
func (e *execs) remember(dev uint64, fd int) {
	e.forget()
	if _, already := e.cover[dev]; already {
		return
	}
	if len(e.cover) >= maxMounts {
		clear(e.cover)
	}
	one := covered{since: time.Now()}
	var err error
	if one.watch, err = unix.InotifyAddWatch(e.ends, "/proc/self/fd/"+strconv.Itoa(fd), unix.IN_DELETE_SELF|unix.IN_MASK_ADD); err != nil {
		one = covered{since: time.Now().Add(unsure)}
	}
	e.cover[dev] = one
}

// forget leaves out file systems that have ended. The kernel tells of the end before it gives the number to another. e.mu is held.
func (e *execs) forget() {
	var buf [4096]byte
	for {
		n, err := unix.Read(e.ends, buf[:])
		if err != nil || n <= 0 {
			return
		}
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			watch, mask := int(int32(binary.NativeEndian.Uint32(buf[at:]))), binary.NativeEndian.Uint32(buf[at+4:])
			at += unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[at+12:]))
			for dev, c := range e.cover {
				// Also where only the watch has ended, and where some of its news are lost: then the file system is marked anew.
				if c.watch == watch && mask&(unix.IN_UNMOUNT|unix.IN_IGNORED) != 0 || mask&unix.IN_Q_OVERFLOW != 0 {
					delete(e.cover, dev)
				}
			}
		}
	}
}

// maxMounts bounds what is read of one list of mounts.
const maxMounts = 20_000

// CoverProcess covers all local file systems that a process sees: those of a container, by one of its processes.
func (e *execs) CoverProcess(pid int) error {
	f, err := openProc(pid, "mountinfo")
	if err != nil {
		return fmt.Errorf("cover the mounts of process %d: %w", pid, err)
	}
	defer f.Close()
	var failed []error
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan() && n < maxMounts; n++ {
		m, ok := mountinfo.Parse(lines.Bytes())
		// What is far is not even opened, as that alone may hang; the rest is told by its number.
		if !ok || mountinfo.Far(m.Type) || inner() && m.Root != "/" {
			continue
		}
		if err := e.coverOf(pid, "root"+m.Point); err != nil && !errors.Is(err, ErrPlace) && !errors.Is(err, os.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(append(failed, lines.Err())...)
}

// inner reports whether this is a container. A file system of which only a part is seen in one is another host's as well, whose
// programs are not ours to ask about.
func inner() bool {
	home, err := bpf.Home()
	return err != nil || home != 0
}

// errApart: what hung at the root of the control groups would refuse what programs outside do.
var errApart = errors.New("this is a container that shares the control groups of its host: sockets of others would be refused, too")

// firstGroups is the number of the first namespace of control groups, PROC_CGROUP_INIT_INO of linux/proc_ns.h.
const firstGroups = 0xEFFFFFFB

// apart says why the sockets of all control groups that are seen here are not ours alone; nil: they are.
func apart() error {
	if !inner() {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/cgroup", &st); err != nil || st.Ino == firstGroups {
		return errApart
	}
	return nil
}

// follow covers what is mounted later.
func (e *execs) follow(stop <-chan struct{}) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return
	}
	defer f.Close()
	for {
		ready := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}}
		n, err := unix.Poll(ready, 200)
		select {
		case <-stop:
			return
		default:
		}
		if err != nil && err != unix.EINTR {
			time.Sleep(time.Second)
		}
		if n > 0 {
			_ = e.CoverProcess(e.self)
		}
	}
}

// covered says how many file systems are asked about.
func (e *execs) covered() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.cover)
}
