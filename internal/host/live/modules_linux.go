//go:build linux

package live

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// mayAsk says whether a part of the kernel that needs these modules may be asked: asking for a part that is a module not
// yet loaded would make the kernel load it, by running the host's modprobe. Deminer changes nothing, so it does not ask.
func (l *Live) mayAsk(modules ...string) error {
	if _, err := statAt(l.proc.fd, "modules", 0); errors.Is(err, unix.ENOENT) {
		return nil // a kernel without loadable modules
	}
	var builtin map[string]bool
	for _, name := range modules {
		if _, err := unixStat("/sys/module/" + name); err == nil {
			continue
		}
		if builtin == nil {
			builtin = builtins()
		}
		if !builtin[name] {
			return fmt.Errorf("the kernel module %s is not loaded, and asking would make the kernel load it", name)
		}
	}
	return nil
}

// moduleFile reads a file of the directory of the running kernel's modules and names the directory.
func moduleFile(name string, limit int) ([]byte, string, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, "", err
	}
	release := unix.ByteSliceToString(uts.Release[:])
	if strings.Contains(release, "/") {
		return nil, "", errSyntax
	}
	var err error
	for _, dir := range [...]string{"/lib/modules/", "/usr/lib/modules/"} {
		var b []byte
		if b, err = readFile(dir+release+"/"+name, limit); err == nil {
			return b, dir + release, nil
		}
	}
	return nil, "", err
}

// readFile reads a small regular file of the host.
func readFile(path string, limit int) ([]byte, error) {
	fd, err := openRetry(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, unix.EINVAL
	}
	return readAll(fd, nil, limit)
}

// builtins lists the modules that are part of the kernel, by the file its packages install.
func builtins() map[string]bool {
	out := make(map[string]bool)
	b, _, err := moduleFile("modules.builtin", 4<<20)
	if err != nil {
		return out
	}
	for line := range bytes.Lines(b) {
		out[moduleName(string(bytes.TrimSpace(line)))] = true
	}
	return out
}

// modules lists the loaded modules by three views. A rootkit takes itself off the first list and mostly the second.
func (l *Live) modules(g *gapList) []deminer.Module {
	set := make(moduleSet)
	b, err := l.proc.read("modules", nil, 4<<20)
	if errors.Is(err, unix.ENOENT) {
		g.skip("modules", "this kernel loads no modules")
		return nil
	}
	g.fail("/proc/modules", err)
	set.parseModules(b)
	g.fail("/sys/module", sysModules(set))
	tags := make(map[string]bool)
	g.fail("/proc/kallsyms", l.symbols(tags))
	for _, name := range notModules {
		delete(tags, name)
	}
	for name := range tags {
		set.see(name, viewKallsyms)
	}
	l.recheckModules(set)
	if b, dir, err := moduleFile("modules.dep", 16<<20); err == nil {
		files := parseModulesDep(b, dir)
		for name, m := range set {
			m.File = files[name]
		}
	}
	return set.sorted()
}

// sysModules adds the loaded modules of /sys/module; what is built in has no initstate.
func sysModules(set moduleSet) error {
	fd, err := openRetry(unix.AT_FDCWD, "/sys/module", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, name := range subdirs(fd, ".", make([]byte, 32<<10)) {
		name = strings.TrimPrefix(name, "./")
		if _, err := statAt(fd, name+"/initstate", 0); err != nil {
			continue
		}
		m := set.see(name, viewSysModule)
		if b, err := readAt(fd, name+"/taint", nil, 64); err == nil && m.Taint == "" {
			m.Taint = strings.TrimSpace(string(b))
		}
	}
	return nil
}

// symbols collects the module tags of kallsyms, which is too large to keep; a line that is cut is carried over.
func (l *Live) symbols(tags map[string]bool) error {
	fd, err := openRetry(l.proc.fd, "kallsyms", unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	buf, kept := make([]byte, 256<<10), 0
	for total := 0; total < 256<<20; {
		n, err := unix.Read(fd, buf[kept:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			addSymbols(tags, buf[:kept])
			return err
		}
		total += n
		all := buf[:kept+n]
		end := bytes.LastIndexByte(all, '\n') + 1
		addSymbols(tags, all[:end])
		if kept = copy(buf, all[end:]); kept == len(buf) {
			kept = 0 // a line of this length is none of the kernel's
		}
	}
	return errTooMany
}

// recheckModules drops what was only being loaded or unloaded: names that some view lacked and that all views lack now.
func (l *Live) recheckModules(set moduleSet) {
	const views = 3
	var again moduleSet
	for name, m := range set {
		if len(m.Views) >= views || slices.Contains(m.Views, viewProcModules) && slices.Contains(m.Views, viewSysModule) {
			continue // a module may have no symbols
		}
		if again == nil {
			again = make(moduleSet)
			if b, err := l.proc.read("modules", nil, 4<<20); err == nil {
				again.parseModules(b)
			}
			sysModules(again)
			tags := make(map[string]bool)
			l.symbols(tags)
			for tag := range tags {
				again.see(tag, viewKallsyms)
			}
		}
		now := again[name]
		if now == nil {
			delete(set, name)
			continue
		}
		m.Views = now.Views
	}
}
