package incident

import (
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// TestAProcessMovedIntoARogueUnitsGroupIsNotConvicted: the intruder wrote the number of the owner's server into the control group of
// his unit. What the unit starts, and what came after it was made, stays convicted.
func TestAProcessMovedIntoARogueUnitsGroupIsNotConvicted(t *testing.T) {
	snap := guideHost()
	snap.Footholds[0].Attr.Btime = at.Add(-time.Minute)
	for i := range snap.Processes {
		switch p := &snap.Processes[i]; p.ID.PID {
		case 200:
			p.Unit, p.Started = "sysetmd.service", at.Add(-time.Hour)
		case 101:
			p.PPID = 1
		}
	}
	unit := deminer.Artifact{Kind: deminer.KindFile, Path: "/etc/systemd/system/sysetmd.service"}
	got := Join(snap, []deminer.Finding{{Detector: "ioc", Topic: deminer.TopicReturns, Tier: deminer.Proof, Class: deminer.ByIdentity, Title: "a known unit", Subject: unit}})
	if len(got) != 1 {
		t.Fatalf("%d incidents", len(got))
	}
	g := grades(got[0])
	if g["process:200@2"] == deminer.Convicted || g["file:/opt/shop/shopd"] == deminer.Convicted {
		t.Error("the owner's server was convicted by the group it was put into")
	}
	if g["process:100@5"] != deminer.Convicted || g["process:101@6"] != deminer.Convicted {
		t.Errorf("the unit's own processes: %v", g)
	}
}
