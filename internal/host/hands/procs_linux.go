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

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/procfs"
	"golang.org/x/sys/unix"
)

// procs is host.Procs over a procfs that nobody covers and pidfds.
type procs struct {
	proc int // its root directory
	// keep holds the PIDs that are never touched: 1, deminer and its ancestors.
	keep map[int]bool
	// groups are where the version 2 control group hierarchy may be mounted.
	groups []string
}

func newProcs() (*procs, error) {
	proc, err := procfs.Root()
	if err != nil {
		return nil, err
	}
	p := &procs{proc: proc, keep: map[int]bool{1: true, os.Getpid(): true}, groups: cgroups()}
	for pid := os.Getppid(); pid > 1 && !p.keep[pid]; {
		p.keep[pid] = true
		s, err := p.read(pid)
		if err != nil {
			break
		}
		pid = s.PPID
	}
	return p, nil
}

// maxProbe is how far PIDs are probed one by one.
const maxProbe = 1 << 17

// kthread is PF_KTHREAD of linux/sched.h, in field 9 of stat.
const kthread = 0x00200000

// read parses stat and the links of one process.
func (p *procs) read(pid int) (host.Proc, error) {
	dir := strconv.Itoa(pid)
	text, err := slurpAt(p.proc, dir+"/stat", 4096)
	if err != nil {
		return host.Proc{}, err
	}
	s, err := parseStat(text)
	if err != nil {
		return s, fmt.Errorf("read /proc/%s/stat: %w", dir, err)
	}
	s.ID.PID = pid
	if exe, err := p.link(dir + "/exe"); err == nil {
		s.Exe = strings.TrimSuffix(exe, " (deleted)")
	}
	var st unix.Stat_t
	if unix.Fstatat(p.proc, dir+"/exe", &st, 0) == nil {
		s.Size, s.Dev, s.Ino, s.Links = st.Size, uint64(st.Dev), st.Ino, uint64(st.Nlink)
	}
	if unix.Fstatat(p.proc, dir+"/ns/mnt", &st, 0) == nil {
		s.Space = st.Ino
	}
	if text, err := slurpAt(p.proc, dir+"/cgroup", 64<<10); err == nil {
		for line := range strings.SplitSeq(text, "\n") {
			if rest, ok := strings.CutPrefix(line, "0::"); ok {
				s.Cgroup = rest
			}
		}
	}
	return s, nil
}

// parseStat reads /proc/PID/stat; the name in brackets may hold anything, so the last bracket counts.
func parseStat(text string) (host.Proc, error) {
	i := strings.LastIndexByte(text, ')')
	if i < 0 {
		return host.Proc{}, errors.New("no name in brackets")
	}
	// fields[0] is field 3 of proc_pid_stat(5).
	fields := strings.Fields(text[i+1:])
	if len(fields) < 20 {
		return host.Proc{}, errors.New("too few fields")
	}
	ppid, err1 := strconv.Atoi(fields[1])
	flags, err2 := strconv.ParseUint(fields[6], 10, 64)
	start, err3 := strconv.ParseUint(fields[19], 10, 64)
	return host.Proc{ID: deminer.ProcID{Start: start}, PPID: ppid, State: fields[0][0], Kernel: flags&kthread != 0}, errors.Join(err1, err2, err3)
}

// link reads a symbolic link.
func (p *procs) link(name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(p.proc, name, buf)
	if err != nil {
		return "", gone(err)
	}
	return string(buf[:n]), nil
}

func slurp(name string, limit int) (string, error) { return slurpAt(unix.AT_FDCWD, name, limit) }

// slurpAt reads a file below a directory.
func slurpAt(dir int, name string, limit int) (string, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", gone(err)
	}
	defer unix.Close(fd)
	var out []byte
	buf := make([]byte, 4096)
	for len(out) < limit {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", gone(err)
		}
		if n == 0 {
			break
		}
		out = append(out, buf[:n]...)
	}
	return string(out[:min(len(out), limit)]), nil
}

// gone turns the ways the kernel says "no such process" into fs.ErrNotExist.
func gone(err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) {
		return fs.ErrNotExist
	}
	return err
}

// Look implements host.Procs.
func (p *procs) Look(id deminer.ProcID) (host.Proc, host.Launch, error) {
	s, err := p.mine(id)
	if err != nil {
		return s, host.Launch{}, err
	}
	dir := strconv.Itoa(id.PID)
	l := host.Launch{Exe: deminer.Raw(s.Exe), Cgroup: s.Cgroup}
	if args, err := slurpAt(p.proc, dir+"/cmdline", 64<<10); err == nil && args != "" {
		for arg := range strings.SplitSeq(strings.TrimSuffix(args, "\x00"), "\x00") {
			l.Argv = append(l.Argv, deminer.Raw(arg))
		}
	}
	if cwd, err := p.link(dir + "/cwd"); err == nil {
		l.Cwd = deminer.Raw(cwd)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(p.proc, dir, &st, 0); err == nil {
		l.UID = st.Uid
	}
	return s, l, nil
}

// mine reads a process and checks that it still is the one that was meant and may be touched.
func (p *procs) mine(id deminer.ProcID) (host.Proc, error) {
	s, err := p.read(id.PID)
	if err != nil {
		return s, fmt.Errorf("look at process %d: %w", id.PID, err)
	}
	switch {
	case s.ID != id:
		return s, fmt.Errorf("look at process %d: %w: the PID is another process by now", id.PID, deminer.ErrChanged)
	case s.Kernel:
		return s, fmt.Errorf("touch process %d: %w: it is a kernel thread", id.PID, deminer.ErrProtected)
	case p.keep[id.PID]:
		return s, fmt.Errorf("touch process %d: %w: it is PID 1, deminer or what started deminer", id.PID, deminer.ErrProtected)
	case s.State == 'Z' || s.State == 'X':
		return s, fmt.Errorf("look at process %d: %w: it has ended", id.PID, fs.ErrNotExist)
	}
	return s, nil
}

// List implements host.Procs. PIDs up to the highest one in use are probed one by one, so a process that the directory
// listing hides is listed too.
func (p *procs) List() ([]host.Proc, error) {
	fd, err := unix.Openat(p.proc, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) // each listing has a place of its own
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	d := os.NewFile(uintptr(fd), "/proc")
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	pids := map[int]bool{}
	top := 0
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids[pid], top = true, max(top, pid)
		}
	}
	// A probe costs a microsecond; where the kernel hands out PIDs up to 4 million only the lower ones are probed.
	for pid := 2; pid < min(top+4096, maxProbe); pid++ {
		if !pids[pid] && unix.Kill(pid, 0) == nil {
			pids[pid] = true
		}
	}
	var out []host.Proc
	for pid := range pids {
		// A thread answers probes too; only a process is its own group leader.
		if s, err := p.read(pid); err == nil && p.leader(pid) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b host.Proc) int { return a.ID.PID - b.ID.PID })
	return out, nil
}

// leader tells a process from a mere thread of one, which /proc answers for as well though it does not list it.
func (p *procs) leader(pid int) bool {
	text, err := slurpAt(p.proc, strconv.Itoa(pid)+"/status", 8<<10)
	return err == nil && strings.Contains(text, "\nTgid:\t"+strconv.Itoa(pid)+"\n")
}

// Signal implements host.Procs. The pidfd is opened before the start time is compared, so the PID cannot be reused in between.
func (p *procs) Signal(id deminer.ProcID, s host.Sign) error {
	sig, ok := map[host.Sign]unix.Signal{host.SignStop: unix.SIGSTOP, host.SignContinue: unix.SIGCONT, host.SignKill: unix.SIGKILL}[s]
	if !ok {
		return fmt.Errorf("signal process %d: unknown sign %d", id.PID, s)
	}
	fd, err := unix.PidfdOpen(id.PID, 0)
	if errors.Is(err, unix.ENOSYS) {
		return p.oldSignal(id, sig)
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", id.PID, gone(err))
	}
	defer unix.Close(fd)
	if _, err := p.mine(id); err != nil {
		return err
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil {
		return fmt.Errorf("signal process %d: %w", id.PID, gone(err))
	}
	return nil
}

// oldSignal serves kernels before 5.3, which have no pidfd_open: the check comes right before the signal.
func (p *procs) oldSignal(id deminer.ProcID, sig unix.Signal) error {
	if _, err := p.mine(id); err != nil {
		return err
	}
	if err := unix.Kill(id.PID, sig); err != nil {
		return fmt.Errorf("signal process %d: %w", id.PID, gone(err))
	}
	return nil
}

// cgroups are where the unified hierarchy is mounted, by itself or beside version 1.
func cgroups() []string { return []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} }

// Freeze implements host.Procs.
func (p *procs) Freeze(cgroup string, members []deminer.ProcID, on bool) (bool, error) {
	dir := p.freezer(cgroup)
	if dir == "" {
		return false, nil
	}
	word := "0"
	if on {
		if whole, err := onlyThese(dir, members); err != nil || !whole {
			return false, err
		}
		word = "1"
	}
	if err := os.WriteFile(dir+"/cgroup.freeze", []byte(word), 0o644); err != nil {
		return false, fmt.Errorf("freeze cgroup %q: %w", cgroup, err)
	}
	return true, nil
}

// Frozen implements host.Procs.
func (p *procs) Frozen(cgroup string) (bool, error) {
	dir := p.freezer(cgroup)
	if dir == "" {
		return false, nil
	}
	word, err := slurp(dir+"/cgroup.freeze", 16)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read whether cgroup %q is frozen: %w", cgroup, err)
	}
	return strings.TrimSpace(word) == "1", nil
}

// freezer gives the directory of a cgroup that can be frozen, or "".
func (p *procs) freezer(cgroup string) string {
	if cgroup == "" || path.Clean(cgroup) == "/" || strings.Contains(cgroup, "..") {
		return ""
	}
	for _, top := range p.groups {
		dir := top + path.Clean("/"+cgroup)
		if _, err := os.Stat(dir + "/cgroup.freeze"); err == nil {
			return dir
		}
	}
	return ""
}

// onlyThese reports whether a cgroup without children holds the members and nobody else.
func onlyThese(dir string, members []deminer.ProcID) (bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, fmt.Errorf("read cgroup: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			return false, nil
		}
	}
	text, err := slurp(dir+"/cgroup.procs", 1<<20)
	if err != nil {
		return false, fmt.Errorf("read cgroup: %w", err)
	}
	in := map[string]bool{}
	for _, m := range members {
		in[strconv.Itoa(m.PID)] = true
	}
	found := 0
	for pid := range strings.FieldsSeq(text) {
		if !in[pid] {
			return false, nil
		}
		found++
	}
	return found > 0, nil
}
