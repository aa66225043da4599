//go:build linux

package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// The views of the living processes, by the names deminer.Process.Hidden uses.
const (
	viewReaddir = "readdir"      // the listing of /proc
	viewLookup  = "lookup"       // /proc/PID by its name
	viewKill    = "kill"         // kill(pid, 0)
	viewPgid    = "getpgid"      // getpgid(pid)
	viewCgroup  = "cgroup.procs" // the members of the control groups
	viewParent  = "parent"       // named as the parent or session leader of a visible process
	viewMount   = "mount"        // the host's /proc/PID, which something is mounted over
)

// sweepTime is how long the search may go on where the window is shorter: asking for 4 million numbers takes half a second.
const sweepTime = time.Second

// sightings says for each process that the listing of /proc did not show which views do.
type sightings struct {
	by     map[int]map[string]bool
	cgroup map[int]bool // all members of control groups; nil where the view could not be had in full
}

func (s sightings) add(pid int, view string) {
	if s.by[pid] == nil {
		s.by[pid] = make(map[string]bool)
	}
	s.by[pid][view] = true
}

// search looks for processes by views that do not go through the listing of /proc.
func (s *sampler) search(ctx context.Context, seen []int, budget time.Duration) sightings {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	known := make(map[int]bool, len(seen))
	for _, pid := range seen {
		known[pid] = true
	}
	found := sightings{by: make(map[int]map[string]bool)}
	top := s.pidMax()
	likely := s.likely(top, seen)
	s.sweeps(ctx, 1, likely, known, found)
	members, whole := s.cgroupMembers(ctx)
	if whole {
		found.cgroup = members
	}
	for pid := range members {
		if !known[pid] {
			found.add(pid, viewCgroup)
		}
	}
	// Numbers that were never given out since the machine started come last: only a process that chose its own has one.
	s.sweeps(ctx, likely, top, known, found)
	return found
}

// pidMax is one more than the largest process number.
func (s *sampler) pidMax() int {
	b, err := s.proc.read("sys/kernel/pid_max", make([]byte, 0, 64), 64)
	n, ok := number([]byte(strings.TrimSpace(string(b))))
	if err != nil || !ok || n > maxPID {
		return maxPID
	}
	return int(n)
}

// maxPID is PID_MAX_LIMIT of a 64-bit kernel (linux/threads.h).
const maxPID = 4 << 20

// likely is a number above which, by the kernel's own count, no process number was given out yet; top if they were all used.
func (s *sampler) likely(top int, seen []int) int {
	const slack = 4096
	b, err := s.proc.read("stat", make([]byte, 0, 64<<10), 4<<20)
	if err != nil {
		return top
	}
	n := parseCPUStat(b).forks + 300 // the kernel begins again at 300 (RESERVED_PIDS)
	for _, pid := range seen {
		n = max(n, uint64(pid))
	}
	if n == 300 || n+slack >= uint64(top) {
		return top
	}
	return int(n + slack)
}

// sweeps asks for the numbers from one up to another by two views. One goes up, the other down: where time runs out
// before both are through, each number may still have been asked for by one of them.
func (s *sampler) sweeps(ctx context.Context, from, to int, known map[int]bool, found sightings) {
	var up, down sweep
	var both sync.WaitGroup
	both.Go(func() { up = sweepAll(ctx, viewKill, from, to, known) })
	both.Go(func() { down = sweepAll(ctx, viewPgid, from, to, known) })
	both.Wait()
	if all := to - from; up.asked+down.asked < all {
		s.gap(deminer.Partial, "view/"+viewKill, fmt.Errorf("time was up: %d of %d process numbers were asked for", up.asked+down.asked, all))
	}
	for _, pid := range up.found {
		found.add(pid, viewKill)
	}
	for _, pid := range down.found {
		found.add(pid, viewPgid)
	}
}

// sweep is what asking for process numbers gave.
type sweep struct {
	found []int
	asked int
}

// sweepAll asks for each number whether it lives, by one system call that does not concern /proc, and gives those that
// are not known; by kill from below, by getpgid from above. Threads are among them, as the kernel answers for these too.
func sweepAll(ctx context.Context, view string, from, to int, known map[int]bool) sweep {
	var s sweep
	call, pid, step := uintptr(unix.SYS_KILL), from, 1
	if view == viewPgid {
		call, pid, step = unix.SYS_GETPGID, to-1, -1
	}
	for ; pid >= from && pid < to; pid += step {
		if s.asked&0x3fff == 0 && ctx.Err() != nil {
			break
		}
		s.asked++
		if _, _, err := unix.RawSyscall(call, uintptr(pid), 0, 0); (err == 0 || err == unix.EPERM) && !known[pid] {
			s.found = append(s.found, pid)
		}
	}
	return s
}

// alive asks two system calls whether the process lives.
func alive(pid int) (kill, pgid bool) {
	err := unix.Kill(pid, 0)
	_, err2 := unix.Getpgid(pid)
	return err == nil || err == unix.EPERM, err2 == nil || err2 == unix.EPERM
}

// isThread reports that the number is of a thread and not of a process, as far as the kernel says so.
func (r *reader) isThread(pid int) bool {
	if fd, err := unix.PidfdOpen(pid, 0); err == nil {
		unix.Close(fd)
		return false
	}
	b, err := r.proc.read(strconv.Itoa(pid)+"/status", r.buf, 64<<10)
	if err != nil {
		return false
	}
	tgid := parseStatus(b).tgid
	return tgid != 0 && tgid != pid
}

// hidden proves candidates: a race is not a rootkit, so a process is hidden only if three times in a row it lives and the
// listing of /proc lacks it.
func (s *sampler) hidden(ctx context.Context, procs []deminer.Process, c sightings) []deminer.Process {
	listed := make(map[int]bool, len(procs))
	for i := range procs {
		listed[procs[i].ID.PID] = true
	}
	for i := range procs {
		for _, pid := range [...]int{procs[i].PPID, procs[i].Session} {
			if pid > 0 && !listed[pid] {
				c.add(pid, viewParent)
			}
		}
	}
	r := newReader(s.proc, s.boot)
	var left []int
	for pid := range c.by {
		if kill, pgid := alive(pid); !listed[pid] && (kill || pgid) && !r.isThread(pid) {
			left = append(left, pid)
		}
	}
	for range 3 {
		if left = s.recheck(left); len(left) == 0 {
			return nil
		}
		wait(ctx, 10*time.Millisecond)
	}
	slices.Sort(left)
	out := make([]deminer.Process, 0, len(left))
	for _, pid := range left {
		out = append(out, s.reveal(r, pid, c))
	}
	return out
}

// recheck drops what has ended, what the listing shows now, and what is a thread.
func (s *sampler) recheck(left []int) []int {
	if len(left) == 0 {
		return nil
	}
	now, err := s.proc.pids(make([]byte, 64<<10))
	if err != nil && !errors.Is(err, errTooMany) {
		return nil
	}
	listed := make(map[int]bool, len(now))
	for _, pid := range now {
		listed[pid] = true
	}
	r := newReader(s.proc, s.boot)
	return slices.DeleteFunc(left, func(pid int) bool {
		kill, pgid := alive(pid)
		return listed[pid] || !kill && !pgid || r.isThread(pid)
	})
}

// reveal reads as much as can be had of a hidden process and says which views lack it.
func (s *sampler) reveal(r *reader, pid int, c sightings) deminer.Process {
	p, _, err := r.process(pid)
	if err != nil {
		p = s.outside(pid)
		p.Hidden = nil
	}
	p.Hidden = append(p.Hidden, viewReaddir)
	if err != nil {
		p.Hidden = append(p.Hidden, viewLookup)
	}
	kill, pgid := alive(pid)
	if !kill {
		p.Hidden = append(p.Hidden, viewKill)
	}
	if !pgid {
		p.Hidden = append(p.Hidden, viewPgid)
	}
	if c.cgroup != nil && !c.cgroup[pid] {
		p.Hidden = append(p.Hidden, viewCgroup)
	}
	return p
}

// outside describes a process whose directory cannot be entered, by what system calls tell of it.
func (s *sampler) outside(pid int) deminer.Process {
	p := deminer.Process{ID: deminer.ProcID{PID: pid}, LoginUID: -1, Hidden: []string{viewMount}, ExeErr: errCovered.Error()}
	if sid, err := unix.Getsid(pid); err == nil {
		p.Session = sid
	}
	if nice, err := unix.Getpriority(unix.PRIO_PROCESS, pid); err == nil {
		p.Nice = 20 - nice
	}
	return p
}

// covers marks the processes whose directory in the host's own /proc is covered by a mount; the private mount does not
// have it.
func (s *sampler) covers(procs []deminer.Process) {
	shared, err := openShared()
	if err != nil {
		s.gap(deminer.Failed, "/proc", err)
		return
	}
	defer unix.Close(shared.fd)
	var root, st unix.Stat_t
	if err := unix.Fstat(shared.fd, &root); err != nil {
		s.gap(deminer.Failed, "/proc", fmt.Errorf("look at /proc: %w", err))
		return
	}
	for i := range procs {
		p := &procs[i]
		if unix.Fstatat(shared.fd, strconv.Itoa(p.ID.PID), &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Dev != root.Dev && !slices.Contains(p.Hidden, viewMount) {
			p.Hidden = append(p.Hidden, viewMount)
		}
	}
}
