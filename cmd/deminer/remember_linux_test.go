package main

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/agent"
	"github.com/deminer/deminer/internal/history"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/host/live"
)

// TestRemember: the history knows who ran before the agent, what the processor was used for, and what the sensors lost.
func TestRemember(t *testing.T) {
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	past, err := history.Open(dir, history.Options{Lock: hands.Lock})
	if err != nil {
		t.Fatal(err)
	}
	eyes := live.Open()
	defer eyes.Close()
	self, err := eyes.Glance(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	used := time.Duration(0)
	drops := map[deminer.EventKind]uint64{}
	r := &remember{past: past, lost: map[deminer.EventKind]uint64{}, drops: func() map[deminer.EventKind]uint64 { return drops },
		usage: func() []agent.Used { return []agent.Used{{ID: self.ID, CPU: used}} }}
	r.begin(t.Context(), eyes)
	time.Sleep(10 * time.Millisecond)
	used, drops[deminer.EventExec] = time.Hour, 3
	if got := r.sample(); len(got) != 1 {
		t.Errorf("%d processes", len(got))
	}
	time.Sleep(10 * time.Millisecond)
	r.sample() // at rest: the stretch of work is over
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := past.Run(ctx); err != nil {
		t.Fatal(err)
	}
	var kinds []deminer.EventKind
	err = past.Query(history.Filter{}, func(e history.Entry) bool {
		if e.Kind == history.KindGap || e.Proc == self.ID {
			kinds = append(kinds, e.Kind)
		}
		if e.Kind == history.KindGap && e.Count != 3 {
			t.Errorf("%d lost", e.Count)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []deminer.EventKind{history.KindProcess, history.KindCPU, history.KindGap} {
		if !slices.Contains(kinds, k) {
			t.Errorf("%s is not in the history: %v", k, kinds)
		}
	}
	if err := past.Close(); err != nil {
		t.Error(err)
	}
}
