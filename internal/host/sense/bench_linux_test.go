//go:build linux

package sense

import (
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/live"
	"golang.org/x/sys/unix"
)

// count watches without keeping anything: it counts by kind, of execs those of spawn.
func count(t testing.TB, o Options) (*Sensors, *[len(kinds)]atomic.Int64) {
	l := live.Open()
	o.Look, o.Agent = l, os.Getpid()
	s := Open(o)
	var n [len(kinds)]atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- s.Watch(ctx, func(e deminer.Event) {
			for i, k := range kinds {
				if k == e.Kind && (marked(&e) || e.Kind != deminer.EventExec) {
					n[i].Add(1)
				}
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Close()
		l.Close()
	})
	return s, &n
}

// spawn has a child run a program that ends at once, n times one after the other, with one more argument if it is not empty.
func spawn(t testing.TB, n int, more string) {
	t.Helper()
	pid, said := run(t, "spawn", strings.TrimSpace(strconv.Itoa(n)+" "+more))
	if said != "" {
		t.Fatal(pid, said)
	}
}

// spawnTrue is what the child does.
func spawnTrue(n int, more []string) error {
	for range n {
		pid, err := syscall.ForkExec("/bin/true", append([]string{"/bin/true", marker, "two"}, more...), &syscall.ProcAttr{})
		if err != nil {
			return err
		}
		if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
			return err
		}
	}
	return nil
}

// marker is an argument that tells the programs of the child from others.
const marker = "deminer-sense-test"

func marked(e *deminer.Event) bool { return len(e.Argv) > 1 && e.Argv[1] == marker }

// settled waits until n events have come or none has come for a while.
func settled(n *atomic.Int64, want int64) int64 {
	last, quiet := n.Load(), 0
	for last < want && quiet < 100 {
		time.Sleep(20 * time.Millisecond)
		if now := n.Load(); now != last {
			last, quiet = now, 0
		} else {
			quiet++
		}
	}
	return last
}

const execKind = 1

// TestNoExecIsLost runs programs as fast as one process can. The benchmark does 15,000.
func TestNoExecIsLost(t *testing.T) {
	s, n := count(t, Options{Want: deminer.EventKinds()})
	const runs = 2000
	spawn(t, runs, "")
	if got := settled(&n[execKind], runs); got != runs || len(s.Drops()) != 0 {
		t.Errorf("%d of %d seen, lost %v", got, runs, s.Drops())
	}
}

// TestDropsAreCounted lets the ring fill up: what is seen and what is counted as lost must be all there was.
func TestDropsAreCounted(t *testing.T) {
	l := live.Open()
	defer l.Close()
	s := Open(Options{Want: []deminer.EventKind{deminer.EventExec}, Look: l, Agent: os.Getpid()})
	defer s.Close()
	const runs = 5000 // with as long a command line as is told, the ring holds about 3,000
	spawn(t, runs, strings.Repeat("x", 1000))
	lost := s.Drops()[deminer.EventExec]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Int64
	done := make(chan error)
	go func() {
		done <- s.Watch(ctx, func(e deminer.Event) {
			if marked(&e) {
				n.Add(1)
			}
		})
	}()
	got := settled(&n, runs-int64(lost))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// Others on the machine start programs, too, and some of those may be among the lost.
	if lost == 0 || got == 0 || got+int64(lost) < runs {
		t.Errorf("%d started, %d seen, %d counted as lost", runs, got, lost)
	}
}

// TestFloodHidesNoExec: a process that says what may be a login to a pool again and again fills its part of the ring and no more: what
// starts meanwhile is told, and so is what another says. What had no room is counted as what it was.
func TestFloodHidesNoExec(t *testing.T) {
	l := live.Open()
	defer l.Close()
	s := Open(Options{Want: []deminer.EventKind{deminer.EventExec, deminer.EventFlow}, Look: l, Agent: os.Getpid()})
	defer s.Close()
	to := server("tcp4")(t)
	run(t, "flood", to)
	spawn(t, 5, "")
	miner, _ := run(t, "connect", to)
	lost := s.Drops()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var execs, flows, logins atomic.Int64
	done := make(chan error)
	go func() {
		done <- s.Watch(ctx, func(e deminer.Event) {
			switch {
			case e.Kind == deminer.EventFlow && strings.HasPrefix(string(e.Data), "{xx"):
				flows.Add(1)
			case e.Kind == deminer.EventFlow && e.Proc.PID == miner && e.Data == login:
				logins.Add(1)
			case marked(&e):
				execs.Add(1)
			}
		})
	}()
	settled(&execs, 5)
	got := settled(&flows, floods)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := execs.Load(); n != 5 || lost[deminer.EventExec] > 0 || logins.Load() == 0 {
		t.Errorf("%d of 5 execs and %d logins seen beside a flood, lost %v", n, logins.Load(), lost)
	}
	if dropped := lost[deminer.EventFlow]; dropped == 0 || got+int64(dropped) < floods {
		t.Errorf("%d pieces sent, %d seen, lost %v", floods, got, lost)
	}
}

func cpu(t testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkExec starts a program and waits for its end: with nobody watching, with exec alone, with everything. What the
// watching costs this process is agent-us/exec; what it costs the starting and the started program, the difference of ns/op.
func BenchmarkExec(b *testing.B) {
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"unwatched", Options{}},
		{"exec", Options{Want: []deminer.EventKind{deminer.EventExec}}},
		{"all", Options{Want: deminer.EventKinds()}},
		{"connector", Options{Want: []deminer.EventKind{deminer.EventExec}, Without: []deminer.Sensor{deminer.SensorBPF}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, n := count(b, c.o)
			from := cpu(b)
			b.ResetTimer()
			spawn(b, b.N, "")
			b.StopTimer()
			if len(c.o.Want) > 0 {
				got := settled(&n[execKind], int64(b.N))
				b.ReportMetric(float64(int64(b.N)-got), "lost")
				b.ReportMetric(float64(s.Drops()[deminer.EventExec]+s.Drops()[""]), "dropped")
			}
			b.ReportMetric(float64((cpu(b)-from).Microseconds())/float64(b.N), "agent-us/exec")
		})
	}
}

// thread is the processor time of this thread; on a busy machine it tells more than the clock.
func thread(t testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCall is a system call that no sensor is about.
func BenchmarkCall(b *testing.B) {
	for _, c := range []struct {
		name string
		o    Options
	}{{"unwatched", Options{}}, {"all", Options{Want: deminer.EventKinds()}}, {"no calls", Options{Want: []deminer.EventKind{deminer.EventExec, deminer.EventFlow}}}} {
		b.Run(c.name, func(b *testing.B) {
			count(b, c.o)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			from := thread(b)
			for b.Loop() {
				unix.Getppid()
			}
			b.ReportMetric(float64((thread(b)-from).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkLogin says a login line on a connection and waits for the event of it: how long that takes is what is left to cut
// the connection before the pool's answer. early counts those that were seen before the other side had read the line.
func BenchmarkLogin(b *testing.B) {
	l := live.Open()
	defer l.Close()
	s := Open(Options{Want: []deminer.EventKind{deminer.EventFlow}, Look: l, Agent: os.Getpid()})
	defer s.Close()
	seen := make(chan time.Time, 16)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- s.Watch(ctx, func(e deminer.Event) {
			if e.Sent && e.Data == login {
				seen <- time.Now()
			}
		})
	}()
	defer func() { cancel(); <-done }()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	read := make(chan time.Time, 16)
	go func() {
		buf := make([]byte, 1024)
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(buf)
			read <- time.Now()
			c.Close()
		}
	}()
	var took []time.Duration
	early := 0
	for b.Loop() {
		c, err := net.Dial("tcp", server.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		from := time.Now()
		if _, err := io.WriteString(c, login); err != nil {
			b.Fatal(err)
		}
		at, arrived := <-seen, <-read
		if took = append(took, at.Sub(from)); at.Before(arrived) {
			early++
		}
		c.Close()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
	b.ReportMetric(float64(early)/float64(len(took)), "early")
}
