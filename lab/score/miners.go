//go:build linux

package main

import (
	"context"
	"time"

	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/scenario"
)

// miners is what the miners of a scenario did, seen from outside.
type miners struct {
	first, last time.Time // when the first one was seen, and when one used the processor last
	busy        bool      // one still did at the end
	cpu         time.Duration
}

func (m miners) span() time.Duration {
	if m.first.IsZero() {
		return 0
	}
	return m.last.Sub(m.first)
}

// watchMiners follows the processes that the scenario names until ctx ends. It closes quiet when the steps are done and for the time
// of calm since then no miner used the processor, nor came up.
func watchMiners(ctx context.Context, h *host.Host, s scenario.Scenario, steps <-chan struct{}, quiet chan<- struct{}) (m miners) {
	names := map[string]bool{}
	for _, st := range s.Steps {
		if st.Kind == scenario.Process {
			names[st.Comm] = true
		}
	}
	used := map[int]uint64{}
	var done time.Time
	told := false
	for {
		now := time.Now()
		for _, p := range h.Processes() {
			if !names[p.Comm] {
				continue
			}
			if m.first.IsZero() {
				m.first, m.last = now, now
			}
			if was, known := used[p.PID]; !known || p.Ticks > was {
				m.cpu += time.Duration(p.Ticks-was) * 10 * time.Millisecond
				used[p.PID], m.last = p.Ticks, now
			}
		}
		select {
		case <-steps:
			if done.IsZero() {
				done = now
			}
		default:
		}
		m.busy = !m.first.IsZero() && now.Sub(m.last) < calm
		if !told && !done.IsZero() && now.Sub(done) > calm && !m.busy {
			told = true
			close(quiet)
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return m
		}
	}
}
