//go:build linux

package hands

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"golang.org/x/sys/unix"
)

// groups blocks control groups by programs that are attached to them. They stay when deminer has ended, and go with the
// group.
type groups struct {
	tops []string     // where the version 2 hierarchy may be mounted
	keep map[int]bool // PIDs whose group is never blocked
}

// Limits of walking the hierarchy.
const (
	maxGroups     = 50_000
	maxGroupDepth = 64
)

// top opens the version 2 hierarchy; host.ErrUnsupported where there is none.
func (g *groups) top() (int, error) {
	for _, name := range g.tops {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		var st unix.Statfs_t
		if err := unix.Fstatfs(fd, &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return fd, nil
		}
		unix.Close(fd)
	}
	return -1, fmt.Errorf("%w: no version 2 control group hierarchy is mounted here", host.ErrUnsupported)
}

// open opens one group; fs.ErrNotExist where it is gone.
func (g *groups) open(name string) (int, error) {
	if !strings.HasPrefix(name, "/") || path.Clean(name) != name || name == "/" {
		return -1, fmt.Errorf("block control group %q: %w", name, fs.ErrInvalid)
	}
	top, err := g.top()
	if err != nil {
		return -1, err
	}
	defer unix.Close(top)
	fd, err := unix.Openat2(top, name[1:], &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV})
	if err != nil {
		return -1, &fs.PathError{Op: "open control group", Path: name, Err: err}
	}
	return fd, nil
}

// Block cuts what everything in the group, and in those below it, sends.
func (g *groups) Block(b host.Block) error {
	left := time.Until(b.Until)
	if left <= 0 {
		return fmt.Errorf("block %s: no time", b)
	}
	fd, err := g.open(b.Cgroup)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := g.free(fd, b); err != nil {
		return err
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("block %s: %w", b, err)
	}
	code := program(uint64(now.Nano() + left.Nanoseconds()))
	for _, h := range hooks() {
		if err := attach(fd, h, code, nameOf(b.Until)); err != nil {
			return errors.Join(fmt.Errorf("block %s: %w", b, unfit(err)), g.clear(fd))
		}
	}
	return nil
}

// unfit tells what a kernel cannot or will not do from a failure.
func unfit(err error) error {
	switch {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: this kernel has no programs for control groups (Linux 4.18 with CONFIG_CGROUP_BPF): %w", host.ErrUnsupported, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: programs for control groups are not allowed here (no CAP_BPF, a lockdown, or a program of somebody else that shares with nobody): %w", host.ErrUnsupported, err)
	}
	return err
}

// free refuses a group that holds deminer itself or what it descends from.
func (g *groups) free(fd int, b host.Block) error {
	return walk(fd, func(sub int, _ string) error {
		pids, err := members(sub)
		if err != nil {
			return fmt.Errorf("block %s: %w", b, err)
		}
		for _, pid := range pids {
			if g.keep[pid] {
				return fmt.Errorf("block %s: %w: process %d, deminer's own line, is in it", b, deminer.ErrProtected, pid)
			}
		}
		return nil
	})
}

// members reads cgroup.procs of an open group.
func members(fd int) (out []int, err error) {
	text, err := slurp(self(fd)+"/cgroup.procs", 1<<20)
	if err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(text) {
		if pid, err := strconv.Atoi(word); err == nil {
			out = append(out, pid)
		}
	}
	return out, nil
}

// Lift takes our programs off a group; one that is gone took them with it.
func (g *groups) Lift(b host.Block) error {
	fd, err := g.open(b.Cgroup)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, host.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := g.clear(fd); err != nil {
		return fmt.Errorf("lift block of %s: %w", b, err)
	}
	return nil
}

func (g *groups) clear(fd int) error {
	var failed []error
	for _, h := range hooks() {
		ours, err := hooked(fd, h)
		if err == nil {
			err = detach(fd, h, ours)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// List gives the groups with a program of ours at the first hook, which everything that is sent passes, and whose time is not
// over. Where nothing can be asked nothing can be blocked.
func (g *groups) List() (out []host.Block, err error) {
	top, err := g.top()
	if errors.Is(err, host.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(top)
	now, first := time.Now(), hooks()[0]
	err = walk(top, func(fd int, name string) error {
		ours, err := hooked(fd, first)
		if err != nil {
			return err
		}
		for _, until := range ours {
			if until.After(now) {
				out = append(out, host.Block{Cgroup: name, Until: until})
				break
			}
		}
		return nil
	})
	if errors.Is(unfit(err), host.ErrUnsupported) {
		return nil, nil
	}
	slices.SortFunc(out, func(a, b host.Block) int { return strings.Compare(a.Cgroup, b.Cgroup) })
	if err != nil {
		err = fmt.Errorf("list blocked control groups: %w: %w", host.ErrUnsupported, err)
	}
	return out, err
}

// errTooManyGroups: a walk was given up.
var errTooManyGroups = fmt.Errorf("more than %d control groups", maxGroups)

// walk shows a group and all below it, with their names beneath the first. Groups that end meanwhile are left out.
func walk(fd int, see func(fd int, name string) error) error {
	seen := 0
	var into func(fd int, name string, deep int) error
	into = func(fd int, name string, deep int) error {
		if seen++; seen > maxGroups || deep > maxGroupDepth {
			return errTooManyGroups
		}
		if err := see(fd, name); err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		entries, err := os.ReadDir(self(fd))
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return err
		}
		for _, e := range entries {
			if !e.IsDir() {
				continue
			}
			sub, err := unix.Openat(fd, e.Name(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if err != nil {
				continue
			}
			err = into(sub, name+"/"+e.Name(), deep+1)
			unix.Close(sub)
			if err != nil {
				return err
			}
		}
		return nil
	}
	return into(fd, "", 0)
}
