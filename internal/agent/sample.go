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

// sample is for what has no event: who burns the processor, what nobody looked at for long, what could not be kept.
func (a *Agent) sample(ctx context.Context) {
	a.queue.wantWhole(time.Now())
	tick := time.NewTicker(a.opt.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, id := range a.load.see(time.Now(), a.opt.Usage()) {
			a.queue.add(&job{key: "process " + id.String(), why: "a process used the processor without a pause", due: time.Now(), window: longWindow, pids: []int{id.PID}, procs: []deminer.ProcID{id}})
		}
		a.mu.Lock()
		due := !a.whole.IsZero() && time.Since(a.whole) >= a.opt.Whole
		a.mu.Unlock()
		if due {
			a.queue.wantWhole(time.Now())
		}
		a.keepAgain()
	}
}
