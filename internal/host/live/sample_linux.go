//go:build linux

package live

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// readers is how many processes are read at the same time: the host's own work comes first.
const readers = 2

// look is the first of two looks at the processes.
type look struct {
	counters
	marks   map[int]mark
	threads map[int]map[int]uint64 // process -> thread -> ticks, of processes that use the CPU
}

// Processes lists the processes, with CPU figures over the window. While the window runs, hidden processes are searched.
func (l *Live) Processes(ctx context.Context, window time.Duration) ([]deminer.Process, deminer.CPUViews, []deminer.Gap) {
	if l.proc == nil {
		return nil, deminer.CPUViews{}, []deminer.Gap{{Part: partProc, State: deminer.Failed, What: "/proc", Why: l.err.Error()}}
	}
	s := &sampler{proc: l.proc, gaps: l.gaps(), boot: bootTime()}
	seen, err := s.proc.pids(make([]byte, 64<<10))
	if err != nil {
		s.gap(deminer.Partial, "/proc", err)
	}
	s.groups = s.cgroupRoots()
	first := s.first(ctx, seen)
	candidates := s.search(ctx, seen, max(window, sweepTime))
	wait(ctx, window-time.Since(first.at))
	procs, views := s.second(ctx, first, candidates)
	s.covers(procs)
	return procs, views, s.gaps
}

// Newcomers lists what began since known was listed.
func (l *Live) Newcomers(ctx context.Context, known []deminer.Process) ([]deminer.Process, []deminer.Gap) {
	if l.proc == nil {
		return nil, nil // Processes said so
	}
	s := &sampler{proc: l.proc, boot: bootTime()}
	pids, err := s.proc.pids(make([]byte, 64<<10))
	if err != nil {
		s.gap(deminer.Partial, "/proc", err)
	}
	old := make(map[deminer.ProcID]bool, len(known))
	for i := range known {
		old[known[i].ID] = true
	}
	r := newReader(s.proc, s.boot)
	fresh := pids[:0]
	for _, pid := range pids {
		if t, err := r.stat1(pid); err == nil && !old[deminer.ProcID{PID: pid, Start: t.start}] {
			fresh = append(fresh, pid)
		}
	}
	procs := s.each(ctx, fresh, span{})
	for i := range procs {
		p := &procs[i]
		if life := time.Since(p.Started); life > 0 {
			p.CPU = p.CPUTime.Seconds() / life.Seconds()
		}
	}
	return procs, s.gaps
}

// wait sleeps unless the context ends first.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

type sampler struct {
	proc   *procfs
	boot   time.Time
	mu     sync.Mutex
	gaps   []deminer.Gap
	left   int      // threads that may still be read in this look
	groups []string // mount points of control group hierarchies
}

func (s *sampler) gap(state deminer.GapState, what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps = append(s.gaps, deminer.Gap{Part: partProc, State: state, What: what, Why: err.Error()})
}

// first takes the times of all processes.
func (s *sampler) first(ctx context.Context, pids []int) look {
	k := look{marks: make(map[int]mark, len(pids)), threads: make(map[int]map[int]uint64)}
	s.left = allThreads
	r := newReader(s.proc, s.boot)
	k.counters = s.counters()
	up := uint64(max(0, time.Since(s.boot).Seconds()*userHZ))
	for _, pid := range pids {
		if ctx.Err() != nil {
			return k
		}
		t, err := r.stat1(pid)
		if err != nil {
			continue
		}
		k.marks[pid] = mark{t.start, t.cpu, t.reaped}
		if t.threads > 1 && busy(t, up) {
			k.threads[pid] = s.threadTimes(r, pid)
		}
	}
	return k
}

// busy says whether a process used so much CPU that its threads are worth a look: 10 s in all or 1 % of its life.
func busy(s stat, up uint64) bool {
	life := up - min(up, s.start)
	return s.cpu >= 10*userHZ || s.cpu > 0 && s.cpu*100 >= life
}

// second takes the times again and then reads the processes in full; candidates are those that a search found beyond the
// directory, with the views that show them.
func (s *sampler) second(ctx context.Context, first look, candidates sightings) ([]deminer.Process, deminer.CPUViews) {
	pids, err := s.proc.pids(make([]byte, 64<<10))
	if err != nil {
		s.gap(deminer.Partial, "/proc", err)
	}
	now := s.counters()
	r := newReader(s.proc, s.boot)
	marks := make(map[int]mark, len(pids))
	for _, pid := range pids {
		if t, err := r.stat1(pid); err == nil {
			marks[pid] = mark{t.start, t.cpu, t.reaped}
		}
	}
	s.left = allThreads
	procs := s.each(ctx, pids, span{first, now.at, marks})
	procs = append(procs, s.hidden(ctx, procs, candidates)...)
	return procs, account(first.counters, now, spent(first.marks, marks))
}

// span is what was measured between the two looks.
type span struct {
	first look
	at    time.Time
	marks map[int]mark
}

// cores says how many cores a process used in the span, and whether it was there at the first look.
func (w span) cores(id deminer.ProcID) (float64, bool) {
	now, ok := w.marks[id.PID]
	if !ok || now.start != id.Start {
		return 0, false
	}
	was, known := w.first.marks[id.PID]
	if known = known && was.start == id.Start; !known {
		was = mark{}
	}
	window := w.at.Sub(w.first.at).Seconds()
	if window <= 0 {
		return 0, known
	}
	return ticks(now.cpu-min(was.cpu, now.cpu)).Seconds() / window, known
}

// each reads processes with a few readers; the order of pids is kept.
func (s *sampler) each(ctx context.Context, pids []int, w span) []deminer.Process {
	out := make([]deminer.Process, len(pids))
	left := newBudget()
	var group sync.WaitGroup
	for n := range min(readers, len(pids)) {
		group.Go(func() {
			r := newReader(s.proc, s.boot)
			r.left = left
			for i := n; i < len(pids) && ctx.Err() == nil; i += readers {
				out[i] = s.one(r, pids[i], w)
			}
		})
	}
	group.Wait()
	if left.text.Load() <= 0 {
		s.gap(deminer.Partial, "command lines and environments", fmt.Errorf("they are longer than %d MiB together; some were cut to %d bytes", allText>>20, shortText))
	}
	if n := left.smaps.Load(); n < 0 {
		s.gap(deminer.Partial, "memory", fmt.Errorf("of %d processes the resident size of large regions was not read", -n))
	}
	if err := ctx.Err(); err != nil {
		s.gap(deminer.Partial, "/proc", err)
	}
	return slices.DeleteFunc(out, func(p deminer.Process) bool { return p.ID.PID == 0 })
}

// one reads one process and sets its figures over the window; the zero Process if it ended before anything was read. If
// it did not end and cannot be read all the same, the search for hidden processes comes upon it.
func (s *sampler) one(r *reader, pid int, w span) deminer.Process {
	p, st, err := r.process(pid)
	if err == errCovered {
		return s.outside(pid)
	}
	if err != nil {
		return deminer.Process{}
	}
	var known bool
	p.CPU, known = w.cores(p.ID)
	before, counted := w.first.threads[pid]
	if st.threads < 2 || !counted && p.CPU < 0.05 {
		return p
	}
	if !known {
		before = map[int]uint64{}
	} else if !counted {
		before = nil
	}
	s.threads(r, &p, before, time.Since(w.first.at))
	return p
}
