package store

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/bus"
	"github.com/deminer/deminer/internal/link"
)

// road brings what an agent sends to a server, without a wire.
type road struct {
	w    *world
	sent chan error
}

func (r road) Send(ctx context.Context, m deminer.Message) (deminer.Reply, error) {
	err := r.w.Take(ctx, "h1", m)
	if m.Kind == deminer.MessageReport {
		r.sent <- err
	}
	return deminer.Reply{OK: err == nil}, nil
}

// TestBigReport: what an agent's spool and the wire let through is kept, and nothing of it is left out.
func TestBigReport(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		w := newWorld(t, d, nil)
		dir, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		l, err := link.Open(link.Options{Dir: dir, Fits: bus.Fits, Say: func(_ bool, s string) { t.Log(s) },
			State: func() deminer.AgentState { return deminer.AgentState{Mode: "watching"} },
			Deeds: link.Deeds{Vault: func() ([]deminer.Kept, error) { return nil, nil }, Blocks: func() ([]deminer.Blocked, error) { return nil, nil }}})
		if err != nil {
			t.Fatal(err)
		}
		rep := deminer.Report{Mode: "quick", Snapshot: deminer.Snapshot{Taken: time.Unix(1_800_000_000, 0)}}
		for len(rep.Snapshot.Gaps)*400 < 2<<20 {
			rep.Snapshot.Gaps = append(rep.Snapshot.Gaps, deminer.Gap{Part: "x", Why: strings.Repeat("some words of a gap ", 20)})
		}
		if err := l.Tell(deminer.MessageReport, "", rep); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		r, ended := road{w, make(chan error, 1)}, make(chan bool)
		go func() { l.Run(ctx, r); close(ended) }()
		err = <-r.sent
		stop()
		<-ended
		if err != nil {
			t.Fatal(err)
		}
		if got, err := w.Reports(t.Context(), "h1", "", 10); err != nil || len(got) != 1 || got[0].Gaps != len(rep.Snapshot.Gaps) {
			t.Errorf("got %+v %v", got, err)
		}
	})
}
