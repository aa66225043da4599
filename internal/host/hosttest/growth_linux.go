package hosttest

import (
	"syscall"
	"testing"
	"time"
)

const (
	maxGrowth  = 10                     // for four times the input: linear work gives 4, quadratic work 16
	unmeasured = 250 * time.Millisecond // whatever grows to less than this is of no concern
)

// Growth fails the test when work on four times the input takes more than ten times as much of the processor, both measured
// side by side. What else the machine does is no matter: the clock is that of this process.
func Growth(t testing.TB, what string, n int, work func(n int)) {
	t.Helper()
	one, four := cost(work, n), cost(work, 4*n)
	for i := 0; i < 2 && four > unmeasured && four > maxGrowth*one; i++ {
		one, four = min(one, cost(work, n)), min(four, cost(work, 4*n))
	}
	if four > unmeasured && four > maxGrowth*one {
		t.Errorf("%s: %d takes %v, four times as much takes %v: it grows faster than its input", what, n, one, four)
	}
}

// cost is the time the processors work in this process while work runs.
func cost(work func(n int), n int) time.Duration {
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	work(n)
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	return time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano())
}
