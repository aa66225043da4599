package persist

import (
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// capXattr is the extended attribute that holds a program's capabilities (capabilities(7), File capabilities).
const capXattr = "security.capability"

// listSetID lists programs that run with more rights than their caller has: set-uid, set-gid, file capabilities.
func listSetID(l *Lister) {
	if !l.searches() {
		return
	}
	shells := interpreterFiles(l)
	l.walk(setIDPlaces(l), func(name string, e host.Entry, attr func() (deminer.Attr, error)) {
		if e.Type != deminer.Regular {
			return
		}
		a, err := attr()
		if err != nil || !a.Executable() && !a.SetID() {
			return
		}
		a, err = l.Host.FS.Deep(name)
		caps := capabilities(a.Xattrs[capXattr])
		if err != nil || !a.SetID() && caps == "" {
			return
		}
		l.Add(setIDFoothold(l, name, a, caps, shells))
	})
	l.gap(deminer.Skipped, "the rest of the file system", "only the directories of programs, world-writable ones, /opt, /srv, /var/www, /var/lib and homes are looked through for set-id programs")
}

func setIDFoothold(l *Lister, name string, a deminer.Attr, caps string, shells map[int64][]string) deminer.Foothold {
	f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: l.User(a.UID), Trigger: "somebody calls it", Attr: a, Targets: []string{name}}
	switch {
	case a.Mode&0o4000 != 0:
		f.Odd = append(f.Odd, "set-uid "+f.User)
	case a.Mode&0o2000 != 0:
		f.User, f.Odd = "", append(f.Odd, fmt.Sprintf("set-gid %d", a.GID))
	default:
		f.User = "root"
	}
	if caps != "" {
		f.Odd = append(f.Odd, "capabilities "+caps)
	}
	if why := oddPlace(name); why != "" {
		f.Odd = append(f.Odd, why)
	}
	for _, s := range shells[a.Size] {
		if s == name {
			f.Odd = append(f.Odd, "it runs anything it is told")
			break
		}
		if sameContent(l, name, s) {
			f.Odd = append(f.Odd, "same content as "+s+", which runs anything it is told")
			break
		}
	}
	switch owned, known := l.Owned(name); {
	case known && !owned:
		f.Remove = []deminer.Action{drop(name)}
	case a.SetID():
		f.Remove = []deminer.Action{chmod(name, fmt.Sprintf("%04o", a.Mode&0o1777))}
	case owned:
		f.Remove = []deminer.Action{restore(name, l.owner(name))}
	}
	return f
}

func setIDPlaces(l *Lister) []place {
	var out []place
	for _, d := range append(binDirs(), "/usr/games", "/usr/local/games") {
		out = append(out, place{d, 2, 10_000})
	}
	for _, d := range []string{"/usr/libexec", "/usr/lib", "/usr/lib64", "/usr/local", "/opt"} {
		out = append(out, place{d, 5, 15_000})
	}
	for _, d := range []string{"/var/lib", "/etc", "/run"} {
		out = append(out, place{d, 3, 5000})
	}
	return append(out, dropPlaces(l)...)
}

// interpreterFiles are programs that run anything they are told, by size; with root's rights each is a root shell.
func interpreterFiles(l *Lister) map[int64][]string {
	out := map[int64][]string{}
	for _, name := range l.Glob("/usr/bin/bash", "/usr/bin/dash", "/usr/bin/zsh", "/usr/bin/busybox", "/usr/bin/python[23]*", "/usr/bin/perl*", "/usr/bin/find",
		"/usr/bin/vim*", "/usr/bin/awk", "/usr/bin/mawk", "/usr/bin/gawk", "/usr/bin/env", "/usr/bin/php*", "/usr/bin/ruby*", "/usr/bin/node", "/bin/busybox") {
		real := l.Real(name)
		if a, err := l.Host.FS.Lstat(real); err == nil && a.IsRegular() && a.Size > 0 {
			out[a.Size] = append(out[a.Size], real)
		}
	}
	return out
}

// capabilities reads a security.capability attribute (struct vfs_cap_data, linux/capability.h) and gives the permitted
// capabilities; "" where there are none or the attribute is malformed.
func capabilities(b []byte) string {
	if len(b) < 12 {
		return ""
	}
	bits := uint64(binary.LittleEndian.Uint32(b[4:]))
	if len(b) >= 20 {
		bits |= uint64(binary.LittleEndian.Uint32(b[12:])) << 32
	}
	var out []string
	for i, name := range capNames() {
		if bits&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	if bits>>len(capNames()) != 0 {
		out = append(out, fmt.Sprintf("%#x", bits>>len(capNames())<<len(capNames())))
	}
	return strings.Join(out, " ")
}

// capNames are the capabilities by number (linux/capability.h).
func capNames() []string {
	return strings.Fields("chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service " +
		"net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice " +
		"sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm " +
		"block_suspend audit_read perfmon bpf checkpoint_restore")
}
