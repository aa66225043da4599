package history

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// server makes the events of an ordinary server: jobs that start a few programs again and again, requests that make connections,
// now and then something that was not there before.
type server struct {
	*clock
	r   *rand.Rand
	pid int
}

func (v *server) next(put func(deminer.Event)) (n int) {
	v.pid++
	id := deminer.ProcID{PID: 300 + v.pid%30000, Start: uint64(v.pid)}
	exe := deminer.Raw([]string{"/usr/bin/sed", "/usr/bin/grep", "/bin/sh", "/usr/bin/python3", "/usr/bin/curl", "/usr/sbin/logrotate"}[v.r.IntN(6)])
	argv := []deminer.Raw{exe, "-n", deminer.Raw(fmt.Sprintf("/srv/data/%d", v.r.IntN(400)))}
	unit := []string{"cron.service", "nginx.service", "app.service"}[v.r.IntN(3)]
	put(deminer.Event{Kind: deminer.EventFork, Time: v.wall, Sensor: deminer.SensorBPF, Proc: id, Parent: 100, Exe: "/bin/sh", Unit: unit})
	put(deminer.Event{Kind: deminer.EventExec, Time: v.wall, Sensor: deminer.SensorBPF, Proc: id, Parent: 100, Exe: exe, Argv: argv, Comm: "x", UID: 33, EUID: 33, Unit: unit})
	for range v.r.IntN(4) {
		put(deminer.Event{Kind: deminer.EventConnect, Time: v.wall, Sensor: deminer.SensorBPF, Proc: id, Parent: 100, Exe: exe, Unit: unit, Proto: "tcp", Remote: fmt.Sprintf("192.0.2.%d:443", v.r.IntN(60))})
		n++
	}
	v.pass(time.Duration(v.r.IntN(200)) * time.Millisecond)
	put(deminer.Event{Kind: deminer.EventExit, Time: v.wall, Sensor: deminer.SensorBPF, Proc: id, Parent: 100, Exe: exe, Unit: unit})
	return n + 3
}

// BenchmarkServer: events of an ordinary server. B/event is what each takes on disk, B/kept what each entry that is kept does, MB/week
// what a week of them would take at ten programs a second.
func BenchmarkServer(b *testing.B) {
	dir := b.TempDir()
	v := &server{newClock(), rand.New(rand.NewPCG(1, 2)), 0}
	s := open(b, dir, v.options(0))
	events, last := 0, time.Duration(0)
	for b.Loop() {
		events += v.next(s.Put)
		if v.mono-last > 2*time.Second {
			s.tell(false)
			if err := s.Flush(); err != nil {
				b.Fatal(err)
			}
			last = v.mono
		}
	}
	st := s.State()
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(st.Bytes)/float64(events), "B/event")
	b.ReportMetric(float64(st.Bytes)/float64(st.Entries), "B/kept")
	b.ReportMetric(float64(st.Bytes)/v.mono.Hours()*24*7/1e6, "MB/week")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPut: what one event costs whoever puts it, without the disk.
func BenchmarkPut(b *testing.B) {
	v := &server{newClock(), rand.New(rand.NewPCG(1, 2)), 0}
	s := open(b, b.TempDir(), v.options(0))
	events := 0
	for b.Loop() {
		if events += v.next(s.Put); events%4096 < 4 {
			s.mu.Lock()
			s.buffer = nil
			s.mu.Unlock()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkQuery: what one program did, by the index, beside a look at all entries. ratio is the part of the history that is read.
func BenchmarkQuery(b *testing.B) {
	dir := b.TempDir()
	c := newClock()
	s := open(b, dir, c.options(0))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 400_000 {
		c.pass(2 * time.Second)
		s.Put(exec(2+r.IntN(30000), uint64(i+1), 1, c.wall, fmt.Sprintf("/opt/%x/%x", r.IntN(4000), r.IntN(1<<20)), fmt.Sprint(r.IntN(1000)), "--flag"))
		if i%4000 == 0 {
			if err := s.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	size := float64(s.State().Bytes)
	var some Entry
	_ = Read(root(b, dir)).Query(Filter{Since: c.wall.Add(-time.Hour)}, func(e Entry) bool { some = e; return false })
	for name, want := range map[string]Filter{"process": {Proc: some.Proc}, "hour": {Since: some.Time, Until: some.Time.Add(time.Hour)}, "all": {}} {
		b.Run(name, func(b *testing.B) {
			r := Read(root(b, dir))
			for b.Loop() {
				found := 0
				if err := r.Query(want, func(Entry) bool { found++; return true }); err != nil || found == 0 {
					b.Fatal(found, err)
				}
			}
			b.ReportMetric(float64(r.Bytes)/float64(b.N)/size, "ratio")
			b.ReportMetric(size/1e6, "MB")
		})
	}
}
