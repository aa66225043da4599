//go:build linux

package rootfs

import (
	"bytes"
	"path"
	"strings"

	"github.com/deminer/deminer/internal/host/mountinfo"
	"golang.org/x/sys/unix"
)

// autofs knows the automount points below the root, by path, and what is mounted on or below them.
type autofs struct {
	points  []string
	mounted []string
}

// readAutofs reads the mounts of this process's namespace. Where /proc cannot be read there is nothing to know.
func readAutofs(root int) autofs {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlink(self(root), buf)
	if err != nil {
		return autofs{}
	}
	text, err := readAll("/proc/self/mountinfo", 8<<20)
	if err != nil {
		return autofs{}
	}
	return parseAutofs(text, string(buf[:n]))
}

// parseAutofs picks the automount points below dir from mountinfo and turns them into paths inside dir.
func parseAutofs(text []byte, dir string) autofs {
	var all autofs
	var others []string
	for line := range bytes.Lines(text) {
		m, ok := mountinfo.Parse(line)
		if !ok {
			continue
		}
		point, ok := inside(m.Point, dir)
		if !ok {
			continue
		}
		if m.Type == "autofs" {
			all.points = append(all.points, point)
		} else {
			others = append(others, point)
		}
	}
	for _, m := range others {
		for _, p := range all.points {
			if within(m, p) {
				all.mounted = append(all.mounted, m)
			}
		}
	}
	return all
}

func inside(name, dir string) (string, bool) {
	if dir == "/" {
		return name, true
	}
	rest, ok := strings.CutPrefix(name, dir)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return path.Clean("/" + rest), true
}

// within reports whether name is dir or below it.
func within(name, dir string) bool {
	return name == dir || dir == "/" || strings.HasPrefix(name, dir) && name[len(dir)] == '/'
}

// below reports whether going to name would cross an automount point with nothing mounted there.
func (a autofs) below(name string) bool {
	for _, p := range a.points {
		if name == p || !within(name, p) {
			continue
		}
		covered := false
		for _, m := range a.mounted {
			covered = covered || within(m, p) && within(name, m)
		}
		if !covered {
			return true
		}
	}
	return false
}

// risky reports whether a link of the host could lead to an automount that matters: any but the kernel's own
// binfmt_misc, which systemd guards with one on nearly every host and whose mounting is harmless.
func (a autofs) risky() bool {
	for _, p := range a.points {
		if p != "/proc/sys/fs/binfmt_misc" {
			return true
		}
	}
	return false
}

func readAll(name string, limit int) ([]byte, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var out []byte
	buf := make([]byte, 64<<10)
	for len(out) < limit {
		n, err := retry(func() (int, error) { return unix.Read(fd, buf) })
		if err != nil || n == 0 {
			return out, err
		}
		out = append(out, buf[:n]...)
	}
	return out, nil
}
