package agent

import (
	"context"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/policy"
)

// TestFound: what others found makes alerts, unless something was done to the host since.
func TestFound(t *testing.T) {
	seen := 0
	a := New(Options{Policy: func() *policy.Policy { return &policy.Policy{} }, Digest: func(alert.Thing) string { return "" }, Say: func(bool, string) {},
		Alerts: counting{seen: &seen}})
	rep := deminer.Report{Findings: []deminer.Finding{{Tier: deminer.Proof, Topic: deminer.TopicMining, Title: "a miner"}},
		Incidents: []deminer.Incident{{ID: "1", Members: []deminer.Member{{Artifact: deminer.Artifact{Kind: deminer.KindFile, Path: "/tmp/x"}, Grade: deminer.Convicted, Findings: []int{0}}}}}}
	rep.Snapshot.Taken = time.Now()
	a.Found(rep)
	a.takeIn(context.Background())
	if seen != 1 {
		t.Errorf("%d alerts, want 1", seen)
	}
	a.Found(rep)
	a.LookSoon()
	a.takeIn(context.Background())
	if seen != 1 {
		t.Errorf("%d alerts, want that what was found before a change is dropped", seen)
	}
	if got := Members(&rep); len(got["file:/tmp/x"]) != 1 || got["file:/tmp/x"][0] != rep.Incidents[0].Members[0].Artifact.Ref() {
		t.Errorf("members: %v", got)
	}
}

// counting counts what is seen.
type counting struct {
	Alerts
	seen *int
}

func (c counting) See(s alert.Sighting) (alert.Alert, bool, error) {
	*c.seen++
	return alert.Alert{ID: "00000001", State: alert.Unhandled}, true, nil
}
