//go:build linux

package live

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// Info says which host is looked at. root is "/" for the machine deminer runs on; any other directory is a mounted root,
// of which only files are known. A root that is no directory is an error; whatever else is missing is left empty.
func Info(root string) (deminer.HostInfo, error) {
	root = filepath.Clean(root)
	dir, err := os.OpenRoot(root)
	if err != nil {
		return deminer.HostInfo{}, fmt.Errorf("look at host %q: %w", root, err)
	}
	defer dir.Close()
	f := files{dir}
	os := parseOSRelease(f.first("etc/os-release", "usr/lib/os-release"))
	i := deminer.HostInfo{
		Name: firstLine(f.first("etc/hostname")), OS: "linux", Distro: os.pretty, Like: os.like,
		Source: "root:" + root, Root: unix.Geteuid() == 0,
		Lab: isLab(f.first("etc/deminer-lab")),
	}
	link, _ := dir.Readlink("etc/localtime")
	i.Zone = zoneName(link, f.first("etc/timezone"))
	if root == "/" {
		awake(&i)
	} else if _, err := dir.Lstat("usr/lib/systemd/systemd"); err == nil {
		i.Systemd = true
	}
	i.ID = hostID(f.first("etc/machine-id", "var/lib/dbus/machine-id"), i.Name, root)
	return i, nil
}

// awake fills in what only the running system knows.
func awake(i *deminer.HostInfo) {
	i.Source, i.Arch = "live", runtime.GOARCH
	var uts unix.Utsname
	if err := unix.Uname(&uts); err == nil {
		i.Name, i.Kernel = unix.ByteSliceToString(uts.Nodename[:]), unix.ByteSliceToString(uts.Release[:])
		i.Arch = unix.ByteSliceToString(uts.Machine[:])
	}
	_, err := unixStat("/run/systemd/system")
	i.Systemd = err == nil
	l := Open()
	defer l.Close()
	if l.proc == nil {
		i.CPUs = runtime.NumCPU()
		return
	}
	buf := make([]byte, 0, 64<<10)
	if b, err := l.proc.read("stat", buf, 4<<20); err == nil {
		i.Boot = time.Unix(parseCPUStat(b).btime, 0)
		i.CPUs = strings.Count(string(b), "\ncpu")
	}
	if b, err := l.proc.read("meminfo", buf, 64<<10); err == nil {
		i.Memory = parseMemTotal(b)
	}
	i.Self = self(l.proc)
}

// unixStat is statAt for a path of the host.
func unixStat(path string) (deminer.Attr, error) { return statAt(unix.AT_FDCWD, path, 0) }

// self lists deminer's own process and its ancestors.
func self(p *procfs) []deminer.ProcID {
	r := newReader(p, time.Time{})
	var out []deminer.ProcID
	for pid := os.Getpid(); pid > 0 && len(out) < 256; {
		s, err := r.stat1(pid)
		if err != nil {
			return out
		}
		out = append(out, deminer.ProcID{PID: pid, Start: s.start})
		pid = s.ppid
	}
	return out
}

// files reads small files below one root; links cannot lead out of it.
type files struct{ dir *os.Root }

// first gives the first of the named files that can be read, at most 64 KiB of it.
func (f files) first(names ...string) []byte {
	for _, name := range names {
		h, err := f.dir.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if err != nil {
			continue
		}
		st, err := h.Stat()
		if err == nil && st.Mode().IsRegular() {
			b, err := readAll(int(h.Fd()), nil, 64<<10)
			h.Close()
			if err == nil && len(b) > 0 {
				return b
			}
			continue
		}
		h.Close()
	}
	return nil
}
