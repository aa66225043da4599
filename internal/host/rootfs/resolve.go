//go:build linux

package rootfs

import (
	"path"
	"strings"

	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// Limits of a resolution: links as the kernel's own (MAXSYMLINKS), steps against paths built to keep us busy.
const (
	maxLinks = 40
	maxSteps = 8192
	maxDepth = 1024
)

// openat2 has the kernel resolve name inside the root.
func (f *FS) openat2(name string, flags int) (int, error) {
	how := &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	return retry(func() (int, error) { return unix.Openat2(f.root, name, how) })
}

// take gives an O_PATH descriptor of name; without follow, of the link itself where the last element is one.
func (f *FS) take(name string, follow bool) (int, error) {
	if strings.IndexByte(name, 0) >= 0 || !strings.HasPrefix(name, "/") {
		return -1, unix.EINVAL
	}
	if f.stepped {
		return f.step(name, follow)
	}
	if f.auto.below(path.Clean(name)) {
		return -1, ErrAutomount
	}
	flags := unix.O_PATH
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	for range 8 {
		fd, err := f.openat2(name, flags)
		switch err {
		case unix.EAGAIN: // something was renamed or mounted meanwhile
			continue
		case unix.ENAMETOOLONG: // longer than PATH_MAX: a place to hide, still reachable by steps
			return f.step(name, follow)
		case unix.ELOOP:
			return -1, host.ErrLoop
		}
		return fd, err
	}
	return f.step(name, follow)
}

// walker resolves a name by opening one element after the other with O_NOFOLLOW.
type walker struct {
	f    *FS
	fds  []int    // descriptors of the directories above the current one, the root excluded
	path []string // their names
}

func (f *FS) step(name string, follow bool) (int, error) {
	w := &walker{f: f}
	defer w.close()
	rest := elements(name)
	for links, steps := 0, 0; len(rest) > 0; steps++ {
		if steps > maxSteps || len(w.fds) > maxDepth {
			return -1, unix.ENAMETOOLONG
		}
		elem := rest[0]
		rest = rest[1:]
		target, isLink, err := w.enter(elem, follow || len(rest) > 0)
		if err != nil {
			return -1, err
		}
		if !isLink {
			continue
		}
		if links++; links > maxLinks {
			return -1, host.ErrLoop
		}
		if strings.HasPrefix(target, "/") {
			w.close()
		}
		rest = append(elements(target), rest...)
	}
	return unix.FcntlInt(uintptr(w.at()), unix.F_DUPFD_CLOEXEC, 0)
}

// elements splits a path; a trailing slash asks for a directory, as in the kernel.
func elements(name string) []string {
	var out []string
	for e := range strings.SplitSeq(name, "/") {
		if e != "" && e != "." {
			out = append(out, e)
		}
	}
	if strings.HasSuffix(name, "/") && len(out) > 0 {
		out = append(out, ".")
	}
	return out
}

// enter goes one element on. A link is not entered where follow is asked for: its target is given instead.
func (w *walker) enter(elem string, follow bool) (target string, isLink bool, err error) {
	if elem == ".." {
		w.pop()
		return "", false, nil
	}
	if w.f.auto.below("/" + strings.Join(append(w.path[:len(w.path):len(w.path)], elem), "/")) {
		return "", false, ErrAutomount
	}
	flags := unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if elem == "." {
		flags |= unix.O_DIRECTORY
	}
	fd, err := retry(func() (int, error) { return unix.Openat(w.at(), elem, flags, 0) })
	if err != nil {
		return "", false, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return "", false, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK && follow {
		defer unix.Close(fd)
		if w.magic(fd) {
			return "", false, host.ErrLoop // what openat2 says of a magic link
		}
		target, err := readlink(fd)
		return target, true, err
	}
	w.fds, w.path = append(w.fds, fd), append(w.path, elem)
	return "", false, nil
}

// magic reports whether a link lies in procfs and so may lead anywhere. Plain links of procfs (self, mounts, net) are
// recognized by their relative targets.
func (w *walker) magic(fd int) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil || st.Type != unix.PROC_SUPER_MAGIC {
		return false
	}
	target, err := readlink(fd)
	return err != nil || strings.HasPrefix(target, "/") || strings.Contains(target, ":")
}

func (w *walker) at() int {
	if len(w.fds) == 0 {
		return w.f.root
	}
	return w.fds[len(w.fds)-1]
}

func (w *walker) pop() {
	if n := len(w.fds); n > 0 {
		unix.Close(w.fds[n-1])
		w.fds, w.path = w.fds[:n-1], w.path[:n-1]
	}
}

func (w *walker) close() {
	for len(w.fds) > 0 {
		w.pop()
	}
}
