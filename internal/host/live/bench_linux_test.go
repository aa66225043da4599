//go:build linux

package live

import (
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// crowd starts n processes that sleep.
func crowd(b *testing.B, n int) {
	b.Helper()
	for range n {
		cmd := exec.Command("/bin/sleep", "600")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	}
}

// used is the processor time of this program, user and system; on a busy machine it tells more than the clock.
func used(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportUsed(b *testing.B, from time.Duration) {
	b.ReportMetric(float64((used(b)-from).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// BenchmarkPass500 is one full reading of all processes, of which there are at least 500.
func BenchmarkPass500(b *testing.B) {
	crowd(b, 450)
	l := Open()
	defer l.Close()
	s := &sampler{proc: l.proc, boot: bootTime()}
	from := used(b)
	for b.Loop() {
		procs, _ := s.second(b.Context(), look{}, sightings{by: map[int]map[string]bool{}})
		b.ReportMetric(float64(len(procs)), "processes")
	}
	reportUsed(b, from)
}

// BenchmarkSearch is the search for hidden processes; the number of possible ones is the machine's.
func BenchmarkSearch(b *testing.B) {
	l := Open()
	defer l.Close()
	s := &sampler{proc: l.proc, boot: bootTime()}
	from := used(b)
	for b.Loop() {
		s.search(b.Context(), nil, 10*time.Second)
	}
	reportUsed(b, from)
}

// BenchmarkSweep4M asks for every number a large machine can have.
func BenchmarkSweep4M(b *testing.B) {
	from := used(b)
	for b.Loop() {
		sweepAll(b.Context(), viewKill, 1, maxPID, nil)
	}
	reportUsed(b, from)
}

// BenchmarkGlance is the short look at one process.
func BenchmarkGlance(b *testing.B) {
	l := Open()
	defer l.Close()
	from := used(b)
	for b.Loop() {
		if _, err := l.Glance(unix.Getpid()); err != nil {
			b.Fatal(err)
		}
	}
	reportUsed(b, from)
}
