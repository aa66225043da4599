//go:build linux

package sense

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// fanMask is what is told of a marked directory and what lies in it.
const fanMask = fanModify | fanAttrib | fanMovedFrom | fanMovedTo | fanCreate | fanDelete | fanOnDir | unix.FAN_EVENT_ON_CHILD

// maxMarks bounds the directories that are marked.
const maxMarks = 20_000

// fanotify is the kernel's file notification. The mark is on the directory itself, so a change through another mount or from
// a container is told, too.
type fanotify struct {
	opt    Options
	know   *known
	places *places
	fd     int
	dirs   map[string][]string // handle -> names of the directory
	marked map[string]string   // name -> handle
	mounts mounts
	lost   atomic.Uint64
}

func (f *fanotify) take(want []deminer.EventKind) (map[deminer.EventKind]deminer.Sense, map[deminer.EventKind]string) {
	got, why := map[deminer.EventKind]deminer.Sense{}, map[deminer.EventKind]string{}
	f.fd = -1
	if !slices.Contains(want, deminer.EventFile) {
		return got, why
	}
	failed, err := f.open()
	if err != nil {
		why[deminer.EventFile] = err.Error()
		return got, why
	}
	got[deminer.EventFile] = deminer.Sense{How: fmt.Sprintf("file notification of %d directories", len(f.marked)),
		Lost: "process of what ended before it was looked at; directories that were renamed keep their old names" + failed}
	return got, why
}

// open marks all directories that are there, and says how many could not be.
func (f *fanotify) open() (failed string, err error) {
	if len(f.opt.Files)+len(f.opt.Dirs) == 0 {
		return "", errors.New("no places are given")
	}
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_UNLIMITED_MARKS|unix.FAN_REPORT_DFID_NAME, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("open fanotify with names (Linux 5.9): %w", err)
	}
	f.fd, f.dirs, f.marked = fd, map[string][]string{}, map[string]string{}
	f.places = newPlaces(f.opt.Files, f.opt.Dirs)
	if f.mounts, err = ownMounts(); err != nil {
		return "", errors.Join(fmt.Errorf("read the mounts: %w", err), unix.Close(fd))
	}
	bad, first := 0, ""
	for _, dir := range f.places.marks() {
		if err := f.mark(dir); err != nil && !gone(err) {
			if bad++; first == "" {
				first = fmt.Sprintf("%s: %v", dir, err)
			}
		}
	}
	if len(f.marked) == 0 {
		return "", fmt.Errorf("no directory could be marked: %s", first)
	}
	if bad > 0 {
		failed = fmt.Sprintf("; %d directories could not be marked: %s ...", bad, first)
	}
	return failed, nil
}

func gone(err error) bool { return err == unix.ENOENT || err == unix.ENOTDIR }

// mark has the kernel tell of a directory. Of one that does not exist the next one up that does is marked, so that it is told
// when it comes into being.
func (f *fanotify) mark(dir string) error {
	for ; ; dir = path.Dir(dir) {
		if _, done := f.marked[dir]; done {
			return nil
		}
		err := f.markOne(dir)
		if !gone(err) || dir == "/" {
			return err
		}
	}
}

func (f *fanotify) markOne(dir string) error {
	if len(f.marked) >= maxMarks {
		return errors.New("too many directories")
	}
	if f.mounts.leadsFar(dir) {
		return errFar
	}
	// The name is opened once, so that mark and handle are of the same directory.
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	handle, _, err := unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return err
	}
	if err := unix.FanotifyMark(f.fd, unix.FAN_MARK_ADD|unix.FAN_MARK_ONLYDIR, fanMask, fd, ""); err != nil {
		return err
	}
	key := handleKey(st.Fsid, handle)
	f.marked[dir] = key
	if !slices.Contains(f.dirs[key], dir) {
		f.dirs[key] = append(f.dirs[key], dir)
	}
	return nil
}

// handleKey lays a file system's id and a handle out as fanotify does.
func handleKey(id unix.Fsid, h unix.FileHandle) string {
	b := make([]byte, 0, 16+h.Size())
	b = binary.NativeEndian.AppendUint32(b, uint32(id.Val[0]))
	b = binary.NativeEndian.AppendUint32(b, uint32(id.Val[1]))
	b = binary.NativeEndian.AppendUint32(b, uint32(h.Size()))
	b = binary.NativeEndian.AppendUint32(b, uint32(h.Type()))
	return string(append(b, h.Bytes()...))
}

func (f *fanotify) run(ctx context.Context, see func(deminer.Event)) error {
	buf := make([]byte, 64<<10)
	for ctx.Err() == nil {
		ready := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, 200); err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for changes of files: %w", err)
		}
		n, err := unix.Read(f.fd, buf)
		switch {
		case err == unix.EAGAIN, err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("read changes of files: %w", err)
		}
		now := time.Now().UTC()
		parseFanotify(buf[:n], func(c change) { f.tell(c, now, see) })
	}
	return nil
}

// tell makes events of a change.
func (f *fanotify) tell(c change, now time.Time, see func(deminer.Event)) {
	if c.mask&fanOverflow != 0 {
		f.lost.Add(1) // how many were lost the kernel does not say: at least one
		return
	}
	if c.pid == f.opt.Agent && c.pid != 0 {
		return
	}
	told := map[string]bool{}
	for _, dir := range f.dirs[c.dir] {
		name := path.Join(dir, c.name)
		if !f.places.watched(name) || told[name] {
			continue
		}
		told[name] = true
		if c.mask&(fanCreate|fanMovedTo) != 0 && c.mask&fanOnDir != 0 {
			f.renew(name)
		}
		text, _ := limit(name, deminer.MaxEventPath)
		e := deminer.Event{Kind: deminer.EventFile, Sensor: deminer.SensorFanotify, Time: now, Proc: deminer.ProcID{PID: c.pid}, Path: text}
		if c.pid > 0 {
			f.know.glance(&e)
		}
		for _, o := range fanOps {
			if c.mask&o.bit != 0 {
				e.Op = o.op
				see(e)
			}
		}
	}
}

// renew marks what a new directory brings.
func (f *fanotify) renew(dir string) {
	for name := range f.marked {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			f.forget(name) // another directory had this name before
		}
	}
	if m, err := ownMounts(); err == nil { // else those of before hold
		f.mounts = m
	}
	for _, name := range f.places.below(dir) {
		_ = f.mark(name)
	}
}

// forget takes a name from the directory that had it. Whoever makes and removes a place again and again must not fill the memory.
func (f *fanotify) forget(name string) {
	key := f.marked[name]
	delete(f.marked, name)
	f.dirs[key] = slices.DeleteFunc(f.dirs[key], func(n string) bool { return n == name })
	if len(f.dirs[key]) == 0 {
		delete(f.dirs, key)
	}
}

func (f *fanotify) drops(add func(deminer.EventKind, uint64)) { add(deminer.EventFile, f.lost.Load()) }

func (f *fanotify) close() error {
	if f.fd < 0 {
		return nil
	}
	err := unix.Close(f.fd)
	f.fd = -1
	return err
}
