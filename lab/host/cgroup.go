//go:build linux

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// cgroupRoots lists where this machine can give a host a control group of its own:
// the one version 2 tree, or on machines with version 1 its systemd tree as well.
func cgroupRoots() []string {
	const top = "/sys/fs/cgroup"
	if _, err := os.Stat(top + "/cgroup.procs"); err == nil {
		return []string{top}
	}
	var roots []string
	for _, r := range []string{top + "/systemd", top + "/unified"} {
		if _, err := os.Stat(r + "/cgroup.procs"); err == nil {
			roots = append(roots, r)
		}
	}
	return roots
}

// cgroupWrapper makes the host's control groups and returns a command prefix that
// enters them before it runs the rest: nspawn puts its own groups below.
func cgroupWrapper(name string) ([]string, error) {
	script := ""
	for _, r := range cgroupRoots() {
		dir := filepath.Join(r, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("make control group: %w", err)
		}
		script += "echo $$ > " + dir + "/cgroup.procs && "
	}
	return []string{"/bin/sh", "-c", script + `exec "$@"`, "sh"}, nil
}

// removeCgroups removes the host's control groups, deepest first, once they are empty.
func removeCgroups(name string) error {
	var errs []error
	for _, r := range cgroupRoots() {
		dir := filepath.Join(r, name)
		for i := 0; i < 200; i++ {
			removeEmpty(dir)
			if _, err := os.Stat(dir); err != nil {
				break
			}
			time.Sleep(poll)
		}
		if _, err := os.Stat(dir); err == nil {
			errs = append(errs, fmt.Errorf("control group %s is still in use", dir))
		}
	}
	return errors.Join(errs...)
}

func removeEmpty(dir string) {
	var dirs []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	for i := len(dirs) - 1; i >= 0; i-- {
		_ = os.Remove(dirs[i])
	}
}
