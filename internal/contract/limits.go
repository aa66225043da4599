package contract

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// Limits are what the control groups of a process allow it: the tightest of its own group and those above; of version 1, of its
// own group only. 0 is no limit.
type Limits struct {
	Group      string  `json:"group"`                 // path of its own group; "" where there is none of version 2 with controllers
	CPU        float64 `json:"cpu,omitempty"`         // cores
	Memory     int64   `json:"memory,omitempty"`      // bytes, at which it is ended
	MemoryHigh int64   `json:"memory_high,omitempty"` // bytes, at which it is slowed down
	Tasks      int64   `json:"tasks,omitempty"`       // processes and threads together
}

const cgroupRoot = "/sys/fs/cgroup"

// OwnLimits reads the limits of this process.
func OwnLimits() (Limits, error) { return readLimits("/proc/self/cgroup", cgroupRoot) }

// LimitsOf reads the limits of another process.
func LimitsOf(pid int) (Limits, error) {
	return readLimits(fmt.Sprintf("/proc/%d/cgroup", pid), cgroupRoot)
}

func readLimits(membership, root string) (Limits, error) {
	text, err := readSmall(membership)
	if err != nil {
		return Limits{}, fmt.Errorf("read control group: %w", err)
	}
	var l Limits
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "0::"); ok {
			l.Group = filepath.Clean("/" + strings.TrimRight(rest, "\n"))
		}
	}
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); l.Group == "" || err != nil {
		return legacy(text, root)
	}
	for dir := l.Group; ; dir = filepath.Dir(dir) {
		l.tighten(filepath.Join(root, dir))
		if dir == "/" {
			return l, nil
		}
	}
}

// tighten takes the limits of one group. Files that are missing (controllers that are not on, the root) limit nothing.
func (l *Limits) tighten(dir string) {
	if quota, period, ok := strings.Cut(word(dir, "cpu.max"), " "); ok {
		q, err1 := strconv.ParseFloat(quota, 64)
		p, err2 := strconv.ParseFloat(period, 64)
		if err1 == nil && err2 == nil && p > 0 {
			l.CPU = least(l.CPU, q/p)
		}
	}
	for _, f := range []struct {
		name string
		to   *int64
	}{{"memory.max", &l.Memory}, {"memory.high", &l.MemoryHigh}, {"pids.max", &l.Tasks}} {
		if n, err := strconv.ParseInt(word(dir, f.name), 10, 64); err == nil {
			*f.to = least(*f.to, n)
		}
	}
}

// legacy reads the limits of the controllers of version 1.
func legacy(text, root string) (l Limits, err error) {
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		for _, name := range strings.Split(f[1], ",") {
			dir := filepath.Join(root, name, filepath.Clean("/"+f[2]))
			switch name {
			case "cpu":
				q, err1 := strconv.ParseFloat(word(dir, "cpu.cfs_quota_us"), 64)
				p, err2 := strconv.ParseFloat(word(dir, "cpu.cfs_period_us"), 64)
				if err1 == nil && err2 == nil && q > 0 && p > 0 {
					l.Group, l.CPU = f[2], q/p
				}
			case "memory":
				if n, err := strconv.ParseInt(word(dir, "memory.limit_in_bytes"), 10, 64); err == nil && n < math.MaxInt64/2 {
					l.Group, l.Memory = f[2], n
				}
			case "pids":
				if n, err := strconv.ParseInt(word(dir, "pids.max"), 10, 64); err == nil {
					l.Group, l.Tasks = f[2], n
				}
			}
		}
	}
	return l, nil
}

func word(dir, name string) string {
	text, err := readSmall(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(text)
}

// least is the smaller of two limits, of which 0 is none.
func least[T int64 | float64](a, b T) T {
	if a == 0 || b < a {
		return b
	}
	return a
}

// Fit makes the Go runtime keep within the limits: it collects garbage before the kernel takes memory back, and runs on no more
// processors than it may use. What GOMEMLIMIT and GOMAXPROCS say goes first.
func (l Limits) Fit() {
	if memory := cmp.Or(l.MemoryHigh, l.Memory); memory > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory / 10 * 9)
	}
	if l.CPU > 0 && os.Getenv("GOMAXPROCS") == "" {
		// Two at least: what decides must not wait behind what samples.
		runtime.GOMAXPROCS(min(runtime.NumCPU(), max(2, int(math.Ceil(l.CPU)))))
	}
}

// Missing names the limits that are not there, for people; nil where all are.
func (l Limits) Missing() (out []string) {
	if l.CPU == 0 {
		out = append(out, "processors")
	}
	if l.Memory == 0 {
		out = append(out, "memory")
	}
	if l.Tasks == 0 {
		out = append(out, "tasks")
	}
	return out
}

// String tells the limits to people.
func (l Limits) String() string {
	var out []string
	if l.CPU > 0 {
		out = append(out, fmt.Sprintf("%.2g cores", l.CPU))
	}
	if l.Memory > 0 {
		text := fmt.Sprintf("%d MiB", l.Memory>>20)
		if l.MemoryHigh > 0 {
			text += fmt.Sprintf(" (slowed down above %d)", l.MemoryHigh>>20)
		}
		out = append(out, text)
	}
	if l.Tasks > 0 {
		out = append(out, fmt.Sprintf("%d tasks", l.Tasks))
	}
	if len(out) == 0 {
		return "no limits"
	}
	return strings.Join(out, ", ")
}

// BootID is the kernel's name of this boot; "" where it cannot be read.
func BootID() string { return word("/proc/sys/kernel/random", "boot_id") }

// Uptime is the seconds since boot; it counts sleep, and no setting of the clock changes it. 0 where it cannot be read.
func Uptime() float64 {
	first, _, _ := strings.Cut(word("/proc", "uptime"), " ")
	f, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return f
}

// Group is a control group of the agent's own, for hosts without systemd.
type Group struct {
	dir string
	on  []string // controllers that were switched on for it at the root
}

// ErrNoGroup: no control group can be made here.
var ErrNoGroup = errors.New("no control group of version 2 can be made here")

// Enter makes the control group /deminer, gives it limits, and moves this process into it. Controllers that were off are
// switched on, and off again by Leave. ErrNoGroup where version 2 is not there or not writable.
func Enter(cpuPercent int, high, most, tasks int64) (*Group, error) {
	return enter(cgroupRoot, os.Getpid(), map[string]string{"cpu.max": fmt.Sprintf("%d 100000", cpuPercent*1000),
		"memory.high": strconv.FormatInt(high, 10), "memory.max": strconv.FormatInt(most, 10), "pids.max": strconv.FormatInt(tasks, 10)})
}

func enter(root string, pid int, limits map[string]string) (*Group, error) {
	have := word(root, "cgroup.controllers")
	if have == "" {
		return nil, ErrNoGroup
	}
	g := &Group{dir: filepath.Join(root, "deminer")}
	on := strings.Fields(word(root, "cgroup.subtree_control"))
	for _, c := range []string{"cpu", "memory", "pids"} {
		if !has(strings.Fields(have), c) || has(on, c) {
			continue
		}
		if put(root, "cgroup.subtree_control", "+"+c) == nil { // what is missing then is told by OwnLimits
			g.on = append(g.on, c)
		}
	}
	if err := os.Mkdir(g.dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrNoGroup, err), g.off())
	}
	for name, value := range limits {
		_ = put(g.dir, name, value) // as above
	}
	if err := put(g.dir, "cgroup.procs", strconv.Itoa(pid)); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrNoGroup, err), g.off())
	}
	return g, nil
}

func has(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func put(dir, name, value string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(value), 0)
}

// Leave moves this process back to the root and takes the group away. The kernel takes the limits away with it.
func (g *Group) Leave() error {
	root := filepath.Dir(g.dir)
	if err := put(root, "cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
		return fmt.Errorf("leave control group: %w", err)
	}
	return g.off()
}

func (g *Group) off() (err error) {
	if fail := os.Remove(g.dir); fail != nil && !errors.Is(fail, os.ErrNotExist) {
		err = fmt.Errorf("remove control group: %w", fail)
	}
	for _, c := range g.on {
		err = errors.Join(err, put(filepath.Dir(g.dir), "cgroup.subtree_control", "-"+c))
	}
	return err
}

// Stalled counts the moments in which the processor quota of this process's group was used up, and how many there were in
// all (cpu.stat); both 0 where there is no quota.
func Stalled(group string) (throttled, periods int64) {
	f, err := os.Open(filepath.Join(cgroupRoot, group, "cpu.stat"))
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for in.Scan() {
		name, value, _ := strings.Cut(in.Text(), " ")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "nr_throttled":
			throttled = n
		case "nr_periods":
			periods = n
		}
	}
	return throttled, periods
}
