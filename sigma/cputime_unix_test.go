//go:build unix

package sigma

import (
	"syscall"
	"time"
)

// cpuTime is the time that the process has used, in all its threads.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
