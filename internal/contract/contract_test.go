package contract

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	full := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// manager listens as a service manager would.
func manager(t *testing.T, watchdog string) (*Notifier, func() string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "s")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", watchdog)
	t.Setenv("WATCHDOG_PID", "")
	n := NewNotifier()
	return n, func() string {
		b := make([]byte, 500)
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		k, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:k])
	}
}

func TestNotify(t *testing.T) {
	n, heard := manager(t, "")
	if os.Getenv("NOTIFY_SOCKET") != "" || !n.Managed() || n.Watchdog() != 0 {
		t.Errorf("environment %q, managed %v, watchdog %v", os.Getenv("NOTIFY_SOCKET"), n.Managed(), n.Watchdog())
	}
	for _, c := range []struct {
		say  func() error
		want string
	}{{func() error { return n.Ready("watches\nSTOPPING=1") }, "READY=1\nSTATUS=watches STOPPING=1"}, {n.Stopping, "STOPPING=1"}, {func() error { return n.Status("x") }, "STATUS=x"}} {
		if err := c.say(); err != nil {
			t.Fatal(err)
		}
		if got := heard(); got != c.want {
			t.Errorf("heard %q, want %q", got, c.want)
		}
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := NewNotifier().Ready("nobody"); err != nil {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestWatchdogStarves: the watchdog is fed after a beat, and no longer once the loop stands still.
func TestWatchdogStarves(t *testing.T) {
	n, heard := manager(t, "1000000")
	done := make(chan struct{})
	ended := make(chan struct{})
	n.Beat()
	go func() { n.Watch(done, func(err error) { t.Error(err) }); close(ended) }()
	if got := heard(); got != "WATCHDOG=1" {
		t.Errorf("heard %q", got)
	}
	for { // what was fed while the beat was young may still be on its way
		since, ok := n.Fed()
		if !ok {
			t.Fatal("no beat")
		}
		if since > 2*n.Watchdog() {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	close(done)
	<-ended
	_ = n.Status("end")
	fed := 0
	for heard() != "STATUS=end" {
		fed++
	}
	if fed > 3 { // half a second of a young beat, asked for every quarter
		t.Errorf("fed %d times though the loop stood still", fed)
	}
	if NewNotifier().Watchdog() != 0 {
		t.Error("the environment was left")
	}
}

func TestPressure(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "cpu", "some avg10=98.31 avg60=83.19 avg300=44.56 total=196739307\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
	write(t, dir, "memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
	write(t, dir, "io", "some avg10=12.5 avg60=0.00 avg300=0.00 total=0\n")
	p, err := readPressure(dir)
	if err != nil || p != (Pressure{98.31, 0, 12.5}) {
		t.Errorf("%+v %v", p, err)
	}
	write(t, dir, "io", "some avg10=1e9\n")
	os.Remove(filepath.Join(dir, "memory"))
	if p, err := readPressure(dir); err == nil || p.CPU != 98.31 {
		t.Errorf("%+v %v", p, err)
	}
	for _, c := range []struct {
		p      Pressure
		slower int
		wait   bool
	}{{Pressure{}, 1, false}, {Pressure{CPU: 59}, 1, false}, {Pressure{CPU: 60}, 3, true}, {Pressure{CPU: 100}, 8, true}, {Pressure{Memory: 12}, 3, true},
		{Pressure{Memory: 31, CPU: 65}, 8, true}, {Pressure{IO: 50}, 3, true}} {
		got := PaceFor(c.p)
		if got.Slower != c.slower || got.Wait != c.wait || got.Wait == (got.Why == "") {
			t.Errorf("%+v: %+v", c.p, got)
		}
		if !got.May(Longest) || got.May(0) == c.wait {
			t.Errorf("%+v: may begin at once %v, after %s %v", c.p, got.May(0), Longest, got.May(Longest))
		}
	}
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "self", "0::/deminer.slice/deminer-agent.service\n")
	root := filepath.Join(dir, "root")
	write(t, root, "cgroup.controllers", "cpu memory pids\n")
	write(t, root, "deminer.slice/cpu.max", "50000 100000\n")
	write(t, root, "deminer.slice/memory.max", "402653184\n")
	write(t, root, "deminer.slice/memory.high", "268435456\n")
	write(t, root, "deminer.slice/pids.max", "64\n")
	write(t, root, "deminer.slice/deminer-agent.service/cpu.max", "max 100000\n")
	write(t, root, "deminer.slice/deminer-agent.service/memory.max", "max\n")
	write(t, root, "deminer.slice/deminer-agent.service/pids.max", "32\n")
	l, err := readLimits(filepath.Join(dir, "self"), root)
	want := Limits{Group: "/deminer.slice/deminer-agent.service", CPU: 0.5, Memory: 384 << 20, MemoryHigh: 256 << 20, Tasks: 32}
	if err != nil || l != want {
		t.Errorf("%+v %v, want %+v", l, err, want)
	}
	if s := l.String(); s != "0.5 cores, 384 MiB (slowed down above 256), 32 tasks" || l.Missing() != nil {
		t.Errorf("%q, missing %v", s, l.Missing())
	}
	old := filepath.Join(dir, "old")
	write(t, dir, "self1", "4:cpu,cpuacct:/x\n3:memory:/x\n2:pids:/x\n0::/x\n")
	write(t, old, "cpu/x/cpu.cfs_quota_us", "20000\n")
	write(t, old, "cpu/x/cpu.cfs_period_us", "100000\n")
	write(t, old, "memory/x/memory.limit_in_bytes", "9223372036854771712\n")
	write(t, old, "pids/x/pids.max", "max\n")
	l, err = readLimits(filepath.Join(dir, "self1"), old)
	if err != nil || l.CPU != 0.2 || l.Memory != 0 || l.Tasks != 0 || strings.Join(l.Missing(), " ") != "memory tasks" {
		t.Errorf("version 1: %+v %v", l, err)
	}
}

// TestEnter makes a group in a directory that stands for the kernel's: what is asked for, and that it goes with the agent.
func TestEnter(t *testing.T) {
	root := t.TempDir()
	if _, err := enter(root, 7, nil); err == nil {
		t.Error("a group where there are no controllers")
	}
	write(t, root, "cgroup.controllers", "cpuset cpu memory pids\n")
	write(t, root, "cgroup.subtree_control", "memory\n")
	write(t, root, "deminer/cpu.max", "max 100000")
	g, err := enter(root, 7, map[string]string{"cpu.max": "50000 100000"})
	if err != nil || strings.Join(g.on, " ") != "cpu pids" {
		t.Fatalf("%+v %v", g, err)
	}
	if got := word(root, "deminer/cpu.max"); got != "50000 100000" {
		t.Errorf("cpu.max %q", got)
	}
	if got := word(root, "deminer/cgroup.procs"); got != "7" {
		t.Errorf("procs %q", got)
	}
}

func TestLife(t *testing.T) {
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at, up := time.Date(2026, 3, 3, 4, 0, 0, 0, time.UTC), 100.0
	now := func() (time.Time, float64) { return at, up }
	later := func(d time.Duration) { at, up = at.Add(d), up+d.Seconds() }
	begin := func(boot string) (*Keeper, *Absence) {
		t.Helper()
		k, a, err := begin(dir, "1", boot, now)
		if err != nil {
			t.Fatal(err)
		}
		return k, a
	}
	k, a := begin("b1")
	if a != nil {
		t.Errorf("first: %+v", a)
	}
	later(time.Minute)
	if err := k.Beat(); err != nil {
		t.Fatal(err)
	}
	later(time.Hour)
	k, a = begin("b1") // killed
	if a == nil || !a.Killed || a.Clean || a.Rebooted || a.Span != time.Hour || !a.From.Equal(at.Add(-time.Hour)) || !a.To.Equal(at) || a.PID != os.Getpid() {
		t.Errorf("killed: %+v", a)
	}
	if err := k.End(EndStop); err != nil {
		t.Fatal(err)
	}
	later(time.Minute)
	k, a = begin("b1") // stopped
	if a == nil || a.Killed || !a.Clean || a.Upgrade || a.Span != time.Minute {
		t.Errorf("stopped: %+v", a)
	}
	_ = k.End(EndUpgrade)
	later(time.Second)
	_, a = begin("b1")
	if a == nil || !a.Upgrade || a.Killed {
		t.Errorf("upgraded: %+v", a)
	}
	later(time.Minute)
	up = 5
	_, a = begin("b2") // power cut
	if a == nil || !a.Rebooted || a.Killed || a.Clean || a.Span != time.Minute {
		t.Errorf("rebooted: %+v", a)
	}
	at, up = at.Add(-24*time.Hour), up+60 // killed, and the clock set back
	_, a = begin("b2")
	if a == nil || !a.Killed || !a.Late || a.Span != time.Minute {
		t.Errorf("clock set back: %+v", a)
	}
	if err := os.WriteFile(filepath.Join(dir.Name(), lifeFile), []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, a, err := Begin(dir, "1"); err == nil || a != nil {
		t.Errorf("a torn trail: %+v %v", a, err)
	}
	if _, a, err := Begin(dir, "1"); err != nil || a == nil {
		t.Errorf("the trail after it: %+v %v", a, err)
	}
}

func TestHandover(t *testing.T) {
	dir := t.TempDir()
	if Upgrading(dir) {
		t.Error("nobody announced it")
	}
	end, err := Announce(dir)
	if err != nil || !Upgrading(dir) {
		t.Fatalf("announced: %v %v", err, Upgrading(dir))
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, handover), old, old); err != nil || Upgrading(dir) {
		t.Errorf("an old one holds: %v", err)
	}
	if err := end(); err != nil || Upgrading(dir) {
		t.Errorf("ended: %v", err)
	}
	if end, err := Announce(dir + "/none"); err != nil || end() != nil {
		t.Errorf("where no agent runs: %v", err)
	}
}
