package incident

import (
	"testing"

	"github.com/deminer/deminer"
)

// TestNewDirectories: a directory made with the intrusion is convicted with what lay in it, one without anything convicted is not.
func TestNewDirectories(t *testing.T) {
	dir := func(name string) deminer.Finding {
		return deminer.Finding{Detector: "kit-directory", Topic: deminer.TopicMining, Tier: deminer.Weak, Class: deminer.ByProvenance, Title: name, Subject: file(name),
			Remove: []deminer.Action{{Verb: deminer.VerbQuarantine, Target: file(name), Args: map[string]deminer.Raw{"only": "empty"}}}}
	}
	found := []deminer.Finding{dir("/root/kit"), dir("/opt/report"),
		{Detector: "x", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByContent, Title: "mines", Subject: file("/root/kit/bin/m")}}
	snap := guideHost()
	const wants = "/home/alice/.config/systemd/user/default.target.wants"
	unit := &snap.Footholds[0]
	unit.Remove = []deminer.Action{{Verb: deminer.VerbDropFile, Target: file(wants + "/sysetmd.service")}}
	found = append(found, dir(wants), deminer.Finding{Detector: "y", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByContent, Title: "starts it", Subject: unit.Artifact()})
	got := Join(snap, found)
	if len(got) == 0 {
		t.Fatal("no incident")
	}
	if g := grades(got[0]); g["file:"+wants] != deminer.Convicted {
		t.Errorf("the directory of a unit's link: %v", g)
	}
	g := grades(got[len(got)-1])
	for _, inc := range got {
		if _, ok := grades(inc)["file:/root/kit"]; ok {
			g = grades(inc)
			got[0] = inc
		}
	}
	if g["file:/root/kit"] != deminer.Convicted || g["file:/opt/report"] == deminer.Convicted {
		t.Errorf("grades %v", g)
	}
	for _, m := range got[0].Members {
		if m.Artifact.Path == "/root/kit" && (len(m.Remove) != 1 || m.Remove[0].Args["only"] != "empty") {
			t.Errorf("recipe %v", m.Remove)
		}
	}
}

// TestReplacedCommandIsNotShielded: that a package owns the name does not shield another content in its place; one that
// was compared and found unchanged is shielded.
func TestReplacedCommandIsNotShielded(t *testing.T) {
	for state, want := range map[deminer.ProvState]deminer.Grade{deminer.Owned: deminer.Convicted, deminer.Modified: deminer.Convicted, deminer.Intact: deminer.Suspected} {
		snap := guideHost()
		snap.Footholds = append(snap.Footholds, deminer.Foothold{Mechanism: "wrapped", ID: "PL-30", Path: "/usr/bin/ps", Own: deminer.Provenance{State: state}})
		found := []deminer.Finding{
			{Detector: "stratum", Topic: deminer.TopicMining, Tier: deminer.Proof, Class: deminer.ByNetwork, Title: "speaks Stratum", Subject: proc(101, 6), Time: at},
			{Detector: "replaced-command", Topic: deminer.TopicTamper, Tier: deminer.Proof, Class: deminer.ByTamper, Title: "not the packaged one", Subject: file("/usr/bin/ps"), Time: at}}
		for _, inc := range Join(snap, found) {
			if g, ok := grades(inc)["file:/usr/bin/ps"]; ok && g != want {
				t.Errorf("%s: %s, want %s", state, g, want)
			}
		}
	}
}
