package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/auth"
)

const calmText = "Nothing is known to be wrong."

// state tells that a host watches.
func (h *house) state(host, name string) {
	h.t.Helper()
	if err := h.agents.tell(h.t.Context(), host, deminer.MessageState, "", deminer.AgentState{Mode: "watching", Host: deminer.HostInfo{Name: name}}); err != nil {
		h.t.Fatal(err)
	}
}

// TestSuspect: what a scan suspects stands in its report and on the overview, which is not calm before a later scan clears it.
func TestSuspect(t *testing.T) {
	h := newHouse(t)
	b := h.person(auth.Viewer)
	h.state("h1", "web01")
	if text := b.get("/"); !strings.Contains(text, calmText) {
		t.Fatal("a host that nothing is known of is not calm")
	}
	key := deminer.Artifact{Kind: deminer.KindLine, Path: "/root/.ssh/authorized_keys", Line: "ssh-ed25519 AAAA root@kali"}
	r := deminer.Report{Version: "1", Mode: "quick", Verdict: deminer.VerdictSuspect, Snapshot: deminer.Snapshot{Taken: time.Now().Add(-time.Hour)}, Findings: []deminer.Finding{
		{Detector: "a", Tier: deminer.Strong, Title: "a lone sign", Why: []string{"seen in the file"}, Cleared: []string{"no package owns it"}, Subject: key},
		{Detector: "b", Tier: deminer.Weak, Title: "a faint sign", Subject: key},
		{Detector: "c", Tier: deminer.Proof, Title: "told with its incident", Subject: key}},
		Incidents: []deminer.Incident{{ID: "0001", Title: "one", Members: []deminer.Member{{Artifact: key, Role: deminer.RoleAccess, Grade: deminer.Suspected, Findings: []int{2}}}}}}
	tell := func() {
		t.Helper()
		if err := h.agents.tell(t.Context(), "h1", deminer.MessageReport, "", r); err != nil {
			t.Fatal(err)
		}
	}
	tell()
	list, err := h.srv.Reports(t.Context(), "h1", "", 1)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	at := "/scans/h1/" + url.PathEscape(list[0].ID)
	text := b.get(at)
	for _, want := range []string{"For the owner to decide", "a lone sign", "seen in the file", "tested: no package owns it", "/root/.ssh/authorized_keys", "To review", "a faint sign"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not hold %q", want)
		}
	}
	if strings.Contains(text, "told with its incident") {
		t.Error("what belongs to an incident is listed as alone")
	}
	text = b.get("/")
	if strings.Contains(text, calmText) || !strings.Contains(text, "1 host has something for the owner to decide") || !strings.Contains(text, `href="`+at+`"`) {
		t.Errorf("the overview does not lead to what is suspected: %s", text)
	}
	r.Verdict, r.Findings, r.Incidents = deminer.VerdictClean, nil, nil
	r.Mode, r.Snapshot.Taken = "paths", time.Now().Add(-time.Minute)
	tell()
	if strings.Contains(b.get("/"), calmText) {
		t.Error("a look at some paths clears a host")
	}
	r.Mode, r.Snapshot.Taken = "quick", time.Now()
	tell()
	if !strings.Contains(b.get("/"), calmText) {
		t.Error("a later scan that found nothing does not clear the host")
	}
}

// TestMute: a host that never spoke makes the overview no better.
func TestMute(t *testing.T) {
	h := newHouse(t)
	b := h.person(auth.Viewer)
	enroll := func(id string) {
		t.Helper()
		if err := h.db.Enroll(t.Context(), id, id, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	enroll("h2")
	if text := b.get("/"); strings.Contains(text, calmText) || !strings.Contains(text, "1 has not spoken yet.") || strings.Contains(text, `class="number good"`) {
		t.Errorf("a fleet of which nobody spoke: %s", text)
	}
	h.state("h1", "web01")
	text := b.get("/")
	if strings.Contains(text, calmText) || !strings.Contains(text, "1 host watches.") || !strings.Contains(text, "1 has not spoken yet.") {
		t.Errorf("one host watches, one never spoke: %s", text)
	}
	if !strings.Contains(text, "−10</span>hosts that only watch: 1") {
		t.Errorf("a host that never spoke makes the score better: %s", text)
	}
}
