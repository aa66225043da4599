package main

import (
	"testing"

	"github.com/deminer/deminer"
)

// TestUnitsBack: a unit whose file was taken away is back when it runs, but not when systemd only remembers its timer.
func TestUnitsBack(t *testing.T) {
	p := &deminer.Plan{Steps: []deminer.Step{
		{ID: "s01", Action: deminer.Action{Verb: deminer.VerbDropFile, Target: deminer.Artifact{Kind: deminer.KindFile, Path: "/etc/systemd/system/x.timer"}}},
		{ID: "s02", Action: deminer.Action{Verb: deminer.VerbDropFile, Target: deminer.Artifact{Kind: deminer.KindFile, Path: "/etc/systemd/system/x.service"}}},
	}}
	for _, c := range []struct {
		unit deminer.Unit
		back bool
	}{
		{deminer.Unit{Name: "x.timer", Load: "not-found", Active: "active"}, false},
		{deminer.Unit{Name: "x.timer", Load: "loaded", Active: "active", Fragment: "/etc/systemd/system/x.timer"}, true},
		{deminer.Unit{Name: "x.service", Load: "not-found", Active: "active", MainPID: 7}, true},
		{deminer.Unit{Name: "x.service", Load: "not-found", Active: "inactive"}, false},
		{deminer.Unit{Name: "y.service", Load: "loaded", Active: "active"}, false},
	} {
		rep := &deminer.Report{Snapshot: deminer.Snapshot{Units: []deminer.Unit{c.unit}}}
		if got := unitsBack(rep, p); len(got) > 0 != c.back {
			t.Errorf("%+v: back %v, want %v", c.unit, got, c.back)
		}
	}
}
