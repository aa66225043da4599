package detect

import (
	"context"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hosttest"
	"github.com/deminer/deminer/internal/match"
)

// slow takes longer for the memory of the first process than a quick scan gives it.
type slow struct{ fs *hosttest.FS }

func (s slow) Exe(deminer.ProcID) (host.File, error) { return s.fs.Open("/x") }

func (s slow) Memory(ctx context.Context, id deminer.ProcID, _ int64, see func(deminer.Region, uint64, []byte) bool) error {
	if id.PID == 100 {
		<-ctx.Done()
	}
	see(deminer.Region{}, 0, []byte("nothing"))
	return nil
}

// Whoever is not looked at for want of time or room is counted: not looked at is not clean.
func TestProcessesNotLookedAtAreGaps(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /x --\nprogram\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := h.Snapshot
	for pid := 100; pid < 115; pid++ {
		s.Processes = append(s.Processes, deminer.Process{ID: deminer.ProcID{PID: pid, Start: 1}, Exe: "/opt/x", Deleted: true, CPU: 1, Started: time.Now(),
			Own: deminer.Provenance{State: deminer.Unowned}})
	}
	rules, err := match.Load()
	if err != nil {
		t.Fatal(err)
	}
	got := map[deminer.GapState]map[string]int{}
	p := &Pass{Snapshot: &s, FS: h.FS, Inside: slow{h.FS}, Rules: rules, Report: func(deminer.Finding) {}, Gap: func(g deminer.Gap) {
		if got[g.State] == nil {
			got[g.State] = map[string]int{}
		}
		got[g.State][g.Part] += max(g.Count, 1)
	}}
	p.Prepare()
	p.readMemory(context.Background())
	if err := runningContent(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	// Of 15, ten are looked into, and one of them not wholly; eight programs are read.
	if n := got[deminer.Partial]["detect/memory"]; n != 6 {
		t.Errorf("memory: %d counted, want 5 that were not read and 1 that was not read wholly", n)
	}
	if n := got[deminer.Partial]["detect/running-content"]; n != 7 {
		t.Errorf("running content: %d counted, want 7", n)
	}
}
