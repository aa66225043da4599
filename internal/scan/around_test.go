package scan

import (
	"context"
	"slices"
	"testing"

	"github.com/deminer/deminer"
)

// TestAround: a look around an event sees what a look at the whole host sees of it, and nothing else.
func TestAround(t *testing.T) {
	h := open(t, "testdata/guide.txtar")
	whole, err := Run(context.Background(), &h.Host, ruleset(t), Options{Window: 1})
	if err != nil {
		t.Fatal(err)
	}
	var miner deminer.Artifact
	for _, inc := range whole.Incidents {
		for _, m := range inc.Members {
			if m.Artifact.Kind == deminer.KindProcess && m.Grade == deminer.Convicted {
				miner = m.Artifact
			}
		}
	}
	if miner.Kind == "" {
		t.Fatal("the host of the test has no convicted process")
	}
	near, err := Run(context.Background(), &h.Host, ruleset(t), Options{Window: 1, Around: &Around{PIDs: []int{miner.Proc.PID}}})
	if err != nil {
		t.Fatal(err)
	}
	if near.Mode != string(Near) || len(near.Snapshot.Footholds) > 0 || len(near.Snapshot.Processes) >= len(whole.Snapshot.Processes) {
		t.Errorf("mode %s, %d footholds, %d of %d processes", near.Mode, len(near.Snapshot.Footholds), len(near.Snapshot.Processes), len(whole.Snapshot.Processes))
	}
	if !slices.ContainsFunc(near.Incidents, func(i deminer.Incident) bool {
		return slices.ContainsFunc(i.Members, func(m deminer.Member) bool {
			return m.Artifact.Ref() == miner.Ref() && m.Grade == deminer.Convicted
		})
	}) {
		t.Errorf("%s is convicted by a look at the whole host and not by one around it: %+v", miner.Ref(), near.Findings)
	}
	for _, f := range near.Findings {
		if !slices.ContainsFunc(whole.Findings, func(g deminer.Finding) bool { return g.Key() == f.Key() }) {
			t.Errorf("only the look around the event says: %s", f.Title)
		}
	}
}

// TestAroundFile: of the footholds those are listed that lie in the changed file or belong to them.
func TestAroundFile(t *testing.T) {
	h := open(t, "testdata/guide.txtar")
	const unit = "/etc/systemd/system/sysetmd.service"
	near, err := Run(context.Background(), &h.Host, ruleset(t), Options{Window: 1, Around: &Around{Files: []string{unit}, Mechanisms: []string{"systemd-unit"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(near.Snapshot.Footholds) == 0 {
		t.Fatal("no foothold was listed")
	}
	for _, f := range near.Snapshot.Footholds {
		if string(f.Path) != unit && f.Name != "sysetmd.service" {
			t.Errorf("listed, too: %s %s", f.Path, f.Name)
		}
	}
	if len(near.Snapshot.Processes) > 0 {
		t.Errorf("%d processes though none was asked for", len(near.Snapshot.Processes))
	}
}
