//go:build linux

package live

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// What Yield asks for: a tenth of the weight of an ordinary process (nice 10, sched(7)), and the last place among those who
// read the disk (ioprio_set(2): class best-effort, level 7).
const (
	yieldNice = 10
	yieldIO   = 2<<13 | 7
)

// Yield makes way for others on the CPU and at the disk: this process, and only it. The kernel keeps both for each thread
// by itself; threads made later inherit them.
func Yield() error {
	p, err := openShared()
	if err != nil {
		return fmt.Errorf("lower own priority: %w", err)
	}
	defer unix.Close(p.fd)
	dir, err := openRetry(p.fd, "self/task", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return fmt.Errorf("lower own priority: list threads: %w", err)
	}
	defer unix.Close(dir)
	threads, err := pids(dir, make([]byte, 16<<10), maxThreads)
	if err != nil {
		return fmt.Errorf("lower own priority: list threads: %w", err)
	}
	for _, tid := range threads {
		if now, err := unix.Getpriority(unix.PRIO_PROCESS, tid); err != nil || 20-now >= yieldNice {
			continue // ended, or already lower
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, tid, yieldNice); err != nil {
			return fmt.Errorf("lower own priority: %w", err)
		}
		const thread = 1 // IOPRIO_WHO_PROCESS
		if _, _, err := unix.RawSyscall(unix.SYS_IOPRIO_SET, thread, uintptr(tid), yieldIO); err != 0 {
			return fmt.Errorf("lower own priority at the disk: %w", err)
		}
	}
	return nil
}
