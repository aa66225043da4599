//go:build linux

package live

import (
	"errors"
	"fmt"
	"strings"

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
		if _, err := statAt(unix.AT_FDCWD, "/sys/module/"+name, 0); err == nil {
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

// builtins lists the modules that are part of the kernel, by the file its packages install.
func builtins() map[string]bool {
	out := make(map[string]bool)
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return out
	}
	release := unix.ByteSliceToString(uts.Release[:])
	if strings.Contains(release, "/") {
		return out
	}
	for _, dir := range [...]string{"/lib/modules/", "/usr/lib/modules/"} {
		b, err := readAt(unix.AT_FDCWD, dir+release+"/modules.builtin", nil, 4<<20)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSpace(line)
			name, _, _ := strings.Cut(line[strings.LastIndexByte(line, '/')+1:], ".ko")
			out[strings.ReplaceAll(name, "-", "_")] = true
		}
		return out
	}
	return out
}
