package agent

import (
	"context"
	"time"

	"github.com/deminer/deminer"
)

// Thresholds of the slow sampler.
const (
	steady  = 0.5 // cores, in each of three samples one after the other
	samples = 3
	again   = 15 * time.Minute // until the same process is looked at again; longer each time
	longest = 4 * time.Hour
)

// sampler remembers who used the processor.
type sampler struct {
	at   time.Time
	used map[deminer.ProcID]time.Duration
	busy map[deminer.ProcID]int
	next map[deminer.ProcID]time.Time
	wait map[deminer.ProcID]time.Duration
}

func newSampler() *sampler {
	return &sampler{busy: map[deminer.ProcID]int{}, next: map[deminer.ProcID]time.Time{}, wait: map[deminer.ProcID]time.Duration{}}
}

// see compares with the sample before and gives the processes that are worth a look now.
func (s *sampler) see(now time.Time, list []Used) (out []deminer.ProcID) {
	used, busy := make(map[deminer.ProcID]time.Duration, len(list)), map[deminer.ProcID]int{}
	next, pause := map[deminer.ProcID]time.Time{}, map[deminer.ProcID]time.Duration{}
	span := now.Sub(s.at).Seconds()
	for _, u := range list {
		used[u.ID] = u.CPU
		if at, ok := s.next[u.ID]; ok { // kept over a pause: who stops for a minute is not looked at more often
			next[u.ID], pause[u.ID] = at, s.wait[u.ID]
		}
		before, known := s.used[u.ID]
		if !known || span <= 0 || (u.CPU-before).Seconds()/span < steady {
			continue
		}
		busy[u.ID] = s.busy[u.ID] + 1
		if busy[u.ID] >= samples && !now.Before(next[u.ID]) {
			out = append(out, u.ID)
			pause[u.ID] = min(max(2*pause[u.ID], again), longest)
			next[u.ID] = now.Add(pause[u.ID])
		}
	}
	s.at, s.used, s.busy, s.next, s.wait = now, used, busy, next, pause
	return out
}

// sample is for what has no event: who burns the processor, what nobody looked at for long.
func (a *Agent) sample(ctx context.Context) {
	a.queue.wantWhole(time.Now()) // whoever started the agent waits for it
	tick := time.NewTicker(a.opt.Every)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if slower := a.regular(now); now.Sub(last) > time.Duration(slower)*a.opt.Every-a.opt.Every/2 {
			last = now
			a.burning(now)
		}
	}
}

// mending is how long after a look at the whole host another may be wanted because of what the sensors lost.
const mending = 10 * time.Minute

// lost counts the events by which something is proven and that had no room.
func (a *Agent) lost() uint64 {
	a.mu.Lock()
	n := a.counts.Late
	a.mu.Unlock()
	for kind, dropped := range a.opt.Sensors.Drops() {
		switch kind {
		case deminer.EventExit, deminer.EventFork, deminer.EventBind, deminer.EventSignal, deminer.EventUID:
		default:
			n += dropped
		}
	}
	return n
}

// burning looks at those who use the processor without a pause.
func (a *Agent) burning(now time.Time) {
	for _, id := range a.load.see(now, a.opt.Usage()) {
		a.queue.add(&job{key: "process " + id.String(), why: "a process used the processor without a pause", due: now, window: longWindow, pids: []int{id.PID}, procs: []deminer.ProcID{id}})
	}
}

// regular wants the looks at the whole host that are due, also for what the sensors lost since the one before, which must be found
// without an event; and it says how many times slower than usual samples are to be taken. What only
// time asks for makes way for the host's own work; what was contained for a time that is over does not wait.
func (a *Agent) regular(now time.Time) (slower int) {
	lost := a.lost()
	a.mu.Lock()
	over := a.done.over(now)
	waited := now.Sub(a.whole) - a.opt.Whole
	if lost > a.missed {
		waited = max(waited, now.Sub(a.whole)-mending)
	}
	due := !a.whole.IsZero() && waited >= 0
	a.mu.Unlock()
	slower, may := 1, true
	if a.opt.Pace != nil {
		slower, may = a.opt.Pace(max(waited, 0))
	}
	if over || due && may {
		a.queue.wantWhole(now)
	}
	return slower
}
