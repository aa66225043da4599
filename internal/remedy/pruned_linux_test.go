//go:build linux

package remedy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// week is how long a block's journal stays behind it.
const week = 7 * 24 * time.Hour

func TestPrune(t *testing.T) {
	w := newWorld(t, false)
	now := time.Now()
	w.runner.Tools.Hands.Net = &fakeNet{}
	w.runner.Tools.Now = func() time.Time { return now }
	step := deminer.Step{ID: "s01", Phase: deminer.PhaseBlock, Undo: true, Action: deminer.Action{Verb: deminer.VerbBlock,
		Target: deminer.Artifact{Kind: deminer.KindAddress, Addr: "198.51.100.9"}, Args: map[string]deminer.Raw{"from": "yes", "for": "1h0m0s"}}}
	p := deminer.Plan{ID: "20260301-000000-ab", Version: "1", Made: now, Purpose: deminer.ForBan, Steps: []deminer.Step{step}}
	if err := w.runner.Run(t.Context(), p, p.Digest(), nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{2 * time.Hour, 0}, {week + 2*time.Hour, 1}, {week + 3*time.Hour, 0}} {
		now = time.Now().Add(c.after)
		n, err := w.runner.Prune(t.Context())
		if err != nil || n != c.want {
			t.Errorf("after %s: %d forgotten, want %d: %v", c.after, n, c.want, err)
		}
	}
	if left, _ := w.runner.Journal.Plans(); slices.Contains(left, p.ID) {
		t.Errorf("left: %v", left)
	}
}
