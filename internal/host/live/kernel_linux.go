//go:build linux

package live

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

const partKernel = "live/kernel"

// Kernel reads the state of the running kernel: modules by three views, mounts as PID 1 has them, eBPF programs, settings,
// live firewall rules. Sizes of huge pages are in Sysctl as "vm.hugepages.SIZE", handlers of file formats as
// "fs.binfmt_misc.NAME".
func (l *Live) Kernel(ctx context.Context) (deminer.Kernel, []deminer.Gap) {
	var k deminer.Kernel
	if l.proc == nil {
		return k, []deminer.Gap{{Part: partKernel, State: deminer.Failed, What: "/proc", Why: l.err.Error()}}
	}
	g := &gapList{part: partKernel}
	k.Modules = l.modules(g)
	k.Mounts = l.mounts(g)
	b, err := l.proc.read("sys/kernel/tainted", nil, 64)
	g.fail("kernel.tainted", err)
	k.Taint = unsigned([]byte(firstLine(b)))
	b, err = l.proc.read("cmdline", nil, 64<<10)
	g.fail("/proc/cmdline", err)
	k.Cmdline = firstLine(b)
	k.Sysctl = l.settings(g)
	hugepages(k.Sysctl)
	formats(k.Sysctl, k.Mounts)
	k.MSR = msr(g)
	k.BPF = programs(g)
	if ctx.Err() == nil {
		k.Firewall = l.firewall(ctx, g)
	}
	return k, g.list
}

func (l *Live) mounts(g *gapList) []deminer.Mount {
	b, err := l.proc.read("1/mountinfo", nil, maxMountinfo)
	if err != nil {
		g.fail("mounts of PID 1", err)
		b, err = l.proc.read("self/mountinfo", nil, maxMountinfo)
		g.fail("mounts", err)
	}
	return parseMountinfo(b)
}

// settings reads the settings deminer judges; one this kernel does not have is left out.
func (l *Live) settings(g *gapList) map[string]string {
	out := make(map[string]string, len(settings))
	for _, name := range settings {
		b, err := l.proc.read("sys/"+strings.ReplaceAll(name, ".", "/"), nil, 4<<10)
		switch {
		case err == nil:
			out[name] = strings.TrimSpace(string(b))
		case !errors.Is(err, unix.ENOENT):
			g.fail(name, err)
		}
	}
	return out
}

// hugepages adds the number of huge pages set aside, for each size.
func hugepages(out map[string]string) {
	const root = "/sys/kernel/mm/hugepages"
	fd, err := openRetry(unix.AT_FDCWD, root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return // a kernel without huge pages
	}
	defer unix.Close(fd)
	for _, dir := range subdirs(fd, ".", make([]byte, 4<<10)) {
		size := strings.TrimPrefix(dir, "./hugepages-")
		if b, err := readAt(fd, dir+"/nr_hugepages", nil, 64); err == nil {
			out["vm.hugepages."+size] = strings.TrimSpace(string(b))
		}
	}
}

// formats adds the handlers of file formats. Its directory is looked into only where its file system is mounted already:
// on many hosts a look would mount it.
func formats(out map[string]string, mounts []deminer.Mount) {
	const root = "/proc/sys/fs/binfmt_misc"
	for _, m := range mounts {
		if m.Type != "binfmt_misc" || m.Point != root {
			continue
		}
		fd, err := openRetry(unix.AT_FDCWD, root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
		if err != nil {
			return
		}
		defer unix.Close(fd)
		for _, name := range names(fd, unix.DT_REG) {
			if b, err := readAt(fd, name, nil, 4<<10); err == nil && name != "register" {
				out["fs.binfmt_misc."+name] = strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "; ")
			}
		}
		return
	}
}

// names lists at most 4096 names of one type in an open directory.
func names(fd int, kind byte) []string {
	var out []string
	buf := make([]byte, 32<<10)
	for len(out) < 4096 {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil || n <= 0 {
			return out
		}
		for _, e := range parseDirents(buf[:n]) {
			if e.kind == kind {
				out = append(out, e.name)
			}
		}
	}
	return out
}

// msr reads the prefetch registers of the first processor, if the driver is loaded; reading does not load it.
func msr(g *gapList) map[string]string {
	fd, err := openRetry(unix.AT_FDCWD, "/dev/cpu/0/msr", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if err != nil {
		if !gone(err) && err != unix.ENXIO {
			g.fail("/dev/cpu/0/msr", err)
		}
		return nil
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	const major = 202 // of the msr driver, see the kernel's devices.txt
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || unix.Major(st.Rdev) != major {
		g.fail("/dev/cpu/0/msr", errors.New("is not the device of the processor's registers"))
		return nil
	}
	out := make(map[string]string)
	for _, number := range prefetchers {
		var b [8]byte
		if n, err := unix.Pread(fd, b[:], int64(number)); err == nil && n == len(b) {
			out[fmt.Sprintf("0x%x", number)] = fmt.Sprintf("0x%x", binary.NativeEndian.Uint64(b[:]))
		}
	}
	return out
}
