package live

import (
	"math"
	"testing"
	"time"
)

func TestParseCPUStat(t *testing.T) {
	text := "cpu  100 20 30 4000 50 6 7 8 0 0\ncpu0 1 1 1 1\nintr 1 2\nctxt 5\nbtime 1764000000\nprocesses 777\n"
	if got, want := parseCPUStat([]byte(text)), (cpuStat{work: 150, others: 21, forks: 777, btime: 1764000000}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := parseUsage([]byte("usage_usec 2500000\nuser_usec 1\n")); got != 2500*time.Millisecond {
		t.Errorf("got usage %v", got)
	}
}

// A second passes in which 2.5 cores were busy, as the processor's counters say.
func TestAccount(t *testing.T) {
	at := time.Unix(1764000000, 0)
	a := counters{at: at, cpu: cpuStat{work: 1000, others: 10}, cgroup: time.Second}
	b := counters{at: at.Add(time.Second), cpu: cpuStat{work: 1250, others: 20}, cgroup: 3600 * time.Millisecond}
	for _, c := range []struct {
		name      string
		processes int64
		change    func(*counters)
		missing   float64
	}{
		{"all seen", 250, nil, 0},
		{"a process is hidden", 150, nil, 1},
		{"more than there was", 400, nil, 0},
		{"proc/stat lies too", 150, func(b *counters) { b.cpu.work = 1150 }, 1},
		{"the clock stood", 150, func(b *counters) { b.at = at }, 0},
	} {
		b := b
		if c.change != nil {
			c.change(&b)
		}
		if v := account(a, b, c.processes); math.Abs(v.Missing-c.missing) > 0.001 {
			t.Errorf("%s: got %+v, want %v missing", c.name, v, c.missing)
		}
	}
}

// In a container the machine's counters say nothing about the container's processes.
func TestAccountContained(t *testing.T) {
	at := time.Unix(1764000000, 0)
	a := counters{at: at, contained: true}
	b := counters{at: at.Add(time.Second), cpu: cpuStat{work: 800}, contained: true}
	if v := account(a, b, 50); v.Missing != 0 || v.Stat != 8 {
		t.Errorf("without a group of its own: got %+v", v)
	}
	a.cgroup, b.cgroup = time.Second, 2500*time.Millisecond
	if v := account(a, b, 50); math.Abs(v.Missing-1) > 0.001 {
		t.Errorf("with a group of its own: got %+v", v)
	}
}

func TestSpent(t *testing.T) {
	before := map[int]mark{1: {start: 1, cpu: 100, reaped: 500}, 2: {start: 5, cpu: 40}, 3: {start: 6, cpu: 7}}
	for _, c := range []struct {
		name  string
		after map[int]mark
		want  int64
	}{
		{"nothing happened", before, 0},
		{"one worked", map[int]mark{1: {1, 150, 500}, 2: {5, 40, 0}, 3: {6, 7, 0}}, 50},
		{"one ended after 3 more ticks", map[int]mark{1: {1, 100, 543}, 3: {6, 7, 0}}, 3},
		{"a number was used again", map[int]mark{1: {1, 100, 540}, 2: {900, 9, 0}, 3: {6, 7, 0}}, 9},
		{"a new one", map[int]mark{1: {1, 100, 500}, 2: {5, 40, 0}, 3: {6, 7, 0}, 4: {901, 11, 0}}, 11},
	} {
		if got := spent(before, c.after); got != c.want {
			t.Errorf("%s: got %d ticks, want %d", c.name, got, c.want)
		}
	}
}

func FuzzCPUStat(f *testing.F) {
	f.Add([]byte("cpu  100 20 30 4000 50 6 7 8 0 0\nbtime 1764000000\nusage_usec 25\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseCPUStat(b)
		parseUsage(b)
		parseMemTotal(b)
	})
}
