package main

import (
	"context"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/contract"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/host"
)

// remember hands on to the history what no event tells: who runs already, what the processor is used for, what the sensors lost.
type remember struct {
	past  *history.Store
	usage func() []agent.Used
	drops func() map[deminer.EventKind]uint64
	lost  map[deminer.EventKind]uint64 // told so far
}

// begin keeps the processes that run already. Events that come meanwhile wait with the sensors.
func (r *remember) begin(ctx context.Context, live host.Live) {
	if live == nil {
		return
	}
	list, _, _ := live.Processes(ctx, time.Millisecond) // what cannot be seen is told by the look at the whole host
	for i := range list {
		r.past.Seen(&list[i])
	}
	r.sample()
}

// sample is asked about once a minute who used the processor.
func (r *remember) sample() []agent.Used {
	list, now := r.usage(), time.Now()
	for _, u := range list {
		r.past.Sample(&deminer.Process{ID: u.ID, CPUTime: u.CPU}, now)
	}
	for kind, n := range r.drops() {
		if n > r.lost[kind] {
			r.past.Lost(kind, n-r.lost[kind])
			r.lost[kind] = n
		}
	}
	return list
}

// pace makes way for the host's own work. Kernels that tell of no pressure leave the usual pace.
func pace(waited time.Duration) (slower int, may bool) {
	p, _ := contract.ReadPressure() // what could be read is there all the same
	way := contract.PaceFor(p)
	return way.Slower, way.May(waited)
}
