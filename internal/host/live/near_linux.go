//go:build linux

package live

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

var _ host.Near = (*Live)(nil)

// Some describes these processes and their kin, with CPU figures over the window. Of all others only the numbers are read.
func (l *Live) Some(ctx context.Context, pids []int, window time.Duration) ([]deminer.Process, []deminer.Gap) {
	if l.proc == nil {
		return nil, []deminer.Gap{{Part: partProc, State: deminer.Failed, What: "/proc", Why: l.err.Error()}}
	}
	s := &sampler{proc: l.proc, boot: bootTime()}
	all, err := s.proc.pids(make([]byte, 64<<10))
	if err != nil {
		s.gap(deminer.Partial, "/proc", err)
	}
	r := newReader(s.proc, s.boot)
	parents := make(map[int]int, len(all))
	for _, pid := range append(all, pids...) {
		if t, err := r.stat1(pid); err == nil {
			parents[pid] = t.ppid
		}
	}
	kin := host.Kin(parents, pids)
	if len(kin) >= host.MaxKin {
		s.gap(deminer.Partial, "/proc", fmt.Errorf("only %d processes around the event were looked at", len(kin)))
	}
	var some []int
	for pid := range kin {
		some = append(some, pid)
	}
	slices.Sort(some)
	first := s.first(ctx, some)
	wait(ctx, window-time.Since(first.at))
	marks := make(map[int]mark, len(some))
	at := time.Now()
	for _, pid := range some {
		if t, err := r.stat1(pid); err == nil {
			marks[pid] = mark{t.start, t.cpu, t.reaped}
		}
	}
	s.left = allThreads
	return s.each(ctx, some, span{first, at, marks}), s.gaps
}

// Used is how much processor time a process has used since it began.
type Used struct {
	ID  deminer.ProcID
	CPU time.Duration
}

// Usage gives the processor time of every process that its directory shows; nothing else is read of them.
func (l *Live) Usage() []Used {
	if l.proc == nil {
		return nil
	}
	pids, _ := l.proc.pids(make([]byte, 64<<10)) // what was listed before an error counts
	r := newReader(l.proc, time.Time{})
	out := make([]Used, 0, len(pids))
	for _, pid := range pids {
		if t, err := r.stat1(pid); err == nil {
			out = append(out, Used{deminer.ProcID{PID: pid, Start: t.start}, ticks(t.cpu)})
		}
	}
	return out
}

// UsedBy gives the processor time of one process; false: it has ended.
func (l *Live) UsedBy(id deminer.ProcID) (time.Duration, bool) {
	if l.proc == nil {
		return 0, false
	}
	t, err := newReader(l.proc, time.Time{}).stat1(id.PID)
	if err != nil || t.start != id.Start {
		return 0, false
	}
	return ticks(t.cpu), true
}
