//go:build linux

package live

import (
	"bytes"
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/deminer/deminer"
)

// maxGroups bounds the walk over control groups.
const maxGroups = 20000

// cgroupMembers lists the members of all control groups of all hierarchies, and says whether none was left out.
func (s *sampler) cgroupMembers(ctx context.Context) (map[int]bool, bool) {
	out := make(map[int]bool)
	roots := s.cgroupRoots()
	if len(roots) == 0 {
		s.mu.Lock()
		s.gaps = append(s.gaps, deminer.Gap{Part: partProc, State: deminer.Skipped, What: "view/" + viewCgroup, Why: "no control groups are mounted"})
		s.mu.Unlock()
		return nil, false
	}
	whole, left := true, maxGroups
	for _, root := range roots {
		if !walkGroups(ctx, root, &left, out) {
			whole = false
		}
	}
	if !whole && (left <= 0 || ctx.Err() != nil) {
		s.mu.Lock()
		s.gaps = append(s.gaps, deminer.Gap{Part: partProc, State: deminer.Partial, What: "view/" + viewCgroup, Why: "too many control groups to visit all in time"})
		s.mu.Unlock()
	}
	return out, whole
}

// cgroupRoots gives the mount points of the hierarchies, one for each file system.
func (s *sampler) cgroupRoots() []string {
	b, err := s.proc.read("self/mountinfo", make([]byte, 0, 64<<10), maxMountinfo)
	if err != nil {
		return nil
	}
	var out []string
	seen := make(map[string]bool)
	for _, m := range parseMountinfo(b) {
		if (m.Type == "cgroup2" || m.Type == "cgroup") && m.Root == "/" && !seen[m.Type+m.Opts] {
			seen[m.Type+m.Opts] = true
			out = append(out, m.Point)
		}
	}
	return out
}

// walkGroups visits the groups below one mount point without recursion.
func walkGroups(ctx context.Context, root string, left *int, out map[int]bool) bool {
	fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	buf, names, whole := make([]byte, 0, 64<<10), make([]byte, 32<<10), true
	todo := []string{"."}
	for len(todo) > 0 {
		if *left--; *left <= 0 || ctx.Err() != nil {
			return false
		}
		dir := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		// In a threaded group the file cannot be read; its members are those of the group above.
		b, err := readAt(fd, dir+"/cgroup.procs", buf, 4<<20)
		if err != nil && err != unix.EOPNOTSUPP && err != unix.ENOENT && err != unix.ENODEV {
			whole = false
		}
		for line := range bytes.Lines(b) {
			if n, ok := number(bytes.TrimSpace(line)); ok && n > 0 && n < maxPID {
				out[int(n)] = true
			}
		}
		todo = append(todo, subdirs(fd, dir, names)...)
	}
	return whole
}

// subdirs lists the directories in dir, below the open directory fd.
func subdirs(fd int, dir string, buf []byte) []string {
	d, err := openRetry(fd, dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW)
	if err != nil {
		return nil
	}
	defer unix.Close(d)
	var out []string
	for {
		n, err := unix.ReadDirent(d, buf)
		if err != nil || n <= 0 {
			return out
		}
		for _, e := range parseDirents(buf[:n]) {
			if e.kind == unix.DT_DIR && e.name != "." && e.name != ".." {
				out = append(out, dir+"/"+e.name)
			}
		}
	}
}

// counters reads the counts of CPU time.
func (s *sampler) counters() counters {
	c := counters{at: time.Now(), contained: s.proc.contained()}
	buf := make([]byte, 0, 64<<10)
	if b, err := s.proc.read("stat", buf, 1<<20); err == nil {
		c.cpu = parseCPUStat(b)
	}
	for _, root := range s.groups {
		if c.contained && isTop(root) {
			continue // the machine's, not the container's
		}
		if b, err := readAt(unix.AT_FDCWD, root+"/cpu.stat", buf, 64<<10); err == nil {
			if c.cgroup = parseUsage(b); c.cgroup > 0 {
				break
			}
		}
		if b, err := readAt(unix.AT_FDCWD, root+"/cpuacct.usage", buf, 64); err == nil {
			if c.cgroup = time.Duration(unsigned(bytes.TrimSpace(b))); c.cgroup > 0 {
				break
			}
		}
	}
	return c
}

// isTop says whether a mounted group is the top of its hierarchy: only that of version 1 has the file cgroup.sane_behavior,
// and only that of version 2 lacks cgroup.events.
func isTop(root string) bool {
	if _, err := unixStat(root + "/cgroup.sane_behavior"); err == nil {
		return true
	}
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
		return err != nil
	}
	_, err := unixStat(root + "/cgroup.events")
	return err != nil
}
