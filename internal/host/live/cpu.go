package live

import (
	"bytes"
	"time"

	"github.com/deminer/deminer"
)

// cpuStat is the first line of /proc/stat, in ticks, see proc_stat(5).
type cpuStat struct {
	work   uint64 // user, nice (guests are in both) and system: what processes do
	others uint64 // interrupts and time stolen by the hypervisor: nobody's
	forks  uint64 // processes and threads started since boot
	btime  int64  // boot, seconds since 1970
}

func parseCPUStat(b []byte) cpuStat {
	var c cpuStat
	for line := range bytes.Lines(b) {
		key, rest := nextWord(line)
		first, rest := nextWord(rest)
		switch string(key) {
		case "cpu":
			c.work = unsigned(first)
			for i := 1; i < 8; i++ {
				var word []byte
				word, rest = nextWord(rest)
				switch i {
				case 1, 2: // nice, system
					c.work += unsigned(word)
				case 5, 6, 7: // irq, softirq, steal; 3 and 4 are idle
					c.others += unsigned(word)
				}
			}
		case "btime":
			c.btime = int64(unsigned(first))
		case "processes":
			c.forks = unsigned(first)
		}
	}
	return c
}

// parseUsage reads usage_usec of a cgroup v2 cpu.stat.
func parseUsage(b []byte) time.Duration {
	for line := range bytes.Lines(b) {
		key, rest := nextWord(line)
		if string(key) == "usage_usec" {
			value, _ := nextWord(rest)
			return time.Duration(unsigned(value)) * time.Microsecond
		}
	}
	return 0
}

// counters are the counts of CPU time at one moment.
type counters struct {
	at     time.Time
	cpu    cpuStat
	cgroup time.Duration // used by the root control group; 0 where there is none
	// contained: deminer is not in the first PID namespace, so it sees the processes of a container, but the counters of
	// the whole machine. Then cgroup is of the container's own group, or 0.
	contained bool
}

// account compares the counters of two moments with what the processes used in between, in ticks.
func account(a, b counters, processes int64) deminer.CPUViews {
	window := b.at.Sub(a.at).Seconds()
	if window <= 0 {
		return deminer.CPUViews{}
	}
	cores := func(ticks int64) float64 { return float64(max(ticks, 0)) / userHZ / window }
	v := deminer.CPUViews{
		Stat:      cores(int64(b.cpu.work) - int64(a.cpu.work)),
		Processes: cores(processes),
	}
	if a.cgroup > 0 && b.cgroup > a.cgroup {
		v.Cgroup = (b.cgroup - a.cgroup).Seconds() / window
	}
	if a.contained {
		v.Missing = max(0, v.Cgroup-v.Processes)
		return v
	}
	// The root control group may count interrupts too.
	grouped := v.Cgroup - cores(int64(b.cpu.others)-int64(a.cpu.others))
	v.Missing = max(0, max(v.Stat, grouped)-v.Processes)
	return v
}

// mark is what is kept of a process between two looks.
type mark struct {
	start  uint64
	cpu    uint64
	reaped uint64
}

// spent sums what processes used between two looks, in ticks. The time of a child that ended in between went to its
// parent's "reaped" with all it ever used, so what it had used at the first look is taken off again.
func spent(before, after map[int]mark) int64 {
	var own, reaped, ended int64
	for pid, b := range after {
		a, ok := before[pid]
		if !ok || a.start != b.start {
			a = mark{}
			own += int64(b.cpu)
			continue
		}
		own += int64(b.cpu) - int64(a.cpu)
		reaped += int64(b.reaped) - int64(a.reaped)
	}
	for pid, a := range before {
		if b, ok := after[pid]; !ok || b.start != a.start {
			ended += int64(a.cpu + a.reaped)
		}
	}
	return own + max(0, reaped-ended)
}
