//go:build linux

package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is a process of the host as the harness sees it from outside, where
// nothing inside can hide it.
type Process struct {
	PID   int    // on the harness's machine
	Inner int    // inside the host
	Comm  string // /proc/PID/comm
	Exe   string
	Args  []string
	Ticks uint64 // CPU time used, user and system, in clock ticks of 10 ms
	State byte   // R, S, T ... of proc_pid_stat(5)
	Start uint64 // when it began, in clock ticks since boot
}

// RSS is the memory of the process now, in KiB; 0 where it has ended.
func (p Process) RSS() int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var n int64
	_, _ = fmt.Sscan(rest, &n)
	return n
}

// Again looks at the process once more; false where it has ended.
func (p Process) Again() (Process, bool) {
	now, ok := readProcess(fmt.Sprintf("/proc/%d", p.PID))
	return now, ok && now.Start == p.Start
}

// Processes lists the host's processes, without zombies.
func (h *Host) Processes() []Process {
	own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", h.leader))
	if err != nil {
		return nil
	}
	var out []Process
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		if ns, err := os.Readlink(d + "/ns/pid"); err != nil || ns != own {
			continue
		}
		if p, ok := readProcess(d); ok {
			out = append(out, p)
		}
	}
	return out
}

func readProcess(dir string) (Process, bool) {
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Process{}, false
	}
	s := string(stat)
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if open < 0 || end < open {
		return Process{}, false
	}
	f := strings.Fields(s[end+1:])
	if len(f) < 13 || f[0] == "Z" {
		return Process{}, false
	}
	p := Process{Comm: s[open+1 : end], State: f[0][0]}
	if len(f) > 19 {
		p.Start, _ = strconv.ParseUint(f[19], 10, 64)
	}
	p.PID, _ = strconv.Atoi(filepath.Base(dir))
	user, _ := strconv.ParseUint(f[11], 10, 64)
	system, _ := strconv.ParseUint(f[12], 10, 64)
	p.Ticks = user + system
	p.Exe, _ = os.Readlink(dir + "/exe")
	args, _ := os.ReadFile(dir + "/cmdline")
	p.Args = strings.Split(strings.TrimRight(string(args), "\x00"), "\x00")
	status, _ := os.ReadFile(dir + "/status")
	for _, line := range strings.Split(string(status), "\n") {
		if ns := strings.Fields(line); len(ns) > 1 && ns[0] == "NSpid:" {
			p.Inner, _ = strconv.Atoi(ns[len(ns)-1])
		}
	}
	return p, true
}
